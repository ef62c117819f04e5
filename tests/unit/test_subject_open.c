/* test_subject_open.c - a subject on disk: what is written comes back, what is damaged is refused.
 */
#include "support.h"
#include "synthetic_subject.h"

#include "base/image.h"
#include "base/memory.h"
#include "nn/safetensors.h"
#include "subject/labels.h"
#include "subject/manifest.h"
#include "subject/regions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 66, SIZE = 96 };
static char folder[STK_PATH_MAX];

static int make_subject(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/person", test_temporary_folder());
    TEST_OK(synthetic_subject_write(folder, FRAMES, SIZE));
    return 0;
}

static void open_whole_subject_gives_tables_and_info(void **state) {
    (void)state;
    stk_subject *subject;
    TEST_OK(stk_subject_open(&subject, folder));
    const stk_subject_info *info = stk_subject_get_info(subject);
    assert_int_equal(info->frames, FRAMES);
    assert_int_equal(info->train_frames, 60);
    assert_int_equal(info->width, SIZE);
    assert_string_equal(info->name, "synthetic");
    assert_int_equal(info->camera.width, SIZE);
    assert_true(fabsf(stk_subject_poses(subject)[5].t[2] + 0.6f) < 1e-6f);
    assert_true(fabsf(stk_subject_expressions(subject)[3][2] -
                      stk_subject_blendshapes(subject)[3][2]) == 0.0f);
    assert_true(fabsf(stk_subject_audio_row(subject, 2)[7] - 4.0f * sinf(0.07f * 9.0f)) < 1e-5f);
    float centre[2];
    synthetic_subject_centre(9, SIZE, centre);
    assert_true(fabsf(stk_subject_landmarks(subject, 9)[5][0] - centre[0]) < 0.05f * SIZE);
    assert_non_null(strstr(stk_subject_manifest(subject), "synctalk subject"));
    stk_subject_close(&subject);
    assert_null(subject);
}

static void labels_of_every_frame_equal_what_was_packed(void **state) {
    (void)state;
    stk_subject *subject;
    stk_image labels;
    TEST_OK(stk_subject_open(&subject, folder));
    TEST_OK(stk_image_init(&labels, SIZE, SIZE, 1)); /* rows padded: 96 is no multiple of 64 */
    for (int frame = FRAMES - 1; frame >= 0; frame -= 5) {
        TEST_OK(stk_subject_labels(subject, frame, &labels));
        for (int y = 0; y < SIZE; y++)
            for (int x = 0; x < SIZE; x++)
                assert_int_equal(stk_image_row(&labels, y)[x],
                                 synthetic_subject_label(frame, SIZE, x, y));
    }
    assert_int_equal(stk_subject_labels(subject, FRAMES, &labels), STK_ERR_ARGUMENT);
    stk_image_clear(&labels);
    stk_subject_close(&subject);
}

static void pictures_and_plate_have_the_subjects_size(void **state) {
    (void)state;
    stk_subject *subject;
    stk_frame_store *store;
    const stk_image *rgb;
    stk_image plate;
    TEST_OK(stk_subject_open(&subject, folder));
    TEST_OK(stk_subject_open_pictures(subject, &store));
    TEST_OK(stk_frame_store_get(store, FRAMES - 1, &rgb));
    assert_int_equal(rgb->width, SIZE);
    stk_frame_store_close(&store);
    TEST_OK(stk_subject_plate(subject, &plate));
    assert_int_equal(plate.channels, 3);
    stk_image_clear(&plate);
    stk_subject_close(&subject);
}

/* Replaces `from` by `to` (same length or shorter) in the manifest, opens, expects a refusal. */
static void expect_refusal(const char *from, const char *to, stk_status expected,
                           const char *word) {
    char path[STK_PATH_MAX + 32], *text, *at;
    stk_subject *subject;
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    size_t size = strlen(text);
    char *changed = malloc(size + 1);
    assert_non_null(changed);
    memcpy(changed, text, size + 1);
    at = strstr(changed, from);
    assert_non_null(at);
    memset(at, ' ', strlen(from));
    memcpy(at, to, strlen(to));
    TEST_OK(stk_file_write(path, changed, size));
    assert_int_equal(stk_subject_open(&subject, folder), expected);
    assert_non_null(strstr(stk_error_text(), word));
    TEST_OK(stk_file_write(path, text, size));
    free(changed);
    stk_free(text);
}

static void open_newer_unfinished_and_damaged_are_refused_with_reason(void **state) {
    (void)state;
    expect_refusal("\"version\":\t1", "\"version\":\t9", STK_ERR_UNSUPPORTED, "newer version");
    expect_refusal("\"complete\":\ttrue", "\"complete\":false", STK_ERR_FORMAT, "unfinished");
    expect_refusal("\"frames\":\t66", "\"frames\":\t67", STK_ERR_FORMAT, "shape");
    expect_refusal("\"train_frames\":\t60", "\"train_frames\":\t99", STK_ERR_FORMAT, "split");
    expect_refusal("synctalk subject", "something else", STK_ERR_FORMAT, "not the manifest");
    expect_refusal("{", "x", STK_ERR_FORMAT, "damaged");
}

