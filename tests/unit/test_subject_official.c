/* Official dataset folders in and out: round trips, what is handled (gaps, odd and oblong pictures,
 * other keys), what is refused, and that nothing half-made stays. */
#include "support.h"
#include "official_folder.h"
#include "synthetic_subject.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "face_sync/face_capture.h"
#include "subject/draft.h"
#include "subject/official.h"
#include "subject/regions.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 64 };
static char folder[STK_PATH_MAX]; /* of the test that runs */
static int stop_at = -1;          /* progress report that asks to stop */

static int fresh_folder(void **state) {
    (void)state;
    static char above[STK_PATH_MAX - 16]; /* one for all: a program may ask for 16 */
    static int count;
    if (count == 0) snprintf(above, sizeof above, "%s", test_temporary_folder());
    snprintf(folder, sizeof folder, "%s/%d", above, count++);
    stop_at = -1;
    return stk_directory_create(folder);
}

static const char *in(const char *name) {
    static char paths[8][STK_PATH_MAX];
    static int next;
    char *path = paths[next++ % 8];
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    return path;
}

static int aborted(void *user) {
    (void)user;
    return stop_at >= 0 && stop_at-- == 0;
}

static stk_status import(const char *source, const char *target, stk_convert_figures *figures) {
    static stk_convert_figures unused;
    const stk_job job = {.aborted = aborted};
    const stk_convert_settings settings = {in(source), in(target), 2};
    return stk_subject_import(&settings, &job, figures != NULL ? figures : &unused);
}

static stk_status export(const char *source, const char *target) {
    stk_convert_figures figures;
    const stk_job job = {.aborted = aborted};
    const stk_convert_settings settings = {in(source), in(target), 2};
    return stk_subject_export(&settings, &job, &figures);
}

static stk_subject *opened(const char *name) {
    stk_subject *subject;
    TEST_OK(stk_subject_open(&subject, in(name)));
    return subject;
}

/* Mean and largest difference of a frame's picture, in levels. */
static void compare_pictures(const stk_subject *a, const stk_subject *b, int torso, double mean) {
    stk_frame_store *stores[2];
    const stk_image *frames[2];
    TEST_OK((torso ? stk_subject_open_torsos : stk_subject_open_pictures)(a, &stores[0]));
    TEST_OK((torso ? stk_subject_open_torsos : stk_subject_open_pictures)(b, &stores[1]));
    double sum = 0.0;
    int values = 0;
    for (int f = 0; f < stk_subject_get_info(a)->frames; f += 5) {
        for (int k = 0; k < 2; k++) TEST_OK(stk_frame_store_get(stores[k], f, &frames[k]));
        for (int y = 0; y < frames[0]->height; y++)
            for (int x = 0; x < 3 * frames[0]->width; x++, values++)
                sum += abs(stk_image_row(frames[0], y)[x] - stk_image_row(frames[1], y)[x]);
    }
    print_message("%s: mean difference %.3f levels\n", torso ? "torso" : "picture", sum / values);
    assert_true(sum / values < mean);
    for (int k = 0; k < 2; k++) stk_frame_store_close(&stores[k]);
}

static void compare_labels(const stk_subject *a, const stk_subject *b) {
    const stk_subject_info *info = stk_subject_get_info(a);
    stk_image labels[2];
    for (int k = 0; k < 2; k++) TEST_OK(stk_image_init(&labels[k], info->width, info->height, 1));
    for (int f = 0; f < info->frames; f += 3) {
        TEST_OK(stk_subject_labels(a, f, &labels[0]));
        TEST_OK(stk_subject_labels(b, f, &labels[1]));
        for (int y = 0; y < info->height; y++)
            assert_memory_equal(stk_image_row(&labels[0], y), stk_image_row(&labels[1], y),
                                info->width);
    }
    for (int k = 0; k < 2; k++) stk_image_clear(&labels[k]);
}

