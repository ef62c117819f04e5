/* Morphable heads: the eos shape model in all its versions and the converted BFM dictionary give
 * the same head; damaged and unfit files are refused with one sentence (run under ASan). */
#include "support.h"
#include "synthetic_model.h"
#include "base/attr.h"
#include "base/face_mesh.h"
#include "base/memory.h"
#include "base/rng.h"
#include "head_sync/head_model.h"
#include "head_sync/head_model_file.h"
#include "head_sync/head_model_landmarks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file holds float32 millimetres up to about 200: 1e-5 mm of rounding, and the alignment of
 * exactly matching points adds as much. */
#define CLOSE_M 1e-7

static void check_mode(const stk_head_model *model, const double (*rows)[3], int k,
                       void (*truth)(int, int, double[3])) {
    for (int p = 0; p < model->points; p++) {
        double x[3];
        truth(k, model->mesh[p], x);
        for (int i = 0; i < 3; i++)
            if (!(fabs(rows[p][i] - x[i]) < CLOSE_M))
                fail_msg("mode %d at landmark %d: %g, not %g", k, model->mesh[p], rows[p][i], x[i]);
    }
}

static void check_model(const stk_head_model *model, int blendshapes) {
    const float(*face)[3] = stk_canonical_face();
    int soft = 0;
    assert_int_equal(model->identities, SYNTHETIC_IDENTITIES);
    assert_int_equal(model->expressions, SYNTHETIC_EXPRESSIONS);
    assert_int_equal(model->blendshapes, blendshapes);
    assert_true(model->points > 144); /* the rigid ones of the face mesh, and lids, lips, brows */
    for (int p = 0; p < model->points; p++) {
        soft += !model->rigid[p];
        for (int i = 0; i < 3; i++)
            assert_true(fabs(model->mean[p][i] - (double)face[model->mesh[p]][i]) < CLOSE_M);
    }
    assert_int_equal(model->points - soft, 144);
    for (int k = 0; k < SYNTHETIC_IDENTITIES; k++)
        check_mode(model, (const double(*)[3])model->identity + k * model->points, k,
                   synthetic_model_identity);
    for (int k = 0; k < SYNTHETIC_EXPRESSIONS; k++)
        check_mode(model, (const double(*)[3])model->expression + k * model->points, k,
                   synthetic_model_expression);
}

static void open_every_layout_gives_the_same_head(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    for (int layout = SYNTHETIC_EOS_1; layout < SYNTHETIC_LAYOUTS; layout++) {
        char path[STK_PATH_MAX];
        size_t size;
        stk_head_model *model;
        free(synthetic_model_write((synthetic_layout)layout, folder, path, &size));
        TEST_OK(stk_head_model_open(&model, path));
        check_model(model, layout < SYNTHETIC_NPY_2 && layout != SYNTHETIC_EOS_3);
        stk_head_model_close(&model);
    }
}

/* The public face model of 3448 vertices; figures taken from the file itself. */
static void open_surrey_face_has_its_modes(void **state) {
    (void)state;
    const char *path = test_shared_or_skip("models/eos_sfm_shape_3448.bin");
    stk_head_model *model;
    double squares = 0;
    TEST_OK(stk_head_model_open(&model, path));
    print_message("%s\n", model->name);
    assert_int_equal(model->identities, 63);
    assert_int_equal(model->expressions, 6);
    assert_true(model->blendshapes);
    assert_in_range(model->points, 170, 195);
    assert_non_null(strstr(model->name, "3448 vertices"));
    for (int p = 0; p < model->points; p++)
        for (int i = 0; i < 3; i++) squares += pow(model->identity[p][i], 2);
    /* sqrt(56502) mm over 3448 vertices: 4.05 mm each */
    assert_true(fabs(sqrt(squares / model->points) - 0.004) < 0.0015);
    stk_head_model_close(&model);
}

/* The table that eos ships is the built-in one. */
static void landmarks_of_surrey_face_are_built_in(void **state) {
    (void)state;
    enum { VERTICES = 3448 };
    int built_in[STK_POINTS_68], read[STK_POINTS_68];
    char path[STK_PATH_MAX], *text;
    const char *table = test_shared_or_skip("models/eos_ibug_to_sfm.txt");
    const char *folder = test_temporary_folder();
    TEST_OK(stk_head_landmarks_find("nowhere/x.bin", VERTICES, built_in, path));
    assert_string_equal(path, "");
    TEST_OK(stk_file_read_text(table, 1 << 16, &text));
    TEST_OK(stk_path_join(path, sizeof path, folder, "x.landmarks.txt"));
    TEST_OK(stk_file_write(path, text, strlen(text)));
    stk_free(text);
    TEST_OK(stk_path_join(path, sizeof path, folder, "x.bin"));
    TEST_OK(stk_head_landmarks_find(path, VERTICES, read, NULL));
    assert_memory_equal(built_in, read, sizeof read);
    assert_int_equal(read[30], 114); /* nose tip */
    assert_int_equal(read[0], -1);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void expect_refusal(const char *path, const char *word) {
    stk_head_model *model;
    stk_status status = stk_head_model_open(&model, path);
    if (status == STK_OK || strstr(stk_error_text(), word) == NULL)
        fail_msg("%s: status %d: %s", path, status, stk_error_text());
    assert_null(model);
    assert_null(strchr(stk_error_text(), '\n'));
}

static void write_text(const char *folder, const char *name, const char *text) {
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, name));
    TEST_OK(stk_file_write(path, text, strlen(text)));
}

