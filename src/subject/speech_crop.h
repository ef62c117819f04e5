/* speech_crop.h - where in the picture the crop of each frame lies; private to speech.
 *
 *   landmarks -> eye corners and bridge of the nose -> similarity to the canonical face: turn,
 *   scale, place --smoothed within a take--> square whose row 68 of 96 is the mouth
 *
 * Lips take no part in where the square lies; how far the mouth is from where the canonical face
 * has it (nodding) is followed slowly only. So the lips move in the crop, not the crop with them.
 */
#ifndef STK_SUBJECT_SPEECH_CROP_H
#define STK_SUBJECT_SPEECH_CROP_H

#include "face_sync/face_graphs.h"

typedef struct stk_speech_look { /* of one frame */
    double anchor[2];            /* px: middle of the anchors */
    double scale_log, angle_rad; /* px a metre of the canonical face; positive: clockwise */
    double mouth[2];             /* middle of the lips' corners less where the similarity has
                                     * it, in canonical metres (x right, y down) */
    float opening;               /* gap between the lips / width of the mouth */
    float box[4];                /* px: all landmarks */
    float moved;                 /* since the frame before, in face widths; < 0: unknown */
    uint8_t found, usable;       /* a face; one that is large enough and seen from the front */
    stk_face_roi crop;           /* size 0: nothing near */
    stk_face_roi face;           /* upright square that the active speaker looks at */
} stk_speech_look;

void stk_speech_look_take(stk_speech_look *look, const stk_landmarks *landmarks);
/* Fills crop and face of all frames: smoothed over the frames of the same take. */
void stk_speech_crops_place(stk_speech_look *looks, const int32_t *take, int frames);

#endif
