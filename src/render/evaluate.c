/* evaluate.c - for every held-out frame, or as many of those trained on: render it with its own
 * pose, expression and sound over its own torso composite (over what the torso branch paints, where
 * the model has one), and compare with the real frame (reference.md 10). Several processes share
 * the rendering (render/spread.h).
 */
#include "render/evaluate.h"
#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "metrics/picture.h"
#include "portrait_sync/portrait.h"
#include "render/album.h"
#include "render/backdrop.h"
#include "render/frame.h"
#include "render/frame_choice.h"
#include "render/portrait.h"
#include "render/portrait_scores.h"
#include "render/quality.h"
#include "render/spread.h"
#include "render/subject_rows.h"
#include "render/voice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct evaluation {
    const stk_evaluate_settings *settings;
    stk_model *model;
    stk_subject *subject;
    stk_pool *pool;
    stk_subject_rows rows;
    stk_frame_store *pictures, *torsos;
    stk_frame_renderer *renderer;
    stk_quality *quality;
    stk_image made, labels, sheet;
    stk_image pasted;   /* the portrait; with settings->portrait that is `made` already */
    stk_image backdrop; /* painted by a torso branch */
    stk_portrait_source *portrait;
    stk_portrait_frame real;
    stk_portrait_tally tally;
    stk_held_out_lse *lse; /* NULL: not to be measured */
    float *acts;
    stk_frame_choice choice; /* frames measured */
    double render_seconds;   /* of the frames rendered by this process */
    int rendered, asked;     /* asked: of others, those before this one */
    const float *head;       /* [h][w][4] of the frame at hand, the renderer's or: */
    float *far_head;         /* that of another process; NULL where there is only one */
} evaluation;

static stk_status open_quality(evaluation *e, const stk_subject_info *info) {
    const stk_quality_settings settings = {
        .models = e->settings->models,
        .perceptual = e->settings->perceptual,
        .camera = info->camera,
        .frames = stk_frame_choice_items(&e->choice),
        .pool = e->pool,
    };
    return stk_quality_create(&e->quality, &settings);
}

static stk_status open_evaluation(evaluation *e) {
    STK_TRY(stk_model_open(&e->model, e->settings->model));
    STK_TRY(stk_model_need_performance(e->model, e->settings->model));
    STK_TRY(stk_subject_open(&e->subject, e->settings->subject));
    STK_TRY(
        stk_model_check_subject(e->model, e->settings->model, e->subject, e->settings->subject));
    const stk_subject_info *info = stk_subject_get_info(e->subject);
    if (info->frames <= info->train_frames)
        return stk_fail(STK_ERR_CONTENT, "%s: has no held-out frames", e->settings->subject);
    e->choice = stk_frame_choice_of(info->frames, info->train_frames, e->settings->trained,
                                    e->settings->every);
    int w = info->width, h = info->height;
    STK_TRY(stk_subject_rows_init(&e->rows, e->subject, &e->model->nets,
                                  e->choice.first - STK_AUDIO_WINDOW / 2, e->settings->encoder));
    STK_TRY(stk_pool_create(&e->pool, e->settings->threads));
    STK_TRY(stk_subject_open_pictures(e->subject, &e->pictures));
    STK_TRY(stk_subject_open_torsos(e->subject, &e->torsos));
    STK_TRY(stk_frame_renderer_create(&e->renderer, w, h, e->pool));
    STK_TRY(stk_frame_renderer_load(e->renderer, &e->model->nets, e->model->nets.params.value));
    STK_TRY(open_quality(e, info));
    STK_TRY(stk_image_init(&e->made, w, h, 3));
    STK_TRY(stk_image_init(&e->backdrop, w, h, 3));
    STK_TRY(stk_image_init(&e->labels, w, h, 1));
    STK_TRY(stk_image_init(&e->pasted, w, h, 3));
    STK_TRY(stk_image_init(&e->sheet, e->settings->portrait ? 2 * w : 3 * w, h, 3));
    STK_TRY(stk_portrait_open(&e->portrait, e->subject, e->settings->published));
    STK_TRY(stk_portrait_frame_init(&e->real, e->portrait, w, h));
    STK_TRY(stk_portrait_tally_init(&e->tally, w, h));
    e->acts = stk_calloc_aligned(stk_audio_net_act_floats(&e->model->nets.audio), sizeof(float));
    if (stk_ranks_count() > 1)
        e->far_head = stk_calloc_aligned(4 * (size_t)w * (size_t)h, sizeof(float));
    if (e->acts == NULL || (stk_ranks_count() > 1 && e->far_head == NULL))
        return stk_fail_memory("evaluation");
    if (e->settings->frames != NULL) STK_TRY(stk_directory_create(e->settings->frames));
    if (e->settings->album == NULL) return STK_OK;
    return stk_album_init(e->settings->album, &e->choice);
}

