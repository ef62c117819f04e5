/* The writer of PyTorch files: what it writes, our reader reads back, every type and shape; the
 * archive is laid out as torch's; the same calls give the same bytes; mistakes leave no file. The
 * flat view of such files: names, numbers, averages. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/pth.h"
#include "nn/pth_write.h"
#include "nn/safetensors.h"
#include "nn/state_dict.h"

#include <stdio.h>
#include <string.h>

static char folder[STK_PATH_MAX], path[STK_PATH_MAX];
static uint8_t bytes[4096];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_temporary_folder());
    TEST_OK(stk_path_join(path, sizeof path, folder, "a.pth"));
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37 % 251);
    return 0;
}

/* --- there and back --------------------------------------------------------------------------- */

static const struct {
    int rank;
    int64_t shape[8];
} SHAPES[] = {{0, {0}},    {1, {1}},       {1, {7}},          {2, {3, 5}},
              {3, {2, 1}}, {3, {2, 1, 3}}, {4, {1, 2, 3, 4}}, {8, {1, 2, 1, 2, 1, 2, 1, 2}}};

static void write_all_types(const char *to) {
    stk_pth_writer *writer;
    char name[32];
    TEST_OK(stk_pth_writer_create(&writer, to));
    for (int dtype = 0; dtype < STK_DTYPES; dtype++)
        for (size_t s = 0; s < STK_ARRAY_SIZE(SHAPES); s++) {
            snprintf(name, sizeof name, "%s.%zu", stk_dtype_name((stk_dtype)dtype), s);
            if (dtype != STK_U16)
                TEST_OK(stk_pth_writer_tensor(writer, name, (stk_dtype)dtype, SHAPES[s].rank,
                                              SHAPES[s].shape, bytes + s));
        }
    TEST_OK(stk_pth_writer_finish(&writer));
    assert_null(writer);
}

static void write_every_type_and_shape_reads_back(void **state) {
    (void)state;
    stk_pth *file;
    write_all_types(path);
    TEST_OK(stk_pth_open(&file, path));
    const stk_pth_value *model = stk_pth_model(file);
    assert_int_equal(model->count, (STK_DTYPES - 1) * STK_ARRAY_SIZE(SHAPES));
    for (int i = 0; i < model->count; i++) {
        size_t s = (size_t)i % STK_ARRAY_SIZE(SHAPES);
        const stk_pth_tensor *t = model->items[i]->tensor;
        uint8_t found[512];
        assert_int_equal(t->rank, SHAPES[s].rank);
        for (int k = 0; k < t->rank; k++) assert_int_equal(t->shape[k], SHAPES[s].shape[k]);
        size_t size = (size_t)t->count * stk_dtype_size(t->dtype);
        assert_true(size <= sizeof found);
        TEST_OK(stk_pth_read_raw(model->items[i], t->dtype, found, size, "t"));
        assert_memory_equal(found, bytes + s, size);
        char name[32];
        snprintf(name, sizeof name, "%s.%zu", stk_dtype_name(t->dtype), s);
        assert_string_equal(model->keys[i]->text, name);
    }
    stk_pth_close(&file);
}

static void write_numbers_and_dictionaries_read_back(void **state) {
    (void)state;
    static const int64_t integers[] = {
        0, -1, INT32_MAX, INT32_MIN, (int64_t)INT32_MAX + 1, INT64_MIN, INT64_MAX};
    static const double reals[] = {0, -0.0, 0.1, 1e300, -5e-324};
    stk_pth_writer *writer;
    stk_pth *file;
    char key[16];
    TEST_OK(stk_pth_writer_create(&writer, path));
    TEST_OK(stk_pth_writer_open(writer, "numbers", 0));
    for (size_t i = 0; i < STK_ARRAY_SIZE(integers); i++) {
        snprintf(key, sizeof key, "i%zu", i);
        TEST_OK(stk_pth_writer_int(writer, key, integers[i]));
    }
    TEST_OK(stk_pth_writer_open(writer, "reals", 1));
    for (size_t i = 0; i < STK_ARRAY_SIZE(reals); i++) {
        snprintf(key, sizeof key, "r%zu", i);
        TEST_OK(stk_pth_writer_real(writer, key, reals[i]));
    }
    TEST_OK(stk_pth_writer_close(writer));
    TEST_OK(stk_pth_writer_empty_list(writer, "list"));
    TEST_OK(stk_pth_writer_none(writer, "none"));
    TEST_OK(stk_pth_writer_close(writer));
    TEST_OK(stk_pth_writer_finish(&writer));
    TEST_OK(stk_pth_open(&file, path));
    const stk_pth_value *numbers = stk_pth_get(stk_pth_root(file), "numbers");
    for (size_t i = 0; i < STK_ARRAY_SIZE(integers); i++) {
        snprintf(key, sizeof key, "i%zu", i);
        assert_true(stk_pth_get(numbers, key)->integer == integers[i]);
    }
    for (size_t i = 0; i < STK_ARRAY_SIZE(reals); i++) {
        snprintf(key, sizeof key, "r%zu", i);
        const stk_pth_value *real = stk_pth_get(stk_pth_get(numbers, "reals"), key);
        assert_memory_equal(&real->real, &reals[i], sizeof reals[i]);
    }
    assert_int_equal(stk_pth_get(numbers, "list")->type, STK_PTH_LIST);
    assert_int_equal(stk_pth_get(numbers, "none")->type, STK_PTH_NONE);
    stk_pth_close(&file);
}

