/* portrait.h - portrait mode: a model's face rendered into the source's own frames, which keep
 * their hair, ears, neck and background (Portrait-Sync Generator, portrait_sync/portrait.h).
 *
 *   subject: frame k, landmarks, labels -> picture behind, mask, columns that rays are needed for
 */
#ifndef STK_RENDER_PORTRAIT_H
#define STK_RENDER_PORTRAIT_H

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
    float *scratch;   /* of stk_face_mask */
} stk_portrait_frame;

/* STK_ERR_MISMATCH with both names when the model was trained on another subject. */
stk_status stk_model_check_subject(const stk_model *model, const char *model_path,
                                   const stk_subject *subject, const char *subject_path);

/* subject: borrowed, must outlive the source. */
stk_status stk_portrait_open(stk_portrait_source **source, const stk_subject *subject);
void stk_portrait_close(stk_portrait_source **source);
/* For pictures of this size. */
stk_status stk_portrait_frame_init(stk_portrait_frame *frame, const stk_portrait_source *source,
                                   int width, int height);
void stk_portrait_frame_clear(stk_portrait_frame *frame);
/* Source frame k decoded into frame->frame. One thread at a time. */
stk_status stk_portrait_read(stk_portrait_source *source, int k, stk_portrait_frame *frame);
/* Its mask, spans and rect. Any number of threads at once, with a frame each; allocates nothing. */
stk_status stk_portrait_mask(const stk_portrait_source *source, int k, stk_portrait_frame *frame);

#endif