static void subject_exported_and_imported_is_the_same(void **state) {
    (void)state;
    TEST_OK(synthetic_subject_write(in("subject"), 33, SIDE));
    TEST_OK(export("subject", "official"));
    TEST_OK(import("official", "again", NULL));
    stk_subject *a = opened("subject"), *b = opened("again");
    const stk_subject_info *ia = stk_subject_get_info(a), *ib = stk_subject_get_info(b);
    size_t n = (size_t)ia->frames;
    assert_int_equal(ib->frames, ia->frames);
    assert_int_equal(ib->train_frames, ia->train_frames);
    assert_float_equal(ib->camera.focal_px, ia->camera.focal_px, 1e-3);
    assert_float_equal(ib->camera.cx_px, ia->camera.cx_px, 1e-5);
    test_assert_close("poses", stk_subject_poses(b)->R, stk_subject_poses(a)->R, 12 * n, 1e-5);
    assert_memory_equal(stk_subject_blendshapes(a), stk_subject_blendshapes(b),
                        n * sizeof *stk_subject_blendshapes(a));
    for (int i = 0; i < ia->frames; i++) { /* the made-up subject's own do not come from those */
        float expression[STK_EXPRESSIONS];
        stk_expression_select(stk_subject_blendshapes(a)[i], expression);
        assert_memory_equal(stk_subject_expressions(b)[i], expression, sizeof expression);
    }
    for (int i = 0; i < ia->frames; i++)
        for (int k = 0; k < STK_POINTS_68; k++)
            test_assert_close("point", stk_subject_landmarks(b, i)[stk_mesh_of_68[k]],
                              stk_subject_landmarks(a, i)[stk_mesh_of_68[k]], 2, 2e-5);
    compare_labels(a, b);
    compare_pictures(a, b, 0, 1.5);
    compare_pictures(a, b, 1, 3.0);
    stk_subject_close(&a), stk_subject_close(&b);
}

static void folder_imported_and_exported_is_the_same(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("official"), 12, SIDE, SIDE));
    TEST_OK(import("official", "subject", NULL));
    TEST_OK(export("subject", "out"));
    TEST_OK(import("out", "again", NULL));
    stk_subject *a = opened("subject"), *b = opened("again");
    test_assert_close("poses", stk_subject_poses(b)->R, stk_subject_poses(a)->R, 12 * 12, 1e-6);
    char *text[2];
    for (int k = 0; k < 2; k++) { /* float64 of the same floats */
        char path[STK_PATH_MAX];
        TEST_OK(stk_path_join(path, sizeof path, in(k ? "out" : "official"), "bs.npy"));
        TEST_OK(stk_file_read_text(path, 1 << 20, &text[k]));
    }
    for (int i = 0; i < 12 * STK_BLENDSHAPES; i++) {
        double v[2];
        for (int k = 0; k < 2; k++) memcpy(&v[k], text[k] + 128 + 8 * i, 8);
        assert_true(v[1] == (double)(float)v[0]);
    }
    stk_free(text[0]), stk_free(text[1]);
    compare_labels(a, b);
    stk_subject_close(&a), stk_subject_close(&b);
}

static void import_does_not_depend_on_threads(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("official"), 12, SIDE, SIDE));
    static const char *const files[] = {"picture.mp4", "torso.mp4", "labels.safetensors",
                                        "tables.safetensors"};
    char digest[2][4][STK_SHA256_TEXT];
    for (int k = 0; k < 2; k++) {
        stk_convert_figures figures;
        const char *target = in(k ? "two" : "one");
        const stk_convert_settings settings = {in("official"), target, k + 1};
        TEST_OK(stk_subject_import(&settings, NULL, &figures));
        for (int i = 0; i < 4; i++) {
            char path[STK_PATH_MAX];
            TEST_OK(stk_path_join(path, sizeof path, target, files[i]));
            TEST_OK(stk_sha256_file(path, digest[k][i]));
        }
    }
    for (int i = 0; i < 4; i++) assert_string_equal(digest[0][i], digest[1][i]);
}

