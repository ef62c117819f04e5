/* flat_writer.c - see flat_writer.h. */
#include "flat_writer.h"
#include "support.h"

#include <string.h>

typedef struct writer {
    uint8_t *bytes;
    size_t size;
} writer;

static size_t put(writer *w, const void *data, size_t size) {
    size_t at = w->size;
    assert_true(at + size <= TEST_FLAT_BYTES);
    if (data != NULL) memcpy(w->bytes + at, data, size);
    else memset(w->bytes + at, 0, size);
    w->size += size;
    return at;
}

static size_t put_u32(writer *w, uint32_t value) { return put(w, &value, 4); }

static void align4(writer *w) {
    while (w->size % 4 != 0) put(w, NULL, 1);
}

/* The u32 at `at` becomes the distance to the current end. */
static void point_here(writer *w, size_t at) {
    align4(w);
    uint32_t distance = (uint32_t)(w->size - at);
    memcpy(w->bytes + at, &distance, 4);
}

/* A table of n 4-byte fields (all present, zero); returns where field 0 lies. */
static size_t put_table(writer *w, int n) {
    align4(w);
    uint16_t head[2] = {(uint16_t)(4 + 2 * n), (uint16_t)(4 + 4 * n)};
    size_t vtable = put(w, head, 4);
    for (int i = 0; i < n; i++) {
        uint16_t offset = (uint16_t)(4 + 4 * i);
        put(w, &offset, 2);
    }
    align4(w);
    put_u32(w, (uint32_t)(w->size - vtable));
    return put(w, NULL, 4 * (size_t)n);
}

/* Opens a table that the offset at `from` points to. */
static size_t table_at(writer *w, size_t from, int n) {
    align4(w);
    size_t fields = put_table(w, n), table = fields - 4;
    uint32_t distance = (uint32_t)(table - from);
    memcpy(w->bytes + from, &distance, 4);
    return fields;
}

static void set_u32(writer *w, size_t fields, int field, uint32_t value) {
    memcpy(w->bytes + fields + 4 * (size_t)field, &value, 4);
}

static void vector_at(writer *w, size_t from, const void *data, size_t count, size_t width) {
    point_here(w, from);
    put_u32(w, (uint32_t)count);
    put(w, data, count * width);
}

/* A vector of n offsets; returns where the first lies. */
static size_t offsets_at(writer *w, size_t from, size_t n) {
    point_here(w, from);
    put_u32(w, (uint32_t)n);
    return put(w, NULL, 4 * n);
}

static void text_at(writer *w, size_t from, const char *text) {
    point_here(w, from);
    put_u32(w, (uint32_t)strlen(text));
    put(w, text, strlen(text) + 1);
}

static size_t tensor_bytes(const test_flat_tensor *tensor) {
    size_t n = tensor->type == 1 ? 2 : 4;
    for (int i = 0; i < tensor->rank; i++) n *= (size_t)tensor->shape[i];
    return n;
}

static void write_tensors(writer *w, const test_flat_op *op, size_t from) {
    int n = op->inputs + op->outputs;
    size_t list = offsets_at(w, from, (size_t)n);
    for (int i = 0; i < n; i++) {
        char name[] = "tensor0";
        name[6] = (char)('0' + i);
        size_t fields = table_at(w, list + 4 * (size_t)i, 4);
        set_u32(w, fields, 1, (uint32_t)op->tensors[i].type);
        set_u32(w, fields, 2, op->tensors[i].data != NULL ? (uint32_t)i + 1 : 0);
        text_at(w, fields + 12, name);
        vector_at(w, fields, op->tensors[i].shape, (size_t)op->tensors[i].rank, 4);
    }
}

static void write_subgraph(writer *w, const test_flat_op *op, size_t from) {
    int inputs[TEST_FLAT_TENSORS], outputs[TEST_FLAT_TENSORS], all[TEST_FLAT_TENSORS], n = 0;
    for (int i = 0; i < op->inputs; i++) {
        all[i] = i;
        if (op->tensors[i].data == NULL) inputs[n++] = i;
    }
    for (int i = 0; i < op->outputs; i++) outputs[i] = op->inputs + i;
    size_t list = offsets_at(w, from, 1), graph = table_at(w, list, 4);
    vector_at(w, graph + 4, inputs, (size_t)n, 4);
    vector_at(w, graph + 8, outputs, (size_t)op->outputs, 4);
    write_tensors(w, op, graph);
    size_t ops = offsets_at(w, graph + 12, 1), fields = table_at(w, ops, 6);
    set_u32(w, fields, 0, 0);
    vector_at(w, fields + 4, all, (size_t)op->inputs, 4);
    vector_at(w, fields + 8, outputs, (size_t)op->outputs, 4);
    vector_at(w, fields + 20, op->custom, op->custom_size, 1);
    size_t options = table_at(w, fields + 16, op->option_count);
    for (int i = 0; i < op->option_count; i++) set_u32(w, options, i, op->options[i]);
}

size_t test_flat_write(const test_flat_op *op, uint8_t bytes[TEST_FLAT_BYTES]) {
    writer w = {bytes, 0};
    put_u32(&w, 0);
    put(&w, "TFL3", 4);
    size_t model = table_at(&w, 0, 5);
    set_u32(&w, model, 0, 3);
    size_t codes = offsets_at(&w, model + 4, 1), code = table_at(&w, codes, 4);
    set_u32(&w, code, 0, (uint32_t)(op->code < 127 ? op->code : 127));
    set_u32(&w, code, 3, (uint32_t)op->code);
    text_at(&w, code + 4, op->custom_name != NULL ? op->custom_name : "");
    write_subgraph(&w, op, model + 8);
    int n = op->inputs + op->outputs;
    text_at(&w, model + 12, "test");
    size_t buffers = offsets_at(&w, model + 16, (size_t)n + 1);
    for (int i = 0; i <= n; i++) {
        const test_flat_tensor *tensor = i > 0 ? &op->tensors[i - 1] : NULL;
        size_t fields = table_at(&w, buffers + 4 * (size_t)i, 1);
        int constant = tensor != NULL && tensor->data != NULL;
        vector_at(&w, fields, constant ? tensor->data : NULL, constant ? tensor_bytes(tensor) : 0,
                  1);
    }
    align4(&w);
    return w.size;
}
