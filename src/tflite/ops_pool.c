/* ops_pool.c - pooling, MediaPipe's argmax pooling and unpooling, resizing.
 *
 * Pools ignore positions outside the input (an average divides by the positions inside). All
 * tensors are [N][H][W][C] and loops run with the channel innermost.
 */
#include "tflite/graph.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The part of an output pixel's window that lies inside the input: rows [y0,y1), columns
 * [x0,x1). */
typedef struct reach {
    int y0, y1, x0, x1, top, left; /* top, left: input position of window element (0,0) */
} reach;

static reach window_reach(const stk_tfl_window *w, const int *in_shape, int row, int col) {
    reach r = {.top = row * w->stride_h - w->pad_top, .left = col * w->stride_w - w->pad_left};
    r.y0 = r.top < 0 ? 0 : r.top;
    r.x0 = r.left < 0 ? 0 : r.left;
    r.y1 = r.top + w->kernel_h < in_shape[1] ? r.top + w->kernel_h : in_shape[1];
    r.x1 = r.left + w->kernel_w < in_shape[2] ? r.left + w->kernel_w : in_shape[2];
    return r;
}

static float *pixel(const stk_tfl_tensor *tensor, int n, int row, int col) {
    const int *s = tensor->shape;
    return tensor->data + (((size_t)n * (size_t)s[1] + (size_t)row) * (size_t)s[2] + (size_t)col) *
                              (size_t)s[3];
}

static void max_into(float *y, const float *x, int channels) {
    for (int c = 0; c < channels; c++) y[c] = x[c] > y[c] ? x[c] : y[c];
}

static void pool_pixel(const stk_tfl_op *op, int n, int row, int col) {
    const stk_tfl_tensor *in = op->in[0];
    int channels = in->shape[3], average = op->code == STK_TFL_AVERAGE_POOL;
    float *y = pixel(op->out[0], n, row, col);
    reach r = window_reach(&op->window, in->shape, row, col);
    for (int c = 0; c < channels; c++) y[c] = average ? 0 : -FLT_MAX;
    for (int i = r.y0; i < r.y1; i++)
        for (int j = r.x0; j < r.x1; j++) {
            const float *x = pixel(in, n, i, j);
            if (!average) max_into(y, x, channels);
            else
                for (int c = 0; c < channels; c++) y[c] += x[c];
        }
    if (!average) return;
    float scale = 1.f / (float)((r.y1 - r.y0) * (r.x1 - r.x0));
    for (int c = 0; c < channels; c++) y[c] *= scale;
}

static stk_status pool_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *out = op->out[0];
    for (int n = 0; n < out->shape[0]; n++)
        for (int row = 0; row < out->shape[1]; row++)
            for (int col = 0; col < out->shape[2]; col++) pool_pixel(op, n, row, col);
    stk_tfl_activate(out->data, out->count, op->activation);
    return STK_OK;
}

/* Fits the window and checks that `pooled` is the shape it gives for `whole`. */
static stk_status expect_pooled(stk_tflite *graph, stk_tfl_op *op, const stk_tfl_tensor *whole,
                                const stk_tfl_tensor *pooled, int padding) {
    int out_hw[2];
    if (whole->rank != 4) return stk_tfl_refuse(graph, op, "the input is not a picture");
    STK_TRY(stk_tfl_window_fit(graph, op, &op->window, padding, whole->shape + 1, out_hw));
    int shape[4] = {whole->shape[0], out_hw[0], out_hw[1], whole->shape[3]};
    return stk_tfl_expect_shape(graph, op, pooled, 4, shape);
}

stk_status stk_tfl_prepare_pool(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    op->window = (stk_tfl_window){
        .stride_w = stk_flat_field_i32(file, op->options, 1, 0),
        .stride_h = stk_flat_field_i32(file, op->options, 2, 0),
        .kernel_w = stk_flat_field_i32(file, op->options, 3, 0),
        .kernel_h = stk_flat_field_i32(file, op->options, 4, 0), .dilation_w = 1, .dilation_h = 1};
    STK_TRY(stk_tfl_activation(graph, op, stk_flat_field_u8(file, op->options, 5, 0)));
    op->run = pool_run;
    return expect_pooled(graph, op, op->in[0], op->out[0],
                         stk_flat_field_u8(file, op->options, 0, STK_TFL_SAME));
}

