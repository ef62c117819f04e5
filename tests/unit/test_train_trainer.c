/* Training on a small synthetic subject: it learns, it does not depend on the thread count, a
 * resumed run is the run that was not interrupted, and a not-a-number is undone. */
#include "formula_net.h"
#include "support.h"
#include "sanitized.h"
#include "synthetic_encoder.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 60, SIZE = 64, SHORT = SANITIZED ? 9 : 20 };
static char subject[STK_PATH_MAX], folder[STK_PATH_MAX];

static int write_subject(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "disc"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    return 0;
}

static stk_train_settings settings_of(int threads) {
    return (stk_train_settings){.subject = subject,
                                .threads = threads,
                                .seed = 3,
                                .rays = 512,
                                .frames = 4,
                                .lr_grid = 0.01f,
                                .lr_net = 0.001f,
                                .preview_s = 3600};
}

/* Steps of patches cost more: one of each kind. */
enum { FINE = 2 };

static stk_trainer *scheduled(stk_schedule_kind schedule, int threads) {
    stk_train_settings settings = settings_of(threads);
    settings.schedule = schedule;
    settings.perceptual = STK_PERCEPTUAL_STRUCTURE;
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    return t;
}

/* Two coarse steps, the first with the smoothness probe, then fine ones. */
static void train_to_fine(stk_trainer *t) {
    for (int i = 0; i < 2; i++) TEST_OK(stk_trainer_step(t, 0.1));
    for (int i = 0; i < FINE; i++) TEST_OK(stk_trainer_step(t, 0.9));
}

static stk_trainer *trained(int threads, int steps) {
    stk_train_settings settings = settings_of(threads);
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    for (int i = 0; i < steps; i++) TEST_OK(stk_trainer_step(t, 0.1));
    return t;
}

static void step_many_steps_loss_falls(void **state) {
    (void)state;
    if (SANITIZED) {
        print_message("SKIP: learning is tested in the fast builds\n");
        skip();
    }
    stk_trainer *t = trained(2, 10);
    double early = t->step_loss;
    for (int i = 0; i < 190; i++) TEST_OK(stk_trainer_step(t, 0.3));
    print_message("loss %.4f -> %.4f, %lld samples a step\n", early, t->mean_loss,
                  (long long)t->step_samples);
    assert_true(t->step_loss < 0.5 * early);
    stk_trainer_free(&t);
}

static void step_thread_count_gives_equal_bits(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("the fine schedule walks the same code");
    stk_trainer *one = trained(1, SHORT), *three = trained(3, SHORT);
    assert_memory_equal(one->nets.params.value, three->nets.params.value,
                        one->nets.params.total * sizeof(float));
    assert_memory_equal(one->nets.params.ema, three->nets.params.ema,
                        one->nets.params.total * sizeof(float));
    assert_memory_equal(one->occupancy.bits, three->occupancy.bits, STK_GRID_BYTES);
    stk_trainer_free(&one);
    stk_trainer_free(&three);
}

static void fine_step_thread_count_gives_equal_bits(void **state) {
    (void)state;
    stk_trainer *one = scheduled(STK_SCHEDULE_RELEASED, 1);
    stk_trainer *three = scheduled(STK_SCHEDULE_RELEASED, 3);
    train_to_fine(one);
    train_to_fine(three);
    assert_true(one->step_perceptual > 0);
    assert_true(one->step_perceptual == three->step_perceptual);
    assert_memory_equal(one->nets.params.value, three->nets.params.value,
                        one->nets.params.total * sizeof(float));
    stk_trainer_free(&one);
    stk_trainer_free(&three);
}

/* A resumed run is told the position again and has the step number: nothing else decides. */
static void fine_checkpoint_resumed_gives_equal_bits(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "fine.train"));
    stk_trainer *whole = scheduled(STK_SCHEDULE_RELEASED, 2);
    train_to_fine(whole);
    TEST_OK(stk_trainer_step(whole, 0.9)); /* so that patches are next, not the lips */
    TEST_OK(stk_checkpoint_save(whole, path));
    stk_trainer *resumed = scheduled(STK_SCHEDULE_RELEASED, 2), *other = trained(2, 0);
    assert_int_equal(stk_checkpoint_load(other, path), STK_ERR_MISMATCH);
    TEST_OK(stk_checkpoint_load(resumed, path));
    const double *unlike = whole->mean_perceptual; /* patches and lips, each by itself */
    assert_true(unlike[STK_STEP_PATCHES] > 0 && unlike[STK_STEP_LIPS] > 0);
    assert_true(unlike[STK_STEP_PATCHES] != unlike[STK_STEP_LIPS]);
    assert_true(unlike[STK_STEP_RAYS] == 0);
    assert_memory_equal(resumed->mean_perceptual, unlike, sizeof whole->mean_perceptual);
    for (int i = 0; i < 2; i++) {
        TEST_OK(stk_trainer_step(whole, 0.95));
        TEST_OK(stk_trainer_step(resumed, 0.95));
        assert_int_equal(resumed->plan.now.kind, whole->plan.now.kind);
        assert_true(resumed->step_perceptual == whole->step_perceptual);
    }
    assert_memory_equal(whole->nets.params.value, resumed->nets.params.value,
                        whole->nets.params.total * sizeof(float));
    stk_trainer_free(&whole);
    stk_trainer_free(&resumed);
    stk_trainer_free(&other);
}

