/* Whole graphs: the published vectors, oneDNN against the plain-C path operator by operator, memory
 * reuse against none. */
#include "support.h"
#include "task.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "tflite/tflite.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const int subset[146] = {
    0,   1,   4,   5,   6,   7,   8,   10,  13,  14,  17,  21,  33,  37,  39,  40,  46,  52,  53,
    54,  55,  58,  61,  63,  65,  66,  67,  70,  78,  80,  81,  82,  84,  87,  88,  91,  93,  95,
    103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157,
    158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
    251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310,
    311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409,
    415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477};

/* A graph by file name, or by member of face_landmarker.task; skips when absent. */
static stk_tflite *open_graph(stk_map *map, const char *name, stk_tflite_options options) {
    char path[256];
    int member = strncmp(name, "task/", 5) == 0;
    snprintf(path, sizeof path, "models/%s", member ? "face_landmarker.task" : name);
    const char *file = test_shared_or_skip(path);
    TEST_OK(stk_map_open(map, file));
    const uint8_t *bytes = map->data;
    size_t size = map->size;
    if (member) bytes = test_zip_member(map->data, map->size, name + 5, &size);
    assert_non_null(bytes);
    stk_tflite *graph;
    TEST_OK(stk_tflite_open_as(&graph, bytes, size, name, options));
    return graph;
}

/* Feeds landmarks (0..1, of a picture of this size) to the blendshape graph, compares all 52. */
static void expect_blendshapes(const char *landmarks, const char *scores, double tolerance) {
    stk_map map;
    stk_tflite *graph = open_graph(&map, "task/face_blendshapes.tflite", (stk_tflite_options){0});
    float x[478], y[478], expected[52];
    landmarks = test_shared_or_skip(landmarks), scores = test_shared_or_skip(scores);
    assert_int_equal(test_text_numbers(landmarks, "x", x, 478), 478);
    assert_int_equal(test_text_numbers(landmarks, "y", y, 478), 478);
    assert_int_equal(test_text_numbers(scores, "score", expected, 52), 52);
    stk_tflite_tensor input = stk_tflite_input(graph, 0);
    assert_int_equal(input.count, 292);
    for (int i = 0; i < 146; i++) {
        input.data[2 * i] = x[subset[i]] * 820;
        input.data[2 * i + 1] = y[subset[i]] * 1024;
    }
    TEST_OK(stk_tflite_run(graph));
    stk_tflite_tensor output = stk_tflite_output(graph, 0);
    assert_int_equal(output.count, 52);
    print_message("blendshapes: largest deviation %.3g\n",
                  test_max_abs_error(output.data, expected, 52));
    test_assert_close("blendshape", output.data, expected, 52, tolerance);
    stk_tflite_close(&graph);
    stk_map_close(&map);
}

/* MediaPipe's own pair of landmarks and blendshapes; coordinates in pixels of its 820x1024 test
 * picture. Both sides compute in float32 with other orders of summation: 20 layers of rounding at
 * 1e-7 each leave about 1e-6; 1e-5 is asked for. */
static void run_blendshapes_gives_published_values(void **state) {
    (void)state;
    expect_blendshapes("models/vectors/face_blendshapes_in_landmarks.prototxt",
                       "models/vectors/face_blendshapes_out.prototxt", 1e-5);
}

/* What MediaPipe expects of its portrait, landmarks and blendshapes written at different releases:
 * it allows 0.12 between releases itself. Shows order and range. */
static void run_blendshapes_of_portrait_are_near(void **state) {
    (void)state;
    expect_blendshapes("models/vectors/portrait_expected_face_landmarks.pbtxt",
                       "models/vectors/portrait_expected_blendshapes.pbtxt", 0.12);
}

static void fill_inputs(stk_tflite *graph, uint64_t seed) {
    stk_rng rng;
    stk_rng_seed(&rng, seed, 1);
    for (int k = 0; k < stk_tflite_input_count(graph); k++) {
        stk_tflite_tensor in = stk_tflite_input(graph, k);
        for (size_t i = 0; i < in.count; i++) in.data[i] = stk_rng_float(&rng);
    }
}

/* Runs every operator in both paths on the *same* inputs (the reference's), so that errors do not
 * add up. oneDNN sums in another order: |error| <= terms * eps * sum|x w|; outputs here are sums of
 * at most a few thousand products of order 1, which 1e-4 of the tensor's largest value covers. */
static void compare_ops(const char *name) {
    stk_map maps[2];
    stk_tflite_options fast = {.keep_all = 1}, slow = {.keep_all = 1, .reference = 1};
    stk_tflite *a = open_graph(&maps[0], name, fast), *b = open_graph(&maps[1], name, slow);
    fill_inputs(a, 7);
    fill_inputs(b, 7);
    double worst = 0;
    for (int op = 0; op < stk_tflite_op_count(a); op++) {
        stk_tflite_tensor from, to;
        for (int k = 0; (from = stk_tflite_op_input(b, op, k)).data != NULL; k++) {
            to = stk_tflite_op_input(a, op, k);
            memcpy(to.data, from.data, from.count * sizeof(float));
        }
        TEST_OK(stk_tflite_op_run(a, op));
        TEST_OK(stk_tflite_op_run(b, op));
        for (int k = 0; (from = stk_tflite_op_output(b, op, k)).data != NULL; k++) {
            to = stk_tflite_op_output(a, op, k);
            float top = 1e-6f;
            for (size_t i = 0; i < from.count; i++)
                top = fabsf(from.data[i]) > top ? fabsf(from.data[i]) : top;
            double error = test_max_abs_error(to.data, from.data, from.count) / (double)top;
            if (error > worst) worst = error;
            if (!(error < 1e-4)) fail_msg("%s: operator %d (%s): %g", name, op,
                                          stk_tflite_op_name(a, op), error);
        }
    }
    print_message("%s: %d operators, largest relative deviation %.2g\n", name,
                  stk_tflite_op_count(a), worst);
    for (int i = 0; i < 2; i++) {
        stk_tflite_close(i ? &b : &a);
        stk_map_close(&maps[i]);
    }
}

