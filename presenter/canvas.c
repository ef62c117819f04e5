/* canvas.c - a frame from begin to resolve; memory of the canvas.
 *
 * Stages of a draw, each a run of the pool: vertices, bins, bands. A band's task rasterises, shades
 * and draws strands over its 16 rows; bands share nothing, so the picture does not depend on the
 * number of threads. Buffers of samples are cleared by the first draw of a frame that meets them.
 */
#include "presenter/canvas_private.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

static float srgb_of(float v) {
    return v <= 0.0031308f ? 12.92f * v : 1.055f * powf(v, 1 / 2.4f) - 0.055f;
}
static float linear_of(float v) {
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

stk_status stk_canvas_create(stk_canvas **out, int width, int height, stk_pool *pool) {
    *out = NULL;
    if (width < 1 || height < 1 || width > 8192 || height > 8192)
        return stk_fail(STK_ERR_ARGUMENT, "a canvas of %dx%d pixels", width, height);
    stk_canvas *canvas = stk_calloc_aligned(1, sizeof *canvas);
    if (canvas == NULL) return stk_fail_memory("canvas");
    const size_t pixels = (size_t)width * (size_t)height;
    canvas->width = width;
    canvas->height = height;
    canvas->bands = (height + CANVAS_BAND - 1) / CANVAS_BAND;
    canvas->pool = pool;
    canvas->fresh = stk_calloc_aligned((size_t)canvas->bands, 1);
    canvas->nearness = stk_calloc_aligned(pixels, sizeof *canvas->nearness);
    canvas->pixel = stk_calloc_aligned(pixels, sizeof *canvas->pixel);
    canvas->part = stk_calloc_aligned(pixels, sizeof *canvas->part);
    canvas->live = stk_calloc_aligned(pixels, 1);
    const size_t scratch = (size_t)stk_pool_threads(pool) * CANVAS_BAND * (size_t)width;
    canvas->nearest = stk_calloc_aligned(scratch, sizeof *canvas->nearest);
    canvas->fringe = stk_calloc_aligned(scratch, sizeof *canvas->fringe);
    canvas->fringe_state = stk_calloc_aligned(scratch, 1);
    canvas->root = stk_calloc_aligned(3 * pixels, sizeof *canvas->root);
    canvas->to_srgb = stk_calloc_aligned(CANVAS_SRGB_STEPS + 1, sizeof *canvas->to_srgb);
    if (!canvas->fresh || !canvas->nearness || !canvas->pixel || !canvas->part || !canvas->live ||
        !canvas->nearest || !canvas->fringe || !canvas->fringe_state || !canvas->to_srgb ||
        !canvas->root) {
        stk_canvas_free(&canvas);
        return stk_fail_memory("canvas");
    }
    for (int i = 0; i < 256; i++) {
        canvas->to_linear[i] = linear_of((float)i / 255);
        canvas->to_root[i] = sqrtf(canvas->to_linear[i]);
    }
    for (int i = 0; i <= CANVAS_SRGB_STEPS; i++)
        canvas->to_srgb[i] =
            255 * srgb_of((float)i * (float)i / (float)(CANVAS_SRGB_STEPS * CANVAS_SRGB_STEPS));
    *out = canvas;
    return STK_OK;
}

void stk_canvas_free(stk_canvas **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_canvas *canvas = *handle;
    for (int i = 0; i < canvas->textures; i++) canvas_texture_clear(&canvas->texture[i]);
    canvas_bins_free(&canvas->triangles);
    canvas_bins_free(&canvas->segments);
    void *blocks[] = {canvas->fresh,  canvas->nearness, canvas->pixel,        canvas->part,
                      canvas->live,   canvas->nearest,  canvas->fringe,       canvas->root,
                      canvas->vertex, canvas->point,    canvas->fringe_state, canvas->to_srgb};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) stk_free(blocks[i]);
    stk_free(canvas);
    *handle = NULL;
}

void stk_canvas_begin(stk_canvas *canvas, const stk_camera *camera, const stk_light *light) {
    canvas->camera = *camera;
    canvas->light = *light;
    memset(canvas->fresh, 1, (size_t)canvas->bands);
    memset(canvas->live, 0, (size_t)canvas->width * (size_t)canvas->height);
}

