/* stack.c - registration, memory and the forward pass of stack.h. */
#include "nn/stack.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double NORM_EPSILON = 1e-5;
static const double RUNNING_SHARE = 0.1; /* how far a batch moves the running statistics */

void stk_stack_block_size(const stk_stack_block *b, int *h, int *w) {
    const int up = b->up ? 2 : 1;
    *h = (b->in_h * up + 2 * b->pad - b->kernel_h) / b->stride_h + 1;
    *w = (b->in_w * up + 2 * b->pad - b->kernel_w) / b->stride_w + 1;
}

stk_conv_shape stk_stack_conv_shape(const stk_stack_block *b, int batch) {
    stk_conv_shape shape = {
        .batch = batch,
        .in_h = b->in_h * (b->up ? 2 : 1),
        .in_w = b->in_w * (b->up ? 2 : 1),
        .in_c = b->in_c,
        .out_c = b->out_c,
        .kernel_h = b->kernel_h,
        .kernel_w = b->kernel_w,
        .stride_h = b->stride_h,
        .stride_w = b->stride_w,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = b->pad,
        .pad_left = b->pad,
        .pad_bottom = b->pad,
        .pad_right = b->pad,
        .groups = 1,
    };
    stk_stack_block_size(b, &shape.out_h, &shape.out_w);
    return shape;
}

/* --- parameters ------------------------------------------------------------------------------- */

static stk_status add(stk_stack *stack, const char *prefix, int i, const char *name,
                      stk_param_group group, int *index) {
    const stk_stack_block *b = &stack->blocks[i];
    const int shape[] = {b->out_c, b->in_c, b->kernel_h, b->kernel_w};
    char full[64];
    snprintf(full, sizeof full, "%s%d.conv_block.%s", prefix, i, name);
    return stk_params_add(stack->params, full, group, index == &stack->layer[i].weight ? 4 : 1,
                          shape, index);
}

static stk_status register_layer(stk_stack *stack, const char *prefix, int i) {
    const stk_stack_block *b = &stack->blocks[i];
    stk_stack_layer *l = &stack->layer[i];
    stk_stack_block_size(b, &l->out_h, &l->out_w);
    l->rows = (size_t)l->out_h * (size_t)l->out_w;
    l->in_floats = (size_t)b->in_h * (size_t)b->in_w * (size_t)b->in_c;
    l->out_floats = l->rows * (size_t)b->out_c;
    l->wide_floats = b->up ? 4 * l->in_floats : 0;
    l->gain = l->shift = l->mean = l->variance = -1;
    if (b->out_c > STK_LAYER_CHANNELS || l->rows == 0 ||
        (b->residual && l->in_floats != l->out_floats) ||
        (i > 0 && l->in_floats != stack->layer[i - 1].out_floats))
        return stk_fail(STK_ERR_ARGUMENT, "block %s%d does not fit its neighbours", prefix, i);
    STK_TRY(add(stack, prefix, i, "0.weight", STK_GROUP_NET, &l->weight));
    STK_TRY(add(stack, prefix, i, "0.bias", b->norm ? STK_GROUP_FROZEN : STK_GROUP_NET, &l->bias));
    if (!b->norm) return STK_OK;
    STK_TRY(add(stack, prefix, i, "1.weight", STK_GROUP_NET, &l->gain));
    STK_TRY(add(stack, prefix, i, "1.bias", STK_GROUP_NET, &l->shift));
    STK_TRY(add(stack, prefix, i, "1.running_mean", STK_GROUP_FROZEN, &l->mean));
    return add(stack, prefix, i, "1.running_var", STK_GROUP_FROZEN, &l->variance);
}

stk_status stk_stack_register(stk_stack *stack, stk_params *params, const char *prefix,
                              const stk_stack_block *blocks, int n) {
    *stack = (stk_stack){.blocks = blocks, .n = n, .params = params};
    if (n < 1 || n > STK_STACK_BLOCKS)
        return stk_fail(STK_ERR_ARGUMENT, "%s: %d blocks, not 1 to %d", prefix, n,
                        STK_STACK_BLOCKS);
    for (int i = 0; i < n; i++) STK_TRY(register_layer(stack, prefix, i));
    return STK_OK;
}

static void fill(stk_params *params, int index, float value) {
    float *v = stk_params_value(params, index);
    for (size_t i = 0; i < params->list[index].count; i++) v[i] = value;
}

void stk_stack_init(stk_stack *stack, stk_rng *rng) {
    for (int i = 0; i < stack->n; i++) {
        const stk_stack_block *b = &stack->blocks[i];
        const stk_stack_layer *l = &stack->layer[i];
        const double fan_in = (double)b->in_c * b->kernel_h * b->kernel_w;
        stk_params_fill_normal(stack->params, l->weight,
                               (float)sqrt((b->relu ? 2.0 : 1.0) / fan_in), rng);
        if (!b->norm) continue;
        fill(stack->params, l->gain, 1.0f);
        fill(stack->params, l->variance, 1.0f);
    }
}

