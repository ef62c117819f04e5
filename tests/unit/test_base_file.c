/* Files: atomic replacement, discarding, error sentences, digests. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"

#include <string.h>

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
    assert_non_null(strstr(stk_error_text(), "/nonexistent/x"));
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
        cmocka_unit_test(sha256_known_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
