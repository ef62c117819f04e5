/* test_train_encoder.c - encoder training on made-up speech: a mouth and a spectrogram that follow
 * one random opening. */
#include "support.h"
#include "sanitized.h"
#include "synthetic_speech.h"
#include "base/attr.h"
#include "base/memory.h"
#include "face_sync/audio.h"
#include "face_sync/ave_encoder.h"
#include "nn/safetensors.h"
#include "train/encoder_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = SYNTHETIC_SPEECH_FRAMES };

static void make_clip(stk_encoder_clip *clip, int number) {
    *clip = (stk_encoder_clip){0};
    synthetic_speech_make(&clip->speech, number);
    TEST_OK(stk_encoder_clip_prepare(clip));
}

static void drop_clip(stk_encoder_clip *clip) {
    stk_free(clip->speech.crops);
    stk_encoder_clip_clear(clip);
}

static stk_encoder_settings settings_of(const char *output) {
    return (stk_encoder_settings){.output = output,
                                  .steps = 10,
                                  .threads = 2,
                                  .seed = 3,
                                  .rate = 1e-3f,
                                  .sync = {0.5f, 1},
                                  .reconstruction = 1};
}

static const char *temporary(const char *name) {
    static char path[4][4096];
    static int n;
    char *p = path[n++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", test_temporary_folder(), name);
    return p;
}

/* --- samples ---------------------------------------------------------------------------------- */

static void prepare_takes_frames_with_lips_sound_and_speech(void **state) {
    stk_encoder_clip clip;
    (void)state;
    make_clip(&clip, 0);
    assert_int_equal(clip.usable[0], 17);    /* 15 and the first window's two frames before */
    clip.speech.state[60] = STK_SPEECH_FACE; /* does not speak */
    clip.speech.state[80] = STK_SPEECH_NONE;
    for (int f = 100; f < FRAMES; f++) clip.speech.take[f] = 1;
    stk_free(clip.usable);
    TEST_OK(stk_encoder_clip_prepare(&clip));
    for (int i = 0; i < clip.count; i++) {
        const int f = clip.usable[i];
        assert_true(f != 60 && abs(f - 80) > 2 && (f < 98 || f >= 102));
        assert_true(i == 0 || f > clip.usable[i - 1]);
    }
    memset(clip.speech.state, STK_SPEECH_FACE, FRAMES);
    stk_free(clip.usable);
    assert_int_equal(stk_encoder_clip_prepare(&clip), STK_ERR_CONTENT);
    drop_clip(&clip);
}

static void sound_plain_is_the_row_of_its_frame(void **state) {
    static float rows[FRAMES * STK_SOUND_FLOATS], window[STK_SOUND_FLOATS];
    stk_encoder_clip clip;
    (void)state;
    make_clip(&clip, 1);
    stk_mel_rows(clip.speech.mel, clip.speech.columns, FRAMES, rows);
    for (int f = 2; f < FRAMES - 5; f += 7) {
        stk_encoder_sound_plain(&clip.speech, f, window);
        assert_memory_equal(window, rows + f * STK_SOUND_FLOATS, sizeof window);
    }
    drop_clip(&clip);
}

static void sound_spoilt_stays_in_range_and_like_itself(void **state) {
    static float plain[STK_SOUND_FLOATS], spoilt[STK_SOUND_FLOATS];
    stk_encoder_clip clip;
    stk_rng rng;
    double sum = 0;
    (void)state;
    make_clip(&clip, 2);
    for (int i = 0; i < 40; i++) {
        double ab = 0, aa = 0, bb = 0, a_mean = 0, b_mean = 0;
        stk_rng_seed(&rng, 1, (uint64_t)i);
        stk_encoder_sound_plain(&clip.speech, 30 + 2 * i, plain);
        stk_encoder_sound_spoilt(&clip.speech, 30 + 2 * i, &(stk_spoiling){&rng, 1}, spoilt);
        for (int k = 0; k < STK_SOUND_FLOATS; k++) {
            assert_true(spoilt[k] >= -4 && spoilt[k] <= 4);
            a_mean += (double)plain[k] / STK_SOUND_FLOATS;
            b_mean += (double)spoilt[k] / STK_SOUND_FLOATS;
        }
        for (int k = 0; k < STK_SOUND_FLOATS; k++) {
            const double a = (double)plain[k] - a_mean, b = (double)spoilt[k] - b_mean;
            ab += a * b, aa += a * a, bb += b * b;
        }
        sum += ab / sqrt(aa * bb);
        assert_true(memcmp(plain, spoilt, sizeof plain) != 0);
    }
    assert_true(sum / 40 > 0.6); /* 0.8 is usual; another window of the clip correlates less */
    drop_clip(&clip);
}

static void picture_plain_is_the_mouth_half_and_spoilt_stays_in_range(void **state) {
    static float lips[STK_LIPS_FLOATS];
    stk_encoder_clip clip;
    stk_rng rng;
    (void)state;
    make_clip(&clip, 0);
    stk_encoder_picture(&clip.speech, 40, NULL, lips);
    for (int f = 0; f < 5; f++) {
        const uint8_t *crop = clip.speech.crops + (size_t)(38 + f) * STK_SPEECH_CROP;
        const float *pixel = lips + (10 * 96 + 20) * STK_LIPS_CHANNELS;
        for (int k = 0; k < 3; k++)
            assert_true(fabsf(pixel[3 * f + k] -
                              (2.0f / 255 * crop[((48 + 10) * 96 + 20) * 3 + k] - 1)) < 1e-6f);
    }
    for (int i = 0; i < 10; i++) {
        stk_rng_seed(&rng, 2, (uint64_t)i);
        stk_encoder_picture(&clip.speech, 40, &(stk_spoiling){&rng, 1}, lips);
        for (int k = 0; k < STK_LIPS_FLOATS; k++) assert_true(lips[k] >= -1 && lips[k] <= 1);
        assert_true(lips[15] == 0);
    }
    drop_clip(&clip);
}

static void face_hides_the_mouth_it_asks_for(void **state) {
    static float face[STK_FACE_FLOATS], mouth[STK_MOUTH_FLOATS], again[STK_FACE_FLOATS];
    stk_encoder_clip clip;
    (void)state;
    make_clip(&clip, 0);
    stk_encoder_face(&clip.speech, 40, 90, 0, face, mouth);
    const uint8_t *p = clip.speech.crops + (size_t)40 * STK_SPEECH_CROP + (50 * 96 + 10) * 3;
    const float expected = (float)(p[0] + p[3] + p[96 * 3] + p[96 * 3 + 3]) / 1020;
    assert_true(fabsf(mouth[(1 * 48 + 5) * 3] - expected) < 1e-6f);
    /* a mouth painted over changes the target, not the input */
    memset(clip.speech.crops + (size_t)40 * STK_SPEECH_CROP + 48 * 96 * 3, 0, 48 * 96 * 3);
    stk_encoder_face(&clip.speech, 40, 90, 0, again, mouth);
    assert_memory_equal(face, again, sizeof face);
    assert_true(mouth[(1 * 48 + 5) * 3] == 0);
    drop_clip(&clip);
}

/* --- the trainer ------------------------------------------------------------------------------ */

static void choose_makes_groups_that_draw_together(void **state) {
    stk_encoder_clip clips[2];
    stk_encoder_trainer t = {.clips = clips, .clip_count = 2, .settings = {.seed = 1}};
    double weight[2] = {1, 1}; /* the second is held out */
    double span[2] = {0};
    (void)state;
    make_clip(&clips[0], 0);
    make_clip(&clips[1], 1);
    t.weight = weight;
    for (int late = 0; late < 2; late++)
        for (t.step = 0; t.step < 20; t.step++) {
            stk_encoder_choose(&t, late ? 1.0 : 0.0);
            for (int w = 0; w < WINDOWS; w++) {
                assert_int_equal(t.clip[w], 0);
                assert_true(t.place[w].reference >= clips[0].usable[0]);
                if (w >= GROUPS) {
                    const int gap = t.frame[w] - t.frame[w - GROUPS];
                    if (gap > 0) span[late] += gap / (20.0 * WINDOWS);
                    assert_true(gap < 0 || gap >= STK_SYNC_APART);
                }
            }
        }
    assert_true(span[1] > 2 && span[1] < 4 && span[0] > 6);
    drop_clip(&clips[0]);
    drop_clip(&clips[1]);
}

static void resume_continues_to_the_bit(void **state) {
    stk_encoder_clip clips[2];
    stk_encoder_trainer *a, *b;
    const char *output = temporary("resume.safetensors"), *path = temporary("resume.train");
    stk_encoder_settings settings = settings_of(output);
    const stk_encoder_offsets last = {12, 7, 0.25, -3, 0.5};
    (void)state;
    TEST_SKIP_SANITIZED("the run that is stopped and resumed is enough");
    make_clip(&clips[0], 0);
    make_clip(&clips[1], 1);
    TEST_OK(stk_encoder_trainer_create(&a, &settings, clips, 2));
    TEST_OK(stk_encoder_step(a, 0.1));
    a->worse = 4, a->looked = 0, a->last = last; /* what decides when to end, and what to keep */
    TEST_OK(stk_encoder_state_save(a, path));
    TEST_OK(stk_encoder_step(a, 0.2));
    settings.threads = 1;
    TEST_OK(stk_encoder_trainer_create(&b, &settings, clips, 2));
    TEST_OK(stk_encoder_state_load(b, path));
    TEST_OK(stk_encoder_step(b, 0.2));
    assert_memory_equal(a->params.value, b->params.value, a->params.total * sizeof(float));
    assert_memory_equal(a->first, b->first, a->params.total * sizeof(float));
    assert_true(a->step == 2 && b->step == 2 && a->mean_loss == b->mean_loss);
    assert_true(b->worse == 4 && b->looked == 0 && b->last.windows == last.windows &&
                b->last.right == last.right && b->last.whole == last.whole &&
                b->last.confidence == last.confidence &&
                b->last.whole_confidence == last.whole_confidence);
    b->settings.seed = 4;
    assert_int_equal(stk_encoder_state_load(b, path), STK_ERR_MISMATCH);
    b->settings.seed = 3;
    b->settings.float32 = 1;
    assert_int_equal(stk_encoder_state_load(b, path), STK_ERR_MISMATCH);
    stk_encoder_trainer_free(&a);
    stk_encoder_trainer_free(&b);
    drop_clip(&clips[0]);
    drop_clip(&clips[1]);
}

/* One weight after the other is spoilt; what fails is the very next step. The published loss alone
 * keeps its logarithms away from 0 and 1, but not from what is no number. */
static void a_weight_that_is_no_number_fails_the_step(void **state) {
    static const struct {
        const char *name;
        stk_sync_weights sync;
    } spoilt[] = {{"0.conv_block.0.weight", {0.5f, 1}},
                  {"picture.4.conv_block.0.weight", {1, 0}},
                  {"decoder.1.conv_block.0.weight", {0.5f, 1}},
                  {"similarity.log_scale", {1, 0}}};
    stk_encoder_clip clip;
    stk_encoder_trainer *t;
    const stk_encoder_settings settings = settings_of("x.safetensors");
    (void)state;
    make_clip(&clip, 0);
    TEST_OK(stk_encoder_trainer_create(&t, &settings, &clip, 1));
    memcpy(t->params.ema, t->params.value, t->params.total * sizeof(float));
    for (size_t i = 0; i < STK_ARRAY_SIZE(spoilt); i++) {
        const int index = stk_params_find(&t->params, spoilt[i].name);
        assert_true(index >= 0);
        memcpy(t->params.value, t->params.ema, t->params.total * sizeof(float));
        stk_params_value(&t->params, index)[0] = NAN;
        for (int k = 0; k < STK_SYNC_PARTS; k++) TEST_OK(stk_stack_load(&t->stack[k]));
        t->settings.sync = spoilt[i].sync;
        t->broken = 0;
        if (stk_encoder_step(t, 0.1) != STK_ERR_NUMERIC) fail_msg("%s", spoilt[i].name);
    }
    stk_encoder_trainer_free(&t);
    drop_clip(&clip);
}

/* float16 weights are off by 2^-11 each; through 13 layers that adds up to a few tenths of a
 * percent of the code's length. */
static void saved_encoder_is_heard_through_as_ave(void **state) {
    static float windows[WINDOWS * STK_SOUND_FLOATS], features[WINDOWS * STK_AVE_FLOATS];
    stk_encoder_clip clip;
    stk_encoder_trainer *t;
    stk_ave_encoder *encoder;
    stk_safetensors *file;
    char picture[STK_PATH_MAX];
    const char *path = temporary("encoder.safetensors");
    stk_encoder_settings settings = settings_of(path);
    (void)state;
    settings.float32 = 1;
    make_clip(&clip, 0);
    TEST_OK(stk_encoder_trainer_create(&t, &settings, &clip, 1));
    TEST_OK(stk_encoder_step(t, 0.5));
    TEST_OK(stk_encoder_save(t, t->params.value, path));
    assert_true(stk_file_size(path) < 6000000);
    for (int w = 0; w < WINDOWS; w++)
        stk_encoder_sound_plain(&clip.speech, 20 + w, windows + w * STK_SOUND_FLOATS);
    TEST_OK(stk_ave_encoder_create(&encoder, path));
    TEST_OK(stk_ave_encoder_run(encoder, WINDOWS, windows, features));
    TEST_OK(stk_stack_forward(&t->stack[STK_SYNC_SOUND], windows, 0));
    assert_true(test_relative_l2(features, stk_stack_output(&t->stack[STK_SYNC_SOUND]),
                                 (size_t)WINDOWS * STK_AVE_FLOATS) < 5e-3);
    TEST_OK(stk_encoder_picture_path(path, picture));
    TEST_OK(stk_safetensors_open(&file, picture));
    assert_non_null(stk_safetensors_find(file, "picture.8.conv_block.1.running_var"));
    assert_non_null(stk_safetensors_find(file, "similarity.log_scale"));
    assert_null(stk_safetensors_find(file, "decoder.0.conv_block.0.weight"));
    assert_non_null(strstr(stk_safetensors_metadata(file, "clips"), "made0"));
    char digest[STK_SHA256_TEXT];
    TEST_OK(stk_sha256_file(path, digest));
    assert_string_equal(stk_safetensors_metadata(file, "sound_sha256"), digest);
    stk_safetensors_close(&file);
    stk_ave_encoder_free(&encoder);
    stk_encoder_trainer_free(&t);
    drop_clip(&clip);
}

/* --- the run ---------------------------------------------------------------------------------- */

static const char *write_clip(int number) {
    char name[32];
    snprintf(name, sizeof name, "made%d.speech", number);
    const char *path = temporary(name);
    synthetic_speech_write(path, number);
    return path;
}

static int stop_after_one(void *user) {
    return ++*(int *)user > 1;
}

static void assert_same_files(const char *a, const char *b) {
    char digest[2][STK_SHA256_TEXT];
    TEST_OK(stk_sha256_file(a, digest[0]));
    TEST_OK(stk_sha256_file(b, digest[1]));
    assert_string_equal(digest[0], digest[1]);
}

/* The look of the interruption comes at a step at which the other run does not look. */
static void run_stopped_and_resumed_is_the_uninterrupted_one(void **state) {
    char clips[STK_PATH_MAX], held_out[STK_PATH_MAX], whole[STK_PATH_MAX], parts[STK_PATH_MAX];
    char picture[2][STK_PATH_MAX], curve[STK_PATH_MAX], *text;
    int asked = 0;
    const stk_job job = {.aborted = stop_after_one, .user = &asked};
    stk_encoder_figures figures;
    (void)state;
    snprintf(clips, sizeof clips, "%s", write_clip(0));
    snprintf(held_out, sizeof held_out, "%s", write_clip(1));
    snprintf(whole, sizeof whole, "%s", temporary("whole.safetensors"));
    snprintf(parts, sizeof parts, "%s", temporary("parts.safetensors"));
    snprintf(curve, sizeof curve, "%s", temporary("run.csv"));
    stk_encoder_settings settings = settings_of(whole);
    settings.clips = clips;
    settings.hold_out = held_out;
    settings.steps = 3;
    settings.evaluate_steps = 2;
    TEST_OK(stk_encoder_train(&settings, NULL, &figures));
    settings.output = parts;
    settings.curve = curve;
    assert_int_equal(stk_encoder_train(&settings, &job, &figures), STK_ERR_ABORTED);
    assert_true(figures.steps == 1 && figures.windows == 2 && stk_file_exists(parts));
    settings.resume = 1;
    TEST_OK(stk_encoder_train(&settings, NULL, &figures));
    assert_true(figures.steps == 3 && figures.windows == 2);
    assert_same_files(whole, parts);
    TEST_OK(stk_encoder_picture_path(whole, picture[0]));
    TEST_OK(stk_encoder_picture_path(parts, picture[1]));
    assert_same_files(picture[0], picture[1]);
    TEST_OK(stk_file_read_text(curve, 4096, &text));
    assert_non_null(strstr(text, "seconds,step,loss"));
    assert_non_null(strstr(text, ",2,"));
    stk_free(text);
    settings.resume = 0;
    settings.hold_out = clips;
    assert_int_equal(stk_encoder_train(&settings, NULL, &figures), STK_ERR_ARGUMENT);
}

/* A folder where the state is to be written: found only when it is. */
static void a_run_that_fails_writes_its_best_weights(void **state) {
    char clips[STK_PATH_MAX], output[STK_PATH_MAX], blocked[STK_PATH_MAX];
    stk_encoder_figures figures;
    (void)state;
    snprintf(clips, sizeof clips, "%s", write_clip(0));
    snprintf(output, sizeof output, "%s", temporary("failed.safetensors"));
    snprintf(blocked, sizeof blocked, "%.4000s.train", output);
    TEST_OK(stk_directory_create(blocked));
    stk_encoder_settings settings = settings_of(output);
    settings.clips = clips;
    settings.steps = 1;
    assert_int_equal(stk_encoder_train(&settings, NULL, &figures), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "best weights so far, of step 1, are in"));
    assert_true(stk_file_exists(output));
}

