/* points_predict.c - where the landmarks that carry the pose say that a point is: see
 * points_tracker.c. */
#include "head_sync/points_internal.h"
#include "base/spd.h"

#include <math.h>
#include <string.h>

/* Width of a prediction, part of the face's size: no wider than the slopes of a nose; and the
 * weight of what is farther. */
static const float NEIGHBOUR_PART = 0.12f;
static const double FAR_WEIGHT = 0.002;

int stk_points_read_face(stk_points_tracker *t, const float (*landmarks)[3]) {
    double x = 0, y = 0, xx = 0;
    const int n = t->shape.rigid_count;
    for (int k = 0; k < n; k++) {
        const float *p = landmarks[t->shape.rigid[k]];
        t->rigid_px[k][0] = p[0];
        t->rigid_px[k][1] = p[1];
        x += (double)p[0] / n;
        y += (double)p[1] / n;
    }
    for (int k = 0; k < n; k++) {
        const double dx = (double)t->rigid_px[k][0] - x, dy = (double)t->rigid_px[k][1] - y;
        xx += dx * dx + dy * dy;
    }
    t->size_px = (float)(2 * sqrt(xx / n));
    return t->size_px > 8 && t->size_px < 1e5f && fabs(x) < 1e6 && fabs(y) < 1e6;
}

face_change stk_points_face_change(const stk_points_tracker *t, const float (*from)[2],
                                   const float (*to)[2]) {
    const int n = t->shape.rigid_count;
    double a[2] = {0}, b[2] = {0}, dot = 0, cross = 0, aa = 0, bb = 0;
    for (int k = 0; k < n; k++)
        for (int c = 0; c < 2; c++) a[c] += (double)from[k][c] / n, b[c] += (double)to[k][c] / n;
    for (int k = 0; k < n; k++) {
        const double ax = (double)from[k][0] - a[0], ay = (double)from[k][1] - a[1];
        const double bx = (double)to[k][0] - b[0], by = (double)to[k][1] - b[1];
        dot += ax * bx + ay * by;
        cross += ax * by - ay * bx;
        aa += ax * ax + ay * ay;
        bb += bx * bx + by * by;
    }
    const double left = bb - (dot * dot + cross * cross) / aa;
    const double size = fmax((double)t->size_px, 1);
    return (face_change){(float)(hypot(b[0] - a[0], b[1] - a[1]) / size), (float)sqrt(bb / aa),
                         (float)(sqrt(fmax(left, 0) / n) / size)};
}

int stk_points_prepare_prediction(const stk_points_tracker *t, tracked_point *p) {
    double gram[9] = {0}, weights[STK_RIGID_MAX];
    const double width = (double)(NEIGHBOUR_PART * t->size_px);
    const int n = t->shape.rigid_count;
    for (int k = 0; k < n; k++) {
        const double dx = (double)(t->rigid_px[k][0] - p->anchor[0]) / width;
        const double dy = (double)(t->rigid_px[k][1] - p->anchor[1]) / width;
        const double row[3] = {dx, dy, 1};
        weights[k] = t->shape.weights[k] * (exp(-0.5 * (dx * dx + dy * dy)) + FAR_WEIGHT);
        for (int i = 0; i < 9; i++) gram[i] += weights[k] * row[i / 3] * row[i % 3];
    }
    for (int k = 0; k < n; k++) {
        double copy[9], row[3] = {0, 0, 1};
        memcpy(copy, gram, sizeof copy);
        for (int c = 0; c < 2; c++) row[c] = (double)(t->rigid_px[k][c] - p->anchor[c]) / width;
        for (int c = 0; c < 3; c++) row[c] *= weights[k];
        if (!stk_spd_solve(copy, row, 3)) return 0;
        p->solve[0][k] = (float)(row[0] / width);
        p->solve[1][k] = (float)(row[1] / width);
        p->solve[2][k] = (float)row[2];
    }
    return 1;
}

void stk_points_predict(const stk_points_tracker *t, tracked_point *p) {
    float m[3][2] = {{0}};
    for (int row = 0; row < 3; row++)
        for (int k = 0; k < t->shape.rigid_count; k++)
            for (int c = 0; c < 2; c++) m[row][c] += p->solve[row][k] * t->rigid_px[k][c];
    for (int c = 0; c < 2; c++) {
        p->linear[2 * c] = m[0][c];
        p->linear[2 * c + 1] = m[1][c];
        p->before[c] = p->predicted[c];
        p->predicted[c] = m[2][c];
    }
}
