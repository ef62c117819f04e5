/* conv_train.c - wraps oneDNN 2.x convolutions for training. See conv_train.h.
 *
 * Tensors are plain NHWC; weights and their gradients lie in the layout that each kernel asks for,
 * between which and [Co][Ci][kh][kw] reorders go once a step. The three primitives are shared by
 * the tasks, memory objects and scratch are one set a task.
 */
#include "nn/conv_train.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/layer.h"

#include <oneapi/dnnl/dnnl.h>
#include <string.h>

/* libgomp's, which Debian's libdnnl is linked with; the thread count is per calling thread. */
extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int threads);

enum { FORWARD, DATA, WEIGHTS, PASSES };

typedef struct task_memory {
    dnnl_stream_t stream;
    dnnl_memory_t x, z, dx, dz, dw, scratch[PASSES];
    uint16_t *half_x, *half_dz; /* bf16 only: rounded */
} task_memory;

struct stk_conv_train {
    stk_conv_shape shape;
    stk_conv_options options;
    dnnl_data_type_t type; /* of x, w and dz for the kernels */
    size_t x_floats, z_floats;
    stk_layer_kernels kernels;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t desc[PASSES];
    dnnl_primitive_t primitive[PASSES];
    dnnl_memory_t weights[2]; /* as FORWARD and as DATA want them */
    dnnl_memory_t plain;      /* [Co][Ci][kh][kw], a view of the caller's */
    dnnl_primitive_t load[2], unload;
    task_memory *task;
    dnnl_stream_t stream;
};

static stk_status check(dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return STK_OK;
    if (status == dnnl_out_of_memory) return stk_fail_memory(what);
    return stk_fail(status == dnnl_invalid_arguments ? STK_ERR_ARGUMENT : STK_ERR_UNSUPPORTED,
                    "oneDNN: %s failed with status %d", what, (int)status);
}

#define DNNL_TRY(expr, what) STK_TRY(check((expr), (what)))

static const dnnl_memory_desc_t *query(const stk_conv_train *conv, int pass, dnnl_query_t what) {
    return dnnl_primitive_desc_query_md(conv->desc[pass], what, 0);
}

/* --- creation --------------------------------------------------------------------------------- */

typedef struct shapes {
    dnnl_memory_desc_t x, z, w;   /* as the kernels read them */
    dnnl_memory_desc_t dx, y, dw; /* as they write them: float32 */
    dnnl_memory_desc_t plain;
} shapes;

static stk_status describe(const stk_conv_train *conv, shapes *d) {
    const stk_conv_shape *s = &conv->shape;
    const dnnl_dims_t w = {s->out_c, s->in_c, s->kernel_h, s->kernel_w};
    const dnnl_dims_t x = {s->batch, s->in_c, s->in_h, s->in_w};
    const dnnl_dims_t z = {s->batch, s->out_c, s->out_h, s->out_w};
    const struct {
        dnnl_memory_desc_t *desc;
        const dnnl_dim_t *dims;
        dnnl_data_type_t type;
        dnnl_format_tag_t tag;
    } all[] = {
        {&d->x, x, conv->type, dnnl_nhwc},
        {&d->z, z, conv->type, dnnl_nhwc},
        {&d->w, w, conv->type, dnnl_format_tag_any},
        {&d->dx, x, dnnl_f32, dnnl_nhwc},
        {&d->y, z, dnnl_f32, dnnl_nhwc},
        {&d->dw, w, dnnl_f32, dnnl_format_tag_any},
        {&d->plain, w, dnnl_f32, dnnl_oihw},
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(all); i++)
        DNNL_TRY(dnnl_memory_desc_init_by_tag(all[i].desc, 4, all[i].dims, all[i].type, all[i].tag),
                 "tensor shape");
    return STK_OK;
}

static stk_status create_pass(stk_conv_train *conv, int pass, const void *op) {
    dnnl_primitive_attr_t attributes = NULL;
    DNNL_TRY(dnnl_primitive_attr_create(&attributes), "attributes");
    dnnl_status_t status =
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&conv->desc[pass], op, attributes, conv->engine,
                                            pass == FORWARD ? NULL : conv->desc[FORWARD]);
    dnnl_primitive_attr_destroy(attributes);
    DNNL_TRY(status, "convolution");
    return check(dnnl_primitive_create(&conv->primitive[pass], conv->desc[pass]), "convolution");
}