/* A clip is known by its bytes; what was cut of it before is used unless it cannot be read. */
static void cut_speech_is_kept_by_what_the_clip_holds(void **state) {
    char clip[STK_PATH_MAX], folder[STK_PATH_MAX], file[2][STK_PATH_MAX];
    char bytes[] = "no video, but that is seen only where it is cut";
    stk_encoder_settings settings = settings_of(temporary("kept.safetensors"));
    stk_encoder_clip *clips;
    int count;
    (void)state;
    snprintf(clip, sizeof clip, "%s", temporary("clip.mp4"));
    settings.clips = clip;
    TEST_OK(stk_file_write(clip, bytes, sizeof bytes));
    TEST_OK(stk_encoder_cut_name(&settings, clip, folder, file[0]));
    bytes[3] = 'V';
    TEST_OK(stk_file_write(clip, bytes, sizeof bytes));
    TEST_OK(stk_encoder_cut_name(&settings, clip, folder, file[1]));
    assert_string_not_equal(file[0], file[1]);
    TEST_OK(stk_directory_create(folder));
    synthetic_speech_write(file[1], 0);
    TEST_OK(stk_encoder_clips_open(&settings, NULL, &clips, &count));
    assert_int_equal(count, 1);
    stk_encoder_clips_free(&clips, count);
    TEST_OK(stk_file_write(file[1], bytes, sizeof bytes));
    assert_int_not_equal(stk_encoder_clips_open(&settings, NULL, &clips, &count), STK_OK);
    assert_non_null(strstr(stk_error_text(), "clip.mp4: ")); /* it was about to be cut again */
}

