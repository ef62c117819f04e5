/* The torso kernels: the tiled grid's layout against reference.md 3.6, every slot under every CPU
 * mask against the plain-C twin, sines and sigmoids against the C library in double. */
#include "support.h"
#include "torso_case.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/torso_private.h"

enum { TILES = 3 };

static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512, UINT32_MAX};
enum { MASKS = sizeof masks / sizeof masks[0] };

static void kernels_under(uint32_t mask, stk_torso_kernels *kernels) {
    stk_cpu_set_mask(mask);
    stk_torso_kernels_init(kernels);
}

static void grid_levels_match_table(void **state) {
    (void)state;
    static const uint32_t offsets[] = {0,
                                       296,
                                       872,
                                       1896,
                                       3832,
                                       7432,
                                       14160,
                                       26936,
                                       50968,
                                       96768,
                                       162304,
                                       227840,
                                       293376,
                                       358912,
                                       424448,
                                       489984,
                                       STK_TORSO_ENTRIES};
    stk_torso_grid grid;
    stk_torso_grid_init(&grid);
    for (int level = 0; level <= STK_TORSO_LEVELS; level++)
        assert_int_equal(grid.offset[level], offsets[level]);
    assert_true(grid.scale[0] == 15);
    assert_float_equal(grid.scale[15], 2047, 1e-3);
    for (int level = 0; level < STK_TORSO_LEVELS; level++)
        assert_true((grid.wrap[level] == UINT32_MAX) == (level < 9));
}

/* The upper corner of the last cell, which no modulo brings back on a dense level. */
static void grid_dense_levels_hold_every_corner(void **state) {
    (void)state;
    stk_torso_grid grid;
    stk_torso_grid_init(&grid);
    for (int level = 0; level < STK_TORSO_LEVELS; level++) {
        const uint32_t entries = grid.offset[level + 1] - grid.offset[level];
        const uint32_t last = (uint32_t)(grid.scale[level] + 0.5f) + 1;
        assert_true(((last + last * grid.side[level]) & grid.wrap[level]) < entries);
    }
}

static double relative_worst(const float *a, const float *b, size_t n) {
    double scale = 0;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)b[i]));
    const double worst = test_max_abs_error(a, b, n);
    return worst == 0 ? 0 : worst / scale;
}

static void assert_like_twin(const char *isa, const char *what, const float *got, const float *twin,
                             size_t n, double tolerance) {
    const double error = relative_worst(got, twin, n);
    if (!(error <= tolerance))
        fail_msg("%s: %s differs from the twin by %.3g of its largest value", isa, what, error);
}

typedef struct run_result {
    torso_tile tile[TILES];
    torso_acts acts[TILES];
    float *grad;
} run_result;

/* Forward and backward of all tiles into tc->grad, then the scatter of every level. */
static void run_all(const stk_torso_kernels *kernels, torso_case *tc, run_result *r) {
    static const int counts[TILES] = {64, 17, 1};
    static float points[TILES * 2 * STK_TILE], dfeat[TILES * STK_TORSO_FEATURES * STK_TILE];
    memset(tc->grad, 0, tc->total * sizeof(float));
    for (int t = 0; t < TILES; t++) {
        torso_tile *tile = &r->tile[t];
        torso_tile_init(tile, counts[t], 70 + (uint64_t)t);
        const stk_torso_out out = torso_tile_out(tile);
        const stk_torso_dout dout = torso_tile_dout(tile);
        memset(&r->acts[t], 0xff, sizeof r->acts[t]); /* NaN */
        kernels->forward(&tc->grid, &tc->weights, tile->xy, (float *)&r->acts[t], &out);
        kernels->backward(&tc->weights, (const float *)&r->acts[t], &dout, &tc->grads, tile->dfeat);
        memcpy(points + t * 2 * STK_TILE, tile->point, sizeof tile->point);
        memcpy(dfeat + t * STK_TORSO_FEATURES * STK_TILE, tile->dfeat, sizeof tile->dfeat);
    }
    for (int level = 0; level < STK_TORSO_LEVELS; level++)
        kernels->grid_backward(&tc->grid, level, TILES, counts, points, dfeat,
                               tc->grad + tc->offset[TORSO_TABLE]);
    memcpy(r->grad, tc->grad, tc->total * sizeof(float));
}

