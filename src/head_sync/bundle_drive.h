/* bundle_drive.h - the forehead, which rises and falls with the brows: X_j(i) = X_j + b(i) D_j.
 *
 * D_j [3] is nought below the eyes, so that nose and cheeks go on telling the head's turn and a
 * raised brow is no nod. b starts as the captured expression, which is itself unsure, and then
 * follows the points.
 */
#ifndef STK_HEAD_SYNC_BUNDLE_DRIVE_H
#define STK_HEAD_SYNC_BUNDLE_DRIVE_H

#include "head_sync/bundle_internal.h"

/* Takes the input's lift, if it has one; allocates. stk_bundle_drive_clear also after failure. */
stk_status stk_bundle_drive_init(stk_bundle_problem *b, const stk_bundle_input *input);
void stk_bundle_drive_clear(stk_bundle_problem *b);
/* D, b and the poses by turns. */
void stk_bundle_drive_sweep(stk_bundle_problem *b, int turns);
/* What D and b shift each observation's point by. */
void stk_bundle_drive_apply(stk_bundle_problem *b);
/* The head's frame is turned and scaled. */
void stk_bundle_drive_turn(stk_bundle_problem *b, const double Q[9], double scale);

#endif
