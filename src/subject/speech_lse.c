/* speech_lse.c - see speech_lse.h. */
#include "subject/speech_lse.h"

#include "base/memory.h"

#include <string.h>

enum { FIVE = STK_SYNCNET_FRAMES, CODE = STK_SYNCNET_CODE, ROWS_A_FRAME = 4 };

struct stk_speech_lse {
    stk_syncnet *net;
    int run_min;
    int frames, at;                       /* of the clip; pushed */
    int held;                             /* of the run, with the last one */
    int32_t *run;                         /* [frames] place in its run, from 1 on; 0: no face */
    float *lips;                          /* [frames][1024] of the five frames from this one on */
    float *sound;                         /* [frames][1024] */
    uint8_t face[FIVE][STK_SYNCNET_FACE]; /* of frame i at i % FIVE */
};

stk_status stk_speech_lse_create(stk_speech_lse **out, const char *path, int frames, int run_min) {
    stk_speech_lse *l = stk_calloc_aligned(1, sizeof *l);
    *out = l;
    if (l == NULL) return stk_fail_memory("SyncNet");
    l->run_min = run_min > FIVE ? run_min : FIVE + 1;
    l->frames = frames < STK_LSE_FRAMES_MAX ? frames : STK_LSE_FRAMES_MAX;
    const size_t n = (size_t)l->frames;
    l->run = stk_calloc_aligned(n, sizeof *l->run);
    l->lips = stk_calloc_aligned(n * CODE, sizeof *l->lips);
    l->sound = stk_calloc_aligned(n * CODE, sizeof *l->sound);
    stk_status status = l->run != NULL && l->lips != NULL && l->sound != NULL
                            ? stk_syncnet_create(&l->net, path)
                            : stk_fail_memory("SyncNet");
    if (status != STK_OK) stk_speech_lse_free(out);
    return status;
}

void stk_speech_lse_free(stk_speech_lse **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_speech_lse *l = *handle;
    stk_syncnet_free(&l->net);
    stk_free(l->run);
    stk_free(l->lips);
    stk_free(l->sound);
    stk_free(l);
    *handle = NULL;
}

void stk_speech_lse_crop(const stk_image *rgb, const stk_face_roi *speaker, float *values,
                         uint8_t *face) {
    stk_face_roi roi = *speaker;
    roi.size_px *= 2;
    stk_face_crop(values, STK_SYNCNET_SIDE, rgb, &roi, 1, 0.5f, 0);
    for (int i = 0; i < STK_SYNCNET_FACE; i++) face[i] = (uint8_t)stk_clampf(values[i], 0, 255);
}

stk_status stk_speech_lse_push(stk_speech_lse *l, const uint8_t *face, int fresh) {
    const uint8_t *faces[FIVE];
    const int i = l->at++;
    if (i >= l->frames) return STK_OK;
    if (face == NULL || fresh) l->held = 0;
    if (face == NULL) return STK_OK;
    memcpy(l->face[i % FIVE], face, STK_SYNCNET_FACE);
    l->run[i] = ++l->held;
    if (l->held < FIVE) return STK_OK;
    for (int t = 0; t < FIVE; t++) faces[t] = l->face[(i - FIVE + 1 + t) % FIVE];
    return stk_syncnet_see(l->net, faces, l->lips + (size_t)(i - FIVE + 1) * CODE);
}

/* The run of n frames from `first` on: its windows but the last, as published. */
static stk_status add_run(stk_speech_lse *l, const float (*mfcc)[STK_MFCC_COUNT], int first, int n,
                          stk_lse *sum, int *longest) {
    const int windows = n - FIVE;
    stk_lse one;
    if (n < l->run_min) return STK_OK;
    for (int i = first; i < first + windows; i++)
        STK_TRY(stk_syncnet_hear(l->net, mfcc + (size_t)ROWS_A_FRAME * (size_t)i,
                                 l->sound + (size_t)i * CODE));
    stk_lse_of(windows, l->lips + (size_t)first * CODE, l->sound + (size_t)first * CODE, &one);
    sum->c += one.c * windows;
    sum->d += one.d * windows;
    sum->windows += windows;
    if (windows > *longest) sum->offset_frames = one.offset_frames, *longest = windows;
    return STK_OK;
}

static stk_status add_runs(stk_speech_lse *l, const float (*mfcc)[STK_MFCC_COUNT], stk_lse *sum) {
    const int frames = l->at < l->frames ? l->at : l->frames;
    int longest = 0;
    for (int from = 0, to; from < frames; from = to) {
        for (to = from + 1; to < frames && l->run[to] > 1;) to++;
        if (l->run[from] == 1) STK_TRY(add_run(l, mfcc, from, to - from, sum, &longest));
    }
    if (sum->windows == 0) return STK_OK;
    sum->c /= sum->windows;
    sum->d /= sum->windows;
    return STK_OK;
}

stk_status stk_speech_lse_end(stk_speech_lse *l, const stk_sound *sound, stk_lse *figures) {
    const int rows = ROWS_A_FRAME * l->frames;
    float(*mfcc)[STK_MFCC_COUNT] = stk_calloc_aligned((size_t)rows, sizeof *mfcc);
    *figures = (stk_lse){0};
    if (mfcc == NULL) return stk_fail_memory("cepstrum");
    stk_status status = stk_mfcc(sound, mfcc, rows);
    if (status == STK_OK) status = add_runs(l, (const float(*)[STK_MFCC_COUNT])mfcc, figures);
    stk_free(mfcc);
    return status;
}