/* With the deform net's last layer at zero, points are equal to the bit, and so are cells: sums of
 * at most 67 terms, 6 layers deep, differ by 67 * 2^-24 = 4e-6 of the magnitudes summed, with
 * cancellation 2e-5 of the largest value. Pixels that move land within 1e-6 of the twin's point,
 * which is 1e-3 of a cell of the finest level and, with a random table, changes features by as much;
 * a pixel may even change cell, and its slopes with it: those only the rest is compared for. */
static void compare(const char *isa, const torso_case *tc, const run_result *got,
                    const run_result *twin, int moving) {
    const double close = moving ? 5e-3 : 2e-5;
    for (int t = 0; t < TILES; t++) {
        const torso_tile *a = &got->tile[t], *b = &twin->tile[t];
        const size_t enc = STK_TORSO_FEATURES * STK_TILE;
        assert_true(test_max_abs_error(got->acts[t].input + enc, twin->acts[t].input + enc,
                                       STK_TORSO_ENC * STK_TILE) <= 3e-7);
        assert_like_twin(isa, "point", a->point, b->point, 2 * STK_TILE, moving ? 2e-6 : 0);
        assert_like_twin(isa, "alpha", a->alpha, b->alpha, STK_TILE, close);
        assert_like_twin(isa, "rgb", a->rgb, b->rgb, 3 * STK_TILE, close);
        if (moving) continue;
        assert_like_twin(isa, "features", got->acts[t].input, twin->acts[t].input, enc, 5e-7);
        assert_like_twin(isa, "slope", got->acts[t].slope, twin->acts[t].slope, 2 * enc, 1e-6);
        assert_like_twin(isa, "dfeat", a->dfeat, b->dfeat, enc, 2e-5);
        for (int i = 0; i < STK_TORSO_FEATURES; i++)
            for (int s = a->n; s < STK_TILE; s++) assert_true(a->dfeat[i * STK_TILE + s] == 0);
    }
    for (int t = 0; !moving && t < TORSO_TENSORS; t++)
        assert_like_twin(isa, torso_tensor_name(t), got->grad + tc->offset[t],
                         twin->grad + tc->offset[t], tc->count[t], 2e-5);
}

static void every_slot_every_mask_agrees_with_twin(void **state) {
    (void)state;
    static run_result got, twin;
    for (int moving = 0; moving < 2; moving++) {
        torso_case tc;
        stk_torso_kernels kernels;
        torso_case_init(&tc, 71, 2, (float)moving);
        twin.grad = stk_calloc_aligned(tc.total, sizeof(float));
        got.grad = stk_calloc_aligned(tc.total, sizeof(float));
        assert_true(twin.grad != NULL && got.grad != NULL);
        kernels_under(0, &kernels);
        assert_string_equal(kernels.isa, "c");
        run_all(&kernels, &tc, &twin);
        for (int m = 1; m < MASKS; m++) {
            kernels_under(masks[m], &kernels);
            run_all(&kernels, &tc, &got);
            compare(kernels.isa, &tc, &got, &twin, moving);
        }
        stk_free(got.grad);
        stk_free(twin.grad);
        torso_case_clear(&tc);
    }
}

/* Inference gives the very bits that training gives, and a lane does not depend on its neighbours
 * or its place. */
