/* face_mesh.h - the canonical face: the neutral mesh that landmark networks and models agree on.
 *
 * Vertex k is landmark k of the face mesh network. Positions: metres, head frame (base/types.h).
 * Texture: u to the picture's right, v down, in [0, 1]. Triangles: counter-clockwise seen from
 * outside. The mesh is a disc; its border is the face oval. Mouth and eyes are closed by triangles.
 */
#ifndef STK_BASE_FACE_MESH_H
#define STK_BASE_FACE_MESH_H

#include "base/types.h"

enum { STK_MESH_TRIANGLES = 898 };

const float (*stk_canonical_face(void))[3];        /* [468][3] */
const float (*stk_face_mesh_texture(void))[2];     /* [468][2] */
const int16_t (*stk_face_mesh_triangles(void))[3]; /* [898][3] */

/* The five points of an iris, first .. first + 4 of landmarks [478][3], from the mesh alone: the
 * middle of the eye's corners a and b, and a ring of the given radius (upright, whatever the roll).
 * Eyes: right 468 (33, 133), left 473 (362, 263). */
void stk_face_mesh_iris(float (*landmarks)[3], int first, int a, int b, float radius);

enum { STK_POINTS_68 = 68 };
/* The mesh vertex that stands for each of the 68 points (0-16 jaw, 17-26 brows, 27-35 nose, 36-47
 * eyes, 48-67 mouth). */
extern const int16_t stk_mesh_of_68[STK_POINTS_68];

#endif
