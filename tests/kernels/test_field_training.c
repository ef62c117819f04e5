/* The field's kernels for training: under every CPU mask either those of stk_field_kernels_init, or
 * bfloat16 ones, which are compared with the float32 twin.
 *
 * Bounds. Rounding to bfloat16 errs by at most 2^-9 of a value, so a product of two by 2^-8, and a
 * sum of products without cancellation too. From the features to the colour there are 7 layers, and
 * a gradient passes at most 9 products more: 16 * 2^-8 of the value where nothing cancels, which a
 * field of positive weights, tables and conditions gives (its ReLUs are all open). The root mean
 * square of one product's error is 2^-9 sqrt(2/3); sixteen independent ones make 6.4e-3, and 2^-6
 * leaves room for roundings that samples share.
 *
 * With signs, a hidden unit within its rounding of zero may open in one field and not in the other:
 * some 0.8 * 5e-3 of the units, whose share in a gradient's norm is the root of that, 6 %. Twice
 * that is allowed in norm, and half of the largest value in one place, where it is the part of one
 * sample; anything misplaced errs by 100 %.
 */
#include "support.h"
#include "field_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"

enum { TILES = 3 };
static const double PRODUCT = 0x1p-8;
static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512,
                                 STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AMX, UINT32_MAX};
static const struct { int levels, exp; } shapes[] = {{12, 7}, {14, 7}, {13, 4}, {12, 2}, {12, 1}};

typedef struct run_result {
    field_tile tile[TILES];
    float *grad;
} run_result;

static void run_all(const stk_field_kernels *kernels, field_case *fc, run_result *result) {
    size_t act_floats = stk_field_act_floats(&fc->shape);
    float *acts = stk_calloc_aligned(act_floats, sizeof(float));
    uint32_t *pairs = NULL;
    assert_non_null(acts);
    if (kernels->pack != NULL) {
        size_t count = kernels->pack(&fc->shape, &fc->weights, NULL);
        pairs = stk_calloc_aligned(count, sizeof *pairs);
        assert_non_null(pairs);
        assert_int_equal(kernels->pack(&fc->shape, &fc->weights, pairs), count);
    }
    fc->weights.pairs = pairs;
    memset(fc->grad, 0, fc->total * sizeof(float));
    for (int t = 0; t < TILES; t++) {
        field_tile *tile = &result->tile[t];
        stk_field_in in = field_tile_in(tile);
        stk_field_out out = field_tile_out(tile);
        stk_field_dout dout = field_tile_dout(tile);
        for (size_t i = 0; i < act_floats; i++) acts[i] = NAN;
        kernels->forward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &out);
        kernels->backward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &dout,
                          &(stk_field_din){&fc->grads, &fc->dcond, tile->denc});
    }
    memcpy(result->grad, fc->grad, fc->total * sizeof(float));
    fc->weights.pairs = NULL;
    stk_free(pairs);
    stk_free(acts);
}

/* |a - b|_2 / |b|_2 */
static double norm_error(const float *a, const float *b, size_t n) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        error += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return error == 0 ? 0 : sqrt(error / norm);
}

/* max |a - b| / max |b| */
static double worst_error(const float *a, const float *b, size_t n) {
    double scale = 0;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)b[i]));
    return scale == 0 ? test_max_abs_error(a, b, n) : test_max_abs_error(a, b, n) / scale;
}

typedef struct bounds {
    double norm, worst;
} bounds;

static void assert_within(const char *what, bounds limit, const float *got, const float *twin,
                          size_t n) {
    double norm = norm_error(got, twin, n), worst = worst_error(got, twin, n);
    if (!(norm <= limit.norm && worst <= limit.worst))
        fail_msg("%s differs by %.3g of its norm and %.3g of its largest value", what, norm, worst);
}

static void compare(const field_case *fc, const run_result *got, const run_result *twin,
                    bounds forward, bounds backward) {
    size_t enc = (size_t)fc->shape.enc * STK_TILE;
    for (int t = 0; t < TILES; t++) {
        const field_tile *a = &got->tile[t], *b = &twin->tile[t];
        float h0[2][STK_TILE];
        for (int s = 0; s < STK_TILE; s++) {
            h0[0][s] = logf(a->sigma[s]);
            h0[1][s] = logf(b->sigma[s]);
        }
        assert_within("log sigma", forward, h0[0], h0[1], STK_TILE);
        assert_within("rgb", forward, a->rgb, b->rgb, 3 * STK_TILE);
        assert_within("amb_aud", forward, a->amb_aud, b->amb_aud, STK_TILE);
        assert_within("amb_exp", forward, a->amb_exp, b->amb_exp, STK_TILE);
        assert_within("unc", forward, a->unc, b->unc, STK_TILE);
        if (a->n > 1) assert_within("denc", backward, a->denc, b->denc, enc);
        for (int c = 0; c < fc->shape.enc; c++)
            for (int s = a->n; s < STK_TILE; s++) assert_true(a->denc[c * STK_TILE + s] == 0);
    }
    for (int t = T_AUD0; t < T_EXPRESSION; t++)
        assert_within(field_tensor_name(t), backward, got->grad + fc->offset[t],
                      twin->grad + fc->offset[t], fc->count[t]);
}

