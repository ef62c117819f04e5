/* The field's kernels: the grid layout against reference.md 3.1, and every slot under every CPU
 * mask against the plain-C twin and, for the transcendental functions, against the C library in
 * double. */
#include "support.h"
#include "field_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"

enum { TILES = 3 };

static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512, UINT32_MAX};
enum { MASKS = sizeof masks / sizeof masks[0] };

static const struct { int levels, exp; } shapes[] = {{12, 7}, {14, 7}, {12, 4}, {12, 2}, {12, 1}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void kernels_under(uint32_t mask, stk_field_kernels *kernels) {
    stk_cpu_set_mask(mask);
    stk_field_kernels_init(kernels);
}

static void layout_released_levels_match_table(void **state) {
    (void)state;
    static const uint32_t offsets[] = {0,     4232,  10480,  19512,  32512,  48896, 65280,
                                       81664, 98048, 114432, 130816, 147200, 163584};
    static const uint32_t resolutions[] = {64, 78, 94, 113, 137, 165, 199, 241, 291, 351, 424, 512};
    stk_grid_layout layout;
    stk_grid_layout_init(&layout, 12);
    for (int level = 0; level <= 12; level++)
        assert_int_equal(layout.offset[level], offsets[level]);
    for (int level = 0; level < 12; level++) {
        assert_int_equal(layout.resolution[level], resolutions[level]);
        assert_int_equal(layout.hashed[level], level >= 4);
    }
    assert_true(layout.scale[0] == 63.0f);
    assert_true(layout.scale[11] == 511.0f);
}

/* A dense level's corners must stay inside its table without a modulo. */
static void layout_dense_levels_hold_every_corner(void **state) {
    (void)state;
    for (int levels = 1; levels <= STK_LEVELS_MAX; levels++) {
        stk_grid_layout layout;
        stk_grid_layout_init(&layout, levels);
        for (int level = 0; level < levels; level++) {
            uint32_t entries = layout.offset[level + 1] - layout.offset[level];
            uint32_t last = (uint32_t)floorf(layout.scale[level] + 0.5f) + 1;
            if (layout.hashed[level])
                assert_int_equal(entries, 1 << 14);
            else
                assert_in_range(last + last * (layout.resolution[level] + 1), 0, entries - 1);
        }
    }
}

/* Largest |a - b| over n, over the largest |b|. */
static double relative_worst(const float *a, const float *b, size_t n) {
    double scale = 0;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)b[i]));
    double worst = test_max_abs_error(a, b, n);
    return worst == 0 ? 0 : worst / scale;
}

/* Forward sums at most 84 terms a layer, 6 layers deep: 84 * 2^-24 = 5e-6 of the magnitudes summed,
 * in practice a tenth; with cancellation 2e-5 of the largest value. */
static void assert_like_twin(const char *isa, const char *what, const float *got, const float *twin,
                             size_t n) {
    double error = relative_worst(got, twin, n);
    if (!(error <= 2e-5))
        fail_msg("%s: %s differs from the twin by %.3g of its largest value", isa, what, error);
}

/* sigma = exp(h0): compares h0. */
static void assert_sigma_like_twin(const char *isa, const float *got, const float *twin, int n) {
    for (int s = 0; s < n; s++) {
        double a = log((double)got[s]), b = log((double)twin[s]);
        if (isinf(b))
            assert_true(isinf(a) || fabs(a) > 87);
        else if (!(fabs(a - b) <= 2e-5 * (1 + fabs(b))))
            fail_msg("%s: log sigma %.9g instead of %.9g in lane %d", isa, a, b, s);
    }
}

typedef struct run_result {
    field_tile tile[TILES];
    float density[TILES][STK_TILE] STK_ALIGNED(64);
    float enc[TILES][STK_ENC_MAX * STK_TILE] STK_ALIGNED(64);
    float *grad;
} run_result;

