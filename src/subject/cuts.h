/* cuts.h - where a clip was cut: the takes that everything behind the face step goes by.
 *
 *   frames -> grey pictures of STK_CUT_SIDE^2, brought to one mean and contrast
 *   grey [frames] (+ how far the face moved) -> take [frames], rising by one at each cut
 *
 * A cut parts the frames before it from those behind it: any of the last frames before is unlike
 * any of the first behind, while on either side neighbours are alike. A flash or a dropped picture
 * comes back to what was before; quick movement is unlike its neighbours on either side as well; a
 * change of exposure is taken out beforehand. A head that jumps in front of a still wall changes
 * little of the picture: there the face mesh says the same in face widths.
 */
#ifndef STK_SUBJECT_CUTS_H
#define STK_SUBJECT_CUTS_H

#include "base/status.h"
#include "base/types.h"

enum { STK_CUT_SIDE = 32, STK_CUT_PIXELS = STK_CUT_SIDE * STK_CUT_SIDE };

/* The small grey picture of a frame (RGB). Any thread. */
void stk_cut_look(const stk_image *rgb, uint8_t grey[STK_CUT_PIXELS]);
/* Median movement of the mesh between two frames, in face widths. */
float stk_cut_face_movement(const stk_landmarks *before, const stk_landmarks *now);

/* grey [frames][STK_CUT_PIXELS]; moved [frames]: face movement from the frame before, negative
 * where either has no face (moved[0] is not read). take [frames] receives the numbers. */
stk_status stk_cuts_find(const uint8_t (*grey)[STK_CUT_PIXELS], const float *moved, int frames,
                         int32_t *take);

#endif
