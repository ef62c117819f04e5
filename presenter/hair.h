/* hair.h - hair as strands over a cap, eyebrow hairs and eyelashes.
 *
 * Strands are planted on the scalp (stk_bust_scalp), combed by a field that depends on the style,
 * clumped and jittered. Brow hairs move with the triangles of the skin they grow on, lashes turn
 * with the lids about the eyes' centres (stk_hair_follow).
 */
#ifndef STK_PRESENTER_HAIR_H
#define STK_PRESENTER_HAIR_H

#include "presenter/bust.h"

typedef struct stk_hair stk_hair;

/* The bust must be in its neutral state; nothing of it is kept. Some 0.1 s. Where the skin is dark,
 * short and parted hair is short and coiled. */
stk_status stk_hair_create(stk_hair **hair, const stk_look *look, const stk_bust *bust);
void stk_hair_free(stk_hair **hair);
/* Adds the cap and the strands "hair", "fine hair", "brows", "lashes"; the actor borrows them. */
stk_status stk_hair_add(stk_hair *hair, stk_actor *actor);
/* Moves brows and lashes with the skin of the state last expressed by the bust. */
void stk_hair_follow(stk_hair *hair, const stk_bust *bust);

#endif
