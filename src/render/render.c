/* render.c - THE render loop: what happens to each frame, in the order of the paper's modules.
 *
 *   voice      Face-Sync Controller: sound -> audio code of this frame
 *   pose       Head-Sync Stabilizer: pose of the source performance, forth and back; its
 *              expression, or that of somebody or something else (render/expression.h)
 *   head       Dynamic Portrait Renderer: rays through the field
 *   backdrop   Portrait-Sync Generator: torso over plate of the same source frame, composited;
 *              of a model with a torso branch, what that paints over the plate at this pose
 *   portrait   Portrait-Sync Generator, if asked for: the face pasted into the source frame itself,
 *              or into the full pictures that this was cut out of, at their rate
 *   writer     encoded and muxed as it is made; memory does not grow with the sound's length
 *
 * Several processes share the frames up to the head (render/spread.h).
 */
#include "render/render.h"
#include "base/clock.h"
#include "base/image.h"
#include "base/line.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "kernels/image.h"
#include "media/media.h"
#include "portrait_sync/portrait.h"
#include "render/backdrop.h"
#include "render/background.h"
#include "render/expression.h"
#include "render/frame.h"
#include "render/full.h"
#include "render/portrait.h"
#include "render/spread.h"
#include "render/voice.h"

#include <stdio.h>
#include <string.h>

typedef struct frame_slot {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_image picture;         /* RGB: the backdrop, then the frame */
    stk_portrait_frame source; /* in portrait mode */
    stk_full_slot full;        /* with full frames: any number of pictures */
    stk_background_slot cut;   /* with another background */
    float *head;               /* [h][w][4] for rank 0, in portrait mode; NULL there */
} frame_slot;

typedef struct session {
    const stk_render_settings *settings;
    const stk_job *job;
    stk_model *model;
    stk_voice *voice;
    stk_expression expression;
    stk_pool *pool;
    stk_frame_store *torsos;
    stk_subject *subject; /* of portrait mode, else NULL */
    stk_portrait_source *portrait;
    stk_full full;                  /* items 0: the square is the picture */
    stk_background background;      /* its plate has data when there is one */
    stk_frame_renderer **renderers; /* [workers]: each thread renders whole frames by itself */
    stk_video_writer *writer;
    frame_slot *slots; /* [slot_count], of the frames under way */
    int frames, workers, slot_count;
    int shown;       /* pictures, so far */
    int asked;       /* of frames that other processes may bring, those before this one */
    float *far_head; /* [h][w][4] of such a frame, in portrait mode */
    double start_s;
    stk_camera camera; /* of the output picture */
    stk_rect rect;
    stk_image
        plate; /* of the output's size; data NULL: no torso branch, the film is the backdrop */
} session;

int stk_mirror_index(int i, int n) {
    int turn = i / n, place = i % n;
    return turn % 2 == 0 ? place : n - 1 - place;
}

/* --- the loop --------------------------------------------------------------------------------- */

static stk_status voice_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    const float *values = s->model->nets.params.value;
    stk_voice_code(s->voice, values, at->item, s->slots[at->slot].code);
    return stk_voice_check(s->voice);
}

/* What the torso branch paints, when the model has one, else the film's frame. */
static stk_status backdrop_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    stk_image *picture = &s->slots[at->slot].picture;
    const stk_performance *source = &s->model->performance;
    const int k = stk_mirror_index(at->item, source->frames);
    if (!stk_spread_owns(at->item)) return STK_OK;
    if (s->plate.data != NULL) {
        stk_model_backdrop_paint(s->model, &s->camera, &source->poses[k], &s->plate, picture, NULL);
        return STK_OK;
    }
    if (picture->width == source->width && picture->height == source->height)
        return stk_frame_store_read(s->torsos, k, picture);
    const stk_image *frame;
    STK_TRY(stk_frame_store_get(s->torsos, k, &frame));
    stk_image_resize(picture, frame);
    return STK_OK;
}

/* The frame that the face is pasted into. */
static stk_status source_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    if (s->portrait == NULL || (stk_ranks_index() > 0 && !stk_spread_owns(at->item))) return STK_OK;
    const int k = stk_mirror_index(at->item, s->model->performance.frames);
    if (s->full.items > 0) STK_TRY(stk_full_read(&s->full, at->item, k, &s->slots[at->slot].full));
    return stk_portrait_read(s->portrait, k, &s->slots[at->slot].source);
}

