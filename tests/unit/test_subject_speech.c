/* test_subject_speech.c - clips cut to mouth crops and sound: crops that hold still, the mouth in
 * its place, states, damaged files, clips that cannot work. */
#include "support.h"

#include "base/face_mesh.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/safetensors.h"
#include "subject/speech.h"
#include "subject/speech_crop.h"
#include "subject/speech_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 60 };

/* The canonical face, turned and scaled, its lips apart by `gap` metres, points shaken. */
static void draw_face(stk_landmarks *l, double scale, double angle, const double at[2], double gap,
                      stk_rng *rng) {
    *l = (stk_landmarks){.count = STK_MESH_LANDMARKS, .score = 1};
    for (int k = 0; k < STK_MESH_LANDMARKS; k++) {
        const float *p = stk_canonical_face()[k];
        double x = (double)p[0], y = -(double)p[1];
        if (k == 14) y += gap;
        l->xyz[k][0] = (float)(at[0] + scale * (cos(angle) * x - sin(angle) * y));
        l->xyz[k][1] = (float)(at[1] + scale * (sin(angle) * x + cos(angle) * y));
        for (int c = 0; c < 2; c++) l->xyz[k][c] += 0.5f * (stk_rng_float(rng) - 0.5f);
    }
}

/* Where a point of the picture lies in the crop, px of 96. */
static void into_crop(const stk_face_roi *roi, double x, double y, double out[2]) {
    const double c = cos((double)roi->angle_rad), n = sin((double)roi->angle_rad);
    const double s = STK_SPEECH_SIDE / (double)roi->size_px;
    x -= (double)roi->cx_px;
    y -= (double)roi->cy_px;
    out[0] = STK_SPEECH_SIDE / 2 + s * (c * x + n * y);
    out[1] = STK_SPEECH_SIDE / 2 + s * (c * y - n * x);
}

static void crops_place_moving_face_holds_still(void **state) {
    (void)state;
    static stk_landmarks faces[FRAMES];
    static stk_speech_look looks[FRAMES];
    int32_t take[FRAMES] = {0};
    stk_rng rng;
    memset(looks, 0, sizeof looks);
    stk_rng_seed(&rng, 3, 1);
    for (int i = 0; i < FRAMES; i++) {
        const double t = i, at[2] = {300 + 30 * sin(0.08 * t), 200 + 10 * cos(0.06 * t)};
        draw_face(&faces[i], 1500 + 100 * sin(0.05 * t), 0.2 * sin(0.07 * t), at,
                  0.01 * (1 + sin(t)), &rng);
        if (i == 20 || i == 21) continue; /* lost for a moment */
        stk_speech_look_take(&looks[i], &faces[i]);
        assert_true(looks[i].usable);
    }
    stk_speech_crops_place(looks, take, FRAMES);
    for (int i = 6; i < FRAMES - 6; i++) { /* ends see one side only */
        double right[2], left[2];
        into_crop(&looks[i].crop, (double)faces[i].xyz[61][0], (double)faces[i].xyz[61][1], right);
        into_crop(&looks[i].crop, (double)faces[i].xyz[291][0], (double)faces[i].xyz[291][1], left);
        assert_float_equal(0.5 * (right[0] + left[0]), 48, 0.7);
        assert_float_equal(0.5 * (right[1] + left[1]), 68, 0.7);
        assert_float_equal(right[1] - left[1], 0, 0.7);
        assert_float_equal(left[0] - right[0], 96 * 0.0491 / 0.18, 0.7);
    }
}

