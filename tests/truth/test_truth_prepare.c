/* What `prepare` finds in a clip of the presenter against what is known about it: pose, focal
 * length, landmarks, labels, expression, sound. Bounds are what holds today with a margin; they are
 * to be tightened, never loosened. The figures are printed. */
#include "support.h"
#include "presented.h"
#include "sanitized.h"
#include "base/memory.h"
#include "media/media.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SECONDS 6.0
#define SIDE 256

static presented person;

static int make_person(void **state) {
    (void)state;
    if (SANITIZED || presented_models() == NULL) return 0;
    presented_clip(
        &person,
        (stk_presenter_settings){
            .seconds = SECONDS, .width = SIDE, .height = SIDE, .seed = 7, .fps = 25, .crf = 12});
    presented_open(&person);
    return 0;
}

static int drop_person(void **state) {
    (void)state;
    presented_close(&person);
    return 0;
}

static void below(const char *what, double value, double bound) {
    print_message("%s: %.4g (bound %.4g)\n", what, value, bound);
    if (!(value <= bound)) fail_msg("%s is %.4g, over %.4g", what, value, bound);
}

static void above(const char *what, double value, double bound) {
    print_message("%s: %.4g (bound %.4g)\n", what, value, bound);
    if (!(value >= bound)) fail_msg("%s is %.4g, under %.4g", what, value, bound);
}

static void prepare_finds_the_face_in_nearly_all_frames(void **state) {
    (void)state;
    presented_need_speed();
    char path[STK_PATH_MAX], *text;
    TEST_OK(stk_subject_path(person.subject, "report.json", path));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    const cJSON *face = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "steps"), "face");
    const cJSON *figures = cJSON_GetObjectItem(face, "figures");
    double found = cJSON_GetNumberValue(cJSON_GetObjectItem(figures, "faces_found"));
    above("share of frames with a face", found / person.frames, 0.98);
    cJSON_Delete(json);
    stk_free(text);
}

static void prepare_finds_the_pose(void **state) {
    (void)state;
    presented_need_speed();
    double median, p95, rms = presented_rotation_error_deg(&person, &median, &p95);
    below("rotation error, rms, degrees", rms, 0.7);
    below("rotation error, median, degrees", median, 0.55);
    below("rotation error, 95 %, degrees", p95, 1.2);
    below("depth error, per cent", presented_depth_error_percent(&person), 0.6);
}

static void prepare_finds_the_focal_length(void **state) {
    (void)state;
    presented_need_speed();
    const stk_rect *crop = &person.info->crop_source_px;
    double scale = (double)(crop->x1 - crop->x0) / person.info->width;
    double found = person.info->camera.focal_px * scale;
    below("focal length error, per cent", 100.0 * fabs(found - person.focal_px) / person.focal_px,
          20.0);
}

static void prepare_finds_the_landmarks(void **state) {
    (void)state;
    presented_need_speed();
    double steady, error = presented_landmark_error_px(&person, &steady);
    below("landmark error, per cent of the side", 100.0 * error / SIDE, 0.7);
    below("landmark error without each one's mean, per cent", 100.0 * steady / SIDE, 0.35);
}

static void prepare_finds_the_labels(void **state) {
    (void)state;
    presented_need_speed();
    above("IoU background", presented_label_iou(&person, 0), 0.98);
    above("IoU head", presented_label_iou(&person, 1), 0.96);
    above("IoU of its hair", presented_hair_iou(&person), 0.90);
    above("IoU neck", presented_label_iou(&person, 2), 0.94);
    above("IoU torso", presented_label_iou(&person, 3), 0.98);
}

static void prepare_finds_the_expression(void **state) {
    (void)state;
    presented_need_speed();
    above("correlation browInnerUp", presented_blendshape_correlation(&person, 2), 0.7);
    above("correlation eyeBlinkLeft", presented_blendshape_correlation(&person, 8), 0.88);
    above("correlation eyeBlinkRight", presented_blendshape_correlation(&person, 9), 0.88);
    above("correlation jawOpen", presented_blendshape_correlation(&person, 24), 0.8);
}

/* Root mean square of each frame's sound. */
static void loudness(const presented *p, float *level) {
    char path[STK_PATH_MAX];
    stk_sound sound;
    TEST_OK(stk_subject_path(p->subject, "audio.wav", path));
    TEST_OK(stk_sound_read(path, STK_SAMPLE_RATE, 0, &sound));
    const int step = STK_SAMPLE_RATE / STK_FPS;
    for (int i = 0; i < p->frames; i++) {
        double power = 0;
        for (int k = i * step; k < (i + 1) * step && k < sound.count; k++)
            power += (double)sound.samples[k] * sound.samples[k];
        level[i] = (float)sqrt(power / step);
    }
    stk_sound_clear(&sound);
}

/* The captured mouth is the true mouth at the same frame, and the sound is in time with both. */
static void prepare_keeps_sound_and_mouth_together(void **state) {
    (void)state;
    presented_need_speed();
    size_t n = (size_t)person.frames;
    float *level = calloc(n, sizeof *level), *opening = calloc(n, sizeof *opening);
    float *truth = calloc(n, sizeof *truth);
    assert_true(level != NULL && opening != NULL && truth != NULL);
    loudness(&person, level);
    presented_captured_mouth(&person, opening);
    for (size_t i = 0; i < n; i++) truth[i] = person.mouth[i][0];
    above("correlation of the mouth", presented_correlation(truth, opening, person.frames), 0.88);
    below("mouth lag, frames", fabs(presented_lag(truth, opening, person.frames, 10)), 0.25);
    below("sound-to-mouth lag, frames", fabs(presented_lag(level, opening, person.frames, 10)),
          1.0);
    free(level);
    free(opening);
    free(truth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_finds_the_face_in_nearly_all_frames),
        cmocka_unit_test(prepare_finds_the_pose),
        cmocka_unit_test(prepare_finds_the_focal_length),
        cmocka_unit_test(prepare_finds_the_landmarks),
        cmocka_unit_test(prepare_finds_the_labels),
        cmocka_unit_test(prepare_finds_the_expression),
        cmocka_unit_test(prepare_keeps_sound_and_mouth_together)};
    return cmocka_run_group_tests(tests, make_person, drop_person);
}
