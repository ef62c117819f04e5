/* framing.h - which square of the source picture becomes the subject's picture. */
#ifndef STK_SUBJECT_FRAMING_H
#define STK_SUBJECT_FRAMING_H

#include "base/types.h"

/* The largest face in `count` frames over the clip: centre and height, px. */
typedef struct stk_face_boxes {
    float *x, *y, *height;
    int count;
} stk_face_boxes;

/* One fixed square of the picture with head and shoulders; count >= 1. A square picture that
 * already shows that is taken whole. The boxes' columns are sorted in place. */
stk_rect stk_framing_choose(const stk_face_boxes *boxes, int width, int height);

#endif
