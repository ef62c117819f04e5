/* occupancy.h - the 128^3 occupancy grid that says where samples are worth taking (reference.md 4.7).
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
    float mean_density;
    float threshold;    /* min(mean, 10) of the last update */
} stk_occupancy;

stk_status stk_occupancy_init(stk_occupancy *grid);
void stk_occupancy_clear(stk_occupancy *grid);
/* Marks cells that no camera sees with -1 and all others 0 (reference.md 4.7). */
void stk_occupancy_mark_unseen(stk_occupancy *grid, const stk_ngp_camera *cameras, int n,
                               stk_pool *pool);
/* Full sweep at jittered positions with one condition (row 0 of cond), dilation, decay 0.95, new bits.
 * rng NULL: no jitter. Result does not depend on the thread count. */
void stk_occupancy_update(stk_occupancy *grid, const stk_field *field,
                          const stk_field_weights *weights, const stk_field_cond *cond,
                          stk_rng *rng, stk_pool *pool);
/* Recomputes mean, threshold and bits from density. */
void stk_occupancy_pack(stk_occupancy *grid);

#endif