/* --- MaxPoolingWithArgmax2D, MaxUnpooling2D --------------------------------------------------- */

/* Custom options of both, int32: padding (1 same, 2 valid), stride w, h, filter w, h, ... */
static stk_status custom_window(stk_tflite *graph, stk_tfl_op *op, int *padding) {
    int32_t fields[5];
    if (op->custom_size < sizeof fields) return stk_tfl_refuse(graph, op, "options are missing");
    memcpy(fields, op->custom, sizeof fields);
    *padding = fields[0] == 1 ? STK_TFL_SAME : fields[0] == 2 ? STK_TFL_VALID : -1;
    op->window = (stk_tfl_window){.stride_w = fields[1], .stride_h = fields[2],
                                  .kernel_w = fields[3], .kernel_h = fields[4],
                                  .dilation_w = 1, .dilation_h = 1};
    return STK_OK;
}

static void argmax_pixel(const stk_tfl_op *op, int n, int row, int col) {
    const stk_tfl_tensor *in = op->in[0];
    int channels = in->shape[3];
    float *y = pixel(op->out[0], n, row, col), *where = pixel(op->out[1], n, row, col);
    reach r = window_reach(&op->window, in->shape, row, col);
    for (int c = 0; c < channels; c++) y[c] = -FLT_MAX, where[c] = 0.1f;
    for (int i = r.y0; i < r.y1; i++)
        for (int j = r.x0; j < r.x1; j++) {
            const float *x = pixel(in, n, i, j);
            /* the tenth makes truncation back to an integer safe */
            float number = (float)((i - r.top) * op->window.kernel_w + j - r.left) + 0.1f;
            for (int c = 0; c < channels; c++) {
                where[c] = x[c] > y[c] ? number : where[c];
                y[c] = x[c] > y[c] ? x[c] : y[c];
            }
        }
}

static stk_status argmax_run(const stk_tfl_op *op) {
    const int *s = op->out[0]->shape;
    for (int n = 0; n < s[0]; n++)
        for (int row = 0; row < s[1]; row++)
            for (int col = 0; col < s[2]; col++) argmax_pixel(op, n, row, col);
    return STK_OK;
}

stk_status stk_tfl_prepare_argmax_pool(stk_tflite *graph, stk_tfl_op *op) {
    int padding = -1;
    STK_TRY(stk_tfl_expect(graph, op, 1, 2));
    STK_TRY(custom_window(graph, op, &padding));
    STK_TRY(expect_pooled(graph, op, op->in[0], op->out[0], padding));
    op->run = argmax_run;
    return stk_tfl_expect_shape(graph, op, op->out[1], 4, op->out[0]->shape);
}

/* Puts every value back where the argmax pool found it; zero elsewhere. */
static stk_status unpool_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *in = op->in[0], *out = op->out[0];
    const stk_tfl_window *w = &op->window;
    int channels = in->shape[3];
    memset(out->data, 0, out->count * sizeof(float));
    for (int n = 0; n < in->shape[0]; n++)
        for (int row = 0; row < in->shape[1]; row++)
            for (int col = 0; col < in->shape[2]; col++) {
                const float *x = pixel(in, n, row, col), *where = pixel(op->in[1], n, row, col);
                for (int c = 0; c < channels; c++) {
                    int number = where[c] >= 0 && where[c] < 16777216.f ? (int)where[c] : 0;
                    int i = row * w->stride_h - w->pad_top + number / w->kernel_w;
                    int j = col * w->stride_w - w->pad_left + number % w->kernel_w;
                    if (i >= 0 && i < out->shape[1] && j >= 0 && j < out->shape[2])
                        pixel(out, n, i, j)[c] = x[c];
                }
            }
    return STK_OK;
}

stk_status stk_tfl_prepare_unpool(stk_tflite *graph, stk_tfl_op *op) {
    int padding = -1;
    STK_TRY(stk_tfl_expect(graph, op, 2, 1));
    STK_TRY(custom_window(graph, op, &padding));
    STK_TRY(expect_pooled(graph, op, op->out[0], op->in[0], padding));
    op->run = unpool_run;
    return stk_tfl_expect_shape(graph, op, op->in[1], 4, op->in[0]->shape);
}

