/* Fitting a face to its frame: a known difference in light is taken away at the rim, another mouth
 * is none, a hand is left in front, and the seam is laid where the skin is smooth. */
#include "support.h"
#include "base/face_mesh.h"
#include "base/image.h"
#include "base/rng.h"
#include "portrait_sync/contour.h"
#include "portrait_sync/fit.h"
#include "portrait_sync/parts.h"
#include "portrait_sync/portrait.h"
#include "portrait_sync/usual.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 256 };
static stk_image picture, frame, mask;
static float landmarks[STK_LANDMARKS][3];
static stk_fit fit, before;
static int16_t shifts[3 * SIDE];

static void fill(stk_image *image, stk_rect rect, int r, int g, int b) {
    for (int y = rect.y0; y < rect.y1; y++)
        for (int x = rect.x0; x < rect.x1; x++) {
            uint8_t *p = stk_image_row(image, y) + 3 * x;
            p[0] = (uint8_t)r, p[1] = (uint8_t)g, p[2] = (uint8_t)b;
        }
}

static const stk_rect WHOLE = {0, 0, SIDE, SIDE};

/* A face: an oval mask of 80 x 100 px half axes, eyes and mouth somewhere inside. */
static int make(void **state) {
    (void)state;
    TEST_OK(stk_image_init(&picture, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&frame, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&mask, SIDE, SIDE, 1));
    for (int i = 0; i < STK_LANDMARKS; i++) landmarks[i][0] = 128, landmarks[i][1] = 120;
    static const int mouth[] = {61, 291, 0, 17, 13, 14, 152};
    for (int i = 0; i < 7; i++)
        landmarks[mouth[i]][0] = (float)(118 + 3 * i), landmarks[mouth[i]][1] = 180;
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        const float a = 6.2831853f * (float)i / STK_OVAL_POINTS; /* 0 above, clockwise */
        landmarks[stk_jaw_indices[i]][0] = 128 + 80 * sinf(a);
        landmarks[stk_jaw_indices[i]][1] = 128 - 100 * cosf(a);
    }
    return 0;
}

static int drop(void **state) {
    (void)state;
    stk_image_clear(&picture);
    stk_image_clear(&frame);
    stk_image_clear(&mask);
    return 0;
}

static void draw_mask(void) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float d = hypotf(((float)x - 128) / 80, ((float)y - 128) / 100);
            stk_image_row(&mask, y)[x] = (uint8_t)stk_clampf(255 * (1 - d) * 12, 0, 255);
        }
}

static void measure(const uint8_t *known) {
    const stk_fit_input input = {&picture, &frame, &mask, (const float(*)[3])landmarks, 1, known};
    stk_fit_measure(&fit, &input);
}

static void measure_and_apply(void) {
    stk_blend_kernels kernels;
    stk_blend_kernels_init(&kernels);
    memset(&before, 0, sizeof before);
    measure(NULL);
    stk_fit_steady(&fit, &before);
    stk_fit_apply(&fit, &kernels, shifts, &picture, &mask);
}

static void light_of_the_frame_reaches_the_rim(void **state) {
    (void)state;
    draw_mask();
    fill(&picture, WHOLE, 120, 100, 90);
    fill(&frame, WHOLE, 130, 94, 90); /* 10 brighter, 6 darker, the same */
    measure_and_apply();
    int rim = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const uint8_t *p = stk_image_row(&picture, y) + 3 * x;
            assert_in_range(p[0], 120, 130);
            assert_in_range(p[1], 94, 100);
            assert_int_equal(p[2], 90);
            const uint8_t m = stk_image_row(&mask, y)[x];
            if (m == 0 || m > 200) continue;
            assert_true(p[0] >= 125 && p[1] <= 97); /* at least half of it */
            rim++;
        }
    assert_true(rim > 1000);
}

/* Half a rim that differs by 80 levels is no light but something else. */
static void another_thing_at_the_rim_is_no_light(void **state) {
    (void)state;
    draw_mask();
    fill(&picture, WHOLE, 120, 100, 90);
    fill(&frame, WHOLE, 120, 100, 90);
    fill(&frame, (stk_rect){0, 190, SIDE, SIDE}, 200, 180, 170);
    measure_and_apply();
    for (int y = 0; y < 180; y++)
        for (int x = 0; x < SIDE; x++) assert_int_equal(stk_image_row(&picture, y)[3 * x], 120);
}

