/* test_subject_ray_cache.c - the training pixels: what is mapped, when it is rebuilt, what is
 * drawn. */
#include "support.h"
#include "synthetic_subject.h"

#include "base/image.h"
#include "subject/manifest.h"
#include "subject/ray_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAMES = 77, TRAIN = 70, SIZE = 96, RAYS = 2048, SLOTS = 4 };
static char folder[STK_PATH_MAX];
static stk_subject *subject;
static stk_ray_cache *cache;

static int open_all(void **state) {
    (void)state;
    stk_pool *pool;
    snprintf(folder, sizeof folder, "%s/person", test_temporary_folder());
    TEST_OK(synthetic_subject_write(folder, FRAMES, SIZE));
    TEST_OK(stk_subject_open(&subject, folder));
    TEST_OK(stk_pool_create(&pool, 2));
    TEST_OK(stk_ray_cache_open(&cache, subject, pool, NULL));
    stk_pool_free(&pool);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    stk_ray_cache_close(&cache);
    stk_subject_close(&subject);
    return 0;
}

static int near_head(int frame, int x, int y) {
    for (int dy = -12; dy <= 12; dy++)
        for (int dx = -12; dx <= 12; dx++) {
            if (x + dx < 0 || y + dy < 0 || x + dx >= SIZE || y + dy >= SIZE) continue;
            if (synthetic_subject_label(frame, SIZE, x + dx, y + dy) == STK_LABEL_HEAD) return 1;
        }
    return 0;
}

static void frame_bytes_hold_label_class_and_colours(void **state) {
    (void)state;
    stk_rect r = stk_ray_cache_rect(cache);
    stk_frame_store *store;
    const stk_image *torso;
    TEST_OK(stk_subject_open_torsos(subject, &store));
    for (int frame = 0; frame < FRAMES; frame += 19) {
        const uint8_t *pixel = stk_ray_cache_frame(cache, frame);
        stk_regions regions = stk_subject_regions(subject, frame);
        TEST_OK(stk_frame_store_get(store, frame, &torso));
        for (int y = r.y0; y < r.y1; y++) {
            for (int x = r.x0; x < r.x1; x++, pixel += STK_RAY_BYTES) {
                int label = synthetic_subject_label(frame, SIZE, x, y);
                int mouth = x >= regions.mouth.x0 && x < regions.mouth.x1 &&
                            y >= regions.mouth.y0 && y < regions.mouth.y1;
                assert_int_equal(pixel[6], label);
                assert_memory_equal(pixel + 3, stk_image_row(torso, y) + 3 * x, 3);
                if (label != STK_LABEL_HEAD)
                    assert_int_equal(pixel[7], near_head(frame, x, y) ? 1 : 0);
                else
                    assert_true(mouth ? pixel[7] == 4 : pixel[7] == 2 || pixel[7] == 3);
            }
        }
    }
    stk_frame_store_close(&store);
}

static void open_again_maps_the_same_file_and_stale_is_rebuilt(void **state) {
    (void)state;
    char path[STK_PATH_MAX + 32], left[STK_PATH_MAX + 32];
    struct stat first, second;
    stk_ray_cache *again;
    /* of a run that was killed: no process has so large a number */
    snprintf(left, sizeof left, "%s/cache/rays.bin.part-999999999-0", folder);
    TEST_OK(stk_file_write(left, "half", 4));
    snprintf(path, sizeof path, "%s/cache/rays.bin", folder);
    assert_int_equal(stat(path, &first), 0);
    TEST_OK(stk_ray_cache_open(&again, subject, NULL, NULL));
    stk_ray_cache_close(&again);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_false(stk_file_exists(left));
    /* a key that differs in one digit */
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    char head[256];
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    fseek(file, 80, SEEK_SET);
    fputc(head[80] ^ 1, file);
    fclose(file); /* the bytes that `cache` maps change with it, the pixels don't */
    TEST_OK(stk_ray_cache_open(&again, subject, NULL, NULL));
    int bytes = (SIZE / 2) * STK_RAY_BYTES; /* the rebuilt one equals what is still mapped */
    assert_memory_equal(stk_ray_cache_frame(again, 11), stk_ray_cache_frame(cache, 11), bytes);
    stk_ray_cache_close(&again);
    assert_int_equal(stat(path, &second), 0);
    assert_int_not_equal(first.st_ino, second.st_ino);
}

