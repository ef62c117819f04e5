/* express_smooth.h - inside the expressions: a few pinned landmarks, and the skin between them.
 *
 * The displacement d of the face mesh's n = 468 vertices that takes given values at handles and is
 * smoothest elsewhere: it minimises  integral |(1 - l^2 Laplace) d|^2  over the skin, which is a
 * Gaussian-process interpolation with a Matern kernel of length l along the surface [Lindgren, Rue
 * & Lindstrom 2011]. No overshoot, no memory of far handles. Distances are measured along the skin,
 * and the mouth and eye openings are holes: upper and lower lip do not know of one another.
 */
#ifndef STK_PRESENTER_EXPRESS_SMOOTH_H
#define STK_PRESENTER_EXPRESS_SMOOTH_H

#include "base/status.h"
#include "base/types.h"

typedef struct stk_smooth stk_smooth;

/* face [468][3], m; length_m: l. `hole` [468]: number of the opening whose border the vertex is, 0
 * for none; triangles all of whose vertices have the same one are not skin. */
stk_status stk_smooth_create(stk_smooth **smooth, const float (*face)[3], const uint8_t *hole,
                             float length_m);
void stk_smooth_free(stk_smooth **smooth);
/* handles [count], all different; target [count][channels]; field [468][channels]. */
stk_status stk_smooth_solve(stk_smooth *smooth, const int16_t *handles, int count,
                            const float *target, int channels, float *field);

#endif
