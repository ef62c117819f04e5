/* loss.c - the terms of the published loss of a ray (reference.md 5.2) and their gradients by what
 * compositing gives; then the two sums of them that are used.
 *
 *   (a) L_ray (0.2 + 0.8 clamp((1-f) + f W, 0, 10)), and added to it
 *       0.01 f (r / (2 b^2) + (ln b)^2 / 2) in the face, 0.01 f U outside it
 *   (d) L_ray = mean |c - g|      (e) 1e-4 H2(w)      (f), (g) f 1e-4 (a [outside the lower face]
 *       + e [inside it])          (h) f 1e-5 mean |y(x + d) - y(x)|
 *
 * c the colour over the backdrop, clamped to [0,1] (the clamp stops the gradient), g the target, r
 * their Euclidean distance, w the accumulated weight, H2 its entropy in bits with w clamped to
 * [1e-5, 1-1e-5], a and e the unweighted ambient sums, U the accumulated uncertainty, b = U + 1, W
 * the ray's share in a softmax of U over all rays, times their number; f the fraction of training
 * done. W and r pass no gradient. Every function gives its term and adds scale times its gradient.
 *
 * Two sums of them are in use: that of the published coarse stage, stk_loss_published, and the one
 * without (a), stk_train_ray_loss, of all else. (b) and (c) come through stk_loss_push.
 */
#include "train/internal.h"

#include <math.h>

static const float ENTROPY_WEIGHT = 1e-4f, AMBIENT_WEIGHT = 1e-4f, UNCERTAINTY_WEIGHT = 0.01f;
static const float WEIGHT_EDGE = 1e-5f;

float stk_loss_colour(const stk_ray_target *target, const stk_ray_out *out, float scale,
                      stk_ray_dout *dout, float *distance) {
    float sum = 0, square = 0;
    for (int c = 0; c < 3; c++) {
        float value = out->rgb[c] + (1.0f - out->weight) * target->behind[c];
        float error = stk_clampf(value, 0.0f, 1.0f) - target->rgb[c];
        sum += fabsf(error) / 3.0f;
        square += error * error;
        if (value < 0.0f || value > 1.0f || error == 0.0f) continue;
        float g = error > 0.0f ? scale / 3.0f : -scale / 3.0f;
        dout->rgb[c] += g;
        dout->weight -= g * target->behind[c];
    }
    if (distance != NULL) *distance = sqrtf(square);
    return sum;
}

static float value_of(const stk_ray_target *target, const stk_ray_out *out, int c) {
    return out->rgb[c] + (1.0f - out->weight) * target->behind[c];
}

void stk_loss_shown(const stk_ray_target *target, const stk_ray_out *out, float colour[3]) {
    for (int c = 0; c < 3; c++) colour[c] = stk_clampf(value_of(target, out, c), 0.0f, 1.0f);
}

void stk_loss_push(const stk_ray_target *target, const stk_ray_out *out, const float d[3],
                   stk_ray_dout *dout) {
    for (int c = 0; c < 3; c++) {
        const float value = value_of(target, out, c);
        if (value < 0.0f || value > 1.0f) continue;
        dout->rgb[c] += d[c];
        dout->weight -= d[c] * target->behind[c];
    }
}

float stk_loss_entropy(const stk_ray_out *out, float scale, stk_ray_dout *dout) {
    float w = out->weight;
    if (w > WEIGHT_EDGE && w < 1.0f - WEIGHT_EDGE)
        dout->weight += ENTROPY_WEIGHT * scale * log2f((1.0f - w) / w);
    w = stk_clampf(w, WEIGHT_EDGE, 1.0f - WEIGHT_EDGE);
    return ENTROPY_WEIGHT * (-w * log2f(w) - (1.0f - w) * log2f(1.0f - w));
}

float stk_loss_ambient(const stk_ray_target *target, const stk_ray_out *out, float fraction,
                       float scale, stk_ray_dout *dout) {
    const float ambient = fraction * AMBIENT_WEIGHT;
    if (target->in_low_face)
        dout->amb_exp += ambient * scale;
    else
        dout->amb_aud += ambient * scale;
    return ambient * (target->in_low_face ? out->amb_exp : out->amb_aud);
}

/* --- (a) -------------------------------------------------------------------------------------- */

void stk_loss_shares(int n, const stk_ray_out *rays, float *shares) {
    double sum = 0;
    float largest = -INFINITY;
    for (int i = 0; i < n; i++) largest = fmaxf(largest, rays[i].unc);
    for (int i = 0; i < n; i++) sum += exp((double)(rays[i].unc - largest));
    for (int i = 0; i < n; i++)
        shares[i] = (float)((double)n * exp((double)(rays[i].unc - largest)) / sum);
}

float stk_loss_attention(float share, float fraction) {
    return 0.2f + 0.8f * stk_clampf(1.0f - fraction + fraction * share, 0.0f, 10.0f);
}

float stk_loss_uncertainty(const stk_ray_target *target, const stk_ray_out *out, float distance,
                           float fraction, float scale, stk_ray_dout *dout) {
    const float weight = UNCERTAINTY_WEIGHT * fraction;
    if (!target->in_face) {
        dout->unc += weight * scale;
        return weight * out->unc;
    }
    const float beta = out->unc + 1.0f, log_beta = log1pf(out->unc);
    dout->unc += weight * scale * (log_beta / beta - distance / (beta * beta * beta));
    return weight * (distance / (2.0f * beta * beta) + 0.5f * log_beta * log_beta);
}

/* --- (h) -------------------------------------------------------------------------------------- */

double stk_loss_smoothness(int64_t n, const float *still, const float *moved, double weight,
                           float *dmoved) {
    const float slope = (float)(weight / (double)n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const float difference = moved[i] - still[i];
        sum += (double)fabsf(difference);
        dmoved[i] = difference > 0 ? slope : difference < 0 ? -slope : 0;
    }
    return weight * sum / (double)n;
}

/* --- sums ------------------------------------------------------------------------------------- */

float stk_loss_published(const stk_ray_target *target, const stk_ray_out *out, float share,
                         float fraction, float scale, stk_ray_dout *dout) {
    const float attention = stk_loss_attention(share, fraction);
    float distance;
    *dout = (stk_ray_dout){0};
    float loss = attention * stk_loss_colour(target, out, attention * scale, dout, &distance);
    loss += stk_loss_uncertainty(target, out, distance, fraction, scale, dout);
    loss += stk_loss_entropy(out, scale, dout);
    return loss + stk_loss_ambient(target, out, fraction, scale, dout);
}

stk_ray_target stk_train_target(const stk_ray_pick *pick, const float backdrop[3]) {
    stk_ray_target target = {.in_face = pick->in_face, .in_low_face = pick->in_low_face};
    for (int c = 0; c < 3; c++) {
        target.rgb[c] = (float)pick->target[c] * (1.0f / 255.0f);
        target.behind[c] = backdrop[c];
    }
    return target;
}

stk_ray_loss stk_train_ray_loss(const stk_ray_pick *pick, const float backdrop[3],
                                const stk_ray_out *out, float fraction, float inverse,
                                stk_ray_dout *dout) {
    const stk_ray_target target = stk_train_target(pick, backdrop);
    stk_ray_loss loss;
    *dout = (stk_ray_dout){0};
    loss.colour = stk_loss_colour(&target, out, inverse, dout, NULL);
    loss.total = loss.colour + stk_loss_entropy(out, inverse, dout) +
                 stk_loss_ambient(&target, out, fraction, inverse, dout);
    return loss;
}
