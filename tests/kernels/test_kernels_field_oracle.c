/* The field's kernels under every CPU mask against an oracle in double, written one sample at a time
 * from reference.md 3.1-3.4 for any number of levels: level sizes by the published formula, lookup,
 * harmonics, nets, and the chain rule backwards. For 12 levels, as released, and 14, the paper's
 * preset, of which no published numbers exist; and for 7, 4, 2 and 1 expression inputs.
 *
 * Positions are turned into cells and weights in float, as published: one rounding at scale 511
 * moves a weight by 3e-5 and is no error. Tolerances: features 1e-6; the rest by layers of up to 84
 * float terms, 6 deep: 84 * 2^-24 = 5e-6 of the magnitudes summed. Measured are 2e-7 for outputs and
 * 1.4e-6 for gradients; EXACT leaves a factor of seven.
 */
#include "support.h"
#include "field_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"

static const double EXACT = 1e-5;

/* --- level sizes (3.1) ------------------------------------------------------------------------ */

typedef struct level_size {
    float scale;
    uint32_t side, entries, offset; /* side: cells a row, res + 1 */
    int dense;
} level_size;

static int level_sizes(int levels, level_size sizes[STK_LEVELS_MAX]) {
    const double b = pow(2, 3.0 / (levels - 1));
    const float s = (float)(3.0 / (levels - 1));
    uint32_t offset = 0;
    for (int l = 0; l < levels; l++) {
        const uint32_t res = (uint32_t)ceil(64 * pow(b, l));
        uint32_t entries = (res + 1) * (res + 1);
        if (entries > 16384) entries = 16384;
        entries = (entries + 7) & ~7u;
        const float scale = exp2f((float)l * s) * 64 - 1;
        const uint32_t side = (uint32_t)ceilf(scale) + 2;
        sizes[l] = (level_size){scale, side, entries, offset, side * side <= entries};
        offset += entries;
    }
    return (int)offset;
}

static void layout_is_that_of_the_formula(void **state) {
    (void)state;
    static const int counts[] = {12, 14};
    for (int i = 0; i < 2; i++) {
        level_size sizes[STK_LEVELS_MAX];
        stk_grid_layout layout;
        const int levels = counts[i], total = level_sizes(levels, sizes);
        stk_grid_layout_init(&layout, levels);
        assert_int_equal(layout.levels, levels);
        assert_int_equal(layout.offset[levels], total);
        for (int l = 0; l < levels; l++) {
            assert_true(layout.scale[l] == sizes[l].scale);
            assert_int_equal(layout.resolution[l] + 1, sizes[l].side);
            assert_int_equal(layout.offset[l], sizes[l].offset);
            assert_int_equal(layout.hashed[l], !sizes[l].dense);
        }
        print_message("%d levels: %d entries, last scale %.9g\n", levels, total,
                      (double)sizes[levels - 1].scale);
    }
}

/* --- the oracle ------------------------------------------------------------------------------- */

typedef struct oracle {
    const field_case *fc;
    level_size sizes[STK_LEVELS_MAX];
    double *value, *grad; /* laid out as fc->value */
} oracle;

/* One sample: activations, outputs, gradients by the features. */
typedef struct sample {
    double enc[STK_ENC_MAX], ha[64], A[32], he[64], G[STK_EXP_MAX], x[96];
    double h1[64], h2[64], h3[65], c[84], hc[64], y[3], hu[32], yu;
    double sigma, rgb[3], amb_aud, amb_exp, unc, denc[STK_ENC_MAX];
} sample;

/* Entries and weights of the four corners; 0 outside the square. */
static int corners(const oracle *o, int level, float u, float v, size_t at[4], double w[4]) {
    const level_size *size = &o->sizes[level];
    const float a = (u + 1) / 2, b = (v + 1) / 2;
    if (!(a >= 0 && a <= 1 && b >= 0 && b <= 1)) return 0;
    const float p = a * size->scale + 0.5f, q = b * size->scale + 0.5f;
    const uint32_t x = (uint32_t)p, y = (uint32_t)q;
    const double fx = (double)p - x, fy = (double)q - y;
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t cx = x + (k & 1), cy = y + (k >> 1);
        const uint32_t index = size->dense ? cx + cy * size->side : cx ^ (cy * 2654435761u);
        at[k] = size->offset + index % size->entries;
        w[k] = (k & 1 ? fx : 1 - fx) * (k >> 1 ? fy : 1 - fy);
    }
    return 1;
}

