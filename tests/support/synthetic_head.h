/* synthetic_head.h - clips of landmarks whose head pose, shape and focal length are known.
 *
 * The canonical face, changed into another person's (smooth deformation plus a little roughness),
 * moves like a speaker's head (sums of slow sines), is projected and gets Gaussian noise.
 */
#ifndef STK_TESTS_SYNTHETIC_HEAD_H
#define STK_TESTS_SYNTHETIC_HEAD_H

#include "base/types.h"
#include "head_sync/se3.h"

typedef struct synthetic_head {
    int frames, size; /* size x size px */
    double focal_px;
    double noise_px;        /* standard deviation per coordinate, independent */
    double common_noise_px; /* the whole face shakes by this much, independent per frame */
    double identity_m;      /* amplitude of the smooth deformation */
    double motion;          /* 1 = a lively speaker, 0 = still */
    double distance_m;
    uint64_t seed;
    stk_landmarks *landmarks; /* [frames], malloc */
    uint8_t *valid;           /* [frames] */
    stk_se3 *poses;           /* [frames] */
    double shape_head[STK_MESH_LANDMARKS][3];
} synthetic_head;

/* Fills the arrays from the numbers above; synthetic_head_clear frees them. */
void synthetic_head_make(synthetic_head *clip);
void synthetic_head_clear(synthetic_head *clip);

#endif
