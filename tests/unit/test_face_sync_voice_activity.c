/* Voice activity: the network against scripts/oracle_vad.py, the level alone on tones in noise. */
#include "support.h"
#include "base/rng.h"
#include "face_sync/voice_activity.h"
#include "nn/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PIECES = 24 };

/* As scripts/oracle_vad.py makes it: a buzz with gliding formants that comes and goes, in noise. */
static void oracle_sound(float samples[PIECES * STK_VOICE_PIECE]) {
    for (int64_t n = 0; n < PIECES * STK_VOICE_PIECE; n++) {
        const double t = (double)n / 16000;
        const double noise = (double)((n * n % 7919 * 104729 + n * 1299709) % 65536) / 32768 - 1;
        const double first = 500 + 200 * sin(9 * t), second = 1500 + 500 * sin(7 * t);
        double buzz = 0;
        for (int k = 1; k < 20; k++) {
            const double f = 140.0 * k, a = (f - first) / 100, b = (f - second) / 150;
            const double gain = 1 / (1 + a * a) + 0.5 / (1 + b * b);
            buzz += gain * sin(2 * 3.14159265358979323846 * f * t);
        }
        const double loud = fmin(fmax(sin(2 * 3.14159265358979323846 * 2.5 * t), 0), 1);
        samples[n] = (float)(0.2 * loud * buzz + 0.003 * noise);
    }
}

static stk_voice_activity *with_network(void) {
    stk_voice_activity *activity;
    char path[STK_PATH_MAX];
    snprintf(path, sizeof path, "%s", test_shared_or_skip("models/silero_vad_16k.safetensors"));
    *strrchr(path, '/') = '\0';
    TEST_OK(stk_voice_activity_create(&activity, path));
    assert_true(stk_voice_activity_has_network(activity));
    return activity;
}

/* Sums of at most 393 products in float, 24 times through the memory: 1e-4 of a probability. */
static void next_probabilities_are_those_of_the_oracle(void **state) {
    (void)state;
    static const float want[PIECES] = {0.8173180f, 0.9439030f, 0.9245568f, 0.9271790f, 0.9331940f,
                                       0.9631208f, 0.9837917f, 0.9353853f, 0.7334224f, 0.5558625f,
                                       0.2795764f, 0.1548734f, 0.5947194f, 0.9627977f, 0.8834032f,
                                       0.8002706f, 0.7789375f, 0.7472309f, 0.9628493f, 0.8893975f,
                                       0.6243851f, 0.4264963f, 0.2363966f, 0.1562843f};
    static float samples[PIECES * STK_VOICE_PIECE];
    stk_voice_activity *activity = with_network();
    oracle_sound(samples);
    for (int round = 0; round < 2; round++) { /* the second after a restart */
        for (int i = 0; i < PIECES; i++) {
            const stk_activity now =
                stk_voice_activity_next(activity, samples + (ptrdiff_t)i * STK_VOICE_PIECE);
            assert_float_equal(now.speech, want[i], 1e-4);
        }
        stk_voice_activity_restart(activity);
    }
    stk_voice_activity_free(&activity);
}

/* `seconds` of white noise of the given rms, with a tone of another; how many pieces were speech. */
static int pieces_of_speech(stk_voice_activity *activity, double seconds, float noise, float tone,
                            stk_activity *last) {
    static stk_rng rng;
    static int64_t n;
    int speaking = 0;
    if (rng.increment == 0) stk_rng_seed(&rng, 5, 1);
    for (int i = 0; i < (int)(seconds * 16000 / STK_VOICE_PIECE); i++) {
        float samples[STK_VOICE_PIECE];
        for (int k = 0; k < STK_VOICE_PIECE; k++, n++)
            samples[k] = noise * 1.7320508f * (2 * stk_rng_float(&rng) - 1) +
                         tone * 1.4142136f * sinf(0.1f * (float)(n % 100000));
        *last = stk_voice_activity_next(activity, samples);
        speaking += last->speaking;
    }
    return speaking;
}

static void level_alone_follows_the_noise(void **state) {
    (void)state;
    stk_voice_activity *activity;
    stk_activity last;
    TEST_OK(stk_voice_activity_create(&activity, ""));
    assert_false(stk_voice_activity_has_network(activity));
    assert_int_equal(pieces_of_speech(activity, 2, 0.003f, 0, &last), 0);
    assert_float_equal(last.level_db, -50.5, 0.5);
    assert_float_equal(last.floor_db, -50.8, 0.8);
    assert_true(last.speech < 0);
    assert_in_range(pieces_of_speech(activity, 1, 0.003f, 0.1f, &last), 30, 31);
    assert_int_equal(pieces_of_speech(activity, 1, 0.003f, 0, &last), 0);
    /* ten times the noise is a new floor after 3 s, and speech above it is heard again */
    pieces_of_speech(activity, 4, 0.02f, 0, &last);
    assert_int_equal(pieces_of_speech(activity, 1, 0.02f, 0, &last), 0);
    assert_in_range(pieces_of_speech(activity, 1, 0.02f, 0.2f, &last), 30, 31);
    stk_voice_activity_free(&activity);
}

static void silence_and_its_end_are_no_speech(void **state) {
    (void)state;
    stk_voice_activity *activity;
    stk_activity last;
    TEST_OK(stk_voice_activity_create(&activity, ""));
    assert_int_equal(pieces_of_speech(activity, 4, 0, 0, &last), 0);
    assert_int_equal(pieces_of_speech(activity, 2, 0.0005f, 0, &last), 0); /* -66 dB */
    /* a fan starts: speech at first, for all that the level can tell, and a floor after 3 s */
    assert_in_range(pieces_of_speech(activity, 3.1, 0.01f, 0, &last), 85, 96);
    assert_int_equal(pieces_of_speech(activity, 1, 0.01f, 0, &last), 0);
    stk_voice_activity_free(&activity);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_probabilities_are_those_of_the_oracle),
        cmocka_unit_test(level_alone_follows_the_noise),
        cmocka_unit_test(silence_and_its_end_are_no_speech),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
