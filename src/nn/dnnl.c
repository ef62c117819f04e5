/* dnnl.c - wraps oneDNN 2.x primitives. See dnnl.h.
 *
 * Sources and destinations are plain NHWC; only the weights get the layout that the kernel asks for
 * (format_tag_any), reordered at creation. oneDNN itself keeps small bookkeeping on the heap while
 * it executes; nothing of ours is allocated in a run.
 */
#include "nn/dnnl.h"
#include "base/memory.h"

#include <oneapi/dnnl/dnnl.h>
#include <string.h>

/* libgomp's, which Debian's libdnnl is linked with; the thread count is per calling thread. */
extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int threads);

enum { MAX_ARGS = 5 };

struct stk_dnnl_layer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t x, y, weights, bias, scratch;
    dnnl_exec_arg_t args[MAX_ARGS];
    int arg_count;
    const char *kernel;
};

static stk_status check(dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return STK_OK;
    if (status == dnnl_out_of_memory) return stk_fail_memory(what);
    return stk_fail(status == dnnl_invalid_arguments ? STK_ERR_ARGUMENT : STK_ERR_UNSUPPORTED,
                    "oneDNN: %s failed with status %d", what, (int)status);
}

#define DNNL_TRY(expr, what) STK_TRY(check((expr), (what)))

/* Engine and stream of one handle. On failure the half-built layer is left for the caller to
 * free. */
static stk_status layer_begin(stk_dnnl_layer **out) {
    *out = NULL;
    stk_dnnl_layer *layer = stk_calloc_aligned(1, sizeof *layer);
    if (layer == NULL) return stk_fail_memory("network layer");
    *out = layer;
    DNNL_TRY(dnnl_engine_create(&layer->engine, dnnl_cpu, 0), "engine");
    return check(dnnl_stream_create(&layer->stream, layer->engine, dnnl_stream_default_flags),
                 "stream");
}

void stk_dnnl_layer_free(stk_dnnl_layer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_dnnl_layer *layer = *handle;
    dnnl_memory_t *memories[] = {&layer->x, &layer->y, &layer->weights, &layer->bias,
                                 &layer->scratch};
    for (size_t i = 0; i < STK_ARRAY_SIZE(memories); i++)
        if (*memories[i] != NULL) dnnl_memory_destroy(*memories[i]);
    if (layer->primitive != NULL) dnnl_primitive_destroy(layer->primitive);
    if (layer->desc != NULL) dnnl_primitive_desc_destroy(layer->desc);
    if (layer->stream != NULL) dnnl_stream_destroy(layer->stream);
    if (layer->engine != NULL) dnnl_engine_destroy(layer->engine);
    stk_free(layer);
    *handle = NULL;
}

/* Attributes: scratch is ours, and the activation is applied before the store. */
static stk_status make_attributes(dnnl_primitive_attr_t *attributes, stk_activation activation) {
    DNNL_TRY(dnnl_primitive_attr_create(attributes), "attributes");
    DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user),
             "scratch mode");
    if (activation == STK_ACT_NONE) return STK_OK;
    dnnl_post_ops_t ops = NULL;
    DNNL_TRY(dnnl_post_ops_create(&ops), "post operations");
    dnnl_status_t status =
        activation == STK_ACT_RELU
            ? dnnl_post_ops_append_eltwise(ops, 1.f, dnnl_eltwise_relu, 0.f, 0.f)
            : dnnl_post_ops_append_eltwise(ops, 1.f, dnnl_eltwise_clip, 0.f, 6.f);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attributes, ops);
    dnnl_post_ops_destroy(ops);
    return check(status, "activation");
}

static const dnnl_memory_desc_t *query(const stk_dnnl_layer *layer, dnnl_query_t what) {
    return dnnl_primitive_desc_query_md(layer->desc, what, 0);
}

/* Copies `data` (described by `given`) into memory of the kernel's own layout. */
static stk_status reorder_in(stk_dnnl_layer *layer, const dnnl_memory_desc_t *given,
                             const float *data, dnnl_memory_t target) {
    const dnnl_memory_desc_t *wanted;
    DNNL_TRY(dnnl_memory_get_memory_desc(target, &wanted), "weights");
    dnnl_memory_t source = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_status_t status =
        dnnl_memory_create(&source, given, layer->engine, (void *)(uintptr_t)data);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&desc, given, layer->engine, wanted,
                                                    layer->engine, NULL);
    if (status == dnnl_success) status = dnnl_primitive_create(&reorder, desc);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
    if (status == dnnl_success) status = dnnl_primitive_execute(reorder, layer->stream, 2, args);
    if (status == dnnl_success) status = dnnl_stream_wait(layer->stream);
    if (reorder != NULL) dnnl_primitive_destroy(reorder);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (source != NULL) dnnl_memory_destroy(source);
    return check(status, "weight reorder");
}

