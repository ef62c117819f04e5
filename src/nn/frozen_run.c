/* frozen_run.c - the passes of a frozen network, forward and back. See frozen.h. */
#include "nn/frozen.h"
#include "nn/frozen_private.h"

#include <math.h>
#include <string.h>

/* --- forward ---------------------------------------------------------------------------------- */

/* The part of window number `at` along one side that lies in the picture: [from, to). */
static void window(int at, int stride, int pad, int kernel, int in, int *from, int *to) {
    const int first = at * stride - pad;
    *from = first > 0 ? first : 0;
    *to = first + kernel < in ? first + kernel : in;
}

/* One pixel of a pool: y [c] over the window rows [y0, y1) x [x0, x1). */
static void pool_pixel(const stk_frozen_layer *l, const float *x, size_t row, int c,
                       const int box[4], float *restrict y) {
    const int most = l->kind == STK_FROZEN_MAX_POOL;
    for (int k = 0; k < c; k++) y[k] = most ? -INFINITY : 0.0f;
    for (int i = box[0]; i < box[1]; i++)
        for (int j = box[2]; j < box[3]; j++) {
            const float *restrict v = x + (size_t)i * row + (size_t)j * (size_t)c;
            if (most)
                for (int k = 0; k < c; k++) y[k] = v[k] > y[k] ? v[k] : y[k];
            else
                for (int k = 0; k < c; k++) y[k] += v[k];
        }
    if (most) return;
    const float share = 1.0f / (float)((box[1] - box[0]) * (box[3] - box[2]));
    for (int k = 0; k < c; k++) y[k] *= share;
}

static void pool_forward(const stk_frozen *net, int i, const float *x, float *y) {
    const stk_frozen_layer *l = &net->settings.layers[i];
    const frozen_node *node = &net->node[i];
    int in[3], box[4];
    stk_frozen_shape(net, l->from[0], in);
    const size_t row = (size_t)in[1] * (size_t)in[2];
    for (int p = 0; p < net->settings.micro; p++, x += (size_t)in[0] * row)
        for (int a = 0; a < node->h; a++) {
            window(a, l->stride, l->pad_h, l->kernel_h, in[0], &box[0], &box[1]);
            for (int b = 0; b < node->w; b++, y += node->c) {
                window(b, l->stride, l->pad_w, l->kernel_w, in[1], &box[2], &box[3]);
                pool_pixel(l, x, row, node->c, box, y);
            }
        }
}

/* Copies between a source [pixels][c] and its place among the joined channels [pixels][all]. */
static void copy_channels(size_t pixels, int c, const float *from, int from_step, float *to,
                          int to_step) {
    for (size_t p = 0; p < pixels; p++, from += from_step, to += to_step)
        memcpy(to, from, (size_t)c * sizeof *to);
}

static size_t pixels_of(const stk_frozen *net, int layer) {
    return (size_t)net->settings.micro * (size_t)net->node[layer].h * (size_t)net->node[layer].w;
}

static const float *source_of(const stk_frozen *net, int task, int source) {
    const frozen_task *t = &net->task[task];
    return source == STK_FROZEN_INPUT ? t->input : t->y[source];
}

static void join_forward(const stk_frozen *net, int task, int i) {
    const stk_frozen_layer *l = &net->settings.layers[i];
    float *y = net->task[task].y[i];
    for (int k = 0; k < l->sources; k++) {
        int shape[3];
        stk_frozen_shape(net, l->from[k], shape);
        copy_channels(pixels_of(net, i), shape[2], source_of(net, task, l->from[k]), shape[2], y,
                      net->node[i].c);
        y += shape[2];
    }
}

stk_status stk_frozen_forward(stk_frozen *net, int task, int first, int last) {
    frozen_task *t = &net->task[task];
    for (int i = first; i <= last; i++) {
        const stk_frozen_layer *l = &net->settings.layers[i];
        const float *x = source_of(net, task, l->from[0]);
        if (l->kind == STK_FROZEN_CONV)
            STK_TRY(frozen_conv_forward(net->node[i].conv, task, x, t->y[i], t->scratch));
        else if (l->kind == STK_FROZEN_JOIN)
            join_forward(net, task, i);
        else
            pool_forward(net, i, x, t->y[i]);
    }
    return STK_OK;
}

/* --- back ------------------------------------------------------------------------------------- */

float *stk_frozen_seed(stk_frozen *net, int task, int layer) {
    net->task[task].seeded[layer] = 1;
    return net->task[task].dy[layer];
}

/* Where a source's gradient is summed up, and whether anything is there yet; from now on there
 * is. */
