/* The option tables against the structs they make, their parser's refusals, the instruction-set
 * mask, and contexts: each keeps the sentence of its own last failure, on one thread or two. */
#include "support.h"
#include "base/cpu.h"
#include "base/file.h"
#include "synctalk/synctalk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef union any_options {
    stk_prepare_options prepare;
    stk_train_options train;
    stk_render_options render;
    stk_eval_options eval;
    stk_info_options info;
} any_options;

static void prepare_init(any_options *o) {
    stk_prepare_options_init(&o->prepare);
}
static void train_init(any_options *o) {
    stk_train_options_init(&o->train);
}
static void render_init(any_options *o) {
    stk_render_options_init(&o->render);
}
static void eval_init(any_options *o) {
    stk_eval_options_init(&o->eval);
}
static void info_init(any_options *o) {
    stk_info_options_init(&o->info);
}

static const struct {
    const char *name;
    void (*init)(any_options *options);
    size_t size;
} commands[] = {
    {"prepare", prepare_init, sizeof(stk_prepare_options)},
    {"train", train_init, sizeof(stk_train_options)},
    {"render", render_init, sizeof(stk_render_options)},
    {"eval", eval_init, sizeof(stk_eval_options)},
    {"info", info_init, sizeof(stk_info_options)},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int is_number(const stk_option *option) {
    return option->kind == STK_OPTION_INT || option->kind == STK_OPTION_REAL;
}

static double number_of(const stk_option *option, const any_options *options) {
    const char *member = (const char *)options + option->offset;
    int integer;
    double real;
    if (option->kind == STK_OPTION_REAL) {
        memcpy(&real, member, sizeof real);
        return real;
    }
    memcpy(&integer, member, sizeof integer);
    return integer;
}

static const char *text_of(const stk_option *option, const any_options *options) {
    const char *text;
    memcpy(&text, (const char *)options + option->offset, sizeof text);
    return text;
}

static const stk_option *row(const char *command, const char *name) {
    const stk_option *option = stk_option_table(command);
    while (option->name != NULL && strcmp(option->name, name) != 0) option++;
    assert_non_null(option->name);
    return option;
}

/* --- tables ---------------------------------------------------------------------------------- */

static void table_unknown_command_is_null(void **state) {
    (void)state;
    assert_null(stk_option_table("dance"));
    assert_null(stk_option_table(""));
}

static void table_rows_are_complete_and_flags_unique(void **state) {
    (void)state;
    for (int i = 0; i < COMMANDS; i++) {
        const stk_option *table = stk_option_table(commands[i].name);
        assert_non_null(table);
        assert_non_null(table->name);
        for (const stk_option *a = table; a->name != NULL; a++) {
            size_t bytes = a->kind == STK_OPTION_TEXT   ? sizeof(char *)
                           : a->kind == STK_OPTION_REAL ? sizeof(double)
                                                        : sizeof(int);
            assert_true(a->offset >= 0 && (size_t)a->offset + bytes <= commands[i].size);
            assert_true(a->flag[0] == '\0' || a->flag[0] == '-');
            assert_true(a->kind == STK_OPTION_FLAG || a->word[0] != '\0');
            assert_true(strlen(a->help) > 0);
            for (const stk_option *b = a + 1; b->name != NULL; b++)
                assert_true(strcmp(a->name, b->name) != 0 &&
                            (a->flag[0] == '\0' || strcmp(a->flag, b->flag) != 0));
        }
    }
}

static void init_gives_the_defaults_of_the_table(void **state) {
    (void)state;
    for (int i = 0; i < COMMANDS; i++) {
        any_options options;
        memset(&options, 0xa5, sizeof options);
        commands[i].init(&options);
        for (const stk_option *o = stk_option_table(commands[i].name); o->name != NULL; o++) {
            if (o->kind == STK_OPTION_TEXT) {
                assert_string_equal(o->initial, "NULL");
                assert_null(text_of(o, &options));
                continue;
            }
            char *end;
            double initial = strtod(o->initial, &end);
            assert_true(end != o->initial && *end == '\0');
            assert_true(number_of(o, &options) == initial);
            assert_true(initial >= o->lowest && initial <= o->highest);
        }
    }
}

/* --- one value ------------------------------------------------------------------------------- */

static void set_extremes_of_every_row_are_taken(void **state) {
    (void)state;
    char value[64], error[256] = "";
    for (int i = 0; i < COMMANDS; i++) {
        for (const stk_option *o = stk_option_table(commands[i].name); o->name != NULL; o++) {
            if (!is_number(o)) continue;
            const double ends[2] = {o->lowest, o->highest};
            for (int k = 0; k < 2; k++) {
                any_options options;
                commands[i].init(&options);
                snprintf(value, sizeof value, "%.17g", ends[k]);
                assert_int_equal(stk_option_set(o, &options, value, error, sizeof error), STK_OK);
                assert_true(number_of(o, &options) == ends[k]);
            }
        }
    }
    assert_string_equal(error, "");
}

/* Refused: the status, a sentence that names the flag and the value, and the member as it was. */
static void assert_refused(const char *command, const char *name, const char *value) {
    const stk_option *option = row(command, name);
    any_options options;
    char error[256] = "";
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, command) == 0) commands[i].init(&options);
    double before = number_of(option, &options);
    if (stk_option_set(option, &options, value, error, sizeof error) != STK_ERR_ARGUMENT)
        fail_msg("%s %s \"%s\" was taken", command, name, value);
    assert_non_null(strstr(error, option->flag));
    assert_non_null(strstr(error, value));
    assert_non_null(strstr(error, option->kind == STK_OPTION_INT ? "is not a whole number between"
                                                                 : "is not a number between"));
    assert_true(number_of(option, &options) == before);
}

