/* test_parity_active_speaker.c - Light-ASD and its cepstrum against PyTorch and NumPy. The numbers
 * are those that scripts/oracle_light_asd.py prints; faces and sound are made here as there. */
#include "support.h"

#include "base/memory.h"
#include "face_sync/active_speaker.h"
#include "face_sync/mfcc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 20, SAMPLES = FRAMES * 640, CODE = STK_SPEAKER_CODE };

/* clang-format off */
static const float want_mfcc[] = {19.5002f, -35.1701f, -9.72571f, -11.3816f, -1.76048f, -4.2933f, -3.64517f, 0.459495f,
    0.484543f, 3.64258f, 2.21195f, 6.98548f, -1.26637f, 21.8195f, -37.3723f, -8.94442f,
    -7.36053f, 4.81554f, 1.49126f, -3.24327f, -0.913706f, -0.83374f, -11.3544f, -3.34126f,
    -9.12483f, -5.13761f};
static const float want_seen[] = {0.0f, 0.0f, 0.241949f, 0.936382f, 0.825837f, 1.0944f, 0.0f, 0.0f,
    0.0f, 0.0f, 0.869002f, 0.77816f, 0.351189f, 0.885129f, 0.0f, 0.168241f,
    0.235503f, 0.0f, 1.54822f, 0.659761f, 0.0f, 0.0f, 1.08535f, 0.0f};
static const float want_heard[] = {0.107078f, 0.0f, 1.38519f, 0.0f, 1.04129f, 0.0108617f, 0.0f, 0.0f,
    0.464457f, 0.0f, 0.0194986f, 0.0f, 0.329478f, 0.196921f, 0.181757f, 0.0f,
    0.727062f, 0.0f, 0.00921687f, 0.0f, 0.00280991f, 0.100061f, 0.273372f, 2.74111f};
static const float want_score[] = {-1.99439f, -1.84232f, -1.82748f, -1.74179f, -1.68384f, -1.66097f, -1.62333f, -1.60151f,
    -1.52128f, -1.40463f, -1.32556f, -1.25401f, -1.14752f, -1.00783f, -0.865902f, -0.701345f,
    -0.481486f, -0.292237f, -0.287312f, -0.145947f};
/* clang-format on */

static double next(uint32_t *x) {
    *x = 1664525 * *x + 1013904223;
    return (double)(*x >> 8) / 16777216;
}

static void make_faces(uint8_t *faces) {
    uint32_t x = 1;
    for (int f = 0; f < FRAMES; f++)
        for (int cell = 0; cell < 14 * 14; cell++) {
            const uint8_t v = (uint8_t)floor(256 * next(&x));
            for (int i = 0; i < 8; i++)
                memset(faces + f * STK_SPEAKER_FACE + (cell / 14 * 8 + i) * 112 + cell % 14 * 8, v,
                       8);
        }
}

static void make_sound(float *samples) {
    uint32_t loud = 2, x = 3;
    for (int f = 0; f < FRAMES; f++) {
        const double level = next(&loud);
        for (int i = 0; i < 640; i++)
            samples[f * 640 + i] = (float)(floor(65536 * 0.2 * level * (next(&x) - 0.5)) / 32768);
    }
}

/* 4 FRAMES rows, the last one repeated where the sound has fewer, as the oracle does. */
static void make_mfcc(float (*mfcc)[STK_MFCC_COUNT]) {
    static float samples[SAMPLES];
    const stk_sound sound = {samples, SAMPLES, STK_SAMPLE_RATE};
    const int rows = stk_mfcc_rows(SAMPLES);
    make_sound(samples);
    assert_int_equal(rows, 79);
    TEST_OK(stk_mfcc(&sound, mfcc, rows));
    memcpy(mfcc[79], mfcc[78], sizeof mfcc[79]);
}

static void mfcc_of_noise_agrees(void **state) {
    (void)state;
    static float mfcc[4 * FRAMES][STK_MFCC_COUNT];
    make_mfcc(mfcc);
    /* six digits are printed of up to 37 */
    test_assert_close("row 0", mfcc[0], want_mfcc, STK_MFCC_COUNT, 1e-4);
    test_assert_close("row 37", mfcc[37], want_mfcc + STK_MFCC_COUNT, STK_MFCC_COUNT, 1e-4);
}

