/* JPEG out: close to the picture, chroma whole, JFIF; the size of a picture by its header. */
#include "support.h"
#include "base/file.h"
#include "base/image.h"
#include "base/rng.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[STK_PATH_MAX];

static int make_path(void **state) {
    (void)state;
    return stk_path_join(path, sizeof path, test_temporary_folder(), "a.picture");
}

static void paint(stk_image *image) {
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            uint8_t *p = stk_image_row(image, y) + 3 * x;
            p[0] = (uint8_t)(127.0 + 100.0 * sin(0.11 * x));
            p[1] = (uint8_t)(127.0 + 100.0 * sin(0.13 * y));
            p[2] = (uint8_t)(x < image->width / 2 ? 20 : 220);
        }
}

static void jpeg_written_reads_back_closely(void **state) {
    (void)state;
    stk_image image, back;
    TEST_OK(stk_image_init(&image, 101, 67, 3));
    paint(&image);
    TEST_OK(stk_jpeg_write(path, &image));
    TEST_OK(stk_picture_read(path, 3, &back));
    assert_int_equal(back.width, 101);
    assert_int_equal(back.height, 67);
    double sum = 0.0;
    int most = 0;
    for (int y = 0; y < 67; y++)
        for (int x = 0; x < 3 * 101; x++) {
            int d = abs(stk_image_row(&image, y)[x] - stk_image_row(&back, y)[x]);
            sum += d * d;
            if (d > most) most = d;
        }
    double rms = sqrt(sum / (3.0 * 101 * 67));
    print_message("rms %.3f levels, most %d\n", rms, most);
    assert_true(rms < 1.5); /* a quantiser of q rounds by q/sqrt(12); they are 2 to 10, few large */
    assert_true(most < 16); /* subsampled chroma would miss the edge by 100 */
    stk_image_clear(&image), stk_image_clear(&back);
}

static void jpeg_of_other_channels_is_refused(void **state) {
    (void)state;
    stk_image grey;
    TEST_OK(stk_image_init(&grey, 64, 64, 1));
    assert_int_equal(stk_jpeg_write(path, &grey), STK_ERR_ARGUMENT);
    stk_image_clear(&grey);
}

static void size_is_read_from_the_header(void **state) {
    (void)state;
    stk_image image;
    int width, height;
    TEST_OK(stk_image_init(&image, 130, 66, 3));
    TEST_OK(stk_jpeg_write(path, &image));
    TEST_OK(stk_picture_size(path, &width, &height));
    assert_true(width == 130 && height == 66);
    TEST_OK(stk_png_write(path, &image));
    TEST_OK(stk_picture_size(path, &width, &height));
    assert_true(width == 130 && height == 66);
    stk_image_clear(&image);
}

