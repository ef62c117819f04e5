/* voice_activity.c - see voice_activity.h. Weights are transposed when read, so that every product
 * runs over its outputs, side by side; sums in the order of the inputs.
 *
 * DIFFERS from Silero's own program: it feeds pieces of a stream whose first 64 samples of context
 * are zero, as here; after the end of the sound nothing is said.
 */
#include "face_sync/voice_activity.h"
#include "base/memory.h"
#include "nn/safetensors.h"
#include "nn/weights.h"

#include <math.h>
#include <string.h>

enum {
    CONTEXT = 64,
    WINDOW = 256,
    HOP = 128,
    INPUT = CONTEXT + STK_VOICE_PIECE + CONTEXT, /* the last 64 are a mirror image */
    STEPS = (INPUT - WINDOW) / HOP + 1,          /* 4 */
    BINS = WINDOW / 2 + 1,
    PARTS = 2 * BINS + 2, /* real and imaginary, padded to whole vectors */
    CELL = 128,
    GATES = 4 * CELL,
    LAYERS = 4,
    CHANNELS_MAX = 132,
    HISTORY = 94, /* pieces in 3 s */
};
static const float SPEECH_ON = 0.5f, SPEECH_OFF = 0.35f;
static const float LEVEL_ON_DB = 10, LEVEL_OFF_DB = 6, LEVEL_LEAST_DB = 3;
static const float SILENCE_DB = -60, NOTHING_DB = -80;

typedef struct layer {
    int in, out, stride;
    const char *name;
} layer;
static const layer layers[LAYERS] = {
    {BINS, 128, 1, "conv1"}, {128, 64, 2, "conv2"}, {64, 64, 2, "conv3"}, {64, 128, 1, "conv4"}};

typedef struct network {
    STK_ALIGNED(64) float stft[WINDOW][PARTS];
    STK_ALIGNED(64) float conv[LAYERS][3][CHANNELS_MAX][128]; /* [tap][in][out] */
    STK_ALIGNED(64) float bias[LAYERS][128];
    STK_ALIGNED(64) float input[CELL][GATES], state[CELL][GATES], gate_bias[GATES];
    STK_ALIGNED(64) float out[CELL];
    float out_bias;
} network;

struct stk_voice_activity {
    network *net; /* NULL: none */
    STK_ALIGNED(64) float hidden[CELL], cell[CELL];
    float context[CONTEXT];
    float smooth_db[HISTORY]; /* smoothed levels, ring */
    int64_t pieces;
    int loud, speaking;
};

/* --- weights ---------------------------------------------------------------------------------- */

/* Tensor [out][in][taps] as to[tap][in][out], rows `stride` floats apart, taps `tap_stride`. */
static stk_status read_transposed(const stk_safetensors *file, const char *name, const int dims[3],
                                  float *to, size_t stride, size_t tap_stride) {
    const int out = dims[0], in = dims[1], taps = dims[2];
    const size_t count = (size_t)out * (size_t)in * (size_t)taps;
    float *raw = stk_calloc_aligned(count, sizeof(float));
    if (raw == NULL) return stk_fail_memory("voice activity");
    const stk_status status = stk_safetensors_read_f32(file, name, raw, (int64_t)count);
    for (int o = 0; status == STK_OK && o < out; o++)
        for (int i = 0; i < in; i++)
            for (int t = 0; t < taps; t++)
                to[(size_t)t * tap_stride + (size_t)i * stride + (size_t)o] =
                    raw[((size_t)o * (size_t)in + (size_t)i) * (size_t)taps + (size_t)t];
    stk_free(raw);
    return status;
}

static stk_status read_layers(network *n, const stk_safetensors *file) {
    char name[32];
    for (int k = 0; k < LAYERS; k++) {
        const layer *l = &layers[k];
        strcpy(name, l->name);
        STK_TRY(read_transposed(file, strcat(name, ".weight"), (int[]){l->out, l->in, 3},
                                n->conv[k][0][0], 128, (size_t)CHANNELS_MAX * 128));
        strcpy(name, l->name);
        STK_TRY(stk_safetensors_read_f32(file, strcat(name, ".bias"), n->bias[k], l->out));
    }
    return STK_OK;
}

