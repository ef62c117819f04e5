/* loss.c - the loss of one ray (reference.md 5.2, without the uncertainty term and the smoothness
 * probe) and its gradient by what compositing gives:
 *
 *   mean |c - g|  +  1e-4 H2(w)  +  f 1e-4 (a [outside the lower face] + e [inside it])
 *
 * c the colour over the backdrop, clamped to [0,1] (the clamp stops the gradient), g the target, w
 * the accumulated weight, H2 its entropy in bits with w clamped to [1e-5, 1-1e-5], a and e the
 * unweighted ambient sums, f the fraction of training done.
 */
#include "train/internal.h"

#include <math.h>

static const float ENTROPY_WEIGHT = 1e-4f, AMBIENT_WEIGHT = 1e-4f;
static const float WEIGHT_EDGE = 1e-5f;

static float entropy_bits(float w) {
    w = stk_clampf(w, WEIGHT_EDGE, 1.0f - WEIGHT_EDGE);
    return -w * log2f(w) - (1.0f - w) * log2f(1.0f - w);
}

stk_ray_loss stk_train_ray_loss(const stk_ray_pick *pick, const float backdrop[3],
                                const stk_ray_out *out, float fraction, float inverse,
                                stk_ray_dout *dout) {
    stk_ray_loss loss = {0};
    *dout = (stk_ray_dout){0};
    for (int c = 0; c < 3; c++) {
        float value = out->rgb[c] + (1.0f - out->weight) * backdrop[c];
        float error = stk_clampf(value, 0.0f, 1.0f) - (float)pick->target[c] * (1.0f / 255.0f);
        loss.colour += fabsf(error) / 3.0f;
        if (value < 0.0f || value > 1.0f || error == 0.0f) continue;
        float g = error > 0.0f ? inverse / 3.0f : -inverse / 3.0f;
        dout->rgb[c] = g;
        dout->weight -= g * backdrop[c];
    }
    float w = out->weight;
    if (w > WEIGHT_EDGE && w < 1.0f - WEIGHT_EDGE)
        dout->weight += ENTROPY_WEIGHT * inverse * log2f((1.0f - w) / w);
    float ambient = fraction * AMBIENT_WEIGHT;
    dout->amb_aud = pick->in_low_face ? 0.0f : ambient * inverse;
    dout->amb_exp = pick->in_low_face ? ambient * inverse : 0.0f;
    loss.total = loss.colour + ENTROPY_WEIGHT * entropy_bits(w) +
                 ambient * (pick->in_low_face ? out->amb_exp : out->amb_aud);
    return loss;
}
