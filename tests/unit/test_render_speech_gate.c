/* The speech gate: where it opens and shuts, without lag and without cutting; lips' codes smoothed
 * and brought to rest by it. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "media/media.h"
#include "render/speech_gate.h"
#include "render/voice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS = 8, FRAMES = SECONDS * STK_FPS, COUNT = SECONDS * STK_SAMPLE_RATE };
static char path[STK_PATH_MAX], models[STK_PATH_MAX];
static float samples[COUNT];

/* Adds white noise (hz 0) or a buzz with formants. */
static void add(double from_s, double to_s, float rms, double hz) {
    stk_rng rng;
    stk_rng_seed(&rng, 9, (uint64_t)(from_s * 100));
    for (int i = (int)(from_s * STK_SAMPLE_RATE); i < (int)(to_s * STK_SAMPLE_RATE); i++) {
        double x = 1.732 * (2 * (double)stk_rng_float(&rng) - 1), t = (double)i / STK_SAMPLE_RATE;
        if (hz > 0) x = 0;
        for (int k = 1; hz > 0 && k < 20; k++) {
            const double a = (k * hz - 600 - 200 * sin(9 * t)) / 100;
            const double b = (k * hz - 1500 - 500 * sin(7 * t)) / 150;
            x += (1 / (1 + a * a) + 0.5 / (1 + b * b)) * sin(6.283185307179586 * k * hz * t);
        }
        samples[i] += rms * (float)x;
    }
}

static void write_sound(const char *name) {
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), name));
    const stk_sound sound = {samples, COUNT, STK_SAMPLE_RATE};
    TEST_OK(stk_sound_write_wav(path, &sound));
}

/* Words at 2 to 3 s, 3.15 to 4 s and 6 to 7 s, in noise of -66 dB. */
static void write_words(void) {
    memset(samples, 0, sizeof samples);
    add(0, SECONDS, 0.0005f, 0);
    add(2, 3, 0.1f, 140);
    add(3.15, 4, 0.1f, 140);
    add(6, 7, 0.1f, 140);
    write_sound("words.wav");
}

static float at(stk_speech_gate *gate, double time_s) {
    float share;
    TEST_OK(stk_speech_gate_at(gate, (int)floor(time_s * STK_FPS), &share));
    return share;
}

static void gate_opens_before_words_and_shuts_after_them(void **state) {
    (void)state;
    stk_speech_gate *gate;
    write_words();
    TEST_OK(stk_speech_gate_open(&gate, path, FRAMES, "", 0));
    static const double shut_s[] = {0, 0.5, 1.7, 4.4, 5, 5.7, 7.4, 7.9};
    static const double free_s[] = {1.95, 2.02, 2.9, 3.02, 3.06, 3.1, 3.5, 4.02, 5.95, 6.5, 7.02};
    for (size_t i = 0; i < STK_ARRAY_SIZE(shut_s); i++)
        if (at(gate, shut_s[i]) > 0) fail_msg("open at %.2f s", shut_s[i]);
    for (size_t i = 0; i < STK_ARRAY_SIZE(free_s); i++)
        if (at(gate, free_s[i]) < 1)
            fail_msg("%.2f at %.2f s", (double)at(gate, free_s[i]), free_s[i]);
    for (double t = 1.6; t < 2; t += 0.04) assert_true(at(gate, t) <= at(gate, t + 0.04));
    for (double t = 4; t < 4.4; t += 0.04) assert_true(at(gate, t) >= at(gate, t + 0.04));
    /* a ramp, not a step */
    int between = 0;
    for (int i = 0; i < FRAMES; i++) {
        const float share = at(gate, (i + 0.5) / STK_FPS);
        between += share > 0.05f && share < 0.95f;
    }
    assert_in_range(between, 4, 12);
    stk_speech_gate_close(&gate);
}

static void causal_gate_knows_nothing_of_later_words(void **state) {
    (void)state;
    stk_speech_gate *gate, *shorter;
    write_words();
    TEST_OK(stk_speech_gate_open(&gate, path, FRAMES, "", 1));
    assert_true(at(gate, 1.95) == 0);
    assert_true(at(gate, 2.05) == 1);
    assert_true(at(gate, 3.1) == 1);
    assert_true(at(gate, 5) == 0);
    memset(samples + 2 * STK_SAMPLE_RATE, 0,
           sizeof samples - 2 * STK_SAMPLE_RATE * sizeof *samples);
    write_sound("cut.wav");
    TEST_OK(stk_speech_gate_open(&shorter, path, FRAMES, "", 1));
    for (double t = 0; t < 1.96; t += 0.04) assert_true(at(gate, t) == at(shorter, t));
    stk_speech_gate_close(&gate);
    stk_speech_gate_close(&shorter);
}

/* A breath of 0.3 s, 0.3 s of nothing, a word: the lips stay open in between. The same breath long
 * before any word moves nothing. */