static stk_status open_all(evaluation *e, stk_scores *scores) {
    STK_TRY(open_evaluation(e));
    if (stk_ranks_index() > 0) return STK_OK; /* rank 0 measures */
    const stk_held_out_settings settings = {
        .models = e->settings->models,
        .folder = e->settings->subject,
        .first = e->choice.first,
        .end = e->choice.first + e->choice.span,
        .gaps = stk_frame_choice_spacing(&e->choice) > 1,
    };
    return stk_held_out_lse_open(&e->lse, &settings, e->subject, scores->lse_reason);
}

static void close_evaluation(evaluation *e) {
    stk_free(e->acts);
    stk_free(e->far_head);
    stk_portrait_tally_clear(&e->tally);
    stk_portrait_frame_clear(&e->real);
    stk_portrait_close(&e->portrait);
    stk_image_clear(&e->sheet);
    stk_image_clear(&e->pasted);
    stk_image_clear(&e->labels);
    stk_image_clear(&e->backdrop);
    stk_image_clear(&e->made);
    stk_held_out_lse_close(&e->lse);
    stk_quality_free(&e->quality);
    stk_frame_renderer_free(&e->renderer);
    stk_frame_store_close(&e->torsos);
    stk_frame_store_close(&e->pictures);
    stk_pool_free(&e->pool);
    stk_subject_rows_clear(&e->rows);
    stk_subject_close(&e->subject);
    stk_model_close(&e->model);
}

/* picture: head over backdrop, then in the real frame. */
static void paste(evaluation *e, int frame, stk_image *picture) {
    stk_portrait_fit(e->portrait, frame, &e->real, picture, e->head);
    stk_portrait_follow(e->portrait, frame, &e->real);
    stk_portrait_settle(e->portrait, &e->real, picture);
    stk_portrait_paste(picture, &e->real.mask, &e->real.frame);
}

static stk_status render_held_out(evaluation *e, int frame) {
    const stk_image *backdrop;
    STK_TRY(stk_frame_store_get(e->torsos, frame, &backdrop));
    const int portrait = e->settings->portrait;
    const stk_model *model = e->model;
    if (model->plate.data != NULL) {
        stk_model_backdrop_paint(model, &model->performance.camera,
                                 &model->performance.poses[frame], &model->plate, &e->backdrop,
                                 e->pool);
        backdrop = &e->backdrop;
    }
    const int reference = e->settings->reference_march;
    const stk_subject_info *info = stk_subject_get_info(e->subject);
    const float *window[STK_AUDIO_WINDOW];
    stk_audio_window(e->rows.rows, info->frames, model->nets.audio.row_floats, frame, window);
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_audio_net_forward(&model->nets.audio, &model->nets.params, model->nets.params.value, window,
                          e->acts, code);
    stk_code_range_limit(&model->nets.heard, code);
    stk_frame_request request = {
        .bits = model->bits,
        .camera = model->performance.camera,
        .pose = model->performance.poses[frame],
        .audio_code = code,
        .expression = model->performance.expressions[frame],
        .backdrop = backdrop,
        .rule = reference ? STK_MARCH_REFERENCE : STK_MARCH_FAST,
        .every_pixel = e->settings->every_pixel,
    };
    request.rect = portrait ? e->real.rect : info->head_rect;
    request.spans = portrait ? (const int(*)[2])e->real.spans : NULL;
    if (reference) {
        request.rect = (stk_rect){0, 0, info->width, info->height};
        request.spans = NULL;
    }
    stk_frame_render(e->renderer, &request, &e->made);
    return STK_OK;
}

