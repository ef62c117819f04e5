/* syncnet.c - see syncnet.h.
 *
 * Convolutions over (time, rows, columns) have five taps in time in the first layer and one in the
 * others, so each is a convolution of pictures: the first on 15 channels, c x 5 + t, which is how
 * the weights [96][3][5][7][7] lie. Batch norms (epsilon 1e-5) are folded (nn/norm.h).
 */
#include "face_sync/syncnet.h"
#include "base/attr.h"
#include "base/memory.h"
#include "nn/dnnl.h"
#include "nn/norm.h"
#include "nn/state_dict.h"
#include "nn/weights.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, OUT_MAX = 1024, LAYERS = 8, SHIFTS = 2 * STK_SYNCNET_REACH + 1 };
static const double NORM_EPSILON = 1e-5;
static const char WHAT[] = "the network SyncNet, syncnet_v2.model";

typedef struct layer_plan {
    const char *name, *norm; /* tensors "<name>.weight" ...; norm NULL: none, and no ReLU */
    int in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride, pad;
    int pool, pool_h, pool_w, pool_pad; /* largest of pool x pool every pool_h, pool_w; 0: none */
} layer_plan;

#define LIP "netcnnlip."
#define AUD "netcnnaud."
static const layer_plan EYE[LAYERS] = {
    {LIP "0", LIP "1", 224, 224, 15, 96, 7, 7, 2, 0, 3, 2, 2, 0},
    {LIP "4", LIP "5", 54, 54, 96, 256, 5, 5, 2, 1, 3, 2, 2, 1},
    {LIP "8", LIP "9", 13, 13, 256, 256, 3, 3, 1, 1, 0, 0, 0, 0},
    {LIP "11", LIP "12", 13, 13, 256, 256, 3, 3, 1, 1, 0, 0, 0, 0},
    {LIP "14", LIP "15", 13, 13, 256, 256, 3, 3, 1, 1, 3, 2, 2, 0},
    {LIP "18", LIP "19", 6, 6, 256, 512, 6, 6, 1, 0, 0, 0, 0, 0},
    {"netfclip.0", "netfclip.1", 1, 1, 512, 512, 1, 1, 1, 0, 0, 0, 0, 0},
    {"netfclip.3", NULL, 1, 1, 512, 1024, 1, 1, 1, 0, 0, 0, 0, 0},
};
static const layer_plan EAR[LAYERS] = {
    {AUD "0", AUD "1", 13, 20, 1, 64, 3, 3, 1, 1, 0, 0, 0, 0},
    {AUD "4", AUD "5", 13, 20, 64, 192, 3, 3, 1, 1, 3, 1, 2, 0},
    {AUD "8", AUD "9", 11, 9, 192, 384, 3, 3, 1, 1, 0, 0, 0, 0},
    {AUD "11", AUD "12", 11, 9, 384, 256, 3, 3, 1, 1, 0, 0, 0, 0},
    {AUD "14", AUD "15", 11, 9, 256, 256, 3, 3, 1, 1, 3, 2, 2, 0},
    {AUD "18", AUD "19", 5, 4, 256, 512, 5, 4, 1, 0, 0, 0, 0, 0},
    {"netfcaud.0", "netfcaud.1", 1, 1, 512, 512, 1, 1, 1, 0, 0, 0, 0, 0},
    {"netfcaud.3", NULL, 1, 1, 512, 1024, 1, 1, 1, 0, 0, 0, 0, 0},
};
enum { ACT_FLOATS = 109 * 109 * 96, INPUT_FLOATS = STK_SYNCNET_FRAMES * STK_SYNCNET_FACE };

struct stk_syncnet {
    stk_dnnl_layer *eye[LAYERS], *ear[LAYERS];
    float *act[2], *input;
};

/* --- weights ---------------------------------------------------------------------------------- */

stk_status stk_syncnet_locate(const char *models, char path[STK_PATH_MAX]) {
    return stk_weights_locate(models, "syncnet_v2.model",
                              "SyncNet, by which LSE-C and LSE-D are measured; from "
                              "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/"
                              "syncnet_v2.model",
                              path);
}

static stk_status read_tensor(const stk_state_dict *dict, const char *layer, const char *part,
                              int64_t count, float *out) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return stk_state_dict_read_weights(dict, WHAT, name, 0, (int[]){(int)count}, out);
}