static int pictures_of(const session *s, const stk_line_place *at) {
    return s->full.items > 0 ? s->slots[at->slot].full.count : 1;
}

/* What is shown and written, the n-th of pictures_of. */
static const stk_image *finished(const session *s, const stk_line_place *at, int n) {
    const frame_slot *slot = &s->slots[at->slot];
    if (s->full.items > 0) return &slot->full.pictures[n];
    return s->background.transparent ? &slot->cut.rgba : &slot->picture;
}

static size_t head_floats(const session *s) {
    return 4 * (size_t)s->camera.width * (size_t)s->camera.height;
}

/* Pose, then head over backdrop. */
static stk_status head_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    frame_slot *slot = &s->slots[at->slot];
    const stk_performance *source = &s->model->performance;
    const int k = stk_mirror_index(at->item, source->frames), own = stk_spread_owns(at->item);
    if (!own && stk_ranks_index() > 0) return STK_OK;
    if (s->portrait != NULL) STK_TRY(stk_portrait_mask(s->portrait, k, &slot->source));
    if (!own) return STK_OK;
    stk_frame_request request = {
        .bits = s->model->bits,
        .camera = s->camera,
        .pose = source->poses[k],
        .audio_code = slot->code,
        .expression = stk_expression_at(&s->expression, at->item),
        .code_row = 0,
        .rect = s->rect,
        .backdrop = &slot->picture,
        .rule = s->settings->reference_march ? STK_MARCH_REFERENCE : STK_MARCH_FAST,
        .every_pixel = s->settings->every_pixel,
    };
    if (s->portrait != NULL && !s->settings->reference_march) {
        request.rect = slot->source.rect;
        request.spans = (const int(*)[2])slot->source.spans;
    }
    stk_frame_renderer *renderer = s->renderers[at->worker];
    stk_frame_render(renderer, &request, &slot->picture);
    const float *head = stk_frame_rgba(renderer);
    if (s->portrait == NULL) return STK_OK;
    if (stk_ranks_index() == 0)
        stk_portrait_fit(s->portrait, k, &slot->source, &slot->picture, head);
    else
        memcpy(slot->head, head, head_floats(s) * sizeof *head);
    return STK_OK;
}

/* From the process that rendered it; then its light, and what stands before it, steadied. */
static stk_status follow_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    frame_slot *slot = &s->slots[at->slot];
    const int k = stk_mirror_index(at->item, s->model->performance.frames);
    float *head = stk_ranks_index() > 0 ? slot->head : s->far_head;
    s->asked = at->item + 1;
    stk_spread_bring(at->item, &slot->picture, head, head_floats(s), &at->stop);
    if (s->portrait == NULL || stk_ranks_index() > 0) return STK_OK;
    if (!stk_spread_owns(at->item))
        stk_portrait_fit(s->portrait, k, &slot->source, &slot->picture, head);
    stk_portrait_follow(s->portrait, k, &slot->source);
    return STK_OK;
}

/* That into the source frame, in portrait mode. */
static stk_status paste_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    frame_slot *slot = &s->slots[at->slot];
    const stk_image *mask = &slot->source.mask;
    if (s->portrait == NULL || stk_ranks_index() > 0) return STK_OK;
    stk_portrait_settle(s->portrait, &slot->source, &slot->picture);
    if (s->full.items > 0)
        stk_full_paste(&s->full, &slot->picture, mask, &slot->full);
    else
        stk_portrait_paste(&slot->picture, mask, &slot->source.frame);
    if (s->background.plate.data != NULL)
        stk_background_put(&s->background, &slot->source.labels, &slot->cut, &slot->picture);
    return STK_OK;
}

/* To whoever called: picture, progress, and whether to go on. */
static stk_status sink_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    if (stk_ranks_index() > 0) return STK_OK;
    const stk_frame_sink *sink = &s->settings->sink;
    const int total = s->full.items > 0 ? stk_full_first(&s->full, s->frames) : s->frames;
    stk_full_slot *full = &s->slots[at->slot].full;
    for (int n = 0; n < pictures_of(s, at); n++, s->shown++) {
        if (sink->frame == NULL) continue;
        STK_TRY(sink->frame(sink->user, finished(s, at, n), s->shown, total, &at->stop));
        if (at->stop) full->count = n + 1; /* what the writer gets */
    }
    stk_job_report(s->job, "render", at->item + 1, s->frames, s->start_s, NULL);
    at->stop |= stk_job_aborted(s->job);
    return STK_OK;
}

