/* What `prepare --json` says of clips whose trouble is known: the verdict on the poses, the cut, the
 * hand, the turn away; clips without a head that can be followed. Small clips: the verdict is meant
 * for pictures of any size. */
#include "support.h"
#include "presented.h"
#include "program.h"
#include "sanitized.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 160 };

static presented present(const char *variants, double seconds) {
    presented p;
    stk_presenter_settings settings = {
        .seconds = seconds, .width = SIDE, .height = SIDE, .seed = 7, .fps = 25, .crf = 16};
    TEST_OK(stk_presenter_variant_parse(variants, &settings.variant));
    presented_clip_alone(&p, settings);
    return p;
}

/* The one object on stdout; to be deleted. */
static cJSON *prepare(const char *clip, const char *folder, int exit_code) {
    const char *models = presented_models();
    const program_result *r = program_run("prepare %s -o %s --size %d --json %s %s", clip, folder,
                                          SIDE, models[0] != '\0' ? "--models" : "", models);
    if (r->exit_code != exit_code) fail_msg("%s: exit %d: %s", clip, r->exit_code, r->err);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithOpts(r->out, &end, 0);
    if (root == NULL) fail_msg("%s: not JSON: %s", clip, r->out);
    assert_int_equal(strspn(end, " \n"), strlen(end)); /* nothing behind it */
    return root;
}

static const char *text(const cJSON *object, const char *key) {
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    if (value == NULL) fail_msg("no text \"%s\"", key);
    return value;
}

static const cJSON *pose_of(const cJSON *root) {
    const cJSON *pose = cJSON_GetObjectItemCaseSensitive(root, "pose");
    assert_true(cJSON_IsObject(pose));
    print_message("%s: %s | %s\n", text(pose, "verdict"), text(pose, "reason"),
                  text(pose, "advice"));
    return pose;
}

static void expect_verdict(const cJSON *pose, const char *verdict, const char *reason) {
    assert_string_equal(text(pose, "verdict"), verdict);
    if (strstr(text(pose, "reason"), reason) == NULL)
        fail_msg("\"%s\" is not in: %s", reason, text(pose, "reason"));
    assert_true(text(pose, "advice")[0] != '\0');
}

/* A range of hard frames with this reason that covers [from_s, to_s] to `slack` of either end. */
static void expect_hard(const cJSON *pose, const char *reason, double from_s, double to_s,
                        double slack) {
    const cJSON *range;
    cJSON_ArrayForEach(range, cJSON_GetObjectItemCaseSensitive(pose, "hard_frames")) {
        const double from = cJSON_GetNumberValue(cJSON_GetObjectItem(range, "from_s"));
        const double to = cJSON_GetNumberValue(cJSON_GetObjectItem(range, "to_s"));
        print_message("hard: %.2f to %.2f s: %s\n", from, to, text(range, "reason"));
        if (strcmp(text(range, "reason"), reason) == 0 && fabs(from - from_s) < slack &&
            fabs(to - to_s) < slack)
            return;
    }
    fail_msg("no range of \"%s\" from %.2f to %.2f s", reason, from_s, to_s);
}

static void expect_files(const char *folder) {
    static const char *const names[] = {"focal.svg", "pose.svg", "overlay.mp4"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++) {
        char path[STK_PATH_MAX];
        snprintf(path, sizeof path, "%.4000s/report/%s", folder, names[i]);
        assert_true(stk_file_size(path) > 500);
    }
}

static void report_of_a_short_cut_clip_names_both(void **state) {
    (void)state;
    presented_need_speed();
    presented p = present("cut", 2.8);
    cJSON *root = prepare(p.clip, p.folder, 0);
    const cJSON *pose = pose_of(root);
    const cJSON *cuts = cJSON_GetObjectItemCaseSensitive(pose, "cuts");
    assert_string_equal(text(root, "result"), "ok");
    assert_int_equal(cJSON_GetArraySize(cuts), 1); /* in the middle: frame 35 */
    assert_float_equal(cJSON_GetNumberValue(cJSON_GetArrayItem(cuts, 0)), 1.4, 1e-6);
    static const char *const numbers[] = {"focal_px",
                                          "reprojection_median_px",
                                          "reprojection_p95_px",
                                          "jitter_rot_deg",
                                          "jitter_px",
                                          "points",
                                          "points_kept_share",
                                          "frames_per_second",
                                          "jitter_coarse_px",
                                          "jitter_unsmoothed_px",
                                          "jitter_unsmoothed_rot_deg",
                                          "focal_sd_px",
                                          "jitter_coarse_rot_deg"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(numbers); i++)
        if (!cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(pose, numbers[i])))
            fail_msg("%s is no number", numbers[i]);
    assert_true(cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(pose, "focal_determined")));
    expect_verdict(pose, "usable", "only 2.8 s long");
    expect_files(p.folder);
    cJSON_Delete(root);
}

static void report_lists_the_hand(void **state) {
    (void)state;
    presented_need_speed();
    presented p = present("hand", 4);
    cJSON *root = prepare(p.clip, p.folder, 0);
    const cJSON *pose = pose_of(root);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(pose, "cuts")), 0);
    expect_hard(pose, "hidden", 0.4 * 4, 0.6 * 4, 0.35); /* the hand comes and goes */
    expect_verdict(pose, "usable", "hard to follow");
    cJSON_Delete(root);
}