/* Weight [out][fan_in] and bias [out], the norm folded in. */
static stk_status read_layer(const stk_state_dict *dict, const layer_plan *l, float *weight,
                             float *bias) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    float norm[4][OUT_MAX];
    const int fan_in = l->in_c * l->kernel_h * l->kernel_w;
    STK_TRY(read_tensor(dict, l->name, "weight", (int64_t)l->out_c * fan_in, weight));
    STK_TRY(read_tensor(dict, l->name, "bias", l->out_c, bias));
    if (l->norm == NULL) return STK_OK;
    for (int k = 0; k < 4; k++) STK_TRY(read_tensor(dict, l->norm, parts[k], l->out_c, norm[k]));
    const stk_norm fold = {norm[0], norm[1], norm[2], norm[3], NORM_EPSILON, 0};
    if (stk_norm_fold(&fold, l->out_c, (size_t)fan_in, weight, bias)) return STK_OK;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not %s: %s has a negative variance or too large numbers",
                    stk_state_dict_path(dict), WHAT, l->norm);
}

static void size_after(const layer_plan *l, int *h, int *w) {
    *h = (l->in_h + 2 * l->pad - l->kernel_h) / l->stride + 1;
    *w = (l->in_w + 2 * l->pad - l->kernel_w) / l->stride + 1;
}

static stk_status create_layer(const layer_plan *l, const float *weight, const float *bias,
                               stk_dnnl_layer **layer) {
    stk_conv_shape s = {.batch = 1,
                        .in_h = l->in_h,
                        .in_w = l->in_w,
                        .in_c = l->in_c,
                        .out_c = l->out_c,
                        .kernel_h = l->kernel_h,
                        .kernel_w = l->kernel_w,
                        .stride_h = l->stride,
                        .stride_w = l->stride,
                        .dilation_h = 1,
                        .dilation_w = 1,
                        .pad_top = l->pad,
                        .pad_left = l->pad,
                        .groups = 1};
    size_after(l, &s.out_h, &s.out_w);
    s.pad_bottom = s.pad_right = l->pad; /* what the last window does not reach is left out */
    return stk_dnnl_conv_create(layer, &s, STK_CONV_OIHW, weight, bias,
                                l->norm != NULL ? STK_ACT_RELU : STK_ACT_NONE);
}

static stk_status create_layers(stk_syncnet *net, const stk_state_dict *dict, float *weight) {
    float bias[OUT_MAX];
    for (int i = 0; i < 2 * LAYERS; i++) {
        const layer_plan *l = i < LAYERS ? &EYE[i] : &EAR[i - LAYERS];
        STK_TRY(read_layer(dict, l, weight, bias));
        STK_TRY(create_layer(l, weight, bias, i < LAYERS ? &net->eye[i] : &net->ear[i - LAYERS]));
    }
    return STK_OK;
}

static stk_status open_layers(stk_syncnet *net, const char *path) {
    stk_state_dict *dict;
    float *weight = stk_calloc_aligned((size_t)512 * 256 * 36, sizeof *weight);
    if (weight == NULL) return stk_fail_memory("SyncNet");
    stk_status status = stk_state_dict_open(&dict, path);
    if (status == STK_OK) {
        status = create_layers(net, dict, weight);
        stk_state_dict_close(&dict);
    }
    stk_free(weight);
    return status;
}

stk_status stk_syncnet_create(stk_syncnet **out, const char *path) {
    stk_syncnet *net = stk_calloc_aligned(1, sizeof *net);
    *out = NULL;
    if (net == NULL) return stk_fail_memory("SyncNet");
    net->input = stk_calloc_aligned(INPUT_FLOATS, sizeof(float));
    net->act[0] = stk_calloc_aligned(ACT_FLOATS, sizeof(float));
    net->act[1] = stk_calloc_aligned(ACT_FLOATS, sizeof(float));
    stk_status status = net->input != NULL && net->act[0] != NULL && net->act[1] != NULL
                            ? open_layers(net, path)
                            : stk_fail_memory("SyncNet");
    if (status != STK_OK) stk_syncnet_free(&net);
    *out = net;
    return status;
}

void stk_syncnet_free(stk_syncnet **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_syncnet *net = *handle;
    for (int i = 0; i < LAYERS; i++) {
        stk_dnnl_layer_free(&net->eye[i]);
        stk_dnnl_layer_free(&net->ear[i]);
    }
    stk_free(net->input);
    stk_free(net->act[0]);
    stk_free(net->act[1]);
    stk_free(net);
    *handle = NULL;
}