static stk_status create_passes(stk_conv_train *conv, const shapes *d) {
    const stk_conv_shape *s = &conv->shape;
    const dnnl_dims_t stride = {s->stride_h, s->stride_w}, before = {s->pad_top, s->pad_left};
    const dnnl_dims_t after = {s->pad_bottom, s->pad_right};
    dnnl_convolution_desc_t op;
    DNNL_TRY(dnnl_convolution_forward_desc_init(&op, dnnl_forward_training, dnnl_convolution_direct,
                                                &d->x, &d->w, NULL, &d->y, stride, before, after),
             "convolution shape");
    STK_TRY(create_pass(conv, FORWARD, &op));
    DNNL_TRY(dnnl_convolution_backward_weights_desc_init(
                 &op, dnnl_convolution_direct, &d->x, &d->dw, NULL, &d->z, stride, before, after),
             "convolution shape");
    STK_TRY(create_pass(conv, WEIGHTS, &op));
    if (!conv->options.want_dx) return STK_OK;
    DNNL_TRY(dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, &d->dx, &d->w,
                                                      &d->z, stride, before, after),
             "convolution shape");
    return create_pass(conv, DATA, &op);
}

static void free_passes(stk_conv_train *conv) {
    for (int pass = 0; pass < PASSES; pass++) {
        if (conv->primitive[pass] != NULL) dnnl_primitive_destroy(conv->primitive[pass]);
        if (conv->desc[pass] != NULL) dnnl_primitive_desc_destroy(conv->desc[pass]);
        conv->primitive[pass] = NULL;
        conv->desc[pass] = NULL;
    }
}

/* Did every pass get a kernel worth having? */
static int has_kernels(const stk_conv_train *conv) {
    const char *names[PASSES];
    stk_conv_train_kernels(conv, names);
    for (int pass = 0; pass < PASSES; pass++)
        if (strncmp(names[pass], "ref", 3) == 0 || strncmp(names[pass], "gemm", 4) == 0) return 0;
    return 1;
}

/* The passes in bfloat16 where that is asked for, fast and possible; else in float32. */
static stk_status choose_passes(stk_conv_train *conv, shapes *d) {
    const int fast = (stk_cpu_flags() & (STK_CPU_AVX512BF16 | STK_CPU_AMX)) != 0;
    if (conv->options.bf16 && fast) {
        conv->type = dnnl_bf16;
        STK_TRY(describe(conv, d));
        if (create_passes(conv, d) == STK_OK && has_kernels(conv)) return STK_OK;
        free_passes(conv);
    }
    conv->type = dnnl_f32;
    STK_TRY(describe(conv, d));
    return create_passes(conv, d);
}

static stk_status create_reorder(stk_conv_train *conv, const dnnl_memory_desc_t *from,
                                 const dnnl_memory_desc_t *to, dnnl_primitive_t *reorder) {
    dnnl_primitive_desc_t desc = NULL;
    DNNL_TRY(dnnl_reorder_primitive_desc_create(&desc, from, conv->engine, to, conv->engine, NULL),
             "weight reorder");
    dnnl_status_t status = dnnl_primitive_create(reorder, desc);
    dnnl_primitive_desc_destroy(desc);
    return check(status, "weight reorder");
}

static stk_status create_weights(stk_conv_train *conv, const dnnl_memory_desc_t *plain) {
    DNNL_TRY(dnnl_memory_create(&conv->plain, plain, conv->engine, DNNL_MEMORY_NONE), "weights");
    for (int pass = FORWARD; pass <= DATA; pass++) {
        if (conv->desc[pass] == NULL) continue;
        const dnnl_memory_desc_t *wanted = query(conv, pass, dnnl_query_weights_md);
        DNNL_TRY(
            dnnl_memory_create(&conv->weights[pass], wanted, conv->engine, DNNL_MEMORY_ALLOCATE),
            "weights");
        STK_TRY(create_reorder(conv, plain, wanted, &conv->load[pass]));
    }
    return create_reorder(conv, query(conv, WEIGHTS, dnnl_query_diff_weights_md), plain,
                          &conv->unload);
}