static stk_status writer_stage(void *ctx, stk_line_place *at) {
    session *s = ctx;
    if (s->writer == NULL) return STK_OK;
    for (int n = 0; n < pictures_of(s, at); n++)
        STK_TRY(stk_video_writer_frame(s->writer, finished(s, at, n)));
    return STK_OK;
}

/* Frames pass these stages one behind the other (base/line.h); what is made does not depend on the
 * number of threads. */
static stk_status render_frames(session *s, stk_render_figures *figures) {
    enum { VOICE, BACKDROP, SOURCE, HEAD, FOLLOW, PASTE, SINK, WRITER, STAGES };
    stk_line line = {.items = s->frames, .slots = s->slot_count, .ctx = s};
    line.stages[VOICE] = (stk_line_stage){"voice", STK_LINE_IN_ORDER, voice_stage, 0, 0};
    line.stages[BACKDROP] = (stk_line_stage){"backdrop", STK_LINE_IN_ORDER, backdrop_stage, 0, 0};
    line.stages[SOURCE] = (stk_line_stage){"source", STK_LINE_IN_ORDER, source_stage, 0, 0};
    line.stages[HEAD] = (stk_line_stage){"head", STK_LINE_WIDE, head_stage, 0, 0};
    line.stages[FOLLOW] = (stk_line_stage){"follow", STK_LINE_IN_ORDER, follow_stage, 0, 0};
    line.stages[PASTE] = (stk_line_stage){"paste", STK_LINE_WIDE, paste_stage, 0, 0};
    line.stages[SINK] = (stk_line_stage){"sink", STK_LINE_CALLER, sink_stage, 0, 0};
    line.stages[WRITER] = (stk_line_stage){"writer", STK_LINE_IN_ORDER, writer_stage, 0, 0};
    if (s->plate.data != NULL) line.stages[BACKDROP].order = STK_LINE_WIDE;
    if (stk_ranks_index() == 0 && stk_job_aborted(s->job))
        return stk_fail(STK_ERR_ABORTED, "stopped after 0 frames");
    s->start_s = stk_clock_s();
    stk_status status = stk_line_run(&line, s->pool, &figures->heads);
    figures->frames = s->shown;
    figures->render_seconds = line.stages[HEAD].seconds / s->workers;
    for (int i = 0; i < STAGES && figures->heads > 0; i++)
        stk_log(STK_LOG_DEBUG, "%s: %.2f ms a frame, %.2f of them on a processor",
                line.stages[i].name, 1e3 * line.stages[i].seconds / figures->heads,
                1e3 * line.stages[i].cpu_seconds / figures->heads);
    if (status == STK_OK && figures->heads < s->frames)
        return stk_fail(STK_ERR_ABORTED, "stopped after %d frames", figures->frames);
    return status;
}

/* --- what it needs ---------------------------------------------------------------------------- */

static int ends_in(const char *path, const char *const *endings, size_t count) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < count; i++)
        if (strcmp(dot, endings[i]) == 0) return 1;
    return 0;
}

/* By the name; an mp4 under another name would not be what the name says. */
static stk_status choose_format(const session *s, const char *path, stk_writer_format *format) {
    static const char *const mp4[] = {".mp4", ".m4v", ".mov", ".MP4"};
    static const char *const mov[] = {".mov", ".MOV"}, *const webm[] = {".webm", ".WEBM"};
    *format = STK_WRITER_PNG;
    if (s->settings->frames != NULL) return STK_OK;
    if (s->background.transparent) {
        *format = ends_in(path, mov, 2) ? STK_WRITER_PRORES : STK_WRITER_VP9;
        if (*format == STK_WRITER_PRORES || ends_in(path, webm, 2)) return STK_OK;
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: has no transparency; name it .mov (ProRes 4444) or .webm (VP9), or "
                        "give --frames FOLDER",
                        path);
    }
    *format = strcmp(path, "-") == 0 ? STK_WRITER_Y4M : STK_WRITER_MP4;
    if (*format == STK_WRITER_Y4M || ends_in(path, mp4, STK_ARRAY_SIZE(mp4))) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "%s: only mp4 is written; name it .mp4, or give - (y4m) or --frames FOLDER",
                    path);
}

int stk_render_encoder_threads(int workers) {
    return 1 + (workers - 1) / 4;
}

