/* stack_backward.c - the backward pass of stack.h.
 *
 * From the last block to the first, g = dL/dy where the ReLU let y through:
 *
 *   dshift = sum g     dgain = sum g zn     zn = (z - m) r, r = 1 / sqrt(s + 1e-5)
 *   dz = gain r (g - mean g - zn mean(g zn))        means over batch and pixels
 *   dw, dx by oneDNN;  dx += g for a residual block, 2 x 2 sums for a doubled input
 *
 * Three buffers go round: g, dz and dx, which is the next block's g.
 */
#include "nn/stack.h"

static float *slice(float *buffer, const stk_stack *stack, int task, size_t floats_each) {
    return buffer + (size_t)task * (size_t)stack->micro * floats_each;
}

static void gate_task(void *context, int task, int worker) {
    stk_stack *stack = context;
    const stk_stack_block *b = &stack->blocks[stack->at];
    stk_stack_layer *l = &stack->layer[stack->at];
    double *sums = l->sums + (size_t)task * 2 * (size_t)b->out_c;
    (void)worker;
    stack->kernels.gate(
        l->rows * (size_t)stack->micro, b->out_c, slice(l->y, stack, task, l->out_floats),
        slice(l->z, stack, task, l->out_floats), l->used + 2 * b->out_c, b->relu,
        slice(stack->gradient[0], stack, task, l->out_floats), sums, sums + b->out_c);
}

/* a, b, k of dz = a g + b (z - m) + k, and the gradients of the norm. */
static void settle(stk_stack *stack, int i) {
    const stk_stack_block *b = &stack->blocks[i];
    stk_stack_layer *l = &stack->layer[i];
    stk_params *params = stack->params;
    const int c = b->out_c;
    const double count = (double)l->rows * stack->micro * stack->tasks;
    for (int k = 0; k < c; k++) {
        double g = 0, gz = 0;
        for (int t = 0; t < stack->tasks; t++) {
            g += l->sums[(size_t)t * 2 * (size_t)c + (size_t)k];
            gz += l->sums[((size_t)t * 2 + 1) * (size_t)c + (size_t)k];
        }
        const double scale = (double)l->used[k], root = (double)l->used[3 * c + k];
        l->spread[k] = l->used[k];
        l->spread[c + k] = b->norm ? (float)(-scale * root * root * gz / count) : 0.0f;
        l->spread[2 * c + k] = b->norm ? (float)(-scale * g / count) : 0.0f;
        if (b->norm) {
            stk_params_grad(params, l->shift)[k] = (float)g;
            stk_params_grad(params, l->gain)[k] = (float)(gz * root);
        } else {
            stk_params_grad(params, l->bias)[k] = (float)g;
        }
    }
}

/* [2h][2w][c] -> [h][w][c], summed; in place is fine. */
static void narrow(const stk_stack_block *b, const float *wide, float *x) {
    const int c = b->in_c, row = 2 * b->in_w * c;
    for (int i = 0; i < b->in_h; i++)
        for (int j = 0; j < b->in_w; j++, x += c) {
            const float *p = wide + (size_t)(2 * i) * (size_t)row + (size_t)(2 * j * c);
            for (int k = 0; k < c; k++) x[k] = (p[k] + p[c + k]) + (p[row + k] + p[row + c + k]);
        }
}

static void spread_task(void *context, int task, int worker) {
    stk_stack *stack = context;
    const int i = stack->at, c = stack->blocks[i].out_c;
    const stk_stack_block *b = &stack->blocks[i];
    stk_stack_layer *l = &stack->layer[i];
    const size_t micro = (size_t)stack->micro, first = (size_t)task * micro;
    const int give = i > 0 || stack->want_dx;
    const float *g = slice(stack->gradient[0], stack, task, l->out_floats);
    float *dz = slice(stack->gradient[1], stack, task, l->out_floats);
    float *dx = give ? stack->gradient[2] + first * (b->up ? l->wide_floats : l->in_floats) : NULL;
    const float *x = i > 0 ? stack->layer[i - 1].y : stack->x;
    x = b->up ? l->wide + first * l->wide_floats : x + first * l->in_floats;
    (void)worker;
    stack->kernels.spread(l->rows * micro, c, g, slice(l->z, stack, task, l->out_floats),
                          l->used + 2 * c,
                          (const float *const[]){l->spread, l->spread + c, l->spread + 2 * c}, dz);
    stack->status[task] = stk_conv_train_backward(l->conv, task, x, dz, dx);
    if (!give || !b->residual) return;
    stack->kernels.add(l->in_floats * micro, g, dx);
}

/* dx of a doubled input: from gradient[2] into gradient[1], where dz is of no more use. */
static void narrow_task(void *context, int task, int worker) {
    stk_stack *stack = context;
    const stk_stack_block *b = &stack->blocks[stack->at];
    const stk_stack_layer *l = &stack->layer[stack->at];
    (void)worker;
    for (int p = task * stack->micro; p < (task + 1) * stack->micro; p++)
        narrow(b, stack->gradient[2] + (size_t)p * l->wide_floats,
               stack->gradient[1] + (size_t)p * l->in_floats);
}

static void gradient_task(void *context, int task, int worker) {
    stk_stack *stack = context;
    stk_stack_layer *l = &stack->layer[task];
    (void)worker;
    stack->status[task] =
        stk_conv_train_gradient(l->conv, stk_params_grad(stack->params, l->weight));
}

static stk_status run(stk_stack *stack, int tasks, stk_pool_fn fn) {
    for (int i = 0; i < STK_STACK_TASKS; i++) stack->status[i] = STK_OK;
    stk_pool_run(stack->pool, tasks, fn, stack);
    for (int i = 0; i < STK_STACK_TASKS; i++)
        if (stack->status[i] != STK_OK)
            return stk_fail(stack->status[i], "a network layer's gradient could not be computed");
    return STK_OK;
}

static void swap(float **a, float **b) {
    float *keep = *a;
    *a = *b;
    *b = keep;
}

stk_status stk_stack_backward(stk_stack *stack, const float *dy, const float **dx) {
    const stk_stack_layer *last = &stack->layer[stack->n - 1];
    const size_t n = (size_t)stack->tasks * (size_t)stack->micro * last->out_floats;
    for (size_t i = 0; i < n; i++) stack->gradient[0][i] = dy[i];
    for (stack->at = stack->n - 1; stack->at >= 0; stack->at--) {
        STK_TRY(run(stack, stack->tasks, gate_task));
        settle(stack, stack->at);
        STK_TRY(run(stack, stack->tasks, spread_task));
        if (stack->blocks[stack->at].up && (stack->at > 0 || stack->want_dx)) {
            STK_TRY(run(stack, stack->tasks, narrow_task));
            swap(&stack->gradient[1], &stack->gradient[2]);
        }
        swap(&stack->gradient[0], &stack->gradient[2]);
    }
    if (dx != NULL) *dx = stack->want_dx ? stack->gradient[0] : NULL;
    return run(stack, stack->n, gradient_task);
}