static void look_turned_or_small_face_is_not_usable(void **state) {
    (void)state;
    stk_landmarks face;
    stk_speech_look look = {0};
    stk_rng rng;
    const double at[2] = {300, 200};
    stk_rng_seed(&rng, 4, 1);
    draw_face(&face, 1500, 0, at, 0, &rng);
    for (int k = 0; k < STK_MESH_LANDMARKS; k++) { /* turned by 50 degrees about the upright axis */
        const float *p = stk_canonical_face()[k];
        face.xyz[k][0] = 300 + 1500 * (0.643f * p[0] + 0.766f * p[2]);
    }
    stk_speech_look_take(&look, &face);
    assert_true(look.found && !look.usable);
    draw_face(&face, 150, 0, at, 0, &rng);
    stk_speech_look_take(&look, &face);
    assert_true(look.found && !look.usable);
}

/* Lips that move in [20, 40) of 100 frames, sound in [20, 80). */
static void state_from_motion_needs_lips_and_sound(void **state) {
    (void)state;
    enum { N = 200, SAMPLES = 640 };
    static stk_speech_look looks[N];
    static float samples[N * SAMPLES];
    int32_t take[N] = {0};
    uint8_t states[N];
    memset(looks, 0, sizeof looks);
    for (int i = 0; i < N; i++) {
        looks[i].found = looks[i].usable = i != 50;
        looks[i].opening = i >= 20 && i < 100 ? 0.1f + 0.1f * sinf(1.3f * (float)i) : 0.02f;
        for (int k = 0; k < SAMPLES; k++)
            samples[i * SAMPLES + k] = (i >= 60 && i < 160 ? 0.1f : 1e-4f) * sinf(0.3f * (float)k);
    }
    const stk_sound sound = {samples, N * SAMPLES, STK_SAMPLE_RATE};
    stk_speech_state_from_motion(looks, take, N, &sound, states);
    assert_int_equal(states[30], STK_SPEECH_FACE);   /* lips alone */
    assert_int_equal(states[50], STK_SPEECH_NONE);   /* no face */
    assert_int_equal(states[80], STK_SPEECH_SPEAKS); /* both */
    assert_int_equal(states[140], STK_SPEECH_FACE);  /* sound alone */
    assert_int_equal(states[190], STK_SPEECH_FACE);  /* neither */
}

static void state_by_score_takes_back_only(void **state) {
    (void)state;
    enum { N = 60 };
    uint8_t states[N];
    float score[N];
    for (int i = 0; i < N; i++) {
        states[i] = i == 5 ? STK_SPEECH_NONE : i < 10 ? STK_SPEECH_FACE : STK_SPEECH_SPEAKS;
        score[i] = i < 40 ? 2.0f : -1.0f;
    }
    stk_speech_state_by_score(score, N, states);
    assert_int_equal(states[5], STK_SPEECH_NONE);
    assert_int_equal(states[3], STK_SPEECH_FACE);
    assert_int_equal(states[25], STK_SPEECH_SPEAKS);
    assert_int_equal(states[50], STK_SPEECH_FACE);
}

/* --- real clips ------------------------------------------------------------------------------- */

static void cut_clip_gives_speech_that_opens(void **state) {
    (void)state;
    const char *clip = test_shared_or_skip("clips/may.mp4");
    const char *models = test_shared_or_skip("models");
    char file[STK_PATH_MAX];
    stk_speech s;
    TEST_OK(stk_path_join(file, sizeof file, test_temporary_folder(), "may.speech"));
    const stk_speech_settings settings = {
        .clip = clip, .models = models, .frames_most = FRAMES, .threads = 2};
    TEST_OK(stk_speech_cut(&settings, NULL, file));
    TEST_OK(stk_speech_open(&s, file));
    assert_int_equal(s.frames, FRAMES);
    assert_string_equal(s.name, "may.mp4");
    assert_in_range(s.columns, s.frames * 16 / 5 - 1, s.frames * 16 / 5 + 2);
    int speaks = 0;
    double light = 0;
    for (int i = 0; i < s.frames; i++) {
        assert_int_not_equal(s.state[i], STK_SPEECH_NONE);
        assert_int_equal(s.take[i], 0);
        speaks += s.state[i] == STK_SPEECH_SPEAKS;
        for (int k = 0; k < STK_SPEECH_CROP; k += 97)
            light += s.crops[(size_t)i * STK_SPEECH_CROP + (size_t)k];
    }
    assert_true(speaks > s.frames / 2);
    assert_true(light / s.frames / (STK_SPEECH_CROP / 97) > 40);
    stk_speech_free(&s);
    stk_speech_free(&s);
}

