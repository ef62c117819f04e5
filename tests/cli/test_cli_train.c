/* `synctalk train` as users live with it: killed at any moment and resumed, ended by a budget, on a
 * full disk. On a made-up subject. */
#include "support.h"
#include "program.h"
#include "sanitized.h"
#include "synthetic_subject.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static char folder[STK_PATH_MAX], subject[STK_PATH_MAX];
#define SMALL "--encoder mel --rays 256 --frames 2 --threads 1"

static int make_subject(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(subject, sizeof subject, folder, "disc"));
    TEST_OK(synthetic_subject_write(subject, 40, 64));
    return 0;
}

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static int is_there(const char *name) {
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, name));
    return stk_file_exists(path);
}

static void assert_same_file(const char *a, const char *b) {
    char path[STK_PATH_MAX], digest[2][STK_SHA256_TEXT];
    TEST_OK(stk_path_join(path, sizeof path, folder, a));
    TEST_OK(stk_sha256_file(path, digest[0]));
    TEST_OK(stk_path_join(path, sizeof path, folder, b));
    TEST_OK(stk_sha256_file(path, digest[1]));
    assert_string_equal(digest[0], digest[1]);
}

static void assert_nothing_half_made(void) {
    const program_result *r = must_run(program_shell("find %s -name '*.part-*'", folder));
    assert_string_equal(r->out, "");
}

/* Saving all the time, so that many of the kills fall into it. Each run is given a little longer
 * than the last, so that the end is reached whatever the machine. */
static void killed_at_any_moment_and_resumed_is_bit_equal(void **state) {
    (void)state;
    enum { STEPS = SANITIZED ? 6 : 24 };
    char line[STK_PATH_MAX + 256];
    snprintf(line, sizeof line, "train %s --steps %d " SMALL " --save-every 0 -q", subject, STEPS);
    must_run(program_run("%s -o %s/whole.stk", line, folder));
    int kills = 0, resumed = 0, code = 137;
    for (double delay_s = SANITIZED ? 1.0 : 0.3; code == 137 && delay_s < 60; delay_s *= 1.5) {
        const int kept = is_there("killed.stk.train");
        const program_result *r =
            program_kill(delay_s, "%s -o %s/killed.stk%s", line, folder, kept ? " --resume" : "");
        code = r->exit_code;
        if (code != 137 && code != 0) fail_msg("exit %d: %s", code, r->err);
        kills += code == 137;
        resumed += kept;
    }
    print_message("killed %d times, resumed %d times\n", kills, resumed);
    assert_int_equal(code, 0);
    assert_true(resumed > 0);
    assert_same_file("whole.stk", "killed.stk");
    assert_nothing_half_made();
}

/* By a clock without steps, training is fitted into the budget; with steps the run is cut and goes
 * on. Both end in time; the second gives what one run would have. */
static void budget_ends_the_run_in_time(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("time");
    enum { BUDGET_S = SANITIZED ? 6 : 3 };
    double start_s = stk_clock_s();
    const program_result *r = must_run(
        program_run("train %s -o %s/b.stk " SMALL " --budget %ds", subject, folder, BUDGET_S));
    const double took_s = stk_clock_s() - start_s;
    print_message("budget %d s: %.2f s\n", BUDGET_S, took_s);
    assert_true(took_s <= BUDGET_S + 2); /* busy machines start programs late */
    assert_true(took_s >= 0.3 * BUDGET_S);
    assert_non_null(strstr(r->err, "will need: memory "));
    assert_non_null(strstr(r->err, "trained: "));
    r = must_run(program_run("train %s -o %s/c.stk " SMALL " --steps 1000000 --budget %ds", subject,
                             folder, BUDGET_S));
    assert_non_null(strstr(r->err, "the budget is spent at step"));
    assert_true(is_there("c.stk") && is_there("c.stk.train"));
    static const char *const wrong[] = {"", "10", "5x", "1m1h", "1h2h", "0s", "-1m", "1..2s", "s"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        program_assert_refuses(program_run("train %s -o %s/d.stk --budget %s%s", subject, folder,
                                           wrong[i], wrong[i][0] == '\0' ? "x" : ""),
                               2, "give a time such as 45s, 10m or 1h30m");
}

/* Files may not grow beyond 4 MB: neither model nor state fits. What was there is left as it was. */
static void a_full_disk_ends_in_one_sentence(void **state) {
    (void)state;
    must_run(program_run("train %s -o %s/f.stk " SMALL " --steps 2 -q", subject, folder));
    must_run(program_shell("cd %s && cp f.stk kept && cp f.stk.train kept.train", folder));
    const program_result *r =
        program_shell("trap '' XFSZ; ulimit -f 4096; exec $STK_BUILD_ROOT/tools/synctalk train %s "
                      "-o %s/f.stk " SMALL " --steps 6 --save-every 0 --resume",
                      subject, folder);
    assert_non_null(strstr(r->err, "training goes on, and tries again"));
    program_assert_refuses(r, 1, "f.stk");
    assert_same_file("f.stk", "kept");
    assert_same_file("f.stk.train", "kept.train");
    assert_nothing_half_made();
}

/* Hours of work must not vanish for a forgotten --resume. */
static void a_former_model_is_kept(void **state) {
    (void)state;
    must_run(program_run("train %s -o %s/k.stk " SMALL " --steps 2", subject, folder));
    must_run(program_shell("cd %s && cp k.stk first", folder));
    const program_result *r =
        must_run(program_run("train %s -o %s/k.stk " SMALL " --steps 3", subject, folder));
    assert_non_null(strstr(r->err, "k.stk: a model of 2 steps is there already and will be kept"));
    assert_same_file("k.stk.old", "first");
    r = must_run(program_run("train %s -o %s/k.stk " SMALL " --steps 4 --resume", subject, folder));
    assert_null(strstr(r->err, "is there already"));
    assert_same_file("k.stk.old", "first");
}

static char *text_of(const char *name) {
    char path[STK_PATH_MAX], *text;
    TEST_OK(stk_path_join(path, sizeof path, folder, name));
    TEST_OK(stk_file_read_text(path, 1 << 24, &text));
    return text;
}

static int count_of(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)) != NULL; text++) n++;
    return n;
}

