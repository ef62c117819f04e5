/* Ray renderer with a radiance function of our own in the field's kernel slot: an opaque ball has
 * its silhouette, depth and colour; rectangles, caps, misses, thread counts. */
#include "support.h"
#include "base/attr.h"
#include "base/memory.h"
#include "portrait/ray_render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = 75, H = 52, PIXELS = W * H }; /* not whole blocks */
static const float RADIUS = 0.35f;
static float ball_sigma = 2000;

static void ball_evaluate(const void *block, const float *xyz, const float *dir, float *sigma,
                          float *rgb) {
    (void)block;
    for (int i = 0; i < STK_TILE; i++) {
        const float x = xyz[i], y = xyz[STK_TILE + i], z = xyz[2 * STK_TILE + i];
        sigma[i] = x * x + y * y + z * z < RADIUS * RADIUS ? ball_sigma : 0;
        for (int k = 0; k < 3; k++) rgb[k * STK_TILE + i] = 0.5f + 0.5f * dir[k * STK_TILE + i];
    }
}

static void ball_forward(const stk_field_shape *shape, const stk_field_weights *weights,
                         const stk_field_cond *cond, const stk_field_in *in, float *acts,
                         stk_field_out *out) {
    (void)shape, (void)weights, (void)acts;
    ball_evaluate(NULL, in->xyz, in->dir, out->sigma, out->rgb);
    for (int i = 0; i < in->n; i++) out->amb_aud[i] = out->amb_exp[i] = cond->audio[0];
}

static const stk_field field = {.kernels = {.forward = ball_forward}};
static const stk_radiance_kernels radiance = {.evaluate = ball_evaluate};
static const stk_field_weights weights;
static const float condition[STK_AUD];
static uint8_t bits[STK_GRID_BYTES];
static STK_ALIGNED(16) float rgba[2][4 * PIXELS];
static float depth[2][PIXELS];

static stk_ray_frame make_frame(stk_march_rule rule) {
    stk_ray_frame frame = {.radiance = &radiance,
                           .field = &field,
                           .weights = &weights,
                           .bits = bits,
                           .audio = condition,
                           .exp = condition,
                           .code = condition,
                           .rect = {0, 0, W, H},
                           .rule = rule};
    const float json[16] = {1, 0, 0, 0.01f, 0, 1, 0, 0.02f, 0, 0, 1, 0.6f, 0, 0, 0, 1};
    stk_ngp_camera_from_json(json, 120, 110, W / 2.0f, H / 2.0f, &frame.camera);
    memset(bits, 0xff, sizeof bits);
    return frame;
}

static stk_ray_stats render(const stk_ray_frame *frame, int slot, int threads) {
    stk_ray_renderer *renderer;
    stk_pool *pool;
    stk_ray_stats stats;
    TEST_OK(stk_pool_create(&pool, threads));
    TEST_OK(stk_ray_renderer_create(&renderer, W, H, threads));
    stk_ray_render(renderer, frame, W, H, rgba[slot], depth[slot], pool);
    stk_ray_renderer_stats(renderer, &stats);
    stk_ray_renderer_free(&renderer);
    stk_pool_free(&pool);
    return stats;
}

/* Distance to the ball along the ray and half the chord inside; 0 for a miss. */
static float ball_entry(const float o[3], const float d[3], float *half_chord) {
    float along = 0, square = 0;
    for (int k = 0; k < 3; k++) along -= o[k] * d[k], square += o[k] * o[k];
    float half = RADIUS * RADIUS - (square - along * along);
    *half_chord = half > 0 ? sqrtf(half) : 0;
    return half > 0 ? along - *half_chord : 0;
}

static void render_opaque_ball_has_silhouette_depth_and_colour(void **state) {
    (void)state;
    const stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    const stk_ray_stats stats = render(&frame, 0, 1);
    int covered = 0;
    for (int i = 0; i < PIXELS; i++) {
        float d[3], half;
        stk_ngp_ray(&frame.camera, (float)(i % W), (float)(i / W), d);
        float entry = ball_entry(frame.camera.origin, d, &half);
        if (half == 0) assert_float_equal(rgba[0][4 * i + 3], 0, 0);
        if (2 * half <= STK_STEP_NGP) continue; /* may slip between two samples */
        covered++;
        assert_float_equal(rgba[0][4 * i + 3], 1, 1e-6);
        /* first sample at most a step behind the entry, abscissa a step later again */
        assert_true(depth[0][i] >= entry + STK_STEP_NGP * 0.99f);
        assert_true(depth[0][i] <= entry + STK_STEP_NGP * 2.01f);
        for (int k = 0; k < 3; k++)
            assert_float_equal(rgba[0][4 * i + k], 0.5f + 0.5f * d[k], 1e-5);
    }
    assert_true(covered > 300);
    /* Rays that hit stop there: far fewer samples than the 37 that cross the box. */
    assert_true(stats.samples < stats.rays * 37 && stats.tiles * STK_TILE >= stats.samples);
}

