/* PyTorch files: official checkpoints and the legacy form read as their key list says; hostile and
 * damaged files are refused without touching memory they should not (run under ASan). */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "nn/params.h"
#include "nn/pth.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const CHECKPOINTS[] = {"official_A.pth",
                                          "official_A_best.pth",
                                          "official_B.pth",
                                          "official_C.pth",
                                          "official_D.pth",
                                          "official_E.pth",
                                          "official_audio_visual_encoder.pth"};

static const char *shared_parity(const char *name) {
    char relative[256];
    snprintf(relative, sizeof relative, "parity/%s", name);
    return test_shared_or_skip(relative);
}

static void check_tensor(const char *name, const stk_pth_value *value, const cJSON *wanted) {
    static const char *const NAMES[STK_DTYPES] = {
        [STK_F32] = "float32", [STK_U8] = "uint8", [STK_I32] = "int32", [STK_I64] = "int64"};
    const cJSON *shape = cJSON_GetArrayItem(wanted, 1);
    if (value == NULL) fail_msg("%s is absent", name);
    assert_int_equal(value->type, STK_PTH_TENSOR);
    assert_string_equal(NAMES[value->tensor->dtype], cJSON_GetArrayItem(wanted, 0)->valuestring);
    assert_int_equal(value->tensor->rank, cJSON_GetArraySize(shape));
    for (int i = 0; i < value->tensor->rank; i++)
        assert_int_equal(value->tensor->shape[i], cJSON_GetArrayItem(shape, i)->valueint);
}

static void open_official_matches_key_list(void **state) {
    (void)state;
    char *text;
    TEST_OK(stk_file_read_text(shared_parity("fixtures/checkpoint_keys.json"), 1 << 20, &text));
    cJSON *list = cJSON_Parse(text);
    assert_non_null(list);
    for (size_t f = 0; f < STK_ARRAY_SIZE(CHECKPOINTS); f++) {
        stk_pth *file;
        TEST_OK(stk_pth_open(&file, shared_parity(CHECKPOINTS[f])));
        const cJSON *entry = cJSON_GetObjectItem(list, CHECKPOINTS[f]);
        const cJSON *wanted = cJSON_GetObjectItem(entry, "model"), *item;
        const stk_pth_value *model = stk_pth_model(file);
        assert_non_null(model);
        assert_int_equal(model->count, cJSON_GetArraySize(wanted));
        cJSON_ArrayForEach(item, wanted)
            check_tensor(item->string, stk_pth_get(model, item->string), item);
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(entry, "top")) {
            if (cJSON_IsNumber(item))
                assert_true(stk_pth_number(stk_pth_get(stk_pth_root(file), item->string), -1) ==
                            item->valuedouble);
        }
        stk_pth_close(&file);
        assert_null(file);
    }
    cJSON_Delete(list);
    stk_free(text);
}

static void read_official_gives_known_values(void **state) {
    (void)state;
    stk_pth *file;
    TEST_OK(stk_pth_open(&file, shared_parity("official_A.pth")));
    float box[6], wanted[6] = {-1, -0.5f, -1, 1, 0.5f, 1};
    const stk_pth_value *model = stk_pth_model(file);
    TEST_OK(stk_pth_read_f32(stk_pth_get(model, "aabb_train"), box, 6, "aabb_train"));
    test_assert_close("aabb_train", box, wanted, 6, 0);
    assert_int_equal(stk_pth_read_f32(stk_pth_get(model, "aabb_train"), box, 5, "aabb_train"),
                     STK_ERR_MISMATCH);
    int32_t counter[32];
    TEST_OK(stk_pth_read_raw(stk_pth_get(model, "step_counter"), STK_I32, counter, sizeof counter,
                             "step_counter"));
    const stk_pth_value *stats = stk_pth_get(stk_pth_root(file), "stats");
    assert_int_equal(stk_pth_get(stats, "loss")->type, STK_PTH_LIST);
    stk_pth_close(&file);
}

