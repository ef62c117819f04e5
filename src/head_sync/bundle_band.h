/* bundle_band.h - symmetric positive definite systems that are banded but for a dense border.
 *
 *   | A  C | |x|   |a|      A [n][n] banded, C [n][g], D [g][g]
 *   | C' D | |y| = |b|
 *
 * A lies in square tiles of STK_BAND_TILE rows, lower triangle, row-major; a tile row holds its
 * tiles from the diagonal leftwards. Cholesky by tiles; the border by forward substitution and its
 * Schur complement. Each number is computed by one task: results do not depend on the threads.
 */
#ifndef STK_HEAD_SYNC_BUNDLE_BAND_H
#define STK_HEAD_SYNC_BUNDLE_BAND_H

#include "base/pool.h"
#include "base/status.h"

#include <stddef.h>

enum { STK_BAND_TILE = 48, STK_BAND_STRIP = 16 };

typedef struct stk_band {
    int tile_rows, reach; /* tiles left of the diagonal */
    int border, columns;  /* columns > border, whole strips: the right-hand side lies beside C */
    double *tiles;        /* [tile_rows][reach + 1][TILE][TILE] */
    double *side;         /* [tile_rows * TILE][columns] C and a */
    double *corner;       /* [border][border] D, lower and upper */
    double *corner_side;  /* [border] b */
    double *scratch;      /* [border][border] */
    stk_pool *pool;
    int column; /* of the running factorisation */
} stk_band;

stk_status stk_band_init(stk_band *band, int rows, int reach_rows, int border, stk_pool *pool);
void stk_band_clear(stk_band *band);
static inline double *stk_band_tile(const stk_band *band, int tile_row, int left) {
    return band->tiles +
           ((ptrdiff_t)tile_row * (band->reach + 1) + left) * STK_BAND_TILE * STK_BAND_TILE;
}
/* Solves in place: y to corner_side, x to column `border` of side. inverse (may be NULL): the
 * [0][0] entry of the inverse's border block. 0 when not definite. */
int stk_band_solve(stk_band *band, double *inverse);

#endif
