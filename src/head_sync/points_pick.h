/* points_pick.h - where on the head points are worth following.
 *
 *   landmarks -> triangles of the face mesh that face the camera, nearest first -> per pixel the
 *   triangle -> place on the canonical head -> how much it moves with the skull (0 .. 1)
 *   cells of equal size without a point yet -> in each the place with the best texture
 *
 * Texture is the smaller eigenvalue of the patch's structure tensor. What moves with the skull is
 * told by the place on the canonical face: forehead, temples, nose, cheek bones yes; lips, chin,
 * jaw, lids, eyeballs no; brows a little.
 */
#ifndef STK_HEAD_SYNC_POINTS_PICK_H
#define STK_HEAD_SYNC_POINTS_PICK_H

#include "base/pool.h"
#include "base/types.h"
#include "kernels/lk.h"

typedef struct stk_pick {
    float px[2];   /* corner of four pixels */
    float head[3]; /* place on the canonical face, metres */
    float weight;  /* how much it moves with the skull; 0 = nothing found */
    float texture; /* grey levels^2 / px^2 */
} stk_pick;

/* A point that is there already. */
typedef struct stk_taken {
    float px[2];
    int hidden; /* something else is in front of it */
} stk_taken;

enum { STK_PICK_CELLS_MAX = 4096 };

typedef struct stk_picker {
    int16_t *triangle; /* [height][width] of the face mesh, -1 = none */
    float *depth;      /* [STK_MESH_TRIANGLES] */
    stk_pick *cells;   /* [STK_PICK_CELLS_MAX] */
    int width, height;
    int x0, y0, columns, rows; /* of the cells */
    float cell_px;
} stk_picker; /* owned: stk_picker_clear */

/* Returns 0, or -1 when out of memory. */
int stk_picker_init(stk_picker *picker, int width, int height);
void stk_picker_clear(stk_picker *picker);
/* Looks at a frame: picker->cells receives one pick (or none) for each cell; they are laid so that
 * about `wanted` picks cover a textured head. taken [count]: points that are followed
 * already; a new one is not picked within 0.8 of a cell's width of them, nor where the nearest of
 * them, within two widths, is hidden. mask may be NULL. Returns
 * the number of cells. */
int stk_picker_look(stk_picker *picker, const stk_lk_plane *plane, const float (*landmarks)[3],
                    const stk_image *mask, const stk_taken *taken, int count, int wanted,
                    stk_pool *pool);

/* How much a place on the canonical face moves with the skull, 0 .. 1. */
float stk_pick_rigidity(const float head[3]);

#endif
