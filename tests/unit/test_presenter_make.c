/* Whole clips: the same again with other threads, the file, its truth, every variant, abort. */
#include "support.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"
#include "nn/safetensors.h"
#include "presenter/presenter.h"
#include "presenter/scene.h"
#include "sanitized.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SIDE = 96 };

static const char *folder;

static void in_folder(char path[STK_PATH_MAX], const char *name) {
    if (folder == NULL) folder = test_temporary_folder();
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
}

static stk_presenter_settings settings_for(const char *output, const char *truth, double seconds) {
    return (stk_presenter_settings){.output = output,
                                    .truth = truth,
                                    .seconds = seconds,
                                    .width = SIDE,
                                    .height = SIDE,
                                    .seed = 3,
                                    .fps = 25,
                                    .crf = 0,
                                    .threads = 2};
}

static void assert_same_frames(const char *a, const char *b, int frames) {
    stk_video_reader *x, *y;
    TEST_OK(stk_video_reader_open(&x, a, NULL));
    TEST_OK(stk_video_reader_open(&y, b, NULL));
    for (int i = 0; i <= frames; i++) {
        const stk_image *p, *q;
        int end_x, end_y;
        TEST_OK(stk_video_reader_next(x, &p, NULL, &end_x));
        TEST_OK(stk_video_reader_next(y, &q, NULL, &end_y));
        assert_int_equal(end_x, i == frames);
        assert_int_equal(end_y, i == frames);
        for (int r = 0; i < frames && r < p->height; r++)
            assert_memory_equal(stk_image_row(p, r), stk_image_row(q, r), 3 * (size_t)p->width);
    }
    stk_video_reader_close(&x), stk_video_reader_close(&y);
}

/* Each clip takes its time to set the stage; a sanitizer sees the same code in the others. */
static void skip_if_slow(void) {
    if (!SANITIZED) return;
    print_message("SKIP: a sanitizer makes this slow\n");
    skip();
}

/* The clips that the tests look at; each takes its time, so most tests share one. */
typedef struct clip_plan {
    const char *name, *variant;
    double seconds;
    int fps;
    int made;
} clip_plan;

enum { TALK, TURN, SHAKE, EMPTY, CLIPS };
enum { TALK_FRAMES = 12, TURN_FRAMES = 12, SHAKE_FRAMES = 15 };
static clip_plan plans[CLIPS] = {
    [TALK] = {"talk", NULL, 1, TALK_FRAMES, 0},
    [TURN] = {"turn", "cut,brightness,silence,profile,second_face", 4, TURN_FRAMES / 4, 0},
    [SHAKE] = {"shake", "hand,variable_rate,shake", SHAKE_FRAMES / 25.0, 25, 0},
    [EMPTY] = {"empty", "no_sound,no_face", 0.4, 25, 0},
};
static char clip[STK_PATH_MAX], truth[STK_PATH_MAX]; /* of the last one shown */

static void show(int which) {
    clip_plan *plan = &plans[which];
    char name[64];
    snprintf(name, sizeof name, "%s.mp4", plan->name);
    in_folder(clip, name);
    in_folder(truth, plan->name);
    if (plan->made) return;
    stk_presenter_settings s = settings_for(clip, truth, plan->seconds);
    s.fps = plan->fps;
    if (plan->variant != NULL) TEST_OK(stk_presenter_variant_parse(plan->variant, &s.variant));
    stk_presenter_figures figures;
    TEST_OK(stk_presenter_make(&s, NULL, &figures));
    assert_int_equal(figures.frames, lround(plan->seconds * plan->fps));
    plan->made = 1;
}

static stk_media_info info_of(int which) {
    show(which);
    stk_media_info info;
    TEST_OK(stk_media_probe(clip, &info));
    assert_int_equal(info.width, SIDE);
    assert_int_equal(info.height, SIDE);
    return info;
}

static void again_with_other_threads_gives_the_same_frames(void **state) {
    (void)state;
    skip_if_slow();
    show(TALK);
    char again[STK_PATH_MAX];
    in_folder(again, "again.mp4");
    stk_presenter_settings s = settings_for(again, NULL, plans[TALK].seconds);
    s.fps = plans[TALK].fps;
    s.threads = 1;
    stk_presenter_figures figures;
    TEST_OK(stk_presenter_make(&s, NULL, &figures));
    assert_same_frames(clip, again, TALK_FRAMES);
}