static void cut_clip_without_picture_is_refused(void **state) {
    (void)state;
    const char *sound = test_shared_or_skip("audio/jfk.wav");
    char file[STK_PATH_MAX];
    TEST_OK(stk_path_join(file, sizeof file, test_temporary_folder(), "jfk.speech"));
    const stk_speech_settings settings = {.clip = sound, .threads = 1};
    assert_int_equal(stk_speech_cut(&settings, NULL, file), STK_ERR_CONTENT);
    assert_false(stk_file_exists(file));
}

/* --- files ------------------------------------------------------------------------------------ */

/* A file of two frames; `wrong` puts in one impossible value. */
static void write_file(const char *path, int wrong) {
    const int64_t n = 2, crops[] = {2, 96, 96, wrong == 4 ? 1 : 3}, mel[] = {80, 7}, one = 1;
    const float moved = 0;
    static uint8_t pixels[2 * STK_SPEECH_CROP];
    static float bins[80 * 7];
    int32_t take[2] = {0, wrong == 1 ? -1 : 0};
    float opening[2] = {0.1f, wrong == 2 ? NAN : 0.2f};
    uint8_t states[2] = {2, wrong == 3 ? 9 : 0};
    bins[5] = wrong == 5 ? 1e9f : 0;
    stk_safetensors_writer *w;
    TEST_OK(stk_safetensors_writer_create(&w, path));
    TEST_OK(stk_safetensors_writer_declare(w, "crops", STK_U8, 4, crops));
    TEST_OK(stk_safetensors_writer_declare(w, "take", STK_I32, 1, &n));
    TEST_OK(stk_safetensors_writer_declare(w, "opening", STK_F32, 1, &n));
    TEST_OK(stk_safetensors_writer_declare(w, "mel", STK_F32, 2, mel));
    TEST_OK(stk_safetensors_writer_declare(w, "moved_ms", STK_F32, 1, &one));
    TEST_OK(stk_safetensors_writer_declare(w, "state", STK_U8, 1, &n));
    TEST_OK(stk_safetensors_writer_data(w, pixels, (size_t)(2 * 96 * 96 * crops[3])));
    TEST_OK(stk_safetensors_writer_data(w, take, sizeof take));
    TEST_OK(stk_safetensors_writer_data(w, opening, sizeof opening));
    TEST_OK(stk_safetensors_writer_data(w, bins, sizeof bins));
    TEST_OK(stk_safetensors_writer_data(w, &moved, sizeof moved));
    TEST_OK(stk_safetensors_writer_data(w, states, sizeof states));
    TEST_OK(stk_safetensors_writer_finish(&w));
}

static void open_impossible_file_is_refused(void **state) {
    (void)state;
    char file[STK_PATH_MAX];
    stk_speech s;
    TEST_OK(stk_path_join(file, sizeof file, test_temporary_folder(), "two.speech"));
    for (int wrong = 0; wrong <= 5; wrong++) {
        write_file(file, wrong);
        assert_int_equal(stk_speech_open(&s, file), wrong == 0 ? STK_OK : STK_ERR_FORMAT);
        if (wrong == 0) assert_int_equal(s.state[0], STK_SPEECH_SPEAKS);
        stk_speech_free(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_place_moving_face_holds_still),
        cmocka_unit_test(look_turned_or_small_face_is_not_usable),
        cmocka_unit_test(state_from_motion_needs_lips_and_sound),
        cmocka_unit_test(state_by_score_takes_back_only),
        cmocka_unit_test(cut_clip_gives_speech_that_opens),
        cmocka_unit_test(cut_clip_without_picture_is_refused),
        cmocka_unit_test(open_impossible_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
