/* render.c - THE render loop: what happens to each frame, in the order of the paper's modules.
 *
 *   voice      Face-Sync Controller: sound -> audio code of this frame
 *   pose       Head-Sync Stabilizer: pose and expression of the source performance, forth and back
 *   head       Dynamic Portrait Renderer: rays through the field
 *   backdrop   Portrait-Sync Generator: torso over plate of the same source frame, composited;
 *              of a model with a torso branch, what that paints over the plate at this pose
 *   writer     encoded and muxed as it is made; memory does not grow with the sound's length
 */
#include "render/render.h"
#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "media/media.h"
#include "render/backdrop.h"
#include "render/frame.h"
#include "render/voice.h"

#include <stdio.h>
#include <string.h>

typedef struct session {
    const stk_render_settings *settings;
    stk_model *model;
    stk_voice *voice;
    stk_pool *pool;
    stk_frame_store *torsos;
    stk_frame_renderer *renderer;
    stk_video_writer *writer;
    stk_camera camera; /* of the output picture */
    stk_rect rect;
    stk_image picture, scaled_backdrop;
    stk_image
        plate; /* of the output's size; data NULL: no torso branch, the film is the backdrop */
} session;

int stk_mirror_index(int i, int n) {
    int turn = i / n, place = i % n;
    return turn % 2 == 0 ? place : n - 1 - place;
}

/* What the torso branch paints, when the model has one, else the film's frame. */
static stk_status backdrop_of(session *s, int source, const stk_image **backdrop) {
    if (s->plate.data != NULL) {
        stk_model_backdrop_paint(s->model, &s->camera, &s->model->performance.poses[source],
                                 &s->plate, &s->scaled_backdrop, s->pool);
        *backdrop = &s->scaled_backdrop;
        return STK_OK;
    }
    STK_TRY(stk_frame_store_get(s->torsos, source, backdrop));
    if ((*backdrop)->width == s->camera.width && (*backdrop)->height == s->camera.height)
        return STK_OK;
    stk_image_resize(&s->scaled_backdrop, *backdrop);
    *backdrop = &s->scaled_backdrop;
    return STK_OK;
}

/* The loop. */
static stk_status render_frames(session *s, const stk_job *job, stk_render_figures *figures) {
    const stk_model *model = s->model;
    const stk_performance *source = &model->performance;
    const float *values = model->nets.params.value;
    const int total = stk_voice_frames(s->voice);
    const double start_s = stk_clock_s();
    for (int i = 0; i < total; i++) {
        if (stk_job_aborted(job)) return stk_fail(STK_ERR_ABORTED, "stopped after %d frames", i);
        const double frame_start_s = stk_clock_s();
        const int k = stk_mirror_index(i, source->frames);

        STK_ALIGNED(64) float code[STK_AUDIO_CODE];
        stk_voice_code(s->voice, values, i, code);
        STK_TRY(stk_voice_check(s->voice));

        const stk_image *backdrop;
        STK_TRY(backdrop_of(s, k, &backdrop));
        const stk_frame_request request = {
            .bits = model->bits,
            .camera = s->camera,
            .pose = source->poses[k],
            .audio_code = code,
            .expression = source->expressions[k],
            .code_row = 0,
            .rect = s->rect,
            .backdrop = backdrop,
            .rule = s->settings->reference_march ? STK_MARCH_REFERENCE : STK_MARCH_FAST,
            .every_pixel = s->settings->every_pixel,
        };
        stk_frame_render(s->renderer, &request, &s->picture);
        figures->render_seconds += stk_clock_s() - frame_start_s;

        int stop = 0;
        if (s->settings->sink.frame != NULL)
            STK_TRY(s->settings->sink.frame(s->settings->sink.user, &s->picture, i, total, &stop));
        if (s->writer != NULL) STK_TRY(stk_video_writer_frame(s->writer, &s->picture));
        figures->frames = i + 1;
        stk_job_report(job, "render", i + 1, total, start_s, NULL);
        if (stop) return stk_fail(STK_ERR_ABORTED, "stopped after %d frames", i + 1);
    }
    return STK_OK;
}