/* LPIPS as the trainer asks for it is LPIPS (weights of a formula): value and gradient of the mean,
 * whatever the number of threads; it does not go by another name, nor "structure" by its. */
static void perceptual_lpips_is_lpips(void **state) {
    (void)state;
    enum { SIDE = 33, PICTURES = 2, VALUES = PICTURES * SIDE * SIDE * 3 };
    static float made[VALUES], real[VALUES], dmade[VALUES], expected[VALUES];
    char backbone[STK_PATH_MAX], heads[STK_PATH_MAX];
    formula_lpips_write(folder, STK_LPIPS_ALEX, FORMULA_WHOLE, backbone, heads);
    stk_lpips *lpips;
    stk_lpips_pass *pass;
    TEST_OK(stk_lpips_open_files(&lpips, STK_LPIPS_ALEX, backbone, heads));
    TEST_OK(stk_lpips_pass_create(&pass, lpips, &(stk_lpips_shape){SIDE, SIDE, PICTURES, 1}, NULL));
    formula_floats(made, VALUES, 7);
    formula_floats(real, VALUES, 8);
    double distance, value;
    TEST_OK(stk_lpips_gradient(pass, made, real, 0.1f, &distance, expected));
    stk_pool *pool;
    TEST_OK(stk_pool_create(&pool, 3));
    stk_perceptual_settings settings = {.kind = STK_PERCEPTUAL_AUTO, .lpips = lpips};
    settings.shapes[1] = (stk_picture_shape){SIDE, SIDE, PICTURES};
    stk_perceptual *p;
    TEST_OK(stk_perceptual_create(&p, &settings, pool));
    assert_string_equal(stk_perceptual_name(p), "lpips-alex");
    TEST_OK(stk_perceptual_gradient(p, 1, made, real, 0.1f, &value, dmade));
    assert_true(value == distance && distance > 0);
    assert_memory_equal(dmade, expected, sizeof dmade);
    stk_perceptual_free(&p);
    settings.kind = STK_PERCEPTUAL_STRUCTURE;
    TEST_OK(stk_perceptual_create(&p, &settings, pool));
    assert_string_equal(stk_perceptual_name(p), "structure");
    TEST_OK(stk_perceptual_gradient(p, 1, made, real, 0.1f, &value, dmade));
    assert_true(value != distance);
    stk_perceptual_free(&p);
    stk_pool_free(&pool);
    stk_lpips_pass_free(&pass);
    stk_lpips_close(&lpips);
}

/* Without weights: asked for by name it is refused, left to itself it is ours and says so. */
static void perceptual_without_weights_is_structure(void **state) {
    (void)state;
    stk_perceptual_settings settings = {.kind = STK_PERCEPTUAL_LPIPS, .models = folder};
    settings.shapes[0] = (stk_picture_shape){32, 32, 1};
    stk_perceptual *p;
    if (stk_perceptual_create(&p, &settings, NULL) == STK_OK) {
        stk_perceptual_free(&p);
        print_message("SKIP: the weights of LPIPS are on this machine\n");
        skip();
    }
    assert_null(p);
    settings.kind = STK_PERCEPTUAL_AUTO;
    TEST_OK(stk_perceptual_create(&p, &settings, NULL));
    assert_string_equal(stk_perceptual_name(p), "structure");
    assert_string_equal(stk_perceptual_sha256(p), "");
    stk_perceptual_free(&p);
}

