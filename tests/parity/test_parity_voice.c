/* From the files of an official data set to audio codes, by the way that `render` goes: sound file,
 * encoder or feature file -> rows -> window of 8 -> codes, for the three kinds of checkpoints.
 * Tolerance 1e-5 of the largest value (shared/parity/README.md). */
#include "support.h"
#include "fixture.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "face_sync/feature_file.h"
#include "nn/pth.h"
#include "render/mel_feed.h"
#include "render/subject_rows.h"
#include "render/voice.h"
#include "subject/official.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ENCODER "parity/official_audio_visual_encoder.pth"
#define DATASET "parity/dataset_official"
#define SOUND DATASET "/aud.wav"
enum { TRAIN_FRAMES = 10, CODES = 20000 };

static void compare(const char *what, const float *is, const float *want, int64_t n) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)want[i]));
    print_message("%s: %.2g of the largest\n", what,
                  test_max_abs_error(is, want, (size_t)n) / largest);
    test_assert_close(what, is, want, (size_t)n, 1e-5 * largest);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void rows_of_the_sound_agree(void **state) {
    (void)state;
    stk_mel_feed *feed;
    stk_ave_encoder *encoder;
    static float windows[TRAIN_FRAMES][STK_AVE_WINDOW], rows[TRAIN_FRAMES * STK_AVE_FLOATS];
    stk_safetensors *file = test_fixture_open("dataset_loader");
    TEST_OK(stk_mel_feed_open(&feed, test_shared_or_skip(SOUND)));
    TEST_OK(stk_ave_encoder_create(&encoder, test_shared_or_skip(ENCODER)));
    for (int i = 0; i < TRAIN_FRAMES; i++) TEST_OK(stk_mel_feed_row(feed, i, windows[i]));
    TEST_OK(stk_ave_encoder_run(encoder, TRAIN_FRAMES, windows[0], rows));
    int64_t n;
    float *want = test_fixture_f32(file, "auds", &n);
    assert_int_equal(n, TRAIN_FRAMES * STK_AVE_FLOATS);
    compare("auds", rows, want, n);
    stk_free(want);
    stk_ave_encoder_free(&encoder);
    stk_mel_feed_close(&feed);
    stk_safetensors_close(&file);
}

static void rows_of_feature_files_agree(void **state) {
    (void)state;
    static const struct {
        const char *tensor, *path;
        stk_audio_kind kind;
    } CASES[] = {
        {"auds_deepspeech", "parity/dataset_official/aud_ds.npy", STK_AUDIO_DEEPSPEECH},
        {"auds_hubert", "parity/dataset_official/aud_hu.npy", STK_AUDIO_HUBERT},
    };
    stk_safetensors *fixture = test_fixture_open("dataset_loader");
    for (size_t k = 0; k < STK_ARRAY_SIZE(CASES); k++) {
        static float row[2048];
        stk_feature_file *file;
        int64_t n;
        const int floats = stk_audio_row_floats(CASES[k].kind);
        float *want = test_fixture_f32(fixture, CASES[k].tensor, &n);
        assert_int_equal(n, TRAIN_FRAMES * floats);
        TEST_OK(stk_feature_file_open(&file, test_shared_or_skip(CASES[k].path), CASES[k].kind));
        assert_int_equal(stk_feature_file_rows(file), 12);
        for (int i = 0; i < TRAIN_FRAMES; i++) {
            TEST_OK(stk_feature_file_row(file, i, row));
            assert_memory_equal(row, want + i * floats, (size_t)floats * sizeof *row);
        }
        stk_feature_file_close(&file);
        stk_free(want);
    }
    stk_safetensors_close(&fixture);
}

/* A subject that has the features gives them; one that has not lends its mel windows to the
 * encoder: the same rows as from the sound, from `first` on. */
