/* bench_field.c - see bench_field.h. Weights, gradients and second moments are one block each:
 * three hash tables, then the eleven layers.
 *
 * Gradients into the layers are summed over the workers, whose sums depend on who did what: good
 * enough to be timed, no example to follow (train/trainer.c sums in a fixed order).
 */
#include "api/bench_field.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/optimiser.h"
#include "kernels/radiance.h"

#include <string.h>

enum { GROUP = 8, LAYERS = 11, CHUNK = 1 << 14 };

/* What one worker writes. */
typedef struct worker_buffers {
    float *acts, *out, *grads; /* out: sigma, rgb, two norms, uncertainty: [7][64] */
    float *dcond;
    float *denc; /* of one tile, where nobody needs all */
} worker_buffers;

struct stk_field_bench {
    stk_field_shape shape;
    stk_field_kernels kernels;
    stk_optimiser_kernels optimiser;
    stk_radiance_kernels radiance;
    void *folded; /* block of the radiance kernels */
    void *tables; /* their tables */
    stk_field_weights weights;
    stk_field_cond cond;
    stk_field_dout dout;
    size_t table_floats, layer_floats; /* of one table, of all layers; padded */
    float *values, *grads, *moments;   /* [3 tables | layers] */
    float *xyz, *dir, *denc;           /* [tiles][3][64], [3][64], [tiles][enc][64] */
    float *conditions;
    int counts[STK_BENCH_TILES];
    int threads;
    worker_buffers *workers;
    stk_field_slot slot; /* being run */
};

/* --- layers in a block ------------------------------------------------------------------------ */

static size_t padded(size_t count) {
    return (count + 15) & ~(size_t)15;
}

/* [out][in] of the eleven layers in the order of layer_views. */
static void layer_sizes(const stk_field_shape *s, int sizes[LAYERS][2]) {
    const int x = s->enc + STK_AUD + s->exp;
    const int all[LAYERS][2] = {
        {STK_HIDDEN, s->enc},      {STK_AUD, STK_HIDDEN},
        {s->exp_hidden, s->enc},   {s->exp, s->exp_hidden},
        {STK_HIDDEN, x},           {STK_HIDDEN, STK_HIDDEN},
        {1 + STK_GEO, STK_HIDDEN}, {STK_HIDDEN, STK_SH + STK_GEO + STK_CODE},
        {3, STK_HIDDEN},           {STK_UNC_HIDDEN, s->enc},
        {1, STK_UNC_HIDDEN}};
    memcpy(sizes, all, sizeof all);
}

static void bind_weights(stk_field_weights *w, float *const layer[LAYERS]) {
    const float **views[LAYERS] = {&w->aud_att[0], &w->aud_att[1], &w->exp_att[0], &w->exp_att[1],
                                   &w->sigma[0],   &w->sigma[1],   &w->sigma[2],   &w->color[0],
                                   &w->color[1],   &w->unc[0],     &w->unc[1]};
    for (int i = 0; i < LAYERS; i++) *views[i] = layer[i];
}

static void bind_grads(stk_field_grads *g, float *const layer[LAYERS]) {
    float **views[LAYERS] = {&g->aud_att[0], &g->aud_att[1], &g->exp_att[0], &g->exp_att[1],
                             &g->sigma[0],   &g->sigma[1],   &g->sigma[2],   &g->color[0],
                             &g->color[1],   &g->unc[0],     &g->unc[1]};
    for (int i = 0; i < LAYERS; i++) *views[i] = layer[i];
}

/* Where each layer lies in a block of layers; returns the block's floats. */
static size_t lay_out(const stk_field_shape *shape, float *block, float *layer[LAYERS]) {
    int sizes[LAYERS][2];
    size_t at = 0;
    layer_sizes(shape, sizes);
    for (int i = 0; i < LAYERS; i++) {
        if (block != NULL) layer[i] = block + at;
        at += padded((size_t)sizes[i][0] * (size_t)sizes[i][1]);
    }
    return at;
}

static const float *const *source_layers(const stk_field_weights *w, const float *list[LAYERS]) {
    const float *const all[LAYERS] = {w->aud_att[0], w->aud_att[1], w->exp_att[0], w->exp_att[1],
                                      w->sigma[0],   w->sigma[1],   w->sigma[2],   w->color[0],
                                      w->color[1],   w->unc[0],     w->unc[1]};
    memcpy(list, all, sizeof all);
    return list;
}

/* --- construction ----------------------------------------------------------------------------- */

static void fill(float *block, size_t n, float bound, stk_rng *rng) {
    for (size_t i = 0; i < n; i++) block[i] = (2 * stk_rng_float(rng) - 1) * bound;
}

