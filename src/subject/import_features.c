/* import_features.c - precomputed sound features of an official folder, kept for models whose audio
 * net reads them.
 *
 *   aud_ds.npy [n,16,29]  aud_hu.npy [n,2,1024]  aud_eo.npy [n,16,44]  aud.npy [n,16,32]
 *   aud_ave.npy [n,512] or [n,1,512]
 *     --row min(aud_id, n - 1), time last--> [N][29][16] [N][1024][2] [N][44][16] [N][32][16]
 *                                            [N][512]
 *
 * The shape tells the kind, not the name (Q21: DeepSpeech rows are found as aud.npy, too); the
 * first file of a kind counts. Any alignment, any float type.
 */
#include "subject/import.h"

#include "base/log.h"
#include "base/memory.h"
#include "face_sync/audio.h"
#include "nn/npy.h"

#include <math.h>

enum { ROW_MAX = 2048 };

/* Rows as stored: [steps][channels]; the network reads [channels][steps]. */
typedef struct shape {
    stk_audio_kind kind;
    int steps, channels;
} shape;
static const shape shapes[] = {{STK_AUDIO_AVE, 1, 512},
                               {STK_AUDIO_DEEPSPEECH, 16, 29},
                               {STK_AUDIO_HUBERT, 2, 1024},
                               {STK_AUDIO_ESPERANTO, 16, 44},
                               {STK_AUDIO_WAV2VEC, 16, 32}};

static const shape *shape_of(const stk_npy_info *npy) {
    int64_t channels = npy->rank > 1 ? npy->shape[npy->rank - 1] : 0;
    int64_t steps = npy->rank == 3 ? npy->shape[1] : 1;
    for (size_t i = 0; i < STK_ARRAY_SIZE(shapes); i++)
        if ((npy->rank == 2 || npy->rank == 3) && npy->shape[0] > 0 &&
            channels == shapes[i].channels && steps == shapes[i].steps)
            return &shapes[i];
    return NULL;
}

static stk_status copy_rows(const stk_import *import, const char *path, const stk_npy_info *npy,
                            const shape *s, float *rows) {
    const int floats = s->steps * s->channels;
    const size_t bytes = (size_t)floats * stk_dtype_size(npy->dtype);
    float row[ROW_MAX];
    for (int i = 0; i < import->count; i++) {
        int64_t from = import->frames[i].aud_id;
        if (from >= npy->shape[0]) from = npy->shape[0] - 1;
        stk_dtype_to_f32(npy->dtype, (const char *)npy->data + (size_t)from * bytes, floats, row);
        float *out = rows + (size_t)i * (size_t)floats;
        for (int k = 0; k < floats; k++) {
            if (!isfinite(row[k]))
                return stk_fail(STK_ERR_FORMAT,
                                "%s: row %lld (frame %d) holds a value that is not a number; make "
                                "the features again",
                                path, (long long)from, import->frames[i].img_id);
            out[k % s->channels * s->steps + k / s->channels] = row[k];
        }
    }
    return STK_OK;
}

static stk_status take_file(stk_import *import, const char *name, float **rows) {
    char path[STK_PATH_MAX];
    stk_npy *file;
    STK_TRY(stk_import_path(import, path, "%s", name));
    if (!stk_file_exists(path)) return STK_OK;
    STK_TRY(stk_npy_open(&file, path));
    const stk_npy_info *npy = stk_npy_get(file);
    const shape *s = shape_of(npy);
    stk_status status = STK_OK;
    if (s == NULL) {
        stk_log(STK_LOG_WARN, "%s: is of no known kind of sound features and is left out", path);
    } else if (rows[s->kind] == NULL) {
        size_t floats = (size_t)(s->steps * s->channels);
        rows[s->kind] = stk_calloc_aligned((size_t)import->count * floats, sizeof **rows);
        status = rows[s->kind] != NULL ? copy_rows(import, path, npy, s, rows[s->kind])
                                       : stk_fail_memory("sound features");
    }
    stk_npy_close(&file);
    return status;
}

stk_status stk_import_features(stk_import *import, float **rows) {
    static const char *const names[] = {"aud_ave.npy", "aud_ds.npy", "aud_hu.npy", "aud_eo.npy",
                                        "aud.npy"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(names); i++) STK_TRY(take_file(import, names[i], rows));
    return STK_OK;
}