static void add_arg(stk_dnnl_layer *layer, int arg, dnnl_memory_t memory) {
    layer->args[layer->arg_count++] = (dnnl_exec_arg_t){arg, memory};
}

/* What convolution and inner product share: primitive, memories, weights, argument list. */
static stk_status layer_finish(stk_dnnl_layer *layer, const void *op_desc,
                               stk_activation activation, const dnnl_memory_desc_t *given,
                               const float *weights, const float *bias) {
    dnnl_primitive_attr_t attributes = NULL;
    stk_status status = make_attributes(&attributes, activation);
    if (status == STK_OK)
        status = check(dnnl_primitive_desc_create(&layer->desc, op_desc, attributes, layer->engine,
                                                  NULL),
                       "layer description");
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    STK_TRY(status);
    DNNL_TRY(dnnl_primitive_create(&layer->primitive, layer->desc), "layer");
    dnnl_primitive_desc_query(layer->desc, dnnl_query_impl_info_str, 0, (void *)&layer->kernel);

    dnnl_engine_t engine = layer->engine;
    DNNL_TRY(dnnl_memory_create(&layer->x, query(layer, dnnl_query_src_md), engine,
                                DNNL_MEMORY_NONE), "input");
    DNNL_TRY(dnnl_memory_create(&layer->y, query(layer, dnnl_query_dst_md), engine,
                                DNNL_MEMORY_NONE), "output");
    DNNL_TRY(dnnl_memory_create(&layer->weights, query(layer, dnnl_query_weights_md), engine,
                                DNNL_MEMORY_ALLOCATE), "weights");
    DNNL_TRY(dnnl_memory_create(&layer->scratch, query(layer, dnnl_query_scratchpad_md), engine,
                                DNNL_MEMORY_ALLOCATE), "scratch");
    add_arg(layer, DNNL_ARG_SRC, layer->x);
    add_arg(layer, DNNL_ARG_DST, layer->y);
    add_arg(layer, DNNL_ARG_WEIGHTS, layer->weights);
    add_arg(layer, DNNL_ARG_SCRATCHPAD, layer->scratch);
    STK_TRY(reorder_in(layer, given, weights, layer->weights));
    if (bias == NULL) return STK_OK;
    const dnnl_memory_desc_t *bias_md = dnnl_primitive_desc_query_md(
        layer->desc, dnnl_query_weights_md, 1);
    DNNL_TRY(dnnl_memory_create(&layer->bias, bias_md, engine, DNNL_MEMORY_ALLOCATE), "bias");
    add_arg(layer, DNNL_ARG_BIAS, layer->bias);
    return reorder_in(layer, bias_md, bias, layer->bias);
}

/* The caller's weights as a [groups][out][in][kh][kw] view; the last two ranks vary with
 * `layout`. */
static stk_status describe_weights(const stk_conv_shape *s, stk_conv_weights layout,
                                   dnnl_memory_desc_t *given) {
    const dnnl_dim_t groups = s->groups, out = s->out_c / s->groups, in = s->in_c / s->groups;
    const dnnl_dim_t kh = s->kernel_h, kw = s->kernel_w;
    const dnnl_dims_t dims = {groups, out, in, kh, kw};
    dnnl_dims_t strides;
    if (layout == STK_CONV_OHWI)
        memcpy(strides, (dnnl_dims_t){out * kh * kw * in, kh * kw * in, 1, kw * in, in},
               sizeof strides);
    else if (layout == STK_CONV_HWO)
        memcpy(strides, (dnnl_dims_t){out, 1, 1, kw * s->out_c, s->out_c}, sizeof strides);
    else
        memcpy(strides, (dnnl_dims_t){out * in * kh * kw, in * kh * kw, kh * kw, kw, 1},
               sizeof strides);
    return check(dnnl_memory_desc_init_by_strides(given, 5, dims, dnnl_f32, strides), "weights");
}

