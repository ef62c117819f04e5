/* SyncNet and its figures against PyTorch: weights, faces, cepstrum and codes are made by the
 * formula of scripts/oracle_syncnet.py, which printed the numbers; files that are something else
 * are refused. */
#include "support.h"
#include "base/attr.h"
#include "base/memory.h"
#include "face_sync/syncnet.h"
#include "media/media.h"
#include "nn/safetensors.h"
#include "subject/speech_lse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const float want_seen[] = {-523.5403f, 102.8767f, 12.58235f, 191.8786f, 957.113f, 1149.54f,
    374.9863f, 893.2396f, -311.2172f, -2144.16f, 127.0462f, -593.245f, -714.9826f, -1961.404f,
    889.3118f, 770.3795f, -422.4287f, 401.1072f, -127.7666f, 283.9104f, 1032.369f, 1259.206f,
    607.6674f, 494.7167f, -403.1724f, -2192.178f, 220.6237f, -675.1464f, -622.1733f, -1958.636f,
    1005.971f, 693.0402f};
static const float want_heard[] = {-37.37469f, 46.77986f, -139.141f, -16.49491f, 110.6172f,
    58.06733f, -71.67742f, 126.8504f, 6.261034f, -76.58876f, 107.476f, 84.06838f, 45.82795f,
    -88.10236f, -54.39956f, 68.38755f, -63.40794f, 42.62991f, -164.2168f, -21.95556f, 116.0927f,
    45.65725f, -76.76089f, 148.8761f, -10.35295f, -42.46665f, 132.1016f, 81.80402f, 36.49848f,
    -119.0752f, -85.00294f, 43.06226f};
/* clang-format on */

static char path[STK_PATH_MAX];

/* Number i of a seed, in [0, 1). */
static double noise(uint32_t i, uint32_t seed) {
    uint32_t h = i + seed * 0x9E3779B9u;
    h *= 2654435761u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return (h >> 8) / 16777216.0;
}

/* --- the weights' file ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int64_t shape[5]; /* 0: not so many; of a norm, the first only */
} LAYERS[] = {
    {"netcnnaud.0", {64, 1, 3, 3}},
    {"netcnnaud.1", {64}},
    {"netcnnaud.4", {192, 64, 3, 3}},
    {"netcnnaud.5", {192}},
    {"netcnnaud.8", {384, 192, 3, 3}},
    {"netcnnaud.9", {384}},
    {"netcnnaud.11", {256, 384, 3, 3}},
    {"netcnnaud.12", {256}},
    {"netcnnaud.14", {256, 256, 3, 3}},
    {"netcnnaud.15", {256}},
    {"netcnnaud.18", {512, 256, 5, 4}},
    {"netcnnaud.19", {512}},
    {"netfcaud.0", {512, 512}},
    {"netfcaud.1", {512}},
    {"netfcaud.3", {1024, 512}},
    {"netcnnlip.0", {96, 3, 5, 7, 7}},
    {"netcnnlip.1", {96}},
    {"netcnnlip.4", {256, 96, 1, 5, 5}},
    {"netcnnlip.5", {256}},
    {"netcnnlip.8", {256, 256, 1, 3, 3}},
    {"netcnnlip.9", {256}},
    {"netcnnlip.11", {256, 256, 1, 3, 3}},
    {"netcnnlip.12", {256}},
    {"netcnnlip.14", {256, 256, 1, 3, 3}},
    {"netcnnlip.15", {256}},
    {"netcnnlip.18", {512, 256, 1, 6, 6}},
    {"netcnnlip.19", {512}},
    {"netfclip.0", {512, 512}},
    {"netfclip.1", {512}},
    {"netfclip.3", {1024, 512}},
};

/* One pass over all tensors in the order of their seeds: declares (values NULL) or writes. */
static stk_status put_all(stk_safetensors_writer *writer, float *values) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    uint32_t seed = 0;
    for (size_t l = 0; l < STK_ARRAY_SIZE(LAYERS); l++) {
        int rank = 0;
        int64_t all = 1;
        while (rank < 5 && LAYERS[l].shape[rank] > 0) all *= LAYERS[l].shape[rank++];
        const int norm = rank == 1;
        for (int p = 0; p < (norm ? 4 : 2); p++) {
            char name[64];
            const int whole = p == 0 && !norm;
            const int64_t count = whole ? all : LAYERS[l].shape[0];
            const double scale = sqrt(6.0 / (double)(all / LAYERS[l].shape[0]));
            snprintf(name, sizeof name, "%s.%s", LAYERS[l].name, parts[p]);
            seed++;
            if (values == NULL) {
                STK_TRY(stk_safetensors_writer_declare(writer, name, STK_F32, whole ? rank : 1,
                                                       LAYERS[l].shape));
                continue;
            }
            for (uint32_t i = 0; i < (uint32_t)count; i++) {
                const double u = noise(i, seed);
                values[i] = (float)(whole                ? scale * (2 * u - 1)
                                    : norm && p % 3 == 0 ? 0.5 + u
                                                         : 0.2 * (u - 0.5));
            }
            STK_TRY(stk_safetensors_writer_data(writer, values, (size_t)count * sizeof *values));
        }
    }
    return STK_OK;
}

