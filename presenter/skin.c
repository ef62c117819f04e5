/* skin.c - fills the materials of a bust.
 *
 *   skin  side x side      painted over the fine mesh: pores, lips, lids, brows, scalp
 *   ears  side/4           the same skin, redder, over each ear's own surface
 *   eyes  side/2, teeth side/2, mouth side/4: painted in their own coordinates
 *
 * Textures hold reflectances in sRGB; materials multiply them by 1.
 */
#include "presenter/skin.h"

#include "presenter/skin_parts.h"

static stk_material *material_prepare(stk_bust *bust, stk_bust_material which,
                                      stk_material_kind kind, float specular) {
    stk_material *material = stk_bust_material_get(bust, which);
    material->kind = kind;
    material->specular = specular;
    material->roughness = 0.45f;
    for (int c = 0; c < 3; c++) material->rgb[c] = 1.0f;
    return material;
}

/* The first surface of the bust that shows this material, or NULL. */
static const stk_surface *surface_of(const stk_actor *actor, const stk_material *material) {
    for (int i = 0; i < actor->surfaces; i++) {
        if (actor->surface[i]->material == material) return actor->surface[i];
    }
    return NULL;
}

/* Skin without landmarks, with more blood: thin, and with light through it. */
static stk_status ear_paint(stk_bust *bust, const stk_look *look, int side, stk_pool *pool) {
    stk_actor actor = {.surfaces = 0};
    STK_TRY(stk_bust_add(bust, &actor));
    stk_material *ear = material_prepare(bust, STK_BUST_EAR, STK_MATERIAL_SKIN, 0.042f);
    const stk_surface *surface = surface_of(&actor, ear);
    if (surface == NULL) return STK_OK; /* ears are part of the skin */
    return stk_skin_paint_surface(surface, NULL, look, side, 0, pool, &ear->texture);
}

/* Very fair skin is drawn darker than measured, so that its highlights are not burnt. */
static stk_look look_expose(const stk_look *look) {
    stk_look shown = *look;
    float v = look->skin_rgb[0], factor = v > 0.55f ? (0.55f + 0.55f * (v - 0.55f)) / v : 1.0f;
    for (int c = 0; c < 3; c++) shown.skin_rgb[c] *= factor;
    return shown;
}

stk_status stk_skin_paint(stk_bust *bust, const stk_look *own, int side, stk_pool *pool) {
    if (side < 64 || side > 8192) {
        return stk_fail(STK_ERR_ARGUMENT, "skin of %d texels a side; 64 to 8192 are possible",
                        side);
    }
    const stk_look shown = look_expose(own), *look = &shown;
    stk_material *skin = material_prepare(bust, STK_BUST_SKIN, STK_MATERIAL_SKIN, 0.042f);
    stk_material *eye = material_prepare(bust, STK_BUST_EYE, STK_MATERIAL_WET, 0.035f);
    stk_material *teeth = material_prepare(bust, STK_BUST_TEETH, STK_MATERIAL_WET, 0.035f);
    stk_material *mouth = material_prepare(bust, STK_BUST_MOUTH, STK_MATERIAL_WET, 0.03f);
    stk_surface neutral = *stk_bust_skin(bust);
    neutral.rest = (float(*)[3])(uintptr_t)stk_bust_neutral(bust); /* only read */
    STK_TRY(stk_skin_paint_surface(&neutral, stk_bust_scalp(bust), look, side, 1, pool,
                                   &skin->texture));
    STK_TRY(ear_paint(bust, look, side / 4, pool));
    STK_TRY(stk_iris_paint(look, side / 2, STK_BUST_EYE_SPAN, STK_BUST_IRIS_ANGLE, pool,
                           &eye->texture));
    STK_TRY(stk_teeth_paint(look, side / 2, pool, &teeth->texture));
    return stk_mouth_paint(look, side / 4, pool, &mouth->texture);
}
