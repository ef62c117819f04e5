/* naturalness.h - quality of a picture without a reference: NIQE and BRISQUE. Lower is better.
 *
 *   RGB -> luminance -> MSCN and AGGD fits at two scales (natural.h) -> 36 features
 *   NIQE     of every 96x96 block -> Gaussian -> distance to the Gaussian of natural pictures
 *   BRISQUE  of the picture -> support vector regression learnt on LIVE -> 0 (best) .. 100
 *
 * One thread per handle.
 */
#ifndef STK_METRICS_NATURALNESS_H
#define STK_METRICS_NATURALNESS_H

#include "base/status.h"
#include "base/types.h"

enum { STK_NIQE_BLOCK = 96 };

/* For pictures of this size. models: folder or NULL (nn/weights.h): niqe_pris_params.npz.
 * STK_ERR_WEIGHTS when absent, STK_ERR_ARGUMENT for a picture of fewer than two blocks. */
typedef struct stk_niqe stk_niqe;
stk_status stk_niqe_open(stk_niqe **niqe, const char *models, int width, int height);
void stk_niqe_close(stk_niqe **niqe);
/* Of an RGB picture; what is beyond whole blocks at the right and below is left out. NaN when fewer
 * than two blocks show any texture. */
double stk_niqe_of(stk_niqe *niqe, const stk_image *rgb);

/* brisque_model_live.yml and brisque_range_live.yml: in the folders of nn/weights.h, else where
 * Debian's opencv-data puts them. STK_ERR_WEIGHTS when absent, STK_ERR_ARGUMENT for less than
 * 16x16 pixels. */
typedef struct stk_brisque stk_brisque;
stk_status stk_brisque_open(stk_brisque **brisque, const char *models, int width, int height);
void stk_brisque_close(stk_brisque **brisque);
/* NaN for a picture without texture. */
double stk_brisque_of(stk_brisque *brisque, const stk_image *rgb);

#endif
