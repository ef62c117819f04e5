/* test_presenter_backdrop.c - the painted rooms: any size, not too dark or bright, full of texture
 * where nobody stands, and the same for any number of threads. */
#include "support/support.h"

#include <math.h>
#include <string.h>

#include "base/image.h"
#include "base/pool.h"
#include "presenter/backdrop.h"

static stk_look a_look(int wall, int seed) {
    stk_look look = {.seed = seed, .wall = wall};
    for (int c = 0; c < 3; c++) look.wall_rgb[c] = 0.5f, look.accent_rgb[c] = 0.2f;
    return look;
}

static double mean(const stk_image *rgb) {
    double sum = 0.0;
    for (int y = 0; y < rgb->height; y++)
        for (int x = 0; x < 3 * rgb->width; x++) sum += stk_image_row(rgb, y)[x];
    return sum / (3.0 * rgb->width * rgb->height);
}

/* Share of 32 x 32 squares whose green has a standard deviation of at least one grey level. */
static double textured(const stk_image *rgb) {
    int all = 0, rich = 0;
    for (int y = 0; y + 32 <= rgb->height; y += 32)
        for (int x = 0; x + 32 <= rgb->width; x += 32) {
            double sum = 0.0, squares = 0.0;
            for (int i = 0; i < 1024; i++) {
                const double v = stk_image_row(rgb, y + i / 32)[3 * (x + i % 32) + 1];
                sum += v, squares += v * v;
            }
            all++, rich += squares / 1024.0 - (sum / 1024.0) * (sum / 1024.0) >= 1.0;
        }
    return (double)rich / all;
}

static void paint_every_room_has_calm_brightness_and_texture(void **state) {
    (void)state;
    for (int wall = -1; wall < 4; wall++) {
        const stk_look look = a_look(wall, 3 + wall);
        stk_image rgb;
        TEST_OK(stk_image_init(&rgb, 256, 256, 3));
        TEST_OK(stk_backdrop_paint(&rgb, &look, NULL));
        assert_true(mean(&rgb) > 45.0 && mean(&rgb) < 185.0);
        assert_true(textured(&rgb) > 0.95);
        stk_image_clear(&rgb);
    }
}

static void paint_odd_sizes_fill_the_picture(void **state) {
    (void)state;
    static const int size[6][2] = {{1, 1}, {3, 2}, {97, 61}, {64, 200}, {255, 64}, {2, 300}};
    for (int i = 0; i < 6; i++)
        for (int wall = 0; wall < 3; wall++) {
            const stk_look look = a_look(wall, 1);
            stk_image rgb;
            TEST_OK(stk_image_init(&rgb, size[i][0], size[i][1], 3));
            TEST_OK(stk_backdrop_paint(&rgb, &look, NULL));
            for (int y = 0; y < rgb.height; y++)
                for (int x = 0; x < rgb.width; x++) {
                    const uint8_t *pixel = stk_image_row(&rgb, y) + 3 * x;
                    assert_true(pixel[0] + pixel[1] + pixel[2] > 0);
                }
            stk_image_clear(&rgb);
        }
}

static void paint_threads_change_nothing(void **state) {
    (void)state;
    stk_pool *pool = NULL;
    TEST_OK(stk_pool_create(&pool, 3));
    for (int wall = 0; wall < 3; wall++) {
        const stk_look look = a_look(wall, 9);
        stk_image one, three;
        TEST_OK(stk_image_init(&one, 130, 100, 3));
        TEST_OK(stk_image_init(&three, 130, 100, 3));
        TEST_OK(stk_backdrop_paint(&one, &look, NULL));
        TEST_OK(stk_backdrop_paint(&three, &look, pool));
        for (int y = 0; y < 100; y++)
            assert_memory_equal(stk_image_row(&one, y), stk_image_row(&three, y), 390);
        stk_image_clear(&one);
        stk_image_clear(&three);
    }
    stk_pool_free(&pool);
}

static void paint_two_sizes_show_the_same_room(void **state) {
    (void)state;
    const stk_look look = a_look(0, 1);
    stk_image small, large;
    TEST_OK(stk_image_init(&small, 96, 96, 3));
    TEST_OK(stk_image_init(&large, 192, 192, 3));
    TEST_OK(stk_backdrop_paint(&small, &look, NULL));
    TEST_OK(stk_backdrop_paint(&large, &look, NULL));
    double sum = 0.0;
    for (int y = 0; y < 96; y++)
        for (int x = 0; x < 96; x++)
            sum +=
                fabs((double)stk_image_row(&small, y)[3 * x] - stk_image_row(&large, 2 * y)[6 * x]);
    assert_true(sum / (96.0 * 96.0) < 4.0);
    stk_image_clear(&small);
    stk_image_clear(&large);
}

static void paint_grey_picture_is_refused(void **state) {
    (void)state;
    const stk_look look = a_look(0, 1);
    stk_image grey;
    TEST_OK(stk_image_init(&grey, 8, 8, 1));
    assert_int_equal(stk_backdrop_paint(&grey, &look, NULL), STK_ERR_ARGUMENT);
    stk_image_clear(&grey);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paint_every_room_has_calm_brightness_and_texture),
        cmocka_unit_test(paint_odd_sizes_fill_the_picture),
        cmocka_unit_test(paint_threads_change_nothing),
        cmocka_unit_test(paint_two_sizes_show_the_same_room),
        cmocka_unit_test(paint_grey_picture_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
