/* frozen_conv.c - a convolution with bias and ReLU over oneDNN 2.x, forward and back to its input.
 *
 * Pictures are plain NHWC, weights lie as each kernel asks for, reordered once at creation. The
 * primitives are shared by the tasks, memory objects are one set a task.
 */
#include "nn/frozen_private.h"
#include "base/memory.h"

#include <oneapi/dnnl/dnnl.h>

/* libgomp's, which Debian's libdnnl is linked with; the thread count is per calling thread. */
extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int threads);

enum { FORWARD, DATA, PASSES };

typedef struct conv_task {
    dnnl_stream_t stream;
    dnnl_memory_t from[PASSES], to[PASSES], scratch[PASSES];
} conv_task;

struct frozen_conv {
    int tasks;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t desc[PASSES];
    dnnl_primitive_t primitive[PASSES];
    dnnl_memory_t weights[PASSES], bias;
    conv_task *task;
};

typedef struct shapes {
    dnnl_memory_desc_t x, y, any, bias, plain;
} shapes;

static stk_status check(dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return STK_OK;
    if (status == dnnl_out_of_memory) return stk_fail_memory(what);
    return stk_fail(status == dnnl_invalid_arguments ? STK_ERR_ARGUMENT : STK_ERR_UNSUPPORTED,
                    "oneDNN: %s failed with status %d", what, (int)status);
}

#define DNNL_TRY(expr, what) STK_TRY(check((expr), (what)))

static stk_status describe(const stk_conv_shape *s, shapes *d) {
    const dnnl_dims_t w = {s->out_c, s->in_c, s->kernel_h, s->kernel_w}, b = {s->out_c};
    const dnnl_dims_t x = {s->batch, s->in_c, s->in_h, s->in_w};
    const dnnl_dims_t y = {s->batch, s->out_c, s->out_h, s->out_w};
    const struct {
        dnnl_memory_desc_t *desc;
        int rank;
        const dnnl_dim_t *dims;
        dnnl_format_tag_t tag;
    } all[] = {{&d->x, 4, x, dnnl_nhwc},
               {&d->y, 4, y, dnnl_nhwc},
               {&d->any, 4, w, dnnl_format_tag_any},
               {&d->bias, 1, b, dnnl_a},
               {&d->plain, 4, w, dnnl_oihw}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(all); i++)
        DNNL_TRY(dnnl_memory_desc_init_by_tag(all[i].desc, all[i].rank, all[i].dims, dnnl_f32,
                                              all[i].tag),
                 "tensor shape");
    return STK_OK;
}

static stk_status create_pass(frozen_conv *conv, int pass, const void *op) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t ops = NULL;
    DNNL_TRY(dnnl_primitive_attr_create(&attributes), "attributes");
    dnnl_status_t status =
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && pass == FORWARD) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && pass == FORWARD)
        status = dnnl_post_ops_append_eltwise(ops, 1.f, dnnl_eltwise_relu, 0.f, 0.f);
    if (status == dnnl_success && pass == FORWARD)
        status = dnnl_primitive_attr_set_post_ops(attributes, ops);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&conv->desc[pass], op, attributes, conv->engine,
                                            pass == FORWARD ? NULL : conv->desc[FORWARD]);
    if (ops != NULL) dnnl_post_ops_destroy(ops);
    dnnl_primitive_attr_destroy(attributes);
    DNNL_TRY(status, "convolution");
    return check(dnnl_primitive_create(&conv->primitive[pass], conv->desc[pass]), "convolution");
}

static stk_status create_passes(frozen_conv *conv, const stk_conv_shape *s, const shapes *d,
                                int graded) {
    const dnnl_dims_t stride = {s->stride_h, s->stride_w}, before = {s->pad_top, s->pad_left};
    const dnnl_dims_t after = {s->pad_bottom, s->pad_right};
    dnnl_convolution_desc_t op;
    DNNL_TRY(dnnl_convolution_forward_desc_init(
                 &op, graded ? dnnl_forward_training : dnnl_forward_inference,
                 dnnl_convolution_direct, &d->x, &d->any, &d->bias, &d->y, stride, before, after),
             "convolution shape");
    STK_TRY(create_pass(conv, FORWARD, &op));
    if (!graded) return STK_OK;
    DNNL_TRY(dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, &d->x, &d->any,
                                                      &d->y, stride, before, after),
             "convolution shape");
    return create_pass(conv, DATA, &op);
}

