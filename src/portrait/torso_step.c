/* torso_step.c - one training step of the torso branch: loss and gradients (reference.md 5.3).
 *
 *   pixels -> occupied ones -> tiles of 64 -> (alpha, rgb) -> over the plate -> |. - target|
 *          -> gradients of the nets (by group of tiles), dT -> tables, level by level
 *          -> first layers, code, anchors
 *
 * Tiles are shared out in GROUPS runs, whatever the number of threads; a run sums its gradients in
 * tile order into its own block, blocks are added in order, and every level of the table is one
 * task: results do not depend on the thread count.
 */
#include "portrait/torso.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum {
    GROUPS = 16,
    H = STK_TORSO_HIDDEN,
    /* floats of a group's gradients: both nets, first layers folded; each a multiple of 16 */
    DEFORM0 = H * STK_TORSO_DEFORM_IN,
    NET0 = H * STK_TORSO_NET_IN,
    SQUARE = H * H,
    DEFORM2 = 2 * H,
    NET2 = STK_TORSO_OUT * H,
    GRADS = DEFORM0 + NET0 + 2 * SQUARE + DEFORM2 + NET2,
};

struct stk_torso_trainer {
    int pixels_max, tiles_max;
    int *pixel;          /* [pixels] occupied pixels, in order */
    int *counts;         /* [tiles] */
    float *points;       /* [tiles][2][64] */
    float *dfeat;        /* [tiles][32][64] */
    float *grads;        /* [GROUPS][GRADS] */
    float *acts;         /* [GROUPS][one tile's] */
    double loss[GROUPS]; /* sums of |difference| */
    stk_torso_frame frame;
};

