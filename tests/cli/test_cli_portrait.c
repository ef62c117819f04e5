/* `render --portrait` and `eval --portrait` on a small made subject: outside the face the source's
 * own frames stay as they are, forth and back; inside stands what is rendered without it; another
 * person's frames are refused. */
#include "support.h"
#include "program.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"
#include "portrait_sync/portrait.h"
#include "render/model.h"
#include "subject/subject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 33, SIZE = 64, SOUND_FRAMES = 40 }; /* the sound turns the source round */
static char folder[STK_PATH_MAX], subject[STK_PATH_MAX], other[STK_PATH_MAX], model[STK_PATH_MAX],
    sound[STK_PATH_MAX];

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static int make_model(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "subject"));
    TEST_OK(stk_path_join(other, sizeof other, folder, "other"));
    TEST_OK(stk_path_join(model, sizeof model, folder, "model.stk"));
    TEST_OK(stk_path_join(sound, sizeof sound, folder, "sound.wav"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    TEST_OK(synthetic_subject_write(other, FRAMES + 2, SIZE));
    stk_sound tone = {.count = SOUND_FRAMES * STK_SAMPLE_RATE / STK_FPS, .rate = STK_SAMPLE_RATE};
    tone.samples = stk_calloc_aligned((size_t)tone.count, sizeof(float));
    assert_non_null(tone.samples);
    for (int i = 0; i < tone.count; i++) tone.samples[i] = 0.1f * sinf(0.05f * (float)i);
    TEST_OK(stk_sound_write_wav(sound, &tone));
    stk_sound_clear(&tone);
    must_run(program_run("train %s -o %s --encoder mel --steps 4 --rays 512 --frames 4 -q", subject,
                         model));
    return 0;
}

static void read_frame(const char *name, int frame, stk_image *picture) {
    char list[STK_PATH_MAX], path[STK_PATH_MAX], file[32];
    snprintf(file, sizeof file, "%06d.png", frame);
    TEST_OK(stk_path_join(list, sizeof list, folder, name));
    TEST_OK(stk_path_join(path, sizeof path, list, file));
    TEST_OK(stk_picture_read(path, 3, picture));
}

static void compare_frame(const stk_subject *s, const stk_image *source, int frame, int k) {
    stk_image labels, mask, made, plain;
    float *scratch = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *scratch);
    assert_non_null(scratch);
    TEST_OK(stk_image_init(&labels, SIZE, SIZE, 1));
    TEST_OK(stk_image_init(&mask, SIZE, SIZE, 1));
    TEST_OK(stk_subject_labels(s, k, &labels));
    stk_face_mask(stk_subject_landmarks(s, k), &labels, scratch, &mask);
    read_frame("made", frame, &made);
    read_frame("plain", frame, &plain);
    int outside = 0, full = 0, changed = 0;
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const uint8_t m = stk_image_row(&mask, y)[x];
            const uint8_t *a = stk_image_row(&made, y) + 3 * x;
            const uint8_t *b = stk_image_row(source, y) + 3 * x;
            const uint8_t *c = stk_image_row(&plain, y) + 3 * x;
            if (m == 0) assert_memory_equal(a, b, 3);
            if (m == 255) assert_memory_equal(a, c, 3);
            outside += m == 0;
            full += m == 255;
            changed += m == 255 && memcmp(a, b, 3) != 0;
        }
    assert_true(outside > SIZE * SIZE / 4 && full > 20 && changed > 10);
    stk_image_clear(&plain);
    stk_image_clear(&made);
    stk_image_clear(&mask);
    stk_image_clear(&labels);
    stk_free(scratch);
}

/* --every-pixel: without it, pixels at the rim of the span and only there may be interpolated from
 * others than in the whole picture. */
