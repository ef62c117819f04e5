/* A batch norm folded into its convolution gives what the two give one after the other. */
#include "support.h"
#include "nn/norm.h"

#include <math.h>
#include <string.h>

enum { OUT = 3, CHANNELS = 3, TAPS = 5, FAN_IN = CHANNELS * TAPS };

static const float GAIN[OUT] = {1.5f, -0.25f, 0}, SHIFT[OUT] = {0.5f, -2, 3};
static const float MEAN[OUT] = {-1, 4, 0.125f}, VARIANCE[OUT] = {0.25f, 9, 0};

static void fill(float w[OUT][FAN_IN], float b[OUT]) {
    for (int o = 0; o < OUT; o++) {
        b[o] = 0.25f * (float)o - 0.5f;
        for (int i = 0; i < FAN_IN; i++) w[o][i] = sinf((float)(7 * o + i));
    }
}

static double layer(const float w[FAN_IN], float b, const float x[FAN_IN]) {
    double sum = (double)b;
    for (int i = 0; i < FAN_IN; i++) sum += (double)w[i] * (double)x[i];
    return sum;
}

static void check(int taps) {
    const stk_norm norm = {GAIN, SHIFT, MEAN, VARIANCE, 1e-3, taps};
    float w[OUT][FAN_IN], b[OUT], folded[OUT][FAN_IN], bias[OUT], x[FAN_IN];
    fill(w, b);
    memcpy(folded, w, sizeof w);
    memcpy(bias, b, sizeof b);
    for (int i = 0; i < FAN_IN; i++) x[i] = cosf(3 * (float)i);
    assert_int_equal(stk_norm_fold(&norm, OUT, FAN_IN, folded[0], bias), 1);
    for (int o = 0; o < OUT; o++) {
        const double v = layer(w[o], b[o], x);
        double want = (double)GAIN[o] * (v - (double)MEAN[o]) / sqrt((double)VARIANCE[o] + 1e-3) +
                      (double)SHIFT[o];
        if (taps > 0) want += (double)x[o * TAPS + TAPS / 2];
        /* 16 values rounded to float, each below 6 */
        assert_float_equal(layer(folded[o], bias[o], x), want, 16 * 6 * 6e-8);
    }
}

static void stk_norm_fold_is_layer_then_norm(void **state) {
    (void)state;
    check(0);
}

static void stk_norm_fold_of_a_residual_block_adds_its_input(void **state) {
    (void)state;
    check(TAPS);
}

static void stk_norm_fold_refuses_what_is_no_norm(void **state) {
    (void)state;
    static const float bad[] = {-1e-6f, NAN, INFINITY, 3e38f};
    for (int i = 0; i < 4; i++) {
        float w[OUT][FAN_IN], b[OUT], gain[OUT], variance[OUT];
        fill(w, b);
        memcpy(gain, GAIN, sizeof gain);
        memcpy(variance, VARIANCE, sizeof variance);
        *(i < 2 ? &variance[1] : &gain[1]) = bad[i];
        const stk_norm norm = {gain, SHIFT, MEAN, variance, 1e-3, 0};
        assert_int_equal(stk_norm_fold(&norm, OUT, FAN_IN, w[0], b), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stk_norm_fold_is_layer_then_norm),
        cmocka_unit_test(stk_norm_fold_of_a_residual_block_adds_its_input),
        cmocka_unit_test(stk_norm_fold_refuses_what_is_no_norm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