static void fine_step_not_a_number_is_refused(void **state) {
    (void)state;
    stk_trainer *t = scheduled(STK_SCHEDULE_FINE, 2);
    TEST_OK(stk_trainer_step(t, 0.9));
    assert_int_equal(t->plan.now.kind, STK_STEP_RAYS);
    stk_params_value(&t->nets.params, t->nets.field.sigma[0])[5] = NAN;
    assert_int_equal(stk_trainer_step(t, 0.9), STK_ERR_NUMERIC);
    assert_int_equal(t->plan.now.kind, STK_STEP_PATCHES);
    stk_trainer_free(&t);
}

/* The loss of the last step's rays and the perceptual term, as the step's first pass sees them; the
 * draws of a step depend on its number, which stays. */
static double patch_loss(stk_trainer *t) {
    double colour = 0, value;
    for (int slot = 0; slot < t->plan.slots; slot++) stk_train_look(t, slot, 0);
    const int values = 3 * t->plan.rays;
    for (int i = 0; i < values; i++) colour += fabs((double)t->made[i] - (double)t->real[i]);
    const float weight = t->schedule->perceptual[t->plan.now.kind];
    TEST_OK(stk_perceptual_gradient(t->perceptual, (int)t->plan.now.kind, t->made, t->real, weight,
                                    &value, t->dmade));
    return colour / values + (double)weight * value;
}

/* The whole way from a pixel's gradient to a parameter: a fine step along the gradient that the
 * optimiser was given must lower the loss by about |gradient|^2 h. Checked on the last layer of the
 * colour net, whose gradient has no part in entropy and ambients. */
static void patch_gradient_lowers_the_loss_as_it_says(void **state) {
    (void)state;
    stk_trainer *t = scheduled(STK_SCHEDULE_PAPER, 2);
    for (int i = 0; i < 20; i++) TEST_OK(stk_trainer_step(t, 0.1));
    stk_train_plan_step(t, 0.9);
    const int index = t->nets.field.color[1];
    const size_t count = t->nets.params.list[index].count;
    float *weight = stk_params_value(&t->nets.params, index);
    stk_trainer_prepare(t);
    patch_loss(t);
    for (int slot = 0; slot < t->plan.slots; slot++) stk_train_slot(t, slot, 0);
    double square = 0;
    float gradient[3 * STK_HIDDEN] = {0};
    assert_true(count <= STK_ARRAY_SIZE(gradient));
    for (int k = 0; k < t->dense_count; k++)
        for (int slot = 0; t->dense[k].index == index && slot < t->plan.slots; slot++)
            for (size_t i = 0; i < count; i++)
                gradient[i] +=
                    t->slot_grads[(size_t)slot * t->dense_total + t->dense[k].offset + i];
    for (size_t i = 0; i < count; i++) square += (double)gradient[i] * (double)gradient[i];
    const float h = (float)(2e-3 / sqrt(square));
    double at[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++) weight[i] += (side ? -2 : 1) * h * gradient[i];
        stk_trainer_prepare(t);
        at[side] = patch_loss(t);
    }
    const double slope = (at[0] - at[1]) / (2.0 * (double)h);
    print_message("slope %.6g, |gradient|^2 %.6g\n", slope, square);
    assert_true(square > 0 && fabs(slope / square - 1) < 0.05);
    stk_trainer_free(&t);
}

static void checkpoint_resumed_gives_equal_bits(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("the fine schedule walks the same code");
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "half.train"));
    stk_trainer *whole = trained(2, 12);
    TEST_OK(stk_checkpoint_save(whole, path));
    for (int i = 0; i < 12; i++) TEST_OK(stk_trainer_step(whole, 0.2));
    stk_trainer *resumed = trained(2, 0);
    TEST_OK(stk_checkpoint_load(resumed, path));
    for (int i = 0; i < 12; i++) TEST_OK(stk_trainer_step(resumed, 0.2));
    size_t bytes = whole->nets.params.total * sizeof(float);
    assert_memory_equal(whole->nets.params.value, resumed->nets.params.value, bytes);
    assert_memory_equal(whole->nets.params.v, resumed->nets.params.v, bytes);
    assert_memory_equal(whole->nets.params.ema, resumed->nets.params.ema, bytes);
    assert_memory_equal(whole->occupancy.bits, resumed->occupancy.bits, STK_GRID_BYTES);
    assert_memory_equal(&whole->rng, &resumed->rng, sizeof whole->rng);
    assert_int_equal(whole->epoch_position, resumed->epoch_position);
    assert_int_equal(whole->ema_updates, resumed->ema_updates);
    assert_memory_equal(whole->occupancy.density, resumed->occupancy.density,
                        STK_GRID_CELLS * sizeof(float));
    stk_trainer_free(&whole);
    stk_trainer_free(&resumed);
}