/* --- RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR ------------------------------------------------- */

enum { ALIGN_CORNERS = 1, HALF_PIXEL = 2 };

/* Source position of target index t: (t + 0.5) in/out - 0.5, t (in-1)/(out-1), or t in/out. */
static float source_at(int t, int in, int out, int flags) {
    if ((flags & ALIGN_CORNERS) != 0 && out > 1)
        return (float)t * (float)(in - 1) / (float)(out - 1);
    float scale = (float)in / (float)out;
    return (flags & HALF_PIXEL) != 0 ? ((float)t + 0.5f) * scale - 0.5f : (float)t * scale;
}

/* The two neighbours and the weight of the second, clamped to the picture. */
static float neighbours(int t, int in, int out, int flags, int pair[2]) {
    float at = source_at(t, in, out, flags), low = floorf(at);
    int i = (int)low;
    pair[0] = i < 0 ? 0 : i >= in ? in - 1 : i;
    pair[1] = i + 1 < 0 ? 0 : i + 1 >= in ? in - 1 : i + 1;
    return at < 0 ? 0 : at - low;
}

static stk_status bilinear_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *in = op->in[0], *out = op->out[0];
    int channels = in->shape[3];
    for (int n = 0; n < out->shape[0]; n++)
        for (int row = 0; row < out->shape[1]; row++) {
            int rows[2], cols[2];
            float v = neighbours(row, in->shape[1], out->shape[1], op->flags, rows);
            for (int col = 0; col < out->shape[2]; col++) {
                float u = neighbours(col, in->shape[2], out->shape[2], op->flags, cols);
                const float *a = pixel(in, n, rows[0], cols[0]);
                const float *b = pixel(in, n, rows[0], cols[1]);
                const float *c = pixel(in, n, rows[1], cols[0]);
                const float *d = pixel(in, n, rows[1], cols[1]);
                float *y = pixel(out, n, row, col);
                float wa = (1 - v) * (1 - u), wb = (1 - v) * u, wc = v * (1 - u), wd = v * u;
                for (int k = 0; k < channels; k++)
                    y[k] = a[k] * wa + c[k] * wc + b[k] * wb + d[k] * wd;
            }
        }
    return STK_OK;
}

/* Nearest: floor of the position, or its rounding when corners are aligned (ties away from 0). */
static int nearest(int t, int in, int out, int flags) {
    float at = source_at(t, in, out, flags);
    if ((flags & HALF_PIXEL) != 0) at += 0.5f;
    int i = (flags & ALIGN_CORNERS) != 0 ? (int)roundf(at) : (int)floorf(at);
    return i < 0 ? 0 : i >= in ? in - 1 : i;
}

static stk_status nearest_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *in = op->in[0], *out = op->out[0];
    size_t bytes = (size_t)in->shape[3] * sizeof(float);
    for (int n = 0; n < out->shape[0]; n++)
        for (int row = 0; row < out->shape[1]; row++)
            for (int col = 0; col < out->shape[2]; col++) {
                int i = nearest(row, in->shape[1], out->shape[1], op->flags);
                int j = nearest(col, in->shape[2], out->shape[2], op->flags);
                memcpy(pixel(out, n, row, col), pixel(in, n, i, j), bytes);
            }
    return STK_OK;
}

stk_status stk_tfl_prepare_resize(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    const stk_tfl_tensor *x = op->in[0], *size = op->in_count > 1 ? op->in[1] : NULL;
    if (x->rank != 4 || size == NULL || size->ints == NULL || size->count != 2)
        return stk_tfl_refuse(graph, op, "the target size is not a constant pair");
    int shape[4] = {x->shape[0], size->ints[0], size->ints[1], x->shape[3]};
    int bilinear = op->code == STK_TFL_RESIZE_BILINEAR, first = bilinear ? 2 : 0;
    if (stk_flat_field_u8(file, op->options, first, 0) != 0) op->flags |= ALIGN_CORNERS;
    if (stk_flat_field_u8(file, op->options, first + 1, 0) != 0) op->flags |= HALF_PIXEL;
    op->run = bilinear ? bilinear_run : nearest_run;
    return stk_tfl_expect_shape(graph, op, op->out[0], 4, shape);
}
