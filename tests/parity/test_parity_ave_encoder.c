/* The audio-visual encoder against the published one: features, what its blocks make of a window,
 * and the way from mel windows to padded rows. Tolerance 1e-5 of the largest value
 * (shared/parity/README.md; float noise is 4e-7). */
#include "support.h"
#include "fixture.h"
#include "base/file.h"
#include "base/memory.h"
#include "face_sync/audio.h"
#include "face_sync/ave_encoder.h"
#include "nn/pth.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char PTH[] = "parity/official_audio_visual_encoder.pth";

static stk_ave_encoder *encoder_of(const char *path) {
    stk_ave_encoder *encoder;
    TEST_OK(stk_ave_encoder_create(&encoder, path));
    return encoder;
}

static double compare(const char *what, const float *is, const float *want, int64_t n) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)want[i]));
    test_assert_close(what, is, want, (size_t)n, 1e-5 * largest);
    return test_max_abs_error(is, want, (size_t)n) / largest;
}

static void check_features(const char *fixture) {
    stk_ave_encoder *encoder = encoder_of(test_shared_or_skip(PTH));
    stk_safetensors *file = test_fixture_open(fixture);
    int64_t floats, outs;
    float *windows = test_fixture_f32(file, "windows", &floats);
    float *want = test_fixture_f32(file, "out", &outs);
    const int n = (int)(floats / STK_AVE_WINDOW);
    assert_int_equal(outs, (int64_t)n * STK_AVE_FLOATS);
    float *out = stk_calloc_aligned((size_t)outs, sizeof *out);
    TEST_OK(stk_ave_encoder_run(encoder, n, windows, out));
    print_message("%s: %.2g of the largest over %d windows\n", fixture,
                  compare("out", out, want, outs), n);
    if (stk_safetensors_find(file, "out_f64") != NULL) {
        float *exact = test_fixture_f32(file, "out_f64", NULL);
        compare("out_f64", out, exact, outs);
        stk_free(exact);
    }
    stk_free(out), stk_free(want), stk_free(windows);
    stk_safetensors_close(&file);
    stk_ave_encoder_free(&encoder);
}

static void features_of_a_tone_agree(void **state) {
    (void)state;
    check_features("audio_encoder");
}

static void features_of_random_windows_agree(void **state) {
    (void)state;
    check_features("audio_encoder_random");
}

/* The fixture's taps are [channels][h][w]. */
static void blocks_agree(void **state) {
    (void)state;
    static const int TAPS[] = {0, 2, 5, 8, 10, 11, 12};
    static float out[STK_AVE_BLOCK_MAX], turned[STK_AVE_BLOCK_MAX];
    stk_ave_encoder *encoder = encoder_of(test_shared_or_skip(PTH));
    stk_safetensors *file = test_fixture_open("audio_encoder");
    float *windows = test_fixture_f32(file, "windows", NULL);
    for (size_t t = 0; t < STK_ARRAY_SIZE(TAPS); t++) {
        char name[32];
        int shape[3];
        int64_t n;
        snprintf(name, sizeof name, "block%d_frame3", TAPS[t]);
        float *want = test_fixture_f32(file, name, &n);
        TEST_OK(stk_ave_encoder_block(encoder, windows + 3 * STK_AVE_WINDOW, TAPS[t], out, shape));
        const int pixels = shape[0] * shape[1], channels = shape[2];
        assert_int_equal(n, pixels * channels);
        for (int p = 0; p < pixels; p++)
            for (int c = 0; c < channels; c++) turned[c * pixels + p] = out[p * channels + c];
        print_message("%s: %.2g of the largest\n", name, compare(name, turned, want, n));
        stk_free(want);
    }
    stk_free(windows);
    stk_safetensors_close(&file);
    stk_ave_encoder_free(&encoder);
}

/* The whole way of a sound: mel spectrogram -> rows (first and last crop twice more) -> features. */
static void features_of_a_sound_agree(void **state) {
    (void)state;
    stk_ave_encoder *encoder = encoder_of(test_shared_or_skip(PTH));
    stk_safetensors *sounds = test_fixture_open("audio_mel"),
                    *file = test_fixture_open("audio_encoder");
    int64_t samples, n;
    float *wav = test_fixture_f32(sounds, "wav", &samples);
    float *want = test_fixture_f32(file, "features", &n);
    const stk_sound sound = {wav, samples, STK_SAMPLE_RATE};
    const int columns = stk_mel_columns(samples), count = stk_mel_row_count(columns);
    assert_int_equal(n, (int64_t)count * STK_AVE_FLOATS);
    float *mel = stk_calloc_aligned((size_t)columns * STK_MEL_BINS, sizeof *mel);
    float *rows = stk_calloc_aligned((size_t)count * STK_AVE_WINDOW, sizeof *rows);
    float *features = stk_calloc_aligned((size_t)n, sizeof *features);
    TEST_OK(stk_mel_spectrogram(&sound, 0, mel, columns));
    stk_mel_rows(mel, columns, count, rows);
    TEST_OK(stk_ave_encoder_run(encoder, count, rows, features));
    print_message("features: %.2g of the largest\n", compare("features", features, want, n));
    stk_free(features), stk_free(rows), stk_free(mel), stk_free(want), stk_free(wav);
    stk_safetensors_close(&file);
    stk_safetensors_close(&sounds);
    stk_ave_encoder_free(&encoder);
}

