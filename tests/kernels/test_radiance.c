/* The rendering field under every CPU mask against the field's plain-C forward. */
#include "support.h"
#include "radiance_case.h"

#include "base/cpu.h"
#include "base/memory.h"

static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512,
                                 STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AVX512BF16,
                                 STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AMX};

static void evaluate_every_mask_like_forward(void **state) {
    (void)state;
    void *block = stk_calloc_aligned(1, stk_radiance_bytes());
    assert_non_null(block);
    for (size_t k = 0; k < RADIANCE_SHAPES; k++) {
        field_case fc;
        field_case_init(&fc, radiance_shapes[k].levels, radiance_shapes[k].exp, 7 + k, 3.0f);
        for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
            stk_radiance_kernels kernels;
            stk_cpu_set_mask(masks[m]);
            stk_radiance_kernels_init(&kernels);
            radiance_compare(&kernels, &fc, block);
            field_case_mask(&fc);
            radiance_compare(&kernels, &fc, block);
            fc.shape.mask.on = 0;
        }
        field_case_clear(&fc);
    }
    stk_cpu_set_mask(UINT32_MAX);
    stk_free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(evaluate_every_mask_like_forward)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
