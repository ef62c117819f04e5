/* `synctalk compare`: a film against itself and against one that is brighter by a known amount;
 * what cannot be told, and mistakes. */
#include "support.h"
#include "program.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 208, HEIGHT = 192, FRAMES = 6, BRIGHTER = 16 };
static char real[STK_PATH_MAX], brighter[STK_PATH_MAX], small[STK_PATH_MAX], report[STK_PATH_MAX];

/* Grey noise, other in each frame: no face, and texture everywhere. */
static void make_film(const char *path, int width, int frames, int add) {
    stk_image picture = {0};
    TEST_OK(stk_image_init(&picture, width, HEIGHT, 3));
    stk_video_writer *writer;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = width,
                                        .height = HEIGHT,
                                        .fps = 25,
                                        .crf = 0,
                                        .threads = 1};
    stk_rng rng;
    stk_rng_seed(&rng, 3, 0);
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0; i < frames; i++) {
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < width; x++)
                memset(stk_image_row(&picture, y) + 3 * x, 60 + (int)stk_rng_below(&rng, 100) + add,
                       3);
        TEST_OK(stk_video_writer_frame(writer, &picture));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_image_clear(&picture);
}

static int make_inputs(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    TEST_OK(stk_path_join(real, sizeof real, folder, "real.mp4"));
    TEST_OK(stk_path_join(brighter, sizeof brighter, folder, "brighter.mp4"));
    TEST_OK(stk_path_join(small, sizeof small, folder, "small.mp4"));
    TEST_OK(stk_path_join(report, sizeof report, folder, "a/report"));
    make_film(real, WIDTH, FRAMES, 0);
    make_film(brighter, WIDTH, FRAMES + 2, BRIGHTER);
    make_film(small, WIDTH - 16, 2, 0);
    return 0;
}

/* The number behind the n-th "key":, or NaN. */
static double number(const char *json, const char *key, int n) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    for (;; json++) {
        json = strstr(json, quoted);
        if (json == NULL) return (double)NAN;
        if (n-- == 0) return strtod(json + strlen(quoted), NULL);
    }
}

/* The four files, of two videos of FRAMES frames each. */
static void check_report(const char *json) {
    static const char *const parts[] = {"<h1>2 videos beside real.mp4</h1>",
                                        "brighter.mp4",
                                        "src=\"data:image/jpeg;base64,/9j/",
                                        "Worst by PSNR",
                                        "The same frames",
                                        "<polyline",
                                        "lmd was not computed: "};
    char *text, path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, report, "figures.json"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    assert_string_equal(text, json); /* what --json prints */
    stk_free(text);
    TEST_OK(stk_path_join(path, sizeof path, report, "figures.csv"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    assert_int_equal(strncmp(text, "video,frame,psnr,", 17), 0);
    int lines = 0;
    for (const char *p = text; *p != '\0'; p++) lines += *p == '\n';
    assert_int_equal(lines, 1 + 2 * FRAMES);
    stk_free(text);
    TEST_OK(stk_path_join(path, sizeof path, report, "figures.md"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    assert_non_null(strstr(text, "| PSNR, dB | `psnr` | 100.00 | 100.00 |"));
    stk_free(text);
    TEST_OK(stk_path_join(path, sizeof path, report, "report.html"));
    TEST_OK(stk_file_read_text(path, 5 << 20, &text));
    for (size_t i = 0; i < STK_ARRAY_SIZE(parts); i++)
        if (strstr(text, parts[i]) == NULL) fail_msg("report.html lacks %s", parts[i]);
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "src=\"http")); /* nothing is fetched */
    stk_free(text);
}

static void compare_tells_a_film_from_itself_and_from_a_brighter_one(void **state) {
    (void)state;
    const program_result *r =
        program_run("compare %s %s --real %s --json -q --report %s", real, brighter, real, report);
    assert_int_equal(r->exit_code, 0);
    check_report(r->out);
    assert_true(number(r->out, "psnr", 0) == 100 && number(r->out, "frames", 0) == FRAMES);
    assert_true(fabs(number(r->out, "ssim", 0) - 1) < 1e-9);
    assert_true(fabs(number(r->out, "ms_ssim", 0) - 1) < 1e-9);
    assert_true(number(r->out, "real_frames", 1) == FRAMES);
    assert_true(number(r->out, "video_frames", 1) == FRAMES + 2);
    const char *second = strstr(r->out, "brighter.mp4");
    assert_non_null(second);
    /* 16 levels: 24.05 dB; luma has 219 levels for 255, so either picture is off by half a level. */
    assert_true(fabs(number(second, "psnr", 0) - 20 * log10(255.0 / BRIGHTER)) < 0.6);
    assert_true(number(second, "ms_ssim", 0) > 0.9 && number(second, "ms_ssim", 0) < 1);
    /* Not to be had of noise without sound, each with its reason. */
    static const char *const without[] = {"lmd",   "aue",   "psnr_head", "sync_confidence",
                                          "lpips", "lse_c", "lse_d"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(without); i++) {
        char null[64], reason[64];
        snprintf(null, sizeof null, "\"%s\":null", without[i]);
        snprintf(reason, sizeof reason, "\"%s\":\"", without[i]);
        assert_non_null(strstr(second, null));
        assert_non_null(strstr(second, reason));
    }
}

static void compare_prints_a_table(void **state) {
    (void)state;
    const program_result *r = program_run("compare %s --real %s -q", brighter, real);
    assert_int_equal(r->exit_code, 0);
    static const char *const lines[] = {"frames  ", "\npsnr  ", "\nms_ssim  ", "not computed:"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(lines); i++) assert_non_null(strstr(r->out, lines[i]));
}

static void compare_mistakes_get_a_sentence(void **state) {
    (void)state;
    program_assert_refuses(program_run("compare %s --real %s", small, real), 1,
                           "bring one to the other's size");
    program_assert_refuses(program_run("compare --real %s", real), 2, "VIDEO... is missing");
    program_assert_refuses(program_run("compare %s", real), 2, "--real VIDEO is missing");
    program_assert_refuses(program_run("compare %s --real %s --perceptual resnet", real, real), 2,
                           "alex, vgg, squeeze");
    program_assert_refuses(program_run("compare /none.mp4 --real %s", real), 1, "/none.mp4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compare_tells_a_film_from_itself_and_from_a_brighter_one),
        cmocka_unit_test(compare_prints_a_table),
        cmocka_unit_test(compare_mistakes_get_a_sentence),
    };
    return cmocka_run_group_tests(tests, make_inputs, NULL);
}
