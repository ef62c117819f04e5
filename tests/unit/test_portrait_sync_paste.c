/* Pasting a square back into a frame of another size: the place, the frame's own pixels outside the
 * mask, the frame's borders. */
#include "support.h"
#include "base/image.h"
#include "base/rng.h"
#include "portrait_sync/paste.h"
#include "portrait_sync/portrait.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 48 };

static stk_image noise(int width, int height, int channels, uint64_t seed) {
    stk_image image;
    stk_rng rng;
    stk_rng_seed(&rng, seed, 1);
    TEST_OK(stk_image_init(&image, width, height, channels));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < channels * width; x++)
            stk_image_row(&image, y)[x] = (uint8_t)(stk_rng_float(&rng) * 256);
    return image;
}

/* A disc, soft over some pixels. */
static stk_image disc(float radius) {
    stk_image mask;
    TEST_OK(stk_image_init(&mask, SIDE, SIDE, 1));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float d = hypotf((float)x - 23.5f, (float)y - 23.5f);
            stk_image_row(&mask, y)[x] = (uint8_t)stk_clampf(64 * (radius - d), 0, 255);
        }
    return mask;
}

static void paste_square(const stk_image *square, const stk_image *mask, stk_rect crop,
                         stk_image *frame) {
    stk_paste paste;
    TEST_OK(stk_paste_init(&paste, square->width, square->height, crop));
    uint16_t *scratch = malloc(stk_paste_scratch(&paste) * sizeof *scratch);
    assert_non_null(scratch);
    stk_paste_frame(&paste, square, mask, scratch, frame);
    free(scratch);
    stk_paste_clear(&paste);
}

static void same_size_is_the_portrait_in_its_place(void **state) {
    (void)state;
    stk_image square = noise(SIDE, SIDE, 3, 1), frame = noise(90, 70, 3, 2), mask = disc(15), whole;
    TEST_OK(stk_image_init(&whole, 90, 70, 3));
    stk_image_copy(&whole, &frame);
    const stk_rect crop = {20, 9, 20 + SIDE, 9 + SIDE};
    stk_image behind = stk_image_view(&frame, crop);
    stk_portrait_paste(&square, &mask, &behind); /* what the square shall look like */
    stk_image fresh = noise(SIDE, SIDE, 3, 1);
    paste_square(&fresh, &mask, crop, &whole);
    for (int y = 0; y < 70; y++)
        for (int x = 0; x < 90; x++) {
            const int inside = x >= 20 && x < 20 + SIDE && y >= 9 && y < 9 + SIDE;
            const uint8_t *want = inside ? stk_image_row(&square, y - 9) + 3 * (x - 20)
                                         : stk_image_row(&frame, y) + 3 * x;
            assert_memory_equal(stk_image_row(&whole, y) + 3 * x, want, 3);
        }
    stk_image_clear(&fresh);
    stk_image_clear(&mask);
    stk_image_clear(&whole);
    stk_image_clear(&frame);
    stk_image_clear(&square);
}

/* Twice as large: the square's ramp goes on as a ramp of half the slope, the disc covers twice its
 * radius, and the frame beyond it is untouched. */
static void larger_crop_keeps_place_and_surroundings(void **state) {
    (void)state;
    stk_image square, frame = noise(130, 140, 3, 3), was = noise(130, 140, 3, 3), mask = disc(16);
    TEST_OK(stk_image_init(&square, SIDE, SIDE, 3));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++) stk_image_row(&square, y)[3 * x + c] = (uint8_t)(4 * x + 8);
    paste_square(&square, &mask, (stk_rect){10, 20, 10 + 2 * SIDE, 20 + 2 * SIDE}, &frame);
    int pasted = 0;
    for (int y = 0; y < 140; y++)
        for (int x = 0; x < 130; x++) {
            const float d = hypotf((float)x + 0.5f - 58, (float)y + 0.5f - 68);
            const uint8_t *p = stk_image_row(&frame, y) + 3 * x;
            if (d > 2 * 16 + 4) assert_memory_equal(p, stk_image_row(&was, y) + 3 * x, 3);
            if (d > 2 * 16 - 12) continue;
            const double want = 8 + 4 * ((x + 0.5 - 10) / 2 - 0.5);
            assert_true(fabs(p[0] - want) <= 1);
            pasted++;
        }
    assert_true(pasted > 1000);
    stk_image_clear(&mask);
    stk_image_clear(&was);
    stk_image_clear(&frame);
    stk_image_clear(&square);
}

/* Squares that reach beyond every side of a frame, of many sizes, under the sanitizer. */
static void crop_beyond_the_frame_is_cut_off(void **state) {
    (void)state;
    stk_image square = noise(SIDE, SIDE, 3, 5), mask = noise(SIDE, SIDE, 1, 6);
    const stk_rect crops[] = {{-30, -20, 60, 70}, {20, 10, 200, 190}, {-500, -500, -400, -400},
                              {5, 6, 6, 7},       {3, 3, 20, 15},     {-7, 0, 100, 1000}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(crops); i++) {
        stk_image frame = noise(50, 40, 3, 7);
        paste_square(&square, &mask, crops[i], &frame);
        stk_image_clear(&frame);
    }
    stk_paste paste;
    assert_int_equal(stk_paste_init(&paste, SIDE, SIDE, (stk_rect){4, 4, 4, 9}), STK_ERR_ARGUMENT);
    stk_paste_clear(&paste);
    stk_image_clear(&mask);
    stk_image_clear(&square);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_size_is_the_portrait_in_its_place),
        cmocka_unit_test(larger_crop_keeps_place_and_surroundings),
        cmocka_unit_test(crop_beyond_the_frame_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
