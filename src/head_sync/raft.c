/* raft.c - see raft.h: creation, encoding of a picture, the iterations, agreement of two flows. */
#include "head_sync/raft.h"

#include "base/memory.h"
#include "head_sync/raft_private.h"
#include "nn/weights.h"

#include <math.h>
#include <string.h>

enum { ITERATIONS_MAX = 100 };

/* --- creation --------------------------------------------------------------------------------- */

static stk_status create_parts(stk_raft *raft, stk_raft_loader *loader, const char *path) {
    const int size[2] = {8 * raft->height, 8 * raft->width};
    STK_TRY(stk_raft_loader_open(loader, path));
    STK_TRY(stk_raft_encoder_create(&raft->fnet, loader, "fnet", size));
    STK_TRY(stk_raft_encoder_create(&raft->cnet, loader, "cnet", size));
    STK_TRY(stk_raft_update_create(&raft->update, loader, raft->height, raft->width));
    STK_TRY(stk_raft_scratch_create(&raft->scratch, size[0], size[1]));
    raft->encoded = stk_calloc_aligned(
        (size_t)(raft->height * raft->width) * (RAFT_STATE + RAFT_CONTEXT), sizeof(float));
    return raft->encoded != NULL ? STK_OK : stk_fail_memory("optical flow");
}

stk_status stk_raft_create(stk_raft **out, const char *weights_path, int height, int width) {
    char found[STK_PATH_MAX];
    *out = NULL;
    if (height % STK_RAFT_STRIDE != 0 || width % STK_RAFT_STRIDE != 0 ||
        height < STK_RAFT_SIDE_MIN || width < STK_RAFT_SIDE_MIN || height > STK_RAFT_SIDE_MAX ||
        width > STK_RAFT_SIDE_MAX)
        return stk_fail(STK_ERR_ARGUMENT,
                        "optical flow: pictures of %dx%d; sizes must be multiples of %d from %d to "
                        "%d",
                        width, height, STK_RAFT_STRIDE, STK_RAFT_SIDE_MIN, STK_RAFT_SIDE_MAX);
    if (weights_path == NULL) {
        STK_TRY(stk_weights_find(NULL, "raft-small.pth", found));
        weights_path = found;
    }
    stk_raft *raft = stk_calloc_aligned(1, sizeof *raft);
    if (raft == NULL) return stk_fail_memory("optical flow");
    raft->height = height / STK_RAFT_STRIDE, raft->width = width / STK_RAFT_STRIDE;
    stk_flow_kernels_init(&raft->kernels);
    stk_raft_loader loader;
    stk_status status = create_parts(raft, &loader, weights_path);
    stk_raft_loader_close(&loader);
    for (int i = 0; i < 2 && status == STK_OK; i++)
        status = stk_raft_features_create(&raft->own[i], raft);
    if (status != STK_OK) stk_raft_free(&raft);
    *out = raft;
    return status;
}

void stk_raft_free(stk_raft **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_raft *raft = *handle;
    stk_raft_encoder_clear(&raft->fnet);
    stk_raft_encoder_clear(&raft->cnet);
    stk_raft_update_clear(&raft->update);
    stk_raft_scratch_clear(&raft->scratch);
    stk_raft_features_free(&raft->own[0]);
    stk_raft_features_free(&raft->own[1]);
    stk_free(raft->encoded);
    stk_free(raft);
    *handle = NULL;
}

stk_status stk_raft_features_create(stk_raft_features **out, const stk_raft *raft) {
    *out = NULL;
    stk_raft_features *features = stk_calloc_aligned(1, sizeof *features);
    if (features == NULL) return stk_fail_memory("features of a picture");
    const size_t pixels = (size_t)(raft->height * raft->width);
    const size_t pyramid = stk_raft_pyramid_floats(raft->height, raft->width);
    features->height = raft->height, features->width = raft->width;
    features->block =
        stk_calloc_aligned(pyramid + pixels * (RAFT_STATE + STK_FLOW_CONTEXT), sizeof(float));
    if (features->block == NULL) {
        stk_raft_features_free(&features);
        return stk_fail_memory("features of a picture");
    }
    stk_raft_pyramid_place(features->maps, features->block, raft->height, raft->width);
    features->state = features->block + pyramid;
    features->added = features->state + pixels * RAFT_STATE;
    *out = features;
    return STK_OK;
}

void stk_raft_features_free(stk_raft_features **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_free((*handle)->block);
    stk_free(*handle);
    *handle = NULL;
}

/* --- encoding --------------------------------------------------------------------------------- */

/* [0, 255] -> [-1, 1] */
static void load_image(const stk_image *image, float *out) {
    for (int y = 0; y < image->height; y++) {
        const uint8_t *row = stk_image_row(image, y);
        for (int i = 0; i < 3 * image->width; i++) *out++ = (float)row[i] / 255.0f * 2.0f - 1.0f;
    }
}

/* cnet's result -> state = tanh(first 96), and what max(0, last 64) adds to the recurrent unit. */
static stk_status split_context(stk_raft *raft, stk_raft_features *features) {
    const int pixels = raft->height * raft->width;
    const float *encoded = raft->encoded;
    float *state = features->state, *context = raft->update.joined;
    for (int p = 0; p < pixels; p++, encoded += RAFT_STATE + RAFT_CONTEXT) {
        for (int c = 0; c < RAFT_STATE; c++) *state++ = tanhf(encoded[c]);
        for (int c = 0; c < RAFT_CONTEXT; c++) *context++ = fmaxf(encoded[RAFT_STATE + c], 0);
    }
    return stk_raft_context_run(&raft->update, raft->update.joined, features->added);
}

