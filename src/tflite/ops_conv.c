/* ops_conv.c - CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV and MediaPipe's
 * Convolution2DTransposeBias. The first three run in oneDNN, or in plain C in the reference path.
 *
 * Padding, by TFLite's rules, for a window of effective size k = (kernel - 1) dilation + 1:
 *   SAME   out = ceil(in / stride),            pad = max(0, (out - 1) stride + k - in)
 *   VALID  out = ceil((in - k + 1) / stride),  pad = 0
 * with floor(pad / 2) rows above (columns left) and the rest below (right).
 */
#include "tflite/graph.h"

#include <string.h>

/* One direction; 0 when the window does not fit. */
static int fit(int in, int kernel, int stride, int dilation, int padding, int pad[2]) {
    int64_t reach = (int64_t)(kernel - 1) * dilation + 1;
    int64_t room = padding == STK_TFL_SAME ? in : in - reach + 1;
    if (room < 1) return 0;
    int64_t out = (room + stride - 1) / stride;
    int64_t missing = (out - 1) * stride + reach - in;
    if (missing < 0 || padding == STK_TFL_VALID) missing = 0;
    pad[0] = (int)(missing / 2);
    pad[1] = (int)(missing - missing / 2);
    return (int)out;
}

static int sane(int value) { return value >= 1 && value <= 4096; }

stk_status stk_tfl_window_fit(const stk_tflite *graph, const stk_tfl_op *op, stk_tfl_window *window,
                              int padding, const int in_hw[2], int out_hw[2]) {
    if (!sane(window->stride_h) || !sane(window->stride_w) || !sane(window->dilation_h) ||
        !sane(window->dilation_w) || !sane(window->kernel_h) || !sane(window->kernel_w) ||
        (padding != STK_TFL_SAME && padding != STK_TFL_VALID))
        return stk_tfl_refuse(graph, op, "impossible window options");
    int vertical[2] = {0}, horizontal[2] = {0};
    out_hw[0] = fit(in_hw[0], window->kernel_h, window->stride_h, window->dilation_h, padding,
                    vertical);
    out_hw[1] = fit(in_hw[1], window->kernel_w, window->stride_w, window->dilation_w, padding,
                    horizontal);
    if (out_hw[0] < 1 || out_hw[1] < 1)
        return stk_tfl_refuse(graph, op, "the window is larger than its input");
    window->pad_top = vertical[0], window->pad_bottom = vertical[1];
    window->pad_left = horizontal[0], window->pad_right = horizontal[1];
    return STK_OK;
}

static stk_status conv_run(const stk_tfl_op *op) {
    if (op->layer != NULL) return stk_dnnl_layer_run(op->layer, op->x->data, op->out[0]->data);
    stk_conv_forward_c(&op->conv, op->layout, op->weights->data,
                       op->bias != NULL ? op->bias->data : NULL, op->activation, op->x->data,
                       op->out[0]->data);
    return STK_OK;
}

/* Constant weights of rank 4 and, if present, a constant bias of out_c floats. */
static stk_status expect_weights(stk_tflite *graph, stk_tfl_op *op, int rank, int out_c) {
    STK_TRY(stk_tfl_expect(graph, op, 2, 1));
    const stk_tfl_tensor *weights = op->in[1];
    const stk_tfl_tensor *bias = op->in_count > 2 ? op->in[2] : NULL;
    if (!weights->constant || weights->rank != rank)
        return stk_tfl_refuse(graph, op, "the weights are not a constant of the right rank");
    if (bias != NULL && (!bias->constant || bias->data == NULL || bias->count != (size_t)out_c))
        return stk_tfl_refuse(graph, op, "the bias does not fit the weights");
    op->x = op->in[0], op->weights = weights, op->bias = bias;
    return STK_OK;
}

