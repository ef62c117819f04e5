/* ops_math.c - element-wise operators with broadcasting, PRELU, reductions, SOFTMAX.
 *
 * Broadcasting follows NumPy: shapes are aligned at the end and a dimension of 1 stretches. A pair
 * of operands becomes an iteration space with one stride per operand and dimension (0 where it
 * stretches); neighbouring dimensions that both operands walk through evenly are merged, so that
 * the inner loop is as long as possible.
 */
#include "tflite/graph.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* --- two operands ----------------------------------------------------------------------------- */

/* Strides of `tensor` inside `shape` (rank aligned at the end), or -1 when it does not
 * broadcast. */
static int broadcast_strides(const stk_tfl_tensor *tensor, int rank, const int *shape,
                             ptrdiff_t *strides) {
    ptrdiff_t own[STK_TFL_RANK];
    if (tensor->rank > rank) return -1;
    stk_tfl_strides(tensor->rank, tensor->shape, own);
    for (int i = 0; i < rank; i++) {
        int k = i - (rank - tensor->rank);
        if (k >= 0 && tensor->shape[k] != 1 && tensor->shape[k] != shape[i]) return -1;
        strides[i] = k < 0 || tensor->shape[k] == 1 ? 0 : own[k];
    }
    return 0;
}

/* Merges dimension i into i + 1 wherever both operands allow it, drops dimensions of 1. */
static void merge_dimensions(stk_tfl_op *op, int rank, const int *shape, const ptrdiff_t *a,
                             const ptrdiff_t *b) {
    int n = 0;
    for (int i = 0; i < rank; i++) {
        if (shape[i] == 1) continue;
        if (n > 0 && op->a[n - 1] == a[i] * shape[i] && op->b[n - 1] == b[i] * shape[i]) {
            op->dims[n - 1] *= shape[i];
            op->a[n - 1] = a[i], op->b[n - 1] = b[i];
        } else {
            op->dims[n] = shape[i];
            op->a[n] = a[i], op->b[n] = b[i];
            n++;
        }
    }
    if (n == 0) op->dims[0] = 1, op->a[0] = op->b[0] = 0, n = 1;
    op->rank = n;
}

/* A short constant row that repeats over many pixels (channel weights of PRELU) is written out
 * several times, so that the inner loop is long; the result is the same number for number. */
static stk_status repeat_row(stk_tfl_op *op) {
    enum { LONG_ROW = 512 };
    if (op->rank != 2 || op->b[0] != 0 || op->b[1] != 1 || op->a[1] != 1 ||
        op->a[0] != op->dims[1] || !op->in[1]->constant)
        return STK_OK;
    int times = 1, n = op->dims[1];
    while (times * n < LONG_ROW && op->dims[0] % (2 * times) == 0) times *= 2;
    if (times == 1) return STK_OK;
    op->owned = stk_calloc_aligned((size_t)(times * n), sizeof(float));
    if (op->owned == NULL) return stk_fail_memory(op->name);
    for (int i = 0; i < times; i++)
        memcpy(op->owned + (ptrdiff_t)i * n, op->in[1]->data, (size_t)n * sizeof(float));
    op->dims[0] /= times, op->dims[1] = times * n;
    op->a[0] = times * n;
    return STK_OK;
}

/* Output shape = broadcast of both inputs; fills dims, a, b. */
static stk_status prepare_pair(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 2, 1));
    const stk_tfl_tensor *x = op->in[0], *y = op->in[1], *out = op->out[0];
    ptrdiff_t a[STK_TFL_RANK], b[STK_TFL_RANK];
    int rank = x->rank > y->rank ? x->rank : y->rank;
    int shape[STK_TFL_RANK];
    for (int i = 0; i < rank; i++) {
        int j = i - (rank - x->rank), k = i - (rank - y->rank);
        int m = j < 0 ? 1 : x->shape[j], n = k < 0 ? 1 : y->shape[k];
        shape[i] = m > n ? m : n;
    }
    STK_TRY(stk_tfl_expect_shape(graph, op, out, rank, shape));
    if (broadcast_strides(x, rank, shape, a) != 0 || broadcast_strides(y, rank, shape, b) != 0)
        return stk_tfl_refuse(graph, op, "the operands' shapes do not broadcast");
    merge_dimensions(op, rank, shape, a, b);
    op->in_place = x->count == out->count;
    return repeat_row(op);
}

