/* feature_file.c - see feature_file.h. A file may be read by several threads. */
#include "face_sync/feature_file.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/npy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the five kinds hold are logits, normalised activations and a ReLU's outputs: of order ten. A
 * thousand times that is another program's mistake, and products of much larger values overflow on
 * their way to a code. */
static const float LARGEST = 1e4f;

struct stk_feature_file {
    stk_npy *npy;
    const stk_npy_info *info;
    stk_audio_kind kind;
    int rows, steps, channels;
    char path[STK_PATH_MAX];
};

static int channels_of(stk_audio_kind kind) {
    return stk_audio_row_floats(kind) / stk_audio_row_steps(kind);
}

/* Could this array hold rows of this kind? The axis of one step may be left out. */
static int shape_fits(const stk_npy_info *info, stk_audio_kind kind) {
    const int steps = stk_audio_row_steps(kind), channels = channels_of(kind);
    if (info->rank == 2) return steps == 1 && info->shape[1] == channels;
    return info->rank == 3 && info->shape[1] == steps && info->shape[2] == channels;
}

static void describe_shape(const stk_npy_info *info, char text[128]) {
    int at = snprintf(text, 128, "shape ");
    for (int i = 0; i < info->rank && at < 100; i++)
        at += snprintf(text + at, 128 - (size_t)at, "[%lld]", (long long)info->shape[i]);
    for (int kind = 0; kind < STK_AUDIO_KINDS; kind++)
        if (!stk_audio_is_mel((stk_audio_kind)kind) && shape_fits(info, (stk_audio_kind)kind))
            snprintf(text + at, 128 - (size_t)at, ", \"%s\" features",
                     stk_audio_kind_name((stk_audio_kind)kind));
}

static stk_status check(stk_feature_file *file, const char *path) {
    const stk_npy_info *info = file->info;
    char shape[128];
    if (!shape_fits(info, file->kind)) {
        describe_shape(info, shape);
        return stk_fail(
            STK_ERR_MISMATCH,
            "%s: has %s; this model hears \"%s\" features, shape [frames][%d][%d]: give those",
            path, shape, stk_audio_kind_name(file->kind), file->steps, file->channels);
    }
    if (info->dtype != STK_F32 && info->dtype != STK_F64)
        return stk_fail(STK_ERR_FORMAT, "%s: holds %s numbers; save the features as F32 or F64",
                        path, stk_dtype_name(info->dtype));
    if (info->shape[0] < 1 || info->shape[0] > INT32_MAX / 2)
        return stk_fail(
            STK_ERR_CONTENT,
            "%s: has features of %lld frames; make them again from a sound of 0.04 s or "
            "more",
            path, (long long)info->shape[0]);
    file->rows = (int)info->shape[0];
    return STK_OK;
}

stk_status stk_feature_file_open(stk_feature_file **out, const char *path, stk_audio_kind kind) {
    *out = NULL;
    stk_feature_file *file = stk_calloc_aligned(1, sizeof *file);
    if (file == NULL) return stk_fail_memory("sound features");
    file->kind = kind;
    file->steps = stk_audio_row_steps(kind);
    file->channels = channels_of(kind);
    snprintf(file->path, sizeof file->path, "%s", path);
    stk_status status = stk_npy_open(&file->npy, path);
    if (status == STK_OK) {
        file->info = stk_npy_get(file->npy);
        status = check(file, path);
    }
    if (status != STK_OK) stk_feature_file_close(&file);
    *out = file;
    return status;
}

void stk_feature_file_close(stk_feature_file **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_npy_close(&(*handle)->npy);
    stk_free(*handle);
    *handle = NULL;
}

int stk_feature_file_rows(const stk_feature_file *file) {
    return file->rows;
}

stk_status stk_feature_file_row(const stk_feature_file *file, int row, float *out) {
    enum { CHANNELS_MAX = 1024 };
    float step[CHANNELS_MAX];
    const size_t one = (size_t)file->channels * stk_dtype_size(file->info->dtype);
    const uint8_t *from =
        (const uint8_t *)file->info->data + (size_t)row * (size_t)file->steps * one;
    int finite = 1;
    float largest = 0;
    for (int t = 0; t < file->steps; t++, from += one) {
        stk_dtype_to_f32(file->info->dtype, from, file->channels, step);
        for (int c = 0; c < file->channels; c++) {
            finite &= isfinite(step[c]) != 0;
            largest = fmaxf(largest, fabsf(step[c]));
            out[c * file->steps + t] = step[c];
        }
    }
    if (!finite)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: the features of frame %d are not numbers (NaN or infinite); make them "
                        "again from the sound",
                        file->path, row);
    if (largest <= LARGEST) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: the features of frame %d reach %.3g; models hear features of order 10, "
                    "and beyond %g nothing sensible comes out: make them anew",
                    file->path, row, (double)largest, (double)LARGEST);
}
