/* perceptual.h - how unlike two pictures look, and which way to go: the term of patch steps.
 *
 *   made, real [n][h][w][3] in [0,1] -> mean over n of a distance, its gradient by made
 *
 * Either LPIPS over AlexNet (metrics/lpips.h), where its weights are found, or "structure", ours,
 * which needs none: structure.h. The two are not alike and never go by each other's name.
 */
#ifndef STK_TRAIN_PERCEPTUAL_H
#define STK_TRAIN_PERCEPTUAL_H

#include "base/pool.h"
#include "base/status.h"
#include "metrics/lpips.h"

typedef enum stk_perceptual_kind {
    STK_PERCEPTUAL_AUTO, /* LPIPS where its weights are found, else structure */
    STK_PERCEPTUAL_LPIPS,
    STK_PERCEPTUAL_STRUCTURE,
    STK_PERCEPTUAL_NONE,
    STK_PERCEPTUALS
} stk_perceptual_kind;

typedef struct stk_picture_shape {
    int width, height, pictures; /* pictures 0: none of this shape will come */
} stk_picture_shape;

enum { STK_PICTURE_SHAPES = 4 };

typedef struct stk_perceptual_settings {
    stk_perceptual_kind kind;
    const char *models;     /* folder of the weights, or NULL (nn/weights.h) */
    const stk_lpips *lpips; /* those, opened by the caller, who keeps them; or NULL */
    stk_picture_shape shapes[STK_PICTURE_SHAPES];
} stk_perceptual_settings;

typedef struct stk_perceptual stk_perceptual;
/* Without any shape it is of kind none. STK_ERR_WEIGHTS when LPIPS is asked for and its weights are
 * not found. pool outlives it. */
stk_status stk_perceptual_create(stk_perceptual **perceptual,
                                 const stk_perceptual_settings *settings, stk_pool *pool);
void stk_perceptual_free(stk_perceptual **perceptual);
/* "lpips-alex", "structure", "none"; and the SHA-256 of the backbone's file, "" without one. */
const char *stk_perceptual_name(const stk_perceptual *perceptual);
const char *stk_perceptual_sha256(const stk_perceptual *perceptual);
/* Pictures of shapes[shape]: *value is the mean distance, dmade scale times its gradient. Allocates
 * nothing; does not depend on the pool's size. Kind none: 0, and zeros. */
stk_status stk_perceptual_gradient(stk_perceptual *perceptual, int shape, const float *made,
                                   const float *real, float scale, double *value, float *dmade);

#endif
