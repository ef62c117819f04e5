/* bisenet_weights.c - 79999_iter.pth -> convolution layers, batch norms folded (nn/norm.h). */
#include "portrait_sync/bisenet_private.h"

#include "base/memory.h"
#include "nn/norm.h"

#include <stdio.h>
#include <string.h>

enum { OUT_MAX = 512, WEIGHT_MAX = 512 * 512 * 9 };
static const double NORM_EPSILON = 1e-5;

static const char WHAT[] = "the BiSeNet of face-parsing.PyTorch (" STK_BISENET_FILE ")";

static stk_status wrong_file(const char *path, const char *reason) {
    return stk_fail(STK_ERR_WEIGHTS, "%s: is not %s: %s", path, WHAT, reason);
}

stk_status stk_bisenet_loader_open(stk_bisenet_loader *loader, const char *path) {
    *loader = (stk_bisenet_loader){.path = path};
    loader->weight = stk_calloc_aligned(WEIGHT_MAX, sizeof(float));
    loader->bias = stk_calloc_aligned(OUT_MAX, sizeof(float));
    loader->norm = stk_calloc_aligned(4 * OUT_MAX, sizeof(float));
    if (loader->weight == NULL || loader->bias == NULL || loader->norm == NULL)
        return stk_fail_memory("BiSeNet");
    const stk_status status = stk_state_dict_open(&loader->dict, path);
    if (status != STK_ERR_FORMAT && status != STK_ERR_UNSUPPORTED) return status;
    char reason[1024];
    stk_error_take(reason, sizeof reason);
    return wrong_file(path, reason);
}

void stk_bisenet_loader_close(stk_bisenet_loader *loader) {
    stk_state_dict_close(&loader->dict);
    stk_free(loader->weight);
    stk_free(loader->bias);
    stk_free(loader->norm);
    *loader = (stk_bisenet_loader){0};
}

static stk_status read_tensor(stk_bisenet_loader *loader, const char *name, int rank,
                              const int shape[4], float *out) {
    return stk_state_dict_read_weights(loader->dict, WHAT, name, rank, shape, out);
}

static stk_status fold_norm(stk_bisenet_loader *loader, const char *name,
                            const stk_bisenet_conv *s) {
    static const char *const parts[4] = {"weight", "bias", "running_mean", "running_var"};
    const size_t fan = (size_t)s->in * (size_t)s->kernel * (size_t)s->kernel;
    char full[96];
    for (int i = 0; i < 4; i++) {
        snprintf(full, sizeof full, "%s.%s", name, parts[i]);
        STK_TRY(read_tensor(loader, full, 1, (int[4]){s->out}, loader->norm + i * OUT_MAX));
    }
    const float *at = loader->norm;
    const stk_norm fold = {at, at + OUT_MAX, at + 2 * OUT_MAX, at + 3 * OUT_MAX, NORM_EPSILON, 0};
    memset(loader->bias, 0, (size_t)s->out * sizeof *loader->bias);
    if (stk_norm_fold(&fold, s->out, fan, loader->weight, loader->bias)) return STK_OK;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not %s: %s has a negative variance or too large numbers", loader->path,
                    WHAT, name);
}

stk_status stk_bisenet_layer(stk_dnnl_layer **layer, stk_bisenet_loader *loader, const char *conv,
                             const char *norm, const stk_bisenet_conv *s) {
    const int pad = s->kernel / 2, after = s->kernel - pad - s->stride; /* the last window's */
    const stk_conv_shape shape = {
        .batch = 1,
        .in_h = s->side,
        .in_w = s->side,
        .in_c = s->in,
        .out_h = s->side / s->stride,
        .out_w = s->side / s->stride,
        .out_c = s->out,
        .kernel_h = s->kernel,
        .kernel_w = s->kernel,
        .stride_h = s->stride,
        .stride_w = s->stride,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = pad,
        .pad_left = pad,
        .pad_bottom = after,
        .pad_right = after,
        .groups = 1,
    };
    char full[96];
    snprintf(full, sizeof full, "%s.weight", conv);
    STK_TRY(
        read_tensor(loader, full, 4, (int[]){s->out, s->in, s->kernel, s->kernel}, loader->weight));
    if (norm != NULL) STK_TRY(fold_norm(loader, norm, s));
    return stk_dnnl_conv_create(layer, &shape, STK_CONV_OIHW, loader->weight,
                                norm != NULL ? loader->bias : NULL,
                                s->relu ? STK_ACT_RELU : STK_ACT_NONE);
}
