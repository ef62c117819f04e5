/* A frame from extreme numbers: whatever passes the checks of stk_model_open makes a picture, right
 * or wrong, and reads and writes nothing outside its place. Under the sanitizers this is the proof;
 * elsewhere, that it ends. Weights and sounds may even be no numbers. Pixels outside the head's
 * rectangle are always the backdrop's.
 */
#include "support.h"
#include "base/cpu.h"
#include "base/image.h"
#include "base/memory.h"
#include "render/frame.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { WIDTH = 16, HEIGHT = 12, THREADS = 2 };
static const stk_rect RECT = {2, 1, 15, 11};
static const float IMPOSSIBLE[] = {NAN, INFINITY, -FLT_MAX};

typedef struct scene {
    stk_nets nets;
    stk_pool *pool;
    stk_frame_renderer *renderer;
    stk_image backdrop, picture;
    uint8_t *bits;
    float code[STK_AUDIO_CODE], expression[STK_EXPRESSIONS];
    stk_frame_request request;
} scene;
static scene s;

static int set_up(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 9, 1);
    const stk_model_config config = {STK_AUDIO_MEL, 2, STK_EXPRESSIONS, 1, 0};
    TEST_OK(stk_nets_init(&s.nets, &config, 0));
    stk_nets_randomise(&s.nets, &rng);
    TEST_OK(stk_pool_create(&s.pool, THREADS));
    TEST_OK(stk_image_init(&s.backdrop, WIDTH, HEIGHT, 3));
    TEST_OK(stk_image_init(&s.picture, WIDTH, HEIGHT, 3));
    for (int y = 0; y < HEIGHT; y++)
        for (int i = 0; i < 3 * WIDTH; i++)
            stk_image_row(&s.backdrop, y)[i] = (uint8_t)stk_rng_u32(&rng);
    s.bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    assert_non_null(s.bits);
    memset(s.bits, 0xff, STK_GRID_BYTES); /* every cell may be visited */
    s.request = (stk_frame_request){
        .bits = s.bits,
        .camera = {40, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT},
        .pose = {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -0.6f}},
        .audio_code = s.code,
        .expression = s.expression,
        .rect = RECT,
        .backdrop = &s.backdrop,
    };
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stk_free(s.bits);
    stk_image_clear(&s.picture);
    stk_image_clear(&s.backdrop);
    stk_pool_free(&s.pool);
    stk_nets_clear(&s.nets);
    return 0;
}

static void assert_backdrop_outside(void) {
    for (int y = 0; y < HEIGHT; y++) {
        const uint8_t *made = stk_image_row(&s.picture, y), *behind = stk_image_row(&s.backdrop, y);
        for (int x = 0; x < WIDTH; x++) {
            if (x >= RECT.x0 && x < RECT.x1 && y >= RECT.y0 && y < RECT.y1) continue;
            assert_memory_equal(made + 3 * x, behind + 3 * x, 3);
        }
    }
}

/* Both rules, in plain C and with the widest vectors there are; the kernels are chosen when
 * renderer and nets are made.
 */
static void render_everywhere(const stk_frame_request *changed) {
    static const char *const masks[] = {"c", "avx512", "avx512bf16"};
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        uint32_t mask;
        assert_int_equal(stk_cpu_parse_mask(masks[m], &mask), 0);
        stk_cpu_set_mask(mask);
        stk_field_kernels_init(&s.nets.field.kernels);
        TEST_OK(stk_frame_renderer_create(&s.renderer, WIDTH, HEIGHT, s.pool));
        TEST_OK(stk_frame_renderer_load(s.renderer, &s.nets, s.nets.params.value));
        for (int rule = STK_MARCH_FAST; rule <= STK_MARCH_REFERENCE; rule++) {
            stk_frame_request request = *changed;
            request.rule = (stk_march_rule)rule;
            memset(s.picture.data, 0, (size_t)s.picture.stride * HEIGHT);
            stk_frame_render(s.renderer, &request, &s.picture);
            assert_backdrop_outside();
        }
        stk_frame_renderer_free(&s.renderer);
    }
    stk_cpu_set_mask(UINT32_MAX);
}

