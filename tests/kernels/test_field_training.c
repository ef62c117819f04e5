/* The field's kernels for training: under every CPU mask either those of stk_field_kernels_init, or
 * bfloat16 ones, which are compared with the float32 twin (bounds: field_compare.h). */
#include "support.h"
#include "field_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"

static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512,
                                 STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AMX, UINT32_MAX};

static void check_shape(int shape, const stk_field_kernels *kernels, int positive) {
    static field_run got, twin;
    stk_field_kernels plain;
    field_case fc;
    const uint32_t flags = stk_cpu_flags();
    stk_cpu_set_mask(0);
    stk_field_kernels_init(&plain);
    stk_cpu_set_mask(flags);
    field_runs_init(&fc, shape, positive, &got, &twin);
    field_run_kernels(&plain, &fc, &twin, NULL);
    field_run_kernels(kernels, &fc, &got, NULL);
    field_runs_compare(&fc, &got, &twin, positive ? &field_positive_limits : &field_any_limits);
    field_runs_clear(&fc, &got, &twin);
}

/* The bfloat16 kernels, or a skipped test. */
static void packing_kernels(stk_field_kernels *kernels) {
    stk_cpu_set_mask(UINT32_MAX);
    stk_field_training_kernels_init(kernels);
    if (kernels->pack != NULL) return;
    print_message("SKIP: this processor has no fast bfloat16 dot products\n");
    skip();
}

static void init_every_mask_packs_only_with_bfloat16(void **state) {
    (void)state;
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        stk_field_kernels plain, training;
        stk_cpu_set_mask(masks[m]);
        stk_field_kernels_init(&plain);
        stk_field_training_kernels_init(&training);
        assert_null(plain.pack);
        const int bf16 = (stk_cpu_flags() & (STK_CPU_AVX512BF16 | STK_CPU_AMX)) != 0;
        assert_true((training.pack != NULL) == bf16);
        assert_true(training.pack != NULL || training.backward == plain.backward);
        assert_ptr_equal(training.density, plain.density);
        assert_ptr_equal(training.grid_backward, plain.grid_backward);
    }
}

static void bfloat16_positive_field_is_within_rounding(void **state) {
    (void)state;
    stk_field_kernels kernels;
    packing_kernels(&kernels);
    for (int i = 0; i < FIELD_SHAPES; i++) check_shape(i, &kernels, 1);
}

static void bfloat16_any_field_is_like_twin(void **state) {
    (void)state;
    stk_field_kernels kernels;
    packing_kernels(&kernels);
    for (int i = 0; i < FIELD_SHAPES; i++) check_shape(i, &kernels, 0);
}

/* A sample whose density overflowed and that got no gradient leaves every gradient finite. */
static void bfloat16_overflowed_sigma_without_gradient_stays_finite(void **state) {
    (void)state;
    static field_run result;
    stk_field_kernels kernels;
    field_case fc;
    packing_kernels(&kernels);
    field_case_init(&fc, 12, 7, 5, 2);
    for (int i = 0; i < STK_HIDDEN; i++) fc.value[fc.offset[T_SIGMA2] + (size_t)i] = 1e4f;
    for (int t = 0; t < FIELD_TILES; t++) {
        field_tile_init(&result.tile[t], 64, 1, 6 + (uint64_t)t);
        memset(result.tile[t].dsigma, 0, sizeof result.tile[t].dsigma);
    }
    result.grad = malloc(fc.total * sizeof(float));
    assert_non_null(result.grad);
    field_run_kernels(&kernels, &fc, &result, NULL);
    int infinite = 0;
    for (int s = 0; s < STK_TILE; s++) infinite += isinf(result.tile[0].sigma[s]) != 0;
    assert_true(infinite > 0);
    for (size_t i = 0; i < fc.total; i++) assert_true(isfinite(result.grad[i]));
    free(result.grad);
    field_case_clear(&fc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_every_mask_packs_only_with_bfloat16),
        cmocka_unit_test(bfloat16_positive_field_is_within_rounding),
        cmocka_unit_test(bfloat16_any_field_is_like_twin),
        cmocka_unit_test(bfloat16_overflowed_sigma_without_gradient_stays_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
