/* expression_range.c - see expression_range.h.
 *
 *   track [n] -> sorted copy -> median, quantiles, ends; of lids the peaks in time
 */
#include "face_sync/expression_range.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static const float BEYOND = 0.05f, MAGNIFY_MAX = 4, REACH_MIN = 0.02f, EXTREME_SHARE = 0.25f;

static int compare(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Between the neighbours in place, q in [0,1]. */
static float quantile(const float *sorted, int n, float q) {
    const float at = q * (float)(n - 1);
    const int i = (int)at;
    return i + 1 < n ? sorted[i] + (at - (float)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* The n values in time; sorted: the same in order, overwritten. Blinks are peaks in the upper half.
 */
static void measure_lid(stk_expression_range *range, const float *values, int n, int stride,
                        float *sorted) {
    const float half = 0.5f * (range->lowest + range->highest);
    int open = 0, peaks = 0;
    while (open < n && sorted[open] <= half) open++;
    range->neutral = quantile(sorted, open > 0 ? open : n, 0.5f);
    range->low = fminf(range->low, range->neutral);
    for (int i = 0; i < n; i++) {
        const float *at = values + (ptrdiff_t)i * stride;
        const int rises = i == 0 || at[0] >= at[-stride];
        const int falls = i == n - 1 || at[0] > at[stride];
        if (at[0] > half && rises && falls) sorted[peaks++] = at[0];
    }
    qsort(sorted, (size_t)peaks, sizeof *sorted, compare);
    range->high = peaks > 0 ? quantile(sorted, peaks, 0.9f) : range->neutral;
}

stk_status stk_expression_range_measure(stk_expression_range *range, const float *values, int n,
                                        int stride, stk_expression_kind kind) {
    float *sorted = stk_calloc_aligned((size_t)n, sizeof *sorted);
    if (sorted == NULL) return stk_fail_memory("expression");
    for (int i = 0; i < n; i++) sorted[i] = values[(ptrdiff_t)i * stride];
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    *range = (stk_expression_range){
        .neutral = quantile(sorted, n, 0.5f),
        .low = quantile(sorted, n, 0.05f),
        .high = quantile(sorted, n, 0.95f),
        .lowest = sorted[0],
        .highest = sorted[n - 1],
    };
    const float neutral = range->neutral; /* who raises a brow in 3 % of the frames does raise it */
    range->high = fmaxf(range->high, neutral + EXTREME_SHARE * (range->highest - neutral));
    range->low = fminf(range->low, neutral + EXTREME_SHARE * (range->lowest - neutral));
    if (kind == STK_EXPRESSION_LID) measure_lid(range, values, n, stride, sorted);
    stk_free(sorted);
    return STK_OK;
}

float stk_expression_range_limit(const stk_expression_range *range, float value) {
    const float beyond = BEYOND * (range->highest - range->lowest);
    return stk_clampf(value, range->lowest - beyond, range->highest + beyond);
}

float stk_expression_range_share(const stk_expression_range *range, float share) {
    const float way = share > 0 ? range->high - range->neutral : range->neutral - range->low;
    return range->neutral + share * way;
}

float stk_expression_range_carry(const stk_expression_range *from, const stk_expression_range *to,
                                 float value) {
    const float offset = value - from->neutral;
    const float reach = offset > 0 ? from->high - from->neutral : from->neutral - from->low;
    const float way = offset > 0 ? to->high - to->neutral : to->neutral - to->low;
    return to->neutral + offset * fminf(way / fmaxf(reach, REACH_MIN), MAGNIFY_MAX);
}