static void open_without_manifest_or_folder_is_refused(void **state) {
    (void)state;
    stk_subject *subject;
    assert_int_equal(stk_subject_open(&subject, test_temporary_folder()), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "not a subject"));
    assert_int_equal(stk_subject_open(&subject, "/nonexistent/folder"), STK_ERR_IO);
    assert_null(subject);
}

static void open_with_truncated_labels_is_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX + 32], *text;
    stk_subject *subject;
    stk_map map;
    snprintf(path, sizeof path, "%s/labels.safetensors", folder);
    TEST_OK(stk_map_open(&map, path));
    text = malloc(map.size);
    assert_non_null(text);
    memcpy(text, map.data, map.size);
    size_t size = map.size;
    stk_map_close(&map);
    TEST_OK(stk_file_write(path, text, size - 100));
    assert_int_equal(stk_subject_open(&subject, folder), STK_ERR_FORMAT);
    TEST_OK(stk_file_write(path, text, size));
    free(text);
}

/* Every table with one value replaced by not-a-number is refused by its name. */
static void open_with_not_a_number_in_any_table_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"poses",     "landmarks",    "blendshapes", "expressions",
                                        "audio_mel", "coarse_poses", "coarse_lens"};
    const float nan = NAN;
    char path[STK_PATH_MAX + 32];
    stk_safetensors *tables;
    stk_subject *subject;
    stk_map map;
    snprintf(path, sizeof path, "%s/tables.safetensors", folder);
    TEST_OK(stk_map_open(&map, path));
    uint8_t *whole = malloc(map.size), *changed = malloc(map.size);
    assert_true(whole != NULL && changed != NULL);
    memcpy(whole, map.data, map.size);
    const size_t size = map.size;
    TEST_OK(stk_safetensors_open(&tables, path));
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++) {
        const stk_tensor_info *table = stk_safetensors_find(tables, names[i]);
        assert_non_null(table);
        const uint8_t *bytes = memmem(whole, size, table->data, table->bytes);
        assert_non_null(bytes);
        memcpy(changed, whole, size);
        memcpy(changed + (bytes - whole) + table->bytes - sizeof nan, &nan, sizeof nan);
        TEST_OK(stk_file_write(path, changed, size));
        assert_int_equal(stk_subject_open(&subject, folder), STK_ERR_FORMAT);
        assert_non_null(strstr(stk_error_text(), names[i]));
    }
    stk_safetensors_close(&tables);
    stk_map_close(&map);
    TEST_OK(stk_file_write(path, whole, size));
    TEST_OK(stk_subject_open(&subject, folder));
    stk_subject_close(&subject);
    free(whole);
    free(changed);
}

/* What would overflow a writer, or make a model that nothing reads again. */
static void open_with_impossible_values_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *name;
        float value;
    } cases[] = {{"landmarks", 3e38f},
                 {"landmarks", -2e5f},
                 {"blendshapes", 5000.0f},
                 {"expressions", -5000.0f}};
    char path[STK_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/tables.safetensors", folder);
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        stk_safetensors *tables;
        stk_subject *subject;
        stk_map map;
        TEST_OK(stk_map_open(&map, path));
        TEST_OK(stk_safetensors_open(&tables, path));
        const stk_tensor_info *table = stk_safetensors_find(tables, cases[i].name);
        assert_non_null(table);
        const uint8_t *bytes = memmem(map.data, map.size, table->data, table->bytes);
        uint8_t *changed = malloc(map.size);
        assert_true(bytes != NULL && changed != NULL);
        memcpy(changed, map.data, map.size);
        for (size_t k = 0; k < table->bytes; k += sizeof(float))
            memcpy(changed + (bytes - map.data) + k, &cases[i].value, sizeof(float));
        TEST_OK(stk_file_write(path, changed, map.size)); /* the mapping outlives the old file */
        stk_status status = stk_subject_open(&subject, folder);
        TEST_OK(stk_file_write(path, map.data, map.size));
        assert_int_equal(status, STK_ERR_FORMAT);
        assert_non_null(strstr(stk_error_text(), cases[i].name));
        assert_non_null(strstr(stk_error_text(), "impossible"));
        free(changed);
        stk_safetensors_close(&tables);
        stk_map_close(&map);
    }
}

