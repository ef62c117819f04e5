/* model.c - flatbuffer -> tensors and operators (TFLite schema 3, first subgraph).
 *
 * Schema fields by number: Model {0 version, 1 operator_codes, 2 subgraphs, 4 buffers};
 * OperatorCode {0 deprecated byte code, 1 custom_code, 3 code}; SubGraph {0 tensors, 1 inputs,
 * 2 outputs, 3 operators}; Tensor {0 shape, 1 type, 2 buffer, 3 name}; Buffer {0 data};
 * Operator {0 opcode index, 1 inputs, 2 outputs, 4 builtin options, 5 custom options}.
 *
 * Constants are copied to aligned float or int arrays (half precision is widened here, and the
 * DEQUANTIZE operators that would widen it on every run become aliases of the copy).
 */
#include "tflite/graph.h"

#include <string.h>

enum { MAX_TENSORS = 16384, MAX_OPS = 16384, MAX_OPERANDS = 64, MAX_CONSTANTS = 1 << 27 };

stk_status stk_tfl_refuse(const stk_tflite *graph, const stk_tfl_op *op, const char *reason) {
    if (op == NULL)
        return stk_fail(STK_ERR_FORMAT, "%s: damaged graph file (%s); fetch it again with "
                        "scripts/get-models.sh", graph->label, reason);
    return stk_fail(STK_ERR_FORMAT, "%s: operator %d (%.40s): %s", graph->label, op->index,
                    op->name, reason);
}

static stk_status parse_shape(stk_tflite *graph, size_t table, stk_tfl_tensor *tensor) {
    stk_flatbuffer *file = &graph->file;
    stk_flatvector shape = stk_flat_field_vector(file, table, 0, 4);
    if (shape.count > STK_TFL_RANK)
        return stk_tfl_refuse(graph, NULL, "a tensor has too many dimensions");
    tensor->rank = (int)shape.count;
    tensor->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        int32_t n = stk_flat_i32(file, shape.at + 4 * (size_t)i);
        if (n < 1 || tensor->count > STK_TFL_MAX_COUNT / (size_t)n)
            return stk_tfl_refuse(graph, NULL, "a tensor has an impossible size");
        tensor->shape[i] = n;
        tensor->count *= (size_t)n;
    }
    return STK_OK;
}

/* One tensor; raw points at its bytes if it is a constant. */
static stk_status parse_tensor(stk_tflite *graph, size_t table, stk_flatvector buffers,
                               stk_tfl_tensor *tensor) {
    stk_flatbuffer *file = &graph->file;
    tensor->name = stk_flat_field_string(file, table, 3);
    tensor->type = stk_flat_field_u8(file, table, 1, 0);
    tensor->first = tensor->last = -1;
    STK_TRY(parse_shape(graph, table, tensor));
    uint32_t buffer = (uint32_t)stk_flat_field_i32(file, table, 2, 0);
    if (buffer == 0) return STK_OK;
    stk_flatvector bytes =
        stk_flat_field_vector(file, stk_flat_vector_table(file, buffers, buffer), 0, 1);
    if (bytes.count == 0) return STK_OK;
    size_t width = tensor->type == STK_TFL_F16   ? 2
                   : tensor->type == STK_TFL_I64 ? 8
                   : tensor->type == STK_TFL_F32 || tensor->type == STK_TFL_I32 ? 4 : 0;
    if (width == 0)
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: tensor %.60s has element type %d; only float32, "
                        "float16 and integers are read", graph->label, tensor->name, tensor->type);
    if (bytes.count != tensor->count * width)
        return stk_tfl_refuse(graph, NULL, "a constant's bytes do not match its shape");
    tensor->raw = file->data + bytes.at;
    tensor->constant = 1;
    return STK_OK;
}

static stk_status push(stk_tflite *graph, size_t count, size_t size, void *out) {
    void *block = stk_arena_push(&graph->parsed, count * size);
    if (block == NULL) return stk_fail_memory(graph->label);
    memset(block, 0, count * size);
    memcpy(out, &block, sizeof block);
    return STK_OK;
}

static stk_status parse_tensors(stk_tflite *graph, size_t model, size_t subgraph) {
    stk_flatbuffer *file = &graph->file;
    stk_flatvector buffers = stk_flat_field_vector(file, model, 4, 4);
    stk_flatvector list = stk_flat_field_vector(file, subgraph, 0, 4);
    graph->tensor_count = (int)list.count;
    STK_TRY(push(graph, list.count, sizeof *graph->tensors, &graph->tensors));
    for (uint32_t i = 0; i < list.count && !file->bad; i++)
        STK_TRY(parse_tensor(graph, stk_flat_vector_table(file, list, i), buffers,
                             &graph->tensors[i]));
    return file->bad ? stk_tfl_refuse(graph, NULL, "a tensor lies outside the file") : STK_OK;
}

