/* safetensors: what is written is read back; every inconsistent header is refused. */
#include "support.h"
#include "base/file.h"
#include "base/rng.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

static char path[STK_PATH_MAX];

static int make_path(void **state) {
    (void)state;
    return stk_path_join(path, sizeof path, test_temporary_folder(), "a.safetensors");
}

static void write_then_read_same_tensors(void **state) {
    (void)state;
    stk_safetensors_writer *writer;
    const int64_t shape[2] = {2, 3};
    const float a[6] = {1, -2, 3, 4, 5, 6.5f};
    const uint16_t half[6] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555};
    const double wide[6] = {0.1, 1e-3, -7, 0, 1, 2};
    TEST_OK(stk_safetensors_writer_create(&writer, path));
    TEST_OK(stk_safetensors_writer_metadata(writer, "kind", "a \"quoted\" test"));
    TEST_OK(stk_safetensors_writer_declare(writer, "a", STK_F32, 2, shape));
    TEST_OK(stk_safetensors_writer_declare(writer, "half", STK_F16, 1, (int64_t[]){6}));
    TEST_OK(stk_safetensors_writer_declare(writer, "none", STK_F32, 1, (int64_t[]){0}));
    TEST_OK(stk_safetensors_writer_declare(writer, "wide", STK_F64, 2, shape));
    assert_int_equal(stk_safetensors_writer_declare(writer, "a", STK_F32, 2, shape),
                     STK_ERR_ARGUMENT);
    TEST_OK(stk_safetensors_writer_data(writer, a, 4));
    TEST_OK(stk_safetensors_writer_data(writer, a + 1, sizeof a - 4));
    TEST_OK(stk_safetensors_writer_data(writer, half, sizeof half));
    TEST_OK(stk_safetensors_writer_data(writer, wide, sizeof wide));
    TEST_OK(stk_safetensors_writer_finish(&writer));
    assert_null(writer);

    stk_safetensors *file;
    TEST_OK(stk_safetensors_open(&file, path));
    assert_int_equal(stk_safetensors_count(file), 4);
    assert_string_equal(stk_safetensors_metadata(file, "kind"), "a \"quoted\" test");
    assert_null(stk_safetensors_metadata(file, "absent"));
    assert_null(stk_safetensors_find(file, "b"));
    const stk_tensor_info *info = stk_safetensors_find(file, "a");
    assert_int_equal(info->rank, 2);
    assert_int_equal(info->shape[1], 3);
    assert_int_equal((uintptr_t)info->data % 64, 0);
    float out[6];
    TEST_OK(stk_safetensors_read_f32(file, "a", out, 6));
    test_assert_close("a", out, a, 6, 0);
    const float halves[6] = {1, -2, 0x1p-24f, 65504, 0, 0x1.554p-2f};
    TEST_OK(stk_safetensors_read_f32(file, "half", out, 6));
    test_assert_close("half", out, halves, 6, 0);
    TEST_OK(stk_safetensors_read_f32(file, "wide", out, 6));
    assert_true(out[0] == 0.1f && out[2] == -7.0f);
    assert_int_equal(stk_safetensors_read_f32(file, "wide", out, 5), STK_ERR_MISMATCH);
    assert_int_equal(stk_safetensors_read_f32(file, "nowhere", out, 5), STK_ERR_FORMAT);
    stk_safetensors_close(&file);
}

static void finish_incomplete_leaves_nothing(void **state) {
    (void)state;
    stk_safetensors_writer *writer;
    char other[STK_PATH_MAX];
    TEST_OK(stk_path_join(other, sizeof other, test_temporary_folder(), "b.safetensors"));
    TEST_OK(stk_safetensors_writer_create(&writer, other));
    TEST_OK(stk_safetensors_writer_declare(writer, "a", STK_U8, 1, (int64_t[]){4}));
    assert_int_equal(stk_safetensors_writer_data(writer, "12345", 5), STK_ERR_ARGUMENT);
    TEST_OK(stk_safetensors_writer_data(writer, "123", 3));
    assert_int_equal(stk_safetensors_writer_finish(&writer), STK_ERR_ARGUMENT);
    assert_false(stk_file_exists(other));
}

static void assert_refused(const char *header, size_t data, const char *why) {
    static uint8_t bytes[4096];
    uint64_t length = strlen(header);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    TEST_OK(stk_file_write(path, bytes, 8 + length + data));
    stk_safetensors *file;
    if (stk_safetensors_open(&file, path) == STK_OK) fail_msg("accepted: %s", header);
    if (strstr(stk_error_text(), why) == NULL) fail_msg("%s, not %s", stk_error_text(), why);
}