static void plane_position(const field_tile *tile, int s, int plane, float uv[2]) {
    static const int axes[3][2] = {{0, 1}, {1, 2}, {0, 2}};
    for (int k = 0; k < 2; k++) uv[k] = tile->xyz[axes[plane][k] * STK_TILE + s];
}

static void encode(const oracle *o, const field_tile *tile, int s, double *enc) {
    const int levels = o->fc->shape.grid.levels;
    for (int i = 0; i < 3 * levels; i++) {
        float uv[2];
        size_t at[4];
        double w[4];
        plane_position(tile, s, i / levels, uv);
        enc[i] = 0;
        if (!corners(o, i % levels, uv[0], uv[1], at, w)) continue;
        for (int k = 0; k < 4; k++) enc[i] += w[k] * o->value[o->fc->offset[i / levels] + at[k]];
    }
}

static void scatter(oracle *o, const field_tile *tile, int s, const double *denc) {
    const int levels = o->fc->shape.grid.levels;
    for (int i = 0; i < 3 * levels; i++) {
        float uv[2];
        size_t at[4];
        double w[4];
        plane_position(tile, s, i / levels, uv);
        if (!corners(o, i % levels, uv[0], uv[1], at, w)) continue;
        for (int k = 0; k < 4; k++) o->grad[o->fc->offset[i / levels] + at[k]] += w[k] * denc[i];
    }
}

static void layer(const oracle *o, int tensor, int out, int in, const double *x, double *y,
                  int relu) {
    const double *w = o->value + o->fc->offset[tensor];
    for (int i = 0; i < out; i++) {
        y[i] = 0;
        for (int k = 0; k < in; k++) y[i] += w[i * in + k] * x[k];
        if (relu && y[i] < 0) y[i] = 0;
    }
}

/* dw += dy x^T; dx += w^T dy, stopped where x is a closed rectifier's output. dx may be NULL. */
static void layer_back(oracle *o, int tensor, int out, int in, const double *x, const double *dy,
                       double *dx, int relu) {
    const double *w = o->value + o->fc->offset[tensor];
    double *dw = o->grad + o->fc->offset[tensor];
    for (int i = 0; i < out; i++)
        for (int k = 0; k < in; k++) {
            dw[i * in + k] += dy[i] * x[k];
            if (dx != NULL && !(relu && x[k] <= 0)) dx[k] += w[i * in + k] * dy[i];
        }
}

static double norm(int n, const double *x) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

/* (3.2) by degree: constants are those of real spherical harmonics, sqrt((2l+1)/4pi ...). */
static void harmonics(const field_tile *tile, int s, double sh[16]) {
    const double x = tile->dir[s], y = tile->dir[64 + s], z = tile->dir[128 + s], pi = acos(-1);
    const double c1 = sqrt(3 / (4 * pi)), c2 = sqrt(15 / (4 * pi)), c20 = sqrt(5 / (16 * pi));
    const double c33 = sqrt(35 / (32 * pi)), c32 = sqrt(105 / (4 * pi)), c31 = sqrt(21 / (32 * pi));
    const double c30 = sqrt(7 / (16 * pi));
    sh[0] = sqrt(1 / (4 * pi));
    sh[1] = -c1 * y, sh[2] = c1 * z, sh[3] = -c1 * x;
    sh[4] = c2 * x * y, sh[5] = -c2 * y * z, sh[6] = c20 * (3 * z * z - 1), sh[7] = -c2 * x * z;
    sh[8] = c2 / 2 * (x * x - y * y);
    sh[9] = c33 * y * (y * y - 3 * x * x), sh[10] = c32 * x * y * z;
    sh[11] = c31 * y * (1 - 5 * z * z), sh[12] = c30 * z * (5 * z * z - 3);
    sh[13] = c31 * x * (1 - 5 * z * z), sh[14] = c32 / 2 * z * (x * x - y * y);
    sh[15] = c33 * x * (3 * y * y - x * x);
}

