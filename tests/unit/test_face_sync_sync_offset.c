/* test_face_sync_sync_offset.c - offsets found in codes whose true offset is known. */
#include "support.h"
#include "base/memory.h"
#include "base/rng.h"
#include "face_sync/sync_nets.h"
#include "face_sync/sync_offset.h"

#include <math.h>

enum { FRAMES = 80, D = STK_SYNC_CODE };

typedef struct clip {
    float lips[FRAMES * D], sound[FRAMES * D], distances[FRAMES * STK_OFFSETS];
    uint8_t has[FRAMES];
} clip;

/* Lips of frame f are the sound of frame f + late, and noise as loud. */
static void make(clip *c, int late) {
    stk_rng rng;
    stk_rng_seed(&rng, 9, 0);
    for (int f = 0; f < FRAMES; f++) {
        float code[D];
        for (int k = 0; k < D; k++) code[k] = fabsf(stk_rng_normal(&rng));
        stk_sync_unit(code, c->sound + f * D);
        c->has[f] = STK_HAS_SOUND | STK_HAS_LIPS;
    }
    for (int f = 0; f < FRAMES; f++) {
        float code[D];
        const int from = f + late;
        for (int k = 0; k < D; k++) {
            code[k] = 0.04f * fabsf(stk_rng_normal(&rng));
            if (from >= 0 && from < FRAMES) code[k] += c->sound[from * D + k];
        }
        stk_sync_unit(code, c->lips + f * D);
    }
}

static int find(clip *c, int least, int *offset, double *confidence) {
    for (int f = 0; f < FRAMES; f++)
        stk_sync_distances(FRAMES, c->lips, c->sound, c->has, f, c->distances + f * STK_OFFSETS);
    return stk_sync_offset_find(c->distances, 0, FRAMES, least, offset, confidence);
}

static void find_late_and_early_sound_gives_its_offset(void **state) {
    static clip c;
    static const int offsets[] = {0, 4, -7, 15, -15};
    int offset;
    double confidence;
    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        make(&c, offsets[i]);
        assert_int_equal(find(&c, 20, &offset, &confidence), 1);
        assert_int_equal(offset, offsets[i]);
        assert_true(confidence > 0.2);
    }
}

static void find_frames_without_lips_take_no_part(void **state) {
    static clip c;
    int offset;
    double confidence;
    (void)state;
    make(&c, 3);
    for (int f = 30; f < 45; f++) { /* something else there, which must not count */
        for (int k = 0; k < D; k++) c.lips[f * D + k] = c.sound[(f - 5) * D + k];
        c.has[f] = STK_HAS_SOUND;
    }
    assert_int_equal(find(&c, 20, &offset, &confidence), 1);
    assert_int_equal(offset, 3);
    assert_true(c.distances[35 * STK_OFFSETS] < 0);
    for (int f = 0; f < FRAMES; f++) c.has[f] = STK_HAS_SOUND;
    assert_int_equal(find(&c, 20, &offset, &confidence), 0);
}

static void find_too_few_frames_gives_none(void **state) {
    static clip c;
    int offset;
    double confidence;
    (void)state;
    make(&c, 0);
    /* of 80 frames 50 have sound at all offsets */
    assert_int_equal(find(&c, 51, &offset, &confidence), 0);
    assert_int_equal(find(&c, 50, &offset, &confidence), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_late_and_early_sound_gives_its_offset),
        cmocka_unit_test(find_frames_without_lips_take_no_part),
        cmocka_unit_test(find_too_few_frames_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
