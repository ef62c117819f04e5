/* bisenet_private.h - weights of BiSeNet -> layers. What bisenet.c takes from bisenet_weights.c. */
#ifndef STK_PORTRAIT_SYNC_BISENET_PRIVATE_H
#define STK_PORTRAIT_SYNC_BISENET_PRIVATE_H

#include "portrait_sync/bisenet.h"

#include "nn/dnnl.h"
#include "nn/state_dict.h"

typedef struct stk_bisenet_loader {
    stk_state_dict *dict;
    const char *path;
    float *weight; /* of the convolution read last: [out][in][k][k] */
    float *bias;   /* [out] */
    float *norm;   /* [4][out] gain, shift, mean, variance */
} stk_bisenet_loader;

typedef struct stk_bisenet_conv {
    int in, out, kernel, stride;
    int side; /* of the input, square */
    int relu;
} stk_bisenet_conv;

stk_status stk_bisenet_loader_open(stk_bisenet_loader *loader, const char *path);
void stk_bisenet_loader_close(stk_bisenet_loader *loader);
/* The convolution <conv>.weight, which has no bias, with the batch norm <norm>.* behind it (NULL:
 * none) folded in (nn/norm.h). */
stk_status stk_bisenet_layer(stk_dnnl_layer **layer, stk_bisenet_loader *loader, const char *conv,
                             const char *norm, const stk_bisenet_conv *shape);

#endif