/* All slots over all tiles; the tiles' denc are also scattered. */
static void run_all(const stk_field_kernels *kernels, field_case *fc, run_result *result) {
    int enc = fc->shape.enc, counts[TILES];
    size_t act_floats = stk_field_act_floats(&fc->shape);
    float *acts = stk_calloc_aligned(act_floats, sizeof(float));
    float *xyz = stk_calloc_aligned(TILES * 3 * STK_TILE, sizeof(float));
    float *denc = stk_calloc_aligned((size_t)TILES * enc * STK_TILE, sizeof(float));
    assert_true(acts != NULL && xyz != NULL && denc != NULL);
    memset(fc->grad, 0, fc->total * sizeof(float));
    for (int t = 0; t < TILES; t++) {
        field_tile *tile = &result->tile[t];
        stk_field_in in = field_tile_in(tile);
        stk_field_out out = field_tile_out(tile);
        stk_field_dout dout = field_tile_dout(tile);
        for (size_t i = 0; i < act_floats; i++) acts[i] = NAN;
        kernels->forward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &out);
        kernels->density(&fc->shape, &fc->weights, &fc->cond, &in, result->density[t]);
        kernels->encode(&fc->shape, &fc->weights, &in, result->enc[t]);
        kernels->backward(&fc->shape, &fc->weights, &fc->cond, &in, acts, &dout,
                          &(stk_field_din){&fc->grads, &fc->dcond, tile->denc});
        memcpy(xyz + t * 3 * STK_TILE, tile->xyz, sizeof tile->xyz);
        memcpy(denc + (size_t)t * enc * STK_TILE, tile->denc, (size_t)enc * sizeof tile->sigma);
        counts[t] = tile->n;
    }
    for (int plane = 0; plane < STK_PLANES; plane++)
        for (int level = 0; level < fc->shape.grid.levels; level++)
            kernels->grid_backward(&fc->shape, plane, level, TILES, counts, xyz, denc,
                                   fc->grad + fc->offset[plane]);
    memcpy(result->grad, fc->grad, fc->total * sizeof(float));
    stk_free(acts);
    stk_free(xyz);
    stk_free(denc);
}

static void make_tiles(run_result *result, uint64_t seed) {
    static const int counts[TILES] = {64, 17, 1};
    for (int t = 0; t < TILES; t++)
        field_tile_init(&result->tile[t], counts[t], t != 0, seed + (uint64_t)t);
}

static void compare(const char *isa, const field_case *fc, run_result *got, run_result *twin) {
    for (int t = 0; t < TILES; t++) {
        field_tile *a = &got->tile[t], *b = &twin->tile[t];
        assert_sigma_like_twin(isa, a->sigma, b->sigma, STK_TILE);
        assert_sigma_like_twin(isa, got->density[t], b->sigma, STK_TILE);
        assert_like_twin(isa, "rgb", a->rgb, b->rgb, 3 * STK_TILE);
        assert_like_twin(isa, "amb_aud", a->amb_aud, b->amb_aud, STK_TILE);
        assert_like_twin(isa, "amb_exp", a->amb_exp, b->amb_exp, STK_TILE);
        assert_like_twin(isa, "unc", a->unc, b->unc, STK_TILE);
        size_t enc = (size_t)fc->shape.enc * STK_TILE;
        /* Cells and weights are rounded alike: only the four-term sum may differ. */
        assert_true(test_max_abs_error(got->enc[t], twin->enc[t], enc) <= 1.2e-7);
        assert_like_twin(isa, "denc", a->denc, b->denc, enc);
        for (int c = 0; c < fc->shape.enc; c++)
            for (int s = a->n; s < STK_TILE; s++) assert_true(a->denc[c * STK_TILE + s] == 0);
    }
    for (int t = 0; t < T_EXPRESSION; t++)
        assert_like_twin(isa, field_tensor_name(t), got->grad + fc->offset[t],
                         twin->grad + fc->offset[t], fc->count[t]);
}