/* One row of n elements; strides 0 or 1 get loops that the compiler can vectorise. */
#define BINARY_ROW(name, expr)                                                                    \
    static void name(const float *a, ptrdiff_t sa, const float *b, ptrdiff_t sb, float *y,        \
                     int n) {                                                                     \
        if (sa == 1 && sb == 1) {                                                                 \
            STK_TFL_INDEPENDENT                                                                   \
            for (int i = 0; i < n; i++) {                                                         \
                float u = a[i], v = b[i];                                                         \
                y[i] = (expr);                                                                    \
            }                                                                                     \
        } else if (sa == 1 && sb == 0) {                                                          \
            STK_TFL_INDEPENDENT                                                                   \
            for (int i = 0; i < n; i++) {                                                         \
                float u = a[i], v = b[0];                                                         \
                y[i] = (expr);                                                                    \
            }                                                                                     \
        } else {                                                                                  \
            for (int i = 0; i < n; i++) {                                                         \
                float u = a[i * sa], v = b[i * sb];                                               \
                y[i] = (expr);                                                                    \
            }                                                                                     \
        }                                                                                         \
    }

BINARY_ROW(row_add, u + v)
BINARY_ROW(row_sub, u - v)
BINARY_ROW(row_mul, u *v)
BINARY_ROW(row_div, u / v)
BINARY_ROW(row_max, u > v ? u : v)
BINARY_ROW(row_min, u < v ? u : v)
BINARY_ROW(row_squared_difference, (u - v) * (u - v))
/* as a sum, so that nothing is computed under a condition and the loop vectorises */
BINARY_ROW(row_prelu, (u > 0 ? u : 0) + (u < 0 ? u : 0) * v)

typedef void (*binary_row)(const float *, ptrdiff_t, const float *, ptrdiff_t, float *, int);

static binary_row row_of(int code) {
    switch (code) {
    case STK_TFL_ADD: return row_add;
    case STK_TFL_SUB: return row_sub;
    case STK_TFL_MUL: return row_mul;
    case STK_TFL_DIV: return row_div;
    case STK_TFL_MAXIMUM: return row_max;
    case STK_TFL_MINIMUM: return row_min;
    case STK_TFL_SQUARED_DIFFERENCE: return row_squared_difference;
    default: return row_prelu;
    }
}

static stk_status pair_run(const stk_tfl_op *op) {
    binary_row row = row_of(op->code);
    const float *a = op->in[0]->data, *b = op->owned != NULL ? op->owned : op->in[1]->data;
    float *y = op->out[0]->data;
    int last = op->rank - 1, n = op->dims[last], at[STK_TFL_RANK] = {0};
    for (;;) {
        row(a, op->a[last], b, op->b[last], y, n);
        y += n;
        int d = last - 1;
        for (; d >= 0; d--) {
            a += op->a[d], b += op->b[d];
            if (++at[d] < op->dims[d]) break;
            a -= op->a[d] * op->dims[d], b -= op->b[d] * op->dims[d];
            at[d] = 0;
        }
        if (d < 0) break;
    }
    stk_tfl_activate(op->out[0]->data, op->out[0]->count, op->activation);
    return STK_OK;
}

