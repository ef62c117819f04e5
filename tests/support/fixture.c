/* fixture.c */
#include "fixture.h"
#include "support.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

stk_safetensors *test_fixture_open(const char *name) {
    char relative[256];
    snprintf(relative, sizeof relative, "parity/fixtures/%s.safetensors", name);
    stk_safetensors *file = NULL;
    TEST_OK(stk_safetensors_open(&file, test_shared_or_skip(relative)));
    return file;
}

static const stk_tensor_info *find(const stk_safetensors *file, const char *name) {
    const stk_tensor_info *info = stk_safetensors_find(file, name);
    if (info == NULL) fail_msg("the fixture has no tensor %s", name);
    return info;
}

float *test_fixture_f32(const stk_safetensors *file, const char *name, int64_t *count) {
    const stk_tensor_info *info = find(file, name);
    float *values = stk_calloc_aligned((size_t)info->count + 1, sizeof *values);
    assert_non_null(values);
    TEST_OK(stk_safetensors_read_f32(file, name, values, info->count));
    if (count != NULL) *count = info->count;
    return values;
}

void *test_fixture_raw(const stk_safetensors *file, const char *name, stk_dtype dtype,
                       int64_t *count) {
    const stk_tensor_info *info = find(file, name);
    assert_int_equal(info->dtype, dtype);
    void *bytes = stk_calloc_aligned(info->bytes + 1, 1);
    assert_non_null(bytes);
    memcpy(bytes, info->data, info->bytes);
    if (count != NULL) *count = info->count;
    return bytes;
}

double test_fixture_number(const stk_safetensors *file, const char *name) {
    float value;
    TEST_OK(stk_safetensors_read_f32(file, name, &value, 1));
    return (double)value;
}

float test_hashed_noise(uint32_t i, uint32_t salt) {
    uint32_t x = i + salt * 0x9E3779B1u;
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return (float)(x >> 8) / 16777216.0f;
}
