/* Mel spectrogram, audio nets and audio attention against the reference numbers.
 *
 * Tolerances from the fixtures' description: mel 1e-5 absolute; audio nets 1e-5 of the largest
 * value.
 */
#include "support.h"
#include "face_sync/audio.h"
#include "face_sync/fft.h"
#include "media/media.h"
#include "nn/pth.h"
#include "nn/safetensors.h"
#include "render/voice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static stk_safetensors *fixture(const char *name) {
    char relative[128];
    snprintf(relative, sizeof relative, "parity/fixtures/%s.safetensors", name);
    stk_safetensors *file;
    TEST_OK(stk_safetensors_open(&file, test_shared_or_skip(relative)));
    return file;
}

static float *tensor(const stk_safetensors *file, const char *name) {
    const stk_tensor_info *info = stk_safetensors_find(file, name);
    if (info == NULL) fail_msg("%s is absent", name);
    float *data = malloc((size_t)info->count * sizeof *data);
    assert_non_null(data);
    TEST_OK(stk_safetensors_read_f32(file, name, data, info->count));
    return data;
}

static void mel_spectrogram_matches(void **state) {
    (void)state;
    enum { COLUMNS = 161, CROPS = 47, SIZE = 80 * 16 };
    stk_safetensors *file = fixture("audio_mel");
    float *wav = tensor(file, "wav"), *mel = malloc(80 * COLUMNS * sizeof *mel);
    stk_sound sound = {wav, 32000, STK_SAMPLE_RATE};
    for (int reflect = 0; reflect < 2; reflect++) {
        float *wanted = tensor(file, reflect ? "mel_reflect" : "mel");
        TEST_OK(stk_mel_spectrogram(&sound, reflect, mel, COLUMNS));
        print_message("mel reflect=%d: largest error %.2g\n", reflect,
                      test_max_abs_error(mel, wanted, 80 * COLUMNS));
        test_assert_close("mel", mel, wanted, 80 * COLUMNS, 1e-5);
        free(wanted);
    }
    TEST_OK(stk_mel_spectrogram(&sound, 0, mel, COLUMNS));
    assert_int_equal(stk_mel_row_count(COLUMNS), CROPS + 4);
    float *windows = tensor(file, "windows"), *rows = malloc((CROPS + 4) * SIZE * sizeof *rows);
    stk_mel_rows(mel, COLUMNS, CROPS + 4, rows);
    for (int i = 0; i < CROPS + 4; i++)
        test_assert_close("row", rows + i * SIZE, windows + stk_clampi(i - 2, 0, CROPS - 1) * SIZE,
                          SIZE, 1e-5);
    free(rows), free(windows), free(mel), free(wav);
    stk_safetensors_close(&file);
}

/* --- the steps to the mel spectrogram --------------------------------------------------------- */

/* The sound as decoded, its pre-emphasis in doubles, the start of each window. */
static void sound_and_windows_match(void **state) {
    (void)state;
    stk_safetensors *file = fixture("audio_mel");
    const stk_tensor_info *pcm = stk_safetensors_find(file, "pcm");
    const stk_tensor_info *flat = stk_safetensors_find(file, "preemphasis");
    const stk_tensor_info *starts = stk_safetensors_find(file, "window_start");
    assert_true(pcm != NULL && flat != NULL && starts != NULL);
    float *wav = tensor(file, "wav");
    stk_sound sound;
    TEST_OK(stk_sound_read(test_shared_or_skip("parity/fixtures/tone_2s.wav"), STK_SAMPLE_RATE, 0,
                           &sound));
    assert_int_equal(sound.count, pcm->count);
    for (int64_t i = 0; i < sound.count; i++) {
        int16_t sample;
        double want;
        memcpy(&sample, (const uint8_t *)pcm->data + 2 * i, sizeof sample);
        memcpy(&want, (const uint8_t *)flat->data + 8 * i, sizeof want);
        assert_true(wav[i] == (float)sample / 32768 && sound.samples[i] == wav[i]);
        const double before = i > 0 ? (double)wav[i - 1] : 0;
        assert_float_equal((double)wav[i] - 0.97 * before, want, 1e-12);
    }
    for (int i = 0; i < starts->count; i++) {
        int32_t start;
        memcpy(&start, (const uint8_t *)starts->data + 4 * i, sizeof start);
        assert_int_equal(start, stk_clampi(16 * i / 5, 0, 161 - 16));
    }
    stk_sound_clear(&sound);
    free(wav);
    stk_safetensors_close(&file);
}

