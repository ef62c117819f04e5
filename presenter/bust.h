/* bust.h - head and neck of the presenter: skin, eyes, teeth, tongue, ears.
 *
 * The skin is a Loop subdivision surface over a control mesh: the 468 vertices of the canonical
 * face (base/face_mesh.h), moved by identity modes, and rings of 36 vertices that go on from the
 * face oval like a bent tube, over skull and throat down to the base of the neck (inside the
 * collar). Eye and mouth openings are holes; strips turn inwards from their borders, so that lids
 * and lips have thickness. Expression moves the control mesh (express.h); the fine vertices follow
 * by fixed sparse weights. Fine vertex k < 468 belongs to control vertex k, so landmarks are exact.
 */
#ifndef STK_PRESENTER_BUST_H
#define STK_PRESENTER_BUST_H

#include "presenter/look.h"
#include "presenter/scene.h"

/* Where texture lies, uv in [0, 1], v down:
 *   skin   injective. The face mesh' texture coordinates t about the middle: uv = 0.5 +
 *          0.64 (t - (0.5, 0.5307)); the rings outside of its oval are concentric, out to a circle
 *          of radius 0.49 (neck's base). The strips behind lids and lips lie in the openings.
 *          Around the mouth v is opened by up to +-0.016 for them.
 *   eye    both eyes alike: 0.5 + 0.5 (angle from the optical axis / STK_BUST_EYE_SPAN) (cos a,
 *          -sin a); a = 0 to the picture's right. The iris ends at STK_BUST_IRIS_ANGLE.
 *   teeth  u along the row from the picture's left to right (14 teeth, a fourteenth each, middle
 *          at 0.5). Upper row v = 0.02 .. 0.48: 0.02-0.12 tongue's side and edge, 0.12-0.30 crown,
 *          gum from 0.305 (neck of the teeth, 0.30 at the middle of a tooth) to 0.48. Lower row the
 *          same with 1 - v.
 *   mouth  wall: centre (0.5, 0.25), radii 0.48 x 0.24, the lips' inner side at the rim, throat at
 *          the centre; tongue: u 0.02 .. 0.98 across, v 0.52 (tip) .. 0.98 (root).
 *   ear    both alike, see ears.c: polar about the ear canal.
 */
#define STK_BUST_EYE_SPAN 1.70f   /* rad */
#define STK_BUST_IRIS_ANGLE 0.48f /* rad: 5.7 mm on a globe of 12.3 */

typedef struct stk_bust stk_bust;

/* Materials of the bust; makers of textures fill them (skin.h). */
typedef enum stk_bust_material {
    STK_BUST_SKIN,
    STK_BUST_EYE,
    STK_BUST_TEETH,
    STK_BUST_MOUTH,
    STK_BUST_EAR,
    STK_BUST_MATERIALS
} stk_bust_material;

/* What the face does in one frame. */
typedef struct stk_face_state {
    float shapes[STK_BLENDSHAPES]; /* 0 .. 1, order of reference.md 8.1 (subject.h's) */
} stk_face_state;
/* Gaze is in the shapes: eyeLook{Down,In,Out,Up}{Left,Right}; 1 = 30 degrees. "Left" is the
 * person's left, at the picture's right. */

stk_status stk_bust_create(stk_bust **bust, const stk_look *look);
void stk_bust_free(stk_bust **bust);
stk_material *stk_bust_material_get(stk_bust *bust, stk_bust_material which);
/* Adds the surfaces to an actor, which borrows them. */
stk_status stk_bust_add(stk_bust *bust, stk_actor *actor);
/* Sets every surface's rest positions and shade for this state. */
void stk_bust_express(stk_bust *bust, const stk_face_state *state);
/* The 478 landmarks of the state last expressed, rest (= head) frame, m: 468 mesh vertices as they
 * lie on the drawn surface, then iris centre and four border points of the person's right (468-472)
 * and left (473-477) eye, order of the mesh with attention. */
void stk_bust_landmarks(const stk_bust *bust, float head[STK_LANDMARKS][3]);
/* The skin surface (for painting and for planting hair): neutral until the first expression. */
const stk_surface *stk_bust_skin(const stk_bust *bust);
/* Its positions in the neutral state, [vertices of the skin][3], whatever is expressed now. */
const float (*stk_bust_neutral(const stk_bust *bust))[3];
/* 1 where hair grows on the skull (0 .. 1, soft border), per fine vertex of the skin. */
const float *stk_bust_scalp(const stk_bust *bust);
/* For the neck without head: shows (1) or hides (0) the plug that closes the neck where the head
 * was, as the skin is expressed now; meanwhile the neck's skin above it counts as face. Face, hair
 * and ears are left out by the canvas' keep mask. */
void stk_bust_plug(stk_bust *bust, int shown);
/* Inner lips of the state last expressed: gap at the middle (landmarks 13, 14) and width (78,
 * 308), m. */
void stk_bust_mouth(const stk_bust *bust, float *opening_m, float *width_m);

#endif
