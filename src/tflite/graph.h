/* graph.h - inside the tflite room: the graph as parsed, and how operators are prepared and run.
 *
 *   file --model.c--> tensors, operators --prepare (ops_*.c)--> shapes checked, parameters read
 *        --plan.c--> one block of memory, every tensor's place in it
 *        --run--> operators in file order
 *
 * Preparing an operator checks everything that running it relies on: number of inputs and outputs,
 * ranks, that the declared output shape is the one that follows from the inputs. Running trusts.
 */
#ifndef STK_TFLITE_GRAPH_H
#define STK_TFLITE_GRAPH_H

#include "base/memory.h"
#include "nn/dnnl.h"
#include "tflite/flatbuffer.h"
#include "tflite/tflite.h"

/* Before a loop whose output may be its input, element by element (in_place): without it the
 * compiler's overlap check would send exactly that case to the scalar loop. */
#if defined(__clang__)
#define STK_TFL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define STK_TFL_INDEPENDENT _Pragma("GCC ivdep")
#endif

enum {
    STK_TFL_RANK = 6,
    STK_TFL_MAX_COUNT = 1 << 26, /* elements of one tensor: 256 MiB, far above any known graph */
};

/* Schema TensorType. */
enum { STK_TFL_F32 = 0, STK_TFL_F16 = 1, STK_TFL_I32 = 2, STK_TFL_I64 = 4 };
/* Schema Padding. */
enum { STK_TFL_SAME = 0, STK_TFL_VALID = 1 };

typedef struct stk_tfl_tensor {
    const char *name; /* into the file */
    int rank, shape[STK_TFL_RANK];
    size_t count;
    int type;
    const uint8_t *raw; /* constants: into the file, unaligned; NULL otherwise */
    float *data;        /* f32 and f16; constants: own copy, others: set by the plan */
    int32_t *ints;      /* i32 constants (shapes, axes): own copy */
    int constant, input, output;
    int first, last; /* operators that write it first and read it last; -1: none */
} stk_tfl_tensor;

/* Sliding window of convolutions and pools: what SAME and VALID come to. */
typedef struct stk_tfl_window {
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
} stk_tfl_window;

typedef struct stk_tfl_op stk_tfl_op;
typedef stk_status (*stk_tfl_run)(const stk_tfl_op *op);

struct stk_tfl_op {
    const char *name; /* of the operator, static or into the file */
    int index;        /* in the file, for messages */
    int code;         /* schema BuiltinOperator */
    size_t options;   /* table in the file, 0 = none */
    const uint8_t *custom; /* custom options, into the file */
    size_t custom_size;
    stk_tfl_tensor **in, **out; /* in[i] is NULL for an omitted optional input */
    int in_count, out_count;
    stk_tfl_run run; /* NULL: folded away */

    /* Filled by the preparing function; each operator uses a few. */
    const stk_tfl_tensor *x, *weights, *bias; /* convolutions */
    stk_activation activation;
    stk_tfl_window window;
    stk_conv_shape conv;
    stk_conv_weights layout;
    stk_dnnl_layer *layer; /* NULL in the reference path */
    float (*unary)(float x, float alpha);
    float alpha;
    int axis, flags;
    int rank, dims[STK_TFL_RANK];            /* iteration space */
    ptrdiff_t a[STK_TFL_RANK], b[STK_TFL_RANK]; /* strides of the operands in it, in elements */
    ptrdiff_t offset;
    float *owned;  /* repeated operand or scratch of this operator; freed at close */
    int in_place;  /* element by element: the output may take over a dying in[0]'s memory */
};

struct stk_tflite {
    const char *label;
    stk_flatbuffer file;
    int reference, keep_all;
    stk_tfl_tensor *tensors;
    int tensor_count;
    stk_tfl_op *ops;
    int op_count;
    int *inputs, *outputs;
    int input_count, output_count;
    stk_arena parsed;  /* tensors, operators, lists */
    float *constants;  /* float copies of the weights */
    int32_t *integers; /* copies of the integer constants */
    float *block;      /* activations, planned */
};

/* --- model.c ---------------------------------------------------------------------------------- */
stk_status stk_tfl_parse(stk_tflite *graph);
/* STK_ERR_FORMAT with a sentence that names the file and the operator. */
stk_status stk_tfl_refuse(const stk_tflite *graph, const stk_tfl_op *op, const char *reason);

