/* active_speaker.c - see active_speaker.h.
 *
 * The published convolutions over (time, rows, columns) are all factorised: 1 x k x k on the
 * pictures, then k x 1 x 1 in time. So each is a convolution of pictures for oneDNN: the first with
 * frames as batch, the second on one picture of `frames` rows and rows * columns columns. Sound:
 * the same with cepstrum rows as picture rows and time as columns.
 *
 *   block: x -> s3 -> t3 -> a;  x -> s5 -> t5 -> b;  a + b -> last;  ReLU behind each
 *
 * Batch norms (epsilon 0.001) are folded into weights and biases, in double precision. Calls of
 * fewer frames than the layers have are run with the rest, which is set to zero between the layers:
 * that is the padding the published network has at the ends.
 */
#include "face_sync/active_speaker.h"

#include "base/memory.h"
#include "nn/dnnl.h"
#include "nn/norm.h"
#include "nn/state_dict.h"
#include "nn/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 3, FRAMES = STK_SPEAKER_FRAMES, CODE = STK_SPEAKER_CODE, GATES = 3 * CODE };
enum { SHORT_SPACE, SHORT_TIME, LONG_SPACE, LONG_TIME, LAST, LAYERS };
enum { EYE, EAR, SENSES };
enum { BUFFERS = 4, LANES = 8 }; /* LANES: sequences scored at once */

static const double NORM_EPSILON = 1e-3;
static const float GREY_MEAN = 0.4161f, GREY_DEVIATION = 0.1688f; /* of the training pictures */
static const int CHANNELS[BLOCKS + 1] = {1, 32, 64, 128};
static const int EYE_SIDES[BLOCKS] = {56, 28, 14};
static const int EAR_STEPS[BLOCKS] = {4, 2, 1}; /* a frame */
#define BUFFER_FLOATS ((size_t)FRAMES * 56 * 56 * 32)

typedef struct gru {
    float input[CODE][GATES], hidden[CODE][GATES]; /* transposed: [in][gate] */
    float input_bias[GATES], hidden_bias[GATES];
} gru;

struct stk_active_speaker {
    stk_dnnl_layer *layers[SENSES][BLOCKS][LAYERS];
    float *buffer[BUFFERS];
    gru pass[2]; /* forwards, backwards */
    float linear[CODE], linear_bias;
    float (*hidden)[LANES][CODE]; /* [STK_SPEAKER_SCORED] */
    float (*score)[LANES];        /* the same */
};

static const char WEIGHTS[] = "light_asd_finetune_TalkSet.model";
static const char WHAT[] = "the network Light-ASD";

/* --- weights ---------------------------------------------------------------------------------- */

static stk_status read_tensor(const stk_state_dict *dict, const char *name, int64_t count,
                              float *out) {
    return stk_state_dict_read_weights(dict, WHAT, name, 0, (int[]){(int)count}, out);
}

/* Folds the norm of layer `name` of a block into weight [out][fan_in] and bias [out]. */
static stk_status read_layer(const stk_state_dict *dict, const char *block, const char *name,
                             int out, int fan_in, float *weight, float *bias) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    float norm[4][CODE];
    char key[96];
    snprintf(key, sizeof key, "%s.%s.weight", block, name);
    STK_TRY(read_tensor(dict, key, (int64_t)out * fan_in, weight));
    for (int k = 0; k < 4; k++) {
        snprintf(key, sizeof key, "%s.bn_%s.%s", block, name, parts[k]);
        STK_TRY(read_tensor(dict, key, out, norm[k]));
    }
    const stk_norm fold = {norm[0], norm[1], norm[2], norm[3], NORM_EPSILON, 0};
    memset(bias, 0, (size_t)out * sizeof *bias);
    if (stk_norm_fold(&fold, out, (size_t)fan_in, weight, bias)) return STK_OK;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not %s: %s.bn_%s has a negative variance or too large numbers",
                    stk_state_dict_path(dict), WHAT, block, name);
}

static int taps_of(int layer) {
    return layer == LAST ? 1 : layer == SHORT_SPACE || layer == SHORT_TIME ? 3 : 5;
}

