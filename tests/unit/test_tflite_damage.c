/* Damaged files: cut short, bits turned, words replaced. Opening must end with a status, never a
 * crash (run under ASan), and a graph that does open must run. */
#include "support.h"
#include "task.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "tflite/bundle.h"
#include "tflite/tflite.h"

#include <string.h>

static int opened, refused;

static void try_open(const uint8_t *bytes, size_t size, int run) {
    stk_tflite *graph = NULL;
    stk_status status = stk_tflite_open_as(&graph, bytes, size, "damaged",
                                           (stk_tflite_options){.reference = 1});
    assert_true(status == STK_OK || status == STK_ERR_FORMAT || status == STK_ERR_UNSUPPORTED);
    assert_true((status == STK_OK) == (graph != NULL));
    if (status == STK_OK && run) TEST_OK(stk_tflite_run(graph));
    *(status == STK_OK ? &opened : &refused) += 1;
    stk_tflite_close(&graph);
}

/* The smallest graph with tables all over: the blendshapes (0.9 MiB, 182 operators). */
static uint8_t *copy_graph(stk_map *map, size_t *size) {
    TEST_OK(stk_map_open(map, test_shared_or_skip("models/face_landmarker.task")));
    const uint8_t *bytes;
    TEST_OK(stk_bundle_find(map->data, map->size, "task", "face_blendshapes.tflite", &bytes, size));
    uint8_t *copy = stk_calloc_aligned(1, *size);
    assert_non_null(copy);
    memcpy(copy, bytes, *size);
    return copy;
}

static void open_truncated_is_refused(void **state) {
    (void)state;
    stk_map map;
    size_t size;
    uint8_t *bytes = copy_graph(&map, &size);
    opened = refused = 0;
    stk_rng rng;
    stk_rng_seed(&rng, 11, 0);
    for (size_t n = 0; n < 64; n++) try_open(bytes, n, 0);
    for (int i = 0; i < 100; i++) {
        size_t n = stk_rng_below(&rng, (uint32_t)size);
        uint8_t *exact = stk_calloc_aligned(1, n + 1); /* so that ASan sees the end */
        memcpy(exact, bytes, n);
        try_open(exact, n, 0);
        stk_free(exact);
    }
    assert_true(refused >= 160);
    stk_free(bytes);
    stk_map_close(&map);
}

/* Metadata is dense in the words that are small: hits there are likelier to matter, so that half of
 * the hits go to words that look like offsets, counts or shapes. */
static size_t pick_word(stk_rng *rng, const uint8_t *bytes, size_t size) {
    for (int i = 0; i < 200; i++) {
        size_t at = stk_rng_below(rng, (uint32_t)(size / 4 - 1)) * 4;
        uint32_t word;
        memcpy(&word, bytes + at, 4);
        if (word < 4096 || i == 199) return at;
    }
    return 8;
}

static void open_with_flipped_bits_never_crashes(void **state) {
    (void)state;
    stk_map map;
    size_t size;
    uint8_t *bytes = copy_graph(&map, &size);
    opened = refused = 0;
    stk_rng rng;
    stk_rng_seed(&rng, 13, 0);
    for (int i = 0; i < 400; i++) {
        uint8_t saved[3];
        size_t at[3];
        for (int k = 0; k < 3; k++) {
            at[k] = k == 0 ? stk_rng_below(&rng, (uint32_t)size) : pick_word(&rng, bytes, size);
            saved[k] = bytes[at[k]];
            bytes[at[k]] ^= (uint8_t)(1u << stk_rng_below(&rng, 8));
        }
        try_open(bytes, size, i % 16 == 0);
        for (int k = 3; k-- > 0;) bytes[at[k]] = saved[k];
    }
    print_message("flipped bits: %d opened, %d refused\n", opened, refused);
    assert_true(refused > 50);
    stk_free(bytes);
    stk_map_close(&map);
}

static void open_with_wild_words_never_crashes(void **state) {
    (void)state;
    static const uint32_t wild[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc, 65536, 7};
    stk_map map;
    size_t size;
    uint8_t *bytes = copy_graph(&map, &size);
    opened = refused = 0;
    stk_rng rng;
    stk_rng_seed(&rng, 17, 0);
    for (int i = 0; i < 400; i++) {
        size_t at = pick_word(&rng, bytes, size);
        uint8_t saved[4];
        memcpy(saved, bytes + at, 4);
        memcpy(bytes + at, &wild[stk_rng_below(&rng, STK_ARRAY_SIZE(wild))], 4);
        try_open(bytes, size, i % 16 == 0);
        memcpy(bytes + at, saved, 4);
    }
    print_message("wild words: %d opened, %d refused\n", opened, refused);
    assert_true(refused > 50);
    stk_free(bytes);
    stk_map_close(&map);
}

static void bundle_damaged_is_refused(void **state) {
    (void)state;
    stk_map map;
    const uint8_t *found;
    size_t count;
    TEST_OK(stk_map_open(&map, test_shared_or_skip("models/face_landmarker.task")));
    assert_int_equal(stk_bundle_find(map.data, map.size, "task", "absent.tflite", &found, &count),
                     STK_ERR_FORMAT);
    for (size_t n = 0; n < 400; n++) /* the directory lies at the end */
        assert_int_equal(stk_bundle_find(map.data, map.size - 1 - n, "task", "face_detector.tflite",
                                         &found, &count), STK_ERR_FORMAT);
    uint8_t tail[1024];
    stk_rng rng;
    stk_rng_seed(&rng, 19, 0);
    for (int i = 0; i < 20000; i++) { /* the directory alone: every offset points outside */
        memcpy(tail, map.data + map.size - sizeof tail, sizeof tail);
        for (int k = 0; k < 3; k++)
            tail[stk_rng_below(&rng, sizeof tail)] ^= (uint8_t)(1u << stk_rng_below(&rng, 8));
        tail[sizeof tail - 6] = (uint8_t)stk_rng_below(&rng, 256); /* directory offset */
        tail[sizeof tail - 5] = (uint8_t)stk_rng_below(&rng, 4);
        tail[sizeof tail - 4] = tail[sizeof tail - 3] = 0;
        if (stk_bundle_find(tail, sizeof tail, "task", "face_detector.tflite", &found, &count) ==
            STK_OK)
            assert_true(found >= tail && found + count <= tail + sizeof tail);
    }
    stk_map_close(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_truncated_is_refused),
        cmocka_unit_test(open_with_flipped_bits_never_crashes),
        cmocka_unit_test(open_with_wild_words_never_crashes),
        cmocka_unit_test(bundle_damaged_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
