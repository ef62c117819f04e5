/* frozen.h - a picture network whose weights stay as they are: forward, and back to its input.
 *
 *   x [micro][h][w][c] -> layers: convolution + bias + ReLU, pools, joins of channels -> y
 *   dy of any layers -> dx [micro][h][w][c]
 *
 * Pictures come in micro-batches of a constant size, `tasks` of them, each with memory of its own:
 * different tasks may run at once, each on its calling thread (oneDNN's OpenMP team is held at one
 * thread). Only the first `graded` tasks keep what going back needs; the others use memory again as
 * soon as no layer reads it any more. Results do not depend on which thread took which task. All
 * memory is had by create; passes allocate nothing of ours.
 */
#ifndef STK_NN_FROZEN_H
#define STK_NN_FROZEN_H

#include "base/status.h"

enum { STK_FROZEN_INPUT = -1, STK_FROZEN_SOURCES = 6, STK_FROZEN_LAYERS = 128 };

typedef enum stk_frozen_kind {
    STK_FROZEN_CONV,         /* max(w * x + b, 0) */
    STK_FROZEN_MAX_POOL,     /* what is beyond the picture does not count */
    STK_FROZEN_AVERAGE_POOL, /* likewise: a mean over the picture's pixels alone */
    STK_FROZEN_JOIN,         /* the sources' channels, one after the other */
} stk_frozen_kind;

typedef struct stk_frozen_layer {
    stk_frozen_kind kind;
    int sources, from[STK_FROZEN_SOURCES]; /* earlier layers, or STK_FROZEN_INPUT */
    int out_c;                             /* of a convolution */
    int kernel_h, kernel_w, stride, pad_h, pad_w;
    int part; /* of a pool: a last window that is partly beyond the picture counts (ceil_mode) */
} stk_frozen_layer;

typedef struct stk_frozen_settings {
    const stk_frozen_layer *layers; /* borrowed for the life of the network */
    int count;
    const float *const *weights, *const *biases; /* [count], of convolutions: [out][in][kh][kw] and
                                                    [out]; copied */
    int height, width, channels;                 /* of the input */
    int micro, tasks, graded;
} stk_frozen_settings;

typedef struct stk_frozen stk_frozen;
/* STK_ERR_ARGUMENT for an input that is too small for the layers, and for a graded network with an
 * average pool. */
stk_status stk_frozen_create(stk_frozen **net, const stk_frozen_settings *settings);
void stk_frozen_free(stk_frozen **net);
/* [height][width][channels] of what a layer gives. */
void stk_frozen_shape(const stk_frozen *net, int layer, int shape[3]);
/* Channels of what a layer gives, and of what it reads first, which a convolution's weights have.
 * They need no network. */
int stk_frozen_channels(const stk_frozen_layer *layers, int layer, int channels);
int stk_frozen_in_channels(const stk_frozen_layer *layers, int layer, int channels);
/* [micro][h][w][c], zero at first, to be filled by the caller. */
float *stk_frozen_input(stk_frozen *net, int task);
/* Layers first .. last; the ones before have been run. */
stk_status stk_frozen_forward(stk_frozen *net, int task, int first, int last);
/* [micro][h][w][c] of the layer that was `last`, until the next forward; of a graded task any layer
 * that has run. */
const float *stk_frozen_output(const stk_frozen *net, int task, int layer);
/* [micro][h][w][c] of a graded task: to be filled, all of it, with the derivative by the layer's
 * output before the task's next backward, which uses it up. */
float *stk_frozen_seed(stk_frozen *net, int task, int layer);
/* From the layers seeded since the last backward to the input; *dx is the network's, until its next
 * backward. */
stk_status stk_frozen_backward(stk_frozen *net, int task, const float **dx);
/* Kernels that oneDNN chose for a layer's convolution, forward and backward ("none" without). */
void stk_frozen_kernels(const stk_frozen *net, int layer, const char *names[2]);

#endif
