/* figure.h - what a column of per-frame values comes to: mean, median, a confidence interval of the
 * mean, the worst frames. Pure functions.
 */
#ifndef STK_METRICS_FIGURE_H
#define STK_METRICS_FIGURE_H

#include "base/status.h"

#include <stdint.h>

enum { STK_FIGURE_WORST = 5, STK_FIGURE_RESAMPLES = 1000 };

typedef struct stk_figure {
    int count; /* values that are not NaN; with none all else is NaN or empty */
    double mean, median;
    double ci95[2];              /* of the mean */
    int worst[STK_FIGURE_WORST]; /* indices of the values, the worst first */
    int worst_count;
} stk_figure;

typedef struct stk_figure_settings {
    uint64_t seed;
    int block; /* neighbours drawn together; 0: the cube root of the count, rounded up */
    int lower_is_better;
} stk_figure_settings;

/* values [n], NaN where there is none. The interval is the 2.5 and 97.5 per cent points of the
 * means of 1000 resamples with replacement (Efron's percentile bootstrap) of circular blocks of
 * neighbouring values (Politis and Romano 1992), because frames that follow each other are alike;
 * same seed, same interval. */
stk_status stk_figure_of(stk_figure *figure, const double *values, int n,
                         const stk_figure_settings *settings);

#endif