static void size_of_damaged_pictures_is_refused(void **state) {
    (void)state;
    static const uint8_t endless[] = {0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0xFF, 0xE0, 0, 0, 0xFF, 0xFF};
    stk_image image;
    stk_map whole;
    int width, height;
    TEST_OK(stk_image_init(&image, 64, 64, 3));
    TEST_OK(stk_jpeg_write(path, &image));
    TEST_OK(stk_map_open(&whole, path));
    char cut[STK_PATH_MAX];
    snprintf(cut, sizeof cut, "%.*s.cut", (int)sizeof cut - 8, path);
    for (size_t size = 0; size < 160 && size < whole.size; size++) { /* before the frame header */
        TEST_OK(stk_file_write(cut, whole.data, size));
        assert_int_equal(stk_picture_size(cut, &width, &height), STK_ERR_FORMAT);
    }
    TEST_OK(stk_file_write(cut, endless, sizeof endless));
    assert_int_equal(stk_picture_size(cut, &width, &height), STK_ERR_FORMAT);
    assert_int_equal(stk_picture_size("/nonexistent", &width, &height), STK_ERR_IO);
    stk_map_close(&whole);
    stk_image_clear(&image);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void expect_damaged(const char *name, const uint8_t *bytes, size_t size) {
    stk_image back;
    TEST_OK(stk_file_write(name, bytes, size));
    if (stk_picture_read(name, 3, &back) != STK_ERR_FORMAT)
        fail_msg("%s: a damaged picture was taken", name);
    assert_null(back.data);
    assert_non_null(strstr(stk_error_text(), name));
}

/* A picture with some noise, as JPEG or PNG, in memory. */
static void write_noisy(int png, stk_map *whole) {
    stk_image image;
    stk_rng rng;
    stk_rng_seed(&rng, 7, 0);
    TEST_OK(stk_image_init(&image, 96, 80, 3));
    paint(&image);
    for (int y = 0; y < 80; y++)
        for (int x = 0; x < 3 * 96; x++)
            stk_image_row(&image, y)[x] ^= (uint8_t)stk_rng_below(&rng, 16);
    TEST_OK((png ? stk_png_write : stk_jpeg_write)(path, &image));
    TEST_OK(stk_map_open(whole, path));
    stk_image_clear(&image);
}

static void pictures_cut_off_are_refused(void **state) {
    (void)state;
    char name[STK_PATH_MAX];
    snprintf(name, sizeof name, "%.*s.cut", (int)sizeof name - 8, path);
    for (int png = 0; png < 2; png++) {
        stk_map whole;
        write_noisy(png, &whole);
        for (size_t size = 1; size < whole.size; size += 97) expect_damaged(name, whole.data, size);
        for (size_t left = 1; left <= 16; left++) /* the end itself; a PNG's is a chunk of 12 */
            if (!png || left > 4) expect_damaged(name, whole.data, whole.size - left);
        stk_map_close(&whole);
    }
}

/* Zeros in a JPEG are codes that may happen to fill as many blocks: nobody can tell. */
static void pictures_overwritten_in_the_middle_are_refused(void **state) {
    (void)state;
    enum { HOLE = 200 };
    char name[STK_PATH_MAX];
    stk_rng rng;
    stk_rng_seed(&rng, 9, 0);
    snprintf(name, sizeof name, "%.*s.bad", (int)sizeof name - 8, path);
    for (int png = 0; png < 2; png++) {
        stk_map whole;
        write_noisy(png, &whole);
        uint8_t *copy = malloc(whole.size);
        assert_non_null(copy);
        for (int round = 0; round < 60; round++) {
            memcpy(copy, whole.data, whole.size);
            size_t at = whole.size / 4 + stk_rng_below(&rng, (uint32_t)(whole.size / 2));
            for (int i = 0; i < HOLE; i++)
                copy[at + (size_t)i] = round % 3 ? (uint8_t)stk_rng_below(&rng, 256)
                                       : png     ? 0x00
                                                 : 0xFF;
            expect_damaged(name, copy, whole.size);
        }
        free(copy);
        stk_map_close(&whole);
    }
}

/* Previews and films of phones lie behind the end; fill bytes before a marker are allowed. */
static void jpeg_with_more_behind_its_end_is_read(void **state) {
    (void)state;
    stk_image back;
    stk_map whole;
    write_noisy(0, &whole);
    uint8_t *longer = malloc(whole.size + 104);
    assert_non_null(longer);
    memcpy(longer, whole.data, whole.size - 2);
    memset(longer + whole.size - 2, 0xFF, 5);
    longer[whole.size + 3] = 0xD9;
    memset(longer + whole.size + 4, 0x5A, 100);
    TEST_OK(stk_file_write(path, longer, whole.size + 104));
    TEST_OK(stk_picture_read(path, 3, &back));
    stk_image_clear(&back);
    free(longer);
    stk_map_close(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_written_reads_back_closely),
        cmocka_unit_test(jpeg_of_other_channels_is_refused),
        cmocka_unit_test(size_is_read_from_the_header),
        cmocka_unit_test(size_of_damaged_pictures_is_refused),
        cmocka_unit_test(pictures_cut_off_are_refused),
        cmocka_unit_test(pictures_overwritten_in_the_middle_are_refused),
        cmocka_unit_test(jpeg_with_more_behind_its_end_is_read),
    };
    return cmocka_run_group_tests(tests, make_path, NULL);
}