static void open_inconsistent_is_refused(void **state) {
    (void)state;
#define T(name, dtype, shape, begin, end)                                                          \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end   \
    "]}"
    assert_refused("nonsense", 0, "not JSON");
    assert_refused("[1]", 0, "not JSON");
    assert_refused("{\"a\":1}", 0, "not an object");
    assert_refused("{" T("a", "F32", "[2]", "0", "9") "}", 8, "outside the file");
    assert_refused("{" T("a", "F32", "[2]", "-1", "8") "}", 8, "outside the file");
    assert_refused("{" T("a", "F32", "[2]", "8", "0") "}", 8, "outside the file");
    assert_refused("{" T("a", "F32", "[2]", "0.5", "8") "}", 8, "outside the file");
    assert_refused("{" T("a", "F32", "[3]", "0", "8") "}", 8, "disagree");
    assert_refused("{" T("a", "F32", "[4294967296,4294967296]", "0", "8") "}", 8, "impossible");
    assert_refused("{" T("a", "F32", "[-2]", "0", "8") "}", 8, "bad dimension");
    assert_refused("{" T("a", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, "more than 8");
    assert_refused("{" T("a", "Q4", "[2]", "0", "8") "}", 8, "not read");
    assert_refused("{" T("a", "F32", "[2]", "0", "8") "," T("b", "F32", "[2]", "4", "12") "}", 12,
                   "overlap");
    assert_refused("{" T("a", "F32", "[2]", "4", "12") "}", 12, "gap");
    assert_refused("{" T("a", "F32", "[2]", "0", "8") "}", 12, "behind the last");
    assert_refused("{" T("a", "F32", "[1]", "0", "4") "," T("a", "F32", "[1]", "4", "8") "}", 8,
                   "twice");
    stk_safetensors *file;
    TEST_OK(stk_file_write(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10));
    assert_int_equal(stk_safetensors_open(&file, path), STK_ERR_FORMAT);
    TEST_OK(stk_file_write(path, "abc", 3));
    assert_int_equal(stk_safetensors_open(&file, path), STK_ERR_FORMAT);
    assert_int_equal(stk_safetensors_open(&file, "/nonexistent/x"), STK_ERR_IO);
}

/* Flipped bits and cut ends: refused, or every tensor still lies inside the file (ASan watches). */
static void open_damaged_never_crashes(void **state) {
    (void)state;
    stk_rng rng;
    stk_map map;
    static uint8_t copy[8192];
    stk_rng_seed(&rng, 2, 1);
    TEST_OK(stk_map_open(&map, test_shared_or_skip("parity/fixtures/optimizer.safetensors")));
    assert_true(map.size <= sizeof copy);
    for (int i = 0; i < 3000; i++) {
        memcpy(copy, map.data, map.size);
        for (int flips = 0; flips <= i % 4; flips++)
            copy[stk_rng_below(&rng, 2048)] ^= (uint8_t)(1u << stk_rng_below(&rng, 8));
        size_t size = i % 5 == 0 ? stk_rng_below(&rng, (uint32_t)map.size) : map.size;
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(copy, 1, size, out), size);
        assert_int_equal(fclose(out), 0);
        stk_safetensors *file;
        if (stk_safetensors_open(&file, path) != STK_OK) continue;
        float values[2048];
        for (int k = 0; k < stk_safetensors_count(file); k++) {
            const stk_tensor_info *info = stk_safetensors_at(file, k);
            if (info->count <= 2048)
                TEST_OK(stk_safetensors_read_f32(file, info->name, values, info->count));
        }
        stk_safetensors_close(&file);
    }
    stk_map_close(&map);
}

static void open_fixture_reads_shapes(void **state) {
    (void)state;
    stk_safetensors *file;
    TEST_OK(
        stk_safetensors_open(&file, test_shared_or_skip("parity/fixtures/A_audio.safetensors")));
    const stk_tensor_info *info = stk_safetensors_find(file, "auds");
    assert_non_null(info);
    assert_int_equal(info->count, 8 * 512);
    assert_int_equal(info->dtype, STK_F32);
    stk_safetensors_close(&file);
}

static void float_to_half_inverts_half_to_float(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        const int exponent = half >> 10 & 31;
        if (exponent == 31 && (half & 0x3ff) != 0) continue; /* not a number */
        assert_int_equal(stk_float_to_half(stk_half_to_float((uint16_t)half)), half);
        if (exponent == 31 || (half & 1) || (half & 0x7fff) == 0x7bff) continue;
        /* half way to its odd neighbour: back to the even one; a little further: on */
        const float here = stk_half_to_float((uint16_t)half);
        const float next = stk_half_to_float((uint16_t)(half + 1)), middle = 0.5f * (here + next);
        assert_int_equal(stk_float_to_half(middle), half);
        assert_int_equal(stk_float_to_half(middle + 0.1f * (next - here)), half + 1);
    }
    assert_int_equal(stk_float_to_half(65519.0f), 0x7bff);
    assert_int_equal(stk_float_to_half(-65520.0f), 0xfc00);
    assert_int_equal(stk_float_to_half(1e30f), 0x7c00);
    assert_int_equal(stk_float_to_half(__builtin_nanf("")) & 0x7e00, 0x7e00);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_to_half_inverts_half_to_float),
        cmocka_unit_test(write_then_read_same_tensors),
        cmocka_unit_test(finish_incomplete_leaves_nothing),
        cmocka_unit_test(open_inconsistent_is_refused),
        cmocka_unit_test(open_fixture_reads_shapes),
        cmocka_unit_test(open_damaged_never_crashes),
    };
    return cmocka_run_group_tests(tests, make_path, NULL);
}