/* --- forward ---------------------------------------------------------------------------------- */

/* y [h'][w'][c]: the largest of each window of x [h][w][c]; what lies outside does not count. */
static void largest(const layer_plan *l, int h, int w, const float *x, float *y) {
    const int c = l->out_c;
    const int out_h = (h + 2 * l->pool_pad - l->pool) / l->pool_h + 1;
    const int out_w = (w + 2 * l->pool_pad - l->pool) / l->pool_w + 1;
    for (int i = 0; i < out_h; i++)
        for (int j = 0; j < out_w; j++, y += c) {
            for (int k = 0; k < c; k++) y[k] = -FLT_MAX;
            for (int t = 0; t < l->pool * l->pool; t++) {
                const int row = i * l->pool_h - l->pool_pad + t / l->pool;
                const int col = j * l->pool_w - l->pool_pad + t % l->pool;
                if (row < 0 || row >= h || col < 0 || col >= w) continue;
                const float *from = x + ((size_t)row * (size_t)w + (size_t)col) * (size_t)c;
                for (int k = 0; k < c; k++) y[k] = from[k] > y[k] ? from[k] : y[k];
            }
        }
}

static stk_status run(stk_syncnet *net, const layer_plan *plan, stk_dnnl_layer *const *layers,
                      float code[STK_SYNCNET_CODE]) {
    const float *x = net->input;
    int at = 0;
    for (int i = 0; i < LAYERS; i++) {
        STK_TRY(stk_dnnl_layer_run(layers[i], x, net->act[at]));
        x = net->act[at];
        at ^= 1;
        if (plan[i].pool == 0) continue;
        int h, w;
        size_after(&plan[i], &h, &w);
        largest(&plan[i], h, w, x, net->act[at]);
        x = net->act[at];
        at ^= 1;
    }
    memcpy(code, x, STK_SYNCNET_CODE * sizeof *code);
    return STK_OK;
}

stk_status stk_syncnet_see(stk_syncnet *net, const uint8_t *const faces[STK_SYNCNET_FRAMES],
                           float code[STK_SYNCNET_CODE]) {
    for (int t = 0; t < STK_SYNCNET_FRAMES; t++)
        for (int i = 0; i < STK_SYNCNET_SIDE * STK_SYNCNET_SIDE; i++)
            for (int c = 0; c < CHANNELS; c++)
                net->input[(size_t)i * CHANNELS * STK_SYNCNET_FRAMES +
                           (size_t)(c * STK_SYNCNET_FRAMES + t)] =
                    (float)faces[t][3 * i + (CHANNELS - 1 - c)];
    return run(net, EYE, net->eye, code);
}

stk_status stk_syncnet_hear(stk_syncnet *net, const float (*mfcc)[STK_MFCC_COUNT],
                            float code[STK_SYNCNET_CODE]) {
    for (int k = 0; k < STK_MFCC_COUNT; k++)
        for (int r = 0; r < STK_SYNCNET_ROWS; r++)
            net->input[k * STK_SYNCNET_ROWS + r] = mfcc[r][k];
    return run(net, EAR, net->ear, code);
}

/* --- figures ---------------------------------------------------------------------------------- */

/* sound NULL: zeros. The small number is PyTorch's (pairwise_distance). */
static double distance(const float *lips, const float *sound) {
    double sum = 0;
    for (int k = 0; k < STK_SYNCNET_CODE; k++) {
        const double d = (double)lips[k] - (sound != NULL ? (double)sound[k] : 0) + 1e-6;
        sum += d * d;
    }
    return sqrt(sum);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stk_lse_of(int n, const float *lips, const float *sound, stk_lse *lse) {
    double mean[SHIFTS] = {0};
    int best = 0;
    *lse = (stk_lse){.windows = n};
    if (n < 1) return;
    for (int k = 0; k < SHIFTS; k++) {
        for (int i = 0; i < n; i++) {
            const int j = i + k - STK_SYNCNET_REACH;
            mean[k] += distance(lips + (size_t)i * STK_SYNCNET_CODE,
                                j >= 0 && j < n ? sound + (size_t)j * STK_SYNCNET_CODE : NULL);
        }
        mean[k] /= n;
        if (mean[k] < mean[best]) best = k;
    }
    lse->offset_frames = best - STK_SYNCNET_REACH;
    lse->d = mean[best];
    qsort(mean, SHIFTS, sizeof *mean, compare);
    lse->c = mean[SHIFTS / 2] - lse->d;
}