static void forward_without_acts_and_permuted_is_equal(void **state) {
    (void)state;
    static torso_tile a, b;
    static torso_acts acts;
    torso_case tc;
    torso_case_init(&tc, 73, 2, 1);
    for (int m = 0; m < MASKS; m++) {
        stk_torso_kernels kernels;
        kernels_under(masks[m], &kernels);
        torso_tile_init(&a, 64, 74);
        b = a;
        for (int i = 0; i < 2 * STK_TILE; i++)
            b.xy[i] = a.xy[i / STK_TILE * STK_TILE + (i * 37 + 5) % STK_TILE];
        const stk_torso_out out_a = torso_tile_out(&a), out_b = torso_tile_out(&b);
        kernels.forward(&tc.grid, &tc.weights, a.xy, (float *)&acts, &out_a);
        kernels.forward(&tc.grid, &tc.weights, b.xy, NULL, &out_b);
        for (int s = 0; s < STK_TILE; s++) {
            const int from = (s * 37 + 5) % STK_TILE;
            assert_true(b.alpha[s] == a.alpha[from]);
            for (int k = 0; k < 3; k++)
                assert_true(b.rgb[k * STK_TILE + s] == a.rgb[k * STK_TILE + from]);
        }
    }
    torso_case_clear(&tc);
}

/* Rows and columns through their halves of the first layers, then added: the sums of forward in
 * another order (2e-5, see above). The deform net's last layer is zero, since a point that moves by
 * 1e-7 moves features of the random table by 1e-4. */
static void split_forward_every_mask_agrees_with_forward(void **state) {
    (void)state;
    static stk_torso_axis rows, columns;
    static torso_tile split, whole;
    torso_case tc;
    stk_rng rng;
    torso_case_init(&tc, 81, 2, 0);
    stk_rng_seed(&rng, 82, 1);
    for (int s = 0; s < STK_TILE; s++) {
        rows.coord[s] = 2 * stk_rng_float(&rng) - 1;
        columns.coord[s] = 2 * stk_rng_float(&rng) - 1;
    }
    for (int m = 0; m < MASKS; m++) {
        stk_torso_kernels kernels;
        kernels_under(masks[m], &kernels);
        kernels.split_axis(&tc.weights, 0, &rows);
        kernels.split_axis(&tc.weights, 1, &columns);
        for (int row = 0; row < STK_TILE; row++) {
            for (int s = 0; s < STK_TILE; s++) whole.xy[s] = rows.coord[row];
            memcpy(whole.xy + STK_TILE, columns.coord, sizeof columns.coord);
            const stk_torso_out out = torso_tile_out(&split), want = torso_tile_out(&whole);
            kernels.split_forward(&tc.grid, &tc.weights, &rows, row, &columns, &out);
            kernels.forward(&tc.grid, &tc.weights, whole.xy, NULL, &want);
            assert_memory_equal(split.point, whole.point, sizeof split.point);
            assert_like_twin(kernels.isa, "alpha", split.alpha, whole.alpha, STK_TILE, 2e-5);
            assert_like_twin(kernels.isa, "rgb", split.rgb, whole.rgb, 3 * STK_TILE, 2e-5);
        }
    }
    torso_case_clear(&tc);
}

/* Weights gone bad must not lead outside the table. */
static void forward_not_a_number_stays_inside(void **state) {
    (void)state;
    static torso_tile tile;
    torso_case tc;
    torso_case_init(&tc, 75, 2, 1);
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (int m = 0; m < MASKS; m++) {
        stk_torso_kernels kernels;
        kernels_under(masks[m], &kernels);
        for (size_t k = 0; k < STK_ARRAY_SIZE(bad); k++) {
            torso_tile_init(&tile, 64, 76);
            tc.value[tc.offset[TORSO_DEFORM2] + 3] = bad[k];
            tile.xy[5] = bad[k];
            const stk_torso_out out = torso_tile_out(&tile);
            kernels.forward(&tc.grid, &tc.weights, tile.xy, NULL, &out);
            for (int i = 0; i < 2 * STK_TILE; i++) assert_true(fabsf(tile.point[i]) <= 1);
        }
    }
    torso_case_clear(&tc);
}

/* Sines and cosines up to 2^7 * 64: of a double they are wrong by half a unit of 1, 6e-8, plus the
 * polynomials' 2e-9 and the reduction's n * 2^-49 (n = 5216: 1e-11); 1.2e-7 leaves room for sums
 * that round twice. The C library's are within 6e-8. */