static const stk_batch_settings settings = {SLOTS, RAYS, {0.1f, 0.2f, 0.3f, 0.15f, 0.25f}};

static int class_at(const stk_ray_pick *pick) {
    stk_rect r = stk_ray_cache_rect(cache);
    size_t at = (size_t)(pick->row - r.y0) * (size_t)(r.x1 - r.x0) + (size_t)(pick->col - r.x0);
    return stk_ray_cache_frame(cache, pick->frame)[at * STK_RAY_BYTES + 7];
}

static void batch_shares_follow_the_settings(void **state) {
    (void)state;
    int32_t order[TRAIN], position = 0, frames[SLOTS];
    stk_ray_pick *picks = calloc(RAYS, sizeof *picks);
    int counts[STK_RAY_CLASSES] = {0};
    stk_rng rng;
    assert_non_null(picks);
    stk_rng_seed(&rng, 1, 2);
    assert_int_equal(stk_ray_cache_train_frames(cache), TRAIN);
    stk_ray_cache_batch(cache, &settings, &rng, order, &position, frames, picks);
    for (int i = 0; i < RAYS; i++) {
        const stk_ray_pick *p = &picks[i];
        assert_int_equal(p->slot, i / (RAYS / SLOTS));
        assert_int_equal(p->frame, frames[p->slot]);
        assert_int_equal(p->label, synthetic_subject_label(p->frame, SIZE, p->col, p->row));
        stk_regions regions = stk_subject_regions(subject, p->frame);
        assert_int_equal(p->in_face, p->col >= regions.face.x0 && p->col < regions.face.x1 &&
                                         p->row >= regions.face.y0 && p->row < regions.face.y1);
        counts[class_at(p)]++;
    }
    for (int c = 0; c < STK_RAY_CLASSES; c++) /* rounding: half a ray a class and slot */
        assert_true(fabsf((float)counts[c] - settings.share[c] * RAYS) <= 2 * SLOTS);
    free(picks);
}

static void batch_same_seed_gives_same_picks(void **state) {
    (void)state;
    int32_t order[2][TRAIN], position[2] = {0, 0}, frames[2][SLOTS];
    stk_ray_pick *picks[2];
    for (int k = 0; k < 2; k++) {
        stk_rng rng;
        stk_rng_seed(&rng, 7, 0);
        picks[k] = calloc(RAYS, sizeof **picks);
        assert_non_null(picks[k]);
        for (int i = 0; i < 3; i++)
            stk_ray_cache_batch(cache, &settings, &rng, order[k], &position[k], frames[k],
                                picks[k]);
    }
    assert_memory_equal(picks[0], picks[1], RAYS * sizeof **picks);
    assert_memory_equal(frames[0], frames[1], sizeof frames[0]);
    free(picks[0]);
    free(picks[1]);
}

static void batch_epoch_shows_every_train_frame_once_and_no_frame_twice_a_batch(void **state) {
    (void)state;
    /* 70 frames, 4 a batch: every second epoch begins inside a batch */
    const stk_batch_settings small = {SLOTS, 8 * SLOTS, {0.2f, 0.2f, 0.2f, 0.2f, 0.2f}};
    int32_t order[TRAIN], position = 0, frames[SLOTS];
    stk_ray_pick picks[8 * SLOTS];
    int seen[TRAIN] = {0};
    stk_rng rng;
    stk_rng_seed(&rng, 3, 0);
    for (int batch = 0; batch < 2 * TRAIN / SLOTS; batch++) {
        stk_ray_cache_batch(cache, &small, &rng, order, &position, frames, picks);
        for (int i = 0; i < SLOTS; i++) {
            assert_in_range(frames[i], 0, TRAIN - 1);
            seen[frames[i]]++;
            for (int k = 0; k < i; k++) assert_int_not_equal(frames[i], frames[k]);
        }
    }
    for (int i = 0; i < TRAIN; i++) assert_int_equal(seen[i], 2);
}

