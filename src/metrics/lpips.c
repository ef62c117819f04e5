/* lpips.c - the weights of LPIPS: found, checked, read. See lpips.h.
 *
 * DIFFERS: the heads' files of version 0.1 are the only ones; the older 0.0 and untrained ("lpips
 * baseline") distances are not there.
 */
#include "metrics/lpips.h"
#include "base/memory.h"
#include "metrics/lpips_private.h"
#include "nn/state_dict.h"
#include "nn/weights.h"

#include <math.h>
#include <stdio.h>

/* --- reading ---------------------------------------------------------------------------------- */

/* A float tensor of this very shape, finite. */
static stk_status read_tensor(const stk_state_dict *dict, const char *name, int rank,
                              const int64_t *shape, float *out) {
    const char *path = stk_state_dict_path(dict);
    const stk_state_tensor *tensor = stk_state_dict_find(dict, name);
    if (tensor == NULL)
        return stk_fail(STK_ERR_WEIGHTS, "%s: has no tensor %s, so it is another network", path,
                        name);
    int good = tensor->rank == rank && tensor->dtype == STK_F32;
    for (int i = 0; good && i < rank; i++) good = tensor->shape[i] == shape[i];
    if (!good)
        return stk_fail(STK_ERR_WEIGHTS,
                        "%s: %s is not of the shape or type wanted, so it is another network", path,
                        name);
    STK_TRY(stk_state_dict_read(dict, tensor, out));
    for (int64_t i = 0; i < tensor->count; i++)
        if (!isfinite(out[i]))
            return stk_fail(STK_ERR_WEIGHTS, "%s: is damaged (%s holds no numbers)", path, name);
    return STK_OK;
}

static int in_channels(const lpips_net *net, int layer) {
    return stk_frozen_in_channels(net->layers, layer, 3);
}

static size_t weight_floats(const lpips_net *net, int layer) {
    const stk_frozen_layer *l = &net->layers[layer];
    return (size_t)l->out_c * (size_t)in_channels(net, layer) * (size_t)l->kernel_h *
           (size_t)l->kernel_w;
}

static int tap_channels(const lpips_net *net, int tap) {
    return stk_frozen_channels(net->layers, net->tap[tap], 3);
}

static stk_status allocate(stk_lpips *lpips) {
    const lpips_net *net = lpips->net;
    size_t floats = 0;
    for (int i = 0; i < net->count; i++)
        if (net->names[i] != NULL) floats += weight_floats(net, i) + (size_t)net->layers[i].out_c;
    for (int i = 0; i < net->taps; i++) floats += (size_t)tap_channels(net, i);
    lpips->block = stk_calloc_aligned(floats, sizeof *lpips->block);
    return lpips->block != NULL ? STK_OK : stk_fail_memory("LPIPS");
}

static stk_status read_backbone(stk_lpips *lpips, const stk_state_dict *dict, float **at) {
    const lpips_net *net = lpips->net;
    for (int i = 0; i < net->count; i++) {
        const stk_frozen_layer *l = &net->layers[i];
        if (net->names[i] == NULL) continue;
        const int64_t shape[4] = {l->out_c, in_channels(net, i), l->kernel_h, l->kernel_w};
        char name[64];
        snprintf(name, sizeof name, "%s.weight", net->names[i]);
        STK_TRY(read_tensor(dict, name, 4, shape, *at));
        lpips->weights[i] = *at;
        *at += weight_floats(net, i);
        snprintf(name, sizeof name, "%s.bias", net->names[i]);
        STK_TRY(read_tensor(dict, name, 1, shape, *at));
        lpips->biases[i] = *at;
        *at += l->out_c;
    }
    return STK_OK;
}

static stk_status read_heads(stk_lpips *lpips, const stk_state_dict *dict, float **at) {
    for (int i = 0; i < lpips->net->taps; i++) {
        const int64_t shape[4] = {1, tap_channels(lpips->net, i), 1, 1};
        char name[64];
        snprintf(name, sizeof name, "lin%d.model.1.weight", i);
        STK_TRY(read_tensor(dict, name, 4, shape, *at));
        lpips->head[i] = *at;
        *at += shape[1];
    }
    return STK_OK;
}

typedef stk_status (*read_part)(stk_lpips *lpips, const stk_state_dict *dict, float **at);

static stk_status read_file(stk_lpips *lpips, const char *path, read_part part, float **at) {
    stk_state_dict *dict;
    STK_TRY(stk_state_dict_open_without(&dict, path, "classifier."));
    const stk_status status = part(lpips, dict, at);
    stk_state_dict_close(&dict);
    return status;
}

stk_status stk_lpips_open_files(stk_lpips **out, stk_lpips_net net, const char *backbone,
                                const char *heads) {
    *out = NULL;
    stk_lpips *lpips = stk_calloc_aligned(1, sizeof *lpips);
    if (lpips == NULL) return stk_fail_memory("LPIPS");
    lpips->net = lpips_net_get(net);
    stk_status status = allocate(lpips);
    float *at = lpips->block;
    if (status == STK_OK) status = read_file(lpips, heads, read_heads, &at);
    if (status == STK_OK) status = read_file(lpips, backbone, read_backbone, &at);
    if (status != STK_OK) stk_lpips_close(&lpips);
    *out = lpips;
    return status;
}

void stk_lpips_close(stk_lpips **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_free((*handle)->block);
    stk_free(*handle);
    *handle = NULL;
}

/* --- finding ---------------------------------------------------------------------------------- */

stk_status stk_lpips_open(stk_lpips **out, const char *models, stk_lpips_net net) {
    const lpips_net *n = lpips_net_get(net);
    char backbone[STK_PATH_MAX], heads[STK_PATH_MAX], purpose[64];
    *out = NULL;
    snprintf(purpose, sizeof purpose, "torchvision's network under LPIPS %s", n->name);
    STK_TRY(stk_weights_find_hashed(models, n->files, 2, purpose, backbone));
    STK_TRY(stk_weights_find(models, n->heads, heads));
    STK_TRY(stk_lpips_open_files(out, net, backbone, heads));
    const stk_status status = stk_sha256_file(backbone, (*out)->sha256);
    if (status != STK_OK) stk_lpips_close(out);
    return status;
}

const char *stk_lpips_sha256(const stk_lpips *lpips) {
    return lpips->sha256;
}