/* What a file holds. Freed by the caller. */
static char *bytes_of(const char *path, size_t *size) {
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    char *copy = stk_calloc_aligned(1, map.size);
    memcpy(copy, map.data, map.size);
    *size = map.size;
    stk_map_close(&map);
    return copy;
}

static void checkpoint_damaged_is_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "damaged.train"));
    stk_trainer *t = trained(2, 1);
    TEST_OK(stk_checkpoint_save(t, path));
    size_t size;
    char *bytes = bytes_of(path, &size);
    TEST_OK(stk_file_write(path, bytes, size - 100));
    assert_int_not_equal(stk_checkpoint_load(t, path), STK_OK);
    TEST_OK(stk_file_write(path, "nothing", 7));
    assert_int_not_equal(stk_checkpoint_load(t, path), STK_OK);
    stk_free(bytes);
    stk_trainer_free(&t);
}

static void checkpoint_of_another_version_is_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "older.train"));
    stk_trainer *t = trained(2, 1);
    TEST_OK(stk_checkpoint_save(t, path));
    size_t size;
    char *bytes = bytes_of(path, &size);
    char *seed = memmem(bytes, size, " seed=", 6); /* after the version */
    assert_non_null(seed);
    seed[-1]--;
    TEST_OK(stk_file_write(path, bytes, size));
    assert_int_equal(stk_checkpoint_load(t, path), STK_ERR_MISMATCH);
    assert_non_null(strstr(stk_error_text(), "another version"));
    assert_non_null(strstr(stk_error_text(), "without --resume"));
    stk_free(bytes);
    stk_trainer_free(&t);
}

static void snapshot_restore_undoes_not_a_number(void **state) {
    (void)state;
    stk_trainer *t = trained(2, 8), *same = trained(2, 8);
    stk_snapshot snapshot;
    TEST_OK(stk_snapshot_init(&snapshot, t));
    stk_snapshot_take(&snapshot, t);
    float *weight = stk_params_value(&t->nets.params, t->nets.field.sigma[0]);
    weight[5] = NAN;
    assert_int_equal(stk_trainer_step(t, 0.1), STK_ERR_NUMERIC);
    stk_snapshot_restore(&snapshot, t);
    for (int i = 0; i < 4; i++) {
        TEST_OK(stk_trainer_step(t, 0.1));
        TEST_OK(stk_trainer_step(same, 0.1));
    }
    assert_memory_equal(t->nets.params.value, same->nets.params.value,
                        t->nets.params.total * sizeof(float));
    stk_snapshot_clear(&snapshot);
    stk_trainer_free(&t);
    stk_trainer_free(&same);
}

static stk_trainer *trained_through(const char *encoder, int threads) {
    stk_train_settings settings = settings_of(threads);
    settings.encoder = encoder;
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    for (int i = 0; i < 3; i++) TEST_OK(stk_trainer_step(t, 0.1));
    return t;
}

/* Rows are the encoder's, whichever thread made them; the model and the checkpoint say whose. */
static void an_encoder_is_heard_through_and_named(void **state) {
    (void)state;
    char path[STK_PATH_MAX], encoder[STK_PATH_MAX], sha256[STK_SHA256_TEXT];
    TEST_OK(stk_path_join(encoder, sizeof encoder, folder, "one.safetensors"));
    TEST_OK(stk_path_join(path, sizeof path, folder, "encoded.train"));
    TEST_OK(synthetic_encoder_write(encoder, 1));
    TEST_OK(stk_sha256_file(encoder, sha256));
    stk_trainer *t = trained_through(encoder, 1), *three = trained_through(encoder, 3);
    assert_int_equal(t->nets.config.audio_kind, STK_AUDIO_AVE);
    assert_string_equal(t->nets.encoder.name, "one.safetensors");
    assert_string_equal(t->nets.encoder.sha256, sha256);
    const size_t hearing = (size_t)FRAMES * STK_AVE_FLOATS;
    for (int a = 0; a < STK_HEARINGS; a++) /* every hearing is another */
        for (int b = 0; b < a; b++)
            assert_memory_not_equal(t->encoded + (size_t)a * hearing,
                                    t->encoded + (size_t)b * hearing, STK_AVE_FLOATS);
    const size_t floats = (size_t)STK_HEARINGS * FRAMES * STK_AVE_FLOATS;
    assert_memory_equal(t->encoded, three->encoded, floats * sizeof(float));
    assert_memory_equal(t->nets.params.value, three->nets.params.value,
                        t->nets.params.total * sizeof(float));
    stk_ave_encoder *again;
    float features[STK_AVE_FLOATS];
    TEST_OK(stk_ave_encoder_create(&again, encoder));
    TEST_OK(stk_ave_encoder_run(again, 1, stk_subject_audio_row(t->subject, FRAMES / 2), features));
    assert_memory_equal(t->sound_rows + FRAMES / 2 * STK_AVE_FLOATS, features, sizeof features);
    stk_ave_encoder_free(&again);
    TEST_OK(stk_checkpoint_save(t, path));
    stk_trainer_free(&three);
    TEST_OK(stk_checkpoint_load(t, path));
    TEST_OK(synthetic_encoder_write(encoder, 2));
    three = trained_through(encoder, 1);
    assert_int_equal(stk_checkpoint_load(three, path), STK_ERR_MISMATCH);
    stk_trainer_free(&three);
    stk_trainer_free(&t);
}

