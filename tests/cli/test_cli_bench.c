/* `synctalk bench` on a small made subject and a model of a few steps: one JSON object with the keys
 * that doc/SPEED.md names, the same keys in the tables, the CSV line, Ctrl-C, refusals. */
#include "support.h"
#include "program.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 60, SIZE = 64 };
static char folder[STK_PATH_MAX], subject[STK_PATH_MAX], model[STK_PATH_MAX], csv[STK_PATH_MAX];

static int make_model(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "subject"));
    TEST_OK(stk_path_join(model, sizeof model, folder, "model.stk"));
    TEST_OK(stk_path_join(csv, sizeof csv, folder, "results.csv"));
    TEST_OK(synthetic_subject_write(subject, FRAMES, SIZE));
    const program_result *r = program_run("train %s -o %s --steps %d --rays 512 --frames 4 -q",
                                          subject, model, SANITIZED ? 4 : 16);
    if (r->exit_code != 0) print_error("%s\n", r->err);
    return r->exit_code;
}

static const cJSON *member(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(object, key);
    if (value == NULL) fail_msg("no key \"%s\"", key);
    return value;
}

/* The first row has every key (blank-separated), and times that make sense. */
static void assert_section(const cJSON *report, const char *section, const char *keys) {
    const cJSON *row = cJSON_GetArrayItem(member(report, section), 0);
    if (row == NULL) fail_msg("section %s is empty", section);
    char list[256];
    snprintf(list, sizeof list, "%s", keys);
    for (char *key = strtok(list, " "); key != NULL; key = strtok(NULL, " ")) member(row, key);
    const double median = member(row, "median_s")->valuedouble;
    assert_true(median > 0 && median < 600);
    assert_true(member(row, "min_s")->valuedouble <= median);
    assert_true(member(row, "max_s")->valuedouble >= median);
}

static void json_has_the_keys(void **state) {
    (void)state;
    const program_result *r =
        program_run("bench -m %s --subject %s --seconds %d --threads 2 --json -q --label a,b "
                    "--csv %s",
                    model, subject, SANITIZED ? 10 : 4, csv);
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    cJSON *report = cJSON_Parse(r->out);
    assert_non_null(report);
    static const char *const heads[] = {"program", "machine", "model", "settings", "load"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        assert_true(cJSON_IsObject(member(report, heads[i])));
    assert_string_equal(member(member(report, "program"), "label")->valuestring, "a,b");
    assert_int_equal(strlen(member(member(report, "model"), "sha256")->valuestring), 64);
    assert_int_equal(member(member(report, "settings"), "threads")->valueint, 2);
    member(member(report, "load"), "idle");
    assert_section(report, "render",
                   "what size isa threads frames_per_s runs pixels rays samples ns_per_sample");
    assert_section(report, "stages", "stage runs");
    int portraits = 0, rows = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, member(report, "render")) {
        portraits += strcmp(member(row, "what")->valuestring, "portrait") == 0;
        rows++;
    }
    assert_true(portraits > 0 || rows < 3); /* a busy machine has no time for more */
    assert_section(report, "clip", "what isa threads frames_per_s realtime_factor runs frames");
    assert_section(report, "kernels", "what isa threads samples_per_s runs gflop_per_s");
    assert_section(report, "training",
                   "what isa threads steps_per_s samples_per_s runs rays samples_per_ray");
    assert_true(cJSON_IsTrue(member(report, "complete")));
    assert_true(member(report, "seconds")->valuedouble > 0);
    cJSON_Delete(report);
}

/* After json_has_the_keys: a line of names and a line of figures, as many fields in each. */
static void csv_has_names_and_a_line(void **state) {
    (void)state;
    char *text;
    int lines = 0, commas[2] = {0};
    TEST_OK(stk_file_read_text(csv, 1 << 16, &text));
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\n') lines++;
        if (*p == ',' && lines < 2) commas[lines]++;
    }
    assert_int_equal(lines, 2);
    assert_true(commas[0] > 15);
    assert_int_equal(commas[0], commas[1]);
    assert_int_equal(strncmp(text, "date,label,", 11), 0);
    assert_non_null(strstr(text, ",a b,"));
    stk_free(text);
}

