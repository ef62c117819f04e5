/* Gradients of the field by finite differences of a double-precision reference.
 *
 * The reference is written one sample at a time from reference.md 3 and shares no code with the
 * kernels, except that positions are turned into cells and weights in float, as the kernels do
 * (they take no gradient, and one rounding at scale 511 moves a weight by 3e-5).
 *
 * Loss = sum over lanes of dout . out. For every tensor the gradient is compared along random
 * directions and at its largest entries. Central differences with h = 1e-5 leave h^2 f''' ~ 1e-9
 * and roundings 1e-16/h; the kernels' float sums over 64 samples and layers up to 84 wide give
 * ~1e-6 of the sum of magnitudes, 1e-4 of a tensor's norm with room for cancellation.
 */
#include "support.h"
#include "field_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"

#define TOLERANCE 1e-4
#define STEP 1e-5

enum { DIRECTIONS = 2, ENTRIES = 4 };

/* The parameters in double. */
typedef struct reference {
    const field_case *fc;
    double *value;
} reference;

typedef struct outputs {
    double sigma, rgb[3], amb_aud, amb_exp, unc;
} outputs;

static double corner_value(const stk_grid_layout *grid, const double *table, int level, uint32_t x,
                           uint32_t y) {
    uint32_t entries = grid->offset[level + 1] - grid->offset[level];
    uint32_t side = grid->resolution[level] + 1;
    uint32_t index = side * side <= entries ? x + y * side : x ^ (y * 2654435761u);
    return table[grid->offset[level] + index % entries];
}

static double lookup(const stk_grid_layout *grid, const double *table, int level, float u,
                     float v) {
    float a = (u + 1) / 2, b = (v + 1) / 2;
    if (a < 0 || a > 1 || b < 0 || b > 1) return 0;
    a = a * grid->scale[level] + 0.5f;
    b = b * grid->scale[level] + 0.5f;
    double fx = a - floor(a), fy = b - floor(b);
    uint32_t x = (uint32_t)floor(a), y = (uint32_t)floor(b);
    return (1 - fx) * (1 - fy) * corner_value(grid, table, level, x, y) +
           fx * (1 - fy) * corner_value(grid, table, level, x + 1, y) +
           (1 - fx) * fy * corner_value(grid, table, level, x, y + 1) +
           fx * fy * corner_value(grid, table, level, x + 1, y + 1);
}

static void layer(const reference *ref, int tensor, int out, int in, const double *x, double *y,
                  int relu) {
    const double *w = ref->value + ref->fc->offset[tensor];
    for (int o = 0; o < out; o++) {
        double sum = 0;
        for (int i = 0; i < in; i++) sum += w[o * in + i] * x[i];
        y[o] = relu && sum < 0 ? 0 : sum;
    }
}

static double norm(int n, const double *x) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

static void harmonics(const double d[3], double sh[16]) {
    double x = d[0], y = d[1], z = d[2];
    const double values[16] = {0.28209479177387814,
                               -0.48860251190291987 * y,
                               0.48860251190291987 * z,
                               -0.48860251190291987 * x,
                               1.0925484305920792 * x * y,
                               -1.0925484305920792 * y * z,
                               0.94617469575755997 * z * z - 0.31539156525251999,
                               -1.0925484305920792 * x * z,
                               0.54627421529603959 * (x * x - y * y),
                               0.59004358992664352 * y * (-3 * x * x + y * y),
                               2.8906114426405538 * x * y * z,
                               0.45704579946446572 * y * (1 - 5 * z * z),
                               0.3731763325901154 * z * (5 * z * z - 3),
                               0.45704579946446572 * x * (1 - 5 * z * z),
                               1.4453057213202769 * z * (x * x - y * y),
                               0.59004358992664352 * x * (-x * x + 3 * y * y)};
    memcpy(sh, values, sizeof values);
}

/* M(x) of a region, 1 without mask. */
static double region(const stk_region_mask *mask, const float n[4], const float p[3]) {
    const float m = n[0] * p[0] + n[1] * p[1] + n[2] * p[2] + n[3];
    return !mask->on || m > 1 ? 1 : m < 0 ? 0 : (double)m;
}

