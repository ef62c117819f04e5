/* frozen_private.h - what the files of the frozen network share. */
#ifndef STK_NN_FROZEN_PRIVATE_H
#define STK_NN_FROZEN_PRIVATE_H

#include "nn/dnnl.h"
#include "nn/frozen.h"

#include <stddef.h>
#include <stdint.h>

/* --- one convolution (frozen_conv.c) ---------------------------------------------------------- */

typedef struct frozen_conv frozen_conv;
/* y = max(w * x + b, 0); graded: with the pass back, dx = w' * dz. */
stk_status frozen_conv_create(frozen_conv **conv, const stk_conv_shape *shape, const float *weights,
                              const float *bias, int tasks, int graded);
void frozen_conv_free(frozen_conv **conv);
/* Bytes that a pass wants as scratch; one block for all layers of a task will do. */
size_t frozen_conv_scratch(const frozen_conv *conv);
stk_status frozen_conv_forward(frozen_conv *conv, int task, const float *x, float *y,
                               void *scratch);
stk_status frozen_conv_backward(frozen_conv *conv, int task, const float *dz, float *dx,
                                void *scratch);
void frozen_conv_kernels(const frozen_conv *conv, const char *names[2]);

/* --- the network (frozen.c, frozen_run.c) ----------------------------------------------------- */

typedef struct frozen_node {
    int h, w, c;
    size_t floats;     /* of a micro-batch */
    int last_use;      /* the last layer that reads it */
    int slot;          /* which of an ungraded task's buffers */
    frozen_conv *conv; /* of a convolution */
} frozen_node;

typedef struct frozen_task {
    float *input;
    float *y[STK_FROZEN_LAYERS];  /* graded: one each; else views of the slots */
    float *dy[STK_FROZEN_LAYERS]; /* graded only */
    float *dx, *more;             /* graded only: of the input; what is added to a gradient */
    uint8_t seeded[STK_FROZEN_LAYERS + 1]; /* has a gradient; the input's is the last */
    float *slots[STK_FROZEN_LAYERS];       /* of an ungraded task */
    void *scratch;
} frozen_task;

struct stk_frozen {
    stk_frozen_settings settings;
    frozen_node node[STK_FROZEN_LAYERS];
    size_t input_floats, slot_floats[STK_FROZEN_LAYERS];
    int slots;
    frozen_task *task; /* [tasks] */
};

#endif
