/* express_lids.h - inside the expressions: lids that slide over the eyeball. */
#ifndef STK_PRESENTER_EXPRESS_LIDS_H
#define STK_PRESENTER_EXPRESS_LIDS_H

#include "presenter/express.h"
#include "presenter/express_shapes.h"

/* One column of an eye: the upper and lower border points that meet when it closes, and the skin
 * above and below. Directions are seen from the globe's centre. */
typedef struct stk_lid_column {
    int16_t upper[STK_LID_RINGS], lower[STK_LID_RINGS];
    float from[3], side[3]; /* unit: lower border; in the plane towards the upper, normal to it */
    float axis[3];          /* from x side: positive turns lift */
    float angle;            /* lower to upper border, rad */
    float radius[2];        /* of lower and upper border, m */
    float closed;           /* of both where they meet, m */
} stk_lid_column;

typedef struct stk_lids {
    float centre[3], radius;
    stk_lid_column column[STK_LID_POINTS];
} stk_lids;

/* `mirror` [468] maps the landmark numbers of the person's right eye; identity for that one. */
void stk_lids_init(stk_lids *lids, const float (*neutral)[3], const stk_eye_globe *globe,
                   const int16_t *mirror);
/* left: 0 or 1, which columns of the state count. Moves border and rings; nothing at zero. */
void stk_lids_apply(const stk_lids *lids, const float shapes[STK_BLENDSHAPES], int left,
                    float (*moved)[3]);

#endif
