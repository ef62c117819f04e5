/* raft_encoder.c - a picture's features: a 7x7 convolution at half size, three stages of two
 * bottlenecks (32, 64, 96 channels at 1/2, 1/4, 1/8), a 1x1 convolution.
 *
 *   x [h][w][3] -> [h/2][w/2][32] -> .. [h/4][w/4][64] -> .. [h/8][w/8][96] -> [h/8][w/8][out]
 *   bottleneck: y = R(N(1x1 R(N(3x3 R(N(1x1 x)))))), x <- R(y + x or N(1x1 x) when it shrinks),
 *               the middle a quarter as wide
 *
 * R(v) = max(0, v). N: fnet takes each channel's mean and deviation over the picture out of it,
 * cnet nothing. Without N the layers end in R themselves.
 */
#include "head_sync/raft_private.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

static const double NORM_EPSILON = 1e-5;
static const int STAGES[3] = {32, 64, 96};

/* --- normalisation ---------------------------------------------------------------------------- */

enum { CHANNELS_MAX = 96, RUN = 64 };

/* total[c] = sum over pixels of (x - mean)^power, power 1 (mean not read) or 2. */
static void sum_channels(const float *x, int pixels, int channels, const float *mean,
                         double *total) {
    for (int c = 0; c < channels; c++) total[c] = 0;
    for (int p = 0; p < pixels; p += RUN) {
        float sum[CHANNELS_MAX] = {0};
        const int end = p + RUN < pixels ? p + RUN : pixels;
        for (int i = p; i < end; i++) {
            const float *row = x + (size_t)i * (size_t)channels;
            if (mean == NULL)
                for (int c = 0; c < channels; c++) sum[c] += row[c];
            else
                for (int c = 0; c < channels; c++)
                    sum[c] += (row[c] - mean[c]) * (row[c] - mean[c]);
        }
        for (int c = 0; c < channels; c++) total[c] += (double)sum[c];
    }
}

void stk_raft_norm(float *x, int pixels, int channels, int relu) {
    double total[CHANNELS_MAX];
    float mean[CHANNELS_MAX], scale[CHANNELS_MAX];
    const float floor = relu ? 0.0f : -INFINITY;
    sum_channels(x, pixels, channels, NULL, total);
    for (int c = 0; c < channels; c++) mean[c] = (float)(total[c] / pixels);
    sum_channels(x, pixels, channels, mean, total);
    for (int c = 0; c < channels; c++)
        scale[c] = (float)(1 / sqrt(total[c] / pixels + NORM_EPSILON));
    for (int p = 0; p < pixels; p++) {
        float *row = x + (size_t)p * (size_t)channels;
        for (int c = 0; c < channels; c++) {
            const float v = (row[c] - mean[c]) * scale[c];
            row[c] = v > floor ? v : floor;
        }
    }
}

/* --- creation --------------------------------------------------------------------------------- */

stk_status stk_raft_scratch_create(stk_raft_scratch *scratch, int height, int width) {
    const size_t pixels = (size_t)height * (size_t)width;
    *scratch = (stk_raft_scratch){0};
    scratch->image = stk_calloc_aligned(pixels * 3, sizeof(float));
    /* a, b: 32 channels at half size. narrow: 8 there, or a shortcut's 64 at quarter size. */
    scratch->a = stk_calloc_aligned(pixels / 4 * 32, sizeof(float));
    scratch->b = stk_calloc_aligned(pixels / 4 * 32, sizeof(float));
    scratch->narrow[0] = stk_calloc_aligned(pixels / 4 * 16, sizeof(float));
    scratch->narrow[1] = stk_calloc_aligned(pixels / 4 * 8, sizeof(float));
    if (scratch->image == NULL || scratch->a == NULL || scratch->b == NULL ||
        scratch->narrow[0] == NULL || scratch->narrow[1] == NULL)
        return stk_fail_memory("optical flow");
    return STK_OK;
}

void stk_raft_scratch_clear(stk_raft_scratch *scratch) {
    stk_free(scratch->image);
    stk_free(scratch->a);
    stk_free(scratch->b);
    stk_free(scratch->narrow[0]);
    stk_free(scratch->narrow[1]);
    *scratch = (stk_raft_scratch){0};
}

