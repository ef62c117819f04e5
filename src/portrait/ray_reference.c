/* ray_reference.c - the published march (reference.md 4.5): rounds over the whole picture, whose
 * length comes from the number of living rays; float32. For parity and comparison.
 *
 * Tasks are runs of living rays.
 */
#include "portrait/ray_private.h"

enum { ROUND_BUDGET = 16 }; /* samples a ray may take, counted before each round */

static void evaluate_round(const ray_picture *p, ray_scratch *s, int total) {
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
static void add_sample(const ray_scratch *s, int i, ray_state *ray) {
    const int tile = i / STK_TILE, lane = i % STK_TILE;
    const float alpha = stk_march_alpha(s->sigma[tile][lane], STK_STEP_NGP), w = alpha * ray->T;
    for (int k = 0; k < 3; k++) ray->rgb[k] += w * s->rgb[tile][k][lane];
    ray->depth += w * s->t_after[i];
    ray->T *= 1.0f - alpha;
}

/* Up to p->step samples of every ray of the task into the tiles; returns the number of samples. */
static int march_round(const ray_picture *p, ray_scratch *s) {
    const float *o = p->frame->camera.origin;
    int total = 0;
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        float xyz[RAY_STEP_MAX * 3], dt_t[RAY_STEP_MAX * 2];
        s->first[i] = total;
        s->count[i] = p->renderer->march.march(o, ray->d, ray->t, ray->far, p->frame->bits, p->step,
                                               xyz, dt_t, &ray->t);
        for (int k = 0; k < s->count[i]; k++, total++)
            stk_ray_place_sample(s, total, xyz + 3 * k, ray->d, dt_t[2 * k + 1]);
    }
    return total;
}

/* reference.md 4.5: the ray dies on the sample whose transmittance *before* it was below 1e-4, or
 * when it gave fewer samples than asked. T is 1 - (sum of w), kept in that form. */
static int composite_reference(const ray_picture *p, const ray_scratch *s, int i, ray_state *ray) {
    float weight = p->rgba[4 * (size_t)ray->pixel + 3];
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
    stk_ray_store(p, ray, weight);
    return dead;
}

/* Task: RAY_BATCH / step consecutive living rays; dead ones are marked by a negative pixel. */
static void reference_run(void *ctx, int task, int worker) {
    const ray_picture *p = ctx;
    stk_ray_renderer *renderer = p->renderer;
    ray_scratch *s = &renderer->workers[worker];
    const int run = RAY_BATCH / p->step, first = task * run;
    s->living = p->living - first < run ? p->living - first : run;
    for (int i = 0; i < s->living; i++) s->rays[i] = renderer->rays[renderer->alive[first + i]];
    evaluate_round(p, s, march_round(p, s));
    for (int i = 0; i < s->living; i++) {
        ray_state *ray = &s->rays[i];
        if (composite_reference(p, s, i, ray)) ray->pixel = -1;
        renderer->rays[renderer->alive[first + i]] = *ray;
    }
}

static void start_reference(ray_picture *p) {
    stk_ray_renderer *renderer = p->renderer;
    const int(*spans)[2] = p->frame->spans;
    p->living = 0;
    for (int y = p->rect.y0; y < p->rect.y1; y++)
        for (int x = p->rect.x0; x < p->rect.x1; x++) {
            ray_state *ray = &renderer->rays[p->living];
            renderer->alive[p->living] = p->living;
            p->living++;
            if (spans == NULL || (x >= spans[y][0] && x < spans[y][1]))
                renderer->stats.rays += stk_ray_start(p, x, y, ray);
            else
                *ray = (ray_state){.T = 1, .pixel = y * p->width + x}; /* as one that misses */
        }
}

void stk_ray_render_reference(ray_picture *p, stk_pool *pool) {
    stk_ray_renderer *renderer = p->renderer;
    stk_ray_stats *stats = &renderer->stats;
    start_reference(p);
    const int pixels = p->living;
    for (int budget = 0; budget < ROUND_BUDGET && p->living > 0; budget += p->step) {
        p->step = stk_clampi(pixels / p->living, 1, RAY_STEP_MAX);
        stats->round_alive[stats->rounds] = p->living;
        stats->round_step[stats->rounds++] = p->step;
        const int run = RAY_BATCH / p->step;
        stk_pool_run(pool, (p->living + run - 1) / run, reference_run, p);
        int kept = 0;
        for (int i = 0; i < p->living; i++)
            if (renderer->rays[renderer->alive[i]].pixel >= 0)
                renderer->alive[kept++] = renderer->alive[i];
        p->living = kept;
    }
}
