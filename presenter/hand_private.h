/* hand_private.h - the left hand as an implicit body in its own frame: x from the wrist towards the
 * finger tips, y towards the thumb, z out of the back of the hand; m. A left hand's frame is a left
 * one: whoever turns it into the rest space turns triangles over. */
#ifndef STK_PRESENTER_HAND_PRIVATE_H
#define STK_PRESENTER_HAND_PRIVATE_H

#include "presenter/attire_private.h"

enum { STK_FINGERS = 5, STK_FINGER_JOINTS = 4 };
typedef struct stk_hand_form {
    float joint[STK_FINGERS][STK_FINGER_JOINTS][3]; /* thumb first; last joint = tip's middle */
    float radius[STK_FINGERS][STK_FINGER_JOINTS];
    float up[STK_FINGERS][3]; /* towards the nail, of the last bone */
} stk_hand_form;

/* A relaxed, slightly cupped hand; size 1 = a man's. */
void stk_hand_pose(stk_hand_form *form, float size);
float stk_hand_distance(const stk_hand_form *form, const float p[3]);
void stk_hand_normal(const stk_hand_form *form, const float p[3], float normal[3]);
/* Polygons of the zero of the distance. */
stk_status stk_hand_polygonise(const stk_hand_form *form, stk_sheet *sheet);
void stk_hand_nails(const stk_hand_form *form, stk_sheet *sheet);

#endif
