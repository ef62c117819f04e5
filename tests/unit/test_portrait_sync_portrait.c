/* Pasting a face into its frame: where the mask lies, which columns it needs, what is mixed. */
#include "support.h"
#include "synthetic_person.h"
#include "base/image.h"
#include "base/memory.h"
#include "portrait_sync/portrait.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 256 };
static stk_image rgb, labels, mask;
static stk_landmarks landmarks;
static float *scratch;

static int paint(void **state) {
    (void)state;
    TEST_OK(stk_image_init(&rgb, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    TEST_OK(stk_image_init(&mask, SIDE, SIDE, 1));
    scratch = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *scratch);
    assert_non_null(scratch);
    test_paint_person(&rgb, &labels, &landmarks, 128, 110, 45, 0.1f);
    return 0;
}

static int clear(void **state) {
    (void)state;
    stk_free(scratch);
    stk_image_clear(&mask);
    stk_image_clear(&labels);
    stk_image_clear(&rgb);
    return 0;
}

/* Full inside the face, nothing beyond the head but for chin (10 of 512 rows) and rim (4 of 512). */
static void face_mask_covers_the_face_alone(void **state) {
    (void)state;
    stk_face_mask(landmarks.xyz, &labels, scratch, &mask);
    assert_int_equal(stk_image_row(&mask, 110)[128], 255);
    int64_t inside = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            if (stk_image_row(&mask, y)[x] == 0) continue;
            inside++;
            int near = 0;
            for (int dy = -8; dy <= 3; dy++)
                for (int dx = -3; dx <= 3; dx++) {
                    const int sx = stk_clampi(x + dx, 0, SIDE - 1);
                    const int sy = stk_clampi(y + dy, 0, SIDE - 1);
                    near |= stk_image_row(&labels, sy)[sx] == STK_LABEL_HEAD;
                }
            assert_true(near);
        }
    assert_in_range(inside, 45 * 45, 4 * 60 * 60);
}

/* Along a row the mask rises and falls over the blur's width, never in a step. */
static void face_mask_rim_is_soft(void **state) {
    (void)state;
    stk_face_mask(landmarks.xyz, &labels, scratch, &mask);
    const uint8_t *row = stk_image_row(&mask, 110);
    int partly = 0;
    for (int x = 1; x < SIDE; x++) {
        assert_true(abs(row[x] - row[x - 1]) < 80); /* 512 / SIDE taps of at most 0.137 */
        partly += row[x] > 0 && row[x] < 255;
    }
    assert_in_range(partly, 6, 12); /* two rims of 8 or 9 of 512 */
}

static void face_mask_without_a_face_is_empty(void **state) {
    (void)state;
    static stk_landmarks away;
    for (int i = 0; i < STK_LANDMARKS; i++) away.xyz[i][0] = away.xyz[i][1] = -500;
    int spans[SIDE][2];
    stk_face_mask(away.xyz, &labels, scratch, &mask);
    const stk_rect rect = stk_face_mask_spans(&mask, 3, spans);
    assert_int_equal(rect.x1 - rect.x0, 0);
    for (int y = 0; y < SIDE; y++) assert_int_equal(spans[y][0], spans[y][1]);
}

/* Against the definition: a column is in the span when a mask pixel lies within `margin` rows and,
 * of the outermost of these, within `margin` columns. */
static void spans_hold_the_mask_and_its_margin(void **state) {
    (void)state;
    enum { MARGIN = 5 };
    int spans[SIDE][2];
    for (int empty = 0; empty < 2; empty++) {
        stk_face_mask(landmarks.xyz, &labels, scratch, &mask);
        if (empty) memset(stk_image_row(&mask, 100), 0, SIDE); /* a gap closes */
        const stk_rect rect = stk_face_mask_spans(&mask, MARGIN, spans);
        for (int y = 0; y < SIDE; y++) {
            int first = SIDE, end = 0;
            for (int v = y - MARGIN; v <= y + MARGIN; v++)
                for (int x = 0; x < SIDE && v >= 0 && v < SIDE; x++) {
                    if (stk_image_row(&mask, v)[x] == 0) continue;
                    if (x < first) first = x;
                    if (x + 1 > end) end = x + 1;
                }
            assert_int_equal(spans[y][0], first < end ? stk_clampi(first - MARGIN, 0, SIDE) : 0);
            assert_int_equal(spans[y][1], first < end ? stk_clampi(end + MARGIN, 0, SIDE) : 0);
            if (first >= end) continue;
            assert_true(y >= rect.y0 && y < rect.y1);
            assert_true(spans[y][0] >= rect.x0 && spans[y][1] <= rect.x1);
        }
    }
}

/* Every weight against the rounded formula. */
static void paste_mixes_by_the_mask(void **state) {
    (void)state;
    enum { W = 258, H = 3 };
    stk_image picture, frame, weights;
    TEST_OK(stk_image_init(&picture, W, H, 3));
    TEST_OK(stk_image_init(&frame, W, H, 3));
    TEST_OK(stk_image_init(&weights, W, H, 1));
    for (int x = 0; x < W; x++) {
        stk_image_row(&weights, 0)[x] = (uint8_t)(x == 0 || x == W - 1 ? 0 : x - 1);
        stk_image_row(&weights, 1)[x] = 255;
        for (int y = 0; y < H; y++)
            for (int c = 0; c < 3; c++) {
                stk_image_row(&picture, y)[3 * x + c] = (uint8_t)(37 * x + 80 * c + y);
                stk_image_row(&frame, y)[3 * x + c] = (uint8_t)(101 * x + 31 * c + 7);
            }
    }
    stk_portrait_paste(&picture, &weights, &frame);
    for (int x = 0; x < W; x++)
        for (int c = 0; c < 3; c++) {
            const int y0 = (uint8_t)(37 * x + 80 * c), b = (uint8_t)(101 * x + 31 * c + 7);
            const double m = stk_image_row(&weights, 0)[x] / 255.0;
            assert_int_equal(stk_image_row(&picture, 0)[3 * x + c],
                             floor(m * y0 + (1 - m) * b + 0.5));
            assert_int_equal(stk_image_row(&picture, 1)[3 * x + c], (uint8_t)(37 * x + 80 * c + 1));
            assert_int_equal(stk_image_row(&picture, 2)[3 * x + c], b);
        }
    stk_image_clear(&weights);
    stk_image_clear(&frame);
    stk_image_clear(&picture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(face_mask_covers_the_face_alone),
        cmocka_unit_test(face_mask_rim_is_soft),
        cmocka_unit_test(face_mask_without_a_face_is_empty),
        cmocka_unit_test(spans_hold_the_mask_and_its_margin),
        cmocka_unit_test(paste_mixes_by_the_mask),
    };
    return cmocka_run_group_tests(tests, paint, clear);
}