static void every_slot_every_mask_agrees_with_twin(void **state) {
    (void)state;
    static run_result got, twin;
    for (int i = 0; i < SHAPES; i++) {
        field_case fc;
        stk_field_kernels kernels;
        field_case_init(&fc, shapes[i].levels, shapes[i].exp, 40 + (uint64_t)i, 2);
        if (i % 2 == 1) field_case_mask(&fc);
        twin.grad = malloc(fc.total * sizeof(float));
        got.grad = malloc(fc.total * sizeof(float));
        assert_true(twin.grad != NULL && got.grad != NULL);
        make_tiles(&twin, 50 + (uint64_t)i);
        kernels_under(0, &kernels);
        assert_string_equal(kernels.isa, "c");
        run_all(&kernels, &fc, &twin);
        for (int m = 1; m < MASKS; m++) {
            kernels_under(masks[m], &kernels);
            make_tiles(&got, 50 + (uint64_t)i);
            run_all(&kernels, &fc, &got);
            compare(kernels.isa, &fc, &got, &twin);
        }
        free(got.grad);
        free(twin.grad);
        field_case_clear(&fc);
    }
}

/* Inference (nothing kept, no uncertainty) gives the very bits that training gives. */
static void forward_without_acts_equals_forward_with_acts(void **state) {
    (void)state;
    for (int m = 0; m < MASKS; m++) {
        static field_tile a, b;
        field_case fc;
        stk_field_kernels kernels;
        kernels_under(masks[m], &kernels);
        field_case_init(&fc, 12, 7, 60, 2);
        field_tile_init(&a, 64, 1, 61);
        field_tile_init(&b, 64, 1, 61);
        float *acts = stk_calloc_aligned(stk_field_act_floats(&fc.shape), sizeof(float));
        assert_non_null(acts);
        stk_field_in in = field_tile_in(&a);
        stk_field_out out = field_tile_out(&a);
        kernels.forward(&fc.shape, &fc.weights, &fc.cond, &in, acts, &out);
        out = field_tile_out(&b);
        out.unc = NULL;
        kernels.forward(&fc.shape, &fc.weights, &fc.cond, &in, NULL, &out);
        assert_memory_equal(a.sigma, b.sigma, sizeof a.sigma);
        assert_memory_equal(a.rgb, b.rgb, sizeof a.rgb);
        assert_memory_equal(a.amb_aud, b.amb_aud, sizeof a.amb_aud);
        assert_memory_equal(a.amb_exp, b.amb_exp, sizeof a.amb_exp);
        stk_free(acts);
        field_case_clear(&fc);
    }
}

/* A lane's outputs do not depend on its neighbours, nor on the place in the tile. */
static void forward_permuted_lanes_gives_permuted_outputs(void **state) {
    (void)state;
    for (int m = 0; m < MASKS; m++) {
        static field_tile a, b;
        field_case fc;
        stk_field_kernels kernels;
        kernels_under(masks[m], &kernels);
        field_case_init(&fc, 12, 7, 62, 2);
        field_tile_init(&a, 64, 1, 63);
        b = a;
        for (int s = 0; s < STK_TILE; s++) {
            int from = (s * 37 + 5) % STK_TILE;
            for (int k = 0; k < 3; k++) {
                b.xyz[k * STK_TILE + s] = a.xyz[k * STK_TILE + from];
                b.dir[k * STK_TILE + s] = a.dir[k * STK_TILE + from];
            }
            b.row[s] = a.row[from];
        }
        stk_field_in in_a = field_tile_in(&a), in_b = field_tile_in(&b);
        stk_field_out out_a = field_tile_out(&a), out_b = field_tile_out(&b);
        kernels.forward(&fc.shape, &fc.weights, &fc.cond, &in_a, NULL, &out_a);
        kernels.forward(&fc.shape, &fc.weights, &fc.cond, &in_b, NULL, &out_b);
        for (int s = 0; s < STK_TILE; s++) {
            int from = (s * 37 + 5) % STK_TILE;
            assert_true(b.sigma[s] == a.sigma[from]);
            assert_true(b.unc[s] == a.unc[from]);
            assert_true(b.rgb[s] == a.rgb[from]);
        }
        field_case_clear(&fc);
    }
}

