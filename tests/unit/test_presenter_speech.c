/* Text to sound with phones: times, bytes, loudness, the script, voices that are not there. */
#include "support.h"
#include "media/media.h"
#include "presenter/speech.h"
#include "presenter/spoken.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* eSpeak NG does not free all that it took; what it takes is not held against us. */
#ifdef __SANITIZE_ADDRESS__
void __lsan_disable(void);
void __lsan_enable(void);
#else
static void __lsan_disable(void) {}
static void __lsan_enable(void) {}
#endif

static int espeak_installed(void) {
    __lsan_disable();
    const int there = stk_espeak_installed();
    __lsan_enable();
    return there;
}

static stk_status synthesise(const char *text, const char *voice, stk_utterance *u) {
    const int espeak = strncmp(voice, "espeak:", 7) == 0;
    if (espeak) __lsan_disable();
    const stk_status status = stk_speech_synthesise(text, voice, 0, u);
    if (espeak) __lsan_enable();
    return status;
}

static void check_phones(const stk_utterance *u) {
    assert_true(u->count > 2);
    const double length = (double)u->sound.count / STK_SAMPLE_RATE;
    assert_true(u->phones[0].start_s == 0);
    for (int i = 0; i < u->count; i++) {
        assert_true(u->phones[i].end_s > u->phones[i].start_s);
        assert_in_range(u->phones[i].class, 0, STK_PHONE_CLASSES - 1);
        if (i > 0) assert_true(u->phones[i].start_s == u->phones[i - 1].end_s);
    }
    assert_true(fabs((double)u->phones[u->count - 1].end_s - length) < 2e-3);
    assert_int_equal(u->phones[0].class, STK_PHONE_SILENCE);
    assert_int_equal(u->phones[u->count - 1].class, STK_PHONE_SILENCE);
}

/* rms of what is no silence, and the peak of all. */
static void measure(const stk_utterance *u, double *rms, double *peak) {
    double sum = 0;
    int64_t count = 0;
    *peak = 0;
    for (int i = 0; i < u->count; i++) {
        for (int64_t k = (int64_t)((double)u->phones[i].start_s * STK_SAMPLE_RATE);
             k < (int64_t)((double)u->phones[i].end_s * STK_SAMPLE_RATE) && k < u->sound.count;
             k++) {
            const double x = (double)u->sound.samples[k];
            *peak = fmax(*peak, fabs(x));
            if (u->phones[i].class == STK_PHONE_SILENCE) continue;
            sum += x * x;
            count++;
        }
    }
    *rms = sqrt(sum / (double)count);
}

static void check_voice(const char *text, const char *voice, double least_s, double most_s) {
    stk_utterance u;
    TEST_OK(synthesise(text, voice, &u));
    check_phones(&u);
    double rms, peak;
    measure(&u, &rms, &peak);
    const double length = (double)u.sound.count / STK_SAMPLE_RATE;
    print_message("%s: %.2f s, %d phones, rms %.1f dB, peak %.2f\n", voice, length, u.count,
                  20 * log10(rms), peak);
    assert_in_range((int)(length * 1000), (int)(least_s * 1000), (int)(most_s * 1000));
    assert_true(fabs(20 * log10(rms) + 20) < 0.5);
    assert_true(peak < 0.95);
    assert_string_equal(u.voice, voice);
    for (int k = 0; k < 4000; k++) assert_true(u.sound.samples[k] == 0); /* 0.3 s less the lead */
    for (int k = 1; k < 4000; k++) assert_true(u.sound.samples[u.sound.count - k] == 0);
    stk_utterance_clear(&u);
}

static void synthesise_every_flite_voice_is_sound(void **state) {
    (void)state;
    const char *const voices[] = {"slt", "rms", "awb", "kal"};
    for (int i = 0; i < 4; i++)
        check_voice(
            "Hello there. Maybe the father thought about five big chairs, and measured them.",
            voices[i], 4.5, 7);
}

static void synthesise_twice_gives_same_bytes(void **state) {
    (void)state;
    const char *const voices[] = {"slt", "kal", "espeak:de"};
    for (int i = 0; i < (espeak_installed() ? 3 : 2); i++) {
        stk_utterance a, b, other;
        TEST_OK(synthesise("Guten Tag, Peter. So many apples.", voices[i], &a));
        TEST_OK(synthesise("Something else in between.", voices[i], &other));
        TEST_OK(synthesise("Guten Tag, Peter. So many apples.", voices[i], &b));
        assert_int_equal(a.sound.count, b.sound.count);
        assert_memory_equal(a.sound.samples, b.sound.samples,
                            (size_t)a.sound.count * sizeof *a.sound.samples);
        assert_int_equal(a.count, b.count);
        for (int k = 0; k < a.count; k++) {
            assert_int_equal(a.phones[k].class, b.phones[k].class);
            assert_true(a.phones[k].end_s == b.phones[k].end_s);
            assert_true(a.phones[k].stress == b.phones[k].stress);
        }
        stk_utterance_clear(&a);
        stk_utterance_clear(&b);
        stk_utterance_clear(&other);
    }
}

