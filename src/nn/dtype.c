/* dtype.c - sizes, names, conversion to float. */
#include "nn/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    uint8_t size;
} TYPES[STK_DTYPES] = {
    [STK_F64] = {"F64", 8},   [STK_F32] = {"F32", 4},   [STK_F16] = {"F16", 2},
    [STK_BF16] = {"BF16", 2}, [STK_I64] = {"I64", 8},   [STK_I32] = {"I32", 4},
    [STK_I16] = {"I16", 2},   [STK_U16] = {"U16", 2},   [STK_U8] = {"U8", 1},
    [STK_I8] = {"I8", 1},     [STK_BOOL] = {"BOOL", 1},
};

size_t stk_dtype_size(stk_dtype dtype) {
    return TYPES[dtype].size;
}

const char *stk_dtype_name(stk_dtype dtype) {
    return TYPES[dtype].name;
}

stk_dtype stk_dtype_parse(const char *name) {
    for (int i = 0; i < STK_DTYPES; i++)
        if (strcmp(TYPES[i].name, name) == 0) return (stk_dtype)i;
    return STK_DTYPES;
}

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float stk_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0) return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * 0x1p-24f; /* subnormal or zero */
    return sign != 0 ? -magnitude : magnitude;
}

uint16_t stk_float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return sign | 0x7e00u;  /* not a number */
    if (bits >= 0x477ff000u) return sign | 0x7c00u; /* rounds to 65536 or more */
    if (bits < 0x33000001u) return sign;            /* rounds to 0 */
    int exponent = (int)(bits >> 23) - 127;
    uint32_t mantissa = (bits & 0x7fffffu) | 0x800000u;
    int drop = 13;
    if (exponent < -14) drop += -14 - exponent, exponent = -15; /* subnormal */
    const uint32_t kept = mantissa >> drop, rest = mantissa & ((1u << drop) - 1);
    const uint32_t half = 1u << (drop - 1);
    uint32_t rounded = kept + (rest > half || (rest == half && (kept & 1)));
    if (exponent > -15) rounded += (uint32_t)(exponent + 14) << 10; /* the leading one adds 1 */
    return (uint16_t)(sign | rounded);
}

/* One case of the conversion: `type` is read through memcpy, since the source may lie anywhere. */
#define CONVERT(type, expression)                                                                  \
    for (int64_t i = 0; i < count; i++) {                                                          \
        type x;                                                                                    \
        memcpy(&x, bytes + (size_t)i * sizeof x, sizeof x);                                        \
        out[i] = (expression);                                                                     \
    }                                                                                              \
    return

void stk_dtype_to_f32(stk_dtype dtype, const void *source, int64_t count, float *out) {
    const uint8_t *bytes = source;
    switch (dtype) {
    case STK_F64:
        CONVERT(double, (float)x);
    case STK_F32:
        if (count > 0) memcpy(out, bytes, (size_t)count * sizeof *out);
        return;
    case STK_F16:
        CONVERT(uint16_t, stk_half_to_float(x));
    case STK_BF16:
        CONVERT(uint16_t, float_of_bits((uint32_t)x << 16));
    case STK_I64:
        CONVERT(int64_t, (float)x);
    case STK_I32:
        CONVERT(int32_t, (float)x);
    case STK_I16:
        CONVERT(int16_t, (float)x);
    case STK_U16:
        CONVERT(uint16_t, (float)x);
    case STK_U8:
        CONVERT(uint8_t, (float)x);
    case STK_I8:
        CONVERT(int8_t, (float)x);
    case STK_BOOL:
        CONVERT(uint8_t, x != 0 ? 1.0f : 0.0f);
    case STK_DTYPES:
        return;
    }
}
