/* bust_private.h - what the files of the bust share. */
#ifndef STK_PRESENTER_BUST_PRIVATE_H
#define STK_PRESENTER_BUST_PRIVATE_H

#include "presenter/bust.h"
#include "presenter/control_mesh.h"
#include "presenter/ears.h"
#include "presenter/express.h"
#include "presenter/eyes.h"
#include "presenter/mouth_inside.h"
#include "presenter/subdivide.h"

enum {
    STK_LID_STRIPS = 3, /* rings that turn inwards from a lid's border */
    STK_LIP_STRIPS = 4,
    STK_STRIP_VERTICES = 2 * STK_LID_FINE * STK_LID_STRIPS + STK_LIP_FINE * STK_LIP_STRIPS,
    STK_STRIP_TRIANGLES = 2 * STK_STRIP_VERTICES,
};

struct stk_bust {
    stk_look look;
    stk_material material[STK_BUST_MATERIALS];
    stk_control_mesh mesh;
    stk_subdivision sub;
    stk_surface skin, plug;
    stk_eyes eyes;
    stk_mouth_inside mouth;
    stk_ears ears;
    stk_express *express;
    float (*control)[3];  /* [STK_CONTROL_VERTICES] as expressed last */
    float (*neutral)[3];  /* [skin.vertices] */
    float (*average)[3];  /* [sub.vertices] */
    float *scalp;         /* [skin.vertices] */
    int32_t *near_eye[2]; /* fine vertices that an eyeball may touch */
    int near_eye_count[2];
    float plug_cut[STK_CONTROL_COLUMNS]; /* ring at which the plug leaves the skin */
    int32_t *beheaded;                   /* triangles of the neck that go with the head */
    int beheaded_count;
    int32_t lid[2][STK_LID_FINE], lip[STK_LIP_FINE];
};

/* bind, part and scalp of a fine skin vertex from its place on the average head. */
float stk_bust_bind_at(const float average[3]);
float stk_bust_scalp_at(const float average[3], int woman, float recess);
/* Part of the skin between the face and the neck's base. */
stk_part stk_bust_part_at(const float average[3], float scalp, float ring);
/* The neck's end where the head was: bust_plug.c. After the first expression. */
stk_status stk_bust_plug_make(stk_bust *bust);

#endif