/* Frames alternate by 8 levels; what is applied hardly does. */
static void shifts_are_steadied(void **state) {
    (void)state;
    float low = 1e9f, high = -1e9f;
    draw_mask();
    fill(&picture, WHOLE, 120, 100, 90);
    memset(&before, 0, sizeof before);
    for (int t = 0; t < 24; t++) {
        fill(&frame, WHOLE, 120 + 8 * (t % 2), 100, 90);
        measure(NULL);
        stk_fit_steady(&fit, &before);
        if (t < 12) continue;
        low = fminf(low, fit.shift[3][0]);
        high = fmaxf(high, fit.shift[3][0]);
    }
    assert_true(high - low < 2.0f && low > 2.0f && high < 6.0f);
}

/* A hand from below over cheek and mouth: the mask gives it free; a mouth that differs, or a spot
 * in the middle of the cheek, stays the render's. */
static void a_hand_stays_in_front_and_a_mouth_does_not(void **state) {
    (void)state;
    draw_mask();
    fill(&picture, WHOLE, 150, 110, 90);
    fill(&frame, WHOLE, 150, 110, 90);
    fill(&frame, (stk_rect){110, 170, 146, 190}, 40, 10, 10); /* an open mouth */
    fill(&frame, (stk_rect){150, 90, 158, 98}, 20, 20, 20);   /* a mole */
    measure_and_apply();
    assert_int_equal(stk_image_row(&mask, 180)[128], 255);
    assert_int_equal(stk_image_row(&mask, 94)[154], 255);
    fill(&frame, (stk_rect){60, 120, 108, SIDE}, 240, 210,
         190); /* the hand, left cheek and below */
    measure_and_apply();
    assert_in_range(stk_image_row(&mask, 150)[85], 0, 8);
    assert_in_range(stk_image_row(&mask, 190)[90], 0, 8);
    assert_int_equal(stk_image_row(&mask, 100)[170], 255);
    assert_int_equal(stk_image_row(&mask, 60)[128], 255);
}

/* --- what is usual ---------------------------------------------------------------------------- */

enum { LOOKS = 8 };
static float mesh[STK_LANDMARKS][3]; /* the texture itself, 216 px wide */
static uint8_t hidden[STK_CELLS * STK_CELLS];

static void lay_mesh(void) {
    for (int i = 0; i < STK_MESH_LANDMARKS; i++)
        for (int c = 0; c < 2; c++) mesh[i][c] = 20 + 216 * stk_face_mesh_texture()[i][c];
}

/* Skin in the light of frame t, with noise; the light goes from left to right and changes. */
static void draw_skin(int t, stk_rng *rng) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                stk_image_row(&frame, y)[3 * x + c] =
                    (uint8_t)(150 - 20 * c + t * (x - 128) / 48 + (int)stk_rng_below(rng, 5));
}

static void draw_hand(stk_rect rect) {
    fill(&frame, rect, 178, 140, 100);
}

static stk_rect mouth_opening(void) { /* between the inner lips */
    return (stk_rect){(int)mesh[78][0], (int)mesh[13][1] - 1, (int)mesh[308][0],
                      (int)mesh[14][1] + 1};
}

static int hidden_in(stk_rect rect) {
    int count = 0;
    for (int cy = 0; cy < STK_CELLS; cy++)
        for (int cx = 0; cx < STK_CELLS; cx++) {
            const int x = cx * SIDE / STK_CELLS, y = cy * SIDE / STK_CELLS;
            count += hidden[cy * STK_CELLS + cx] && x >= rect.x0 && x < rect.x1 && y >= rect.y0 &&
                     y < rect.y1;
        }
    return count;
}

static int look_for_hidden(const stk_usual *usual) {
    static float beyond[STK_CELLS * STK_CELLS];
    static stk_usual_face face;
    stk_usual_compare(usual, &frame, (const float(*)[3])mesh, 1, &face, beyond);
    return stk_usual_hidden(beyond, STK_USUAL_CORE, hidden);
}

/* A hand that is there in two frames of eight is not usual; light, an open mouth and a narrow lock
 * of hair are. From the hand's tip outwards all is hidden, the other cheek is not. */
