/* stack.h - a chain of convolution blocks that trains: forward and backward side by side.
 *
 *   x [batch][h][w][c] -> [2x nearest] -> convolution -> batch norm or bias [+ x] -> [ReLU] -> ...
 *
 * A block is the published one (reference.md 2.2): y = relu(N(w * x) [+ x]), N(z) = gain (z - m) /
 * sqrt(s + 1e-5) + shift; without `norm` N(z) = z + shift. A linear layer is a block whose kernel
 * covers its whole input; a block may read its predecessor's numbers as another shape of the same
 * count (512 numbers as [1][1][512], 2304 as [3][6][128]).
 *
 * DIFFERS: the published block adds a bias before the batch norm, which the norm takes off again;
 * it is kept in files and held at zero.
 *
 * A batch of tasks x micro pictures runs layer by layer: all tasks through a convolution, then
 * statistics over the whole batch, summed in the order of the tasks. What comes out does not depend
 * on the number of threads. All memory is had by open; steps allocate nothing of ours.
 */
#ifndef STK_NN_STACK_H
#define STK_NN_STACK_H

#include "base/pool.h"
#include "kernels/layer.h"
#include "nn/conv_train.h"
#include "nn/params.h"

enum { STK_STACK_BLOCKS = 16, STK_STACK_TASKS = 16 };

typedef struct stk_stack_block {
    int in_h, in_w, in_c; /* of the input, before it is doubled */
    int out_c, kernel_h, kernel_w, stride_h, stride_w, pad;
    int up;       /* 1: each pixel becomes 2 x 2 first */
    int norm;     /* 1: batch norm, 0: bias */
    int residual; /* 1: + x; input and output agree in shape */
    int relu;
} stk_stack_block;

/* Height and width of what a block gives. */
void stk_stack_block_size(const stk_stack_block *block, int *h, int *w);
/* Its convolution of `batch` pictures; of the doubled ones where it doubles them. */
stk_conv_shape stk_stack_conv_shape(const stk_stack_block *block, int batch);

typedef struct stk_stack_layer {
    int weight, bias, gain, shift, mean, variance; /* in the store; norm's are -1 without norm */
    int out_h, out_w;
    size_t rows, in_floats, out_floats, wide_floats; /* a picture; rows = out_h out_w */
    stk_conv_train *conv;
    float *wide, *z, *y; /* [batch][...]; wide: the doubled input or NULL */
    float *used;         /* [4][out_c]: scale, shift, mean, 1/sqrt of this forward */
    float *spread;       /* [3][out_c]: a, b, k of this backward */
    double *sums;        /* [tasks][2][out_c] */
} stk_stack_layer;

typedef struct stk_stack {
    stk_stack_layer layer[STK_STACK_BLOCKS];
    const stk_stack_block *blocks; /* static table of the caller */
    int n, tasks, micro;
    stk_params *params;
    stk_pool *pool;
    stk_layer_kernels kernels;
    float *gradient[3]; /* [batch][largest] in turn: g, dz, dx */
    stk_status status[STK_STACK_TASKS];
    /* of the pass that runs */
    const float *x;
    int at, train, want_dx;
} stk_stack;

/* Registers "<prefix><i>.conv_block.0.weight", ".0.bias" and, with norm, ".1.weight", ".1.bias",
 * ".1.running_mean", ".1.running_var". blocks outlive the stack. n <= STK_STACK_BLOCKS. */
stk_status stk_stack_register(stk_stack *stack, stk_params *params, const char *prefix,
                              const stk_stack_block *blocks, int n);
/* After sealing: normal weights of variance 2 / fan-in (1 / fan-in without ReLU), gain 1. */
void stk_stack_init(stk_stack *stack, stk_rng *rng);
typedef struct stk_stack_options {
    int tasks, micro; /* a batch */
    int want_dx;      /* backward gives dx */
    int bf16;         /* convolutions in bfloat16 where that is fast (conv_train.h) */
} stk_stack_options;
/* Memory and primitives; pool and params outlive the stack. */
stk_status stk_stack_open(stk_stack *stack, stk_pool *pool, const stk_stack_options *options);
/* Takes a stack that was only zeroed, too. */
void stk_stack_close(stk_stack *stack);
/* Takes the store's weights: before the first pass, and after they changed. */
stk_status stk_stack_load(stk_stack *stack);
/* x [tasks micro][...] must stay until backward. train != 0: statistics of the batch, which move
 * the running ones by a tenth; else the running ones. */
stk_status stk_stack_forward(stk_stack *stack, const float *x, int train);
/* [batch][out], owned by the stack, valid until the next forward. */
const float *stk_stack_output(const stk_stack *stack);
/* After a forward with train != 0. dy [batch][out]; sets the stack's gradients in the store. *dx
 * (NULL unless want_dx) is the stack's, valid until the next backward. */
stk_status stk_stack_backward(stk_stack *stack, const float *dy, const float **dx);
/* Multiply-adds of one picture, forward. */
double stk_stack_cost(const stk_stack *stack);

#endif