/* Pixels of the border class are drawn uniformly: chi-square over the four quadrants of the ring.
 */
static void batch_draws_a_class_uniformly(void **state) {
    (void)state;
    const stk_batch_settings border = {1, 4096, {0, 1, 0, 0, 0}};
    stk_ray_pick *picks = calloc(4096, sizeof *picks);
    int32_t order[TRAIN], position = 0, frame;
    double expected[4] = {0}, found[4] = {0}, total = 0, chi = 0;
    stk_rng rng;
    assert_non_null(picks);
    stk_rng_seed(&rng, 11, 0);
    stk_ray_cache_batch(cache, &border, &rng, order, &position, &frame, picks);
    stk_rect r = stk_ray_cache_rect(cache);
    const uint8_t *pixel = stk_ray_cache_frame(cache, frame);
    for (int y = r.y0; y < r.y1; y++)
        for (int x = r.x0; x < r.x1; x++, pixel += STK_RAY_BYTES)
            if (pixel[7] == 1) expected[(x > SIZE / 2) + 2 * (y > SIZE / 2)]++, total++;
    for (int i = 0; i < 4096; i++)
        found[(picks[i].col > SIZE / 2) + 2 * (picks[i].row > SIZE / 2)]++;
    for (int q = 0; q < 4; q++) {
        double want = expected[q] / total * 4096.0;
        chi += (found[q] - want) * (found[q] - want) / want;
    }
    assert_true(chi < 16.3); /* 3 degrees of freedom, p = 0.001 */
    free(picks);
}

