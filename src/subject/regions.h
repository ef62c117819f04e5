/* regions.h - pixel rectangles of a face from its mesh landmarks (reference.md 1.3), by the
 * 68-point equivalents of the mesh. Inputs are clamped to the picture, so any finite or odd value
 * is safe. */
#ifndef STK_SUBJECT_REGIONS_H
#define STK_SUBJECT_REGIONS_H

#include "base/face_mesh.h"
#include "subject/subject.h"

stk_regions stk_regions_compute(const float (*landmarks)[3], int width, int height);
/* Eyes with brows, what the sampler draws as "eyes": a wider rectangle than regions.eyes. */
stk_rect stk_regions_eyes_and_brows(const float (*landmarks)[3], int width, int height);
/* The square that fine-tuning of the lips renders whole (reference.md 1.3, lips_rect): around the
 * outer lips, side 2 (larger extent div 2), cut at the picture's border.
 * `train` does not fine-tune so; it is here for parity with published datasets. */
stk_rect stk_regions_lips(const float (*landmarks)[3], int width, int height);

#endif