static void set_out_of_range_is_refused(void **state) {
    (void)state;
    char value[64];
    for (int i = 0; i < COMMANDS; i++) {
        for (const stk_option *o = stk_option_table(commands[i].name); o->name != NULL; o++) {
            if (!is_number(o)) continue;
            snprintf(value, sizeof value, "%.17g", o->lowest - 1);
            assert_refused(commands[i].name, o->name, value);
            snprintf(value, sizeof value, "%.17g", o->highest + 1);
            assert_refused(commands[i].name, o->name, value);
        }
    }
}

static void set_not_a_number_is_refused(void **state) {
    (void)state;
    static const char *const values[] = {"",    "abc",  "12abc", "1,5", "nan",
                                         "inf", "-inf", "0x",    "--"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_refused("train", "rays", values[i]);
        assert_refused("train", "minutes", values[i]);
    }
}

static void set_fraction_where_an_integer_is_due_is_refused(void **state) {
    (void)state;
    assert_refused("prepare", "size", "512.5");
    assert_refused("train", "seed", "0.5");
    any_options options;
    char error[256];
    train_init(&options);
    assert_int_equal(stk_option_set(row("train", "minutes"), &options, "0.5", error, sizeof error),
                     STK_OK);
    assert_true(options.train.minutes == 0.5);
}

static void set_sentence_stays_inside_a_small_buffer(void **state) {
    (void)state;
    any_options options;
    char error[16];
    memset(error, 'x', sizeof error);
    train_init(&options);
    assert_int_equal(stk_option_set(row("train", "rays"), &options, "many", error, 8),
                     STK_ERR_ARGUMENT);
    assert_int_equal(strnlen(error, sizeof error), 7);
    assert_int_equal(error[8], 'x');
}

static void set_text_and_flag_are_kept(void **state) {
    (void)state;
    any_options options;
    char error[64];
    static const char name[] = "mine.stk";
    train_init(&options);
    assert_int_equal(stk_option_set(row("train", "output"), &options, name, error, sizeof error),
                     STK_OK);
    assert_ptr_equal(options.train.output, name);
    assert_int_equal(stk_option_set(row("train", "resume"), &options, NULL, error, sizeof error),
                     STK_OK);
    assert_int_equal(options.train.resume, 1);
}

/* --- mask ------------------------------------------------------------------------------------ */

static void set_cpu_mask_names_and_numbers_restrict(void **state) {
    (void)state;
    assert_int_equal(stk_set_cpu_mask("c"), STK_OK);
    assert_int_equal(stk_cpu_flags(), 0);
    assert_non_null(strstr(stk_system_line(), "plain C"));
    assert_int_equal(stk_set_cpu_mask("avx2"), STK_OK);
    assert_int_equal(stk_cpu_flags() & ~(uint32_t)STK_CPU_AVX2, 0);
    assert_int_equal(stk_set_cpu_mask("0x3"), STK_OK);
    assert_int_equal(stk_cpu_flags() & ~(uint32_t)(STK_CPU_AVX2 | STK_CPU_AVX512), 0);
    assert_int_equal(stk_set_cpu_mask(NULL), STK_OK);
    assert_non_null(strstr(stk_system_line(), stk_version()));
}

