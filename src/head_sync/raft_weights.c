/* raft_weights.c - raft-small.pth -> convolution layers. Names in the file carry "module.", which
 * nn/state_dict.h drops; every convolution has a bias. */
#include "head_sync/raft_private.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

/* The largest: a gate of the recurrent unit. */
enum { WEIGHT_MAX = 96 * 242 * 9, BIAS_MAX = 192 };

static const char WHAT[] = "RAFT-small (raft-small.pth of scripts/get-models.sh)";

static stk_status wrong_file(const char *path, const char *reason) {
    return stk_fail(STK_ERR_WEIGHTS, "%s: is not %s: %s", path, WHAT, reason);
}

stk_status stk_raft_loader_open(stk_raft_loader *loader, const char *path) {
    *loader = (stk_raft_loader){.path = path};
    loader->weight = stk_calloc_aligned(WEIGHT_MAX, sizeof(float));
    loader->bias = stk_calloc_aligned(BIAS_MAX, sizeof(float));
    if (loader->weight == NULL || loader->bias == NULL) return stk_fail_memory("optical flow");
    const stk_status status = stk_state_dict_open(&loader->dict, path);
    if (status != STK_ERR_FORMAT && status != STK_ERR_UNSUPPORTED) return status;
    char reason[1024];
    stk_error_take(reason, sizeof reason);
    return wrong_file(path, reason);
}

void stk_raft_loader_close(stk_raft_loader *loader) {
    stk_state_dict_close(&loader->dict);
    stk_free(loader->weight);
    stk_free(loader->bias);
    *loader = (stk_raft_loader){0};
}

static stk_status read_tensor(stk_raft_loader *loader, const char *name, int rank,
                              const int shape[4], float *out) {
    return stk_state_dict_read_weights(loader->dict, WHAT, name, rank, shape, out);
}

stk_status stk_raft_loader_read(stk_raft_loader *loader, const char *name, int in, int out,
                                int kernel) {
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    STK_TRY(read_tensor(loader, full, 4, (int[]){out, in, kernel, kernel}, loader->weight));
    snprintf(full, sizeof full, "%s.bias", name);
    return read_tensor(loader, full, 1, (int[4]){out}, loader->bias);
}

stk_status stk_raft_conv_create(stk_dnnl_layer **layer, const stk_raft_conv *conv,
                                const float *weight, const float *bias) {
    const int pad = conv->kernel / 2;
    const stk_conv_shape shape = {
        .batch = 1,
        .in_h = conv->height,
        .in_w = conv->width,
        .in_c = conv->in,
        .out_h = conv->height / conv->stride,
        .out_w = conv->width / conv->stride,
        .out_c = conv->out,
        .kernel_h = conv->kernel,
        .kernel_w = conv->kernel,
        .stride_h = conv->stride,
        .stride_w = conv->stride,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = pad,
        .pad_left = pad,
        /* the last window starts a stride before the end */
        .pad_bottom = conv->kernel - pad - conv->stride,
        .pad_right = conv->kernel - pad - conv->stride,
        .groups = 1,
    };
    return stk_dnnl_conv_create(layer, &shape, STK_CONV_OIHW, weight, bias, conv->activation);
}

stk_status stk_raft_conv_load(stk_dnnl_layer **layer, stk_raft_loader *loader, const char *name,
                              const stk_raft_conv *conv) {
    STK_TRY(stk_raft_loader_read(loader, name, conv->in, conv->out, conv->kernel));
    return stk_raft_conv_create(layer, conv, loader->weight, loader->bias);
}