static void open_unfit_files_are_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX], other[STK_PATH_MAX];
    size_t size;
    expect_refusal("nowhere/model.bin", "no such head model");
    expect_refusal(folder, "no such head model");
    unsigned char *bytes = synthetic_model_write(SYNTHETIC_EOS_2, folder, path, &size);
    write_text(folder, "two.landmarks.txt", "31 = 4\nnose = 4\n");
    expect_refusal(path, "line 2");
    write_text(folder, "two.landmarks.txt", "31 = 468\n");
    expect_refusal(path, "below 468");
    write_text(folder, "two.landmarks.txt", "69 = 4\n");
    expect_refusal(path, "line 1");
    write_text(folder, "two.landmarks.txt", "31 = 4\n9 = 152\n");
    expect_refusal(path, "only 1 of the points");
    write_text(folder, "two.landmarks.txt", /* a row of points is no face */
               "18 = 1\n19 = 1\n20 = 1\n21 = 1\n22 = 1\n23 = 1\n24 = 2\n");
    expect_refusal(path, "do not lie like a face");
    TEST_OK(stk_path_join(other, sizeof other, folder, "unknown.bin"));
    TEST_OK(stk_file_write(other, bytes, size));
    expect_refusal(other, ".landmarks.txt");
    bytes[0] = 5;
    TEST_OK(stk_file_write(path, bytes, size));
    expect_refusal(path, "version 1 to 4");
    free(bytes);
    TEST_OK(stk_path_join(path, sizeof path, folder, "numbers.npy"));
    TEST_OK(stk_file_write(path, "\x93NUMPY\1\0\2\0{}", 12));
    expect_refusal(path, "dictionary of arrays");
}

static int opened, refused;

static void try_open(const char *path, const unsigned char *bytes, size_t size) {
    stk_head_model *model;
    TEST_OK(stk_file_write(path, bytes, size));
    stk_status status = stk_head_model_open(&model, path);
    assert_true((status == STK_OK) == (model != NULL));
    if (status != STK_OK) assert_null(strchr(stk_error_text(), '\n'));
    *(status == STK_OK ? &opened : &refused) += 1;
    stk_head_model_close(&model);
}

/* One bit, one byte or one 32-bit word of the head, where the counts are, or anywhere. */
static void damage(stk_rng *rng, unsigned char *bytes, size_t size) {
    static const uint32_t words[] = {0, 1, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000};
    size_t reach = stk_rng_below(rng, 2) ? 256 : size;
    size_t at = stk_rng_below(rng, (uint32_t)(reach - 8));
    switch (stk_rng_below(rng, 3)) {
    case 0:
        bytes[at] ^= (unsigned char)(1u << stk_rng_below(rng, 8));
        break;
    case 1:
        bytes[at] = (unsigned char)stk_rng_below(rng, 256);
        break;
    default:
        memcpy(bytes + at, &words[stk_rng_below(rng, STK_ARRAY_SIZE(words))], 4);
    }
}

static void open_damaged_files_never_crash(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    for (int layout = SYNTHETIC_EOS_1; layout < SYNTHETIC_LAYOUTS; layout++) {
        enum { CUTS = 60, HITS = 150 };
        char path[STK_PATH_MAX];
        size_t size;
        unsigned char *bytes = synthetic_model_write((synthetic_layout)layout, folder, path, &size);
        unsigned char *copy = malloc(size);
        assert_non_null(copy);
        opened = refused = 0;
        for (int i = 0; i < CUTS; i++)
            try_open(path, bytes, i < 20 ? (size_t)i : stk_rng_below(&rng, (uint32_t)size));
        assert_int_equal(opened, 0); /* every cut is seen */
        for (int i = 0; i < HITS; i++) {
            memcpy(copy, bytes, size);
            for (int hits = 1 + (int)stk_rng_below(&rng, 3); hits > 0; hits--)
                damage(&rng, copy, size);
            try_open(path, copy, size);
        }
        print_message("layout %d: %d opened, %d refused\n", layout, opened, refused);
        assert_true(refused > CUTS + 10 && opened > 20);
        free(copy);
        free(bytes);
    }
}

/* --- what a step depends on ------------------------------------------------------------------- */

static void digest_follows_every_file(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX], digests[4][STK_SHA256_TEXT];
    size_t size;
    free(synthetic_model_write(SYNTHETIC_EOS_1, folder, path, &size));
    TEST_OK(stk_head_model_digest(path, digests[0]));
    write_text(folder, "sfm_shape_1.landmarks.txt", "1 = 1\n");
    TEST_OK(stk_head_model_digest(path, digests[1]));
    write_text(folder, "expression_blendshapes_1.bin", "x");
    TEST_OK(stk_head_model_digest(path, digests[2]));
    write_text(folder, "sfm_shape_1.bin", "x");
    TEST_OK(stk_head_model_digest(path, digests[3]));
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++) assert_string_not_equal(digests[i], digests[k]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(open_every_layout_gives_the_same_head),
                                       cmocka_unit_test(open_surrey_face_has_its_modes),
                                       cmocka_unit_test(landmarks_of_surrey_face_are_built_in),
                                       cmocka_unit_test(open_unfit_files_are_refused),
                                       cmocka_unit_test(open_damaged_files_never_crash),
                                       cmocka_unit_test(digest_follows_every_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
