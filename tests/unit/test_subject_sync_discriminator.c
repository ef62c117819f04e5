/* test_subject_sync_discriminator.c - a pair of files as encoder training writes it, of random
 * weights, on made-up speech: it gives the distances that training measures by; pairs that do not
 * belong together and damaged files are refused. */
#include "support.h"
#include "synthetic_encoder.h"

#include "base/memory.h"
#include "face_sync/sync_nets.h"
#include "nn/dtype.h"
#include "nn/safetensors.h"
#include "subject/speech_windows.h"
#include "subject/sync.h"
#include "train/encoder_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 120, COLUMNS = FRAMES * 16 / 5 + 1 };

static struct {
    stk_encoder_trainer *trainer;
    stk_encoder_clip clip;
    stk_lip_sync_files files;
} made;

/* Crops of a colour, and sound of a spectrum, that change from frame to frame. */
static void make_clip(stk_encoder_clip *clip) {
    stk_speech *s = &clip->speech;
    stk_rng rng;
    stk_rng_seed(&rng, 3, 1);
    *clip = (stk_encoder_clip){0};
    *s = (stk_speech){.frames = FRAMES, .columns = COLUMNS, .name = "made"};
    s->crops = stk_calloc_aligned(FRAMES, STK_SPEECH_CROP);
    s->state = stk_calloc_aligned(FRAMES, 1);
    s->take = stk_calloc_aligned(FRAMES, sizeof *s->take);
    s->opening = stk_calloc_aligned(FRAMES, sizeof *s->opening);
    s->mel = stk_calloc_aligned((size_t)COLUMNS * STK_MEL_BINS, sizeof *s->mel);
    for (int f = 0; f < FRAMES; f++) {
        const float red = stk_rng_float(&rng), row = 48 + 40 * stk_rng_float(&rng);
        s->state[f] = STK_SPEECH_SPEAKS;
        s->opening[f] = 0.3f * red;
        for (int i = 0; i < 96 * 96; i++) {
            uint8_t *pixel = s->crops + (size_t)f * STK_SPEECH_CROP + (size_t)(3 * i);
            pixel[0] = (uint8_t)(255 * red);
            pixel[1] = (uint8_t)(fabsf((float)(i / 96) - row) < 8 ? 20 : 200);
            pixel[2] = (uint8_t)(2 * (i % 96));
        }
    }
    for (int c = 0; c < COLUMNS; c++) {
        const float level = 4 * stk_rng_float(&rng) - 2, slope = 3 * stk_rng_float(&rng) - 1.5f;
        for (int b = 0; b < STK_MEL_BINS; b++)
            s->mel[b * COLUMNS + c] = level + slope * (float)(b - 40) / 40;
    }
    TEST_OK(stk_encoder_clip_prepare(clip));
}

static void fill(const stk_stack *stack, int index, float low, float high, stk_rng *rng) {
    float *v = stk_params_value(stack->params, index);
    for (size_t i = 0; i < stack->params->list[index].count; i++)
        v[i] = low + (high - low) * stk_rng_float(rng);
}

/* Norms that do something, and convolutions of the very numbers that the files will hold. */
static void roughen(stk_stack *stack, stk_rng *rng) {
    for (int b = 0; b < stack->n; b++) {
        const stk_stack_layer *l = &stack->layer[b];
        float *w = stk_params_value(stack->params, l->weight);
        fill(stack, l->gain, 0.6f, 1.2f, rng);
        fill(stack, l->shift, -0.4f, 0.4f, rng);
        fill(stack, l->mean, -0.4f, 0.4f, rng);
        fill(stack, l->variance, 0.5f, 2, rng);
        for (size_t i = 0; i < stack->params->list[l->weight].count; i++)
            w[i] = stk_half_to_float(stk_float_to_half(w[i]));
    }
    TEST_OK(stk_stack_load(stack));
}

static int setup(void **state) {
    stk_rng rng;
    char sound[STK_PATH_MAX];
    (void)state;
    snprintf(sound, sizeof sound, "%s/encoder.safetensors", test_temporary_folder());
    const stk_encoder_settings settings = {.output = sound,
                                           .steps = 1,
                                           .threads = 2,
                                           .seed = 5,
                                           .rate = 1e-3f,
                                           .sync = {0.5f, 1},
                                           .reconstruction = 1,
                                           .float32 = 1};
    make_clip(&made.clip);
    TEST_OK(stk_encoder_trainer_create(&made.trainer, &settings, &made.clip, 1));
    stk_rng_seed(&rng, 9, 1);
    roughen(&made.trainer->stack[STK_SYNC_SOUND], &rng);
    roughen(&made.trainer->stack[STK_SYNC_PICTURE], &rng);
    TEST_OK(stk_encoder_save(made.trainer, made.trainer->params.value, sound));
    TEST_OK(stk_lip_sync_locate(NULL, sound, &made.files));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stk_encoder_trainer_free(&made.trainer);
    stk_free(made.clip.speech.crops);
    stk_encoder_clip_clear(&made.clip);
    return 0;
}

