/* nets.c - the networks of a model as one sealed parameter block.
 *
 * Registration order fixes the layout of the block: the audio net and its attention first
 * (train/step.c hands their gradients to face_sync under the block's own offsets), then the field,
 * then the probe, then the torso branch if there is one.
 */
#include "render/model.h"

#include <math.h>

stk_status stk_nets_init(stk_nets *nets, const stk_model_config *config, int training) {
    *nets = (stk_nets){.config = *config};
    STK_TRY(stk_params_init(&nets->params));
    stk_status status = stk_audio_net_register(&nets->audio, &nets->params, config->audio_kind);
    if (status == STK_OK)
        status = stk_field_register(&nets->field, &nets->params, config->levels, config->exp,
                                    config->code_rows);
    const int weight[2] = {STK_LIPS, STK_AUDIO_CODE}, bias[1] = {STK_LIPS};
    if (status == STK_OK)
        status = stk_params_add(&nets->params, "lip_probe.weight", STK_GROUP_NET, 2, weight,
                                &nets->lip_weight);
    if (status == STK_OK)
        status = stk_params_add(&nets->params, "lip_probe.bias", STK_GROUP_NET, 1, bias,
                                &nets->lip_bias);
    nets->has_torso = config->torso_code_rows > 0;
    if (status == STK_OK && nets->has_torso)
        status = stk_torso_register(&nets->torso, &nets->params, config->torso_code_rows);
    if (status == STK_OK) status = stk_params_seal(&nets->params, training);
    if (status != STK_OK) stk_nets_clear(nets);
    return status;
}

void stk_nets_clear(stk_nets *nets) {
    if (nets == NULL) return;
    stk_params_clear(&nets->params);
    *nets = (stk_nets){0};
}

void stk_nets_randomise(stk_nets *nets, stk_rng *rng) {
    stk_audio_net_init(&nets->audio, &nets->params, rng);
    stk_field_init(&nets->field, &nets->params, rng);
    if (nets->has_torso) stk_torso_init(&nets->torso, &nets->params, rng);
    stk_params_fill_uniform(&nets->params, nets->lip_weight, 1.0f / sqrtf(STK_AUDIO_CODE), rng);
}