double stk_stack_cost(const stk_stack *stack) {
    double sum = 0;
    for (int i = 0; i < stack->n; i++) {
        const stk_stack_block *b = &stack->blocks[i];
        sum += (double)stack->layer[i].out_floats * b->in_c * b->kernel_h * b->kernel_w;
    }
    return sum;
}

/* --- memory ----------------------------------------------------------------------------------- */

static float *floats(size_t count) {
    return stk_calloc_aligned(count, sizeof(float));
}

static stk_status open_layer(stk_stack *stack, int i, const stk_stack_options *options) {
    const stk_stack_block *b = &stack->blocks[i];
    stk_stack_layer *l = &stack->layer[i];
    const size_t batch = (size_t)stack->tasks * (size_t)stack->micro, c = (size_t)b->out_c;
    l->z = floats(batch * l->out_floats);
    l->y = floats(batch * l->out_floats);
    l->used = floats(4 * c);
    l->spread = floats(3 * c);
    l->sums = stk_calloc_aligned((size_t)stack->tasks * 2 * c, sizeof *l->sums);
    if (b->up) l->wide = floats(batch * l->wide_floats);
    if (l->z == NULL || l->y == NULL || l->used == NULL || l->spread == NULL || l->sums == NULL ||
        (b->up && l->wide == NULL))
        return stk_fail_memory("network layer");
    const stk_conv_shape shape = stk_stack_conv_shape(b, stack->micro);
    const stk_conv_options conv = {options->tasks, i > 0 || options->want_dx, options->bf16};
    return stk_conv_train_create(&l->conv, &shape, &conv);
}

static stk_status open_all(stk_stack *stack, const stk_stack_options *options) {
    size_t largest = 0;
    for (int i = 0; i < stack->n; i++) {
        const stk_stack_layer *l = &stack->layer[i];
        const size_t sizes[] = {l->in_floats, l->out_floats, l->wide_floats};
        for (size_t k = 0; k < STK_ARRAY_SIZE(sizes); k++)
            if (sizes[k] > largest) largest = sizes[k];
        STK_TRY(open_layer(stack, i, options));
    }
    for (int k = 0; k < 3; k++) {
        stack->gradient[k] = floats((size_t)stack->tasks * (size_t)stack->micro * largest);
        if (stack->gradient[k] == NULL) return stk_fail_memory("gradients");
    }
    return STK_OK;
}

stk_status stk_stack_open(stk_stack *stack, stk_pool *pool, const stk_stack_options *options) {
    if (options->tasks < 1 || options->tasks > STK_STACK_TASKS || options->micro < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a batch of %d x %d is not possible", options->tasks,
                        options->micro);
    stack->pool = pool;
    stack->tasks = options->tasks;
    stack->micro = options->micro;
    stack->want_dx = options->want_dx;
    stk_layer_kernels_init(&stack->kernels);
    stk_status status = open_all(stack, options);
    if (status != STK_OK) stk_stack_close(stack);
    return status;
}

void stk_stack_close(stk_stack *stack) {
    for (int i = 0; i < stack->n; i++) {
        stk_stack_layer *l = &stack->layer[i];
        stk_conv_train_free(&l->conv);
        stk_free(l->wide);
        stk_free(l->z);
        stk_free(l->y);
        stk_free(l->used);
        stk_free(l->spread);
        stk_free(l->sums);
        l->wide = l->z = l->y = l->used = l->spread = NULL;
        l->sums = NULL;
    }
    for (int k = 0; k < 3; k++) {
        stk_free(stack->gradient[k]);
        stack->gradient[k] = NULL;
    }
}

/* --- forward ---------------------------------------------------------------------------------- */

/* Runs fn over the tasks; a failure of any is the caller's. */
static stk_status run(stk_stack *stack, int tasks, stk_pool_fn fn) {
    for (int i = 0; i < STK_STACK_TASKS; i++) stack->status[i] = STK_OK;
    stk_pool_run(stack->pool, tasks, fn, stack);
    for (int i = 0; i < STK_STACK_TASKS; i++)
        if (stack->status[i] != STK_OK)
            return stk_fail(stack->status[i], "a network layer could not be computed");
    return STK_OK;
}

static void load_task(void *context, int task, int worker) {
    stk_stack *stack = context;
    (void)worker;
    stack->status[task] = stk_conv_train_load(
        stack->layer[task].conv, stk_params_value(stack->params, stack->layer[task].weight));
}

stk_status stk_stack_load(stk_stack *stack) {
    return run(stack, stack->n, load_task);
}

/* The doubled picture: [h][w][c] -> [2h][2w][c]. */
static void widen(const stk_stack_block *b, const float *x, float *wide) {
    const size_t c = (size_t)b->in_c, row = 2 * (size_t)b->in_w * c;
    for (int i = 0; i < b->in_h; i++, wide += 2 * row) {
        for (int j = 0; j < b->in_w; j++, x += c) {
            memcpy(wide + 2 * (size_t)j * c, x, c * sizeof *x);
            memcpy(wide + (2 * (size_t)j + 1) * c, x, c * sizeof *x);
        }
        memcpy(wide + row, wide, row * sizeof *wide);
    }
}