/* --- what it measures ------------------------------------------------------------------------- */

/* Windows apart, overlapping, back again, and up to the end, where the sound of two frames lies
 * beyond the spectrogram; without a face about frame 60. */
static void distances_are_those_of_training(void **state) {
    static float wanted[FRAMES][STK_OFFSETS], is[STK_SYNC_WINDOW][STK_SYNC_SHIFTS];
    const stk_sync_window windows[] = {{15, 20}, {50, 25}, {70, 35}, {30, 50}, {31, 49}};
    stk_lip_sync *nets;
    stk_discriminator *d;
    float low = 2, high = 0;
    int missing = 0;
    (void)state;
    made.clip.speech.state[60] = STK_SPEECH_NONE;
    TEST_OK(stk_encoder_distances(made.trainer, &made.clip, 0, FRAMES, wanted[0]));
    TEST_OK(stk_lip_sync_create(&nets, &made.files));
    TEST_OK(stk_discriminator_create(&d, nets, &made.clip.speech));
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        TEST_OK(stk_discriminator_distances(d, &windows[w], is));
        for (int i = 0; i < windows[w].count; i++)
            for (int k = 0; k < STK_SYNC_SHIFTS; k++) {
                const float want = wanted[windows[w].first + i][k];
                assert_true(fabsf(is[i][k] - want) < 1e-3f);
                missing += want < 0;
                if (want >= 0) low = fminf(low, want), high = fmaxf(high, want);
            }
    }
    assert_true(high - low > 0.02f); /* they tell windows apart by more than the tolerance */
    assert_true(missing >= 5 * STK_SYNC_SHIFTS);
    made.clip.speech.state[60] = STK_SPEECH_SPEAKS;
    stk_discriminator_free(&d);
    stk_lip_sync_free(&nets);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_gives_mean_distances_and_syncnets_confidence(void **state) {
    static float distances[FRAMES][STK_OFFSETS];
    double mean[STK_OFFSETS] = {0};
    stk_sync_report sync;
    stk_lip_sync *nets;
    (void)state;
    TEST_OK(stk_lip_sync_create(&nets, &made.files));
    TEST_OK(stk_sync_measure(&made.clip.speech, NULL, NULL, &sync));
    TEST_OK(stk_sync_add_discriminator(&made.clip.speech, nets, NULL, &sync));
    assert_int_equal(sync.count, 2);
    const stk_sync_figure *f = &sync.by[1];
    assert_string_equal(f->measure, "discriminator");
    TEST_OK(stk_encoder_distances(made.trainer, &made.clip, 0, FRAMES, distances[0]));
    for (int w = 0; w < sync.windows; w++) {
        int good = 0;
        double sum[STK_OFFSETS] = {0};
        for (int i = sync.at[w].first; i < sync.at[w].first + sync.at[w].count; i++) {
            /* the clip's first and last two frames have no sound */
            if (distances[i][0] < 0 || distances[i][STK_OFFSETS - 1] < 0) continue;
            for (int k = 0; k < STK_OFFSETS; k++) sum[k] += (double)distances[i][k];
            good++;
        }
        for (int k = 0; k < STK_OFFSETS; k++) mean[k] += sum[k] / good / sync.windows;
    }
    for (int k = 0; k < STK_OFFSETS; k++) assert_float_equal(f->curve[k], -mean[k], 1e-3);
    qsort(mean, STK_OFFSETS, sizeof mean[0], compare);
    assert_float_equal(f->confidence_syncnet, mean[STK_OFFSETS / 2] - mean[0], 2e-3);
    assert_true(f->confidence_syncnet > 0 && sync.by[0].confidence_syncnet == 0);
    const double margin = f->confidence_syncnet / 0.035; /* a shallow peak is never sure */
    assert_true(f->confidence <= 1 - exp(-margin * margin));
    stk_lip_sync_free(&nets);
}

