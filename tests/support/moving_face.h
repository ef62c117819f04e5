/* moving_face.h - pictures of a textured face whose every point's motion is known.
 *
 * A flat texture (a sum of sines, so exact at any place) carries the canonical face's landmarks and
 * moves by an affine map; gain, noise, a rectangle that passes over it ("hand"), and landmark noise
 * can be added.
 */
#ifndef STK_TESTS_MOVING_FACE_H
#define STK_TESTS_MOVING_FACE_H

#include "base/types.h"

enum { MOVING_FACE_WAVES = 48 };

typedef struct moving_face {
    int size;                             /* size x size px */
    uint64_t seed;                        /* of the texture and of all noise */
    float noise;                          /* standard deviation, grey levels */
    float landmark_px;                    /* standard deviation of each landmark */
    float speed;                          /* 1: a lively speaker */
    float flicker;                        /* gain 1 +- this much, and an offset of 20 times it */
    int hand_from, hand_to;               /* frames; a textured rectangle crosses the face */
    int hand_stays;                       /* 1: or stays before the nose */
    int cut;                              /* frame at which texture and place change; 0 = never */
    float waves[2][MOVING_FACE_WAVES][4]; /* kx, ky rad/px, phase, height; before and after the cut;
                                           * made by moving_face_start */
} moving_face;

void moving_face_start(moving_face *face);
/* Texture px -> picture px of a frame, row-major 2x3. */
void moving_face_map(const moving_face *face, int frame, double m[6]);
/* RGB into image (size x size) and the landmarks of the frame. */
void moving_face_draw(const moving_face *face, int frame, stk_image *image,
                      float landmarks[STK_LANDMARKS][3]);
/* Where the hand lies; 0 when it is not there. */
int moving_face_hand(const moving_face *face, int frame, stk_rect *rect);
/* Distance of a place seen in `frame` from where what was at anchor_px in frame `anchor` is. */
double moving_face_error(const moving_face *face, int anchor, const float anchor_px[2], int frame,
                         float x_px, float y_px);

#endif