/* detached: the features that unc_net sees, constant under differentiation (NULL: the same). */
static void evaluate(const reference *ref, const field_tile *tile, int s, double *enc,
                     const double *detached, outputs *out) {
    const field_case *fc = ref->fc;
    const stk_field_shape *shape = &fc->shape;
    double x[96], hidden[64], att[32], h1[64], h2[64], h3[65], c[84], y[3], d[3];
    int row = tile->row[s], levels = shape->grid.levels, n = shape->enc;
    float p[3] = {tile->xyz[s], tile->xyz[64 + s], tile->xyz[128 + s]};
    const int axes[3][2] = {{0, 1}, {1, 2}, {0, 2}};
    for (int i = 0; i < n; i++) {
        int plane = i / levels;
        enc[i] = lookup(&shape->grid, ref->value + fc->offset[plane], i % levels, p[axes[plane][0]],
                        p[axes[plane][1]]);
    }
    const double lips = region(&shape->mask, shape->mask.audio, p);
    const double upper = region(&shape->mask, shape->mask.exp, p);
    memcpy(x, enc, n * sizeof *x);
    layer(ref, T_AUD0, 64, n, enc, hidden, 1);
    layer(ref, T_AUD1, 32, 64, hidden, att, 0);
    for (int i = 0; i < 32; i++)
        x[n + i] = lips * att[i] * ref->value[fc->offset[T_AUDIO] + row * 32 + i];
    out->amb_aud = norm(32, att);
    layer(ref, T_EXP0, shape->exp_hidden, n, enc, hidden, 1);
    layer(ref, T_EXP1, shape->exp, shape->exp_hidden, hidden, att, 0);
    const double *e = ref->value + fc->offset[T_EXPRESSION] + row * STK_EXP_MAX;
    for (int i = 0; i < shape->exp; i++) x[n + 32 + i] = upper * att[i] * e[i];
    out->amb_exp = norm(shape->exp, att);
    layer(ref, T_SIGMA0, 64, n + 32 + shape->exp, x, h1, 1);
    layer(ref, T_SIGMA1, 64, 64, h1, h2, 1);
    layer(ref, T_SIGMA2, 65, 64, h2, h3, 0);
    out->sigma = exp(h3[0]);
    for (int k = 0; k < 3; k++) d[k] = tile->dir[k * STK_TILE + s];
    harmonics(d, c);
    memcpy(c + 16, h3 + 1, 64 * sizeof *c);
    memcpy(c + 80, ref->value + fc->offset[T_CODE] + row * 4, 4 * sizeof *c);
    layer(ref, T_COLOR0, 64, 84, c, hidden, 1);
    layer(ref, T_COLOR1, 3, 64, hidden, y, 0);
    for (int k = 0; k < 3; k++) out->rgb[k] = 1.002 / (1 + exp(-y[k])) - 0.001;
    layer(ref, T_UNC0, 32, n, detached != NULL ? detached : enc, hidden, 1);
    layer(ref, T_UNC1, 1, 32, hidden, y, 0);
    out->unc = log(1 + exp(y[0]));
}

/* detached: [64][STK_ENC_MAX], filled when fill is set. */
static double loss(const reference *ref, const field_tile *tile, double *detached, int fill) {
    double sum = 0, enc[STK_ENC_MAX];
    for (int s = 0; s < tile->n; s++) {
        outputs out;
        double *kept = detached + s * STK_ENC_MAX;
        evaluate(ref, tile, s, fill ? kept : enc, fill ? NULL : kept, &out);
        sum += out.sigma * tile->dsigma[s] + out.amb_aud * tile->damb_aud[s] +
               out.amb_exp * tile->damb_exp[s] + out.unc * tile->dunc[s];
        for (int k = 0; k < 3; k++) sum += out.rgb[k] * tile->drgb[k * STK_TILE + s];
    }
    return sum;
}

/* All gradients of the tile into fc->grad, by the kernels in force. */
static void kernel_gradients(field_case *fc, field_tile *tile) {
    stk_field_kernels kernels;
    stk_field_kernels_init(&kernels);
    float *acts = stk_calloc_aligned(stk_field_act_floats(&fc->shape), sizeof(float));
    assert_non_null(acts);
    stk_field_in in = field_tile_in(tile);
    stk_field_out out = field_tile_out(tile);
    stk_field_dout dout = field_tile_dout(tile);
    memset(fc->grad, 0, fc->total * sizeof(float));
    kernels.forward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &out);
    kernels.backward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &dout,
                     &(stk_field_din){&fc->grads, &fc->dcond, tile->denc});
    for (int plane = 0; plane < STK_PLANES; plane++)
        for (int level = 0; level < fc->shape.grid.levels; level++)
            kernels.grid_backward(&fc->shape, plane, level, 1, &tile->n, tile->xyz, tile->denc,
                                  fc->grad + fc->offset[plane]);
    stk_free(acts);
}