/* 2.4 s leave a window of 30 frames; in 1.6 s there is none. */
static void add_short_clip_is_measured_down_to_two_seconds(void **state) {
    stk_speech s = made.clip.speech;
    stk_sync_report sync;
    stk_lip_sync *nets;
    (void)state;
    TEST_OK(stk_lip_sync_create(&nets, &made.files));
    s.frames = 60;
    TEST_OK(stk_sync_measure(&s, NULL, NULL, &sync));
    assert_int_equal(sync.windows, 1);
    TEST_OK(stk_sync_add_discriminator(&s, nets, NULL, &sync));
    assert_true(sync.count == 2 && sync.by[1].curve[0] < 0);
    s.frames = 40;
    assert_int_equal(stk_sync_measure(&s, NULL, NULL, &sync), STK_ERR_CONTENT);
    stk_lip_sync_free(&nets);
}

/* A file may hold less sound than picture. */
static void add_without_sound_says_nothing(void **state) {
    stk_speech s = made.clip.speech;
    stk_sync_report sync;
    stk_lip_sync *nets;
    (void)state;
    TEST_OK(stk_lip_sync_create(&nets, &made.files));
    TEST_OK(stk_sync_measure(&s, NULL, NULL, &sync));
    s.columns = 20;
    TEST_OK(stk_sync_add_discriminator(&s, nets, NULL, &sync));
    assert_true(sync.by[1].confidence == 0 && sync.by[1].confidence_syncnet == 0);
    stk_lip_sync_free(&nets);
}

/* --- files ------------------------------------------------------------------------------------ */

static void refuses(const stk_lip_sync_files *files, stk_status status, const char *words) {
    stk_lip_sync *nets;
    assert_int_equal(stk_lip_sync_create(&nets, files), status);
    assert_null(nets);
    if (strstr(stk_error_text(), words) == NULL) fail_msg("%s", stk_error_text());
}

static void create_wrong_pair_is_refused(void **state) {
    stk_lip_sync_files files = made.files;
    char other[STK_PATH_MAX];
    (void)state;
    snprintf(other, sizeof other, "%s/other.safetensors", test_temporary_folder());
    TEST_OK(synthetic_encoder_write(other, 2));
    snprintf(files.sound, sizeof files.sound, "%s", other);
    refuses(&files, STK_ERR_MISMATCH, "learned with another sound side");
    assert_int_equal(stk_lip_sync_locate(NULL, other, &files), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "other.picture.safetensors"));
    assert_int_equal(stk_lip_sync_locate(NULL, "/nowhere/e.safetensors", &files), STK_ERR_IO);
}

static void create_damaged_file_is_refused(void **state) {
    stk_lip_sync_files files = made.files;
    char *bytes;
    size_t size;
    (void)state;
    snprintf(files.picture, sizeof files.picture, "%s", files.sound);
    refuses(&files, STK_ERR_WEIGHTS, "54 of its 54 tensors are missing");
    snprintf(files.picture, sizeof files.picture, "%s/other.safetensors", test_temporary_folder());
    TEST_OK(synthetic_encoder_write(files.picture, 2));
    refuses(&files, STK_ERR_WEIGHTS, "names no sound side");
    snprintf(files.picture, sizeof files.picture, "%s/cut.safetensors", test_temporary_folder());
    size = (size_t)stk_file_size(made.files.picture) / 2;
    bytes = malloc(size);
    assert_non_null(bytes);
    FILE *file = fopen(made.files.picture, "rb");
    assert_true(file != NULL && fread(bytes, 1, size, file) == size);
    fclose(file);
    file = fopen(files.picture, "wb");
    assert_true(file != NULL && fwrite(bytes, 1, size, file) == size);
    fclose(file);
    free(bytes);
    refuses(&files, STK_ERR_WEIGHTS, "is not the picture side");
}

static void create_weights_that_are_no_numbers_are_refused(void **state) {
    stk_lip_sync_files files;
    char sound[STK_PATH_MAX];
    stk_params *params = &made.trainer->params;
    (void)state;
    snprintf(sound, sizeof sound, "%s/nan.safetensors", test_temporary_folder());
    const char *names[] = {"picture.4.conv_block.0.weight", "picture.8.conv_block.1.running_var",
                           "3.conv_block.0.weight"};
    const float wrong[] = {NAN, -1, INFINITY};
    for (int i = 0; i < 3; i++) {
        float *v = stk_params_value(params, stk_params_find(params, names[i])) + 7;
        const float kept = *v;
        *v = wrong[i];
        TEST_OK(stk_encoder_save(made.trainer, params->value, sound));
        *v = kept;
        TEST_OK(stk_lip_sync_locate(NULL, sound, &files));
        refuses(&files, STK_ERR_WEIGHTS, "holds no numbers");
    }
}

