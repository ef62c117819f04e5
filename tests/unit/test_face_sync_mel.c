/* Mel front end: the transform against the definition, short sounds, alignment of the rows. */
#include "support.h"
#include "base/rng.h"
#include "face_sync/audio.h"
#include "face_sync/fft.h"
#include "face_sync/mel_speaker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void real_transform_matches_definition(void **state) {
    (void)state;
    static const int LENGTHS[] = {2, 4, 10, 12, 30, 64, 90, 800, 1024};
    static stk_fft fft;
    static stk_fft_work work;
    static double in[STK_FFT_MAX], out[STK_FFT_MAX / 2 + 1][2];
    stk_rng rng;
    stk_rng_seed(&rng, 3, 1);
    for (size_t l = 0; l < STK_ARRAY_SIZE(LENGTHS); l++) {
        int n = LENGTHS[l];
        TEST_OK(stk_fft_init(&fft, n));
        for (int i = 0; i < n; i++) in[i] = (double)stk_rng_normal(&rng);
        stk_fft_real(&fft, in, out, &work);
        for (int k = 0; k <= n / 2; k++) {
            double re = 0, im = 0;
            for (int j = 0; j < n; j++) {
                double angle = -2 * M_PI * (j * k % n) / n;
                re += in[j] * cos(angle);
                im += in[j] * sin(angle);
            }
            /* n terms of size 1 to 4 with errors of 1e-16 each, both here and there */
            if (!(fabs(re - out[k][0]) < 1e-12 * n && fabs(im - out[k][1]) < 1e-12 * n))
                fail_msg("n=%d k=%d: (%g, %g) against (%g, %g)", n, k, out[k][0], out[k][1], re,
                         im);
        }
    }
    assert_int_equal(stk_fft_init(&fft, 14), STK_ERR_ARGUMENT);
    assert_int_equal(stk_fft_init(&fft, 801), STK_ERR_ARGUMENT);
    assert_int_equal(stk_fft_init(&fft, 0), STK_ERR_ARGUMENT);
}

static void spectrogram_of_silence_is_floor(void **state) {
    (void)state;
    for (int64_t n = 0; n < 900; n = n * 3 + 1) {
        stk_sound sound = {calloc((size_t)n + 1, sizeof(float)), n, STK_SAMPLE_RATE};
        float mel[80 * 8];
        int columns = stk_mel_columns(n);
        for (int reflect = 0; reflect < 2; reflect++) {
            TEST_OK(stk_mel_spectrogram(&sound, reflect, mel, columns));
            for (int i = 0; i < 80 * columns; i++) assert_true(mel[i] == -4.0f);
        }
        assert_int_equal(stk_mel_spectrogram(&sound, 0, mel, columns + 1), STK_ERR_ARGUMENT);
        sound.rate = 44100;
        assert_int_equal(stk_mel_spectrogram(&sound, 0, mel, columns), STK_ERR_ARGUMENT);
        free(sound.samples);
    }
}

static void stream_in_any_pieces_equals_the_whole(void **state) {
    (void)state;
    static const int64_t LENGTHS[] = {0,   1,   199, 200,  201,  399,  400,
                                      401, 599, 600, 1000, 1001, 4000, 16123};
    stk_mel_stream *stream;
    stk_rng rng;
    stk_rng_seed(&rng, 11, 2);
    TEST_OK(stk_mel_stream_create(&stream));
    for (size_t l = 0; l < STK_ARRAY_SIZE(LENGTHS); l++) {
        stk_sound sound = {calloc((size_t)LENGTHS[l] + 1, sizeof(float)), LENGTHS[l],
                           STK_SAMPLE_RATE};
        for (int64_t i = 0; i < sound.count; i++) sound.samples[i] = 0.2f * stk_rng_normal(&rng);
        int columns = stk_mel_columns(sound.count), made = 0;
        float *whole = calloc((size_t)columns * STK_MEL_BINS, sizeof(float)), column[STK_MEL_BINS];
        TEST_OK(stk_mel_spectrogram(&sound, 0, whole, columns));
        stk_mel_stream_restart(stream);
        for (int64_t at = 0;;) {
            while (stk_mel_stream_pull(stream, column)) {
                assert_true(made < columns);
                for (int k = 0; k < STK_MEL_BINS; k++)
                    assert_true(column[k] == whole[k * columns + made]);
                made++;
            }
            if (made == columns) break;
            int64_t left = sound.count - at;
            int count = (int)stk_rng_below(&rng, 700);
            int taken =
                stk_mel_stream_push(stream, sound.samples + at, count < left ? count : (int)left);
            assert_true(taken >= 0 && taken <= count && taken <= 400);
            at += taken;
            if (at == sound.count) stk_mel_stream_end(stream);
        }
        assert_int_equal(stk_mel_stream_pull(stream, column), 0);
        assert_int_equal(stk_mel_stream_push(stream, column, 1), 0);
        free(sound.samples);
        free(whole);
    }
    stk_mel_stream_free(&stream);
    assert_null(stream);
}

