/* points_internal.h - the head points tracker's state, shared by its files, private to them:
 *
 *   points_tracker.c   frames in, tracks out
 *   points_pyramid.c   grey pictures of three sizes
 *   points_predict.c   where the landmarks say that points are
 *   points_follow.c    points found again, lost, hidden, ended
 *   points_keys.c      new points
 */
#ifndef STK_HEAD_SYNC_POINTS_INTERNAL_H
#define STK_HEAD_SYNC_POINTS_INTERNAL_H

#include "head_sync/head_shape.h"
#include "head_sync/points_patch.h"
#include "head_sync/points_pick.h"
#include "head_sync/points_tracker.h"

enum {
    POINTS_LEVELS = 3,
    POINTS_KEY_LEAST = 6,  /* frames between picks; doubled after each that found little */
    POINTS_LOST_MOST = 12, /* frames for which a point that is not found is kept */
};

typedef struct tracked_point {
    stk_patch fine, mid, coarse;   /* of the anchor frame, levels 0, 1, 2 */
    float solve[3][STK_RIGID_MAX]; /* landmarks -> row of the affine map about `anchor` */
    float anchor[2], offset[2];    /* px */
    float predicted[2], linear[4]; /* this frame */
    float before[2];               /* the last frame's prediction, without the offset */
    float warp[6];                 /* as last found */
    float seen_linear[4];          /* predicted then */
    float weight, rigidity;        /* weight: of this frame; 0 = not found */
    int32_t id;
    int lost;   /* frames since it was found */
    int life;   /* frames in which it was found */
    int hidden; /* what is_hidden said when it was lost for LOST_MOST frames */
    int slot;   /* of the flow's key frame that is its anchor frame; -1 = none */
} tracked_point;

typedef struct points_pyramid {
    uint16_t *data[POINTS_LEVELS];
    stk_lk_plane planes[POINTS_LEVELS];
} points_pyramid;

struct stk_points_tracker {
    int width, height, frames, alive, next; /* next: frame to come */
    stk_pool *pool;
    const int32_t *take; /* [frames] or NULL */
    stk_lk_kernels kernels;
    stk_head_shape shape;
    stk_picker picker;
    points_pyramid pyramids[2], *now, *past;
    uint16_t *grey; /* [height][width], before smoothing */
    const stk_image *rgb;
    int level;                     /* being made */
    tracked_point *slots, **order; /* [alive]; order: by rising id, then the free ones */
    int count;
    stk_taken *taken; /* [alive] */
    float rigid_px[STK_RIGID_MAX][2], last_px[STK_RIGID_MAX][2], key_px[STK_RIGID_MAX][2];
    float size_px, size_sum; /* of the face: rms distance of the rigid landmarks, doubled */
    int faces;               /* frames with one */
    int key_wait;            /* frames before the next pick */
    int last_face, key;      /* frames; -1 = none */
    int seen, past_seen;     /* points */
    stk_points_flow *flow;
    int flow_now; /* it has looked at this frame */
    stk_tracks tracks;
    float (*head)[3]; /* [points] */
    uint8_t *went;    /* [points] 1: of something that passed before the head */
    int64_t observations;
    int points_room;
    stk_points_figures figures;
};

/* points_pyramid.c */
int stk_points_pyramid_init(points_pyramid *pyramid, int width, int height);
/* Of the frame, into t->now. */
void stk_points_pyramid_make(stk_points_tracker *t, const stk_image *rgb);
/* Mean absolute difference of the smallest level from the last frame's, grey levels. */
float stk_points_picture_change(const stk_points_tracker *t);

/* points_predict.c */
/* Reads the rigid landmarks; returns 0 when they are no numbers or span nothing. */
int stk_points_read_face(stk_points_tracker *t, const float (*landmarks)[3]);
typedef struct face_change {
    float shift, scale, outline; /* of the centre, in face sizes; factor; rms that a similarity
                                  * leaves, in face sizes */
} face_change;
/* Best similarity from one set of rigid landmarks to another, and what it leaves. */
face_change stk_points_face_change(const stk_points_tracker *t, const float (*from)[2],
                                   const float (*to)[2]);
/* Rows that turn the rigid landmarks of any frame into the affine map about the anchor: weighted
 * least squares over the landmarks around it. Returns 0 when they lie on a line. */
int stk_points_prepare_prediction(const stk_points_tracker *t, tracked_point *p);
void stk_points_predict(const stk_points_tracker *t, tracked_point *p);

/* points_follow.c */
/* Every point in this frame; what is found becomes observations. */
void stk_points_follow(stk_points_tracker *t, int frame);
/* A frame without a face. */
void stk_points_skip(stk_points_tracker *t);
/* Whether something is in front of a point: it is not found though the skin is seen from where it
 * was when it was found last (a place that has turned away looks different), and a quarter of those
 * around it are not found either (one alone may be a wrinkle), but a quarter of all are. */
int stk_points_is_hidden(const stk_points_tracker *t, const tracked_point *p);
/* Looked for in vain since it was hidden, and seen for a short time before: not the head was hidden
 * then, but something before it went away. */
void stk_points_judge_end(stk_points_tracker *t, const tracked_point *p);
void stk_points_end(stk_points_tracker *t, int k);

/* points_keys.c */
int stk_points_wanted(const stk_points_tracker *t, int frame);
void stk_points_pick(stk_points_tracker *t, int frame, const float (*landmarks)[3],
                     const stk_image *mask);

#endif