static int write_weights(void **state) {
    stk_safetensors_writer *writer;
    float *values = stk_calloc_aligned((size_t)512 * 256 * 36, sizeof *values);
    (void)state;
    assert_non_null(values);
    snprintf(path, sizeof path, "%s/syncnet_v2.model", test_temporary_folder());
    TEST_OK(stk_safetensors_writer_create(&writer, path));
    TEST_OK(put_all(writer, NULL));
    TEST_OK(put_all(writer, values));
    TEST_OK(stk_safetensors_writer_finish(&writer));
    stk_free(values);
    return 0;
}

/* --- what it gives ---------------------------------------------------------------------------- */

static void compare_codes(const float code[2][STK_SYNCNET_CODE], const float *wanted) {
    double power = 0;
    for (int i = 0; i < 32; i++) power += (double)wanted[i] * (double)wanted[i] / 32;
    for (int i = 0; i < 32; i++)
        assert_float_equal(code[i / 16][64 * (i % 16)], wanted[i], 1e-4 * sqrt(power));
}

static void see_and_hear_are_those_of_torch(void **state) {
    static uint8_t faces[6][STK_SYNCNET_FACE];
    static float mfcc[24][STK_MFCC_COUNT], code[2][STK_SYNCNET_CODE];
    char found[STK_PATH_MAX], folder[STK_PATH_MAX];
    stk_syncnet *net;
    (void)state;
    for (uint32_t i = 0; i < 6 * STK_SYNCNET_FACE; i++) {
        const uint32_t t = i / STK_SYNCNET_FACE, pixel = i % STK_SYNCNET_FACE / 3;
        const uint32_t cell = (t * 14 + pixel / 224 / 16) * 14 + pixel % 224 / 16;
        faces[t][i % STK_SYNCNET_FACE] = (uint8_t)floor(256 * noise(cell * 3 + i % 3, 1001));
    }
    for (uint32_t i = 0; i < 24 * STK_MFCC_COUNT; i++)
        mfcc[i / STK_MFCC_COUNT][i % STK_MFCC_COUNT] = (float)(40 * noise(i, 1002) - 20);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    TEST_OK(stk_syncnet_locate(folder, found));
    assert_string_equal(found, path);
    TEST_OK(stk_syncnet_create(&net, found));
    for (int w = 0; w < 2; w++) {
        const uint8_t *const five[] = {faces[w], faces[w + 1], faces[w + 2], faces[w + 3],
                                       faces[w + 4]};
        TEST_OK(stk_syncnet_see(net, five, code[w]));
    }
    compare_codes((const float(*)[STK_SYNCNET_CODE])code, want_seen);
    for (int w = 0; w < 2; w++)
        TEST_OK(stk_syncnet_hear(net, (const float(*)[STK_MFCC_COUNT])mfcc + 4 * w, code[w]));
    compare_codes((const float(*)[STK_SYNCNET_CODE])code, want_heard);
    stk_syncnet_free(&net);
}

/* Codes of lips are those of sound three windows later, but for noise; beyond the ends are zeros. */
static void lse_is_that_of_torch(void **state) {
    enum { N = 40, LATE = 3, CODE = STK_SYNCNET_CODE };
    static float lips[(N + LATE) * CODE], sound[N * CODE];
    stk_lse lse;
    (void)state;
    for (uint32_t i = 0; i < (N + LATE) * CODE; i++) lips[i] = (float)(4 * noise(i, 1003) - 2);
    for (uint32_t i = 0; i < N * CODE; i++)
        sound[i] = (float)(4 * noise(i, 1003) - 2 + (2 * noise(i, 1004) - 1));
    stk_lse_of(N, lips + LATE * CODE, sound, &lse);
    assert_float_equal(lse.c, 31.96799, 1e-4);
    assert_float_equal(lse.d, 19.8404, 1e-4);
    assert_int_equal(lse.offset_frames, LATE);
    stk_lse_of(0, lips, sound, &lse);
    assert_int_equal(lse.windows, 0);
}

/* Runs of 7 and 12 frames, a frame without a face between them, then a cut and a run of 6, which is
 * always too short: figures of those that are long enough, weighted by their windows. */
