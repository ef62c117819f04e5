/* ray_render.c - rays of one picture through the field: march, evaluate, composite, in rounds, so
 * that the nets never run on samples hidden behind what is already opaque.
 *
 *   pixels -> rays -> round: up to `step` samples a living ray -> tiles of 64 -> field -> composite
 *          -> living rays -> next round ... -> rgb, weight, depth per pixel
 *
 * FAST: a block of 16x16 pixels is one task and goes through its rounds alone, entirely in its
 * worker's scratch (about 41 KiB). All lattice points of its rays are looked up at once (one bit
 * each); rays through empty space end there. A round takes the next `step` bits of every ray,
 * step = clamp(256 / living, 1, 8) keeping the tiles full as rays die. The result depends on the
 * block only, never on the thread count.
 *
 * REFERENCE: the published rule. step comes from the number of living rays in the whole picture,
 * rounds are global, tasks are runs of living rays.
 */
#include "portrait/ray_render.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

enum {
    BLOCK_SIDE = 16,
    RAYS = BLOCK_SIDE * BLOCK_SIDE, /* rays, and samples a round, of one task */
    TILES = RAYS / STK_TILE,
    STEP_MAX = 8,
    ROUND_BUDGET = 16, /* REFERENCE: samples a ray may take, counted before each round */
};

/* One ray on its way. T is the transmittance so far. */
typedef struct ray_state {
    float d[3], t, far; /* FAST: t stays at the entry */
    float T, rgb[3], depth;
    int pixel, taken;
    uint32_t points[STK_SCAN_WORDS]; /* FAST: lattice points not yet taken */
} ray_state;

/* Everything one worker touches: samples of a round in tiles, and the rays of its task. */
typedef struct scratch {
    STK_ALIGNED(64) float xyz[TILES][3][STK_TILE];
    STK_ALIGNED(64) float dir[TILES][3][STK_TILE];
    STK_ALIGNED(64) float sigma[TILES][STK_TILE];
    STK_ALIGNED(64) float rgb[TILES][3][STK_TILE];
    STK_ALIGNED(64) float amb_aud[STK_TILE];
    STK_ALIGNED(64) float amb_exp[STK_TILE];
    STK_ALIGNED(64) uint16_t cond_row[STK_TILE]; /* all zero: one frame */
    STK_ALIGNED(64) float d[3][RAYS];            /* of the block's rays, for the scan */
    STK_ALIGNED(64) float near[RAYS];
    STK_ALIGNED(64) float far[RAYS];
    STK_ALIGNED(64) uint32_t points[STK_SCAN_WORDS][RAYS];
    float t_after[RAYS];
    ray_state rays[RAYS];
    int first[RAYS], count[RAYS]; /* samples of ray i in this round */
    int living;
    stk_ray_stats stats;
} scratch;

struct stk_ray_renderer {
    int threads, pixels;
    scratch *workers; /* [threads] */
    ray_state *rays;  /* [pixels] of a REFERENCE picture */
    int *alive;       /* [pixels] indices into rays, in order */
    stk_march_kernels march;
    stk_ray_stats stats;
};

typedef struct picture {
    stk_ray_renderer *renderer;
    const stk_ray_frame *frame;
    stk_field_cond cond;
    stk_rect rect;
    int width, blocks_x, cap;
    float opaque;     /* FAST: transmittance below which a ray ends */
    int step, living; /* REFERENCE: of this round */
    float *rgb, *weight, *depth;
} picture;