static void encoding_whole_range_is_accurate(void **state) {
    (void)state;
    static torso_tile tile;
    static torso_acts acts;
    torso_case tc;
    stk_rng rng;
    torso_case_init(&tc, 77, 1, 0);
    stk_rng_seed(&rng, 78, 1);
    for (int m = 0; m < MASKS; m++) {
        stk_torso_kernels kernels;
        double worst = 0;
        kernels_under(masks[m], &kernels);
        for (int round = 0; round < 50; round++) {
            for (int i = 0; i < 2 * STK_TILE; i++)
                tile.xy[i] = (2 * stk_rng_float(&rng) - 1) * (round % 2 ? 64.0f : 1.0f);
            for (int i = 0; i < STK_TILE; i++) /* multiples of pi/4: the seams of the reduction */
                tile.xy[i] = round == 0 ? (float)(i * 0.78539816339744831 / 128) : tile.xy[i];
            const stk_torso_out out = torso_tile_out(&tile);
            kernels.forward(&tc.grid, &tc.weights, tile.xy, (float *)&acts, &out);
            const float *enc = acts.input + STK_TORSO_FEATURES * STK_TILE;
            for (int i = 0; i < 2 * STK_TILE; i++) {
                assert_true(enc[i] == tile.xy[i]);
                for (int f = 0; f < STK_TORSO_OCTAVES; f++) {
                    const double angle = ldexp((double)tile.xy[i], f);
                    const float *at = enc + (2 + 4 * f) * STK_TILE + i;
                    worst = fmax(worst, fabs((double)at[0] - sin(angle)));
                    worst = fmax(worst, fabs((double)at[2 * STK_TILE] - cos(angle)));
                }
            }
        }
        if (!(worst <= 1.2e-7)) fail_msg("%s: a sine is wrong by %.3g", kernels.isa, worst);
    }
    torso_case_clear(&tc);
}

/* alpha = 1.002 / (1 + e^-x) - 0.001 within 3e-7 from one end to the other: one feature of a
 * constant table is carried to the output by ones. */
static void sigmoid_whole_range_is_accurate(void **state) {
    (void)state;
    static torso_tile tile;
    torso_case tc;
    torso_case_init(&tc, 79, 0, 0);
    float *v = tc.value;
    v[tc.offset[TORSO_NET0] + STK_TORSO_NET_IN - 1] = 1; /* the column of ones */
    v[tc.offset[TORSO_NET1]] = 1;
    torso_tile_init(&tile, 64, 80);
    for (int m = 0; m < MASKS; m++) {
        stk_torso_kernels kernels;
        kernels_under(masks[m], &kernels);
        for (int i = 0; i <= 480; i++) {
            const float x = (float)(i - 240) * 0.5f;
            v[tc.offset[TORSO_NET2]] = x;
            const stk_torso_out out = torso_tile_out(&tile);
            kernels.forward(&tc.grid, &tc.weights, tile.xy, NULL, &out);
            const double want = 1.002 / (1 + exp(-(double)x)) - 0.001;
            assert_true(fabs((double)tile.alpha[i % STK_TILE] - want) <= 3e-7);
        }
        v[tc.offset[TORSO_NET2]] = NAN;
        const stk_torso_out out = torso_tile_out(&tile);
        kernels.forward(&tc.grid, &tc.weights, tile.xy, NULL, &out);
        assert_true(isnan(tile.alpha[0])); /* training must see it */
    }
    torso_case_clear(&tc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_levels_match_table),
        cmocka_unit_test(grid_dense_levels_hold_every_corner),
        cmocka_unit_test(every_slot_every_mask_agrees_with_twin),
        cmocka_unit_test(forward_without_acts_and_permuted_is_equal),
        cmocka_unit_test(split_forward_every_mask_agrees_with_forward),
        cmocka_unit_test(forward_not_a_number_stays_inside),
        cmocka_unit_test(encoding_whole_range_is_accurate),
        cmocka_unit_test(sigmoid_whole_range_is_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