/* An mp4 under another name would not be what the name says. */
static stk_status check_name(const char *path) {
    const char *dot = strrchr(path, '.');
    static const char *const endings[] = {".mp4", ".m4v", ".mov", ".MP4"};
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(dot, endings[i]) == 0) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "%s: only mp4 is written; name it .mp4, or give - (y4m) or --frames FOLDER",
                    path);
}

static stk_status open_writer(session *s) {
    const stk_render_settings *settings = s->settings;
    const char *path = settings->frames != NULL ? settings->frames : settings->output;
    if (path == NULL) return STK_OK;
    char comment[256];
    snprintf(comment, sizeof comment,
             "Synthetic picture: this person did not say this. Made by synctalk, model sha256 %s",
             s->model->hash);
    stk_writer_options options = {
        .format = settings->frames != NULL ? STK_WRITER_PNG
                  : strcmp(path, "-") == 0 ? STK_WRITER_Y4M
                                           : STK_WRITER_MP4,
        .width = s->camera.width,
        .height = s->camera.height,
        .fps = STK_FPS,
        .crf = settings->crf,
        .sound_path = settings->audio,
        .comment = comment,
        .threads = settings->threads,
    };
    if (options.format == STK_WRITER_MP4) STK_TRY(check_name(path));
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
    const stk_voice_source sound = {settings->audio, settings->features, settings->encoder};
    STK_TRY(stk_voice_open(&s->voice, &sound, &s->model->nets));
    STK_TRY(stk_pool_create(&s->pool, settings->threads));
    STK_TRY(stk_frame_store_open(&s->torsos, NULL, s->model->torso_mp4, s->model->torso_bytes));
    if (stk_frame_store_count(s->torsos) < source->frames)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is damaged (its torso film has %d frames of %d); train "
                        "it again",
                        settings->model, stk_frame_store_count(s->torsos), source->frames);
    STK_TRY(check_film(s));
    STK_TRY(stk_frame_renderer_create(&s->renderer, s->camera.width, s->camera.height, s->pool));
    STK_TRY(stk_frame_renderer_load(s->renderer, &s->model->nets, s->model->nets.params.value));
    STK_TRY(stk_image_init(&s->picture, s->camera.width, s->camera.height, 3));
    STK_TRY(stk_image_init(&s->scaled_backdrop, s->camera.width, s->camera.height, 3));
    if (s->model->plate.data != NULL) {
        STK_TRY(stk_image_init(&s->plate, s->camera.width, s->camera.height, 3));
        stk_image_resize(&s->plate, &s->model->plate);
    }
    return open_writer(s);
}

static void close_session(session *s) {
    stk_video_writer_discard(&s->writer, 0);
    stk_image_clear(&s->plate);
    stk_image_clear(&s->scaled_backdrop);
    stk_image_clear(&s->picture);
    stk_frame_renderer_free(&s->renderer);
    stk_frame_store_close(&s->torsos);
    stk_pool_free(&s->pool);
    stk_voice_close(&s->voice);
    stk_model_close(&s->model);
}

stk_status stk_render_clip(const stk_render_settings *settings, const stk_job *job,
                           stk_render_figures *figures) {
    double start_s = stk_clock_s();
    *figures = (stk_render_figures){0};
    session s = {.settings = settings};
    stk_status status = open_session(&s);
    if (status == STK_OK) status = render_frames(&s, job, figures);
    if (status == STK_OK && s.writer != NULL) status = stk_video_writer_finish(&s.writer);
    if (status == STK_ERR_ABORTED && s.writer != NULL)
        stk_video_writer_discard(&s.writer, figures->frames > 0);
    close_session(&s);
    figures->seconds = stk_clock_s() - start_s;
    return status;
}
