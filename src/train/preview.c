/* preview.c - a few held-out frames rendered with the averaged weights: one figure for the
 * progress line and one picture (real | rendered) to look at. Training state is not touched.
 */
#include "train/internal.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/picture.h"
#include "render/voice.h"

enum { PREVIEW_FRAMES = 4 };

struct stk_preview {
    stk_frame_store *pictures, *torsos;
    stk_frame_renderer *renderer;
    stk_image made, sheet;
    float *acts;
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
    if (status == STK_OK) status = stk_image_init(&p->sheet, 2 * w, h, 3);
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
    stk_image_clear(&p->sheet);
    stk_image_clear(&p->made);
    stk_frame_renderer_free(&p->renderer);
    stk_frame_store_close(&p->torsos);
    stk_frame_store_close(&p->pictures);
    stk_free(p->acts);
    stk_free(p);
    *handle = NULL;
}

static stk_status render_frame(stk_preview *p, stk_trainer *t, int frame) {
    const stk_image *backdrop;
    STK_TRY(stk_frame_store_get(p->torsos, frame, &backdrop));
    const float *values = t->nets.params.ema, *window[STK_AUDIO_WINDOW];
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

static stk_status write_sheet(stk_preview *p, const stk_image *real, const char *path) {
    int w = real->width, h = real->height;
    stk_image left = stk_image_view(&p->sheet, (stk_rect){0, 0, w, h});
    stk_image right = stk_image_view(&p->sheet, (stk_rect){w, 0, 2 * w, h});
    stk_image_copy(&left, real);
    stk_image_copy(&right, &p->made);
    return stk_png_write(path, &p->sheet);
}

stk_status stk_preview_run(stk_preview *p, stk_trainer *t, const char *path, double *psnr) {
    const stk_performance *s = &t->performance;
    int held_out = s->frames - s->train_frames;
    int n = held_out < PREVIEW_FRAMES ? held_out : PREVIEW_FRAMES;
    *psnr = 0;
    if (n <= 0) return STK_OK;
    for (int i = 0; i < n; i++) {
        int frame = s->train_frames + (int)((int64_t)i * held_out / n);
        const stk_image *real;
        STK_TRY(render_frame(p, t, frame));
        STK_TRY(stk_frame_store_get(p->pictures, frame, &real));
        int64_t pixels;
        stk_rect whole = {0, 0, real->width, real->height};
        *psnr += stk_psnr_from_mse(stk_mse(real, &p->made, whole, NULL, &pixels)) / n;
        if (i == 0 && path != NULL) STK_TRY(write_sheet(p, real, path));
    }
    return STK_OK;
}
