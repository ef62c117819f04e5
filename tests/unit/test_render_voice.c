/* A voice decoded in pieces: the codes are those of the whole sound, the memory is not. The same
 * through the audio-visual encoder and from feature files; and what is said when these are not as
 * they should be. */
#include "support.h"
#include "synthetic_encoder.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "face_sync/ave_encoder.h"
#include "media/media.h"
#include "nn/safetensors.h"
#include "render/voice.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RATE = 22050, ROW = STK_MEL_BINS * STK_MEL_STEPS };
static const char *folder;
static stk_nets nets;
static stk_rng rng;

static int make_nets(void **state) {
    (void)state;
    folder = test_temporary_folder();
    stk_rng_seed(&rng, 21, 0);
    const stk_model_config config = {STK_AUDIO_MEL, 1, 2, 1, 0};
    TEST_OK(stk_nets_init(&nets, &config, 0));
    stk_nets_randomise(&nets, &rng);
    return 0;
}

static int clear_nets(void **state) {
    (void)state;
    stk_nets_clear(&nets);
    return 0;
}

/* Noise that swells and fades, at a rate that must be resampled. */
static void write_sound(char path[STK_PATH_MAX], const char *name, double seconds) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    stk_sound sound = {.rate = RATE, .count = (int64_t)(seconds * RATE)};
    sound.samples = stk_calloc_aligned((size_t)sound.count, sizeof(float));
    assert_non_null(sound.samples);
    for (int64_t i = 0; i < sound.count; i++)
        sound.samples[i] = 0.3f * (1 + sinf(0.0004f * (float)i)) * (stk_rng_float(&rng) - 0.5f);
    TEST_OK(stk_sound_write_wav(path, &sound));
    stk_sound_clear(&sound);
}

/* Codes of all frames by way of the whole sound and its rows. Release with stk_free. */
static float *codes_of_whole(const char *path, int frames) {
    stk_sound sound;
    TEST_OK(stk_sound_read(path, STK_SAMPLE_RATE, 0, &sound));
    const int columns = stk_mel_columns(sound.count);
    float *mel = stk_calloc_aligned((size_t)columns * STK_MEL_BINS, sizeof(float));
    float *rows = stk_calloc_aligned((size_t)frames * ROW, sizeof(float));
    float *acts = stk_calloc_aligned(stk_audio_net_act_floats(&nets.audio), sizeof(float));
    float *codes = stk_calloc_aligned((size_t)frames * STK_AUDIO_CODE, sizeof(float));
    assert_true(mel != NULL && rows != NULL && acts != NULL && codes != NULL);
    TEST_OK(stk_mel_spectrogram(&sound, 0, mel, columns));
    stk_mel_rows(mel, columns, frames, rows);
    for (int i = 0; i < frames; i++) {
        const float *window[STK_AUDIO_WINDOW];
        stk_audio_window(rows, frames, ROW, i, window);
        stk_audio_net_forward(&nets.audio, &nets.params, nets.params.value, window, acts,
                              codes + (size_t)i * STK_AUDIO_CODE);
    }
    stk_sound_clear(&sound);
    stk_free(mel);
    stk_free(rows);
    stk_free(acts);
    return codes;
}

static void expect_code(stk_voice *voice, int frame, const float *codes) {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_voice_code(voice, nets.params.value, frame, code);
    const float *want = codes + (size_t)frame * STK_AUDIO_CODE;
    if (memcmp(code, want, sizeof code) != 0) fail_msg("frame %d has another code", frame);
}

static void code_equals_that_of_the_whole_sound(void **state) {
    (void)state;
    static const double lengths_s[] = {0.2, 0.33, 1.0, 30.013};
    for (size_t l = 0; l < STK_ARRAY_SIZE(lengths_s); l++) {
        char path[STK_PATH_MAX];
        stk_voice *voice;
        write_sound(path, "voice.wav", lengths_s[l]);
        TEST_OK(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &nets));
        const int frames = stk_voice_frames(voice);
        assert_int_equal(frames, lround(lengths_s[l] * STK_FPS));
        float *codes = codes_of_whole(path, frames);
        for (int i = 0; i < frames; i++) expect_code(voice, i, codes);
        /* a little back, far back, and leaping */
        for (int i = frames - 1; i >= 0 && i > frames - 9; i--) expect_code(voice, i, codes);
        for (int i = 0; i < frames; i += 1 + i / 2) expect_code(voice, i, codes);
        expect_code(voice, frames / 2, codes);
        TEST_OK(stk_voice_check(voice));
        stk_free(codes);
        stk_voice_close(&voice);
    }
}