static void set_cpu_mask_nonsense_changes_nothing(void **state) {
    (void)state;
    assert_int_equal(stk_set_cpu_mask("c"), STK_OK);
    static const char *const nonsense[] = {"", "sse9", "AVX2", "3x", "avx2 "};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        assert_int_equal(stk_set_cpu_mask(nonsense[i]), STK_ERR_ARGUMENT);
        assert_int_equal(stk_cpu_flags(), 0);
    }
    assert_int_equal(stk_set_cpu_mask(NULL), STK_OK);
}

/* --- contexts -------------------------------------------------------------------------------- */

static void context_free_takes_null_and_clears(void **state) {
    (void)state;
    stk_context_free(NULL);
    stk_context *ctx = NULL;
    stk_context_free(&ctx);
    const stk_callbacks none = {0};
    assert_int_equal(stk_context_create(&ctx, &none), STK_OK);
    assert_string_equal(stk_context_error(ctx), "");
    stk_context_free(&ctx);
    assert_null(ctx);
    stk_text_free(NULL);
    char *text = NULL;
    stk_text_free(&text);
}

static stk_status info_of(stk_context *ctx, const char *path, char **text) {
    stk_info_options options;
    stk_info_options_init(&options);
    options.path = path;
    return stk_info(ctx, &options, text);
}

static void context_error_is_its_own_and_cleared_by_success(void **state) {
    (void)state;
    char path[STK_PATH_MAX], *text;
    const char *folder = test_temporary_folder();
    stk_context *a, *b;
    assert_int_equal(stk_context_create(&a, NULL), STK_OK);
    assert_int_equal(stk_context_create(&b, NULL), STK_OK);
    assert_int_equal(info_of(a, "/nowhere/first", &text), STK_ERR_IO);
    assert_null(text);
    assert_int_equal(info_of(b, "/nowhere/second", &text), STK_ERR_IO);
    assert_non_null(strstr(stk_context_error(a), "/nowhere/first"));
    assert_non_null(strstr(stk_context_error(b), "/nowhere/second"));

    /* a weight-less TFLite head is something that stk_info can name */
    TEST_OK(stk_path_join(path, sizeof path, folder, "graph.tflite"));
    TEST_OK(stk_file_write(path, "\x1c\0\0\0TFL3 and more", 18));
    assert_int_equal(info_of(a, path, &text), STK_OK);
    assert_non_null(strstr(text, "TFLite"));
    stk_text_free(&text);
    assert_null(text);
    assert_string_equal(stk_context_error(a), "");
    assert_non_null(strstr(stk_context_error(b), "/nowhere/second"));
    stk_context_free(&a);
    stk_context_free(&b);
}

typedef struct caller {
    const char *path;
    stk_status expected;
    int rounds, wrong;
    pthread_barrier_t *start;
} caller;

static void *ask_many_times(void *argument) {
    caller *self = argument;
    stk_context *ctx;
    self->wrong = stk_context_create(&ctx, NULL) != STK_OK;
    pthread_barrier_wait(self->start);
    for (int i = 0; i < self->rounds && !self->wrong; i++) {
        char *text;
        if (info_of(ctx, self->path, &text) != self->expected) self->wrong++;
        if (text != NULL || strstr(stk_context_error(ctx), self->path) == NULL) self->wrong++;
        stk_text_free(&text);
    }
    stk_context_free(&ctx);
    return NULL;
}

