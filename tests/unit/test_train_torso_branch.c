/* The torso branch trained beside a head, on a small synthetic subject: what it paints comes near
 * the torso film, it does not depend on the thread count, and the model that is saved has it. */
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
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

/* What it needs is said before the branch is trained; the settings name it. */
static void run_folder_tells_of_the_branch(void **state) {
    (void)state;
    char path[STK_PATH_MAX], *log, *settings;
    TEST_OK(stk_path_join(path, sizeof path, folder, "torso.run/log.txt"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &log));
    TEST_OK(stk_path_join(path, sizeof path, folder, "torso.run/settings.json"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &settings));
    const char *needs = strstr(log, "will need: memory"), *branch = strstr(log, "torso branch: ");
    assert_true(needs != NULL && branch != NULL && needs < branch);
    assert_non_null(strstr(settings, "\"torso_steps\": "));
    stk_free(settings);
    stk_free(log);
}

static stk_status resume_run(const char *path, int torso_steps) {
    stk_train_settings settings = settings_of(0, torso_steps);
    stk_train_figures figures;
    settings.output = path;
    settings.steps = 3;
    settings.resume = 1;
    return stk_train_run(&settings, NULL, &figures);
}

/* After the run above: the resumed one, told of it or not, has its branch to the bit. */
static void torso_branch_outlives_resume(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    stk_model *before, *after;
    TEST_OK(stk_path_join(path, sizeof path, folder, "torso.stk"));
    TEST_OK(stk_model_open(&before, path));
    assert_int_equal(resume_run(path, STEPS + 1), STK_ERR_MISMATCH);
    assert_non_null(strstr(stk_error_text(), "torso branch"));
    for (int told = 0; told < (SANITIZED ? 1 : 2); told++) { /* sanitized: one of them */
        TEST_OK(resume_run(path, told ? STEPS : 0));
        TEST_OK(stk_model_open(&after, path));
        assert_true(after->nets.has_torso);
        const stk_params *a = &before->nets.params, *b = &after->nets.params;
        const size_t first = a->list[before->nets.torso.anchors].offset;
        assert_int_equal(a->total, b->total);
        assert_memory_equal(a->value + first, b->value + first, (a->total - first) * sizeof(float));
        assert_memory_equal(before->extra.torso_grid, after->extra.torso_grid,
                            STK_TORSO_GRID_CELLS * sizeof(float));
        assert_true(before->extra.mean_density_torso == after->extra.mean_density_torso);
        stk_model_close(&after);
    }
    stk_model_close(&before);
}

/* Previews are over what the branch paints, as the model's pictures are. */
static void preview_shows_what_the_branch_paints(void **state) {
    (void)state;
    const stk_train_settings settings = settings_of(2, FEW);
    stk_torso_branch branch = {0};
    stk_trainer *t;
    stk_preview *preview;
    stk_preview_scores scores;
    stk_image painted;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    t->torso_branch = &branch;
    TEST_OK(stk_torso_branch_train(&branch, t, NULL));
    TEST_OK(stk_preview_create(&preview, t));
    TEST_OK(stk_preview_run(preview, t, &scores));
    TEST_OK(stk_image_init(&painted, SIZE, SIZE, 3));
    stk_torso_branch_paint(&branch, t, t->performance.train_frames, &painted);
    const stk_rect *r = &t->performance.head_rect;
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            if (x < r->x0 || x >= r->x1 || y < r->y0 || y >= r->y1)
                assert_memory_equal(stk_image_row(stk_preview_sheet(preview), y) + 3 * (SIZE + x),
                                    stk_image_row(&painted, y) + 3 * x, 3);
    assert_true(r->x1 - r->x0 < SIZE || r->y1 - r->y0 < SIZE);
    stk_image_clear(&painted);
    stk_preview_free(&preview);
    stk_trainer_free(&t);
    stk_torso_branch_clear(&branch);
}

static void torso_branch_thread_count_gives_equal_bits(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("numbers");
    stk_torso_branch one = {0}, three = {0};
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
    stk_torso_branch none = {0};
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
    stk_torso_branch branch = {0};
    TEST_OK(stk_trainer_create(&trainer, &settings, NULL));
    assert_int_equal(stk_torso_branch_train(&branch, trainer, &job), STK_ERR_ABORTED);
    assert_non_null(strstr(stk_error_text(), "torso branch"));
    assert_int_equal(branch.params.n, 0);
    stk_trainer_free(&trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(train_run_with_torso_saves_a_model_that_paints_it),
        cmocka_unit_test(run_folder_tells_of_the_branch),
        cmocka_unit_test(torso_branch_outlives_resume),
        cmocka_unit_test(preview_shows_what_the_branch_paints),
        cmocka_unit_test(torso_branch_thread_count_gives_equal_bits),
        cmocka_unit_test(torso_branch_of_no_steps_is_empty),
        cmocka_unit_test(torso_branch_stopped_says_so),
    };
    return cmocka_run_group_tests(tests, write_subject, NULL);
}