/* Copies the caller's numbers, described by `given`, into new memory laid out as `wanted`. */
static stk_status load(const frozen_conv *conv, const dnnl_memory_desc_t *given, const float *data,
                       const dnnl_memory_desc_t *wanted, dnnl_memory_t *out) {
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t source = NULL;
    DNNL_TRY(dnnl_memory_create(out, wanted, conv->engine, DNNL_MEMORY_ALLOCATE), "weights");
    dnnl_status_t status =
        dnnl_memory_create(&source, given, conv->engine, (void *)(uintptr_t)data);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&desc, given, conv->engine, wanted,
                                                    conv->engine, NULL);
    if (status == dnnl_success) status = dnnl_primitive_create(&reorder, desc);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, *out}};
    if (status == dnnl_success)
        status = dnnl_primitive_execute(reorder, conv->task[0].stream, 2, args);
    if (status == dnnl_success) status = dnnl_stream_wait(conv->task[0].stream);
    if (reorder != NULL) dnnl_primitive_destroy(reorder);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (source != NULL) dnnl_memory_destroy(source);
    return check(status, "weight reorder");
}

static stk_status create_task(const frozen_conv *conv, const shapes *d, conv_task *t) {
    DNNL_TRY(dnnl_stream_create(&t->stream, conv->engine, dnnl_stream_default_flags), "stream");
    for (int pass = 0; pass < PASSES; pass++) {
        if (conv->desc[pass] == NULL) continue;
        const dnnl_memory_desc_t *from = pass == FORWARD ? &d->x : &d->y;
        const dnnl_memory_desc_t *to = pass == FORWARD ? &d->y : &d->x;
        DNNL_TRY(dnnl_memory_create(&t->from[pass], from, conv->engine, DNNL_MEMORY_NONE), "input");
        DNNL_TRY(dnnl_memory_create(&t->to[pass], to, conv->engine, DNNL_MEMORY_NONE), "output");
        DNNL_TRY(dnnl_memory_create(
                     &t->scratch[pass],
                     dnnl_primitive_desc_query_md(conv->desc[pass], dnnl_query_scratchpad_md, 0),
                     conv->engine, DNNL_MEMORY_NONE),
                 "scratch");
    }
    return STK_OK;
}

static stk_status build(frozen_conv *conv, const stk_conv_shape *s, const float *weights,
                        const float *bias, int graded) {
    shapes d;
    STK_TRY(describe(s, &d));
    DNNL_TRY(dnnl_engine_create(&conv->engine, dnnl_cpu, 0), "engine");
    STK_TRY(create_passes(conv, s, &d, graded));
    for (int i = 0; i < conv->tasks; i++) STK_TRY(create_task(conv, &d, &conv->task[i]));
    STK_TRY(load(conv, &d.bias, bias, &d.bias, &conv->bias));
    for (int pass = 0; pass < PASSES; pass++)
        if (conv->desc[pass] != NULL)
            STK_TRY(load(conv, &d.plain, weights,
                         dnnl_primitive_desc_query_md(conv->desc[pass], dnnl_query_weights_md, 0),
                         &conv->weights[pass]));
    return STK_OK;
}

stk_status frozen_conv_create(frozen_conv **out, const stk_conv_shape *shape, const float *weights,
                              const float *bias, int tasks, int graded) {
    frozen_conv *conv = stk_calloc_aligned(1, sizeof *conv);
    *out = NULL;
    if (conv == NULL) return stk_fail_memory("convolution");
    conv->tasks = tasks;
    conv->task = stk_calloc_aligned((size_t)tasks, sizeof *conv->task);
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    stk_status status = conv->task != NULL ? build(conv, shape, weights, bias, graded)
                                           : stk_fail_memory("convolution");
    omp_set_num_threads(threads);
    if (status != STK_OK) frozen_conv_free(&conv);
    *out = conv;
    return status;
}

