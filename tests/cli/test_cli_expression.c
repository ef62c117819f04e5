/* `render --expression` on a small made subject: what is asked for reaches the picture, is the same
 * whatever the number of threads, and what cannot be used is refused in one sentence. */
#include "support.h"
#include "program.h"
#include "presented.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 33, SIZE = 64, SOUND_FRAMES = 100 };
static char folder[STK_PATH_MAX], model[STK_PATH_MAX], sound[STK_PATH_MAX];

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static int make_model(void **state) {
    (void)state;
    char subject[STK_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "subject"));
    TEST_OK(stk_path_join(model, sizeof model, folder, "model.stk"));
    TEST_OK(stk_path_join(sound, sizeof sound, folder, "sound.wav"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    stk_sound tone = {.count = SOUND_FRAMES * STK_SAMPLE_RATE / STK_FPS, .rate = STK_SAMPLE_RATE};
    tone.samples = stk_calloc_aligned((size_t)tone.count, sizeof(float));
    assert_non_null(tone.samples);
    for (int i = 0; i < tone.count; i++)
        tone.samples[i] = 0.1f * sinf(0.05f * (float)i) * (1 + sinf(1e-4f * (float)i));
    TEST_OK(stk_sound_write_wav(sound, &tone));
    stk_sound_clear(&tone);
    must_run(program_run("train %s -o %s --steps 24 --rays 512 --frames 4 -q", subject, model));
    return 0;
}

static void render(const char *name, const char *options) {
    must_run(program_run("render -m %s -a %s --frames %s/%s -q %s", model, sound, folder, name,
                         options));
}

/* How many of the first `count` frames are the same in both films. */
static int same_frames(const char *a, const char *b, int count) {
    int same = 0;
    for (int i = 0; i < count; i++) {
        char path[2][STK_PATH_MAX];
        stk_map map[2];
        const char *const names[] = {a, b};
        for (int k = 0; k < 2; k++) {
            snprintf(path[k], sizeof path[k], "%.2000s/%s/%06d.png", folder, names[k], i);
            TEST_OK(stk_map_open(&map[k], path[k]));
        }
        same += map[0].size == map[1].size && memcmp(map[0].data, map[1].data, map[0].size) == 0;
        for (int k = 0; k < 2; k++) stk_map_close(&map[k]);
    }
    return same;
}

static void write_file(const char *name, const char *text, char path[STK_PATH_MAX]) {
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    TEST_OK(stk_file_write(path, text, strlen(text)));
}

static void clip_is_what_is_rendered_without_the_option(void **state) {
    (void)state;
    render("plain", "");
    render("clip", "--expression clip --expression-gain browInnerUp=1");
    assert_int_equal(same_frames("plain", "clip", FRAMES - 3), FRAMES - 3); /* those of training */
    render("gain",
           "--expression-gain browInnerUp=0 --expression-gain browOuterUp_L=2,eyeBlink_R=0");
    assert_true(same_frames("plain", "gain", FRAMES) < FRAMES / 2);
}

static void auto_repeats_with_its_seed_on_any_number_of_threads(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("other cases walk this");
    render("one", "--expression auto --seed 5 --threads 1");
    render("three", "--expression auto --seed 5 --threads 3");
    render("six", "--expression auto --seed 6 --expression-gain browInnerUp=0");
    render("still", "--expression still");
    assert_int_equal(same_frames("one", "three", SOUND_FRAMES), SOUND_FRAMES);
    assert_true(same_frames("one", "six", SOUND_FRAMES) < SOUND_FRAMES);
    assert_true(same_frames("one", "still", SOUND_FRAMES) < SOUND_FRAMES);
}

/* A track that says nothing of most columns leaves them neutral; it drives from its first row on.
 */
static void a_track_drives_the_frames_that_it_speaks_of(void **state) {
    (void)state;
    char csv[STK_PATH_MAX], json[STK_PATH_MAX], options[STK_PATH_MAX + 64];
    write_file("t.csv", "frame,browInnerUp,eyeBlinkLeft\n0,0.5,0\n10,0.5,1\n20,0.5,0\n", csv);
    write_file("t.json",
               "[{\"time\":0,\"browInnerUp\":0.5,\"eyeBlinkLeft\":0},"
               "{\"time\":0.4,\"browInnerUp\":0.5,\"eyeBlinkLeft\":1},"
               "{\"time\":0.8,\"browInnerUp\":0.5,\"eyeBlinkLeft\":0}]",
               json);
    snprintf(options, sizeof options, "--expression %s", csv);
    render("csv", options);
    snprintf(options, sizeof options, "--expression %s", json);
    render("json", options);
    render("still", "--expression still");
    assert_int_equal(same_frames("csv", "json", SOUND_FRAMES), SOUND_FRAMES);
    assert_true(same_frames("csv", "still", SOUND_FRAMES) < SOUND_FRAMES / 2);
}

/* A second of the presenter: shorter than the sound, so it goes forth and back. */
static void a_video_of_another_person_drives(void **state) {
    (void)state;
    char options[STK_PATH_MAX + 64];
    presented_need_models();
    if (SANITIZED) {
        print_message("SKIP: drawing a person takes minutes under a sanitizer\n");
        skip();
    }
    must_run(program_run("presenter -o %s/actor.mp4 --seconds 2 --size 192 --seed 7 -q", folder));
    snprintf(options, sizeof options, "--expression %.2000s/actor.mp4", folder);
    render("actor", options);
    render("still", "--expression still");
    assert_true(same_frames("actor", "still", SOUND_FRAMES) < SOUND_FRAMES / 2);
    must_run(program_run("presenter -o %s/nobody.mp4 --seconds 1 --size 192 --variant no_face -q",
                         folder));
    program_assert_refuses(program_run("render -m %s -a %s -o %s/x.mp4 --expression %s/nobody.mp4",
                                       model, sound, folder, folder),
                           1, "a face is seen in 0 of its 25 frames only");
}

static void what_cannot_be_used_is_refused(void **state) {
    (void)state;
    static const char *const bad[][3] = {
        {"other.csv", "time,jawOpen\n0,1\n", "none of the columns that move the face"},
        {"none.csv", "time,browInnerUp\n", "has no rows"},
        {"nan.json", "[{\"time\":0,\"browInnerUp\":null}]", "row 1 is not a number"},
        {"words.mp4", "not a video", "words.mp4"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[STK_PATH_MAX];
        write_file(bad[i][0], bad[i][1], path);
        program_assert_refuses(program_run("render -m %s -a %s -o %s/x.mp4 --expression %s", model,
                                           sound, folder, path),
                               1, bad[i][2]);
    }
    static const char *const words[][2] = {
        {"/nowhere/at/all.csv", "there is no such file; --expression takes clip, still, auto"},
        {"happy", "happy: there is no such file"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        program_assert_refuses(program_run("render -m %s -a %s -o %s/x.mp4 --expression %s", model,
                                           sound, folder, words[i][0]),
                               1, words[i][1]);
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s/x.mp4 --expression %s", model, sound, folder, folder),
        1, "is a folder");
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s/x.mp4 --expression %s", model, sound, folder, sound),
        1, "has no picture");
    static const char *const gains[] = {"jawOpen=1",       "browInnerUp",    "browInnerUp=",  "=1",
                                        "browInnerUp=nan", "browInnerUp=-1", "browInnerUp=1x"};
    for (size_t i = 0; i < sizeof gains / sizeof *gains; i++)
        program_assert_refuses(program_run("render -m %s -a %s -o %s/x.mp4 --expression-gain %s",
                                           model, sound, folder, gains[i]),
                               2,
                               "NAME one of browDownLeft, browDownRight, browInnerUp, "
                               "browOuterUpLeft, browOuterUpRight, eyeBlinkLeft, eyeBlinkRight");
    char film[STK_PATH_MAX];
    TEST_OK(stk_path_join(film, sizeof film, folder, "x.mp4"));
    assert_false(stk_file_exists(film));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_is_what_is_rendered_without_the_option),
        cmocka_unit_test(auto_repeats_with_its_seed_on_any_number_of_threads),
        cmocka_unit_test(a_track_drives_the_frames_that_it_speaks_of),
        cmocka_unit_test(a_video_of_another_person_drives),
        cmocka_unit_test(what_cannot_be_used_is_refused),
    };
    return cmocka_run_group_tests(tests, make_model, NULL);
}
