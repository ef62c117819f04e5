/* winograd.c - see winograd.h. */
#include "nn/winograd.h"

#include "base/memory.h"
#include "kernels/winograd.h"

#include <string.h>

struct stk_winograd_layer {
    stk_winograd_kernels kernels;
    stk_winograd_size in, out;
    stk_dnnl_layer *products[STK_WINOGRAD_PLANES];
    float *bias; /* or NULL */
    int tile_rows, row_tiles, relu;
};

/* Plane k of all transformed weights, [out][in]. */
static stk_status create_products(stk_winograd_layer *layer, const float *weights, float *planes) {
    const size_t count = (size_t)layer->in.channels * (size_t)layer->out.channels;
    for (size_t i = 0; i < count; i++) {
        float u[STK_WINOGRAD_PLANES];
        stk_winograd_weights(weights + 9 * i, u);
        for (size_t k = 0; k < STK_WINOGRAD_PLANES; k++) planes[k * count + i] = u[k];
    }
    for (size_t k = 0; k < STK_WINOGRAD_PLANES; k++)
        STK_TRY(stk_dnnl_inner_create(&layer->products[k], layer->tile_rows * layer->row_tiles,
                                      layer->in.channels, layer->out.channels, planes + k * count,
                                      NULL, STK_ACT_NONE));
    return STK_OK;
}

static stk_status build(stk_winograd_layer *layer, const float *weights, const float *bias) {
    const size_t out = (size_t)layer->out.channels, count = (size_t)layer->in.channels * out;
    if (bias != NULL) {
        layer->bias = stk_calloc_aligned(out, sizeof(float));
        if (layer->bias == NULL) return stk_fail_memory("network layer");
        memcpy(layer->bias, bias, out * sizeof(float));
    }
    float *planes = stk_calloc_aligned(STK_WINOGRAD_PLANES * count, sizeof(float));
    const stk_status status =
        planes != NULL ? create_products(layer, weights, planes) : stk_fail_memory("network layer");
    stk_free(planes);
    return status;
}

stk_status stk_winograd_create(stk_winograd_layer **out, const int size[2], const int in_out[2],
                               const float *weights, const float *bias, stk_activation activation) {
    *out = NULL;
    if (activation != STK_ACT_NONE && activation != STK_ACT_RELU)
        return stk_fail(STK_ERR_ARGUMENT, "Winograd layer: activation %d", (int)activation);
    stk_winograd_layer *layer = stk_calloc_aligned(1, sizeof *layer);
    if (layer == NULL) return stk_fail_memory("network layer");
    stk_winograd_kernels_init(&layer->kernels);
    layer->in = (stk_winograd_size){size[0], size[1], in_out[0]};
    layer->out = (stk_winograd_size){size[0], size[1], in_out[1]};
    layer->tile_rows = (size[0] + STK_WINOGRAD_TILE - 1) / STK_WINOGRAD_TILE;
    layer->row_tiles = (size[1] + STK_WINOGRAD_TILE - 1) / STK_WINOGRAD_TILE;
    layer->relu = activation == STK_ACT_RELU;
    const stk_status status = build(layer, weights, bias);
    if (status != STK_OK) stk_winograd_free(&layer);
    *out = layer;
    return status;
}

void stk_winograd_free(stk_winograd_layer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_winograd_layer *layer = *handle;
    for (int k = 0; k < STK_WINOGRAD_PLANES; k++) stk_dnnl_layer_free(&layer->products[k]);
    stk_free(layer->bias);
    stk_free(layer);
    *handle = NULL;
}

/* Floats between the planes of V or M: rounded up to whole cache lines, and then an odd number of
 * them, so that 36 planes do not fall on the same sets of the cache. */
static size_t plane_floats(const stk_winograd_layer *layer, int channels) {
    const size_t floats = (size_t)(layer->tile_rows * layer->row_tiles) * (size_t)channels;
    return ((floats + 15) / 16 | 1) * 16;
}

size_t stk_winograd_scratch_floats(const stk_winograd_layer *layer) {
    return STK_WINOGRAD_PLANES *
           (plane_floats(layer, layer->in.channels) + plane_floats(layer, layer->out.channels));
}

stk_status stk_winograd_run(stk_winograd_layer *layer, const float *x, float *scratch, float *y) {
    const size_t in = plane_floats(layer, layer->in.channels);
    const size_t out = plane_floats(layer, layer->out.channels);
    const size_t row_in = (size_t)layer->row_tiles * (size_t)layer->in.channels;
    const size_t row_out = (size_t)layer->row_tiles * (size_t)layer->out.channels;
    float *v = scratch, *m = scratch + STK_WINOGRAD_PLANES * in;
    for (int row = 0; row < layer->tile_rows; row++)
        layer->kernels.input(&layer->in, x, row, v + (size_t)row * row_in, in);
    for (size_t k = 0; k < STK_WINOGRAD_PLANES; k++)
        STK_TRY(stk_dnnl_layer_run(layer->products[k], v + k * in, m + k * out));
    for (int row = 0; row < layer->tile_rows; row++)
        layer->kernels.output(&layer->out, m + (size_t)row * row_out, out, layer->bias, layer->relu,
                              row, y);
    return STK_OK;
}