static void breath_before_a_word_is_not_shut(void **state) {
    (void)state;
    stk_speech_gate *gate;
    snprintf(models, sizeof models, "%s", test_shared_or_skip("models/silero_vad_16k.safetensors"));
    *strrchr(models, '/') = '\0';
    memset(samples, 0, sizeof samples);
    add(0, SECONDS, 0.0005f, 0);
    add(1, 1.3, 0.004f, 0);
    add(4.4, 4.7, 0.004f, 0);
    add(5, 6.5, 0.1f, 140);
    write_sound("breath.wav");
    TEST_OK(stk_speech_gate_open(&gate, path, FRAMES, models, 0));
    assert_true(at(gate, 1.15) == 0);
    assert_true(at(gate, 3) == 0);
    assert_true(at(gate, 4.5) == 1);
    assert_true(at(gate, 4.85) == 1);
    assert_true(at(gate, 5.5) == 1);
    assert_true(at(gate, 7.5) == 0);
    stk_speech_gate_close(&gate);
}

/* --- codes ------------------------------------------------------------------------------------ */

static stk_nets nets;

static void make_nets(void) {
    stk_rng rng;
    stk_rng_seed(&rng, 21, 0);
    const stk_model_config config = {STK_AUDIO_MEL, 1, 2, 1, 0};
    TEST_OK(stk_nets_init(&nets, &config, 0));
    stk_nets_randomise(&nets, &rng);
}

static void codes_of(const stk_voice_source *source, float (*codes)[STK_AUDIO_CODE]) {
    stk_voice *voice;
    TEST_OK(stk_voice_open(&voice, source, &nets));
    assert_int_equal(stk_voice_frames(voice), FRAMES);
    for (int i = 0; i < FRAMES; i++) stk_voice_code(voice, nets.params.value, i, codes[i]);
    /* in another order: the same */
    static const int order[] = {199, 3, 100, 101, 99, 40, 0, 1};
    for (size_t i = 0; i < STK_ARRAY_SIZE(order); i++) {
        float code[STK_AUDIO_CODE];
        stk_voice_code(voice, nets.params.value, order[i], code);
        assert_memory_equal(code, codes[order[i]], sizeof code);
    }
    TEST_OK(stk_voice_check(voice));
    stk_voice_close(&voice);
}

static float plain[FRAMES][STK_AUDIO_CODE], made[FRAMES][STK_AUDIO_CODE];

static void smoothed_codes_are_those_of_the_formulas(void **state) {
    (void)state;
    make_nets();
    write_words();
    stk_voice_source source = {.sound = path};
    codes_of(&source, plain);
    source.smoothing = STK_LIPS_SYMMETRIC;
    codes_of(&source, made);
    for (int i = 0; i < FRAMES; i++)
        for (int c = 0; c < STK_AUDIO_CODE; c++) {
            double sum = 0, weights = 0;
            for (int k = -3; k <= 3; k++) {
                const double w = pow(0.35, fabs((double)k));
                sum += w * (double)plain[stk_clampi(i + k, 0, FRAMES - 1)][c];
                weights += w;
            }
            assert_float_equal(made[i][c], sum / weights, 1e-5);
        }
    source.smoothing = STK_LIPS_PUBLISHED;
    codes_of(&source, made);
    double r[STK_AUDIO_CODE];
    for (int i = 0; i < FRAMES; i++)
        for (int c = 0; c < STK_AUDIO_CODE; c++) {
            r[c] = i == 0 ? (double)plain[0][c] : 0.35 * r[c] + 0.65 * (double)plain[i][c];
            assert_float_equal(made[i][c], r[c], 1e-5);
        }
    stk_nets_clear(&nets);
}

static void gated_codes_rest_in_silence_and_are_free_in_speech(void **state) {
    (void)state;
    make_nets();
    write_words();
    stk_voice_source source = {.sound = path};
    codes_of(&source, plain);
    source.gate = 1;
    source.models = "";
    nets.closed_known = 1;
    for (int c = 0; c < STK_AUDIO_CODE; c++) nets.closed[c] = 0.1f * (float)c - 1;
    codes_of(&source, made);
    for (int c = 0; c < STK_AUDIO_CODE; c++) {
        assert_float_equal(made[10][c], nets.closed[c], 0);
        assert_float_equal(made[125][c], nets.closed[c], 0);
        assert_float_equal(made[60][c], plain[60][c], 0);
    }
    /* a model that does not tell: what digital silence gives */
    nets.closed_known = 0;
    codes_of(&source, made);
    memset(samples, 0, sizeof samples);
    write_sound("nothing.wav");
    source = (stk_voice_source){.sound = path};
    codes_of(&source, plain);
    for (int c = 0; c < STK_AUDIO_CODE; c++) assert_float_equal(made[10][c], plain[100][c], 1e-6);
    stk_nets_clear(&nets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_opens_before_words_and_shuts_after_them),
        cmocka_unit_test(causal_gate_knows_nothing_of_later_words),
        cmocka_unit_test(breath_before_a_word_is_not_shut),
        cmocka_unit_test(smoothed_codes_are_those_of_the_formulas),
        cmocka_unit_test(gated_codes_rest_in_silence_and_are_free_in_speech),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
