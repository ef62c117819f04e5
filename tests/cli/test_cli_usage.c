/* The command line as a person meets it: help, mistakes, files that are not what they should be. */
#include "support.h"
#include "program.h"
#include "base/file.h"
#include "synctalk/synctalk.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const commands[] = {"prepare", "train",     "render", "eval",  "info",
                                       "sheet",   "presenter", "bench",  "ablate"};

static char *in_folder(const char *folder, const char *name) {
    static char paths[4][STK_PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    TEST_OK(stk_path_join(path, STK_PATH_MAX, folder, name));
    return path;
}

static void help_every_command_names_every_option(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const program_result *r = program_run("%s --help", commands[i]);
        assert_int_equal(r->exit_code, 0);
        for (const stk_option *o = stk_option_table(commands[i]); o->name != NULL; o++)
            assert_non_null(strstr(r->out, o->help));
    }
    assert_non_null(strstr(program_run("help encoder train")->out, "synctalk encoder train:"));
    program_assert_refuses(program_run("help dance"), 2, "no command \"dance\"");
    assert_int_equal(program_run("--help")->exit_code, 0);
    assert_int_equal(program_run("--version")->exit_code, 0);
}

static void usage_mistakes_exit_two(void **state) {
    (void)state;
    program_assert_refuses(program_run("dance"), 2, "no command \"dance\"");
    program_assert_refuses(program_run("train x --stepz 3"), 2, "no option --stepz");
    program_assert_refuses(program_run("train x --steps"), 2, "--steps needs a value");
    program_assert_refuses(program_run("train x --steps many"), 2,
                           "\"many\" is not a whole number");
    program_assert_refuses(program_run("train x --rays 1"), 2, "between 256 and 65536");
    program_assert_refuses(program_run("prepare a b"), 2, "one argument too many");
    program_assert_refuses(program_run("prepare"), 2, "CLIP is missing");
    program_assert_refuses(program_run("render -m x -o y"), 2, "-a SOUND is missing");
    program_assert_refuses(program_run("info --cpu-mask sse"), 2, "--cpu-mask");
}

static void missing_files_are_named(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    program_assert_refuses(program_run("prepare /nonexistent.mp4 -o %s", in_folder(folder, "s")), 1,
                           "/nonexistent.mp4");
    program_assert_refuses(program_run("train /nonexistent -o %s", in_folder(folder, "m.stk")), 1,
                           "/nonexistent");
    program_assert_refuses(
        program_run("render -m /nonexistent.stk -a /none.wav -o %s", in_folder(folder, "o.mp4")), 1,
        "/nonexistent.stk");
    program_assert_refuses(program_run("eval -m /nonexistent.stk /nonexistent"), 1,
                           "/nonexistent.stk");
    program_assert_refuses(program_run("info /nonexistent"), 1, "/nonexistent");
    assert_false(stk_file_exists(in_folder(folder, "o.mp4")));
    assert_false(stk_file_exists(in_folder(folder, "m.stk")));
}

static void text_named_mp4_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char *clip = in_folder(folder, "clip.mp4");
    TEST_OK(stk_file_write(clip, "not a film at all\n", 18));
    program_assert_refuses(program_run("prepare %s -o %s", clip, in_folder(folder, "s")), 1, clip);
    program_assert_refuses(program_run("info %s", clip), 1, clip);
    program_assert_refuses(
        program_run("render -m %s -a %s -o %s", clip, clip, in_folder(folder, "o.mp4")), 1, clip);
}

static void unwritable_folder_is_refused(void **state) {
    (void)state;
    const char *clip = test_shared_or_skip("clips/may.mp4");
    program_assert_refuses(program_run("prepare %s -o /proc/nowhere", clip), 1, "/proc/nowhere");
}

/* Refused before the subject is looked at, which is not there. */
static void train_outputs_that_meet_are_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder(), *stk = in_folder(folder, "m.stk");
    program_assert_refuses(
        program_run("train /nonexistent -o %s/new/report.html --run %s/new", folder, folder), 1,
        "new/report.html");
    mkdir(in_folder(folder, "new"), 0755);
    program_assert_refuses(
        program_run("train /nonexistent -o %s/new/report.html --run %s/new", folder, folder), 2,
        "is a file of the run folder, too");
    program_assert_refuses(program_run("train /nonexistent -o %s --run %s", stk, folder), 2,
                           "holds other things than a run");
    program_assert_refuses(
        program_run("train /nonexistent -o %s --run %s", stk, in_folder(folder, "m.stk")), 2,
        "both the model and its run folder");
    stk_outfile *rival;
    TEST_OK(stk_outfile_create(&rival, stk)); /* as a run that trains it has it */
    program_assert_refuses(program_run("train /nonexistent -o %s", stk), 1,
                           "another run is training it; wait");
    stk_outfile_discard(&rival);
    program_assert_refuses(program_run("train /nonexistent -o %s --run /proc/nowhere", stk), 1,
                           "/proc/nowhere");
    program_assert_refuses(program_run("train /nonexistent -o %s", stk), 1, "/nonexistent");
    assert_false(stk_file_is_directory(in_folder(folder, "m.run"))); /* nothing was trained */
}

