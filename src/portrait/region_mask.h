/* region_mask.h - the paper's explicit masks of facial-aware attention, V_lip = V M_lip and
 * V_exp = V M_exp (paper.md 1), as functions of the point in canonical space.
 *
 *   M_lip(x) = clamp((h_eyes - h) / (h_eyes - h_nose), 0, 1)      h: height of x on the head
 *   M_exp(x) = 1 - M_lip(x)
 *
 * h_eyes is the height of the lower eyelids, h_nose that of the tip of the nose: below it sound
 * alone acts, above the lids expression alone, and between them, on cheeks and nose, both fade.
 *
 * DIFFERS: the paper masks pixels by each frame's landmarks. A field is rendered from other poses
 * than it was learned from, so the masks must belong to the head, not to the picture: they are made
 * once of the training frames' landmarks, brought back to the head through the poses. What is
 * trained is what is rendered.
 */
#ifndef STK_PORTRAIT_REGION_MASK_H
#define STK_PORTRAIT_REGION_MASK_H

#include "base/types.h"
#include "kernels/field.h"

/* Height (head frame, metres) of the point at depth z on the head that is seen at u, v px. */
float stk_height_on_head(const stk_camera *camera, const stk_pose *pose, float z, float u, float v);
/* eyes, nose: heights in metres, eyes above nose by at least STK_REGION_RAMP_MIN (else that is
 * taken, round their middle). */
#define STK_REGION_RAMP_MIN 0.01f
void stk_region_mask_init(stk_region_mask *mask, float eyes, float nose);

#endif
