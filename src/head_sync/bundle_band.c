/* bundle_band.c - see bundle_band.h. */
#include "head_sync/bundle_band.h"
#include "base/memory.h"
#include "base/spd.h"
#include "head_sync/se3.h"

#include <math.h>
#include <string.h>

enum { TILE = STK_BAND_TILE, AREA = TILE * TILE, STRIP = STK_BAND_STRIP };

stk_status stk_band_init(stk_band *band, int rows, int reach_rows, int border, stk_pool *pool) {
    memset(band, 0, sizeof *band);
    band->tile_rows = (rows + TILE - 1) / TILE;
    band->reach = (reach_rows + TILE - 1) / TILE;
    if (band->reach > band->tile_rows - 1) band->reach = band->tile_rows - 1;
    band->border = border;
    band->columns = (border + STRIP) / STRIP * STRIP;
    band->pool = pool;
    size_t tiles = (size_t)band->tile_rows * ((size_t)band->reach + 1);
    size_t square = (size_t)border * (size_t)border + 1;
    band->tiles = stk_calloc_aligned(tiles * AREA, sizeof(double));
    band->side =
        stk_calloc_aligned((size_t)band->tile_rows * TILE * (size_t)band->columns, sizeof(double));
    band->corner = stk_calloc_aligned(square, sizeof(double));
    band->scratch = stk_calloc_aligned(square, sizeof(double));
    band->corner_side = stk_calloc_aligned((size_t)border + 1, 2 * sizeof(double));
    if (band->tiles == NULL || band->side == NULL || band->corner == NULL ||
        band->scratch == NULL || band->corner_side == NULL) {
        stk_band_clear(band);
        return stk_fail_memory("the equations of bundle adjustment");
    }
    return STK_OK;
}

void stk_band_clear(stk_band *band) {
    stk_free(band->tiles);
    stk_free(band->side);
    stk_free(band->corner);
    stk_free(band->scratch);
    stk_free(band->corner_side);
    memset(band, 0, sizeof *band);
}

/* --- the band --------------------------------------------------------------------------------- */

static int factor_diagonal(double *a) {
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j <= i; j++) {
            double sum = a[i * TILE + j];
            for (int k = 0; k < j; k++) sum -= a[i * TILE + k] * a[j * TILE + k];
            if (i != j)
                a[i * TILE + j] = sum / a[j * TILE + j];
            else if (sum > 0 && isfinite(sum))
                a[i * TILE + i] = sqrt(sum);
            else
                return 0;
        }
    return 1;
}

/* b <- b L^-T: the tiles below a factored diagonal tile. */
static void divide_tile(const double *restrict L, double *restrict b) {
    double t[AREA]; /* transposed, so that the inner loop runs over b's rows */
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < TILE; j++) t[j * TILE + i] = b[i * TILE + j];
    for (int j = 0; j < TILE; j++) {
        double *row = t + (ptrdiff_t)j * TILE;
        for (int k = 0; k < j; k++) {
            double l = L[j * TILE + k];
            const double *other = t + (ptrdiff_t)k * TILE;
            for (int i = 0; i < TILE; i++) row[i] -= l * other[i];
        }
        double inverse = 1 / L[j * TILE + j];
        for (int i = 0; i < TILE; i++) row[i] *= inverse;
    }
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < TILE; j++) b[i * TILE + j] = t[j * TILE + i];
}

/* c <- c - a b' */
static void subtract_product(const double *restrict a, const double *restrict b,
                             double *restrict c) {
    double t[AREA];
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < TILE; j++) t[j * TILE + i] = b[i * TILE + j];
    for (int i = 0; i < TILE; i += 2) {
        double *c0 = c + (ptrdiff_t)i * TILE, *c1 = c0 + TILE;
        const double *a0 = a + (ptrdiff_t)i * TILE, *a1 = a0 + TILE;
        for (int k = 0; k < TILE; k++) {
            double x = a0[k], y = a1[k];
            const double *row = t + (ptrdiff_t)k * TILE;
            for (int j = 0; j < TILE; j++) {
                c0[j] -= x * row[j];
                c1[j] -= y * row[j];
            }
        }
    }
}

static void divide_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_band *band = ctx;
    divide_tile(stk_band_tile(band, band->column, 0),
                stk_band_tile(band, band->column + 1 + task, 1 + task));
}

/* Task p of the trailing triangle: tiles (i, j), j <= i, counted by rows. */
static void update_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_band *band = ctx;
    int i = 0;
    while ((i + 1) * (i + 2) / 2 <= task) i++;
    int j = task - i * (i + 1) / 2, row = band->column + 1 + i;
    subtract_product(stk_band_tile(band, row, 1 + i),
                     stk_band_tile(band, band->column + 1 + j, 1 + j),
                     stk_band_tile(band, row, i - j));
}

