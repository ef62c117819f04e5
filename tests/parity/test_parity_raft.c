/* RAFT-small against the same network in PyTorch (scripts/oracle_raft.py), whose results lie in the
 * folder $STK_RAFT_ORACLE; the weights are the published ones. Tolerances: a map of values v of
 * size about 1 that sums of some hundred products make differs by 1e-5; the flow, by less than a
 * thousandth of a pixel after 12 iterations. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "head_sync/raft.h"
#include "head_sync/raft_private.h"
#include "nn/npy.h"

typedef struct oracle_map {
    float *values;
    int64_t shape[3], count;
} oracle_map;

static oracle_map read_map(const char *name) {
    char path[STK_PATH_MAX];
    stk_npy *file;
    snprintf(path, sizeof path, "%s/%s.npy", getenv("STK_RAFT_ORACLE"), name);
    TEST_OK(stk_npy_open(&file, path));
    const stk_npy_info *info = stk_npy_get(file);
    oracle_map map = {.count = info->count};
    assert_int_equal(info->rank, 3);
    for (int i = 0; i < 3; i++) map.shape[i] = info->shape[i];
    map.values = stk_calloc_aligned((size_t)info->count, sizeof(float));
    TEST_OK(stk_npy_read(file, map.values, info->count));
    stk_npy_close(&file);
    return map;
}

static void assert_map(const char *name, const float *got, double tolerance) {
    oracle_map map = read_map(name);
    print_message("%s: largest difference %.2g\n", name,
                  test_max_abs_error(got, map.values, (size_t)map.count));
    test_assert_close(name, got, map.values, (size_t)map.count, tolerance);
    stk_free(map.values);
}

static stk_image to_image(const oracle_map *map) {
    stk_image image = {NULL, (int)map->shape[1], (int)map->shape[0], 3, 3 * map->shape[1]};
    image.data = stk_calloc_aligned((size_t)map->count, 1);
    for (int64_t i = 0; i < map->count; i++) image.data[i] = (uint8_t)map->values[i];
    return image;
}

static void raft_against_pytorch_same_flow(void **state) {
    (void)state;
    if (getenv("STK_RAFT_ORACLE") == NULL) {
        print_message("STK_RAFT_ORACLE is not set (see scripts/oracle_raft.py)\n");
        skip();
    }
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    oracle_map a = read_map("a"), b = read_map("b"), moved = read_map("moved");
    stk_image image_a = to_image(&a), image_b = to_image(&b);
    const size_t pixels = (size_t)image_a.width * (size_t)image_a.height, coarse = pixels / 64;
    float *flow = stk_calloc_aligned(2 * pixels, sizeof(float));
    float *taps = stk_calloc_aligned(coarse * RAFT_TAPS, sizeof(float));
    stk_raft *raft;
    stk_raft_features *from, *to;
    TEST_OK(stk_raft_create(&raft, weights, image_a.height, image_a.width));
    TEST_OK(stk_raft_features_create(&from, raft));
    TEST_OK(stk_raft_features_create(&to, raft));
    TEST_OK(stk_raft_encode(raft, &image_a, STK_RAFT_FROM, from));
    assert_map("features_a", from->block, 2e-4);
    assert_map("hidden_a", from->state, 2e-5);
    assert_map("context_a", raft->update.joined, 1e-4);
    TEST_OK(stk_raft_encode(raft, &image_b, STK_RAFT_TO, to));
    stk_raft_correlate(&raft->kernels, to->maps, from->block, moved.values, taps);
    assert_map("taps", taps, 1e-3);
    TEST_OK(stk_raft_flow_between(raft, from, to, 1, NULL, flow));
    assert_map("hidden_1", raft->update.state, 1e-4);
    assert_map("flow_1", raft->update.flow, 1e-4);
    TEST_OK(stk_raft_flow(raft, &image_a, &image_b, STK_RAFT_ITERATIONS, NULL, flow));
    assert_map("flow", flow, 1e-3);
    stk_raft_features_free(&from);
    stk_raft_features_free(&to);
    stk_raft_free(&raft);
    float *blocks[] = {a.values, b.values, moved.values, flow, taps};
    for (size_t i = 0; i < 5; i++) stk_free(blocks[i]);
    stk_free(image_a.data);
    stk_free(image_b.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(raft_against_pytorch_same_flow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
