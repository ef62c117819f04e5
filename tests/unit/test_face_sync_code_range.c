/* The range of audio codes: what training heard passes, what lies outside is brought to its rim. */
#include "support.h"
#include "base/rng.h"
#include "face_sync/code_range.h"

#include <math.h>
#include <string.h>

enum { CODES = 4000, N = STK_AUDIO_CODE, FLAT = 5 };
static float codes[CODES][N];
static stk_code_range range;

static float normal(stk_rng *rng) {
    float sum = -6;
    for (int i = 0; i < 12; i++) sum += stk_rng_float(rng);
    return sum;
}

/* Mixed coordinates of very different lengths; coordinate FLAT never moves. */
static int fit(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 7, 1);
    float mix[N][N];
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) mix[i][k] = i == FLAT ? 0 : normal(&rng) / (float)(1 + k);
    for (int n = 0; n < CODES; n++) {
        float z[N];
        for (int k = 0; k < N; k++) z[k] = normal(&rng);
        for (int i = 0; i < N; i++) {
            codes[n][i] = 0.3f * (float)i;
            for (int k = 0; k < N; k++) codes[n][i] += mix[i][k] * z[k];
        }
    }
    stk_code_range_fit(&range, (const float(*)[N])codes, CODES);
    return 0;
}

/* Coordinates along the axes, in standard deviations. */
static double coordinates(const float code[N], double z[N]) {
    double radius = 0;
    for (int k = 0; k < N; k++) {
        double length2 = 0;
        z[k] = 0;
        for (int i = 0; i < N; i++) {
            const double a = (double)range.rows[1 + k][i];
            z[k] += a * ((double)code[i] - (double)range.rows[0][i]);
            length2 += a * a;
        }
        z[k] = length2 > 1e-9 ? z[k] / length2 : 0;
        radius += z[k] * z[k];
    }
    return sqrt(radius);
}

static void fit_axes_whiten_the_codes(void **state) {
    (void)state;
    static double sum[N][N];
    memset(sum, 0, sizeof sum);
    for (int n = 0; n < CODES; n++) {
        double z[N];
        coordinates(codes[n], z);
        for (int p = 0; p < N; p++)
            for (int q = 0; q < N; q++) sum[p][q] += z[p] * z[q] / CODES;
    }
    int unit = 0;
    for (int p = 0; p < N; p++)
        for (int q = 0; q < N; q++) {
            if (p != q) assert_true(fabs(sum[p][q]) < 1e-3);
            if (p == q && sum[p][p] > 0.5) {
                assert_true(fabs(sum[p][p] - 1) < 1e-3);
                unit++;
            }
        }
    assert_int_equal(unit, N - 1);
}

static void limit_leaves_what_lies_inside(void **state) {
    (void)state;
    int inside = 0;
    for (int n = 0; n < CODES; n++) {
        double z[N];
        int in = coordinates(codes[n], z) < 7;
        for (int k = 0; k < N; k++) in = in && fabs(z[k]) < 2.5;
        if (!in) continue;
        inside++;
        float code[N];
        memcpy(code, codes[n], sizeof code);
        stk_code_range_limit(&range, code);
        for (int i = 0; i < N; i++) assert_float_equal(code[i], codes[n][i], 2e-4);
    }
    assert_true(inside > CODES / 2);
}

static void limit_brings_far_codes_to_the_rim(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 9, 1);
    for (int n = 0; n < 200; n++) {
        float code[N];
        double z[N], was[N];
        for (int i = 0; i < N; i++) code[i] = 40 * normal(&rng);
        coordinates(code, was);
        stk_code_range_limit(&range, code);
        assert_true(coordinates(code, z) < 7.001);
        assert_true(fabs((double)code[FLAT] - 0.3 * FLAT) < 1e-3);
        for (int k = 0; k < N; k++) {
            assert_true(fabs(z[k]) < 2.501);
            if (fabs(was[k]) > 3) assert_true(was[k] * z[k] > 0); /* to the same side */
        }
    }
}

/* One axis far out alone leaves the others as they are. */
static void limit_of_one_axis_keeps_the_others(void **state) {
    (void)state;
    float code[N];
    double z[N];
    for (int i = 0; i < N; i++)
        code[i] = range.rows[0][i] + 20 * range.rows[1][i] + 0.8f * range.rows[2][i];
    stk_code_range_limit(&range, code);
    coordinates(code, z);
    assert_true(fabs(z[0] - 2.5) < 1e-3 && fabs(z[1] - 0.8) < 1e-3);
}

static void limit_of_an_unknown_range_changes_nothing(void **state) {
    (void)state;
    const stk_code_range unknown = {0};
    float code[N];
    for (int i = 0; i < N; i++) code[i] = 1000.0f * (float)i;
    stk_code_range_limit(&unknown, code);
    for (int i = 0; i < N; i++) assert_float_equal(code[i], 1000.0f * (float)i, 0);
}

/* An axis a hundred thousand times shorter than the longest is brought to the mean. */
static void limit_along_a_very_short_axis_is_the_mean(void **state) {
    (void)state;
    static float two[100][N];
    stk_code_range range_of_two;
    for (int n = 0; n < 100; n++) {
        two[n][3] = n % 2 == 0 ? 1000 : -1000;
        two[n][7] = n % 4 < 2 ? 1e-3f : -1e-3f;
    }
    stk_code_range_fit(&range_of_two, (const float(*)[N])two, 100);
    float code[N] = {0};
    code[3] = 500;
    code[7] = 1e-3f;
    stk_code_range_limit(&range_of_two, code);
    assert_float_equal(code[3], 500, 1e-2);
    assert_float_equal(code[7], 0, 1e-6);
}

static void limit_of_what_is_no_number_is_left_to_the_checks_behind(void **state) {
    (void)state;
    float code[N] = {0};
    code[2] = NAN;
    code[4] = 3;
    stk_code_range_limit(&range, code);
    assert_true(isnan(code[2]) && code[4] == 3);
}

static void fit_of_one_code_knows_that_code_only(void **state) {
    (void)state;
    stk_code_range one;
    float code[N];
    stk_code_range_fit(&one, (const float(*)[N])codes, 1);
    memcpy(code, codes[1], sizeof code);
    stk_code_range_limit(&one, code);
    for (int i = 0; i < N; i++) assert_float_equal(code[i], codes[0][i], 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_axes_whiten_the_codes),
        cmocka_unit_test(limit_leaves_what_lies_inside),
        cmocka_unit_test(limit_brings_far_codes_to_the_rim),
        cmocka_unit_test(limit_of_one_axis_keeps_the_others),
        cmocka_unit_test(limit_of_an_unknown_range_changes_nothing),
        cmocka_unit_test(limit_along_a_very_short_axis_is_the_mean),
        cmocka_unit_test(limit_of_what_is_no_number_is_left_to_the_checks_behind),
        cmocka_unit_test(fit_of_one_code_knows_that_code_only),
    };
    return cmocka_run_group_tests(tests, fit, NULL);
}