/* Outside the box, and where a coordinate is not a number, features are exactly zero. */
static void encode_outside_gives_zero(void **state) {
    (void)state;
    static const float bad[] = {1.0000002f, -1.0000001f, 7,         -1e30f,
                                1e38f,      INFINITY,    -INFINITY, NAN};
    for (int m = 0; m < MASKS; m++) {
        static field_tile tile;
        static float enc[36 * STK_TILE] STK_ALIGNED(64);
        field_case fc;
        stk_field_kernels kernels;
        kernels_under(masks[m], &kernels);
        field_case_init(&fc, 12, 7, 64, 1);
        field_tile_init(&tile, 64, 1, 65);
        for (int s = 0; s < STK_TILE; s++)
            for (int k = 0; k < 3; k++)
                tile.xyz[k * STK_TILE + s] = k == s % 3 ? bad[s / 3 % 8] : 0.25f;
        stk_field_in in = field_tile_in(&tile);
        kernels.encode(&fc.shape, &fc.weights, &in, enc);
        for (int i = 0; i < 36 * STK_TILE; i++) {
            static const int axes[3][2] = {{0, 1}, {1, 2}, {0, 2}};
            int plane = i / STK_TILE / 12, axis = i % STK_TILE % 3;
            int outside = axes[plane][0] == axis || axes[plane][1] == axis;
            assert_true(outside ? enc[i] == 0 : enc[i] != 0);
        }
        field_case_clear(&fc);
    }
}

/* Weights of zeros and ones that carry the expression value e of a lane unchanged to h0, to the
 * colour logits and, through tables of one value, to the uncertainty logit. */
static void make_probe(field_case *fc, float level) {
    float *v = fc->value;
    memset(v, 0, fc->total * sizeof *v);
    for (int plane = 0; plane < 3; plane++)
        for (size_t i = 0; i < fc->count[plane]; i++) v[fc->offset[plane] + i] = level;
    int x_rows = fc->shape.enc + STK_AUD + fc->shape.exp, e = fc->shape.enc + STK_AUD;
    v[fc->offset[T_EXP0]] = 1 / level; /* enc[0] = level -> 1 -> G[0] = 1 */
    v[fc->offset[T_EXP1]] = 1;
    v[fc->offset[T_SIGMA0] + e] = 1; /* h1[0] = max(e, 0), h1[1] = max(-e, 0) */
    v[fc->offset[T_SIGMA0] + x_rows + e] = -1;
    v[fc->offset[T_SIGMA1]] = v[fc->offset[T_SIGMA1] + STK_HIDDEN + 1] = 1;
    for (int row = 0; row < 2; row++) { /* h0 = geo[0] = h2[0] - h2[1] */
        v[fc->offset[T_SIGMA2] + row * STK_HIDDEN] = 1;
        v[fc->offset[T_SIGMA2] + row * STK_HIDDEN + 1] = -1;
    }
    v[fc->offset[T_COLOR0] + 16] = 1;
    v[fc->offset[T_COLOR0] + 84 + 16] = -1;
    v[fc->offset[T_COLOR1]] = 1;
    v[fc->offset[T_COLOR1] + 1] = -1;
}

static double ulps(double got, double want) {
    if (got == want) return 0;
    float rounded = fabsf((float)want);
    if (isinf(rounded)) return isinf(got) ? 0 : INFINITY;
    double unit = (double)nextafterf(fmaxf(rounded, 1.17549435e-38f), INFINITY) -
                  fmaxf(rounded, 1.17549435e-38f);
    return fabs(got - want) / unit;
}

/* exp within 2 units in the last place from underflow to overflow; the colour within 3e-7:
 * sigmoid, product and difference round by at most 1.2e-7 each near 1, and seldom all of them. */
