/* The torso branch's picture, occupancy and step: where it draws, that threads change nothing, and
 * that its pieces learn. The numbers themselves are tests/parity's and tests/grad's. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "kernels/optimiser.h"
#include "portrait/torso.h"

enum { WIDTH = 75, HEIGHT = 43, PIXELS = WIDTH * HEIGHT, SIDE = STK_TORSO_SIDE };

typedef struct scene {
    stk_params params;
    stk_torso torso;
    stk_torso_occupancy occupancy;
    stk_torso_frame frame;
    stk_image plate, picture;
    float alpha[PIXELS], rgb[3 * PIXELS];
    stk_torso_picture request;
} scene;
static scene s;

static const stk_ngp_camera CAMERA = {
    .R = {1, 0, 0, 0, 1, 0, 0, 0, 1}, .origin = {0, 0, -3}, .fx = 1, .fy = 1};

/* A branch with lively tables, occupied everywhere, over a plate of noise. */
static int set_up(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 31, 1);
    TEST_OK(stk_params_init(&s.params));
    TEST_OK(stk_torso_register(&s.torso, &s.params, 2));
    TEST_OK(stk_params_seal(&s.params, 1));
    stk_torso_init(&s.torso, &s.params, &rng);
    stk_params_fill_uniform(&s.params, s.torso.grid, 1, &rng);
    TEST_OK(stk_torso_occupancy_init(&s.occupancy));
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++) s.occupancy.density[i] = 1;
    stk_torso_occupancy_mean(&s.occupancy);
    stk_torso_frame_init(&s.frame, &s.torso, &s.params, s.params.value, &CAMERA, 0);
    TEST_OK(stk_image_init(&s.plate, WIDTH, HEIGHT, 3));
    TEST_OK(stk_image_init(&s.picture, WIDTH, HEIGHT, 3));
    for (int y = 0; y < HEIGHT; y++)
        for (int i = 0; i < 3 * WIDTH; i++)
            stk_image_row(&s.plate, y)[i] = (uint8_t)stk_rng_u32(&rng);
    s.request = (stk_torso_picture){.torso = &s.torso,
                                    .frame = &s.frame,
                                    .density = s.occupancy.density,
                                    .mean_density = s.occupancy.mean_density,
                                    .plate = &s.plate,
                                    .picture = &s.picture,
                                    .alpha = s.alpha,
                                    .rgb = s.rgb};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stk_image_clear(&s.plate);
    stk_image_clear(&s.picture);
    stk_torso_occupancy_clear(&s.occupancy);
    stk_params_clear(&s.params);
    return 0;
}

static int same_row(const stk_image *a, const stk_image *b, int y, int x0, int x1) {
    return memcmp(stk_image_row(a, y) + 3 * x0, stk_image_row(b, y) + 3 * x0,
                  3 * (size_t)(x1 - x0)) == 0;
}

static void register_without_codes_fails(void **state) {
    (void)state;
    stk_params params;
    stk_torso torso;
    TEST_OK(stk_params_init(&params));
    assert_int_equal(stk_torso_register(&torso, &params, 0), STK_ERR_ARGUMENT);
    stk_params_clear(&params);
}

static void draw_nothing_occupied_is_the_plate(void **state) {
    (void)state;
    memset(s.occupancy.density, 0, STK_TORSO_GRID_CELLS * sizeof(float));
    s.request.mean_density = 0;
    stk_torso_draw(&s.request, NULL);
    for (int y = 0; y < HEIGHT; y++) assert_true(same_row(&s.picture, &s.plate, y, 0, WIDTH));
    for (int i = 0; i < PIXELS; i++) assert_true(s.alpha[i] == 0);
    for (int i = 0; i < 3 * PIXELS; i++)
        assert_true(s.rgb[i] == stk_image_row(&s.plate, i / 3 / WIDTH)[i % (3 * WIDTH)] / 255.0f);
}

