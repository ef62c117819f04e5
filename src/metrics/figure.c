/* figure.c - see figure.h. */
#include "metrics/figure.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM = 0x66696775 };

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile of sorted values, linear between them (numpy's default). */
static double quantile(const double *sorted, int n, double q) {
    const double place = q * (n - 1);
    const int below = (int)place;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

/* Ties go to the earlier frame. */
static void keep_worst(stk_figure *figure, const double *values, int n, int lower_is_better) {
    for (int i = 0; i < n; i++) {
        if (isnan(values[i])) continue;
        int k = figure->worst_count;
        for (; k > 0; k--) {
            const double other = values[figure->worst[k - 1]];
            if (lower_is_better ? values[i] <= other : values[i] >= other) break;
        }
        if (k == STK_FIGURE_WORST) continue;
        if (figure->worst_count < STK_FIGURE_WORST) figure->worst_count++;
        for (int m = figure->worst_count - 1; m > k; m--) figure->worst[m] = figure->worst[m - 1];
        figure->worst[k] = i;
    }
}

/* Means of resamples of `n` values. */
static void resample(const double *values, int n, const stk_figure_settings *settings,
                     double means[STK_FIGURE_RESAMPLES]) {
    stk_rng rng;
    int block = settings->block > 0 ? settings->block : (int)ceil(cbrt(n) - 1e-9);
    if (block > n) block = n;
    stk_rng_seed(&rng, settings->seed, STREAM);
    for (int r = 0; r < STK_FIGURE_RESAMPLES; r++) {
        double sum = 0;
        for (int drawn = 0; drawn < n;) {
            int at = (int)stk_rng_below(&rng, (uint32_t)n);
            for (int k = 0; k < block && drawn < n; k++, drawn++) {
                sum += values[at];
                at = at + 1 < n ? at + 1 : 0;
            }
        }
        means[r] = sum / n;
    }
}

stk_status stk_figure_of(stk_figure *figure, const double *values, int n,
                         const stk_figure_settings *settings) {
    *figure = (stk_figure){.mean = NAN, .median = NAN, .ci95 = {NAN, NAN}};
    double *kept = stk_calloc_aligned((size_t)n + STK_FIGURE_RESAMPLES, sizeof *kept), sum = 0;
    if (kept == NULL) return stk_fail_memory("figures");
    double *means = kept + n;
    for (int i = 0; i < n; i++) {
        if (isnan(values[i])) continue;
        kept[figure->count++] = values[i];
        sum += values[i];
    }
    if (figure->count > 0) {
        figure->mean = sum / figure->count;
        keep_worst(figure, values, n, settings->lower_is_better);
        resample(kept, figure->count, settings, means);
        qsort(means, STK_FIGURE_RESAMPLES, sizeof *means, compare);
        figure->ci95[0] = quantile(means, STK_FIGURE_RESAMPLES, 0.025);
        figure->ci95[1] = quantile(means, STK_FIGURE_RESAMPLES, 0.975);
        qsort(kept, (size_t)figure->count, sizeof *kept, compare);
        figure->median = quantile(kept, figure->count, 0.5);
    }
    stk_free(kept);
    return STK_OK;
}
