/* hair.c - the presenter's hair: what is made once and what moves with a face (hair.h).
 *
 *   bust -> scalp (what grows where, how far out the head is) -> comb (style) -> cap, mane, fine
 *   hair, all still in rest space; brows and lashes, moved by stk_hair_follow
 *
 * The scalp is needed only while making. One thread.
 */
#include "base/memory.h"
#include "presenter/hair_private.h"

struct stk_hair {
    stk_surface cap;
    stk_material cap_material;
    stk_strands mane, fine;
    stk_brows brows, lashes;
};

static stk_status grow(stk_hair *hair, const stk_look *look, const stk_bust *bust,
                       stk_scalp *scalp) {
    stk_comb comb;
    STK_TRY(stk_scalp_init(scalp, bust, look));
    stk_comb_init(&comb, scalp, look);
    STK_TRY(stk_cap_make(&hair->cap, &hair->cap_material, &comb, look));
    STK_TRY(stk_mane_make(&hair->mane, &comb, look));
    STK_TRY(stk_mane_make_fine(&hair->fine, &comb, look));
    STK_TRY(stk_brows_make(&hair->brows, bust, look));
    return stk_lashes_make(&hair->lashes, bust, look);
}

stk_status stk_hair_create(stk_hair **hair, const stk_look *look, const stk_bust *bust) {
    *hair = NULL;
    if ((int)look->hair < 0 || look->hair >= STK_HAIR_STYLES)
        return stk_fail(STK_ERR_ARGUMENT, "hair: there is no style %d", (int)look->hair);
    stk_hair *made = stk_calloc_aligned(1, sizeof *made);
    if (!made) return stk_fail_memory("the hair");
    stk_scalp scalp;
    const stk_status status = grow(made, look, bust, &scalp);
    stk_scalp_clear(&scalp);
    if (status == STK_OK)
        *hair = made;
    else
        stk_hair_free(&made);
    return status;
}

void stk_hair_free(stk_hair **hair) {
    if (!*hair) return;
    stk_surface_clear(&(*hair)->cap);
    stk_free((*hair)->cap_material.texture.colour.data);
    stk_strands_clear(&(*hair)->mane);
    stk_strands_clear(&(*hair)->fine);
    stk_brows_clear(&(*hair)->brows);
    stk_brows_clear(&(*hair)->lashes);
    stk_free(*hair);
    *hair = NULL;
}

stk_status stk_hair_add(stk_hair *hair, stk_actor *actor) {
    STK_TRY(stk_actor_add_surface(actor, &hair->cap));
    STK_TRY(stk_actor_add_strands(actor, &hair->mane));
    STK_TRY(stk_actor_add_strands(actor, &hair->fine));
    STK_TRY(stk_actor_add_strands(actor, &hair->brows.strands));
    return stk_actor_add_strands(actor, &hair->lashes.strands);
}

void stk_hair_follow(stk_hair *hair, const stk_bust *bust) {
    const stk_surface *skin = stk_bust_skin(bust);
    stk_brows_follow(&hair->brows, skin);
    stk_brows_follow(&hair->lashes, skin);
}
