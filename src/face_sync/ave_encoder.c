/* ave_encoder.c - see ave_encoder.h.
 *
 *   file -> parameter store (91 - 13 tensors; the batch counters are of no use)
 *        -> batch norm and residual folded into weights and bias (below)
 *        -> one oneDNN layer a block
 *   windows, 8 at a time -> two activation buffers in turn, [8][h][w][channels] -> features
 *
 * The published block is y = ReLU(N(w * x + b) [+ x]), N(v) = g (v - m) / sqrt(s + 1e-5) + c. With
 * k = g / sqrt(s + 1e-5) that is ReLU(w' * x + b'), w' = k w, b' = k (b - m) + c; the residual is
 * one more on the middle tap from each channel to itself. Folding is done in double precision.
 */
#include "face_sync/ave_encoder.h"
#include "base/memory.h"
#include "nn/dnnl.h"
#include "nn/params.h"
#include "nn/pth.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double NORM_EPSILON = 1e-5;

/* Rows are mel bins, columns are time steps. */
static const struct {
    int in, out, kernel, stride_h, stride_w, pad, residual, h, w; /* h, w: of the output */
} BLOCKS[STK_AVE_BLOCKS] = {
    {1, 32, 3, 1, 1, 1, 0, 80, 16},  {32, 32, 3, 1, 1, 1, 1, 80, 16},
    {32, 32, 3, 1, 1, 1, 1, 80, 16}, {32, 64, 3, 3, 1, 1, 0, 27, 16},
    {64, 64, 3, 1, 1, 1, 1, 27, 16}, {64, 64, 3, 1, 1, 1, 1, 27, 16},
    {64, 128, 3, 3, 3, 1, 0, 9, 6},  {128, 128, 3, 1, 1, 1, 1, 9, 6},
    {128, 128, 3, 1, 1, 1, 1, 9, 6}, {128, 256, 3, 3, 2, 1, 0, 3, 3},
    {256, 256, 3, 1, 1, 1, 1, 3, 3}, {256, 512, 3, 1, 1, 0, 0, 1, 1},
    {512, 512, 1, 1, 1, 0, 0, 1, 1},
};

/* The tensors of a block in the store. */
enum { WEIGHT, BIAS, GAIN, SHIFT, MEAN, VARIANCE, TENSORS };

struct stk_ave_encoder {
    stk_dnnl_layer *layers[STK_AVE_BLOCKS];
    float *acts[2]; /* [STK_AVE_BATCH][STK_AVE_BLOCK_MAX], block b writes acts[b % 2] */
    float *input;   /* [STK_AVE_BATCH][80][16] */
    stk_encoder_id id;
};

/* --- weights ---------------------------------------------------------------------------------- */

static stk_status register_tensors(stk_params *params, int index[STK_AVE_BLOCKS][TENSORS]) {
    static const char *const names[TENSORS] = {"0.weight", "0.bias",         "1.weight",
                                               "1.bias",   "1.running_mean", "1.running_var"};
    for (int b = 0; b < STK_AVE_BLOCKS; b++)
        for (int t = 0; t < TENSORS; t++) {
            char name[64];
            snprintf(name, sizeof name, "%d.conv_block.%s", b, names[t]);
            const int shape[] = {BLOCKS[b].out, BLOCKS[b].in, BLOCKS[b].kernel, BLOCKS[b].kernel};
            STK_TRY(stk_params_add(params, name, STK_GROUP_FROZEN, t == WEIGHT ? 4 : 1, shape,
                                   &index[b][t]));
        }
    return stk_params_seal(params, 0);
}

static int is_safetensors(const char *path) {
    static const char ending[] = ".safetensors";
    const size_t n = strlen(path), m = sizeof ending - 1;
    return n >= m && strcmp(path + n - m, ending) == 0;
}

static stk_status open_safetensors(stk_safetensors **file, const char *path) {
    const void *bytes;
    size_t size;
    if (strcmp(path, STK_AVE_BUILTIN) != 0) return stk_safetensors_open(file, path);
    if (stk_ave_builtin(&bytes, &size))
        return stk_safetensors_open_bytes(file, bytes, size, "the encoder in the program");
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "this program was built without an encoder (assets/encoder.safetensors); give "
                    "one with --encoder FILE, or \"mel\" to train");
}