static stk_status read_network(network *n, const stk_safetensors *file) {
    float bias[GATES];
    STK_TRY(read_transposed(file, "stft_conv.weight", (int[]){2 * BINS, 1, WINDOW}, n->stft[0], 0,
                            PARTS));
    STK_TRY(read_layers(n, file));
    const int gates[3] = {GATES, CELL, 1};
    STK_TRY(read_transposed(file, "lstm_cell.weight_ih", gates, n->input[0], GATES, 0));
    STK_TRY(read_transposed(file, "lstm_cell.weight_hh", gates, n->state[0], GATES, 0));
    STK_TRY(stk_safetensors_read_f32(file, "lstm_cell.bias_ih", n->gate_bias, GATES));
    STK_TRY(stk_safetensors_read_f32(file, "lstm_cell.bias_hh", bias, GATES));
    for (int i = 0; i < GATES; i++) n->gate_bias[i] += bias[i];
    STK_TRY(stk_safetensors_read_f32(file, "final_conv.weight", n->out, CELL));
    return stk_safetensors_read_f32(file, "final_conv.bias", &n->out_bias, 1);
}

static stk_status open_network(stk_voice_activity *a, const char *models) {
    char path[STK_PATH_MAX];
    if (models != NULL && models[0] == '\0') return STK_OK;
    const stk_status found = stk_weights_find(models, "silero_vad_16k.safetensors", path);
    if (found == STK_ERR_WEIGHTS) return STK_OK;
    STK_TRY(found);
    stk_safetensors *file;
    STK_TRY(stk_safetensors_open(&file, path));
    a->net = stk_calloc_aligned(1, sizeof *a->net);
    const stk_status status =
        a->net == NULL ? stk_fail_memory("voice activity") : read_network(a->net, file);
    stk_safetensors_close(&file);
    return status;
}

stk_status stk_voice_activity_create(stk_voice_activity **out, const char *models) {
    *out = NULL;
    stk_voice_activity *a = stk_calloc_aligned(1, sizeof *a);
    if (a == NULL) return stk_fail_memory("voice activity");
    const stk_status status = open_network(a, models);
    if (status != STK_OK) {
        stk_voice_activity_free(&a);
        return status;
    }
    *out = a;
    return STK_OK;
}

void stk_voice_activity_free(stk_voice_activity **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_free((*handle)->net);
    stk_free(*handle);
    *handle = NULL;
}

int stk_voice_activity_has_network(const stk_voice_activity *a) {
    return a->net != NULL;
}

void stk_voice_activity_restart(stk_voice_activity *a) {
    network *net = a->net;
    memset(a, 0, sizeof *a);
    a->net = net;
}

/* --- the network ------------------------------------------------------------------------------ */

/* y[0..n) += x w[0..n), n a multiple of 4. */
static inline void add_scaled(int n, float x, const float *restrict w, float *restrict y) {
    for (int o = 0; o < n; o++) y[o] += x * w[o];
}

/* Magnitudes [STEPS][CHANNELS_MAX] of the piece behind its context. */
static void spectrum(const stk_voice_activity *a, const float *samples, float (*y)[CHANNELS_MAX]) {
    float x[INPUT];
    memcpy(x, a->context, sizeof a->context);
    memcpy(x + CONTEXT, samples, STK_VOICE_PIECE * sizeof *x);
    for (int i = 0; i < CONTEXT; i++) x[INPUT - CONTEXT + i] = x[INPUT - CONTEXT - 2 - i];
    for (int t = 0; t < STEPS; t++) {
        STK_ALIGNED(64) float parts[PARTS] = {0};
        for (int i = 0; i < WINDOW; i++) add_scaled(PARTS, x[t * HOP + i], a->net->stft[i], parts);
        for (int k = 0; k < BINS; k++)
            y[t][k] = sqrtf(parts[k] * parts[k] + parts[BINS + k] * parts[BINS + k]);
    }
}

