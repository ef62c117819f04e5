/* hair.h - hair as strands over a cap, eyebrow hairs and eyelashes.
 *
 * Strands are planted on the scalp (stk_bust_scalp), combed by a field that depends on the style,
 * clumped and jittered. Brows and lashes follow the lids: they are moved with the control vertices
 * they grow on (stk_hair_follow).
 */
#ifndef STK_PRESENTER_HAIR_H
#define STK_PRESENTER_HAIR_H

#include "presenter/bust.h"

typedef struct stk_hair stk_hair;

stk_status stk_hair_create(stk_hair **hair, const stk_look *look, const stk_bust *bust);
void stk_hair_free(stk_hair **hair);
stk_status stk_hair_add(stk_hair *hair, stk_actor *actor);
/* Moves brows and lashes with the skin of the state last expressed by the bust. */
void stk_hair_follow(stk_hair *hair, const stk_bust *bust);

#endif
