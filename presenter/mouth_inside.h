/* mouth_inside.h - what is behind the lips: teeth, gums, tongue, the dark wall of the mouth. */
#ifndef STK_PRESENTER_MOUTH_INSIDE_H
#define STK_PRESENTER_MOUTH_INSIDE_H

#include "presenter/express.h"

/* Inner lip border of the fine skin, from the picture's left corner over the upper lip to the other
 * corner, back along the lower lip. */
enum { STK_LIP_FINE = 80 };

typedef struct stk_mouth_inside {
    stk_surface teeth;           /* upper row, then lower */
    stk_surface flesh;           /* wall, then tongue */
    float (*teeth_neutral)[3];   /* owned */
    float (*tongue_neutral)[3];  /* owned */
    float middle[3], half_width; /* where the lips meet, half the width between the corners */
} stk_mouth_inside;

/* border: lip border in neutral (lips closed), from which the size is taken. Materials borrowed. */
stk_status stk_mouth_inside_init(stk_mouth_inside *mouth, const float (*border)[3],
                                 stk_material *teeth, stk_material *flesh);
void stk_mouth_inside_clear(stk_mouth_inside *mouth);
/* jaw: motion of the lower jaw; border: lips now; inner: the last ring of the lips' inner side. */
void stk_mouth_inside_set(stk_mouth_inside *mouth, const stk_pose *jaw, float tongue_out,
                          const float (*border)[3], const float (*inner)[3]);

#endif