/* Two frames of all have their lids down: one of them is in every step, and its rays at the eyes. */
static void blinks_are_drawn_in_every_step(void **state) {
    (void)state;
    stk_train_settings settings = settings_of(1);
    stk_trainer *t;
    settings.frames = 8;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    stk_free(t->lids_down);
    stk_free(t->blinks);
    t->blink_count = 0;
    for (int i = 0; i < t->performance.train_frames; i++)
        for (int k = 5; k < STK_EXPRESSIONS; k++)
            t->performance.expressions[i][k] = i == 10 || i == 30 ? 0.8f : 0.04f;
    TEST_OK(stk_train_blinks_init(t));
    assert_int_equal(t->blink_count, 2);
    for (int step = 0; step < 40; step++) {
        int blinks = 0;
        stk_train_plan_step(t, 0.1);
        for (int i = 0; i < 8; i++) {
            blinks += t->drawn[i] == 10 || t->drawn[i] == 30;
            for (int k = 0; k < i; k++) assert_int_not_equal(t->drawn[i], t->drawn[k]);
        }
        assert_true(blinks > 0);
    }
    const float eyes = t->batch.share[3];
    assert_true(stk_train_blinks_shares(t, 10).share[3] > 2 * eyes);
    assert_true(stk_train_blinks_shares(t, 11).share[3] == eyes);
    stk_trainer_free(&t);
}

/* Every third frame needs no help; lids that hardly move do not blink. */
static void blinks_that_are_many_or_none_are_drawn_as_they_come(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("numbers");
    stk_train_settings settings = settings_of(1);
    for (int often = 0; often < 2; often++) {
        stk_trainer *t;
        TEST_OK(stk_trainer_create(&t, &settings, NULL));
        stk_free(t->lids_down);
        stk_free(t->blinks);
        t->blink_count = 0;
        for (int i = 0; i < t->performance.train_frames; i++)
            for (int k = 5; k < STK_EXPRESSIONS; k++)
                t->performance.expressions[i][k] = i % (often ? 3 : 20) ? 0.04f
                                                   : often              ? 0.8f
                                                                        : 0.1f;
        TEST_OK(stk_train_blinks_init(t));
        assert_int_equal(t->blink_count, 0);
        assert_true(stk_train_blinks_shares(t, 0).share[3] == t->batch.share[3]);
        stk_trainer_free(&t);
    }
}

/* The default schedule has no steps in which it could be asked. */
static void create_perceptual_loss_without_pictures_is_refused(void **state) {
    (void)state;
    stk_train_settings settings = settings_of(1);
    stk_trainer *t;
    settings.perceptual = STK_PERCEPTUAL_STRUCTURE;
    assert_int_equal(stk_trainer_create(&t, &settings, NULL), STK_ERR_ARGUMENT);
    assert_null(t);
}

static void create_rays_not_a_multiple_is_refused(void **state) {
    (void)state;
    stk_train_settings settings = settings_of(1);
    settings.rays = 511;
    stk_trainer *t;
    assert_int_equal(stk_trainer_create(&t, &settings, NULL), STK_ERR_ARGUMENT);
}