static void synthesise_min_seconds_repeats_or_stops(void **state) {
    (void)state;
    stk_utterance u;
    TEST_OK(stk_speech_synthesise("Hello. How are you?", "kal", 10, &u));
    assert_in_range(u.sound.count, 10 * STK_SAMPLE_RATE, 12 * STK_SAMPLE_RATE);
    check_phones(&u);
    stk_utterance_clear(&u);
    char *script;
    TEST_OK(stk_speech_script_join(0, &script));
    TEST_OK(stk_speech_synthesise(script, "kal", 5, &u));
    assert_in_range(u.sound.count, 5 * STK_SAMPLE_RATE, 16 * STK_SAMPLE_RATE);
    free(script);
    stk_utterance_clear(&u);
}

static double pause_after(const stk_utterance *u, int *at) {
    for (int i = *at + 1; i < u->count; i++) {
        if (u->phones[i].class != STK_PHONE_SILENCE) continue;
        *at = i;
        return (double)(u->phones[i].end_s - u->phones[i].start_s);
    }
    return -1;
}

static void synthesise_sentences_are_set_apart(void **state) {
    (void)state;
    stk_utterance u;
    TEST_OK(stk_speech_synthesise("Dr. Brown is in. \"Yes!\" he said... One", "kal", 0, &u));
    int at = 0;
    for (int k = 0; k < 3; k++) {
        const double pause = pause_after(&u, &at);
        assert_true(pause > 0.249 && pause < 0.55);
    }
    assert_true(pause_after(&u, &at) > 0.299); /* the end: "Dr." was none */
    assert_true(pause_after(&u, &at) < 0);
    stk_utterance_clear(&u);
}

static void synthesise_refuses_with_a_sentence(void **state) {
    (void)state;
    stk_utterance u;
    assert_int_equal(stk_speech_synthesise("Hello.", "bob", 0, &u), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "slt, rms, awb, kal"));
    assert_non_null(strstr(stk_error_text(), "libespeak-ng1"));
    assert_int_equal(stk_speech_synthesise(" ... \n", "slt", 0, &u), STK_ERR_ARGUMENT);
    assert_int_equal(stk_speech_synthesise("", "slt", 20, &u), STK_ERR_ARGUMENT);
    assert_int_equal(stk_speech_synthesise("\xE4\xBD\xA0", "slt", 20, &u), STK_ERR_ARGUMENT);
    assert_int_equal(stk_speech_synthesise("Hello.", "slt", -1, &u), STK_ERR_ARGUMENT);
    assert_int_equal(stk_speech_synthesise("Hello.", "slt", NAN, &u), STK_ERR_ARGUMENT);
    assert_int_equal(synthesise("Hello.", "espeak:nosuch", &u), STK_ERR_ARGUMENT);
    assert_null(u.sound.samples);
}

static void synthesise_odd_text_is_survived(void **state) {
    (void)state;
    const char *const texts[] = {
        "Caf\xC3\xA9 \xE2\x80\x9Cquoted\xE2\x80\x9D \xE2\x80\x93 it\xE2\x80\x99s fine.",
        "12,345.67 & 50% of $3; e.g. a@b.c! <tag> \\n %s {x}", "a\xC3", "\xFF\xFE hm",
        "A. B. C. Smith"};
    for (int i = 0; i < 5; i++) {
        stk_utterance u;
        TEST_OK(stk_speech_synthesise(texts[i], "kal", 0, &u));
        check_phones(&u);
        stk_utterance_clear(&u);
        if (!espeak_installed()) continue;
        TEST_OK(synthesise(texts[i], "espeak:fr", &u));
        check_phones(&u);
        stk_utterance_clear(&u);
    }
}

