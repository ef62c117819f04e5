/* similarity.c - see similarity.h. Q is the polar factor of the points' cross moment; the scale the
 * least-squares one for it. Pure functions. */
#include "head_sync/similarity.h"

#include <string.h>

int stk_similarity_fit(const double (*x)[3], const double (*y)[3], const double *weights, int count,
                       stk_similarity *s) {
    double total = 0, spread = 0, match = 0, M[9] = {0};
    memset(s, 0, sizeof *s);
    for (int k = 0; k < count; k++) {
        total += weights[k];
        for (int i = 0; i < 3; i++) {
            s->from[i] += weights[k] * x[k][i];
            s->to[i] += weights[k] * y[k][i];
        }
    }
    for (int i = 0; i < 3; i++) s->from[i] /= total, s->to[i] /= total;
    for (int k = 0; k < count; k++)
        for (int i = 0; i < 3; i++) {
            double d = y[k][i] - s->to[i];
            for (int j = 0; j < 3; j++) M[3 * i + j] += weights[k] * d * (x[k][j] - s->from[j]);
            spread += weights[k] * (x[k][i] - s->from[i]) * (x[k][i] - s->from[i]);
        }
    memcpy(s->Q, M, sizeof M);
    if (!(spread > 0) || !stk_mat3_polar(s->Q)) return 0;
    for (int i = 0; i < 9; i++) match += M[i] * s->Q[i];
    s->scale = match / spread;
    return s->scale > 0;
}

void stk_similarity_apply(const stk_similarity *s, const double x[3], double out[3]) {
    double d[3], q[3];
    for (int i = 0; i < 3; i++) d[i] = x[i] - s->from[i];
    stk_mat3_apply(s->Q, d, q);
    for (int i = 0; i < 3; i++) out[i] = s->scale * q[i] + s->to[i];
}

void stk_similarity_undo(const stk_similarity *s, stk_se3 *pose) {
    stk_se3 next;
    double moved[3], origin[3];
    stk_mat3_mul_bt(pose->R, s->Q, next.R);
    stk_mat3_apply(pose->R, s->from, moved);
    stk_mat3_apply(next.R, s->to, origin);
    for (int i = 0; i < 3; i++) next.t[i] = s->scale * (moved[i] + pose->t[i]) - origin[i];
    *pose = next;
}