stk_status stk_torso_trainer_create(stk_torso_trainer **out, int pixels) {
    *out = NULL;
    if (pixels < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a torso step of %d pixels cannot be made", pixels);
    stk_torso_trainer *trainer = stk_calloc_aligned(1, sizeof *trainer);
    if (trainer == NULL) return stk_fail_memory("torso trainer");
    const size_t tiles = ((size_t)pixels + STK_TILE - 1) / STK_TILE;
    trainer->pixels_max = pixels;
    trainer->tiles_max = (int)tiles;
    trainer->pixel = stk_calloc_aligned((size_t)pixels, sizeof(int));
    trainer->counts = stk_calloc_aligned(tiles, sizeof(int));
    trainer->points = stk_calloc_aligned(tiles, 2 * STK_TILE * sizeof(float));
    trainer->dfeat = stk_calloc_aligned(tiles, STK_TORSO_FEATURES * STK_TILE * sizeof(float));
    trainer->grads = stk_calloc_aligned(GROUPS, GRADS * sizeof(float));
    trainer->acts = stk_calloc_aligned(GROUPS, stk_torso_act_floats() * sizeof(float));
    if (trainer->pixel != NULL && trainer->counts != NULL && trainer->points != NULL &&
        trainer->dfeat != NULL && trainer->grads != NULL && trainer->acts != NULL) {
        *out = trainer;
        return STK_OK;
    }
    stk_torso_trainer_free(&trainer);
    return stk_fail_memory("torso trainer");
}

void stk_torso_trainer_free(stk_torso_trainer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_torso_trainer *trainer = *handle;
    stk_free(trainer->pixel);
    stk_free(trainer->counts);
    stk_free(trainer->points);
    stk_free(trainer->dfeat);
    stk_free(trainer->grads);
    stk_free(trainer->acts);
    stk_free(trainer);
    *handle = NULL;
}

typedef struct step_job {
    stk_torso_trainer *trainer;
    const stk_torso *torso;
    const stk_torso_batch *batch;
    float *dtable;
    int tiles;
} step_job;

/* Lists the occupied pixels; returns the others' sum of |plate - target|, which has no gradient. */
static double list_pixels(stk_torso_trainer *trainer, const stk_torso_batch *batch, int *count) {
    double loss = 0;
    int n = 0;
    for (int i = 0; i < batch->pixels; i++) {
        if (stk_torso_occupied(batch->occupancy->density, batch->occupancy->mean_density,
                               batch->coords[2 * i], batch->coords[2 * i + 1])) {
            trainer->pixel[n++] = i;
            continue;
        }
        for (int c = 3 * i; c < 3 * i + 3; c++)
            loss += fabs((double)batch->plate[c] - (double)batch->target[c]);
    }
    *count = n;
    return loss;
}

typedef struct tile_pass {
    STK_ALIGNED(64) float xy[2 * STK_TILE];
    STK_ALIGNED(64) float alpha[STK_TILE];
    STK_ALIGNED(64) float rgb[3 * STK_TILE];
    STK_ALIGNED(64) float dalpha[STK_TILE];
    STK_ALIGNED(64) float drgb[3 * STK_TILE];
} tile_pass;

/* Sum of |rgb alpha + plate (1 - alpha) - target| of a tile, and the gradient of that sum over
 * 3 pixels. Lanes past the last pixel get none. */
static double tile_loss(const stk_torso_batch *batch, const int *pixel, int n, tile_pass *t) {
    const float scale = 1.0f / (3.0f * (float)batch->pixels);
    double loss = 0;
    memset(t->dalpha, 0, sizeof t->dalpha);
    memset(t->drgb, 0, sizeof t->drgb);
    for (int s = 0; s < n; s++) {
        for (int c = 0; c < 3; c++) {
            const float plate = batch->plate[3 * pixel[s] + c], rgb = t->rgb[c * STK_TILE + s];
            const float difference =
                rgb * t->alpha[s] + plate * (1.0f - t->alpha[s]) - batch->target[3 * pixel[s] + c];
            const float d = difference > 0 ? scale : difference < 0 ? -scale : 0;
            loss += fabs((double)difference);
            t->drgb[c * STK_TILE + s] = d * t->alpha[s];
            t->dalpha[s] += d * (rgb - plate);
        }
    }
    return loss;
}

/* A group's block of gradients as matrices. */
static stk_torso_grads grads_of(float *block) {
    float *net = block + DEFORM0 + SQUARE + DEFORM2;
    return (stk_torso_grads){{block, block + DEFORM0, block + DEFORM0 + SQUARE},
                             {net, net + NET0, net + NET0 + SQUARE}};
}

static void run_tile(const step_job *job, int group, int tile, const stk_torso_grads *grads) {
    stk_torso_trainer *trainer = job->trainer;
    const stk_torso_batch *batch = job->batch;
    const stk_torso_kernels *kernels = &job->torso->kernels;
    const int *pixel = trainer->pixel + tile * STK_TILE, n = trainer->counts[tile];
    float *acts = trainer->acts + (size_t)group * stk_torso_act_floats();
    tile_pass t;
    for (int s = 0; s < STK_TILE; s++)
        for (int k = 0; k < 2; k++)
            t.xy[k * STK_TILE + s] = s < n ? STK_TORSO_SHRINK * batch->coords[2 * pixel[s] + k] : 0;
    const stk_torso_out out = {t.alpha, t.rgb, trainer->points + (size_t)tile * 2 * STK_TILE};
    kernels->forward(&job->torso->layout, &trainer->frame.weights, t.xy, acts, &out);
    trainer->loss[group] += tile_loss(batch, pixel, n, &t);
    const stk_torso_dout dout = {t.dalpha, t.drgb};
    kernels->backward(&trainer->frame.weights, acts, &dout, grads,
                      trainer->dfeat + (size_t)tile * STK_TORSO_FEATURES * STK_TILE);
}

static void run_group(void *ctx, int group, int worker) {
    (void)worker;
    const step_job *job = ctx;
    float *block = job->trainer->grads + (size_t)group * GRADS;
    const stk_torso_grads grads = grads_of(block);
    memset(block, 0, GRADS * sizeof *block);
    job->trainer->loss[group] = 0;
    const int first = (int)((int64_t)job->tiles * group / GROUPS);
    const int end = (int)((int64_t)job->tiles * (group + 1) / GROUPS);
    for (int tile = first; tile < end; tile++) run_tile(job, group, tile, &grads);
}

static void run_level(void *ctx, int level, int worker) {
    (void)worker;
    const step_job *job = ctx;
    const stk_torso_trainer *trainer = job->trainer;
    job->torso->kernels.grid_backward(&job->torso->layout, level, job->tiles, trainer->counts,
                                      trainer->points, trainer->dfeat, job->dtable);
}

static void add(float *restrict to, const float *restrict from, int n) {
    for (int i = 0; i < n; i++) to[i] += from[i];
}

/* Adds the groups' gradients, in order, into the first block, and hands them on. */
static void collect_grads(const step_job *job, stk_params *params) {
    const stk_torso *torso = job->torso;
    float *block = job->trainer->grads;
    for (int group = 1; group < GROUPS; group++) add(block, block + (size_t)group * GRADS, GRADS);
    const stk_torso_grads sum = grads_of(block);
    add(stk_params_grad(params, torso->deform[1]), sum.deform[1], SQUARE);
    add(stk_params_grad(params, torso->deform[2]), sum.deform[2], DEFORM2);
    add(stk_params_grad(params, torso->net[1]), sum.net[1], SQUARE);
    add(stk_params_grad(params, torso->net[2]), sum.net[2], NET2);
    const float *const dfirst[2] = {sum.deform[0], sum.net[0]};
    stk_torso_frame_backward(&job->trainer->frame, torso, params, &job->batch->camera,
                             job->batch->code_row, dfirst);
}

/* mean over the anchors of (1 - w)^2, and its gradient: keeps their homogeneous scale near 1. */
static double anchor_loss(const stk_torso *torso, stk_params *params) {
    const float *anchors = stk_params_value(params, torso->anchors);
    float *danchors = stk_params_grad(params, torso->anchors);
    double loss = 0;
    for (int i = 0; i < STK_TORSO_ANCHORS; i++) {
        const double off = 1.0 - (double)anchors[4 * i + 3];
        loss += off * off / STK_TORSO_ANCHORS;
        danchors[4 * i + 3] -= (float)(2 * off / STK_TORSO_ANCHORS);
    }
    return loss;
}

double stk_torso_step(stk_torso_trainer *trainer, const stk_torso *torso,
                      const stk_torso_batch *batch, stk_params *params, stk_pool *pool) {
    int occupied;
    step_job job = {trainer, torso, batch, stk_params_grad(params, torso->grid), 0};
    stk_torso_frame_init(&trainer->frame, torso, params, params->value, &batch->camera,
                         batch->code_row);
    double loss = list_pixels(trainer, batch, &occupied);
    job.tiles = (occupied + STK_TILE - 1) / STK_TILE;
    for (int t = 0; t < job.tiles; t++) {
        const int left = occupied - t * STK_TILE;
        trainer->counts[t] = left < STK_TILE ? left : STK_TILE;
    }
    stk_pool_run(pool, GROUPS, run_group, &job);
    stk_pool_run(pool, STK_TORSO_LEVELS, run_level, &job);
    for (int group = 0; group < GROUPS; group++) loss += trainer->loss[group];
    collect_grads(&job, params);
    return loss / (3.0 * batch->pixels) + anchor_loss(torso, params);
}