static void clip_has_size_rate_and_sound(void **state) {
    (void)state;
    const stk_media_info info = info_of(TALK);
    assert_true(fabs(info.fps - TALK_FRAMES) < 0.01 && fabs(info.duration_s - 1) < 0.01);
    assert_true(info.has_audio);
    assert_non_null(strstr(info.comment, "ynthetic"));
    stk_sound sound;
    double energy = 0;
    TEST_OK(stk_sound_read(clip, STK_SAMPLE_RATE, 0, &sound));
    for (int64_t i = 0; i < sound.count; i++)
        energy += (double)sound.samples[i] * (double)sound.samples[i];
    assert_true(sqrt(energy / (double)sound.count) > 0.005);
    stk_sound_clear(&sound);
}

static stk_safetensors *tensors(const char *name) {
    char path[STK_PATH_MAX];
    stk_safetensors *file;
    TEST_OK(stk_path_join(path, sizeof path, truth, name));
    TEST_OK(stk_safetensors_open(&file, path));
    return file;
}

static void label_map(const stk_safetensors *file, int frame, uint8_t map[SIDE * SIDE]) {
    const stk_tensor_info *index = stk_safetensors_find(file, "index");
    const stk_tensor_info *deflated = stk_safetensors_find(file, "deflated");
    int64_t range[2];
    memcpy(range, (const char *)index->data + 8 * frame, sizeof range);
    uLongf size = SIDE * SIDE;
    assert_int_equal(uncompress(map, &size, (const Bytef *)deflated->data + range[0],
                                (uLong)(range[1] - range[0])),
                     Z_OK);
}

/* Points well inside of the face: forehead, nose, cheeks, chin. */
static const int inside[] = {151, 9, 4, 50, 280, 199, 0, 17};

static void truth_places_landmarks_on_the_face(void **state) {
    (void)state;
    show(TALK);
    stk_safetensors *tables = tensors("tables.safetensors"),
                    *labels = tensors("labels.safetensors");
    static float px[TALK_FRAMES * STK_LANDMARKS * 3], mouth[2 * TALK_FRAMES];
    TEST_OK(stk_safetensors_read_f32(tables, "landmarks_px", px, TALK_FRAMES * STK_LANDMARKS * 3));
    TEST_OK(stk_safetensors_read_f32(tables, "mouth", mouth, 2 * TALK_FRAMES));
    float widest = 0;
    for (int i = 0; i < TALK_FRAMES; i++) {
        uint8_t map[SIDE * SIDE];
        label_map(labels, i, map);
        for (size_t k = 0; k < sizeof inside / sizeof *inside; k++) {
            const float *p = px + 3 * (i * STK_LANDMARKS + inside[k]);
            assert_int_equal(map[(int)p[1] * SIDE + (int)p[0]], STK_PART_FACE);
        }
        int count[STK_PARTS] = {0};
        for (int k = 0; k < SIDE * SIDE; k++) {
            assert_true(map[k] < STK_PARTS);
            count[map[k]]++;
        }
        assert_true(count[STK_PART_BACKGROUND] > SIDE * SIDE / 5);
        assert_true(count[STK_PART_FACE] > SIDE * SIDE / 40);
        assert_true(count[STK_PART_TORSO] > SIDE * SIDE / 10);
        assert_true(count[STK_PART_NECK] > 0 && count[STK_PART_HAIR] > 0);
        assert_int_equal(count[STK_PART_OTHER] + count[STK_PART_HAND], 0);
        assert_true(mouth[2 * i] > -0.004f && mouth[2 * i + 1] > 0.02f);
        widest = fmaxf(widest, mouth[2 * i]);
    }
    assert_true(widest > 0.003f);
    stk_safetensors_close(&tables), stk_safetensors_close(&labels);
}

/* Where the label says background the frame is the room, but for grain, the encoder's colour
 * rounding and its half resolution of colour. */
static void background_pixels_are_the_room(void **state) {
    (void)state;
    show(TALK);
    char path[STK_PATH_MAX];
    stk_image room;
    TEST_OK(stk_path_join(path, sizeof path, truth, "background.png"));
    TEST_OK(stk_picture_read(path, 3, &room));
    stk_safetensors *labels = tensors("labels.safetensors");
    stk_video_reader *reader;
    const stk_image *frame;
    int end;
    uint8_t map[SIDE * SIDE];
    label_map(labels, 0, map);
    TEST_OK(stk_video_reader_open(&reader, clip, NULL));
    TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
    double error = 0;
    int count = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            if (map[y * SIDE + x] != STK_PART_BACKGROUND) continue;
            const int d = stk_image_row(frame, y)[3 * x + 1] - stk_image_row(&room, y)[3 * x + 1];
            error += abs(d);
            count++;
        }
    print_message("mean error of background green: %.2f\n", error / count);
    assert_true(error / count < 3);
    stk_video_reader_close(&reader);
    stk_safetensors_close(&labels);
    stk_image_clear(&room);
}