stk_status stk_ray_renderer_create(stk_ray_renderer **out, int width, int height, int threads) {
    *out = NULL;
    if (width < 1 || height < 1 || threads < 1 || (int64_t)width * height > INT32_MAX / 64)
        return stk_fail(STK_ERR_ARGUMENT, "a picture of %d x %d on %d threads cannot be rendered",
                        width, height, threads);
    stk_ray_renderer *renderer = stk_calloc_aligned(1, sizeof *renderer);
    if (renderer == NULL) return stk_fail_memory("renderer");
    renderer->threads = threads;
    renderer->pixels = width * height;
    renderer->workers = stk_calloc_aligned((size_t)threads, sizeof *renderer->workers);
    renderer->rays = stk_calloc_aligned((size_t)renderer->pixels, sizeof *renderer->rays);
    renderer->alive = stk_calloc_aligned((size_t)renderer->pixels, sizeof *renderer->alive);
    stk_march_kernels_init(&renderer->march);
    if (renderer->workers == NULL || renderer->rays == NULL || renderer->alive == NULL) {
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
    stk_free(*handle);
    *handle = NULL;
}

void stk_ray_renderer_stats(const stk_ray_renderer *renderer, stk_ray_stats *stats) {
    *stats = renderer->stats;
}

/* Ray of a pixel at its entry into the box; returns 0 for a miss. */
static int start_ray(const picture *p, int col, int row, ray_state *ray) {
    const stk_ngp_camera *camera = &p->frame->camera;
    float near_far[2];
    *ray = (ray_state){.T = 1, .pixel = row * p->width + col};
    stk_ngp_ray(camera, (float)col, (float)row, ray->d);
    p->renderer->march.near_far(1, camera->origin, ray->d, near_far);
    ray->t = near_far[0];
    ray->far = near_far[1];
    return ray->t < ray->far;
}

static void place_sample(scratch *s, int at, const float xyz[3], const float d[3], float t_after) {
    for (int axis = 0; axis < 3; axis++) {
        s->xyz[at / STK_TILE][axis][at % STK_TILE] = xyz[axis];
        s->dir[at / STK_TILE][axis][at % STK_TILE] = d[axis];
    }
    s->t_after[at] = t_after;
}

static void evaluate_round(const picture *p, scratch *s, int total) {
    const stk_field *field = p->frame->field;
    for (int tile = 0; tile * STK_TILE < total; tile++) {
        const int left = total - tile * STK_TILE;
        const stk_field_in in = {s->xyz[tile][0], s->dir[tile][0], s->cond_row,
                                 left < STK_TILE ? left : STK_TILE};
        stk_field_out out = {s->sigma[tile], s->rgb[tile][0], s->amb_aud, s->amb_exp, NULL};
        field->kernels.forward(&field->shape, p->frame->weights, &p->cond, &in, NULL, &out);
        s->stats.tiles++;
    }
    s->stats.samples += total;
}

/* w = (1 - exp(-sigma dt)) T added to the ray's sums. */
static void add_sample(const scratch *s, int i, ray_state *ray) {
    const int tile = i / STK_TILE, lane = i % STK_TILE;
    const float alpha = stk_march_alpha(s->sigma[tile][lane], STK_STEP_NGP), w = alpha * ray->T;
    for (int k = 0; k < 3; k++) ray->rgb[k] += w * s->rgb[tile][k][lane];
    ray->depth += w * s->t_after[i];
    ray->T *= 1.0f - alpha;
}

static void store_ray(const picture *p, const ray_state *ray, float weight) {
    for (int k = 0; k < 3; k++) p->rgb[3 * ray->pixel + k] = ray->rgb[k];
    p->weight[ray->pixel] = weight;
    if (p->depth != NULL) p->depth[ray->pixel] = ray->depth;
}

/* --- FAST ------------------------------------------------------------------------------------- */

/* Rays of the block, in the order of pixels, to scan[] and rays[]; returns their number. */
static int start_rays(const picture *p, scratch *s, int task) {
    const int x0 = p->rect.x0 + task % p->blocks_x * BLOCK_SIDE;
    const int y0 = p->rect.y0 + task / p->blocks_x * BLOCK_SIDE;
    const int x1 = x0 + BLOCK_SIDE < p->rect.x1 ? x0 + BLOCK_SIDE : p->rect.x1;
    const int y1 = y0 + BLOCK_SIDE < p->rect.y1 ? y0 + BLOCK_SIDE : p->rect.y1;
    int n = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) n += start_ray(p, x, y, &s->rays[n]);
    for (int i = 0; i < RAYS; i++) {
        const ray_state *ray = &s->rays[i];
        for (int k = 0; k < 3; k++) s->d[k][i] = i < n ? ray->d[k] : 1;
        s->near[i] = i < n ? ray->t : 1;
        s->far[i] = i < n ? ray->far : 0;
    }
    return n;
}

/* Keeps the rays that meet an occupied cell at all. */
static void start_block(const picture *p, scratch *s, int task) {
    const int n = start_rays(p, s, task);
    p->renderer->march.scan(RAYS, p->frame->camera.origin, s->d[0], s->near, s->far, p->frame->bits,
                            s->points[0]);
    s->stats.rays += n;
    s->living = 0;
    for (int i = 0; i < n; i++) {
        uint32_t any = 0;
        for (int w = 0; w < STK_SCAN_WORDS; w++) any |= s->points[w][i];
        if (any == 0) continue;
        ray_state *ray = &s->rays[s->living++];
        *ray = s->rays[i];
        for (int w = 0; w < STK_SCAN_WORDS; w++) ray->points[w] = s->points[w][i];
    }
}

