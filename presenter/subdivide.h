/* subdivide.h - Loop subdivision [Loop 1987] as fixed sparse weights.
 *
 * After a number of levels every fine vertex is a weighted sum of control vertices; the weights
 * depend on the triangles only. Vertex k of the control mesh stays vertex k. Borders are cubic
 * B-splines [Hoppe 1994]; corner vertices stay where they are.
 */
#ifndef STK_PRESENTER_SUBDIVIDE_H
#define STK_PRESENTER_SUBDIVIDE_H

#include "base/status.h"

#include <stdint.h>

typedef struct stk_subdivision {
    int control, vertices, triangles;
    int32_t (*triangle)[3]; /* fine; four for each coarse one, in its order */
    int32_t *row;           /* [vertices + 1] */
    uint16_t *column;
    float *weight;
} stk_subdivision;

/* corner [control]: 1 = border vertex that stays. Owned by `sub`; released by clear. */
stk_status stk_subdivision_init(stk_subdivision *sub, const int32_t (*triangle)[3], int triangles,
                                int control, const uint8_t *corner, int levels);
void stk_subdivision_clear(stk_subdivision *sub);
/* out [vertices][width] = weights x in [control][width]; width 1 .. 3. */
void stk_subdivision_apply(const stk_subdivision *sub, const float *in, int width, float *out);

#endif