/* Columns of a table of the truth folder, as floats. */
static void column(const char *name, float *out, int count) {
    stk_safetensors *tables = tensors("tables.safetensors");
    TEST_OK(stk_safetensors_read_f32(tables, name, out, count));
    stk_safetensors_close(&tables);
}

static int part_count(int frame, stk_part part) {
    stk_safetensors *labels = tensors("labels.safetensors");
    uint8_t map[SIDE * SIDE];
    label_map(labels, frame, map);
    stk_safetensors_close(&labels);
    int count = 0;
    for (int k = 0; k < SIDE * SIDE; k++) count += map[k] == part;
    return count;
}

static void variant_cut_and_brightness_jump_and_drift_in_silence(void **state) {
    (void)state;
    skip_if_slow();
    assert_true(info_of(TURN).has_audio);
    float poses[TURN_FRAMES * 12], exposure[TURN_FRAMES], mouth[2 * TURN_FRAMES];
    column("mouth", mouth, 2 * TURN_FRAMES);
    column("torso_poses", poses, TURN_FRAMES * 12);
    column("exposure", exposure, TURN_FRAMES);
    float lowest = 2, highest = 0;
    for (int i = 0; i < TURN_FRAMES; i++) {
        lowest = fminf(lowest, exposure[i]), highest = fmaxf(highest, exposure[i]);
        assert_true(mouth[2 * i] < 0.003f); /* says nothing */
        if (i == 0) continue;
        const float moved = fabsf(poses[12 * i + 11] - poses[12 * i - 1]);
        assert_int_equal(moved > 0.05f, i == TURN_FRAMES / 2);
    }
    assert_true(lowest < 0.87f && highest > 1.13f);
}

static void variant_profile_turns_away_and_back(void **state) {
    (void)state;
    skip_if_slow();
    show(TURN);
    float poses[TURN_FRAMES * 12], visible[TURN_FRAMES];
    const int middle = TURN_FRAMES / 2, last = TURN_FRAMES - 1;
    column("poses", poses, TURN_FRAMES * 12);
    column("visible", visible, TURN_FRAMES);
    assert_true(asinf(poses[12 * middle + 2]) > 1.0f);
    assert_true(fabsf(asinf(poses[2])) < 0.27f && fabsf(asinf(poses[12 * last + 2])) < 0.27f);
    assert_true(visible[0] == 1 && visible[middle] == 0 && visible[last] == 1);
}

static void variant_second_face_appears_after_a_third(void **state) {
    (void)state;
    skip_if_slow();
    show(TURN);
    assert_int_equal(part_count(TURN_FRAMES / 3 - 1, STK_PART_OTHER), 0);
    assert_true(part_count(TURN_FRAMES - 1, STK_PART_OTHER) > SIDE * SIDE / 20);
    assert_true(part_count(TURN_FRAMES - 1, STK_PART_FACE) > SIDE * SIDE / 40);
}

static void variant_hand_covers_the_mouth(void **state) {
    (void)state;
    show(SHAKE);
    const int middle = SHAKE_FRAMES / 2;
    float visible[SHAKE_FRAMES], px[SHAKE_FRAMES * STK_LANDMARKS * 3];
    column("visible", visible, SHAKE_FRAMES);
    column("landmarks_px", px, SHAKE_FRAMES * STK_LANDMARKS * 3);
    assert_true(visible[0] == 1 && visible[middle] == 0 && visible[SHAKE_FRAMES - 1] == 1);
    assert_int_equal(part_count(0, STK_PART_HAND), 0);
    assert_true(part_count(middle, STK_PART_HAND) > SIDE * SIDE / 100);
    stk_safetensors *labels = tensors("labels.safetensors");
    uint8_t map[SIDE * SIDE];
    label_map(labels, middle, map);
    const float *lip = px + 3 * (middle * STK_LANDMARKS + 14);
    assert_int_equal(map[(int)lip[1] * SIDE + (int)lip[0]], STK_PART_HAND);
    stk_safetensors_close(&labels);
}