static void set_weights(stk_field_bench *b, const stk_field_weights *from, stk_rng *rng) {
    float *layer[LAYERS];
    float *layers = b->values + STK_PLANES * b->table_floats;
    const uint32_t entries = b->shape.grid.offset[b->shape.grid.levels];
    lay_out(&b->shape, layers, layer);
    bind_weights(&b->weights, layer);
    for (int p = 0; p < STK_PLANES; p++)
        b->weights.plane[p] = b->values + (size_t)p * b->table_floats;
    if (from == NULL) {
        fill(b->values, STK_PLANES * b->table_floats, 0.5f, rng);
        fill(layers, b->layer_floats, 0.15f, rng);
        return;
    }
    int sizes[LAYERS][2];
    const float *list[LAYERS];
    layer_sizes(&b->shape, sizes);
    source_layers(from, list);
    for (int i = 0; i < LAYERS; i++)
        memcpy(layer[i], list[i], (size_t)sizes[i][0] * (size_t)sizes[i][1] * sizeof(float));
    for (int p = 0; p < STK_PLANES; p++)
        memcpy(b->values + (size_t)p * b->table_floats, from->plane[p], entries * sizeof(float));
}

/* Samples as marching leaves them: runs of eight along a ray in y (depth) from random starts. */
static void lay_rays(float *xyz) {
    for (int i = 0; i < STK_BENCH_SAMPLES; i++) {
        float *p = xyz + (size_t)(i / STK_TILE) * 3 * STK_TILE + i % STK_TILE;
        if (i % 8 == 0) continue;
        p[0] = p[-1] + 0.002f;
        p[STK_TILE] = p[STK_TILE - 1] + 0.027f;
        p[2 * STK_TILE] = p[2 * STK_TILE - 1] - 0.001f;
    }
}

static int take_worker(stk_field_bench *b, worker_buffers *w) {
    w->acts = stk_calloc_aligned(stk_field_act_floats(&b->shape), sizeof(float));
    w->out = stk_calloc_aligned(7 * STK_TILE, sizeof(float));
    w->grads = stk_calloc_aligned(b->layer_floats, sizeof(float));
    w->dcond = stk_calloc_aligned(STK_AUD + 16, sizeof(float));
    w->denc = stk_calloc_aligned((size_t)b->shape.enc * STK_TILE, sizeof(float));
    return w->acts != NULL && w->out != NULL && w->grads != NULL && w->dcond != NULL &&
           w->denc != NULL;
}

static int take_all(stk_field_bench *b) {
    const size_t block = STK_PLANES * b->table_floats + b->layer_floats;
    int complete = 1;
    float **blocks[] = {&b->values, &b->grads, &b->moments};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) {
        *blocks[i] = stk_calloc_aligned(block, sizeof(float));
        complete &= *blocks[i] != NULL;
    }
    b->xyz = stk_calloc_aligned(3 * STK_BENCH_SAMPLES, sizeof(float));
    b->dir = stk_calloc_aligned(3 * STK_TILE, sizeof(float));
    b->denc = stk_calloc_aligned((size_t)b->shape.enc * STK_BENCH_SAMPLES, sizeof(float));
    b->conditions = stk_calloc_aligned(64 + 7 * STK_TILE, sizeof(float));
    b->workers = stk_calloc_aligned((size_t)b->threads, sizeof *b->workers);
    b->folded = stk_calloc_aligned(1, stk_radiance_bytes());
    b->tables = stk_calloc_aligned(1, stk_radiance_tables_bytes(&b->shape));
    complete &= b->folded != NULL && b->tables != NULL && b->xyz != NULL && b->dir != NULL &&
                b->denc != NULL && b->conditions != NULL;
    for (int i = 0; b->workers != NULL && i < b->threads; i++)
        complete &= take_worker(b, &b->workers[i]);
    return complete && b->workers != NULL;
}

static void set_inputs(stk_field_bench *b, stk_rng *rng) {
    fill(b->xyz, 3 * STK_BENCH_SAMPLES, 0.8f, rng);
    lay_rays(b->xyz);
    fill(b->denc, (size_t)b->shape.enc * STK_BENCH_SAMPLES, 1, rng);
    for (int s = 0; s < STK_TILE; s++) /* unit directions, as a camera in front sees them */
        b->dir[STK_TILE + s] = 1;
    fill(b->conditions, 64 + 7 * STK_TILE, 1, rng);
    float *dout = b->conditions + 64;
    b->cond = (stk_field_cond){b->conditions, b->conditions + 32, b->conditions + 48};
    b->dout = (stk_field_dout){dout, dout + STK_TILE, dout + 4 * STK_TILE, dout + 5 * STK_TILE,
                               dout + 6 * STK_TILE};
    for (int t = 0; t < STK_BENCH_TILES; t++) b->counts[t] = STK_TILE;
}

