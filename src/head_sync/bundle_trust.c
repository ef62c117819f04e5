/* bundle_trust.c - how far each point is believed.
 *
 * Skin over the brows or on the cheeks is followed as sharply as the nose, but tells less of the
 * skull, and its points err together: the mean of many of them is hardly better than one. With
 * s_j the spread of point j's errors and q that of quiet points, the excess counts as shared by
 * ALIKE points:
 *   trust_j = 1 / (1 + ALIKE max(0, s_j^2 / q^2 - CHANCE))
 * ALIKE is below the number of neighbours: with 50 the presenter's head turns less than in truth,
 * wherever the solution starts (doc/SPEED.md).
 *
 * On the ridge of the nose a patch holds on to the light's reflection, which slides along it: its
 * points move too little with a nod, all alike, and hardly show it in their errors. They count a
 * hundredth here, and in full for what changes quickly (bundle_steady.h).
 */
#include "head_sync/bundle_internal.h"

#include <math.h>
#include <stdlib.h>

static const double ALIKE = 10, CHANCE = 1.2, QUIET = 0.25;

/* The head's frame; the nose's tip is at a height of 0, its base at -21 mm, eyes at 26. */
static const double RIDGE_LOW_M = -0.012, RIDGE_HIGH_M = 0.020, RIDGE_HALF_M = 0.018;
static const double RIDGE_TRUST = 0.01;

static int on_ridge(const double head[3]) {
    return head[1] > RIDGE_LOW_M && head[1] < RIDGE_HIGH_M && fabs(head[0]) < RIDGE_HALF_M;
}

/* Squared spread of a coordinate; large errors are capped. LEARNT observations of the typical
 * spread are mixed in, for points seen in few frames. */
static double spread2(const stk_bundle_problem *b, int point) {
    static const double LEARNT = 20, CAP = 2;
    const double typical = b->noise_px * b->noise_px, cap = CAP * CAP * typical;
    double sum = LEARNT * typical, count = LEARNT;
    for (int64_t k = b->point_first[point]; k < b->point_first[point + 1]; k++) {
        const double error = b->error_px[k];
        if (!stk_bundle_takes_part(b, k) || !isfinite(error)) continue;
        sum += fmin(0.5 * error * error, cap);
        count += 1;
    }
    return sum / count;
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void stk_bundle_weigh(stk_bundle_problem *b) {
    int count = 0;
    if (b->trust_held) return;
    for (int p = 0; p < b->points; p++)
        if (b->kept[p]) b->sorted[count++] = b->trust[p] = (float)spread2(b, p);
    if (count == 0) return;
    qsort(b->sorted, (size_t)count, sizeof *b->sorted, compare_floats);
    const double quiet = (double)b->sorted[(int)(QUIET * (count - 1))];
    for (int p = 0; p < b->points; p++) {
        if (!b->kept[p]) continue;
        const double excess = fmax(0, (double)b->trust[p] / quiet - CHANCE);
        b->trust[p] = (float)((on_ridge(b->prior[p]) ? RIDGE_TRUST : 1) / (1 + ALIKE * excess));
    }
}