static void script_holds_every_english_class(void **state) {
    (void)state;
    char *script;
    stk_utterance u;
    TEST_OK(stk_speech_script_join(0, &script));
    TEST_OK(stk_speech_synthesise(script, "kal", 0, &u));
    check_phones(&u);
    int seen[STK_PHONE_CLASSES] = {0};
    for (int i = 0; i < u.count; i++) seen[u.phones[i].class]++;
    print_message("script: %.1f s, %d phones\n", (double)u.sound.count / STK_SAMPLE_RATE, u.count);
    for (int c = 0; c < STK_PHONE_CLASSES; c++)
        if (c != STK_PHONE_Y_ROUND) assert_true(seen[c] >= 8); /* English has no /y/ */
    assert_in_range(u.sound.count, 100 * STK_SAMPLE_RATE, 240 * STK_SAMPLE_RATE);
    free(script);
    stk_utterance_clear(&u);
}

static void script_seeds_differ_and_hold_all_parts(void **state) {
    (void)state;
    for (int seed = -3; seed < 60; seed++) {
        int parts = 0;
        for (; stk_speech_script(seed, parts) != NULL; parts++)
            for (int k = 0; k < parts; k++)
                assert_string_not_equal(stk_speech_script(seed, parts), stk_speech_script(seed, k));
        assert_int_equal(parts, 11);
    }
    assert_string_not_equal(stk_speech_script(0, 0), stk_speech_script(1, 0));
    assert_null(stk_speech_script(0, -1));
}

static void file_gives_sound_without_phones(void **state) {
    (void)state;
    stk_utterance u, back;
    char path[512];
    TEST_OK(stk_speech_synthesise("Good evening.", "kal", 0, &u));
    snprintf(path, sizeof path, "%s/evening.wav", test_temporary_folder());
    TEST_OK(stk_sound_write_wav(path, &u.sound));
    TEST_OK(stk_speech_from_file(path, &back));
    assert_int_equal(back.count, 0);
    assert_null(back.phones);
    assert_int_equal(back.sound.rate, STK_SAMPLE_RATE);
    assert_true(llabs(back.sound.count - u.sound.count) <= 1);
    stk_utterance_clear(&u);
    stk_utterance_clear(&back);
    assert_int_equal(stk_speech_from_file("/nowhere/x.wav", &back), STK_ERR_IO);
}

static void espeak_languages_are_sound(void **state) {
    (void)state;
    if (!espeak_installed()) {
        print_message("libespeak-ng1 or espeak-ng-data is not installed\n");
        skip();
    }
    check_voice("Guten Tag, \xC3\xBC"
                "ber die sch\xC3\xB6ne Br\xC3\xBC"
                "cke gehen f\xC3\xBCnf F\xC3\xBC"
                "chse.",
                "espeak:de", 2, 6);
    check_voice("Bonjour, une lune rousse et un feu.", "espeak:fr+f2", 2, 5);
    check_voice("Buenos d\xC3\xAD"
                "as, el perro chico bebe leche.",
                "espeak:es", 2, 5);
    check_voice("Che bella giornata, zio.", "espeak:it", 1.5, 5);
}

/* A tone of 1 kHz at 22050 keeps its frequency and size; one above the new band vanishes. */
static void resample_keeps_tones_and_stops_aliases(void **state) {
    (void)state;
    enum { COUNT = 22050 };
    static int16_t tone[COUNT];
    for (int high = 0; high < 2; high++) {
        for (int i = 0; i < COUNT; i++)
            tone[i] = (int16_t)lrint(16384 * sin(2 * M_PI * (high ? 9000 : 1000) * i / 22050.0));
        stk_spoken spoken;
        stk_spoken_init(&spoken);
        TEST_OK(stk_spoken_resample(&spoken, tone, COUNT, 22050));
        assert_int_equal(spoken.count, STK_SAMPLE_RATE);
        double worst = 0;
        for (int i = 200; i < STK_SAMPLE_RATE - 200; i++) {
            const double wanted = high ? 0 : 0.5 * sin(2 * M_PI * 1000 * i / 16000.0);
            worst = fmax(worst, fabs((double)spoken.samples[i] - wanted));
        }
        assert_true(worst < 5e-4);
        stk_spoken_clear(&spoken);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synthesise_every_flite_voice_is_sound),
        cmocka_unit_test(synthesise_twice_gives_same_bytes),
        cmocka_unit_test(synthesise_min_seconds_repeats_or_stops),
        cmocka_unit_test(synthesise_sentences_are_set_apart),
        cmocka_unit_test(synthesise_refuses_with_a_sentence),
        cmocka_unit_test(synthesise_odd_text_is_survived),
        cmocka_unit_test(script_holds_every_english_class),
        cmocka_unit_test(script_seeds_differ_and_hold_all_parts),
        cmocka_unit_test(file_gives_sound_without_phones),
        cmocka_unit_test(espeak_languages_are_sound),
        cmocka_unit_test(resample_keeps_tones_and_stops_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
