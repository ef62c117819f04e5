/* test_subject_prepare.c - clips that cannot work are refused with one sentence and nothing
 * half-written; a real clip becomes a subject, once. */
#include "support.h"
#include "sanitized.h"

#include "base/image.h"
#include "base/memory.h"
#include "subject/framing.h"
#include "subject/subject.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 128 };

/* folder/name; lives as long as the program. */
static const char *in_folder(const char *folder, const char *name) {
    enum { PATHS = 200, PATH_SIZE = 256 };
    static char paths[PATHS][PATH_SIZE];
    static int count;
    assert_true(count < PATHS);
    TEST_OK(stk_path_join(paths[count], PATH_SIZE, folder, name));
    return paths[count++];
}

static const char *weights(void) {
    return test_shared_or_skip("models");
}

enum { MUTE, TONE, SILENCE };

/* A gradient that drifts. */
static const char *make_clip(const char *folder, const char *name, int frames, int sound) {
    const char *path = in_folder(folder, name), *wav = in_folder(folder, "tone.wav");
    const int64_t count = (int64_t)frames * (STK_SAMPLE_RATE / STK_FPS);
    stk_sound tone = {stk_calloc_aligned((size_t)count, sizeof(float)), count, STK_SAMPLE_RATE};
    stk_image image;
    stk_video_writer *writer;
    assert_non_null(tone.samples);
    for (int64_t i = 0; i < count && sound != SILENCE; i++)
        tone.samples[i] = 0.3f * sinf(0.1f * (float)(i % 62831));
    TEST_OK(stk_sound_write_wav(wav, &tone));
    stk_free(tone.samples);
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = SIDE,
                                        .height = SIDE,
                                        .fps = STK_FPS,
                                        .crf = 20,
                                        .gop = 12,
                                        .threads = 1,
                                        .sound_path = sound ? wav : NULL};
    TEST_OK(stk_image_init(&image, SIDE, SIDE, 3));
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int f = 0; f < frames; f++) {
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE * 3; x++)
                stk_image_row(&image, y)[x] = (uint8_t)(x / 3 + y / 2 + 2 * f);
        TEST_OK(stk_video_writer_frame(writer, &image));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_image_clear(&image);
    return path;
}

/* Prepares, expects this failure with both words in its sentence. */
static void expect_refusal(const char *clip, const char *folder, const char *models,
                           stk_status expected, const char *word) {
    const stk_prepare_settings settings = {
        .clip = clip, .folder = folder, .models = models, .threads = 2};
    stk_status status = stk_subject_prepare(&settings, NULL);
    if (status != expected || strstr(stk_error_text(), word) == NULL)
        fail_msg("%s: status %d: %s", clip, status, stk_error_text());
    assert_null(strchr(stk_error_text(), '\n'));
}

static int count_entries(const char *folder) {
    DIR *directory = opendir(folder);
    int count = 0;
    if (directory == NULL) return -1;
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        assert_null(strstr(e->d_name, ".part-"));
        count += e->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

static void prepare_text_named_mp4_is_refused_and_creates_nothing(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const char *clip = in_folder(folder, "notes.mp4"), *out = in_folder(folder, "person");
    TEST_OK(stk_file_write(clip, "this is no film\n", 16));
    stk_prepare_settings settings = {.clip = clip, .folder = out};
    assert_int_not_equal(stk_subject_prepare(&settings, NULL), STK_OK);
    assert_non_null(strstr(stk_error_text(), "notes.mp4"));
    assert_false(stk_file_exists(out));
    settings.parsing = clip;
    assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "is not the BiSeNet of face-parsing.PyTorch"));
    assert_false(stk_file_exists(out));
    TEST_OK(stk_file_write(in_folder(folder, "79999_iter.pth"), "nor this weights\n", 17));
    settings.parsing = NULL, settings.models = folder; /* found there, it counts as given */
    assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_WEIGHTS);
    settings.parsing = "builtin", settings.models = NULL;
    settings.clip = in_folder(folder, "absent.mp4");
    assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_IO);
    assert_false(stk_file_exists(out));
}