/* The layer as a convolution of pictures. */
static stk_conv_shape shape_of(int sense, int block, int layer) {
    const int taps = taps_of(layer), pad = taps / 2;
    const int space = layer == SHORT_SPACE || layer == LONG_SPACE;
    const int first = space && block == 0, stride = first && sense == EYE ? 2 : 1;
    const int side = EYE_SIDES[block];
    stk_conv_shape s = {.batch = 1,
                        .groups = 1,
                        .dilation_h = 1,
                        .dilation_w = 1,
                        .stride_h = stride,
                        .stride_w = stride,
                        .in_c = CHANNELS[space ? block : block + 1],
                        .out_c = CHANNELS[block + 1],
                        .kernel_h = 1,
                        .kernel_w = 1};
    if (sense == EAR) {
        s.in_h = s.out_h = STK_MFCC_COUNT;
        s.in_w = s.out_w = FRAMES * EAR_STEPS[block];
        if (space) s.kernel_h = taps, s.pad_top = s.pad_bottom = pad;
        if (!space) s.kernel_w = taps, s.pad_left = s.pad_right = pad;
    } else if (space) {
        s.batch = FRAMES;
        s.in_h = s.in_w = side * stride;
        s.out_h = s.out_w = side;
        s.kernel_h = s.kernel_w = taps;
        s.pad_top = s.pad_left = pad;
        s.pad_bottom = s.pad_right = stride == 2 ? pad - 1 : pad;
    } else {
        s.in_h = s.out_h = FRAMES;
        s.in_w = s.out_w = side * side;
        s.kernel_h = taps;
        s.pad_top = s.pad_bottom = pad;
    }
    return s;
}

static stk_status create_layers(stk_active_speaker *a, const stk_state_dict *dict) {
    static const char *const names[SENSES][LAYERS] = {{"s_3", "t_3", "s_5", "t_5", "last"},
                                                      {"m_3", "t_3", "m_5", "t_5", "last"}};
    float bias[CODE], *weight = a->buffer[0]; /* larger than any of them */
    for (int sense = 0; sense < SENSES; sense++)
        for (int block = 0; block < BLOCKS; block++)
            for (int layer = 0; layer < LAYERS; layer++) {
                const stk_conv_shape s = shape_of(sense, block, layer);
                char name[64];
                snprintf(name, sizeof name, "model.%sEncoder.block%d",
                         sense == EYE ? "visual" : "audio", block + 1);
                STK_TRY(read_layer(dict, name, names[sense][layer], s.out_c,
                                   s.in_c * s.kernel_h * s.kernel_w, weight, bias));
                STK_TRY(stk_dnnl_conv_create(&a->layers[sense][block][layer], &s, STK_CONV_OIHW,
                                             weight, bias, STK_ACT_RELU));
            }
    return STK_OK;
}

static stk_status read_gru(const stk_state_dict *dict, const char *name, float *scratch, gru *g) {
    char key[64];
    for (int k = 0; k < 2; k++) {
        float(*matrix)[GATES] = k == 0 ? g->input : g->hidden;
        snprintf(key, sizeof key, "model.GRU.gru_%s.weight_%s_l0", name, k == 0 ? "ih" : "hh");
        STK_TRY(read_tensor(dict, key, GATES * CODE, scratch));
        for (int i = 0; i < GATES * CODE; i++) matrix[i % CODE][i / CODE] = scratch[i];
        snprintf(key, sizeof key, "model.GRU.gru_%s.bias_%s_l0", name, k == 0 ? "ih" : "hh");
        STK_TRY(read_tensor(dict, key, GATES, k == 0 ? g->input_bias : g->hidden_bias));
    }
    return STK_OK;
}

static stk_status read_weights(stk_active_speaker *a, const stk_state_dict *dict) {
    float bias[2];
    STK_TRY(create_layers(a, dict));
    STK_TRY(read_gru(dict, "forward", a->buffer[0], &a->pass[0]));
    STK_TRY(read_gru(dict, "backward", a->buffer[0], &a->pass[1]));
    /* two classes; the second one, "speaks", is the published score */
    STK_TRY(read_tensor(dict, "lossAV.FC.weight", 2 * CODE, a->buffer[0]));
    memcpy(a->linear, a->buffer[0] + CODE, sizeof a->linear);
    STK_TRY(read_tensor(dict, "lossAV.FC.bias", 2, bias));
    a->linear_bias = bias[1];
    return STK_OK;
}

