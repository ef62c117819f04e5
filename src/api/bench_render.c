/* bench_render.c - frames: which one, at three sizes under every instruction set, and the stages of
 * one as `render` makes it.
 *
 * One source frame is rendered over and over: of nine spread over the performance the one with the
 * median number of samples. Its backdrop is decoded once, so a figure of "head" is what
 * stk_frame_render takes; decoding and encoding are rows of their own among the stages. "portrait"
 * is the face pasted into the source frame: the mask, rays for its pixels, and the pasting.
 * Renderers of one size live at the same time, so that all cells of a size can take turns.
 */
#include "api/bench.h"
#include "base/clock.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"
#include "media/media.h"
#include "portrait_sync/portrait.h"
#include "render/frame.h"
#include "render/portrait.h"
#include "render/voice.h"
#include "subject/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int sizes[STK_BENCH_SIZES] = {256, 512, 768};
static const double size_shares[STK_BENCH_SIZES] = {0.15, 0.4, 1.0}; /* deadlines, of the section */

enum {
    CANDIDATES = 9,
    CANDIDATE_SIZE = 128,
    CELLS_MAX = 2 * (STK_BENCH_ISAS * 2 + STK_BENCH_THREADS)
};
/* How much slower plain C is, for guessing what fits into the time. */
static const double PLAIN_C_COST = 7;

/* A picture of one size, with what it is made of. */
typedef struct scene {
    stk_image backdrop, picture;
    stk_camera camera;
    stk_rect rect;
    stk_portrait_frame source; /* mask.data NULL: no subject was given */
} scene;

typedef struct render_cell {
    const stk_bench_session *bench;
    const stk_bench_isa *isa;
    int thread; /* index */
    const char *what;
    stk_frame_renderer *renderer; /* shared by the cells of an instruction set and thread count */
    scene *scene;
    stk_portrait_source *portrait; /* NULL: the head */
    const uint8_t *bits;           /* NULL = the model's */
    stk_ray_stats stats;
} render_cell;

/* --- scenes ----------------------------------------------------------------------------------- */

static void clear_scene(scene *s) {
    stk_image_clear(&s->backdrop);
    stk_image_clear(&s->picture);
    stk_portrait_frame_clear(&s->source);
}

static stk_status open_film(const stk_bench_session *b, stk_frame_store **film) {
    const stk_model *model = b->isas[0].model;
    STK_TRY(stk_frame_store_open(film, NULL, model->torso_mp4, model->torso_bytes));
    if (stk_frame_store_count(*film) >= model->performance.frames) return STK_OK;
    stk_frame_store_close(film);
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged (its torso film is too short); train it again",
                    b->options->model);
}

/* size: the width, as `render --size` has it. portrait: may be NULL. */
static stk_status make_scene(const stk_bench_session *b, int size, int frame,
                             stk_portrait_source *portrait, scene *s) {
    const stk_performance *source = &b->isas[0].model->performance;
    const int height = (int)((int64_t)size * source->height / source->width) & ~1;
    *s = (scene){.camera = stk_camera_scaled(&source->camera, size, height)};
    s->rect = stk_rect_scaled(&source->head_rect, &source->camera, &s->camera);
    STK_TRY(stk_image_init(&s->backdrop, size, height, 3));
    STK_TRY(stk_image_init(&s->picture, size, height, 3));
    if (portrait != NULL) {
        STK_TRY(stk_portrait_frame_init(&s->source, portrait, size, height));
        STK_TRY(stk_portrait_read(portrait, frame, &s->source));
        STK_TRY(stk_portrait_mask(portrait, frame, &s->source));
    }
    stk_frame_store *film;
    const stk_image *decoded;
    STK_TRY(open_film(b, &film));
    stk_status status = stk_frame_store_get(film, frame, &decoded);
    if (status == STK_OK) stk_image_resize(&s->backdrop, decoded);
    stk_frame_store_close(&film);
    return status;
}

static stk_status load(const render_cell *cell) {
    const stk_nets *nets = &cell->isa->model->nets;
    return stk_frame_renderer_load(cell->renderer, nets, nets->params.value);
}

