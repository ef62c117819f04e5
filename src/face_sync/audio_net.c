/* audio_net.c - audio net and audio attention (reference 2.5), forward and backward side by side.
 *
 *   8 rows -> audio net, each row by itself -> codes [32] x 8 -> attention over the 8 -> code [32]
 *   "ave":  512 -> 256 -> 128 -> 32, LeakyReLU(0.02) between
 *   others: Conv1d k3 s2 p1 C -> 32 -> 32 -> 64 -> 64, each + LeakyReLU; one step is left;
 *           64 -> 64, LeakyReLU, 64 -> 32
 *
 * The 8 rows of a window are the lanes: every activation of the audio net is [channel][step][8], so
 * each weight is loaded once for 8 rows and the inner operation is one vector multiply-add. Steps
 * of convolutions carry a zero on either side ([channel][steps + 2][8]), so padding needs no
 * branch. A linear layer is a convolution with one tap and one step, without the zeros.
 *
 * acts: the input in lanes, then the output of every layer after its LeakyReLU (whose derivative
 * can be read off the output's sign), then the attention's (audio_attention.c). Sums run in a fixed
 * order.
 */
#include "face_sync/audio.h"
#include "face_sync/audio_attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LANES = STK_AUDIO_WINDOW, BLOCK = 4, LAYERS_MAX = 6, LAYER_FLOATS_MAX = 2560 };
static const float SLOPE = 0.02f;

/* Four of eight lanes. */
typedef float lanes4 __attribute__((vector_size(16), aligned(4), may_alias));

static const struct {
    const char *name;
    int channels, steps;
} KINDS[STK_AUDIO_KINDS] = {
    [STK_AUDIO_AVE] = {"ave", 512, 1},
    [STK_AUDIO_DEEPSPEECH] = {"deepspeech", 29, 16},
    [STK_AUDIO_HUBERT] = {"hubert", 1024, 2},
    [STK_AUDIO_ESPERANTO] = {"esperanto", 44, 16},
    [STK_AUDIO_WAV2VEC] = {"wav2vec", 32, 16},
    [STK_AUDIO_MEL] = {"mel", 80, 16},
    [STK_AUDIO_MEL_SPEAKER] = {"mel-normalised", 80, 16},
};

/* One layer with its place in acts. Linear: taps 1, steps 1, pad 0; convolution: taps 3, pad 1. */
typedef struct layer {
    int weight, bias; /* parameter indices */
    int in, out, taps, pad, steps_in, steps_out, leaky;
    size_t in_at, out_at; /* floats into acts */
} layer;

typedef struct layout {
    layer layers[LAYERS_MAX];
    int n;
    size_t attention_at; /* end of the last layer's output */
} layout;

const char *stk_audio_kind_name(stk_audio_kind kind) {
    return KINDS[kind].name;
}

int stk_audio_is_mel(stk_audio_kind kind) {
    return kind == STK_AUDIO_MEL || kind == STK_AUDIO_MEL_SPEAKER;
}

int stk_audio_row_floats(stk_audio_kind kind) {
    return KINDS[kind].channels * KINDS[kind].steps;
}

int stk_audio_row_steps(stk_audio_kind kind) {
    return KINDS[kind].steps;
}

static void add_layer(layout *plan, int weight, int bias, int out, int taps) {
    layer *l = &plan->layers[plan->n];
    const layer *before = plan->n > 0 ? l - 1 : NULL;
    l->weight = weight, l->bias = bias, l->out = out, l->taps = taps, l->pad = taps == 3;
    l->leaky = 1;
    if (before != NULL) l->in = before->out, l->steps_in = before->steps_out;
    if (before != NULL) l->in_at = before->out_at;
    l->steps_out = taps == 3 ? (l->steps_in - 1) / 2 + 1 : 1;
    l->out_at = plan->attention_at;
    /* The last convolution's single step is read by a linear layer: no zeros around it. */
    plan->attention_at += (size_t)out * (size_t)(l->steps_out + 2 * l->pad) * LANES;
    plan->n++;
}