/* A list of tensor numbers -> pointers; -1 (optional input left out) -> NULL. */
static stk_status parse_operands(stk_tflite *graph, size_t table, int field,
                                 stk_tfl_tensor ***list, int *count) {
    stk_flatbuffer *file = &graph->file;
    stk_flatvector numbers = stk_flat_field_vector(file, table, field, 4);
    if (numbers.count > MAX_OPERANDS)
        return stk_tfl_refuse(graph, NULL, "an operator has too many operands");
    STK_TRY(push(graph, numbers.count, sizeof **list, list));
    *count = (int)numbers.count;
    for (uint32_t i = 0; i < numbers.count; i++) {
        int32_t number = stk_flat_i32(file, numbers.at + 4 * (size_t)i);
        if (number < -1 || number >= graph->tensor_count || (number < 0 && field == 2))
            return stk_tfl_refuse(graph, NULL, "an operator names a tensor that is not there");
        (*list)[i] = number < 0 ? NULL : &graph->tensors[number];
    }
    return STK_OK;
}

static stk_status parse_op(stk_tflite *graph, size_t table, stk_flatvector codes, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    size_t code = stk_flat_vector_table(file, codes,
                                        (uint32_t)stk_flat_field_i32(file, table, 0, 0));
    int narrow = (int8_t)stk_flat_field_u8(file, code, 0, 0);
    int wide = stk_flat_field_i32(file, code, 3, 0);
    op->code = wide > narrow ? wide : narrow;
    op->name = stk_flat_field_string(file, code, 1);
    op->options = stk_flat_field_table(file, table, 4);
    stk_flatvector custom = stk_flat_field_vector(file, table, 5, 1);
    op->custom = file->data + custom.at;
    op->custom_size = custom.count;
    STK_TRY(parse_operands(graph, table, 1, &op->in, &op->in_count));
    STK_TRY(parse_operands(graph, table, 2, &op->out, &op->out_count));
    return file->bad ? stk_tfl_refuse(graph, NULL, "an operator lies outside the file") : STK_OK;
}

static stk_status parse_ends(stk_tflite *graph, size_t subgraph, int field, int **list,
                             int *count) {
    stk_flatbuffer *file = &graph->file;
    stk_flatvector numbers = stk_flat_field_vector(file, subgraph, field, 4);
    if (numbers.count == 0 || numbers.count > MAX_OPERANDS)
        return stk_tfl_refuse(graph, NULL, "no inputs or outputs");
    STK_TRY(push(graph, numbers.count, sizeof **list, list));
    *count = (int)numbers.count;
    for (uint32_t i = 0; i < numbers.count; i++) {
        int32_t number = stk_flat_i32(file, numbers.at + 4 * (size_t)i);
        if (number < 0 || number >= graph->tensor_count)
            return stk_tfl_refuse(graph, NULL, "an input or output that is not there");
        stk_tfl_tensor *tensor = &graph->tensors[number];
        if (tensor->type != STK_TFL_F32 || (field == 1 && tensor->constant))
            return stk_fail(STK_ERR_UNSUPPORTED, "%s: input or output %.60s is not a float32 "
                            "variable", graph->label, tensor->name);
        if (field == 1) tensor->input = 1;
        else tensor->output = 1;
        (*list)[i] = number;
    }
    return STK_OK;
}

/* IEEE half -> float. */
static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half >> 15) << 31, exponent = half >> 10 & 31;
    uint32_t mantissa = half & 1023;
    float value;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        value = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void copy_constant(const stk_tfl_tensor *tensor, float *floats, int32_t *ints) {
    for (size_t i = 0; i < tensor->count; i++) {
        uint16_t half;
        int64_t wide;
        if (tensor->type == STK_TFL_F32) memcpy(&floats[i], tensor->raw + 4 * i, 4);
        if (tensor->type == STK_TFL_I32) memcpy(&ints[i], tensor->raw + 4 * i, 4);
        if (tensor->type == STK_TFL_F16) {
            memcpy(&half, tensor->raw + 2 * i, 2);
            floats[i] = half_to_float(half);
        }
        if (tensor->type == STK_TFL_I64) {
            memcpy(&wide, tensor->raw + 8 * i, 8);
            ints[i] = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
        }
    }
}

static int is_float(const stk_tfl_tensor *tensor) {
    return tensor->type == STK_TFL_F32 || tensor->type == STK_TFL_F16;
}

