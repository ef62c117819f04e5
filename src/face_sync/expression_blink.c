/* expression_blink.c - see expression_blink.h. One pass over the frames each; allocates nothing. */
#include "face_sync/expression_blink.h"

#include <math.h>

static const double CLOSING_S = 0.08, CLOSED_S = 0.04, OPENING_S = 0.15;
static const double MEAN_S = 3.5, SIGMA = 0.5; /* of the interval, and of its logarithm */
static const double OPEN_MIN_S = 0.6, INTERVAL_MAX_S = 12;
static const float AMPLITUDE_MIN = 0.92f;

static double smooth_step(double x) {
    return x <= 0 ? 0 : x >= 1 ? 1 : x * x * (3 - 2 * x);
}

float stk_blink_shape(double t_s) {
    return (float)(smooth_step(t_s / CLOSING_S) *
                   (1 - smooth_step((t_s - CLOSING_S - CLOSED_S) / OPENING_S)));
}

static double draw_interval(stk_rng *rng, double blink_s) {
    const double z = stk_rng_normal(rng);
    const double s = MEAN_S * exp(SIGMA * z - 0.5 * SIGMA * SIGMA);
    const double least = blink_s + OPEN_MIN_S;
    return s < least ? least : s > INTERVAL_MAX_S ? INTERVAL_MAX_S : s;
}

void stk_blinks_make(uint64_t seed, float *closed, int frames) {
    const double blink_s = CLOSING_S + CLOSED_S + OPENING_S, end_s = (double)frames / STK_FPS;
    stk_rng rng;
    stk_rng_seed(&rng, seed, 0xB11);
    for (int i = 0; i < frames; i++) closed[i] = 0;
    /* The first at any moment of an interval that began before the film did. */
    double at_s = draw_interval(&rng, blink_s) * stk_rng_float(&rng);
    while (at_s < end_s) {
        const float amplitude = AMPLITUDE_MIN + (1 - AMPLITUDE_MIN) * stk_rng_float(&rng);
        for (int i = (int)ceil(at_s * STK_FPS); i < frames && i < (at_s + blink_s) * STK_FPS; i++)
            closed[i] = amplitude * stk_blink_shape((double)i / STK_FPS - at_s);
        at_s += draw_interval(&rng, blink_s);
    }
}

void stk_brows_from_level(float *level, int frames) {
    const float keep = expf(-1.0f / (0.35f * STK_FPS));
    const float quiet = 1e-3f; /* -60 dB */
    const double deviation_min_db = 0.5;
    double sum = 0, squares = 0;
    if (frames < 1) return;
    for (int i = 0; i < frames; i++) level[i] = 20 * log10f(fmaxf(level[i], quiet));
    for (int i = 1; i < frames; i++) level[i] += keep * (level[i - 1] - level[i]);
    for (int i = frames - 2; i >= 0; i--) level[i] += keep * (level[i + 1] - level[i]);
    for (int i = 0; i < frames; i++) sum += level[i];
    const double mean = sum / frames;
    for (int i = 0; i < frames; i++) squares += (level[i] - mean) * (level[i] - mean);
    const double deviation = sqrt(squares / frames);
    for (int i = 0; i < frames; i++)
        level[i] = deviation < deviation_min_db
                       ? 0
                       : stk_clampf((float)((level[i] - mean) / (2 * deviation)), -1, 1);
}