/* A name mistyped must not cost a file. */
static void train_replaces_no_file_that_is_no_model(void **state) {
    (void)state;
    char *text;
    const char *folder = test_temporary_folder(), *notes = in_folder(folder, "notes.stk");
    TEST_OK(stk_file_write(notes, "dear diary\n", 11));
    program_assert_refuses(program_run("train /nonexistent -o %s", notes), 2,
                           "is there already and is no model that can be read");
    TEST_OK(stk_file_read_text(notes, 100, &text));
    assert_string_equal(text, "dear diary\n");
    stk_text_free(&text);
    TEST_OK(stk_file_write(notes, "", 0)); /* as mktemp does */
    program_assert_refuses(program_run("train /nonexistent -o %s", notes), 1, "/nonexistent");
}

static void train_resume_without_a_state_is_refused_at_once(void **state) {
    (void)state;
    program_assert_refuses(program_run("train /nonexistent --resume -o %s",
                                       in_folder(test_temporary_folder(), "never.stk")),
                           1, "never.stk.train: there is no checkpoint to resume from");
}

/* Else weights of another folder would be taken without a word. */
static void models_folder_that_is_not_there_is_refused(void **state) {
    (void)state;
    const char *sentence = "--models /nonexistent: there is no such folder";
    program_assert_refuses(program_run("sync clip.mp4 --models /nonexistent"), 2, sentence);
    program_assert_refuses(program_run("prepare clip.mp4 -o x --models /nonexistent"), 2, sentence);
}

static void output_that_cannot_be_printed_fails(void **state) {
    (void)state;
    static const char *const lines[] = {"--help >/dev/full", "--version >/dev/full",
                                        "info %s >/dev/full", "info %s >&-", "info %s >&- 2>&-"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[STK_PATH_MAX + 64];
        const char *file = test_shared_or_skip("clips/may.mp4");
        const char *gap = strstr(lines[i], "%s");
        if (gap != NULL)
            snprintf(line, sizeof line, "info %s%s", file, gap + 2);
        else
            snprintf(line, sizeof line, "%s", lines[i]);
        assert_int_equal(program_shell("$STK_BUILD_ROOT/tools/synctalk %s", line)->exit_code, 1);
    }
}

/* /proc is a folder without a free byte. */
static void sync_without_room_says_how_much_it_needs(void **state) {
    (void)state;
    const char *clip = test_shared_or_skip("clips/may.mp4");
    program_assert_refuses(
        program_shell("TMPDIR=/proc $STK_BUILD_ROOT/tools/synctalk sync %s", clip), 1,
        "needs 4 MiB there for a while and 0 MiB are free");
}

static void info_names_what_it_sees(void **state) {
    (void)state;
    const char *clip = test_shared_or_skip("clips/may.mp4");
    const program_result *r = program_run("info %s", clip);
    assert_int_equal(r->exit_code, 0);
    assert_non_null(strstr(r->out, "clip"));
    r = program_run("info --json %s", clip);
    assert_int_equal(r->exit_code, 0);
    assert_int_equal(r->out[0], '{');
    r = program_run("info %s", test_shared_or_skip("models/face_landmarker.task"));
    assert_non_null(strstr(r->out, "Apache-2.0"));
    r = program_run("info %s", test_shared_or_skip("parity/official_A.pth"));
    assert_non_null(strstr(r->out, "SyncTalk checkpoint"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_every_command_names_every_option),
        cmocka_unit_test(usage_mistakes_exit_two),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(text_named_mp4_is_refused),
        cmocka_unit_test(unwritable_folder_is_refused),
        cmocka_unit_test(train_outputs_that_meet_are_refused),
        cmocka_unit_test(train_replaces_no_file_that_is_no_model),
        cmocka_unit_test(train_resume_without_a_state_is_refused_at_once),
        cmocka_unit_test(models_folder_that_is_not_there_is_refused),
        cmocka_unit_test(output_that_cannot_be_printed_fails),
        cmocka_unit_test(sync_without_room_says_how_much_it_needs),
        cmocka_unit_test(info_names_what_it_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
