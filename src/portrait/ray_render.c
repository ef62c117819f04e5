/* ray_render.c - rays of one picture through the field: what the two march rules share, and the
 * entry. The rules: ray_fast.c and ray_reference.c.
 *
 *   pixels -> rays -> samples in tiles of 64 -> field -> composite -> rgba per pixel
 */
#include "portrait/ray_private.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

stk_status stk_ray_renderer_create(stk_ray_renderer **out, int width, int height, int threads) {
    *out = NULL;
    if (width < 1 || height < 1 || threads < 1 || (int64_t)width * height > INT32_MAX / 64)
        return stk_fail(STK_ERR_ARGUMENT, "a picture of %d x %d on %d threads cannot be rendered",
                        width, height, threads);
    stk_ray_renderer *renderer = stk_calloc_aligned(1, sizeof *renderer);
    if (renderer == NULL) return stk_fail_memory("renderer");
    renderer->threads = threads;
    renderer->pixels = width * height;
    renderer->height = height;
    renderer->workers = stk_calloc_aligned((size_t)threads, sizeof *renderer->workers);
    renderer->rays = stk_calloc_aligned((size_t)renderer->pixels, sizeof *renderer->rays);
    renderer->alive = stk_calloc_aligned((size_t)renderer->pixels, sizeof *renderer->alive);
    int spans = 1;
    for (int k = 0; k < RAY_PASSES; k++) {
        renderer->spans[k] = stk_calloc_aligned((size_t)height, sizeof *renderer->spans[k]);
        spans = spans && renderer->spans[k] != NULL;
    }
    stk_march_kernels_init(&renderer->march);
    if (renderer->workers == NULL || renderer->rays == NULL || renderer->alive == NULL || !spans) {
        stk_ray_renderer_free(&renderer);
        return stk_fail_memory("renderer");
    }
    *out = renderer;
    return STK_OK;
}

void stk_ray_renderer_free(stk_ray_renderer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_free((*handle)->workers);
    stk_free((*handle)->rays);
    stk_free((*handle)->alive);
    for (int k = 0; k < RAY_PASSES; k++) stk_free((*handle)->spans[k]);
    stk_free(*handle);
    *handle = NULL;
}

void stk_ray_renderer_stats(const stk_ray_renderer *renderer, stk_ray_stats *stats) {
    *stats = renderer->stats;
}

/* Ray of a pixel at its entry into the box; returns 0 for a miss. */
int stk_ray_start(const ray_picture *p, int col, int row, ray_state *ray) {
    const stk_ngp_camera *camera = &p->frame->camera;
    float near_far[2];
    *ray = (ray_state){.T = 1, .pixel = row * p->width + col};
    stk_ngp_ray(camera, (float)col, (float)row, ray->d);
    p->renderer->march.near_far(1, camera->origin, ray->d, near_far);
    ray->t = near_far[0];
    ray->far = near_far[1];
    return ray->t < ray->far;
}

void stk_ray_place_sample(ray_scratch *s, int at, const float xyz[3], const float d[3],
                          float t_after) {
    for (int axis = 0; axis < 3; axis++) {
        s->xyz[at / STK_TILE][axis][at % STK_TILE] = xyz[axis];
        s->dir[at / STK_TILE][axis][at % STK_TILE] = d[axis];
    }
    s->t_after[at] = t_after;
}

void stk_ray_store(const ray_picture *p, const ray_state *ray, float weight) {
    float *rgba = p->rgba + 4 * (size_t)ray->pixel;
    for (int k = 0; k < 3; k++) rgba[k] = ray->rgb[k];
    rgba[3] = weight;
    if (p->depth != NULL) p->depth[ray->pixel] = ray->depth;
}

static void gather_stats(stk_ray_renderer *renderer) {
    for (int i = 0; i < renderer->threads; i++) {
        renderer->stats.rays += renderer->workers[i].stats.rays;
        renderer->stats.samples += renderer->workers[i].stats.samples;
        renderer->stats.tiles += renderer->workers[i].stats.tiles;
    }
}

void stk_ray_render(stk_ray_renderer *renderer, const stk_ray_frame *frame, int width, int height,
                    float *rgba, float *depth, stk_pool *pool) {
    assert((int64_t)width * height <= renderer->pixels && height <= renderer->height);
    const size_t pixels = (size_t)width * (size_t)height;
    const int cap = frame->samples_max > 0 ? frame->samples_max : STK_FAST_SAMPLES_MAX;
    const float opaque =
        frame->transmittance_min > 0 ? frame->transmittance_min : STK_TRANSMITTANCE_MIN;
    ray_picture p = {.renderer = renderer,
                     .frame = frame,
                     .width = width,
                     .height = height,
                     .cond = {frame->audio, frame->exp, frame->code},
                     .cap = cap,
                     .opaque = opaque,
                     .rgba = rgba,
                     .depth = depth};
    p.rect =
        (stk_rect){stk_clampi(frame->rect.x0, 0, width), stk_clampi(frame->rect.y0, 0, height),
                   stk_clampi(frame->rect.x1, 0, width), stk_clampi(frame->rect.y1, 0, height)};
    memset(rgba, 0, pixels * 4 * sizeof *rgba);
    if (depth != NULL) memset(depth, 0, pixels * sizeof *depth);
    renderer->stats = (stk_ray_stats){0};
    for (int i = 0; i < renderer->threads; i++) renderer->workers[i].stats = (stk_ray_stats){0};
    if (p.rect.x1 <= p.rect.x0 || p.rect.y1 <= p.rect.y0) return;
    if (stk_pool_threads(pool) > renderer->threads) pool = NULL;
    if (frame->rule == STK_MARCH_FAST)
        stk_ray_render_fast(&p, pool);
    else
        stk_ray_render_reference(&p, pool);
    gather_stats(renderer);
}
