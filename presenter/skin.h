/* skin.h - paints the bust: skin with pores, lips, brows, shadows of stubble; iris; teeth; tongue.
 *
 * Colour and detail of a texel come from procedural noise over its rest position and from the
 * distance to features of the face mesh (lip, lid and brow landmarks). Baked once.
 */
#ifndef STK_PRESENTER_SKIN_H
#define STK_PRESENTER_SKIN_H

#include "base/pool.h"
#include "presenter/bust.h"

/* Fills the materials of the bust (textures owned by the materials, freed with the bust). `side` of
 * the skin texture, 1024 for pictures of 512. */
stk_status stk_skin_paint(stk_bust *bust, const stk_look *look, int side, stk_pool *pool);

/* How far brow hairs root below the place between the brow's landmarks where they are to end, in
 * parts of the landmarks' distance; along: 0 the inner end .. 1 the tail. Hairs grow upwards, most
 * at the inner end: so finished brows lie between the landmarks, and hardly arched. */
float stk_brow_drop(float along);

#endif
