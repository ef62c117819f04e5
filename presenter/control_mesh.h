/* control_mesh.h - the control mesh of a bust: face, rings around it, and the identity modes. */
#ifndef STK_PRESENTER_CONTROL_MESH_H
#define STK_PRESENTER_CONTROL_MESH_H

#include "base/status.h"
#include "base/types.h"

enum {
    STK_CONTROL_RINGS = 13,   /* ring 0 is the face oval itself */
    STK_CONTROL_COLUMNS = 36, /* column 0: top of the forehead; 18: chin; 1..17 at -x */
    STK_CONTROL_VERTICES = STK_MESH_LANDMARKS + STK_CONTROL_RINGS * STK_CONTROL_COLUMNS,
    STK_CONTROL_HOLES = 18 + 2 * 14, /* triangles taken out of the face mesh */
    STK_CONTROL_TRIANGLES = 898 - STK_CONTROL_HOLES + 2 * STK_CONTROL_RINGS * STK_CONTROL_COLUMNS,
    STK_LIP_LOOP = 20,
    STK_LID_LOOP = 16
};

/* Inner lips and lids, vertices of the face mesh in order: from the corner of
 * the picture's left over the upper side to the other corner and back below. */
extern const int16_t stk_lip_loop[STK_LIP_LOOP];
extern const int16_t stk_lid_loop[2][STK_LID_LOOP]; /* person's right (picture left), left */

typedef struct stk_control_mesh {
    float position[STK_CONTROL_VERTICES][3]; /* this identity, m */
    float average[STK_CONTROL_VERTICES][3];  /* all modes zero: the place of a vertex on any head */
    float uv[STK_CONTROL_VERTICES][2];
    float ring[STK_CONTROL_VERTICES];     /* 0 in the face and on its oval, 13 at the neck's base */
    uint8_t corner[STK_CONTROL_VERTICES]; /* border vertices that subdivision leaves in place */
    int32_t triangle[STK_CONTROL_TRIANGLES][3];
    int oval[STK_CONTROL_COLUMNS];
} stk_control_mesh;

/* shape: STK_LOOK_MODES numbers; asymmetry: size of the crookedness, 1 = that of `seed`'s person,
 * 0 = none. */
stk_status stk_control_mesh_build(stk_control_mesh *mesh, const float *shape, float asymmetry,
                                  int seed);

/* Border of a mesh through `start`, in the direction of the triangles' edges. Returns the number of
 * vertices (start first), or 0 when start is not on a border or the border exceeds `most`. */
int stk_mesh_border(const int32_t (*triangle)[3], int triangles, int vertices, int start,
                    int32_t *loop, int most);

#endif
