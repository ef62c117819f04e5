/* bench_measure.c - see bench_measure.h. */
#include "api/bench_measure.h"
#include "base/clock.h"

#include <stdlib.h>

static stk_status run_cell(stk_bench_cell *cell, double *seconds) {
    const double start_s = stk_clock_s();
    STK_TRY(cell->run(cell->ctx, seconds));
    const double wall_s = stk_clock_s() - start_s;
    if (wall_s > cell->wall_s) cell->wall_s = wall_s;
    return STK_OK;
}

static stk_status stopped(void) {
    return stk_fail(STK_ERR_ABORTED, "stopped; the tables hold what was measured until then");
}

stk_status stk_bench_measure(stk_bench_cell *cells, int count, double deadline_s, double *ratio,
                             const char *step, const stk_job *job) {
    const double start_s = stk_clock_s();
    const int64_t total = (int64_t)count * (1 + STK_BENCH_REPEATS);
    int64_t done = 0;
    double unknown = 0;
    if (ratio == NULL) ratio = &unknown;
    for (int i = 0; i < count; i++) {
        if (stk_job_aborted(job)) return stopped();
        stk_job_report(job, step, ++done, total, start_s, NULL);
        const double expected_s = *ratio * cells[i].cost;
        if (expected_s > 0 && stk_clock_s() + expected_s > deadline_s) continue;
        STK_TRY(run_cell(&cells[i], &cells[i].first_s));
        if (cells[i].cost > 0 && cells[i].wall_s > *ratio * cells[i].cost)
            *ratio = cells[i].wall_s / cells[i].cost;
    }
    for (int round = 0; round < STK_BENCH_REPEATS; round++) {
        for (int k = 0; k < count; k++) {
            stk_bench_cell *cell = &cells[round % 2 == 0 ? k : count - 1 - k];
            if (stk_job_aborted(job)) return stopped();
            stk_job_report(job, step, ++done, total, start_s, NULL);
            if (cell->wall_s <= 0 || stk_clock_s() + cell->wall_s > deadline_s) continue;
            STK_TRY(run_cell(cell, &cell->seconds[cell->runs]));
            cell->runs++;
        }
    }
    return STK_OK;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int stk_bench_cell_times(const stk_bench_cell *cell, stk_bench_times *times) {
    double sorted[STK_BENCH_REPEATS];
    const int n = cell->runs;
    *times = (stk_bench_times){cell->first_s, cell->first_s, cell->first_s, n};
    if (cell->wall_s <= 0) return 0;
    if (n == 0) return 1;
    for (int i = 0; i < n; i++) sorted[i] = cell->seconds[i];
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    times->median_s = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
    times->min_s = sorted[0];
    times->max_s = sorted[n - 1];
    return 1;
}