static void open_python2_reads_lpips(void **state) {
    (void)state;
    stk_pth *file; /* byte strings, memo numbered from 1 */
    TEST_OK(stk_pth_open(&file, test_shared_or_skip("models/lpips_v0.1_alex.pth")));
    const stk_pth_value *lin = stk_pth_get(stk_pth_model(file), "lin0.model.1.weight");
    assert_non_null(lin);
    assert_int_equal(lin->tensor->count, 64);
    float weights[64];
    TEST_OK(stk_pth_read_f32(lin, weights, 64, "lin0"));
    for (int i = 0; i < 64; i++) assert_true(weights[i] >= 0 && weights[i] < 100);
    stk_pth_close(&file);
}

static void open_legacy_reads_raft(void **state) {
    (void)state;
    stk_pth *file;
    TEST_OK(stk_pth_open(&file, test_shared_or_skip("models/raft-small.pth")));
    const stk_pth_value *model = stk_pth_model(file);
    assert_non_null(model);
    const stk_pth_value *conv = stk_pth_get(model, "module.fnet.conv1.weight");
    assert_non_null(conv);
    assert_int_equal(conv->tensor->rank, 4);
    assert_int_equal(conv->tensor->count, 32 * 3 * 7 * 7);
    float weights[32 * 3 * 7 * 7];
    TEST_OK(stk_pth_read_f32(conv, weights, 32 * 3 * 7 * 7, "conv1"));
    for (size_t i = 0; i < STK_ARRAY_SIZE(weights); i++) assert_true(weights[i] * weights[i] < 4);
    stk_pth_close(&file);
}

/* --- files made here: the legacy container around a pickle given as bytes --------------------- */

#define MAGIC "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define HEAD                                                                                       \
    MAGIC "\x80\x02M\xe9\x03."                                                                     \
          "\x80\x02}U\x0dlittle_endian\x88s."
#define STORAGE                                                                                    \
    "(U\x07storagectorch\nFloatStorage\nU\x01"                                                     \
    "0U\x03"                                                                                       \
    "cpuK\x04NtQ"
#define KEYS                                                                                       \
    "\x80\x02]U\x01"                                                                               \
    "0a."
/* 4 floats: 1 2 3 4 */
#define FLOATS                                                                                     \
    "\4\0\0\0\0\0\0\0"                                                                             \
    "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40"

static char path[STK_PATH_MAX];

static stk_status open_bytes(const void *bytes, size_t size, stk_pth **file) {
    if (path[0] == 0) TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "a.pth"));
    FILE *out = fopen(path, "wb"); /* not stk_file_write: 2000 files need no fsync */
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
    return stk_pth_open(file, path);
}
#define OPEN(text, file) open_bytes(text, sizeof(text) - 1, file)

static void assert_refused(const void *bytes, size_t size, const char *why) {
    stk_pth *file;
    stk_status status = open_bytes(bytes, size, &file);
    if (status == STK_OK) fail_msg("a hostile file was accepted (%s)", why);
    assert_null(file);
    if (strstr(stk_error_text(), why) == NULL)
        fail_msg("refused with \"%s\" instead of \"%s\"", stk_error_text(), why);
    assert_null(strchr(stk_error_text(), '\n'));
}
#define REFUSED(text, why) assert_refused(text, sizeof(text) - 1, why)

static void read_strided_tensor_is_transposed(void **state) {
    (void)state;
    stk_pth *file;
    TEST_OK(OPEN(HEAD "\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE
                      "K\0K\2K\2\x86K\1K\2\x86\x89NtRs." KEYS FLOATS,
                 &file));
    float out[4], wanted[4] = {1, 3, 2, 4};
    TEST_OK(stk_pth_read_f32(stk_pth_get(stk_pth_model(file), "w"), out, 4, "w"));
    test_assert_close("w", out, wanted, 4, 0);

    stk_params params;
    int index, shape[2] = {2, 2}, other;
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_params_add(&params, "w", STK_GROUP_NET, 2, shape, &index));
    TEST_OK(stk_params_add(&params, "u", STK_GROUP_NET, 1, shape, &other));
    TEST_OK(stk_params_seal(&params, 0));
    stk_params_missing missing;
    TEST_OK(stk_params_load_pth(&params, stk_pth_model(file), "a.pth", &missing));
    assert_int_equal(missing.count, 1);
    assert_string_equal(missing.names, "u");
    test_assert_close("w", stk_params_value(&params, index), wanted, 4, 0);
    assert_int_equal(stk_params_load_pth(&params, stk_pth_model(file), "a.pth", NULL),
                     STK_ERR_MISMATCH);
    stk_params_clear(&params);
    shape[0] = 1, shape[1] = 4;
    TEST_OK(stk_params_add(&params, "w", STK_GROUP_NET, 2, shape, &index));
    TEST_OK(stk_params_seal(&params, 0));
    assert_int_equal(stk_params_load_pth(&params, stk_pth_model(file), "a.pth", &missing),
                     STK_ERR_MISMATCH);
    stk_params_clear(&params);
    stk_pth_close(&file);
}