static float *gradient_of(stk_frozen *net, int task, int source, int *there) {
    frozen_task *t = &net->task[task];
    uint8_t *seeded = &t->seeded[source == STK_FROZEN_INPUT ? STK_FROZEN_LAYERS : source];
    *there = *seeded;
    *seeded = 1;
    return source == STK_FROZEN_INPUT ? t->dx : t->dy[source];
}

static void add(size_t n, const float *restrict more, float *restrict sum) {
    for (size_t k = 0; k < n; k++) sum[k] += more[k];
}

static stk_status conv_backward(stk_frozen *net, int task, int i) {
    frozen_task *t = &net->task[task];
    const int source = net->settings.layers[i].from[0];
    const float *restrict y = t->y[i];
    float *restrict dz = t->dy[i];
    const size_t n = net->node[i].floats;
    for (size_t k = 0; k < n; k++) dz[k] = y[k] > 0 ? dz[k] : 0.0f;
    int there;
    float *dx = gradient_of(net, task, source, &there);
    STK_TRY(frozen_conv_backward(net->node[i].conv, task, dz, there ? t->more : dx, t->scratch));
    if (there)
        add(source == STK_FROZEN_INPUT ? net->input_floats : net->node[source].floats, t->more, dx);
    return STK_OK;
}

/* The first of the largest in each window gets the gradient. */
static void pool_pixel_back(const float *x, size_t row, int c, const int box[4], const float *y,
                            const float *dy, float *dx) {
    for (int k = 0; k < c; k++) {
        size_t at = (size_t)box[0] * row + (size_t)box[2] * (size_t)c;
        for (int i = box[1] - 1; i >= box[0]; i--)
            for (int j = box[3] - 1; j >= box[2]; j--) {
                const size_t here = (size_t)i * row + (size_t)j * (size_t)c;
                if (x[here + (size_t)k] == y[k]) at = here;
            }
        dx[at + (size_t)k] += dy[k];
    }
}

static void pool_backward(stk_frozen *net, int task, int i) {
    const stk_frozen_layer *l = &net->settings.layers[i];
    const frozen_node *node = &net->node[i];
    const frozen_task *t = &net->task[task];
    const float *x = source_of(net, task, l->from[0]), *y = t->y[i], *dy = t->dy[i];
    int in[3], box[4], there;
    stk_frozen_shape(net, l->from[0], in);
    float *dx = gradient_of(net, task, l->from[0], &there);
    const size_t row = (size_t)in[1] * (size_t)in[2], picture = (size_t)in[0] * row;
    if (!there) memset(dx, 0, (size_t)net->settings.micro * picture * sizeof *dx);
    for (int p = 0; p < net->settings.micro; p++, x += picture, dx += picture)
        for (int a = 0; a < node->h; a++) {
            window(a, l->stride, l->pad_h, l->kernel_h, in[0], &box[0], &box[1]);
            for (int b = 0; b < node->w; b++, y += node->c, dy += node->c) {
                window(b, l->stride, l->pad_w, l->kernel_w, in[1], &box[2], &box[3]);
                pool_pixel_back(x, row, node->c, box, y, dy, dx);
            }
        }
}

static void join_backward(stk_frozen *net, int task, int i) {
    const stk_frozen_layer *l = &net->settings.layers[i];
    frozen_task *t = &net->task[task];
    const float *dy = t->dy[i];
    for (int k = 0; k < l->sources; k++) {
        int shape[3], there;
        stk_frozen_shape(net, l->from[k], shape);
        float *dx = gradient_of(net, task, l->from[k], &there);
        const size_t pixels = pixels_of(net, i);
        copy_channels(pixels, shape[2], dy, net->node[i].c, there ? t->more : dx, shape[2]);
        if (there) add(pixels * (size_t)shape[2], t->more, dx);
        dy += shape[2];
    }
}

stk_status stk_frozen_backward(stk_frozen *net, int task, const float **dx) {
    frozen_task *t = &net->task[task];
    for (int i = net->settings.count - 1; i >= 0; i--) {
        if (!t->seeded[i]) continue; /* nothing depends on it */
        t->seeded[i] = 0;
        switch (net->settings.layers[i].kind) {
        case STK_FROZEN_CONV:
            STK_TRY(conv_backward(net, task, i));
            break;
        case STK_FROZEN_JOIN:
            join_backward(net, task, i);
            break;
        default:
            pool_backward(net, task, i);
        }
    }
    if (!t->seeded[STK_FROZEN_LAYERS]) memset(t->dx, 0, net->input_floats * sizeof *t->dx);
    t->seeded[STK_FROZEN_LAYERS] = 0;
    *dx = t->dx;
    return STK_OK;
}