static void exp_and_sigmoid_whole_range_are_accurate(void **state) {
    (void)state;
    enum { PROBES = 40 };
    field_case fc;
    field_case_init(&fc, 12, 7, 1, 1);
    make_probe(&fc, 1);
    float rows[STK_TILE * STK_EXP_MAX], audio[STK_TILE * STK_AUD], code[STK_TILE * STK_CODE];
    memset(audio, 0, sizeof audio);
    memset(code, 0, sizeof code);
    memset(rows, 0, sizeof rows);
    fc.cond = (stk_field_cond){audio, rows, code};
    for (int m = 0; m < MASKS; m++) {
        static field_tile tile;
        stk_field_kernels kernels;
        kernels_under(masks[m], &kernels);
        field_tile_init(&tile, 64, 0, 5);
        double worst = 0;
        for (int probe = 0; probe < PROBES; probe++) {
            for (int s = 0; s < STK_TILE; s++) {
                tile.row[s] = (uint16_t)s;
                tile.xyz[s] = tile.xyz[64 + s] = tile.xyz[128 + s] = -1;
                rows[s * STK_EXP_MAX] = (float)(probe * STK_TILE + s) * 0.08f - 105.0f;
            }
            rows[0] = 1000;
            rows[STK_EXP_MAX] = 88.72283f; /* the largest whose exp is finite */
            rows[2 * STK_EXP_MAX] = 0;
            stk_field_in in = field_tile_in(&tile);
            stk_field_out out = field_tile_out(&tile);
            kernels.forward(&fc.shape, &fc.weights, &fc.cond, &in, NULL, &out);
            assert_true(tile.sigma[0] == INFINITY);
            assert_true(isfinite(tile.sigma[1]));
            assert_true(tile.sigma[2] == 1);
            for (int s = 0; s < STK_TILE; s++) {
                double e = rows[s * STK_EXP_MAX];
                worst = fmax(worst, ulps(tile.sigma[s], exp(e)));
                double rgb = 1.002 / (1 + exp(-e)) - 0.001;
                assert_true(fabs(tile.rgb[s] - rgb) <= 3e-7);
            }
        }
        if (!(worst <= 2)) fail_msg("%s: exp is wrong by %.2f ulp", kernels.isa, worst);
    }
    field_case_clear(&fc);
}

/* softplus within 4 units in the last place; at the corner of the box all four weights are 1/4, so
 * that the features are the table's value to the bit. */
static void softplus_whole_range_is_accurate(void **state) {
    (void)state;
    static field_tile tile;
    field_case fc;
    field_case_init(&fc, 2, 7, 1, 1);
    field_tile_init(&tile, 64, 0, 5);
    for (int i = 0; i < 3 * STK_TILE; i++) tile.xyz[i] = -1;
    for (int m = 0; m < MASKS; m++) {
        stk_field_kernels kernels;
        kernels_under(masks[m], &kernels);
        double worst = 0;
        for (int probe = 0; probe < 400; probe++) {
            float value = (float)probe * 0.55f - 110.0f, *v = fc.value;
            make_probe(&fc, 1);
            v[fc.offset[T_UNC0]] = 1;
            v[fc.offset[T_UNC1]] = value;
            stk_field_in in = field_tile_in(&tile);
            stk_field_out out = field_tile_out(&tile);
            kernels.forward(&fc.shape, &fc.weights, &fc.cond, &in, NULL, &out);
            worst = fmax(worst, ulps(tile.unc[probe % STK_TILE], log1p(exp(value))));
        }
        if (!(worst <= 4)) fail_msg("%s: softplus is wrong by %.2f ulp", kernels.isa, worst);
    }
    field_case_clear(&fc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_released_levels_match_table),
        cmocka_unit_test(layout_dense_levels_hold_every_corner),
        cmocka_unit_test(every_slot_every_mask_agrees_with_twin),
        cmocka_unit_test(forward_without_acts_equals_forward_with_acts),
        cmocka_unit_test(forward_permuted_lanes_gives_permuted_outputs),
        cmocka_unit_test(encode_outside_gives_zero),
        cmocka_unit_test(exp_and_sigmoid_whole_range_are_accurate),
        cmocka_unit_test(softplus_whole_range_is_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