static void output_that_could_not_be_read_back_is_refused(void **state) {
    stk_encoder_figures figures;
    stk_encoder_settings settings = settings_of(temporary("encoder.pt"));
    (void)state;
    settings.clips = "/nowhere.speech";
    assert_int_equal(stk_encoder_train(&settings, NULL, &figures), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "encoder.pt.safetensors"));
}

/* --- learning --------------------------------------------------------------------------------- */

/* Two small nets of the same inputs and codes: what the losses and the samples teach, in a second. */
static const stk_stack_block SMALL_SOUND[] = {
    {80, 16, 1, 16, 20, 8, 20, 4, 0, 0, 1, 0, 1},
    {4, 3, 16, 64, 4, 3, 1, 1, 0, 0, 1, 0, 1},
    {1, 1, 64, 512, 1, 1, 1, 1, 0, 0, 1, 0, 1},
};
static const stk_stack_block SMALL_PICTURE[] = {
    {48, 96, 16, 16, 8, 8, 8, 8, 0, 0, 1, 0, 1},
    {6, 12, 16, 64, 6, 12, 1, 1, 0, 0, 1, 0, 1},
    {1, 1, 64, 512, 1, 1, 1, 1, 0, 0, 1, 0, 1},
};

static void small_step(stk_encoder_trainer *t, stk_stack *sound, stk_stack *picture,
                       stk_sync_figures *figures) {
    const stk_adam adam = {3e-3f,
                           0,
                           0.9f,
                           0.99f,
                           1e-8f,
                           (float)(1 - pow(0.9, t->step + 1.0)),
                           (float)(1 - pow(0.99, t->step + 1.0))};
    stk_encoder_choose(t, 0);
    for (int w = 0; w < WINDOWS; w++) {
        const stk_speech *s = &t->clips[t->place[w].clip].speech;
        stk_encoder_sound_plain(s, t->place[w].frame, t->sound + w * STK_SOUND_FLOATS);
        stk_encoder_picture(s, t->place[w].frame, NULL, t->picture + w * STK_LIPS_FLOATS);
    }
    TEST_OK(stk_stack_forward(sound, t->sound, 1));
    TEST_OK(stk_stack_forward(picture, t->picture, 1));
    stk_sync_loss_run(&t->loss, &t->settings.sync, stk_stack_output(sound),
                      stk_stack_output(picture), t->clip, t->frame, logf(10), figures);
    TEST_OK(stk_stack_backward(sound, t->loss.dsound, NULL));
    TEST_OK(stk_stack_backward(picture, t->loss.dpicture, NULL));
    t->kernels.adam(&adam, t->params.total, t->params.grad, t->params.value, t->first, t->params.v);
    TEST_OK(stk_stack_load(sound));
    TEST_OK(stk_stack_load(picture));
    t->step++;
}