/* Block `index`; size: of its input, and of its output on return. */
static stk_status create_block(stk_raft_encoder *encoder, stk_raft_loader *loader, const char *name,
                               int index, int size[2]) {
    const int stage = index / 2, in = STAGES[index == 0 ? 0 : (index - 1) / 2];
    const int out = STAGES[stage], stride = index == 2 || index == 4 ? 2 : 1;
    const stk_activation end = encoder->normed ? STK_ACT_NONE : STK_ACT_RELU;
    const int h = size[0], w = size[1], oh = h / stride, ow = w / stride;
    stk_raft_block *block = &encoder->blocks[index];
    char prefix[40], full[64];
    snprintf(prefix, sizeof prefix, "%s.layer%d.%d", name, stage + 1, index % 2);
    block->width = out / 4, block->channels = out;
    block->in_pixels = h * w, block->out_pixels = oh * ow;
    snprintf(full, sizeof full, "%s.conv1", prefix);
    STK_TRY(stk_raft_conv_load(&block->reduce, loader, full,
                               &(stk_raft_conv){in, out / 4, 1, 1, h, w, end}));
    snprintf(full, sizeof full, "%s.conv2", prefix);
    STK_TRY(stk_raft_conv_load(&block->middle, loader, full,
                               &(stk_raft_conv){out / 4, out / 4, 3, stride, h, w, end}));
    snprintf(full, sizeof full, "%s.conv3", prefix);
    STK_TRY(stk_raft_conv_load(&block->expand, loader, full,
                               &(stk_raft_conv){out / 4, out, 1, 1, oh, ow, end}));
    size[0] = oh, size[1] = ow;
    if (stride == 1) return STK_OK;
    snprintf(full, sizeof full, "%s.downsample.0", prefix);
    return stk_raft_conv_load(&block->shortcut, loader, full,
                              &(stk_raft_conv){in, out, 1, stride, h, w, STK_ACT_NONE});
}

stk_status stk_raft_encoder_create(stk_raft_encoder *encoder, stk_raft_loader *loader,
                                   const char *name, const int size[2]) {
    int at[2] = {size[0] / 2, size[1] / 2};
    char full[64];
    *encoder = (stk_raft_encoder){.half_pixels = at[0] * at[1]};
    encoder->normed = name[0] == 'f';
    snprintf(full, sizeof full, "%s.conv1", name);
    STK_TRY(stk_raft_conv_load(&encoder->first, loader, full,
                               &(stk_raft_conv){3, STAGES[0], 7, 2, size[0], size[1],
                                                encoder->normed ? STK_ACT_NONE : STK_ACT_RELU}));
    for (int i = 0; i < RAFT_BLOCKS; i++) STK_TRY(create_block(encoder, loader, name, i, at));
    const int out = encoder->normed ? STK_FLOW_FEATURES : RAFT_STATE + RAFT_CONTEXT;
    snprintf(full, sizeof full, "%s.conv2", name);
    return stk_raft_conv_load(&encoder->last, loader, full,
                              &(stk_raft_conv){STAGES[2], out, 1, 1, at[0], at[1], STK_ACT_NONE});
}

void stk_raft_encoder_clear(stk_raft_encoder *encoder) {
    stk_dnnl_layer_free(&encoder->first);
    stk_dnnl_layer_free(&encoder->last);
    for (int i = 0; i < RAFT_BLOCKS; i++) {
        stk_dnnl_layer_free(&encoder->blocks[i].reduce);
        stk_dnnl_layer_free(&encoder->blocks[i].middle);
        stk_dnnl_layer_free(&encoder->blocks[i].expand);
        stk_dnnl_layer_free(&encoder->blocks[i].shortcut);
    }
}

/* --- forward ---------------------------------------------------------------------------------- */

/* y = max(0, y + x) */
static void add_relu(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float v = y[i] + x[i];
        y[i] = v > 0 ? v : 0;
    }
}

/* x -> out, not overlapping. */
static stk_status run_block(const stk_raft_block *block, int normed,
                            const stk_raft_scratch *scratch, const float *x, float *out) {
    float *const *narrow = scratch->narrow;
    STK_TRY(stk_dnnl_layer_run(block->reduce, x, narrow[0]));
    if (normed) stk_raft_norm(narrow[0], block->in_pixels, block->width, 1);
    STK_TRY(stk_dnnl_layer_run(block->middle, narrow[0], narrow[1]));
    if (normed) stk_raft_norm(narrow[1], block->out_pixels, block->width, 1);
    STK_TRY(stk_dnnl_layer_run(block->expand, narrow[1], out));
    if (normed) stk_raft_norm(out, block->out_pixels, block->channels, 1);
    if (block->shortcut != NULL) {
        STK_TRY(stk_dnnl_layer_run(block->shortcut, x, narrow[0]));
        if (normed) stk_raft_norm(narrow[0], block->out_pixels, block->channels, 0);
        x = narrow[0];
    }
    add_relu(out, x, (size_t)block->out_pixels * (size_t)block->channels);
    return STK_OK;
}

stk_status stk_raft_encoder_run(const stk_raft_encoder *encoder, const stk_raft_scratch *scratch,
                                float *out) {
    float *x = scratch->a, *y = scratch->b;
    STK_TRY(stk_dnnl_layer_run(encoder->first, scratch->image, x));
    if (encoder->normed) stk_raft_norm(x, encoder->half_pixels, STAGES[0], 1);
    for (int i = 0; i < RAFT_BLOCKS; i++) {
        STK_TRY(run_block(&encoder->blocks[i], encoder->normed, scratch, x, y));
        float *t = x;
        x = y, y = t;
    }
    return stk_dnnl_layer_run(encoder->last, x, out);
}
