/* tflite.h - reads and runs the small pretrained TensorFlow Lite graphs (float32 and float16
 * weights).
 *
 * A graph is a flatbuffer (schema version 3), read from memory with every offset checked: a damaged
 * or hostile file gives STK_ERR_FORMAT, never a wild read. Buffers are planned at open; running
 * allocates nothing. Tensors are NHWC float32. One thread per handle; convolutions go through
 * nn/dnnl.h.
 */
#ifndef STK_TFLITE_TFLITE_H
#define STK_TFLITE_TFLITE_H

#include "base/status.h"
#include <stddef.h>

typedef struct stk_tflite stk_tflite;

typedef struct stk_tflite_tensor {
    const char *name;
    int rank;
    int shape[6];
    float *data; /* owned by the handle; input data may be written before a run */
    size_t count;
} stk_tflite_tensor;

/* `bytes` must stay valid until close. label names the file in error sentences. */
stk_status stk_tflite_open(stk_tflite **graph, const void *bytes, size_t size, const char *label);
void stk_tflite_close(stk_tflite **graph);
int stk_tflite_input_count(const stk_tflite *graph);
int stk_tflite_output_count(const stk_tflite *graph);
stk_tflite_tensor stk_tflite_input(stk_tflite *graph, int index);
stk_tflite_tensor stk_tflite_output(stk_tflite *graph, int index);
/* Output by (a part of) its name; data == NULL when there is none. */
stk_tflite_tensor stk_tflite_output_named(stk_tflite *graph, const char *name);
stk_status stk_tflite_run(stk_tflite *graph);

/* --- looking inside: tests and tools ---------------------------------------------------------- */
typedef struct stk_tflite_options {
    int reference; /* convolutions in plain C instead of oneDNN: slow, the twin for tests */
    int keep_all;  /* every tensor keeps its own memory, so that all can be read after a run */
} stk_tflite_options;

stk_status stk_tflite_open_as(stk_tflite **graph, const void *bytes, size_t size, const char *label,
                              stk_tflite_options options);
int stk_tflite_op_count(const stk_tflite *graph);
const char *stk_tflite_op_name(const stk_tflite *graph, int op);
/* Runs one operator; running all in order is stk_tflite_run. */
stk_status stk_tflite_op_run(stk_tflite *graph, int op);
/* data == NULL: there is none. With keep_all only: without it the memory may hold another
 * tensor. */
stk_tflite_tensor stk_tflite_op_input(stk_tflite *graph, int op, int index);
stk_tflite_tensor stk_tflite_op_output(stk_tflite *graph, int op, int index);

#endif
