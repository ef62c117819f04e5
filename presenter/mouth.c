/* mouth.c - phones with times to jaw and lip blendshapes at any frame rate.
 *
 *   phones -> for each frame time t, per group of parts (jaw, rounding, spreading, lips):
 *       part(t) = sum_s D_s(t) target[class_s] gain_s / sum_s D_s(t)
 *       D_s(t)  = alpha[class_s] exp(2 - 2 sqrt(1 + (d / sigma)^2))        [Cohen & Massaro 1993]
 *   with d the distance of t from the phone's core (its middle third; all but the edges of a
 *   silence) and, for the lips, sigma longer before the core than after: they prepare what comes.
 *   Rounding reaches farthest and consonants hardly resist it, so it spreads over them.
 *   closure(t), bite(t): 1 in the core of p b m, of f v, with raised-cosine flanks; applied last,
 *   so that no blending can keep the lips from meeting. The frame nearest a core's middle gets 1
 *   even if none falls into the core: at 25 frames a second a closure may be shorter than one.
 *
 * Values are those seen in captures of people talking (jawOpen 0.1-0.2 mostly, 0.45 on a stressed
 * open vowel). Amplitudes drift slowly, left and right a little apart. Any thread.
 *
 * DIFFERS from Cohen & Massaro: flanks exponential far out but round at the top, and a core of
 * dominance 1: theirs has a corner at each phone's centre, which a renderer shows as a twitch.
 */
#include "presenter/mouth.h"

#include <math.h>
#include <stdlib.h>

/* Blendshape numbers (reference.md 8.1). */
enum {
    JAW_OPEN = 24,
    CLOSE = 26,
    FUNNEL = 31,
    LOWER_DOWN = 33,
    PRESS = 35,
    PUCKER = 37,
    ROLL_LOWER = 39,
    ROLL_UPPER = 40,
    SHRUG_LOWER = 41,
    SHRUG_UPPER = 42,
    SMILE = 43,
    STRETCH = 45,
    UPPER_UP = 47,
};

typedef enum group { GROUP_JAW, GROUP_ROUND, GROUP_SPREAD, GROUP_LIPS, GROUPS } group;

static const group group_of[STK_MOUTH_PARTS] = {
    [STK_MOUTH_JAW] = GROUP_JAW,          [STK_MOUTH_FUNNEL] = GROUP_ROUND,
    [STK_MOUTH_PUCKER] = GROUP_ROUND,     [STK_MOUTH_STRETCH] = GROUP_SPREAD,
    [STK_MOUTH_SMILE] = GROUP_SPREAD,     [STK_MOUTH_LOWER_DOWN] = GROUP_LIPS,
    [STK_MOUTH_UPPER_UP] = GROUP_LIPS,    [STK_MOUTH_ROLL_LOWER] = GROUP_LIPS,
    [STK_MOUTH_ROLL_UPPER] = GROUP_LIPS,  [STK_MOUTH_PRESS] = GROUP_LIPS,
    [STK_MOUTH_SHRUG_LOWER] = GROUP_LIPS, [STK_MOUTH_SHRUG_UPPER] = GROUP_LIPS,
};

typedef struct viseme {
    float target[STK_MOUTH_PARTS];
    float alpha[GROUPS]; /* resistance to the neighbours */
} viseme;

/* Columns: jaw, funnel, pucker, stretch, smile, lower lip down, upper lip up, lower and upper lip
 * rolled in, pressed, lower and upper lip shrugged; then alpha of jaw, round, spread, lips. */
