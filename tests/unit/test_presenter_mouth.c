/* Phones and loudness to mouth shapes: closures, sync with the sound, silence, any frame rate. */
#include "support.h"
#include "presenter/bust.h"
#include "presenter/speech.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    JAW = 24,
    CLOSE = 26,
    FUNNEL = 31,
    LOWER_DOWN = 33,
    PUCKER = 37,
    ROLL_LOWER = 39,
    UPPER_UP = 47
};
static const int speech_shapes[] = {24, 26, 31, 33, 34, 35, 36, 37, 39,
                                    40, 41, 42, 43, 44, 45, 46, 47, 48};

typedef float shapes_row[STK_BLENDSHAPES];

static shapes_row *track(const stk_utterance *u, double fps, int *frames) {
    *frames = (int)((double)u->sound.count / u->sound.rate * fps);
    shapes_row *rows = calloc((size_t)*frames, sizeof *rows);
    assert_non_null(rows);
    TEST_OK(stk_mouth_track(u, fps, *frames, rows));
    for (int i = 0; i < *frames; i++)
        for (int k = 0; k < STK_BLENDSHAPES; k++) assert_true(rows[i][k] >= 0 && rows[i][k] <= 1);
    return rows;
}

static stk_utterance speak_script(const char *voice, double seconds) {
    stk_utterance u;
    char *script;
    TEST_OK(stk_speech_script_join(0, &script));
    TEST_OK(stk_speech_synthesise(script, voice, seconds, &u));
    free(script);
    return u;
}

static float gap(const float *row) {
    return row[JAW] - row[CLOSE] + row[LOWER_DOWN] + row[LOWER_DOWN + 1] + row[UPPER_UP] +
           row[UPPER_UP + 1];
}

static void track_closes_for_every_p_b_m(void **state) {
    (void)state;
    stk_utterance u = speak_script("kal", 0);
    const double rates[] = {25, 30, 24};
    for (int r = 0; r < 3; r++) {
        int frames, count = 0;
        shapes_row *rows = track(&u, rates[r], &frames);
        for (int i = 0; i < u.count; i++) {
            const stk_phone *p = &u.phones[i];
            if (p->class != STK_PHONE_PBM && p->class != STK_PHONE_FV) continue;
            /* Some frame within half a frame of the phone shows it. */
            float least = 1, roll = 0;
            const double half = 0.5 / rates[r];
            for (int k = (int)ceil(((double)p->start_s - half) * rates[r]);
                 k <= (int)floor(((double)p->end_s + half) * rates[r]) && k < frames; k++) {
                least = fminf(least, gap(rows[k]));
                roll = fmaxf(roll, rows[k][ROLL_LOWER]);
            }
            if (p->class == STK_PHONE_PBM) assert_true(least == 0);
            if (p->class == STK_PHONE_FV) assert_true(roll > 0.3f);
            count++;
        }
        assert_true(count > 100);
        free(rows);
    }
    stk_utterance_clear(&u);
}

/* On the presenter's own lips: shut for p b m, a slit for s, wide for a stressed open vowel. */
static void track_on_the_bust_opens_as_people_do(void **state) {
    (void)state;
    stk_utterance u = speak_script("slt", 20);
    stk_look look;
    stk_bust *bust;
    stk_look_draw(&look, 3);
    TEST_OK(stk_bust_create(&bust, &look));
    int frames, phone = 0, count[STK_PHONE_CLASSES] = {0};
    double sum_mm[STK_PHONE_CLASSES] = {0}, most_mm = 0;
    shapes_row *rows = track(&u, 25, &frames);
    for (int i = 0; i < frames; i++) {
        while (phone + 1 < u.count && (double)u.phones[phone].end_s <= i / 25.0) phone++;
        stk_face_state face;
        float opening_m, width_m;
        memcpy(face.shapes, rows[i], sizeof face.shapes);
        stk_bust_express(bust, &face);
        stk_bust_mouth(bust, &opening_m, &width_m);
        sum_mm[u.phones[phone].class] += 1000 * (double)opening_m;
        count[u.phones[phone].class]++;
        most_mm = fmax(most_mm, 1000 * (double)opening_m);
    }
    for (int c = 0; c < STK_PHONE_CLASSES; c++)
        if (count[c] > 0) sum_mm[c] /= count[c];
    print_message("inner lips, mm: p b m %.2f, f v %.1f, s %.1f, oo %.1f, a %.1f, most %.1f\n",
                  sum_mm[STK_PHONE_PBM], sum_mm[STK_PHONE_FV], sum_mm[STK_PHONE_SZ],
                  sum_mm[STK_PHONE_UW], sum_mm[STK_PHONE_AA], most_mm);
    assert_true(sum_mm[STK_PHONE_PBM] < 0.8);
    assert_true(sum_mm[STK_PHONE_FV] < 4);
    assert_true(sum_mm[STK_PHONE_SZ] < 6);
    assert_true(sum_mm[STK_PHONE_AA] > 7 && most_mm < 22);
    free(rows);
    stk_bust_free(&bust);
    stk_utterance_clear(&u);
}

