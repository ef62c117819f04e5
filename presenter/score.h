/* score.h - the acts of a performance, laid out in time from the speech: what motion.c plays.
 *
 *   phones (or, without them, the sound's loudness) -> beats, pauses
 *   beats  -> nods, raised brows      pauses -> smiles, blinks      clock -> blinks, frowns, gaze
 */
#ifndef STK_PRESENTER_SCORE_H
#define STK_PRESENTER_SCORE_H

#include "presenter/speech.h"

typedef enum stk_act_kind {
    STK_ACT_NOD,   /* amount: radians down; lean: radians to the picture's right */
    STK_ACT_BLINK, /* amount: 1 = closed */
    STK_ACT_BROW,  /* amount of browInnerUp; lean -1 .. 1: more of the person's right or left */
    STK_ACT_FROWN, /* amount of browDown */
    STK_ACT_SMILE, /* amount of mouthSmile; lean as for brows */
} stk_act_kind;

/* Comes up in rise_s, stays for hold_s, goes in fall_s. */
typedef struct stk_act {
    stk_act_kind kind;
    double start_s;
    float rise_s, hold_s, fall_s, amount, lean;
} stk_act;

/* From start_s on the eyes look this far beside the camera. */
typedef struct stk_fixation {
    double start_s;
    float yaw_rad, pitch_rad;
} stk_fixation;

typedef struct stk_score {
    stk_act *acts; /* owned, like fixations */
    stk_fixation *fixations;
    int acts_count, fixations_count;
} stk_score;

stk_status stk_score_write(stk_score *score, int seed, double seconds,
                           const stk_utterance *utterance);
void stk_score_clear(stk_score *score);
/* Strength 0 .. 1 of an act at a time (its amount left aside). */
float stk_act_strength(const stk_act *act, double time_s);

#endif