static void plan_layers(const stk_audio_net *net, layout *plan) {
    static const int CONV_OUT[4] = {32, 32, 64, 64}, FC_OUT[2] = {64, STK_AUDIO_CODE};
    static const int AVE_OUT[3] = {256, 128, STK_AUDIO_CODE};
    memset(plan, 0, sizeof *plan);
    int ave = net->kind == STK_AUDIO_AVE, channels = KINDS[net->kind].channels;
    int steps = KINDS[net->kind].steps;
    plan->layers[0].in = channels;
    plan->layers[0].steps_in = steps;
    plan->attention_at = (size_t)channels * (size_t)(ave ? 1 : steps + 2) * LANES;
    for (int i = 0; !ave && i < 4; i++)
        add_layer(plan, net->net_weight[i], net->net_bias[i], CONV_OUT[i], 3);
    for (int i = 0; i < (ave ? 3 : 2); i++)
        add_layer(plan, net->fc_weight[i], net->fc_bias[i], ave ? AVE_OUT[i] : FC_OUT[i], 1);
    plan->layers[plan->n - 1].leaky = 0;
}

/* --- registration ----------------------------------------------------------------------------- */

static stk_status register_pair(stk_params *params, const char *prefix, int number,
                                stk_param_group group, const int shape[4], int index[2]) {
    char name[72];
    snprintf(name, sizeof name, "%s.%d.weight", prefix, number);
    STK_TRY(stk_params_add(params, name, group, shape[3], shape, &index[0]));
    snprintf(name, sizeof name, "%s.%d.bias", prefix, number);
    return stk_params_add(params, name, group, 1, shape, &index[1]);
}

static stk_status register_layers(stk_audio_net *net, stk_params *params) {
    layout plan;
    plan_layers(net, &plan);
    int convolutions = net->kind == STK_AUDIO_AVE ? 0 : 4;
    for (int i = 0; i < plan.n; i++) {
        const layer *l = &plan.layers[i];
        int linear = l->taps == 1, place = linear ? i - convolutions : i, index[2];
        const int shape[4] = {l->out, l->in, l->taps, linear ? 2 : 3}; /* last: the rank */
        STK_TRY(register_pair(params, linear ? "audio_net.encoder_fc1" : "audio_net.encoder_conv",
                              2 * place, STK_GROUP_NET, shape, index));
        (linear ? net->fc_weight : net->net_weight)[place] = index[0];
        (linear ? net->fc_bias : net->net_bias)[place] = index[1];
    }
    return STK_OK;
}

stk_status stk_audio_net_register(stk_audio_net *net, stk_params *params, stk_audio_kind kind) {
    memset(net, 0xff, sizeof *net); /* all indices -1 */
    net->kind = kind;
    net->row_floats = stk_audio_row_floats(kind);
    STK_TRY(register_layers(net, params));
    for (int i = 0; i < STK_ATTENTION_CONVS; i++) {
        int index[2];
        const int shape[4] = {STK_ATTENTION_CHANNELS[i + 1], STK_ATTENTION_CHANNELS[i], 3, 3};
        STK_TRY(register_pair(params, "audio_att_net.attentionConvNet", 2 * i, STK_GROUP_AUDIO_ATT,
                              shape, index));
        net->att_weight[i] = index[0];
        net->att_bias[i] = index[1];
    }
    int index[2];
    const int shape[4] = {LANES, LANES, 0, 2};
    STK_TRY(
        register_pair(params, "audio_att_net.attentionNet", 0, STK_GROUP_AUDIO_ATT, shape, index));
    net->att_fc_weight = index[0];
    net->att_fc_bias = index[1];
    return STK_OK;
}

/* PyTorch's default: weights and bias U(-1/sqrt(fan_in), +1/sqrt(fan_in)). */
static void init_pair(stk_params *params, int weight, int bias, stk_rng *rng) {
    const stk_param *param = &params->list[weight];
    float bound = 1.0f / sqrtf((float)(param->count / (size_t)param->shape[0]));
    stk_params_fill_uniform(params, weight, bound, rng);
    stk_params_fill_uniform(params, bias, bound, rng);
}

void stk_audio_net_init(const stk_audio_net *net, stk_params *params, stk_rng *rng) {
    layout plan;
    plan_layers(net, &plan);
    for (int i = 0; i < plan.n; i++)
        init_pair(params, plan.layers[i].weight, plan.layers[i].bias, rng);
    for (int i = 0; i < STK_ATTENTION_CONVS; i++)
        init_pair(params, net->att_weight[i], net->att_bias[i], rng);
    init_pair(params, net->att_fc_weight, net->att_fc_bias, rng);
}