/* Lowest point of the ray, taken out; -1 when none is left. */
static int next_point(ray_state *ray) {
    for (int w = 0; w < STK_SCAN_WORDS; w++) {
        if (ray->points[w] == 0) continue;
        const int bit = __builtin_ctz(ray->points[w]);
        ray->points[w] &= ray->points[w] - 1;
        return 32 * w + bit;
    }
    return -1;
}

/* The next `step` points of every living ray into the tiles; returns the number of samples. */
static int take_points(const picture *p, scratch *s, int step) {
    const float *o = p->frame->camera.origin;
    int total = 0;
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        s->first[i] = total;
        for (int k = 0; k < step && ray->taken < p->cap; k++, total++, ray->taken++) {
            const int point = next_point(ray);
            if (point < 0) break;
            const float t = ray->t + (float)point * STK_STEP_NGP;
            const float xyz[3] = {stk_clampf(o[0] + t * ray->d[0], -1, 1),
                                  stk_clampf(o[1] + t * ray->d[1], -1, 1),
                                  stk_clampf(o[2] + t * ray->d[2], -1, 1)};
            place_sample(s, total, xyz, ray->d, t + STK_STEP_NGP);
        }
        s->count[i] = total - s->first[i];
    }
    return total;
}

/* Composites the round and keeps, in order, the rays that are neither opaque, nor out of points,
 * nor at their cap; the others are stored. */
static void composite_block(const picture *p, scratch *s, int step) {
    int kept = 0;
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        for (int k = 0; k < s->count[i] && ray->T >= p->opaque; k++)
            add_sample(s, s->first[i] + k, ray);
        const int lives = s->count[i] == step && ray->T >= p->opaque && ray->taken < p->cap;
        if (!lives)
            store_ray(p, ray, 1.0f - ray->T);
        else if (kept++ != i)
            s->rays[kept - 1] = *ray;
    }
    s->living = kept;
}

static void render_block(void *ctx, int task, int worker) {
    const picture *p = ctx;
    scratch *s = &p->renderer->workers[worker];
    start_block(p, s, task);
    while (s->living > 0) {
        const int step = stk_clampi(RAYS / s->living, 1, STEP_MAX);
        evaluate_round(p, s, take_points(p, s, step));
        composite_block(p, s, step);
    }
}

static void render_fast(picture *p, stk_pool *pool) {
    const int blocks_y = (p->rect.y1 - p->rect.y0 + BLOCK_SIDE - 1) / BLOCK_SIDE;
    p->blocks_x = (p->rect.x1 - p->rect.x0 + BLOCK_SIDE - 1) / BLOCK_SIDE;
    stk_pool_run(pool, p->blocks_x * blocks_y, render_block, p);
}

/* --- REFERENCE -------------------------------------------------------------------------------- */

/* Up to p->step samples of every ray of the task into the tiles; returns the number of samples. */
static int march_round(const picture *p, scratch *s) {
    const float *o = p->frame->camera.origin;
    int total = 0;
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        float xyz[STEP_MAX * 3], dt_t[STEP_MAX * 2];
        s->first[i] = total;
        s->count[i] = p->renderer->march.march(o, ray->d, ray->t, ray->far, p->frame->bits, p->step,
                                               xyz, dt_t, &ray->t);
        for (int k = 0; k < s->count[i]; k++, total++)
            place_sample(s, total, xyz + 3 * k, ray->d, dt_t[2 * k + 1]);
    }
    return total;
}

/* reference.md 4.5: the ray dies on the sample whose transmittance *before* it was below 1e-4, or
 * when it gave fewer samples than asked. T is 1 - (sum of w), kept in that form. */
static int composite_reference(const picture *p, const scratch *s, int i, ray_state *ray) {
    float weight = p->weight[ray->pixel];
    int dead = s->count[i] < p->step;
    for (int k = 0; k < s->count[i]; k++) {
        const float before = 1.0f - weight;
        const int at = s->first[i] + k;
        ray->T = before;
        weight += stk_march_alpha(s->sigma[at / STK_TILE][at % STK_TILE], STK_STEP_NGP) * before;
        add_sample(s, at, ray);
        if (!(before < STK_TRANSMITTANCE_MIN)) continue;
        dead = 1;
        break;
    }
    store_ray(p, ray, weight);
    return dead;
}