static void runs_are_weighted_by_their_windows(void **state) {
    enum { FRAMES = 30, CUT = 20, CODE = STK_SYNCNET_CODE };
    static uint8_t faces[FRAMES][STK_SYNCNET_FACE];
    static float lips[FRAMES][CODE], heard[FRAMES][CODE], mfcc[4 * FRAMES][STK_MFCC_COUNT];
    stk_sound sound = {stk_calloc_aligned(640 * FRAMES, sizeof(float)), 640 * FRAMES, 16000};
    stk_lse lse, one, two;
    stk_speech_lse *clip;
    stk_syncnet *net;
    (void)state;
    assert_non_null(sound.samples);
    for (uint32_t i = 0; i < 640 * FRAMES; i++) sound.samples[i] = (float)(noise(i, 7) - 0.5);
    for (uint32_t t = 0; t < FRAMES; t++)
        for (uint32_t i = 0; i < STK_SYNCNET_FACE; i++)
            faces[t][i] = (uint8_t)(256 * noise(i / 672 * 31 + i % 672 / 96 + 5000 * t, 8));
    TEST_OK(stk_mfcc(&sound, mfcc, 4 * FRAMES));
    TEST_OK(stk_syncnet_create(&net, path));
    for (int i = 0; i < 15; i++) {
        if (i > 1 && i < 8) continue;
        const uint8_t *const five[] = {faces[i], faces[i + 1], faces[i + 2], faces[i + 3],
                                       faces[i + 4]};
        TEST_OK(stk_syncnet_see(net, five, lips[i]));
        TEST_OK(stk_syncnet_hear(net, (const float(*)[STK_MFCC_COUNT])mfcc + 4 * i, heard[i]));
    }
    stk_lse_of(7 - 5, lips[0], heard[0], &one);
    stk_lse_of(12 - 5, lips[8], heard[8], &two);
    for (int run_min = 7; run_min <= 10; run_min += 3) {
        TEST_OK(stk_speech_lse_create(&clip, path, FRAMES, run_min));
        for (int i = 0; i < FRAMES; i++) /* one without a face behind the first run */
            TEST_OK(stk_speech_lse_push(clip, i == 7 || i > CUT + 5 ? NULL : faces[i], i == CUT));
        TEST_OK(stk_speech_lse_end(clip, &sound, &lse));
        stk_speech_lse_free(&clip);
        assert_int_equal(lse.windows, run_min == 7 ? 9 : 7);
        const double c = run_min == 7 ? (2 * one.c + 7 * two.c) / 9 : two.c;
        const double d = run_min == 7 ? (2 * one.d + 7 * two.d) / 9 : two.d;
        assert_float_equal(lse.c, c, 1e-6 * (1 + c));
        assert_float_equal(lse.d, d, 1e-6 * d);
        assert_int_equal(lse.offset_frames, two.offset_frames);
    }
    TEST_OK(stk_speech_lse_create(&clip, path, 1, 7));
    TEST_OK(stk_speech_lse_push(clip, NULL, 0));
    TEST_OK(stk_speech_lse_end(clip, &sound, &lse));
    assert_int_equal(lse.windows, 0);
    stk_speech_lse_free(&clip);
    stk_syncnet_free(&net);
    stk_sound_clear(&sound);
}

/* A first tensor of another size, one that is absent, one with a number that is none. */
static void create_other_file_is_refused(void **state) {
    static const char *const words[] = {"is not the network SyncNet", "is not the network SyncNet",
                                        "that are no numbers"};
    char other[STK_PATH_MAX];
    stk_syncnet *net;
    (void)state;
    snprintf(other, sizeof other, "%s/other.safetensors", test_temporary_folder());
    for (int i = 0; i < 3; i++) {
        static float values[96 * 15 * 49];
        const int64_t count = i == 0 ? 96 : 96 * 15 * 49;
        stk_safetensors_writer *writer;
        values[5] = NAN;
        TEST_OK(stk_safetensors_writer_create(&writer, other));
        TEST_OK(stk_safetensors_writer_declare(
            writer, i == 1 ? "netcnnlip.0" : "netcnnlip.0.weight", STK_F32, 1, &count));
        TEST_OK(stk_safetensors_writer_data(writer, values, (size_t)count * sizeof *values));
        TEST_OK(stk_safetensors_writer_finish(&writer));
        assert_int_equal(stk_syncnet_create(&net, other), STK_ERR_WEIGHTS);
        assert_non_null(strstr(stk_error_text(), "netcnnlip.0.weight"));
        assert_non_null(strstr(stk_error_text(), words[i]));
        assert_null(net);
    }
    assert_int_equal(stk_syncnet_create(&net, "/nonexistent"), STK_ERR_IO);
    assert_int_equal(stk_syncnet_locate("/nonexistent", other), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "robots.ox.ac.uk"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(see_and_hear_are_those_of_torch),
        cmocka_unit_test(lse_is_that_of_torch),
        cmocka_unit_test(runs_are_weighted_by_their_windows),
        cmocka_unit_test(create_other_file_is_refused),
    };
    return cmocka_run_group_tests(tests, write_weights, NULL);
}