/* Reused memory must give the very numbers that separate memory gives. */
static void compare_plans(const char *name) {
    stk_map maps[2];
    stk_tflite *a = open_graph(&maps[0], name, (stk_tflite_options){0});
    stk_tflite *b = open_graph(&maps[1], name, (stk_tflite_options){.keep_all = 1});
    fill_inputs(a, 9);
    fill_inputs(b, 9);
    TEST_OK(stk_tflite_run(a));
    double start = stk_clock_s();
    TEST_OK(stk_tflite_run(a));
    print_message("%s: %.2f ms\n", name, (stk_clock_s() - start) * 1e3);
    TEST_OK(stk_tflite_run(b));
    for (int k = 0; k < stk_tflite_output_count(a); k++) {
        stk_tflite_tensor x = stk_tflite_output(a, k), y = stk_tflite_output(b, k);
        assert_memory_equal(x.data, y.data, x.count * sizeof(float));
        for (size_t i = 0; i < x.count; i++) assert_true(isfinite(x.data[i]));
        assert_ptr_equal(stk_tflite_output_named(a, x.name).data, x.data);
    }
    for (int i = 0; i < 2; i++) {
        stk_tflite_close(i ? &b : &a);
        stk_map_close(&maps[i]);
    }
}

static void run_detector_agrees(void **state) {
    (void)state;
    compare_ops("task/face_detector.tflite");
    compare_plans("task/face_detector.tflite");
}
static void run_landmarks_agrees(void **state) {
    (void)state;
    compare_ops("task/face_landmarks_detector.tflite");
    compare_plans("task/face_landmarks_detector.tflite");
}
static void run_blendshapes_agrees(void **state) {
    (void)state;
    compare_ops("task/face_blendshapes.tflite");
    compare_plans("task/face_blendshapes.tflite");
}
static void run_mesh_468_agrees(void **state) {
    (void)state;
    compare_ops("face_landmark_468.tflite");
    compare_plans("face_landmark_468.tflite");
}
static void run_short_range_agrees(void **state) {
    (void)state;
    compare_ops("face_detection_short_range.tflite");
    compare_plans("face_detection_short_range.tflite");
}
static void run_selfie_agrees(void **state) {
    (void)state;
    compare_ops("mp_selfie_segmentation.tflite");
    compare_plans("mp_selfie_segmentation.tflite");
}
static void run_hair_agrees(void **state) {
    (void)state;
    compare_ops("mp_hair_segmentation.tflite");
    compare_plans("mp_hair_segmentation.tflite");
}
static void run_speech_embedding_agrees(void **state) {
    (void)state;
    compare_ops("oww_embedding_model.tflite");
    compare_plans("oww_embedding_model.tflite");
}

/* --- threads ---------------------------------------------------------------------------------- */

typedef struct worker {
    stk_tflite *graph;
    float sum;
    int status;
} worker;

static void *run_often(void *context) {
    worker *w = context;
    for (int i = 0; i < 20 && w->status == STK_OK; i++) w->status = stk_tflite_run(w->graph);
    stk_tflite_tensor out = stk_tflite_output(w->graph, 0);
    for (size_t i = 0; i < out.count; i++) w->sum += out.data[i];
    return NULL;
}

/* Handles of different threads share nothing: all give the same bits as one alone. */
static void run_in_threads_equals_run_alone(void **state) {
    (void)state;
    enum { THREADS = 3 };
    stk_map maps[THREADS + 1];
    worker workers[THREADS + 1] = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i <= THREADS; i++) {
        workers[i].graph = open_graph(&maps[i], "task/face_detector.tflite",
                                      (stk_tflite_options){0});
        fill_inputs(workers[i].graph, 21);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    run_often(&workers[THREADS]);
    for (int i = 0; i <= THREADS; i++) {
        assert_int_equal(workers[i].status, STK_OK);
        assert_true(workers[i].sum == workers[THREADS].sum);
        stk_tflite_close(&workers[i].graph);
        stk_map_close(&maps[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_blendshapes_gives_published_values),
        cmocka_unit_test(run_blendshapes_of_portrait_are_near),
        cmocka_unit_test(run_in_threads_equals_run_alone),
        cmocka_unit_test(run_blendshapes_agrees),
        cmocka_unit_test(run_detector_agrees),
        cmocka_unit_test(run_landmarks_agrees),
        cmocka_unit_test(run_mesh_468_agrees),
        cmocka_unit_test(run_short_range_agrees),
        cmocka_unit_test(run_selfie_agrees),
        cmocka_unit_test(run_hair_agrees),
        cmocka_unit_test(run_speech_embedding_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