/* Task: RAYS / step consecutive living rays; dead ones are marked by a negative pixel. */
static void reference_run(void *ctx, int task, int worker) {
    const picture *p = ctx;
    stk_ray_renderer *renderer = p->renderer;
    scratch *s = &renderer->workers[worker];
    const int run = RAYS / p->step, first = task * run;
    s->living = p->living - first < run ? p->living - first : run;
    for (int i = 0; i < s->living; i++) s->rays[i] = renderer->rays[renderer->alive[first + i]];
    evaluate_round(p, s, march_round(p, s));
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        if (composite_reference(p, s, i, ray)) ray->pixel = -1;
        renderer->rays[renderer->alive[first + i]] = *ray;
    }
}

static void start_reference(picture *p) {
    stk_ray_renderer *renderer = p->renderer;
    p->living = 0;
    for (int y = p->rect.y0; y < p->rect.y1; y++)
        for (int x = p->rect.x0; x < p->rect.x1; x++) {
            renderer->alive[p->living] = p->living;
            renderer->stats.rays += start_ray(p, x, y, &renderer->rays[p->living++]);
        }
}

static void render_reference(picture *p, stk_pool *pool) {
    stk_ray_renderer *renderer = p->renderer;
    stk_ray_stats *stats = &renderer->stats;
    start_reference(p);
    const int pixels = p->living;
    for (int budget = 0; budget < ROUND_BUDGET && p->living > 0; budget += p->step) {
        p->step = stk_clampi(pixels / p->living, 1, STEP_MAX);
        stats->round_alive[stats->rounds] = p->living;
        stats->round_step[stats->rounds++] = p->step;
        const int run = RAYS / p->step;
        stk_pool_run(pool, (p->living + run - 1) / run, reference_run, p);
        int kept = 0;
        for (int i = 0; i < p->living; i++)
            if (renderer->rays[renderer->alive[i]].pixel >= 0)
                renderer->alive[kept++] = renderer->alive[i];
        p->living = kept;
    }
}

/* --- both ------------------------------------------------------------------------------------- */

static void gather_stats(stk_ray_renderer *renderer) {
    for (int i = 0; i < renderer->threads; i++) {
        renderer->stats.rays += renderer->workers[i].stats.rays;
        renderer->stats.samples += renderer->workers[i].stats.samples;
        renderer->stats.tiles += renderer->workers[i].stats.tiles;
    }
}

void stk_ray_render(stk_ray_renderer *renderer, const stk_ray_frame *frame, int width, int height,
                    float *rgb, float *weight, float *depth, stk_pool *pool) {
    assert((int64_t)width * height <= renderer->pixels);
    const size_t pixels = (size_t)width * (size_t)height;
    const int cap = frame->samples_max > 0 ? frame->samples_max : STK_FAST_SAMPLES_MAX;
    const float opaque =
        frame->transmittance_min > 0 ? frame->transmittance_min : STK_TRANSMITTANCE_MIN;
    picture p = {.renderer = renderer,
                 .frame = frame,
                 .width = width,
                 .cond = {frame->audio, frame->exp, frame->code},
                 .cap = cap,
                 .opaque = opaque,
                 .rgb = rgb,
                 .weight = weight,
                 .depth = depth};
    p.rect =
        (stk_rect){stk_clampi(frame->rect.x0, 0, width), stk_clampi(frame->rect.y0, 0, height),
                   stk_clampi(frame->rect.x1, 0, width), stk_clampi(frame->rect.y1, 0, height)};
    memset(rgb, 0, pixels * 3 * sizeof *rgb);
    memset(weight, 0, pixels * sizeof *weight);
    if (depth != NULL) memset(depth, 0, pixels * sizeof *depth);
    renderer->stats = (stk_ray_stats){0};
    for (int i = 0; i < renderer->threads; i++) renderer->workers[i].stats = (stk_ray_stats){0};
    if (p.rect.x1 <= p.rect.x0 || p.rect.y1 <= p.rect.y0) return;
    if (stk_pool_threads(pool) > renderer->threads) pool = NULL;
    if (frame->rule == STK_MARCH_FAST)
        render_fast(&p, pool);
    else
        render_reference(&p, pool);
    gather_stats(renderer);
}
