/* eyes.h - the two eyeballs and their gaze. */
#ifndef STK_PRESENTER_EYES_H
#define STK_PRESENTER_EYES_H

#include "presenter/express.h"

/* Lid margin of the fine skin: vertices from the picture's left corner over the upper lid to the
 * other corner, back along the lower lid. */
enum { STK_LID_FINE = 64 };

typedef struct stk_eyes {
    stk_surface surface; /* both globes */
    stk_eye_globe globe[2];
    float turn[2][9]; /* optical frame to rest space, columns x y z; z = optical axis */
} stk_eyes;

/* Copies globes; the material is borrowed. */
stk_status stk_eyes_init(stk_eyes *eyes, const stk_eye_globe globe[2], stk_material *material);
void stk_eyes_clear(stk_eyes *eyes);
/* Turns the globes to the state's gaze. */
void stk_eyes_turn(stk_eyes *eyes, const stk_face_state *state);
/* Positions and shade; lid[e] are indices into skin (expressed positions). */
void stk_eyes_set(stk_eyes *eyes, const float (*skin)[3], const int32_t (*lid)[STK_LID_FINE]);
/* Distance of the eyeball's surface from the centre in a direction of rest space (unit). */
float stk_eyes_radius(const stk_eyes *eyes, int which, const float direction[3]);
/* Iris centre, then its border towards +x, up, -x, down (of the picture). */
void stk_eyes_iris(const stk_eyes *eyes, int which, float points[5][3]);

#endif
