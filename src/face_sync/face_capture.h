/* face_capture.h - Facial animation capturer ([SyncTalk] 3.1, reference.md 8): per frame the face
 * rectangle, 478 landmarks and 52 blendshapes, by running the graphs of face_landmarker.task.
 *
 *   picture -> detector 128x128 (896 anchors, NMS) -> rotated crop -> landmarks 256x256 -> 146 of
 * them
 *           -> blendshapes. While a face is followed, the crop comes from the previous landmarks.
 *
 * Without face_landmarker.task the 468-point graph (face_landmark_468.tflite + the short-range
 * detector) is used and the seven expression numbers are computed from landmarks;
 * stk_face_capture_mode says which. One thread per handle.
 */
#ifndef STK_FACE_SYNC_FACE_CAPTURE_H
#define STK_FACE_SYNC_FACE_CAPTURE_H

#include "base/status.h"
#include "base/types.h"

typedef struct stk_face_capture stk_face_capture;

typedef struct stk_face {
    stk_landmarks landmarks;            /* px of the picture given */
    float blendshapes[STK_BLENDSHAPES]; /* reference.md 8.1 order, [0,1]; tongueOut 0 */
    float box[4];                       /* x0 y0 x1 y1 px of the landmarks */
    float score;                        /* presence */
} stk_face;

/* models: folder or NULL (nn/weights.h). STK_ERR_WEIGHTS when no usable graph is found. */
stk_status stk_face_capture_create(stk_face_capture **capture, const char *models);
void stk_face_capture_free(stk_face_capture **capture);
/* "face_landmarker.task" or "face_landmark_468 (expression from landmarks)". */
const char *stk_face_capture_mode(const stk_face_capture *capture);
/* Forgets the followed face (at a cut, or for single pictures). */
void stk_face_capture_reset(stk_face_capture *capture);
/* Follows (or finds) the largest face. *found = 0 when there is none; that is not an error. */
stk_status stk_face_capture_frame(stk_face_capture *capture, const stk_image *rgb, stk_face *face,
                                  int *found);
/* Detector, each box confirmed by the mesh (the detector alone takes a shelf for a face now and
 * then): up to max boxes (x0 y0 x1 y1 px, score) sorted by size; *count faces. */
stk_status stk_face_capture_detect(stk_face_capture *capture, const stk_image *rgb,
                                   float (*boxes)[5], int max, int *count);
/* Savitzky-Golay smoothing of one coefficient's track, window 5, order 3, ends fitted (scipy
 * "interp"), reference.md 8.1. In place; n >= 1 (fewer than 5 rows are left as they are). stride in
 * floats. */
void stk_blendshapes_smooth(float *track, int n, int stride);
/* The published selection "upper" (columns 0-4, 8, 9) of one row. */
void stk_expression_select(const float blendshapes[STK_BLENDSHAPES],
                           float expression[STK_EXPRESSIONS]);

#endif
