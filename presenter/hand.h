/* hand.h - a hand in front of the mouth (the "hand" variant). Bound to the torso bone. */
#ifndef STK_PRESENTER_HAND_H
#define STK_PRESENTER_HAND_H

#include "presenter/look.h"
#include "presenter/scene.h"

typedef struct stk_hand stk_hand;

/* side: of the textures of skin and sleeve, 8 to 1024; 512 for pictures of 512, which
 * gives the skin half of it. */
stk_status stk_hand_create(stk_hand **hand, const stk_look *look, int side);
void stk_hand_free(stk_hand **hand);
stk_status stk_hand_add(stk_hand *hand, stk_actor *actor);
/* raised 0 (below the picture) .. 1 (in front of the mouth). */
void stk_hand_raise(stk_hand *hand, float raised);

#endif