static stk_status open_weights(stk_active_speaker *a, const char *models) {
    char path[STK_PATH_MAX];
    stk_state_dict *dict;
    STK_TRY(stk_weights_find(models, WEIGHTS, path));
    STK_TRY(stk_state_dict_open(&dict, path));
    stk_status status = read_weights(a, dict);
    stk_state_dict_close(&dict);
    return status;
}

stk_status stk_active_speaker_create(stk_active_speaker **out, const char *models) {
    stk_status status = STK_OK;
    *out = NULL;
    stk_active_speaker *a = stk_calloc_aligned(1, sizeof *a);
    if (a == NULL) return stk_fail_memory("active speaker");
    a->hidden = stk_calloc_aligned(STK_SPEAKER_SCORED, sizeof *a->hidden);
    a->score = stk_calloc_aligned(STK_SPEAKER_SCORED, sizeof *a->score);
    if (a->hidden == NULL || a->score == NULL) status = stk_fail_memory("active speaker");
    for (int i = 0; i < BUFFERS; i++) {
        a->buffer[i] = stk_calloc_aligned(BUFFER_FLOATS, sizeof(float));
        if (a->buffer[i] == NULL) status = stk_fail_memory("active speaker");
    }
    if (status == STK_OK) status = open_weights(a, models);
    if (status != STK_OK) stk_active_speaker_free(&a);
    *out = a;
    return status;
}

int stk_active_speaker_have(const char *models) {
    return stk_weights_have(models, WEIGHTS);
}

void stk_active_speaker_free(stk_active_speaker **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_active_speaker *a = *handle;
    for (int i = 0; i < SENSES * BLOCKS * LAYERS; i++) stk_dnnl_layer_free(&a->layers[0][0][0] + i);
    for (int i = 0; i < BUFFERS; i++) stk_free(a->buffer[i]);
    stk_free(a->hidden);
    stk_free(a->score);
    stk_free(a);
    *handle = NULL;
}

/* --- the encoders ----------------------------------------------------------------------------- */

/* Steps behind the n-th of a layer's output are absent. Pictures: [steps][side^2][c]; sound:
 * [13][steps][c]. */
static void silence_rest(int sense, int block, int n, float *x) {
    const int c = CHANNELS[block + 1];
    if (sense == EYE) {
        const size_t frame = (size_t)(EYE_SIDES[block] * EYE_SIDES[block] * c);
        memset(x + (size_t)n * frame, 0, (size_t)(FRAMES - n) * frame * sizeof *x);
        return;
    }
    const int steps = FRAMES * EAR_STEPS[block], used = n * EAR_STEPS[block];
    for (int row = 0; row < STK_MFCC_COUNT; row++)
        memset(x + ((size_t)row * (size_t)steps + (size_t)used) * (size_t)c, 0,
               (size_t)(steps - used) * (size_t)c * sizeof *x);
}

/* buffer[0] -> buffer[1]. */
static stk_status run_block(stk_active_speaker *a, int sense, int block, int n) {
    stk_dnnl_layer *const *layer = a->layers[sense][block];
    float **b = a->buffer;
    const size_t floats = (size_t)CHANNELS[block + 1] *
                          (sense == EYE ? (size_t)(FRAMES * EYE_SIDES[block] * EYE_SIDES[block])
                                        : (size_t)(STK_MFCC_COUNT * FRAMES * EAR_STEPS[block]));
    STK_TRY(stk_dnnl_layer_run(layer[SHORT_SPACE], b[0], b[1]));
    silence_rest(sense, block, n, b[1]);
    STK_TRY(stk_dnnl_layer_run(layer[SHORT_TIME], b[1], b[2]));
    STK_TRY(stk_dnnl_layer_run(layer[LONG_SPACE], b[0], b[1]));
    silence_rest(sense, block, n, b[1]);
    STK_TRY(stk_dnnl_layer_run(layer[LONG_TIME], b[1], b[3]));
    for (size_t i = 0; i < floats; i++) b[2][i] += b[3][i];
    STK_TRY(stk_dnnl_layer_run(layer[LAST], b[2], b[1]));
    silence_rest(sense, block, n, b[1]);
    return STK_OK;
}

