/* speech_codes.h - the active speaker's codes of a whole clip, in pieces with a halo; private to
 * speech. A run of frames of one take that all have a face is one sequence.
 *
 *   faces, one by one -> pieces of 44 frames, 12 of them shared with the last piece -> seen
 *   sound -> cepstrum -> the same -> heard
 */
#ifndef STK_SUBJECT_SPEECH_CODES_H
#define STK_SUBJECT_SPEECH_CODES_H

#include "face_sync/active_speaker.h"

typedef struct stk_speech_eyes stk_speech_eyes;

/* seen [frames][128], zeroed: borrowed until the end, as is speaker. */
stk_status stk_speech_eyes_create(stk_speech_eyes **eyes, stk_active_speaker *speaker, float *seen);
void stk_speech_eyes_free(stk_speech_eyes **eyes);
/* Frames in order. face NULL: none, the sequence ends; fresh: a new one begins. */
stk_status stk_speech_eyes_push(stk_speech_eyes *eyes, int frame, const uint8_t *face, int fresh);
/* No frame follows. */
stk_status stk_speech_eyes_end(stk_speech_eyes *eyes);

/* heard [frames][128] of the whole sound at 16 kHz. */
stk_status stk_speech_hear(stk_active_speaker *speaker, const stk_sound *sound, int frames,
                           float *heard);
/* score [frames] of the seen and heard codes, the sound taken `shift` frames later; frames whose
 * take is another one or ends before the shifted sound: -10. Mean of pieces of 2 s that overlap by
 * half. */
stk_status stk_speech_scores(stk_active_speaker *speaker, const int32_t *take, int frames,
                             int shift, const float *seen, const float *heard, float *score);

#endif
