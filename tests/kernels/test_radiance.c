/* The rendering field under every CPU mask against the field's plain-C forward. */
#include "support.h"
#include "field_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/radiance.h"

static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512,
                                 STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AVX512BF16,
                                 STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AMX};
static const struct {
    int levels, exp;
} shapes[] = {{12, 7}, {14, 7}, {12, 4}, {12, 2}, {12, 1}, {13, 3}};
enum { TILES = 8 };

typedef struct errors {
    double log_sigma, rgb; /* largest */
    double scale;          /* largest |log sigma| */
} errors;

/* Row 1 of the case's conditions, as a frame's. */
static stk_field_cond frame_conditions(const field_case *fc) {
    return (stk_field_cond){fc->cond.audio + STK_AUD, fc->cond.exp + STK_EXP_MAX,
                            fc->cond.code + STK_CODE};
}

static errors measure(const stk_radiance_kernels *kernels, const field_case *fc, void *block) {
    static field_tile tile;
    STK_ALIGNED(64) float sigma[STK_TILE], rgb[3 * STK_TILE];
    const stk_field_cond cond = frame_conditions(fc);
    stk_field_kernels twin;
    stk_cpu_set_mask(0);
    stk_field_kernels_init(&twin);
    errors e = {0};
    kernels->fold(&fc->shape, &fc->weights, block);
    kernels->condition(&fc->shape, &fc->weights, &cond, block);
    for (int t = 0; t < TILES; t++) {
        field_tile_init(&tile, STK_TILE, 0, 50 + (uint64_t)t);
        const stk_field_in in = field_tile_in(&tile);
        stk_field_out out = field_tile_out(&tile);
        twin.forward(&fc->shape, &fc->weights, &fc->cond, &in, NULL, &out);
        for (int s = 0; s < STK_TILE; s++) sigma[s] = NAN;
        for (int s = 0; s < 3 * STK_TILE; s++) rgb[s] = NAN;
        kernels->evaluate(block, tile.xyz, tile.dir, sigma, rgb);
        for (int s = 0; s < STK_TILE; s++) {
            double d = fabs(log((double)sigma[s]) - log((double)tile.sigma[s]));
            assert_false(isnan(d));
            e.log_sigma = fmax(e.log_sigma, d);
            e.scale = fmax(e.scale, fabs(log((double)tile.sigma[s])));
        }
        for (int s = 0; s < 3 * STK_TILE; s++) {
            double d = fabs((double)rgb[s] - tile.rgb[s]);
            assert_false(isnan(d));
            e.rgb = fmax(e.rgb, d);
        }
    }
    return e;
}

/* Errors are measured against the largest |h0|, colours against half their range.
 * float32: sums of at most 84 terms in another order through six layers, as in
 * test_kernels_field.c, and one rounding more for the folded matrix: 4e-5.
 * bfloat16: weights and activations are rounded by at most 2^-9 each, so a product by 2^-8; the
 * errors of a sum's terms are independent: each of six layers adds 2^-8 / sqrt(3) of the root mean
 * square of its output, sqrt(6) 2^-8 / sqrt(3) = 0.55 % together; the largest of 1500 values: five
 * times that, 2.8 %. */
static void evaluate_every_mask_like_forward(void **state) {
    (void)state;
    void *block = stk_calloc_aligned(1, stk_radiance_bytes());
    assert_non_null(block);
    for (size_t k = 0; k < STK_ARRAY_SIZE(shapes); k++) {
        field_case fc;
        field_case_init(&fc, shapes[k].levels, shapes[k].exp, 7 + k, 3.0f);
        for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
            stk_radiance_kernels kernels;
            stk_cpu_set_mask(masks[m]);
            stk_radiance_kernels_init(&kernels);
            const errors e = measure(&kernels, &fc, block);
            const int bf16 = strcmp(kernels.isa, "avx512bf16") == 0 || !strcmp(kernels.isa, "amx");
            const double limit = bf16 ? 0.028 : 4e-5;
            if (!(e.log_sigma <= limit * fmax(e.scale, 1) && e.rgb <= limit / 2))
                fail_msg("%s, %d levels: log sigma differs by %.3g of %.3g, rgb by %.3g",
                         kernels.isa, shapes[k].levels, e.log_sigma, e.scale, e.rgb);
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
