/* express_shapes.h - inside the expressions: the table of what each of them moves. */
#ifndef STK_PRESENTER_EXPRESS_SHAPES_H
#define STK_PRESENTER_EXPRESS_SHAPES_H

#include "base/types.h"

/* clang-format off */
/* Order of reference.md 8.1. "Left" is the person's left, positive x. */
typedef enum stk_shape {
    STK_BROW_DOWN_L, STK_BROW_DOWN_R, STK_BROW_INNER_UP, STK_BROW_OUTER_UP_L,
    STK_BROW_OUTER_UP_R, STK_CHEEK_PUFF, STK_CHEEK_SQUINT_L, STK_CHEEK_SQUINT_R,
    STK_EYE_BLINK_L, STK_EYE_BLINK_R, STK_EYE_LOOK_DOWN_L, STK_EYE_LOOK_DOWN_R,
    STK_EYE_LOOK_IN_L, STK_EYE_LOOK_IN_R, STK_EYE_LOOK_OUT_L, STK_EYE_LOOK_OUT_R,
    STK_EYE_LOOK_UP_L, STK_EYE_LOOK_UP_R, STK_EYE_SQUINT_L, STK_EYE_SQUINT_R,
    STK_EYE_WIDE_L, STK_EYE_WIDE_R, STK_JAW_FORWARD, STK_JAW_LEFT,
    STK_JAW_OPEN, STK_JAW_RIGHT, STK_MOUTH_CLOSE, STK_MOUTH_DIMPLE_L,
    STK_MOUTH_DIMPLE_R, STK_MOUTH_FROWN_L, STK_MOUTH_FROWN_R, STK_MOUTH_FUNNEL,
    STK_MOUTH_LEFT, STK_MOUTH_LOWER_DOWN_L, STK_MOUTH_LOWER_DOWN_R, STK_MOUTH_PRESS_L,
    STK_MOUTH_PRESS_R, STK_MOUTH_PUCKER, STK_MOUTH_RIGHT, STK_MOUTH_ROLL_LOWER,
    STK_MOUTH_ROLL_UPPER, STK_MOUTH_SHRUG_LOWER, STK_MOUTH_SHRUG_UPPER, STK_MOUTH_SMILE_L,
    STK_MOUTH_SMILE_R, STK_MOUTH_STRETCH_L, STK_MOUTH_STRETCH_R, STK_MOUTH_UPPER_UP_L,
    STK_MOUTH_UPPER_UP_R, STK_NOSE_SNEER_L, STK_NOSE_SNEER_R, STK_TONGUE_OUT,
} stk_shape;
/* clang-format on */

/* `landmark` moves by mm at value 1, on a face whose outer eye corners are as far apart as the
 * canonical one's. Rows are given for the picture's left half (the person's right). */
typedef struct stk_shape_pull {
    uint8_t shape;
    int16_t landmark;
    float mm[3];
} stk_shape_pull;
/* A landmark's share in the turn of the jaw. */
typedef struct stk_jaw_share {
    int16_t landmark;
    float share;
} stk_jaw_share;

enum {
    STK_LID_POINTS = 7,   /* of one lid, without the corners */
    STK_LID_RINGS = 3,    /* lid border, crease, next to the brow or cheek */
    STK_LIP_POINTS = 11,  /* of one lip's inner border, corners 0 and 10 */
    STK_OVAL_POINTS = 36, /* border of the face mesh */
};

extern const stk_shape_pull stk_shape_pulls[];
extern const int stk_shape_pull_count;
extern const stk_jaw_share stk_jaw_shares[];
extern const int stk_jaw_share_count;
/* The person's right eye, outer corner to inner. */
extern const int16_t stk_lid_upper[STK_LID_RINGS][STK_LID_POINTS];
extern const int16_t stk_lid_lower[STK_LID_RINGS][STK_LID_POINTS];
extern const int16_t stk_lid_corners[2];
/* Inner lip borders from the person's right to left; the corners are in both. */
extern const int16_t stk_lip_upper[STK_LIP_POINTS];
extern const int16_t stk_lip_lower[STK_LIP_POINTS];
extern const int16_t stk_face_oval[STK_OVAL_POINTS];

#endif
