/* Which encoder a model hears through: the one it learned with, wherever it lies, and no other. */
#include "support.h"
#include "synthetic_encoder.h"
#include "base/file.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[STK_PATH_MAX], one[STK_PATH_MAX], other[STK_PATH_MAX];
static stk_encoder_id id;

static int write_two(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(one, sizeof one, folder, "one.safetensors"));
    TEST_OK(stk_path_join(other, sizeof other, folder, "other.safetensors"));
    TEST_OK(synthetic_encoder_write(one, 1));
    TEST_OK(synthetic_encoder_write(other, 2));
    stk_ave_encoder *encoder;
    TEST_OK(stk_ave_encoder_create(&encoder, one));
    id = *stk_ave_encoder_id(encoder);
    stk_ave_encoder_free(&encoder);
    return 0;
}

static void create_knows_name_and_digest_of_its_file(void **state) {
    (void)state;
    char sha256[STK_SHA256_TEXT];
    TEST_OK(stk_sha256_file(one, sha256));
    assert_string_equal(id.name, "one.safetensors");
    assert_string_equal(id.sha256, sha256);
}

static void find_given_the_wanted_one_takes_it(void **state) {
    (void)state;
    stk_ave_encoder *encoder;
    TEST_OK(stk_ave_encoder_find(&encoder, one, &id));
    stk_ave_encoder_free(&encoder);
    TEST_OK(stk_ave_encoder_find(&encoder, other, NULL)); /* nothing is known of what is wanted */
    stk_ave_encoder_free(&encoder);
}

static void find_given_another_is_refused(void **state) {
    (void)state;
    stk_ave_encoder *encoder;
    assert_int_equal(stk_ave_encoder_find(&encoder, other, &id), STK_ERR_MISMATCH);
    assert_null(encoder);
    assert_non_null(strstr(stk_error_text(), "other.safetensors"));
    assert_non_null(strstr(stk_error_text(), "one.safetensors"));
}

static void find_looks_for_the_name_among_the_weights(void **state) {
    (void)state;
    stk_ave_encoder *encoder;
    setenv("SYNCTALK_MODELS", folder, 1);
    TEST_OK(stk_ave_encoder_find(&encoder, NULL, &id));
    stk_ave_encoder_free(&encoder);
    stk_encoder_id absent = id;
    snprintf(absent.name, sizeof absent.name, "absent.safetensors");
    assert_int_equal(stk_ave_encoder_find(&encoder, NULL, &absent), STK_ERR_WEIGHTS);
    snprintf(absent.name, sizeof absent.name, "other.safetensors"); /* there, but another */
    assert_int_equal(stk_ave_encoder_find(&encoder, NULL, &absent), STK_ERR_MISMATCH);
    unsetenv("SYNCTALK_MODELS");
}

static void find_of_another_program_version_says_so(void **state) {
    (void)state;
    stk_ave_encoder *encoder;
    stk_encoder_id old = id;
    snprintf(old.name, sizeof old.name, "%s", STK_AVE_BUILTIN);
    assert_int_equal(stk_ave_encoder_find(&encoder, NULL, &old), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "another version of this program"));
}

static void builtin_is_an_encoder_when_there_is_one(void **state) {
    (void)state;
    const void *bytes;
    size_t size;
    stk_ave_encoder *encoder;
    if (!stk_ave_builtin(&bytes, &size)) {
        assert_int_equal(stk_ave_encoder_create(&encoder, STK_AVE_BUILTIN), STK_ERR_UNSUPPORTED);
        return;
    }
    assert_in_range(size, 1000000, 6000000); /* what may be shipped */
    TEST_OK(stk_ave_encoder_create(&encoder, STK_AVE_BUILTIN));
    const stk_encoder_id builtin = *stk_ave_encoder_id(encoder);
    stk_ave_encoder_free(&encoder);
    TEST_OK(stk_ave_encoder_find(&encoder, NULL, &builtin));
    assert_string_equal(stk_ave_encoder_id(encoder)->name, STK_AVE_BUILTIN);
    stk_ave_encoder_free(&encoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_knows_name_and_digest_of_its_file),
        cmocka_unit_test(find_given_the_wanted_one_takes_it),
        cmocka_unit_test(find_given_another_is_refused),
        cmocka_unit_test(find_looks_for_the_name_among_the_weights),
        cmocka_unit_test(find_of_another_program_version_says_so),
        cmocka_unit_test(builtin_is_an_encoder_when_there_is_one),
    };
    return cmocka_run_group_tests(tests, write_two, NULL);
}