/* Lines such as no run writes; of step 1, they would be kept if they were. */
static void spoil_figures(void) {
    must_run(program_shell("cd %s && for line in 1e300,1,,,,,,,,,,,,,0,9 -1,1,,,,,,,,,,,,,0,9 "
                           "1,-1e300,,,,,,,,,,,,,0,9 1,1,,,,,,,,,,,,,1e300,9 1,1,,,,,,,,,,,,,,9; "
                           "do echo $line >> r.run/figures.csv; done",
                           folder));
}

/* Its line has no rates: it made no step. */
static void assert_complete_run_resumed_has_no_rates(void) {
    must_run(program_run("train %s -o %s/r.stk " SMALL " --steps 4 --resume -q", subject, folder));
    char *figures = text_of("r.run/figures.csv");
    const char *line = figures;
    for (int i = 0; i < 3; i++) line = strchr(line, '\n') + 1;
    assert_int_equal(count_of(figures, ",,,,,,,"), 1);
    assert_int_equal(count_of(line, ",,,,,,,"), 1); /* two perceptual, learning rate, three rates */
    stk_free(figures);
}

/* A run and one that goes on from it share a folder; a fresh run begins it anew. */
static void run_folder_tells_of_the_run(void **state) {
    (void)state;
    must_run(program_run("train %s -o %s/r.stk " SMALL " --steps 2", subject, folder));
    spoil_figures();
    const program_result *r =
        must_run(program_run("train %s -o %s/r.stk " SMALL " --steps 4 --resume", subject, folder));
    assert_non_null(strstr(r->err, "run folder"));
    char *figures = text_of("r.run/figures.csv"), *page = text_of("r.run/report.html");
    char *settings = text_of("r.run/settings.json"), *log = text_of("r.run/log.txt");
    assert_int_equal(strncmp(figures, "seconds,step,loss,", 18), 0);
    assert_int_equal(count_of(figures, "\n"), 3); /* names, and the two ends */
    assert_non_null(strstr(settings, "\"format\": \"synctalk-run\""));
    assert_non_null(strstr(settings, "\"resumed_at_step\": 2"));
    cJSON *parsed = cJSON_Parse(settings);
    assert_non_null(parsed);
    cJSON_Delete(parsed);
    assert_int_equal(count_of(log, "will need: memory"), 2);
    assert_non_null(strstr(page, "The run is complete."));
    assert_int_equal(count_of(page, "data:image/jpeg;base64,"), 2);
    assert_int_equal(count_of(page, "data:image/png;base64,"), 1);
    assert_int_equal(count_of(page, "<script"), 0);
    assert_true(count_of(page, "<polyline") >= 6);
    assert_true(is_there("r.run/previews/000000002.jpg") &&
                is_there("r.run/previews/000000004.jpg"));
    assert_complete_run_resumed_has_no_rates();
    must_run(program_run("train %s -o %s/r.stk " SMALL " --steps 3 -q", subject, folder));
    assert_false(is_there("r.run/previews/000000002.jpg"));
    assert_true(is_there("r.run/previews/000000003.jpg"));
    must_run(
        program_run("train %s -o %s/s.stk " SMALL " --steps 2 --run none -q", subject, folder));
    assert_false(is_there("s.run/figures.csv"));
    stk_free(figures);
    stk_free(page);
    stk_free(settings);
    stk_free(log);
}

