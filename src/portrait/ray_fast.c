/* ray_fast.c - the march for rendering: rays only where the picture needs them, and each ray's
 * samples only until it is opaque.
 *
 * Which pixels. DIFFERS: the published code sends a ray through every pixel. Here five passes go
 * from a lattice of 4 x 4 pixels to all pixels, each filling the middles of the squares (then of
 * the diamonds) that the passes before it left:
 *
 *   pass 0: a . . . a    1: a . . . a    2: a . c . a    3: a . c . a    4: all others
 *           . . . . .       . . . . .       . . . . .       . d . d .
 *           . . . . .       . . b . .       c . b . c       c . b . c
 *           . . . . .       . . . . .       . . . . .       . d . d .
 *           a . . . a       a . . . a       a . c . a       a . c . a
 *
 * Passes 0 and 1 are rays: no pixel is farther than two from one. A pixel of passes 2 to 4 is
 * interpolated from its four neighbours and the four behind them (weights 9/32 and -1/32: exact for
 * cubics) where the four agree, in all of colour and weight: their spread and their bend stay below
 * `flat`, 1.5 times and twice that in passes 3 and 4, whose neighbours are nearer; else it gets a
 * ray. What that does to pictures is in doc/SPEED.md. A detail of two pixels may fall between; the
 * lights in the eyes did where pass 1 was allowed to guess.
 *
 * Which samples. All lattice points of a ray are looked up at once in the occupancy grid (one bit
 * each). A worker keeps up to RAY_BATCH living rays in hand, and new ones take the place of those
 * that have become opaque or run out of points: a round evaluates the next point of as many of them
 * as fill whole tiles. Only when no new ray comes does a ray give several points a round.
 *
 * A task is a band of rows of one pass; it reads pixels of earlier passes only, and rays know
 * nothing of each other, so the picture does not depend on the thread count.
 */
#include "portrait/ray_private.h"

#include <string.h>

enum {
    LATTICE = 4,
    PASSES = 5,
    FIRST_GUESS = 2,    /* pass that may interpolate */
    BANDS_A_THREAD = 6, /* so that threads end a pass together */
    BAND_ROWS_MIN = 16,
    STRIP = 64, /* columns gone through together: what their rays touch stays in cache */
};

/* --- samples ---------------------------------------------------------------------------------- */