static void prepare_clip_without_sound_short_or_faceless_is_refused(void **state) {
    (void)state;
    const char *models = weights(), *folder = test_temporary_folder();
    expect_refusal(make_clip(folder, "mute.mp4", 60, 0), in_folder(folder, "a"), models,
                   STK_ERR_CONTENT, "no sound");
    expect_refusal(make_clip(folder, "short.mp4", 30, 1), in_folder(folder, "b"), models,
                   STK_ERR_CONTENT, "too short");
    /* before anybody is looked for, who is not there */
    const char *out = in_folder(folder, "c");
    expect_refusal(make_clip(folder, "silent.mp4", 60, SILENCE), out, models, STK_ERR_CONTENT,
                   "its sound is silence (-120 dB)");
    /* and the folder is free for a better clip */
    expect_refusal(make_clip(folder, "wall.mp4", 60, TONE), out, models, STK_ERR_CONTENT,
                   "no face");
    /* the report says so too, and nothing else was left */
    char *text;
    TEST_OK(stk_file_read_text(in_folder(out, "report.txt"), 1 << 16, &text));
    assert_non_null(strstr(text, "FAIL"));
    stk_free(text);
    assert_int_equal(count_entries(out), 3); /* manifest.json report.txt report.json */
}

static void prepare_removes_what_killed_runs_left(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const char *clip = make_clip(folder, "wall.mp4", 60, 1), *out = in_folder(folder, "person");
    const char *cache = in_folder(out, "cache");
    const char *left[2] = {in_folder(out, "picture.mp4.part-999999999"),
                           in_folder(cache, "rays.bin.part-999999999-0")};
    TEST_OK(stk_directory_create(cache));
    for (int i = 0; i < 2; i++) TEST_OK(stk_file_write(left[i], "half", 4));
    expect_refusal(clip, out, NULL, STK_ERR_ARGUMENT, "holds something else (cache)");
    for (int i = 0; i < 2; i++) assert_false(stk_file_exists(left[i]));
}

static void prepare_of_a_folder_being_prepared_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const char *clip = make_clip(folder, "wall.mp4", 60, 1), *out = in_folder(folder, "person");
    TEST_OK(stk_directory_create(out));
    int lock = stk_directory_lock(out); /* as the other run has it */
    expect_refusal(clip, out, NULL, STK_ERR_IO, "another run is preparing it; wait");
    assert_int_equal(count_entries(out), 0);
    close(lock);
    expect_refusal(clip, out, weights(), STK_ERR_CONTENT, "no face");
}

static void prepare_of_an_impossible_size_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const char *clip = make_clip(folder, "wall.mp4", 2, 0), *out = in_folder(folder, "person");
    const int sizes[] = {-2, STK_SUBJECT_SIDE_MIN - 2, 255, STK_SUBJECT_SIDE_MAX + 2};
    for (size_t i = 0; i < STK_ARRAY_SIZE(sizes); i++) {
        const stk_prepare_settings settings = {.clip = clip, .folder = out, .size = sizes[i]};
        assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_ARGUMENT);
        assert_non_null(strstr(stk_error_text(), "from 64 to 1024"));
    }
    assert_false(stk_file_exists(out));
}

static void prepare_into_foreign_or_impossible_folder_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const char *clip = make_clip(folder, "wall.mp4", 60, 1);
    expect_refusal(clip, folder, NULL, STK_ERR_ARGUMENT, "holds something else");
    assert_true(stk_file_exists(clip));
    expect_refusal(clip, clip, NULL, STK_ERR_IO, "is a file");
    expect_refusal(clip, in_folder(clip, "below"), NULL, STK_ERR_IO, "below");
    const char *empty = in_folder(folder, "empty"), *link = in_folder(folder, "link");
    TEST_OK(stk_directory_create(empty));
    assert_int_equal(symlink(empty, link), 0);
    expect_refusal(clip, link, NULL, STK_ERR_ARGUMENT, "is a link; give the name of a new folder");
    expect_refusal(clip, in_folder(link, ""), NULL, STK_ERR_ARGUMENT, "is a link");
    expect_refusal(clip, ".", NULL, STK_ERR_ARGUMENT, "give the name of a new folder");
    expect_refusal(clip, in_folder(empty, ".."), NULL, STK_ERR_ARGUMENT, "such as");
    assert_int_equal(count_entries(empty), 0);
    const char *newer = in_folder(folder, "newer");
    static const char text[] = "{\"format\": \"synctalk subject\", \"version\": 77}";
    TEST_OK(stk_directory_create(newer));
    TEST_OK(stk_file_write(in_folder(newer, "manifest.json"), text, sizeof text - 1));
    expect_refusal(clip, newer, NULL, STK_ERR_UNSUPPORTED, "newer version");
}