static const double *condition(const oracle *o, int tensor, const field_tile *tile, int s) {
    const int width = tensor == T_AUDIO ? STK_AUD : tensor == T_CODE ? STK_CODE : STK_EXP_MAX;
    return o->value + o->fc->offset[tensor] + tile->row[s] * width;
}

static void forward(const oracle *o, const field_tile *tile, int s, sample *p) {
    const stk_field_shape *shape = &o->fc->shape;
    const int n = shape->enc, E = shape->exp, H = shape->exp_hidden;
    const double *a = condition(o, T_AUDIO, tile, s), *e = condition(o, T_EXPRESSION, tile, s);
    encode(o, tile, s, p->enc);
    layer(o, T_AUD0, 64, n, p->enc, p->ha, 1);
    layer(o, T_AUD1, 32, 64, p->ha, p->A, 0);
    layer(o, T_EXP0, H, n, p->enc, p->he, 1);
    layer(o, T_EXP1, E, H, p->he, p->G, 0);
    memcpy(p->x, p->enc, (size_t)n * sizeof *p->x);
    for (int i = 0; i < 32; i++) p->x[n + i] = a[i] * p->A[i];
    for (int i = 0; i < E; i++) p->x[n + 32 + i] = e[i] * p->G[i];
    layer(o, T_SIGMA0, 64, n + 32 + E, p->x, p->h1, 1);
    layer(o, T_SIGMA1, 64, 64, p->h1, p->h2, 1);
    layer(o, T_SIGMA2, 65, 64, p->h2, p->h3, 0);
    harmonics(tile, s, p->c);
    memcpy(p->c + 16, p->h3 + 1, 64 * sizeof *p->c);
    memcpy(p->c + 80, condition(o, T_CODE, tile, s), 4 * sizeof *p->c);
    layer(o, T_COLOR0, 64, 84, p->c, p->hc, 1);
    layer(o, T_COLOR1, 3, 64, p->hc, p->y, 0);
    layer(o, T_UNC0, 32, n, p->enc, p->hu, 1);
    layer(o, T_UNC1, 1, 32, p->hu, &p->yu, 0);
    p->sigma = exp(p->h3[0]);
    for (int k = 0; k < 3; k++) p->rgb[k] = 1.002 / (1 + exp(-p->y[k])) - 0.001;
    p->amb_aud = norm(32, p->A);
    p->amb_exp = norm(E, p->G);
    p->unc = log1p(exp(p->yu));
}

static void backward_colour(oracle *o, const field_tile *tile, int s, sample *p, double dh3[65]) {
    double dy[3], dhc[64] = {0}, dc[84] = {0};
    for (int k = 0; k < 3; k++) {
        const double open = 1 / (1 + exp(-p->y[k]));
        dy[k] = (double)tile->drgb[k * STK_TILE + s] * 1.002 * open * (1 - open);
    }
    layer_back(o, T_COLOR1, 3, 64, p->hc, dy, dhc, 1);
    layer_back(o, T_COLOR0, 64, 84, p->c, dhc, dc, 0);
    memcpy(dh3 + 1, dc + 16, 64 * sizeof *dc);
    for (int i = 0; i < 4; i++)
        o->grad[o->fc->offset[T_CODE] + tile->row[s] * STK_CODE + i] += dc[80 + i];
}

/* out attention values: their gradient by product and norm, then back to the features. */
static void backward_attention(oracle *o, const int tensor[2], const int width[2], sample *p,
                               const double *dvalue) {
    double dh[64] = {0};
    const double *hidden = tensor[0] == T_AUD0 ? p->ha : p->he;
    layer_back(o, tensor[1], width[1], width[0], hidden, dvalue, dh, 1);
    layer_back(o, tensor[0], width[0], o->fc->shape.enc, p->enc, dh, p->denc, 0);
}

