/* ears.h - the outer ears, stuck to the sides of the head. */
#ifndef STK_PRESENTER_EARS_H
#define STK_PRESENTER_EARS_H

#include "presenter/scene.h"

typedef struct stk_ears {
    stk_surface surface; /* person's right ear, then left */
} stk_ears;

/* roots: where the front of each ear meets the head (face mesh vertices 234 and 454 or near), rest
 * space; size: 1 = 62 mm high. The material is borrowed. */
stk_status stk_ears_init(stk_ears *ears, const float roots[2][3], float size,
                         stk_material *material);
void stk_ears_clear(stk_ears *ears);

#endif