static void contexts_on_two_threads_see_their_own_errors(void **state) {
    (void)state;
    char broken[STK_PATH_MAX];
    TEST_OK(stk_path_join(broken, sizeof broken, test_temporary_folder(), "broken.safetensors"));
    TEST_OK(stk_file_write(broken, "\x10\0\0\0\0\0\0\0{\"a\":1}         ", 24));
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    caller callers[2] = {{"/nowhere/at/all", STK_ERR_IO, 300, 0, &start},
                         {broken, STK_ERR_FORMAT, 300, 0, &start}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many_times, &callers[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    assert_int_equal(callers[0].wrong, 0);
    assert_int_equal(callers[1].wrong, 0);
}

/* --- missing options ------------------------------------------------------------------------- */

static void render_missing_options_are_named(void **state) {
    (void)state;
    stk_context *ctx;
    assert_int_equal(stk_context_create(&ctx, NULL), STK_OK);
    stk_render_options options;
    stk_render_options_init(&options);
    stk_render_result result;
    memset(&result, 0xa5, sizeof result);
    assert_int_equal(stk_render(ctx, &options, &result), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "-m MODEL"));
    assert_int_equal(result.frames, 0);
    options.model = "a.stk";
    assert_int_equal(stk_render(ctx, &options, &result), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "-a SOUND"));
    options.audio = "a.wav";
    options.output = "a.mp4";
    options.frames = "frames";
    assert_int_equal(stk_render(ctx, &options, &result), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "exclude each other"));
    stk_context_free(&ctx);
}

static void other_calls_missing_options_are_named(void **state) {
    (void)state;
    stk_context *ctx;
    any_options options;
    stk_train_result trained;
    stk_eval_result scores;
    char *text;
    assert_int_equal(stk_context_create(&ctx, NULL), STK_OK);
    prepare_init(&options);
    assert_int_equal(stk_prepare(ctx, &options.prepare, &text), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "CLIP"));
    assert_null(text);
    train_init(&options);
    assert_int_equal(stk_train(ctx, &options.train, &trained), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "FOLDER"));
    eval_init(&options);
    assert_int_equal(stk_eval(ctx, &options.eval, &scores, &text), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "-m MODEL"));
    assert_null(text);
    info_init(&options);
    assert_int_equal(stk_info(ctx, &options.info, &text), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_context_error(ctx), "FILE"));
    stk_context_free(&ctx);
}

static void words_that_no_option_knows_are_refused(void **state) {
    (void)state;
    stk_context *ctx;
    stk_train_options train;
    stk_train_result trained;
    stk_render_options render;
    stk_render_result rendered;
    assert_int_equal(stk_context_create(&ctx, NULL), STK_OK);
    stk_train_options_init(&train);
    train.subject = "/nowhere";
    train.output = "/nowhere.stk";
    train.attention = "mask";
    assert_int_equal(stk_train(ctx, &train, &trained), STK_ERR_ARGUMENT);
    assert_string_equal(stk_context_error(ctx),
                        "--attention mask: must be masks, penalties or free");
    stk_render_options_init(&render);
    render.model = "/nowhere.stk";
    render.audio = "/nowhere.wav";
    render.silence = "yes";
    assert_int_equal(stk_render(ctx, &render, &rendered), STK_ERR_ARGUMENT);
    assert_string_equal(stk_context_error(ctx), "--silence yes: must be gate or off");
    render.silence = "off";
    render.smooth_lips = "";
    assert_int_equal(stk_render(ctx, &render, &rendered), STK_ERR_ARGUMENT);
    assert_string_equal(stk_context_error(ctx),
                        "--smooth-lips : must be symmetric, published or off");
    stk_context_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_unknown_command_is_null),
        cmocka_unit_test(table_rows_are_complete_and_flags_unique),
        cmocka_unit_test(init_gives_the_defaults_of_the_table),
        cmocka_unit_test(set_extremes_of_every_row_are_taken),
        cmocka_unit_test(set_out_of_range_is_refused),
        cmocka_unit_test(set_not_a_number_is_refused),
        cmocka_unit_test(set_fraction_where_an_integer_is_due_is_refused),
        cmocka_unit_test(set_sentence_stays_inside_a_small_buffer),
        cmocka_unit_test(set_text_and_flag_are_kept),
        cmocka_unit_test(set_cpu_mask_names_and_numbers_restrict),
        cmocka_unit_test(set_cpu_mask_nonsense_changes_nothing),
        cmocka_unit_test(context_free_takes_null_and_clears),
        cmocka_unit_test(context_error_is_its_own_and_cleared_by_success),
        cmocka_unit_test(contexts_on_two_threads_see_their_own_errors),
        cmocka_unit_test(render_missing_options_are_named),
        cmocka_unit_test(other_calls_missing_options_are_named),
        cmocka_unit_test(words_that_no_option_knows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