static stk_status create_task(stk_conv_train *conv, const shapes *d, task_memory *t) {
    dnnl_engine_t engine = conv->engine;
    DNNL_TRY(dnnl_stream_create(&t->stream, engine, dnnl_stream_default_flags), "stream");
    DNNL_TRY(dnnl_memory_create(&t->x, &d->x, engine, DNNL_MEMORY_NONE), "input");
    DNNL_TRY(dnnl_memory_create(&t->dx, &d->dx, engine, DNNL_MEMORY_NONE), "input");
    DNNL_TRY(dnnl_memory_create(&t->z, &d->y, engine, DNNL_MEMORY_NONE), "output");
    DNNL_TRY(dnnl_memory_create(&t->dz, &d->z, engine, DNNL_MEMORY_NONE), "output");
    DNNL_TRY(dnnl_memory_create(&t->dw, query(conv, WEIGHTS, dnnl_query_diff_weights_md), engine,
                                DNNL_MEMORY_ALLOCATE),
             "weight gradient");
    for (int pass = 0; pass < PASSES; pass++)
        if (conv->desc[pass] != NULL)
            DNNL_TRY(dnnl_memory_create(&t->scratch[pass],
                                        query(conv, pass, dnnl_query_scratchpad_md), engine,
                                        DNNL_MEMORY_ALLOCATE),
                     "scratch");
    if (conv->type == dnnl_f32) return STK_OK;
    t->half_x = stk_calloc_aligned(conv->x_floats, sizeof *t->half_x);
    t->half_dz = stk_calloc_aligned(conv->z_floats, sizeof *t->half_dz);
    return t->half_x != NULL && t->half_dz != NULL ? STK_OK : stk_fail_memory("rounded tensors");
}

static stk_status build(stk_conv_train *conv) {
    shapes d;
    DNNL_TRY(dnnl_engine_create(&conv->engine, dnnl_cpu, 0), "engine");
    DNNL_TRY(dnnl_stream_create(&conv->stream, conv->engine, dnnl_stream_default_flags), "stream");
    STK_TRY(choose_passes(conv, &d));
    STK_TRY(create_weights(conv, &d.plain));
    for (int i = 0; i < conv->options.tasks; i++) STK_TRY(create_task(conv, &d, &conv->task[i]));
    return STK_OK;
}

stk_status stk_conv_train_create(stk_conv_train **out, const stk_conv_shape *shape,
                                 const stk_conv_options *options) {
    stk_conv_train *conv = stk_calloc_aligned(1, sizeof *conv);
    *out = NULL;
    if (conv == NULL) return stk_fail_memory("convolution");
    *conv = (stk_conv_train){.shape = *shape, .options = *options};
    conv->x_floats =
        (size_t)shape->batch * (size_t)shape->in_h * (size_t)shape->in_w * (size_t)shape->in_c;
    conv->z_floats =
        (size_t)shape->batch * (size_t)shape->out_h * (size_t)shape->out_w * (size_t)shape->out_c;
    stk_layer_kernels_init(&conv->kernels);
    conv->task = stk_calloc_aligned((size_t)options->tasks, sizeof *conv->task);
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    stk_status status = conv->task != NULL ? build(conv) : stk_fail_memory("convolution");
    omp_set_num_threads(threads);
    if (status != STK_OK) stk_conv_train_free(&conv);
    *out = conv;
    return status;
}

static void free_task(task_memory *t) {
    dnnl_memory_t memories[] = {t->x,  t->z,          t->dx,         t->dz,
                                t->dw, t->scratch[0], t->scratch[1], t->scratch[2]};
    for (size_t i = 0; i < STK_ARRAY_SIZE(memories); i++)
        if (memories[i] != NULL) dnnl_memory_destroy(memories[i]);
    if (t->stream != NULL) dnnl_stream_destroy(t->stream);
    stk_free(t->half_x);
    stk_free(t->half_dz);
}

void stk_conv_train_free(stk_conv_train **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_conv_train *conv = *handle;
    for (int i = 0; conv->task != NULL && i < conv->options.tasks; i++) free_task(&conv->task[i]);
    free_passes(conv);
    for (int i = 0; i < 2; i++) {
        if (conv->load[i] != NULL) dnnl_primitive_destroy(conv->load[i]);
        if (conv->weights[i] != NULL) dnnl_memory_destroy(conv->weights[i]);
    }
    if (conv->unload != NULL) dnnl_primitive_destroy(conv->unload);
    if (conv->plain != NULL) dnnl_memory_destroy(conv->plain);
    if (conv->stream != NULL) dnnl_stream_destroy(conv->stream);
    if (conv->engine != NULL) dnnl_engine_destroy(conv->engine);
    stk_free(conv->task);
    stk_free(conv);
    *handle = NULL;
}

/* --- use -------------------------------------------------------------------------------------- */