static stk_status read_tensors(stk_params *params, const char *path, stk_params_missing *missing) {
    stk_status status;
    if (is_safetensors(path) || strcmp(path, STK_AVE_BUILTIN) == 0) {
        stk_safetensors *file;
        STK_TRY(open_safetensors(&file, path));
        status = stk_params_load_safetensors(params, params->value, file, "", missing);
        stk_safetensors_close(&file);
        return status;
    }
    stk_pth *file;
    STK_TRY(stk_pth_open(&file, path));
    status = stk_params_load_pth(params, stk_pth_model(file), path, missing);
    stk_pth_close(&file);
    return status;
}

/* A file that is there but is not the encoder is a wrong weight file, whatever is wrong with it. */
static stk_status load(stk_params *params, const char *path) {
    stk_params_missing missing = {0};
    char reason[1024];
    const stk_status status = read_tensors(params, path, &missing);
    if (status == STK_OK && missing.count == 0) return STK_OK;
    if (status == STK_OK)
        snprintf(reason, sizeof reason, "%d of its %d tensors are missing", missing.count,
                 params->n);
    else if (status == STK_ERR_FORMAT || status == STK_ERR_MISMATCH)
        stk_error_take(reason, sizeof reason);
    else
        return status;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not the audio-visual encoder (audio_visual_encoder.pth): %s", path,
                    reason);
}

static stk_status identify(stk_encoder_id *id, const char *path) {
    const char *slash = strrchr(path, '/');
    const void *bytes;
    size_t size;
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t length = strlen(name);
    if (length >= sizeof id->name)
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: its name is too long to be kept in a model; rename it to at most %zu "
                        "characters",
                        path, sizeof id->name - 1);
    memcpy(id->name, name, length + 1);
    if (strcmp(path, STK_AVE_BUILTIN) != 0) return stk_sha256_file(path, id->sha256);
    if (stk_ave_builtin(&bytes, &size)) stk_sha256(bytes, size, id->sha256);
    return STK_OK;
}

/* Weights [out][in][k][k] and bias [out] in place; 0 when a channel is not a number. */
static int fold_block(int b, float *const tensor[TENSORS]) {
    const int taps = BLOCKS[b].kernel * BLOCKS[b].kernel, in = BLOCKS[b].in;
    for (int o = 0; o < BLOCKS[b].out; o++) {
        const double scale =
            (double)tensor[GAIN][o] / sqrt((double)tensor[VARIANCE][o] + NORM_EPSILON);
        float *w = tensor[WEIGHT] + (size_t)o * (size_t)(in * taps);
        for (int i = 0; i < in * taps; i++) {
            const int middle = BLOCKS[b].residual && i == o * taps + taps / 2;
            w[i] = (float)(scale * (double)w[i] + (double)middle);
        }
        tensor[BIAS][o] = (float)(scale * ((double)tensor[BIAS][o] - (double)tensor[MEAN][o]) +
                                  (double)tensor[SHIFT][o]);
        if (!isfinite(scale) || !isfinite(tensor[BIAS][o])) return 0;
    }
    return 1;
}

static stk_status create_layer(int b, const float *weight, const float *bias,
                               stk_dnnl_layer **layer) {
    const stk_conv_shape shape = {
        .batch = STK_AVE_BATCH,
        .in_h = b > 0 ? BLOCKS[b - 1].h : STK_MEL_BINS,
        .in_w = b > 0 ? BLOCKS[b - 1].w : STK_MEL_STEPS,
        .in_c = BLOCKS[b].in,
        .out_h = BLOCKS[b].h,
        .out_w = BLOCKS[b].w,
        .out_c = BLOCKS[b].out,
        .kernel_h = BLOCKS[b].kernel,
        .kernel_w = BLOCKS[b].kernel,
        .stride_h = BLOCKS[b].stride_h,
        .stride_w = BLOCKS[b].stride_w,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = BLOCKS[b].pad,
        .pad_left = BLOCKS[b].pad,
        .pad_bottom = BLOCKS[b].pad,
        .pad_right = BLOCKS[b].pad,
        .groups = 1,
    };
    return stk_dnnl_conv_create(layer, &shape, STK_CONV_OIHW, weight, bias, STK_ACT_RELU);
}