static const viseme visemes[STK_PHONE_CLASSES] = {
    [STK_PHONE_SILENCE] = {{0}, {0.8f, 1.2f, 0.9f, 0.8f}},
    [STK_PHONE_AA] = {{.36f, .05f, 0, .05f, 0, .20f, .10f}, {1.2f, .6f, .6f, 1}},
    [STK_PHONE_AE] = {{.28f, 0, 0, .20f, .07f, .26f, .15f}, {1.1f, .7f, .9f, 1}},
    [STK_PHONE_AH] = {{.16f, .03f, 0, .06f, 0, .15f, .07f}, {.7f, .35f, .4f, .6f}},
    [STK_PHONE_EH] = {{.20f, 0, 0, .17f, .07f, .22f, .12f}, {1, .6f, .8f, .9f}},
    [STK_PHONE_IY] = {{.09f, 0, 0, .27f, .13f, .20f, .09f}, {.9f, .8f, 1, .9f}},
    [STK_PHONE_OW] = {{.19f, .26f, .34f, 0, 0, .08f, .04f}, {1, 1, .8f, .8f}},
    [STK_PHONE_UW] = {{.07f, .14f, .60f, 0, 0, .04f, .02f}, {.9f, 1.1f, .9f, .8f}},
    [STK_PHONE_ER] = {{.11f, .18f, .20f, 0, 0, .12f, .07f}, {.9f, .7f, .6f, .8f}},
    [STK_PHONE_Y_ROUND] = {{.07f, .18f, .55f, 0, 0, .06f, .03f}, {.9f, 1.1f, .9f, .8f}},
    [STK_PHONE_PBM] = {{.04f, 0, .04f, 0, 0, 0, 0, .12f, .10f, .18f, .08f, .05f},
                       {.7f, .08f, .2f, 1.6f}},
    [STK_PHONE_FV] = {{.04f, .03f, 0, .05f, 0, .05f, .14f, .36f, 0, 0, .10f, 0},
                      {.9f, .2f, .3f, 1.6f}},
    [STK_PHONE_TH] = {{.10f, 0, 0, .08f, .02f, .17f, .08f}, {.7f, .2f, .3f, .6f}},
    [STK_PHONE_TDN] = {{.075f, .02f, 0, .08f, .02f, .16f, .06f}, {.6f, .12f, .2f, .4f}},
    [STK_PHONE_L] = {{.12f, .03f, 0, .06f, 0, .15f, .06f}, {.5f, .12f, .2f, .4f}},
    [STK_PHONE_SZ] = {{.035f, .02f, 0, .18f, .05f, .24f, .11f}, {1, .2f, .5f, .7f}},
    [STK_PHONE_SH] = {{.05f, .28f, .26f, 0, 0, .16f, .12f}, {.9f, .9f, .8f, .8f}},
    [STK_PHONE_KG] = {{.10f, 0, 0, .05f, 0, .14f, .06f}, {.3f, .06f, .1f, .25f}},
    [STK_PHONE_R] = {{.08f, .16f, .24f, 0, 0, .10f, .06f}, {.5f, .6f, .4f, .5f}},
    [STK_PHONE_W] = {{.04f, .10f, .68f, 0, 0, .02f, 0}, {.8f, 1.3f, 1, .9f}},
    [STK_PHONE_H] = {{.15f, 0, 0, .04f, 0, .14f, .06f}, {.15f, .04f, .06f, .12f}},
};

/* Reach of a phone before and after its core, s. */
static const double SIGMA_BEFORE_S[GROUPS] = {0.045, 0.100, 0.070, 0.050};
static const double SIGMA_AFTER_S[GROUPS] = {0.055, 0.070, 0.060, 0.050};
static const double REACH_S = 0.60; /* where the longest flank is below 1e-4 */

/* Cores of closures and bites as shares of the phone, and their flanks. */
static const double CORE_FROM = 0.20, CORE_TO = 0.72;
static const double FLANK_BEFORE_S = 0.060, FLANK_AFTER_S = 0.055;

/* --- slow variation ------------------------------------------------------------------------------
 */

/* -1 .. 1, of the time alone: three tones without a common period below minutes. */
static double drift(double t, double phase) {
    return 0.5 * sin(2 * M_PI * 0.113 * t + phase) + 0.3 * sin(2 * M_PI * 0.287 * t + 2.1 * phase) +
           0.2 * sin(2 * M_PI * 0.619 * t + 3.7 * phase);
}

/* --- phones to moments --------------------------------------------------------------------------
 */

/* Edges of the phone's core. A silence relaxes within 0.1 s and ends 0.08 s before the next sound:
 * lips part for it in advance. */
static void core_of(const stk_phone *phone, double *from, double *to) {
    const double start = (double)phone->start_s, end = (double)phone->end_s, d = end - start;
    const int silent = phone->class == STK_PHONE_SILENCE;
    *from = start + (silent ? fmin(0.10, 0.45 * d) : 0.33 * d);
    *to = end - (silent ? fmin(0.08, 0.4 * d) : 0.33 * d);
}