static void render_hidden_samples_are_not_evaluated(void **state) {
    (void)state;
    stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    /* only the ball's cells are occupied, so every sample is opaque or misses by less than a cell
     */
    memset(bits, 0, sizeof bits);
    for (uint32_t i = 0; i < STK_GRID_CELLS; i++) {
        uint32_t c[3];
        stk_morton_decode(i, &c[0], &c[1], &c[2]);
        float r = 0;
        for (int k = 0; k < 3; k++) r += ((float)c[k] - 63.5f) / 64 * (((float)c[k] - 63.5f) / 64);
        if (r < RADIUS * RADIUS) bits[i >> 3] |= (uint8_t)(1u << (i & 7));
    }
    const stk_ray_stats stats = render(&frame, 0, 1);
    int covered = 0;
    for (int i = 0; i < PIXELS; i++) covered += rgba[0][4 * i + 3] > 0.5f;
    assert_true(covered > 300 && stats.samples < 2 * covered + PIXELS / 2);
}

static void render_any_thread_count_same_bytes(void **state) {
    (void)state;
    ball_sigma = 20;
    for (int rule = STK_MARCH_FAST; rule <= STK_MARCH_REFERENCE; rule++) {
        const stk_ray_frame frame = make_frame((stk_march_rule)rule);
        render(&frame, 0, 1);
        render(&frame, 1, 4);
        assert_memory_equal(rgba[0], rgba[1], sizeof rgba[0]);
        assert_memory_equal(depth[0], depth[1], sizeof depth[0]);
    }
    ball_sigma = 2000;
}

/* Interpolation: fewer rays, the same bytes for any thread count, and a picture that is the one with
 * a ray through every pixel but for what `flat` lets pass. */
static void render_interpolated_any_thread_count_same_bytes(void **state) {
    (void)state;
    static STK_ALIGNED(16) float every[4 * PIXELS];
    ball_sigma = 20;
    stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    const stk_ray_stats all = render(&frame, 0, 1);
    memcpy(every, rgba[0], sizeof every);
    frame.flat = 0.05f;
    const stk_ray_stats some = render(&frame, 0, 1);
    assert_true(some.rays < all.rays * 8 / 10);
    double square = 0;
    for (int i = 0; i < 4 * PIXELS; i++) {
        const double d = fabs((double)rgba[0][i] - every[i]);
        square += d * d;
        assert_true(d < 0.2);
    }
    assert_true(square / (4 * PIXELS) < 0.02 * 0.02);
    for (int threads = 2; threads <= 7; threads++) {
        render(&frame, 1, threads);
        assert_memory_equal(rgba[0], rgba[1], sizeof rgba[0]);
    }
    ball_sigma = 2000;
}

static void render_rectangle_equals_whole_picture_inside(void **state) {
    (void)state;
    stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    render(&frame, 0, 1);
    frame.rect = (stk_rect){20, 13, 51, 40};
    render(&frame, 1, 2);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const int i = y * W + x, inside = x >= 20 && x < 51 && y >= 13 && y < 40;
            /* another grouping, another rounding of nothing: rays are independent */
            assert_float_equal(rgba[1][4 * i + 3], inside ? rgba[0][4 * i + 3] : 0, 0);
            assert_float_equal(rgba[1][4 * i], inside ? rgba[0][4 * i] : 0, 0);
        }
    frame.rect = (stk_rect){W, 0, W + 5, H};
    assert_int_equal(render(&frame, 1, 1).samples, 0);
}

/* Spans that end on the ball: what is wanted is as in the whole picture, to what interpolation may
 * differ by near the ends and to the bit farther in; beyond them only what interpolation looks at. */