/* Films that were exchanged for those of a subject of another size. */
static void open_film_of_another_size_is_refused(void **state) {
    (void)state;
    char other[STK_PATH_MAX], path[STK_PATH_MAX];
    stk_subject *subject;
    stk_frame_store *store;
    snprintf(other, sizeof other, "%s", test_temporary_folder());
    TEST_OK(synthetic_subject_write(other, FRAMES, SIZE - 16));
    TEST_OK(stk_subject_open(&subject, folder));
    for (int which = 0; which < 2; which++) {
        const char *name = which ? "torso.mp4" : "picture.mp4";
        stk_map own, foreign;
        TEST_OK(stk_path_join(path, sizeof path, folder, name));
        TEST_OK(stk_map_open(&own, path));
        TEST_OK(stk_path_join(path, sizeof path, other, name));
        TEST_OK(stk_map_open(&foreign, path));
        TEST_OK(stk_path_join(path, sizeof path, folder, name));
        TEST_OK(stk_file_write(path, foreign.data, foreign.size));
        assert_int_equal(which ? stk_subject_open_torsos(subject, &store)
                               : stk_subject_open_pictures(subject, &store),
                         STK_ERR_FORMAT);
        assert_null(store);
        assert_non_null(strstr(stk_error_text(), name));
        assert_non_null(strstr(stk_error_text(), "80 x 80"));
        TEST_OK(stk_file_write(path, own.data, own.size)); /* the mapping outlives the old file */
        stk_map_close(&own);
        stk_map_close(&foreign);
    }
    stk_subject_close(&subject);
}

static void unpack_of_random_bytes_fails_cleanly(void **state) {
    (void)state;
    stk_image labels;
    stk_label_pack pack = {0};
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    TEST_OK(stk_image_init(&labels, SIZE, SIZE, 1));
    for (int i = 0; i < SIZE * SIZE; i++)
        stk_image_row(&labels, i / SIZE)[i % SIZE] = (uint8_t)stk_rng_below(&rng, 4);
    TEST_OK(stk_label_pack_add(&pack, &labels));
    TEST_OK(stk_label_unpack(pack.bytes, pack.used, "it", 0, &labels));
    assert_int_equal(stk_label_unpack(pack.bytes, pack.used / 2, "it", 3, &labels), STK_ERR_FORMAT);
    for (int round = 0; round < 200; round++) {
        uint8_t *copy = malloc(pack.used);
        assert_non_null(copy);
        memcpy(copy, pack.bytes, pack.used);
        for (int k = 0; k < 4; k++)
            copy[stk_rng_below(&rng, (uint32_t)pack.used)] = (uint8_t)stk_rng_u32(&rng);
        stk_label_unpack(copy, pack.used, "it", 0, &labels); /* any verdict, no wild access */
        free(copy);
    }
    stk_label_pack_clear(&pack);
    stk_image_clear(&labels);
}

static void head_rect_ignores_specks(void **state) {
    (void)state;
    stk_image labels;
    int columns[SIZE];
    TEST_OK(stk_image_init(&labels, SIZE, SIZE, 1));
    for (int y = 20; y < 50; y++) memset(stk_image_row(&labels, y) + 30, STK_LABEL_HEAD, 25);
    stk_image_row(&labels, 90)[90] = STK_LABEL_HEAD;
    stk_rect rect = stk_labels_head_rect(&labels, columns);
    assert_int_equal(rect.x0, 30);
    assert_int_equal(rect.x1, 55);
    assert_int_equal(rect.y0, 20);
    assert_int_equal(rect.y1, 50);
    stk_image_clear(&labels);
}

static void regions_of_odd_landmarks_stay_inside_the_picture(void **state) {
    (void)state;
    float landmarks[STK_LANDMARKS][3];
    const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f, -5.0f};
    for (size_t k = 0; k < STK_ARRAY_SIZE(odd); k++) {
        for (int i = 0; i < STK_LANDMARKS; i++) landmarks[i][0] = landmarks[i][1] = odd[k];
        stk_regions r = stk_regions_compute(landmarks, SIZE, SIZE);
        const stk_rect all[4] = {r.face, r.low_face, r.eyes, r.mouth};
        for (int i = 0; i < 4; i++)
            assert_true(all[i].x0 >= 0 && all[i].x1 <= SIZE && all[i].y0 >= 0 && all[i].y1 <= SIZE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_whole_subject_gives_tables_and_info),
        cmocka_unit_test(labels_of_every_frame_equal_what_was_packed),
        cmocka_unit_test(pictures_and_plate_have_the_subjects_size),
        cmocka_unit_test(open_newer_unfinished_and_damaged_are_refused_with_reason),
        cmocka_unit_test(open_without_manifest_or_folder_is_refused),
        cmocka_unit_test(open_with_truncated_labels_is_refused),
        cmocka_unit_test(open_with_not_a_number_in_any_table_is_refused),
        cmocka_unit_test(open_with_impossible_values_is_refused),
        cmocka_unit_test(open_film_of_another_size_is_refused),
        cmocka_unit_test(unpack_of_random_bytes_fails_cleanly),
        cmocka_unit_test(head_rect_ignores_specks),
        cmocka_unit_test(regions_of_odd_landmarks_stay_inside_the_picture),
    };
    return cmocka_run_group_tests(tests, make_subject, NULL);
}
