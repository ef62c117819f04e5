/* field_compare.c - see field_compare.h. */
#include "field_compare.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct {
    int levels, exp;
} shapes[FIELD_SHAPES] = {{12, 7}, {14, 7}, {13, 4}, {13, 3}, {12, 2}, {12, 1}};

#define PRODUCT 0x1p-8
const field_limits field_positive_limits = {{0x1p-6, 7 * PRODUCT}, {0x1p-6, 16 * PRODUCT}};
const field_limits field_any_limits = {{0x1p-6, 16 * PRODUCT}, {0.12, 0.5}};

/* --- fields and tiles ------------------------------------------------------------------------- */

static void make_absolute(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = fabsf(x[i]);
}

/* Everything positive but the harmonics above the first, which get no weight; inside the box. */
static void make_positive(field_case *fc, field_run *run) {
    make_absolute(fc->value, fc->total);
    for (int r = 0; r < STK_HIDDEN; r++)
        for (int c = 1; c < STK_SH; c++) fc->value[fc->offset[T_COLOR0] + r * 84 + c] = 0;
    for (int t = 0; t < FIELD_TILES; t++) {
        field_tile *tile = &run->tile[t];
        for (int i = 0; i < 3 * STK_TILE; i++)
            tile->xyz[i] = tile->xyz[i] >= -1 && tile->xyz[i] <= 1 ? tile->xyz[i] : 0.3f;
        make_absolute(tile->drgb, 3 * STK_TILE);
        make_absolute(tile->dsigma, STK_TILE);
        make_absolute(tile->damb_aud, STK_TILE);
        make_absolute(tile->damb_exp, STK_TILE);
        make_absolute(tile->dunc, STK_TILE);
    }
}

void field_runs_init(field_case *fc, int shape, int positive, field_run *a, field_run *b) {
    static const int counts[FIELD_TILES] = {64, 17, 1};
    /* gain 0.25: sums of positive terms grow by a quarter of sqrt(fan in) / 2 a layer */
    field_case_init(fc, shapes[shape].levels, shapes[shape].exp, 80 + (uint64_t)shape,
                    positive ? 0.25f : 2);
    if (shape % 2 == 1) field_case_mask(fc);
    for (int t = 0; t < FIELD_TILES; t++)
        field_tile_init(&a->tile[t], counts[t], t != 0, 90 + (uint64_t)(shape + t));
    if (positive) make_positive(fc, a);
    memcpy(b->tile, a->tile, sizeof b->tile);
    a->grad = malloc(fc->total * sizeof(float));
    b->grad = malloc(fc->total * sizeof(float));
    assert_true(a->grad != NULL && b->grad != NULL);
}

void field_runs_clear(field_case *fc, field_run *a, field_run *b) {
    free(a->grad);
    free(b->grad);
    field_case_clear(fc);
}

/* --- runs ------------------------------------------------------------------------------------- */

static void call(void (*between)(void)) {
    if (between != NULL) between();
}

static uint32_t *pack(const stk_field_kernels *kernels, const field_case *fc) {
    if (kernels->pack == NULL) return NULL;
    const size_t count = kernels->pack(&fc->shape, &fc->weights, NULL);
    uint32_t *pairs = stk_calloc_aligned(count, sizeof *pairs);
    assert_non_null(pairs);
    memset(pairs, 0xff, count * sizeof *pairs);
    assert_int_equal(kernels->pack(&fc->shape, &fc->weights, pairs), count);
    return pairs;
}

void field_run_kernels(const stk_field_kernels *kernels, field_case *fc, field_run *run,
                       void (*between)(void)) {
    const size_t act_floats = stk_field_act_floats(&fc->shape);
    float *acts = stk_calloc_aligned(act_floats, sizeof(float));
    uint32_t *pairs = pack(kernels, fc);
    assert_non_null(acts);
    fc->weights.pairs = pairs;
    memset(fc->grad, 0, fc->total * sizeof(float));
    for (int t = 0; t < FIELD_TILES; t++) {
        field_tile *tile = &run->tile[t];
        const stk_field_in in = field_tile_in(tile);
        stk_field_out out = field_tile_out(tile);
        const stk_field_dout dout = field_tile_dout(tile);
        memset(acts, 0xff, act_floats * sizeof *acts);
        call(between);
        kernels->forward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &out);
        call(between);
        kernels->backward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &dout,
                          &(stk_field_din){&fc->grads, &fc->dcond, tile->denc});
        call(between);
    }
    memcpy(run->grad, fc->grad, fc->total * sizeof(float));
    fc->weights.pairs = NULL;
    stk_free(pairs);
    stk_free(acts);
}

/* --- comparing -------------------------------------------------------------------------------- */

static double worst_error(const float *a, const float *b, size_t n) {
    double scale = 0;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)b[i]));
    return scale == 0 ? test_max_abs_error(a, b, n) : test_max_abs_error(a, b, n) / scale;
}

static void assert_within(const char *what, const field_bounds *limit, const float *got,
                          const float *twin, size_t n) {
    const double norm = test_relative_l2(got, twin, n), worst = worst_error(got, twin, n);
    if (!(norm <= limit->norm && worst <= limit->worst))
        fail_msg("%s differs by %.3g of its norm and %.3g of its largest value", what, norm, worst);
}

void field_runs_compare(const field_case *fc, const field_run *got, const field_run *twin,
                        const field_limits *limits) {
    const field_bounds *forward = &limits->forward, *backward = &limits->backward;
    for (int t = 0; t < FIELD_TILES; t++) {
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
        /* in a tile of one sample nothing averages out */
        if (a->n > 1)
            assert_within("denc", backward, a->denc, b->denc, (size_t)fc->shape.enc * STK_TILE);
        for (int c = 0; c < fc->shape.enc; c++)
            for (int s = a->n; s < STK_TILE; s++) assert_true(a->denc[c * STK_TILE + s] == 0);
    }
    for (int t = T_AUD0; t < T_EXPRESSION; t++)
        assert_within(field_tensor_name(t), backward, got->grad + fc->offset[t],
                      twin->grad + fc->offset[t], fc->count[t]);
}