static void mfcc_of_silence_is_finite(void **state) {
    (void)state;
    float samples[100] = {0}, mfcc[3][STK_MFCC_COUNT];
    const stk_sound sound = {samples, 100, STK_SAMPLE_RATE}, wrong = {samples, 100, 48000};
    TEST_OK(stk_mfcc(&sound, mfcc, 3));
    for (int r = 0; r < 3; r++) {
        assert_float_equal(mfcc[r][0], log(2.220446e-16), 1e-3);
        for (int k = 1; k < STK_MFCC_COUNT; k++) assert_float_equal(mfcc[r][k], 0, 1e-3);
    }
    assert_int_equal(stk_mfcc(&wrong, mfcc, 3), STK_ERR_ARGUMENT);
}

static void every_sixteenth(const float *codes, float out[24]) {
    const int frames[3] = {0, 9, 19};
    for (int i = 0; i < 24; i++) out[i] = codes[frames[i / 8] * CODE + i % 8 * 16];
}

typedef struct fixture {
    stk_active_speaker *speaker;
    uint8_t faces[FRAMES * STK_SPEAKER_FACE];
    float mfcc[4 * FRAMES][STK_MFCC_COUNT];
    float seen[FRAMES * CODE], heard[FRAMES * CODE];
} fixture;

static fixture *open_fixture(void) {
    const char *models = test_shared_or_skip("models");
    test_shared_or_skip("models/light_asd_finetune_TalkSet.model");
    fixture *f = stk_calloc_aligned(1, sizeof *f);
    assert_non_null(f);
    TEST_OK(stk_active_speaker_create(&f->speaker, models));
    make_faces(f->faces);
    make_mfcc(f->mfcc);
    TEST_OK(stk_active_speaker_see(f->speaker, FRAMES, f->faces, f->seen));
    TEST_OK(stk_active_speaker_hear(f->speaker, FRAMES, (const float(*)[STK_MFCC_COUNT])f->mfcc,
                                    f->heard));
    return f;
}

static void close_fixture(fixture *f) {
    stk_active_speaker_free(&f->speaker);
    stk_active_speaker_free(&f->speaker);
    stk_free(f);
}

/* Sums of some thousand products in another order, through six layers; six digits printed. */
static void speaker_seeded_input_agrees(void **state) {
    (void)state;
    fixture *f = open_fixture();
    float some[24], score[FRAMES];
    every_sixteenth(f->seen, some);
    test_assert_close("seen", some, want_seen, 24, 2e-5);
    every_sixteenth(f->heard, some);
    test_assert_close("heard", some, want_heard, 24, 2e-5);
    stk_active_speaker_score(f->speaker, FRAMES, f->seen, f->heard, score);
    test_assert_close("score", score, want_score, FRAMES, 5e-5);
    close_fixture(f);
}

/* A frame with the halo to either side has the code that it has in the whole. */
static void speaker_piece_with_halo_agrees_with_whole(void **state) {
    (void)state;
    enum { FROM = 2, N = 2 * STK_SPEAKER_HALO + 1, MIDDLE = FROM + STK_SPEAKER_HALO };
    fixture *f = open_fixture();
    float codes[N * CODE];
    TEST_OK(stk_active_speaker_see(f->speaker, N, f->faces + FROM * STK_SPEAKER_FACE, codes));
    test_assert_close("seen", codes + STK_SPEAKER_HALO * CODE, f->seen + MIDDLE * CODE, CODE, 1e-6);
    TEST_OK(stk_active_speaker_hear(f->speaker, N,
                                    (const float(*)[STK_MFCC_COUNT])(f->mfcc + 4 * FROM), codes));
    test_assert_close("heard", codes + STK_SPEAKER_HALO * CODE, f->heard + MIDDLE * CODE, CODE,
                      1e-6);
    assert_int_equal(stk_active_speaker_see(f->speaker, 0, f->faces, codes), STK_ERR_ARGUMENT);
    assert_int_equal(stk_active_speaker_see(f->speaker, STK_SPEAKER_FRAMES + 1, f->faces, codes),
                     STK_ERR_ARGUMENT);
    close_fixture(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mfcc_of_noise_agrees),
        cmocka_unit_test(mfcc_of_silence_is_finite),
        cmocka_unit_test(speaker_seeded_input_agrees),
        cmocka_unit_test(speaker_piece_with_halo_agrees_with_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