/* Maximum of three, every second one, along columns: [rows][2 w][c] -> [rows][w][c]. What lies
 * outside counts as 0, the least that a ReLU gives. */
static void pool_columns(const float *x, int rows, int w, int c, float *y) {
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < w; j++) {
            const float *at = x + ((size_t)r * (size_t)(2 * w) + (size_t)(2 * j)) * (size_t)c;
            for (int k = 0; k < c; k++, y++) {
                *y = at[k] > at[c + k] ? at[k] : at[c + k];
                if (j > 0 && at[k - c] > *y) *y = at[k - c];
            }
        }
}

/* The same along rows: [pictures][2 h][row] -> [pictures][h][row]. */
static void pool_rows(const float *x, int pictures, int h, size_t row, float *y) {
    for (int p = 0; p < pictures; p++)
        for (int i = 0; i < h; i++) {
            const float *at = x + ((size_t)p * (size_t)(2 * h) + (size_t)(2 * i)) * row;
            for (size_t k = 0; k < row; k++, y++) {
                *y = at[k] > at[row + k] ? at[k] : at[row + k];
                if (i > 0 && (at - row)[k] > *y) *y = (at - row)[k];
            }
        }
}

/* buffer[1] of block -> buffer[0] of the next. */
static void pool(stk_active_speaker *a, int sense, int block) {
    const int c = CHANNELS[block + 1];
    if (sense == EAR) {
        pool_columns(a->buffer[1], STK_MFCC_COUNT, FRAMES * EAR_STEPS[block + 1], c, a->buffer[0]);
        return;
    }
    const int side = EYE_SIDES[block + 1];
    pool_columns(a->buffer[1], FRAMES * 2 * side, side, c, a->buffer[2]);
    pool_rows(a->buffer[2], FRAMES, side, (size_t)(side * c), a->buffer[0]);
}

static stk_status run_blocks(stk_active_speaker *a, int sense, int n) {
    for (int block = 0; block < BLOCKS; block++) {
        STK_TRY(run_block(a, sense, block, n));
        if (block + 1 < BLOCKS) pool(a, sense, block);
    }
    return STK_OK;
}

static stk_status check_count(int n, int most) {
    if (n >= 1 && n <= most) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "active speaker: %d frames; 1 to %d can be given", n, most);
}

stk_status stk_active_speaker_see(stk_active_speaker *a, int n, const uint8_t *faces, float *seen) {
    STK_TRY(check_count(n, FRAMES));
    for (size_t i = 0; i < (size_t)n * STK_SPEAKER_FACE; i++)
        a->buffer[0][i] = ((float)faces[i] / 255 - GREY_MEAN) / GREY_DEVIATION;
    STK_TRY(run_blocks(a, EYE, n));
    const int pixels = EYE_SIDES[BLOCKS - 1] * EYE_SIDES[BLOCKS - 1];
    const float *x = a->buffer[1];
    for (int i = 0; i < n; i++, seen += CODE) { /* the largest of each channel */
        memset(seen, 0, CODE * sizeof *seen);
        for (int p = 0; p < pixels; p++, x += CODE)
            for (int k = 0; k < CODE; k++) seen[k] = x[k] > seen[k] ? x[k] : seen[k];
    }
    return STK_OK;
}

stk_status stk_active_speaker_hear(stk_active_speaker *a, int n,
                                   const float (*mfcc)[STK_MFCC_COUNT], float *heard) {
    STK_TRY(check_count(n, FRAMES));
    memset(a->buffer[0], 0, (size_t)(STK_MFCC_COUNT * 4 * FRAMES) * sizeof(float));
    for (int row = 0; row < STK_MFCC_COUNT; row++)
        for (int t = 0; t < 4 * n; t++) a->buffer[0][row * 4 * FRAMES + t] = mfcc[t][row];
    STK_TRY(run_blocks(a, EAR, n));
    for (int i = 0; i < n; i++, heard += CODE) /* the mean over the cepstrum's rows */
        for (int k = 0; k < CODE; k++) {
            float sum = 0;
            for (int row = 0; row < STK_MFCC_COUNT; row++)
                sum += a->buffer[1][(size_t)(row * FRAMES + i) * CODE + (size_t)k];
            heard[k] = sum / STK_MFCC_COUNT;
        }
    return STK_OK;
}

