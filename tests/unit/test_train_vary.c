/* What training does in its own way, left out or put in: names, and that each has an effect.
 */
#include "support.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/internal.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(each_changes_what_is_learned),
        cmocka_unit_test(what_a_schedule_does_not_do_is_refused),
        cmocka_unit_test(levels_open_one_after_the_other),
    };
    return cmocka_run_group_tests_name("train_vary", tests, write_subject, NULL);
}