static stk_status render_once(const render_cell *cell, int frame) {
    const stk_model *model = cell->isa->model;
    const stk_performance *source = &model->performance;
    scene *s = cell->scene;
    if (cell->portrait != NULL) STK_TRY(stk_portrait_mask(cell->portrait, frame, &s->source));
    const stk_frame_request request = {
        .bits = cell->bits != NULL ? cell->bits : model->bits,
        .camera = s->camera,
        .pose = source->poses[frame],
        .audio_code = cell->bench->code,
        .expression = source->expressions[frame],
        .rect = cell->portrait != NULL ? s->source.rect : s->rect,
        .spans = cell->portrait != NULL ? (const int(*)[2])s->source.spans : NULL,
        .backdrop = &s->backdrop,
        .rule = STK_MARCH_FAST,
    };
    stk_image picture = s->picture;
    stk_frame_render(cell->renderer, &request, &picture);
    if (cell->portrait == NULL) return STK_OK;
    stk_portrait_fit(cell->portrait, frame, &s->source, &picture, stk_frame_rgba(cell->renderer));
    stk_portrait_follow(cell->portrait, frame, &s->source);
    stk_portrait_settle(cell->portrait, &s->source, &picture);
    stk_portrait_paste(&picture, &s->source.mask, &s->source.frame);
    return STK_OK;
}

static stk_status run_render(void *ctx, double *seconds) {
    render_cell *cell = ctx;
    stk_bench_use(cell->isa);
    const double start_s = stk_clock_s();
    STK_TRY(render_once(cell, cell->bench->frame));
    *seconds = stk_clock_s() - start_s;
    stk_frame_stats(cell->renderer, &cell->stats);
    return STK_OK;
}

/* --- which frame ------------------------------------------------------------------------------ */

typedef struct candidate {
    int frame;
    int64_t samples;
} candidate;

static int by_samples(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return x->samples != y->samples ? (x->samples > y->samples) - (x->samples < y->samples)
                                    : x->frame - y->frame;
}