/* The net's two inputs are the eyelids', and the model that is saved has them alone. */
static void blink_alone_is_heard_and_remembered(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("numbers");
    stk_train_settings settings = settings_of(2);
    settings.expression = STK_EXPRESSION_BLINK;
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    assert_int_equal(t->nets.config.exp, 2);
    const float(*all)[STK_EXPRESSIONS] = stk_subject_expressions(t->subject);
    for (int i = 0; i < FRAMES; i++) {
        assert_true(t->performance.expressions[i][0] == all[i][5]);
        assert_true(t->performance.expressions[i][1] == all[i][6]);
        for (int k = 2; k < STK_EXPRESSIONS; k++)
            assert_true(t->performance.expressions[i][k] == 0);
    }
    for (int i = 0; i < 3; i++) TEST_OK(stk_trainer_step(t, 0.1));
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "blink.train"));
    TEST_OK(stk_checkpoint_save(t, path));
    stk_trainer *other = trained(1, 0);
    assert_int_equal(stk_checkpoint_load(other, path), STK_ERR_MISMATCH);
    stk_trainer_free(&other);
    stk_trainer_free(&t);
}

/* A subject as it was prepared before coarse poses were kept. */
static void forget_coarse_poses(const char *old) {
    static const char name[] = "coarse_poses";
    char path[STK_PATH_MAX];
    size_t size;
    TEST_OK(stk_path_join(path, sizeof path, old, "tables.safetensors"));
    char *bytes = bytes_of(path, &size);
    char *at = memmem(bytes, size, name, sizeof name - 1);
    assert_non_null(at);
    at[0] = 'k';
    TEST_OK(stk_file_write(path, bytes, size));
    stk_free(bytes);
}

static void coarse_poses_are_the_trackers_own(void **state) {
    (void)state;
    stk_train_settings settings = settings_of(2);
    settings.coarse_poses = 1;
    settings.steps = 2;
    char model[STK_PATH_MAX], old[STK_PATH_MAX];
    TEST_OK(stk_path_join(model, sizeof model, folder, "coarse.stk"));
    TEST_OK(stk_path_join(old, sizeof old, folder, "old"));
    settings.output = model;
    stk_train_figures figures;
    TEST_OK(stk_train_run(&settings, NULL, &figures));
    stk_model *opened;
    stk_subject *person;
    TEST_OK(stk_model_open(&opened, model));
    TEST_OK(stk_subject_open(&person, subject));
    const stk_performance *p = &opened->performance;
    stk_camera camera;
    const stk_pose *coarse = stk_subject_coarse_poses(person, &camera);
    assert_true(p->coarse);
    assert_memory_equal(p->poses, coarse, FRAMES * sizeof *coarse);
    assert_memory_not_equal(p->poses, stk_subject_poses(person), FRAMES * sizeof *coarse);
    assert_true(p->camera.focal_px == 2.25f * SIZE && camera.focal_px == 2.25f * SIZE);
    assert_true(stk_subject_get_info(person)->camera.focal_px == 2.0f * SIZE);
    stk_subject_close(&person);
    stk_model_close(&opened);
    TEST_OK(synthetic_subject_write(old, 22, SIZE));
    forget_coarse_poses(old);
    settings.subject = old;
    assert_int_equal(stk_train_run(&settings, NULL, &figures), STK_ERR_UNSUPPORTED);
    assert_non_null(strstr(stk_error_text(), "run `synctalk prepare` on its clip again"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_many_steps_loss_falls),
        cmocka_unit_test(step_thread_count_gives_equal_bits),
        cmocka_unit_test(fine_step_thread_count_gives_equal_bits),
        cmocka_unit_test(patch_gradient_lowers_the_loss_as_it_says),
        cmocka_unit_test(checkpoint_resumed_gives_equal_bits),
        cmocka_unit_test(fine_checkpoint_resumed_gives_equal_bits),
        cmocka_unit_test(fine_step_not_a_number_is_refused),
        cmocka_unit_test(perceptual_lpips_is_lpips),
        cmocka_unit_test(perceptual_without_weights_is_structure),
        cmocka_unit_test(checkpoint_damaged_is_refused),
        cmocka_unit_test(checkpoint_of_another_version_is_refused),
        cmocka_unit_test(snapshot_restore_undoes_not_a_number),
        cmocka_unit_test(an_encoder_is_heard_through_and_named),
        cmocka_unit_test(blink_alone_is_heard_and_remembered),
        cmocka_unit_test(coarse_poses_are_the_trackers_own),
        cmocka_unit_test(blinks_are_drawn_in_every_step),
        cmocka_unit_test(blinks_that_are_many_or_none_are_drawn_as_they_come),
        cmocka_unit_test(create_perceptual_loss_without_pictures_is_refused),
        cmocka_unit_test(create_rays_not_a_multiple_is_refused),
    };
    return cmocka_run_group_tests(tests, write_subject, NULL);
}
