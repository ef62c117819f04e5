/* Backward of the audio nets and the audio attention against central differences.
 *
 * The reference is the net written once more from its description, in doubles and with plain loops;
 * it also checks the forward. f = sum_i g_i code_i with random g. Step 2^-20: truncation is nil
 * (the net is piecewise linear up to the softmax, and so small a step hardly ever crosses a kink),
 * round-off is 1e-16 / 2^-20 = 1e-10; what remains is the float backward's own rounding, at most
 * (number of terms, 1536) * 2^-24 = 9e-5 of the largest entry.
 */
#include "support.h"
#include "gradcheck.h"
#include "base/rng.h"
#include "face_sync/audio.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = STK_AUDIO_WINDOW };
static const double TOLERANCE = 9e-5;

typedef struct subject {
    stk_audio_net net;
    stk_params params;
    const float *rows[ROWS];
    float *data, *acts;
    double upstream[STK_AUDIO_CODE];
} subject;

static double leaky(double x) {
    return x > 0 ? x : 0.02 * x;
}

static const float *value_of(const subject *s, int index) {
    return stk_params_value(&s->params, index);
}

/* y[o][t] = b[o] + sum w[o][c][k] x[c][t * stride - 1 + k] */
static void conv(const float *w, const float *b, int in, int out, int steps, int stride,
                 const double *x, double *y) {
    int steps_out = (steps - 1) / stride + 1;
    for (int o = 0; o < out; o++) {
        for (int t = 0; t < steps_out; t++) {
            double sum = (double)b[o];
            for (int c = 0; c < in; c++)
                for (int k = 0; k < 3; k++) {
                    int at = t * stride - 1 + k;
                    if (at >= 0 && at < steps)
                        sum += (double)w[(o * in + c) * 3 + k] * x[c * steps + at];
                }
            y[o * steps_out + t] = leaky(sum);
        }
    }
}

static void linear(const float *w, const float *b, int in, int out, int activate, const double *x,
                   double *y) {
    for (int o = 0; o < out; o++) {
        double sum = (double)b[o];
        for (int i = 0; i < in; i++) sum += (double)w[o * in + i] * x[i];
        y[o] = activate ? leaky(sum) : sum;
    }
}

static void row_code(const subject *s, const float *row, double code[STK_AUDIO_CODE]) {
    static const int CONV_OUT[4] = {32, 32, 64, 64};
    static double a[2048], b[2048];
    double *x = a, *y = b, *swap;
    int ave = s->net.kind == STK_AUDIO_AVE, layers = ave ? 3 : 2, in = ave ? 512 : 0;
    for (int i = 0; i < s->net.row_floats; i++) x[i] = row != NULL ? (double)row[i] : 0;
    int steps = s->net.kind == STK_AUDIO_HUBERT ? 2 : 16;
    for (int i = 0; !ave && i < 4; i++) {
        in = i == 0 ? s->net.row_floats / steps : CONV_OUT[i - 1];
        conv(value_of(s, s->net.net_weight[i]), value_of(s, s->net.net_bias[i]), in, CONV_OUT[i],
             steps, 2, x, y);
        steps = (steps - 1) / 2 + 1;
        swap = x, x = y, y = swap;
        in = CONV_OUT[i];
    }
    for (int i = 0; i < layers; i++) {
        int out = s->params.list[s->net.fc_weight[i]].shape[0];
        linear(value_of(s, s->net.fc_weight[i]), value_of(s, s->net.fc_bias[i]), in, out,
               i < layers - 1, x, y);
        swap = x, x = y, y = swap;
        in = out;
    }
    memcpy(code, x, STK_AUDIO_CODE * sizeof *code);
}

static void reference_code(const subject *s, double code[STK_AUDIO_CODE]) {
    static const int CHANNELS[6] = {32, 16, 8, 4, 2, 1};
    double rows[ROWS][STK_AUDIO_CODE], a[32 * ROWS], b[32 * ROWS], *x = a, *y = b, *swap, total = 0;
    for (int t = 0; t < ROWS; t++) {
        row_code(s, s->rows[t], rows[t]);
        for (int i = 0; i < STK_AUDIO_CODE; i++) a[i * ROWS + t] = rows[t][i];
    }
    for (int i = 0; i < 5; i++) {
        conv(value_of(s, s->net.att_weight[i]), value_of(s, s->net.att_bias[i]), CHANNELS[i],
             CHANNELS[i + 1], ROWS, 1, x, y);
        swap = x, x = y, y = swap;
    }
    linear(value_of(s, s->net.att_fc_weight), value_of(s, s->net.att_fc_bias), ROWS, ROWS, 0, x, y);
    for (int t = 0; t < ROWS; t++) total += exp(y[t]);
    for (int i = 0; i < STK_AUDIO_CODE; i++) {
        code[i] = 0;
        for (int t = 0; t < ROWS; t++) code[i] += exp(y[t]) / total * rows[t][i];
    }
}

