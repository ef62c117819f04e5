/* speech_codes.c - see speech_codes.h. */
#include "subject/speech_codes.h"

#include "base/memory.h"

#include <string.h>

enum {
    PIECE = STK_SPEAKER_FRAMES,
    HALO = STK_SPEAKER_HALO,
    CODE = STK_SPEAKER_CODE,
    SCORED = 50, /* frames of one score: 2 s */
};
static const float NO_SCORE = -10;

struct stk_speech_eyes {
    stk_active_speaker *speaker;
    float *seen;
    int first; /* frame of faces[0] */
    int count; /* faces held */
    int done;  /* of them, from the front, with codes that are out already */
    uint8_t faces[PIECE][STK_SPEAKER_FACE];
    float codes[PIECE][CODE];
};

stk_status stk_speech_eyes_create(stk_speech_eyes **eyes, stk_active_speaker *speaker,
                                  float *seen) {
    *eyes = stk_calloc_aligned(1, sizeof **eyes);
    if (*eyes == NULL) return stk_fail_memory("active speaker");
    (*eyes)->speaker = speaker;
    (*eyes)->seen = seen;
    return STK_OK;
}

void stk_speech_eyes_free(stk_speech_eyes **eyes) {
    if (eyes == NULL || *eyes == NULL) return;
    stk_free(*eyes);
    *eyes = NULL;
}

/* Codes of the faces held; those up to `until` are final. */
static stk_status run(stk_speech_eyes *e, int until) {
    STK_TRY(stk_active_speaker_see(e->speaker, e->count, e->faces[0], e->codes[0]));
    memcpy(e->seen + (size_t)(e->first + e->done) * CODE, e->codes[e->done],
           (size_t)(until - e->done) * sizeof e->codes[0]);
    e->done = until;
    return STK_OK;
}

stk_status stk_speech_eyes_end(stk_speech_eyes *e) {
    if (e->count > e->done) STK_TRY(run(e, e->count));
    e->count = e->done = 0;
    return STK_OK;
}

stk_status stk_speech_eyes_push(stk_speech_eyes *e, int frame, const uint8_t *face, int fresh) {
    if (face == NULL || fresh) STK_TRY(stk_speech_eyes_end(e));
    if (face == NULL) return STK_OK;
    if (e->count == 0) e->first = frame;
    memcpy(e->faces[e->count++], face, STK_SPEAKER_FACE);
    if (e->count < PIECE) return STK_OK;
    STK_TRY(run(e, PIECE - HALO));
    const int drop = PIECE - 2 * HALO;
    memmove(e->faces[0], e->faces[drop], (size_t)(2 * HALO) * STK_SPEAKER_FACE);
    e->first += drop;
    e->count = 2 * HALO;
    e->done -= drop;
    return STK_OK;
}

static stk_status hear(stk_active_speaker *speaker, const float (*mfcc)[STK_MFCC_COUNT], int frames,
                       float *heard) {
    float codes[PIECE][CODE];
    for (int done = 0; done < frames;) {
        const int first = done > HALO ? done - HALO : 0;
        const int n = frames - first < PIECE ? frames - first : PIECE;
        const int until = first + n < frames ? first + n - HALO : frames;
        STK_TRY(stk_active_speaker_hear(speaker, n, mfcc + 4 * first, codes[0]));
        memcpy(heard + (size_t)done * CODE, codes[done - first],
               (size_t)(until - done) * sizeof codes[0]);
        done = until;
    }
    return STK_OK;
}

stk_status stk_speech_hear(stk_active_speaker *speaker, const stk_sound *sound, int frames,
                           float *heard) {
    float(*mfcc)[STK_MFCC_COUNT] = stk_calloc_aligned((size_t)frames * 4, sizeof *mfcc);
    if (mfcc == NULL) return stk_fail_memory("cepstrum");
    stk_status status = stk_mfcc(sound, mfcc, 4 * frames);
    if (status == STK_OK)
        status = hear(speaker, (const float(*)[STK_MFCC_COUNT])mfcc, frames, heard);
    stk_free(mfcc);
    return status;
}

/* --- scores ----------------------------------------------------------------------------------- */

/* Adds the scores of [from, to) to score and counts them. */
static void score_run(stk_active_speaker *speaker, int from, int to, int shift, const float *seen,
                      const float *heard, float *score, uint8_t *count) {
    float part[SCORED];
    for (int at = from; at < to; at += SCORED / 2) {
        const int first = at + SCORED > to && to - SCORED > from ? to - SCORED : at;
        const int n = to - first < SCORED ? to - first : SCORED;
        stk_active_speaker_score(speaker, n, seen + (size_t)first * CODE,
                                 heard + (size_t)(first + shift) * CODE, part);
        for (int i = 0; i < n; i++) {
            score[first + i] += part[i];
            count[first + i]++;
        }
        if (first + n >= to) break;
    }
}

stk_status stk_speech_scores(stk_active_speaker *speaker, const int32_t *take, int frames,
                             int shift, const float *seen, const float *heard, float *score) {
    uint8_t *count = stk_calloc_aligned((size_t)frames, 1);
    if (count == NULL) return stk_fail_memory("scores");
    memset(score, 0, (size_t)frames * sizeof *score);
    for (int from = 0, to; from < frames; from = to) {
        for (to = from + 1; to < frames && take[to] == take[from];) to++;
        const int first = shift < 0 ? from - shift : from, last = shift > 0 ? to - shift : to;
        if (first < last) score_run(speaker, first, last, shift, seen, heard, score, count);
    }
    for (int i = 0; i < frames; i++)
        score[i] = count[i] > 0 ? score[i] / (float)count[i] : NO_SCORE;
    stk_free(count);
    return STK_OK;
}
