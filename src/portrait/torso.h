/* torso.h - the published torso branch: a deformable two-dimensional radiance picture behind the
 * head (reference.md 3.6), as parameters with official names.
 *
 *   pixel (row, col) in [-1, 1]^2, pose, code -> h [84] -> torso_deform_net -> dx [2]
 *   clamp(0.8 pixel + dx) -> tiled grid T [32] -> torso_net [T | h] -> (alpha, rgb)
 */
#ifndef STK_PORTRAIT_TORSO_H
#define STK_PORTRAIT_TORSO_H

#include "base/status.h"
#include "nn/params.h"

enum { STK_TORSO_CODE = 8, STK_TORSO_SIDE = 128, STK_TORSO_ANCHORS = 3 };

typedef struct stk_torso {
    int anchors;          /* parameter indices: anchor_points [3][4] */
    int codes, code_rows; /* individual_codes_torso [rows][8] */
    int deform[3];        /* torso_deform_net: [32][84], [32][32], [2][32] */
    int grid;             /* torso_encoder.embeddings [555520][2] */
    int net[3];           /* torso_net: [32][116], [32][32], [4][32] */
} stk_torso;

/* Registers the tensors of reference.md 3.8, torso part (not density_grid_torso, a buffer). */
stk_status stk_torso_register(stk_torso *torso, stk_params *params, int code_rows);

#endif