static int factor_band(stk_band *band) {
    for (int k = 0; k < band->tile_rows; k++) {
        int below = band->tile_rows - 1 - k < band->reach ? band->tile_rows - 1 - k : band->reach;
        if (!factor_diagonal(stk_band_tile(band, k, 0))) return 0;
        band->column = k;
        stk_pool_run(band->pool, below, divide_task, band);
        stk_pool_run(band->pool, below * (below + 1) / 2, update_task, band);
    }
    return 1;
}

/* --- the border ------------------------------------------------------------------------------- */

/* x <- x - l rows, STRIP columns of them held in registers. */
static inline void subtract_rows(double *restrict x, const double *restrict l, int count,
                                 const double *restrict rows, int stride) {
    double sum[STRIP];
    memcpy(sum, x, sizeof sum);
    for (int k = 0; k < count; k++)
        for (int c = 0; c < STRIP; c++) sum[c] -= l[k] * rows[(ptrdiff_t)k * stride + c];
    memcpy(x, sum, sizeof sum);
}

/* Columns [task * STRIP, ...) of side <- L^-1 side. */
static void forward_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_band *band = ctx;
    for (int i = 0; i < band->tile_rows; i++) {
        double *rows = band->side + (ptrdiff_t)i * TILE * band->columns + (ptrdiff_t)task * STRIP;
        for (int left = i < band->reach ? i : band->reach; left >= 0; left--) {
            const double *L = stk_band_tile(band, i, left);
            const double *other = rows - (ptrdiff_t)left * TILE * band->columns;
            for (int r = 0; r < TILE; r++) {
                double *x = rows + (ptrdiff_t)r * band->columns;
                subtract_rows(x, L + (ptrdiff_t)r * TILE, left > 0 ? TILE : r, other,
                              band->columns);
                for (int c = 0; left == 0 && c < STRIP; c++) x[c] /= L[r * TILE + r];
            }
        }
    }
}

/* Rows [task * STRIP, ...) of the corner <- corner - side' side, and of its right-hand side. */
static void corner_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_band *band = ctx;
    int from = task * STRIP, to = from + STRIP < band->border ? from + STRIP : band->border;
    ptrdiff_t rows = (ptrdiff_t)band->tile_rows * TILE;
    for (ptrdiff_t r = 0; r < rows; r++) {
        const double *row = band->side + r * band->columns;
        for (int i = from; i < to; i++) {
            double *out = band->corner + (ptrdiff_t)i * band->border, x = row[i];
            if (x == 0) continue;
            for (int j = 0; j < band->border; j++) out[j] -= x * row[j];
            band->corner_side[i] -= x * row[band->border];
        }
    }
}

/* Column `border` of side: minus the border's share, then L^-T. */
static void backward(stk_band *band) {
    int last = band->border;
    ptrdiff_t rows = (ptrdiff_t)band->tile_rows * TILE;
    for (ptrdiff_t r = 0; r < rows; r++) {
        double *row = band->side + r * band->columns;
        for (int j = 0; j < band->border; j++) row[last] -= row[j] * band->corner_side[j];
    }
    for (int i = band->tile_rows - 1; i >= 0; i--) {
        double *x = band->side + (ptrdiff_t)i * TILE * band->columns + last;
        const double *L = stk_band_tile(band, i, 0);
        for (int r = TILE - 1; r >= 0; r--) {
            ptrdiff_t at = (ptrdiff_t)r * band->columns;
            x[at] /= L[r * TILE + r];
            for (int k = 0; k < r; k++) x[(ptrdiff_t)k * band->columns] -= L[r * TILE + k] * x[at];
        }
        for (int left = 1; left <= band->reach && left <= i; left++) {
            double *other = x - (ptrdiff_t)left * TILE * band->columns;
            L = stk_band_tile(band, i, left);
            for (int r = 0; r < TILE; r++)
                for (int k = 0; k < TILE; k++)
                    other[(ptrdiff_t)k * band->columns] -=
                        L[r * TILE + k] * x[(ptrdiff_t)r * band->columns];
        }
    }
}

int stk_band_solve(stk_band *band, double *inverse) {
    int g = band->border;
    if (!factor_band(band)) return 0;
    stk_pool_run(band->pool, band->columns / STRIP, forward_task, band);
    stk_pool_run(band->pool, (g + STRIP - 1) / STRIP, corner_task, band);
    if (inverse != NULL) {
        double *unit = band->corner_side + g;
        memcpy(band->scratch, band->corner, sizeof(double) * (size_t)g * (size_t)g);
        memset(unit, 0, sizeof(double) * (size_t)g);
        unit[0] = 1;
        if (!stk_spd_solve(band->scratch, unit, g)) return 0;
        *inverse = unit[0];
    }
    memcpy(band->scratch, band->corner, sizeof(double) * (size_t)g * (size_t)g);
    if (!stk_spd_solve(band->scratch, band->corner_side, g)) return 0;
    backward(band);
    return 1;
}
