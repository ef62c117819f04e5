#include "radiance_case.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "support.h"

const radiance_shape radiance_shapes[RADIANCE_SHAPES] = {{12, 7}, {14, 7}, {12, 4},
                                                         {12, 2}, {12, 1}, {13, 3}};
enum { TILES = 8 };

typedef struct errors {
    double log_sigma, rgb; /* largest */
    double scale;          /* largest |log sigma| */
} errors;

stk_field_cond radiance_conditions(const field_case *fc) {
    return (stk_field_cond){fc->cond.audio + STK_AUD, fc->cond.exp + STK_EXP_MAX,
                            fc->cond.code + STK_CODE};
}

static errors measure(const stk_radiance_kernels *kernels, const field_case *fc, const void *tables,
                      void *block) {
    static field_tile tile;
    STK_ALIGNED(64) float sigma[STK_TILE], rgb[3 * STK_TILE];
    const stk_field_cond cond = radiance_conditions(fc);
    stk_field_kernels twin;
    stk_cpu_set_mask(0);
    stk_field_kernels_init(&twin);
    stk_cpu_set_mask(UINT32_MAX);
    errors e = {0};
    kernels->fold(&fc->shape, &fc->weights, tables, block);
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
 * times that, 2.8 %. The rendering tables round features once, to bfloat16: within the same. */
void radiance_compare(const stk_radiance_kernels *kernels, const field_case *fc, void *block) {
    const int bf16 = strcmp(kernels->isa, "avx512bf16") == 0 || strcmp(kernels->isa, "amx") == 0;
    void *tables = stk_calloc_aligned(1, stk_radiance_tables_bytes(&fc->shape));
    assert_non_null(tables);
    stk_radiance_tables_fill(&fc->shape, &fc->weights, tables);
    for (int dense = 0; dense < 2; dense++) {
        const int exact = !bf16 && (!dense || strcmp(kernels->isa, "c") == 0);
        const double limit = exact ? 4e-5 : 0.028;
        const errors e = measure(kernels, fc, dense ? tables : NULL, block);
        if (!(e.log_sigma <= limit * fmax(e.scale, 1) && e.rgb <= limit / 2))
            fail_msg("%s, %d levels, %s: log sigma differs by %.3g of %.3g, rgb by %.3g",
                     kernels->isa, fc->shape.grid.levels, dense ? "dense" : "hashed", e.log_sigma,
                     e.scale, e.rgb);
    }
    stk_free(tables);
}