static void variant_rate_and_shake_vary(void **state) {
    (void)state;
    const stk_media_info info = info_of(SHAKE);
    assert_true(fabs(info.duration_s - plans[SHAKE].seconds) < 0.05);
    stk_safetensors *tables = tensors("tables.safetensors");
    double times[SHAKE_FRAMES];
    memcpy(times, stk_safetensors_find(tables, "time_s")->data, sizeof times);
    stk_safetensors_close(&tables);
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, clip, NULL));
    double shortest = 1, longest = 0, previous_s = 0;
    for (int i = 0; i < SHAKE_FRAMES; i++) {
        const stk_image *frame;
        double time_s;
        int end;
        TEST_OK(stk_video_reader_next(reader, &frame, &time_s, &end));
        assert_false(end);
        assert_true(fabs(time_s - times[i]) < 1.0 / 90000);
        if (i > 0) shortest = fmin(shortest, time_s - previous_s);
        if (i > 0) longest = fmax(longest, time_s - previous_s);
        previous_s = time_s;
    }
    assert_true(shortest < 0.034 && longest > 0.046);
    stk_video_reader_close(&reader);
    float torso[SHAKE_FRAMES * 12];
    column("torso_poses", torso, SHAKE_FRAMES * 12);
    float sharpest = 0; /* a still camera's torso turns by less than 0.1 degrees a frame */
    for (int i = 1; i < SHAKE_FRAMES; i++)
        sharpest = fmaxf(sharpest, fabsf(torso[12 * i + 1] - torso[12 * i - 11]));
    assert_true(sharpest > 0.002f && sharpest < 0.02f);
}

static void variant_room_only_has_nobody_and_no_sound(void **state) {
    (void)state;
    assert_false(info_of(EMPTY).has_audio);
    assert_int_equal(part_count(3, STK_PART_BACKGROUND), SIDE * SIDE);
}

static int stop_after_three(void *user) {
    int *calls = user;
    return ++*calls > 3;
}

static void aborted_leaves_nothing(void **state) {
    (void)state;
    char path[STK_PATH_MAX], gone[STK_PATH_MAX];
    in_folder(path, "aborted.mp4");
    in_folder(gone, "aborted-truth");
    stk_presenter_settings s = settings_for(path, gone, 1);
    s.variant.no_face = 1; /* nobody need be made for this */
    int calls = 0;
    const stk_job job = {.aborted = stop_after_three, .user = &calls};
    stk_presenter_figures figures;
    assert_int_equal(stk_presenter_make(&s, &job, &figures), STK_ERR_ABORTED);
    assert_false(stk_file_exists(path));
    assert_false(stk_file_exists(gone));
}

static void bad_settings_are_one_sentence(void **state) {
    (void)state;
    stk_presenter_figures figures;
    stk_presenter_settings s = settings_for("a.mp4", NULL, -1);
    assert_int_equal(stk_presenter_make(&s, NULL, &figures), STK_ERR_ARGUMENT);
    s = settings_for("a.mp4", NULL, 1);
    s.fps = NAN;
    assert_int_equal(stk_presenter_make(&s, NULL, &figures), STK_ERR_ARGUMENT);
    s = settings_for("a.mp4", NULL, 1);
    s.width = 63;
    assert_int_equal(stk_presenter_make(&s, NULL, &figures), STK_ERR_ARGUMENT);
    stk_presenter_variant variant;
    TEST_OK(stk_presenter_variant_parse("hand,no_sound", &variant));
    assert_true(variant.hand && variant.no_sound && !variant.cut);
    assert_int_equal(stk_presenter_variant_parse("hands", &variant), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "variable_rate"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(again_with_other_threads_gives_the_same_frames),
        cmocka_unit_test(clip_has_size_rate_and_sound),
        cmocka_unit_test(truth_places_landmarks_on_the_face),
        cmocka_unit_test(background_pixels_are_the_room),
        cmocka_unit_test(variant_cut_and_brightness_jump_and_drift_in_silence),
        cmocka_unit_test(variant_profile_turns_away_and_back),
        cmocka_unit_test(variant_second_face_appears_after_a_third),
        cmocka_unit_test(variant_hand_covers_the_mouth),
        cmocka_unit_test(variant_rate_and_shake_vary),
        cmocka_unit_test(variant_room_only_has_nobody_and_no_sound),
        cmocka_unit_test(aborted_leaves_nothing),
        cmocka_unit_test(bad_settings_are_one_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
