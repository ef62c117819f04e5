/* attire.h - shoulders, jacket, shirt and collar below the neck, bound to the torso bone. */
#ifndef STK_PRESENTER_ATTIRE_H
#define STK_PRESENTER_ATTIRE_H

#include "base/pool.h"
#include "presenter/bust.h"

typedef struct stk_attire stk_attire;

/* side: of the cloth's textures, 8 to 1024; 576 for pictures of 512. */
stk_status stk_attire_create(stk_attire **attire, const stk_look *look, const stk_bust *bust,
                             int side, stk_pool *pool);
void stk_attire_free(stk_attire **attire);
stk_status stk_attire_add(stk_attire *attire, stk_actor *actor);
/* Breathing: phase in turns; lifts and widens the chest by up to 3 mm. */
void stk_attire_breathe(stk_attire *attire, float phase);

#endif
