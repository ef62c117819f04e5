/* fixture.h - tensors of the parity fixtures (shared/parity/fixtures/NAME.safetensors) as plain
 * arrays. */
#ifndef STK_TESTS_FIXTURE_H
#define STK_TESTS_FIXTURE_H

#include "nn/safetensors.h"

/* Opens fixture `name` or skips the test; close with stk_safetensors_close. */
stk_safetensors *test_fixture_open(const char *name);
/* A tensor's elements, converted to float; owned by the caller, free with stk_free. Fails the test
 * when the tensor is absent. count may be NULL. */
float *test_fixture_f32(const stk_safetensors *file, const char *name, int64_t *count);
/* Raw little-endian elements of exactly this dtype, copied (aligned); free with stk_free. */
void *test_fixture_raw(const stk_safetensors *file, const char *name, stk_dtype dtype,
                       int64_t *count);
double test_fixture_number(const stk_safetensors *file, const char *name);
/* Uniform noise in [0,1): element i of stream `salt` (shared/parity/README.md). */
float test_hashed_noise(uint32_t i, uint32_t salt);

#endif
