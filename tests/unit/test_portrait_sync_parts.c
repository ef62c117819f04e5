/* The parser's parts: box mean, guided filter, jaw line, skin, regions, person without graphs. */
#include "support.h"
#include "synthetic_person.h"
#include "base/image.h"
#include "base/rng.h"
#include "portrait_sync/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void box_mean_random_plane_equals_brute_force(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 9}, {13, 5}, {31, 17}};
    for (size_t n = 0; n < 4; n++)
        for (int radius = 0; radius <= 4; radius++) {
            int w = sizes[n][0], h = sizes[n][1];
            float in[31 * 17], out[31 * 17], scratch[31 * 17 + 31];
            for (int i = 0; i < w * h; i++) in[i] = (float)(i * 7919 % 101) / 101;
            stk_box_mean(out, in, scratch, sizes[n], radius);
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++) {
                    double sum = 0, count = 0;
                    for (int v = y - radius; v <= y + radius; v++)
                        for (int u = x - radius; u <= x + radius; u++) {
                            if (u < 0 || v < 0 || u >= w || v >= h) continue;
                            sum += (double)in[v * w + u], count++;
                        }
                    assert_float_equal(out[y * w + x], sum / count, 1e-5);
                }
        }
}

/* A step in the picture at column `edge` and a probability that is blurred and 2 grid px off. */
static void guided_blurred_step_snaps_to_the_edge(void **state) {
    (void)state;
    int size[2] = {202, 61}, grid[2] = {101, 31}, edge = 97;
    stk_arena arena;
    stk_guided g;
    assert_int_equal(stk_arena_init(&arena, stk_guided_bytes(202, 61, 101, 31)), 0);
    stk_guided_init(&g, &arena, size, grid);
    assert_non_null(g.share);
    stk_image small;
    TEST_OK(stk_image_init(&small, grid[0], grid[1], 3));
    float p[101 * 31];
    uint8_t *luma = malloc(202 * 61), *out = malloc(202 * 61);
    for (int y = 0; y < 61; y++)
        for (int x = 0; x < 202; x++) luma[y * 202 + x] = x < edge ? 60 : 180;
    for (int y = 0; y < 31; y++)
        for (int x = 0; x < 101; x++) {
            int value = 2 * x + 1 < edge ? 60 : 2 * x >= edge ? 180 : 120;
            memset(stk_image_row(&small, y) + 3 * x, value, 3);
            p[y * 101 + x] = stk_clampf(((float)x - 46.5f) / 6 + 0.5f, 0, 1);
        }
    stk_guided_set(&g, &small);
    stk_guided_apply(&g, out, p, luma);
    for (int y = 0; y < 61; y++) {
        assert_true(out[y * 202 + edge - 2] < 128);
        assert_true(out[y * 202 + edge + 1] >= 128);
        assert_true(out[y * 202] < 3 && out[y * 202 + 201] > 252);
    }
    for (int i = 0; i < 101 * 31; i++) p[i] = 0.25f;
    stk_guided_apply(&g, out, p, luma);
    for (int i = 0; i < 202 * 61; i++) assert_in_range(out[i], 63, 65);
    free(luma), free(out);
    stk_image_clear(&small);
    stk_arena_clear(&arena);
}

static void person_of(stk_image *rgb, stk_image *labels, stk_landmarks *landmarks, stk_jaw *jaw,
                      float roll_rad) {
    float points[STK_JAW_POINTS][2];
    TEST_OK(stk_image_init(rgb, 200, 220, 3));
    TEST_OK(stk_image_init(labels, 200, 220, 1));
    test_paint_person(rgb, labels, landmarks, 100, 90, 40, roll_rad);
    stk_jaw_follow(points, landmarks, 1, 1);
    assert_int_equal(stk_jaw_init(jaw, points), 1);
}

static void jaw_rolled_face_line_hugs_the_chin(void **state) {
    (void)state;
    for (float roll = -0.5f; roll < 0.6f; roll += 0.25f) {
        stk_image rgb, labels;
        stk_landmarks landmarks;
        stk_jaw jaw;
        person_of(&rgb, &labels, &landmarks, &jaw, roll);
        assert_float_equal(jaw.width, 80, 0.5);
        assert_float_equal(jaw.height, 104, 0.5);
        /* origin between the eyes: the chin is 1.3 + 0.3 units below, the overlap 2 % of 80 px */
        assert_float_equal(jaw.limit[stk_jaw_entry(&jaw, 0)], 64 + 1.6, 0.3);
        /* far beside: the ear lobe, between the oval's places 10 and 11 (100 and 110 degrees), and
         * 6 % of the height below */
        double lobe = 12 + 52 * 0.5 * (sin(M_PI / 18) + sin(M_PI / 9)) + 0.06 * 104;
        assert_float_equal(jaw.limit[0], lobe, 0.5);
        assert_float_equal(jaw.limit[STK_JAW_TABLE - 1], lobe, 0.5);
        for (int i = 0; i < STK_JAW_TABLE; i++)
            assert_true(jaw.inner_bottom[i] < jaw.limit[i] ||
                        jaw.inner_bottom[i] < jaw.inner_top[i]);
        stk_image_clear(&rgb), stk_image_clear(&labels);
    }
}