stk_status stk_tfl_prepare_binary(stk_tflite *graph, stk_tfl_op *op) {
    int fused = op->code == STK_TFL_ADD || op->code == STK_TFL_SUB || op->code == STK_TFL_MUL ||
                op->code == STK_TFL_DIV;
    if (fused)
        STK_TRY(stk_tfl_activation(graph, op,
                                   stk_flat_field_u8(&graph->file, op->options, 0, 0)));
    op->run = pair_run;
    return prepare_pair(graph, op);
}

/* PRELU: y = x > 0 ? x : alpha x, alpha broadcast. */
stk_status stk_tfl_prepare_prelu(stk_tflite *graph, stk_tfl_op *op) {
    op->run = pair_run;
    return prepare_pair(graph, op);
}

/* --- one operand ------------------------------------------------------------------------------ */

static float logistic(float x, float alpha) {
    (void)alpha;
    return 1.f / (1.f + expf(-x));
}
static float leaky_relu(float x, float alpha) { return x > 0 ? x : alpha * x; }
static float clamp_n1(float x, float alpha) {
    (void)alpha;
    return x < -1 ? -1 : x > 1 ? 1 : x;
}
#define UNARY(name, expr)                                                                         \
    static float name(float x, float alpha) {                                                     \
        (void)alpha;                                                                              \
        return (expr);                                                                            \
    }
UNARY(unary_tanh, tanhf(x))
UNARY(unary_neg, -x)
UNARY(unary_abs, fabsf(x))
UNARY(unary_square, x *x)
UNARY(unary_sqrt, sqrtf(x))
UNARY(unary_rsqrt, 1.f / sqrtf(x))
UNARY(unary_exp, expf(x))
UNARY(unary_log, logf(x))

static stk_status unary_run(const stk_tfl_op *op) {
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    for (size_t i = 0; i < op->out[0]->count; i++) y[i] = op->unary(x[i], op->alpha);
    return STK_OK;
}

/* The frequent ones, without a call per element. */
static stk_status relu_run(const stk_tfl_op *op) {
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    STK_TFL_INDEPENDENT
    for (size_t i = 0; i < op->out[0]->count; i++) y[i] = x[i] > 0 ? x[i] : 0;
    if (op->code == STK_TFL_RELU6) stk_tfl_activate(y, op->out[0]->count, STK_ACT_RELU6);
    return STK_OK;
}

/* x min(max(x + 3, 0), 6) / 6 */
static stk_status hard_swish_run(const stk_tfl_op *op) {
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    STK_TFL_INDEPENDENT
    for (size_t i = 0; i < op->out[0]->count; i++) {
        float gate = x[i] + 3;
        gate = gate > 0 ? gate : 0;
        gate = gate < 6 ? gate : 6;
        y[i] = x[i] * gate * (1.f / 6.f);
    }
    return STK_OK;
}

stk_status stk_tfl_prepare_unary(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    op->in_place = 1;
    op->run = unary_run;
    switch (op->code) {
    case STK_TFL_RELU:
    case STK_TFL_RELU6: op->run = relu_run; break;
    case STK_TFL_HARD_SWISH: op->run = hard_swish_run; break;
    case STK_TFL_RELU_N1: op->unary = clamp_n1; break;
    case STK_TFL_LOGISTIC: op->unary = logistic; break;
    case STK_TFL_TANH: op->unary = unary_tanh; break;
    case STK_TFL_NEG: op->unary = unary_neg; break;
    case STK_TFL_ABS: op->unary = unary_abs; break;
    case STK_TFL_SQUARE: op->unary = unary_square; break;
    case STK_TFL_SQRT: op->unary = unary_sqrt; break;
    case STK_TFL_RSQRT: op->unary = unary_rsqrt; break;
    case STK_TFL_EXP: op->unary = unary_exp; break;
    case STK_TFL_LOG: op->unary = unary_log; break;
    default: /* LEAKY_RELU */
        op->unary = leaky_relu;
        op->alpha = stk_flat_field_f32(&graph->file, op->options, 0, 0);
        break;
    }
    return stk_tfl_expect_shape(graph, op, op->out[0], op->in[0]->rank, op->in[0]->shape);
}

