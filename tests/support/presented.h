/* presented.h - a clip of the built-in presenter, its truth, and the subject that `prepare` makes
 * of it; and how far the one is from the other.
 *
 * The clip must have 25 frames/s, so that frame i of the subject is frame i of the clip (asserted).
 */
#ifndef STK_TESTS_PRESENTED_H
#define STK_TESTS_PRESENTED_H

#include "base/file.h"
#include "base/types.h"
#include "presenter/presenter.h"
#include "subject/subject.h"

typedef struct presented {
    char clip[STK_PATH_MAX], truth[STK_PATH_MAX], folder[STK_PATH_MAX];
    stk_subject *subject;
    const stk_subject_info *info;
    int frames;
    float focal_px;                       /* of the clip */
    int side;                             /* of the clip's picture (square) */
    stk_pose *poses;                      /* truth [frames] */
    float (*landmarks)[STK_LANDMARKS][3]; /* truth, clip px */
    float (*mouth)[2];                    /* opening, width: m */
    float (*blendshapes)[STK_BLENDSHAPES];
} presented;

/* The weights' folder, or NULL when a subject cannot be prepared here. */
const char *presented_models(void);
/* Calls skip() with the reason then. */
void presented_need_models(void);
/* The same, and under a sanitizer: what runs through here has tests of its own there, on smaller
 * pictures. */
void presented_need_speed(void);
/* A square clip as `settings` say (paths are filled in), with its truth, and the place of a subject
 * in a temporary folder. The clip is kept for others who want the same: not to be changed. */
void presented_clip(presented *p, stk_presenter_settings settings);
/* The same without truth, which costs a third of the time. */
void presented_clip_alone(presented *p, stk_presenter_settings settings);
/* Reads the truth alone; presented_open does it, too. */
void presented_truth(presented *p);
/* Prepares it (with a picture as large as the clip's) and reads the truth. */
void presented_open(presented *p);
void presented_close(presented *p);

/* Rotation error, degrees: rms over the frames, and their median and 95th percentile. One rotation
 * common to all frames is taken out first: where the axes of the head point is not in the pictures,
 * and nothing that is rendered depends on it. */
double presented_rotation_error_deg(const presented *p, double *median, double *p95);
/* Depth error, per cent of depth: rms over the frames after the best common scale and origin shift.
 */
double presented_depth_error_percent(const presented *p);
/* Mean distance of the landmarks (contour left out) from the truth in px of the clip; and, in
 * *steady, the rms of what remains when each landmark's mean offset is taken out. */
double presented_landmark_error_px(const presented *p, double *steady);
/* Intersection over union over all frames of a subject's class (0 background, 1 head, 2 neck,
 * 3 torso) with the truth's. */
double presented_label_iou(const presented *p, int label);
/* That of the head's class with the true hair, where neither face nor ears truly are. */
double presented_hair_iou(const presented *p);
/* The parts of truth.json of a frame, [area] bytes of the clip's picture. */
void presented_parts(const presented *p, int frame, uint8_t *map, size_t area);
/* Pearson correlation of a captured blendshape with the truth's. */
double presented_blendshape_correlation(const presented *p, int index);
/* Gap of the inner lips (landmarks 13, 14) over the distance of the outer eye corners, as captured.
 */
void presented_captured_mouth(const presented *p, float *opening);
/* Which shift of b against a, in samples within +-reach, correlates best, parabola-refined:
 * positive when b is late. */
double presented_lag(const float *a, const float *b, int count, int reach);
double presented_correlation(const float *a, const float *b, int count);

#endif