/* Features must not depend on the place in a batch, nor on what else is in it. */
static void features_do_not_depend_on_neighbours(void **state) {
    (void)state;
    enum { N = STK_AVE_BATCH + 5 };
    static float windows[N * STK_AVE_WINDOW], all[N * STK_AVE_FLOATS], one[STK_AVE_FLOATS];
    stk_ave_encoder *encoder = encoder_of(test_shared_or_skip(PTH));
    for (int i = 0; i < N * STK_AVE_WINDOW; i++)
        windows[i] = 8 * test_hashed_noise((uint32_t)i, 3) - 4;
    TEST_OK(stk_ave_encoder_run(encoder, N, windows, all));
    for (int i = N - 1; i >= 0; i--) {
        TEST_OK(stk_ave_encoder_run(encoder, 1, windows + i * STK_AVE_WINDOW, one));
        assert_memory_equal(one, all + i * STK_AVE_FLOATS, sizeof one);
    }
    stk_ave_encoder_free(&encoder);
}

/* --- the weight file -------------------------------------------------------------------------- */

/* The file's tensors as .safetensors, without that of index `omitted`. */
static void write_safetensors(const char *path, int omitted) {
    stk_pth *file;
    stk_safetensors_writer *writer;
    TEST_OK(stk_pth_open(&file, test_shared_or_skip(PTH)));
    const stk_pth_value *model = stk_pth_model(file);
    assert_int_equal(model->count, 7 * STK_AVE_BLOCKS);
    TEST_OK(stk_safetensors_writer_create(&writer, path));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < model->count; i++) {
            const stk_pth_tensor *tensor = model->items[i]->tensor;
            if (i == omitted) continue;
            float *values = stk_calloc_aligned((size_t)tensor->count, sizeof *values);
            TEST_OK(stk_pth_read_f32(model->items[i], values, tensor->count, "tensor"));
            if (pass == 0)
                TEST_OK(stk_safetensors_writer_declare(writer, model->keys[i]->text, STK_F32,
                                                       tensor->rank, tensor->shape));
            else
                TEST_OK(stk_safetensors_writer_data(writer, values,
                                                    (size_t)tensor->count * sizeof *values));
            stk_free(values);
        }
    TEST_OK(stk_safetensors_writer_finish(&writer));
    stk_pth_close(&file);
}

static void safetensors_make_the_same_features(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    static float window[STK_AVE_WINDOW], a[STK_AVE_FLOATS], b[STK_AVE_FLOATS];
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "encoder.safetensors"));
    write_safetensors(path, -1);
    stk_ave_encoder *encoder = encoder_of(test_shared_or_skip(PTH)), *other = encoder_of(path);
    for (int i = 0; i < STK_AVE_WINDOW; i++) window[i] = 8 * test_hashed_noise((uint32_t)i, 4) - 4;
    TEST_OK(stk_ave_encoder_run(encoder, 1, window, a));
    TEST_OK(stk_ave_encoder_run(other, 1, window, b));
    assert_memory_equal(a, b, sizeof a);
    stk_ave_encoder_free(&other);
    stk_ave_encoder_free(&encoder);
}

static void refuses(const char *path, stk_status status, const char *words) {
    stk_ave_encoder *encoder;
    assert_int_equal(stk_ave_encoder_create(&encoder, path), status);
    assert_null(encoder);
    if (strstr(stk_error_text(), words) == NULL) fail_msg("%s", stk_error_text());
}

static void other_files_are_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "less.safetensors"));
    write_safetensors(path, 40);
    refuses(path, STK_ERR_WEIGHTS, "is not the audio-visual encoder");
    refuses(test_shared_or_skip("parity/official_A_best.pth"), STK_ERR_WEIGHTS,
            "is not the audio-visual encoder");
    refuses(test_shared_or_skip("parity/fixtures/tone_2s.wav"), STK_ERR_WEIGHTS,
            "is not the audio-visual encoder");
    refuses("/nowhere/encoder.pth", STK_ERR_IO, "/nowhere/encoder.pth");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_of_a_tone_agree),
        cmocka_unit_test(features_of_random_windows_agree),
        cmocka_unit_test(blocks_agree),
        cmocka_unit_test(features_of_a_sound_agree),
        cmocka_unit_test(features_do_not_depend_on_neighbours),
        cmocka_unit_test(safetensors_make_the_same_features),
        cmocka_unit_test(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
