/* winograd.h - a 3x3 convolution (stride 1, padded by 1, float32) by Winograd's F(4x4, 3x3): 36
 * matrix products [tiles][in] x [in][out] with oneDNN between the transforms of
 * kernels/winograd.h. Takes a quarter of the products of the plain convolution; pays from about 64
 * channels on.
 *
 *   x [h][w][in] -> V [36][tiles][in] -> M [36][tiles][out] -> y [h][w][out]
 *
 * On the calling thread; a layer must not be run by two threads at once.
 */
#ifndef STK_NN_WINOGRAD_H
#define STK_NN_WINOGRAD_H

#include "base/status.h"
#include "nn/dnnl.h"

#include <stddef.h>

typedef struct stk_winograd_layer stk_winograd_layer;

/* weights [out][in][3][3] and bias [out] (may be NULL) are copied. activation: none or ReLU. */
stk_status stk_winograd_create(stk_winograd_layer **layer, const int size[2], const int in_out[2],
                               const float *weights, const float *bias, stk_activation activation);
void stk_winograd_free(stk_winograd_layer **layer);
/* Floats that a run needs beside x and y, 64-byte aligned; layers run in turn can share them. */
size_t stk_winograd_scratch_floats(const stk_winograd_layer *layer);
/* y = activation(layer(x)); x and y do not overlap. */
stk_status stk_winograd_run(stk_winograd_layer *layer, const float *x, float *scratch, float *y);

#endif