/* Takes those of the fresh rays in hand that meet an occupied cell. */
static void admit(const ray_picture *p, ray_scratch *s) {
    const int n = s->fresh, lanes = (n + 15) / 16 * 16;
    float *d = s->d[0];
    uint32_t *points = s->points[0];
    for (int i = 0; i < lanes; i++) {
        const ray_state *ray = &s->rays[s->living + i];
        for (int k = 0; k < 3; k++) d[k * lanes + i] = i < n ? ray->d[k] : 1;
        s->near[i] = i < n ? ray->t : 1;
        s->far[i] = i < n ? ray->far : 0;
    }
    p->renderer->march.scan(lanes, p->frame->camera.origin, d, s->near, s->far, p->frame->bits,
                            points);
    const ray_state *fresh = &s->rays[s->living];
    for (int i = 0; i < n; i++) {
        uint32_t any = 0;
        for (int w = 0; w < STK_SCAN_WORDS; w++) any |= points[w * lanes + i];
        if (any == 0) continue;
        ray_state *ray = &s->rays[s->living++];
        if (ray != &fresh[i]) *ray = fresh[i];
        for (int w = 0; w < STK_SCAN_WORDS; w++) ray->points[w] = points[w * lanes + i];
    }
    s->stats.rays += n;
    s->fresh = 0;
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

/* The next `step` points of the first n rays into the tiles; returns the number of samples. */
static int take_points(const ray_picture *p, ray_scratch *s, int n, int step) {
    const float *o = p->frame->camera.origin;
    int total = 0;
    for (int i = 0; i < n; i++) {
        ray_state *ray = &s->rays[i];
        s->first[i] = total;
        for (int k = 0; k < step && ray->taken < p->cap; k++, total++, ray->taken++) {
            const int point = next_point(ray);
            if (point < 0) break;
            const float t = ray->t + (float)point * STK_STEP_NGP;
            const float xyz[3] = {stk_clampf(o[0] + t * ray->d[0], -1, 1),
                                  stk_clampf(o[1] + t * ray->d[1], -1, 1),
                                  stk_clampf(o[2] + t * ray->d[2], -1, 1)};
            stk_ray_place_sample(s, total, xyz, ray->d, t + STK_STEP_NGP);
        }
        s->count[i] = total - s->first[i];
    }
    return total;
}

static void evaluate_samples(const ray_picture *p, ray_scratch *s, int total) {
    const stk_ray_frame *frame = p->frame;
    int tile = 0;
    for (; tile * STK_TILE < total; tile++)
        frame->radiance->evaluate(frame->block, s->xyz[tile][0], s->dir[tile][0], s->sigma[tile],
                                  s->rgb[tile][0]);
    p->renderer->march.opacity(tile * STK_TILE, s->sigma[0], STK_STEP_NGP, s->alpha[0]);
    s->stats.tiles += tile;
    s->stats.samples += total;
}

static void add_sample(const ray_scratch *s, int i, ray_state *ray) {
    const int tile = i / STK_TILE, lane = i % STK_TILE;
    const float alpha = s->alpha[tile][lane], w = alpha * ray->T;
    for (int k = 0; k < 3; k++) ray->rgb[k] += w * s->rgb[tile][k][lane];
    ray->depth += w * s->t_after[i];
    ray->T *= 1.0f - alpha;
}

static int has_points(const ray_state *ray) {
    uint32_t any = 0;
    for (int w = 0; w < STK_SCAN_WORDS; w++) any |= ray->points[w];
    return any != 0;
}

/* One round of the first n rays. Keeps those that are neither opaque, nor out of points, nor at
 * their cap; the others are stored. */
static void march_round(const ray_picture *p, ray_scratch *s, int n, int step) {
    evaluate_samples(p, s, take_points(p, s, n, step));
    int kept = 0;
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        for (int k = 0; i < n && k < s->count[i] && ray->T >= p->opaque; k++)
            add_sample(s, s->first[i] + k, ray);
        if (i < n && !(ray->T >= p->opaque && ray->taken < p->cap && has_points(ray)))
            stk_ray_store(p, ray, 1.0f - ray->T);
        else if (kept++ != i)
            s->rays[kept - 1] = *ray;
    }
    s->living = kept;
}

/* The ray that was just started joins those in hand. */
static void add_ray(const ray_picture *p, ray_scratch *s) {
    if (++s->fresh < RAY_FRESH) return;
    admit(p, s);
    while (s->living > RAY_BATCH - RAY_FRESH) march_round(p, s, s->living / STK_TILE * STK_TILE, 1);
}

/* No more rays come. */
static void finish_rays(const ray_picture *p, ray_scratch *s) {
    admit(p, s);
    while (s->living >= STK_TILE) march_round(p, s, s->living / STK_TILE * STK_TILE, 1);
    while (s->living > 0)
        march_round(p, s, s->living, stk_clampi(STK_TILE / s->living, 1, RAY_STEP_MAX));
}

/* --- pixels ----------------------------------------------------------------------------------- */

typedef float quad __attribute__((vector_size(16))); /* rgba of a pixel */

static quad pixel_at(const float *p) {
    quad q;
    memcpy(&q, p, sizeof q);
    return q;
}

static quad larger(quad a, quad b) {
    typedef int mask __attribute__((vector_size(16)));
    const mask m = a > b;
    return (quad)(((mask)a & m) | ((mask)b & ~m));
}

/* A pass's neighbours, as offsets in pixels from the pixel: two opposite pairs. */
typedef struct pattern {
    int first_x[2], first_y[2]; /* where its pixels lie within the lattice cell, by kind */
    int kinds, step;            /* distance of its pixels along x and y */
    int dx[2], dy[2];           /* one neighbour of each pair; the other lies opposite */
} pattern;

static const pattern patterns[PASSES] = {
    {{0}, {0}, 1, 4, {0}, {0}},
    {{2}, {2}, 1, 4, {2, 2}, {2, -2}},
    {{2, 0}, {0, 2}, 2, 4, {2, 0}, {0, 2}},
    {{1}, {1}, 1, 2, {1, 1}, {1, -1}},
    {{1, 0}, {0, 1}, 2, 2, {1, 0}, {0, 1}},
};

/* Interpolates the pixel if its neighbours agree; returns whether they did. inner: the neighbours
 * behind lie in the rectangle as well. */
