/* regions.h - pixel rectangles of a face from its mesh landmarks (reference.md 1.3), by the
 * 68-point equivalents of the mesh. Inputs are clamped to the picture, so any finite or odd value
 * is safe. */
#ifndef STK_SUBJECT_REGIONS_H
#define STK_SUBJECT_REGIONS_H

#include "subject/subject.h"

stk_regions stk_regions_compute(const float (*landmarks)[3], int width, int height);
/* Eyes with brows, what the sampler draws as "eyes": a wider rectangle than regions.eyes. */
stk_rect stk_regions_eyes_and_brows(const float (*landmarks)[3], int width, int height);

#endif
