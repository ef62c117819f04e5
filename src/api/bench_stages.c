/* bench_stages.c - where the time of one frame goes, at the trained size, with the best instruction
 * set and the most threads. Measured apart from each other:
 *
 *   voice       sound -> mel -> audio code of the next frame
 *   backdrop    decoding the next frame of the torso film, or what the torso branch paints instead
 *   head        stk_frame_render; with it, what of it remains when every cell of the occupancy grid
 *               is empty, and when there is no pixel to render. The differences are
 *                 march      rays, walking through the grid, laying the (empty) head over the film
 *                 field      the nets on all samples and compositing along the rays
 *                 composite  copying the film's frame into the picture
 *   encode      H.264 as `render` sets it, without sound
 */
#include "api/bench.h"
#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "media/media.h"
#include "render/backdrop.h"
#include "render/frame.h"
#include "render/render.h"
#include "render/voice.h"

enum { HEAD, EMPTY, COPY, VOICE, BACKDROP, ENCODE, STAGES, FRAMES_A_RUN = 8, CRF = 18 };

typedef struct stages {
    const stk_bench_session *bench;
    stk_frame_renderer *renderer;
    stk_frame_store *film;
    stk_voice *voice;
    stk_video_writer *writer;
    stk_image backdrop, painted, picture;
    uint8_t *no_bits;
    int film_at, voice_at;
} stages;

typedef struct stage_cell {
    stages *s;
    int kind;
} stage_cell;

static void render_stage(stages *s, int kind) {
    const stk_model *model = s->bench->isas[0].model;
    const stk_performance *source = &model->performance;
    const stk_frame_request request = {
        .bits = kind == HEAD ? model->bits : s->no_bits,
        .camera = source->camera,
        .pose = source->poses[s->bench->frame],
        .audio_code = s->bench->code,
        .expression = source->expressions[s->bench->frame],
        .rect = kind == COPY ? (stk_rect){0} : source->head_rect,
        .backdrop = &s->backdrop,
        .rule = STK_MARCH_FAST,
    };
    stk_frame_render(s->renderer, &request, &s->picture);
}

static stk_status backdrop_next(stages *s) {
    const stk_model *model = s->bench->isas[0].model;
    const stk_performance *source = &model->performance;
    const int k = stk_mirror_index(s->film_at++, source->frames);
    const stk_image *frame;
    if (model->plate.data == NULL) return stk_frame_store_get(s->film, k, &frame);
    stk_model_backdrop_paint(model, &source->camera, &source->poses[k], &model->plate, &s->painted,
                             s->bench->pools[0]);
    return STK_OK;
}

/* Going back to the start decodes the sound again: not on the clock. */
static stk_status voice_next(stages *s) {
    STK_ALIGNED(64) float code[STK_AUDIO_CODE];
    stk_voice_code(s->voice, s->bench->isas[0].model->nets.params.value, s->voice_at++, code);
    return stk_voice_check(s->voice);
}

static stk_status run_stage(void *ctx, double *seconds) {
    const stage_cell *cell = ctx;
    stages *s = cell->s;
    stk_bench_use(&s->bench->isas[0]);
    const int frames = stk_voice_frames(s->voice);
    if (cell->kind == VOICE && s->voice_at + FRAMES_A_RUN > frames) {
        s->voice_at = 0;
        STK_TRY(voice_next(s));
    }
    const int count = cell->kind < VOICE ? 1
                      : cell->kind == VOICE && frames - s->voice_at < FRAMES_A_RUN
                          ? frames - s->voice_at
                          : FRAMES_A_RUN;
    const double start_s = stk_clock_s();
    for (int i = 0; i < count; i++) {
        if (cell->kind < VOICE) render_stage(s, cell->kind);
        if (cell->kind == VOICE) STK_TRY(voice_next(s));
        if (cell->kind == BACKDROP) STK_TRY(backdrop_next(s));
        if (cell->kind == ENCODE) STK_TRY(stk_video_writer_frame(s->writer, &s->picture));
    }
    *seconds = (stk_clock_s() - start_s) / (count > 0 ? count : 1);
    return STK_OK;
}

