/* bench_measure.h - how everything here is timed: one warm-up of every cell, then rounds over all
 * cells, forwards and backwards in turn, so that a machine that slows down slows all of them. Kept
 * are the median, the least and the greatest of the rounds.
 *
 * A cell that would not fit before the deadline (judged by its warm-up, or before that by the cells
 * already run and the expected costs) is left out. The first cell always gets its warm-up.
 */
#ifndef STK_API_BENCH_MEASURE_H
#define STK_API_BENCH_MEASURE_H

#include "base/job.h"
#include "base/status.h"

enum { STK_BENCH_REPEATS = 15 };

typedef struct stk_bench_cell {
    /* Prepares, works once, and says how long the part that counts took, in seconds. */
    stk_status (*run)(void *ctx, double *seconds);
    void *ctx;
    double cost; /* expected, in a unit common to the cells of one call; 0 = always warmed up */
    /* results */
    double wall_s;  /* of the longest run with its preparation; 0 = not measured */
    double first_s; /* the warm-up */
    double seconds[STK_BENCH_REPEATS];
    int runs;
} stk_bench_cell;

typedef struct stk_bench_times {
    double median_s, min_s, max_s;
    int runs; /* 0: there was time for the warm-up only, which then stands in */
} stk_bench_times;

/* ratio: most seconds a unit of cost, from earlier cells (0 = unknown) and then these;
 * NULL = nothing is known. STK_ERR_ABORTED when the job says stop; what was measured until then
 * stays in the cells. */
stk_status stk_bench_measure(stk_bench_cell *cells, int count, double deadline_s, double *ratio,
                             const char *step, const stk_job *job);
/* 0 when the cell was not measured. */
int stk_bench_cell_times(const stk_bench_cell *cell, stk_bench_times *times);

#endif