static void free_task(conv_task *t) {
    for (int pass = 0; pass < PASSES; pass++) {
        if (t->from[pass] != NULL) dnnl_memory_destroy(t->from[pass]);
        if (t->to[pass] != NULL) dnnl_memory_destroy(t->to[pass]);
        if (t->scratch[pass] != NULL) dnnl_memory_destroy(t->scratch[pass]);
    }
    if (t->stream != NULL) dnnl_stream_destroy(t->stream);
}

void frozen_conv_free(frozen_conv **handle) {
    if (handle == NULL || *handle == NULL) return;
    frozen_conv *conv = *handle;
    for (int i = 0; conv->task != NULL && i < conv->tasks; i++) free_task(&conv->task[i]);
    for (int pass = 0; pass < PASSES; pass++) {
        if (conv->weights[pass] != NULL) dnnl_memory_destroy(conv->weights[pass]);
        if (conv->primitive[pass] != NULL) dnnl_primitive_destroy(conv->primitive[pass]);
        if (conv->desc[pass] != NULL) dnnl_primitive_desc_destroy(conv->desc[pass]);
    }
    if (conv->bias != NULL) dnnl_memory_destroy(conv->bias);
    if (conv->engine != NULL) dnnl_engine_destroy(conv->engine);
    stk_free(conv->task);
    stk_free(conv);
    *handle = NULL;
}

size_t frozen_conv_scratch(const frozen_conv *conv) {
    size_t most = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        if (conv->desc[pass] == NULL) continue;
        const size_t bytes = dnnl_memory_desc_get_size(
            dnnl_primitive_desc_query_md(conv->desc[pass], dnnl_query_scratchpad_md, 0));
        if (bytes > most) most = bytes;
    }
    return most;
}

/* Runs on the calling thread alone. */
static stk_status execute(frozen_conv *conv, int task, int pass, const float *from, float *to,
                          void *scratch) {
    conv_task *t = &conv->task[task];
    dnnl_status_t status = dnnl_memory_set_data_handle(t->from[pass], (void *)(uintptr_t)from);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(t->to[pass], to);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(t->scratch[pass], scratch);
    const dnnl_exec_arg_t args[] = {
        {pass == FORWARD ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, t->from[pass]},
        {pass == FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, t->to[pass]},
        {DNNL_ARG_WEIGHTS, conv->weights[pass]},
        {DNNL_ARG_SCRATCHPAD, t->scratch[pass]},
        {DNNL_ARG_BIAS, conv->bias}}; /* the last: forward only */
    const int threads = omp_get_max_threads();
    if (threads != 1) omp_set_num_threads(1);
    if (status == dnnl_success)
        status =
            dnnl_primitive_execute(conv->primitive[pass], t->stream, pass == FORWARD ? 5 : 4, args);
    if (status == dnnl_success) status = dnnl_stream_wait(t->stream);
    if (threads != 1) omp_set_num_threads(threads);
    return check(status, "running a convolution");
}

stk_status frozen_conv_forward(frozen_conv *conv, int task, const float *x, float *y,
                               void *scratch) {
    return execute(conv, task, FORWARD, x, y, scratch);
}

stk_status frozen_conv_backward(frozen_conv *conv, int task, const float *dz, float *dx,
                                void *scratch) {
    return execute(conv, task, DATA, dz, dx, scratch);
}

void frozen_conv_kernels(const frozen_conv *conv, const char *names[2]) {
    for (int pass = 0; pass < PASSES; pass++) {
        names[pass] = "none";
        if (conv->desc[pass] != NULL)
            dnnl_primitive_desc_query(conv->desc[pass], dnnl_query_impl_info_str, 0,
                                      (void *)&names[pass]);
    }
}