/* --- what is handled -------------------------------------------------------------------------- */

static void oblong_and_odd_pictures_are_taken(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("oblong"), 4, 97, 64)); /* cx 48.5: 96 columns (Q20) */
    TEST_OK(import("oblong", "subject", NULL));
    stk_subject *s = opened("subject");
    assert_int_equal(stk_subject_get_info(s)->width, 96);
    assert_int_equal(stk_subject_get_info(s)->height, 64);
    assert_float_equal(stk_subject_get_info(s)->camera.cx_px, 48.5, 0);
    stk_subject_close(&s);
}

static void intrinsics_of_every_kind_are_read(void **state) {
    (void)state;
    static const struct {
        const char *head;
        double focal;
    } heads[] = {{"\"fl_x\":210,\"cx\":32,\"cy\":32,", 210},
                 {"\"fl_y\":220,\"w\":64,\"h\":64,", 220},
                 {"\"camera_angle_x\":0.3,\"cx\":32,\"cy\":32,", 32 / 0.15113521805829508},
                 {"\"camera_angle_y\":0.3,", 32 / 0.15113521805829508}};
    static const int ids[4] = {0, 1, 2, 3};
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    for (size_t i = 0; i < STK_ARRAY_SIZE(heads); i++) {
        char target[16];
        snprintf(target, sizeof target, "subject%zu", i);
        TEST_OK(official_folder_transforms(in("official"), heads[i].head, ids, 4, 3));
        TEST_OK(import("official", target, NULL));
        stk_subject *s = opened(target);
        assert_float_equal(stk_subject_get_info(s)->camera.focal_px, heads[i].focal, 1e-3);
        assert_int_equal(stk_subject_get_info(s)->width, SIDE);
        stk_subject_close(&s);
    }
}

static void gaps_missing_pictures_and_odd_splits_are_taken(void **state) {
    (void)state;
    static const int ids[6] = {7, 8, 2, 11, 3, 4}; /* 11 has no picture; 3 and 4 held out */
    stk_convert_figures figures;
    char path[STK_PATH_MAX];
    TEST_OK(official_folder_write(in("official"), 12, SIDE, SIDE));
    TEST_OK(official_folder_transforms(in("official"), "\"focal_len\":200,\"cx\":32,\"cy\":32,",
                                       ids, 6, 4));
    TEST_OK(stk_path_join(path, sizeof path, in("official"), "gt_imgs/11.png"));
    unlink(path);
    TEST_OK(import("official", "subject", &figures));
    assert_int_equal(figures.frames, 5);
    assert_int_equal(figures.train_frames, 3);
    assert_int_equal(figures.skipped, 1);
    stk_subject *s = opened("subject");
    static const int kept[5] = {7, 8, 2, 3, 4};
    for (int i = 0; i < 5; i++) /* rows of bs.npy by img_id */
        assert_float_equal(stk_subject_blendshapes(s)[i][0], 0.01 * kept[i], 1e-7);
    stk_subject_close(&s);
}

/* --- what is refused -------------------------------------------------------------------------- */

/* The import fails with a sentence that holds `part`; nothing new lies in the folder. */
static void refuses(const char *part) {
    DIR *directory = opendir(folder);
    stk_status status = import("official", "subject", NULL);
    if (status == STK_OK) fail_msg("was not refused: %s", part);
    if (strstr(stk_error_text(), part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", stk_error_text(), part);
    rewinddir(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.') assert_string_equal(entry->d_name, "official");
    closedir(directory);
}

/* Puts other bytes into a file of the folder (NULL: removes it), imports, puts the old ones back. */
static void spoiled_file_is_refused(const char *name, const void *bytes, size_t size,
                                    const char *part) {
    char path[STK_PATH_MAX];
    stk_map old;
    TEST_OK(stk_path_join(path, sizeof path, in("official"), name));
    TEST_OK(stk_map_open(&old, path));
    if (bytes != NULL)
        TEST_OK(stk_file_write(path, bytes, size));
    else
        unlink(path);
    refuses(part);
    TEST_OK(stk_file_write(path, old.data, old.size));
    stk_map_close(&old);
}

static void spoiled_text_is_refused(const char *name, const char *text, const char *part) {
    spoiled_file_is_refused(name, text, strlen(text), part);
}

static void missing_files_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"transforms_train.json",
                                        "transforms_val.json",
                                        "ori_imgs/1.lms",
                                        "torso_imgs/2.png",
                                        "parsing/3.png",
                                        "bc.jpg",
                                        "bs.npy",
                                        "aud.wav"};
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++)
        spoiled_file_is_refused(names[i], NULL, 0, names[i]);
}

