/* face_graphs.h - inside face_sync: the three networks behind face capture, each with its pre- and
 * postprocessing. Coordinates are px of the picture given (pixel centres at +0.5).
 *
 *   stk_face_detector    square window of the picture -> 128x128 -> boxes with six key points
 *   stk_face_mesh        rotated square (stk_face_roi) -> 256x256 -> 478 landmarks, presence
 *   stk_face_expression  146 of them -> 52 coefficients
 */
#ifndef STK_FACE_SYNC_FACE_GRAPHS_H
#define STK_FACE_SYNC_FACE_GRAPHS_H

#include "base/status.h"
#include "base/types.h"
#include "tflite/tflite.h"

enum { STK_FACE_KEYPOINTS = 6, STK_FACE_MAX_DETECTIONS = 32 };

/* key points: right eye, left eye (the person's), nose tip, mouth, right ear, left ear. */
typedef struct stk_detection {
    float box[4]; /* x0 y0 x1 y1 */
    float point[STK_FACE_KEYPOINTS][2];
    float score;
} stk_detection;

/* A square of side size_px round (cx, cy), turned by angle_rad (positive: clockwise on screen). */
typedef struct stk_face_roi {
    float cx_px, cy_px, size_px, angle_rad;
} stk_face_roi;

/* Samples a region into target [n][n][3] = v * scale + shift, v in 0..255; bilinear, averaged over
 * up to 4x4 points per target pixel when shrinking. border_zero: outside is black, else
 * replicated. */
void stk_face_crop(float *target, int n, const stk_image *rgb, const stk_face_roi *roi,
                   float scale, float shift, int border_zero);

/* --- detector.c ------------------------------------------------------------------------------- */
typedef struct stk_face_detector {
    stk_tflite *graph;
    stk_tflite_tensor input, boxes, scores;
} stk_face_detector;

/* Takes over `graph` whatever happens. Checks that it is the 128x128, 896-anchor network. */
stk_status stk_face_detector_init(stk_face_detector *detector, stk_tflite *graph);
void stk_face_detector_clear(stk_face_detector *detector);
/* Faces of the whole picture, and, when there are none, of smaller windows of it; largest first. */
stk_status stk_face_detector_run(stk_face_detector *detector, const stk_image *rgb,
                                 stk_detection detections[STK_FACE_MAX_DETECTIONS], int *count);

/* --- landmark.c ------------------------------------------------------------------------------- */
typedef struct stk_face_mesh {
    stk_tflite *graph;
    stk_tflite_tensor input, points, presence;
    int side, count; /* 256 and 478, or 192 and 468 */
} stk_face_mesh;

stk_status stk_face_mesh_init(stk_face_mesh *mesh, stk_tflite *graph);
void stk_face_mesh_clear(stk_face_mesh *mesh);
stk_status stk_face_mesh_run(stk_face_mesh *mesh, const stk_image *rgb, const stk_face_roi *roi,
                             stk_landmarks *landmarks);
/* Where to look for the landmarks of a detected face; of a face with known landmarks. */
stk_face_roi stk_face_roi_from_detection(const stk_detection *detection);
stk_face_roi stk_face_roi_from_landmarks(const stk_landmarks *landmarks);
/* x0 y0 x1 y1 of all points. */
void stk_face_landmark_box(const stk_landmarks *landmarks, float box[4]);

/* --- blendshapes.c ---------------------------------------------------------------------------- */
typedef struct stk_face_expression {
    stk_tflite *graph; /* NULL: computed from distances between landmarks */
    stk_tflite_tensor input, output;
} stk_face_expression;

stk_status stk_face_expression_init(stk_face_expression *expression, stk_tflite *graph);
void stk_face_expression_clear(stk_face_expression *expression);
stk_status stk_face_expression_run(stk_face_expression *expression, const stk_landmarks *landmarks,
                                   float blendshapes[STK_BLENDSHAPES]);

#endif