/* Bytes on the heap after a sound was listened to from end to end, less those before. */
static int64_t heap_bytes_of_voice(const stk_voice_source *source, const stk_nets *with,
                                   int stride) {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_voice *voice;
    struct mallinfo2 before = mallinfo2();
    TEST_OK(stk_voice_open(&voice, source, with));
    const int frames = stk_voice_frames(voice);
    int64_t most = 0;
    for (int i = 0; i < frames; i += stride) {
        stk_voice_code(voice, with->params.value, i, code);
        struct mallinfo2 now = mallinfo2();
        int64_t bytes =
            (int64_t)(now.uordblks + now.hblkhd) - (int64_t)(before.uordblks + before.hblkhd);
        if (bytes > most) most = bytes;
    }
    stk_voice_close(&voice);
    return most;
}

/* The whole of the longer sound would take 11 MB at 16 kHz, its mel spectrogram another 4. */
static void memory_does_not_grow_with_the_sound(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    const stk_voice_source source = {.sound = path};
    write_sound(path, "short.wav", 10);
    heap_bytes_of_voice(&source, &nets, 40); /* what the libraries keep for good */
    const int64_t shorter = heap_bytes_of_voice(&source, &nets, 40);
    write_sound(path, "long.wav", 170);
    const int64_t longer = heap_bytes_of_voice(&source, &nets, 40);
    print_message("voice: %lld bytes for 10 s, %lld for 170 s\n", (long long)shorter,
                  (long long)longer);
    assert_true(longer < shorter + (1 << 16));
    assert_true(longer < 2 << 20);
}

static void open_too_short_or_missing_is_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    stk_voice *voice;
    write_sound(path, "short.wav", 0.15);
    assert_int_equal(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &nets),
                     STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "shorter than 0.2 s"));
    assert_null(voice);
    assert_int_equal(
        stk_voice_open(&voice, &(stk_voice_source){.sound = "/nonexistent.wav"}, &nets),
        STK_ERR_IO);
    assert_null(voice);
}

static void sound_that_vanishes_is_said(void **state) {
    (void)state;
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    char path[STK_PATH_MAX];
    stk_voice *voice;
    write_sound(path, "gone.wav", 4);
    TEST_OK(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &nets));
    stk_voice_code(voice, nets.params.value, 90, code);
    TEST_OK(stk_voice_check(voice));
    assert_int_equal(unlink(path), 0);
    stk_voice_code(voice, nets.params.value, 5, code); /* from the start again */
    assert_int_equal(stk_voice_check(voice), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "gone.wav"));
    for (int i = 0; i < STK_AUDIO_CODE; i++) assert_true(isfinite(code[i]));
    stk_voice_close(&voice);
}

/* --- through the encoder ---------------------------------------------------------------------- */

static void make_nets_of(stk_audio_kind kind, stk_nets *other) {
    const stk_model_config config = {kind, 1, 2, 1, 0};
    TEST_OK(stk_nets_init(other, &config, 0));
    stk_nets_randomise(other, &rng);
}

/* Codes of all frames from rows that are all there. Release with stk_free. */
static float *codes_of_rows(const stk_nets *with, const float *rows, int frames) {
    float *acts = stk_calloc_aligned(stk_audio_net_act_floats(&with->audio), sizeof(float));
    float *codes = stk_calloc_aligned((size_t)frames * STK_AUDIO_CODE, sizeof(float));
    assert_true(acts != NULL && codes != NULL);
    for (int i = 0; i < frames; i++) {
        const float *window[STK_AUDIO_WINDOW];
        stk_audio_window(rows, frames, with->audio.row_floats, i, window);
        stk_audio_net_forward(&with->audio, &with->params, with->params.value, window, acts,
                              codes + (size_t)i * STK_AUDIO_CODE);
    }
    stk_free(acts);
    return codes;
}