static stk_status open_writer(session *s) {
    const stk_render_settings *settings = s->settings;
    const char *path = settings->frames != NULL ? settings->frames : settings->output;
    if (path == NULL || stk_ranks_index() > 0) return STK_OK;
    char comment[256];
    snprintf(comment, sizeof comment,
             "Synthetic picture: this person did not say this. Made by synctalk, model sha256 %s",
             s->model->hash);
    stk_writer_options options = {
        .channels = s->background.transparent ? 4 : 3,
        .width = s->camera.width,
        .height = s->camera.height,
        .fps = STK_FPS,
        .crf = settings->crf,
        .sound_path = settings->audio,
        .comment = comment,
        .threads = stk_render_encoder_threads(s->workers),
    };
    if (s->full.items > 0) {
        const stk_full_frames *own = &s->full.frames;
        stk_frame_store_size(own->store, &options.width, &options.height);
        options.fps = own->rate_num, options.fps_den = own->rate_den;
    }
    STK_TRY(choose_format(s, path, &options.format));
    return stk_video_writer_create(&s->writer, path, &options);
}

/* The film must be of the size that the camera speaks of. */
static stk_status check_film(const session *s) {
    const stk_performance *source = &s->model->performance;
    int width, height;
    stk_frame_store_size(s->torsos, &width, &height);
    if (width == source->width && height == source->height) return STK_OK;
    return stk_fail(STK_ERR_FORMAT,
                    "%s: is damaged (torso film %d x %d, camera %d x %d); train it again",
                    s->settings->model, width, height, source->width, source->height);
}

/* Threads, a renderer for each, and twice as many frames under way and two. */
static stk_status open_slots(session *s) {
    const int width = s->camera.width, height = s->camera.height;
    const int threads = stk_pool_size(s->settings->threads);
    const float *values = s->model->nets.params.value;
    s->frames = stk_voice_frames(s->voice);
    STK_TRY(stk_pool_create(&s->pool, threads < s->frames ? threads : s->frames));
    s->workers = stk_pool_threads(s->pool);
    s->renderers = stk_calloc_aligned((size_t)s->workers, sizeof *s->renderers);
    if (s->renderers == NULL) return stk_fail_memory("renderers");
    for (int i = 0; i < s->workers; i++) {
        STK_TRY(stk_frame_renderer_create(&s->renderers[i], width, height, NULL));
        if (i > 0)
            stk_frame_renderer_share(s->renderers[i], s->renderers[0]);
        else
            STK_TRY(stk_frame_renderer_load(s->renderers[0], &s->model->nets, values));
    }
    const int slots = 2 * s->workers + 2, far = stk_ranks_index() > 0;
    if (s->portrait != NULL && stk_ranks_count() > 1 && !far) {
        s->far_head = stk_calloc_aligned(head_floats(s), sizeof(float));
        if (s->far_head == NULL) return stk_fail_memory("frames of others");
    }
    s->slots = stk_calloc_aligned((size_t)slots, sizeof *s->slots);
    if (s->slots == NULL) return stk_fail_memory("frames under way");
    s->slot_count = slots;
    for (int i = 0; i < slots; i++) {
        STK_TRY(stk_image_init(&s->slots[i].picture, width, height, 3));
        if (s->portrait != NULL)
            STK_TRY(stk_portrait_frame_init(&s->slots[i].source, s->portrait, width, height));
        if (s->portrait != NULL && far) {
            s->slots[i].head = stk_calloc_aligned(head_floats(s), sizeof(float));
            if (s->slots[i].head == NULL) return stk_fail_memory("frames under way");
        }
        if (s->full.items > 0) STK_TRY(stk_full_slot_init(&s->slots[i].full, &s->full));
        if (s->background.plate.data != NULL)
            STK_TRY(stk_background_slot_init(&s->slots[i].cut, &s->background));
    }
    return STK_OK;
}

/* Portrait mode: the subject whose frames the model's poses belong to. */
static stk_status open_source(session *s) {
    const stk_render_settings *settings = s->settings;
    if (settings->portrait == NULL) return STK_OK;
    STK_TRY(stk_subject_open(&s->subject, settings->portrait));
    STK_TRY(stk_model_check_subject(s->model, settings->model, s->subject, settings->portrait));
    STK_TRY(stk_portrait_open(&s->portrait, s->subject, settings->published));
    if (stk_ranks_index() > 0) return STK_OK; /* rank 0 pastes */
    if (settings->background != NULL)
        STK_TRY(stk_background_open(&s->background, settings->background, s->subject,
                                    s->camera.width, s->camera.height));
    if (!settings->full_frame) return STK_OK;
    return stk_full_open(&s->full, s->subject, s->job, s->camera.width, s->camera.height,
                         stk_voice_frames(s->voice));
}