/* Copies the clip, every picture as `change` makes it. */
static void rewrite(const presented *p, const char *name, char path[STK_PATH_MAX],
                    void (*change)(stk_image *out, const stk_image *first, const stk_image *now,
                                   int frame, int frames)) {
    stk_video_reader *reader;
    stk_video_writer *writer;
    stk_image out, first = {0};
    const stk_image *rgb;
    int end = 0;
    snprintf(path, STK_PATH_MAX, "%.4000s.%s.mp4", p->folder, name);
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = SIDE,
                                        .height = SIDE,
                                        .fps = 25,
                                        .crf = 16,
                                        .gop = 12,
                                        .sound_path = p->clip};
    TEST_OK(stk_image_init(&out, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&first, SIDE, SIDE, 3));
    TEST_OK(stk_video_reader_open(&reader, p->clip, NULL));
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0;; i++) {
        TEST_OK(stk_video_reader_next(reader, &rgb, NULL, &end));
        if (end) break;
        if (i == 0) stk_image_copy(&first, rgb);
        change(&out, &first, rgb, i, p->frames);
        TEST_OK(stk_video_writer_frame(writer, &out));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_video_reader_close(&reader);
    stk_image_clear(&out);
    stk_image_clear(&first);
}

/* The first picture for ever, under grain (equal pictures would be taken for repeats). */
static void stand_still(stk_image *out, const stk_image *first, const stk_image *now, int frame,
                        int frames) {
    (void)now;
    (void)frames;
    uint32_t seed = 77u + (uint32_t)frame;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < 3 * SIDE; x++) {
            seed = seed * 1664525u + 1013904223u;
            const int v = stk_image_row(first, y)[x] + (int)(seed >> 29) - 4;
            stk_image_row(out, y)[x] = (uint8_t)stk_clampi(v, 0, 255);
        }
}

/* From a third on the picture slides away upwards and stays there. */
static void leave(stk_image *out, const stk_image *first, const stk_image *now, int frame,
                  int frames) {
    (void)first;
    const int third = frames / 3, gone = stk_clampi((frame - third) * 6, 0, SIDE - 20);
    for (int y = 0; y < SIDE; y++) {
        const int from = y + gone < SIDE ? y + gone : SIDE - 1;
        memcpy(stk_image_row(out, y), stk_image_row(now, from), 3 * SIDE);
    }
}

/* A test picture: bars that drift. */
static void show_bars(stk_image *out, const stk_image *first, const stk_image *now, int frame,
                      int frames) {
    (void)first;
    (void)now;
    (void)frames;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                stk_image_row(out, y)[3 * x + c] =
                    (uint8_t)(((x + frame) / 20 >> c & 1 ? 190 : 20) + y / 8);
}

static void report_of_a_still_head_says_so(void **state) {
    (void)state;
    presented_need_speed();
    char clip[STK_PATH_MAX];
    presented p = present("", 2.2);
    rewrite(&p, "still", clip, stand_still);
    cJSON *root = prepare(clip, p.folder, 0);
    const cJSON *pose = pose_of(root);
    expect_verdict(pose, "usable", "the head hardly turns");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(pose, "focal_determined")));
    cJSON_Delete(root);
}

static void expect_failure(const char *clip, const char *folder, const char *reason) {
    cJSON *root = prepare(clip, folder, 1);
    assert_string_equal(text(root, "result"), "fail");
    if (strstr(text(root, "reason"), reason) == NULL)
        fail_msg("\"%s\" is not in: %s", reason, text(root, "reason"));
    expect_verdict(pose_of(root), "bad", reason);
    cJSON_Delete(root);
}

static void report_of_a_head_that_leaves_is_a_failure(void **state) {
    (void)state;
    presented_need_speed();
    char clip[STK_PATH_MAX];
    presented p = present("", 2.2);
    rewrite(&p, "gone", clip, leave);
    expect_failure(clip, p.folder, "throughout, the longest of which is 0.00 to ");
}

static void report_without_a_head_is_a_failure(void **state) {
    (void)state;
    presented_need_speed();
    char clip[STK_PATH_MAX];
    presented p = present("", 2.2);
    rewrite(&p, "bars", clip, show_bars);
    expect_failure(clip, p.folder, "no face was found");
    presented empty = present("no_face", 2.1);
    expect_failure(empty.clip, empty.folder, "no face was found");
}

/* Failures before a step is run are one object as well. */
static void json_of_a_missing_clip_is_a_failure(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const program_result *r =
        program_run("prepare %s/absent.mp4 -o %s/person --json", folder, folder);
    assert_int_equal(r->exit_code, 1);
    cJSON *root = cJSON_Parse(r->out);
    assert_string_equal(text(root, "result"), "fail");
    assert_non_null(strstr(text(root, "reason"), "absent.mp4"));
    cJSON_Delete(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_of_a_short_cut_clip_names_both),
        cmocka_unit_test(report_lists_the_hand),
        cmocka_unit_test(report_of_a_still_head_says_so),
        cmocka_unit_test(report_of_a_head_that_leaves_is_a_failure),
        cmocka_unit_test(report_without_a_head_is_a_failure),
        cmocka_unit_test(json_of_a_missing_clip_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
