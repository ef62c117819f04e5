/* A steady step and a steady frame allocate nothing: this program stands in for the C library's
 * allocators and counts who calls them between two points in time, whatever the thread. free()
 * stays the library's: the stand-ins forward to the same heap.
 *
 * Under a sanitizer the allocators are the sanitizer's own and the cases skip.
 */
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "moving_face.h"
#include "base/file.h"
#include "base/image.h"
#include "head_sync/points_tracker.h"
#include "portrait/torso.h"
#include "train/internal.h"

#include <execinfo.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FRAMES = 60,
    SIZE = 64,
    CALLERS = 12,
    WARM_STEPS = 20,
    STEADY_STEPS = 80,
    STEADY_FRAMES = 5
};

static atomic_int counting, allocations;

#ifndef TEST_SANITIZED
/* Who made the first call that was counted. */
static void *callers[CALLERS];
static int caller_count;

static void note(void) {
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) return;
    if (atomic_fetch_add(&allocations, 1) == 0) {
        atomic_store(&counting, 0); /* backtrace may allocate, too */
        caller_count = backtrace(callers, CALLERS);
        atomic_store(&counting, 1);
    }
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    note();
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    note();
    *block = __libc_memalign(alignment, size);
    return *block == NULL ? 12 /* ENOMEM */ : 0;
}
#endif

static void skip_when_sanitized(void) {
#ifdef TEST_SANITIZED
    print_message("SKIP: the sanitizer's allocators stand where this test would count\n");
    skip();
#endif
}

static void count_from_here(void) {
    atomic_store(&allocations, 0);
    atomic_store(&counting, 1);
}

static void assert_none_since(const char *what) {
    atomic_store(&counting, 0);
    int n = atomic_load(&allocations);
    if (n == 0) return;
#ifndef TEST_SANITIZED
    backtrace_symbols_fd(callers, caller_count, 2);
#endif
    fail_msg("%s: %d allocations, the first from the calls listed above", what, n);
}

static char subject[STK_PATH_MAX];
static stk_trainer *trainer;

/* A trainer past everything that is done once: the step's buffers, first touches, the pool's
 * threads. */
