/* Files: atomic replacement, discarding, error sentences, digests. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[STK_PATH_MAX];

static void write_then_read_same_bytes(void **state) {
    (void)state;
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "a.txt"));
    TEST_OK(stk_file_write(path, "hello", 5));
    char *text;
    TEST_OK(stk_file_read_text(path, 100, &text));
    assert_string_equal(text, "hello");
    stk_free(text);
    assert_int_equal(stk_file_read_text(path, 4, &text), STK_ERR_FORMAT);
}

static void discard_leaves_old_file(void **state) {
    (void)state;
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "a.txt"));
    TEST_OK(stk_file_write(path, "old", 3));
    stk_outfile *file;
    TEST_OK(stk_outfile_create(&file, path));
    TEST_OK(stk_outfile_write(file, "newer", 5));
    char temporary[STK_PATH_MAX];
    strcpy(temporary, stk_outfile_temporary(file));
    stk_outfile_discard(&file);
    assert_false(stk_file_exists(temporary));
    assert_int_equal(stk_file_size(path), 3);
}

static void create_unwritable_folder_says_path(void **state) {
    (void)state;
    stk_outfile *file;
    assert_int_equal(stk_outfile_create(&file, "/nonexistent/x"), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "/nonexistent/x: cannot be written: No such file"));
    assert_non_null(strstr(stk_error_text(), "; make the folder it is to lie in"));
    assert_non_null(strstr(stk_error_text(), "/nonexistent/x"));
}

static void create_twice_on_one_path_keeps_the_writers_apart(void **state) {
    (void)state;
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "a.txt"));
    stk_outfile *first, *second;
    TEST_OK(stk_outfile_create(&first, path));
    TEST_OK(stk_outfile_create(&second, path));
    assert_string_not_equal(stk_outfile_temporary(first), stk_outfile_temporary(second));
    TEST_OK(stk_outfile_write(first, "first", 5));
    TEST_OK(stk_outfile_write(second, "second one", 10));
    TEST_OK(stk_outfile_commit(&first));
    assert_int_equal(stk_file_size(path), 5);
    TEST_OK(stk_outfile_commit(&second));
    assert_int_equal(stk_file_size(path), 10);
}

static void create_honours_the_umask(void **state) {
    (void)state;
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "a.txt"));
    mode_t before = umask(027);
    TEST_OK(stk_file_write(path, "x", 1));
    umask(before);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void create_over_what_is_no_file_is_refused(void **state) {
    (void)state;
    struct stat info;
    assert_int_equal(stk_file_write("/dev/null", "x", 1), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "/dev/null: is a device"));
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    const char *folder = test_temporary_folder();
    assert_int_equal(stk_file_write(folder, "x", 1), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "is a folder"));
    TEST_OK(stk_path_join(path, sizeof path, folder, "pipe"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(stk_file_write(path, "x", 1), STK_ERR_IO);
    assert_non_null(strstr(stk_error_text(), "pipe"));
}

static void keep_input_knows_one_file_by_all_its_names(void **state) {
    (void)state;
    char other[STK_PATH_MAX], hard[STK_PATH_MAX], soft[STK_PATH_MAX], round_about[STK_PATH_MAX];
    const char *folder = test_temporary_folder();
    TEST_OK(stk_path_join(path, sizeof path, folder, "kept"));
    TEST_OK(stk_path_join(other, sizeof other, folder, "other"));
    TEST_OK(stk_path_join(hard, sizeof hard, folder, "hard"));
    TEST_OK(stk_path_join(soft, sizeof soft, folder, "soft"));
    TEST_OK(stk_path_join(round_about, sizeof round_about, folder, ".//kept"));
    TEST_OK(stk_file_write(path, "x", 1));
    TEST_OK(stk_file_write(other, "x", 1));
    assert_int_equal(link(path, hard), 0);
    assert_int_equal(symlink("kept", soft), 0);
    const char *const names[] = {path, round_about, hard, soft};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(stk_file_keep_input(names[i], path), STK_ERR_ARGUMENT);
        assert_non_null(strstr(stk_error_text(), names[i]));
        assert_int_equal(stk_file_keep_input(path, names[i]), STK_ERR_ARGUMENT);
    }
    TEST_OK(stk_file_keep_input(other, path));
    TEST_OK(stk_file_keep_input("/none", path));
    TEST_OK(stk_file_keep_input(path, "/none"));
    TEST_OK(stk_file_keep_input(path, NULL));
    TEST_OK(stk_file_keep_input(NULL, path));
    TEST_OK(
        stk_file_keep_input(folder, folder)); /* never replaced, whatever a command does there */
    TEST_OK(stk_file_keep_input("/dev/null", "/dev/null"));
}

/* The number of a process that has ended. */
static long dead_process(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return (long)child;
}