/* Cells of the lower rows and the right columns: row r, column c at c * 128 + r. */
static void draw_a_corner_occupied_changes_only_that(void **state) {
    (void)state;
    const int r0 = 96, c0 = 64;
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++)
        s.occupancy.density[i] = i % SIDE >= r0 && i / SIDE >= c0 ? 1 : 0;
    stk_torso_draw(&s.request, NULL);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            const float r = (float)y / (HEIGHT - 1) * (SIDE - 1);
            const float c = (float)x / (WIDTH - 1) * (SIDE - 1);
            const int inside = r >= (float)r0 && c >= (float)c0;
            const int outside = r <= (float)r0 - 1 || c <= (float)c0 - 1;
            const float alpha = s.alpha[y * WIDTH + x];
            assert_true(!inside || alpha != 0);
            assert_true(!outside || (alpha == 0 && same_row(&s.picture, &s.plate, y, x, x + 1)));
        }
    }
}

/* On other threads, into the plate itself, and without the float planes: the same bytes. */
static void draw_threads_and_place_change_nothing(void **state) {
    (void)state;
    stk_pool *pool;
    stk_image again;
    TEST_OK(stk_pool_create(&pool, 3));
    TEST_OK(stk_image_init(&again, WIDTH, HEIGHT, 3));
    stk_torso_draw(&s.request, NULL);
    assert_false(same_row(&s.picture, &s.plate, HEIGHT / 2, 0, WIDTH));
    stk_torso_picture request = s.request;
    stk_image_copy(&again, &s.plate);
    request.plate = request.picture = &again;
    request.alpha = request.rgb = NULL;
    stk_torso_draw(&request, pool);
    for (int y = 0; y < HEIGHT; y++) assert_true(same_row(&s.picture, &again, y, 0, WIDTH));
    stk_image_clear(&again);
    stk_pool_free(&pool);
}

static void draw_weights_not_numbers_ends(void **state) {
    (void)state;
    const int index[] = {s.torso.anchors, s.torso.codes, s.torso.deform[0], s.torso.net[2]};
    for (size_t i = 0; i < STK_ARRAY_SIZE(index); i++) {
        stk_params_value(&s.params, index[i])[0] = i % 2 ? INFINITY : NAN;
        stk_torso_frame_init(&s.frame, &s.torso, &s.params, s.params.value, &CAMERA, 0);
        stk_torso_draw(&s.request, NULL);
    }
}

/* min(0.01, mean) with neighbours 0 and 1: drawn where more than the threshold is mixed in. */
static void occupied_threshold_is_the_smaller(void **state) {
    (void)state;
    float density[STK_TORSO_GRID_CELLS] = {0};
    density[5 * SIDE + 3] = 1; /* row 3, column 5 */
    const float row = 2.0f * 3 / (SIDE - 1) - 1, col = 2.0f * 5 / (SIDE - 1) - 1;
    const float cell = 2.0f / (SIDE - 1);
    assert_true(stk_torso_occupied(density, 0.5f, row, col));
    assert_true(stk_torso_occupied(density, 0.5f, row + 0.98f * cell, col));
    assert_false(stk_torso_occupied(density, 0.5f, row + 0.995f * cell, col));
    assert_true(stk_torso_occupied(density, 0.001f, row + 0.995f * cell, col));
    assert_false(stk_torso_occupied(density, 0.5f, col, row));
    assert_false(stk_torso_occupied(density, 0, 1, 1));
    assert_false(stk_torso_occupied(density, 0, NAN, 7));
    density[STK_TORSO_GRID_CELLS - 1] = 1;
    assert_true(stk_torso_occupied(density, 0, 1, 1));
}