/* Loudness of each 1/fps s around i/fps, on a scale of decibels down to -50. */
static float *loudness(const stk_sound *sound, double fps, int frames) {
    float *curve = calloc((size_t)frames, sizeof *curve);
    assert_non_null(curve);
    for (int i = 0; i < frames; i++) {
        const int64_t from = (int64_t)((i - 0.5) / fps * sound->rate);
        const int64_t to = (int64_t)((i + 0.5) / fps * sound->rate);
        for (int64_t k = from < 0 ? 0 : from; k < to && k < sound->count; k++)
            curve[i] += sound->samples[k] * sound->samples[k] / (float)(to - from);
        curve[i] = log10f(curve[i] + 1e-5f);
    }
    return curve;
}

static double correlation(const float *a, const shapes_row *b, int frames, int lag) {
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, n = 0;
    for (int i = 100; i < frames - 100; i++) {
        const double x = (double)a[i];
        const double y = (double)(b[i + lag][JAW] - b[i + lag][CLOSE]);
        sa += x, sb += y, saa += x * x, sbb += y * y, sab += x * y, n++;
    }
    return (sab / n - sa / n * sb / n) /
           sqrt((saa / n - sa / n * sa / n) * (sbb / n - sb / n * sb / n));
}

/* The opening follows the loudness: best lag within one frame of 25/s, measured at 200/s. */
static void check_sync(const stk_utterance *u, const char *what, double least) {
    int frames, best = 0;
    shapes_row *rows = track(u, 200, &frames);
    float *loud = loudness(&u->sound, 200, frames);
    for (int lag = -60; lag <= 60; lag++)
        if (correlation(loud, rows, frames, lag) > correlation(loud, rows, frames, best))
            best = lag;
    print_message("%s: mouth %+d ms to the sound, correlation %.2f\n", what, best * 5,
                  correlation(loud, rows, frames, best));
    assert_true(abs(best) * 5 <= 40);
    assert_true(correlation(loud, rows, frames, best) > least);
    free(loud);
    free(rows);
}

static void track_is_in_sync_with_the_sound(void **state) {
    (void)state;
    const char *const voices[] = {"slt", "rms", "awb", "kal"};
    for (int i = 0; i < 4; i++) {
        stk_utterance u = speak_script(voices[i], 25);
        check_sync(&u, voices[i], 0.4);
        u.count = 0; /* the same sound without phones */
        check_sync(&u, "by loudness", 0.8);
        stk_utterance_clear(&u);
    }
}

static void track_amplitudes_are_natural(void **state) {
    (void)state;
    stk_utterance u = speak_script("slt", 40);
    int frames;
    for (int pass = 0; pass < 2; pass++) {
        shapes_row *rows = track(&u, 25, &frames);
        float most[STK_BLENDSHAPES] = {0};
        double mean[STK_BLENDSHAPES] = {0};
        for (int i = 0; i < frames; i++)
            for (int k = 0; k < STK_BLENDSHAPES; k++) {
                most[k] = fmaxf(most[k], rows[i][k]);
                mean[k] += (double)rows[i][k] / frames;
            }
        for (size_t k = 0; k < sizeof speech_shapes / sizeof speech_shapes[0]; k++)
            print_message("%d:%.2f/%.2f ", speech_shapes[k], mean[speech_shapes[k]],
                          (double)most[speech_shapes[k]]);
        print_message("\n");
        assert_true(most[JAW] > 0.25f && most[JAW] < 0.5f);
        assert_true(mean[JAW] > 0.06 && mean[JAW] < 0.2);
        assert_true(most[PUCKER] > 0.1f);
        u.count = 0;
        free(rows);
    }
    stk_utterance_clear(&u);
}

static void track_at_two_rates_is_one_performance(void **state) {
    (void)state;
    stk_utterance u = speak_script("kal", 8);
    int frames, fine;
    shapes_row *rows = track(&u, 25, &frames), *dense = track(&u, 100, &fine);
    int differ = 0;
    for (int i = 0; i < frames && 4 * i < fine; i++)
        for (int k = 0; k < STK_BLENDSHAPES; k++) {
            /* Only frames that were drawn to a short closure may differ. */
            if (fabsf(rows[i][k] - dense[4 * i][k]) > 1e-6f) differ++;
        }
    assert_true(differ < frames * 18 / 5);
    free(rows);
    free(dense);
    stk_utterance_clear(&u);
}

