/* The AMX variant of the training field, the product's own source compiled for emulated tiles,
 * against the plain-C twin and the variant on dot products. Skips on processors without AVX-512. */
#include "support.h"
#include "field_compare.h"
#include "tiles_check.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "kernels/field_private.h"

/* Both bfloat16 variants round the same values and only their sums differ, by some 1e-7, which
 * turns one rounding of 2^-8 in 30,000 the other way: 2e-5 in norm; where such a rounding decides a
 * ReLU, one unit of one sample: some 1e-4 of a gradient of 64 samples. */
static const field_limits like_dot_products = {{1e-3, INFINITY}, {1e-3, INFINITY}};

/* Leaves NaNs all over the stack that the next call will use. */
__attribute__((noinline)) static void spoil_stack(void) {
    unsigned char below[256 << 10];
    memset(below, 0xff, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
}

static void between_kernels(void) {
    assert_false(tiles_in_use());
    spoil_stack();
}

static void check_shape(int shape, int positive, const stk_field_kernels *tiles,
                        const stk_field_kernels *dots) {
    static field_run got, other;
    stk_field_kernels plain = {0};
    field_case fc;
    stk_field_fill_c(&plain);
    field_runs_init(&fc, shape, positive, &got, &other);
    field_run_kernels(tiles, &fc, &got, between_kernels);
    field_run_kernels(&plain, &fc, &other, NULL);
    field_runs_compare(&fc, &got, &other, positive ? &field_positive_limits : &field_any_limits);
    if (dots->forward != NULL) {
        field_run_kernels(dots, &fc, &other, NULL);
        field_runs_compare(&fc, &got, &other, &like_dot_products);
    }
    field_runs_clear(&fc, &got, &other);
}

static void check_shapes(int positive) {
    stk_field_kernels tiles = {0}, dots = {0};
    stk_cpu_set_mask(UINT32_MAX);
    if (!(stk_cpu_flags() & STK_CPU_AVX512)) {
        print_message("SKIP: no AVX-512\n");
        skip();
    }
    stk_field_fill_training_amx_emulated(&tiles);
    if (__builtin_cpu_supports("avx512bf16")) stk_field_fill_training_avx512bf16(&dots);
    for (int i = 0; i < FIELD_SHAPES; i++) check_shape(i, positive, &tiles, &dots);
}

static void positive_field_on_emulated_tiles_is_within_rounding(void **state) {
    (void)state;
    check_shapes(1);
}

static void any_field_on_emulated_tiles_is_like_other_variants(void **state) {
    (void)state;
    check_shapes(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positive_field_on_emulated_tiles_is_within_rounding),
        cmocka_unit_test(any_field_on_emulated_tiles_is_like_other_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