static void expect_codes(stk_voice *voice, const stk_nets *with, const float *codes) {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    const int frames = stk_voice_frames(voice);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < frames; i++) {
            const int frame = round == 0 ? i : round == 1 ? frames - 1 - i : i * 37 % frames;
            stk_voice_code(voice, with->params.value, frame, code);
            if (memcmp(code, codes + (size_t)frame * STK_AUDIO_CODE, sizeof code) != 0)
                fail_msg("frame %d has another code in round %d", frame, round);
        }
    TEST_OK(stk_voice_check(voice));
}

static void code_through_the_encoder_equals_that_of_the_whole_sound(void **state) {
    (void)state;
    char path[STK_PATH_MAX], weights[STK_PATH_MAX];
    stk_nets hearing;
    stk_voice *voice;
    stk_ave_encoder *encoder;
    stk_sound sound;
    make_nets_of(STK_AUDIO_AVE, &hearing);
    write_sound(path, "encoded.wav", 1.95);
    TEST_OK(stk_path_join(weights, sizeof weights, folder, "audio_visual_encoder.safetensors"));
    TEST_OK(synthetic_encoder_write(weights, 1));
    setenv("SYNCTALK_MODELS", folder, 1); /* found without being named */
    TEST_OK(stk_voice_open(&voice, &(stk_voice_source){.sound = path}, &hearing));
    unsetenv("SYNCTALK_MODELS");
    const int frames = stk_voice_frames(voice);
    TEST_OK(stk_ave_encoder_create(&encoder, weights));
    TEST_OK(stk_sound_read(path, STK_SAMPLE_RATE, 0, &sound));
    const int columns = stk_mel_columns(sound.count);
    float *mel = stk_calloc_aligned((size_t)columns * STK_MEL_BINS, sizeof(float));
    float *windows = stk_calloc_aligned((size_t)frames * ROW, sizeof(float));
    float *rows = stk_calloc_aligned((size_t)frames * STK_AVE_FLOATS, sizeof(float));
    assert_true(mel != NULL && windows != NULL && rows != NULL);
    TEST_OK(stk_mel_spectrogram(&sound, 0, mel, columns));
    stk_mel_rows(mel, columns, frames, windows);
    TEST_OK(stk_ave_encoder_run(encoder, frames, windows, rows));
    float *codes = codes_of_rows(&hearing, rows, frames);
    expect_codes(voice, &hearing, codes);
    stk_free(codes), stk_free(rows), stk_free(windows), stk_free(mel);
    stk_sound_clear(&sound);
    stk_ave_encoder_free(&encoder);
    stk_voice_close(&voice);
    stk_nets_clear(&hearing);
}

static void write_silence(char path[STK_PATH_MAX], double seconds) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, "silence.wav"));
    stk_sound sound = {.rate = RATE, .count = (int64_t)(seconds * RATE)};
    sound.samples = stk_calloc_aligned((size_t)sound.count, sizeof(float));
    assert_non_null(sound.samples);
    TEST_OK(stk_sound_write_wav(path, &sound));
    stk_sound_clear(&sound);
}

static void code_of(const stk_voice_source *source, const stk_nets *with, int frame,
                    float code[STK_AUDIO_CODE]) {
    stk_voice *voice;
    TEST_OK(stk_voice_open(&voice, source, with));
    stk_voice_code(voice, with->params.value, frame, code);
    TEST_OK(stk_voice_check(voice));
    stk_voice_close(&voice);
}

/* The gate's own code of closed lips and what silence gives without a gate. */
static void lips_at_rest_hear_digital_silence(void **state) {
    (void)state;
    static const stk_audio_kind KINDS[] = {STK_AUDIO_AVE, STK_AUDIO_MEL, STK_AUDIO_MEL_SPEAKER};
    char path[STK_PATH_MAX], weights[STK_PATH_MAX];
    float gated[STK_AUDIO_CODE], plain[STK_AUDIO_CODE];
    TEST_OK(stk_path_join(weights, sizeof weights, folder, "rest.safetensors"));
    TEST_OK(synthetic_encoder_write(weights, 1));
    write_silence(path, 2);
    for (size_t k = 0; k < STK_ARRAY_SIZE(KINDS); k++) {
        stk_nets hearing;
        stk_voice_source source = {.sound = path, .models = ""};
        if (KINDS[k] == STK_AUDIO_AVE) source.encoder = weights;
        make_nets_of(KINDS[k], &hearing);
        code_of(&source, &hearing, 25, plain);
        source.gate = 1;
        code_of(&source, &hearing, 25, gated);
        for (int c = 0; c < STK_AUDIO_CODE; c++) assert_float_equal(gated[c], plain[c], 1e-5);
        stk_nets_clear(&hearing);
    }
}

