/* .npy files: official arrays, hand-made headers, refusals. */
#include "support.h"
#include "base/file.h"
#include "nn/npy.h"

#include <string.h>

static char path[STK_PATH_MAX];

static int make_path(void **state) {
    (void)state;
    return stk_path_join(path, sizeof path, test_temporary_folder(), "a.npy");
}

static stk_status open_made(int version, const char *header, const void *data, size_t size,
                            stk_npy **file) {
    static uint8_t bytes[1024];
    size_t length = strlen(header), field = version == 1 ? 2 : 4;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (uint8_t)version, bytes[7] = 0;
    memcpy(bytes + 8, &length, field);
    memcpy(bytes + 8 + field, header, length);
    memcpy(bytes + 8 + field + length, data, size);
    TEST_OK(stk_file_write(path, bytes, 8 + field + length + size));
    return stk_npy_open(file, path);
}

static void read_official_arrays(void **state) {
    (void)state;
    static const struct {
        const char *name;
        stk_dtype dtype;
        int rank, shape[3];
    } ARRAYS[] = {{"bs.npy", STK_F64, 2, {12, 52}},
                  {"aud_ds.npy", STK_F64, 3, {12, 16, 29}},
                  {"aud_hu.npy", STK_F32, 3, {12, 2, 1024}}};
    static float out[12 * 2 * 1024];
    for (size_t i = 0; i < STK_ARRAY_SIZE(ARRAYS); i++) {
        char relative[128] = "parity/dataset_official/";
        strcat(relative, ARRAYS[i].name);
        stk_npy *file;
        TEST_OK(stk_npy_open(&file, test_shared_or_skip(relative)));
        const stk_npy_info *info = stk_npy_get(file);
        assert_int_equal(info->dtype, ARRAYS[i].dtype);
        assert_int_equal(info->rank, ARRAYS[i].rank);
        for (int k = 0; k < info->rank; k++) assert_int_equal(info->shape[k], ARRAYS[i].shape[k]);
        TEST_OK(stk_npy_read(file, out, info->count));
        for (int64_t k = 0; k < info->count; k++) assert_true(out[k] * out[k] < 1e6f);
        assert_int_equal(stk_npy_read(file, out, info->count - 1), STK_ERR_MISMATCH);
        stk_npy_close(&file);
        assert_null(file);
    }
}

static void read_each_type_gives_floats(void **state) {
    (void)state;
    stk_npy *file;
    float out[2];
    TEST_OK(open_made(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n",
                      (int64_t[]){-5, 1 << 20}, 16, &file));
    TEST_OK(stk_npy_read(file, out, 2));
    assert_true(out[0] == -5 && out[1] == 1 << 20);
    stk_npy_close(&file);
    TEST_OK(open_made(2, "{'shape': (1, 2), 'fortran_order': False, 'descr': '<i4'}",
                      (int32_t[]){7, -8}, 8, &file));
    TEST_OK(stk_npy_read(file, out, 2));
    assert_true(out[0] == 7 && out[1] == -8);
    stk_npy_close(&file);
    TEST_OK(open_made(3, "{'descr': '|u1', 'fortran_order': True, 'shape': (2,)}", "\x80\x01", 2,
                      &file));
    TEST_OK(stk_npy_read(file, out, 2));
    assert_true(out[0] == 128 && out[1] == 1);
    stk_npy_close(&file);
    TEST_OK(open_made(1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}", (double[]){0.25},
                      8, &file));
    TEST_OK(stk_npy_read(file, out, 1));
    assert_true(out[0] == 0.25f);
    stk_npy_close(&file);
}

static void open_unusable_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *header;
        stk_status status;
    } CASES[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': ()}", STK_ERR_UNSUPPORTED},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", STK_ERR_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", STK_ERR_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", STK_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", STK_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         STK_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         STK_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1", STK_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape'", STK_ERR_FORMAT},
        {"{'descr': '", STK_ERR_FORMAT},
        {"", STK_ERR_FORMAT},
    };
    stk_npy *file;
    for (size_t i = 0; i < STK_ARRAY_SIZE(CASES); i++) {
        assert_int_equal(open_made(1, CASES[i].header, "\0\0\x80\x3f", 4, &file), CASES[i].status);
        assert_non_null(strstr(stk_error_text(), "save ")); /* what to do about it */
    }
    open_made(1, CASES[0].header, "", 0, &file);
    assert_non_null(strstr(stk_error_text(), "elements of type |O (Python objects) are not read"));
    assert_int_equal(open_made(9, "{}", "", 0, &file), STK_ERR_FORMAT);
    TEST_OK(stk_file_write(path, "\x93NUMPY\1\0\xff\xff{}", 12));
    assert_int_equal(stk_npy_open(&file, path), STK_ERR_FORMAT);
    TEST_OK(stk_file_write(path, "", 0));
    assert_int_equal(stk_npy_open(&file, path), STK_ERR_FORMAT);
}

/* Archives: test_metrics_quality reads a good one; here what is none, and an entry that is absent. */
static void npz_unusable_is_refused(void **state) {
    (void)state;
    double numbers[4];
    char archive[STK_PATH_MAX];
    TEST_OK(stk_path_join(archive, sizeof archive, test_temporary_folder(), "a.npz"));
    assert_int_equal(stk_npz_read(archive, "x.npy", numbers, 4), STK_ERR_FORMAT); /* absent */
    TEST_OK(stk_file_write(archive, "PK nothing", 10));
    assert_int_equal(stk_npz_read(archive, "x.npy", numbers, 4), STK_ERR_FORMAT);
    const char *prior = test_shared_or_skip("models/niqe_pris_params.npz");
    assert_int_equal(stk_npz_read(prior, "x.npy", numbers, 4), STK_ERR_FORMAT);
    assert_int_equal(stk_npz_read(prior, "mu_pris_param.npy", numbers, 4), STK_ERR_MISMATCH);
    assert_non_null(strstr(stk_error_text(), "mu_pris_param.npy"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_official_arrays),
        cmocka_unit_test(read_each_type_gives_floats),
        cmocka_unit_test(open_unusable_is_refused),
        cmocka_unit_test(npz_unusable_is_refused),
    };
    return cmocka_run_group_tests(tests, make_path, NULL);
}
