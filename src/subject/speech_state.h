/* speech_state.h - which frames show a face that speaks; private to speech. */
#ifndef STK_SUBJECT_SPEECH_STATE_H
#define STK_SUBJECT_SPEECH_STATE_H

#include "subject/speech.h"
#include "subject/speech_crop.h"

/* Without a network: the lips move within 0.6 s of the frame, and a voice is loud in a good part of
 * that time. Tells a speaker from a listener and from a still picture, not from one who chews. */
void stk_speech_state_from_motion(const stk_speech_look *looks, const int32_t *take, int frames,
                                  const stk_sound *sound, uint8_t *state);

/* Frames of state FACE or more whose score (stk_speech_scores), averaged over half a second, says
 * so speak. */
void stk_speech_state_from_score(const float *score, int frames, uint8_t *state);

#endif