static void csv_of_other_columns_and_files_of_the_subject_are_refused(void **state) {
    (void)state;
    char path[STK_PATH_MAX], sentence[] = "give --csv another name";
    TEST_OK(stk_path_join(path, sizeof path, folder, "other.csv"));
    TEST_OK(stk_file_write(path, "date,label,old_fps\n1,2,3\n", 25));
    program_assert_refuses(program_run("bench -m %s --csv %s", model, path), 2, sentence);
    assert_int_equal(stk_file_size(path), 25);
    TEST_OK(stk_path_join(path, sizeof path, subject, "manifest.json"));
    const int64_t size = stk_file_size(path);
    program_assert_refuses(program_run("bench -m %s --subject %s --csv %s", model, subject, path),
                           2, sentence);
    assert_int_equal(stk_file_size(path), size);
}

/* Stopped as soon as the first rows are there: they are printed. */
static void interrupted_prints_what_there_is(void **state) {
    (void)state;
    if (SANITIZED) {
        print_message("SKIP: a whole bench more, and of times; one is run\n");
        skip();
    }
    static const char *const columns = "| what | size | isa | threads | frames_per_s | median_s |";
    const char *found = NULL;
    for (double delay_s = 1.5; found == NULL && delay_s < 60; delay_s *= 2) {
        const program_result *r = program_interrupt(delay_s, "bench -m %s -q --seconds 300", model);
        assert_int_equal(r->exit_code, 130);
        found = strstr(r->out, columns);
        if (found != NULL) assert_non_null(strstr(r->out, "stopped before the end"));
    }
    assert_non_null(found);
}

/* What was measured before a section failed is not lost. */
static void failing_torch_leaves_the_tables(void **state) {
    (void)state;
    const program_result *r = program_run("bench -m %s --seconds 2 -q --torch %s", model, csv);
    assert_int_equal(r->exit_code, 1);
    assert_non_null(strstr(r->err, "python3-torch"));
    assert_non_null(strstr(r->out, "**kernels**"));
    assert_non_null(strstr(r->out, "stopped before the end"));
}

/* A model that hears through the audio-visual encoder: its weights are named as for `render`. */
static void encoder_of_an_ave_model_is_used(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("test_render_voice walks this");
    char checkpoint[STK_PATH_MAX], encoder[STK_PATH_MAX], hearing[STK_PATH_MAX];
    snprintf(checkpoint, sizeof checkpoint, "%s", test_shared_or_skip("parity/official_B.pth"));
    snprintf(encoder, sizeof encoder, "%s",
             test_shared_or_skip("parity/official_audio_visual_encoder.pth"));
    TEST_OK(stk_path_join(hearing, sizeof hearing, folder, "hearing.stk"));
    const program_result *r =
        program_run("convert %s -o %s --subject %s -q", checkpoint, hearing, subject);
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    program_assert_refuses(program_run("bench -m %s --encoder /none.pth", hearing), 1, "/none.pth");
    r = program_run("bench -m %s --encoder %s --seconds 1 --threads 1 -q", hearing, encoder);
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    assert_non_null(strstr(r->out, "wav to mp4"));
}

static void mistakes_are_one_sentence(void **state) {
    (void)state;
    program_assert_refuses(program_run("bench"), 2, "-m MODEL is missing");
    program_assert_refuses(program_run("bench -m /none.stk"), 1, "/none.stk");
    program_assert_refuses(program_run("bench -m %s --seconds 0", model), 2, "between 1 and");
    program_assert_refuses(program_run("bench -m %s --torch /none.py", model), 1, "/none.py");
    program_assert_refuses(program_run("bench -m %s --csv /none/x.csv", model), 1, "/none/x.csv");
    program_assert_refuses(program_run("bench -m %s --audio /none.wav", model), 1, "/none.wav");
    program_assert_refuses(program_run("bench -m %s --subject /none", model), 1, "/none");
    program_assert_refuses(program_run("bench -m %s --features x.npy", model), 2, "--audio");
    program_assert_refuses(program_run("bench -m %s --cpu-mask sse", model), 2, "--cpu-mask");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_keys),
        cmocka_unit_test(csv_has_names_and_a_line),
        cmocka_unit_test(csv_of_other_columns_and_files_of_the_subject_are_refused),
        cmocka_unit_test(interrupted_prints_what_there_is),
        cmocka_unit_test(failing_torch_leaves_the_tables),
        cmocka_unit_test(encoder_of_an_ave_model_is_used),
        cmocka_unit_test(mistakes_are_one_sentence),
    };
    return cmocka_run_group_tests(tests, make_model, NULL);
}
