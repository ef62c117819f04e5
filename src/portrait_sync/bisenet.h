/* bisenet.h - the parser of the published system: BiSeNet on a ResNet-18, 19 classes of
 * CelebAMask-HQ (reference.md 6.1, appendix B). Its weights, 79999_iter.pth of
 * face-parsing.PyTorch, are the user's own.
 *
 *   RGB [S][S][3] -> (v / 255 - mean) / deviation
 *     -> ResNet-18: 1/8 [128], 1/16 [256], 1/32 [512]
 *     -> 1/32 and its mean, gated; up, joined by 1/16, gated; up           context path
 *     -> with 1/8: mixed, gated -> 3 x 3 -> 19 values at 1/8               feature fusion
 *     -> corners on corners to S x S, the largest is the class
 *
 * Batch norms are folded into the convolutions before them. One thread per handle, no allocation
 * per picture.
 */
#ifndef STK_PORTRAIT_SYNC_BISENET_H
#define STK_PORTRAIT_SYNC_BISENET_H

#include "base/status.h"
#include "base/types.h"

enum { STK_BISENET_SIDE = 512, STK_BISENET_CLASSES = 19 };
#define STK_BISENET_FILE "79999_iter.pth"

typedef struct stk_bisenet stk_bisenet;

/* path: .pth or .safetensors. side: of the pictures, a multiple of 32 of at most 1024; published:
 * STK_BISENET_SIDE. STK_ERR_WEIGHTS, saying what is wrong, for files that hold another network or
 * none. */
stk_status stk_bisenet_create(stk_bisenet **net, const char *path, int side);
void stk_bisenet_free(stk_bisenet **net);
/* rgb [side][side], 3 channels -> classes [side side], 0 .. 18. */
stk_status stk_bisenet_run(stk_bisenet *net, const stk_image *rgb, uint8_t *classes);
/* [side/8][side/8][19] of the last run, before they are brought to full size; owned by the net. */
const float *stk_bisenet_scores(const stk_bisenet *net);
/* The stk_label of a class. */
uint8_t stk_bisenet_label(int class_number);
/* Reads the file once, so that a wrong one is refused before it is needed. */
stk_status stk_bisenet_check(const char *path);

#endif
