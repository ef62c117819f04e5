/* ops_layout.c - operators that only move numbers: RESHAPE, CONCATENATION, SPLIT, PAD, TRANSPOSE,
 * STRIDED_SLICE, SLICE.
 */
#include "tflite/graph.h"

#include <string.h>

static stk_status copy_run(const stk_tfl_op *op) {
    if (op->out[0]->data == op->in[0]->data) return STK_OK; /* planned in place */
    memcpy(op->out[0]->data, op->in[0]->data, op->out[0]->count * sizeof(float));
    return STK_OK;
}

/* RESHAPE, SQUEEZE, EXPAND_DIMS: the declared output shape counts; only the number must agree. */
stk_status stk_tfl_prepare_reshape(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    if (op->in[0]->count != op->out[0]->count)
        return stk_tfl_refuse(graph, op, "a shape does not follow from the inputs' shapes");
    op->in_place = 1;
    op->run = copy_run;
    return STK_OK;
}

/* Elements behind one index of `axis`, and how many indices lie before it. */
static size_t inner_count(const stk_tfl_tensor *tensor, int axis) {
    size_t n = 1;
    for (int i = axis; i < tensor->rank; i++) n *= (size_t)tensor->shape[i];
    return n;
}

/* Checks that `parts` tile `whole` along op->axis. */
static stk_status expect_tiles(stk_tflite *graph, stk_tfl_op *op, const stk_tfl_tensor *whole,
                               stk_tfl_tensor **parts, int count) {
    int sum = 0, axis = op->axis;
    if (axis < 0 || axis >= whole->rank) return stk_tfl_refuse(graph, op, "an axis is not there");
    for (int k = 0; k < count; k++) {
        int shape[STK_TFL_RANK];
        memcpy(shape, whole->shape, sizeof shape);
        if (parts[k]->rank == whole->rank) shape[axis] = parts[k]->shape[axis];
        STK_TRY(stk_tfl_expect_shape(graph, op, parts[k], whole->rank, shape));
        sum += shape[axis] <= whole->shape[axis] ? shape[axis] : whole->shape[axis] + 1;
    }
    return sum == whole->shape[axis]
               ? STK_OK
               : stk_tfl_refuse(graph, op, "the parts do not add up to the whole");
}

static stk_status concat_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *out = op->out[0];
    size_t stride = inner_count(out, op->axis), outer = out->count / stride, offset = 0;
    for (int k = 0; k < op->in_count; k++) {
        size_t width = inner_count(op->in[k], op->axis);
        for (size_t i = 0; i < outer; i++)
            memcpy(out->data + i * stride + offset, op->in[k]->data + i * width,
                   width * sizeof(float));
        offset += width;
    }
    stk_tfl_activate(out->data, out->count, op->activation);
    return STK_OK;
}

stk_status stk_tfl_prepare_concat(stk_tflite *graph, stk_tfl_op *op) {
    stk_flatbuffer *file = &graph->file;
    STK_TRY(stk_tfl_expect(graph, op, op->in_count, 1));
    STK_TRY(stk_tfl_activation(graph, op, stk_flat_field_u8(file, op->options, 1, 0)));
    op->axis = stk_flat_field_i32(file, op->options, 0, 0);
    if (op->axis < 0) op->axis += op->out[0]->rank;
    op->run = concat_run;
    return expect_tiles(graph, op, op->out[0], op->in, op->in_count);
}

static stk_status split_run(const stk_tfl_op *op) {
    const stk_tfl_tensor *in = op->in[1];
    size_t stride = inner_count(in, op->axis), outer = in->count / stride, offset = 0;
    for (int k = 0; k < op->out_count; k++) {
        size_t width = inner_count(op->out[k], op->axis);
        for (size_t i = 0; i < outer; i++)
            memcpy(op->out[k]->data + i * width, in->data + i * stride + offset,
                   width * sizeof(float));
        offset += width;
    }
    return STK_OK;
}

