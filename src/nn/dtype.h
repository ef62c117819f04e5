/* dtype.h - element types of stored tensors and their conversion to float.
 *
 * Sources may have any alignment (they lie in mapped files); all files are little-endian, as is
 * every machine this program runs on.
 */
#ifndef STK_NN_DTYPE_H
#define STK_NN_DTYPE_H

#include <stddef.h>
#include <stdint.h>

typedef enum stk_dtype {
    STK_F64,
    STK_F32,
    STK_F16,
    STK_BF16,
    STK_I64,
    STK_I32,
    STK_I16,
    STK_U16,
    STK_U8,
    STK_I8,
    STK_BOOL,
    STK_DTYPES
} stk_dtype;

/* Bytes of one element. */
size_t stk_dtype_size(stk_dtype dtype);
/* The safetensors spelling: "F32", "BOOL" ...; and back (STK_DTYPES when unknown). */
const char *stk_dtype_name(stk_dtype dtype);
stk_dtype stk_dtype_parse(const char *name);
/* IEEE binary16, exactly. */
float stk_half_to_float(uint16_t half);
/* Nearest, ties to even; beyond 65504 infinite. */
uint16_t stk_float_to_half(float value);
/* out[i] = (float)source[i], i < count. Integers and doubles round to nearest. */
void stk_dtype_to_f32(stk_dtype dtype, const void *source, int64_t count, float *out);

#endif
