/* `synctalk sheet`: pictures in rows, moments of a video, mistakes. */
#include "support.h"
#include "program.h"
#include "base/file.h"
#include "base/image.h"
#include "media/media.h"

#include <stdio.h>
#include <string.h>

static char folder[STK_PATH_MAX], still[STK_PATH_MAX], video[STK_PATH_MAX], sheet[STK_PATH_MAX];

/* A 64 x 48 picture of one grey, and ten frames whose grey is 20 times their number. */
static int make_inputs(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(still, sizeof still, folder, "a@b.png"));
    TEST_OK(stk_path_join(video, sizeof video, folder, "v.mp4"));
    TEST_OK(stk_path_join(sheet, sizeof sheet, folder, "sheet.png"));
    stk_image picture = {0};
    TEST_OK(stk_image_init(&picture, 64, 48, 3));
    stk_video_writer *writer;
    const stk_writer_options options = {
        .format = STK_WRITER_MP4, .width = 64, .height = 48, .fps = 25, .crf = 1, .threads = 1};
    TEST_OK(stk_video_writer_create(&writer, video, &options));
    for (int i = 0; i < 10; i++) {
        for (int y = 0; y < 48; y++) memset(stk_image_row(&picture, y), 20 * i, 3 * 64);
        TEST_OK(stk_video_writer_frame(writer, &picture));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    TEST_OK(stk_png_write(still, &picture)); /* grey 180 */
    stk_image_clear(&picture);
    return 0;
}

static void sheet_places_pictures_row_by_row(void **state) {
    (void)state;
    const program_result *r = program_run("sheet %s %s@0.2 %s@0.081 -o %s --columns 2 --height 24",
                                          still, video, video, sheet);
    assert_int_equal(r->exit_code, 0);
    stk_image made;
    TEST_OK(stk_picture_read(sheet, 3, &made));
    assert_int_equal(made.width, 32 + 4 + 32);
    assert_int_equal(made.height, 24 + 4 + 24);
    assert_int_equal(stk_image_row(&made, 12)[3 * 16], 180);             /* the still */
    assert_in_range(stk_image_row(&made, 12)[3 * 52], 100 - 3, 100 + 3); /* frame 5 at 0.2 s */
    assert_in_range(stk_image_row(&made, 40)[3 * 16], 40 - 3, 40 + 3);   /* frame 2 from 0.08 s */
    assert_int_equal(stk_image_row(&made, 40)[3 * 60], 255);             /* nothing there */
    stk_image_clear(&made);
}

static void sheet_mistakes_get_a_sentence(void **state) {
    (void)state;
    program_assert_refuses(program_run("sheet %s@9 -o %s", video, sheet), 2, "ends before 9 s");
    program_assert_refuses(program_run("sheet -o %s", sheet), 2, "PICTURE... is missing");
    program_assert_refuses(program_run("sheet %s", still), 2, "-o PNG is missing");
    program_assert_refuses(program_run("sheet %s -o /tmp/a.jpg", still), 2, "name it .png");
    program_assert_refuses(program_run("sheet %s@0.1 %s -o %s", video, still, still), 2,
                           "give the output another name");
    program_assert_refuses(program_run("sheet /none.png -o %s", sheet), 1, "/none.png");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sheet_places_pictures_row_by_row),
                                       cmocka_unit_test(sheet_mistakes_get_a_sentence)};
    return cmocka_run_group_tests(tests, make_inputs, NULL);
}