static void rows_are_aligned_and_clamped(void **state) {
    (void)state;
    enum { COLUMNS = 161, ROWS = 60, SIZE = 80 * 16 };
    static float mel[80 * COLUMNS], rows[ROWS * SIZE];
    for (int i = 0; i < 80 * COLUMNS; i++) mel[i] = (float)i;
    assert_int_equal(stk_mel_row_count(COLUMNS), 51); /* int(145 / 80 * 25) + 2 + 4 */
    stk_mel_rows(mel, COLUMNS, ROWS, rows);
    for (int i = 0; i < ROWS; i++) {
        int crop = i < 2 ? 0 : i - 2;
        int start = crop * 80 / 25;
        if (start > COLUMNS - 16) start = COLUMNS - 16;
        for (int k = 0; k < 80; k++)
            for (int t = 0; t < 16; t++)
                assert_true(rows[i * SIZE + k * 16 + t] == (float)(k * COLUMNS + start + t));
    }
}

static void rows_of_short_sound_end_in_silence(void **state) {
    (void)state;
    static float mel[80 * 3], rows[6 * 80 * 16];
    assert_int_equal(stk_mel_row_count(3), 6);
    stk_mel_rows(mel, 3, 6, rows);
    for (int i = 0; i < 6 * 80 * 16; i++) assert_true(rows[i] == (i % 16 < 3 ? 0.0f : -4.0f));
}

/* Another level and another colour, and pauses in between, of what is the same speech. */
static void speaker_takes_level_and_colour_out(void **state) {
    enum { SPOKEN = 400, ROW = STK_MEL_BINS * STK_MEL_STEPS };
    static stk_mel_census census[2];
    static float row[2][ROW], said[2][ROW];
    stk_mel_speaker speaker[2];
    stk_rng rng;
    (void)state;
    stk_rng_seed(&rng, 12, 1);
    for (int c = 0; c < SPOKEN; c++) {
        float column[STK_MEL_BINS], other[STK_MEL_BINS], pause[STK_MEL_BINS];
        const float loud = 0.5f * stk_rng_float(&rng);
        for (int b = 0; b < STK_MEL_BINS; b++) {
            column[b] = loud - 1 + (0.4f + 0.01f * (float)b) * stk_rng_normal(&rng);
            other[b] = column[b] + 0.5f + 0.02f * ((float)b - 31.5f); /* bands 8 to 55: 0.5 */
            pause[b] = -3.9f;
            if (c < STK_MEL_STEPS) row[0][b * STK_MEL_STEPS + c] = column[b];
            if (c < STK_MEL_STEPS) row[1][b * STK_MEL_STEPS + c] = other[b];
        }
        stk_mel_census_add(&census[0], column, 1);
        stk_mel_census_add(&census[1], other, 1);
        stk_mel_census_add(&census[1], pause, 1);
    }
    for (int i = 0; i < 2; i++) {
        stk_mel_speaker_of(&census[i], &speaker[i]);
        stk_mel_speaker_apply(&speaker[i], row[i], said[i]);
    }
    test_assert_close("said", said[0], said[1], ROW, 1e-3);
    double square = 0;
    for (int i = 0; i < ROW; i++) square += (double)said[0][i] * (double)said[0][i] / ROW;
    assert_true(square > 0.8 && square < 1.2); /* deviation 1 */
    stk_mel_speaker_of_rows(memset(&census[0], 0, sizeof census[0]), row[0], 0, &speaker[0]);
    stk_mel_speaker_apply(&speaker[0], row[0], said[0]);
    test_assert_close("of nothing", said[0], row[0], ROW, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_transform_matches_definition),
        cmocka_unit_test(spectrogram_of_silence_is_floor),
        cmocka_unit_test(stream_in_any_pieces_equals_the_whole),
        cmocka_unit_test(rows_are_aligned_and_clamped),
        cmocka_unit_test(rows_of_short_sound_end_in_silence),
        cmocka_unit_test(speaker_takes_level_and_colour_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