/* Rendered here or by another process, then pasted; item: which of those measured it is. *stop is
 * set where rank 0 wants no more. */
static stk_status make_held_out(evaluation *e, int frame, int item, int *stop) {
    const int portrait = e->settings->portrait, own = stk_spread_owns(item);
    if (!own && stk_ranks_index() > 0) return STK_OK;
    STK_TRY(stk_portrait_read(e->portrait, frame, &e->real));
    if (!portrait) STK_TRY(stk_portrait_mask(e->portrait, frame, &e->real));
    const double start_s = stk_clock_s();
    if (portrait) STK_TRY(stk_portrait_mask(e->portrait, frame, &e->real));
    if (own) STK_TRY(render_held_out(e, frame));
    const size_t floats = 4 * (size_t)e->made.width * (size_t)e->made.height;
    if (own) e->head = stk_frame_rgba(e->renderer);
    if (own && stk_ranks_index() > 0) memcpy(e->far_head, e->head, floats * sizeof(float));
    if (!own) e->head = e->far_head;
    e->asked = item + 1;
    stk_spread_bring(item, &e->made, e->far_head, floats, stop);
    if (stk_ranks_index() > 0) return STK_OK;
    if (portrait) paste(e, frame, &e->made);
    if (own) e->render_seconds += stk_clock_s() - start_s;
    e->rendered += own;
    if (!portrait) {
        stk_image_copy(&e->pasted, &e->made);
        paste(e, frame, &e->pasted);
    }
    return STK_OK;
}

static stk_status write_sheet(evaluation *e, const stk_image *real, int frame) {
    if (e->settings->frames == NULL) return STK_OK;
    int w = real->width, h = real->height;
    stk_image left = stk_image_view(&e->sheet, (stk_rect){0, 0, w, h});
    stk_image right = stk_image_view(&e->sheet, (stk_rect){w, 0, 2 * w, h});
    stk_image_copy(&left, real);
    stk_image_copy(&right, &e->made);
    if (!e->settings->portrait) {
        stk_image third = stk_image_view(&e->sheet, (stk_rect){2 * w, 0, 3 * w, h});
        stk_image_copy(&third, &e->pasted);
    }
    char name[32], path[STK_PATH_MAX];
    snprintf(name, sizeof name, "%06d.png", frame);
    STK_TRY(stk_path_join(path, sizeof path, e->settings->frames, name));
    return stk_png_write(path, &e->sheet);
}

/* Head pixels of the real frame become 1, all others 0. */
static void keep_head(stk_image *labels) {
    for (int y = 0; y < labels->height; y++) {
        uint8_t *row = stk_image_row(labels, y);
        for (int x = 0; x < labels->width; x++) row[x] = row[x] == STK_LABEL_HEAD;
    }
}

/* PSNR of a region; a frame in which it is empty does not count. */
static void set_psnr(evaluation *e, stk_quality_column column, const stk_image *real, stk_rect rect,
                     const stk_image *mask) {
    int64_t pixels;
    const double mse = stk_mse(real, &e->made, rect, mask, &pixels);
    if (pixels > 0) stk_quality_set(e->quality, column, stk_psnr_from_mse(mse));
}