/* Decay where alpha is low; every cell at least the largest alpha of its 5 x 5. */
static void occupancy_update_decays_and_spreads(void **state) {
    (void)state;
    stk_pool *pool;
    stk_rng rng = {1, 3}, copy = rng;
    stk_torso_occupancy other;
    TEST_OK(stk_pool_create(&pool, 3));
    TEST_OK(stk_torso_occupancy_init(&other));
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++)
        s.occupancy.density[i] = other.density[i] = i % 7 == 0 ? 2 : 0;
    stk_torso_occupancy_update(&s.occupancy, &s.torso, &s.frame, &rng, NULL);
    stk_torso_occupancy_update(&other, &s.torso, &s.frame, &copy, pool);
    assert_memory_equal(s.occupancy.density, other.density, STK_TORSO_GRID_CELLS * sizeof(float));
    assert_true(s.occupancy.mean_density == other.mean_density);
    double sum = 0;
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++) {
        sum += (double)other.density[i];
        if (i % 7 == 0) {
            assert_true(other.density[i] == 2 * 0.95f);
            continue;
        }
        float largest = 0; /* no density survives here */
        for (int y = i / SIDE - 2; y <= i / SIDE + 2; y++)
            for (int x = i % SIDE - 2; x <= i % SIDE + 2; x++)
                if (x >= 0 && x < SIDE && y >= 0 && y < SIDE)
                    largest = fmaxf(largest, other.fresh[y * SIDE + x]);
        assert_true(other.density[i] == largest);
    }
    assert_float_equal(other.mean_density, sum / STK_TORSO_GRID_CELLS, 1e-6);
    stk_torso_occupancy_clear(&other);
    stk_pool_free(&pool);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* All pixels of a picture: a disc of one colour below the middle, the plate elsewhere. */
typedef struct lesson {
    float coords[2 * PIXELS], plate[3 * PIXELS], target[3 * PIXELS];
    stk_torso_batch batch;
} lesson;
static lesson l;

static void make_lesson(int pixels) {
    static const float shirt[3] = {0.2f, 0.3f, 0.7f};
    for (int i = 0; i < PIXELS; i++) {
        const float row = 2.0f * (float)(i / WIDTH) / (HEIGHT - 1) - 1;
        const float col = 2.0f * (float)(i % WIDTH) / (WIDTH - 1) - 1;
        l.coords[2 * i] = row;
        l.coords[2 * i + 1] = col;
        for (int c = 0; c < 3; c++) {
            const float behind = 0.8f - 0.1f * (float)c;
            l.plate[3 * i + c] = behind;
            l.target[3 * i + c] = hypotf(row - 0.4f, col) < 0.5f ? shirt[c] : behind;
        }
    }
    l.batch = (stk_torso_batch){.pixels = pixels,
                                .coords = l.coords,
                                .plate = l.plate,
                                .target = l.target,
                                .camera = CAMERA,
                                .code_row = 1,
                                .occupancy = &s.occupancy};
}

static void step_threads_change_nothing(void **state) {
    (void)state;
    stk_torso_trainer *trainer;
    stk_pool *pool;
    make_lesson(PIXELS);
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++)
        s.occupancy.density[i] = i % SIDE > 40 ? 1 : 0; /* runs of pixels with holes */
    TEST_OK(stk_torso_trainer_create(&trainer, PIXELS));
    TEST_OK(stk_pool_create(&pool, 3));
    float *first = stk_calloc_aligned(s.params.total, sizeof *first);
    assert_non_null(first);
    const double one = stk_torso_step(trainer, &s.torso, &l.batch, &s.params, NULL);
    memcpy(first, s.params.grad, s.params.total * sizeof *first);
    memset(s.params.grad, 0, s.params.total * sizeof *first);
    const double three = stk_torso_step(trainer, &s.torso, &l.batch, &s.params, pool);
    assert_true(one == three);
    assert_memory_equal(first, s.params.grad, s.params.total * sizeof *first);
    stk_free(first);
    stk_pool_free(&pool);
    stk_torso_trainer_free(&trainer);
}