static stk_status open_stages(stages *s) {
    const stk_bench_session *b = s->bench;
    const stk_model *model = b->isas[0].model;
    const stk_performance *source = &model->performance;
    char path[STK_PATH_MAX];
    const stk_image *frame;
    stk_bench_use(&b->isas[0]);
    STK_TRY(stk_frame_store_open(&s->film, NULL, model->torso_mp4, model->torso_bytes));
    STK_TRY(stk_image_init(&s->backdrop, source->width, source->height, 3));
    STK_TRY(stk_image_init(&s->painted, source->width, source->height, 3));
    STK_TRY(stk_image_init(&s->picture, source->width, source->height, 3));
    STK_TRY(stk_frame_store_get(s->film, b->frame, &frame));
    if (frame->width != source->width || frame->height != source->height)
        return stk_fail(STK_ERR_FORMAT, "%s: is damaged (its torso film is of another size)",
                        b->options->model);
    stk_image_copy(&s->backdrop, frame);
    STK_TRY(stk_frame_renderer_create(&s->renderer, source->width, source->height, b->pools[0]));
    STK_TRY(stk_frame_renderer_load(s->renderer, &model->nets, model->nets.params.value));
    const stk_voice_source heard = {
        .sound = b->sound, .features = b->options->features, .encoder = b->options->encoder};
    STK_TRY(stk_voice_open(&s->voice, &heard, &model->nets));
    s->no_bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    if (s->no_bits == NULL) return stk_fail_memory("bench");
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = source->width,
                                        .height = source->height,
                                        .fps = STK_FPS,
                                        .crf = CRF,
                                        .threads = stk_render_encoder_threads(b->threads[0])};
    STK_TRY(stk_bench_path(b, "stage.mp4", path));
    return stk_video_writer_create(&s->writer, path, &options);
}

static void close_stages(stages *s) {
    stk_video_writer_discard(&s->writer, 0);
    stk_free(s->no_bits);
    stk_voice_close(&s->voice);
    stk_frame_renderer_free(&s->renderer);
    stk_image_clear(&s->picture);
    stk_image_clear(&s->painted);
    stk_image_clear(&s->backdrop);
    stk_frame_store_close(&s->film);
}

/* times NULL: a difference of medians, without a spread of its own. */
static void put_stage(stk_bench_session *b, const char *stage, double median_s,
                      const stk_bench_times *times) {
    cJSON *row = stk_bench_row(b, "stages");
    cJSON_AddStringToObject(row, "stage", stage);
    stk_bench_put(row, "median_s", median_s);
    if (times != NULL) {
        stk_bench_put(row, "min_s", times->min_s);
        stk_bench_put(row, "max_s", times->max_s);
        stk_bench_put(row, "runs", times->runs);
        return;
    }
    cJSON_AddNullToObject(row, "min_s");
    cJSON_AddNullToObject(row, "max_s");
    cJSON_AddNullToObject(row, "runs");
}

static void report_stages(stk_bench_session *b, const stk_bench_cell *cells) {
    static const char *const names[STAGES] = {
        [HEAD] = "head", [VOICE] = "voice", [BACKDROP] = "backdrop", [ENCODE] = "encode"};
    stk_bench_times times[STAGES];
    int measured[STAGES];
    for (int i = 0; i < STAGES; i++) measured[i] = stk_bench_cell_times(&cells[i], &times[i]);
    for (int i = 0; i < STAGES; i++)
        if (measured[i] && names[i] != NULL) put_stage(b, names[i], times[i].median_s, &times[i]);
    if (!measured[HEAD] || !measured[EMPTY] || !measured[COPY]) return;
    put_stage(b, "head: march", times[EMPTY].median_s - times[COPY].median_s, NULL);
    put_stage(b, "head: field", times[HEAD].median_s - times[EMPTY].median_s, NULL);
    put_stage(b, "head: composite", times[COPY].median_s, &times[COPY]);
}

stk_status stk_bench_stages(stk_bench_session *b, double deadline_s) {
    stages s = {.bench = b};
    stage_cell kinds[STAGES];
    stk_bench_cell cells[STAGES] = {0};
    for (int i = 0; i < STAGES; i++) {
        kinds[i] = (stage_cell){&s, i};
        cells[i].run = run_stage;
        cells[i].ctx = &kinds[i];
    }
    stk_status status = open_stages(&s);
    if (status == STK_OK)
        status = stk_bench_measure(cells, STAGES, deadline_s, NULL, "stages", b->job);
    report_stages(b, cells);
    close_stages(&s);
    return status;
}
