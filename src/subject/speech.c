/* speech.c - reads what stk_speech_cut wrote; a file that says impossible things is refused. */
#include "subject/speech.h"

#include "base/memory.h"
#include "face_sync/active_speaker.h"
#include "face_sync/audio.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static stk_status refuse(const stk_safetensors *file, const char *what) {
    return stk_fail(STK_ERR_FORMAT, "%s: is no file of cut speech (%s); cut the clip again",
                    stk_safetensors_path(file), what);
}

/* The tensor, when it has the type and, from its second dimension on, the shape given. */
static stk_status find(const stk_safetensors *file, const char *name, stk_dtype dtype, int rank,
                       const int64_t *shape, const stk_tensor_info **found) {
    const stk_tensor_info *info = stk_safetensors_find(file, name);
    if (info == NULL || info->dtype != dtype || info->rank != rank) return refuse(file, name);
    for (int i = 0; i < rank; i++)
        if (shape[i] >= 0 && info->shape[i] != shape[i]) return refuse(file, name);
    *found = info;
    return STK_OK;
}

static stk_status copy(const stk_tensor_info *info, void **out) {
    *out = stk_calloc_aligned(1, info->bytes);
    if (*out == NULL) return stk_fail_memory("cut speech");
    memcpy(*out, info->data, info->bytes);
    return STK_OK;
}

static stk_status check(const stk_safetensors *file, const stk_speech *s) {
    for (int i = 0; i < s->frames; i++) {
        if (s->state[i] > STK_SPEECH_SPEAKS) return refuse(file, "state");
        if (!(s->opening[i] >= 0 && s->opening[i] < 100)) return refuse(file, "opening");
        if (s->take[i] < 0 || (i > 0 && s->take[i] < s->take[i - 1])) return refuse(file, "take");
    }
    for (int64_t i = 0; i < (int64_t)STK_MEL_BINS * s->columns; i++)
        if (!(fabsf(s->mel[i]) <= 4.001f)) return refuse(file, "mel");
    for (int64_t i = 0; s->seen != NULL && i < (int64_t)s->frames * STK_SPEAKER_CODE; i++)
        if (!(fabsf(s->seen[i]) < 1e6f && fabsf(s->heard[i]) < 1e6f)) return refuse(file, "seen");
    if (!(fabs(s->moved_ms) < 60e3)) return refuse(file, "moved_ms");
    return STK_OK;
}

/* What only files have that were cut where the active speaker's weights were. */
static stk_status read_codes(stk_speech *s, const stk_safetensors *file) {
    const int64_t shape[] = {s->frames, STK_SPEAKER_CODE}, one = 1;
    const stk_tensor_info *seen = NULL, *heard = NULL, *moved = NULL;
    float moved_ms;
    STK_TRY(find(file, "moved_ms", STK_F32, 1, &one, &moved));
    memcpy(&moved_ms, moved->data, sizeof moved_ms);
    s->moved_ms = (double)moved_ms;
    if (stk_safetensors_find(file, "seen") == NULL) return STK_OK;
    STK_TRY(find(file, "seen", STK_F32, 2, shape, &seen));
    STK_TRY(find(file, "heard", STK_F32, 2, shape, &heard));
    STK_TRY(copy(seen, (void **)&s->seen));
    return copy(heard, (void **)&s->heard);
}

static stk_status read_tables(stk_speech *s, const stk_safetensors *file) {
    const int64_t any[] = {-1, STK_SPEECH_SIDE, STK_SPEECH_SIDE, 3}, bins[] = {STK_MEL_BINS, -1};
    const stk_tensor_info *crops = NULL, *state = NULL, *take = NULL, *opening = NULL, *mel = NULL;
    STK_TRY(find(file, "crops", STK_U8, 4, any, &crops));
    if (crops->shape[0] < 1 || crops->shape[0] > STK_SPEECH_FRAMES_MAX)
        return refuse(file, "crops");
    const int64_t n[] = {crops->shape[0]};
    STK_TRY(find(file, "state", STK_U8, 1, n, &state));
    STK_TRY(find(file, "take", STK_I32, 1, n, &take));
    STK_TRY(find(file, "opening", STK_F32, 1, n, &opening));
    STK_TRY(find(file, "mel", STK_F32, 2, bins, &mel));
    if (mel->shape[1] < 1 || mel->shape[1] > (int64_t)STK_SPEECH_FRAMES_MAX * 4)
        return refuse(file, "mel");
    s->frames = (int)n[0];
    s->columns = (int)mel->shape[1];
    s->crops = (uint8_t *)crops->data;
    STK_TRY(copy(state, (void **)&s->state));
    STK_TRY(copy(take, (void **)&s->take));
    STK_TRY(copy(opening, (void **)&s->opening));
    STK_TRY(copy(mel, (void **)&s->mel));
    STK_TRY(read_codes(s, file));
    return check(file, s);
}

stk_status stk_speech_open(stk_speech *speech, const char *path) {
    stk_safetensors *file;
    *speech = (stk_speech){0};
    STK_TRY(stk_safetensors_open(&file, path));
    speech->file = file;
    const char *name = stk_safetensors_metadata(file, "name");
    snprintf(speech->name, sizeof speech->name, "%s", name != NULL ? name : "");
    return read_tables(speech, file);
}

void stk_speech_free(stk_speech *speech) {
    stk_safetensors *file = speech->file;
    stk_safetensors_close(&file);
    stk_free(speech->state);
    stk_free(speech->take);
    stk_free(speech->opening);
    stk_free(speech->mel);
    stk_free(speech->seen);
    stk_free(speech->heard);
    *speech = (stk_speech){0};
}