static void spoiled_transforms_are_refused(void **state) {
    (void)state;
    static char nested[4096];
    static const char *const name = "transforms_train.json";
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    memset(nested, '[', sizeof nested - 1);
    spoiled_text_is_refused(name, "", name);
    spoiled_text_is_refused(name, nested, "no JSON object, or damaged; run");
    spoiled_text_is_refused(name, "[1,2", "no JSON object");
    spoiled_text_is_refused(name, "{\"frames\":[]}", "no focal length");
    spoiled_text_is_refused(name, "{\"cx\":32,\"cy\":32,\"frames\":[]}", "no focal length");
    spoiled_text_is_refused(name, "{\"cx\":1e300,\"cy\":32,\"focal_len\":9}", "are not possible");
    spoiled_text_is_refused(name, "{\"fl_x\":200,\"fl_y\":300,\"cx\":32,\"cy\":32}",
                            "square pixels");
    spoiled_text_is_refused(name, "{\"focal_len\":200,\"cx\":32,\"cy\":32,\"frames\":7}",
                            "no frame of");
    spoiled_text_is_refused(
        name, "{\"focal_len\":200,\"cx\":32,\"cy\":32,\"frames\":[{\"img_id\":1e18}]}",
        "in place 0");
    spoiled_text_is_refused(
        name,
        "{\"focal_len\":200,\"cx\":32,\"cy\":32,\"frames\":[{\"img_id\":1,\"transform_matrix\":[[1,"
        "0,0,0],[0,2,0,0],[0,0,1,0]]}]}",
        "frame 1 is no camera pose");
}

/* A picture has one camera: that of transforms_val.json once replaced the one to train with. */
static void other_centre_of_the_held_out_frames_is_refused(void **state) {
    (void)state;
    static const int ids[4] = {0, 1, 2, 3};
    char path[STK_PATH_MAX];
    stk_map other;
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    TEST_OK(official_folder_transforms(
        in("official"), "\"focal_len\":200,\"cx\":40,\"cy\":32,\"w\":64,\"h\":64,", ids, 4, 2));
    TEST_OK(stk_path_join(path, sizeof path, in("official"), "transforms_val.json"));
    TEST_OK(stk_map_open(&other, path));
    TEST_OK(official_folder_transforms(
        in("official"), "\"focal_len\":200,\"cx\":32,\"cy\":32,\"w\":64,\"h\":64,", ids, 4, 2));
    spoiled_file_is_refused("transforms_val.json", other.data, other.size, "transforms_val.json");
    stk_map_close(&other);
    TEST_OK(import("official", "subject", NULL));
}

/* A last cell that is empty has no number: not that of the next line. */
static void au_csv_with_an_empty_cell_is_left_out(void **state) {
    (void)state;
    static const char *const tables[] = {"frame, AU45_r\n1, 1.0\n2, 1.0\n3,\n4, 1.0\n",
                                         "frame, AU45_r\r\n1, 1\r\n2, 1\r\n3, \r\n4, 1\r\n",
                                         "frame, AU45_r\n1, 1.0\n2, 1.0\n3, 0.5\n4, 1.0"};
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    for (int i = 0; i < 3; i++) {
        char path[STK_PATH_MAX], target[24];
        TEST_OK(stk_path_join(path, sizeof path, in("official"), "au.csv"));
        TEST_OK(stk_file_write(path, tables[i], strlen(tables[i])));
        snprintf(target, sizeof target, "subject%d", i);
        TEST_OK(import("official", target, NULL));
        stk_subject *s = opened(target);
        const float *au45 = stk_subject_au45(s);
        assert_int_equal(au45 != NULL, i == 2);
        if (au45 != NULL) assert_float_equal(au45[2], 0.25, 1e-6);
        stk_subject_close(&s);
    }
}