static void what_is_unlike_the_face_is_hidden(void **state) {
    (void)state;
    static const stk_rect hand = {50, 150, 110, SIDE}, other = {140, 0, SIDE, SIDE};
    stk_usual *usual;
    stk_rng rng;
    stk_rng_seed(&rng, 1, 0);
    lay_mesh();
    TEST_OK(stk_usual_create(&usual, LOOKS));
    for (int t = 0; t < LOOKS; t++) {
        draw_skin(t, &rng);
        if (t % 4 == 1) draw_hand(hand);
        stk_usual_look(usual, &frame, (const float(*)[3])mesh, 1);
    }
    stk_usual_finish(usual);
    draw_skin(10, &rng);
    fill(&frame, mouth_opening(), 30, 10, 10);
    fill(&frame, (stk_rect){180, 0, 183, 120}, 30, 20, 10);
    assert_int_equal(look_for_hidden(usual), 0);
    draw_skin(10, &rng);
    draw_hand(hand);
    assert_true(look_for_hidden(usual) > 150);
    assert_true(hidden_in((stk_rect){62, 158, 102, 190}) >= 70); /* of 80 */
    assert_int_equal(hidden_in(other), 0);
    fill(&frame, (stk_rect){50, 180, 110, SIDE}, 150, 130, 110); /* of the face's own colour */
    assert_true(look_for_hidden(usual) > 100);
    assert_true(hidden_in((stk_rect){70, 186, 90, 200}) > 0);
    stk_usual_free(&usual);
}

/* Two thirds of the face were below the picture's border in all looks: those texels have no usual
 * colour, and the rest is not darkened on their account. */
static void texels_never_seen_say_nothing_of_the_light(void **state) {
    (void)state;
    static float beyond[STK_CELLS * STK_CELLS], aside[STK_LANDMARKS][3];
    static stk_usual_face face;
    stk_usual *usual;
    stk_rng rng;
    stk_rng_seed(&rng, 1, 0);
    lay_mesh();
    memcpy(aside, mesh, sizeof aside);
    for (int i = 0; i < STK_LANDMARKS; i++) aside[i][1] += 160;
    TEST_OK(stk_usual_create(&usual, LOOKS));
    for (int t = 0; t < LOOKS; t++) {
        draw_skin(0, &rng);
        stk_usual_look(usual, &frame, (const float(*)[3])aside, 1);
    }
    stk_usual_finish(usual);
    draw_skin(0, &rng);
    stk_usual_compare(usual, &frame, (const float(*)[3])mesh, 1, &face, beyond);
    float most = 0;
    for (int i = 0; i < STK_CELLS * STK_CELLS; i++) most = fmaxf(most, beyond[i]);
    print_message("%.2f levels beyond what is usual\n", (double)most);
    assert_true(most >= 0 && most < 0.5f);
    stk_usual_free(&usual);
}

/* A piece with a core of 7 % of the face: pasting leaves it to the frame, training learns it. */
static void training_hides_less_than_pasting(void **state) {
    (void)state;
    enum { FIRST = 12, FACE_CELLS = 40, PIECE = 11 };
    static float beyond[STK_CELLS * STK_CELLS];
    for (int i = 0; i < STK_CELLS * STK_CELLS; i++) {
        const int x = i % STK_CELLS - FIRST, y = i / STK_CELLS - FIRST;
        const int face = x >= 0 && y >= 0 && x < FACE_CELLS && y < FACE_CELLS;
        beyond[i] = !face ? -1 : x < PIECE && y > 10 && y <= 10 + PIECE ? 20 : 0;
    }
    assert_true(stk_usual_hidden(beyond, STK_USUAL_CORE, hidden) >= PIECE * PIECE);
    assert_int_equal(stk_usual_hidden(beyond, STK_USUAL_CORE_SURE, hidden), 0);
}

/* What is known to be hidden is the frame's even where nothing differs from what was rendered. */
static void known_cells_stay_the_frames(void **state) {
    (void)state;
    stk_blend_kernels kernels;
    stk_blend_kernels_init(&kernels);
    draw_mask();
    fill(&picture, WHOLE, 150, 110, 90);
    fill(&frame, WHOLE, 150, 110, 90);
    memset(hidden, 0, sizeof hidden);
    for (int y = 36; y < 44; y++) memset(hidden + y * STK_CELLS + 20, 1, 6); /* px 80, 144 on */
    measure(hidden);
    stk_fit_apply(&fit, &kernels, shifts, &picture, &mask);
    assert_in_range(stk_image_row(&mask, 160)[92], 0, 1);
    assert_int_equal(stk_image_row(&mask, 100)[128], 255);
}

