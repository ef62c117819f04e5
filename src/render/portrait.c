/* portrait.c - see portrait.h. */
#include "render/portrait.h"

#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "portrait/ray_render.h"
#include "portrait_sync/contour.h"
#include "portrait_sync/portrait.h"
#include "portrait_sync/usual.h"

#include <string.h>

enum {
    LOOKS = 24, /* frames that tell where the seam is seen least, and the face's usual looks */
    RIM_PX = 4, /* of 512: what the mask's blur adds */
};

struct stk_portrait_source {
    const stk_subject *subject;
    stk_frame_store *pictures;
    int published;
    float contour[STK_CONTOUR_POINTS];
    stk_usual *usual; /* NULL: published */
    stk_blend_kernels kernels;
    stk_fit before; /* of the frame shown last */
    int last;       /* its number, -1 = none yet */
};

stk_status stk_model_check_subject(const stk_model *model, const char *model_path,
                                   const stk_subject *subject, const char *subject_path) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const stk_performance *p = &model->performance;
    if (strcmp(info->identity, p->subject_identity) == 0 && info->frames == p->frames &&
        info->width == p->width && info->height == p->height)
        return STK_OK;
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: was trained on another subject (\"%s\" %.8s), not on %s (\"%s\" %.8s); "
                    "give its own subject folder",
                    model_path, p->subject_name, p->subject_identity, subject_path, info->name,
                    info->identity);
}

static stk_status look_at_frames(stk_portrait_source *source) {
    const stk_subject_info *info = stk_subject_get_info(source->subject);
    stk_contour contour = {0};
    stk_image labels;
    STK_TRY(stk_usual_create(&source->usual, LOOKS));
    STK_TRY(stk_image_init(&labels, info->width, info->height, 1));
    stk_status status = STK_OK;
    for (int i = 0; status == STK_OK && i < LOOKS; i++) {
        const int k = (int)((int64_t)i * info->frames / LOOKS);
        const stk_image *frame;
        status = stk_frame_store_get(source->pictures, k, &frame);
        if (status == STK_OK) status = stk_subject_labels(source->subject, k, &labels);
        if (status != STK_OK) break;
        const float(*landmarks)[3] = stk_subject_landmarks(source->subject, k);
        stk_contour_add(&contour, frame, landmarks, &labels);
        stk_usual_look(source->usual, frame, landmarks, 1);
    }
    stk_image_clear(&labels);
    stk_contour_finish(&contour, source->contour);
    stk_usual_finish(source->usual);
    return status;
}

stk_status stk_portrait_open(stk_portrait_source **out, const stk_subject *subject, int published) {
    *out = NULL;
    stk_portrait_source *source = stk_calloc_aligned(1, sizeof *source);
    if (source == NULL) return stk_fail_memory("portrait");
    source->subject = subject;
    source->published = published;
    source->last = -1;
    stk_blend_kernels_init(&source->kernels);
    stk_status status = stk_subject_open_pictures(subject, &source->pictures);
    if (status == STK_OK && !published) status = look_at_frames(source);
    if (status != STK_OK) stk_portrait_close(&source);
    *out = source;
    return status;
}

void stk_portrait_close(stk_portrait_source **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_frame_store_close(&(*handle)->pictures);
    stk_usual_free(&(*handle)->usual);
    stk_free(*handle);
    *handle = NULL;
}

stk_status stk_portrait_frame_init(stk_portrait_frame *frame, const stk_portrait_source *source,
                                   int width, int height) {
    const stk_subject_info *info = stk_subject_get_info(source->subject);
    *frame = (stk_portrait_frame){0};
    STK_TRY(stk_image_init(&frame->frame, width, height, 3));
    STK_TRY(stk_image_init(&frame->mask, width, height, 1));
    STK_TRY(stk_image_init(&frame->labels, info->width, info->height, 1));
    frame->spans = stk_calloc_aligned((size_t)height, sizeof *frame->spans);
    frame->scratch = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *frame->scratch);
    frame->shifts = stk_calloc_aligned(stk_fit_scratch(width), sizeof *frame->shifts);
    frame->known = stk_calloc_aligned((size_t)STK_CELLS * STK_CELLS, 1);
    if (frame->spans == NULL || frame->scratch == NULL || frame->shifts == NULL ||
        frame->known == NULL)
        return stk_fail_memory("portrait");
    return STK_OK;
}

