/* bundle_trust.c - how far each point is believed.
 *
 * Skin over the brows or on the cheeks is followed as sharply as the nose, but tells less of the
 * skull, and its points err together: the mean of a hundred of them is hardly better than one. With
 * s_j the spread of point j's errors and q that of quiet points, the excess counts as shared by
 * ALIKE points:
 *   trust_j = 1 / (1 + ALIKE max(0, s_j^2 / q^2 - CHANCE))
 */
#include "head_sync/bundle_internal.h"

#include <math.h>
#include <stdlib.h>

static const double ALIKE = 50, CHANCE = 1.2, QUIET = 0.25;

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
    for (int p = 0; p < b->points; p++)
        if (b->kept[p])
            b->trust[p] = (float)(1 / (1 + ALIKE * fmax(0, (double)b->trust[p] / quiet - CHANCE)));
}
