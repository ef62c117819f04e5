/* What training does in its own way, left out or put in: names, that each has an effect, and the
 * geometry of refined cameras. */
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 12, SIZE = 64, STEPS = 2 };
static char subject[STK_PATH_MAX], folder[STK_PATH_MAX];

static int write_subject(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "disc"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    return 0;
}

static stk_trainer *created(unsigned vary, int threads) {
    const stk_train_settings settings = {.subject = subject,
                                         .threads = threads,
                                         .seed = 3,
                                         .rays = 256,
                                         .frames = 8,
                                         .lr_grid = 0.01f,
                                         .lr_net = 0.001f,
                                         .vary = vary};
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    return t;
}

static void take_steps(stk_trainer *t, int steps) {
    for (int i = 0; i < steps; i++) TEST_OK(stk_trainer_step(t, 0.2));
}

static void names_are_read_and_written(void **state) {
    (void)state;
    unsigned vary;
    char text[STK_VARY_TEXT];
    TEST_OK(stk_vary_parse(NULL, &vary));
    assert_int_equal(vary, 0);
    TEST_OK(stk_vary_parse("levels,probe", &vary));
    assert_int_equal(vary, STK_VARY_PROBE | STK_VARY_LEVELS);
    stk_vary_text(vary, text);
    assert_string_equal(text, "probe,levels");
    for (unsigned bit = 0; bit < STK_VARY_COUNT; bit++) { /* each name is that of its own bit */
        stk_vary_text(1u << bit, text);
        TEST_OK(stk_vary_parse(text, &vary));
        assert_int_equal(vary, 1u << bit);
    }
    stk_vary_text((1u << STK_VARY_COUNT) - 1, text); /* all of them fit */
    TEST_OK(stk_vary_parse(text, &vary));
    assert_int_equal(vary, (1u << STK_VARY_COUNT) - 1);
    assert_int_equal(stk_vary_parse("probe,lips", &vary), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "regions,"));
    assert_int_equal(stk_vary_parse("probe,", &vary), STK_ERR_ARGUMENT);
}

/* The synthetic speaker never blinks. */
static void each_changes_what_is_learned(void **state) {
    (void)state;
    stk_trainer *whole = created(0, 2);
    take_steps(whole, STEPS);
    const size_t bytes = whole->nets.params.total * sizeof(float);
    for (unsigned bit = 0; bit < STK_VARY_COUNT; bit++) {
        if (1u << bit == STK_VARY_BLINKS || (SANITIZED && bit % 3 != 0)) continue;
        stk_trainer *t = created(1u << bit, 2);
        take_steps(t, STEPS);
        const int average = 1u << bit == STK_VARY_AVERAGE;
        const stk_params *a = &t->nets.params, *b = &whole->nets.params;
        char name[STK_VARY_TEXT];
        stk_vary_text(1u << bit, name);
        const float *held = stk_train_values(whole);
        assert_ptr_equal(held, b->ema);
        if (average) /* whatever the step, the model holds the weights themselves */
            assert_ptr_equal(stk_train_values(t), a->value);
        if (memcmp(a->value, average ? held : b->value, bytes) == 0)
            fail_msg("%s changes nothing", name);
        stk_trainer_free(&t);
    }
    stk_trainer_free(&whole);
}

