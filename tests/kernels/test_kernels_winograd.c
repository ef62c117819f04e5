/* 3x3 convolutions by Winograd's transforms under every CPU mask against the plain definition, for
 * maps that tiles do not divide and channels that vectors do not. */
#include "support.h"

#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/winograd.h"

static float *random_floats(size_t n, float scale, uint64_t seed) {
    float *v = stk_calloc_aligned(n, sizeof(float));
    stk_rng rng;
    stk_rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) v[i] = scale * (2 * stk_rng_float(&rng) - 1);
    return v;
}

static void check_shape(int h, int w, int in, int out, int relu) {
    const size_t pixels = (size_t)(h * w);
    const stk_activation activation = relu ? STK_ACT_RELU : STK_ACT_NONE;
    const stk_conv_shape shape = {1, h, w, in, h, w, out, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    float *x = random_floats(pixels * (size_t)in, 1, 1);
    float *weights = random_floats((size_t)(in * out * 9), 1 / sqrtf((float)(9 * in)), 2);
    float *bias = relu ? random_floats((size_t)out, 1, 3) : NULL;
    float *want = random_floats(pixels * (size_t)out, 1, 4);
    float *got = random_floats(pixels * (size_t)out, 1, 5);
    stk_winograd_layer *layer;
    stk_conv_forward_c(&shape, STK_CONV_OIHW, weights, bias, activation, x, want);
    TEST_OK(
        stk_winograd_create(&layer, (int[]){h, w}, (int[]){in, out}, weights, bias, activation));
    float *scratch = random_floats(stk_winograd_scratch_floats(layer), 1, 6);
    TEST_OK(stk_winograd_run(layer, x, scratch, got));
    /* results about 1; V up to 100 times x, so that a rounding weighs some 50 times as much */
    test_assert_close("winograd", got, want, pixels * (size_t)out, 2e-5);
    stk_winograd_free(&layer);
    float *blocks[] = {x, weights, bias, want, got, scratch};
    for (size_t i = 0; i < 6; i++) stk_free(blocks[i]);
}

static void winograd_every_mask_like_definition(void **state) {
    (void)state;
    static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        stk_cpu_set_mask(masks[i]);
        check_shape(30, 40, 178, 96, 0);
        check_shape(8, 10, 64, 80, 1);
        check_shape(5, 3, 7, 2, 1);
        check_shape(1, 1, 16, 17, 0);
    }
    stk_cpu_set_mask(UINT32_MAX);
}

static void create_other_activation_refused(void **state) {
    (void)state;
    stk_winograd_layer *layer;
    const float weights[9] = {0};
    assert_int_equal(
        stk_winograd_create(&layer, (int[]){8, 8}, (int[]){1, 1}, weights, NULL, STK_ACT_RELU6),
        STK_ERR_ARGUMENT);
    assert_null(layer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(winograd_every_mask_like_definition),
        cmocka_unit_test(create_other_activation_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