/* The folder of weights has the pair, then the picture side alone: there the program's own is. */
static void find_takes_a_whole_pair_or_the_builtin(void **state) {
    stk_lip_sync_files files;
    char folder[STK_PATH_MAX], away[STK_PATH_MAX + 8];
    const void *bytes;
    size_t size;
    (void)state;
    snprintf(folder, sizeof folder, "%s", made.files.sound);
    *strrchr(folder, '/') = '\0';
    assert_true(stk_lip_sync_find(folder, &files));
    assert_string_equal(files.sound, made.files.sound);
    assert_string_equal(files.picture, made.files.picture);
    snprintf(away, sizeof away, "%s.away", made.files.sound);
    assert_int_equal(rename(made.files.sound, away), 0);
    if (stk_ave_builtin(&bytes, &size)) {
        stk_lip_sync *nets;
        assert_true(stk_lip_sync_find(folder, &files));
        assert_string_equal(files.sound, STK_AVE_BUILTIN);
        assert_string_equal(files.picture, STK_AVE_BUILTIN);
        TEST_OK(stk_lip_sync_create(&nets, &files));
        stk_lip_sync_free(&nets);
    }
    assert_int_equal(rename(away, made.files.sound), 0);
}

/* --- one file --------------------------------------------------------------------------------- */

static double cosine(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < STK_SYNC_CODE; i++) sum += (double)a[i] * (double)b[i];
    return sum; /* of units */
}

/* Codes hardly turn, of sound or picture; packing twice changes nothing more. */
static void pack_keeps_what_the_nets_say(void **state) {
    static float window[STK_SOUND_FLOATS], lips[STK_LIPS_FLOATS], code[2][2][STK_SYNC_CODE];
    char path[2][STK_PATH_MAX], digest[STK_SHA256_TEXT];
    stk_lip_sync_files files = made.files;
    stk_lip_sync *nets;
    stk_safetensors *file;
    (void)state;
    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/packed%d.safetensors", test_temporary_folder(), i);
    TEST_OK(stk_lip_sync_pack(made.files.sound, path[0]));
    TEST_OK(stk_lip_sync_pack(path[0], path[1]));
    assert_int_equal(stk_lip_sync_pack(path[0], path[0]), STK_ERR_ARGUMENT);
    stk_encoder_sound_plain(&made.clip.speech, 40, window);
    stk_encoder_lips_plain(&made.clip.speech, 40, lips);
    for (int i = 0; i < 2; i++) {
        TEST_OK(stk_lip_sync_create(&nets, &files));
        TEST_OK(stk_lip_sync_sound(nets, 1, window, code[i][0]));
        TEST_OK(stk_lip_sync_picture(nets, 1, lips, code[i][1]));
        stk_lip_sync_free(&nets);
        TEST_OK(stk_lip_sync_locate(NULL, path[1], &files));
        assert_string_equal(files.picture, path[1]);
    }
    assert_true(cosine(code[0][0], code[1][0]) > 0.999);
    assert_true(cosine(code[0][1], code[1][1]) > 0.999);
    assert_in_range(stk_file_size(path[1]), 5900000, 6000000); /* what may be shipped */
    TEST_OK(stk_safetensors_open(&file, path[0]));
    TEST_OK(stk_sha256_file(made.files.sound, digest));
    assert_string_equal(stk_safetensors_metadata(file, "packed_sound_sha256"), digest);
    assert_int_equal(stk_safetensors_find(file, "11.conv_block.0.weight")->dtype, STK_I8);
    assert_int_equal(stk_safetensors_find(file, "picture.7.conv_block.0.weight")->dtype, STK_I8);
    assert_int_equal(stk_safetensors_find(file, "1.conv_block.0.weight")->dtype, STK_F16);
    stk_safetensors_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_those_of_training),
        cmocka_unit_test(add_gives_mean_distances_and_syncnets_confidence),
        cmocka_unit_test(add_short_clip_is_measured_down_to_two_seconds),
        cmocka_unit_test(add_without_sound_says_nothing),
        cmocka_unit_test(create_wrong_pair_is_refused),
        cmocka_unit_test(create_damaged_file_is_refused),
        cmocka_unit_test(create_weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(find_takes_a_whole_pair_or_the_builtin),
        cmocka_unit_test(pack_keeps_what_the_nets_say),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