/* --- the score -------------------------------------------------------------------------------- */

/* out [lanes][GATES] += x [lanes][CODE] matrix; a row of the matrix serves all lanes. */
static void multiply_add(const float (*matrix)[GATES], const float (*x)[CODE], int lanes,
                         float (*out)[GATES]) {
    for (int i = 0; i < CODE; i++)
        for (int l = 0; l < lanes; l++)
            for (int k = 0; k < GATES; k++) out[l][k] += x[l][i] * matrix[i][k];
}

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

/* h' = (1 - z) tanh(W_n x + b_n + r (U_n h + c_n)) + z h, r and z sigmoids of their own. */
static void gru_step(const gru *g, const float (*x)[CODE], int lanes, float (*h)[CODE]) {
    float from_input[LANES][GATES], from_hidden[LANES][GATES];
    for (int l = 0; l < lanes; l++) {
        memcpy(from_input[l], g->input_bias, sizeof from_input[l]);
        memcpy(from_hidden[l], g->hidden_bias, sizeof from_hidden[l]);
    }
    multiply_add(g->input, x, lanes, from_input);
    multiply_add(g->hidden, (const float(*)[CODE])h, lanes, from_hidden);
    for (int l = 0; l < lanes; l++)
        for (int k = 0; k < CODE; k++) {
            const float *a = from_input[l], *b = from_hidden[l];
            const float r = sigmoid(a[k] + b[k]), z = sigmoid(a[CODE + k] + b[CODE + k]);
            const float n = tanhf(a[2 * CODE + k] + r * b[2 * CODE + k]);
            h[l][k] = (1 - z) * n + z * h[l][k];
        }
}

static float gelu(float x) {
    return 0.5f * x * (1 + erff(x * 0.70710678f));
}

/* Lane l takes the heard codes l frames later; score [n][LANES]. */
static void score_lanes(stk_active_speaker *a, int n, const float *seen, const float *heard,
                        int lanes, float (*score)[LANES]) {
    float x[LANES][CODE], h[LANES][CODE] = {{0}};
    for (int i = 0; i < n; i++) {
        for (int l = 0; l < lanes; l++)
            for (int k = 0; k < CODE; k++) x[l][k] = seen[i * CODE + k] + heard[(i + l) * CODE + k];
        gru_step(&a->pass[0], (const float(*)[CODE])x, lanes, h);
        for (int l = 0; l < lanes; l++)
            for (int k = 0; k < CODE; k++) a->hidden[i][l][k] = gelu(h[l][k]);
    }
    memset(h, 0, sizeof h);
    for (int i = n - 1; i >= 0; i--) {
        gru_step(&a->pass[1], (const float(*)[CODE])a->hidden[i], lanes, h);
        for (int l = 0; l < lanes; l++) {
            score[i][l] = a->linear_bias;
            for (int k = 0; k < CODE; k++) score[i][l] += a->linear[k] * gelu(h[l][k]);
        }
    }
}

void stk_active_speaker_score(stk_active_speaker *a, int n, const float *seen, const float *heard,
                              float *score) {
    score_lanes(a, n, seen, heard, 1, a->score);
    for (int i = 0; i < n; i++) score[i] = a->score[i][0];
}

void stk_active_speaker_shifts(stk_active_speaker *a, int n, const float *seen, const float *heard,
                               int shifts, double *mean) {
    for (int first = 0; first < shifts; first += LANES) {
        const int lanes = shifts - first < LANES ? shifts - first : LANES;
        score_lanes(a, n, seen, heard + (size_t)first * CODE, lanes, a->score);
        for (int l = 0; l < lanes; l++) {
            double sum = 0;
            for (int i = 0; i < n; i++) sum += (double)a->score[i][l];
            mean[first + l] = sum / n;
        }
    }
}