/* Copies every constant; each starts on a cache line. */
static stk_status load_constants(stk_tflite *graph) {
    size_t floats = 0, ints = 0;
    for (int i = 0; i < graph->tensor_count; i++) {
        const stk_tfl_tensor *tensor = &graph->tensors[i];
        size_t padded = (tensor->count + 15) & ~(size_t)15;
        if (tensor->constant) *(is_float(tensor) ? &floats : &ints) += padded;
        if (floats + ints > MAX_CONSTANTS) /* many tensors may name one buffer */
            return stk_tfl_refuse(graph, NULL, "it asks for too much memory");
    }
    graph->constants = stk_calloc_aligned(floats + 16, sizeof(float));
    graph->integers = stk_calloc_aligned(ints + 16, sizeof(int32_t));
    if (graph->constants == NULL || graph->integers == NULL) return stk_fail_memory(graph->label);
    floats = ints = 0;
    for (int i = 0; i < graph->tensor_count; i++) {
        stk_tfl_tensor *tensor = &graph->tensors[i];
        if (!tensor->constant) continue;
        size_t padded = (tensor->count + 15) & ~(size_t)15;
        copy_constant(tensor, graph->constants + floats, graph->integers + ints);
        if (is_float(tensor)) tensor->data = graph->constants + floats;
        else tensor->ints = graph->integers + ints;
        *(is_float(tensor) ? &floats : &ints) += padded;
    }
    return STK_OK;
}

/* DEQUANTIZE of a half-precision constant: its output becomes that constant. */
static stk_status fold_dequantize(stk_tflite *graph) {
    for (int i = 0; i < graph->op_count; i++) {
        stk_tfl_op *op = &graph->ops[i];
        if (op->code != STK_TFL_DEQUANTIZE) continue;
        op->name = "DEQUANTIZE";
        if (op->in_count != 1 || op->out_count != 1 || op->in[0] == NULL || !op->in[0]->constant ||
            op->in[0]->type != STK_TFL_F16)
            return stk_fail(STK_ERR_UNSUPPORTED, "%s: operator %d dequantizes something else than "
                            "float16 weights", graph->label, i);
        stk_tfl_tensor *out = op->out[0];
        if (out->type != STK_TFL_F32 || out->constant || out->input || out->output)
            return stk_tfl_refuse(graph, op, "unexpected output");
        STK_TRY(stk_tfl_expect_shape(graph, op, out, op->in[0]->rank, op->in[0]->shape));
        out->constant = 1;
        out->data = op->in[0]->data;
    }
    return STK_OK;
}

/* Bytes for the parsed lists: bounded by the file's own size. */
static size_t parsed_bytes(size_t tensors, size_t ops) {
    return tensors * sizeof(stk_tfl_tensor) +
           ops * (sizeof(stk_tfl_op) + 2 * (MAX_OPERANDS * sizeof(void *) + 64)) + (1u << 14);
}

stk_status stk_tfl_parse(stk_tflite *graph) {
    stk_flatbuffer *file = &graph->file;
    if (file->size < 8 || memcmp(file->data + 4, "TFL3", 4) != 0)
        return stk_tfl_refuse(graph, NULL, "it is not a TensorFlow Lite file");
    size_t model = stk_flat_root(file);
    stk_flatvector codes = stk_flat_field_vector(file, model, 1, 4);
    stk_flatvector subgraphs = stk_flat_field_vector(file, model, 2, 4);
    size_t subgraph = stk_flat_vector_table(file, subgraphs, 0);
    stk_flatvector tensors = stk_flat_field_vector(file, subgraph, 0, 4);
    stk_flatvector list = stk_flat_field_vector(file, subgraph, 3, 4);
    if (file->bad || list.count == 0 || list.count > MAX_OPS || tensors.count > MAX_TENSORS)
        return stk_tfl_refuse(graph, NULL, "its tables lie outside the file");
    if (stk_arena_init(&graph->parsed, parsed_bytes(tensors.count, list.count)) != 0)
        return stk_fail_memory(graph->label);
    STK_TRY(parse_tensors(graph, model, subgraph));
    STK_TRY(push(graph, list.count, sizeof *graph->ops, &graph->ops));
    graph->op_count = (int)list.count;
    for (uint32_t i = 0; i < list.count; i++) {
        graph->ops[i].index = (int)i;
        STK_TRY(parse_op(graph, stk_flat_vector_table(file, list, i), codes, &graph->ops[i]));
    }
    STK_TRY(parse_ends(graph, subgraph, 1, &graph->inputs, &graph->input_count));
    STK_TRY(parse_ends(graph, subgraph, 2, &graph->outputs, &graph->output_count));
    STK_TRY(load_constants(graph));
    return fold_dequantize(graph);
}
