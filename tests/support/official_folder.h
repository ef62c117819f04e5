/* official_folder.h - a small dataset folder in the published layout, made from nothing: a disc for
 * a head over a torso before a plain wall. For tests of what imports one; they spoil it as they
 * like. */
#ifndef STK_TESTS_OFFICIAL_FOLDER_H
#define STK_TESTS_OFFICIAL_FOLDER_H

#include "base/status.h"

/* Frames 0 to frames - 1, the last two held out; ori_imgs are JPEG, gt_imgs PNG. */
stk_status official_folder_write(const char *folder, int frames, int width, int height);
/* Both transforms files anew: ids [count], of them the first `train` to train with; head: the text
 * of the top-level keys before "frames". */
stk_status official_folder_transforms(const char *folder, const char *head, const int *ids,
                                      int count, int train);
/* bs.npy of this many rows; element k of row i is (i + k) / 100. */
stk_status official_folder_blendshapes(const char *folder, int rows);

#endif