/* Plain Adam over the whole store: the running statistics get no gradient and stay. */
static void discriminator_learns_which_sound_belongs_to_which_lips(void **state) {
    stk_encoder_clip clips[2];
    stk_encoder_trainer t = {.clips = clips, .clip_count = 2, .settings = {.seed = 1}};
    stk_stack *sound = &t.stack[0], *picture = &t.stack[1];
    double weight[2] = {1, 2}, first = 0, last = 0;
    stk_sync_figures figures;
    stk_rng rng;
    (void)state;
    make_clip(&clips[0], 0);
    make_clip(&clips[1], 1);
    t.settings.sync = (stk_sync_weights){0.5f, 1};
    t.weight = weight;
    stk_rng_seed(&rng, 1, 1);
    stk_layer_kernels_init(&t.kernels);
    TEST_OK(stk_params_init(&t.params));
    TEST_OK(stk_stack_register(sound, &t.params, "sound.", SMALL_SOUND, 3));
    TEST_OK(stk_stack_register(picture, &t.params, "picture.", SMALL_PICTURE, 3));
    TEST_OK(stk_params_seal(&t.params, 1));
    stk_stack_init(sound, &rng);
    stk_stack_init(picture, &rng);
    const stk_stack_options options = {TASKS, MICRO, 0, 0};
    TEST_OK(stk_stack_open(sound, NULL, &options));
    TEST_OK(stk_stack_open(picture, NULL, &options));
    TEST_OK(stk_stack_load(sound));
    TEST_OK(stk_stack_load(picture));
    TEST_OK(stk_sync_loss_init(&t.loss, WINDOWS));
    t.first = stk_calloc_aligned(t.params.total, sizeof(float));
    t.sound = stk_calloc_aligned((size_t)WINDOWS * STK_SOUND_FLOATS, sizeof(float));
    t.picture = stk_calloc_aligned((size_t)WINDOWS * STK_LIPS_FLOATS, sizeof(float));
    const int steps = SANITIZED ? 2 : 80;
    for (int i = 0; i < steps; i++) {
        small_step(&t, sound, picture, &figures);
        if (i == 0) first = figures.hits;
        if (i >= steps - 10) last += figures.hits / 10;
    }
    assert_true(first < 0.15); /* 1 in 64 by chance */
    assert_true(SANITIZED || (last > 0.6 && figures.apart > 0.2));
    stk_stack_close(sound);
    stk_stack_close(picture);
    stk_params_clear(&t.params);
    stk_sync_loss_clear(&t.loss);
    stk_free(t.first);
    stk_free(t.sound);
    stk_free(t.picture);
    drop_clip(&clips[0]);
    drop_clip(&clips[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_takes_frames_with_lips_sound_and_speech),
        cmocka_unit_test(sound_plain_is_the_row_of_its_frame),
        cmocka_unit_test(sound_spoilt_stays_in_range_and_like_itself),
        cmocka_unit_test(picture_plain_is_the_mouth_half_and_spoilt_stays_in_range),
        cmocka_unit_test(face_hides_the_mouth_it_asks_for),
        cmocka_unit_test(choose_makes_groups_that_draw_together),
        cmocka_unit_test(resume_continues_to_the_bit),
        cmocka_unit_test(a_weight_that_is_no_number_fails_the_step),
        cmocka_unit_test(saved_encoder_is_heard_through_as_ave),
        cmocka_unit_test(run_stopped_and_resumed_is_the_uninterrupted_one),
        cmocka_unit_test(a_run_that_fails_writes_its_best_weights),
        cmocka_unit_test(cut_speech_is_kept_by_what_the_clip_holds),
        cmocka_unit_test(output_that_could_not_be_read_back_is_refused),
        cmocka_unit_test(discriminator_learns_which_sound_belongs_to_which_lips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