/* Numbers vertices, triangles, points and segments of the actor through, and makes room. */
static stk_status reserve(stk_canvas *canvas) {
    canvas_job *job = &canvas->job;
    const stk_actor *actor = job->actor;
    for (int s = 0; s < actor->surfaces; s++) {
        job->surface_first[s + 1] = job->surface_first[s] + actor->surface[s]->vertices;
        job->triangle_first[s + 1] = job->triangle_first[s] + actor->surface[s]->triangles;
    }
    for (int s = 0; s < actor->strands_count; s++) {
        const stk_strands *strands = actor->strands[s];
        job->strand_first[s + 1] = job->strand_first[s] + strands->count * strands->points;
        job->segment_first[s + 1] =
            job->segment_first[s] +
            (strands->points > 1 ? strands->count * (strands->points - 1) : 0);
    }
    const int vertices = job->surface_first[actor->surfaces];
    const int points = job->strand_first[actor->strands_count];
    if (vertices > canvas->vertices) {
        stk_free(canvas->vertex);
        canvas->vertices = 0;
        canvas->vertex = stk_calloc_aligned((size_t)vertices, sizeof *canvas->vertex);
        if (canvas->vertex == NULL) return stk_fail_memory("canvas vertices");
        canvas->vertices = vertices;
    }
    if (points > canvas->points) {
        stk_free(canvas->point);
        canvas->points = 0;
        canvas->point = stk_calloc_aligned((size_t)points, sizeof *canvas->point);
        if (canvas->point == NULL) return stk_fail_memory("canvas points");
        canvas->points = points;
    }
    STK_TRY(canvas_bins_reserve(&canvas->triangles, job->triangle_first[actor->surfaces],
                                canvas->bands));
    return canvas_bins_reserve(&canvas->segments, job->segment_first[actor->strands_count],
                               canvas->bands);
}

static stk_status prepare(stk_canvas *canvas) {
    canvas_job *job = &canvas->job;
    STK_TRY(reserve(canvas));
    for (int s = 0; s < job->actor->surfaces; s++) {
        stk_surface *surface = job->actor->surface[s];
        STK_TRY(stk_surface_link(surface));
        if (surface->material != NULL)
            STK_TRY(canvas_texture_get(canvas, &surface->material->texture, &job->texture[s]));
    }
    return STK_OK;
}

static void draw_band(void *ctx, int band, int worker) {
    stk_canvas *canvas = ctx;
    const int y0 = band * CANVAS_BAND;
    const int y1 = y0 + CANVAS_BAND < canvas->height ? y0 + CANVAS_BAND : canvas->height;
    const size_t first = (size_t)y0 * (size_t)canvas->width;
    const size_t count = (size_t)(y1 - y0) * (size_t)canvas->width;
    if (canvas->fresh[band]) {
        canvas->fresh[band] = 0;
        memset(canvas->nearness + first, 0, count * sizeof *canvas->nearness);
        memset(canvas->part + first, 0, count * sizeof *canvas->part);
    }
    if (canvas->triangles.start[band] < canvas->triangles.start[band + 1]) {
        canvas_i4 *nearest = canvas->nearest + (size_t)worker * CANVAS_BAND * (size_t)canvas->width;
        memset(nearest, 0xff, count * sizeof *nearest);
        canvas_raster(canvas, band, nearest);
        canvas_shade(canvas, band, nearest);
    }
    const size_t scratch = (size_t)worker * CANVAS_BAND * (size_t)canvas->width;
    const canvas_fringes fringes = {canvas->fringe + scratch, canvas->fringe_state + scratch};
    canvas_ribbons(canvas, band, &fringes);
}

stk_status stk_canvas_draw(stk_canvas *canvas, const stk_actor *actor, const stk_bones *bones,
                           int keep, int force_part) {
    canvas->job =
        (canvas_job){.actor = actor, .bones = *bones, .keep = keep, .force_part = force_part};
    STK_TRY(prepare(canvas));
    canvas_transform(canvas);
    STK_TRY(canvas_bin(canvas));
    stk_pool_run(canvas->pool, canvas->bands, draw_band, canvas);
    return STK_OK;
}