static void spoiled_numbers_are_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX], *text;
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    spoiled_text_is_refused("ori_imgs/2.lms", "1 2\n3 4\n", "ori_imgs/2.lms");
    spoiled_text_is_refused("ori_imgs/2.lms", "nan nan\n", "68 points");
    spoiled_text_is_refused("bs.npy", "\x93NUMPY", "bs.npy");
    TEST_OK(official_folder_blendshapes(in("official"), 3));
    refuses("frame 3");
    TEST_OK(official_folder_blendshapes(in("official"), 4));
    TEST_OK(stk_path_join(path, sizeof path, in("official"), "bs.npy"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    memset(text + 128 + 8 * (2 * STK_BLENDSHAPES + 5), 0xFF, 8); /* NaN */
    spoiled_file_is_refused("bs.npy", text, 128 + 8 * 4 * STK_BLENDSHAPES, "frame 2");
    spoiled_file_is_refused("bs.npy", text, 128 + 8 * 3 * STK_BLENDSHAPES, "bs.npy");
    const double large = 5000.0; /* no model with it could be read again */
    memcpy(text + 128 + 8 * (2 * STK_BLENDSHAPES + 5), &large, sizeof large);
    spoiled_file_is_refused("bs.npy", text, 128 + 8 * 4 * STK_BLENDSHAPES, "frame 2 holds 5000");
    stk_free(text);
    spoiled_text_is_refused("aud.wav", "RIFF", "aud.wav");
}

static void spoiled_pictures_are_refused(void **state) {
    (void)state;
    static const uint8_t giant[33] = {0x89, 'P', 'N', 'G', '\r', '\n', 26, '\n', 0, 0, 0, 13, 'I',
                                      'H',  'D', 'R', 0,   1,    0,    0,  0,    1, 0, 0, 8,  2};
    char path[STK_PATH_MAX];
    stk_image small;
    stk_map whole;
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    spoiled_file_is_refused("parsing/1.png", giant, sizeof giant, "too large");
    spoiled_text_is_refused("ori_imgs/1.jpg", "not a picture", "ori_imgs/1.jpg");
    TEST_OK(stk_path_join(path, sizeof path, in("official"), "torso_imgs/1.png"));
    TEST_OK(stk_map_open(&whole, path));
    spoiled_file_is_refused("torso_imgs/1.png", whole.data, 60, "torso_imgs/1.png");
    stk_map_close(&whole);
    TEST_OK(stk_path_join(path, sizeof path, in("official"), "ori_imgs/3.jpg"));
    TEST_OK(stk_map_open(&whole, path)); /* once taken for a picture with a grey lower half */
    spoiled_file_is_refused("ori_imgs/3.jpg", whole.data, whole.size / 2, "ori_imgs/3.jpg");
    stk_map_close(&whole);
    TEST_OK(stk_image_init(&small, 32, 64, 3));
    TEST_OK(stk_jpeg_write(in("small.jpg"), &small));
    stk_image_clear(&small);
    TEST_OK(stk_map_open(&whole, in("small.jpg")));
    unlink(in("small.jpg"));
    spoiled_file_is_refused("ori_imgs/3.jpg", whole.data, whole.size, "is 32 x 64 where");
    stk_map_close(&whole);
}

/* Damage that must be found: a PNG has checksums, and what is cut off shows. */
static int must_be_refused(const char *name, const stk_map *old, const uint8_t *bytes,
                           size_t size) {
    const char *ending = strrchr(name, '.');
    int png = strcmp(ending, ".png") == 0, jpeg = strcmp(ending, ".jpg") == 0;
    if (png) return size != old->size || memcmp(bytes, old->data, size) != 0;
    return jpeg && size != old->size;
}

/* Bytes changed, left out or cut off at random: a subject or a refusal, nothing between. */
static void random_damage_gives_a_subject_or_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"transforms_train.json", "bs.npy", "ori_imgs/1.lms",
                                        "parsing/1.png",         "bc.jpg", "aud.wav",
                                        "ori_imgs/2.jpg"};
    static uint8_t bytes[1 << 16];
    char path[STK_PATH_MAX];
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    for (int round = 0; round < 84; round++) {
        stk_map old;
        TEST_OK(
            stk_path_join(path, sizeof path, in("official"), names[round % STK_ARRAY_SIZE(names)]));
        TEST_OK(stk_map_open(&old, path));
        size_t size = old.size < sizeof bytes ? old.size : sizeof bytes;
        memcpy(bytes, old.data, size);
        for (uint32_t k = stk_rng_below(&rng, 6) + 1; k > 0; k--) {
            uint32_t reach = stk_rng_below(&rng, 2) && size > 160 ? 160 : (uint32_t)size;
            bytes[stk_rng_below(&rng, reach)] = (uint8_t)stk_rng_below(&rng, 256);
        }
        if (round % 5 == 4) size = 1 + stk_rng_below(&rng, (uint32_t)size);
        TEST_OK(stk_file_write(path, bytes, size));
        char target[32];
        snprintf(target, sizeof target, "subject%d", round);
        stk_status status = import("official", target, NULL);
        assert_int_equal(stk_file_exists(in(target)), status == STK_OK);
        if (must_be_refused(names[round % STK_ARRAY_SIZE(names)], &old, bytes, size) &&
            status == STK_OK)
            fail_msg("round %d: a damaged %s was taken", round, path);
        TEST_OK(stk_file_write(path, old.data, old.size));
        stk_map_close(&old);
    }
}

