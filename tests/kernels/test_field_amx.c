/* The AMX variant of the training field, the product's own source compiled for emulated tiles,
 * against the plain-C twin. Skips on processors without AVX-512. */
#include "support.h"
#include "field_case.h"
#include "tiles_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/field_private.h"

enum { TILES = 3 };

static const struct {
    int levels, exp;
} shapes[] = {{12, 7}, {14, 7}, {12, 4}, {12, 2}, {12, 1}, {13, 3}};

typedef struct run_result {
    field_tile tile[TILES];
    float *grad;
} run_result;

/* Leaves NaNs all over the stack that the next call will use. */
__attribute__((noinline)) static void spoil_stack(void) {
    unsigned char below[256 << 10];
    memset(below, 0xff, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
}

static void run_tiles(const stk_field_kernels *kernels, field_case *fc, uint64_t seed,
                      run_result *result) {
    static const int counts[TILES] = {64, 17, 1};
    const size_t act_floats = stk_field_act_floats(&fc->shape);
    float *acts = stk_calloc_aligned(act_floats, sizeof(float));
    uint32_t *pairs = NULL;
    assert_non_null(acts);
    if (kernels->pack != NULL) {
        const size_t count = kernels->pack(&fc->shape, &fc->weights, NULL);
        pairs = stk_calloc_aligned(count, sizeof *pairs);
        assert_non_null(pairs);
        memset(pairs, 0xff, count * sizeof *pairs);
        assert_int_equal(kernels->pack(&fc->shape, &fc->weights, pairs), count);
    }
    fc->weights.pairs = pairs;
    memset(fc->grad, 0, fc->total * sizeof(float));
    for (int t = 0; t < TILES; t++) {
        field_tile *tile = &result->tile[t];
        field_tile_init(tile, counts[t], t != 0, seed + (uint64_t)t);
        const stk_field_in in = field_tile_in(tile);
        stk_field_out out = field_tile_out(tile);
        const stk_field_dout dout = field_tile_dout(tile);
        memset(acts, 0xff, act_floats * sizeof *acts);
        spoil_stack();
        kernels->forward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &out);
        assert_false(tiles_in_use());
        spoil_stack();
        kernels->backward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &dout,
                          &(stk_field_din){&fc->grads, &fc->dcond, tile->denc});
        assert_false(tiles_in_use());
    }
    memcpy(result->grad, fc->grad, fc->total * sizeof(float));
    fc->weights.pairs = NULL;
    stk_free(acts);
    stk_free(pairs);
}

/* Against the twin a bound can only be loose, as for any bfloat16: units whose sign changes hold a
 * whole value back or let it through, and with few samples a single one tells. Against the variant
 * on dot products it is tight: the same values are rounded, and only sums differ, by some 1e-7,
 * which turns one rounding of 2^-8 in 30,000 the other way: 2e-5. */
enum { LOOSE, TIGHT };
static const double limits[] = {[LOOSE] = 0.15, [TIGHT] = 1e-3};

static void assert_near(int how, const char *what, const float *got, const float *other, size_t n) {
    const double error = test_relative_l2(got, other, n);
    if (!(error <= limits[how]))
        fail_msg("%s differs from the %s by %.3g", what, how == LOOSE ? "twin" : "other bfloat16",
                 error);
}

static void compare(int how, const field_case *fc, run_result *got, run_result *twin) {
    for (int t = 0; t < TILES; t++) {
        field_tile *a = &got->tile[t], *b = &twin->tile[t];
        float h_a[STK_TILE], h_b[STK_TILE];
        for (int s = 0; s < STK_TILE; s++) {
            h_a[s] = logf(a->sigma[s]);
            h_b[s] = logf(b->sigma[s]);
        }
        assert_near(how, "log sigma", h_a, h_b, STK_TILE);
        assert_near(how, "rgb", a->rgb, b->rgb, 3 * STK_TILE);
        assert_near(how, "amb_aud", a->amb_aud, b->amb_aud, STK_TILE);
        assert_near(how, "amb_exp", a->amb_exp, b->amb_exp, STK_TILE);
        assert_near(how, "unc", a->unc, b->unc, STK_TILE);
        for (int c = 0; c < fc->shape.enc; c++)
            for (int s = a->n; s < STK_TILE; s++) assert_true(a->denc[c * STK_TILE + s] == 0);
    }
    assert_near(how, "denc", got->tile[0].denc, twin->tile[0].denc,
                (size_t)fc->shape.enc * STK_TILE);
    for (int t = T_AUD0; t < T_EXPRESSION; t++)
        assert_near(how, field_tensor_name(t), got->grad + fc->offset[t],
                    twin->grad + fc->offset[t], fc->count[t]);
}

static void training_on_emulated_tiles_like_other_variants(void **state) {
    (void)state;
    static run_result got, twin;
    stk_field_kernels plain = {0}, tiles = {0}, dots = {0};
    stk_cpu_set_mask(UINT32_MAX);
    if (!(stk_cpu_flags() & STK_CPU_AVX512)) {
        print_message("SKIP: no AVX-512\n");
        skip();
    }
    stk_field_fill_c(&plain);
    stk_field_fill_training_amx_emulated(&tiles);
    if (__builtin_cpu_supports("avx512bf16")) stk_field_fill_training_avx512bf16(&dots);
    for (size_t i = 0; i < STK_ARRAY_SIZE(shapes); i++) {
        field_case fc;
        field_case_init(&fc, shapes[i].levels, shapes[i].exp, 140 + i, 2);
        got.grad = malloc(fc.total * sizeof(float));
        twin.grad = malloc(fc.total * sizeof(float));
        assert_true(got.grad != NULL && twin.grad != NULL);
        run_tiles(&plain, &fc, 150 + i, &twin);
        run_tiles(&tiles, &fc, 150 + i, &got);
        compare(LOOSE, &fc, &got, &twin);
        if (dots.forward != NULL) {
            run_tiles(&dots, &fc, 150 + i, &twin);
            compare(TIGHT, &fc, &got, &twin);
        }
        free(got.grad);
        free(twin.grad);
        field_case_clear(&fc);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_on_emulated_tiles_like_other_variants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