/* The mask reaches down to a rendered chin, and no farther than it was said to before. */
static void shape_follows_a_lower_chin(void **state) {
    (void)state;
    stk_image labels, reach, kept, published;
    int spans[SIDE][2];
    float *rgba = calloc((size_t)4 * SIDE * SIDE, sizeof *rgba);
    float *shape = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *shape);
    assert_true(rgba != NULL && shape != NULL);
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    TEST_OK(stk_image_init(&reach, SIDE, SIDE, 1));
    TEST_OK(stk_image_init(&kept, SIDE, SIDE, 1));
    TEST_OK(stk_image_init(&published, SIDE, SIDE, 1));
    memset(labels.data, STK_LABEL_HEAD, (size_t)labels.stride * 230); /* neck, no head, below */
    for (int low = 228; low <= 244; low += 16) { /* the oval's chin is at 228, lengthened to 233 */
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                rgba[4 * (y * SIDE + x) + 3] = y < low && abs(x - 128) < 60 ? 1.0f : 0.0f;
        stk_face_shape((const float(*)[3])landmarks, &labels, NULL, shape);
        stk_face_shape_reach(shape, &reach);
        stk_face_shape_follow(shape, &labels, rgba, SIDE, SIDE);
        stk_face_shape_mask(shape, &mask);
        assert_true(low == 228 || stk_image_row(&mask, low - 2)[128] == 255);
        assert_int_equal(stk_image_row(&mask, low + 10)[128], 0);
        if (low == 228) memcpy(published.data, mask.data, (size_t)mask.stride * SIDE);
        stk_face_mask_spans(&reach, 1 + 4 * SIDE / 512, spans); /* what was rendered for it */
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                if (stk_image_row(&mask, y)[x] > 0)
                    assert_in_range(x, spans[y][0], spans[y][1] - 1);
    }
    stk_face_mask((const float(*)[3])landmarks, &labels, shape, &kept);
    for (int y = 0; y < SIDE; y++) /* a chin no lower than the frame's: as published */
        assert_memory_equal(stk_image_row(&published, y), stk_image_row(&kept, y), SIDE);
    stk_face_shape((const float(*)[3])landmarks, &labels, NULL, shape);
    stk_face_shape_mask(shape, &mask); /* without following: the published mask */
    for (int y = 0; y < SIDE; y++)
        assert_memory_equal(stk_image_row(&mask, y), stk_image_row(&kept, y), SIDE);
    stk_image_clear(&kept);
    stk_image_clear(&published);
    stk_image_clear(&reach);
    stk_image_clear(&labels);
    stk_free(shape);
    free(rgba);
}

/* A fringe of hair over the upper rim: the line dives below it, and the jaw stays. */
static void contour_runs_across_smooth_skin(void **state) {
    (void)state;
    static stk_contour contour;
    stk_image labels;
    float share[STK_CONTOUR_POINTS];
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    memset(labels.data, STK_LABEL_HEAD, (size_t)labels.stride * SIDE);
    fill(&frame, WHOLE, 150, 110, 90);
    stk_contour_add(&contour, &frame, (const float(*)[3])landmarks, &labels);
    stk_contour_finish(&contour, share);
    for (int i = 0; i < STK_CONTOUR_POINTS; i++) assert_true(share[i] == 1);
    for (int y = 0; y < 40; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                stk_image_row(&frame, y)[3 * x + c] = (uint8_t)(x / 3 % 2 * 90);
    memset(&contour, 0, sizeof contour);
    stk_contour_add(&contour, &frame, (const float(*)[3])landmarks, &labels);
    stk_contour_finish(&contour, share);
    assert_true(share[0] < 0.87f); /* 128 - 0.87 * 100 = 41: below the fringe */
    for (int i = 9; i <= 27; i++) assert_true(share[i] == 1);
    for (int i = 0; i < STK_CONTOUR_POINTS; i++)
        assert_true(fabsf(share[i] - share[(i + 1) % STK_CONTOUR_POINTS]) <
                    1.01f * STK_CONTOUR_STEP);
    stk_image_clear(&labels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(light_of_the_frame_reaches_the_rim),
        cmocka_unit_test(another_thing_at_the_rim_is_no_light),
        cmocka_unit_test(shifts_are_steadied),
        cmocka_unit_test(a_hand_stays_in_front_and_a_mouth_does_not),
        cmocka_unit_test(what_is_unlike_the_face_is_hidden),
        cmocka_unit_test(texels_never_seen_say_nothing_of_the_light),
        cmocka_unit_test(training_hides_less_than_pasting),
        cmocka_unit_test(known_cells_stay_the_frames),
        cmocka_unit_test(shape_follows_a_lower_chin),
        cmocka_unit_test(contour_runs_across_smooth_skin),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