static stk_status conv_build(stk_dnnl_layer *layer, const stk_conv_shape *s,
                             stk_conv_weights layout, const float *weights, const float *bias,
                             stk_activation activation) {
    dnnl_memory_desc_t x, y, any, b, given;
    STK_TRY(describe_weights(s, layout, &given));
    DNNL_TRY(dnnl_memory_desc_init_by_tag(
                 &x, 4, (dnnl_dims_t){s->batch, s->in_c, s->in_h, s->in_w}, dnnl_f32, dnnl_nhwc),
             "input shape");
    DNNL_TRY(dnnl_memory_desc_init_by_tag(
                 &y, 4, (dnnl_dims_t){s->batch, s->out_c, s->out_h, s->out_w}, dnnl_f32, dnnl_nhwc),
             "output shape");
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&b, 1, (dnnl_dims_t){s->out_c}, dnnl_f32, dnnl_a),
             "bias shape");
    dnnl_dims_t dims;
    memcpy(dims, given.dims, sizeof dims);
    if (s->groups == 1) { /* the grouped form would keep oneDNN from its best kernels */
        memmove(dims, dims + 1, 4 * sizeof dims[0]);
        dnnl_dims_t strides;
        memcpy(strides, given.format_desc.blocking.strides + 1, 4 * sizeof strides[0]);
        DNNL_TRY(dnnl_memory_desc_init_by_strides(&given, 4, dims, dnnl_f32, strides), "weights");
    }
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&any, s->groups == 1 ? 4 : 5, dims, dnnl_f32,
                                          dnnl_format_tag_any), "weight shape");
    dnnl_convolution_desc_t desc;
    DNNL_TRY(dnnl_dilated_convolution_forward_desc_init(
                 &desc, dnnl_forward_inference, dnnl_convolution_direct, &x, &any,
                 bias != NULL ? &b : NULL, &y, (dnnl_dims_t){s->stride_h, s->stride_w},
                 (dnnl_dims_t){s->dilation_h - 1, s->dilation_w - 1},
                 (dnnl_dims_t){s->pad_top, s->pad_left},
                 (dnnl_dims_t){s->pad_bottom, s->pad_right}),
             "convolution shape");
    return layer_finish(layer, &desc, activation, &given, weights, bias);
}

stk_status stk_dnnl_conv_create(stk_dnnl_layer **layer, const stk_conv_shape *shape,
                                stk_conv_weights layout, const float *weights, const float *bias,
                                stk_activation activation) {
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    stk_status status = layer_begin(layer);
    if (status == STK_OK) status = conv_build(*layer, shape, layout, weights, bias, activation);
    if (status != STK_OK) stk_dnnl_layer_free(layer);
    omp_set_num_threads(threads);
    return status;
}

static stk_status inner_build(stk_dnnl_layer *layer, const int rows_in_out[3], const float *weights,
                              const float *bias, stk_activation activation) {
    const dnnl_dim_t rows = rows_in_out[0], in = rows_in_out[1], out = rows_in_out[2];
    dnnl_memory_desc_t x, y, any, b, given;
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&x, 2, (dnnl_dims_t){rows, in}, dnnl_f32, dnnl_ab),
             "input shape");
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&y, 2, (dnnl_dims_t){rows, out}, dnnl_f32, dnnl_ab),
             "output shape");
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&given, 2, (dnnl_dims_t){out, in}, dnnl_f32, dnnl_ab),
             "weights");
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&any, 2, (dnnl_dims_t){out, in}, dnnl_f32,
                                          dnnl_format_tag_any), "weight shape");
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&b, 1, (dnnl_dims_t){out}, dnnl_f32, dnnl_a),
             "bias shape");
    dnnl_inner_product_desc_t desc;
    DNNL_TRY(dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &x, &any,
                                                  bias != NULL ? &b : NULL, &y),
             "inner product shape");
    return layer_finish(layer, &desc, activation, &given, weights, bias);
}

stk_status stk_dnnl_inner_create(stk_dnnl_layer **layer, int rows, int in, int out,
                                 const float *weights, const float *bias,
                                 stk_activation activation) {
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    stk_status status = layer_begin(layer);
    if (status == STK_OK)
        status = inner_build(*layer, (int[]){rows, in, out}, weights, bias, activation);
    if (status != STK_OK) stk_dnnl_layer_free(layer);
    omp_set_num_threads(threads);
    return status;
}

stk_status stk_dnnl_layer_run(stk_dnnl_layer *layer, const float *x, float *y) {
    int threads = omp_get_max_threads();
    if (threads != 1) omp_set_num_threads(1);
    dnnl_status_t status = dnnl_memory_set_data_handle(layer->x, (void *)(uintptr_t)x);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(layer->y, y);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(layer->primitive, layer->stream, layer->arg_count,
                                        layer->args);
    if (status == dnnl_success) status = dnnl_stream_wait(layer->stream);
    if (threads != 1) omp_set_num_threads(threads);
    return check(status, "running a layer");
}

const char *stk_dnnl_layer_kernel(const stk_dnnl_layer *layer) { return layer->kernel; }