stk_status stk_field_bench_create(stk_field_bench **out, const stk_field_shape *shape,
                                  const stk_field_weights *weights, int threads) {
    *out = NULL;
    stk_field_bench *b = stk_calloc_aligned(1, sizeof *b);
    if (b == NULL) return stk_fail_memory("field bench");
    b->shape = *shape;
    b->threads = threads;
    b->table_floats = padded(shape->grid.offset[shape->grid.levels]);
    b->layer_floats = lay_out(shape, NULL, NULL);
    if (!take_all(b)) {
        stk_field_bench_free(&b);
        return stk_fail_memory("field bench");
    }
    stk_rng rng;
    stk_rng_seed(&rng, 1, 1);
    set_weights(b, weights, &rng);
    set_inputs(b, &rng);
    *out = b;
    return STK_OK;
}

void stk_field_bench_free(stk_field_bench **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_field_bench *b = *handle;
    for (int i = 0; b->workers != NULL && i < b->threads; i++) {
        const worker_buffers *w = &b->workers[i];
        void *blocks[] = {w->acts, w->out, w->grads, w->dcond, w->denc};
        for (size_t k = 0; k < STK_ARRAY_SIZE(blocks); k++) stk_free(blocks[k]);
    }
    void *blocks[] = {b->values, b->grads,      b->moments, b->xyz,    b->dir,
                      b->denc,   b->conditions, b->workers, b->folded, b->tables};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
    stk_free(b);
    *handle = NULL;
}

/* --- work ------------------------------------------------------------------------------------- */

static void forward_tile(const stk_field_bench *b, const worker_buffers *w, int tile, float *acts,
                         int uncertainty) {
    static const uint16_t rows[STK_TILE];
    const stk_field_in in = {b->xyz + (size_t)tile * 3 * STK_TILE, b->dir, rows, STK_TILE};
    stk_field_out out = {w->out, w->out + STK_TILE, w->out + 4 * STK_TILE, w->out + 5 * STK_TILE,
                         uncertainty ? w->out + 6 * STK_TILE : NULL};
    b->kernels.forward(&b->shape, &b->weights, &b->cond, &in, acts, &out);
}

static void backward_tile(const stk_field_bench *b, const worker_buffers *w, int tile,
                          float *denc) {
    static const uint16_t rows[STK_TILE];
    const stk_field_in in = {b->xyz + (size_t)tile * 3 * STK_TILE, b->dir, rows, STK_TILE};
    float *layer[LAYERS];
    stk_field_grads grads;
    lay_out(&b->shape, w->grads, layer);
    bind_grads(&grads, layer);
    stk_field_dcond dcond = {w->dcond, w->dcond + STK_AUD};
    b->kernels.backward(&b->shape, &b->weights, &b->cond, &in, w->acts, &b->dout,
                        &(stk_field_din){&grads, &dcond, denc});
}

static void work_on_tile(const stk_field_bench *b, const worker_buffers *w, int tile) {
    static const uint16_t rows[STK_TILE];
    const stk_field_in in = {b->xyz + (size_t)tile * 3 * STK_TILE, b->dir, rows, STK_TILE};
    float *denc = b->denc + (size_t)tile * (size_t)b->shape.enc * STK_TILE;
    switch (b->slot) {
    case STK_SLOT_RADIANCE:
        b->radiance.evaluate(b->folded, in.xyz, in.dir, w->out, w->out + STK_TILE);
        break;
    case STK_SLOT_INFERENCE:
        forward_tile(b, w, tile, NULL, 0);
        break;
    case STK_SLOT_FORWARD:
        forward_tile(b, w, tile, w->acts, 1);
        break;
    case STK_SLOT_DENSITY:
        b->kernels.density(&b->shape, &b->weights, &b->cond, &in, w->out);
        break;
    case STK_SLOT_BACKWARD:
        backward_tile(b, w, tile, w->denc);
        break;
    case STK_SLOT_ENCODE:
        b->kernels.encode(&b->shape, &b->weights, &in, w->denc);
        break;
    case STK_SLOT_STEP:
        forward_tile(b, w, tile, w->acts, 1);
        backward_tile(b, w, tile, denc);
        break;
    case STK_SLOT_SCATTER:
    case STK_SLOTS:
        break;
    }
}

static void run_group(void *ctx, int task, int worker) {
    const stk_field_bench *b = ctx;
    for (int k = 0; k < GROUP; k++) work_on_tile(b, &b->workers[worker], task * GROUP + k);
}

static void run_scatter(void *ctx, int task, int worker) {
    (void)worker;
    const stk_field_bench *b = ctx;
    const int plane = task % STK_PLANES, level = task / STK_PLANES;
    b->kernels.grid_backward(&b->shape, plane, level, STK_BENCH_TILES, b->counts, b->xyz, b->denc,
                             b->grads + (size_t)plane * b->table_floats);
}

