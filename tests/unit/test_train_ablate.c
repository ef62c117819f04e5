/* The ablation: what is trained is not trained again, what was begun otherwise is refused, every row
 * has its own model, and verdicts follow the differences. */
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "api/ablate.h"
#include "base/file.h"
#include "base/memory.h"
#include "render/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FRAMES = 33, SIZE = 64 };
static char subject[STK_PATH_MAX], folder[STK_PATH_MAX];

static int write_subject(void **state) {
    (void)state;
    const char *temporary = test_temporary_folder();
    TEST_OK(stk_path_join(subject, sizeof subject, temporary, "disc"));
    TEST_OK(stk_path_join(folder, sizeof folder, temporary, "ablation"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    return 0;
}

static stk_ablate_settings settings_of(int steps) {
    return (stk_ablate_settings){.subject = subject,
                                 .folder = folder,
                                 .steps = steps,
                                 .threads = 2,
                                 .seed = 3,
                                 .rays = 256,
                                 .frames = 4,
                                 .every = 1};
}

/* --- state ------------------------------------------------------------------------------------ */

static void state_goes_on_with_the_same_settings_only(void **state) {
    (void)state;
    char other[STK_PATH_MAX], encoder[STK_PATH_MAX];
    stk_subject *person;
    stk_ablate_state s;
    TEST_OK(stk_path_join(other, sizeof other, test_temporary_folder(), "state"));
    TEST_OK(stk_directory_create(other));
    TEST_OK(stk_subject_open(&person, subject));
    stk_ablate_settings settings = settings_of(0);
    settings.folder = other;
    TEST_OK(stk_path_join(encoder, sizeof encoder, other, "encoder.safetensors"));
    TEST_OK(stk_file_write(encoder, "one", 3));
    settings.encoder = encoder;
    TEST_OK(stk_ablate_state_open(&s, &settings, person));
    assert_int_equal(s.steps, 0);
    s.steps = 77;
    s.trained[STK_VARIANT_CAPTURE] = 1;
    TEST_OK(stk_ablate_state_save(&s));
    TEST_OK(stk_ablate_state_open(&s, &settings, person));
    assert_int_equal(s.steps, 77);
    for (int v = 0; v < STK_VARIANTS; v++) assert_int_equal(s.trained[v], v == STK_VARIANT_CAPTURE);
    settings.steps = 78;
    assert_int_equal(stk_ablate_state_open(&s, &settings, person), STK_ERR_MISMATCH);
    settings.steps = 77;
    TEST_OK(stk_ablate_state_open(&s, &settings, person));
    settings.seed = 4;
    assert_int_equal(stk_ablate_state_open(&s, &settings, person), STK_ERR_MISMATCH);
    settings.seed = 3;
    TEST_OK(stk_file_write(encoder, "two", 3)); /* another encoder of the same name */
    assert_int_equal(stk_ablate_state_open(&s, &settings, person), STK_ERR_MISMATCH);
    static const char *const bad[] = {"", "synctalk-ablation 1\n", "trained full\n"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(bad); i++) {
        TEST_OK(stk_file_write(s.path, bad[i], strlen(bad[i])));
        assert_int_equal(stk_ablate_state_open(&s, &settings, person), STK_ERR_FORMAT);
    }
    stk_subject_close(&person);
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void set_figure(stk_ablation *a, int variant, int column, double full, double apart,
                       double sure) {
    stk_variant_result *r = &a->variant[variant];
    a->variant[STK_VARIANT_FULL].scores.quality.figure[column] =
        (stk_figure){.count = 9, .mean = full};
    r->scores.quality.figure[column] = (stk_figure){.count = 9, .mean = full + apart};
    r->apart[column] =
        (stk_figure){.count = 9, .mean = apart, .ci95 = {apart - sure, apart + sure}};
}

static void verdict_needs_certainty_and_size(void **state) {
    (void)state;
    stk_ablation *a = stk_calloc_aligned(1, sizeof *a);
    char text[STK_ABLATE_SENTENCE];
    for (int v = 0; v < STK_VARIANTS; v++) {
        stk_quality_report *q = &a->variant[v].scores.quality;
        q->jitter_rot_deg = q->jitter_rot_deg_real = (double)NAN;
    }
    set_figure(a, STK_VARIANT_ENCODER, STK_QUALITY_PSNR, 30, -0.5, 0.4);
    set_figure(a, STK_VARIANT_ENCODER, STK_QUALITY_LMD, 2, 0.3, 0.4); /* by chance */
    stk_ablate_sentence(a, STK_VARIANT_ENCODER, text);
    assert_string_equal(text, "audio-visual encoder: earns its place; without it PSNR -0.50 dB");
    set_figure(a, STK_VARIANT_CAPTURE, STK_QUALITY_PSNR, 30, -0.01, 0.001); /* nobody sees it */
    set_figure(a, STK_VARIANT_CAPTURE, STK_QUALITY_LMD, 2, 0.1, 0.2);
    stk_ablate_sentence(a, STK_VARIANT_CAPTURE, text);
    assert_non_null(strstr(text, "does not show here"));
    set_figure(a, STK_VARIANT_ATTENTION, STK_QUALITY_PSNR, 30, 0.2, 0.1);
    set_figure(a, STK_VARIANT_ATTENTION, STK_QUALITY_LMD, 2, 0.2, 0.1);
    stk_ablate_sentence(a, STK_VARIANT_ATTENTION, text);
    assert_string_equal(text, "masked attention: earns its place by LMD +0.200 px, and costs "
                              "something: without it also PSNR +0.20 dB");
    set_figure(a, STK_VARIANT_STABILIZER, STK_QUALITY_PSNR, 30, 0.2, 0.1);
    set_figure(a, STK_VARIANT_STABILIZER, STK_QUALITY_LMD, 2, -0.2, 0.1);
    stk_ablate_sentence(a, STK_VARIANT_STABILIZER, text);
    assert_non_null(strstr(text, "does not earn its place here: without it PSNR +0.20 dB, LMD "
                                 "-0.200 px"));
    snprintf(a->variant[STK_VARIANT_BOTH].reason, STK_VARIANT_REASON, "for a reason");
    stk_page page;
    stk_page_begin(&page);
    stk_ablate_table(&page, a, 1);
    stk_page_bytes(&page, "", 1);
    assert_non_null(strstr(page.text, "| encoder replaced by mel | 29.50* | 2.300 |\n"));
    assert_non_null(strstr(page.text, "| masked attention off | 30.20+ | 2.200* |\n"));
    assert_non_null(strstr(page.text, "| stabilizer and portrait off | - | - |\n"));
    assert_non_null(strstr(page.text, "not run: for a reason"));
    stk_page_free(&page);
    stk_free(a);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* A look or two after the first model is there: in the midst of the second. */
static int looks;
static int stop_in_the_second(void *user) {
    return stk_file_exists(user) && ++looks > 2;
}

static int stop_when_there(void *user) {
    return stk_file_exists(user);
}

/* By the clock: the steps that fit are found, written down, and kept. */
static void run_by_minutes_settles_the_steps_first(void **state) {
    (void)state;
    char path[STK_PATH_MAX], other[STK_PATH_MAX];
    stk_ablate_settings settings = settings_of(0);
    settings.minutes = 0.2;
    settings.folder = other;
    TEST_OK(stk_path_join(other, sizeof other, test_temporary_folder(), "minutes"));
    TEST_OK(stk_path_join(path, sizeof path, other, "ablation.state"));
    const stk_job job = {.aborted = stop_when_there, .user = path};
    stk_ablation *a = stk_calloc_aligned(1, sizeof *a);
    assert_int_equal(stk_ablate_run(&settings, &job, a), STK_ERR_ABORTED);
    const int64_t steps = a->steps;
    assert_true(steps >= 32);
    settings.minutes = 20;
    assert_int_equal(stk_ablate_run(&settings, &job, a), STK_ERR_ABORTED);
    assert_int_equal(a->steps, steps);
    stk_ablation_clear(a);
    stk_free(a);
}

static void check_models(void) {
    static const struct {
        const char *name;
        int exp, masked, coarse;
    } of[] = {{"full.stk", 7, 1, 0},
              {"capture.stk", 2, 1, 0},
              {"attention.stk", 7, 0, 0},
              {"stabilizer.stk", 7, 1, 1}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(of); i++) {
        char path[STK_PATH_MAX];
        stk_model *model;
        TEST_OK(stk_path_join(path, sizeof path, folder, of[i].name));
        TEST_OK(stk_model_open(&model, path));
        assert_int_equal(model->steps, 3);
        assert_int_equal(model->nets.config.exp, of[i].exp);
        assert_int_equal(model->nets.field.shape.mask.on, of[i].masked);
        assert_int_equal(model->performance.coarse, of[i].coarse);
        stk_model_close(&model);
    }
}

static void run_goes_on_where_it_was_stopped(void **state) {
    (void)state;
    if (SANITIZED) {
        print_message("SKIP: the whole run is tested in the fast builds\n");
        skip();
    }
    const stk_ablate_settings settings = settings_of(3);
    stk_ablation *a = stk_calloc_aligned(1, sizeof *a);
    char first[STK_PATH_MAX], second[STK_PATH_MAX];
    struct stat before, after;
    TEST_OK(stk_path_join(first, sizeof first, folder, "full.stk"));
    const stk_job job = {.aborted = stop_in_the_second, .user = first};
    assert_int_equal(stk_ablate_run(&settings, &job, a), STK_ERR_ABORTED);
    assert_non_null(strstr(stk_error_text(), "the same command goes on"));
    stk_ablation_clear(a);
    TEST_OK(stk_path_join(second, sizeof second, folder, "stabilizer.stk"));
    assert_int_equal(stat(first, &before), 0);
    assert_false(stk_file_exists(second));
    TEST_OK(stk_ablate_run(&settings, NULL, a));
    assert_int_equal(stat(first, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* the very file */
    check_models();
    assert_non_null(strstr(a->variant[STK_VARIANT_ENCODER].reason, "no encoder of its own"));
    const int held_out = FRAMES - 10 * FRAMES / 11;
    for (int v = 0; v < STK_VARIANTS; v++)
        if (v != STK_VARIANT_ENCODER) assert_int_equal(a->variant[v].scores.frames, held_out);
    assert_true(a->variant[STK_VARIANT_FULL].apart[STK_QUALITY_PSNR].mean == 0);
    const double portrait = a->variant[STK_VARIANT_FULL].scores.psnr;
    const double plain = a->variant[STK_VARIANT_PORTRAIT].scores.psnr;
    assert_true(fabs(a->variant[STK_VARIANT_PORTRAIT].apart[STK_QUALITY_PSNR].mean -
                     (plain - portrait)) < 1e-9);
    assert_true(portrait != plain);
    TEST_OK(stk_ablate_files(a, folder, subject));
    char *text;
    TEST_OK(stk_path_join(second, sizeof second, folder, "ablation.csv"));
    TEST_OK(stk_file_read_text(second, 1 << 20, &text));
    assert_int_equal(strncmp(text, "variant,frame,psnr,", 19), 0);
    assert_non_null(strstr(text, "\n\"stabilizer and portrait off\",32,"));
    stk_free(text);
    TEST_OK(stk_path_join(second, sizeof second, folder, "report.html"));
    assert_true(stk_file_size(second) > 10000);
    stk_ablation_clear(a);
    stk_free(a);
}

int main(void) {
    /* No face is looked for. */
    setenv("SYNCTALK_MODELS", "/nonexistent", 1);
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    setenv("HOME", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_goes_on_with_the_same_settings_only),
        cmocka_unit_test(verdict_needs_certainty_and_size),
        cmocka_unit_test(run_by_minutes_settles_the_steps_first),
        cmocka_unit_test(run_goes_on_where_it_was_stopped),
    };
    return cmocka_run_group_tests(tests, write_subject, NULL);
}