/* --- the archive ------------------------------------------------------------------------------ */

static uint32_t number(const uint8_t *at, int size) {
    uint32_t value = 0;
    memcpy(&value, at, (size_t)size);
    return value;
}

/* Local headers in turn: stored, dated 1980, data at multiples of 64, named as torch names them. */
static void archive_is_laid_out_as_torch_does(void **state) {
    (void)state;
    stk_map map;
    write_all_types(path);
    TEST_OK(stk_map_open(&map, path));
    size_t at = 0;
    int entries = 0;
    while (number(map.data + at, 4) == 0x04034b50) {
        const uint8_t *header = map.data + at;
        size_t name = number(header + 26, 2), extra = number(header + 28, 2);
        size_t size = number(header + 18, 4), data = at + 30 + name + extra;
        char expected[48];
        snprintf(expected, sizeof expected, "archive/data/%d", entries - 1);
        if (entries == 0) strcpy(expected, "archive/data.pkl");
        if (entries > (STK_DTYPES - 1) * (int)STK_ARRAY_SIZE(SHAPES))
            strcpy(expected, "archive/version");
        assert_int_equal(name, strlen(expected));
        assert_memory_equal(header + 30, expected, name);
        assert_int_equal(number(header + 6, 2), 0); /* flags: sizes are here, no encryption */
        assert_int_equal(number(header + 8, 2), 0); /* stored */
        assert_int_equal(number(header + 12, 2), 1 << 5 | 1);
        assert_int_equal(size, number(header + 22, 4));
        assert_int_equal(data % 64, 0);
        at = data + size;
        entries++;
    }
    assert_int_equal(entries, (STK_DTYPES - 1) * STK_ARRAY_SIZE(SHAPES) + 2);
    assert_memory_equal(map.data + at - 2, "3\n", 2);
    stk_map_close(&map);
}

static void write_twice_gives_the_same_bytes(void **state) {
    (void)state;
    char other[STK_PATH_MAX], one[STK_SHA256_TEXT], two[STK_SHA256_TEXT];
    TEST_OK(stk_path_join(other, sizeof other, folder, "another name.pth"));
    write_all_types(path);
    write_all_types(other);
    TEST_OK(stk_sha256_file(path, one));
    TEST_OK(stk_sha256_file(other, two));
    assert_string_equal(one, two);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void write_impossible_is_refused_and_leaves_nothing(void **state) {
    (void)state;
    static const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, huge[2] = {1 << 30, 1 << 30};
    static const int64_t negative[1] = {-1};
    char target[STK_PATH_MAX];
    stk_pth_writer *writer;
    TEST_OK(stk_path_join(target, sizeof target, folder, "never.pth"));
    TEST_OK(stk_pth_writer_create(&writer, target));
    assert_int_equal(stk_pth_writer_tensor(writer, "a", STK_F32, 9, nine, bytes), STK_ERR_ARGUMENT);
    assert_int_equal(stk_pth_writer_tensor(writer, "b", STK_F32, 2, huge, bytes), STK_ERR_ARGUMENT);
    assert_int_equal(stk_pth_writer_tensor(writer, "c", STK_F32, 1, negative, bytes),
                     STK_ERR_ARGUMENT);
    assert_int_equal(stk_pth_writer_tensor(writer, "d", STK_U16, 1, nine, bytes), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "never.pth: tensor d cannot be written"));
    assert_int_equal(stk_pth_writer_close(writer), STK_ERR_ARGUMENT);
    TEST_OK(stk_pth_writer_open(writer, "model", 1));
    assert_int_equal(stk_pth_writer_finish(&writer), STK_ERR_ARGUMENT);
    assert_null(writer);
    assert_false(stk_file_exists(target));
    TEST_OK(stk_pth_writer_create(&writer, target));
    stk_pth_writer_discard(&writer);
    stk_pth_writer_discard(&writer);
    assert_false(stk_file_exists(target));
    assert_int_equal(stk_pth_writer_create(&writer, folder), STK_ERR_IO);
    assert_int_equal(stk_pth_writer_create(&writer, "/nowhere/a.pth"), STK_ERR_IO);
    assert_null(writer);
}

/* --- the flat view ---------------------------------------------------------------------------- */