static void jaw_impossible_points_are_refused(void **state) {
    (void)state;
    stk_jaw jaw;
    float points[STK_JAW_POINTS][2];
    memset(points, 0, sizeof points);
    assert_int_equal(stk_jaw_init(&jaw, points), 0);
    stk_image rgb, labels;
    stk_landmarks landmarks;
    person_of(&rgb, &labels, &landmarks, &jaw, 0);
    landmarks.xyz[152][1] = NAN;
    stk_jaw_follow(points, &landmarks, 1, 1);
    assert_int_equal(stk_jaw_init(&jaw, points), 0);
    stk_image_clear(&rgb), stk_image_clear(&labels);
}

static void jaw_follow_trembles_less_and_keeps_up(void **state) {
    (void)state;
    stk_image rgb, labels;
    stk_landmarks still, moved;
    stk_jaw jaw;
    float points[STK_JAW_POINTS][2];
    person_of(&rgb, &labels, &still, &jaw, 0);
    stk_jaw_follow(points, &still, 1, 1.5f);
    double worst = 0;
    for (int frame = 0; frame < 40; frame++) {
        moved = still;
        for (int i = 0; i < STK_LANDMARKS; i++) moved.xyz[i][1] += frame % 2 ? 0.3f : -0.3f;
        stk_jaw_follow(points, &moved, 0, 1.5f);
        worst = fmax(worst, fabs((double)(points[18][1] - still.xyz[152][1])));
    }
    assert_true(worst < 0.1); /* 0.25 * 0.3 */
    for (int i = 0; i < STK_LANDMARKS; i++) moved.xyz[i][1] = still.xyz[i][1] + 5;
    stk_jaw_follow(points, &moved, 0, 1.5f);
    assert_float_equal(points[18][1], moved.xyz[152][1], 0.2);
    stk_image_clear(&rgb), stk_image_clear(&labels);
}

static void skin_painted_person_neck_is_found(void **state) {
    (void)state;
    stk_image rgb, labels;
    stk_landmarks landmarks;
    stk_jaw jaw;
    stk_skin skin = {0};
    person_of(&rgb, &labels, &landmarks, &jaw, 0);
    static float person[220 * 200], neck[220 * 200];
    for (int i = 0; i < 220 * 200; i++)
        person[i] = labels.data[i / 200 * labels.stride + i % 200] > 0;
    stk_skin_learn(&skin, &rgb, &landmarks, &jaw, person, 1);
    assert_true(skin.face.ready && skin.neck.ready);
    static float planes[STK_NECK_PLANES * 220 * 200];
    stk_neck_input input = {&rgb, &jaw, &skin, person, NULL, 1};
    stk_neck_find(neck, &input, planes);
    int wrong = 0, total = 0;
    for (int y = 0; y < 220; y++)
        for (int x = 0; x < 200; x++) {
            uint8_t label = stk_image_row(&labels, y)[x];
            if (label == STK_LABEL_HEAD) continue;
            total++;
            wrong += (neck[y * 200 + x] > 0.5f) != (label == STK_LABEL_NECK);
        }
    assert_true(wrong * 200 < total);
    stk_image_clear(&rgb), stk_image_clear(&labels);
}

static void neck_turtleneck_has_no_neck(void **state) {
    (void)state;
    stk_image rgb, labels;
    stk_landmarks landmarks;
    stk_jaw jaw;
    stk_skin skin = {0};
    person_of(&rgb, &labels, &landmarks, &jaw, 0);
    static float person[220 * 200], neck[220 * 200], planes[STK_NECK_PLANES * 220 * 200];
    for (int y = 0; y < 220; y++)
        for (int x = 0; x < 200; x++) {
            uint8_t label = stk_image_row(&labels, y)[x];
            person[y * 200 + x] = label > 0;
            if (label == STK_LABEL_NECK)
                memcpy(stk_image_row(&rgb, y) + 3 * x, (uint8_t[3]){20, 60, 150}, 3);
        }
    stk_skin_learn(&skin, &rgb, &landmarks, &jaw, person, 1);
    assert_int_equal(skin.neck.ready, 0);
    stk_neck_input input = {&rgb, &jaw, &skin, person, NULL, 1};
    stk_neck_find(neck, &input, planes);
    for (int i = 0; i < 220 * 200; i++) assert_true(neck[i] == 0);
    stk_image_clear(&rgb), stk_image_clear(&labels);
}