/* --- reductions ------------------------------------------------------------------------------- */

/* MEAN, SUM, REDUCE_MAX over the axes whose output stride (op->b) is 0; dims is the input's
 * shape. */
static stk_status reduce_run(const stk_tfl_op *op) {
    const float *x = op->in[0]->data;
    const stk_tfl_tensor *out = op->out[0];
    int max = op->code == STK_TFL_REDUCE_MAX, at[STK_TFL_RANK] = {0};
    for (size_t i = 0; i < out->count; i++) out->data[i] = max ? -FLT_MAX : 0;
    ptrdiff_t target = 0;
    for (size_t i = 0; i < op->in[0]->count; i++) {
        float *y = out->data + target;
        *y = !max ? *y + x[i] : x[i] > *y ? x[i] : *y;
        for (int d = op->rank - 1; d >= 0; d--) {
            target += op->b[d];
            if (++at[d] < op->dims[d]) break;
            target -= op->b[d] * op->dims[d];
            at[d] = 0;
        }
    }
    if (op->code == STK_TFL_MEAN)
        for (size_t i = 0; i < out->count; i++) out->data[i] *= op->alpha;
    return STK_OK;
}

stk_status stk_tfl_prepare_reduce(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    const stk_tfl_tensor *x = op->in[0], *axes = op->in_count > 1 ? op->in[1] : NULL;
    if (axes == NULL || axes->ints == NULL || axes->rank > 1)
        return stk_tfl_refuse(graph, op, "the axes are not constant");
    int gone[STK_TFL_RANK] = {0}, keep = stk_flat_field_u8(&graph->file, op->options, 0, 0);
    for (size_t i = 0; i < axes->count; i++) {
        int axis = axes->ints[i] < 0 ? axes->ints[i] + x->rank : axes->ints[i];
        if (axis < 0 || axis >= x->rank) return stk_tfl_refuse(graph, op, "an axis is not there");
        gone[axis] = 1;
    }
    int shape[STK_TFL_RANK], rank = 0, kept[STK_TFL_RANK];
    for (int i = 0; i < x->rank; i++) {
        op->dims[i] = x->shape[i];
        kept[i] = gone[i] ? 1 : x->shape[i];
        if (!gone[i] || keep) shape[rank++] = kept[i];
    }
    stk_tfl_strides(x->rank, kept, op->b);
    for (int i = 0; i < x->rank; i++)
        if (gone[i]) op->b[i] = 0;
    op->rank = x->rank;
    op->alpha = (float)op->out[0]->count / (float)x->count;
    op->run = reduce_run;
    return stk_tfl_expect_shape(graph, op, op->out[0], rank, shape);
}

/* SOFTMAX over the last dimension: exp(beta (x - max)) / sum. */
static stk_status softmax_run(const stk_tfl_op *op) {
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    int n = op->dims[0];
    for (size_t row = 0; row < op->in[0]->count / (size_t)n; row++, x += n, y += n) {
        float top = x[0], sum = 0;
        for (int i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
        for (int i = 0; i < n; i++) sum += y[i] = expf(op->alpha * (x[i] - top));
        for (int i = 0; i < n; i++) y[i] /= sum;
    }
    return STK_OK;
}

stk_status stk_tfl_prepare_softmax(stk_tflite *graph, stk_tfl_op *op) {
    STK_TRY(stk_tfl_expect(graph, op, 1, 1));
    const stk_tfl_tensor *x = op->in[0];
    if (x->rank < 1) return stk_tfl_refuse(graph, op, "the input has no dimension");
    op->dims[0] = x->shape[x->rank - 1];
    op->alpha = stk_flat_field_f32(&graph->file, op->options, 0, 0);
    op->run = softmax_run;
    return stk_tfl_expect_shape(graph, op, op->out[0], x->rank, x->shape);
}
