/* bf16.h - bfloat16 of a float: its upper half, rounded to nearest even.
 *
 *   1 sign, 8 exponent, 7 mantissa bits: the range of a float, 2^-9 of a value lost at most
 *
 * What is beyond the largest becomes infinity, as IEEE 754 rounds; no number stays none (adding to
 * its bits could carry into the sign and make it a zero).
 */
#ifndef STK_KERNELS_BF16_H
#define STK_KERNELS_BF16_H

#include "base/attr.h"

#include <stdint.h>
#include <string.h>

STK_INLINE uint32_t stk_bf16(float x) {
    enum { QUIET = 0x40 };
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | QUIET;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

#endif