static double objective(void *context) {
    const subject *s = context;
    double code[STK_AUDIO_CODE], sum = 0;
    reference_code(s, code);
    for (int i = 0; i < STK_AUDIO_CODE; i++) sum += s->upstream[i] * code[i];
    return sum;
}

static void make_subject(subject *s, stk_audio_kind kind) {
    stk_rng rng;
    stk_rng_seed(&rng, 11, (uint64_t)kind);
    TEST_OK(stk_params_init(&s->params));
    TEST_OK(stk_audio_net_register(&s->net, &s->params, kind));
    TEST_OK(stk_params_seal(&s->params, 1));
    stk_audio_net_init(&s->net, &s->params, &rng);
    /* The default start leaves the attention almost uniform and its gradients tiny: make it decide.
     */
    for (int k = 0; k < 5; k++) {
        const stk_param *conv_weight = &s->params.list[s->net.att_weight[k]];
        float *weight = stk_params_value(&s->params, s->net.att_weight[k]);
        for (size_t i = 0; i < conv_weight->count; i++) weight[i] *= 3;
    }
    float *sharp = stk_params_value(&s->params, s->net.att_fc_weight);
    for (int i = 0; i < ROWS * ROWS; i++) sharp[i] *= 8;
    size_t n = (size_t)s->net.row_floats;
    s->data = malloc(ROWS * n * sizeof *s->data);
    s->acts = malloc(stk_audio_net_act_floats(&s->net) * sizeof *s->acts);
    assert_true(s->data != NULL && s->acts != NULL);
    for (size_t i = 0; i < ROWS * n; i++) s->data[i] = stk_rng_normal(&rng);
    for (int t = 0; t < ROWS; t++) s->rows[t] = t == 2 ? NULL : s->data + (size_t)t * n;
    for (int i = 0; i < STK_AUDIO_CODE; i++) s->upstream[i] = (double)stk_rng_normal(&rng);
}

static void check_kind(stk_audio_kind kind) {
    subject s;
    make_subject(&s, kind);
    float code[STK_AUDIO_CODE], dcode[STK_AUDIO_CODE];
    double wanted[STK_AUDIO_CODE], worst = 0;
    memset(s.acts, 0x7f, stk_audio_net_act_floats(&s.net) * sizeof *s.acts); /* 3e38: must be set */
    stk_audio_net_forward(&s.net, &s.params, s.params.value, s.rows, s.acts, code);
    reference_code(&s, wanted);
    for (int i = 0; i < STK_AUDIO_CODE; i++) {
        assert_true(fabs(wanted[i] - (double)code[i]) < 2e-5); /* values of about 0.5 */
        dcode[i] = (float)s.upstream[i];
    }
    stk_audio_net_backward(&s.net, &s.params, s.params.value, s.rows, s.acts, dcode, s.params.grad);
    size_t samples = kind == STK_AUDIO_HUBERT ? 6 : 20; /* the reference is slow there */
    for (int i = 0; i < s.params.n; i++) {
        const stk_param *param = &s.params.list[i];
        test_gradient check = {.what = param->name,
                               .x = stk_params_value(&s.params, i),
                               .gradient = stk_params_grad(&s.params, i),
                               .n = param->count,
                               .every = param->count / samples + 1,
                               .step = 0x1p-20,
                               .tolerance = TOLERANCE,
                               .absolute = 1e-9};
        worst = fmax(worst, test_gradcheck(&check, objective, &s));
    }
    print_message("%s: largest error %.2g of the largest entry\n", stk_audio_kind_name(kind),
                  worst);

    /* A second backward adds to the first. */
    float once = stk_params_grad(&s.params, s.net.fc_weight[0])[3];
    stk_audio_net_backward(&s.net, &s.params, s.params.value, s.rows, s.acts, dcode, s.params.grad);
    float twice = stk_params_grad(&s.params, s.net.fc_weight[0])[3];
    assert_true(fabsf(twice - 2 * once) <= 1e-5f * fabsf(once));
    free(s.data), free(s.acts);
    stk_params_clear(&s.params);
}

static void backward_ave_matches_differences(void **state) {
    (void)state, check_kind(STK_AUDIO_AVE);
}
static void backward_mel_matches_differences(void **state) {
    (void)state, check_kind(STK_AUDIO_MEL);
}
static void backward_hubert_matches_differences(void **state) {
    (void)state, check_kind(STK_AUDIO_HUBERT);
}
static void backward_deepspeech_matches_differences(void **state) {
    (void)state, check_kind(STK_AUDIO_DEEPSPEECH);
}
static void backward_esperanto_matches_differences(void **state) {
    (void)state, check_kind(STK_AUDIO_ESPERANTO);
}
static void backward_wav2vec_matches_differences(void **state) {
    (void)state, check_kind(STK_AUDIO_WAV2VEC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backward_ave_matches_differences),
        cmocka_unit_test(backward_mel_matches_differences),
        cmocka_unit_test(backward_hubert_matches_differences),
        cmocka_unit_test(backward_deepspeech_matches_differences),
        cmocka_unit_test(backward_esperanto_matches_differences),
        cmocka_unit_test(backward_wav2vec_matches_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