static void render_keeps_the_source_outside_the_face(void **state) {
    (void)state;
    must_run(
        program_run("render -m %s -a %s --frames %s/plain --every-pixel -q", model, sound, folder));
    must_run(
        program_run("render -m %s -a %s --frames %s/made --portrait %s --published --every-pixel "
                    "-q",
                    model, sound, folder, subject));
    stk_subject *s;
    stk_frame_store *pictures;
    TEST_OK(stk_subject_open(&s, subject));
    TEST_OK(stk_subject_open_pictures(s, &pictures));
    static const int frames[][2] = {{0, 0}, {7, 7}, {FRAMES, FRAMES - 1}, {FRAMES + 5, FRAMES - 6}};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        const stk_image *source;
        TEST_OK(stk_frame_store_get(pictures, frames[i][1], &source));
        compare_frame(s, source, frames[i][0], frames[i][1]);
    }
    stk_frame_store_close(&pictures);
    stk_subject_close(&s);
}

/* By its own mask: far from the face the source to the bit, and something else in the face. */
static void render_without_published_keeps_the_surroundings(void **state) {
    (void)state;
    must_run(program_run("render -m %s -a %s --frames %s/own --portrait %s -q", model, sound,
                         folder, subject));
    stk_subject *s;
    stk_frame_store *pictures;
    const stk_image *source;
    stk_image made;
    int differs = 0;
    TEST_OK(stk_subject_open(&s, subject));
    TEST_OK(stk_subject_open_pictures(s, &pictures));
    TEST_OK(stk_frame_store_get(pictures, 5, &source));
    read_frame("own", 5, &made);
    const stk_rect face = stk_subject_regions(s, 5).face;
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const int same =
                memcmp(stk_image_row(&made, y) + 3 * x, stk_image_row(source, y) + 3 * x, 3) == 0;
            const int far_off = x < face.x0 - 12 || x >= face.x1 + 12 || y >= face.y1 + 16;
            if (far_off) assert_true(same);
            differs += !same;
        }
    assert_true(differs > 20);
    stk_image_clear(&made);
    stk_frame_store_close(&pictures);
    stk_subject_close(&s);
}

static void render_thread_count_does_not_change_the_picture(void **state) {
    (void)state;
    if (SANITIZED) {
        print_message("SKIP: a sanitizer makes this slow\n");
        skip();
    }
    stk_image one, three;
    must_run(
        program_run("render -m %s -a %s --frames %s/one --portrait %s --threads 1 --size 96 -q",
                    model, sound, folder, subject));
    must_run(program_run("render -m %s -a %s --frames %s/three --portrait %s --threads 3 --size 96 "
                         "-q",
                         model, sound, folder, subject));
    for (int i = 0; i < SOUND_FRAMES; i++) {
        read_frame("one", i, &one);
        read_frame("three", i, &three);
        assert_int_equal(one.width, 96);
        for (int y = 0; y < one.height; y++)
            assert_memory_equal(stk_image_row(&one, y), stk_image_row(&three, y), 3 * 96);
        stk_image_clear(&one);
        stk_image_clear(&three);
    }
}