/* The same sound at a third of its level: to nets that hear in the speaker's measure it is the same,
 * to those that hear mel it is not. */
static void normalised_voice_does_not_hear_the_level(void **state) {
    (void)state;
    static const stk_audio_kind KINDS[] = {STK_AUDIO_MEL, STK_AUDIO_MEL_SPEAKER};
    char path[2][STK_PATH_MAX];
    double apart[2];
    stk_sound sound;
    write_sound(path[0], "loud.wav", 4);
    TEST_OK(stk_path_join(path[1], sizeof path[1], folder, "soft.wav"));
    TEST_OK(stk_sound_read(path[0], STK_SAMPLE_RATE, 0, &sound));
    for (int64_t i = 0; i < sound.count; i++) sound.samples[i] /= 3;
    TEST_OK(stk_sound_write_wav(path[1], &sound));
    stk_sound_clear(&sound);
    for (int k = 0; k < 2; k++) {
        float code[2][STK_AUDIO_CODE];
        stk_nets hearing;
        make_nets_of(KINDS[k], &hearing);
        apart[k] = 0;
        for (int frame = 30; frame < 60; frame += 10) {
            for (int i = 0; i < 2; i++)
                code_of(&(stk_voice_source){.sound = path[i]}, &hearing, frame, code[i]);
            for (int c = 0; c < STK_AUDIO_CODE; c++)
                apart[k] += fabs((double)code[0][c] - (double)code[1][c]);
        }
        stk_nets_clear(&hearing);
    }
    print_message("apart by the level: mel %g, normalised %g\n", apart[0], apart[1]);
    assert_true(apart[1] < 0.3 * apart[0]);
}

static void memory_does_not_grow_through_the_encoder(void **state) {
    (void)state;
    char path[STK_PATH_MAX], weights[STK_PATH_MAX];
    stk_nets hearing;
    make_nets_of(STK_AUDIO_AVE, &hearing);
    TEST_OK(stk_path_join(weights, sizeof weights, folder, "memory.safetensors"));
    TEST_OK(synthetic_encoder_write(weights, 1));
    const stk_voice_source source = {.sound = path, .encoder = weights};
    write_sound(path, "short.wav", 5);
    heap_bytes_of_voice(&source, &hearing, 100);
    const int64_t shorter = heap_bytes_of_voice(&source, &hearing, 100);
    write_sound(path, "long.wav", 100);
    const int64_t longer = heap_bytes_of_voice(&source, &hearing, 300);
    print_message("voice: %lld bytes for 5 s, %lld for 100 s\n", (long long)shorter,
                  (long long)longer);
    assert_true(longer < shorter + (1 << 16));
    assert_true(longer < 40 << 20);
    stk_nets_clear(&hearing);
}

static void refuses(const stk_voice_source *source, const stk_nets *with, stk_status status,
                    const char *words) {
    stk_voice *voice;
    assert_int_equal(stk_voice_open(&voice, source, with), status);
    assert_null(voice);
    if (strstr(stk_error_text(), words) == NULL) fail_msg("said: %s", stk_error_text());
}

static void encoder_that_is_not_there_or_not_wanted_is_said(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    stk_nets hearing;
    make_nets_of(STK_AUDIO_AVE, &hearing);
    write_sound(path, "short.wav", 1);
    const char *empty = test_temporary_folder();
    setenv("XDG_CACHE_HOME", empty, 1);
    refuses(&(stk_voice_source){.sound = path}, &hearing, STK_ERR_WEIGHTS, "--encoder");
    unsetenv("XDG_CACHE_HOME");
    refuses(&(stk_voice_source){.sound = path, .encoder = path}, &hearing, STK_ERR_WEIGHTS,
            "is not the audio-visual encoder");
    refuses(&(stk_voice_source){.sound = path, .encoder = path}, &nets, STK_ERR_MISMATCH,
            "leave out --encoder");
    stk_nets_clear(&hearing);
}