/* Fills op->conv from the window, checks the output's shape, makes the layer. */
static stk_status conv_finish(stk_tflite *graph, stk_tfl_op *op, int out_c, int padding) {
    const stk_tfl_tensor *x = op->in[0];
    int out_hw[2];
    STK_TRY(stk_tfl_window_fit(graph, op, &op->window, padding, x->shape + 1, out_hw));
    int shape[4] = {x->shape[0], out_hw[0], out_hw[1], out_c};
    STK_TRY(stk_tfl_expect_shape(graph, op, op->out[0], 4, shape));
    const stk_tfl_window *w = &op->window;
    op->conv = (stk_conv_shape){
        .batch = x->shape[0], .in_h = x->shape[1], .in_w = x->shape[2], .in_c = x->shape[3],
        .out_h = out_hw[0], .out_w = out_hw[1], .out_c = out_c,
        .kernel_h = w->kernel_h, .kernel_w = w->kernel_w, .stride_h = w->stride_h,
        .stride_w = w->stride_w, .dilation_h = w->dilation_h, .dilation_w = w->dilation_w,
        .pad_top = w->pad_top, .pad_left = w->pad_left, .pad_bottom = w->pad_bottom,
        .pad_right = w->pad_right, .groups = op->layout == STK_CONV_HWO ? x->shape[3] : 1};
    op->run = conv_run;
    if (graph->reference) return STK_OK;
    return stk_dnnl_conv_create(&op->layer, &op->conv, op->layout, op->weights->data,
                                op->bias != NULL ? op->bias->data : NULL,
                                op->activation);
}

stk_status stk_tfl_prepare_conv(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    STK_TRY(stk_tfl_expect(graph, op, 2, 1));
    const stk_tfl_tensor *x = op->in[0], *weights = op->in[1];
    STK_TRY(expect_weights(graph, op, 4, weights->shape[0]));
    if (x->rank != 4 || weights->shape[3] != x->shape[3])
        return stk_tfl_refuse(graph, op, "the weights do not fit the input's channels");
    op->layout = STK_CONV_OHWI;
    op->window = (stk_tfl_window){
        .kernel_h = weights->shape[1], .kernel_w = weights->shape[2],
        .stride_w = stk_flat_field_i32(file, op->options, 1, 0),
        .stride_h = stk_flat_field_i32(file, op->options, 2, 0),
        .dilation_w = stk_flat_field_i32(file, op->options, 4, 1),
        .dilation_h = stk_flat_field_i32(file, op->options, 5, 1)};
    STK_TRY(stk_tfl_activation(graph, op, stk_flat_field_u8(file, op->options, 3, 0)));
    return conv_finish(graph, op, weights->shape[0],
                       stk_flat_field_u8(file, op->options, 0, STK_TFL_SAME));
}

stk_status stk_tfl_prepare_depthwise(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    STK_TRY(stk_tfl_expect(graph, op, 2, 1));
    const stk_tfl_tensor *x = op->in[0], *weights = op->in[1];
    STK_TRY(expect_weights(graph, op, 4, weights->shape[3]));
    if (x->rank != 4 || weights->shape[0] != 1 || weights->shape[3] % x->shape[3] != 0)
        return stk_tfl_refuse(graph, op, "the weights do not fit the input's channels");
    op->layout = STK_CONV_HWO;
    op->window = (stk_tfl_window){
        .kernel_h = weights->shape[1], .kernel_w = weights->shape[2],
        .stride_w = stk_flat_field_i32(file, op->options, 1, 0),
        .stride_h = stk_flat_field_i32(file, op->options, 2, 0),
        .dilation_w = stk_flat_field_i32(file, op->options, 5, 1),
        .dilation_h = stk_flat_field_i32(file, op->options, 6, 1)};
    STK_TRY(stk_tfl_activation(graph, op, stk_flat_field_u8(file, op->options, 4, 0)));
    return conv_finish(graph, op, weights->shape[3],
                       stk_flat_field_u8(file, op->options, 0, STK_TFL_SAME));
}