size_t stk_audio_net_act_floats(const stk_audio_net *net) {
    layout plan;
    plan_layers(net, &plan);
    return plan.attention_at + STK_ATTENTION_FLOATS;
}

stk_audio_view stk_audio_net_view(const stk_audio_net *net, const float *acts) {
    layout plan;
    plan_layers(net, &plan);
    return stk_audio_attention_view(acts + plan.attention_at);
}

/* --- forward ---------------------------------------------------------------------------------- */

/* rows[l] [channels][steps] -> in lanes [channels][pad + steps + pad][8]. */
static void load_rows(const float *const rows[LANES], const layer *first, float *in) {
    int width = first->steps_in + 2 * first->pad;
    memset(in, 0, (size_t)first->in * (size_t)width * LANES * sizeof *in);
    for (int l = 0; l < LANES; l++) {
        if (rows[l] == NULL) continue;
        for (int c = 0; c < first->in; c++)
            for (int t = 0; t < first->steps_in; t++)
                in[((size_t)c * (size_t)width + (size_t)(t + first->pad)) * LANES + (size_t)l] =
                    rows[l][c * first->steps_in + t];
    }
}

/* The inputs of a layer may come from a convolution (zeros around the step) or not. */
static int stored_pad(const layer *layers, int i) {
    return i == 0 ? layers[0].pad : layers[i - 1].pad;
}

/* One step of a layer, BLOCK outputs at a time:
 *   out[o * out_stride + l] = act( b[o] + sum_{c,k} w[o][c][k] in[c * in_stride + 8 k + l] ) */
static void layer_step(const layer *l, const float *w, const float *b, const float *in,
                       size_t in_stride, float *out, size_t out_stride) {
    size_t row = (size_t)l->in * (size_t)l->taps;
    for (int o = 0; o < l->out; o += BLOCK) {
        lanes4 sum[BLOCK][2];
        const float *weight = w + (size_t)o * row;
        for (int j = 0; j < BLOCK; j++) {
            sum[j][0] = (lanes4){b[o + j], b[o + j], b[o + j], b[o + j]};
            sum[j][1] = sum[j][0];
        }
        for (int c = 0; c < l->in; c++) {
            for (int k = 0; k < l->taps; k++) {
                const float *x = in + (size_t)c * in_stride + (size_t)k * LANES;
                lanes4 low = *(const lanes4 *)x, high = *(const lanes4 *)(x + 4);
                const float *column = weight + (size_t)c * (size_t)l->taps + (size_t)k;
                for (int j = 0; j < BLOCK; j++) {
                    sum[j][0] += column[(size_t)j * row] * low;
                    sum[j][1] += column[(size_t)j * row] * high;
                }
            }
        }
        for (int j = 0; j < BLOCK; j++) {
            float *y = out + (size_t)(o + j) * out_stride;
            memcpy(y, sum[j], sizeof sum[j]);
            for (int i = 0; l->leaky && i < LANES; i++) y[i] = y[i] > 0 ? y[i] : SLOPE * y[i];
        }
    }
}

static void layer_forward(const layer *l, int in_pad, const float *w, const float *b, float *acts) {
    size_t in_stride = (size_t)(l->steps_in + 2 * in_pad) * LANES;
    size_t out_stride = (size_t)(l->steps_out + 2 * l->pad) * LANES;
    const float *in = acts + l->in_at + (l->pad != in_pad ? (size_t)in_pad * LANES : 0);
    float *out = acts + l->out_at;
    if (l->pad) memset(out, 0, (size_t)l->out * out_stride * sizeof *out);
    for (int t = 0; t < l->steps_out; t++)
        layer_step(l, w, b, in + 2 * (size_t)t * LANES, in_stride,
                   out + (size_t)(t + l->pad) * LANES, out_stride);
}

void stk_audio_net_forward(const stk_audio_net *net, const stk_params *params, const float *value,
                           const float *const rows[STK_AUDIO_WINDOW], float *acts,
                           float code[STK_AUDIO_CODE]) {
    layout plan;
    plan_layers(net, &plan);
    load_rows(rows, &plan.layers[0], acts);
    for (int i = 0; i < plan.n; i++) {
        const layer *l = &plan.layers[i];
        layer_forward(l, stored_pad(plan.layers, i), value + params->list[l->weight].offset,
                      value + params->list[l->bias].offset, acts);
    }
    const float *row_codes = acts + plan.layers[plan.n - 1].out_at;
    stk_audio_attention_forward(net, params, value, row_codes, acts + plan.attention_at, code);
}

