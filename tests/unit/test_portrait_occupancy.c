/* Occupancy grid with a density function of our own in the field's kernel slot: visibility against
 * brute force, updates, decay, subset, bad numbers, thread counts. */
#include "support.h"
#include "base/attr.h"
#include "base/memory.h"
#include "portrait/occupancy.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_long evaluated;
static float inside_density = 50, inside_radius = 0.3f, outside_density = 0.01f;

static void ball_density(const stk_field_shape *shape, const stk_field_weights *weights,
                         const stk_field_cond *cond, const stk_field_in *in, float *sigma) {
    (void)shape, (void)weights, (void)cond;
    atomic_fetch_add(&evaluated, in->n);
    for (int i = 0; i < STK_TILE; i++) {
        const float x = in->xyz[i], y = in->xyz[STK_TILE + i], z = in->xyz[2 * STK_TILE + i];
        const int inside = x * x + y * y + z * z < inside_radius * inside_radius;
        sigma[i] = inside ? inside_density : outside_density;
    }
}

static const stk_field field = {.kernels = {.density = ball_density}};
static const stk_field_weights weights;
static const stk_field_cond cond;

static int count_bits(const stk_occupancy *grid) {
    int n = 0;
    for (int i = 0; i < STK_GRID_BYTES; i++) n += __builtin_popcount(grid->bits[i]);
    return n;
}

static stk_ngp_camera random_camera(stk_rng *rng) {
    const float a = 0.8f * stk_rng_normal(rng), b = 0.8f * stk_rng_normal(rng);
    const stk_pose pose = {{cosf(a), 0, sinf(a), sinf(a) * sinf(b), cosf(b), -cosf(a) * sinf(b),
                            -sinf(a) * cosf(b), sinf(b), cosf(a) * cosf(b)},
                           {0.05f * stk_rng_normal(rng), 0.05f * stk_rng_normal(rng),
                            -0.2f - 0.6f * stk_rng_float(rng)}};
    const stk_camera camera = {300 + 2000 * stk_rng_float(rng), 256, 200, 512, 400};
    stk_ngp_camera ngp;
    stk_ngp_camera_from_pose(&camera, &pose, &ngp);
    return ngp;
}

/* reference.md 4.7 cell by cell, in doubles; 0 when within rounding of the border. */
static int brute_force_seen(const stk_ngp_camera *cameras, int n, uint32_t cell) {
    uint32_t c[3];
    stk_morton_decode(cell, &c[0], &c[1], &c[2]);
    int seen = -1;
    for (int i = 0; i < n; i++) {
        const stk_ngp_camera *camera = &cameras[i];
        double q[3], v[3] = {0, 0, 0};
        for (int k = 0; k < 3; k++)
            q[k] = (2.0 * c[k] / 127 - 1) * (1 - 1.0 / 128) - (double)camera->origin[k];
        for (int k = 0; k < 9; k++) v[k % 3] += q[k / 3] * (double)camera->R[k];
        double margin =
            fmin(v[2], fmin((double)(camera->cx / camera->fx) * v[2] + 2.0 / 128 - fabs(v[0]),
                            (double)(camera->cy / camera->fy) * v[2] + 2.0 / 128 - fabs(v[1])));
        if (fabs(margin) < 1e-5) return 0;
        if (margin > 0) seen = 1;
    }
    return seen;
}

static void mark_unseen_random_cameras_equals_brute_force(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 2, 2);
    stk_ngp_camera cameras[6];
    stk_occupancy grid;
    TEST_OK(stk_occupancy_init(&grid));
    int seen = 0, unseen = 0;
    for (int n = 1; n <= 6; n += 5) {
        for (int i = 0; i < n; i++) cameras[i] = random_camera(&rng);
        stk_occupancy_mark_unseen(&grid, cameras, n, NULL);
        for (uint32_t cell = 0; cell < STK_GRID_CELLS; cell += 3) {
            int want = brute_force_seen(cameras, n, cell);
            if (want != 0) assert_int_equal(grid.density[cell] >= 0, want > 0);
            seen += want > 0;
            unseen += want < 0;
        }
    }
    assert_true(seen > 50000 && unseen > 50000);
    stk_occupancy_clear(&grid);
}