/* Magnitudes of our transform, and the triangles: equal to the bit (shared/parity/README.md). */
static void spectrum_and_basis_match(void **state) {
    (void)state;
    enum { COLUMNS = 161, HOP = 200 };
    stk_safetensors *file = fixture("audio_mel");
    float *basis = tensor(file, "mel_basis"), *magnitude = tensor(file, "stft_mag");
    float *linear = tensor(file, "mel_linear"), *wav = tensor(file, "wav");
    static float ours[STK_MEL_BINS][STK_STFT_BINS];
    static stk_fft fft;
    static stk_fft_work work;
    stk_mel_basis(ours);
    assert_memory_equal(ours, basis, sizeof ours);
    TEST_OK(stk_fft_init(&fft, STK_STFT_SIZE));
    for (int t = 0; t < COLUMNS; t++) {
        double cut[STK_STFT_SIZE], out[STK_STFT_BINS][2], size[STK_STFT_BINS];
        for (int i = 0; i < STK_STFT_SIZE; i++) {
            const int at = t * HOP - STK_STFT_SIZE / 2 + i;
            const double hann = 0.5 - 0.5 * cos(2 * M_PI * i / STK_STFT_SIZE);
            const int in = at >= 0 && at < 32000;
            cut[i] = in ? hann * ((double)wav[at] - (at > 0 ? 0.97 * (double)wav[at - 1] : 0)) : 0;
        }
        stk_fft_real(&fft, cut, out, &work);
        for (int f = 0; f < STK_STFT_BINS; f++) {
            size[f] = hypot(out[f][0], out[f][1]);
            assert_float_equal(size[f], magnitude[f * COLUMNS + t], 1e-5);
        }
        for (int k = 0; k < STK_MEL_BINS; k++) {
            double sum = 0;
            for (int f = 0; f < STK_STFT_BINS; f++) sum += (double)ours[k][f] * size[f];
            assert_float_equal(sum, linear[k * COLUMNS + t], 1e-5);
        }
    }
    free(basis), free(magnitude), free(linear), free(wav);
    stk_safetensors_close(&file);
}

/* --- nets ------------------------------------------------------------------------------------- */

typedef struct loaded {
    stk_audio_net net;
    stk_params params;
    float *acts;
} loaded;

static void load(loaded *model, stk_audio_kind kind, const char *checkpoint) {
    stk_pth *file;
    TEST_OK(stk_params_init(&model->params));
    TEST_OK(stk_audio_net_register(&model->net, &model->params, kind));
    TEST_OK(stk_params_seal(&model->params, 0));
    TEST_OK(stk_pth_open(&file, test_shared_or_skip(checkpoint)));
    TEST_OK(stk_params_load_pth(&model->params, stk_pth_model(file), checkpoint, NULL));
    stk_pth_close(&file);
    model->acts = malloc(stk_audio_net_act_floats(&model->net) * sizeof(float));
    assert_non_null(model->acts);
}

static void unload(loaded *model) {
    free(model->acts);
    stk_params_clear(&model->params);
}

/* 1e-5 of the largest wanted value. */
static void compare(const char *what, const float *is, const float *wanted, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)wanted[i]));
    print_message("%s: %.2g of the largest\n", what, test_max_abs_error(is, wanted, n) / largest);
    test_assert_close(what, is, wanted, n, 1e-5 * largest);
}