static void rows_of_a_subject_agree(void **state) {
    (void)state;
    char folder[STK_PATH_MAX];
    stk_subject *subject;
    stk_subject_rows rows;
    stk_mel_feed *feed;
    stk_ave_encoder *encoder;
    static float windows[12][STK_AVE_WINDOW], want[12 * STK_AVE_FLOATS];
    stk_convert_figures figures;
    test_shared_or_skip(SOUND);
    TEST_OK(stk_path_join(folder, sizeof folder, test_temporary_folder(), "subject"));
    const stk_convert_settings settings = {test_shared(DATASET), folder, 1};
    TEST_OK(stk_subject_import(&settings, NULL, &figures));
    TEST_OK(stk_subject_open(&subject, folder));
    TEST_OK(stk_subject_rows_init(&rows, subject,
                                  &(stk_nets){.config.audio_kind = STK_AUDIO_HUBERT}, 4, NULL));
    assert_null(rows.encoded);
    assert_true(rows.rows == stk_subject_feature_row(subject, STK_AUDIO_HUBERT, 0));
    stk_subject_rows_clear(&rows);
    assert_int_equal(stk_subject_rows_init(&rows, subject,
                                           &(stk_nets){.config.audio_kind = STK_AUDIO_ESPERANTO}, 0,
                                           NULL),
                     STK_ERR_UNSUPPORTED);
    TEST_OK(stk_subject_rows_init(&rows, subject, &(stk_nets){.config.audio_kind = STK_AUDIO_AVE},
                                  4, test_shared_or_skip(ENCODER)));
    TEST_OK(stk_mel_feed_open(&feed, test_shared_or_skip(SOUND)));
    TEST_OK(stk_ave_encoder_create(&encoder, test_shared_or_skip(ENCODER)));
    for (int i = 0; i < 12; i++) TEST_OK(stk_mel_feed_row(feed, i, windows[i]));
    TEST_OK(stk_ave_encoder_run(encoder, 12, windows[0], want));
    compare("rows", rows.rows + 4 * STK_AVE_FLOATS, want + 4 * STK_AVE_FLOATS, 8 * STK_AVE_FLOATS);
    stk_ave_encoder_free(&encoder);
    stk_mel_feed_close(&feed);
    stk_subject_rows_clear(&rows);
    stk_subject_close(&subject);
}

/* --- codes ------------------------------------------------------------------------------------ */

static void load_nets(stk_nets *nets, stk_audio_kind kind, int exp, const char *checkpoint) {
    const stk_model_config config = {
        .audio_kind = kind, .levels = 12, .exp = exp, .code_rows = CODES};
    const char *path = test_shared_or_skip(checkpoint);
    stk_pth *file;
    stk_params_missing missing;
    TEST_OK(stk_nets_init(nets, &config, 0));
    TEST_OK(stk_pth_open(&file, path));
    TEST_OK(stk_params_load_pth(&nets->params, stk_pth_model(file), path, &missing));
    assert_int_equal(missing.count, 2); /* the lip probe, which is ours */
    stk_pth_close(&file);
}

/* The fixture's frame lies so that its window does not reach the end of the training split. */
static void check_code(const char *fixture, int frame, const stk_voice_source *source,
                       const stk_nets *nets) {
    stk_voice *voice;
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_safetensors *file = test_fixture_open(fixture);
    float *want = test_fixture_f32(file, "enc_a", NULL);
    if (frame < 0) frame = (int)test_fixture_number(file, "frame");
    assert_true(frame + STK_AUDIO_WINDOW / 2 <= TRAIN_FRAMES);
    TEST_OK(stk_voice_open(&voice, source, nets));
    assert_int_equal(stk_voice_frames(voice), 12);
    stk_voice_code(voice, nets->params.value, frame, code);
    TEST_OK(stk_voice_check(voice));
    compare(fixture, code, want, STK_AUDIO_CODE);
    stk_voice_close(&voice);
    stk_free(want);
    stk_safetensors_close(&file);
}

static void code_through_the_encoder_agrees(void **state) {
    (void)state;
    stk_nets nets;
    load_nets(&nets, STK_AUDIO_AVE, 7, "parity/official_A.pth");
    const stk_voice_source source = {.sound = test_shared_or_skip(SOUND),
                                     .encoder = test_shared_or_skip(ENCODER)};
    check_code("A_frame", 3, &source, &nets);
    check_code("A_network", -1, &source, &nets);
    stk_nets_clear(&nets);
    load_nets(&nets, STK_AUDIO_AVE, 1, "parity/official_E.pth");
    check_code("E_network", -1, &source, &nets);
    stk_nets_clear(&nets);
}

static void code_of_hubert_features_agrees(void **state) {
    (void)state;
    stk_nets nets;
    load_nets(&nets, STK_AUDIO_HUBERT, 7, "parity/official_C.pth");
    const stk_voice_source source = {.sound = test_shared_or_skip(SOUND),
                                     .features =
                                         test_shared_or_skip("parity/dataset_official/aud_hu.npy")};
    check_code("C_network", -1, &source, &nets);
    stk_nets_clear(&nets);
}

static void code_of_deepspeech_features_agrees(void **state) {
    (void)state;
    stk_nets nets;
    load_nets(&nets, STK_AUDIO_DEEPSPEECH, 7, "parity/official_D.pth");
    const stk_voice_source source = {.sound = test_shared_or_skip(SOUND),
                                     .features =
                                         test_shared_or_skip("parity/dataset_official/aud_ds.npy")};
    check_code("D_network", -1, &source, &nets);
    stk_nets_clear(&nets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_the_sound_agree),
        cmocka_unit_test(rows_of_feature_files_agree),
        cmocka_unit_test(rows_of_a_subject_agree),
        cmocka_unit_test(code_through_the_encoder_agrees),
        cmocka_unit_test(code_of_hubert_features_agrees),
        cmocka_unit_test(code_of_deepspeech_features_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
