/* ops.c - which operator is prepared by which function, and the checks that all of them share. */
#include "tflite/graph.h"

#include <string.h>

typedef struct op_entry {
    int code;
    const char *name; /* for STK_TFL_CUSTOM this is the custom code itself */
    stk_tfl_prepare prepare;
} op_entry;

static const op_entry op_table[] = {
    {STK_TFL_ADD, "ADD", stk_tfl_prepare_binary},
    {STK_TFL_SUB, "SUB", stk_tfl_prepare_binary},
    {STK_TFL_MUL, "MUL", stk_tfl_prepare_binary},
    {STK_TFL_DIV, "DIV", stk_tfl_prepare_binary},
    {STK_TFL_MAXIMUM, "MAXIMUM", stk_tfl_prepare_binary},
    {STK_TFL_MINIMUM, "MINIMUM", stk_tfl_prepare_binary},
    {STK_TFL_SQUARED_DIFFERENCE, "SQUARED_DIFFERENCE", stk_tfl_prepare_binary},
    {STK_TFL_RELU, "RELU", stk_tfl_prepare_unary},
    {STK_TFL_RELU_N1, "RELU_N1_TO_1", stk_tfl_prepare_unary},
    {STK_TFL_RELU6, "RELU6", stk_tfl_prepare_unary},
    {STK_TFL_LEAKY_RELU, "LEAKY_RELU", stk_tfl_prepare_unary},
    {STK_TFL_LOGISTIC, "LOGISTIC", stk_tfl_prepare_unary},
    {STK_TFL_TANH, "TANH", stk_tfl_prepare_unary},
    {STK_TFL_HARD_SWISH, "HARD_SWISH", stk_tfl_prepare_unary},
    {STK_TFL_NEG, "NEG", stk_tfl_prepare_unary},
    {STK_TFL_ABS, "ABS", stk_tfl_prepare_unary},
    {STK_TFL_SQUARE, "SQUARE", stk_tfl_prepare_unary},
    {STK_TFL_SQRT, "SQRT", stk_tfl_prepare_unary},
    {STK_TFL_RSQRT, "RSQRT", stk_tfl_prepare_unary},
    {STK_TFL_EXP, "EXP", stk_tfl_prepare_unary},
    {STK_TFL_LOG, "LOG", stk_tfl_prepare_unary},
    {STK_TFL_PRELU, "PRELU", stk_tfl_prepare_prelu},
    {STK_TFL_SOFTMAX, "SOFTMAX", stk_tfl_prepare_softmax},
    {STK_TFL_MEAN, "MEAN", stk_tfl_prepare_reduce},
    {STK_TFL_SUM, "SUM", stk_tfl_prepare_reduce},
    {STK_TFL_REDUCE_MAX, "REDUCE_MAX", stk_tfl_prepare_reduce},
    {STK_TFL_CONV, "CONV_2D", stk_tfl_prepare_conv},
    {STK_TFL_DEPTHWISE, "DEPTHWISE_CONV_2D", stk_tfl_prepare_depthwise},
    {STK_TFL_DENSE, "FULLY_CONNECTED", stk_tfl_prepare_dense},
    {STK_TFL_TRANSPOSE_CONV, "TRANSPOSE_CONV", stk_tfl_prepare_transposed},
    {STK_TFL_CUSTOM, "Convolution2DTransposeBias", stk_tfl_prepare_transposed},
    {STK_TFL_AVERAGE_POOL, "AVERAGE_POOL_2D", stk_tfl_prepare_pool},
    {STK_TFL_MAX_POOL, "MAX_POOL_2D", stk_tfl_prepare_pool},
    {STK_TFL_CUSTOM, "MaxPoolingWithArgmax2D", stk_tfl_prepare_argmax_pool},
    {STK_TFL_CUSTOM, "MaxUnpooling2D", stk_tfl_prepare_unpool},
    {STK_TFL_RESIZE_BILINEAR, "RESIZE_BILINEAR", stk_tfl_prepare_resize},
    {STK_TFL_RESIZE_NEAREST, "RESIZE_NEAREST_NEIGHBOR", stk_tfl_prepare_resize},
    {STK_TFL_RESHAPE, "RESHAPE", stk_tfl_prepare_reshape},
    {STK_TFL_SQUEEZE, "SQUEEZE", stk_tfl_prepare_reshape},
    {STK_TFL_EXPAND_DIMS, "EXPAND_DIMS", stk_tfl_prepare_reshape},
    {STK_TFL_CONCATENATION, "CONCATENATION", stk_tfl_prepare_concat},
    {STK_TFL_SPLIT, "SPLIT", stk_tfl_prepare_split},
    {STK_TFL_PAD, "PAD", stk_tfl_prepare_pad},
    {STK_TFL_TRANSPOSE, "TRANSPOSE", stk_tfl_prepare_transpose},
    {STK_TFL_STRIDED_SLICE, "STRIDED_SLICE", stk_tfl_prepare_slice},
    {STK_TFL_SLICE, "SLICE", stk_tfl_prepare_slice},
};

