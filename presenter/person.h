/* person.h - everything of one presenter, made from a seed and ready to be drawn. */
#ifndef STK_PRESENTER_PERSON_H
#define STK_PRESENTER_PERSON_H

#include "base/pool.h"
#include "presenter/attire.h"
#include "presenter/bust.h"
#include "presenter/hair.h"
#include "presenter/hand.h"

typedef struct stk_person {
    stk_look look;
    stk_bust *bust;
    stk_hair *hair;
    stk_attire *attire;
    stk_hand *hand;  /* NULL without */
    stk_actor actor; /* borrows from all of them */
} stk_person;

/* What a person does in one frame. */
typedef struct stk_person_act {
    stk_face_state face;
    float breath_phase, hand_raised;
} stk_person_act;

/* Models, paints and bakes. texture_side: of the skin, 64 to 8192, twice the picture's; below 512
 * cloth and light are coarser too. `person` is zero or made by this. */
stk_status stk_person_init(stk_person *person, int seed, int with_hand, int texture_side,
                           stk_pool *pool);
void stk_person_clear(stk_person *person);
/* Sets all rest positions for this act. Allocates nothing. */
void stk_person_set(stk_person *person, const stk_person_act *act);

#endif
