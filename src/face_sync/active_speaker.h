/* active_speaker.h - does the visible mouth speak what is heard: the network Light-ASD (Liao et
 * al., CVPR 2023; weights light_asd_finetune_TalkSet.model, MIT), through oneDNN.
 *
 *   faces [n][112][112] grey -> three blocks of (3x3 then 3 in time) + (5x5 then 5 in time), 1x1
 *     -> seen [n][128]
 *   cepstrum [4 n][13] -> three blocks of (3 then 3 in time) + (5 then 5 in time), 1x1
 *     -> heard [n][128]
 *   seen + heard -> GRU forwards -> GELU -> GRU backwards -> GELU -> linear -> score [n]
 *
 * seen and heard depend on 6 frames to either side, so they are computed once and scored at any
 * shift of one against the other. A handle must not be used by two threads at once; the work is
 * done on the calling thread.
 */
#ifndef STK_FACE_SYNC_ACTIVE_SPEAKER_H
#define STK_FACE_SYNC_ACTIVE_SPEAKER_H

#include "base/status.h"
#include "base/types.h"
#include "face_sync/mfcc.h"

enum {
    STK_SPEAKER_SIDE = 112,
    STK_SPEAKER_FACE = STK_SPEAKER_SIDE * STK_SPEAKER_SIDE,
    STK_SPEAKER_CODE = 128,
    STK_SPEAKER_HALO = 6,         /* frames to either side that a code depends on */
    STK_SPEAKER_FRAMES = 32 + 12, /* in one call of see and hear */
    STK_SPEAKER_SCORED = 250,     /* in one call of score: ten seconds */
};

typedef struct stk_active_speaker stk_active_speaker;

/* models: folder or NULL (nn/weights.h). STK_ERR_WEIGHTS when the file is absent or another.
 * Memory: 75 MB. */
stk_status stk_active_speaker_create(stk_active_speaker **speaker, const char *models);
/* 1 where the file is. */
int stk_active_speaker_have(const char *models);
void stk_active_speaker_free(stk_active_speaker **speaker);
/* 1 <= n <= STK_SPEAKER_FRAMES frames; what lies before and behind them counts as absent. Allocates
 * nothing. */
stk_status stk_active_speaker_see(stk_active_speaker *speaker, int n, const uint8_t *faces,
                                  float *seen);
/* mfcc [4 n][13]. */
stk_status stk_active_speaker_hear(stk_active_speaker *speaker, int n,
                                   const float (*mfcc)[STK_MFCC_COUNT], float *heard);
/* score [n], n <= STK_SPEAKER_SCORED: positive where the face speaks the sound; about -3 .. 3. The
 * published use averages over pieces of 1 to 6 seconds. */
void stk_active_speaker_score(stk_active_speaker *speaker, int n, const float *seen,
                              const float *heard, float *score);
/* mean [shifts]: the mean score over the n frames with the heard codes taken from 0, 1 ..
 * shifts - 1 frames later; heard [n + shifts - 1][128]. */
void stk_active_speaker_shifts(stk_active_speaker *speaker, int n, const float *seen,
                               const float *heard, int shifts, double *mean);

#endif