/* --- feature files ---------------------------------------------------------------------------- */

/* An array [n][steps][channels] of float64 or float32, values from the generator; the same values
 * as rows [n][channels][steps], which the caller frees. */
static float *write_features(char path[STK_PATH_MAX], const char *name, const int shape[3],
                             int doubles) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    char header[128];
    snprintf(header, sizeof header,
             "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d, %d), }",
             doubles ? "<f8" : "<f4", shape[0], shape[1], shape[2]);
    fprintf(file, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, header);
    float *rows = stk_calloc_aligned((size_t)(shape[0] * shape[1] * shape[2]), sizeof *rows);
    assert_non_null(rows);
    for (int i = 0; i < shape[0]; i++)
        for (int t = 0; t < shape[1]; t++)
            for (int c = 0; c < shape[2]; c++) {
                const float value = 2 * stk_rng_float(&rng) - 1;
                const double wide = (double)value;
                rows[(i * shape[2] + c) * shape[1] + t] = value;
                fwrite(doubles ? (const void *)&wide : &value, doubles ? 8 : 4, 1, file);
            }
    assert_int_equal(fclose(file), 0);
    return rows;
}

static void code_of_features_is_that_of_their_rows(void **state) {
    (void)state;
    static const struct {
        stk_audio_kind kind;
        int steps, channels, doubles;
    } CASES[] = {{STK_AUDIO_DEEPSPEECH, 16, 29, 1},
                 {STK_AUDIO_HUBERT, 2, 1024, 0},
                 {STK_AUDIO_ESPERANTO, 16, 44, 0},
                 {STK_AUDIO_WAV2VEC, 16, 32, 1},
                 {STK_AUDIO_AVE, 1, 512, 0}};
    char sound[STK_PATH_MAX], path[STK_PATH_MAX];
    write_sound(sound, "spoken.wav", 1.2);
    for (size_t k = 0; k < STK_ARRAY_SIZE(CASES); k++)
        for (int n = 27; n <= 31; n += 4) { /* the sound has 30 frames */
            stk_nets hearing;
            stk_voice *voice;
            make_nets_of(CASES[k].kind, &hearing);
            const int shape[] = {n, CASES[k].steps, CASES[k].channels};
            float *rows = write_features(path, "rows.npy", shape, CASES[k].doubles);
            const stk_voice_source source = {.sound = sound, .features = path};
            TEST_OK(stk_voice_open(&voice, &source, &hearing));
            const int frames = stk_voice_frames(voice);
            assert_int_equal(frames, n < 30 ? n : 30);
            float *codes = codes_of_rows(&hearing, rows, frames);
            expect_codes(voice, &hearing, codes);
            stk_free(codes);
            stk_free(rows);
            stk_voice_close(&voice);
            stk_nets_clear(&hearing);
        }
}

/* What another program makes of silence is not known: lips follow the features, unless the model
 * tells the code of closed ones. */
static void features_are_gated_only_to_a_known_code(void **state) {
    (void)state;
    char sound[STK_PATH_MAX], path[STK_PATH_MAX];
    float code[STK_AUDIO_CODE], plain[STK_AUDIO_CODE];
    stk_nets hearing;
    write_silence(sound, 1.2);
    make_nets_of(STK_AUDIO_HUBERT, &hearing);
    stk_free(write_features(path, "rest.npy", (const int[]){30, 2, 1024}, 0));
    stk_voice_source source = {.sound = sound, .features = path, .models = ""};
    code_of(&source, &hearing, 20, plain);
    source.gate = 1;
    code_of(&source, &hearing, 20, code);
    assert_memory_equal(code, plain, sizeof code);
    hearing.closed_known = 1;
    for (int c = 0; c < STK_AUDIO_CODE; c++) hearing.closed[c] = 0.25f * (float)c;
    code_of(&source, &hearing, 20, code);
    assert_memory_equal(code, hearing.closed, sizeof code);
    stk_nets_clear(&hearing);
}

