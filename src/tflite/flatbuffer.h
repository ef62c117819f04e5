/* flatbuffer.h - reads a FlatBuffers file (here: TensorFlow Lite schema 3) with every offset
 * checked.
 *
 * A flatbuffer is little-endian; a table starts with a signed offset back to its vtable, which
 * lists for every field its place in the table (0 = absent). Vectors and strings are a u32 count
 * followed by the elements; tables and vectors inside others are u32 offsets relative to where they
 * are stored.
 *
 * Errors stick: any access outside the file sets `bad`, and the accessor returns 0 (or an absent
 * vector), so that a caller parses a whole structure and looks at `bad` once at its end. Offset 0
 * is the file header and therefore stands for "absent" everywhere.
 */
#ifndef STK_TFLITE_FLATBUFFER_H
#define STK_TFLITE_FLATBUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct stk_flatbuffer {
    const uint8_t *data;
    size_t size;
    int bad;
} stk_flatbuffer;

/* A vector: `count` elements of the width asked for, from `at`, all inside the file. */
typedef struct stk_flatvector {
    size_t at;
    uint32_t count;
} stk_flatvector;

uint8_t stk_flat_u8(stk_flatbuffer *buffer, size_t at);
int32_t stk_flat_i32(stk_flatbuffer *buffer, size_t at);
uint32_t stk_flat_u32(stk_flatbuffer *buffer, size_t at);
/* The root table. */
size_t stk_flat_root(stk_flatbuffer *buffer);
/* Scalars of a table (0 = no such table), with the schema's default. */
int stk_flat_field_u8(stk_flatbuffer *buffer, size_t table, int field, int absent);
int32_t stk_flat_field_i32(stk_flatbuffer *buffer, size_t table, int field, int32_t absent);
float stk_flat_field_f32(stk_flatbuffer *buffer, size_t table, int field, float absent);
/* A table inside a table; 0 when absent. */
size_t stk_flat_field_table(stk_flatbuffer *buffer, size_t table, int field);
/* A vector whose elements are `width` bytes; count 0 when absent. */
stk_flatvector stk_flat_field_vector(stk_flatbuffer *buffer, size_t table, int field, size_t width);
/* Element `index` of a vector of tables. */
size_t stk_flat_vector_table(stk_flatbuffer *buffer, stk_flatvector vector, uint32_t index);
/* A NUL-terminated string in the file, "" when absent. */
const char *stk_flat_field_string(stk_flatbuffer *buffer, size_t table, int field);

#endif
