/* express.h - the 52 expressions as motions of the control mesh.
 *
 * Linear where that is true to life (lips, brows, cheeks), exact where it is not: the jaw turns
 * about the axis through its joints, lids slide over the eyeball. Values as in stk_face_state.
 */
#ifndef STK_PRESENTER_EXPRESS_H
#define STK_PRESENTER_EXPRESS_H

#include "presenter/bust.h"

typedef struct stk_eye_globe {
    float centre[3], radius; /* rest space, m */
} stk_eye_globe;

typedef struct stk_express stk_express;

/* neutral [vertices][3]: control mesh of this identity (first 468 = face mesh; the rest is skull,
 * throat and neck). free_share [vertices]: share 0 .. 1 that takes part in face motion (0 at the
 * neck's base). globes: [0] the person's right eye (picture left), [1] left. Copies what it
 * keeps. */
stk_status stk_express_create(stk_express **express, const float (*neutral)[3],
                              const float *free_share, int vertices, const stk_eye_globe globes[2]);
void stk_express_free(stk_express **express);
/* moved [vertices][3]. No allocation. */
void stk_express_apply(const stk_express *express, const stk_face_state *state, float (*moved)[3]);
/* The rigid motion of the lower jaw (teeth, tongue) for a state: x -> R x + t, rest space. */
void stk_express_jaw(const stk_express *express, const stk_face_state *state, stk_pose *jaw);

#endif