/* Three taps, one zero on either side, ReLU; x [steps][in] -> y; returns the steps of y. */
static int convolve(const network *n, int k, int steps, float (*x)[CHANNELS_MAX],
                    float (*y)[CHANNELS_MAX]) {
    const layer *l = &layers[k];
    const int made = (steps - 1) / l->stride + 1;
    for (int t = 0; t < made; t++) {
        memcpy(y[t], n->bias[k], (size_t)l->out * sizeof(float));
        for (int tap = 0; tap < 3; tap++) {
            const int from = t * l->stride + tap - 1;
            if (from < 0 || from >= steps) continue;
            for (int i = 0; i < l->in; i++)
                add_scaled(l->out, x[from][i], n->conv[k][tap][i], y[t]);
        }
        for (int o = 0; o < l->out; o++) y[t][o] = y[t][o] > 0 ? y[t][o] : 0;
    }
    return made;
}

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

/* Gates in the order of torch.nn.LSTMCell: input, forget, cell, output. */
static void remember(stk_voice_activity *a, const float *x) {
    STK_ALIGNED(64) float g[GATES];
    memcpy(g, a->net->gate_bias, sizeof g);
    for (int i = 0; i < CELL; i++) add_scaled(GATES, x[i], a->net->input[i], g);
    for (int i = 0; i < CELL; i++) add_scaled(GATES, a->hidden[i], a->net->state[i], g);
    for (int i = 0; i < CELL; i++) {
        a->cell[i] = sigmoid(g[CELL + i]) * a->cell[i] + sigmoid(g[i]) * tanhf(g[2 * CELL + i]);
        a->hidden[i] = sigmoid(g[3 * CELL + i]) * tanhf(a->cell[i]);
    }
}

static float speech_of(stk_voice_activity *a, const float *samples) {
    float x[STEPS][CHANNELS_MAX], y[STEPS][CHANNELS_MAX];
    spectrum(a, samples, x);
    int steps = STEPS;
    for (int k = 0; k < LAYERS; k += 2) {
        steps = convolve(a->net, k, steps, x, y);
        steps = convolve(a->net, k + 1, steps, y, x);
    }
    remember(a, x[0]);
    memcpy(a->context, samples + STK_VOICE_PIECE - CONTEXT, sizeof a->context);
    float sum = a->net->out_bias;
    for (int i = 0; i < CELL; i++) sum += a->net->out[i] * fmaxf(a->hidden[i], 0);
    return sigmoid(sum);
}

/* --- the level -------------------------------------------------------------------------------- */

static float level_of(const float *samples) {
    double sum = 0;
    for (int i = 0; i < STK_VOICE_PIECE; i++) sum += (double)samples[i] * (double)samples[i];
    return (float)fmax(10 * log10(sum / STK_VOICE_PIECE + 1e-14), (double)NOTHING_DB);
}

/* Adds a level to the history; the floor. Levels are smoothed over two pieces: a single quiet one
 * is a pause for breath between two sounds, not the noise. Digital silence is no noise either. */
static float floor_of(stk_voice_activity *a, float level) {
    const int64_t n = a->pieces++;
    if (level <= NOTHING_DB) level = STK_FLOOR_MAX_DB;
    const float before = n > 0 ? a->smooth_db[(n - 1) % HISTORY] : level;
    a->smooth_db[n % HISTORY] = 0.5f * (before + level);
    const int64_t kept = a->pieces < HISTORY ? a->pieces : HISTORY;
    float least = STK_FLOOR_MAX_DB;
    for (int64_t i = 0; i < kept; i++) least = fminf(least, a->smooth_db[i]);
    return least;
}

static int is_loud(const stk_voice_activity *a, const stk_activity *now) {
    const float least = a->loud ? LEVEL_OFF_DB : LEVEL_ON_DB;
    return now->level_db > SILENCE_DB && now->level_db - now->floor_db > least;
}

static int is_speech(const stk_voice_activity *a, const stk_activity *now) {
    const float above = now->level_db - now->floor_db;
    if (now->level_db < SILENCE_DB) return 0;
    if (a->net == NULL) return now->loud;
    return now->speech > (a->speaking ? SPEECH_OFF : SPEECH_ON) && above > LEVEL_LEAST_DB;
}

stk_activity stk_voice_activity_next(stk_voice_activity *a, const float samples[STK_VOICE_PIECE]) {
    stk_activity now = {.speech = a->net != NULL ? speech_of(a, samples) : -1,
                        .level_db = level_of(samples)};
    now.floor_db = floor_of(a, now.level_db);
    now.loud = a->loud = is_loud(a, &now);
    now.speaking = a->speaking = is_speech(a, &now);
    return now;
}
