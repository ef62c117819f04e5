/* person.c - see person.h. */
#include "presenter/person.h"
#include "presenter/light.h"
#include "presenter/skin.h"

/* Sides of textures; a person whose skin has less than SMALL_SIDE is for pictures of some 100
 * pixels and saves time everywhere. */
enum { SMALL_SIDE = 512, CLOTH_SIDE = 576, HAND_SIDE = 512 };

static stk_status make_parts(stk_person *person, int with_hand, int texture_side, stk_pool *pool) {
    const stk_look *look = &person->look;
    STK_TRY(stk_bust_create(&person->bust, look));
    STK_TRY(stk_skin_paint(person->bust, look, texture_side, pool));
    STK_TRY(stk_hair_create(&person->hair, look, person->bust));
    const int small = texture_side < SMALL_SIDE;
    const int cloth_side = small ? texture_side : CLOTH_SIDE;
    const int hand_side = small ? texture_side : HAND_SIDE;
    STK_TRY(stk_attire_create(&person->attire, look, person->bust, cloth_side, pool));
    if (with_hand) STK_TRY(stk_hand_create(&person->hand, look, hand_side));
    stk_actor *actor = &person->actor;
    STK_TRY(stk_bust_add(person->bust, actor));
    STK_TRY(stk_attire_add(person->attire, actor));
    if (with_hand) {
        STK_TRY(stk_hand_add(person->hand, actor));
        stk_hand_raise(person->hand, 0);
    }
    STK_TRY(stk_hair_add(person->hair, actor));
    return stk_light_bake(actor, small ? STK_LIGHT_COARSE : STK_LIGHT_FINE, pool);
}

stk_status stk_person_init(stk_person *person, int seed, int with_hand, int texture_side,
                           stk_pool *pool) {
    *person = (stk_person){0};
    stk_look_draw(&person->look, seed);
    const stk_status status = make_parts(person, with_hand, texture_side, pool);
    if (status != STK_OK) stk_person_clear(person);
    return status;
}

void stk_person_clear(stk_person *person) {
    stk_hand_free(&person->hand);
    stk_attire_free(&person->attire);
    stk_hair_free(&person->hair);
    stk_bust_free(&person->bust);
    person->actor = (stk_actor){0};
}

void stk_person_set(stk_person *person, const stk_person_act *act) {
    stk_bust_express(person->bust, &act->face);
    stk_hair_follow(person->hair, person->bust);
    stk_attire_breathe(person->attire, act->breath_phase);
    if (person->hand != NULL) stk_hand_raise(person->hand, act->hand_raised);
}
