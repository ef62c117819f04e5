/* score.c - see score.h.
 *
 * Beats are phones that carry stress; pauses are silences of 0.18 s and more. Without
 * phones both come from the loudness in windows of 20 ms: a beat is a window louder than all within
 * 0.2 s of it, and than half of the loud ones; a pause is 0.25 s below a twelfth of the loud ones.
 * One thread; allocates while writing only.
 */
#include "presenter/score.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float DEGREE = 0.017453293f;

typedef struct span {
    double start_s, end_s;
    float weight; /* of a beat: 0.6 stressed, 1 accented */
} span;

/* What the speech offers; beats are spans of no length. */
typedef struct cues {
    span *beats, *pauses;
    int beat_count, pause_count, capacity;
} cues;

/* --- cues from phones ------------------------------------------------------------------------- */

static void add_pause(cues *c, double start_s, double end_s, double least_s) {
    if (end_s - start_s >= least_s) c->pauses[c->pause_count++] = (span){start_s, end_s, 0};
}

static void cues_of_phones(cues *c, const stk_utterance *utterance) {
    double quiet_from = 0;
    for (int i = 0; i < utterance->count; i++) {
        const stk_phone *phone = &utterance->phones[i];
        if (phone->class == STK_PHONE_SILENCE) continue;
        add_pause(c, quiet_from, phone->start_s, 0.18);
        quiet_from = phone->end_s;
        if (phone->stress < 0.5f) continue;
        const double middle_s = 0.5 * ((double)phone->start_s + (double)phone->end_s);
        c->beats[c->beat_count++] = (span){middle_s, middle_s, phone->stress};
    }
    const double end_s = (double)utterance->sound.count / STK_SAMPLE_RATE;
    add_pause(c, quiet_from, end_s, 0.18);
}

/* --- cues from loudness ----------------------------------------------------------------------- */

enum { WINDOW = STK_SAMPLE_RATE / 50, NEAR = 10, QUIET_WINDOWS = 13 };
static const double WINDOW_S = 0.02;

