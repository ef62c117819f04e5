/* sync_discriminator.c - the lip-sync discriminator (face_sync/lip_sync.h) as a measure of sync.
 *
 *   a window's frames --lips--> F_f;  they and 15 on either side --sound--> A_f
 *   fit of shift o = - mean over the window's frames of |F_f - A_(f+o)|
 *
 * Sound codes that two windows share are made once.
 */
#include "subject/sync.h"

#include "base/clock.h"
#include "base/memory.h"
#include "face_sync/sync_offset.h"
#include "subject/speech_windows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPAN = STK_SYNC_WINDOW + 2 * STK_SYNC_REACH, /* frames that a window's shifts reach */
    BATCH = STK_LIP_SYNC_BATCH,
    CODE = STK_SYNC_CODE,
};
_Static_assert((int)STK_SYNC_REACH == (int)STK_OFFSET_MAX, "shifts are those of sync_offset.h");

/* On clips whose sync is known it finds 0 where nothing is late. A curve may peak by chance, too,
 * but not deeply: heard with somebody else's sound the margin (median less least distance) was 0.01
 * to 0.05, with their own, of people it never saw, 0.04 to 0.15 (doc/ENCODER.md, "Sync by the
 * discriminator"). Weight: 1 - exp(-(margin / MARGIN)^2). */
static const double BIAS_FRAMES = 0, MARGIN = 0.035;

struct stk_discriminator {
    stk_lip_sync *nets; /* the caller's */
    const stk_speech *speech;
    int first, frames;                                  /* of the clip, whose codes are there */
    float *lips, *sound;                                /* [SPAN][512] */
    float *mouths, *mels;                               /* [BATCH][...] */
    uint8_t has_lips[SPAN], has_sound[SPAN], has[SPAN]; /* STK_HAS_... */
};

stk_status stk_discriminator_create(stk_discriminator **out, stk_lip_sync *nets,
                                    const stk_speech *speech) {
    stk_discriminator *d = stk_calloc_aligned(1, sizeof *d);
    *out = d;
    if (d == NULL) return stk_fail_memory("lip-sync discriminator");
    d->nets = nets;
    d->speech = speech;
    d->lips = stk_calloc_aligned((size_t)SPAN * CODE, sizeof(float));
    d->sound = stk_calloc_aligned((size_t)SPAN * CODE, sizeof(float));
    d->mouths = stk_calloc_aligned((size_t)BATCH * STK_LIPS_FLOATS, sizeof(float));
    d->mels = stk_calloc_aligned((size_t)BATCH * STK_SOUND_FLOATS, sizeof(float));
    if (d->lips != NULL && d->sound != NULL && d->mouths != NULL && d->mels != NULL) return STK_OK;
    stk_discriminator_free(out);
    return stk_fail_memory("lip-sync discriminator");
}

void stk_discriminator_free(stk_discriminator **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_discriminator *d = *handle;
    stk_free(d->lips);
    stk_free(d->sound);
    stk_free(d->mouths);
    stk_free(d->mels);
    stk_free(d);
    *handle = NULL;
}

/* Moves the span to [first, first + frames) of the clip; gives how many of its sounds are known. */
static int move_span(stk_discriminator *d, int first, int frames) {
    const int by = first - d->first, left = d->frames - by;
    d->first = first;
    d->frames = frames;
    if (by < 0 || left <= 0) return 0;
    const int kept = left < frames ? left : frames;
    memmove(d->sound, d->sound + (size_t)by * CODE, (size_t)kept * CODE * sizeof *d->sound);
    memmove(d->has_sound, d->has_sound + by, (size_t)kept);
    return kept;
}

/* Codes of the span's sounds from number `at` on. */
static stk_status hear(stk_discriminator *d, int at) {
    for (; at < d->frames; at += BATCH) {
        const int n = d->frames - at < BATCH ? d->frames - at : BATCH;
        for (int w = 0; w < n; w++) {
            float *window = d->mels + (size_t)w * STK_SOUND_FLOATS;
            const int frame = d->first + at + w, there = stk_encoder_has_sound(d->speech, frame);
            d->has_sound[at + w] = there ? STK_HAS_SOUND : 0;
            if (there)
                stk_encoder_sound_plain(d->speech, frame, window);
            else
                memset(window, 0, STK_SOUND_FLOATS * sizeof *window);
        }
        STK_TRY(stk_lip_sync_sound(d->nets, n, d->mels, d->sound + (size_t)at * CODE));
    }
    return STK_OK;
}

