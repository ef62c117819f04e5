/* mouth.h - what mouth.c and mouth_loudness.c share. Internal to the mouth files. */
#ifndef STK_PRESENTER_MOUTH_H
#define STK_PRESENTER_MOUTH_H

#include "presenter/speech.h"

/* Blendshapes that speech moves; left and right as one. */
typedef enum stk_mouth_part {
    STK_MOUTH_JAW,
    STK_MOUTH_FUNNEL,
    STK_MOUTH_PUCKER,
    STK_MOUTH_STRETCH,
    STK_MOUTH_SMILE,
    STK_MOUTH_LOWER_DOWN,
    STK_MOUTH_UPPER_UP,
    STK_MOUTH_ROLL_LOWER,
    STK_MOUTH_ROLL_UPPER,
    STK_MOUTH_PRESS,
    STK_MOUTH_SHRUG_LOWER,
    STK_MOUTH_SHRUG_UPPER,
    STK_MOUTH_PARTS
} stk_mouth_part;

/* One moment: parts 0 .. 1, and how far the lips are brought together (p b m) or the lower lip to
 * the teeth (f v), 0 .. 1. */
typedef struct stk_mouth_moment {
    float part[STK_MOUTH_PARTS];
    float closure, bite;
} stk_mouth_moment;

/* moments [frames] from the sound alone, frame i at i/fps. */
stk_status stk_mouth_loudness(const stk_sound *sound, double fps, int frames,
                              stk_mouth_moment *moments);

#endif