static void scatter_plain_background_person_is_found(void **state) {
    (void)state;
    stk_image rgb, labels;
    stk_landmarks landmarks;
    stk_jaw jaw;
    person_of(&rgb, &labels, &landmarks, &jaw, 0);
    float *person = malloc(220 * 200 * sizeof *person),
          *plane = malloc(3 * 220 * 200 * sizeof *plane);
    float *counts = malloc(2 * STK_SCATTER_BINS * sizeof *counts);
    stk_scatter_person(person, &rgb, &jaw, 1, counts, plane);
    int wrong = 0;
    for (int y = 0; y < 220; y++)
        for (int x = 0; x < 200; x++)
            wrong += (person[y * 200 + x] > 0.5f) != (stk_image_row(&labels, y)[x] != 0);
    assert_true(wrong < 220 * 200 / 33);
    free(person), free(plane), free(counts);
    stk_image_clear(&rgb), stk_image_clear(&labels);
}

static void flood_only_connected_pixels_change(void **state) {
    (void)state;
    const char *before = "4400"
                         "4504"
                         "4500"
                         "0444",
               *after = "1100"
                        "1504"
                        "1500"
                        "0444";
    uint8_t map[16];
    int32_t queue[16] = {0, 2};
    for (int i = 0; i < 16; i++) map[i] = (uint8_t)(before[i] - '0');
    /* rows 4400 / 4504 / 4500 / 0444: the seed at 0 reaches the fours of the left */
    stk_region_flood(map, 4, 4, 1u << 4, 1, queue, 2);
    for (int i = 0; i < 16; i++) assert_int_equal(map[i], after[i] - '0');
}

static void absorb_specks_join_their_neighbours(void **state) {
    (void)state;
    const char *before = "11112222"
                         "11312222"
                         "11112022"
                         "11112222"
                         "33333333";
    const char *after = "11112222"
                        "11112222"
                        "11112222"
                        "11112222"
                        "33333333";
    uint8_t map[40], visited[40];
    int32_t queue[40];
    for (int i = 0; i < 40; i++) map[i] = (uint8_t)(before[i] - '0');
    stk_region_absorb(map, 8, 5, (int[2]){3, 5}, 1u << 0, queue, visited);
    for (int i = 0; i < 40; i++) assert_int_equal(map[i], after[i] - '0');
    memset(map, 2, sizeof map); /* one region alone, smaller than the area: nobody to join */
    stk_region_absorb(map, 8, 5, (int[2]){100, 100}, 0, queue, visited);
    for (int i = 0; i < 40; i++) assert_int_equal(map[i], 2);
}

static void absorb_body_cut_off_never_becomes_background(void **state) {
    (void)state;
    uint8_t map[24], visited[24];
    int32_t queue[24];
    const char *before = "00000000"
                         "33332200"
                         "33332222";
    for (int i = 0; i < 24; i++) map[i] = (uint8_t)(before[i] - '0');
    stk_region_absorb(map, 8, 3, (int[2]){3, 9}, 1u << 3, queue, visited);
    for (int i = 0; i < 24; i++) assert_int_equal(map[i], before[i] == '3' ? 2 : before[i] - '0');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(box_mean_random_plane_equals_brute_force),
        cmocka_unit_test(guided_blurred_step_snaps_to_the_edge),
        cmocka_unit_test(jaw_rolled_face_line_hugs_the_chin),
        cmocka_unit_test(jaw_impossible_points_are_refused),
        cmocka_unit_test(jaw_follow_trembles_less_and_keeps_up),
        cmocka_unit_test(skin_painted_person_neck_is_found),
        cmocka_unit_test(neck_turtleneck_has_no_neck),
        cmocka_unit_test(scatter_plain_background_person_is_found),
        cmocka_unit_test(flood_only_connected_pixels_change),
        cmocka_unit_test(absorb_specks_join_their_neighbours),
        cmocka_unit_test(absorb_body_cut_off_never_becomes_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