/* Codes of the lips of the window, which is the span without its ends. */
static stk_status look(stk_discriminator *d) {
    const int end = d->frames - STK_SYNC_REACH;
    memset(d->has_lips, 0, sizeof d->has_lips);
    for (int at = STK_SYNC_REACH; at < end; at += BATCH) {
        const int n = end - at < BATCH ? end - at : BATCH;
        for (int w = 0; w < n; w++) {
            float *mouths = d->mouths + (size_t)w * STK_LIPS_FLOATS;
            const int frame = d->first + at + w, there = stk_encoder_has_lips(d->speech, frame);
            d->has_lips[at + w] = there ? STK_HAS_LIPS : 0;
            if (there)
                stk_encoder_lips_plain(d->speech, frame, mouths);
            else
                memset(mouths, 0, STK_LIPS_FLOATS * sizeof *mouths);
        }
        STK_TRY(stk_lip_sync_picture(d->nets, n, d->mouths, d->lips + (size_t)at * CODE));
    }
    return STK_OK;
}

stk_status stk_discriminator_distances(stk_discriminator *d, const stk_sync_window *window,
                                       float (*distances)[STK_SYNC_SHIFTS]) {
    const int frames = window->count + 2 * STK_SYNC_REACH;
    const int known = move_span(d, window->first - STK_SYNC_REACH, frames);
    STK_TRY(hear(d, known));
    STK_TRY(look(d));
    for (int i = 0; i < frames; i++) d->has[i] = d->has_lips[i] | d->has_sound[i];
    for (int i = 0; i < window->count; i++)
        stk_sync_distances(frames, d->lips, d->sound, d->has, i + STK_SYNC_REACH, distances[i]);
    return STK_OK;
}

/* Minus the mean distances of the frames that have them all; all the same where none has. */
static void fit_of(int count, const float (*distances)[STK_SYNC_SHIFTS],
                   double fit[STK_SYNC_SHIFTS]) {
    int good = 0;
    memset(fit, 0, STK_SYNC_SHIFTS * sizeof *fit);
    for (int i = 0; i < count; i++) {
        int whole = 1;
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) whole = whole && distances[i][k] >= 0;
        for (int k = 0; k < STK_SYNC_SHIFTS && whole; k++) fit[k] -= (double)distances[i][k];
        good += whole;
    }
    for (int k = 0; k < STK_SYNC_SHIFTS && good > 0; k++) fit[k] /= good;
}

static stk_status fit_windows(stk_discriminator *d, const stk_job *job, const stk_sync_report *sync,
                              double (*fit)[STK_SYNC_SHIFTS]) {
    float distances[STK_SYNC_WINDOW][STK_SYNC_SHIFTS];
    const double start_s = stk_clock_s();
    for (int w = 0; w < sync->windows; w++) {
        STK_TRY(stk_discriminator_distances(d, &sync->at[w], distances));
        fit_of(sync->at[w].count, (const float(*)[STK_SYNC_SHIFTS])distances, fit[w]);
        stk_job_report(job, "discriminator", w + 1, sync->windows, start_s, NULL);
        if (stk_job_aborted(job))
            return stk_fail(STK_ERR_ABORTED, "%s: stopped while its sync was measured",
                            d->speech->name);
    }
    return STK_OK;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median less least of the mean distances over the windows: SyncNet's confidence. */
static double margin_of(int windows, const double (*fit)[STK_SYNC_SHIFTS]) {
    double curve[STK_SYNC_SHIFTS] = {0};
    for (int w = 0; w < windows; w++)
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) curve[k] += fit[w][k] / windows;
    qsort(curve, STK_SYNC_SHIFTS, sizeof curve[0], compare);
    return curve[STK_SYNC_SHIFTS - 1] - curve[STK_SYNC_SHIFTS / 2];
}

static void add(const double (*fit)[STK_SYNC_SHIFTS], stk_sync_report *sync) {
    const double margin = margin_of(sync->windows, fit);
    const int at = sync->count;
    stk_sync_add(sync, STK_SYNC_DISCRIMINATOR, fit, BIAS_FRAMES,
                 1 - exp(-(margin / MARGIN) * (margin / MARGIN)));
    if (sync->count > at) sync->by[at].confidence_syncnet = margin;
}

stk_status stk_sync_add_discriminator(const stk_speech *speech, stk_lip_sync *nets,
                                      const stk_job *job, stk_sync_report *sync) {
    double(*fit)[STK_SYNC_SHIFTS] = stk_calloc_aligned((size_t)sync->windows, sizeof *fit);
    stk_discriminator *d = NULL;
    stk_status status =
        fit != NULL ? stk_discriminator_create(&d, nets, speech) : stk_fail_memory("sync");
    if (status == STK_OK) status = fit_windows(d, job, sync, fit);
    if (status == STK_OK) add((const double(*)[STK_SYNC_SHIFTS])fit, sync);
    stk_discriminator_free(&d);
    stk_free(fit);
    return status;
}