static void prepare_truncated_clip_is_refused_or_shorter(void **state) {
    (void)state;
    const char *source = test_shared_or_skip("clips/may.mp4");
    const char *folder = test_temporary_folder(), *clip = in_folder(folder, "cut.mp4");
    stk_map map;
    TEST_OK(stk_map_open(&map, source));
    TEST_OK(stk_file_write(clip, map.data, map.size / 4));
    stk_map_close(&map);
    const stk_prepare_settings settings = {
        .clip = clip, .folder = in_folder(folder, "a"), .models = weights(), .threads = 2};
    assert_int_not_equal(stk_subject_prepare(&settings, NULL), STK_OK);
    assert_non_null(strstr(stk_error_text(), "cut.mp4"));
}

/* However a number is written, it is that number. */
static void prepare_sync_of_many_digits_is_its_number(void **state) {
    (void)state;
    static char digits[9002];
    const char *folder = test_temporary_folder(), *models = weights();
    stk_prepare_settings settings = {.clip = make_clip(folder, "faceless.mp4", 60, 1),
                                     .folder = in_folder(folder, "person"),
                                     .models = models,
                                     .sync = digits,
                                     .threads = 2};
    memset(digits, '0', sizeof digits - 1);
    digits[sizeof digits - 2] = '1';
    assert_int_not_equal(stk_subject_prepare(&settings, NULL), STK_OK);
    assert_non_null(strstr(stk_error_text(), "face"));
}

/* --- a real clip ------------------------------------------------------------------------------ */

typedef struct watch {
    char last[32];
    int calls, stop_at_pose;
} watch;

static void on_progress(void *user, const stk_progress *progress) {
    watch *w = user;
    snprintf(w->last, sizeof w->last, "%s", progress->step);
    w->calls++;
}

static int on_aborted(void *user) {
    watch *w = user;
    return w->stop_at_pose && strcmp(w->last, "pose") == 0;
}

static const char *const products[] = {
    "picture.mp4",        "audio.wav",  "labels.safetensors", "plate.png", "torso.mp4",
    "tables.safetensors", "report.txt", "report.json",        "sheet.png", "manifest.json"};

static void stat_products(const char *folder, struct stat *stats) {
    for (size_t i = 0; i < STK_ARRAY_SIZE(products); i++)
        assert_int_equal(stat(in_folder(folder, products[i]), &stats[i]), 0);
}

static int same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void check_subject(const char *folder) {
    stk_subject *subject;
    stk_image labels;
    TEST_OK(stk_subject_open(&subject, folder));
    const stk_subject_info *info = stk_subject_get_info(subject);
    assert_int_equal(info->frames, 125);
    assert_int_equal(info->train_frames, 113);
    assert_int_equal(info->width, 256);
    assert_string_equal(info->name, "may");
    TEST_OK(stk_image_init(&labels, info->width, info->height, 1));
    for (int frame = 0; frame < info->frames; frame += 31) {
        /* the nose is head, and the head's origin lies near it */
        const float *nose = stk_subject_landmarks(subject, frame)[4];
        const stk_pose *pose = &stk_subject_poses(subject)[frame];
        TEST_OK(stk_subject_labels(subject, frame, &labels));
        assert_int_equal(stk_image_row(&labels, (int)nose[1])[(int)nose[0]], STK_LABEL_HEAD);
        float u = info->camera.cx_px - info->camera.focal_px * pose->t[0] / pose->t[2];
        float v = info->camera.cy_px + info->camera.focal_px * pose->t[1] / pose->t[2];
        assert_true(hypotf(u - nose[0], v - nose[1]) < 0.15f * (float)info->width);
        stk_regions r = stk_subject_regions(subject, frame);
        assert_true(r.mouth.x0 > r.face.x0 && r.mouth.x1 < r.face.x1);
        assert_true(r.eyes.y1 < r.mouth.y0);
    }
    stk_image_clear(&labels);
    stk_subject_close(&subject);
}