static void frame_of_sound_numbers_covers_the_head(void **state) {
    (void)state;
    render_everywhere(&s.request);
    TEST_OK(stk_frame_renderer_create(&s.renderer, WIDTH, HEIGHT, s.pool));
    TEST_OK(stk_frame_renderer_load(s.renderer, &s.nets, s.nets.params.value));
    stk_frame_render(s.renderer, &s.request, &s.picture);
    const float *rgba = stk_frame_rgba(s.renderer);
    assert_true(rgba[4 * (HEIGHT / 2 * WIDTH + WIDTH / 2) + 3] > 0.01f);
    stk_frame_renderer_free(&s.renderer);
}

static void pose_possible_only_near_a_rotation(void **state) {
    (void)state;
    const stk_pose sound = s.request.pose;
    assert_true(stk_pose_possible(&sound));
    for (int k = 0; k < 12; k++) {
        static const float bad[] = {NAN, INFINITY, -FLT_MAX, 150, -101};
        for (size_t i = 0; i < STK_ARRAY_SIZE(bad); i++) {
            stk_pose pose = sound;
            *(k < 9 ? &pose.R[k] : &pose.t[k - 9]) = bad[i];
            assert_false(stk_pose_possible(&pose));
        }
    }
    stk_pose flat = {{1, 0, 0, 0, 1, 0, 0, 1, 0}, {0, 0, -1}}, none = {{0}, {0}};
    assert_false(stk_pose_possible(&flat));
    assert_false(stk_pose_possible(&none));
    stk_pose rounded = {{0.999f, 0.01f, 0, -0.01f, 1.001f, 0, 0, 0, 1}, {0, 0, -99}};
    assert_true(stk_pose_possible(&rounded));
}

/* Exact quarter turns send rays along the box's faces and edges; the places put the camera into the
 * box, onto its faces (0.25 m, 0.125 m), and as far away as a pose may be. */
static void frame_of_extreme_pose_stays_in_bounds(void **state) {
    (void)state;
    static const float turns[][9] = {
        {1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 1, 0, 1, 0, -1, 0, 0}, {1, 0, 0, 0, 0, -1, 0, 1, 0}};
    static const float places[][3] = {{0, 0, 0},      {0, 0, -0.25f}, {0.25f, 0.25f, 0.25f},
                                      {0, 0.125f, 0}, {0.125f, 0, 0}, {0, 0, 0.6f},
                                      {99, -99, -99}, {0, 0, -99.9f}, {1e-30f, 0, -1e-38f}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(turns); i++) {
        for (size_t k = 0; k < STK_ARRAY_SIZE(places); k++) {
            stk_frame_request request = s.request;
            memcpy(request.pose.R, turns[i], sizeof turns[i]);
            memcpy(request.pose.t, places[k], sizeof places[k]);
            assert_true(stk_pose_possible(&request.pose));
            request.camera.cx_px = WIDTH / 2 + 0.5f; /* a ray straight ahead */
            render_everywhere(&request);
        }
    }
}

/* The extremes that stk_model_open lets pass. */
static void frame_of_extreme_camera_stays_in_bounds(void **state) {
    (void)state;
    static const float cameras[][3] = {
        {1.0001f, 8, 6}, {999999, 8, 6}, {80, -999999, 999999}, {1.0001f, 999999, -999999}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(cameras); i++) {
        stk_frame_request request = s.request;
        request.camera = (stk_camera){cameras[i][0], cameras[i][1], cameras[i][2], WIDTH, HEIGHT};
        render_everywhere(&request);
    }
}

static void frame_of_impossible_conditions_stays_in_bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(IMPOSSIBLE); i++) {
        s.code[3] = s.expression[2] = IMPOSSIBLE[i];
        render_everywhere(&s.request);
    }
    s.code[3] = s.expression[2] = 0;
}

static void frame_of_impossible_weights_stays_in_bounds(void **state) {
    (void)state;
    const stk_params *params = &s.nets.params;
    for (size_t i = 0; i < STK_ARRAY_SIZE(IMPOSSIBLE); i++) {
        for (int k = 0; k < params->n; k += 9) {
            float *value = stk_params_value(params, k) + params->list[k].count / 2, kept = *value;
            *value = IMPOSSIBLE[i];
            render_everywhere(&s.request);
            *value = kept;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_of_sound_numbers_covers_the_head),
        cmocka_unit_test(pose_possible_only_near_a_rotation),
        cmocka_unit_test(frame_of_extreme_pose_stays_in_bounds),
        cmocka_unit_test(frame_of_extreme_camera_stays_in_bounds),
        cmocka_unit_test(frame_of_impossible_conditions_stays_in_bounds),
        cmocka_unit_test(frame_of_impossible_weights_stays_in_bounds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
