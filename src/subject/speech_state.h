/* speech_state.h - which frames show a face that speaks; private to speech. */
#ifndef STK_SUBJECT_SPEECH_STATE_H
#define STK_SUBJECT_SPEECH_STATE_H

#include "subject/speech.h"
#include "subject/speech_crop.h"

/* Without a network: the lips move within 0.6 s of the frame, and a voice is loud in a good part of
 * that time. Tells a speaker from a listener and from a still picture, not from one who chews. */
void stk_speech_state_from_motion(const stk_speech_look *looks, const int32_t *take, int frames,
                                  const stk_sound *sound, uint8_t *state);

/* Frames that so speak but whose score (stk_speech_scores), averaged over half a second, says that
 * the mouth doesn't become FACE. Both are asked because the network hardly hears: 4.4 to 5.0 with a
 * clip's own sound, 4.3 to 5.0 with another one's, 4.2 to 4.8 in silence, on five clips. */
void stk_speech_state_by_score(const float *score, int frames, uint8_t *state);

#endif