static void backward(oracle *o, const field_tile *tile, int s, sample *p) {
    const stk_field_shape *shape = &o->fc->shape;
    const int n = shape->enc, E = shape->exp, H = shape->exp_hidden;
    const double *a = condition(o, T_AUDIO, tile, s), *e = condition(o, T_EXPRESSION, tile, s);
    double dh3[65], dh2[64] = {0}, dh1[64] = {0}, dx[96] = {0}, dA[32], dG[STK_EXP_MAX];
    backward_colour(o, tile, s, p, dh3);
    dh3[0] = (double)tile->dsigma[s] * p->sigma;
    layer_back(o, T_SIGMA2, 65, 64, p->h2, dh3, dh2, 1);
    layer_back(o, T_SIGMA1, 64, 64, p->h1, dh2, dh1, 1);
    layer_back(o, T_SIGMA0, 64, n + 32 + E, p->x, dh1, dx, 0);
    memcpy(p->denc, dx, sizeof p->denc);
    memset(p->denc + n, 0, sizeof p->denc - (size_t)n * sizeof *p->denc);
    for (int i = 0; i < 32; i++) {
        const double unit = p->amb_aud > 0 ? p->A[i] / p->amb_aud : 0;
        dA[i] = dx[n + i] * a[i] + (double)tile->damb_aud[s] * unit;
        o->grad[o->fc->offset[T_AUDIO] + tile->row[s] * STK_AUD + i] += dx[n + i] * p->A[i];
    }
    for (int i = 0; i < E; i++) {
        const double unit = p->amb_exp > 0 ? p->G[i] / p->amb_exp : 0;
        dG[i] = dx[n + 32 + i] * e[i] + (double)tile->damb_exp[s] * unit;
    }
    backward_attention(o, (int[]){T_AUD0, T_AUD1}, (int[]){64, 32}, p, dA);
    backward_attention(o, (int[]){T_EXP0, T_EXP1}, (int[]){H, E}, p, dG);
    double dhu[32] = {0}, dyu = (double)tile->dunc[s] / (1 + exp(-p->yu));
    layer_back(o, T_UNC1, 1, 32, p->hu, &dyu, dhu, 1);
    layer_back(o, T_UNC0, 32, n, p->enc, dhu, NULL, 0);
    scatter(o, tile, s, p->denc);
}

/* --- comparison ------------------------------------------------------------------------------- */

static double worst[2]; /* of outputs, of gradients */

static void near(const char *what, double got, double want, double tolerance, double *most) {
    const double error = fabs(got - want);
    if (!(error <= tolerance)) fail_msg("%s: %.9g instead of %.9g", what, got, want);
    *most = fmax(*most, error * EXACT / tolerance);
}

static void compare_outputs(const field_case *fc, const field_tile *tile, const float *density,
                            const float *enc, const sample *samples) {
    for (int s = 0; s < tile->n; s++) {
        const sample *p = &samples[s];
        double unused = 0;
        for (int c = 0; c < fc->shape.enc; c++)
            near("feature", (double)enc[c * STK_TILE + s], p->enc[c], 1e-6, &unused);
        near("log sigma", log((double)tile->sigma[s]), p->h3[0], EXACT * (1 + fabs(p->h3[0])),
             &worst[0]);
        near("density", log((double)density[s]), p->h3[0], EXACT * (1 + fabs(p->h3[0])), &worst[0]);
        for (int k = 0; k < 3; k++)
            near("rgb", (double)tile->rgb[k * STK_TILE + s], p->rgb[k], EXACT, &worst[0]);
        near("ambient audio", (double)tile->amb_aud[s], p->amb_aud, EXACT * (1 + p->amb_aud),
             &worst[0]);
        near("ambient expression", (double)tile->amb_exp[s], p->amb_exp, EXACT * (1 + p->amb_exp),
             &worst[0]);
        near("uncertainty", (double)tile->unc[s], p->unc, EXACT * (1 + p->unc), &worst[0]);
    }
}

static double largest(size_t n, const double *x) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most;
}

