/* test_subject_sync.c - sync is found where lips and sound were put: late, early, over cuts; it is
 * not claimed where they have nothing to do with each other. */
#include "support.h"

#include "base/memory.h"
#include "base/rng.h"
#include "subject/speech.h"
#include "subject/sync.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 500, BINS = 80 };

/* A clip in memory; lips[i] drives the opening of frame i and the level late frames later. */
typedef struct clip {
    stk_speech speech;
    uint8_t state[FRAMES];
    int take[FRAMES];
    float opening[FRAMES];
    float mel[BINS * (FRAMES * 16 / 5 + 1)];
} clip;

/* Syllables: smoothed noise, about four a second. */
static void make_lips(float *lips, uint64_t seed) {
    float noise[FRAMES];
    stk_rng rng;
    stk_rng_seed(&rng, seed, 1);
    for (int i = 0; i < FRAMES; i++) noise[i] = stk_rng_normal(&rng);
    for (int i = 0; i < FRAMES; i++) {
        lips[i] = 0;
        for (int k = -4; k <= 4; k++) {
            const float w = expf(-0.5f * (float)(k * k) / 2.25f);
            lips[i] += w * noise[(i + k + FRAMES) % FRAMES];
        }
    }
}

/* lips at a time between frames */
static float at(const float *lips, double frame) {
    const double left = floor(frame), part = frame - left;
    const int i = stk_clampi((int)left, 0, FRAMES - 1), j = stk_clampi(i + 1, 0, FRAMES - 1);
    return (float)((1 - part) * (double)lips[i] + part * (double)lips[j]);
}

static clip *make_clip(double late_frames, int related) {
    float lips[FRAMES], voice[FRAMES];
    clip *c = stk_calloc_aligned(1, sizeof *c);
    assert_non_null(c);
    make_lips(lips, 5);
    make_lips(voice, related ? 5 : 6);
    c->speech = (stk_speech){.frames = FRAMES,
                             .state = c->state,
                             .take = c->take,
                             .opening = c->opening,
                             .mel = c->mel,
                             .columns = FRAMES * 16 / 5 + 1};
    for (int i = 0; i < FRAMES; i++) {
        c->state[i] = STK_SPEECH_FACE;
        c->opening[i] = 0.2f + 0.03f * lips[i];
    }
    for (int k = 0; k < c->speech.columns; k++) {
        /* the middle of the 40 ms that belong to a frame is half a frame later */
        const float v = at(voice, k / 3.2 - 0.5 - late_frames);
        for (int b = 0; b < BINS; b++) c->mel[b * c->speech.columns + k] = -1 + 0.4f * v;
    }
    return c;
}

static void measure_moved_sound_is_found(void **state) {
    (void)state;
    const double late[] = {-9.5, -3, 0, 1.5, 5, 12};
    for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
        clip *c = make_clip(late[i], 1);
        stk_sync_report sync;
        TEST_OK(stk_sync_measure(&c->speech, NULL, NULL, &sync));
        const stk_sync_figure *f = &sync.by[sync.chosen];
        assert_string_equal(f->measure, "lips");
        /* its zero is that of real speakers: a quarter of a frame from this one */
        assert_float_equal(f->offset_frames, late[i] + 0.25, 0.3);
        assert_float_equal(f->offset_ms, 40 * f->offset_frames, 1e-9);
        assert_true(f->confidence > 0.9);
        stk_free(c);
    }
}

static void measure_foreign_sound_is_not_sure(void **state) {
    (void)state;
    clip *c = make_clip(0, 0);
    stk_sync_report sync;
    TEST_OK(stk_sync_measure(&c->speech, NULL, NULL, &sync));
    assert_true(sync.by[sync.chosen].confidence < STK_SYNC_SURE);
    stk_free(c);
}

static void measure_short_take_is_refused(void **state) {
    (void)state;
    clip *c = make_clip(0, 1);
    stk_sync_report sync;
    for (int i = 0; i < FRAMES; i++) c->take[i] = i / 50;
    assert_int_equal(stk_sync_measure(&c->speech, NULL, NULL, &sync), STK_ERR_CONTENT);
    for (int i = 0; i < FRAMES; i++) c->take[i] = 0;
    for (int i = 0; i < FRAMES; i++) c->state[i] = STK_SPEECH_NONE;
    assert_int_equal(stk_sync_measure(&c->speech, NULL, NULL, &sync), STK_ERR_CONTENT);
    stk_free(c);
}