static int interpolate(const ray_picture *p, const pattern *pass, int x, int y, int inner) {
    float *at = p->rgba + 4 * ((size_t)y * (size_t)p->width + (size_t)x);
    quad n[2][2], mean;
    for (int pair = 0; pair < 2; pair++) {
        const ptrdiff_t off = 4 * ((ptrdiff_t)pass->dy[pair] * p->width + pass->dx[pair]);
        n[pair][0] = pixel_at(at - off);
        n[pair][1] = pixel_at(at + off);
    }
    const quad sum0 = n[0][0] + n[0][1], sum1 = n[1][0] + n[1][1];
    const quad high = larger(larger(n[0][0], n[0][1]), larger(n[1][0], n[1][1]));
    const quad low = -larger(larger(-n[0][0], -n[0][1]), larger(-n[1][0], -n[1][1]));
    /* The two pairs' means differ by twice the error of either where the picture bends. */
    const quad bend = larger(sum0 - sum1, sum1 - sum0) * 0.5f;
    const quad spread = (high - low) * 0.25f;
    const float flat = p->frame->flat * 0.5f * (float)p->pass;
    for (int k = 0; k < 4; k++)
        if (!(bend[k] < flat && spread[k] < flat)) return 0; /* nor where a sum is no number */
    mean = (sum0 + sum1) * 0.25f;
    if (inner) {
        quad behind = {0};
        for (int pair = 0; pair < 2; pair++) {
            const ptrdiff_t off = 12 * ((ptrdiff_t)pass->dy[pair] * p->width + pass->dx[pair]);
            behind += pixel_at(at - off) + pixel_at(at + off);
        }
        mean = mean * (9.0f / 8) - behind * (1.0f / 32);
    }
    memcpy(at, &mean, sizeof mean);
    return 1;
}

static int within(const stk_rect *r, int x, int y, int margin) {
    return x >= r->x0 + margin && y >= r->y0 + margin && x < r->x1 - margin && y < r->y1 - margin;
}

/* First number not below `from` that is `rest` modulo `step`. */
static int first_from(int from, int rest, int step) {
    return from + ((rest - from) % step + step) % step;
}

/* One kind of pixels of the pass in columns [x0, x1) of rows [y0, y1). */
static void visit_pixels(const ray_picture *p, ray_scratch *s, int kind, const stk_rect *part) {
    const pattern *pass = &patterns[p->pass];
    const int step = pass->step, half = LATTICE / 2;
    const int may = p->pass >= FIRST_GUESS && p->frame->flat > 0;
    const stk_rect *r = &p->rect;
    for (int y = first_from(part->y0, pass->first_y[kind], step); y < part->y1; y += step)
        for (int x = first_from(part->x0, pass->first_x[kind], step); x < part->x1; x += step) {
            if (may && within(r, x, y, half) &&
                interpolate(p, pass, x, y, within(r, x, y, STK_RAY_REACH)))
                continue;
            if (stk_ray_start(p, x, y, &s->rays[s->living + s->fresh])) add_ray(p, s);
        }
}

static void render_band(void *ctx, int task, int worker) {
    const ray_picture *p = ctx;
    ray_scratch *s = &p->renderer->workers[worker];
    const int y0 = p->rect.y0 + task * p->band_rows;
    const int y1 = y0 + p->band_rows < p->rect.y1 ? y0 + p->band_rows : p->rect.y1;
    s->living = s->fresh = 0;
    for (int x0 = p->rect.x0; x0 < p->rect.x1; x0 += STRIP) {
        const int x1 = x0 + STRIP < p->rect.x1 ? x0 + STRIP : p->rect.x1;
        const stk_rect part = {x0, y0, x1, y1};
        for (int kind = 0; kind < patterns[p->pass].kinds; kind++) visit_pixels(p, s, kind, &part);
    }
    finish_rays(p, s);
}

void stk_ray_render_fast(ray_picture *p, stk_pool *pool) {
    const int rows = p->rect.y1 - p->rect.y0, threads = stk_pool_threads(pool);
    const int bands = threads > 1 ? threads * BANDS_A_THREAD : 1;
    p->band_rows = (rows + bands - 1) / bands;
    if (p->band_rows < BAND_ROWS_MIN) p->band_rows = BAND_ROWS_MIN;
    for (p->pass = 0; p->pass < PASSES; p->pass++)
        stk_pool_run(pool, (rows + p->band_rows - 1) / p->band_rows, render_band, p);
}