static void places_that_hold_something_are_refused(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    assert_int_equal(import("official", "official", NULL), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "holds something already"));
    assert_int_equal(import("official", "official/bs.npy", NULL), STK_ERR_IO);
    assert_int_equal(import("nowhere", "subject", NULL), STK_ERR_IO);
    TEST_OK(stk_directory_create(in("empty")));
    TEST_OK(import("official", "empty", NULL));
    assert_int_equal(import("empty", "subject", NULL), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "no official dataset folder"));
    assert_int_equal(export("official", "out"), STK_ERR_FORMAT);
}

/* What rename would refuse is told before the work: progress was not reported. */
static void places_that_cannot_be_replaced_are_refused_at_once(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    TEST_OK(stk_directory_create(in("empty")));
    assert_int_equal(symlink(in("empty"), in("link")), 0);
    assert_int_equal(symlink("nowhere", in("dangling")), 0);
    static const char *const places[] = {"empty/.", "empty/..", "link", "dangling", "link/"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(places); i++) {
        stk_draft draft;
        assert_int_equal(stk_draft_create(&draft, in(places[i])), STK_ERR_ARGUMENT);
        assert_non_null(strstr(stk_error_text(), "give the name of a new folder"));
        stk_draft_discard(&draft);
        assert_int_equal(import("official", places[i], NULL), STK_ERR_ARGUMENT);
    }
}