static void update_ball_sets_its_bits_and_leaves_unseen(void **state) {
    (void)state;
    stk_occupancy grid;
    TEST_OK(stk_occupancy_init(&grid));
    for (int i = 0; i < STK_GRID_CELLS; i++) grid.density[i] = i % 7 == 0 ? -1 : 0;
    stk_occupancy_update(&grid, &field, &weights, &cond, NULL, NULL);
    assert_float_equal(grid.threshold, grid.mean_density, 0);
    for (uint32_t i = 0; i < STK_GRID_CELLS; i++) {
        uint32_t x, y, z;
        stk_morton_decode(i, &x, &y, &z);
        const float p[3] = {((float)x - 63.5f) / 64, ((float)y - 63.5f) / 64,
                            ((float)z - 63.5f) / 64};
        float r = sqrtf(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
        int set = grid.bits[i >> 3] >> (i & 7) & 1;
        if (i % 7 == 0)
            assert_true(!set && grid.density[i] == -1);
        else if (r < 0.29f)
            assert_true(set && grid.density[i] == 50);
        else if (r > 0.33f)
            assert_true(!set); /* dilation reaches one cell further */
    }
    stk_occupancy_clear(&grid);
}

static void update_partial_subset_is_small_and_forgets(void **state) {
    (void)state;
    stk_occupancy grid;
    stk_rng rng;
    stk_rng_seed(&rng, 1, 1);
    TEST_OK(stk_occupancy_init(&grid));
    stk_occupancy_update(&grid, &field, &weights, &cond, NULL, NULL);
    const int occupied = count_bits(&grid);
    atomic_store(&evaluated, 0);
    stk_occupancy_update_partial(&grid, &field, &weights, &cond, &rng, NULL, 0.1f);
    const double expected = occupied + 0.1 * (STK_GRID_CELLS / 2 - occupied);
    assert_float_equal((double)atomic_load(&evaluated), expected, 0.01 * expected);
    assert_true(abs(count_bits(&grid) - occupied) < occupied / 10);
    inside_density = 0.001f; /* the ball goes: 50 x 0.95^80 = 0.8 */
    for (int i = 0; i < 80; i++)
        stk_occupancy_update_partial(&grid, &field, &weights, &cond, &rng, NULL, 0.01f);
    inside_density = 50;
    for (uint32_t i = 0; i < STK_GRID_CELLS; i++) assert_true(grid.density[i] < 1);
    stk_occupancy_clear(&grid);
}

static void update_any_thread_count_same_bytes(void **state) {
    (void)state;
    stk_occupancy a, b;
    stk_pool *pool;
    stk_rng rng_a, rng_b;
    stk_rng_seed(&rng_a, 4, 4);
    rng_b = rng_a;
    TEST_OK(stk_pool_create(&pool, 3));
    TEST_OK(stk_occupancy_init(&a));
    TEST_OK(stk_occupancy_init(&b));
    stk_occupancy_update(&a, &field, &weights, &cond, &rng_a, NULL);
    stk_occupancy_update(&b, &field, &weights, &cond, &rng_b, pool);
    assert_memory_equal(a.density, b.density, STK_GRID_CELLS * sizeof(float));
    stk_occupancy_update_partial(&a, &field, &weights, &cond, &rng_a, NULL, 0.05f);
    stk_occupancy_update_partial(&b, &field, &weights, &cond, &rng_b, pool, 0.05f);
    assert_memory_equal(a.density, b.density, STK_GRID_CELLS * sizeof(float));
    assert_memory_equal(a.bits, b.bits, STK_GRID_BYTES);
    assert_memory_equal(&a.mean_density, &b.mean_density, sizeof(float));
    stk_occupancy_clear(&a);
    stk_occupancy_clear(&b);
    stk_pool_free(&pool);
}

static void update_bad_numbers_do_not_stick(void **state) {
    (void)state;
    stk_occupancy grid;
    TEST_OK(stk_occupancy_init(&grid));
    inside_density = INFINITY;
    outside_density = NAN;
    stk_occupancy_update(&grid, &field, &weights, &cond, NULL, NULL);
    inside_density = 50;
    outside_density = 0.01f;
    assert_true(isfinite(grid.mean_density));
    for (int i = 0; i < STK_GRID_CELLS; i++)
        assert_true(grid.density[i] >= 0 && grid.density[i] <= 1e6f);
    stk_occupancy_clear(&grid);
    stk_occupancy_clear(&grid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_unseen_random_cameras_equals_brute_force),
        cmocka_unit_test(update_ball_sets_its_bits_and_leaves_unseen),
        cmocka_unit_test(update_partial_subset_is_small_and_forgets),
        cmocka_unit_test(update_any_thread_count_same_bytes),
        cmocka_unit_test(update_bad_numbers_do_not_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
