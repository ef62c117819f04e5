/* Parameter store: layout, names, planes, filling from safetensors. */
#include "support.h"
#include "base/file.h"
#include "nn/params.h"
#include "nn/safetensors.h"

#include <math.h>
#include <string.h>

static void seal_aligns_every_tensor(void **state) {
    (void)state;
    stk_params params;
    int a, b, again;
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_params_add(&params, "a.weight", STK_GROUP_NET, 2, (int[]){3, 5}, &a));
    TEST_OK(stk_params_add(&params, "b.weight", STK_GROUP_GRID, 1, (int[]){17}, &b));
    assert_int_equal(stk_params_add(&params, "a.weight", STK_GROUP_NET, 1, (int[]){1}, &again),
                     STK_ERR_ARGUMENT);
    assert_int_equal(stk_params_add(&params, "c", STK_GROUP_NET, 1, (int[]){0}, &again),
                     STK_ERR_ARGUMENT);
    TEST_OK(stk_params_seal(&params, 1));
    assert_int_equal(params.total, 16 + 32);
    assert_int_equal(stk_params_find(&params, "b.weight"), b);
    assert_int_equal(stk_params_find(&params, "absent"), -1);
    assert_int_equal((uintptr_t)stk_params_grad(&params, b) % 64, 0);
    assert_ptr_equal(params.ema, params.value + 3 * params.total);
    assert_int_equal(stk_params_add(&params, "d", STK_GROUP_NET, 1, (int[]){1}, &again),
                     STK_ERR_ARGUMENT);
    stk_rng rng;
    stk_rng_seed(&rng, 5, 1);
    stk_params_fill_uniform(&params, b, 0.25f, &rng);
    for (int i = 0; i < 17; i++) {
        float value = stk_params_value(&params, b)[i];
        assert_true(value >= -0.25f && value <= 0.25f && value != 0);
    }
    stk_params_clear(&params);
    stk_params_clear(&params);
}

static void load_safetensors_uses_prefix(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    const float data[3] = {1, 2, 3};
    stk_safetensors_writer *writer;
    stk_safetensors *file;
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "p.safetensors"));
    TEST_OK(stk_safetensors_writer_create(&writer, path));
    TEST_OK(stk_safetensors_writer_declare(writer, "ema/a", STK_F32, 1, (int64_t[]){3}));
    TEST_OK(stk_safetensors_writer_data(writer, data, sizeof data));
    TEST_OK(stk_safetensors_writer_finish(&writer));
    TEST_OK(stk_safetensors_open(&file, path));
    stk_params params;
    int a;
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_params_add(&params, "a", STK_GROUP_NET, 1, (int[]){3}, &a));
    TEST_OK(stk_params_seal(&params, 1));
    TEST_OK(stk_params_load_safetensors(&params, params.ema, file, "ema/", NULL));
    test_assert_close("a", params.ema, data, 3, 0);
    assert_int_equal(stk_params_load_safetensors(&params, params.value, file, "", NULL),
                     STK_ERR_MISMATCH);
    assert_non_null(strstr(stk_error_text(), "1 tensor is missing: a"));
    stk_params_clear(&params);
    stk_safetensors_close(&file);
}

/* Two rows of eight bits in units of 0.5 and -2; then one unit too few, none, one that is no
 * number. */
static void load_safetensors_scales_eight_bits_by_rows(void **state) {
    (void)state;
    static const struct {
        int64_t given;
        float units[2];
        stk_status status;
        const char *sentence;
    } cases[] = {{2, {0.5f, -2}, STK_OK, NULL},
                 {1, {0.5f, -2}, STK_ERR_MISMATCH, "a.scale has 1 elements"},
                 {0, {0, 0}, STK_ERR_FORMAT, "tensor a has no a.scale"},
                 {2, {0.5f, NAN}, STK_ERR_FORMAT, "a.scale holds no numbers"}};
    char path[STK_PATH_MAX];
    const int8_t steps[6] = {1, -127, 0, 127, 3, -1};
    const float wanted[6] = {0.5f, -63.5f, 0, -254, -6, 2};
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "q.safetensors"));
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        const int64_t given = cases[i].given;
        stk_safetensors_writer *writer;
        stk_safetensors *file;
        stk_params params;
        int a;
        TEST_OK(stk_safetensors_writer_create(&writer, path));
        TEST_OK(stk_safetensors_writer_declare(writer, "a", STK_I8, 2, (int64_t[]){2, 3}));
        if (given > 0)
            TEST_OK(stk_safetensors_writer_declare(writer, "a.scale", STK_F32, 1, &given));
        TEST_OK(stk_safetensors_writer_data(writer, steps, sizeof steps));
        if (given > 0)
            TEST_OK(stk_safetensors_writer_data(writer, cases[i].units,
                                                (size_t)given * sizeof *cases[i].units));
        TEST_OK(stk_safetensors_writer_finish(&writer));
        TEST_OK(stk_safetensors_open(&file, path));
        TEST_OK(stk_params_init(&params));
        TEST_OK(stk_params_add(&params, "a", STK_GROUP_NET, 2, (int[]){2, 3}, &a));
        TEST_OK(stk_params_seal(&params, 0));
        const stk_status status =
            stk_params_load_safetensors(&params, params.value, file, "", NULL);
        assert_int_equal(status, cases[i].status);
        if (status == STK_OK)
            test_assert_close("a", params.value, wanted, 6, 0);
        else
            assert_non_null(strstr(stk_error_text(), cases[i].sentence));
        stk_params_clear(&params);
        stk_safetensors_close(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_aligns_every_tensor),
        cmocka_unit_test(load_safetensors_uses_prefix),
        cmocka_unit_test(load_safetensors_scales_eight_bits_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