/* (loss(v + h dir) - loss(v - h dir)) / 2h over one tensor. */
static double difference(reference *ref, const field_tile *tile, double *detached, int tensor,
                         const double *direction) {
    size_t count = ref->fc->count[tensor];
    double *v = ref->value + ref->fc->offset[tensor];
    for (size_t i = 0; i < count; i++) v[i] += STEP * direction[i];
    double up = loss(ref, tile, detached, 0);
    for (size_t i = 0; i < count; i++) v[i] -= 2 * STEP * direction[i];
    double down = loss(ref, tile, detached, 0);
    for (size_t i = 0; i < count; i++) v[i] += STEP * direction[i];
    return (up - down) / (2 * STEP);
}

static void check(int tensor, const char *what, double expected, double got, double scale) {
    if (!(fabs(expected - got) <= TOLERANCE * scale))
        fail_msg("%s, %s: finite difference %.9g, backward %.9g (scale %.3g)",
                 field_tensor_name(tensor), what, expected, got, scale);
}

static void check_tensor(reference *ref, const field_tile *tile, double *detached, int tensor,
                         stk_rng *rng) {
    const field_case *fc = ref->fc;
    size_t count = fc->count[tensor];
    const float *grad = fc->grad + fc->offset[tensor];
    double *direction = calloc(count, sizeof *direction);
    assert_non_null(direction);
    double length = 0;
    for (size_t i = 0; i < count; i++) length += (double)grad[i] * grad[i];
    length = sqrt(length);
    assert_true(length > 0);
    for (int round = 0; round < DIRECTIONS; round++) {
        double dot = 0;
        /* Random signs, and the gradient itself: a direction in which all entries count. */
        for (size_t i = 0; i < count; i++) {
            direction[i] = round == 0 ? grad[i] / length : stk_rng_below(rng, 2) ? 1.0 : -1.0;
            dot += direction[i] * grad[i];
        }
        double scale = round == 0 ? length : length * 4;
        check(tensor, round == 0 ? "along the gradient" : "random signs",
              difference(ref, tile, detached, tensor, direction), dot, scale);
    }
    for (int round = 0; round < ENTRIES; round++) {
        size_t entry = stk_rng_below(rng, (uint32_t)count);
        for (size_t i = 0; tensor <= T_PLANE_XZ && i < count && grad[entry] == 0; i++)
            entry = (entry + 1) % count;
        memset(direction, 0, count * sizeof *direction);
        direction[entry] = 1;
        check(tensor, "one entry", difference(ref, tile, detached, tensor, direction), grad[entry],
              length);
    }
    free(direction);
}

static void check_case(int levels, int exp, int n, int rows, uint64_t seed) {
    field_case fc;
    static field_tile tile;
    field_case_init(&fc, levels, exp, seed, 2);
    if (seed % 2 == 0) field_case_mask(&fc);
    field_tile_init(&tile, n, rows, seed);
    kernel_gradients(&fc, &tile);
    reference ref = {&fc, malloc(fc.total * sizeof(double))};
    double *detached = malloc(STK_TILE * STK_ENC_MAX * sizeof(double));
    assert_non_null(ref.value);
    assert_non_null(detached);
    for (size_t i = 0; i < fc.total; i++) ref.value[i] = fc.value[i];
    loss(&ref, &tile, detached, 1);
    stk_rng rng;
    stk_rng_seed(&rng, seed, 3);
    for (int t = 0; t < T_EXPRESSION; t++) check_tensor(&ref, &tile, detached, t, &rng);
    free(detached);
    free(ref.value);
    field_case_clear(&fc);
}

static void backward_released_shape_matches_differences(void **state) {
    stk_cpu_set_mask(*(uint32_t *)*state);
    check_case(12, 7, 64, 1, 11);
    check_case(12, 7, 17, 0, 12);
}

static void backward_other_shapes_match_differences(void **state) {
    stk_cpu_set_mask(*(uint32_t *)*state);
    check_case(14, 4, 23, 1, 13);
    check_case(12, 2, 30, 0, 14);
    check_case(12, 1, 31, 1, 15);
}

int main(void) {
    static uint32_t masks[] = {0, STK_CPU_AVX2, UINT32_MAX};
    const struct CMUnitTest tests[] = {
        {"released shape, c", backward_released_shape_matches_differences, NULL, NULL, &masks[0]},
        {"released shape, avx2", backward_released_shape_matches_differences, NULL, NULL,
         &masks[1]},
        {"released shape, all", backward_released_shape_matches_differences, NULL, NULL, &masks[2]},
        {"other shapes, c", backward_other_shapes_match_differences, NULL, NULL, &masks[0]},
        {"other shapes, avx2", backward_other_shapes_match_differences, NULL, NULL, &masks[1]},
        {"other shapes, all", backward_other_shapes_match_differences, NULL, NULL, &masks[2]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