stk_status stk_bench_choose_frame(stk_bench_session *b) {
    const int frames = b->isas[0].model->performance.frames;
    candidate list[CANDIDATES];
    scene s;
    render_cell cell = {.bench = b, .isa = &b->isas[0], .scene = &s};
    stk_bench_use(cell.isa);
    stk_status status = make_scene(b, CANDIDATE_SIZE, 0, NULL, &s);
    if (status == STK_OK)
        status =
            stk_frame_renderer_create(&cell.renderer, s.camera.width, s.camera.height, b->pools[0]);
    if (status == STK_OK) status = load(&cell);
    for (int i = 0; status == STK_OK && i < CANDIDATES; i++) {
        stk_ray_stats stats;
        list[i].frame = (int)((int64_t)frames * (2 * i + 1) / (2 * CANDIDATES));
        status = render_once(&cell, list[i].frame);
        stk_frame_stats(cell.renderer, &stats);
        list[i].samples = stats.samples;
    }
    if (status == STK_OK) {
        qsort(list, CANDIDATES, sizeof *list, by_samples);
        b->frame = list[CANDIDATES / 2].frame;
    }
    stk_frame_renderer_free(&cell.renderer);
    clear_scene(&s);
    return status;
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* Pixels that may get a ray. */
static int pixels_of(const render_cell *cell) {
    const scene *s = cell->scene;
    const stk_rect *r = &s->rect;
    int pixels = 0;
    if (cell->portrait == NULL)
        return r->x1 > r->x0 && r->y1 > r->y0 ? (r->x1 - r->x0) * (r->y1 - r->y0) : 0;
    for (int y = 0; y < s->source.mask.height; y++)
        pixels += s->source.spans[y][1] - s->source.spans[y][0];
    return pixels;
}

/* Cells of one size: the best instruction set with every thread count, the others with the most
 * threads and with one; a portrait each, too, where there is a subject. */
typedef struct size_cells {
    render_cell list[CELLS_MAX];
    stk_bench_cell cells[CELLS_MAX];
    int count;
} size_cells;

static void add_cell(size_cells *all, const render_cell *cell) {
    const int at = all->count++;
    const double slow = cell->isa->mask == 0 ? PLAIN_C_COST : 1;
    all->list[at] = *cell;
    all->cells[at] = (stk_bench_cell){
        .run = run_render,
        .ctx = &all->list[at],
        .cost = slow * pixels_of(cell) / cell->bench->threads[cell->thread],
    };
}

static stk_status add_cells(size_cells *all, const stk_bench_session *b, scene *s,
                            stk_portrait_source *portrait) {
    for (int i = 0; i < b->isa_count; i++) {
        for (int t = 0; t < b->thread_count; t++) {
            if (i > 0 && t > 0 && t < b->thread_count - 1) continue;
            render_cell cell = {.bench = b, .isa = &b->isas[i], .thread = t, .scene = s};
            stk_bench_use(cell.isa);
            STK_TRY(stk_frame_renderer_create(&cell.renderer, s->camera.width, s->camera.height,
                                              b->pools[t]));
            cell.what = "head";
            add_cell(all, &cell); /* freed with the list from here on */
            STK_TRY(load(&cell));
            if (portrait == NULL) continue;
            cell.what = "portrait";
            cell.portrait = portrait;
            add_cell(all, &cell);
        }
    }
    return STK_OK;
}

static void free_cells(size_cells *all) {
    const stk_frame_renderer *last = NULL;
    for (int i = 0; i < all->count; i++) {
        stk_frame_renderer *renderer = all->list[i].renderer;
        if (renderer != last) last = renderer, stk_frame_renderer_free(&renderer);
    }
    stk_free(all);
}

static void report_cells(stk_bench_session *b, const size_cells *all, int size) {
    for (int i = 0; i < all->count; i++) {
        const render_cell *cell = &all->list[i];
        stk_bench_times times;
        if (!stk_bench_cell_times(&all->cells[i], &times)) continue;
        cJSON *row = stk_bench_row(b, "render");
        cJSON_AddStringToObject(row, "what", cell->what);
        stk_bench_put(row, "size", size);
        cJSON_AddStringToObject(row, "isa", cell->isa->name);
        stk_bench_put(row, "threads", b->threads[cell->thread]);
        stk_bench_put(row, "frames_per_s", 1 / times.median_s);
        stk_bench_put_times(row, &times);
        cJSON_AddNumberToObject(row, "pixels", pixels_of(cell));
        cJSON_AddNumberToObject(row, "rays", (double)cell->stats.rays);
        cJSON_AddNumberToObject(row, "samples", (double)cell->stats.samples);
        const double samples = (double)(cell->stats.samples > 0 ? cell->stats.samples : 1);
        stk_bench_put(row, "ns_per_sample", 1e9 * times.median_s / samples);
    }
}

static stk_status measure_size(stk_bench_session *b, int size, stk_portrait_source *portrait,
                               double *ratio, double deadline_s) {
    scene s = {0};
    size_cells *all = stk_calloc_aligned(1, sizeof *all);
    if (all == NULL) return stk_fail_memory("bench");
    char step[32];
    snprintf(step, sizeof step, "render %d", size);
    stk_status status = make_scene(b, size, b->frame, portrait, &s);
    if (status == STK_OK) status = add_cells(all, b, &s, portrait);
    if (status == STK_OK)
        status = stk_bench_measure(all->cells, all->count, deadline_s, ratio, step, b->job);
    report_cells(b, all, size);
    free_cells(all);
    clear_scene(&s);
    return status;
}

/* The subject that portraits are made from; both NULL when none was given. */
static stk_status open_portrait(const stk_bench_session *b, stk_subject **subject,
                                stk_portrait_source **portrait) {
    if (b->options->subject == NULL) return STK_OK;
    STK_TRY(stk_subject_open(subject, b->options->subject));
    STK_TRY(stk_model_check_subject(b->isas[0].model, b->options->model, *subject,
                                    b->options->subject));
    return stk_portrait_open(portrait, *subject, 0);
}

stk_status stk_bench_render(stk_bench_session *b, double deadline_s) {
    const double start_s = stk_clock_s();
    stk_subject *subject = NULL;
    stk_portrait_source *portrait = NULL;
    double ratio = 0;
    stk_status status = open_portrait(b, &subject, &portrait);
    for (int i = 0; i < STK_BENCH_SIZES && status == STK_OK; i++)
        status = measure_size(b, sizes[i], portrait, &ratio,
                              start_s + size_shares[i] * (deadline_s - start_s));
    stk_portrait_close(&portrait);
    stk_subject_close(&subject);
    return status;
}
