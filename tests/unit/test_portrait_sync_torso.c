/* The torso picture: fills, borders, fading, odd sizes, missing classes. */
#include "support.h"
#include "base/image.h"
#include "base/memory.h"
#include "portrait_sync/parsing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scene {
    stk_image rgb, labels, plate, composite, target;
    void *scratch;
} scene;

static const uint8_t COLOURS[4][3] = {{10, 200, 30}, {250, 10, 10}, {200, 150, 120}, {40, 40, 180}};

static void scene_init(scene *s, int w, int h) {
    TEST_OK(stk_image_init(&s->rgb, w, h, 3));
    TEST_OK(stk_image_init(&s->labels, w, h, 1));
    TEST_OK(stk_image_init(&s->plate, w, h, 3));
    TEST_OK(stk_image_init(&s->composite, w, h, 3));
    TEST_OK(stk_image_init(&s->target, w, h, 3));
    s->scratch = stk_calloc_aligned(stk_torso_scratch_bytes(w, h), 1);
    for (int y = 0; y < h; y++) memset(stk_image_row(&s->plate, y), 77, 3 * (size_t)w);
}

static void scene_clear(scene *s) {
    stk_image_clear(&s->rgb), stk_image_clear(&s->labels), stk_image_clear(&s->plate);
    stk_image_clear(&s->composite), stk_image_clear(&s->target);
    stk_free(s->scratch);
}

static void box(scene *s, int x0, int y0, int x1, int y1, uint8_t label) {
    for (int y = y0 < 0 ? 0 : y0; y < y1 && y < s->labels.height; y++)
        for (int x = x0 < 0 ? 0 : x0; x < x1 && x < s->labels.width; x++)
            stk_image_row(&s->labels, y)[x] = label;
}

static void compose(scene *s) {
    for (int y = 0; y < s->rgb.height; y++)
        for (int x = 0; x < s->rgb.width; x++)
            memcpy(stk_image_row(&s->rgb, y) + 3 * x, COLOURS[stk_image_row(&s->labels, y)[x]], 3);
    stk_torso_compose(&s->rgb, &s->labels, &s->plate, &s->composite, &s->target, s->scratch);
}

static int same(const stk_image *image, int x, int y, const uint8_t rgb[3]) {
    return memcmp(stk_image_row(image, y) + 3 * x, rgb, 3) == 0;
}

static const uint8_t PLATE[3] = {77, 77, 77};

/* Head 200x200 above a neck 80 wide above a torso, 512x512. */
static void person(scene *s) {
    scene_init(s, 512, 512);
    box(s, 60, 380, 450, 512, STK_LABEL_TORSO);
    box(s, 210, 300, 290, 390, STK_LABEL_NECK);
    box(s, 150, 100, 350, 300, STK_LABEL_HEAD);
}

static void compose_person_target_keeps_person_and_shows_plate(void **state) {
    (void)state;
    scene s;
    person(&s);
    compose(&s);
    assert_true(same(&s.target, 250, 200, COLOURS[STK_LABEL_HEAD]));
    assert_true(same(&s.target, 250, 350, COLOURS[STK_LABEL_NECK]));
    assert_true(same(&s.target, 100, 450, COLOURS[STK_LABEL_TORSO]));
    assert_true(same(&s.target, 20, 20, PLATE));
    assert_true(same(&s.target, 148, 200, COLOURS[STK_LABEL_BACKGROUND])); /* 2 px from the head */
    assert_true(same(&s.target, 145, 200, PLATE));                         /* 5 px from it */
    scene_clear(&s);
}

static void compose_person_neck_continues_53_rows_under_the_head(void **state) {
    (void)state;
    scene s;
    person(&s);
    compose(&s);
    for (int y = 300 - 50; y < 300; y++) assert_true(same(&s.composite, 250, y, COLOURS[2]));
    for (int y = 100; y < 300 - 53; y++) assert_true(same(&s.composite, 250, y, PLATE));
    for (int y = 100; y < 300; y++) { /* beside the neck the plate shows */
        assert_true(same(&s.composite, 170, y, PLATE));
        assert_true(same(&s.composite, 340, y, PLATE));
    }
    assert_true(same(&s.composite, 250, 350, COLOURS[STK_LABEL_NECK]));
    assert_true(same(&s.composite, 148, 200, PLATE)); /* no outline of the head */
    scene_clear(&s);
}