/* The run goes on after its figures.csv went through the filter. */
static const program_result *resume_aged(int steps, const char *filter) {
    must_run(program_shell("cd %s/aged.run && cat figures.csv | %s > new && mv new figures.csv",
                           folder, filter));
    return must_run(program_run("train %s -o %s/aged.stk " SMALL " --steps %d --resume", subject,
                                folder, steps));
}

/* A file of other columns is kept aside, and with it the pictures. */
static void figures_of_another_version_are_kept(void **state) {
    (void)state;
    must_run(program_run("train %s -o %s/aged.stk " SMALL " --steps 2 -q", subject, folder));
    const program_result *r = resume_aged(3, "sed s/psnr_head/psnr_hat/");
    assert_non_null(strstr(r->err, "it is kept as figures.csv.old"));
    r = resume_aged(4, "cat");
    assert_null(strstr(r->err, "figures.csv.old"));
    char *old = text_of("aged.run/figures.csv.old"), *log = text_of("aged.run/log.txt");
    assert_int_equal(count_of(old, "\n"), 2);
    assert_int_equal(count_of(log, "it is kept as figures.csv.old"), 1);
    for (int step = 2; step <= 4; step++) {
        char name[48];
        snprintf(name, sizeof name, "aged.run/previews/%09d.jpg", step);
        assert_true(is_there(name));
    }
    stk_free(old);
    stk_free(log);
    must_run(program_run("train %s -o %s/aged.stk " SMALL " --steps 1 -q", subject, folder));
    assert_false(is_there("aged.run/figures.csv.old"));
    assert_false(is_there("aged.run/previews/000000003.jpg"));
}

static const char mpirun[] = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout "
                             "120 mpirun --oversubscribe -n 2 $STK_BUILD_ROOT/tools/synctalk";

static void need_processes(void) {
    if (SANITIZED || program_shell("command -v mpirun")->exit_code != 0) {
        print_message("SKIP: no mpirun, or sanitizers, which it sets off\n");
        skip();
    }
    if (strstr(program_shell("%s train", mpirun)->err, "was built without MPI") != NULL) {
        print_message("SKIP: built without MPI\n");
        skip();
    }
}

/* Steps of the schedule released look twice. */
static void two_processes_make_the_model_of_one(void **state) {
    (void)state;
    need_processes();
    static const char *const kinds[] = {"fast", "released"};
    for (size_t i = 0; i < 2; i++) {
        char line[STK_PATH_MAX + 256];
        snprintf(line, sizeof line, "train %s --steps 6 " SMALL " --schedule %s -q", subject,
                 kinds[i]);
        must_run(program_shell("%s %s -o %s/two.stk", mpirun, line, folder));
        must_run(program_run("%s -o %s/one.stk", line, folder));
        assert_same_file("one.stk", "two.stk");
    }
}

static void two_processes_make_the_pictures_of_one(void **state) {
    (void)state;
    need_processes();
    must_run(program_run("train %s -o %s/p.stk " SMALL " --steps 2 -q", subject, folder));
    char line[2 * STK_PATH_MAX + 256];
    snprintf(line, sizeof line,
             "render -m %.2000s/p.stk -a %.2000s/audio.wav --portrait %.2000s "
             "--threads 2 -q",
             folder, subject, subject);
    must_run(program_shell("%s %s --frames %s/two", mpirun, line, folder));
    must_run(program_run("%s --frames %s/one", line, folder));
    const program_result *r =
        must_run(program_shell("cd %s && ls one | wc -l && diff -r one two", folder));
    assert_string_equal(r->out, "40\n");
    must_run(program_shell("%s eval %s -m %s/p.stk --json > %s/two.json", mpirun, subject, folder,
                           folder));
    must_run(
        program_shell("$STK_BUILD_ROOT/tools/synctalk eval %s -m %s/p.stk --json > %s/one.json",
                      subject, folder, folder));
    must_run(
        program_shell("cd %s && for f in one two; do sed 's/\"[a-z_]*\\(fps\\|seconds\\)[a-z_]*\":"
                      "[0-9.e+-]*//g' $f.json > $f.txt; done; test -s one.txt && "
                      "diff one.txt two.txt",
                      folder));
    assert_true(program_shell("%s %s -o %s/no/such.mp4", mpirun, line, folder)->exit_code != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_moment_and_resumed_is_bit_equal),
        cmocka_unit_test(run_folder_tells_of_the_run),
        cmocka_unit_test(figures_of_another_version_are_kept),
        cmocka_unit_test(two_processes_make_the_model_of_one),
        cmocka_unit_test(two_processes_make_the_pictures_of_one),
        cmocka_unit_test(budget_ends_the_run_in_time),
        cmocka_unit_test(a_full_disk_ends_in_one_sentence),
        cmocka_unit_test(a_former_model_is_kept),
    };
    return cmocka_run_group_tests(tests, make_subject, NULL);
}
