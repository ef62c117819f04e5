/* The scalar rounding to bfloat16 against the definition: the nearest of two neighbours, of equally
 * near ones the even; and, in the kernels that pack weights, what is no number or beyond the range.
 */
#include "support.h"
#include "field_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/bf16.h"

static float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int is_nan_half(uint32_t half) {
    return (half & 0x7fff) > 0x7f80;
}

static void bf16_of_exact_values_is_the_value(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        const uint32_t got = stk_bf16(of_bits(half << 16));
        if (is_nan_half(half))
            assert_int_equal(got, half | 0x40);
        else
            assert_int_equal(got, half);
    }
}

/* Between every two neighbours of both signs, the last of which is infinity. */
static void bf16_between_neighbours_is_nearest_even(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        if ((half & 0x7f80) == 0x7f80) continue;
        const uint32_t bits = half << 16, even = half + (half & 1);
        assert_int_equal(stk_bf16(of_bits(bits | 0x7fff)), half);
        assert_int_equal(stk_bf16(of_bits(bits | 0x8000)), even);
        assert_int_equal(stk_bf16(of_bits(bits | 0x8001)), half + 1);
        assert_int_equal(stk_bf16(of_bits(bits | 0xffff)), half + 1);
    }
    assert_int_equal(stk_bf16(3e38f * 0.9f), 0x7f4b);
    assert_int_equal(stk_bf16(3.4e38f), 0x7f80);
    assert_int_equal(stk_bf16(-3.4e38f), 0xff80);
}

/* Whatever its payload, and also where that is all below the half that is kept. */
static void bf16_of_no_number_is_none(void **state) {
    (void)state;
    static const uint32_t nans[] = {0x7fffffff, 0xffffffff, 0x7f800001, 0xff800001, 0x7fc00000};
    for (size_t i = 0; i < STK_ARRAY_SIZE(nans); i++) {
        assert_true(is_nan_half(stk_bf16(of_bits(nans[i]))));
        assert_int_equal(stk_bf16(of_bits(nans[i])) >> 15, nans[i] >> 31);
    }
}

static void pack_keeps_what_is_no_number(void **state) {
    (void)state;
    stk_field_kernels kernels;
    field_case fc;
    stk_cpu_set_mask(UINT32_MAX);
    stk_field_training_kernels_init(&kernels);
    if (kernels.pack == NULL) {
        print_message("SKIP: this processor has no fast bfloat16 dot products\n");
        skip();
    }
    field_case_init(&fc, 12, 7, 1, 1);
    fc.value[fc.offset[T_SIGMA1]] = of_bits(0x7fffffff);
    const size_t count = kernels.pack(&fc.shape, &fc.weights, NULL);
    uint32_t *pairs = stk_calloc_aligned(count, sizeof *pairs);
    assert_non_null(pairs);
    kernels.pack(&fc.shape, &fc.weights, pairs);
    int nans = 0;
    for (size_t i = 0; i < count; i++)
        nans += is_nan_half(pairs[i] & 0xffff) + is_nan_half(pairs[i] >> 16);
    assert_int_equal(nans, 2); /* in the matrix and in its transpose */
    stk_free(pairs);
    field_case_clear(&fc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_of_exact_values_is_the_value),
        cmocka_unit_test(bf16_between_neighbours_is_nearest_even),
        cmocka_unit_test(bf16_of_no_number_is_none),
        cmocka_unit_test(pack_keeps_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
