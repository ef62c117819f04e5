/* bundle_gauge.c - the head's own frame: what no picture tells.
 *
 * Any similarity X' = s Q X + c of the points goes unseen when the poses follow:
 * R' = R Q', t' = s t - R' c give R' X' + t' = s (R X + t), the same picture. With anchors it is
 * chosen to lay them onto the mesh (least squares; Kabsch by polar factor); without, to give the
 * median frame the depth it was handed over with, at the present focal length.
 */
#include "base/memory.h"
#include "head_sync/bundle_drive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct similarity {
    double Q[9], c[3], s;
} similarity;

static void move_place(const similarity *g, double place[3]) {
    double turned[3];
    stk_mat3_apply(g->Q, place, turned);
    for (int i = 0; i < 3; i++) place[i] = g->s * turned[i] + g->c[i];
}

static void apply(stk_bundle_problem *b, const similarity *g) {
    for (int p = 0; p < b->points; p++) move_place(g, b->place[p]);
    stk_bundle_drive_turn(b, g->Q, g->s);
    for (int k = 0; k < b->anchors.count; k++) move_place(g, b->anchors.place[k]);
    for (int f = 0; f < b->frames; f++) {
        stk_se3 *pose = &b->poses[f];
        double R[9], shift[3];
        stk_mat3_mul_bt(pose->R, g->Q, R);
        stk_mat3_apply(R, g->c, shift);
        memcpy(pose->R, R, sizeof R);
        for (int i = 0; i < 3; i++) pose->t[i] = g->s * pose->t[i] - shift[i];
    }
}

static int onto_mesh(const stk_bundle_anchors *a, similarity *g) {
    double from[3] = {0}, to[3] = {0}, spread = 0, along = 0, M[9] = {0};
    for (int k = 0; k < a->count; k++)
        for (int i = 0; i < 3; i++) {
            from[i] += a->place[k][i] / a->count;
            to[i] += a->prior[k][i] / a->count;
        }
    for (int k = 0; k < a->count; k++)
        for (int i = 0; i < 3; i++) {
            double d = a->place[k][i] - from[i];
            spread += d * d;
            for (int j = 0; j < 3; j++) M[3 * j + i] += d * (a->prior[k][j] - to[j]);
        }
    memcpy(g->Q, M, sizeof M);
    if (!(spread > 0) || !stk_mat3_polar(g->Q)) return 0;
    for (int i = 0; i < 9; i++) along += g->Q[i] * M[i];
    g->s = along / spread;
    stk_mat3_apply(g->Q, from, g->c);
    for (int i = 0; i < 3; i++) g->c[i] = to[i] - g->s * g->c[i];
    return g->s > 0.25 && g->s < 4;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static stk_status keep_depth(const stk_bundle_problem *b, similarity *g) {
    double *ratio = stk_calloc_aligned((size_t)b->frames, sizeof *ratio);
    double grow = b->camera.focal_px / b->start_focal_px;
    int count = 0;
    if (ratio == NULL) return stk_fail_memory("bundle adjustment");
    for (int f = 0; f < b->frames; f++)
        if (b->usable[f]) ratio[count++] = b->start[f].t[2] * grow / b->poses[f].t[2];
    qsort(ratio, (size_t)count, sizeof *ratio, compare_doubles);
    *g = (similarity){{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}, count > 0 ? ratio[count / 2] : 1};
    stk_free(ratio);
    return STK_OK;
}

stk_status stk_bundle_fix_gauge(stk_bundle_problem *b) {
    similarity g;
    if (b->anchors.count == 0 || !onto_mesh(&b->anchors, &g)) STK_TRY(keep_depth(b, &g));
    apply(b, &g);
    return STK_OK;
}