static void windows_stay_within_takes(void **state) {
    (void)state;
    clip *c = make_clip(0, 1);
    stk_sync_window windows[FRAMES];
    for (int i = 170; i < FRAMES; i++) c->take[i] = 1;
    for (int i = 300; i < 320; i++) c->state[i] = STK_SPEECH_NONE;
    const int n = stk_sync_windows(&c->speech, windows, FRAMES);
    assert_true(n >= 6);
    for (int w = 0; w < n; w++) {
        const int first = windows[w].first, last = first + windows[w].count - 1;
        int missing = 0;
        assert_true(first >= STK_SYNC_REACH && last + STK_SYNC_REACH < FRAMES);
        assert_int_equal(c->take[first - STK_SYNC_REACH], c->take[last + STK_SYNC_REACH]);
        assert_in_range(windows[w].count, 25, STK_SYNC_WINDOW);
        for (int i = first; i <= last; i++) missing += c->state[i] == STK_SPEECH_NONE;
        assert_true(missing * 10 <= windows[w].count);
    }
    assert_int_equal(stk_sync_windows(&c->speech, windows, 3), 3);
    stk_free(c);
}

/* A measure from elsewhere: chosen when it is surer, its bias taken off. */
static void add_sharp_measure_is_chosen(void **state) {
    (void)state;
    clip *c = make_clip(0, 0);
    stk_sync_report sync;
    TEST_OK(stk_sync_measure(&c->speech, NULL, NULL, &sync));
    double(*fit)[STK_SYNC_SHIFTS] = stk_calloc_aligned((size_t)sync.windows, sizeof *fit);
    for (int w = 0; w < sync.windows; w++)
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) {
            const double d = k - STK_SYNC_REACH - 3.3;
            fit[w][k] = -d * d / (1 + 0.1 * d * d);
        }
    stk_sync_add(&sync, "ours", (const double(*)[STK_SYNC_SHIFTS])fit, 1, 1);
    assert_string_equal(sync.by[sync.chosen].measure, "ours");
    assert_float_equal(sync.by[sync.chosen].offset_frames, 2.3, 0.1);
    assert_true(sync.by[sync.chosen].confidence > STK_SYNC_SURE);
    stk_free(fit);
    stk_free(c);
}

/* The discriminator's word counts where it is sure, also against one that is surer; where it is
 * not, it is one of several. */
static void add_discriminator_decides_where_it_is_sure(void **state) {
    (void)state;
    double fit[3][STK_SYNC_SHIFTS];
    for (int sure = 0; sure < 2; sure++) {
        stk_sync_report sync = {.windows = 3};
        for (int measure = 0; measure < 2; measure++) {
            for (int i = 0; i < 3 * STK_SYNC_SHIFTS; i++) {
                const double d = i % STK_SYNC_SHIFTS - STK_SYNC_REACH - 4 * measure;
                fit[i / STK_SYNC_SHIFTS][i % STK_SYNC_SHIFTS] = -d * d / (1 + 0.1 * d * d);
            }
            stk_sync_add(&sync, measure == 0 ? STK_SYNC_DISCRIMINATOR : "lips",
                         (const double(*)[STK_SYNC_SHIFTS])fit, 0,
                         measure == 1 ? 1
                         : sure       ? 0.95
                                      : 0.7);
        }
        assert_true(sync.by[1].confidence > sync.by[0].confidence);
        assert_true((sync.by[0].confidence >= STK_SYNC_SURE) == sure);
        assert_int_equal(sync.chosen, sure ? 0 : 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measure_moved_sound_is_found),
        cmocka_unit_test(measure_foreign_sound_is_not_sure),
        cmocka_unit_test(measure_short_take_is_refused),
        cmocka_unit_test(windows_stay_within_takes),
        cmocka_unit_test(add_sharp_measure_is_chosen),
        cmocka_unit_test(add_discriminator_decides_where_it_is_sure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