static size_t block_floats(const stk_field_bench *b) {
    return STK_PLANES * b->table_floats + b->layer_floats;
}

static void run_optimiser(void *ctx, int task, int worker) {
    (void)worker;
    const stk_field_bench *b = ctx;
    /* A rate this small leaves the weights where they are, however often this runs. */
    const stk_adamw settings = {.lr = 1e-12f, .beta2 = 0.99f, .eps = 1e-8f, .correction = 0.01f};
    const size_t at = (size_t)task * CHUNK, left = block_floats(b) - at;
    b->optimiser.adamw(&settings, left < CHUNK ? left : CHUNK, b->values + at, b->grads + at,
                       b->moments + at);
}

static void sum_layer_gradients(stk_field_bench *b) {
    float *target = b->grads + STK_PLANES * b->table_floats;
    for (int i = 0; i < b->threads; i++) {
        const float *source = b->workers[i].grads;
        b->optimiser.accumulate(b->layer_floats, 1, &source, target);
        memset(b->workers[i].grads, 0, b->layer_floats * sizeof(float));
    }
}

/* The tables of this instruction set, and what must be ready before the clock starts. */
static void prepare(stk_field_bench *b, stk_field_slot slot) {
    stk_field_kernels_init(&b->kernels);
    stk_optimiser_kernels_init(&b->optimiser);
    stk_radiance_kernels_init(&b->radiance);
    if (slot == STK_SLOT_RADIANCE) {
        stk_radiance_tables_fill(&b->shape, &b->weights, b->tables);
        b->radiance.fold(&b->shape, &b->weights, b->tables, b->folded);
        b->radiance.condition(&b->shape, &b->weights, &b->cond, b->folded);
    }
    if (slot == STK_SLOT_BACKWARD) /* activations of this very kernel */
        for (int i = 0; i < b->threads; i++)
            forward_tile(b, &b->workers[i], 0, b->workers[i].acts, 1);
}

double stk_field_bench_run(stk_field_bench *b, stk_field_slot slot, stk_pool *pool,
                           const char **isa) {
    prepare(b, slot);
    if (isa != NULL) *isa = slot == STK_SLOT_RADIANCE ? b->radiance.isa : b->kernels.isa;
    b->slot = slot;
    const int scatters = STK_PLANES * b->shape.grid.levels;
    const double start_s = stk_clock_s();
    if (slot != STK_SLOT_SCATTER) stk_pool_run(pool, STK_BENCH_TILES / GROUP, run_group, b);
    if (slot == STK_SLOT_STEP) sum_layer_gradients(b);
    if (slot == STK_SLOT_SCATTER || slot == STK_SLOT_STEP)
        stk_pool_run(pool, scatters, run_scatter, b);
    if (slot == STK_SLOT_STEP)
        stk_pool_run(pool, (int)((block_floats(b) + CHUNK - 1) / CHUNK), run_optimiser, b);
    return stk_clock_s() - start_s;
}

/* --- names and operations --------------------------------------------------------------------- */

const char *stk_field_slot_name(stk_field_slot slot) {
    static const char *const names[STK_SLOTS] = {"radiance", "inference", "forward", "density",
                                                 "backward", "encode",    "scatter", "step"};
    return names[slot];
}

int stk_field_slot_macs(const stk_field_shape *s, stk_field_slot slot) {
    const int attention = STK_HIDDEN * s->enc + STK_AUD * STK_HIDDEN + s->exp_hidden * s->enc +
                          s->exp * s->exp_hidden;
    const int sigma = STK_HIDDEN * (s->enc + STK_AUD + s->exp) + STK_HIDDEN * STK_HIDDEN;
    const int color = STK_HIDDEN * (STK_SH + STK_GEO + STK_CODE) + 3 * STK_HIDDEN;
    const int uncertainty = STK_UNC_HIDDEN * s->enc + STK_UNC_HIDDEN;
    const int forward = attention + sigma + (1 + STK_GEO) * STK_HIDDEN + color + uncertainty;
    /* Weight gradients cost what forward does; none flow into SH and into unc_net's input. */
    const int backward = 2 * forward - STK_HIDDEN * STK_SH - STK_UNC_HIDDEN * s->enc;
    switch (slot) {
    case STK_SLOT_RADIANCE:
    case STK_SLOT_INFERENCE:
        return forward - uncertainty;
    case STK_SLOT_FORWARD:
        return forward;
    case STK_SLOT_DENSITY:
        return attention + sigma + STK_HIDDEN;
    case STK_SLOT_BACKWARD:
        return backward;
    case STK_SLOT_STEP:
        return forward + backward;
    case STK_SLOT_ENCODE:
    case STK_SLOT_SCATTER:
    case STK_SLOTS:
        break;
    }
    return 0;
}