/* Pixels outside the occupancy count, but nothing learns from them. */
static void step_nothing_occupied_has_only_the_anchors(void **state) {
    (void)state;
    stk_torso_trainer *trainer;
    double want = 0;
    make_lesson(PIXELS);
    for (int i = 0; i < 3 * PIXELS; i++) want += fabs((double)l.plate[i] - (double)l.target[i]);
    memset(s.occupancy.density, 0, STK_TORSO_GRID_CELLS * sizeof(float));
    TEST_OK(stk_torso_trainer_create(&trainer, PIXELS));
    stk_params_value(&s.params, s.torso.anchors)[3] = 1.5f;
    const double loss = stk_torso_step(trainer, &s.torso, &l.batch, &s.params, NULL);
    assert_float_equal(loss, want / (3 * PIXELS) + 0.25 / 3, 1e-6);
    const float *anchors = stk_params_grad(&s.params, s.torso.anchors);
    for (size_t i = 0; i < s.params.total; i++) {
        const double want_grad = s.params.grad + i == anchors + 3 ? 1.0 / 3 : 0;
        assert_float_equal(s.params.grad[i], want_grad, 1e-6);
    }
    stk_torso_trainer_free(&trainer);
}

static void trainer_without_pixels_fails(void **state) {
    (void)state;
    stk_torso_trainer *trainer;
    assert_int_equal(stk_torso_trainer_create(&trainer, 0), STK_ERR_ARGUMENT);
    assert_null(trainer);
    stk_torso_trainer_free(&trainer);
    stk_torso_trainer_free(NULL);
}

/* The pieces together, from the published initialisation and an empty occupancy: updates every 16
 * steps, AdamW at the published rates; 60 steps take away most of the error. */
static void steps_learn_a_disc(void **state) {
    (void)state;
    enum { STEPS = 60 };
    stk_torso_trainer *trainer;
    stk_optimiser_kernels optimiser;
    stk_rng rng;
    stk_rng_seed(&rng, 33, 1);
    stk_torso_init(&s.torso, &s.params, &rng);
    memset(s.occupancy.density, 0, STK_TORSO_GRID_CELLS * sizeof(float));
    stk_optimiser_kernels_init(&optimiser);
    make_lesson(PIXELS);
    TEST_OK(stk_torso_trainer_create(&trainer, PIXELS));
    double first = 0, last = 0;
    for (int step = 0; step < STEPS; step++) {
        if (step % 16 == 0) {
            stk_torso_frame_init(&s.frame, &s.torso, &s.params, s.params.value, &CAMERA, 1);
            stk_torso_occupancy_update(&s.occupancy, &s.torso, &s.frame, &rng, NULL);
        }
        last = stk_torso_step(trainer, &s.torso, &l.batch, &s.params, NULL);
        if (step == 0) first = last;
        for (int i = 0; i < s.params.n; i++) {
            const stk_param *p = &s.params.list[i];
            const int grid = p->group == STK_GROUP_GRID;
            const stk_adamw settings = {grid ? 0.01f : 0.001f, grid ? 0.01f : 0, 0.99f, 1e-8f,
                                        (float)(1 - pow(0.99, step + 1))};
            const size_t n = (p->count + 15) / 16 * 16;
            optimiser.adamw(&settings, n, s.params.value + p->offset, s.params.grad + p->offset,
                            s.params.v + p->offset);
        }
    }
    print_message("loss %.4f -> %.4f\n", first, last);
    assert_true(last < 0.25 * first);
    stk_torso_trainer_free(&trainer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(register_without_codes_fails),
        CASE(draw_nothing_occupied_is_the_plate),
        CASE(draw_a_corner_occupied_changes_only_that),
        CASE(draw_threads_and_place_change_nothing),
        CASE(draw_weights_not_numbers_ends),
        CASE(occupied_threshold_is_the_smaller),
        CASE(occupancy_update_decays_and_spreads),
        CASE(step_threads_change_nothing),
        CASE(step_nothing_occupied_has_only_the_anchors),
        CASE(trainer_without_pixels_fails),
        CASE(steps_learn_a_disc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