static void features_that_do_not_fit_are_said(void **state) {
    (void)state;
    char sound[STK_PATH_MAX], path[STK_PATH_MAX];
    stk_nets hearing;
    make_nets_of(STK_AUDIO_HUBERT, &hearing);
    write_sound(sound, "spoken.wav", 1.2);
    refuses(&(stk_voice_source){.sound = sound}, &hearing, STK_ERR_UNSUPPORTED,
            "--features FILE.npy, shape [frames][2][1024]");
    refuses(&(stk_voice_source){.sound = sound, .features = "/nowhere.npy"}, &hearing, STK_ERR_IO,
            "/nowhere.npy");
    refuses(&(stk_voice_source){.sound = sound, .features = sound}, &hearing, STK_ERR_FORMAT,
            "spoken.wav");
    const stk_voice_source source = {.sound = sound, .features = path};
    stk_free(write_features(path, "other.npy", (int[]){30, 16, 29}, 1));
    refuses(&source, &hearing, STK_ERR_MISMATCH, "[30][16][29], \"deepspeech\" features");
    refuses(&source, &nets, STK_ERR_MISMATCH, "leave out --features");
    stk_free(write_features(path, "short.npy", (int[]){24, 2, 1024}, 0));
    refuses(&source, &hearing, STK_ERR_CONTENT, "has features of 24 frames");
    stk_free(write_features(path, "none.npy", (int[]){0, 2, 1024}, 0));
    refuses(&source, &hearing, STK_ERR_CONTENT, "has features of 0 frames; make them again");
    refuses(&(stk_voice_source){.sound = "/nowhere.wav", .features = path}, &hearing, STK_ERR_IO,
            "/nowhere.wav");
    stk_nets_clear(&hearing);
}

/* Such a value of a feature shows when its frame is made, and the code is one of silence. */
static void assert_feature_is_said(float value, const char *part) {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    char sound[STK_PATH_MAX], path[STK_PATH_MAX];
    stk_nets hearing;
    stk_voice *voice;
    make_nets_of(STK_AUDIO_WAV2VEC, &hearing);
    write_sound(sound, "spoken.wav", 1.2);
    stk_free(write_features(path, "wrong.npy", (int[]){30, 16, 32}, 0));
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 128 + (20 * 16 * 32 + 5) * 4, SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    const stk_voice_source source = {.sound = sound, .features = path};
    TEST_OK(stk_voice_open(&voice, &source, &hearing));
    stk_voice_code(voice, hearing.params.value, 16, code);
    TEST_OK(stk_voice_check(voice));
    stk_voice_code(voice, hearing.params.value, 17, code);
    if (part == NULL) {
        TEST_OK(stk_voice_check(voice));
    } else {
        assert_int_equal(stk_voice_check(voice), STK_ERR_CONTENT);
        assert_non_null(strstr(stk_error_text(), "frame 20"));
        assert_non_null(strstr(stk_error_text(), part));
    }
    for (int i = 0; i < STK_AUDIO_CODE; i++) assert_true(isfinite(code[i]));
    stk_voice_close(&voice);
    stk_nets_clear(&hearing);
}

static void feature_that_is_no_number_or_absurd_is_said(void **state) {
    (void)state;
    assert_feature_is_said(NAN, "not numbers (NaN or infinite); make them again");
    assert_feature_is_said(-INFINITY, "not numbers");
    assert_feature_is_said(3e38f, "reach 3e+38");
    assert_feature_is_said(-10001, "reach 1e+04");
    assert_feature_is_said(-1e4f, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_equals_that_of_the_whole_sound),
        cmocka_unit_test(memory_does_not_grow_with_the_sound),
        cmocka_unit_test(open_too_short_or_missing_is_refused),
        cmocka_unit_test(sound_that_vanishes_is_said),
        cmocka_unit_test(code_through_the_encoder_equals_that_of_the_whole_sound),
        cmocka_unit_test(lips_at_rest_hear_digital_silence),
        cmocka_unit_test(normalised_voice_does_not_hear_the_level),
        cmocka_unit_test(memory_does_not_grow_through_the_encoder),
        cmocka_unit_test(encoder_that_is_not_there_or_not_wanted_is_said),
        cmocka_unit_test(code_of_features_is_that_of_their_rows),
        cmocka_unit_test(features_are_gated_only_to_a_known_code),
        cmocka_unit_test(features_that_do_not_fit_are_said),
        cmocka_unit_test(feature_that_is_no_number_or_absurd_is_said),
    };
    return cmocka_run_group_tests(tests, make_nets, clear_nets);
}