static void eval_is_nearer_to_the_frame_it_is_pasted_into(void **state) {
    (void)state;
    double psnr[2], pasted[2];
    for (int portrait = 0; portrait < 2; portrait++) {
        const program_result *r = must_run(program_run("eval -m %s %s --json -q%s", model, subject,
                                                       portrait ? " --portrait" : ""));
        const char *at = strstr(r->out, "\"psnr\":");
        assert_non_null(at);
        psnr[portrait] = strtod(at + 7, NULL);
        static const char *const keys[] = {"\"seam_ratio\":", "\"neck_delta_e\":", "\"worst\":[{",
                                           "\"neck_flicker\":", "\"static_flicker\":"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            assert_non_null(strstr(r->out, keys[i]));
        pasted[portrait] = strtod(strstr(r->out, "\"psnr_portrait\":") + 16, NULL);
    }
    /* Made beside the plain picture or alone: but for interpolated pixels at the rim the same. */
    assert_true(fabs(pasted[0] - pasted[1]) < 0.2 && fabs(psnr[1] - pasted[1]) < 1e-9);
    print_message("psnr %.2f, portrait %.2f\n", psnr[0], psnr[1]);
    assert_true(psnr[1] > psnr[0] + 0.5 && psnr[1] < 60);
}

/* Change from frame to frame is told of neighbours only. */
static void eval_of_some_frames_tells_no_flicker(void **state) {
    (void)state;
    const program_result *r =
        must_run(program_run("eval -m %s %s --every 2 --json -q", model, subject));
    static const char *const keys[] = {"neck_flicker", "static_flicker", "static_flicker_real"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[64];
        snprintf(key, sizeof key, "\"%s\":null", keys[i]);
        if (strstr(r->out, key) == NULL) fail_msg("%s is missing in %s", key, r->out);
    }
    assert_non_null(strstr(r->out, "\"neck_flicker\":\"the frames"));
    r = must_run(program_run("eval -m %s %s --every 2 -q", model, subject));
    assert_non_null(strstr(r->out, "flicker       not computed: "));
}

/* The trained model under another name: of another subject, or with a range of audio codes that is
 * one point. */
static void change_model(const char *name, int stranger, float mean) {
    char path[STK_PATH_MAX], torso[STK_PATH_MAX];
    stk_model *m;
    TEST_OK(stk_path_join(path, sizeof path, folder, name));
    TEST_OK(stk_path_join(torso, sizeof torso, subject, "torso.mp4"));
    TEST_OK(stk_model_open(&m, model));
    assert_true(m->nets.heard.known); /* train has saved it */
    if (stranger) m->performance.subject_identity[0] ^= 1;
    if (mean != 0) memset(m->nets.heard.rows, 0, sizeof m->nets.heard.rows);
    for (int k = 0; k < STK_AUDIO_CODE && mean != 0; k++) m->nets.heard.rows[0][k] = mean;
    const stk_model_contents contents = {.nets = &m->nets,
                                         .values = m->nets.params.value,
                                         .performance = &m->performance,
                                         .bits = m->bits,
                                         .torso_path = torso,
                                         .steps = 1};
    TEST_OK(stk_model_save(path, &contents));
    stk_model_close(&m);
}

static double psnr_of(const char *name) {
    const program_result *r =
        must_run(program_run("eval -m %s/%s %s --json -q", folder, name, subject));
    const char *at = strstr(r->out, "\"psnr\":");
    assert_non_null(at);
    return strtod(at + 7, NULL);
}

/* eval brings the audio code into the range of training as render does. */
static void eval_limits_the_audio_code(void **state) {
    (void)state;
    change_model("far.stk", 0, 9e5f); /* four steps: attention is still next to nothing */
    const double near = psnr_of("model.stk"), far = psnr_of("far.stk");
    print_message("psnr %.3f, %.3f with a code far away\n", near, far);
    assert_true(fabs(near - far) > 0.02);
}

static void files_of_the_subject_are_not_written(void **state) {
    (void)state;
    program_assert_refuses(program_run("render -m %s -a %s -o %s/picture.mp4 --portrait %s", model,
                                       sound, subject, subject),
                           2, "picture.mp4");
    program_assert_refuses(program_run("render -m %s -a %s --frames %s", model, sound, subject), 2,
                           "is a subject folder");
    program_assert_refuses(program_run("eval -m %s %s --frames %s", model, subject, subject), 2,
                           "is a subject folder");
}

static void frames_of_another_subject_are_refused(void **state) {
    (void)state;
    char film[STK_PATH_MAX];
    TEST_OK(stk_path_join(film, sizeof film, folder, "film.mp4"));
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s --portrait %s", model, sound, film, other), 1,
        "another subject");
    change_model("stranger.stk", 1, 0);
    program_assert_refuses(program_run("render -m %s/stranger.stk -a %s -o %s --portrait %s",
                                       folder, sound, film, subject),
                           1, "another subject");
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s --portrait %s", model, sound, film, model), 1,
        "model.stk");
    assert_false(stk_file_exists(film));
}

