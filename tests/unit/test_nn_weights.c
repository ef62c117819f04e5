/* The table of weights: entries are complete, files are found by digest, the script agrees. */
#include "support.h"
#include "nn/weights.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void table_entries_are_complete_and_unique(void **state) {
    (void)state;
    for (const stk_weights_entry *e = stk_weights_table(); e->name != NULL; e++) {
        assert_int_equal(strlen(e->sha256), 64);
        assert_int_equal(strspn(e->sha256, "0123456789abcdef"), 64);
        assert_true(e->licence[0] != 0 && e->upstream[0] != 0 && e->purpose[0] != 0);
        for (const stk_weights_entry *f = e + 1; f->name != NULL; f++) {
            assert_string_not_equal(e->name, f->name);
            assert_string_not_equal(e->sha256, f->sha256);
        }
    }
}

static void table_and_script_agree(void **state) {
    (void)state;
    char path[STK_PATH_MAX], *text;
    const char *root = getenv("STK_SOURCE_ROOT");
    TEST_OK(stk_path_join(path, sizeof path, root != NULL ? root : ".", "scripts/get-models.sh"));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    for (const stk_weights_entry *e = stk_weights_table(); e->name != NULL; e++) {
        const char *at = strstr(text, e->name), *sum = strstr(text, e->sha256);
        if (at == NULL || sum == NULL || sum < at || sum > at + 120)
            fail_msg("scripts/get-models.sh does not fetch %s with its sum", e->name);
    }
    stk_free(text);
}

static void find_shared_models_are_verified(void **state) {
    (void)state;
    const char *folder = test_shared_or_skip("models");
    for (const stk_weights_entry *e = stk_weights_table(); e->name != NULL; e++) {
        char path[STK_PATH_MAX], file[STK_PATH_MAX];
        TEST_OK(stk_path_join(file, sizeof file, folder, e->name));
        if (!stk_file_exists(file)) continue;
        TEST_OK(stk_weights_find(folder, e->name, path));
        assert_string_equal(path, file);
    }
}

static void find_wrong_digest_says_remedy(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX];
    setenv("SYNCTALK_MODELS", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    assert_int_equal(stk_weights_find(NULL, "raft-small.pth", path), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "get-models.sh"));
    TEST_OK(stk_path_join(path, sizeof path, folder, "raft-small.pth"));
    TEST_OK(stk_file_write(path, "not it", 6));
    assert_int_equal(stk_weights_find(NULL, "raft-small.pth", path), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "SHA-256"));
    stk_fail(STK_ERR_IO, "earlier sentence");
    assert_false(stk_weights_have(NULL, "raft-small.pth"));
    assert_string_equal(stk_error_text(), "earlier sentence");
    assert_int_equal(stk_weights_find(NULL, "unheard-of.bin", path), STK_ERR_ARGUMENT);
    unsetenv("SYNCTALK_MODELS");
    unsetenv("XDG_CACHE_HOME");
}

/* A file replaced by another of the same size must not be taken for the verified one. */
static void find_replaced_file_is_checked_again(void **state) {
    (void)state;
    const char *source = test_shared_or_skip("models/lpips_v0.1_alex.pth");
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX], target[STK_PATH_MAX];
    stk_map map;
    TEST_OK(stk_map_open(&map, source));
    TEST_OK(stk_path_join(target, sizeof target, folder, "lpips_v0.1_alex.pth"));
    TEST_OK(stk_file_write(target, map.data, map.size));
    TEST_OK(stk_weights_find(folder, "lpips_v0.1_alex.pth", path));
    uint8_t *copy = stk_calloc_aligned(1, map.size);
    assert_non_null(copy);
    memcpy(copy, map.data, map.size);
    copy[100] ^= 1;
    TEST_OK(stk_file_write(target, copy, map.size));
    assert_int_equal(stk_weights_find(folder, "lpips_v0.1_alex.pth", path), STK_ERR_WEIGHTS);
    stk_free(copy);
    stk_map_close(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_entries_are_complete_and_unique),
        cmocka_unit_test(table_and_script_agree),
        cmocka_unit_test(find_shared_models_are_verified),
        cmocka_unit_test(find_wrong_digest_says_remedy),
        cmocka_unit_test(find_replaced_file_is_checked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