/* FULLY_CONNECTED: y [rows][out] = x [rows][in] w^T [out][in] + b; leading dimensions are rows. */
stk_status stk_tfl_prepare_dense(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    STK_TRY(stk_tfl_expect(graph, op, 2, 1));
    const stk_tfl_tensor *x = op->in[0], *weights = op->in[1], *y = op->out[0];
    STK_TRY(expect_weights(graph, op, 2, weights->shape[0]));
    size_t in = (size_t)weights->shape[1], out = (size_t)weights->shape[0], rows = x->count / in;
    if (y->rank < 1 || x->count % in != 0 || y->count != rows * out ||
        y->shape[y->rank - 1] != (int)out ||
        stk_flat_field_u8(file, op->options, 1, 0) != 0)
        return stk_tfl_refuse(graph, op, "the weights do not fit the input or the output");
    STK_TRY(stk_tfl_activation(graph, op, stk_flat_field_u8(file, op->options, 0, 0)));
    op->layout = STK_CONV_OHWI;
    op->conv = (stk_conv_shape){.batch = (int)rows, .in_h = 1, .in_w = 1, .in_c = (int)in,
                                .out_h = 1, .out_w = 1, .out_c = (int)out, .kernel_h = 1,
                                .kernel_w = 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1,
                                .dilation_w = 1, .groups = 1};
    op->run = conv_run;
    if (graph->reference) return STK_OK;
    return stk_dnnl_inner_create(&op->layer, (int)rows, (int)in, (int)out, weights->data,
                                 op->bias != NULL ? op->bias->data : NULL,
                                 op->activation);
}

/* --- transposed convolution ------------------------------------------------------------------- */

/* Every input pixel gives kh x kw output pixels their share, part = w x, [kh][kw][out_c]; where
 * shares meet they add up. All parts are one matrix product (oneDNN), or formed one by one in plain
 * C. */

/* part[k] = sum_c x[c] w[k][c] for the repacked weights [kh][kw][out_c][in_c]. */
static void form_part(const stk_tfl_op *op, const float *x, float *part) {
    int in_c = op->weights->shape[3], n = (int)op->weights->count / in_c;
    const float *w = op->owned;
    for (int k = 0; k < n; k++, w += in_c) {
        float sum = 0;
        for (int c = 0; c < in_c; c++) sum += x[c] * w[c];
        part[k] = sum;
    }
}

static void add_part(const stk_tfl_op *op, const float *part, int row, int col, float *y) {
    const stk_tfl_window *w = &op->window;
    const int *size = op->out[0]->shape, out_c = size[3];
    for (int ky = 0; ky < w->kernel_h; ky++) {
        int i = row * w->stride_h - w->pad_top + ky;
        for (int kx = 0; kx < w->kernel_w; kx++, part += out_c) {
            int j = col * w->stride_w - w->pad_left + kx;
            if (i < 0 || i >= size[1] || j < 0 || j >= size[2]) continue;
            float *target = y + ((size_t)i * (size_t)size[2] + (size_t)j) * (size_t)out_c;
            for (int o = 0; o < out_c; o++) target[o] += part[o];
        }
    }
}

static stk_status transposed_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *x = op->x, *out = op->out[0];
    size_t out_c = (size_t)out->shape[3], in_c = (size_t)x->shape[3];
    size_t pixels = out->count / out_c, n = op->weights->count / in_c;
    float *parts = op->owned + op->offset, *y = out->data;
    const float *from = x->data;
    if (op->bias == NULL) memset(y, 0, out->count * sizeof(float));
    else
        for (size_t i = 0; i < pixels; i++) memcpy(y + i * out_c, op->bias->data, out_c * 4);
    if (op->layer != NULL) STK_TRY(stk_dnnl_layer_run(op->layer, from, parts));
    for (int b = 0; b < x->shape[0]; b++, y += out->count / (size_t)x->shape[0])
        for (int row = 0; row < x->shape[1]; row++)
            for (int col = 0; col < x->shape[2]; col++, from += in_c) {
                if (op->layer == NULL) form_part(op, from, parts);
                add_part(op, parts, row, col, y);
                if (op->layer != NULL) parts += n;
            }
    stk_tfl_activate(out->data, out->count, op->activation);
    return STK_OK;
}

