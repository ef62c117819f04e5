/* Cutting out: a person mixed into a known plate with known shares comes out again, shares and
 * colours, hair beyond the border included; where nothing tells, the border falls softly. */
#include "support.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "portrait_sync/matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 256 };
static stk_image picture, labels, plate, alpha;
static float truth[SIDE][SIDE];
static void *scratch;
static const uint8_t PERSON[3] = {210, 120, 90};

static int make(void **state) {
    (void)state;
    TEST_OK(stk_image_init(&picture, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    TEST_OK(stk_image_init(&plate, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&alpha, SIDE, SIDE, 1));
    scratch = stk_calloc_aligned(1, stk_matte_scratch_bytes(SIDE, SIDE));
    assert_non_null(scratch);
    return 0;
}

static int drop(void **state) {
    (void)state;
    stk_free(scratch);
    stk_image_clear(&picture);
    stk_image_clear(&labels);
    stk_image_clear(&plate);
    stk_image_clear(&alpha);
    return 0;
}

/* A disc of radius 70 whose rim is soft over `soft` px, before a plate of vertical stripes of two
 * dark colours (or of the person's own); the labels' border is half a pixel off. */
static void draw(float soft, int alike) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float d = hypotf((float)x - 128, (float)y - 128);
            const float a = stk_clampf(0.5f + (70 - d) / soft, 0, 1);
            truth[y][x] = a;
            stk_image_row(&labels, y)[x] = d < 70.5f ? STK_LABEL_HEAD : STK_LABEL_BACKGROUND;
            for (int c = 0; c < 3; c++) {
                const int back = alike ? PERSON[c] : x / 16 % 2 * 30 + 20 + 5 * c;
                stk_image_row(&plate, y)[3 * x + c] = (uint8_t)back;
                stk_image_row(&picture, y)[3 * x + c] =
                    (uint8_t)lrintf(a * PERSON[c] + (1 - a) * (float)back);
            }
        }
}

static void known_shares_come_out_again(void **state) {
    (void)state;
    draw(3, 0);
    stk_matte_cut(&picture, &labels, &plate, scratch, &alpha);
    double worst = 0, sum = 0;
    int band = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const double a = stk_image_row(&alpha, y)[x] / 255.0, e = fabs(a - (double)truth[y][x]);
            worst = fmax(worst, e);
            if (truth[y][x] > 0 && truth[y][x] < 1) sum += e, band++;
            if (a < 0.3) continue; /* the person's own colour, not the plate's through it */
            for (int c = 0; c < 3; c++)
                assert_true(abs(stk_image_row(&picture, y)[3 * x + c] - PERSON[c]) <= 24);
        }
    print_message("worst %.3f, mean in the band %.3f\n", worst, sum / band);
    /* The ends are stretched by 0.1 and 0.08, over both sides of the middle. */
    assert_true(worst < 0.13 && sum / band < 0.06);
}

/* A strand of one pixel's width that leaves the head by 3 px, half transparent. */
static void a_hair_beyond_the_border_is_kept(void **state) {
    (void)state;
    draw(1, 0);
    for (int y = 0; y < 4; y++)
        for (int c = 0; c < 3; c++) {
            uint8_t *p = stk_image_row(&picture, 57 - y) + 3 * 128;
            p[c] = (uint8_t)((PERSON[c] + stk_image_row(&plate, 57 - y)[3 * 128 + c] + 1) / 2);
        }
    stk_matte_cut(&picture, &labels, &plate, scratch, &alpha);
    assert_in_range(stk_image_row(&alpha, 56)[128], 90, 160);
    assert_in_range(stk_image_row(&alpha, 56)[132], 0, 8);
    assert_int_equal(stk_image_row(&alpha, 40)[128], 0);
}

/* The plate has the person's colour: no noise of a division, but a soft border where the labels
 * have it. */
static void alike_colours_fall_back_to_distance(void **state) {
    (void)state;
    draw(1, 1);
    stk_matte_cut(&picture, &labels, &plate, scratch, &alpha);
    for (int x = 129; x < SIDE; x++) {
        const int here = stk_image_row(&alpha, 128)[x], before = stk_image_row(&alpha, 128)[x - 1];
        assert_true(here <= before && before - here < 200);
    }
    assert_int_equal(stk_image_row(&alpha, 128)[190], 255);
    assert_int_equal(stk_image_row(&alpha, 128)[206], 0);
    assert_in_range(stk_image_row(&alpha, 128)[198], 128, 230); /* the last pixel of the head */
    assert_in_range(stk_image_row(&alpha, 128)[199], 20, 127);
}

static void nobody_is_cut_out_as_nothing(void **state) {
    (void)state;
    draw(2, 0);
    memset(labels.data, STK_LABEL_BACKGROUND, (size_t)labels.stride * SIDE);
    stk_matte_cut(&picture, &labels, &plate, scratch, &alpha);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) assert_int_equal(stk_image_row(&alpha, y)[x], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_shares_come_out_again),
        cmocka_unit_test(a_hair_beyond_the_border_is_kept),
        cmocka_unit_test(alike_colours_fall_back_to_distance),
        cmocka_unit_test(nobody_is_cut_out_as_nothing),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