static void track_rounding_starts_before_the_vowel(void **state) {
    (void)state;
    stk_utterance u;
    TEST_OK(stk_speech_synthesise("See the spoon.", "kal", 0, &u));
    int frames, vowel = -1;
    shapes_row *rows = track(&u, 100, &frames);
    for (int i = 0; i < u.count; i++)
        if (u.phones[i].class == STK_PHONE_UW) vowel = i;
    assert_true(vowel > 1);
    const int start = (int)(u.phones[vowel].start_s * 100);
    const int middle = (int)((u.phones[vowel].start_s + u.phones[vowel].end_s) * 50);
    assert_true(rows[middle][PUCKER] > 0.35f);
    assert_true(rows[start - 4][PUCKER] > 0.15f); /* 40 ms before, in the p */
    assert_true(rows[start - 25][PUCKER] < 0.1f);
    free(rows);
    stk_utterance_clear(&u);
}

static void track_leaves_other_shapes_alone(void **state) {
    (void)state;
    stk_utterance u = speak_script("kal", 4);
    static shapes_row rows[50];
    for (int i = 0; i < 50; i++)
        for (int k = 0; k < STK_BLENDSHAPES; k++) rows[i][k] = 7;
    TEST_OK(stk_mouth_track(&u, 25, 50, rows));
    for (int i = 0; i < 50; i++)
        for (int k = 0, s = 0; k < STK_BLENDSHAPES; k++) {
            const int ours = s < 18 && speech_shapes[s] == k;
            s += ours;
            if (ours)
                assert_true(rows[i][k] <= 1);
            else
                assert_true(rows[i][k] == 7);
        }
    stk_utterance_clear(&u);
}

static void track_of_silence_is_closed(void **state) {
    (void)state;
    static float zero[STK_SAMPLE_RATE];
    stk_phone phone = {.class = STK_PHONE_SILENCE, .end_s = 1};
    stk_utterance u = {.sound = {zero, STK_SAMPLE_RATE, STK_SAMPLE_RATE}, .phones = &phone};
    for (int count = 0; count < 2; count++) {
        int frames;
        u.count = count;
        shapes_row *rows = track(&u, 25, &frames);
        for (int i = 0; i < frames; i++)
            for (int k = 0; k < STK_BLENDSHAPES; k++) assert_true(rows[i][k] == 0);
        free(rows);
    }
    /* Beyond the end of speech, too; and in its leading silence. */
    stk_utterance spoken = speak_script("kal", 3);
    const int frames = (int)((double)spoken.sound.count / STK_SAMPLE_RATE * 25) + 25;
    shapes_row *rows = calloc((size_t)frames, sizeof *rows);
    TEST_OK(stk_mouth_track(&spoken, 25, frames, rows));
    assert_true(rows[0][JAW] < 1e-3f && gap(rows[0]) < 1e-3f);
    for (int i = frames - 27; i < frames; i++) assert_true(gap(rows[i]) < 1e-3f);
    free(rows);
    stk_utterance_clear(&spoken);
}

static void track_by_loudness_follows_a_burst(void **state) {
    (void)state;
    static float burst[2 * STK_SAMPLE_RATE];
    memset(burst, 0, sizeof burst);
    for (int i = STK_SAMPLE_RATE / 2; i < STK_SAMPLE_RATE; i++)
        burst[i] = 0.2f * sinf((float)(2 * M_PI * 700) * (float)i / STK_SAMPLE_RATE);
    const stk_utterance u = {.sound = {burst, 2 * STK_SAMPLE_RATE, STK_SAMPLE_RATE}};
    int frames;
    shapes_row *rows = track(&u, 100, &frames);
    for (int i = 0; i < 40; i++) assert_true(rows[i][JAW] < 0.01f);
    for (int i = 60; i < 98; i++) assert_true(rows[i][JAW] - rows[i][CLOSE] > 0.15f);
    for (int i = 135; i < frames; i++) assert_true(rows[i][JAW] < 0.01f);
    for (int i = 1; i < frames; i++) assert_true(fabsf(rows[i][JAW] - rows[i - 1][JAW]) < 0.1f);
    free(rows);
}

static void track_refuses_odd_rates(void **state) {
    (void)state;
    static float zero[16];
    shapes_row row;
    const stk_utterance u = {.sound = {zero, 16, STK_SAMPLE_RATE}};
    assert_int_equal(stk_mouth_track(&u, 0, 1, &row), STK_ERR_ARGUMENT);
    assert_int_equal(stk_mouth_track(&u, NAN, 1, &row), STK_ERR_ARGUMENT);
    assert_int_equal(stk_mouth_track(&u, 25, -1, &row), STK_ERR_ARGUMENT);
    TEST_OK(stk_mouth_track(&u, 25, 0, &row));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(track_closes_for_every_p_b_m),
        cmocka_unit_test(track_on_the_bust_opens_as_people_do),
        cmocka_unit_test(track_is_in_sync_with_the_sound),
        cmocka_unit_test(track_amplitudes_are_natural),
        cmocka_unit_test(track_at_two_rates_is_one_performance),
        cmocka_unit_test(track_rounding_starts_before_the_vowel),
        cmocka_unit_test(track_leaves_other_shapes_alone),
        cmocka_unit_test(track_of_silence_is_closed),
        cmocka_unit_test(track_by_loudness_follows_a_burst),
        cmocka_unit_test(track_refuses_odd_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