static int ascending(const void *a, const void *b) {
    float x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void measure_loudness(const stk_sound *sound, float *loudness, int windows) {
    for (int w = 0; w < windows; w++) {
        const float *s = sound->samples + (int64_t)w * WINDOW;
        float sum = 0;
        for (int i = 0; i < WINDOW; i++) sum += s[i] * s[i];
        loudness[w] = sqrtf(sum / WINDOW);
    }
}

static int is_peak(const float *loudness, int windows, int w) {
    for (int k = -NEAR; k <= NEAR; k++) {
        const int other = w + k;
        if (k == 0 || other < 0 || other >= windows) continue;
        if (loudness[other] > loudness[w] || (loudness[other] == loudness[w] && k < 0)) return 0;
    }
    return 1;
}

static stk_status cues_of_loudness(cues *c, const stk_sound *sound) {
    const int windows = (int)(sound->count / WINDOW);
    if (windows == 0) return STK_OK;
    float *loudness = stk_calloc_aligned((size_t)windows * 2, sizeof *loudness);
    if (loudness == NULL) return stk_fail_memory("loudness of the sound");
    float *sorted = loudness + windows;
    measure_loudness(sound, loudness, windows);
    memcpy(sorted, loudness, (size_t)windows * sizeof *sorted);
    qsort(sorted, (size_t)windows, sizeof *sorted, ascending);
    const float loud = fmaxf(sorted[windows * 19 / 20], 1e-4f);
    int quiet_from = 0;
    for (int w = 0; w < windows; w++) {
        if (loudness[w] < loud / 12) continue;
        if (w - quiet_from >= QUIET_WINDOWS)
            add_pause(c, quiet_from * WINDOW_S, w * WINDOW_S, QUIET_WINDOWS * WINDOW_S);
        quiet_from = w + 1;
        if (loudness[w] > 0.5f * loud && is_peak(loudness, windows, w))
            c->beats[c->beat_count++] = (span){(w + 0.5) * WINDOW_S, (w + 0.5) * WINDOW_S, 0.8f};
    }
    if (windows - quiet_from >= QUIET_WINDOWS)
        add_pause(c, quiet_from * WINDOW_S, windows * WINDOW_S, QUIET_WINDOWS * WINDOW_S);
    stk_free(loudness);
    return STK_OK;
}

static stk_status find_cues(cues *c, const stk_utterance *utterance) {
    c->capacity = utterance->count + (int)(utterance->sound.count / (WINDOW * 5)) + 8;
    c->beats = stk_calloc_aligned((size_t)c->capacity * 2, sizeof *c->beats);
    if (c->beats == NULL) return stk_fail_memory("plan of the performance");
    c->pauses = c->beats + c->capacity;
    if (utterance->count == 0) return cues_of_loudness(c, &utterance->sound);
    cues_of_phones(c, utterance);
    return STK_OK;
}

/* --- acts ------------------------------------------------------------------------------------- */

static float between(stk_rng *rng, float lo, float hi) {
    return lo + (hi - lo) * stk_rng_float(rng);
}

static void add(stk_score *score, stk_act act) {
    score->acts[score->acts_count++] = act;
}

static void write_nods_and_brows(stk_score *score, const cues *c, stk_rng *rng) {
    double nod_s = -1, brow_s = -1;
    for (int i = 0; i < c->beat_count; i++) {
        const double t = c->beats[i].start_s;
        const float weight = c->beats[i].weight * c->beats[i].weight;
        const float chance_nod = stk_rng_float(rng), chance_brow = stk_rng_float(rng);
        const float deep = between(rng, 2, 4), aside = between(rng, -1, 1);
        const float high = between(rng, 0.2f, 0.7f), lean = between(rng, -0.35f, 0.35f);
        if (t > nod_s + 0.5 && chance_nod < 0.7f * weight) {
            add(score,
                (stk_act){STK_ACT_NOD, t - 0.14, 0.18f, 0, 0.26f, deep * DEGREE, aside * DEGREE});
            nod_s = t;
        }
        if (t > brow_s + 1.1 && chance_brow < 0.45f * weight) {
            add(score, (stk_act){STK_ACT_BROW, t - 0.15, 0.16f, 0.1f + 0.3f * chance_nod, 0.4f,
                                 high, lean});
            brow_s = t + 0.5;
        }
    }
}

static void write_smiles(stk_score *score, const cues *c, double seconds, stk_rng *rng) {
    for (int i = 0; i < c->pause_count; i++) {
        const double length_s = c->pauses[i].end_s - c->pauses[i].start_s;
        const float amount = between(rng, 0.1f, 0.3f), lean = between(rng, -0.25f, 0.25f);
        if (length_s < 0.35) continue;
        add(score, (stk_act){STK_ACT_SMILE, c->pauses[i].start_s - 0.1, 0.35f,
                             (float)fmin(length_s - 0.2, 1.5), 0.5f, amount, lean});
    }
    for (double t = between(rng, 3, 8); t < seconds; t += (double)between(rng, 5, 12))
        add(score, (stk_act){STK_ACT_FROWN, t, 0.25f, 0.7f, 0.4f, between(rng, 0.35f, 0.75f), 0});
}

/* The next pause that begins in [from_s, to_s), -1 if none. */
static double pause_between(const cues *c, double from_s, double to_s) {
    for (int i = 0; i < c->pause_count; i++)
        if (c->pauses[i].start_s >= from_s && c->pauses[i].start_s < to_s)
            return c->pauses[i].start_s;
    return -1;
}

static void write_blinks(stk_score *score, const cues *c, double seconds, stk_rng *rng) {
    for (double t = between(rng, 0.6f, 2.5f); t < seconds;) {
        const float amount = stk_rng_float(rng) < 0.06f ? 0.55f : 1.0f;
        add(score, (stk_act){STK_ACT_BLINK, t, 0.12f, 0.02f, 0.18f, amount, 0});
        const double next_s = t + (double)between(rng, 2, 6);
        const double pause_s = pause_between(c, t + 1.0, next_s);
        t = pause_s >= 0 && stk_rng_float(rng) < 0.7f ? pause_s + 0.05 : next_s;
    }
}

static void write_gaze(stk_score *score, double seconds, stk_rng *rng) {
    double t = 0;
    while (t < seconds) {
        const int away = stk_rng_float(rng) < 0.3f && score->fixations_count > 0;
        const float yaw = between(rng, -1, 1), pitch = between(rng, -1, 1);
        score->fixations[score->fixations_count++] = (stk_fixation){
            t, (away ? 11.0f : 1.3f) * yaw * DEGREE, (away ? 6.0f : 0.9f) * pitch * DEGREE};
        t += (double)(away ? between(rng, 0.4f, 1.1f) : between(rng, 0.7f, 3.0f));
    }
}

stk_status stk_score_write(stk_score *score, int seed, double seconds,
                           const stk_utterance *utterance) {
    cues c = {0};
    *score = (stk_score){0};
    stk_status status = find_cues(&c, utterance);
    if (status == STK_OK) {
        const size_t acts =
            (size_t)(2 * c.beat_count + c.pause_count) + (size_t)(seconds * 1.5) + 8;
        const size_t fixations = (size_t)(seconds * 2.5) + 8;
        score->acts = stk_calloc_aligned(acts, sizeof *score->acts);
        score->fixations = stk_calloc_aligned(fixations, sizeof *score->fixations);
        if (score->acts == NULL || score->fixations == NULL)
            status = stk_fail_memory("plan of the performance");
    }
    if (status == STK_OK) {
        stk_rng rng;
        stk_rng_seed(&rng, (uint64_t)seed, 0x5c03e);
        write_nods_and_brows(score, &c, &rng);
        write_smiles(score, &c, seconds, &rng);
        write_blinks(score, &c, seconds, &rng);
        write_gaze(score, seconds, &rng);
    } else {
        stk_score_clear(score);
    }
    stk_free(c.beats);
    return status;
}

void stk_score_clear(stk_score *score) {
    stk_free(score->acts);
    stk_free(score->fixations);
    *score = (stk_score){0};
}

static float ease(float t) {
    t = stk_clampf(t, 0, 1);
    return t * t * t * (t * (t * 6 - 15) + 10);
}

float stk_act_strength(const stk_act *act, double time_s) {
    const float t = (float)(time_s - act->start_s);
    if (t <= 0 || t >= act->rise_s + act->hold_s + act->fall_s) return 0;
    if (t < act->rise_s) return ease(t / act->rise_s);
    return 1 - ease((t - act->rise_s - act->hold_s) / act->fall_s);
}
