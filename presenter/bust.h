/* bust.h - head and neck of the presenter: skin, eyes, teeth, tongue, ears.
 *
 * The skin is a Loop subdivision surface over a control mesh: the 468 vertices of the canonical
 * face
 * (base/face_mesh.h), moved by identity modes, and rings of 36 vertices that go on from the face
 * oval like a bent tube, over skull, ears and throat down to the base of the neck (inside the
 * collar). Eye and mouth openings are holes; strips turn inwards from their borders, so that lids
 * and lips have thickness. Expression moves the control mesh (express.h); the fine vertices follow
 * by fixed sparse weights. Fine vertex k < 468 belongs to control vertex k, so landmarks are exact.
 */
#ifndef STK_PRESENTER_BUST_H
#define STK_PRESENTER_BUST_H

#include "presenter/look.h"
#include "presenter/scene.h"

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
/* The skin surface (for painting and for planting hair): fine mesh in its neutral state. */
const stk_surface *stk_bust_skin(const stk_bust *bust);
/* 1 where hair grows on the skull (0 .. 1, soft border), per fine vertex of the skin. */
const float *stk_bust_scalp(const stk_bust *bust);
/* The neck without head: shows (1) or hides the plug that closes the neck where the head was, and
 * hides or shows everything whose part is face, hair or ear (drawn by canvas' keep mask). */
void stk_bust_plug(stk_bust *bust, int shown);
/* Inner lips of the state last expressed: gap at the middle (landmarks 13, 14) and width (78,
 * 308), m. */
void stk_bust_mouth(const stk_bust *bust, float *opening_m, float *width_m);

#endif
