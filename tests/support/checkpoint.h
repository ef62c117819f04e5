/* checkpoint.h - tensors of an official .pth for tests: parameters by name, grid, bitfield. */
#ifndef STK_TESTS_CHECKPOINT_H
#define STK_TESTS_CHECKPOINT_H

#include "nn/params.h"
#include "portrait/field.h"

/* A head field with the checkpoint's weights in params->value (20000 codes, 12 levels). */
void test_checkpoint_field(const char *path, int exp, stk_params *params, stk_field *field);
/* The occupancy bits [STK_GRID_BYTES] and densities [STK_GRID_CELLS]; free with stk_free. */
uint8_t *test_checkpoint_bits(const char *path);
float *test_checkpoint_density(const char *path);

#endif
