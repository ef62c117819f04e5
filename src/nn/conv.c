/* conv.c - convolution in plain C, straight from its definition: the twin of dnnl.c.
 *
 *   y[n][i][j][o] = act(b[o] + sum_{ky,kx,c} x[n][i*s - p + d*ky][j*s - p + d*kx][c]
 * w[o][ky][kx][c])
 *
 * with zeros outside the picture. Sums run in the order ky, kx, c, in float32.
 */
#include "nn/dnnl.h"

#include <stddef.h>

/* Position of weight (o, ky, kx, c) in each memory layout. */
static size_t weight_at(const stk_conv_shape *s, stk_conv_weights layout, const int okkc[4]) {
    size_t in = (size_t)(s->in_c / s->groups), kh = (size_t)s->kernel_h, kw = (size_t)s->kernel_w;
    size_t o = (size_t)okkc[0], ky = (size_t)okkc[1], kx = (size_t)okkc[2], c = (size_t)okkc[3];
    if (layout == STK_CONV_OHWI) return ((o * kh + ky) * kw + kx) * in + c;
    if (layout == STK_CONV_HWO) return (ky * kw + kx) * (size_t)s->out_c + o;
    return ((o * in + c) * kh + ky) * kw + kx;
}

static float activate(float v, stk_activation activation) {
    if (activation != STK_ACT_NONE && !(v > 0)) v = 0;
    return activation == STK_ACT_RELU6 && v > 6 ? 6 : v;
}

/* One output number. */
static float conv_at(const stk_conv_shape *s, stk_conv_weights layout, const float *weights,
                     const float *x, const int nijo[4]) {
    int in = s->in_c / s->groups, first = nijo[3] / (s->out_c / s->groups) * in;
    float sum = 0;
    for (int ky = 0; ky < s->kernel_h; ky++) {
        int row = nijo[1] * s->stride_h - s->pad_top + ky * s->dilation_h;
        if (row < 0 || row >= s->in_h) continue;
        for (int kx = 0; kx < s->kernel_w; kx++) {
            int col = nijo[2] * s->stride_w - s->pad_left + kx * s->dilation_w;
            if (col < 0 || col >= s->in_w) continue;
            size_t at = (((size_t)nijo[0] * (size_t)s->in_h + (size_t)row) * (size_t)s->in_w +
                         (size_t)col) * (size_t)s->in_c + (size_t)first;
            for (int c = 0; c < in; c++)
                sum += x[at + (size_t)c] *
                       weights[weight_at(s, layout, (int[]){nijo[3], ky, kx, c})];
        }
    }
    return sum;
}

void stk_conv_forward_c(const stk_conv_shape *shape, stk_conv_weights layout, const float *weights,
                        const float *bias, stk_activation activation, const float *x, float *y) {
    const stk_conv_shape *s = shape;
    for (int n = 0; n < s->batch; n++)
        for (int i = 0; i < s->out_h; i++)
            for (int j = 0; j < s->out_w; j++)
                for (int o = 0; o < s->out_c; o++) {
                    float sum = conv_at(s, layout, weights, x, (int[]){n, i, j, o});
                    *y++ = activate(sum + (bias != NULL ? bias[o] : 0), activation);
                }
}