static void prepare_may_stops_resumes_and_is_done_once(void **state) {
    (void)state;
    if (SANITIZED) {
        print_message(
            "SKIP: test_cli_person prepares a clip under sanitizers, in a third of the time\n");
        skip();
    }
    const char *clip = test_shared_or_skip("clips/may.mp4"), *models = weights();
    const char *person = in_folder(test_temporary_folder(), "may");
    struct stat before[STK_ARRAY_SIZE(products)], after[STK_ARRAY_SIZE(products)];
    watch w = {.stop_at_pose = 1};
    const stk_job job = {on_progress, on_aborted, &w};
    stk_prepare_settings settings = {
        .clip = clip, .folder = person, .models = models, .size = 256, .threads = 2};
    stk_subject *subject;
    assert_int_equal(stk_subject_prepare(&settings, &job), STK_ERR_ABORTED);
    assert_string_equal(stk_error_text(),
                        "stopped in the step \"pose\"; run the same command again to continue");
    assert_true(w.calls > 125);
    assert_int_equal(stk_subject_open(&subject, person), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "unfinished"));
    struct stat picture;
    assert_int_equal(stat(in_folder(person, "picture.mp4"), &picture), 0);
    w = (watch){0};
    TEST_OK(stk_subject_prepare(&settings, &job));
    check_subject(person);
    stat_products(person, before);
    assert_true(same_file(&before[0], &picture)); /* the finished step was kept */
    TEST_OK(stk_subject_prepare(&settings, NULL));
    stat_products(person, after);
    for (size_t i = 0; i < STK_ARRAY_SIZE(products); i++)
        assert_true(same_file(&before[i], &after[i]));
    /* a lost file is made again, and with it only what depends on it */
    unlink(in_folder(person, "torso.mp4"));
    TEST_OK(stk_subject_prepare(&settings, NULL));
    stat_products(person, after);
    assert_false(same_file(&before[4], &after[4]));
    assert_true(same_file(&before[2], &after[2]) && same_file(&before[5], &after[5]));
    /* another clip does not overwrite it */
    const char *other = make_clip(test_temporary_folder(), "other.mp4", 60, 1);
    expect_refusal(other, person, models, STK_ERR_MISMATCH, "another clip");
}

/* --- two people ------------------------------------------------------------------------------- */

enum { PAIR_FRAMES = 60 };

/* The clip twice, side by side. */
static void write_pair(const char *path, const char *source) {
    const stk_image *frame;
    stk_image pair;
    stk_video_reader *reader;
    stk_video_writer *writer;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = 1024,
                                        .height = 512,
                                        .fps = STK_FPS,
                                        .crf = 16,
                                        .threads = 2,
                                        .sound_path = source};
    TEST_OK(stk_image_init(&pair, 1024, 512, 3));
    TEST_OK(stk_video_reader_open(&reader, source, NULL));
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0, end = 0; i < PAIR_FRAMES; i++) {
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_false(end);
        for (int x = 0; x < 1024; x += 512) {
            stk_image half = stk_image_view(&pair, (stk_rect){x, 0, x + 512, 512});
            stk_image_copy(&half, frame);
        }
        TEST_OK(stk_video_writer_frame(writer, &pair));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_video_reader_close(&reader);
    stk_image_clear(&pair);
}

static int is_beyond_picture(void *user) {
    const watch *w = user;
    return strcmp(w->last, "face") == 0;
}