/* owned = weights as [kh][kw][out_c][in_c], then room for the parts of all (or of one) pixels. */
static stk_status transposed_finish(stk_tflite *graph, stk_tfl_op *op) {
    const stk_tfl_tensor *weights = op->weights;
    size_t in_c = (size_t)weights->shape[3], out_c = (size_t)weights->shape[0];
    size_t taps = weights->count / in_c / out_c, rows = op->x->count / in_c;
    size_t parts = (graph->reference ? 1 : rows) * taps * out_c;
    size_t packed = (weights->count + 15) & ~(size_t)15;
    if (parts > STK_TFL_MAX_COUNT) return stk_tfl_refuse(graph, op, "it asks for too much memory");
    op->owned = stk_calloc_aligned(packed + parts, sizeof(float));
    if (op->owned == NULL) return stk_fail_memory(graph->label);
    op->offset = (ptrdiff_t)packed;
    for (size_t o = 0; o < out_c; o++)
        for (size_t k = 0; k < taps; k++)
            memcpy(op->owned + (k * out_c + o) * in_c, weights->data + (o * taps + k) * in_c,
                   in_c * sizeof(float));
    op->run = transposed_run;
    if (graph->reference) return STK_OK;
    return stk_dnnl_inner_create(&op->layer, (int)rows, (int)in_c, (int)(taps * out_c), op->owned,
                                 NULL, STK_ACT_NONE);
}

/* int32 number `index` of the custom options. */
static int custom_i32(const stk_tfl_op *op, size_t index) {
    int32_t value = 0;
    if (4 * index + 4 <= op->custom_size) memcpy(&value, op->custom + 4 * index, 4);
    return value;
}

/* Padding in front along one direction; 0 on success. The built-in operator takes its output size
 * from a tensor, the custom one from the rule below; both then centre the window. */
static int transposed_pad(int in, int out, int kernel, int stride, int same, int *pad) {
    int64_t full = (int64_t)stride * (in - 1) + kernel, excess = full - out;
    int64_t rule = same ? kernel - (in - 1) % stride - 1 : 0;
    if (rule < 0) rule = 0;
    *pad = (int)(excess > 0 ? excess / 2 : 0);
    return excess == rule || (excess <= kernel && excess >= -stride) ? 0 : -1;
}

stk_status stk_tfl_prepare_transposed(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    int custom = op->code == STK_TFL_CUSTOM;
    /* custom: (x, weights, bias); built-in: (output shape, weights, x[, bias]) */
    if (op->in_count < 3 || op->in_count > 4 || op->out_count != 1 || op->in[1] == NULL)
        return stk_tfl_refuse(graph, op, "wrong number of inputs or outputs");
    const stk_tfl_tensor *x = op->in[custom ? 0 : 2], *weights = op->in[1], *y = op->out[0];
    const stk_tfl_tensor *bias = custom ? op->in[2] : op->in_count > 3 ? op->in[3] : NULL;
    op->x = x, op->weights = weights, op->bias = bias;
    if (x == NULL || x->type != STK_TFL_F32 || x->rank != 4 || !weights->constant ||
        weights->data == NULL || weights->rank != 4 || weights->shape[3] != x->shape[3] ||
        y->type != STK_TFL_F32 || y->rank != 4 || y->shape[0] != x->shape[0] ||
        y->shape[3] != weights->shape[0] ||
        (bias != NULL && (!bias->constant || bias->data == NULL ||
                          bias->count != (size_t)weights->shape[0])))
        return stk_tfl_refuse(graph, op, "the weights do not fit the input or the output");
    int padding = custom ? custom_i32(op, 0) - 1 : stk_flat_field_u8(file, op->options, 0, 0);
    stk_tfl_window *w = &op->window;
    w->kernel_h = weights->shape[1], w->kernel_w = weights->shape[2];
    w->stride_w = custom ? custom_i32(op, 1) : stk_flat_field_i32(file, op->options, 1, 0);
    w->stride_h = custom ? custom_i32(op, 2) : stk_flat_field_i32(file, op->options, 2, 0);
    if (!sane(w->stride_h) || !sane(w->stride_w) || !sane(w->kernel_h) || !sane(w->kernel_w))
        return stk_tfl_refuse(graph, op, "impossible window options");
    int same = padding == STK_TFL_SAME;
    const int *from = x->shape, *to = y->shape;
    if (transposed_pad(from[1], to[1], w->kernel_h, w->stride_h, same, &w->pad_top) != 0 ||
        transposed_pad(from[2], to[2], w->kernel_w, w->stride_w, same, &w->pad_left) != 0)
        return stk_tfl_refuse(graph, op, "a shape does not follow from the inputs' shapes");
    if (!custom) STK_TRY(stk_tfl_activation(graph, op, stk_flat_field_u8(file, op->options, 3, 0)));
    return transposed_finish(graph, op);
}
