/* similarity.h - the turn, scale and shift that bring one set of points closest to another. */
#ifndef STK_HEAD_SYNC_SIMILARITY_H
#define STK_HEAD_SYNC_SIMILARITY_H

#include "head_sync/se3.h"

/* x' = scale Q (x - from) + to */
typedef struct stk_similarity {
    double scale, Q[9], from[3], to[3];
} stk_similarity;

/* argmin sum_k w_k |s(x_k) - y_k|^2 with the turn of the best rigid fit. Returns 0 when the points
 * span no space, or only a mirrored copy fits. */
int stk_similarity_fit(const double (*x)[3], const double (*y)[3], const double *weights, int count,
                       stk_similarity *s);
void stk_similarity_apply(const stk_similarity *s, const double x[3], double out[3]);
/* The pose of the moved points that keeps every projection; the camera's space scales with them. */
void stk_similarity_undo(const stk_similarity *s, stk_se3 *pose);

#endif