/* --- plan.c ----------------------------------------------------------------------------------- */
stk_status stk_tfl_plan(stk_tflite *graph);

/* --- ops.c: table, shared checks -------------------------------------------------------------- */
typedef stk_status (*stk_tfl_prepare)(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_op(stk_tflite *graph, stk_tfl_op *op);
/* Fails unless the operator has these counts of f32 inputs (the first `in`) and outputs. */
stk_status stk_tfl_expect(const stk_tflite *graph, const stk_tfl_op *op, int in, int out);
/* Fails unless `tensor` has this shape. */
stk_status stk_tfl_expect_shape(const stk_tflite *graph, const stk_tfl_op *op,
                                const stk_tfl_tensor *tensor, int rank, const int *shape);
/* Reads a fused activation code; fails on those that no known graph uses. */
stk_status stk_tfl_activation(const stk_tflite *graph, stk_tfl_op *op, int code);
/* In place over n floats. */
void stk_tfl_activate(float *x, size_t n, stk_activation activation);
/* Row-major strides of a shape; returns the element count. */
ptrdiff_t stk_tfl_strides(int rank, const int *shape, ptrdiff_t *strides);

/* Preparing functions, by file. */
stk_status stk_tfl_prepare_conv(stk_tflite *graph, stk_tfl_op *op);        /* ops_conv.c */
stk_status stk_tfl_prepare_depthwise(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_dense(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_transposed(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_pool(stk_tflite *graph, stk_tfl_op *op);        /* ops_pool.c */
stk_status stk_tfl_prepare_argmax_pool(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_unpool(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_resize(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_binary(stk_tflite *graph, stk_tfl_op *op);      /* ops_math.c */
stk_status stk_tfl_prepare_unary(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_prelu(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_reduce(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_softmax(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_reshape(stk_tflite *graph, stk_tfl_op *op);     /* ops_layout.c */
stk_status stk_tfl_prepare_concat(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_split(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_pad(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_transpose(stk_tflite *graph, stk_tfl_op *op);
stk_status stk_tfl_prepare_slice(stk_tflite *graph, stk_tfl_op *op);
/* Window arithmetic of TFLite: output size and padding of both sides for SAME or VALID. */
stk_status stk_tfl_window_fit(const stk_tflite *graph, const stk_tfl_op *op, stk_tfl_window *window,
                              int padding, const int in_hw[2], int out_hw[2]);

/* Schema BuiltinOperator codes that are handled. */
enum {
    STK_TFL_ADD = 0, STK_TFL_AVERAGE_POOL = 1, STK_TFL_CONCATENATION = 2, STK_TFL_CONV = 3,
    STK_TFL_DEPTHWISE = 4, STK_TFL_DEQUANTIZE = 6, STK_TFL_DENSE = 9, STK_TFL_LOGISTIC = 14,
    STK_TFL_MAX_POOL = 17, STK_TFL_MUL = 18, STK_TFL_RELU = 19, STK_TFL_RELU_N1 = 20,
    STK_TFL_RELU6 = 21, STK_TFL_RESHAPE = 22, STK_TFL_RESIZE_BILINEAR = 23, STK_TFL_SOFTMAX = 25,
    STK_TFL_TANH = 28, STK_TFL_CUSTOM = 32, STK_TFL_PAD = 34, STK_TFL_TRANSPOSE = 39,
    STK_TFL_MEAN = 40, STK_TFL_SUB = 41, STK_TFL_DIV = 42, STK_TFL_SQUEEZE = 43,
    STK_TFL_STRIDED_SLICE = 45, STK_TFL_EXP = 47, STK_TFL_SPLIT = 49, STK_TFL_PRELU = 54,
    STK_TFL_MAXIMUM = 55, STK_TFL_MINIMUM = 57, STK_TFL_NEG = 59, STK_TFL_SLICE = 65,
    STK_TFL_TRANSPOSE_CONV = 67, STK_TFL_EXPAND_DIMS = 70, STK_TFL_LOG = 73, STK_TFL_SUM = 74,
    STK_TFL_SQRT = 75, STK_TFL_RSQRT = 76, STK_TFL_REDUCE_MAX = 82, STK_TFL_SQUARE = 92,
    STK_TFL_RESIZE_NEAREST = 97, STK_TFL_LEAKY_RELU = 98, STK_TFL_SQUARED_DIFFERENCE = 99,
    STK_TFL_ABS = 101, STK_TFL_HARD_SWISH = 117,
};

#endif