/* One process or several, one place: every draft lives until its own end, the first gets it. */
static void drafts_of_one_place_do_not_remove_each_other(void **state) {
    (void)state;
    char left[STK_PATH_MAX];
    stk_draft a, b;
    snprintf(left, sizeof left, "%.3000s.part-%ld", in("place"), (long)getpid());
    TEST_OK(stk_directory_create(left)); /* of a killed process that had this one's number */
    TEST_OK(stk_draft_create(&a, in("place")));
    assert_false(stk_file_exists(left));
    TEST_OK(stk_draft_create(&b, in("place")));
    assert_true(stk_file_is_directory(a.path) && stk_file_is_directory(b.path));
    TEST_OK(stk_directory_create(in("place")));
    char path[STK_PATH_MAX];
    TEST_OK(stk_draft_path(&a, "one", path));
    TEST_OK(stk_file_write(path, "1", 1));
    TEST_OK(stk_draft_commit(&a));
    assert_int_equal(stk_draft_commit(&b), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "the name of a new folder"));
    char other[STK_PATH_MAX];
    snprintf(other, sizeof other, "%s", b.path);
    stk_draft_discard(&a), stk_draft_discard(&b);
    assert_false(stk_file_exists(other));
    assert_true(stk_file_exists(in("place/one")));
}

/* Folders above the place that were made for it go with it; those that were there stay. */
static void failed_imports_leave_no_folders_above(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("official"), 4, SIDE, SIDE));
    unlink(in("official/aud.wav"));
    TEST_OK(stk_directory_create(in("kept")));
    assert_int_not_equal(import("official", "newp/sub//x", NULL), STK_OK);
    assert_int_not_equal(import("official", "kept/sub/x/", NULL), STK_OK);
    assert_false(stk_file_exists(in("newp")));
    assert_true(stk_file_exists(in("kept")));
    assert_false(stk_file_exists(in("kept/sub")));
}

static void stopped_runs_leave_nothing(void **state) {
    (void)state;
    TEST_OK(official_folder_write(in("official"), 24, SIDE, SIDE));
    for (int i = 0; i < 5; i++) {
        stop_at = i;
        refuses("stopped");
    }
    stop_at = -1;
    TEST_OK(import("official", "subject", NULL));
    stop_at = 1;
    assert_int_equal(export("subject", "out"), STK_ERR_ABORTED);
    assert_false(stk_file_exists(in("out")));
    stop_at = -1;
    TEST_OK(stk_directory_create(in("out.part-99999999/ori_imgs"))); /* of a killed run */
    TEST_OK(export("subject", "out"));
    assert_false(stk_file_exists(in("out.part-99999999")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(subject_exported_and_imported_is_the_same, fresh_folder),
        cmocka_unit_test_setup(folder_imported_and_exported_is_the_same, fresh_folder),
        cmocka_unit_test_setup(import_does_not_depend_on_threads, fresh_folder),
        cmocka_unit_test_setup(oblong_and_odd_pictures_are_taken, fresh_folder),
        cmocka_unit_test_setup(intrinsics_of_every_kind_are_read, fresh_folder),
        cmocka_unit_test_setup(gaps_missing_pictures_and_odd_splits_are_taken, fresh_folder),
        cmocka_unit_test_setup(missing_files_are_refused, fresh_folder),
        cmocka_unit_test_setup(spoiled_transforms_are_refused, fresh_folder),
        cmocka_unit_test_setup(other_centre_of_the_held_out_frames_is_refused, fresh_folder),
        cmocka_unit_test_setup(au_csv_with_an_empty_cell_is_left_out, fresh_folder),
        cmocka_unit_test_setup(spoiled_numbers_are_refused, fresh_folder),
        cmocka_unit_test_setup(spoiled_pictures_are_refused, fresh_folder),
        cmocka_unit_test_setup(random_damage_gives_a_subject_or_nothing, fresh_folder),
        cmocka_unit_test_setup(places_that_hold_something_are_refused, fresh_folder),
        cmocka_unit_test_setup(places_that_cannot_be_replaced_are_refused_at_once, fresh_folder),
        cmocka_unit_test_setup(drafts_of_one_place_do_not_remove_each_other, fresh_folder),
        cmocka_unit_test_setup(failed_imports_leave_no_folders_above, fresh_folder),
        cmocka_unit_test_setup(stopped_runs_leave_nothing, fresh_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