/* SPLIT (axis, x): equal parts. */
stk_status stk_tfl_prepare_split(stk_tflite *graph, stk_tfl_op *op) {
    if (op->in_count != 2 || op->in[0] == NULL || op->in[0]->ints == NULL || op->in[1] == NULL ||
        op->in[1]->type != STK_TFL_F32)
        return stk_tfl_refuse(graph, op, "the axis is not constant");
    for (int k = 0; k < op->out_count; k++)
        if (op->out[k]->type != STK_TFL_F32)
            return stk_tfl_refuse(graph, op, "an output is not float32");
    op->axis = op->in[0]->ints[0];
    if (op->axis < 0) op->axis += op->in[1]->rank;
    op->run = split_run;
    return expect_tiles(graph, op, op->in[1], op->out, op->out_count);
}

/* --- strided copies --------------------------------------------------------------------------- */

/* Walks op->dims; element moves from in[offset + sum at*a] to out[sum at*b], innermost in one loop.
 * PAD writes into the middle of a zeroed output instead (offset counts in the output). */
static void strided_copy(const stk_tfl_op *op, const float *x, float *y) {
    int last = op->rank - 1, at[STK_TFL_RANK] = {0};
    ptrdiff_t sa = op->a[last], sb = op->b[last];
    for (;;) {
        if (sa == 1 && sb == 1) memcpy(y, x, (size_t)op->dims[last] * sizeof(float));
        else
            for (int i = 0; i < op->dims[last]; i++) y[i * sb] = x[i * sa];
        int d = last - 1;
        for (; d >= 0; d--) {
            x += op->a[d], y += op->b[d];
            if (++at[d] < op->dims[d]) break;
            x -= op->a[d] * op->dims[d], y -= op->b[d] * op->dims[d];
            at[d] = 0;
        }
        if (d < 0) return;
    }
}

static stk_status pad_run(const stk_tfl_op *op) {
    memset(op->out[0]->data, 0, op->out[0]->count * sizeof(float));
    strided_copy(op, op->in[0]->data, op->out[0]->data + op->offset);
    return STK_OK;
}

static stk_status gather_run(const stk_tfl_op *op) {
    strided_copy(op, op->in[0]->data + op->offset, op->out[0]->data);
    return STK_OK;
}

/* PAD with zeros: in[1] = [rank][2] before/after. */
stk_status stk_tfl_prepare_pad(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    const stk_tfl_tensor *x = op->in[0], *pads = op->in_count > 1 ? op->in[1] : NULL;
    if (x->rank < 1 || pads == NULL || pads->ints == NULL || pads->count != 2 * (size_t)x->rank)
        return stk_tfl_refuse(graph, op, "the padding is not a constant pair per dimension");
    int shape[STK_TFL_RANK];
    for (int i = 0; i < x->rank; i++) {
        int64_t before = pads->ints[2 * i], after = pads->ints[2 * i + 1];
        int64_t n = before + after + x->shape[i];
        if (before < 0 || after < 0 || n > STK_TFL_MAX_COUNT)
            return stk_tfl_refuse(graph, op, "impossible padding");
        shape[i] = (int)n;
        op->dims[i] = x->shape[i];
    }
    op->rank = x->rank;
    STK_TRY(stk_tfl_expect_shape(graph, op, op->out[0], x->rank, shape));
    stk_tfl_strides(x->rank, x->shape, op->a);
    stk_tfl_strides(x->rank, shape, op->b);
    for (int i = 0; i < x->rank; i++) op->offset += op->b[i] * pads->ints[2 * i];
    op->run = pad_run;
    return STK_OK;
}

