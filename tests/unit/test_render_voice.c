/* A voice decoded in pieces: the codes are those of the whole sound, the memory is not. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "media/media.h"
#include "render/voice.h"

#include <malloc.h>
#include <math.h>
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
    const stk_model_config config = {STK_AUDIO_MEL, 1, 2, 1};
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
        TEST_OK(stk_voice_open(&voice, path, &nets));
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
static int64_t heap_bytes_of_voice(const char *path) {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_voice *voice;
    struct mallinfo2 before = mallinfo2();
    TEST_OK(stk_voice_open(&voice, path, &nets));
    const int frames = stk_voice_frames(voice);
    int64_t most = 0;
    for (int i = 0; i < frames; i += 40) {
        stk_voice_code(voice, nets.params.value, i, code);
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
    write_sound(path, "short.wav", 10);
    heap_bytes_of_voice(path); /* what the libraries keep for good */
    const int64_t shorter = heap_bytes_of_voice(path);
    write_sound(path, "long.wav", 170);
    const int64_t longer = heap_bytes_of_voice(path);
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
    assert_int_equal(stk_voice_open(&voice, path, &nets), STK_ERR_CONTENT);
    assert_non_null(strstr(stk_error_text(), "shorter than 0.2 s"));
    assert_null(voice);
    assert_int_equal(stk_voice_open(&voice, "/nonexistent.wav", &nets), STK_ERR_IO);
    assert_null(voice);
}

static void sound_that_vanishes_is_said(void **state) {
    (void)state;
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    char path[STK_PATH_MAX];
    stk_voice *voice;
    write_sound(path, "gone.wav", 4);
    TEST_OK(stk_voice_open(&voice, path, &nets));
    stk_voice_code(voice, nets.params.value, 90, code);
    TEST_OK(stk_voice_check(voice));
    assert_int_equal(unlink(path), 0);
    stk_voice_code(voice, nets.params.value, 5, code); /* from the start again */
    assert_int_equal(stk_voice_check(voice), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "gone.wav"));
    for (int i = 0; i < STK_AUDIO_CODE; i++) assert_true(isfinite(code[i]));
    stk_voice_close(&voice);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_equals_that_of_the_whole_sound),
        cmocka_unit_test(memory_does_not_grow_with_the_sound),
        cmocka_unit_test(open_too_short_or_missing_is_refused),
        cmocka_unit_test(sound_that_vanishes_is_said),
    };
    return cmocka_run_group_tests(tests, make_nets, clear_nets);
}
