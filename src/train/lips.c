/* lips.c - the audio code must tell the mouth: a linear probe of the code is asked for the frame's
 * mouth blendshapes, and its error flows back into the audio net.
 *
 *   p = W a + b,  L_lips = w / 27 sum_k (p_k - y_k)^2,  y standardised over the training frames
 *
 * DIFFERS from the published system, where a lip-sync discriminator shaped the audio encoder
 * beforehand. Trained by colour alone, the code of a net that starts from nothing stays
 * uninformative for thousands of steps: the colour error of a slightly wrong mouth is small
 * (doc/SPEED.md has the comparison). The probe is used in training only.
 */
#include "train/internal.h"
#include "base/memory.h"

#include <math.h>

static const float LIP_WEIGHT = 0.02f;
static const float LIP_WEIGHT_END = 0.1f; /* of it, at the end of the run */
static const double DEVIATION_MIN = 0.01; /* a coefficient that hardly moves is not amplified */

stk_status stk_train_lips_init(stk_trainer *t) {
    int frames = t->performance.frames, train = t->performance.train_frames;
    const float(*shapes)[STK_BLENDSHAPES] = stk_subject_blendshapes(t->subject);
    t->lip_targets = stk_calloc_aligned((size_t)frames, sizeof *t->lip_targets);
    if (t->lip_targets == NULL) return stk_fail_memory("training");
    for (int k = 0; k < STK_LIPS; k++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < train; i++) {
            double v = (double)shapes[i][STK_LIP_FIRST + k];
            sum += v;
            squares += v * v;
        }
        double mean = sum / train, deviation = sqrt(fmax(squares / train - mean * mean, 0.0));
        if (deviation < DEVIATION_MIN) deviation = DEVIATION_MIN;
        for (int i = 0; i < frames; i++)
            t->lip_targets[i][k] =
                (float)(((double)shapes[i][STK_LIP_FIRST + k] - mean) / deviation);
    }
    return STK_OK;
}

float stk_train_lips(const stk_trainer *t, int slot, float *daudio, float *dweight, float *dbias) {
    const float *code = t->audio_code + (size_t)slot * STK_AUD;
    const float *weight = stk_params_value(&t->nets.params, t->nets.lip_weight);
    const float *bias = stk_params_value(&t->nets.params, t->nets.lip_bias);
    const float *target = t->lip_targets[t->frame_list[slot]];
    float scale =
        LIP_WEIGHT * powf(LIP_WEIGHT_END, (float)t->fraction) / (float)(STK_LIPS * t->plan.slots);
    float loss = 0;
    for (int k = 0; k < STK_LIPS; k++) {
        float error = bias[k] - target[k];
        for (int c = 0; c < STK_AUD; c++) error += weight[k * STK_AUD + c] * code[c];
        loss += error * error;
        float g = 2.0f * scale * error;
        dbias[k] += g;
        for (int c = 0; c < STK_AUD; c++) {
            dweight[k * STK_AUD + c] += g * code[c];
            if (!(t->settings.vary & STK_VARY_PROBE)) daudio[c] += g * weight[k * STK_AUD + c];
        }
    }
    return loss / STK_LIPS;
}