/* TRANSPOSE: out dimension i is in dimension perm[i]. */
stk_status stk_tfl_prepare_transpose(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    const stk_tfl_tensor *x = op->in[0], *perm = op->in_count > 1 ? op->in[1] : NULL;
    if (x->rank < 1 || perm == NULL || perm->ints == NULL || perm->count != (size_t)x->rank)
        return stk_tfl_refuse(graph, op, "the permutation is not constant");
    ptrdiff_t own[STK_TFL_RANK];
    stk_tfl_strides(x->rank, x->shape, own);
    int seen = 0;
    for (int i = 0; i < x->rank; i++) {
        int from = perm->ints[i];
        if (from < 0 || from >= x->rank || (seen >> from & 1) != 0)
            return stk_tfl_refuse(graph, op, "it is not a permutation");
        seen |= 1 << from;
        op->dims[i] = x->shape[from];
        op->a[i] = own[from];
    }
    op->rank = x->rank;
    stk_tfl_strides(x->rank, op->dims, op->b);
    op->run = gather_run;
    return stk_tfl_expect_shape(graph, op, op->out[0], x->rank, op->dims);
}

/* Begin, length and step of one dimension of a STRIDED_SLICE; length 0 when nothing is left. */
static int slice_range(int n, int begin, int end, int step, int *first) {
    int low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    if (begin < 0) begin += n;
    if (end < 0) end += n;
    begin = begin < low ? low : begin > high ? high : begin;
    end = end < low ? low : end > high ? high : end;
    *first = begin;
    int64_t span = step > 0 ? (int64_t)end - begin : (int64_t)begin - end;
    int64_t width = step > 0 ? step : -(int64_t)step;
    return span <= 0 ? 0 : (int)((span + width - 1) / width);
}

/* in[1], in[2], in[3]: begin, end (STRIDED_SLICE) or size (SLICE), step. Masks: bit i set = take
 * the whole side (begin 1, end 2) or drop dimension i (shrink). */
stk_status stk_tfl_prepare_slice(stk_tflite *graph, stk_tfl_op *op) {
    int strided = op->code == STK_TFL_STRIDED_SLICE, masks[3] = {0};
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    const stk_tfl_tensor *x = op->in[0];
    for (int k = 1; k < (strided ? 4 : 3); k++)
        if (x->rank < 1 || k >= op->in_count || op->in[k] == NULL || op->in[k]->ints == NULL ||
            op->in[k]->count != (size_t)x->rank)
            return stk_tfl_refuse(graph, op, "the range is not a constant per dimension");
    for (int k = 0; k < 3 && strided; k++)
        masks[k] = stk_flat_field_i32(&graph->file, op->options, k < 2 ? k : 4, 0);
    if (strided && (stk_flat_field_i32(&graph->file, op->options, 2, 0) != 0 ||
                    stk_flat_field_i32(&graph->file, op->options, 3, 0) != 0))
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: operator %d slices with an ellipsis, which is "
                        "not supported", graph->label, op->index);
    ptrdiff_t own[STK_TFL_RANK];
    stk_tfl_strides(x->rank, x->shape, own);
    int shape[STK_TFL_RANK], rank = 0;
    for (int i = 0; i < x->rank; i++) {
        int n = x->shape[i], begin = op->in[1]->ints[i], end = op->in[2]->ints[i], first;
        int step = strided ? op->in[3]->ints[i] : 1, shrink = masks[2] >> i & 1;
        if (begin < -n || begin > n || step == 0 || step == INT32_MIN || (shrink && begin == n))
            return stk_tfl_refuse(graph, op, "impossible range");
        if (!strided) end = end < 0 || end > n - begin ? n : begin + end;
        if (masks[0] >> i & 1) begin = step > 0 ? 0 : n - 1;
        if (shrink) step = 1, end = (begin < 0 ? begin + n : begin) + 1;
        else if (masks[1] >> i & 1) end = step > 0 ? n : -n - 1;
        op->dims[i] = slice_range(n, begin, end, step, &first);
        if (op->dims[i] < 1) return stk_tfl_refuse(graph, op, "an empty range");
        op->a[i] = own[i] * step;
        op->offset += own[i] * first;
        if (!shrink) shape[rank++] = op->dims[i];
    }
    op->rank = x->rank;
    stk_tfl_strides(x->rank, op->dims, op->b);
    op->run = gather_run;
    return stk_tfl_expect_shape(graph, op, op->out[0], rank, shape);
}