static void compare_gradients(const oracle *o, const field_tile *tile, const sample *samples) {
    const field_case *fc = o->fc;
    for (int t = 0; t < T_EXPRESSION; t++) {
        const double *want = o->grad + fc->offset[t];
        const double scale = largest(fc->count[t], want);
        assert_true(scale > 0);
        for (size_t i = 0; i < fc->count[t]; i++)
            near(field_tensor_name(t), (double)fc->grad[fc->offset[t] + i], want[i], EXACT * scale,
                 &worst[1]);
    }
    double scale = 0;
    for (int s = 0; s < tile->n; s++)
        scale = fmax(scale, largest((size_t)fc->shape.enc, samples[s].denc));
    for (int s = 0; s < tile->n; s++)
        for (int c = 0; c < fc->shape.enc; c++)
            near("denc", (double)tile->denc[c * STK_TILE + s], samples[s].denc[c], EXACT * scale,
                 &worst[1]);
}

/* --- cases ------------------------------------------------------------------------------------ */

static void run_kernels(const stk_field_kernels *kernels, field_case *fc, field_tile *tile,
                        float *density, float *enc) {
    float *acts = stk_calloc_aligned(stk_field_act_floats(&fc->shape), sizeof(float));
    assert_non_null(acts);
    const stk_field_in in = field_tile_in(tile);
    stk_field_out out = field_tile_out(tile);
    const stk_field_dout dout = field_tile_dout(tile);
    memset(fc->grad, 0, fc->total * sizeof(float));
    kernels->encode(&fc->shape, &fc->weights, &in, enc);
    kernels->density(&fc->shape, &fc->weights, &fc->cond, &in, density);
    kernels->forward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &out);
    kernels->backward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &dout,
                      &(stk_field_din){&fc->grads, &fc->dcond, tile->denc});
    for (int plane = 0; plane < STK_PLANES; plane++)
        for (int level = 0; level < fc->shape.grid.levels; level++)
            kernels->grid_backward(&fc->shape, plane, level, 1, &tile->n, tile->xyz, tile->denc,
                                   fc->grad + fc->offset[plane]);
    stk_free(acts);
}

static void check_shape(int levels, int exp) {
    static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512, UINT32_MAX};
    static field_tile tile;
    static sample samples[STK_TILE];
    static float density[STK_TILE] STK_ALIGNED(64), enc[STK_ENC_MAX * STK_TILE] STK_ALIGNED(64);
    field_case fc;
    field_case_init(&fc, levels, exp, 70 + (uint64_t)(levels + exp), 2);
    field_tile_init(&tile, 61, 1, 71 + (uint64_t)(levels + exp));
    oracle o = {.fc = &fc};
    level_sizes(levels, o.sizes);
    o.value = calloc(fc.total, sizeof *o.value);
    o.grad = calloc(fc.total, sizeof *o.grad);
    assert_true(o.value != NULL && o.grad != NULL);
    for (size_t i = 0; i < fc.total; i++) o.value[i] = (double)fc.value[i];
    for (int s = 0; s < tile.n; s++) {
        forward(&o, &tile, s, &samples[s]);
        backward(&o, &tile, s, &samples[s]);
    }
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        stk_field_kernels kernels;
        stk_cpu_set_mask(masks[m]);
        stk_field_kernels_init(&kernels);
        run_kernels(&kernels, &fc, &tile, density, enc);
        compare_outputs(&fc, &tile, density, enc, samples);
        compare_gradients(&o, &tile, samples);
    }
    stk_cpu_set_mask(UINT32_MAX);
    free(o.grad);
    free(o.value);
    field_case_clear(&fc);
}

static void check_levels(int levels) {
    static const int inputs[] = {7, 4, 2, 1};
    worst[0] = worst[1] = 0;
    for (size_t i = 0; i < STK_ARRAY_SIZE(inputs); i++) check_shape(levels, inputs[i]);
    print_message("%d levels: outputs within %.2g, gradients within %.2g\n", levels, worst[0],
                  worst[1]);
}

static void released_levels_agree(void **state) {
    (void)state;
    check_levels(12);
}

static void levels_of_the_paper_agree(void **state) {
    (void)state;
    check_levels(14);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_that_of_the_formula),
        cmocka_unit_test(released_levels_agree),
        cmocka_unit_test(levels_of_the_paper_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