static int is_vowel(stk_phone_class class) {
    return class >= STK_PHONE_AA && class <= STK_PHONE_Y_ROUND;
}

static double gain_of(const stk_phone *phone) {
    return is_vowel(phone->class) ? 0.82 + 0.36 * (double)phone->stress : 1;
}

typedef struct blend {
    double sum[STK_MOUTH_PARTS], weight[GROUPS];
} blend;

static void add_phone(const stk_phone *phone, double t, blend *b) {
    const viseme *v = &visemes[phone->class];
    const double gain = gain_of(phone);
    double from, to;
    core_of(phone, &from, &to);
    const double before = t < from ? from - t : 0, after = t > to ? t - to : 0;
    double dominance[GROUPS];
    for (int g = 0; g < GROUPS; g++) {
        const double x = before / SIGMA_BEFORE_S[g] + after / SIGMA_AFTER_S[g];
        dominance[g] = (double)v->alpha[g] * exp(2 - 2 * sqrt(1 + x * x));
        b->weight[g] += dominance[g];
    }
    for (int p = 0; p < STK_MOUTH_PARTS; p++)
        b->sum[p] += dominance[group_of[p]] * gain * (double)v->target[p];
}

/* 1 in the core, 0 beyond the flanks. */
static double contact(const stk_phone *phone, double t) {
    const double start = (double)phone->start_s, d = (double)phone->end_s - start;
    const double before = start + CORE_FROM * d - t, after = t - (start + CORE_TO * d);
    const double x = before > 0 ? before / FLANK_BEFORE_S : after > 0 ? after / FLANK_AFTER_S : 0;
    return x >= 1 ? 0 : 0.5 + 0.5 * cos(M_PI * x);
}

static int nearest_frame(const stk_phone *phone, double fps) {
    const double d = (double)phone->end_s - (double)phone->start_s;
    return (int)lround(((double)phone->start_s + 0.5 * (CORE_FROM + CORE_TO) * d) * fps);
}

/* first: a phone within reach of t or any earlier one. */
static void moment_at(const stk_utterance *utterance, int first, double fps, int frame,
                      stk_mouth_moment *moment) {
    const double t = frame / fps;
    blend b = {.weight = {1e-9, 1e-9, 1e-9, 1e-9}};
    double closure = 0, bite = 0;
    for (int i = first; i < utterance->count; i++) {
        const stk_phone *phone = &utterance->phones[i];
        if ((double)phone->start_s > t + REACH_S) break;
        add_phone(phone, t, &b);
        if (phone->class != STK_PHONE_PBM && phone->class != STK_PHONE_FV) continue;
        const double c = nearest_frame(phone, fps) == frame ? 1 : contact(phone, t);
        double *to = phone->class == STK_PHONE_PBM ? &closure : &bite;
        if (c > *to) *to = c;
    }
    const double loud = 1 + 0.10 * drift(t, 0.4);
    for (int p = 0; p < STK_MOUTH_PARTS; p++)
        moment->part[p] = (float)(loud * b.sum[p] / b.weight[group_of[p]]);
    moment->closure = (float)closure;
    moment->bite = (float)bite;
}

static void track_phones(const stk_utterance *utterance, double fps, int frames,
                         stk_mouth_moment *moments) {
    int first = 0;
    for (int i = 0; i < frames; i++) {
        while (first + 1 < utterance->count &&
               (double)utterance->phones[first].end_s < i / fps - REACH_S)
            first++;
        moment_at(utterance, first, fps, i, &moments[i]);
    }
}

/* --- moments to blendshapes ----------------------------------------------------------------------
 */

static void lean(float *part, float to, float share) {
    *part += (to - *part) * share;
}

