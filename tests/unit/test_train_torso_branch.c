/* The torso branch trained beside a head, on a small synthetic subject: what it paints comes near
 * the torso film, it does not depend on the thread count, and the model that is saved has it. */
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/image.h"
#include "render/backdrop.h"
#include "train/internal.h"
#include "train/torso_branch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 60, SIZE = 64, STEPS = SANITIZED ? 20 : 150, FEW = 4 };
static char subject[STK_PATH_MAX], folder[STK_PATH_MAX];

static int write_subject(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "disc"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    return 0;
}

static stk_train_settings settings_of(int threads, int torso_steps) {
    return (stk_train_settings){.subject = subject,
                                .threads = threads,
                                .seed = 3,
                                .rays = 512,
                                .frames = 4,
                                .torso_steps = torso_steps,
                                .attention = STK_ATTENTION_MASKS,
                                .lr_grid = 0.01f,
                                .lr_net = 0.001f,
                                .preview_s = 3600};
}

static void train(int threads, int steps, stk_torso_branch *branch) {
    const stk_train_settings settings = settings_of(threads, steps);
    stk_trainer *trainer;
    TEST_OK(stk_trainer_create(&trainer, &settings, NULL));
    TEST_OK(stk_torso_branch_train(branch, trainer, NULL));
    stk_trainer_free(&trainer);
}

/* Mean |a - b|, levels. */
static double difference(const stk_image *a, const stk_image *b) {
    double sum = 0;
    for (int y = 0; y < a->height; y++)
        for (int i = 0; i < 3 * a->width; i++)
            sum += abs(stk_image_row(a, y)[i] - stk_image_row(b, y)[i]);
    return sum / (3.0 * a->width * a->height);
}

static void save_run(const char *path) {
    stk_train_settings settings = settings_of(0, STEPS);
    stk_train_figures figures;
    settings.output = path;
    settings.steps = 2;
    TEST_OK(stk_train_run(&settings, NULL, &figures));
}

static void train_run_with_torso_saves_a_model_that_paints_it(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    stk_model *model;
    stk_subject *whole;
    stk_frame_store *film;
    stk_image painted;
    double without = 0, with = 0;
    TEST_OK(stk_path_join(path, sizeof path, folder, "torso.stk"));
    save_run(path);
    TEST_OK(stk_model_open(&model, path));
    assert_true(model->nets.has_torso);
    assert_int_equal(model->nets.config.torso_code_rows, model->performance.train_frames);
    assert_non_null(model->plate.data);
    assert_true(model->nets.field.shape.mask.on); /* the head's own is kept */
    TEST_OK(stk_subject_open(&whole, subject));
    TEST_OK(stk_subject_open_torsos(whole, &film));
    TEST_OK(stk_image_init(&painted, SIZE, SIZE, 3));
    for (int k = 3; k < FRAMES; k += 19) {
        const stk_image *wanted;
        const stk_performance *p = &model->performance;
        TEST_OK(stk_frame_store_get(film, k, &wanted));
        stk_model_backdrop_paint(model, &p->camera, &p->poses[k], &model->plate, &painted, NULL);
        with += difference(&painted, wanted);
        without += difference(&model->plate, wanted);
    }
    print_message("from the film: plate %.2f, painted %.2f levels\n", without / 3, with / 3);
    if (!SANITIZED) assert_true(with < 0.6 * without); /* there it takes fewer steps */
    stk_image_clear(&painted);
    stk_frame_store_close(&film);
    stk_subject_close(&whole);
    stk_model_close(&model);
}

static void torso_branch_thread_count_gives_equal_bits(void **state) {
    (void)state;
    stk_torso_branch one, three;
    train(1, FEW, &one), train(3, FEW, &three);
    assert_int_equal(one.params.total, three.params.total);
    assert_memory_equal(one.params.value, three.params.value, one.params.total * sizeof(float));
    assert_memory_equal(one.occupancy.density, three.occupancy.density,
                        STK_TORSO_GRID_CELLS * sizeof(float));
    stk_torso_branch_clear(&one);
    stk_torso_branch_clear(&three);
    stk_torso_branch_clear(&three);
}

static void torso_branch_of_no_steps_is_empty(void **state) {
    (void)state;
    stk_torso_branch none;
    train(1, 0, &none);
    assert_int_equal(none.params.n, 0);
    stk_torso_branch_clear(&none);
}

static int stop(void *user) {
    (void)user;
    return 1;
}

static void torso_branch_stopped_says_so(void **state) {
    (void)state;
    const stk_train_settings settings = settings_of(1, FEW);
    const stk_job job = {.aborted = stop};
    stk_trainer *trainer;
    stk_torso_branch branch;
    TEST_OK(stk_trainer_create(&trainer, &settings, NULL));
    assert_int_equal(stk_torso_branch_train(&branch, trainer, &job), STK_ERR_ABORTED);
    assert_non_null(strstr(stk_error_text(), "torso branch"));
    assert_int_equal(branch.params.n, 0);
    stk_trainer_free(&trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(train_run_with_torso_saves_a_model_that_paints_it),
        cmocka_unit_test(torso_branch_thread_count_gives_equal_bits),
        cmocka_unit_test(torso_branch_of_no_steps_is_empty),
        cmocka_unit_test(torso_branch_stopped_says_so),
    };
    return cmocka_run_group_tests(tests, write_subject, NULL);
}
