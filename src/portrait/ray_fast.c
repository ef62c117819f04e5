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
 * Where only spans are wanted, a pass goes beyond them by no more than the passes behind it look:
 * so no pixel of a later pass has a neighbour that was left out, and none gets a ray for that.
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
    PASSES = RAY_PASSES,
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

/* Interpolates the pixel if its neighbours agree; returns whether they did. inner: those behind
 * them are there as well. */
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

/* First number not below `from` that is `rest` modulo `step`. */
static int first_from(int from, int rest, int step) {
    return from + ((rest - from) % step + step) % step;
}

/* Narrows `range` to the columns whose neighbour (dx, dy) away an earlier pass has filled. */
static void narrow(const ray_picture *p, int y, int dx, int dy, int range[2]) {
    const int row = y + dy;
    if (row < p->rect.y0 || row >= p->rect.y1) {
        range[1] = range[0];
        return;
    }
    const int *filled = p->renderer->spans[p->pass - 1][row];
    if (range[0] < filled[0] - dx) range[0] = filled[0] - dx;
    if (range[1] > filled[1] - dx) range[1] = filled[1] - dx;
}

/* Columns of row y whose four neighbours, `times` as far away as the pattern says, are there. */
static void neighbours_range(const ray_picture *p, int y, int times, int range[2]) {
    const pattern *pass = &patterns[p->pass];
    memcpy(range, p->renderer->spans[p->pass][y], 2 * sizeof *range);
    for (int pair = 0; pair < 2; pair++) {
        narrow(p, y, times * pass->dx[pair], times * pass->dy[pair], range);
        narrow(p, y, -times * pass->dx[pair], -times * pass->dy[pair], range);
    }
}

static int in_range(const int range[2], int x) {
    return x >= range[0] && x < range[1];
}

/* One kind of pixels of the pass in columns [x0, x1) of row y. */
static void visit_row(const ray_picture *p, ray_scratch *s, int kind, const int column[2], int y) {
    const pattern *pass = &patterns[p->pass];
    const int *span = p->renderer->spans[p->pass][y];
    const int x0 = column[0] > span[0] ? column[0] : span[0];
    const int x1 = column[1] < span[1] ? column[1] : span[1];
    int may[2] = {0}, inner[2] = {0};
    if (x0 >= x1) return;
    if (p->pass >= FIRST_GUESS && p->frame->flat > 0) {
        neighbours_range(p, y, 1, may);
        neighbours_range(p, y, 3, inner);
    }
    for (int x = first_from(x0, pass->first_x[kind], pass->step); x < x1; x += pass->step) {
        if (in_range(may, x) && interpolate(p, pass, x, y, in_range(inner, x))) continue;
        if (stk_ray_start(p, x, y, &s->rays[s->living + s->fresh])) add_ray(p, s);
    }
}

static void render_band(void *ctx, int task, int worker) {
    const ray_picture *p = ctx;
    const pattern *pass = &patterns[p->pass];
    ray_scratch *s = &p->renderer->workers[worker];
    const int y0 = p->rect.y0 + task * p->band_rows;
    const int y1 = y0 + p->band_rows < p->rect.y1 ? y0 + p->band_rows : p->rect.y1;
    s->living = s->fresh = 0;
    for (int x0 = p->rect.x0; x0 < p->rect.x1; x0 += STRIP) {
        const int column[2] = {x0, x0 + STRIP < p->rect.x1 ? x0 + STRIP : p->rect.x1};
        for (int kind = 0; kind < pass->kinds; kind++)
            for (int y = first_from(y0, pass->first_y[kind], pass->step); y < y1; y += pass->step)
                visit_row(p, s, kind, column, y);
    }
    finish_rays(p, s);
}

/* --- what each pass fills --------------------------------------------------------------------- */

/* The frame's spans grown by `by` pixels on all sides, within the rectangle. */
static void grow_spans(const ray_picture *p, int by, int (*grown)[2]) {
    const stk_rect *r = &p->rect;
    for (int y = r->y0; y < r->y1; y++) {
        int first = r->x1, end = r->x0;
        for (int k = y - by > r->y0 ? y - by : r->y0; k <= y + by && k < r->y1; k++) {
            const int *span = p->frame->spans[k];
            if (span[0] >= span[1]) continue;
            if (span[0] < first) first = span[0];
            if (span[1] > end) end = span[1];
        }
        grown[y][0] = first < end && first - by > r->x0 ? first - by : r->x0;
        grown[y][1] = first >= end ? r->x0 : end + by < r->x1 ? end + by : r->x1;
    }
}

/* Spans of all passes. The rectangle grows with the widest of them. */
static void plan_passes(ray_picture *p) {
    static const int reach[PASSES] = {LATTICE, LATTICE, 2, 1, 0};
    const int width = p->width, height = p->height;
    stk_rect *r = &p->rect;
    if (p->frame->spans == NULL) {
        for (int y = r->y0; y < r->y1; y++) {
            const int span[2] = {r->x0, r->x1};
            for (int k = 0; k < PASSES; k++) memcpy(p->renderer->spans[k][y], span, sizeof span);
        }
        return;
    }
    *r = (stk_rect){stk_clampi(r->x0 - LATTICE, 0, width), stk_clampi(r->y0 - LATTICE, 0, height),
                    stk_clampi(r->x1 + LATTICE, 0, width), stk_clampi(r->y1 + LATTICE, 0, height)};
    for (int k = 0; k < PASSES; k++) grow_spans(p, reach[k], p->renderer->spans[k]);
}

void stk_ray_render_fast(ray_picture *p, stk_pool *pool) {
    plan_passes(p);
    const int rows = p->rect.y1 - p->rect.y0, threads = stk_pool_threads(pool);
    const int bands = threads > 1 ? threads * BANDS_A_THREAD : 1;
    p->band_rows = (rows + bands - 1) / bands;
    if (p->band_rows < BAND_ROWS_MIN) p->band_rows = BAND_ROWS_MIN;
    for (p->pass = 0; p->pass < PASSES; p->pass++)
        stk_pool_run(pool, (rows + p->band_rows - 1) / p->band_rows, render_band, p);
}
