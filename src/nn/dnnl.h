/* dnnl.h - the one place that talks to oneDNN (v2 C interface): float32 layers on NHWC tensors.
 *
 *   convolution    x [N][H][W][Ci] * w -> y [N][H'][W'][Co], groups, dilation, activation
 *   inner product  x [rows][in] -> y [rows][out]
 *
 * Weights are reordered once, into the layout that the chosen kernel wants; primitives and scratch
 * are made at creation. Everything runs on the calling thread (oneDNN's OpenMP team is held at one
 * thread for the duration of a call, and restored), so handles owned by different threads do not
 * compete and results do not depend on the machine's core count. A handle must not be run by two
 * threads at once.
 */
#ifndef STK_NN_DNNL_H
#define STK_NN_DNNL_H

#include "base/status.h"

typedef enum stk_activation {
    STK_ACT_NONE,
    STK_ACT_RELU,  /* max(x, 0) */
    STK_ACT_RELU6, /* min(max(x, 0), 6) */
} stk_activation;

/* Padding may differ on the two sides. Output channel o of group g = o / (out_c / groups) sees the
 * input channels of that group only; depthwise: groups == in_c. */
typedef struct stk_conv_shape {
    int batch, in_h, in_w, in_c;
    int out_h, out_w, out_c;
    int kernel_h, kernel_w, stride_h, stride_w;
    int dilation_h, dilation_w; /* 1 = dense */
    int pad_top, pad_left, pad_bottom, pad_right;
    int groups;
} stk_conv_shape;

/* How weights lie in memory. */
typedef enum stk_conv_weights {
    STK_CONV_OHWI, /* [out_c][kh][kw][in_c / groups]; TFLite CONV_2D */
    STK_CONV_HWO,  /* [kh][kw][out_c], depthwise only; TFLite DEPTHWISE_CONV_2D */
    STK_CONV_OIHW, /* [out_c][in_c / groups][kh][kw]; PyTorch */
} stk_conv_weights;

typedef struct stk_dnnl_layer stk_dnnl_layer;

/* weights and bias (may be NULL) are copied. */
stk_status stk_dnnl_conv_create(stk_dnnl_layer **layer, const stk_conv_shape *shape,
                                stk_conv_weights layout, const float *weights, const float *bias,
                                stk_activation activation);
/* weights [out][in], bias [out] or NULL; both copied. */
stk_status stk_dnnl_inner_create(stk_dnnl_layer **layer, int rows, int in, int out,
                                 const float *weights, const float *bias,
                                 stk_activation activation);
void stk_dnnl_layer_free(stk_dnnl_layer **layer);
/* y = activation(layer(x)); x and y do not overlap. */
stk_status stk_dnnl_layer_run(stk_dnnl_layer *layer, const float *x, float *y);
/* oneDNN's name of the kernel chosen, e.g. "jit:avx512_core"; static as long as the layer lives. */
const char *stk_dnnl_layer_kernel(const stk_dnnl_layer *layer);

/* The same in plain C, straight from the definition: the twin that tests compare against. */
void stk_conv_forward_c(const stk_conv_shape *shape, stk_conv_weights layout, const float *weights,
                        const float *bias, stk_activation activation, const float *x, float *y);

#endif
