/* Clips in which something is wrong, made by the presenter: `prepare` refuses with one sentence
 * that says what and when, or goes on and warns; sound that is late is moved to where it belongs. */
#include "support.h"
#include "presented.h"
#include "program.h"
#include "sanitized.h"
#include "base/memory.h"
#include "subject/speech.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 144 };

static stk_presenter_settings plain(double seconds) {
    return (stk_presenter_settings){
        .seconds = seconds, .width = SIDE, .height = SIDE, .seed = 3, .fps = 25, .crf = 18};
}

static presented make(const char *variants, double seconds) {
    presented p;
    stk_presenter_settings settings = plain(seconds);
    TEST_OK(stk_presenter_variant_parse(variants, &settings.variant));
    presented_clip_alone(&p, settings);
    return p;
}

static const program_result *prepare(const presented *p) {
    const char *models = presented_models();
    return program_run("prepare %s -o %s --size %d %s %s", p->clip, p->folder, SIDE,
                       models[0] != '\0' ? "--models" : "", models);
}

static void refused(const char *variants, const char *sentence) {
    presented_need_models();
    presented p = make(variants, 2.1);
    program_assert_refuses(prepare(&p), 1, sentence);
    struct stat info;
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, p.folder, "tables.safetensors"));
    assert_int_not_equal(stat(path, &info), 0); /* nothing that could be taken for a subject */
}

static void no_face_is_refused(void **state) {
    (void)state;
    refused("no_face", "no face was found");
}

static void no_sound_is_refused(void **state) {
    (void)state;
    refused("no_sound", "holds no sound");
}

static void silence_is_refused(void **state) {
    (void)state;
    refused("silence", "its sound is silence");
}

static void second_face_is_refused(void **state) {
    (void)state;
    refused("second_face", "a second large face");
}

static void truncated_file_is_refused(void **state) {
    (void)state;
    presented_need_models();
    presented p = make("cut", 2.4); /* which another case has, too: whole */
    stk_map map;
    TEST_OK(stk_map_open(&map, p.clip));
    snprintf(p.clip, sizeof p.clip, "%.4000s.mp4", p.folder);
    assert_true(map.size > 8000);
    TEST_OK(stk_file_write(p.clip, map.data, 4000));
    stk_map_close(&map);
    program_assert_refuses(prepare(&p), 1, p.clip);
}

/* Runs through; the report warns with `words` (NULL = need not). */
static void accepted(const char *variants, double seconds, const char *words) {
    presented_need_speed();
    presented p = make(variants, seconds);
    const program_result *r = prepare(&p);
    if (r->exit_code != 0) fail_msg("%s: exit %d: %s", variants, r->exit_code, r->err);
    if (words != NULL && strstr(r->out, words) == NULL)
        fail_msg("%s: the report does not say \"%s\": %s", variants, words, r->out);
}

static void cut_is_warned_of(void **state) {
    (void)state;
    accepted("cut", 2.4, "the clip is cut at 1.20 s: ");
}

static void shake_and_brightness_are_survived(void **state) {
    (void)state;
    accepted("shake,brightness", 2.1, NULL);
}

/* Whatever its shape and its rate, it becomes a square round the head at 25 frames a second. */
static void brought_to_a_square_at_25(const char *variants, int width, int height, int fps) {
    presented_need_speed();
    presented p;
    stk_presenter_settings settings = plain(2.2);
    TEST_OK(stk_presenter_variant_parse(variants, &settings.variant));
    settings.width = width;
    settings.height = height;
    settings.fps = fps;
    presented_clip_alone(&p, settings);
    const program_result *r = prepare(&p);
    if (r->exit_code != 0) fail_msg("%dx%d: %s", width, height, r->err);
    stk_subject *subject;
    TEST_OK(stk_subject_open(&subject, p.folder));
    assert_in_range(stk_subject_get_info(subject)->frames, 54, 56);
    stk_subject_close(&subject);
}

static void variable_rate_is_brought_to_25(void **state) {
    (void)state;
    brought_to_a_square_at_25("variable_rate", 144, 200, 25);
}

static void thirty_frames_a_second_become_25(void **state) {
    (void)state;
    brought_to_a_square_at_25("", 200, 144, 30);
}

/* Cut speech whose sound is late is moved by as much. */
static void check_cut(const presented *p, int offset) {
    char file[STK_PATH_MAX];
    stk_speech speech;
    TEST_OK(stk_path_join(file, sizeof file, test_temporary_folder(), "late.speech"));
    const stk_speech_settings settings = {
        .clip = p->clip, .models = presented_models(), .align = 1, .threads = 2};
    TEST_OK(stk_speech_cut(&settings, NULL, file));
    TEST_OK(stk_speech_open(&speech, file));
    print_message("cut speech moved by %.0f ms\n", speech.moved_ms);
    assert_float_equal(speech.moved_ms, 1000.0 * offset / STK_FPS, 50);
    stk_speech_free(&speech);
}

/* Sound that comes late is moved back (where it never was late, test_truth_prepare finds 0.3). */
static double sound_lag(int offset) {
    presented p;
    stk_presenter_settings settings = plain(4);
    settings.audio_offset = offset;
    presented_clip(&p, settings);
    check_cut(&p, offset);
    presented_open(&p);
    const int step = STK_SAMPLE_RATE / STK_FPS;
    char path[STK_PATH_MAX];
    stk_sound sound;
    TEST_OK(stk_subject_path(p.subject, "audio.wav", path));
    TEST_OK(stk_sound_read(path, STK_SAMPLE_RATE, 0, &sound));
    float *level = calloc((size_t)p.frames, sizeof *level);
    float *opening = calloc((size_t)p.frames, sizeof *opening);
    assert_true(level != NULL && opening != NULL);
    for (int i = 0; i < p.frames; i++)
        for (int k = i * step; k < (i + 1) * step && k < sound.count; k++)
            level[i] += fabsf(sound.samples[k]) / (float)step;
    presented_captured_mouth(&p, opening);
    double lag = presented_lag(opening, level, p.frames, 20);
    free(level);
    free(opening);
    stk_sound_clear(&sound);
    presented_close(&p);
    return lag;
}

static void late_sound_is_moved_back(void **state) {
    (void)state;
    presented_need_speed();
    const double late = sound_lag(5);
    print_message("5 late: %.2f frames after prepare\n", late);
    assert_true(fabs(late) < 1.2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_face_is_refused),
                                       cmocka_unit_test(no_sound_is_refused),
                                       cmocka_unit_test(silence_is_refused),
                                       cmocka_unit_test(second_face_is_refused),
                                       cmocka_unit_test(truncated_file_is_refused),
                                       cmocka_unit_test(cut_is_warned_of),
                                       cmocka_unit_test(shake_and_brightness_are_survived),
                                       cmocka_unit_test(variable_rate_is_brought_to_25),
                                       cmocka_unit_test(thirty_frames_a_second_become_25),
                                       cmocka_unit_test(late_sound_is_moved_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