stk_status stk_raft_encode(stk_raft *raft, const stk_image *image, int use,
                           stk_raft_features *features) {
    const int height = 8 * raft->height, width = 8 * raft->width;
    if (image->height != height || image->width != width || image->channels != 3)
        return stk_fail(STK_ERR_ARGUMENT,
                        "optical flow: a picture of %dx%d with %d channels where %dx%d in RGB was "
                        "asked for",
                        image->width, image->height, image->channels, width, height);
    if (features->height != raft->height || features->width != raft->width)
        return stk_fail(STK_ERR_ARGUMENT, "optical flow: features are of another size");
    features->use = 0;
    load_image(image, raft->scratch.image);
    STK_TRY(stk_raft_encoder_run(&raft->fnet, &raft->scratch, features->block));
    if (use & STK_RAFT_TO) stk_raft_pyramid_build(features->maps, features->block);
    if (use & STK_RAFT_FROM) {
        STK_TRY(stk_raft_encoder_run(&raft->cnet, &raft->scratch, raft->encoded));
        STK_TRY(split_context(raft, features));
    }
    features->use = use;
    return STK_OK;
}

/* --- flow ------------------------------------------------------------------------------------- */

static stk_status check_pair(const stk_raft *raft, const stk_raft_features *from,
                             const stk_raft_features *to, int iterations) {
    if (from->height != raft->height || from->width != raft->width || to->height != raft->height ||
        to->width != raft->width)
        return stk_fail(STK_ERR_ARGUMENT, "optical flow: features are of another size");
    if (!(from->use & STK_RAFT_FROM) || !(to->use & STK_RAFT_TO))
        return stk_fail(STK_ERR_ARGUMENT, "optical flow: a picture is not encoded for its place "
                                          "in the pair");
    if (iterations < 1 || iterations > ITERATIONS_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "optical flow: %d iterations; 1 to %d are possible",
                        iterations, ITERATIONS_MAX);
    return STK_OK;
}

/* update->flow: [P][2] of the pair. */
static stk_status iterate(stk_raft *raft, const stk_raft_features *from,
                          const stk_raft_features *to, int iterations, const float *start) {
    STK_TRY(check_pair(raft, from, to, iterations));
    stk_raft_update *update = &raft->update;
    const size_t pixels = (size_t)update->pixels;
    memcpy(update->state, from->state, pixels * RAFT_STATE * sizeof(float));
    if (start == NULL)
        memset(update->flow, 0, pixels * 2 * sizeof(float));
    else
        stk_raft_downsample(start, raft->height, raft->width, update->flow);
    for (int i = 0; i < iterations; i++) {
        stk_raft_correlate(&raft->kernels, to->maps, from->block, update->flow, update->taps);
        STK_TRY(stk_raft_update_run(update, &raft->kernels, from->added));
    }
    return STK_OK;
}

stk_status stk_raft_flow_between(stk_raft *raft, const stk_raft_features *from,
                                 const stk_raft_features *to, int iterations, const float *start,
                                 float *flow) {
    STK_TRY(iterate(raft, from, to, iterations, start));
    stk_raft_upsample(raft->update.flow, raft->height, raft->width, flow);
    return STK_OK;
}

stk_status stk_raft_flow_coarse(stk_raft *raft, const stk_raft_features *from,
                                const stk_raft_features *to, int iterations, const float *start,
                                float *coarse) {
    STK_TRY(iterate(raft, from, to, iterations, start));
    memcpy(coarse, raft->update.flow, (size_t)raft->update.pixels * 2 * sizeof(float));
    return STK_OK;
}

void stk_raft_refine(const float *coarse, int height, int width, float *flow) {
    stk_raft_upsample(coarse, height / STK_RAFT_STRIDE, width / STK_RAFT_STRIDE, flow);
}

stk_status stk_raft_flow(stk_raft *raft, const stk_image *image_a, const stk_image *image_b,
                         int iterations, const float *start, float *flow) {
    STK_TRY(stk_raft_encode(raft, image_a, STK_RAFT_FROM, raft->own[0]));
    STK_TRY(stk_raft_encode(raft, image_b, STK_RAFT_TO, raft->own[1]));
    return stk_raft_flow_between(raft, raft->own[0], raft->own[1], iterations, start, flow);
}

/* --- agreement -------------------------------------------------------------------------------- */

/* Bilinear at (x, y) within [0, w - 1] x [0, h - 1]. */
static float sample(const float *plane, int h, int w, float x, float y) {
    const int x0 = stk_clampi((int)x, 0, w - 2), y0 = stk_clampi((int)y, 0, h - 2);
    const float fx = x - (float)x0, fy = y - (float)y0;
    const float *p = plane + (size_t)y0 * (size_t)w + x0;
    return (1 - fy) * ((1 - fx) * p[0] + fx * p[1]) + fy * ((1 - fx) * p[w] + fx * p[w + 1]);
}

void stk_raft_consistency(int height, int width, const float *forward, const float *backward,
                          float tolerance_px, uint8_t *mask, float *error_px) {
    const size_t plane = (size_t)height * (size_t)width;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const size_t at = (size_t)y * (size_t)width + (size_t)x;
            const float dx = forward[at], dy = forward[plane + at];
            const float tx = (float)x + dx, ty = (float)y + dy;
            float error = INFINITY;
            if (tx >= 0 && ty >= 0 && tx <= (float)(width - 1) && ty <= (float)(height - 1)) {
                const float ex = dx + sample(backward, height, width, tx, ty);
                const float ey = dy + sample(backward + plane, height, width, tx, ty);
                error = sqrtf(ex * ex + ey * ey);
                if (!isfinite(error)) error = INFINITY;
            }
            if (error_px != NULL) error_px[at] = error;
            if (mask != NULL) mask[at] = error <= tolerance_px;
        }
}