static void state_dict_names_numbers_and_averages(void **state) {
    (void)state;
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    static const int64_t shape[2] = {2, 3};
    stk_pth_writer *writer;
    stk_state_dict *dict;
    TEST_OK(stk_pth_writer_create(&writer, path));
    TEST_OK(stk_pth_writer_real(writer, "mean_density", 0.25));
    TEST_OK(stk_pth_writer_open(writer, "model", 1));
    TEST_OK(stk_pth_writer_tensor(writer, "module.a.weight", STK_F32, 2, shape, values));
    TEST_OK(stk_pth_writer_int(writer, "no tensor", 3));
    TEST_OK(stk_pth_writer_tensor(writer, "b", STK_I32, 1, shape, bytes));
    TEST_OK(stk_pth_writer_close(writer));
    TEST_OK(stk_pth_writer_finish(&writer));
    TEST_OK(stk_state_dict_open(&dict, path));
    assert_int_equal(stk_state_dict_count(dict), 2);
    const stk_state_tensor *a = stk_state_dict_find(dict, "a.weight");
    float found[6];
    assert_ptr_equal(a, stk_state_dict_at(dict, 0));
    assert_int_equal(a->count, 6);
    TEST_OK(stk_state_dict_read(dict, a, found));
    test_assert_close("a", found, values, 6, 0);
    assert_null(stk_state_dict_find(dict, "no tensor"));
    assert_true(stk_state_dict_number(dict, "mean_density", 0) == 0.25);
    assert_true(stk_state_dict_number(dict, "absent", 7) == 7);
    assert_int_equal(stk_state_dict_averages(dict), -1);
    stk_state_dict_close(&dict);
    stk_state_dict_close(&dict);
    assert_int_equal(stk_state_dict_open(&dict, folder), STK_ERR_FORMAT);
    assert_int_equal(stk_state_dict_open(&dict, "/nowhere/a.pth"), STK_ERR_IO);
    assert_null(dict);
}

static void state_dict_of_safetensors_is_the_same(void **state) {
    (void)state;
    static const float values[2] = {1, 2};
    static const int64_t shape[1] = {2};
    char name[STK_PATH_MAX];
    stk_safetensors_writer *writer;
    stk_state_dict *dict;
    float found[2];
    TEST_OK(stk_path_join(name, sizeof name, folder, "a.safetensors"));
    TEST_OK(stk_safetensors_writer_create(&writer, name));
    TEST_OK(stk_safetensors_writer_metadata(writer, "global_step", "12"));
    TEST_OK(stk_safetensors_writer_metadata(writer, "epoch", "twelve"));
    TEST_OK(stk_safetensors_writer_declare(writer, "module.a", STK_F32, 1, shape));
    TEST_OK(stk_safetensors_writer_data(writer, values, sizeof values));
    TEST_OK(stk_safetensors_writer_finish(&writer));
    TEST_OK(stk_state_dict_open(&dict, name));
    TEST_OK(stk_state_dict_read(dict, stk_state_dict_find(dict, "a"), found));
    test_assert_close("a", found, values, 2, 0);
    assert_true(stk_state_dict_number(dict, "global_step", 0) == 12);
    assert_true(stk_state_dict_number(dict, "epoch", -1) == -1);
    assert_int_equal(stk_state_dict_averages(dict), -1);
    stk_state_dict_close(&dict);
}

/* Left out: listed nowhere, its elements refused, the others as they are. */
static void open_without_leaves_the_named_on_disk(void **state) {
    (void)state;
    static const int64_t shape[] = {2, 3};
    float out[6];
    stk_pth_writer *writer;
    stk_pth *file;
    stk_state_dict *dict;
    TEST_OK(stk_pth_writer_create(&writer, path));
    TEST_OK(stk_pth_writer_tensor(writer, "classifier.1.weight", STK_F32, 2, shape, bytes));
    TEST_OK(stk_pth_writer_tensor(writer, "features.0.weight", STK_F32, 2, shape, bytes + 24));
    TEST_OK(stk_pth_writer_finish(&writer));
    TEST_OK(stk_pth_open_without(&file, path, "classifier."));
    const stk_pth_value *left = stk_pth_get(stk_pth_root(file), "classifier.1.weight");
    const stk_pth_value *kept = stk_pth_get(stk_pth_root(file), "features.0.weight");
    assert_null(left->tensor->data);
    assert_int_equal(stk_pth_read_f32(left, out, 6, "left"), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "left out"));
    TEST_OK(stk_pth_read_f32(kept, out, 6, "kept"));
    assert_memory_equal(out, bytes + 24, sizeof out);
    stk_pth_close(&file);
    TEST_OK(stk_state_dict_open_without(&dict, path, "classifier."));
    assert_int_equal(stk_state_dict_count(dict), 1);
    assert_null(stk_state_dict_find(dict, "classifier.1.weight"));
    assert_non_null(stk_state_dict_find(dict, "features.0.weight"));
    stk_state_dict_close(&dict);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_every_type_and_shape_reads_back),
        cmocka_unit_test(write_numbers_and_dictionaries_read_back),
        cmocka_unit_test(archive_is_laid_out_as_torch_does),
        cmocka_unit_test(write_twice_gives_the_same_bytes),
        cmocka_unit_test(write_impossible_is_refused_and_leaves_nothing),
        cmocka_unit_test(state_dict_names_numbers_and_averages),
        cmocka_unit_test(state_dict_of_safetensors_is_the_same),
        cmocka_unit_test(open_without_leaves_the_named_on_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