/* Runs on the calling thread alone. */
static stk_status execute(dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                          const dnnl_exec_arg_t *args) {
    const int threads = omp_get_max_threads();
    if (threads != 1) omp_set_num_threads(1);
    dnnl_status_t status = dnnl_primitive_execute(primitive, stream, count, args);
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    if (threads != 1) omp_set_num_threads(threads);
    return check(status, "running a convolution");
}

static stk_status point(dnnl_memory_t memory, const void *data) {
    return check(dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data), "tensor");
}

static stk_status reorder(stk_conv_train *conv, dnnl_primitive_t primitive, dnnl_memory_t from,
                          dnnl_memory_t to) {
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    return execute(primitive, conv->stream, 2, args);
}

stk_status stk_conv_train_load(stk_conv_train *conv, const float *weights) {
    STK_TRY(point(conv->plain, weights));
    STK_TRY(reorder(conv, conv->load[FORWARD], conv->plain, conv->weights[FORWARD]));
    if (conv->load[DATA] == NULL) return STK_OK;
    return reorder(conv, conv->load[DATA], conv->plain, conv->weights[DATA]);
}

stk_status stk_conv_train_forward(stk_conv_train *conv, int task, const float *x, float *z) {
    task_memory *t = &conv->task[task];
    if (t->half_x != NULL) conv->kernels.halve(conv->x_floats, x, t->half_x);
    STK_TRY(point(t->x, t->half_x != NULL ? (const void *)t->half_x : x));
    STK_TRY(point(t->z, z));
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, t->x},
                                    {DNNL_ARG_DST, t->z},
                                    {DNNL_ARG_WEIGHTS, conv->weights[FORWARD]},
                                    {DNNL_ARG_SCRATCHPAD, t->scratch[FORWARD]}};
    return execute(conv->primitive[FORWARD], t->stream, 4, args);
}

stk_status stk_conv_train_backward(stk_conv_train *conv, int task, const float *x, const float *dz,
                                   float *dx) {
    task_memory *t = &conv->task[task];
    if (t->half_dz != NULL) conv->kernels.halve(conv->z_floats, dz, t->half_dz);
    STK_TRY(point(t->x, t->half_x != NULL ? (const void *)t->half_x : x));
    STK_TRY(point(t->dz, t->half_dz != NULL ? (const void *)t->half_dz : dz));
    const dnnl_exec_arg_t weights[] = {{DNNL_ARG_SRC, t->x},
                                       {DNNL_ARG_DIFF_DST, t->dz},
                                       {DNNL_ARG_DIFF_WEIGHTS, t->dw},
                                       {DNNL_ARG_SCRATCHPAD, t->scratch[WEIGHTS]}};
    STK_TRY(execute(conv->primitive[WEIGHTS], t->stream, 4, weights));
    if (dx == NULL) return STK_OK;
    STK_TRY(point(t->dx, dx));
    const dnnl_exec_arg_t data[] = {{DNNL_ARG_DIFF_SRC, t->dx},
                                    {DNNL_ARG_DIFF_DST, t->dz},
                                    {DNNL_ARG_WEIGHTS, conv->weights[DATA]},
                                    {DNNL_ARG_SCRATCHPAD, t->scratch[DATA]}};
    return execute(conv->primitive[DATA], t->stream, 4, data);
}

stk_status stk_conv_train_gradient(stk_conv_train *conv, float *dw) {
    const size_t n =
        dnnl_memory_desc_get_size(query(conv, WEIGHTS, dnnl_query_diff_weights_md)) / sizeof(float);
    void *sum, *next;
    DNNL_TRY(dnnl_memory_get_data_handle(conv->task[0].dw, &sum), "weight gradient");
    for (int i = 1; i < conv->options.tasks; i++) {
        DNNL_TRY(dnnl_memory_get_data_handle(conv->task[i].dw, &next), "weight gradient");
        float *restrict to = sum;
        const float *restrict from = next;
        for (size_t k = 0; k < n; k++) to[k] += from[k];
    }
    STK_TRY(point(conv->plain, dw));
    return reorder(conv, conv->unload, conv->task[0].dw, conv->plain);
}

void stk_conv_train_kernels(const stk_conv_train *conv, const char *names[3]) {
    for (int pass = 0; pass < PASSES; pass++) {
        names[pass] = "none";
        if (conv->desc[pass] != NULL)
            dnnl_primitive_desc_query(conv->desc[pass], dnnl_query_impl_info_str, 0,
                                      (void *)&names[pass]);
    }
}
