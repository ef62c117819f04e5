/* contour.h - where round the face a person's seam is seen least: across smooth skin.
 *
 *   some frames, landmarks, labels -> for each of the oval's 36 points how far out, of the way from
 *   the oval's middle, the picture is smoothest -> one closed line
 */
#ifndef STK_PORTRAIT_SYNC_CONTOUR_H
#define STK_PORTRAIT_SYNC_CONTOUR_H

#include "base/types.h"

enum {
    STK_CONTOUR_POINTS = 36,
    STK_CONTOUR_STEPS = 7, /* candidates a point: 1, 1 - STK_CONTOUR_STEP ... */
};
#define STK_CONTOUR_STEP 0.04f

/* Sums over frames; zeroed by the caller. */
typedef struct stk_contour {
    double edge[STK_CONTOUR_POINTS][STK_CONTOUR_STEPS]; /* levels a pixel */
    int frames;
} stk_contour;

/* Adds a frame: landmarks [478][3] in px of the picture. */
void stk_contour_add(stk_contour *contour, const stk_image *rgb, const float (*landmarks)[3],
                     const stk_image *labels);
/* The line of the least edges that nowhere bends by more than a step from point to point; jaw and
 * chin, which move with the mouth, stay at 1. All 1 without frames. */
void stk_contour_finish(const stk_contour *contour, float share[STK_CONTOUR_POINTS]);
/* px of the oval's points brought to that line; share NULL: the oval itself. */
void stk_contour_points(const float (*landmarks)[3], const float *share,
                        float points[STK_CONTOUR_POINTS][2]);

#endif