/* Everything positive but the harmonics above the first, which get no weight; inside the box. */
static void make_positive(field_case *fc, run_result *a, run_result *b) {
    for (size_t i = 0; i < fc->total; i++) fc->value[i] = fabsf(fc->value[i]);
    for (int r = 0; r < STK_HIDDEN; r++)
        for (int c = 1; c < STK_SH; c++) fc->value[fc->offset[T_COLOR0] + r * 84 + c] = 0;
    for (int t = 0; t < TILES; t++) {
        field_tile *tile = &a->tile[t];
        for (int i = 0; i < 3 * STK_TILE; i++) {
            tile->drgb[i] = fabsf(tile->drgb[i]);
            tile->xyz[i] = tile->xyz[i] >= -1 && tile->xyz[i] <= 1 ? tile->xyz[i] : 0.3f;
        }
        for (int s = 0; s < STK_TILE; s++) {
            tile->dsigma[s] = fabsf(tile->dsigma[s]);
            tile->damb_aud[s] = fabsf(tile->damb_aud[s]);
            tile->damb_exp[s] = fabsf(tile->damb_exp[s]);
            tile->dunc[s] = fabsf(tile->dunc[s]);
        }
        b->tile[t] = *tile;
    }
}

static void check_shape(int shape, const stk_field_kernels *kernels, int positive, bounds forward,
                        bounds backward) {
    static const int counts[TILES] = {64, 17, 1};
    static run_result got, twin;
    stk_field_kernels plain;
    field_case fc;
    uint32_t flags = stk_cpu_flags();
    stk_cpu_set_mask(0);
    stk_field_kernels_init(&plain);
    stk_cpu_set_mask(flags);
    /* gain 0.25: sums of positive terms grow by a quarter of sqrt(fan in) / 2 a layer */
    field_case_init(&fc, shapes[shape].levels, shapes[shape].exp, 80 + (uint64_t)shape,
                    positive ? 0.25f : 2);
    for (int t = 0; t < TILES; t++)
        field_tile_init(&got.tile[t], counts[t], t != 0, 90 + (uint64_t)(shape + t));
    memcpy(twin.tile, got.tile, sizeof twin.tile);
    if (positive) make_positive(&fc, &got, &twin);
    got.grad = malloc(fc.total * sizeof(float));
    twin.grad = malloc(fc.total * sizeof(float));
    assert_true(got.grad != NULL && twin.grad != NULL);
    run_all(&plain, &fc, &twin);
    run_all(kernels, &fc, &got);
    compare(&fc, &got, &twin, forward, backward);
    free(got.grad);
    free(twin.grad);
    field_case_clear(&fc);
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
    for (int i = 0; i < (int)STK_ARRAY_SIZE(shapes); i++)
        check_shape(i, &kernels, 1, (bounds){0x1p-6, 7 * PRODUCT}, (bounds){0x1p-6, 16 * PRODUCT});
}

static void bfloat16_any_field_is_like_twin(void **state) {
    (void)state;
    stk_field_kernels kernels;
    packing_kernels(&kernels);
    for (int i = 0; i < (int)STK_ARRAY_SIZE(shapes); i++)
        check_shape(i, &kernels, 0, (bounds){0x1p-6, 16 * PRODUCT}, (bounds){0.12, 0.5});
}

/* A sample whose density overflowed and that got no gradient leaves every gradient finite. */
static void bfloat16_overflowed_sigma_without_gradient_stays_finite(void **state) {
    (void)state;
    static run_result result;
    stk_field_kernels kernels;
    field_case fc;
    packing_kernels(&kernels);
    field_case_init(&fc, 12, 7, 5, 2);
    for (int i = 0; i < STK_HIDDEN; i++) fc.value[fc.offset[T_SIGMA2] + (size_t)i] = 1e4f;
    for (int t = 0; t < TILES; t++) {
        field_tile_init(&result.tile[t], 64, 1, 6 + (uint64_t)t);
        memset(result.tile[t].dsigma, 0, sizeof result.tile[t].dsigma);
    }
    result.grad = malloc(fc.total * sizeof(float));
    assert_non_null(result.grad);
    run_all(&kernels, &fc, &result);
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
