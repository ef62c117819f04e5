/* audio_code.c */
#include "audio_code.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/pth.h"

enum { ROWS = 8, CODE = 32, WIDEST = 512 };

static float *tensor(const stk_pth *file, const char *module, const char *entry, int layer,
                     int count) {
    char name[72];
    snprintf(name, sizeof name, module, layer);
    strcat(name, entry);
    float *out = malloc((size_t)count * sizeof *out);
    assert_non_null(out);
    TEST_OK(stk_pth_read_f32(stk_pth_get(stk_pth_model(file), name), out, count, name));
    return out;
}

static double leaky(double x) {
    return x > 0 ? x : 0.02 * x;
}

/* y[o] = b[o] + sum_i w[o][i] x[i], in place over x. */
static void dense(const stk_pth *file, const char *module, int layer, int out, int in, double *x) {
    float *w = tensor(file, module, ".weight", layer, out * in);
    float *b = tensor(file, module, ".bias", layer, out);
    double y[WIDEST];
    for (int o = 0; o < out; o++) {
        y[o] = b[o];
        for (int i = 0; i < in; i++) y[o] += (double)w[o * in + i] * x[i];
    }
    memcpy(x, y, (size_t)out * sizeof *y);
    free(w);
    free(b);
}

/* Kernel 3, padding 1, then the leaky rectifier; x [in][8] -> [out][8], in place. */
static void convolve(const stk_pth *file, int layer, int out, int in, double *x) {
    const char *module = "audio_att_net.attentionConvNet.%d";
    float *w = tensor(file, module, ".weight", layer, out * in * 3);
    float *b = tensor(file, module, ".bias", layer, out);
    double y[16 * ROWS];
    for (int o = 0; o < out; o++)
        for (int t = 0; t < ROWS; t++) {
            double sum = b[o];
            for (int i = 0; i < in; i++)
                for (int k = 0; k < 3; k++)
                    if (t + k >= 1 && t + k <= ROWS)
                        sum += (double)w[(o * in + i) * 3 + k] * x[i * ROWS + t + k - 1];
            y[o * ROWS + t] = leaky(sum);
        }
    memcpy(x, y, (size_t)(out * ROWS) * sizeof *y);
    free(w);
    free(b);
}

void test_audio_code(const char *path, const float *auds, float code[32]) {
    static const int widths[] = {512, 256, 128, 32}, channels[] = {32, 16, 8, 4, 2, 1};
    double rows[ROWS][CODE], x[WIDEST], a[CODE * ROWS], sum = 0;
    stk_pth *file = NULL;
    TEST_OK(stk_pth_open(&file, path));
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i < 512; i++) x[i] = auds[r * 512 + i];
        for (int k = 0; k < 3; k++) {
            dense(file, "audio_net.encoder_fc1.%d", 2 * k, widths[k + 1], widths[k], x);
            for (int i = 0; k < 2 && i < widths[k + 1]; i++) x[i] = leaky(x[i]);
        }
        memcpy(rows[r], x, sizeof rows[r]);
        for (int c = 0; c < CODE; c++) a[c * ROWS + r] = x[c];
    }
    for (int k = 0; k < 5; k++) convolve(file, 2 * k, channels[k + 1], channels[k], a);
    dense(file, "audio_att_net.attentionNet.%d", 0, ROWS, ROWS, a);
    for (int r = 0; r < ROWS; r++) sum += exp(a[r]);
    for (int c = 0; c < CODE; c++) {
        double value = 0;
        for (int r = 0; r < ROWS; r++) value += exp(a[r]) / sum * rows[r][c];
        code[c] = (float)value;
    }
    stk_pth_close(&file);
}