static void open_hand(const char *name, int frames, int from, int to, stk_subject **person,
                      stk_ray_cache **rays) {
    char path[STK_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", test_temporary_folder(), name);
    TEST_OK(synthetic_subject_write_hand(path, frames, SIZE, from, to));
    TEST_OK(stk_subject_open(person, path));
    TEST_OK(stk_ray_cache_open(rays, *person, NULL, NULL));
}

/* What stands before the face is of no class where it is, and drawn by nobody. */
static void a_hand_is_not_drawn(void **state) {
    (void)state;
    enum { HAND_FRAMES = 24, FROM = 9, TO = 13 };
    stk_subject *person;
    stk_ray_cache *rays;
    int on_hand = 0, none = 0, elsewhere = 0;
    open_hand("hand", HAND_FRAMES, FROM, TO, &person, &rays);
    const stk_rect r = stk_ray_cache_rect(rays);
    for (int frame = 0; frame < HAND_FRAMES; frame++) {
        const uint8_t *pixel = stk_ray_cache_frame(rays, frame);
        for (int y = r.y0; y < r.y1; y++)
            for (int x = r.x0; x < r.x1; x++, pixel += STK_RAY_BYTES) {
                const int there = synthetic_subject_on_hand(frame, SIZE, x, y);
                on_hand += there;
                none += there && pixel[7] == STK_RAY_CLASSES;
                elsewhere += (frame < FROM || frame >= TO) && pixel[7] == STK_RAY_CLASSES;
            }
    }
    assert_true(on_hand > 100 && none > 0.85 * on_hand);
    assert_int_equal(elsewhere, 0);
    const stk_batch_settings even = {1, 512, {0.2f, 0.2f, 0.2f, 0.2f, 0.2f}};
    static stk_ray_pick picks[512];
    for (int frame = FROM; frame < TO; frame++) {
        stk_ray_cache_rays(rays, &even, 5, 0, frame, picks);
        for (int i = 0; i < 512; i++) {
            const size_t at = (size_t)(picks[i].row - r.y0) * (size_t)(r.x1 - r.x0) +
                              (size_t)(picks[i].col - r.x0);
            assert_true(stk_ray_cache_frame(rays, frame)[at * STK_RAY_BYTES + 7] < STK_RAY_CLASSES);
        }
    }
    stk_ray_cache_close(&rays);
    stk_subject_close(&person);
}

/* Nor by uniform draws and single picks, which ask for places. */
static void a_hand_is_not_picked(void **state) {
    (void)state;
    enum { N = 2048, HAND_FRAMES = 24, HAND_FRAME = 10 };
    static stk_ray_pick picks[N];
    stk_subject *person;
    stk_ray_cache *rays;
    open_hand("picked", HAND_FRAMES, HAND_FRAME - 1, HAND_FRAME + 3, &person, &rays);
    const stk_rect r = stk_ray_cache_rect(rays);
    const uint8_t *pixel = stk_ray_cache_frame(rays, HAND_FRAME);
    stk_ray_cache_uniform(rays, 5, 0, HAND_FRAME, N, picks);
    for (int i = 0; i < N; i++) {
        const int at = (picks[i].row - r.y0) * (r.x1 - r.x0) + picks[i].col - r.x0;
        assert_true(pixel[at * STK_RAY_BYTES + 7] < STK_RAY_CLASSES);
    }
    for (int y = r.y0; y < r.y1; y++)
        for (int x = r.x0; x < r.x1; x++, pixel += STK_RAY_BYTES) {
            stk_ray_pick pick = {.col = 9999};
            const int drawn = stk_ray_cache_pick(rays, 3, HAND_FRAME, x, y, &pick);
            assert_int_equal(drawn, pixel[7] < STK_RAY_CLASSES);
            assert_int_equal(pick.col, drawn ? x : 9999);
            if (drawn) assert_memory_equal(pick.target, pixel, 3);
        }
    stk_ray_cache_close(&rays);
    stk_subject_close(&person);
}

/* A frame of which the rectangle shows the hand alone: rays must go somewhere. */
static void a_frame_hidden_whole_keeps_its_classes(void **state) {
    (void)state;
    enum { HAND_FRAMES = 60, FROM = 20, TO = 24, AT_X = 42, AT_Y = 46 };
    const stk_batch_settings even = {1, 64, {0.2f, 0.2f, 0.2f, 0.2f, 0.2f}};
    stk_subject *person;
    stk_ray_cache *rays;
    stk_manifest manifest;
    stk_ray_pick picks[64];
    char path[STK_PATH_MAX];
    snprintf(path, sizeof path, "%s/whole", test_temporary_folder());
    TEST_OK(synthetic_subject_write_hand(path, HAND_FRAMES, SIZE, FROM, TO));
    TEST_OK(stk_manifest_load(&manifest, path, NULL));
    manifest.info.head_rect = (stk_rect){AT_X, AT_Y, AT_X + 1, AT_Y + 1};
    TEST_OK(stk_manifest_save(&manifest, path));
    stk_manifest_clear(&manifest);
    TEST_OK(stk_subject_open(&person, path));
    TEST_OK(stk_ray_cache_open(&rays, person, NULL, NULL));
    for (int frame = 0; frame < HAND_FRAMES; frame++) {
        assert_true(frame < FROM || frame >= TO ||
                    synthetic_subject_on_hand(frame, SIZE, AT_X, AT_Y));
        assert_true(stk_ray_cache_frame(rays, frame)[7] < STK_RAY_CLASSES);
        stk_ray_cache_rays(rays, &even, 5, 0, frame, picks);
        assert_int_equal(picks[63].col, AT_X);
        stk_ray_cache_uniform(rays, 5, 0, frame, 64, picks);
        assert_int_equal(picks[63].row, AT_Y);
    }
    stk_ray_cache_close(&rays);
    stk_subject_close(&person);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_bytes_hold_label_class_and_colours),
        cmocka_unit_test(open_again_maps_the_same_file_and_stale_is_rebuilt),
        cmocka_unit_test(batch_shares_follow_the_settings),
        cmocka_unit_test(batch_same_seed_gives_same_picks),
        cmocka_unit_test(batch_epoch_shows_every_train_frame_once_and_no_frame_twice_a_batch),
        cmocka_unit_test(batch_draws_a_class_uniformly),
        cmocka_unit_test(a_hand_is_not_drawn),
        cmocka_unit_test(a_hand_is_not_picked),
        cmocka_unit_test(a_frame_hidden_whole_keeps_its_classes),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
