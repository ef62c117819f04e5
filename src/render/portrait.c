/* portrait.c - see portrait.h. */
#include "render/portrait.h"

#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "portrait/ray_render.h"
#include "portrait_sync/portrait.h"

#include <string.h>

struct stk_portrait_source {
    const stk_subject *subject;
    stk_frame_store *pictures;
    stk_image labels;
    float *scratch;
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

stk_status stk_portrait_open(stk_portrait_source **out, const stk_subject *subject) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    *out = NULL;
    stk_portrait_source *source = stk_calloc_aligned(1, sizeof *source);
    if (source == NULL) return stk_fail_memory("portrait");
    source->subject = subject;
    source->scratch = stk_calloc_aligned(stk_face_mask_scratch(), sizeof *source->scratch);
    stk_status status = source->scratch != NULL ? STK_OK : stk_fail_memory("portrait");
    if (status == STK_OK) status = stk_image_init(&source->labels, info->width, info->height, 1);
    if (status == STK_OK) status = stk_subject_open_pictures(subject, &source->pictures);
    if (status != STK_OK) {
        stk_portrait_close(&source);
        return status;
    }
    *out = source;
    return STK_OK;
}

void stk_portrait_close(stk_portrait_source **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_frame_store_close(&(*handle)->pictures);
    stk_image_clear(&(*handle)->labels);
    stk_free((*handle)->scratch);
    stk_free(*handle);
    *handle = NULL;
}

stk_status stk_portrait_frame_init(stk_portrait_frame *frame, int width, int height) {
    *frame = (stk_portrait_frame){0};
    STK_TRY(stk_image_init(&frame->frame, width, height, 3));
    STK_TRY(stk_image_init(&frame->mask, width, height, 1));
    frame->spans = stk_calloc_aligned((size_t)height, sizeof *frame->spans);
    return frame->spans != NULL ? STK_OK : stk_fail_memory("portrait");
}

void stk_portrait_frame_clear(stk_portrait_frame *frame) {
    stk_image_clear(&frame->frame);
    stk_image_clear(&frame->mask);
    stk_free(frame->spans);
    frame->spans = NULL;
}

stk_status stk_portrait_read(stk_portrait_source *source, int k, stk_portrait_frame *frame) {
    const float(*landmarks)[3] = stk_subject_landmarks(source->subject, k);
    const stk_image *labels = &source->labels, *decoded;
    if (frame->frame.width == labels->width && frame->frame.height == labels->height) {
        STK_TRY(stk_frame_store_read(source->pictures, k, &frame->frame));
    } else {
        STK_TRY(stk_frame_store_get(source->pictures, k, &decoded));
        stk_image_resize(&frame->frame, decoded);
    }
    STK_TRY(stk_subject_labels(source->subject, k, &source->labels));
    stk_face_mask(landmarks, labels, source->scratch, &frame->mask);
    frame->rect = stk_face_mask_spans(&frame->mask, STK_RAY_REACH, frame->spans);
    return STK_OK;
}