static void read_numpy_scalar_is_number(void **state) {
    (void)state;
    stk_pth *file; /* what a metric leaves in the official statistics: numpy.float64(1.0) */
    TEST_OK(OPEN(HEAD
                 "\x80\x02}U\x01xcnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n"
                 "X\2\0\0\0f8K\0K\1\x87R(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
                 "c_codecs\nencode\nX\x09\0\0\0\0\0\0\0\0\0\xc3\xb0?X\6\0\0\0latin1\x86R\x86Rs."
                 "\x80\x02].",
                 &file));
    assert_true(stk_pth_number(stk_pth_get(stk_pth_root(file), "x"), 0) == 1.0);
    stk_pth_close(&file);
}

static void open_code_is_refused(void **state) {
    (void)state;
    REFUSED(HEAD "\x80\x02"
                 "cos\nsystem\nX\4\0\0\0true\x85R.",
            "os.system");
    REFUSED(HEAD "\x80\x02"
                 "cbuiltins\neval\nX\1\0\0\0"
                 "1\x85R.",
            "builtins.eval");
    REFUSED(HEAD "\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "posix.system");
    REFUSED(HEAD "(S'true'\nios\nsystem\n.", "opcode 0x53 is not allowed"); /* INST form */
    REFUSED(HEAD "\x80\x02\x82\x01.", "opcode 0x82");                       /* extension registry */
    REFUSED(HEAD "\x80\x02X\1\0\0\0a)R.", "no known class");
}

static void open_bad_structure_is_refused(void **state) {
    (void)state;
    REFUSED("", "not a file that torch.save wrote");
    REFUSED("PK\3\4 and nothing else", "archive");
    REFUSED(HEAD, "ends too early");
    REFUSED(HEAD "\x80\x02}", "ends too early");
    REFUSED(HEAD "\x80\x02.", "untidy stack");
    REFUSED(HEAD "\x80\x02"
                 "0.",
            "underflows");
    REFUSED(HEAD "\x80\x02]q\0h\0a.", "contains itself");
    REFUSED(HEAD "\x80\x02]r\xff\xff\xff\x7f.", "memo");
    REFUSED(HEAD "\x80\x02h\x05.", "never stored");
    REFUSED(HEAD "\x80\x02]q\3h\2.", "never stored");
    REFUSED(HEAD "\x80\x02X\xff\xff\xff\xff.", "ends too early");
    REFUSED(HEAD "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "ends too early");
    REFUSED(HEAD "\x80\x02}(K\1u.", "key without a value");
    REFUSED(HEAD "\x80\x02}]K\1s.", "neither text nor number");
    REFUSED(HEAD "\x80\x02K\1K\1a.", "holds none");
    REFUSED(HEAD "\x80\x02(t0(K\1a.", "underflows");
}

static void open_bad_tensor_is_refused(void **state) {
    (void)state;
#define TENSOR(offset, shape, stride)                                                              \
    HEAD "\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE offset shape stride         \
         "\x89NtRs." KEYS FLOATS
    REFUSED(TENSOR("K\1", "K\4\x85", "K\1\x85"), "outside its storage");
    REFUSED(TENSOR("K\0", "K\4\x85", "K\2\x85"), "outside its storage");
    REFUSED(TENSOR("J\xff\xff\xff\xff", "K\4\x85", "K\1\x85"), "outside its storage");
    REFUSED(TENSOR("K\0", "K\4\x85", "J\xff\xff\xff\xff\x85"), "outside its storage");
    REFUSED(TENSOR("K\0", "J\xff\xff\xff\x7f\x85",
                   "K\0\x85"
                   "0J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86K\0K\0\x86"),
            "outside its storage");
    REFUSED(TENSOR("K\0", "K\2K\2\x86", "K\1\x85"), "outside its storage");
    REFUSED(HEAD "\x80\x02" STORAGE "." KEYS "\5\0\0\0\0\0\0\0", "cut short");
    REFUSED(HEAD "\x80\x02" STORAGE "." KEYS "\4\0\0\0\0\0\0\0\0", "cut short");
    REFUSED(HEAD "\x80\x02" STORAGE ".\x80\x02].", "does not fit");
    REFUSED(HEAD "\x80\x02" STORAGE ".\x80\x02](U\1"
                 "0U\1"
                 "0e." FLOATS,
            "does not fit");
}

static void open_deep_nesting_is_refused(void **state) {
    (void)state;
    enum { DEEP = 100000 };
    static char bytes[sizeof HEAD + 2 * DEEP + 8];
    size_t n = sizeof HEAD - 1;
    memcpy(bytes, HEAD, n);
    memcpy(bytes + n, "\x80\x02", 2);
    n += 2;
    memset(bytes + n, ']', DEEP);
    memset(bytes + n + DEEP, 'a', DEEP - 1);
    bytes[n + 2 * DEEP - 1] = '.';
    assert_refused(bytes, n + 2 * DEEP, "nested too deeply");
    memset(bytes + n, '(', 2 * DEEP);
    assert_refused(bytes, n + 2 * DEEP, "nested too deeply");
}

/* --- damage ----------------------------------------------------------------------------------- */

/* Opening either fails with a sentence or gives a tree that can be walked and read. */
static void walk(const stk_pth_value *value, int depth) {
    assert_true(depth <= 64);
    if (value->type == STK_PTH_TENSOR && value->tensor->count < 1 << 24) {
        float *copy = malloc((size_t)value->tensor->count * sizeof *copy + 1);
        assert_non_null(copy);
        TEST_OK(stk_pth_read_f32(value, copy, value->tensor->count, "walk"));
        free(copy);
    }
    if (value->type < STK_PTH_LIST || value->type > STK_PTH_DICT) return;
    for (int i = 0; i < value->count; i++) walk(value->items[i], depth + 1);
}

static void survive(const uint8_t *bytes, size_t size) {
    stk_pth *file;
    if (open_bytes(bytes, size, &file) != STK_OK) return;
    walk(stk_pth_root(file), 0);
    stk_pth_close(&file);
}

static void open_damaged_never_crashes(void **state) {
    (void)state;
    static const char *const NAMES[] = {"models/lpips_v0.1_alex.pth", "parity/official_D.pth"};
    static const int TRIES[] = {1500, 40};
    stk_rng rng;
    stk_rng_seed(&rng, 1, 1);
    for (int f = 0; f < 2; f++) {
        stk_map map;
        TEST_OK(stk_map_open(&map, test_shared_or_skip(NAMES[f])));
        uint8_t *copy = malloc(map.size);
        assert_non_null(copy);
        for (int i = 0; i < TRIES[f]; i++) {
            memcpy(copy, map.data, map.size);
            /* the pickles lie in the first 16 KB; the zip directory in the last 8 KB */
            uint32_t span = map.size < 16384 ? (uint32_t)map.size : 16384;
            for (int flips = 0; flips <= i % 4; flips++) {
                uint32_t at = stk_rng_below(&rng, span);
                size_t place = i % 8 == 7 ? map.size - 1 - at / 2 : at;
                copy[place] ^= (uint8_t)(1u << stk_rng_below(&rng, 8));
            }
            survive(copy, map.size);
        }
        for (int i = 0; i < TRIES[f] / 4; i++)
            survive(map.data, stk_rng_below(&rng, (uint32_t)map.size));
        free(copy);
        stk_map_close(&map);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_official_matches_key_list),
        cmocka_unit_test(read_official_gives_known_values),
        cmocka_unit_test(open_legacy_reads_raft),
        cmocka_unit_test(open_python2_reads_lpips),
        cmocka_unit_test(read_strided_tensor_is_transposed),
        cmocka_unit_test(read_numpy_scalar_is_number),
        cmocka_unit_test(open_code_is_refused),
        cmocka_unit_test(open_bad_structure_is_refused),
        cmocka_unit_test(open_bad_tensor_is_refused),
        cmocka_unit_test(open_deep_nesting_is_refused),
        cmocka_unit_test(open_damaged_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
