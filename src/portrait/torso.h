/* torso.h - the published torso branch: a deformable two-dimensional radiance picture behind the
 * head (reference.md 3.6), as parameters with official names; the picture it paints over the
 * background plate; its occupancy; and one training step's loss and gradients (5.3).
 *
 *   3 anchors (learned, ngp), camera -> 6 numbers -> freq3 [42]; code [8]         once a frame
 *   pixel (row, col) in [-1, 1]^2 * 0.8 -> freq8 [34]
 *   [34 | 42 | 8] -> torso_deform_net -> dx [2]
 *   clamp(0.8 pixel + dx) -> tiled grid T [32] -> torso_net [T | 34 | 42 | 8] -> (alpha, rgb)
 *   rgb alpha + plate (1 - alpha) where the occupancy is over its threshold, else the plate
 *
 * Owned memory: stk_torso_occupancy and stk_torso_trainer only. Drawing and steps allocate nothing.
 */
#ifndef STK_PORTRAIT_TORSO_H
#define STK_PORTRAIT_TORSO_H

#include "base/pool.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/types.h"
#include "kernels/torso.h"
#include "nn/params.h"
#include "portrait/field.h"

enum {
    STK_TORSO_CODE = 8,
    STK_TORSO_SIDE = 128, /* of the occupancy */
    STK_TORSO_GRID_CELLS = STK_TORSO_SIDE * STK_TORSO_SIDE,
    STK_TORSO_ANCHORS = 3,
    STK_TORSO_ANCHOR_ENC = 42,
    STK_TORSO_COND = STK_TORSO_ANCHOR_ENC + STK_TORSO_CODE, /* what a frame fixes */
};

/* --torso_shrink: the nets see the picture's [-1, 1]^2 times this. */
#define STK_TORSO_SHRINK 0.8f

typedef struct stk_torso {
    int anchors;          /* parameter indices: anchor_points [3][4] */
    int codes, code_rows; /* individual_codes_torso [rows][8] */
    int deform[3];        /* torso_deform_net: [32][84], [32][32], [2][32] */
    int grid;             /* torso_encoder.embeddings [555520][2] */
    int net[3];           /* torso_net: [32][116], [32][32], [4][32] */
    stk_torso_grid layout;
    stk_torso_kernels kernels;
} stk_torso;

/* Registers the tensors of reference.md 3.8, torso part (not density_grid_torso, a buffer). */
stk_status stk_torso_register(stk_torso *torso, stk_params *params, int code_rows);
/* Published initialisation. */
void stk_torso_init(const stk_torso *torso, stk_params *params, stk_rng *rng);

/* --- one frame -------------------------------------------------------------------------------- */

/* What pose and code make of the nets. Points into itself and into `values`: do not copy it, and
 * keep the values unchanged while it is in use. */
typedef struct stk_torso_frame {
    STK_ALIGNED(64) float deform[STK_TORSO_HIDDEN * STK_TORSO_DEFORM_IN]; /* first layers, the */
    STK_ALIGNED(64) float net[STK_TORSO_HIDDEN * STK_TORSO_NET_IN];       /* condition folded in */
    float anchors[2 * STK_TORSO_ANCHORS]; /* projected: (x, y) each */
    float cond[STK_TORSO_COND];           /* [freq3(anchors) | code] */
    stk_torso_weights weights;
} stk_torso_frame;

/* values: params->value or ->ema. code_row: of the frame in training, 0 when rendering. */
void stk_torso_frame_init(stk_torso_frame *frame, const stk_torso *torso, const stk_params *params,
                          const float *values, const stk_ngp_camera *camera, int code_row);

/* --- occupancy (reference.md 4.7, last line) -------------------------------------------------- */

/* density: row r, column c of the picture at c * 128 + r. */
typedef struct stk_torso_occupancy {
    float *density, *fresh; /* [128 * 128], owned; fresh is scratch of an update */
    float mean_density;
} stk_torso_occupancy;

stk_status stk_torso_occupancy_init(stk_torso_occupancy *grid);
void stk_torso_occupancy_clear(stk_torso_occupancy *grid);
/* Recomputes the mean from the density. */
void stk_torso_occupancy_mean(stk_torso_occupancy *grid);
/* alpha at every cell, 5x5 maximum, density = max(0.95 density, it). frame: of a random training
 * frame. rng NULL: no jitter; else one number is drawn. Result does not depend on the threads. */
void stk_torso_occupancy_update(stk_torso_occupancy *grid, const stk_torso *torso,
                                const stk_torso_frame *frame, stk_rng *rng, stk_pool *pool);
/* Whether the torso is drawn at (row, col) in [-1, 1]^2: the density, bilinear, over min(0.01,
 * mean). */
int stk_torso_occupied(const float *density, float mean_density, float row, float col);

/* --- picture ---------------------------------------------------------------------------------- */

typedef struct stk_torso_picture {
    const stk_torso *torso;
    const stk_torso_frame *frame;
    const float *density; /* stk_torso_occupancy's */
    float mean_density;
    const stk_image *plate; /* RGB */
    stk_image *picture;     /* RGB, of the plate's size; may be the plate itself */
    float *alpha;           /* [h][w], or NULL; 0 where the torso is not drawn */
    float *rgb;             /* [h][w][3] composed over the plate, in [0,1], or NULL */
} stk_torso_picture;

/* Paints the torso over the plate: the backdrop of a frame. Allocates nothing. */
void stk_torso_draw(const stk_torso_picture *picture, stk_pool *pool);

/* --- training --------------------------------------------------------------------------------- */

/* Pixels of one training frame. */
typedef struct stk_torso_batch {
    int pixels;
    const float *coords;         /* [pixels][2]: (row, col) in [-1, 1] */
    const float *plate, *target; /* [pixels][3] in [0, 1]: background, and torso over it */
    stk_ngp_camera camera;
    int code_row;
    const stk_torso_occupancy *occupancy;
} stk_torso_batch;

/* One step of the published training of this branch: `train --torso` (train/torso_branch.h). */
typedef struct stk_torso_trainer stk_torso_trainer;

/* Scratch for steps of up to `pixels` pixels (about 140 bytes each), sized up front. */
stk_status stk_torso_trainer_create(stk_torso_trainer **trainer, int pixels);
void stk_torso_trainer_free(stk_torso_trainer **trainer);
/* L = mean |torso over plate - target| + mean over the anchors of (1 - w)^2 (reference.md 5.3).
 * Returns L; its gradients are added to params->grad. The result does not depend on the thread
 * count. At most the trainer's pixels. */
double stk_torso_step(stk_torso_trainer *trainer, const stk_torso *torso,
                      const stk_torso_batch *batch, stk_params *params, stk_pool *pool);

/* The way back of stk_torso_frame_init, for steps: dfirst[2] are the gradients of frame->deform and
 * ->net; adds those of the first layers, the code and the anchors to params->grad. */
void stk_torso_frame_backward(const stk_torso_frame *frame, const stk_torso *torso,
                              stk_params *params, const stk_ngp_camera *camera, int code_row,
                              const float *const dfirst[2]);

#endif