static stk_status create_layers(stk_ave_encoder *encoder, stk_params *params, const char *path) {
    int index[STK_AVE_BLOCKS][TENSORS];
    STK_TRY(register_tensors(params, index));
    STK_TRY(load(params, path));
    for (int b = 0; b < STK_AVE_BLOCKS; b++) {
        float *tensor[TENSORS];
        for (int t = 0; t < TENSORS; t++) tensor[t] = stk_params_value(params, index[b][t]);
        if (!fold_block(b, tensor))
            return stk_fail(STK_ERR_WEIGHTS, "%s: is damaged (block %d holds no numbers)", path, b);
        STK_TRY(create_layer(b, tensor[WEIGHT], tensor[BIAS], &encoder->layers[b]));
    }
    return STK_OK;
}

stk_status stk_ave_encoder_create(stk_ave_encoder **out, const char *path) {
    *out = NULL;
    stk_ave_encoder *encoder = stk_calloc_aligned(1, sizeof *encoder);
    if (encoder == NULL) return stk_fail_memory("audio-visual encoder");
    const size_t floats = (size_t)STK_AVE_BATCH * STK_AVE_BLOCK_MAX;
    encoder->acts[0] = stk_calloc_aligned(floats, sizeof(float));
    encoder->acts[1] = stk_calloc_aligned(floats, sizeof(float));
    encoder->input = stk_calloc_aligned((size_t)STK_AVE_BATCH * STK_AVE_WINDOW, sizeof(float));
    stk_params params;
    stk_status status = stk_params_init(&params);
    if (encoder->acts[0] == NULL || encoder->acts[1] == NULL || encoder->input == NULL)
        status = stk_fail_memory("audio-visual encoder");
    if (status == STK_OK) status = create_layers(encoder, &params, path);
    if (status == STK_OK) status = identify(&encoder->id, path);
    stk_params_clear(&params);
    if (status != STK_OK) stk_ave_encoder_free(&encoder);
    *out = encoder;
    return status;
}

const stk_encoder_id *stk_ave_encoder_id(const stk_ave_encoder *encoder) {
    return &encoder->id;
}

void stk_ave_encoder_free(stk_ave_encoder **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_ave_encoder *encoder = *handle;
    for (int b = 0; b < STK_AVE_BLOCKS; b++) stk_dnnl_layer_free(&encoder->layers[b]);
    stk_free(encoder->acts[0]);
    stk_free(encoder->acts[1]);
    stk_free(encoder->input);
    stk_free(encoder);
    *handle = NULL;
}

/* --- forward ---------------------------------------------------------------------------------- */

/* Blocks 0 .. last on up to STK_AVE_BATCH windows; places of the batch that are not used keep what
 * they held. Their result lies in acts[last % 2]. */
static stk_status run_blocks(stk_ave_encoder *encoder, int n, const float *windows, int last) {
    memcpy(encoder->input, windows, (size_t)n * STK_AVE_WINDOW * sizeof(float));
    const float *x = encoder->input;
    for (int b = 0; b <= last; b++) {
        STK_TRY(stk_dnnl_layer_run(encoder->layers[b], x, encoder->acts[b % 2]));
        x = encoder->acts[b % 2];
    }
    return STK_OK;
}

stk_status stk_ave_encoder_run(stk_ave_encoder *encoder, int n, const float *windows,
                               float *features) {
    for (int done = 0; done < n; done += STK_AVE_BATCH) {
        const int count = n - done < STK_AVE_BATCH ? n - done : STK_AVE_BATCH;
        STK_TRY(run_blocks(encoder, count, windows + (size_t)done * STK_AVE_WINDOW,
                           STK_AVE_BLOCKS - 1));
        memcpy(features + (size_t)done * STK_AVE_FLOATS, encoder->acts[(STK_AVE_BLOCKS - 1) % 2],
               (size_t)count * STK_AVE_FLOATS * sizeof(float));
    }
    return STK_OK;
}

stk_status stk_ave_encoder_block(stk_ave_encoder *encoder, const float *window, int block,
                                 float *out, int shape[3]) {
    STK_TRY(run_blocks(encoder, 1, window, block));
    shape[0] = BLOCKS[block].h, shape[1] = BLOCKS[block].w, shape[2] = BLOCKS[block].out;
    memcpy(out, encoder->acts[block % 2],
           (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * sizeof(float));
    return STK_OK;
}