static void check_window(loaded *model, const stk_safetensors *file) {
    float *auds = tensor(file, "auds"), *wanted = tensor(file, "enc_a"), code[32], rows_is[8 * 32];
    const float *rows[8];
    for (int i = 0; i < 8; i++) rows[i] = auds + i * model->net.row_floats;
    stk_audio_net_forward(&model->net, &model->params, model->params.value, rows, model->acts,
                          code);
    compare("enc_a", code, wanted, 32);
    free(wanted);
    stk_audio_view view = stk_audio_net_view(&model->net, model->acts);
    for (int i = 0; i < 8; i++)
        for (int c = 0; c < 32; c++) rows_is[i * 32 + c] = view.row_codes[c * 10 + 1 + i];
    wanted = tensor(file, "per_frame");
    compare("per_frame", rows_is, wanted, 8 * 32);
    free(wanted);
    wanted = tensor(file, "att_conv");
    compare("att_conv", view.score, wanted, 8);
    free(wanted);
    wanted = tensor(file, "att_weights");
    compare("att_weights", view.weights, wanted, 8);
    free(wanted), free(auds);
}

/* The product's window of a frame holds the fixture's rows, zeros where it has none. */
static void check_rows_of_window(const stk_safetensors *file, const char *name,
                                 const float *sequence, int count, int frame, int row_floats) {
    const float *window[STK_AUDIO_WINDOW];
    float *wanted = tensor(file, name);
    stk_audio_window(sequence, count, row_floats, frame, window);
    for (int k = 0; k < STK_AUDIO_WINDOW; k++)
        for (int i = 0; i < row_floats; i++)
            assert_true(wanted[k * row_floats + i] == (window[k] == NULL ? 0 : window[k][i]));
    free(wanted);
}

static void check_sequence(loaded *model, const stk_safetensors *file) {
    static const int FRAMES[] = {0, 1, 3, 4, 10, 16, 17, 19};
    enum { COUNT = 20 };
    float *sequence = tensor(file, "sequence"), code[32];
    for (size_t f = 0; f < STK_ARRAY_SIZE(FRAMES); f++) {
        const float *rows[8];
        for (int k = 0; k < 8; k++) {
            int i = FRAMES[f] - 4 + k;
            rows[k] = i < 0 || i >= COUNT ? NULL : sequence + i * model->net.row_floats;
        }
        stk_audio_net_forward(&model->net, &model->params, model->params.value, rows, model->acts,
                              code);
        char name[32];
        snprintf(name, sizeof name, "window_%d", FRAMES[f]);
        check_rows_of_window(file, name, sequence, COUNT, FRAMES[f], model->net.row_floats);
        snprintf(name, sizeof name, "window_enc_%d", FRAMES[f]);
        float *wanted = tensor(file, name);
        compare(name, code, wanted, 32);
        free(wanted);
    }
    free(sequence);
}

/* The network fixtures' windows and codes. */
static void check_network_code(loaded *model, const char *name) {
    stk_safetensors *file = fixture(name);
    float *auds = tensor(file, "auds"), *wanted = tensor(file, "enc_a"), code[32];
    const float *rows[8];
    for (int i = 0; i < 8; i++) rows[i] = auds + i * model->net.row_floats;
    stk_audio_net_forward(&model->net, &model->params, model->params.value, rows, model->acts,
                          code);
    compare(name, code, wanted, 32);
    free(wanted), free(auds);
    stk_safetensors_close(&file);
}

static void check_kind(stk_audio_kind kind, const char *name, const char *checkpoint) {
    loaded model;
    stk_safetensors *file = fixture(name);
    load(&model, kind, checkpoint);
    check_window(&model, file);
    if (stk_safetensors_find(file, "sequence") != NULL) check_sequence(&model, file);
    char network[16];
    snprintf(network, sizeof network, "%c_network", name[0]);
    check_network_code(&model, network);
    unload(&model);
    stk_safetensors_close(&file);
}

static void ave_net_matches(void **state) {
    (void)state;
    check_kind(STK_AUDIO_AVE, "A_audio", "parity/official_A.pth");
}

static void hubert_net_matches(void **state) {
    (void)state;
    check_kind(STK_AUDIO_HUBERT, "C_audio", "parity/official_C.pth");
}

static void deepspeech_net_matches(void **state) {
    (void)state;
    check_kind(STK_AUDIO_DEEPSPEECH, "D_audio", "parity/official_D.pth");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mel_spectrogram_matches),  cmocka_unit_test(sound_and_windows_match),
        cmocka_unit_test(spectrum_and_basis_match), cmocka_unit_test(ave_net_matches),
        cmocka_unit_test(hubert_net_matches),       cmocka_unit_test(deepspeech_net_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