/* Both are as large; the square must not lie between them, nor jump. */
static void prepare_of_two_people_follows_one_and_says_so(void **state) {
    (void)state;
    const char *source = test_shared_or_skip("clips/may.mp4"), *models = weights();
    const char *folder = test_temporary_folder(), *clip = in_folder(folder, "pair.mp4");
    const char *person = in_folder(folder, "person");
    write_pair(clip, source);
    watch w = {0};
    const stk_job job = {on_progress, is_beyond_picture, &w};
    const stk_prepare_settings settings = {
        .clip = clip, .folder = person, .models = models, .size = 64, .threads = 2};
    assert_int_equal(stk_subject_prepare(&settings, &job), STK_ERR_ABORTED);
    char *text;
    TEST_OK(stk_file_read_text(in_folder(person, "manifest.json"), 1 << 16, &text));
    cJSON *manifest = cJSON_Parse(text);
    const cJSON *picture = cJSON_GetObjectItem(cJSON_GetObjectItem(manifest, "steps"), "picture");
    const cJSON *figures = cJSON_GetObjectItem(picture, "figures");
    assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(figures, "second_person_share")) > 0.99);
    const cJSON *crop = cJSON_GetObjectItem(cJSON_GetObjectItem(manifest, "source"), "crop");
    assert_non_null(crop);
    const double x0 = cJSON_GetNumberValue(cJSON_GetArrayItem(crop, 0));
    assert_true(x0 < 100 || x0 > 412); /* one half's own */
    cJSON_Delete(manifest);
    stk_free(text);
}

/* --- framing ---------------------------------------------------------------------------------- */

static void framing_square_head_and_shoulders_is_taken_whole(void **state) {
    (void)state;
    float x[3] = {250, 255, 260}, y[3] = {240, 240, 250}, h[3] = {210, 200, 190};
    const stk_face_boxes boxes = {x, y, h, 3};
    stk_rect r = stk_framing_choose(&boxes, 512, 512);
    assert_true(r.x0 == 0 && r.y0 == 0 && r.x1 == 512 && r.y1 == 512);
}

static void framing_small_face_gets_a_square_inside_the_picture(void **state) {
    (void)state;
    for (int corner = 0; corner < 4; corner++) {
        float cx = corner & 1 ? 1000.0f : 540.0f, cy = corner & 2 ? 1880.0f : 500.0f;
        float x[3] = {cx, cx + 10, cx + 20}, y[3] = {cy, cy, cy + 10}, h[3] = {180, 200, 190};
        const stk_face_boxes boxes = {x, y, h, 3};
        stk_rect r = stk_framing_choose(&boxes, 1080, 1920);
        assert_int_equal(r.x1 - r.x0, r.y1 - r.y0);
        assert_in_range(r.x1 - r.x0, 2.2 * 190, 2.5 * 190);
        assert_true(r.x0 >= 0 && r.y0 >= 0 && r.x1 <= 1080 && r.y1 <= 1920);
        assert_true((float)r.x0 < cx - 90 || r.x0 == 0);
        assert_true((float)r.y0 <= cy - 1.19f * 200); /* above the hair */
    }
    float x[2] = {320, 320}, y[2] = {180, 180}, h[2] = {300, 300};
    const stk_face_boxes tight = {x, y, h, 2};
    stk_rect r = stk_framing_choose(&tight, 640, 360);
    assert_int_equal(r.x1 - r.x0, 360); /* the largest square there is */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_text_named_mp4_is_refused_and_creates_nothing),
        cmocka_unit_test(prepare_clip_without_sound_short_or_faceless_is_refused),
        cmocka_unit_test(prepare_removes_what_killed_runs_left),
        cmocka_unit_test(prepare_of_a_folder_being_prepared_is_refused),
        cmocka_unit_test(prepare_of_an_impossible_size_is_refused),
        cmocka_unit_test(prepare_into_foreign_or_impossible_folder_is_refused),
        cmocka_unit_test(prepare_truncated_clip_is_refused_or_shorter),
        cmocka_unit_test(prepare_sync_of_many_digits_is_its_number),
        cmocka_unit_test(prepare_may_stops_resumes_and_is_done_once),
        cmocka_unit_test(prepare_of_two_people_follows_one_and_says_so),
        cmocka_unit_test(framing_square_head_and_shoulders_is_taken_whole),
        cmocka_unit_test(framing_small_face_gets_a_square_inside_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
