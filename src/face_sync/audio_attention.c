/* audio_attention.c - attention over the rows of a window, forward and backward
 * (audio_attention.h).
 *
 * acts: [32][10] [16][10] [8][10] [4][10] [2][10] [1][10] weights[8]; about 13,000 multiply-adds.
 */
#include "face_sync/audio_attention.h"

#include <math.h>
#include <string.h>

enum { STEPS = STK_AUDIO_WINDOW, WIDTH = STK_ATTENTION_WIDTH, CONVS = STK_ATTENTION_CONVS };
const int STK_ATTENTION_CHANNELS[CONVS + 1] = {STK_AUDIO_CODE, 16, 8, 4, 2, 1};
static const float SLOPE = 0.02f;

/* Floats before the input of convolution i (i = 5: the score). */
static size_t place(int i) {
    size_t at = 0;
    for (int k = 0; k < i; k++) at += (size_t)STK_ATTENTION_CHANNELS[k] * WIDTH;
    return at;
}

stk_audio_view stk_audio_attention_view(const float *acts) {
    const float *score = acts + place(CONVS) + 1;
    return (stk_audio_view){acts, score, acts + place(CONVS) + WIDTH};
}

/* out[o][t] = leaky( b[o] + sum_{c,k} w[o][c][k] in[c][t + k] ), both padded. */
static void conv_forward(int in_channels, int out_channels, const float *w, const float *b,
                         const float *in, float *out) {
    for (int o = 0; o < out_channels; o++) {
        float sum[STEPS];
        for (int t = 0; t < STEPS; t++) sum[t] = b[o];
        for (int c = 0; c < in_channels; c++) {
            const float *x = in + c * WIDTH, *weight = w + (o * in_channels + c) * 3;
            for (int k = 0; k < 3; k++)
                for (int t = 0; t < STEPS; t++) sum[t] += weight[k] * x[t + k];
        }
        float *y = out + o * WIDTH;
        y[0] = y[WIDTH - 1] = 0;
        for (int t = 0; t < STEPS; t++) y[t + 1] = sum[t] > 0 ? sum[t] : SLOPE * sum[t];
    }
}

/* d [out][10] (of the output; scaled in place to that of the sum) -> din [in][10], dw, db. */
static void conv_backward(int in_channels, int out_channels, const float *w, const float *in,
                          const float *out, float *d, float *din, float *const grads[2]) {
    memset(din, 0, (size_t)in_channels * WIDTH * sizeof *din);
    for (int o = 0; o < out_channels; o++) {
        float *dy = d + o * WIDTH + 1;
        for (int t = 0; t < STEPS; t++) {
            if (!(out[o * WIDTH + 1 + t] > 0)) dy[t] *= SLOPE;
            grads[1][o] += dy[t];
        }
        for (int c = 0; c < in_channels; c++) {
            for (int k = 0; k < 3; k++) {
                int at = (o * in_channels + c) * 3 + k;
                float sum = 0;
                for (int t = 0; t < STEPS; t++) {
                    sum += dy[t] * in[c * WIDTH + t + k];
                    din[c * WIDTH + t + k] += w[at] * dy[t];
                }
                grads[0][at] += sum;
            }
        }
    }
}

static void softmax(float x[STEPS]) {
    float top = x[0], sum = 0;
    for (int t = 1; t < STEPS; t++) top = x[t] > top ? x[t] : top;
    for (int t = 0; t < STEPS; t++) sum += x[t] = expf(x[t] - top);
    for (int t = 0; t < STEPS; t++) x[t] /= sum;
}

void stk_audio_attention_forward(const stk_audio_net *net, const stk_params *params,
                                 const float *value, const float *row_codes, float *acts,
                                 float code[STK_AUDIO_CODE]) {
    memset(acts, 0, STK_AUDIO_CODE * WIDTH * sizeof *acts);
    for (int i = 0; i < STK_AUDIO_CODE; i++)
        memcpy(acts + i * WIDTH + 1, row_codes + i * STEPS, STEPS * sizeof *acts);
    for (int i = 0; i < CONVS; i++)
        conv_forward(STK_ATTENTION_CHANNELS[i], STK_ATTENTION_CHANNELS[i + 1],
                     value + params->list[net->att_weight[i]].offset,
                     value + params->list[net->att_bias[i]].offset, acts + place(i),
                     acts + place(i + 1));
    const float *w = value + params->list[net->att_fc_weight].offset;
    const float *b = value + params->list[net->att_fc_bias].offset;
    const float *score = acts + place(CONVS) + 1;
    float *weights = acts + place(CONVS) + WIDTH;
    for (int o = 0; o < STEPS; o++) {
        weights[o] = b[o];
        for (int t = 0; t < STEPS; t++) weights[o] += w[o * STEPS + t] * score[t];
    }
    softmax(weights);
    for (int i = 0; i < STK_AUDIO_CODE; i++) {
        code[i] = 0;
        for (int t = 0; t < STEPS; t++) code[i] += weights[t] * row_codes[i * STEPS + t];
    }
}

/* dcode -> gradient of the score (in dscore[1..8]), linear layer included. */
static void weights_backward(const stk_audio_net *net, const stk_params *params, const float *value,
                             const float *acts, const float *dcode, float dscore[WIDTH],
                             float *grad) {
    stk_audio_view view = stk_audio_attention_view(acts);
    const float *w = value + params->list[net->att_fc_weight].offset;
    float *dw = grad + params->list[net->att_fc_weight].offset;
    float *db = grad + params->list[net->att_fc_bias].offset;
    float dweight[STEPS] = {0}, mean = 0;
    for (int i = 0; i < STK_AUDIO_CODE; i++)
        for (int t = 0; t < STEPS; t++) dweight[t] += dcode[i] * view.row_codes[i * WIDTH + 1 + t];
    for (int t = 0; t < STEPS; t++) mean += view.weights[t] * dweight[t];
    memset(dscore, 0, WIDTH * sizeof *dscore);
    for (int o = 0; o < STEPS; o++) {
        float dlogit = view.weights[o] * (dweight[o] - mean);
        db[o] += dlogit;
        for (int t = 0; t < STEPS; t++) {
            dw[o * STEPS + t] += dlogit * view.score[t];
            dscore[1 + t] += dlogit * w[o * STEPS + t];
        }
    }
}

void stk_audio_attention_backward(const stk_audio_net *net, const stk_params *params,
                                  const float *value, const float *acts,
                                  const float dcode[STK_AUDIO_CODE], float *drow_codes,
                                  float *grad) {
    float buffers[2][STK_AUDIO_CODE * WIDTH];
    weights_backward(net, params, value, acts, dcode, buffers[0], grad);
    for (int i = CONVS - 1; i >= 0; i--) {
        float *const grads[2] = {grad + params->list[net->att_weight[i]].offset,
                                 grad + params->list[net->att_bias[i]].offset};
        conv_backward(STK_ATTENTION_CHANNELS[i], STK_ATTENTION_CHANNELS[i + 1],
                      value + params->list[net->att_weight[i]].offset, acts + place(i),
                      acts + place(i + 1), buffers[(CONVS - 1 - i) % 2], buffers[(CONVS - i) % 2],
                      grads);
    }
    const float *din = buffers[CONVS % 2], *weights = acts + place(CONVS) + WIDTH;
    for (int i = 0; i < STK_AUDIO_CODE; i++)
        for (int t = 0; t < STEPS; t++)
            drow_codes[i * STEPS + t] = din[i * WIDTH + 1 + t] + dcode[i] * weights[t];
}