stk_status stk_tfl_prepare_op(stk_tflite *graph, stk_tfl_op *op) {
    if (op->code == STK_TFL_DEQUANTIZE) return STK_OK; /* folded */
    for (size_t i = 0; i < STK_ARRAY_SIZE(op_table); i++) {
        const op_entry *entry = &op_table[i];
        if (entry->code != op->code) continue;
        if (op->code == STK_TFL_CUSTOM && strcmp(entry->name, op->name) != 0) continue;
        op->name = entry->name;
        STK_TRY(entry->prepare(graph, op));
        return graph->file.bad ? stk_tfl_refuse(graph, op, "its options lie outside the file")
                               : STK_OK;
    }
    return stk_fail(STK_ERR_UNSUPPORTED, "%s: operator %d uses code %d (%.40s), which is not "
                    "supported", graph->label, op->index, op->code, op->name);
}

stk_status stk_tfl_expect(const stk_tflite *graph, const stk_tfl_op *op, int in, int out) {
    if (op->in_count < in || op->out_count != out)
        return stk_tfl_refuse(graph, op, "wrong number of inputs or outputs");
    for (int i = 0; i < in; i++)
        if (op->in[i] == NULL || op->in[i]->type != STK_TFL_F32)
            return stk_tfl_refuse(graph, op, "an input is missing or is not float32");
    for (int i = 0; i < out; i++)
        if (op->out[i]->type != STK_TFL_F32)
            return stk_tfl_refuse(graph, op, "an output is not float32");
    return STK_OK;
}

stk_status stk_tfl_expect_shape(const stk_tflite *graph, const stk_tfl_op *op,
                                const stk_tfl_tensor *tensor, int rank, const int *shape) {
    int same = tensor->rank == rank;
    for (int i = 0; i < rank && same; i++) same = tensor->shape[i] == shape[i];
    return same ? STK_OK
                : stk_tfl_refuse(graph, op, "a shape does not follow from the inputs' shapes");
}

stk_status stk_tfl_activation(const stk_tflite *graph, stk_tfl_op *op, int code) {
    switch (code) {
    case 0: op->activation = STK_ACT_NONE; return STK_OK;
    case 1: op->activation = STK_ACT_RELU; return STK_OK;
    case 3: op->activation = STK_ACT_RELU6; return STK_OK;
    default:
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: operator %d (%s) has fused activation %d, which "
                        "is not supported", graph->label, op->index, op->name, code);
    }
}

void stk_tfl_activate(float *x, size_t n, stk_activation activation) {
    if (activation == STK_ACT_NONE) return;
    for (size_t i = 0; i < n; i++) x[i] = x[i] > 0 ? x[i] : 0;
    if (activation == STK_ACT_RELU) return;
    for (size_t i = 0; i < n; i++) x[i] = x[i] < 6 ? x[i] : 6;
}

ptrdiff_t stk_tfl_strides(int rank, const int *shape, ptrdiff_t *strides) {
    ptrdiff_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= shape[i];
    }
    return step;
}