/* The lower lip under the upper teeth: jaw nearly shut, lower lip in, upper lip off it. */
static void apply_bite(stk_mouth_moment *m) {
    const float w = m->bite, jaw = m->part[STK_MOUTH_JAW];
    lean(&m->part[STK_MOUTH_JAW], fminf(jaw, 0.025f + 0.08f * jaw), w);
    lean(&m->part[STK_MOUTH_LOWER_DOWN], 0.03f, w);
    lean(&m->part[STK_MOUTH_UPPER_UP], 0.16f, w);
    lean(&m->part[STK_MOUTH_ROLL_LOWER], 0.38f, w);
    lean(&m->part[STK_MOUTH_FUNNEL], 0.3f * m->part[STK_MOUTH_FUNNEL], w);
    lean(&m->part[STK_MOUTH_PUCKER], 0.5f * m->part[STK_MOUTH_PUCKER], w);
}

/* The lips together; returns mouthClose. At closure 1 it equals jawOpen: no opening is left. */
static float apply_closure(stk_mouth_moment *m) {
    const float w = m->closure, jaw = m->part[STK_MOUTH_JAW];
    lean(&m->part[STK_MOUTH_JAW], fminf(jaw, 0.03f + 0.2f * jaw), w);
    lean(&m->part[STK_MOUTH_LOWER_DOWN], 0, w);
    lean(&m->part[STK_MOUTH_UPPER_UP], 0, w);
    lean(&m->part[STK_MOUTH_FUNNEL], 0.2f * m->part[STK_MOUTH_FUNNEL], w);
    lean(&m->part[STK_MOUTH_ROLL_LOWER], 0.12f, w);
    lean(&m->part[STK_MOUTH_ROLL_UPPER], 0.10f, w);
    lean(&m->part[STK_MOUTH_PRESS], 0.18f, w);
    return w * m->part[STK_MOUTH_JAW];
}

static float bounded(float v) {
    return v < 1e-4f ? 0 : v > 1 ? 1 : v;
}

static void set_pair(float *shapes, int left, float v, float skew) {
    shapes[left] = bounded(v * (1 + skew));
    shapes[left + 1] = bounded(v * (1 - skew));
}

static void write_shapes(stk_mouth_moment *m, double t, float shapes[STK_BLENDSHAPES]) {
    apply_bite(m);
    const float close = apply_closure(m);
    const float skew = (float)(0.06 * drift(t, 1.9));
    shapes[JAW_OPEN] = bounded(m->part[STK_MOUTH_JAW]);
    shapes[CLOSE] = bounded(close);
    shapes[FUNNEL] = bounded(m->part[STK_MOUTH_FUNNEL]);
    shapes[PUCKER] = bounded(m->part[STK_MOUTH_PUCKER]);
    shapes[ROLL_LOWER] = bounded(m->part[STK_MOUTH_ROLL_LOWER]);
    shapes[ROLL_UPPER] = bounded(m->part[STK_MOUTH_ROLL_UPPER]);
    shapes[SHRUG_LOWER] = bounded(m->part[STK_MOUTH_SHRUG_LOWER]);
    shapes[SHRUG_UPPER] = bounded(m->part[STK_MOUTH_SHRUG_UPPER]);
    set_pair(shapes, STRETCH, m->part[STK_MOUTH_STRETCH], skew);
    set_pair(shapes, SMILE, m->part[STK_MOUTH_SMILE], skew);
    set_pair(shapes, LOWER_DOWN, m->part[STK_MOUTH_LOWER_DOWN], skew);
    set_pair(shapes, UPPER_UP, m->part[STK_MOUTH_UPPER_UP], -skew);
    set_pair(shapes, PRESS, m->part[STK_MOUTH_PRESS], 0);
}

stk_status stk_mouth_track(const stk_utterance *utterance, double fps, int frames,
                           float (*shapes)[STK_BLENDSHAPES]) {
    if (!(fps >= 1 && fps <= 1000) || frames < 0)
        return stk_fail(STK_ERR_ARGUMENT, "mouth shapes: %d frames at %g a second", frames, fps);
    stk_mouth_moment *moments = calloc((size_t)frames + 1, sizeof *moments);
    if (moments == NULL) return stk_fail_memory("mouth shapes");
    stk_status status = STK_OK;
    if (utterance->count > 0)
        track_phones(utterance, fps, frames, moments);
    else
        status = stk_mouth_loudness(&utterance->sound, fps, frames, moments);
    for (int i = 0; status == STK_OK && i < frames; i++)
        write_shapes(&moments[i], i / fps, shapes[i]);
    free(moments);
    return status;
}
