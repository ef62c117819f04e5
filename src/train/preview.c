/* preview.c - a few held-out frames rendered with the averaged weights: one figure for the
 * progress line and one picture (real | rendered) to look at. Training state is not touched.
 */
#include "train/internal.h"
#include "train/torso_branch.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/picture.h"
#include "render/voice.h"

#include <math.h>

enum { PREVIEW_FRAMES = 4 };

struct stk_preview {
    stk_frame_store *pictures, *torsos;
    stk_frame_renderer *renderer;
    stk_image made, sheet, labels, painted; /* painted: with a torso branch */
    float *acts;
    int shown;
};

stk_status stk_preview_create(stk_preview **out, stk_trainer *t) {
    *out = NULL;
    stk_preview *p = stk_calloc_aligned(1, sizeof *p);
    if (p == NULL) return stk_fail_memory("preview");
    int w = t->performance.width, h = t->performance.height;
    p->acts = stk_calloc_aligned(t->audio_act_floats, sizeof(float));
    stk_status status = p->acts == NULL ? stk_fail_memory("preview") : STK_OK;
    if (status == STK_OK) status = stk_subject_open_pictures(t->subject, &p->pictures);
    if (status == STK_OK) status = stk_subject_open_torsos(t->subject, &p->torsos);
    if (status == STK_OK) status = stk_frame_renderer_create(&p->renderer, w, h, t->pool);
    if (status == STK_OK) status = stk_image_init(&p->made, w, h, 3);
    if (status == STK_OK) status = stk_image_init(&p->labels, w, h, 1);
    if (status == STK_OK) status = stk_image_init(&p->sheet, 2 * w, h, 3);
    if (status == STK_OK && t->torso_branch != NULL && t->settings.torso_steps > 0)
        status = stk_image_init(&p->painted, w, h, 3);
    if (status != STK_OK) {
        stk_preview_free(&p);
        return status;
    }
    *out = p;
    return STK_OK;
}

void stk_preview_free(stk_preview **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_preview *p = *handle;
    stk_image_clear(&p->painted);
    stk_image_clear(&p->sheet);
    stk_image_clear(&p->labels);
    stk_image_clear(&p->made);
    stk_frame_renderer_free(&p->renderer);
    stk_frame_store_close(&p->torsos);
    stk_frame_store_close(&p->pictures);
    stk_free(p->acts);
    stk_free(p);
    *handle = NULL;
}

static stk_status find_backdrop(stk_preview *p, const stk_trainer *t, int frame,
                                const stk_image **backdrop) {
    if (p->painted.data == NULL) return stk_frame_store_get(p->torsos, frame, backdrop);
    stk_torso_branch_paint(t->torso_branch, t, frame, &p->painted);
    *backdrop = &p->painted;
    return STK_OK;
}

static stk_status render_frame(stk_preview *p, stk_trainer *t, int frame) {
    const stk_image *backdrop;
    STK_TRY(find_backdrop(p, t, frame, &backdrop));
    const float *values = stk_train_values(t), *window[STK_AUDIO_WINDOW];
    stk_audio_window(t->sound_rows, t->performance.frames, t->nets.audio.row_floats, frame, window);
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_audio_net_forward(&t->nets.audio, &t->nets.params, values, window, p->acts, code);
    const stk_frame_request request = {
        .bits = t->occupancy.bits,
        .camera = t->performance.camera,
        .pose = t->performance.poses[frame],
        .audio_code = code,
        .expression = t->performance.expressions[frame],
        .rect = t->performance.head_rect,
        .backdrop = backdrop,
        .rule = STK_MARCH_FAST,
    };
    STK_TRY(stk_frame_renderer_load(p->renderer, &t->nets, values));
    stk_frame_render(p->renderer, &request, &p->made);
    return STK_OK;
}

static void fill_sheet(stk_preview *p, const stk_image *real) {
    int w = real->width, h = real->height;
    stk_image left = stk_image_view(&p->sheet, (stk_rect){0, 0, w, h});
    stk_image right = stk_image_view(&p->sheet, (stk_rect){w, 0, 2 * w, h});
    stk_image_copy(&left, real);
    stk_image_copy(&right, &p->made);
    p->shown = 1;
}

const stk_image *stk_preview_sheet(const stk_preview *p) {
    return p->shown ? &p->sheet : NULL;
}

/* A frame in which the region is empty does not count. */
static void add_psnr(const stk_preview *p, const stk_image *real, stk_rect rect,
                     const stk_image *mask, double *sum, int *count) {
    int64_t pixels;
    const double mse = stk_mse(real, &p->made, rect, mask, &pixels);
    if (pixels == 0) return;
    *sum += stk_psnr_from_mse(mse);
    *count += 1;
}

/* labels -> 1 where the head is */
static void keep_head(stk_image *labels) {
    for (int y = 0; y < labels->height; y++) {
        uint8_t *row = stk_image_row(labels, y);
        for (int x = 0; x < labels->width; x++) row[x] = row[x] == STK_LABEL_HEAD;
    }
}

stk_status stk_preview_run(stk_preview *p, stk_trainer *t, stk_preview_scores *scores) {
    const stk_performance *s = &t->performance;
    int held_out = s->frames - s->train_frames;
    int n = held_out < PREVIEW_FRAMES ? held_out : PREVIEW_FRAMES;
    double sum[3] = {0};
    int count[3] = {0};
    for (int i = 0; i < n; i++) {
        int frame = s->train_frames + (int)((int64_t)i * held_out / n);
        const stk_image *real;
        STK_TRY(render_frame(p, t, frame));
        STK_TRY(stk_frame_store_get(p->pictures, frame, &real));
        STK_TRY(stk_subject_labels(t->subject, frame, &p->labels));
        keep_head(&p->labels);
        const stk_rect whole = {0, 0, real->width, real->height};
        const stk_rect mouth = stk_subject_regions(t->subject, frame).mouth;
        add_psnr(p, real, whole, NULL, &sum[0], &count[0]);
        add_psnr(p, real, whole, &p->labels, &sum[1], &count[1]);
        add_psnr(p, real, mouth, NULL, &sum[2], &count[2]);
        if (i == 0) fill_sheet(p, real);
    }
    double *const means[] = {&scores->psnr, &scores->psnr_head, &scores->psnr_mouth};
    for (int k = 0; k < 3; k++) *means[k] = count[k] > 0 ? sum[k] / count[k] : (double)NAN;
    return STK_OK;
}