static void has_rival_sees_other_handles_on_the_path_only(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char left[STK_PATH_MAX], longer[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "m.stk"));
    TEST_OK(stk_path_join(left, sizeof left, folder, "m.stk.part-999999999-0"));
    TEST_OK(stk_path_join(longer, sizeof longer, folder, "m.stk.train"));
    TEST_OK(stk_file_write(left, "half", 4)); /* of a killed run: removed, no rival */
    stk_outfile *first, *second, *other;
    TEST_OK(stk_outfile_create(&first, path));
    TEST_OK(stk_outfile_create(&other, longer));
    assert_false(stk_outfile_has_rival(first));
    assert_false(stk_file_exists(left));
    TEST_OK(stk_outfile_create(&second, path));
    assert_true(stk_outfile_has_rival(first) && stk_outfile_has_rival(second));
    stk_outfile_discard(&second);
    assert_false(stk_outfile_has_rival(first));
    stk_outfile_discard(&first);
    stk_outfile_discard(&other);
}

static void is_same_compares_places_not_spellings(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char same[STK_PATH_MAX], other[STK_PATH_MAX], link[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, folder, "a"));
    TEST_OK(stk_path_join(same, sizeof same, folder, ".//a"));
    TEST_OK(stk_path_join(other, sizeof other, folder, "b"));
    TEST_OK(stk_path_join(link, sizeof link, folder, "link"));
    for (int there = 0; there < 2; there++) {
        assert_true(stk_file_is_same(path, path) && stk_file_is_same(path, same));
        assert_false(stk_file_is_same(path, other));
        TEST_OK(stk_file_write(path, "x", 1));
    }
    assert_int_equal(symlink(path, link), 0);
    assert_true(stk_file_is_same(link, path));
    assert_true(stk_file_is_same("/nonexistent/x", "/nonexistent/x"));
    assert_true(stk_file_is_same("x.nonexistent", "./x.nonexistent"));
}

static void lock_of_a_folder_is_had_once(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    int lock = stk_directory_lock(folder);
    assert_true(lock >= 0);
    assert_int_equal(stk_directory_lock(folder), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    close(lock);
    lock = stk_directory_lock(folder);
    assert_true(lock >= 0);
    close(lock);
}

static void remove_leftovers_takes_only_those_of_the_dead(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    const long dead = dead_process(), own = (long)getpid(), other = (long)getppid();
    const struct {
        const char *format;
        long pid;
        int stays;
    } cases[] = {
        {"rays.bin.part-%ld", dead, 0},
        {"a.b.part-%ld-17", dead, 0},
        {"x.part-1.part-%ld-0", dead, 0},
        {"reused.part-%ld-999999", own, 0},
        {"running.part-%ld-3", other, 1},
        {"notes.part-%ld.txt", dead, 1},
        {"notes.part-%ld-", dead, 1},
        {"notes.part-%ldx", dead, 1},
        {".part-%ld", dead, 1},
        {"notes.part-", 0, 1},
        {"notes.part-99999999999999999", 0, 1},
        {"notes.part-0", 0, 1},
    };
    char name[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(name, sizeof name, cases[i].format, cases[i].pid);
        TEST_OK(stk_path_join(path, sizeof path, folder, name));
        TEST_OK(stk_file_write(path, "x", 1));
    }
    stk_outfile *open_one;
    TEST_OK(stk_path_join(path, sizeof path, folder, "open"));
    TEST_OK(stk_outfile_create(&open_one, path));
    stk_directory_remove_leftovers(folder);
    assert_true(stk_file_exists(stk_outfile_temporary(open_one)));
    TEST_OK(stk_outfile_commit(&open_one));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(name, sizeof name, cases[i].format, cases[i].pid);
        TEST_OK(stk_path_join(path, sizeof path, folder, name));
        if (stk_file_exists(path) != cases[i].stays)
            fail_msg("%s %s", name, cases[i].stays ? "was removed" : "stays");
    }
    stk_directory_remove_leftovers("/nonexistent/folder"); /* nothing to do */
}

static void sha256_known_answer(void **state) {
    (void)state;
    char text[STK_SHA256_TEXT];
    stk_sha256("abc", 3, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read_same_bytes),
        cmocka_unit_test(discard_leaves_old_file),
        cmocka_unit_test(create_unwritable_folder_says_path),
        cmocka_unit_test(create_twice_on_one_path_keeps_the_writers_apart),
        cmocka_unit_test(create_honours_the_umask),
        cmocka_unit_test(create_over_what_is_no_file_is_refused),
        cmocka_unit_test(keep_input_knows_one_file_by_all_its_names),
        cmocka_unit_test(has_rival_sees_other_handles_on_the_path_only),
        cmocka_unit_test(is_same_compares_places_not_spellings),
        cmocka_unit_test(lock_of_a_folder_is_had_once),
        cmocka_unit_test(remove_leftovers_takes_only_those_of_the_dead),
        cmocka_unit_test(sha256_known_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
