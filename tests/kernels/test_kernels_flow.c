/* The flow kernels under every CPU mask against sums in double: lookup at places inside, on and
 * outside the borders of maps large and small, the recurrent unit's gates. */
#include "support.h"

#include <math.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/flow.h"

static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
enum { MASKS = sizeof masks / sizeof masks[0], MAP_MAX = 30 * 40 };

static void kernels_under(uint32_t mask, stk_flow_kernels *kernels) {
    stk_cpu_set_mask(mask);
    stk_flow_kernels_init(kernels);
    stk_cpu_set_mask(UINT32_MAX);
}

static void fill(float *v, size_t n, float scale, stk_rng *rng) {
    for (size_t i = 0; i < n; i++) v[i] = scale * (2 * stk_rng_float(rng) - 1);
}

/* sum_c query[c] map(y, x)[c], 0 outside. */
static double dot_at(const stk_flow_map *map, const float *query, int y, int x) {
    double sum = 0;
    if (x < 0 || y < 0 || x >= map->width || y >= map->height) return 0;
    for (int c = 0; c < STK_FLOW_FEATURES; c++)
        sum +=
            (double)query[c] * (double)map->features[(y * map->width + x) * STK_FLOW_FEATURES + c];
    return sum;
}

static double tap_of(const stk_flow_map *map, const float *query, double x, double y) {
    const double x0 = floor(x), y0 = floor(y), fx = x - x0, fy = y - y0;
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        const double weight = (k & 1 ? fx : 1 - fx) * (k & 2 ? fy : 1 - fy);
        sum += weight * dot_at(map, query, (int)y0 + (k >> 1), (int)x0 + (k & 1));
    }
    return sum / sqrt(STK_FLOW_FEATURES);
}

static void lookup_every_mask_like_double(void **state) {
    (void)state;
    static const int sizes[][2] = {{30, 40}, {15, 20}, {3, 5}, {1, 1}};
    static const float places[][2] = {{12.3f, 9.7f}, {5, 4},        {0, 0},         {39, 29},
                                      {-0.5f, 3},    {-3.999f, 2},  {-4, -4},       {-4.01f, 7},
                                      {42.5f, 30},   {44, 8},       {2.2f, 33.9f},  {1e9f, 3},
                                      {-1e30f, 4},   {3, INFINITY}, {0.99f, 1.01f}, {39.6f, 0.2f}};
    stk_rng rng;
    stk_rng_seed(&rng, 11, 0);
    float *features = stk_calloc_aligned(MAP_MAX * STK_FLOW_FEATURES, sizeof(float));
    STK_ALIGNED(64) float query[STK_FLOW_FEATURES];
    fill(features, MAP_MAX * STK_FLOW_FEATURES, 1, &rng);
    fill(query, STK_FLOW_FEATURES, 1, &rng);
    for (int m = 0; m < MASKS; m++) {
        stk_flow_kernels kernels;
        kernels_under(masks[m], &kernels);
        for (size_t s = 0; s < STK_ARRAY_SIZE(sizes); s++)
            for (size_t i = 0; i < STK_ARRAY_SIZE(places); i++) {
                const stk_flow_map map = {features, sizes[s][0], sizes[s][1]};
                const double x = (double)places[i][0], y = (double)places[i][1];
                float taps[STK_FLOW_TAPS];
                kernels.lookup(&map, query, places[i][0], places[i][1], taps);
                for (int t = 0; t < STK_FLOW_TAPS; t++) {
                    const double want = fabs(x) > 1e6 || fabs(y) > 1e6
                                            ? 0
                                            : tap_of(&map, query, x + t / 7 - 3, y + t % 7 - 3);
                    /* 128 products below 1, summed in float: 128 x 128 x 2^-25, over sqrt(128) */
                    if (fabs((double)taps[t] - want) > 4e-5)
                        fail_msg("%s: map %d, place %d, tap %d: %.7g instead of %.7g", kernels.isa,
                                 (int)s, (int)i, t, (double)taps[t], want);
                }
            }
    }
    stk_free(features);
}

static void lookup_not_a_number_zeros(void **state) {
    (void)state;
    STK_ALIGNED(64) float features[STK_FLOW_FEATURES] = {1, 2, 3};
    const stk_flow_map map = {features, 1, 1};
    for (int m = 0; m < MASKS; m++) {
        stk_flow_kernels kernels;
        float taps[STK_FLOW_TAPS];
        kernels_under(masks[m], &kernels);
        kernels.lookup(&map, features, NAN, 0, taps);
        for (int t = 0; t < STK_FLOW_TAPS; t++) assert_true(taps[t] == 0);
    }
}

enum { PIXELS = 5 };

typedef struct unit_case {
    float context[PIXELS * STK_FLOW_CONTEXT], hidden[PIXELS * STK_FLOW_HIDDEN];
    float gates[PIXELS * STK_FLOW_GATES], q[PIXELS * STK_FLOW_HIDDEN];
    float input[PIXELS * STK_FLOW_UNIT_IN];
} unit_case;

/* Activations from -30 to 30, some far beyond. */
static void make_unit(unit_case *unit) {
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    fill(unit->context, STK_ARRAY_SIZE(unit->context), 10, &rng);
    fill(unit->hidden, STK_ARRAY_SIZE(unit->hidden), 1, &rng);
    fill(unit->gates, STK_ARRAY_SIZE(unit->gates), 20, &rng);
    fill(unit->q, STK_ARRAY_SIZE(unit->q), 2, &rng);
    fill(unit->input, STK_ARRAY_SIZE(unit->input), 1, &rng);
    unit->gates[0] = 200, unit->gates[1] = -200, unit->gates[97] = 1e4f, unit->gates[98] = -1e4f;
    unit->q[0] = 150, unit->q[1] = -150;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static void unit_every_mask_like_double(void **state) {
    (void)state;
    for (int m = 0; m < MASKS; m++) {
        static unit_case unit, given;
        stk_flow_kernels k;
        kernels_under(masks[m], &k);
        make_unit(&unit);
        given = unit;
        k.unit_reset(PIXELS, unit.context, unit.hidden, unit.gates, unit.input);
        k.unit_update(PIXELS, unit.context, unit.gates, unit.q, unit.hidden);
        for (int p = 0; p < PIXELS; p++)
            for (int c = 0; c < STK_FLOW_HIDDEN; c++) {
                const float *context = given.context + p * STK_FLOW_CONTEXT + c;
                const float *gates = given.gates + p * STK_FLOW_GATES + c;
                const double h = (double)given.hidden[p * STK_FLOW_HIDDEN + c];
                const double z = sigmoid((double)(gates[0] + context[0]));
                const double r = sigmoid((double)(gates[96] + context[96]));
                const double q = tanh((double)(given.q[p * STK_FLOW_HIDDEN + c] + context[192]));
                assert_float_equal(unit.input[p * STK_FLOW_UNIT_IN + c], r * h, 5e-7);
                assert_float_equal(unit.hidden[p * STK_FLOW_HIDDEN + c], (1 - z) * h + z * q, 1e-6);
            }
        for (int p = 0; p < PIXELS; p++) /* the other columns are left alone */
            for (int c = STK_FLOW_HIDDEN; c < STK_FLOW_UNIT_IN; c++)
                assert_true(unit.input[p * STK_FLOW_UNIT_IN + c] ==
                            given.input[p * STK_FLOW_UNIT_IN + c]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookup_every_mask_like_double),
        cmocka_unit_test(lookup_not_a_number_zeros),
        cmocka_unit_test(unit_every_mask_like_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