static void compose_graded_neck_fades_to_its_mean(void **state) {
    (void)state;
    scene s;
    person(&s);
    compose(&s);
    for (int y = 300; y < 390; y++) /* 100 at the top, 189 below */
        for (int x = 210; x < 290; x++) stk_image_row(&s.rgb, y)[3 * x] = (uint8_t)(y - 200);
    stk_torso_compose(&s.rgb, &s.labels, &s.plate, &s.composite, &s.target, s.scratch);
    /* the mean of rows 300..352 is 126; the start is row 304: 104 */
    for (int k = 3; k < 50; k++) {
        int value = stk_image_row(&s.composite, 299 - k)[3 * 250];
        double expected = 104 + (126.0 - 104) * k / 52;
        assert_true(fabs(value - expected) <= 1.5); /* two roundings to 8 bit and the 5x5 blur */
    }
    scene_clear(&s);
}

static void compose_hair_over_chest_is_filled_from_both_sides(void **state) {
    (void)state;
    scene s;
    person(&s);
    box(&s, 130, 200, 180, 512, STK_LABEL_HEAD);
    compose(&s);
    for (int y = 420; y < 512; y++)
        for (int x = 130; x < 180; x++) assert_true(same(&s.composite, x, y, COLOURS[3]));
    assert_true(same(&s.composite, 150, 340, PLATE)); /* above the shoulder */
    scene_clear(&s);
}

static void compose_fringe_beside_hair_draws_no_line(void **state) {
    (void)state;
    scene s;
    person(&s);
    box(&s, 140, 180, 150, 182, STK_LABEL_TORSO); /* narrower than 1/50 of the width */
    box(&s, 350, 180, 365, 182, STK_LABEL_TORSO); /* wide enough, but only on one side */
    box(&s, 130, 220, 150, 222, STK_LABEL_TORSO); /* wide enough on both sides, but in the air */
    box(&s, 350, 220, 370, 222, STK_LABEL_TORSO);
    compose(&s);
    for (int x = 160; x < 340; x++) {
        assert_true(same(&s.composite, x, 181, PLATE));
        assert_true(same(&s.composite, x, 221, PLATE));
    }
    scene_clear(&s);
}

static void compose_head_on_torso_fills_nine_darkened_rows(void **state) {
    (void)state;
    scene s;
    scene_init(&s, 512, 512);
    box(&s, 100, 300, 400, 512, STK_LABEL_TORSO);
    box(&s, 100, 100, 400, 300, STK_LABEL_HEAD); /* no neck at all */
    compose(&s);
    for (int k = 2; k < 7; k++) {
        int value = stk_image_row(&s.composite, 299 - k)[3 * 250 + 2];
        assert_true(fabs(value - 180 * pow(0.98, k + 1)) <= 2);
    }
    assert_true(same(&s.composite, 250, 300 - 12, PLATE));
    scene_clear(&s);
}

static void compose_neck_at_the_picture_top_stays_inside(void **state) {
    (void)state;
    scene s;
    scene_init(&s, 131, 97);
    box(&s, 0, 0, 131, 5, STK_LABEL_HEAD);
    box(&s, 0, 5, 131, 40, STK_LABEL_NECK);
    box(&s, 0, 40, 131, 97, STK_LABEL_TORSO);
    compose(&s);
    for (int x = 0; x < 131; x++) {
        assert_true(same(&s.composite, x, 0, COLOURS[STK_LABEL_NECK]));
        assert_true(same(&s.composite, x, 96, COLOURS[STK_LABEL_TORSO])); /* Q18: no wrap */
    }
    scene_clear(&s);
}

static void compose_odd_sizes_and_single_classes_are_safe(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 2}, {2, 7}, {17, 31}};
    for (size_t n = 0; n < 4; n++)
        for (int label = 0; label < 4; label++) {
            scene s;
            scene_init(&s, sizes[n][0], sizes[n][1]);
            box(&s, 0, 0, 99, 99, (uint8_t)label);
            compose(&s);
            assert_true(same(&s.target, 0, 0, label == 0 ? PLATE : COLOURS[label]));
            assert_true(same(&s.composite, 0, 0, label <= 1 ? PLATE : COLOURS[label]));
            scene_clear(&s);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compose_person_target_keeps_person_and_shows_plate),
        cmocka_unit_test(compose_person_neck_continues_53_rows_under_the_head),
        cmocka_unit_test(compose_graded_neck_fades_to_its_mean),
        cmocka_unit_test(compose_hair_over_chest_is_filled_from_both_sides),
        cmocka_unit_test(compose_fringe_beside_hair_draws_no_line),
        cmocka_unit_test(compose_head_on_torso_fills_nine_darkened_rows),
        cmocka_unit_test(compose_neck_at_the_picture_top_stays_inside),
        cmocka_unit_test(compose_odd_sizes_and_single_classes_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
