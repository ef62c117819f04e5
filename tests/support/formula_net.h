/* formula_net.h - weights and pictures made by a formula, which scripts/oracle_lpips.py and
 * oracle_fid.py repeat.
 *
 *   u(seed, i) = lowbias32(i + seed 0x9e3779b9) / 2^24, its upper 24 bits, in [0, 1)
 *   tensor number n of a file: weights (2 u(n, i) - 1) sqrt(6 / fan-in), biases (2 u(n, i) - 1) / 10
 */
#ifndef STK_TESTS_FORMULA_NET_H
#define STK_TESTS_FORMULA_NET_H

#include "base/file.h"
#include "metrics/lpips.h"

#include <stddef.h>
#include <stdint.h>

float formula_unit(uint32_t seed, uint32_t i);
/* [n] of u(seed, 0 ..). */
void formula_floats(float *x, size_t n, uint32_t seed);

typedef enum formula_damage {
    FORMULA_WHOLE,
    FORMULA_LACKS_ONE,   /* the last tensor of the backbone */
    FORMULA_OTHER_SHAPE, /* its first has a channel less */
    FORMULA_NO_NUMBER,   /* its second holds a NaN */
} formula_damage;
/* Writes backbone and heads, weight and bias of the convolutions in order and then head k as u(1000
 * + k, i), into a folder as <net>.safetensors and <net>_heads.safetensors; the paths. */
void formula_lpips_write(const char *folder, stk_lpips_net net, formula_damage damage,
                         char backbone[STK_PATH_MAX], char heads[STK_PATH_MAX]);
/* Inception v3 into <folder>/inception.safetensors: of each convolution the weight, then of its norm
 * gain and variance 0.5 + u, shift and mean u / 5 - 0.1. */
void formula_inception_write(const char *folder, formula_damage damage, char path[STK_PATH_MAX]);

#endif
