/* flatbuffer.c - checked access to flatbuffer tables, vectors and strings. See flatbuffer.h. */
#include "tflite/flatbuffer.h"

#include <string.h>

/* 1 when [at, at + width) lies in the file and at is not the header word. */
static int inside(stk_flatbuffer *buffer, size_t at, size_t width) {
    if (at != 0 && width <= buffer->size && at <= buffer->size - width) return 1;
    buffer->bad = 1;
    return 0;
}

uint8_t stk_flat_u8(stk_flatbuffer *buffer, size_t at) {
    return inside(buffer, at, 1) ? buffer->data[at] : 0;
}

static uint16_t flat_u16(stk_flatbuffer *buffer, size_t at) {
    if (!inside(buffer, at, 2)) return 0;
    return (uint16_t)(buffer->data[at] | buffer->data[at + 1] << 8);
}

uint32_t stk_flat_u32(stk_flatbuffer *buffer, size_t at) {
    if (!inside(buffer, at, 4)) return 0;
    const uint8_t *p = buffer->data + at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int32_t stk_flat_i32(stk_flatbuffer *buffer, size_t at) {
    return (int32_t)stk_flat_u32(buffer, at);
}

size_t stk_flat_root(stk_flatbuffer *buffer) {
    if (buffer->size < 8) {
        buffer->bad = 1;
        return 0;
    }
    const uint8_t *p = buffer->data;
    size_t root = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    return inside(buffer, root, 4) ? root : 0;
}

/* Place of a field's value, 0 when the table does not have it. */
static size_t field_at(stk_flatbuffer *buffer, size_t table, int field, size_t width) {
    if (table == 0) return 0;
    int64_t vtable = (int64_t)table - stk_flat_i32(buffer, table);
    if (buffer->bad || vtable <= 0 || vtable >= (int64_t)buffer->size) {
        buffer->bad = 1;
        return 0;
    }
    size_t slot = 4 + 2 * (size_t)field;
    if (slot + 2 > flat_u16(buffer, (size_t)vtable)) return 0;
    size_t offset = flat_u16(buffer, (size_t)vtable + slot);
    if (offset == 0) return 0;
    return inside(buffer, table + offset, width) ? table + offset : 0;
}

/* Follows the u32 offset stored at `at`; 0 when absent or outside. */
static size_t follow(stk_flatbuffer *buffer, size_t at) {
    if (at == 0) return 0;
    size_t target = at + stk_flat_u32(buffer, at);
    return inside(buffer, target, 4) ? target : 0;
}

int stk_flat_field_u8(stk_flatbuffer *buffer, size_t table, int field, int absent) {
    size_t at = field_at(buffer, table, field, 1);
    return at != 0 ? buffer->data[at] : absent;
}

int32_t stk_flat_field_i32(stk_flatbuffer *buffer, size_t table, int field, int32_t absent) {
    size_t at = field_at(buffer, table, field, 4);
    return at != 0 ? stk_flat_i32(buffer, at) : absent;
}

float stk_flat_field_f32(stk_flatbuffer *buffer, size_t table, int field, float absent) {
    size_t at = field_at(buffer, table, field, 4);
    if (at == 0) return absent;
    uint32_t bits = stk_flat_u32(buffer, at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

size_t stk_flat_field_table(stk_flatbuffer *buffer, size_t table, int field) {
    return follow(buffer, field_at(buffer, table, field, 4));
}

stk_flatvector stk_flat_field_vector(stk_flatbuffer *buffer, size_t table, int field,
                                     size_t width) {
    stk_flatvector vector = {0, 0};
    size_t at = stk_flat_field_table(buffer, table, field);
    if (at == 0) return vector;
    uint32_t count = stk_flat_u32(buffer, at);
    if (!inside(buffer, at + 4 * (count > 0), (size_t)count * width)) return vector;
    vector.at = at + 4;
    vector.count = count;
    return vector;
}

size_t stk_flat_vector_table(stk_flatbuffer *buffer, stk_flatvector vector, uint32_t index) {
    if (index >= vector.count) {
        buffer->bad = 1;
        return 0;
    }
    return follow(buffer, vector.at + 4 * (size_t)index);
}

const char *stk_flat_field_string(stk_flatbuffer *buffer, size_t table, int field) {
    stk_flatvector text = stk_flat_field_vector(buffer, table, field, 1);
    if (text.at == 0) return "";
    if (stk_flat_u8(buffer, text.at + text.count) != 0 || buffer->bad) {
        buffer->bad = 1;
        return "";
    }
    return (const char *)buffer->data + text.at;
}