void stk_portrait_frame_clear(stk_portrait_frame *frame) {
    stk_image_clear(&frame->frame);
    stk_image_clear(&frame->mask);
    stk_image_clear(&frame->labels);
    stk_free(frame->spans);
    stk_free(frame->scratch);
    stk_free(frame->shifts);
    stk_free(frame->known);
    *frame = (stk_portrait_frame){0};
}

stk_status stk_portrait_read(stk_portrait_source *source, int k, stk_portrait_frame *frame) {
    const stk_image *decoded;
    if (frame->frame.width == frame->labels.width && frame->frame.height == frame->labels.height)
        return stk_frame_store_read(source->pictures, k, &frame->frame);
    STK_TRY(stk_frame_store_get(source->pictures, k, &decoded));
    stk_image_resize(&frame->frame, decoded);
    return STK_OK;
}

stk_status stk_portrait_mask(const stk_portrait_source *source, int k, stk_portrait_frame *frame) {
    const float(*landmarks)[3] = stk_subject_landmarks(source->subject, k);
    int margin = 0;
    STK_TRY(stk_subject_labels(source->subject, k, &frame->labels));
    if (source->published) {
        stk_face_mask(landmarks, &frame->labels, frame->scratch, &frame->mask);
    } else {
        stk_face_shape(landmarks, &frame->labels, source->contour, frame->scratch);
        stk_face_shape_reach(frame->scratch, &frame->mask);
        margin = 1 + RIM_PX * frame->mask.height / 512;
    }
    frame->rect = stk_face_mask_spans(&frame->mask, margin, frame->spans);
    return STK_OK;
}

/* Cells of the frame that look unlike the face, whatever was rendered. */
static void find_known(const stk_portrait_source *source, const float (*landmarks)[3], float scale,
                       stk_portrait_frame *frame) {
    float beyond[STK_CELLS * STK_CELLS];
    stk_usual_face face;
    stk_usual_compare(source->usual, &frame->frame, landmarks, scale, &face, beyond);
    stk_usual_hidden(beyond, STK_USUAL_CORE, frame->known);
}

void stk_portrait_fit(const stk_portrait_source *source, int k, stk_portrait_frame *frame,
                      const stk_image *picture, const float *rgba) {
    const float scale = (float)frame->mask.width / (float)frame->labels.width;
    const float(*landmarks)[3] = stk_subject_landmarks(source->subject, k);
    if (source->published) return;
    stk_face_shape_follow(frame->scratch, &frame->labels, rgba, frame->mask.width,
                          frame->mask.height);
    stk_face_shape_mask(frame->scratch, &frame->mask);
    find_known(source, landmarks, scale, frame);
    const stk_fit_input input = {picture,   &frame->frame, &frame->mask,
                                 landmarks, scale,         frame->known};
    stk_fit_measure(&frame->fit, &input);
}

void stk_portrait_follow(stk_portrait_source *source, int k, stk_portrait_frame *frame) {
    const int step = k - source->last;
    frame->follows = source->last >= 0 && step >= -1 && step <= 1 &&
                     stk_subject_same_take(source->subject, source->last, k);
    source->last = k;
    if (source->published) return;
    if (!frame->follows) memset(&source->before, 0, sizeof source->before);
    stk_fit_steady(&frame->fit, &source->before);
}

void stk_portrait_settle(const stk_portrait_source *source, stk_portrait_frame *frame,
                         stk_image *picture) {
    if (!source->published)
        stk_fit_apply(&frame->fit, &source->kernels, frame->shifts, picture, &frame->mask);
}
