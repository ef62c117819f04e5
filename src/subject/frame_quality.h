/* frame_quality.h - which frames are hard to follow, why, and how much they count.
 *
 *   picture -> sharpness and look of the face \
 *   tracks  -> share of the points not seen    > per frame: reasons, weight 1, 0.3, 0.09 ...
 *   poses   -> how far the head is turned      |   -> observations of bundle adjustment
 *   mesh    -> how well the landmarks fit     /    -> ranges in the report
 *
 * Everything is compared with what is usual around the frame, so that a soft clip is not blurred
 * throughout.
 */
#ifndef STK_SUBJECT_FRAME_QUALITY_H
#define STK_SUBJECT_FRAME_QUALITY_H

#include "subject/prepare.h"

#include "head_sync/bundle.h"
#include "head_sync/tracks.h"

enum { /* bits */
       STK_HARD_NO_FACE = 1,
       STK_HARD_TURNED = 2, /* towards profile */
       STK_HARD_HIDDEN = 4, /* the face looks unlike itself: something is before it */
       STK_HARD_LOST = 8,   /* most points are not found */
       STK_HARD_BLURRED = 16,
       STK_HARD_MISFIT = 32, /* the mesh does not fit the landmarks: a grimace, a hand */
       STK_HARD_REASONS = 6,
};

enum { STK_FACE_SIDE = 16, STK_FACE_PIXELS = STK_FACE_SIDE * STK_FACE_SIDE };

typedef struct stk_frame_quality {
    int frames;
    float *sharpness; /* [frames] mean |Laplacian| of the face patch over its contrast */
    float *strange;   /* [frames] how unlike its face is to the clip's mean face */
    uint8_t (*face)[STK_FACE_PIXELS]; /* [frames] small grey pictures, until judged */
    float *turn_deg;                  /* [frames] between the face's axis and the line of sight */
    float *seen;                      /* [frames] points seen over those usual around */
    float *error_px;       /* [frames] median of the points after adjustment, -1 without */
    float *weight;         /* [frames] 0..1 */
    uint8_t *reasons;      /* [frames] bits */
    float turn_range_deg;  /* of the whole clip */
    int shown;             /* first frames, whose points are kept for the overlay */
    int64_t *first;        /* [shown + 1] into the places */
    float (*places_px)[2]; /* followed points as seen; those that were kept */
    int64_t places;
} stk_frame_quality; /* all owned */

stk_status stk_frame_quality_init(stk_frame_quality *quality, int frames);
void stk_frame_quality_clear(stk_frame_quality *quality);
/* The picture of a frame; points [468][3]: its face mesh, px. */
void stk_frame_quality_look(stk_frame_quality *quality, int frame, const stk_image *rgb,
                            const float (*points)[3]);
/* Reasons and weights, once all was looked at. */
stk_status stk_frame_quality_judge(stk_frame_quality *quality, const stk_face_table *faces,
                                   const stk_pose_table *poses, const stk_tracks *tracks);
/* The observations of hard frames count less. */
void stk_frame_quality_weigh(const stk_frame_quality *quality, stk_tracks *tracks);
/* What adjustment left: error_px, and the places for the overlay. */
stk_status stk_frame_quality_measure(stk_frame_quality *quality, const stk_tracks *tracks,
                                     const stk_bundle *bundle);
/* "frames_hard", "turn_range_deg", and "hard_frames": [first, last, reason] for each range. */
void stk_frame_quality_figures(const stk_frame_quality *quality, cJSON *figures);

/* "hidden, blurred"; "" for none. */
void stk_frame_reasons_text(int reasons, char *text, size_t size);

/* cache/quality.safetensors; read it owned by the caller, cleared on failure as well. */
stk_status stk_frame_quality_write(const stk_frame_quality *quality, const stk_prepare *prepare);
stk_status stk_frame_quality_read(const stk_prepare *prepare, stk_frame_quality *quality);

#endif
