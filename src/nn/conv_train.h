/* conv_train.h - a convolution with its two backward passes over oneDNN, for training.
 *
 *   forward    x [N][H][W][Ci], w [Co][Ci][kh][kw] -> z [N][H'][W'][Co], no bias
 *   backward   dz -> dx (dz * w'), dw (x * dz)
 *
 * N = the size of a micro-batch. A batch is cut into `tasks` micro-batches of that constant size,
 * each with memory and a dw of its own; gradients are summed in the order of the tasks, so results
 * depend neither on the number of threads nor on which thread took which task. Different tasks may
 * run at once, each on its calling thread (oneDNN's OpenMP team is held at one thread).
 *
 * Precision: float32; or, if asked for and where the kernels exist, x, w and dz rounded to bfloat16
 * with products summed in float32, and all results float32. That is twice as fast on Zen 4 (and
 * more on AMX); with AVX-512 alone, or AVX2, it would be slower.
 */
#ifndef STK_NN_CONV_TRAIN_H
#define STK_NN_CONV_TRAIN_H

#include "nn/dnnl.h"

typedef struct stk_conv_train stk_conv_train;

typedef struct stk_conv_options {
    int tasks;
    int want_dx; /* 0: backward gives no dx (a first layer) */
    int bf16;    /* 1: where it is fast */
} stk_conv_options;

/* shape: groups 1, dilation 1. */
stk_status stk_conv_train_create(stk_conv_train **conv, const stk_conv_shape *shape,
                                 const stk_conv_options *options);
void stk_conv_train_free(stk_conv_train **conv);
/* Takes new weights, [Co][Ci][kh][kw]; copied into the kernels' layouts. No task may be running. */
stk_status stk_conv_train_load(stk_conv_train *conv, const float *weights);
stk_status stk_conv_train_forward(stk_conv_train *conv, int task, const float *x, float *z);
/* Sets this task's dw; x is what this task's last forward got; dx may be NULL. */
stk_status stk_conv_train_backward(stk_conv_train *conv, int task, const float *x, const float *dz,
                                   float *dx);
/* dw = sum over the tasks, [Co][Ci][kh][kw]. No task may be running. */
stk_status stk_conv_train_gradient(stk_conv_train *conv, float *dw);
/* Kernels chosen for forward, dx and dw, e.g. "jit:avx512_core". */
void stk_conv_train_kernels(const stk_conv_train *conv, const char *names[3]);

#endif