static int warm_up(void **state) {
    (void)state;
    TEST_OK(stk_path_join(subject, sizeof subject, test_temporary_folder(), "disc"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    const stk_train_settings settings = {.subject = subject,
                                         .threads = 2,
                                         .seed = 3,
                                         .rays = 512,
                                         .frames = 4,
                                         .lr_grid = 0.01f,
                                         .lr_net = 0.001f,
                                         .preview_s = 3600};
    TEST_OK(stk_trainer_create(&trainer, &settings, NULL));
    for (int i = 0; i < WARM_STEPS; i++) TEST_OK(stk_trainer_step(trainer, 0.1));
    void *unused[2];
    backtrace(unused, 2); /* loads its library now */
    return 0;
}

static int clean_up(void **state) {
    (void)state;
    stk_trainer_free(&trainer);
    return 0;
}

static void counter_sees_an_allocation(void **state) {
    (void)state;
    skip_when_sanitized();
    count_from_here();
    void *volatile a = malloc(10), *volatile b = calloc(3, 4), *volatile c = aligned_alloc(64, 64);
    void *volatile d = realloc(a, 20);
    atomic_store(&counting, 0);
    free(b);
    free(c);
    free(d);
    assert_int_equal(atomic_load(&allocations), 4);
}

/* 80 steps hold several occupancy updates (every 16), averages (8), trims (16) and epoch ends
 * (60/4). */
static void step_after_warm_up_allocates_nothing(void **state) {
    (void)state;
    skip_when_sanitized();
    int failed = 0;
    count_from_here();
    for (int i = 0; i < STEADY_STEPS; i++) failed |= stk_trainer_step(trainer, 0.2) != STK_OK;
    assert_none_since("training step");
    assert_false(failed);
}

static void frame_after_warm_up_allocates_nothing(void **state) {
    (void)state;
    skip_when_sanitized();
    static const stk_march_rule rules[] = {STK_MARCH_FAST, STK_MARCH_REFERENCE};
    const stk_performance *p = &trainer->performance;
    stk_frame_renderer *renderer;
    stk_image picture = {0}, backdrop = {0};
    TEST_OK(stk_frame_renderer_create(&renderer, p->width, p->height, trainer->pool));
    TEST_OK(stk_image_init(&picture, p->width, p->height, 3));
    TEST_OK(stk_image_init(&backdrop, p->width, p->height, 3));
    TEST_OK(stk_frame_renderer_load(renderer, &trainer->nets, trainer->nets.params.ema));
    for (size_t r = 0; r < STK_ARRAY_SIZE(rules); r++) {
        stk_frame_request request = {
            .bits = trainer->occupancy.bits,
            .camera = p->camera,
            .audio_code = trainer->audio_code,
            .rect = p->head_rect,
            .backdrop = &backdrop,
            .rule = rules[r],
        };
        for (int i = 0; i <= STEADY_FRAMES; i++) {
            if (i == 1) count_from_here(); /* the first frame warms up */
            request.pose = p->poses[i];
            request.expression = p->expressions[i];
            stk_frame_render(renderer, &request, &picture);
        }
        assert_none_since(rules[r] == STK_MARCH_FAST ? "frame" : "frame by the reference rule");
    }
    stk_image_clear(&backdrop);
    stk_image_clear(&picture);
    stk_frame_renderer_free(&renderer);
}

/* A torso branch's picture, occupancy and step, on the trainer's pool. */
static void torso_after_warm_up_allocates_nothing(void **state) {
    (void)state;
    skip_when_sanitized();
    static float coords[2 * SIZE], plate[3 * SIZE], target[3 * SIZE];
    static stk_torso_frame frame;
    stk_params params;
    stk_torso torso;
    stk_torso_occupancy occupancy;
    stk_torso_trainer *steps;
    stk_image picture = {0};
    stk_rng rng = {1, 3};
    const stk_ngp_camera camera = {.R = {1, 0, 0, 0, 1, 0, 0, 0, 1}, .origin = {0, 0, -3}};
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_torso_register(&torso, &params, 1));
    TEST_OK(stk_params_seal(&params, 1));
    TEST_OK(stk_torso_occupancy_init(&occupancy));
    TEST_OK(stk_torso_trainer_create(&steps, SIZE));
    TEST_OK(stk_image_init(&picture, SIZE, SIZE, 3));
    const stk_torso_batch batch = {SIZE, coords, plate, target, camera, 0, &occupancy};
    for (int i = 0; i <= STEADY_FRAMES; i++) {
        if (i == 1) count_from_here();
        stk_torso_frame_init(&frame, &torso, &params, params.value, &camera, 0);
        stk_torso_occupancy_update(&occupancy, &torso, &frame, &rng, trainer->pool);
        const stk_torso_picture request = {
            &torso, &frame, occupancy.density, occupancy.mean_density, &picture, &picture,
            NULL,   NULL};
        stk_torso_draw(&request, trainer->pool);
        stk_torso_step(steps, &torso, &batch, &params, trainer->pool);
    }
    assert_none_since("torso picture and step");
    stk_image_clear(&picture);
    stk_torso_trainer_free(&steps);
    stk_torso_occupancy_clear(&occupancy);
    stk_params_clear(&params);
}

/* Frames with picks, and one without a face. */
static void points_after_creation_allocate_nothing(void **state) {
    (void)state;
    skip_when_sanitized();
    static moving_face face = {.size = 128, .seed = 3, .speed = 4, .landmark_px = 0.5f};
    static float landmarks[STK_LANDMARKS][3];
    const stk_points_settings settings = {.alive = 60, .pool = trainer->pool};
    enum { COUNT = 20 };
    stk_points_tracker *tracker;
    stk_points_figures figures;
    stk_tracks tracks;
    stk_image picture = {0};
    int failed = 0;
    moving_face_start(&face);
    TEST_OK(stk_image_init(&picture, face.size, face.size, 3));
    TEST_OK(stk_points_tracker_create(&tracker, face.size, face.size, COUNT, &settings));
    count_from_here();
    for (int i = 0; i < COUNT; i++) {
        moving_face_draw(&face, i, &picture, landmarks);
        failed |=
            stk_points_tracker_push(tracker, i, &picture,
                                    i == 9 ? NULL : (const float(*)[3])landmarks, NULL) != STK_OK;
    }
    assert_none_since("followed points");
    assert_false(failed);
    TEST_OK(stk_points_tracker_finish(tracker, &tracks, &figures));
    assert_true(figures.keys >= 1 && tracks.points > 0);
    stk_tracks_clear(&tracks);
    stk_points_tracker_free(&tracker);
    stk_image_clear(&picture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counter_sees_an_allocation),
        cmocka_unit_test(step_after_warm_up_allocates_nothing),
        cmocka_unit_test(frame_after_warm_up_allocates_nothing),
        cmocka_unit_test(torso_after_warm_up_allocates_nothing),
        cmocka_unit_test(points_after_creation_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, warm_up, clean_up);
}
