/* points_filter.h - keeps the points that move with the skull ([SyncTalk] 3.2: a Laplacian filter
 * over their motion).
 *
 *   observations p_ij, places X_j on the canonical head -> affine camera M_i of every frame
 *     and X_j, by turns, least squares with Geman-McClure weights -> residual e_ij = p_ij - M_i X_j
 *   per point: mean over time of |-0.5 e_i-1 + e_i - 0.5 e_i+1|, and the rms of e
 *   points far above the median of either, and single observations far off: weight 0
 *
 * An affine camera moves what is rigid to within its perspective (a px or two, slowly), without
 * knowing focal length or pose. DIFFERS: the published filter takes the second difference of the
 * motion itself, which a head in fast motion drowns, and keeps the lowest 16 % of the range between
 * the best and the worst pixel.
 */
#ifndef STK_HEAD_SYNC_POINTS_FILTER_H
#define STK_HEAD_SYNC_POINTS_FILTER_H

#include "base/pool.h"
#include "base/status.h"
#include "head_sync/tracks.h"

#include <stddef.h>

typedef struct stk_filter_figures {
    int kept;
    float length, laplacian_px, spread_px; /* stk_points_figures */
} stk_filter_figures;

/* Multiplies weights in place; points that are rejected get 0 everywhere. head [points] metres,
 * size_px the face's size in the picture (what counts as far). */
stk_status stk_points_filter(stk_tracks *tracks, const float (*head)[3], float size_px,
                             stk_pool *pool, stk_filter_figures *figures);
/* All that it takes while it runs: 24 bytes an observation, the rest is small. */
size_t stk_points_filter_bytes(int frames, int points, int64_t observations);

#endif