static stk_status score_frame(evaluation *e, int frame) {
    const stk_image *real;
    STK_TRY(stk_frame_store_get(e->pictures, frame, &real));
    STK_TRY(stk_subject_labels(e->subject, frame, &e->labels));
    const stk_image *portrait = e->settings->portrait ? &e->made : &e->pasted;
    stk_portrait_tally_add(&e->tally, real, portrait, &e->real, &e->labels, frame);
    STK_TRY(stk_quality_add(e->quality, frame, real, &e->made));
    STK_TRY(stk_quality_add_portrait(e->quality, portrait));
    if (e->lse != NULL) STK_TRY(stk_held_out_lse_add(e->lse, portrait));
    stk_quality_set(e->quality, STK_QUALITY_PSNR_PORTRAIT, e->tally.figures.psnr);
    keep_head(&e->labels);
    stk_rect whole = {0, 0, real->width, real->height};
    set_psnr(e, STK_QUALITY_PSNR_HEAD, real, whole, &e->labels);
    set_psnr(e, STK_QUALITY_PSNR_MOUTH, real, stk_subject_regions(e->subject, frame).mouth, NULL);
    if (e->settings->album != NULL) {
        const int follows = !isnan(e->tally.figures.static_flicker);
        const stk_album_frame shown = {
            .before = follows ? &e->tally.made[1 - e->tally.newest] : NULL,
            .real_before = follows ? &e->tally.real[1 - e->tally.newest] : NULL,
            .number = frame,
            .real = real,
            .made = &e->made,
            .portrait = e->settings->portrait ? NULL : &e->pasted,
            .portrait_figures = &e->tally.figures,
            .quality = e->quality,
        };
        STK_TRY(stk_album_add(e->settings->album, &shown));
    }
    return write_sheet(e, real, frame);
}

static double mean_or(const stk_scores *s, stk_quality_column column, double without) {
    const stk_figure *figure = &s->quality.figure[column];
    return figure->count > 0 ? figure->mean : without;
}

static stk_status finish_scores(const evaluation *e, const stk_job *job, stk_scores *s) {
    STK_TRY(stk_quality_finish(e->quality, job, &s->quality));
    s->frames = s->quality.frames;
    s->trained = e->settings->trained;
    s->psnr = mean_or(s, STK_QUALITY_PSNR, 0);
    s->psnr_head = mean_or(s, STK_QUALITY_PSNR_HEAD, 0);
    s->psnr_mouth = mean_or(s, STK_QUALITY_PSNR_MOUTH, 0);
    s->ssim = mean_or(s, STK_QUALITY_SSIM, 0);
    s->lmd = mean_or(s, STK_QUALITY_LMD, -1);
    s->lmd_frames = s->quality.figure[STK_QUALITY_LMD].count;
    s->render_fps = e->render_seconds > 0 ? e->rendered / e->render_seconds : 0;
    stk_portrait_tally_finish(&e->tally, s);
    return e->lse != NULL ? stk_held_out_lse_end(e->lse, &s->lse, s->lse_reason) : STK_OK;
}

/* Every process makes its frames; rank 0 measures them all. */
static stk_status measure(evaluation *e, const stk_job *job) {
    const int items = stk_frame_choice_items(&e->choice), far = stk_ranks_index() > 0;
    const double start_s = stk_clock_s();
    stk_status status = STK_OK;
    for (int item = 0, stop = 0; status == STK_OK && item < items && !stop; item++) {
        const int frame = stk_frame_choice_frame(&e->choice, item);
        if (!far && stk_job_aborted(job)) {
            status = stk_fail(STK_ERR_ABORTED, "stopped");
            break;
        }
        status = make_held_out(e, frame, item, &stop);
        if (status == STK_OK && !far) status = score_frame(e, frame);
        stk_job_report(job, "eval", item + 1, items, start_s, NULL);
    }
    stk_spread_end(e->asked, items);
    if (far && status != STK_OK) stk_ranks_fail();
    return status;
}

stk_status stk_evaluate(const stk_evaluate_settings *settings, const stk_job *job,
                        stk_scores *scores) {
    *scores = (stk_scores){0};
    evaluation e = {.settings = settings};
    stk_status status = stk_ranks_agree(open_all(&e, scores));
    if (status == STK_OK) status = measure(&e, job);
    if (status == STK_OK && stk_ranks_index() == 0) status = finish_scores(&e, job, scores);
    close_evaluation(&e);
    return status;
}
