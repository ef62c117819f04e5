/* contour.c - see contour.h. The line is found by dynamic programming along the upper part of the
 * oval, from ear lobe over the forehead to ear lobe.
 */
#include "portrait_sync/contour.h"

#include "portrait_sync/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)STK_CONTOUR_POINTS == (int)STK_OVAL_POINTS, "the oval of parts.h");

/* Places in the oval: 0 is the forehead, 18 the chin; from the right ear's level over 0 to the left
 * one's the line is free. */
enum { RIGHT_END = 8, LEFT_END = 28, FREE = STK_CONTOUR_POINTS - LEFT_END + RIGHT_END + 1 };
enum { WINDOW = 2 };                 /* edges are means over 5 x 5 of a 512 px picture */
static const double OUTSIDE = 40;    /* levels a pixel: what is not head at all */
static const double SHRINKING = 1.0; /* a step inwards must save as many levels a pixel */

void stk_contour_points(const float (*landmarks)[3], const float *share,
                        float points[STK_CONTOUR_POINTS][2]) {
    float middle[2] = {0, 0};
    for (int i = 0; i < STK_CONTOUR_POINTS; i++)
        for (int c = 0; c < 2; c++) {
            points[i][c] = landmarks[stk_jaw_indices[i]][c];
            middle[c] += points[i][c] / STK_CONTOUR_POINTS;
        }
    for (int i = 0; share != NULL && i < STK_CONTOUR_POINTS; i++)
        for (int c = 0; c < 2; c++)
            points[i][c] = middle[c] + share[i] * (points[i][c] - middle[c]);
}

static int grey(const stk_image *rgb, int x, int y) {
    const uint8_t *p = stk_image_row(rgb, y) + 3 * (ptrdiff_t)x;
    return (77 * p[0] + 150 * p[1] + 29 * p[2]) >> 8;
}

/* Mean gradient round a place; OUTSIDE where the picture ends or what is no head begins. */
static double edge_at(const stk_image *rgb, const stk_image *labels, const float at[2]) {
    const int radius = 1 + WINDOW * rgb->width / 512;
    const int cx = (int)stk_clampf(at[0], -1e4f, 1e4f), cy = (int)stk_clampf(at[1], -1e4f, 1e4f);
    double sum = 0;
    int count = 0;
    for (int y = cy - radius; y <= cy + radius; y++)
        for (int x = cx - radius; x <= cx + radius; x++) {
            if (x < 1 || y < 1 || x + 1 >= rgb->width || y + 1 >= rgb->height) return OUTSIDE;
            if (stk_image_row(labels, y)[x] != STK_LABEL_HEAD) return OUTSIDE;
            sum += 0.5 * (abs(grey(rgb, x + 1, y) - grey(rgb, x - 1, y)) +
                          abs(grey(rgb, x, y + 1) - grey(rgb, x, y - 1)));
            count++;
        }
    return sum / count;
}

void stk_contour_add(stk_contour *contour, const stk_image *rgb, const float (*landmarks)[3],
                     const stk_image *labels) {
    for (int k = 0; k < STK_CONTOUR_STEPS; k++) {
        float share[STK_CONTOUR_POINTS], points[STK_CONTOUR_POINTS][2];
        for (int i = 0; i < STK_CONTOUR_POINTS; i++) share[i] = 1 - STK_CONTOUR_STEP * (float)k;
        stk_contour_points(landmarks, share, points);
        for (int i = 0; i < STK_CONTOUR_POINTS; i++)
            contour->edge[i][k] += edge_at(rgb, labels, points[i]);
    }
    contour->frames++;
}

void stk_contour_finish(const stk_contour *contour, float share[STK_CONTOUR_POINTS]) {
    double cost[FREE][STK_CONTOUR_STEPS];
    int from[FREE][STK_CONTOUR_STEPS];
    for (int i = 0; i < STK_CONTOUR_POINTS; i++) share[i] = 1;
    if (contour->frames == 0) return;
    for (int n = 0; n < FREE; n++) {
        const int point = (LEFT_END + n) % STK_CONTOUR_POINTS;
        for (int k = 0; k < STK_CONTOUR_STEPS; k++) {
            const int low = k > 0 ? k - 1 : 0, high = k + 1 < STK_CONTOUR_STEPS ? k + 1 : k;
            double best = n == 0 ? (k == 0 ? 0 : INFINITY) : INFINITY; /* begins on the oval */
            from[n][k] = k;
            for (int j = low; n > 0 && j <= high; j++)
                if (cost[n - 1][j] < best) best = cost[n - 1][j], from[n][k] = j;
            cost[n][k] = best + contour->edge[point][k] / contour->frames + SHRINKING * k;
        }
    }
    for (int n = FREE - 1, k = 0; n >= 0; k = from[n][k], n--) /* and ends there */
        share[(LEFT_END + n) % STK_CONTOUR_POINTS] = 1 - STK_CONTOUR_STEP * (float)k;
}
