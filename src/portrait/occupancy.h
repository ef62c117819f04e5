/* occupancy.h - the 128^3 occupancy grid that says where samples are worth taking
 * (reference.md 4.7).
 */
#ifndef STK_PORTRAIT_OCCUPANCY_H
#define STK_PORTRAIT_OCCUPANCY_H

#include "base/pool.h"
#include "base/rng.h"
#include "kernels/march.h"
#include "portrait/field.h"

typedef struct stk_occupancy {
    float *density;     /* [128^3] Morton order; -1 = never seen by a training camera */
    uint8_t *bits;      /* [128^3 / 8] */
    float *fresh;       /* [128^3] scratch of an update */
    double *sums;       /* [chunks] partial sums of the mean */
    float mean_density; /* of max(density, 0) over all cells */
    float threshold;    /* min(mean, 10) of the last update */
} stk_occupancy;

stk_status stk_occupancy_init(stk_occupancy *grid);
void stk_occupancy_clear(stk_occupancy *grid);
/* Marks cells that no camera sees with -1 and all others 0 (reference.md 4.7). */
void stk_occupancy_mark_unseen(stk_occupancy *grid, const stk_ngp_camera *cameras, int n,
                               stk_pool *pool);
/* Full sweep of all seen cells at jittered positions with one condition (row 0 of cond),
 * 6-neighbour dilation, decay 0.95, new bits: the published rule. rng NULL: no jitter; else one
 * number is drawn. Result does not depend on the thread count. */
void stk_occupancy_update(stk_occupancy *grid, const stk_field *field,
                          const stk_field_weights *weights, const stk_field_cond *cond,
                          stk_rng *rng, stk_pool *pool);
/* The same with the jitter's salt given (parity): offset of cell (x,y,z) along axis k is
 * (2u-1)/128, u = hash of 3((128x+y)128+z)+k. salt NULL: no jitter. */
void stk_occupancy_sweep(stk_occupancy *grid, const stk_field *field,
                         const stk_field_weights *weights, const stk_field_cond *cond,
                         const uint32_t *salt, stk_pool *pool);
/* Cheaper update for training: evaluates all occupied cells and a pseudo-random `fraction` of the
 * others (drawn anew from rng each call), only where rays can go (seen, |y| <= 0.5). Cells that
 * were not evaluated do not decay. Begin training with full updates: all cells are unoccupied then.
 * Result does not depend on the thread count. */
void stk_occupancy_update_partial(stk_occupancy *grid, const stk_field *field,
                                  const stk_field_weights *weights, const stk_field_cond *cond,
                                  stk_rng *rng, stk_pool *pool, float fraction);
/* out[i] = max of in over the cell and its 6 neighbours inside the grid, Morton order. */
void stk_occupancy_dilate(const float *in, float *out, stk_pool *pool);
/* Bit i = density[i] > threshold, bit 0 first. */
void stk_occupancy_bits(const float *density, float threshold, uint8_t *bits, stk_pool *pool);
/* Recomputes mean, threshold and bits from density. */
void stk_occupancy_pack(stk_occupancy *grid);

#endif