const float *stk_stack_output(const stk_stack *stack) {
    return stack->layer[stack->n - 1].y;
}

static const float *input_of(const stk_stack *stack, int i) {
    return i > 0 ? stack->layer[i - 1].y : stack->x;
}

/* y of block i for one task, from z and the statistics. */
static void finish_block(stk_stack *stack, int i, int task) {
    const stk_stack_block *b = &stack->blocks[i];
    const stk_stack_layer *l = &stack->layer[i];
    const size_t first = (size_t)task * (size_t)stack->micro, at = first * l->out_floats;
    stack->kernels.apply(
        l->rows * (size_t)stack->micro, b->out_c, l->z + at, l->used, l->used + b->out_c,
        b->residual ? input_of(stack, i) + first * l->in_floats : NULL, b->relu, l->y + at);
}

/* Ends the block before and convolves this one. */
static void forward_task(void *context, int task, int worker) {
    stk_stack *stack = context;
    const int i = stack->at;
    const size_t micro = (size_t)stack->micro, first = (size_t)task * micro;
    (void)worker;
    if (i > 0) finish_block(stack, i - 1, task);
    if (i == stack->n) return;
    const stk_stack_block *b = &stack->blocks[i];
    stk_stack_layer *l = &stack->layer[i];
    const float *x = input_of(stack, i) + first * l->in_floats;
    if (b->up) {
        float *wide = l->wide + first * l->wide_floats;
        for (size_t p = 0; p < micro; p++)
            widen(b, x + p * l->in_floats, wide + p * l->wide_floats);
        x = wide;
    }
    float *z = l->z + first * l->out_floats;
    stack->status[task] = stk_conv_train_forward(l->conv, task, x, z);
    if (!stack->train || !b->norm) return;
    double *sums = l->sums + (size_t)task * 2 * (size_t)b->out_c;
    stack->kernels.moments(l->rows * micro, b->out_c, z, stk_params_value(stack->params, l->mean),
                           sums, sums + b->out_c);
}

/* Mean and variance of channel k over the batch. */
static void batch_moments(const stk_stack *stack, int i, int k, double *mean, double *variance) {
    const stk_stack_layer *l = &stack->layer[i];
    const int c = stack->blocks[i].out_c;
    const double count = (double)l->rows * stack->micro * stack->tasks;
    const double about = (double)stk_params_value(stack->params, l->mean)[k];
    double sum = 0, square = 0;
    for (int t = 0; t < stack->tasks; t++) {
        sum += l->sums[(size_t)t * 2 * (size_t)c + (size_t)k];
        square += l->sums[((size_t)t * 2 + 1) * (size_t)c + (size_t)k];
    }
    *mean = sum / count;
    *variance = square / count - (*mean - about) * (*mean - about);
    if (*variance < 0) *variance = 0;
}

/* What `apply` and the backward pass need of block i's norm. */
static void settle(stk_stack *stack, int i) {
    const stk_stack_block *b = &stack->blocks[i];
    const stk_stack_layer *l = &stack->layer[i];
    stk_params *params = stack->params;
    const int c = b->out_c;
    float *scale = l->used, *shift = scale + c, *centre = shift + c, *root = centre + c;
    const double count = (double)l->rows * stack->micro * stack->tasks;
    for (int k = 0; k < c; k++) {
        if (!b->norm) {
            scale[k] = root[k] = 1.0f;
            shift[k] = stk_params_value(params, l->bias)[k];
            continue;
        }
        float *running_mean = stk_params_value(params, l->mean) + k;
        float *running_variance = stk_params_value(params, l->variance) + k;
        double mean = (double)*running_mean, variance = (double)*running_variance;
        if (stack->train) {
            batch_moments(stack, i, k, &mean, &variance);
            const double unbiased = variance * count / (count > 1 ? count - 1 : 1);
            *running_mean += (float)(RUNNING_SHARE * (mean - (double)*running_mean));
            *running_variance += (float)(RUNNING_SHARE * (unbiased - (double)*running_variance));
        }
        const double inverse = 1.0 / sqrt(variance + NORM_EPSILON);
        const double gain = (double)stk_params_value(params, l->gain)[k];
        scale[k] = (float)(gain * inverse);
        shift[k] = (float)((double)stk_params_value(params, l->shift)[k] - gain * inverse * mean);
        centre[k] = (float)mean;
        root[k] = (float)inverse;
    }
}

stk_status stk_stack_forward(stk_stack *stack, const float *x, int train) {
    stack->x = x;
    stack->train = train;
    for (stack->at = 0; stack->at <= stack->n; stack->at++) {
        STK_TRY(run(stack, stack->tasks, forward_task));
        if (stack->at < stack->n) settle(stack, stack->at);
    }
    return STK_OK;
}