static stk_status open_session(session *s) {
    const stk_render_settings *settings = s->settings;
    STK_TRY(stk_model_open(&s->model, settings->model));
    STK_TRY(stk_model_need_performance(s->model, settings->model));
    const stk_performance *source = &s->model->performance;
    int size = settings->size > 0 ? settings->size : source->width;
    if (size % 2 != 0 || size < 16)
        return stk_fail(STK_ERR_ARGUMENT, "--size %d: H.264 needs an even number of at least 16",
                        size);
    int height = (int)((int64_t)size * source->height / source->width) & ~1;
    if (height < 16)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--size %d: the picture would be %d pixels high; give more", size, height);
    s->camera = stk_camera_scaled(&source->camera, size, height);
    s->rect = stk_rect_scaled(&source->head_rect, &source->camera, &s->camera);
    if (settings->reference_march) s->rect = (stk_rect){0, 0, size, height};
    const stk_voice_source sound = {.sound = settings->audio,
                                    .features = settings->features,
                                    .encoder = settings->encoder,
                                    .smoothing = settings->smoothing,
                                    .gate = settings->silence,
                                    .models = settings->models};
    STK_TRY(stk_voice_open(&s->voice, &sound, &s->model->nets));
    STK_TRY(stk_expression_open(&s->expression, settings, s->model, stk_voice_frames(s->voice),
                                s->job));
    STK_TRY(stk_frame_store_open(&s->torsos, NULL, s->model->torso_mp4, s->model->torso_bytes));
    if (stk_frame_store_count(s->torsos) < source->frames)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is damaged (its torso film has %d frames of %d); train "
                        "it again",
                        settings->model, stk_frame_store_count(s->torsos), source->frames);
    STK_TRY(check_film(s));
    STK_TRY(open_source(s));
    STK_TRY(open_slots(s));
    if (s->model->plate.data != NULL) {
        STK_TRY(stk_image_init(&s->plate, s->camera.width, s->camera.height, 3));
        stk_image_resize(&s->plate, &s->model->plate);
    }
    return open_writer(s);
}

static void close_session(session *s) {
    stk_video_writer_discard(&s->writer, 0);
    stk_image_clear(&s->plate);
    for (int i = 0; i < s->slot_count; i++) {
        stk_image_clear(&s->slots[i].picture);
        stk_free(s->slots[i].head);
        stk_portrait_frame_clear(&s->slots[i].source);
        stk_full_slot_clear(&s->slots[i].full, &s->full);
        stk_background_slot_clear(&s->slots[i].cut);
    }
    stk_free(s->slots);
    stk_free(s->far_head);
    stk_background_clear(&s->background);
    stk_full_close(&s->full);
    stk_portrait_close(&s->portrait);
    stk_subject_close(&s->subject);
    for (int i = 0; s->renderers != NULL && i < s->workers; i++)
        stk_frame_renderer_free(&s->renderers[i]);
    stk_free(s->renderers);
    stk_frame_store_close(&s->torsos);
    stk_pool_free(&s->pool);
    stk_expression_clear(&s->expression);
    stk_voice_close(&s->voice);
    stk_model_close(&s->model);
}

/* render_frames, of which rank 0 alone knows the outcome; what it does after that concerns nobody
 * else. */
static stk_status share_frames(session *s, stk_render_figures *figures) {
    stk_status status = render_frames(s, figures);
    if (stk_ranks_index() == 0) {
        stk_spread_end(s->asked, s->frames);
        return status;
    }
    if (status != STK_OK && status != STK_ERR_ABORTED) stk_ranks_fail();
    *figures = (stk_render_figures){0};
    return status == STK_ERR_ABORTED ? STK_OK : status;
}

stk_status stk_render_clip(const stk_render_settings *settings, const stk_job *job,
                           stk_render_figures *figures) {
    double start_s = stk_clock_s();
    *figures = (stk_render_figures){0};
    session s = {.settings = settings, .job = job};
    stk_status status = stk_ranks_agree(open_session(&s));
    if (status == STK_OK) status = share_frames(&s, figures);
    if (status == STK_OK && s.writer != NULL) status = stk_video_writer_finish(&s.writer);
    if (status == STK_ERR_ABORTED && s.writer != NULL)
        stk_video_writer_discard(&s.writer, figures->frames > 0);
    close_session(&s);
    figures->seconds = stk_clock_s() - start_s;
    return status;
}
