/* motion.h - how the presenter holds and moves head, torso, brows, lids and eyes.
 *
 * Smooth band-limited noise with nods on stressed syllables, blinks every 2-6 s (and at phrase
 * ends), saccades between blinks, brow raises with stress; the torso follows the head loosely.
 * Continuous in time: any frame rate samples the same performance. Deterministic for the seed.
 */
#ifndef STK_PRESENTER_MOTION_H
#define STK_PRESENTER_MOTION_H

#include "presenter/canvas.h"
#include "presenter/bust.h"
#include "presenter/speech.h"

typedef struct stk_motion stk_motion;

/* utterance may have no phones; borrowed while creating only. */
stk_status stk_motion_create(stk_motion **motion, int seed, double seconds,
                             const stk_utterance *utterance);
void stk_motion_free(stk_motion **motion);
/* Turns the head by `degrees` about the vertical axis between the times, on top of all else (for
 * profile views). The torso turns by 0.45 of it. */
void stk_motion_turn(stk_motion *motion, double start_s, double end_s, float degrees);
/* Bones in cam for a camera whose picture height is seen under `focal_over_height`; rotation within
 * +-15 degrees about each axis (R = Ry(yaw) Rx(pitch) Rz(roll), a turn apart). Adds brows, lids and
 * gaze to the state. breath_phase in turns. Allocates nothing. */
void stk_motion_at(const stk_motion *motion, double time_s, float focal_over_height,
                   stk_bones *bones, stk_face_state *state, float *breath_phase);

#endif
