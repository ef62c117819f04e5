/* portrait.h - portrait mode: a model's face rendered into the source's own frames, which keep
 * their hair, ears, neck and background (Portrait-Sync Generator, portrait_sync/portrait.h).
 *
 *   subject: frame k, landmarks, labels -> picture behind, where the mask can come, columns that
 *                                          rays are needed for                stk_portrait_mask
 *   what was rendered there -> mask, the frame's light, what stands before the face    _fit
 *   steadied from frame to frame                                                       _follow
 *   -> the picture's colours and the mask as they are pasted                           _settle
 *
 * Published: the mask of reference.md 6.2 from the first step on, and nothing else.
 */
#ifndef STK_RENDER_PORTRAIT_H
#define STK_RENDER_PORTRAIT_H

#include "portrait_sync/fit.h"
#include "render/model.h"
#include "subject/subject.h"

typedef struct stk_portrait_source stk_portrait_source;

/* One source frame at the output's size. */
typedef struct stk_portrait_frame {
    stk_image frame;  /* RGB */
    stk_image mask;   /* 1 channel, 255 in the face */
    int (*spans)[2];  /* [height], of stk_frame_request: the mask and what interpolation reaches */
    stk_rect rect;    /* of them all; empty in a frame without a face */
    stk_image labels; /* of the subject's size */
    float *scratch;   /* of stk_face_mask: the shape */
    uint8_t *known;   /* [STK_CELLS^2] cells that the face's usual looks call hidden */
    stk_fit fit;
    int follows;     /* 1: on its neighbour in the clip, within a take */
    int16_t *shifts; /* of stk_fit_apply */
} stk_portrait_frame;

/* STK_ERR_MISMATCH with both names when the model was trained on another subject. */
stk_status stk_model_check_subject(const stk_model *model, const char *model_path,
                                   const stk_subject *subject, const char *subject_path);

/* subject: borrowed, must outlive the source. Looks at some of its frames for the line along which
 * the seam is seen least, and for what its face usually looks like, unless published. */
stk_status stk_portrait_open(stk_portrait_source **source, const stk_subject *subject,
                             int published);
void stk_portrait_close(stk_portrait_source **source);
/* For pictures of this size. */
stk_status stk_portrait_frame_init(stk_portrait_frame *frame, const stk_portrait_source *source,
                                   int width, int height);
void stk_portrait_frame_clear(stk_portrait_frame *frame);
/* Source frame k decoded into frame->frame. One thread at a time. */
stk_status stk_portrait_read(stk_portrait_source *source, int k, stk_portrait_frame *frame);
/* Its spans and rect; published, its mask. Any number of threads at once, with a frame each;
 * allocates nothing. */
stk_status stk_portrait_mask(const stk_portrait_source *source, int k, stk_portrait_frame *frame);
/* picture: head over backdrop; rgba: the head before that (stk_frame_rgba). As above. */
void stk_portrait_fit(const stk_portrait_source *source, int k, stk_portrait_frame *frame,
                      const stk_image *picture, const float *rgba);
/* Frame after frame, in the order they are shown, k being the source's: one that is no neighbour
 * of that shown last, or lies behind a cut, begins anew. */
void stk_portrait_follow(stk_portrait_source *source, int k, stk_portrait_frame *frame);
/* Any number of threads at once. */
void stk_portrait_settle(const stk_portrait_source *source, stk_portrait_frame *frame,
                         stk_image *picture);

#endif