static void render_spans_equal_whole_picture_inside(void **state) {
    (void)state;
    enum { HALF = 13, LOOKED_AT = 4, BEHIND = 6, FAR_IN = 12 };
    int spans[H][2];
    ball_sigma = 20;
    for (int y = 0; y < H; y++) {
        spans[y][0] = y >= 4 && y < H - 4 ? W / 2 - HALF : 0;
        spans[y][1] = y >= 4 && y < H - 4 ? W / 2 + HALF : 0;
    }
    stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    frame.flat = 0.02f;
    const stk_ray_stats all = render(&frame, 0, 1);
    frame.spans = (const int(*)[2])spans;
    const stk_ray_stats some = render(&frame, 1, 2);
    assert_true(some.rays < all.rays);
    int near = 0, deep = 0, cut = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const float *a = rgba[0] + 4 * (y * W + x), *b = rgba[1] + 4 * (y * W + x);
            const int side = abs(2 * x + 1 - 2 * (W / 2)) / 2, rows = y < H / 2 ? y : H - 1 - y;
            const int inside = HALF - 1 - side < rows - 4 ? HALF - 1 - side : rows - 4;
            if (inside < -LOOKED_AT) {
                assert_float_equal(b[3], 0, 0);
                cut += a[3] > 0.3f;
            }
            if (inside >= FAR_IN) assert_memory_equal(a, b, 4 * sizeof *a);
            for (int k = 0; k < 4 && inside >= 0; k++) /* each behind it weighs 1/32 */
                assert_float_equal(a[k], b[k], inside < BEHIND ? 4 / 32.0f : frame.flat);
            near += inside >= 0;
            deep += inside >= FAR_IN;
        }
    assert_true(near > 300 && deep > 20 && cut > 20); /* the spans do end on the ball */
    ball_sigma = 2000;
}

static void render_cap_and_empty_grid_bound_the_samples(void **state) {
    (void)state;
    ball_sigma = 0;
    stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    frame.samples_max = 16;
    stk_ray_stats stats = render(&frame, 0, 1);
    assert_true(stats.samples <= stats.rays * 16 && stats.samples >= stats.rays * 15);
    memset(bits, 0, sizeof bits);
    stats = render(&frame, 0, 1);
    assert_int_equal(stats.samples, 0);
    for (int i = 0; i < PIXELS; i++) assert_float_equal(rgba[0][4 * i + 3], 0, 0);
    ball_sigma = 2000;
}

/* Stopping at T < 1/64 leaves at most 1/64 of weight and colour out, and takes fewer samples. */
static void render_higher_transmittance_limit_takes_fewer_samples(void **state) {
    (void)state;
    ball_sigma = 60;
    stk_ray_frame frame = make_frame(STK_MARCH_FAST);
    const stk_ray_stats all = render(&frame, 0, 1);
    frame.transmittance_min = 1.0f / 64;
    const stk_ray_stats few = render(&frame, 1, 1);
    assert_true(few.samples < all.samples);
    for (int i = 0; i < PIXELS; i++) {
        assert_float_equal(rgba[0][4 * i + 3], rgba[1][4 * i + 3], 1.0 / 64);
        assert_float_equal(rgba[0][4 * i], rgba[1][4 * i], 1.0 / 64);
    }
    ball_sigma = 2000;
}

static void create_impossible_size_is_refused(void **state) {
    (void)state;
    stk_ray_renderer *renderer;
    assert_int_equal(stk_ray_renderer_create(&renderer, 0, 10, 1), STK_ERR_ARGUMENT);
    assert_int_equal(stk_ray_renderer_create(&renderer, 60000, 60000, 1), STK_ERR_ARGUMENT);
    assert_null(renderer);
    stk_ray_renderer_free(&renderer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(render_opaque_ball_has_silhouette_depth_and_colour),
        cmocka_unit_test(render_hidden_samples_are_not_evaluated),
        cmocka_unit_test(render_any_thread_count_same_bytes),
        cmocka_unit_test(render_interpolated_any_thread_count_same_bytes),
        cmocka_unit_test(render_rectangle_equals_whole_picture_inside),
        cmocka_unit_test(render_spans_equal_whole_picture_inside),
        cmocka_unit_test(render_cap_and_empty_grid_bound_the_samples),
        cmocka_unit_test(render_higher_transmittance_limit_takes_fewer_samples),
        cmocka_unit_test(create_impossible_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