/* In one sentence, before anything is opened. */
static void what_a_schedule_does_not_do_is_refused(void **state) {
    (void)state;
    static const struct {
        stk_schedule_kind schedule;
        unsigned vary;
        const char *words;
    } wrong[] = {
        {STK_SCHEDULE_RELEASED, STK_VARY_REGIONS, "--vary regions: --schedule released"},
        {STK_SCHEDULE_PAPER, STK_VARY_BLINKS | STK_VARY_BACKDROP, "--vary blinks,backdrop: "},
        {STK_SCHEDULE_FINE, STK_VARY_CAMERA, "go with --schedule fast"},
        {STK_SCHEDULE_RELEASED, STK_VARY_EXPOSURE, "go with --schedule fast"},
        {STK_SCHEDULE_FINE, STK_VARY_BLINKS, "no-subject"}, /* may be asked */
        {STK_SCHEDULE_RELEASED, STK_VARY_HULL, "no-subject"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const stk_train_settings settings = {.subject = "/no-subject",
                                             .rays = 256,
                                             .frames = 8,
                                             .schedule = wrong[i].schedule,
                                             .vary = wrong[i].vary};
        stk_trainer *t;
        assert_int_not_equal(stk_trainer_create(&t, &settings, NULL), STK_OK);
        if (strstr(stk_error_text(), wrong[i].words) == NULL) fail_msg("%s", stk_error_text());
    }
}

/* Levels that are not open keep what they began with. */
static void levels_open_one_after_the_other(void **state) {
    (void)state;
    stk_trainer *t = created(STK_VARY_LEVELS, 2);
    const stk_field *field = &t->nets.field;
    const uint32_t *offset = field->shape.grid.offset;
    const float *plane = stk_params_value(&t->nets.params, field->plane[0]);
    const size_t closed = offset[8] + 16, end = offset[field->shape.grid.levels];
    float *before = stk_calloc_aligned(end, sizeof *before);
    assert_non_null(before);
    memcpy(before, plane, end * sizeof *before);
    for (int i = 0; i < 2; i++) TEST_OK(stk_trainer_step(t, 0.05)); /* 7 of 12 */
    assert_memory_equal(plane + closed, before + closed, (end - closed) * sizeof *plane);
    assert_memory_not_equal(plane, before, offset[6] * sizeof *plane);
    TEST_OK(stk_trainer_step(t, 0.3));
    assert_memory_not_equal(plane + closed, before + closed, (end - closed) * sizeof *plane);
    stk_free(before);
    stk_trainer_free(&t);
}

static void place_of(const stk_ngp_camera *camera, const float point[3], double place[2]) {
    float seen[3];
    stk_refine_see(camera, point, seen);
    place[0] = (double)(camera->fx * seen[0] / seen[2] + camera->cx);
    place[1] = (double)(camera->fy * seen[1] / seen[2] + camera->cy);
}

static void motion_is_what_a_moved_camera_does(void **state) {
    (void)state;
    const stk_camera camera = {.focal_px = 600, .cx_px = 255, .cy_px = 260};
    const stk_pose pose = {{0.8f, 0, 0.6f, 0, 1, 0, -0.6f, 0, 0.8f}, {0.02f, -0.03f, -0.7f}};
    const float point[3] = {0.2f, 0.1f, -0.3f};
    stk_ngp_camera still;
    stk_ngp_camera_from_pose(&camera, &pose, &still);
    float seen[3], motion[STK_REFINE_CAMERA][2];
    stk_refine_see(&still, point, seen);
    stk_refine_motion(&still, seen, motion);
    double place[2], moved_to[2];
    place_of(&still, point, place);
    for (int i = 0; i < STK_REFINE_CAMERA; i++) {
        stk_ngp_camera moved = still;
        float by[STK_REFINE_CAMERA] = {0};
        by[i] = 0.002f;
        stk_refine_move(&moved, by);
        place_of(&moved, point, moved_to);
        for (int k = 0; k < 2; k++) {
            const double expected = 0.002 * (double)motion[i][k];
            assert_true(fabs(moved_to[k] - place[k] - expected) < 0.01 * fabs(expected) + 2e-3);
        }
    }
}

/* Some move, none far, and together not at all; a state has them. */
static void refined_frames_have_a_mean_of_nothing(void **state) {
    (void)state;
    const unsigned both = STK_VARY_CAMERA | STK_VARY_EXPOSURE;
    stk_trainer *one = created(both, 1), *three = created(both, 3);
    take_steps(one, 6);
    take_steps(three, 6);
    const int frames = one->performance.train_frames;
    assert_memory_equal(one->refined, three->refined, (size_t)frames * sizeof *one->refined);
    for (int k = 0; k < STK_REFINED; k++) {
        double sum = 0, most = 0;
        for (int i = 0; i < frames; i++) {
            sum += (double)one->refined[i][k];
            most = fmax(most, fabs((double)one->refined[i][k]));
        }
        assert_true(most > 0 && most < 0.05);
        assert_true(fabs(sum) < 1e-5);
    }
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "refined.train"));
    TEST_OK(stk_checkpoint_save(one, path));
    stk_trainer *resumed = created(both, 1), *other = created(0, 1);
    TEST_OK(stk_checkpoint_load(resumed, path));
    assert_memory_equal(one->refined, resumed->refined, (size_t)frames * sizeof *one->refined);
    assert_int_equal(stk_checkpoint_load(other, path), STK_ERR_MISMATCH);
    one->refined[2][3] = 1e6f; /* where no camera stands */
    TEST_OK(stk_checkpoint_save(one, path));
    assert_int_equal(stk_checkpoint_load(resumed, path), STK_ERR_FORMAT);
    assert_non_null(strstr(stk_error_text(), "\"refined\""));
    stk_trainer_free(&one);
    stk_trainer_free(&three);
    stk_trainer_free(&resumed);
    stk_trainer_free(&other);
}

static void snapshot_restore_undoes_refinement(void **state) {
    (void)state;
    stk_trainer *t = created(STK_VARY_CAMERA | STK_VARY_EXPOSURE, 2);
    const size_t bytes = (size_t)t->performance.train_frames * sizeof *t->refined;
    float(*before)[STK_REFINED] = stk_calloc_aligned(1, bytes);
    assert_non_null(before);
    stk_snapshot snapshot;
    TEST_OK(stk_snapshot_init(&snapshot, t));
    take_steps(t, 2);
    memcpy(before, t->refined, bytes);
    stk_snapshot_take(&snapshot, t);
    take_steps(t, 2);
    assert_memory_not_equal(t->refined, before, bytes);
    stk_snapshot_restore(&snapshot, t);
    assert_memory_equal(t->refined, before, bytes);
    stk_snapshot_clear(&snapshot);
    stk_free(before);
    stk_trainer_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(each_changes_what_is_learned),
        cmocka_unit_test(what_a_schedule_does_not_do_is_refused),
        cmocka_unit_test(levels_open_one_after_the_other),
        cmocka_unit_test(motion_is_what_a_moved_camera_does),
        cmocka_unit_test(refined_frames_have_a_mean_of_nothing),
        cmocka_unit_test(snapshot_restore_undoes_refinement),
    };
    return cmocka_run_group_tests_name("train_vary", tests, write_subject, NULL);
}