/* Another colour where the labels have background, the same picture where they have person. */
static void render_before_a_colour_or_nothing(void **state) {
    (void)state;
    const char *const common = "render -m %s -a %s --portrait %s --background %s --frames %s/%s -q";
    must_run(program_run("render -m %s -a %s --portrait %s --frames %s/room -q", model, sound,
                         subject, folder));
    must_run(program_run(common, model, sound, subject, "#00ff00", folder, "colour"));
    must_run(program_run(common, model, sound, subject, "transparent", folder, "clear"));
    stk_subject *s;
    stk_image labels, room, colour, clear;
    char path[STK_PATH_MAX];
    TEST_OK(stk_subject_open(&s, subject));
    TEST_OK(stk_image_init(&labels, SIZE, SIZE, 1));
    TEST_OK(stk_subject_labels(s, 4, &labels));
    read_frame("room", 4, &room);
    read_frame("colour", 4, &colour);
    TEST_OK(stk_path_join(path, sizeof path, folder, "clear/000004.png"));
    TEST_OK(stk_picture_read(path, 4, &clear));
    int before = 0, person = 0, lost = 0;
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const uint8_t *c = stk_image_row(&colour, y) + 3 * x;
            const uint8_t *a = stk_image_row(&clear, y) + 4 * x;
            static const uint8_t green[3] = {0, 255, 0};
            if (a[3] == 0) assert_memory_equal(c, green, 3);
            lost += a[3] == 0 && stk_image_row(&labels, y)[x] != STK_LABEL_BACKGROUND;
            if (a[3] == 255) assert_memory_equal(c, a, 3);
            before += a[3] == 0;
            person += a[3] == 255 && memcmp(c, stk_image_row(&room, y) + 3 * x, 3) == 0;
        }
    assert_true(before > SIZE * SIZE / 10 && person > SIZE * SIZE / 10);
    assert_true(lost < SIZE * SIZE / 40); /* rim pixels of the plate's own colour */
    print_message("person's pixels cut away %d\n", lost);
    program_assert_refuses(program_run(common, model, sound, subject, "/nowhere.png", folder, "no"),
                           2, "no picture");
    program_assert_refuses(program_run("render -m %s -a %s --portrait %s --background transparent "
                                       "-o %s/x.mp4",
                                       model, sound, subject, folder),
                           2, "has no transparency");
    stk_image_clear(&clear);
    stk_image_clear(&colour);
    stk_image_clear(&room);
    stk_image_clear(&labels);
    stk_subject_close(&s);
}

/* The made subject names a clip that never was. */
static void full_frames_of_a_clip_that_is_gone_are_refused(void **state) {
    (void)state;
    program_assert_refuses(
        program_run("render -m %s -a %s --portrait %s --frame full --frames %s/full", model, sound,
                    subject, folder),
        1, "is gone");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(render_keeps_the_source_outside_the_face),
        cmocka_unit_test(render_without_published_keeps_the_surroundings),
        cmocka_unit_test(render_thread_count_does_not_change_the_picture),
        cmocka_unit_test(eval_is_nearer_to_the_frame_it_is_pasted_into),
        cmocka_unit_test(eval_of_some_frames_tells_no_flicker),
        cmocka_unit_test(eval_limits_the_audio_code),
        cmocka_unit_test(render_before_a_colour_or_nothing),
        cmocka_unit_test(full_frames_of_a_clip_that_is_gone_are_refused),
        cmocka_unit_test(files_of_the_subject_are_not_written),
        cmocka_unit_test(frames_of_another_subject_are_refused),
    };
    return cmocka_run_group_tests(tests, make_model, NULL);
}