/* --- backward --------------------------------------------------------------------------------- */

/* dpre = dpost * act'(post), in place; zeros around stay zero. */
static void leaky_backward(const float *post, float *d, size_t n) {
    for (size_t i = 0; i < n; i++) d[i] = post[i] > 0 ? d[i] : SLOPE * d[i];
}

static float sum_lanes(const lanes4 v) {
    return (v[0] + v[2]) + (v[1] + v[3]);
}

/* One step, output o, all inputs: dw[c][k] += sum_l d[l] in[c,k,l];  din[c,k,l] += w[c][k] d[l]. */
static void output_backward(const layer *l, const float *w, const float *in, size_t in_stride,
                            const float *d, float *dw, float *din) {
    lanes4 d_low = *(const lanes4 *)d, d_high = *(const lanes4 *)(d + 4);
    for (int c = 0; c < l->in; c++) {
        for (int k = 0; k < l->taps; k++, w++, dw++) {
            size_t at = (size_t)c * in_stride + (size_t)k * LANES;
            lanes4 low = *(const lanes4 *)(in + at), high = *(const lanes4 *)(in + at + 4);
            *dw += sum_lanes(low * d_low + high * d_high);
            if (din == NULL) continue;
            *(lanes4 *)(din + at) += *w * d_low;
            *(lanes4 *)(din + at + 4) += *w * d_high;
        }
    }
}

/* d: gradient of this layer's output, laid out like it; din: of its input, or NULL. */
static void layer_backward(const layer *l, int in_pad, const float *w, const float *acts, float *d,
                           float *din, float *const grads[2]) {
    size_t in_stride = (size_t)(l->steps_in + 2 * in_pad) * LANES;
    size_t out_stride = (size_t)(l->steps_out + 2 * l->pad) * LANES;
    size_t shift = l->pad != in_pad ? (size_t)in_pad * LANES : 0,
           row = (size_t)l->in * (size_t)l->taps;
    if (l->leaky) leaky_backward(acts + l->out_at, d, (size_t)l->out * out_stride);
    if (din != NULL) memset(din, 0, (size_t)l->in * in_stride * sizeof *din);
    for (int o = 0; o < l->out; o++) {
        for (int t = 0; t < l->steps_out; t++) {
            const float *dout = d + (size_t)o * out_stride + (size_t)(t + l->pad) * LANES;
            size_t at = shift + 2 * (size_t)t * LANES;
            for (int i = 0; i < LANES; i++) grads[1][o] += dout[i];
            output_backward(l, w + (size_t)o * row, acts + l->in_at + at, in_stride, dout,
                            grads[0] + (size_t)o * row, din != NULL ? din + at : NULL);
        }
    }
    if (din == NULL || in_pad == 0) return;
    for (int c = 0; c < l->in; c++) { /* what flowed into the padding goes nowhere */
        memset(din + (size_t)c * in_stride, 0, LANES * sizeof *din);
        memset(din + (size_t)(c + 1) * in_stride - LANES, 0, LANES * sizeof *din);
    }
}

void stk_audio_net_backward(const stk_audio_net *net, const stk_params *params, const float *value,
                            const float *const rows[STK_AUDIO_WINDOW], const float *acts,
                            const float dcode[STK_AUDIO_CODE], float *grad) {
    (void)rows; /* kept in acts, in lanes */
    float buffers[2][LAYER_FLOATS_MAX];
    layout plan;
    plan_layers(net, &plan);
    stk_audio_attention_backward(net, params, value, acts + plan.attention_at, dcode, buffers[0],
                                 grad);
    for (int i = plan.n - 1; i >= 0; i--) {
        const layer *l = &plan.layers[i];
        float *d = buffers[(plan.n - 1 - i) % 2], *din = i > 0 ? buffers[(plan.n - i) % 2] : NULL;
        float *const grads[2] = {grad + params->list[l->weight].offset,
                                 grad + params->list[l->bias].offset};
        layer_backward(l, stored_pad(plan.layers, i), value + params->list[l->weight].offset, acts,
                       d, din, grads);
    }
}
