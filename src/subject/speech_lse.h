/* speech_lse.h - LSE-C and LSE-D of a clip by SyncNet, while it is cut (or rendered, by `eval`).
 *
 *   faces [224][224][3], one by one -> five in a row -> lips' codes, kept
 *   sound -> cepstrum -> codes of the same moments; both -> face_sync/syncnet.h
 *
 * A run is a stretch of one take in which each frame has a face; as in the published pipeline those
 * of fewer than 100 frames do not count. Several are weighted by their windows.
 *
 * DIFFERS from that pipeline: boxes are made of the face mesh (speech_crop.h), not found by S3FD,
 * and smoothed by a Gaussian of 4 frames, not a median of 13; beyond the picture its border is
 * continued, not grey; faces go to the network without having been coded as MPEG-4 and JPEG.
 */
#ifndef STK_SUBJECT_SPEECH_LSE_H
#define STK_SUBJECT_SPEECH_LSE_H

#include "base/types.h"
#include "base/image.h"
#include "face_sync/face_graphs.h"
#include "face_sync/syncnet.h"

enum {
    STK_LSE_RUN_MIN = 100,      /* frames */
    STK_LSE_FRAMES_MAX = 15000, /* ten minutes; the first of a clip. 123 MB */
};

typedef struct stk_speech_lse stk_speech_lse;
/* path: weights of SyncNet; frames: of the clip; run_min: STK_LSE_RUN_MIN, less in tests only. */
stk_status stk_speech_lse_create(stk_speech_lse **lse, const char *path, int frames, int run_min);
void stk_speech_lse_free(stk_speech_lse **lse);
/* A frame's face as the network takes it: the active speaker's square (speech_crop.h) and as much
 * again round it. values: [STK_SYNCNET_FACE], scratch. */
void stk_speech_lse_crop(const stk_image *rgb, const stk_face_roi *speaker, float *values,
                         uint8_t *face);
/* Frames in order, each once. face NULL: none, the run ends; fresh: a new one begins. */
stk_status stk_speech_lse_push(stk_speech_lse *lse, const uint8_t *face, int fresh);
/* No frame follows; sound at 16 kHz, from the first frame on. figures->windows 0: no run was long
 * enough. */
stk_status stk_speech_lse_end(stk_speech_lse *lse, const stk_sound *sound, stk_lse *figures);

#endif
