/* `synctalk subject` as a user runs it: import, learn from it, measure, export again. */
#include "support.h"
#include "program.h"
#include "official_folder.h"
#include "sanitized.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

static const program_result *must_run(const program_result *r) {
    if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
    return r;
}

static void imported_subject_trains_and_is_measured(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char official[STK_PATH_MAX];
    TEST_OK(stk_path_join(official, sizeof official, folder, "official"));
    TEST_OK(official_folder_write(official, 24, 96, 64));
    const program_result *r = must_run(program_run("info %s", official));
    assert_non_null(strstr(r->out, "dataset folder of the published system"));
    assert_non_null(strstr(r->out, "synctalk subject import"));
    r = must_run(program_run("info %s --json", official));
    assert_non_null(strstr(r->out, "\"train_frames\":22,\"held_out_frames\":2,"));
    r = must_run(program_run("subject import %s -o %s/subject", official, folder));
    assert_non_null(strstr(r->err, "imported: frames=24 train_frames=22 skipped=0 size=96x64"));
    r = must_run(program_run("info %s/subject --json", folder));
    assert_non_null(strstr(r->out, "\"frames\":24"));
    must_run(program_run("train %s/subject -o %s/m.stk --steps %d --rays 256 --frames 4 -q", folder,
                         folder, SANITIZED ? 2 : 8));
    r = must_run(program_run("eval -m %s/m.stk %s/subject --json", folder, folder));
    assert_non_null(strstr(r->out, "\"frames\":2,"));
    r = must_run(program_run("subject export %s/subject -o %s/out", folder, folder));
    assert_non_null(strstr(r->err, "exported: frames=24"));
    program_assert_refuses(program_run("subject import %s -o %s/out", official, folder), 2,
                           "holds something already");
}

static void mistakes_are_named(void **state) {
    (void)state;
    program_assert_refuses(program_run("subject import"), 2, "DIR is missing");
    program_assert_refuses(program_run("subject export x"), 2, "-o is missing");
    program_assert_refuses(program_run("subject import /nonexistent -o x"), 1, "/nonexistent");
    program_assert_refuses(program_run("subject export /nonexistent -o x"), 1, "/nonexistent");
    assert_int_equal(program_run("subject")->exit_code, 2);
    assert_int_equal(program_run("subject dance")->exit_code, 2);
    assert_non_null(strstr(program_run("subject --help")->out, "subject export"));
    assert_non_null(strstr(program_run("subject import --help")->out, "DIR"));
    assert_non_null(strstr(program_run("--help")->out, "subject import"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imported_subject_trains_and_is_measured),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
