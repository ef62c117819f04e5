/* occupancy.c - which of the 128^3 cells hold something: marked by the training cameras, refreshed
 * from the field's density, packed to one bit a cell.
 *
 *   cameras -> density -1 (never seen) or 0
 *   field sigma at cells -> fresh [128^3] -> 6-neighbour max
 *                        -> density = max(0.95 density, .) -> bits
 *
 * All arrays are in Morton order, so 4096 consecutive cells are a 16^3 block and 64 a 4^3 block: a
 * tile of the field kernels. Work is split into fixed chunks of cells; every cell is written by its
 * own chunk only and partial sums are added in chunk order, so that the thread count changes
 * nothing.
 */
#include "portrait/occupancy.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 4096,
    CHUNKS = STK_GRID_CELLS / CHUNK,
    BLOCK = 512,
    BLOCKS = STK_GRID_CELLS / BLOCK
};

/* Bits of one axis in a Morton code. */
static const uint32_t AXIS_MASK[3] = {0x49249, 0x92492, 0x124924};
static const float CELL_HALF = 1.0f / STK_GRID_SIDE;
static const float DECAY = 0.95f;
static const float THRESHOLD_MAX = 10.0f;
/* exp() of the field is unbounded (reference.md Q4); one infinite cell would never decay and would
 * make the mean infinite. DIFFERS: densities are held at 1e6, where a step is opaque 10^4 times
 * over. */
static const float DENSITY_MAX = 1e6f;
/* Rays live in |y| <= 0.5: cells 32 .. 95 along y, whole chunks. */
enum { BOX_Y0 = STK_GRID_SIDE / 4, BOX_Y1 = STK_GRID_SIDE - STK_GRID_SIDE / 4 };

stk_status stk_occupancy_init(stk_occupancy *grid) {
    *grid = (stk_occupancy){0};
    grid->density = stk_calloc_aligned(STK_GRID_CELLS, sizeof *grid->density);
    grid->fresh = stk_calloc_aligned(STK_GRID_CELLS, sizeof *grid->fresh);
    grid->bits = stk_calloc_aligned(STK_GRID_BYTES, 1);
    grid->sums = stk_calloc_aligned(CHUNKS, sizeof *grid->sums);
    if (grid->density != NULL && grid->fresh != NULL && grid->bits != NULL && grid->sums != NULL)
        return STK_OK;
    stk_occupancy_clear(grid);
    return stk_fail_memory("occupancy grid");
}

void stk_occupancy_clear(stk_occupancy *grid) {
    stk_free(grid->density);
    stk_free(grid->fresh);
    stk_free(grid->bits);
    stk_free(grid->sums);
    *grid = (stk_occupancy){0};
}

/* Position that stands for a cell, ngp: (2 i / 127 - 1) (1 - 1/128), its centre. */
static void cell_position(uint32_t cell, float p[3], uint32_t c[3]) {
    stk_morton_decode(cell, &c[0], &c[1], &c[2]);
    for (int k = 0; k < 3; k++)
        p[k] = (2.0f * (float)c[k] / (STK_GRID_SIDE - 1) - 1.0f) * (1.0f - CELL_HALF);
}

/* --- cells that no camera sees ---------------------------------------------------------------- */

/* Visible when all three are positive: z, and the margins to the sides widened by a cell. */
static void view_margins(const stk_ngp_camera *camera, const float p[3], float margin[3]) {
    const float q[3] = {p[0] - camera->origin[0], p[1] - camera->origin[1],
                        p[2] - camera->origin[2]};
    float c[3];
    for (int k = 0; k < 3; k++)
        c[k] = q[0] * camera->R[k] + q[1] * camera->R[3 + k] + q[2] * camera->R[6 + k];
    margin[0] = camera->cx / camera->fx * c[2] + 2 * CELL_HALF - fabsf(c[0]);
    margin[1] = camera->cy / camera->fy * c[2] + 2 * CELL_HALF - fabsf(c[1]);
    margin[2] = c[2];
}

typedef struct mark_job {
    float *density;
    const stk_ngp_camera *cameras;
    int n;
} mark_job;

/* -1 no cell of the block is in view, 1 all are, 0 ask each. A margin changes by at most
 * hypot(1, cx/fx) times the distance moved; 1 % and 1e-4 cover rounding. */
static int block_in_view(const stk_ngp_camera *camera, const float centre[3]) {
    static const float radius = 1.7321f * 3.5f * 2.0f / STK_GRID_SIDE * 1.01f + 1e-4f;
    float margin[3];
    view_margins(camera, centre, margin);
    const float reach[3] = {radius * hypotf(1, camera->cx / camera->fx),
                            radius * hypotf(1, camera->cy / camera->fy), radius};
    int all = 1;
    for (int k = 0; k < 3; k++) {
        if (margin[k] < -reach[k]) return -1;
        all &= margin[k] > reach[k];
    }
    return all;
}

static void mark_cells(const stk_ngp_camera *camera, uint32_t first, float *density, int *unseen) {
    for (uint32_t i = first; i < first + BLOCK; i++) {
        float p[3], margin[3];
        uint32_t c[3];
        if (density[i] >= 0) continue;
        cell_position(i, p, c);
        view_margins(camera, p, margin);
        if (margin[0] > 0 && margin[1] > 0 && margin[2] > 0) {
            density[i] = 0;
            *unseen -= 1;
        }
    }
}

static void mark_block(void *ctx, int task, int worker) {
    (void)worker;
    const mark_job *job = ctx;
    const uint32_t first = (uint32_t)task * BLOCK;
    float low[3], high[3], centre[3];
    uint32_t c[3];
    cell_position(first, low, c);
    cell_position(first + BLOCK - 1, high, c);
    for (int k = 0; k < 3; k++) centre[k] = 0.5f * (low[k] + high[k]);
    for (uint32_t i = first; i < first + BLOCK; i++) job->density[i] = -1;
    int unseen = BLOCK;
    for (int i = 0; i < job->n && unseen > 0; i++) {
        int view = block_in_view(&job->cameras[i], centre);
        if (view == 0) mark_cells(&job->cameras[i], first, job->density, &unseen);
        if (view != 1) continue;
        for (uint32_t k = first; k < first + BLOCK; k++) job->density[k] = 0;
        unseen = 0;
    }
}

void stk_occupancy_mark_unseen(stk_occupancy *grid, const stk_ngp_camera *cameras, int n,
                               stk_pool *pool) {
    mark_job job = {grid->density, cameras, n};
    stk_pool_run(pool, BLOCKS, mark_block, &job);
}

/* --- dilation, mean, bits --------------------------------------------------------------------- */

/* Largest of values over the cell and its 6 neighbours; steps along one axis are additions in the
 * bits of that axis. */
static float neighbour_max(const float *values, uint32_t cell) {
    float best = values[cell];
    for (int k = 0; k < 3; k++) {
        const uint32_t mask = AXIS_MASK[k], on = cell & mask, rest = cell & ~mask;
        if (on != mask) {
            float v = values[(((cell | ~mask) + 1) & mask) | rest];
            best = v > best ? v : best;
        }
        if (on != 0) {
            float v = values[((on - 1) & mask) | rest];
            best = v > best ? v : best;
        }
    }
    return best;
}

typedef struct dilate_job {
    const float *in;
    float *out;
} dilate_job;

static void dilate_chunk(void *ctx, int task, int worker) {
    (void)worker;
    const dilate_job *job = ctx;
    for (uint32_t i = (uint32_t)task * CHUNK; i < ((uint32_t)task + 1) * CHUNK; i++)
        job->out[i] = neighbour_max(job->in, i);
}

void stk_occupancy_dilate(const float *in, float *out, stk_pool *pool) {
    dilate_job job = {in, out};
    stk_pool_run(pool, CHUNKS, dilate_chunk, &job);
}

typedef struct bits_job {
    const float *density;
    float threshold;
    uint8_t *bits;
} bits_job;

static void bits_chunk(void *ctx, int task, int worker) {
    (void)worker;
    const bits_job *job = ctx;
    for (int byte = task * (CHUNK / 8); byte < (task + 1) * (CHUNK / 8); byte++) {
        unsigned v = 0;
        for (int k = 0; k < 8; k++)
            v |= (unsigned)(job->density[8 * byte + k] > job->threshold) << k;
        job->bits[byte] = (uint8_t)v;
    }
}

void stk_occupancy_bits(const float *density, float threshold, uint8_t *bits, stk_pool *pool) {
    bits_job job = {density, threshold, bits};
    stk_pool_run(pool, CHUNKS, bits_chunk, &job);
}

static void sum_chunk(void *ctx, int task, int worker) {
    (void)worker;
    const stk_occupancy *grid = ctx;
    double sum = 0;
    for (int i = task * CHUNK; i < (task + 1) * CHUNK; i++)
        if (grid->density[i] > 0) sum += (double)grid->density[i];
    grid->sums[task] = sum;
}

static void pack_grid(stk_occupancy *grid, stk_pool *pool) {
    stk_pool_run(pool, CHUNKS, sum_chunk, grid);
    double sum = 0;
    for (int i = 0; i < CHUNKS; i++) sum += grid->sums[i];
    grid->mean_density = (float)(sum / STK_GRID_CELLS);
    grid->threshold = fminf(grid->mean_density, THRESHOLD_MAX);
    stk_occupancy_bits(grid->density, grid->threshold, grid->bits, pool);
}

void stk_occupancy_pack(stk_occupancy *grid) {
    pack_grid(grid, NULL);
}

/* --- densities from the field ----------------------------------------------------------------- */

typedef struct sweep_job {
    stk_occupancy *grid;
    const stk_field *field;
    const stk_field_weights *weights;
    const stk_field_cond *cond;
    int jitter;
    uint32_t salt;
    int partial;
    uint32_t pick; /* a cell is evaluated when its hash is below this */
} sweep_job;

/* 32 random bits of element i in stream `salt` (a finaliser of C. Wellons' hash prospector). */
static uint32_t hash_bits(uint32_t i, uint32_t salt) {
    uint32_t x = i + salt * 0x9E3779B1u;
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ (x >> 16);
}

/* A partial update leaves alone what no ray can enter. */
static int chunk_skipped(const sweep_job *job, int chunk) {
    uint32_t x, y, z;
    stk_morton_decode((uint32_t)chunk * CHUNK, &x, &y, &z);
    return job->partial && (y < BOX_Y0 || y >= BOX_Y1);
}

/* Full sweep: a cell matters when it or a neighbour was seen (unseen cells still dilate into seen
 * ones). Partial: see the header. */
static int cell_wanted(const sweep_job *job, uint32_t cell) {
    const float *density = job->grid->density;
    if (!job->partial) return density[cell] >= 0 || neighbour_max(density, cell) >= 0;
    if (density[cell] < 0) return 0;
    if (job->grid->bits[cell >> 3] >> (cell & 7) & 1) return 1;
    return hash_bits(cell, ~job->salt) < job->pick;
}

typedef struct tile {
    STK_ALIGNED(64) float xyz[3 * STK_TILE];
    STK_ALIGNED(64) float sigma[STK_TILE];
    STK_ALIGNED(64) uint16_t cond_row[STK_TILE];
    uint32_t cell[STK_TILE];
    int n;
} tile;

static void place_cell(const sweep_job *job, uint32_t cell, tile *t) {
    float p[3];
    uint32_t c[3];
    cell_position(cell, p, c);
    if (job->jitter) {
        const uint32_t base = 3 * ((c[0] * STK_GRID_SIDE + c[1]) * STK_GRID_SIDE + c[2]);
        for (uint32_t k = 0; k < 3; k++) {
            float u = (float)(hash_bits(base + k, job->salt) >> 8) / 16777216.0f;
            p[k] += (2.0f * u - 1.0f) * CELL_HALF;
        }
    }
    for (int k = 0; k < 3; k++) t->xyz[k * STK_TILE + t->n] = p[k];
    t->cell[t->n++] = cell;
}

static void flush_tile(const sweep_job *job, tile *t) {
    const stk_field_in in = {t->xyz, NULL, t->cond_row, t->n};
    if (t->n == 0) return;
    job->field->kernels.density(&job->field->shape, job->weights, job->cond, &in, t->sigma);
    for (int i = 0; i < t->n; i++) { /* not-a-number counts as not evaluated */
        float sigma = t->sigma[i] >= 0 ? t->sigma[i] : -1;
        job->grid->fresh[t->cell[i]] = sigma > DENSITY_MAX ? DENSITY_MAX : sigma;
    }
    t->n = 0;
}

static void evaluate_chunk(void *ctx, int task, int worker) {
    (void)worker;
    const sweep_job *job = ctx;
    tile t = {.n = 0};
    const int skipped = chunk_skipped(job, task);
    for (uint32_t i = (uint32_t)task * CHUNK; i < ((uint32_t)task + 1) * CHUNK; i++) {
        job->grid->fresh[i] = -1;
        if (!skipped && cell_wanted(job, i)) place_cell(job, i, &t);
        if (t.n == STK_TILE) flush_tile(job, &t);
    }
    flush_tile(job, &t);
}

/* density = max(0.95 density, dilated fresh) where both are >= 0. In a partial update a cell that
 * was not evaluated itself can only be raised, by an evaluated neighbour. */
static void merge_chunk(void *ctx, int task, int worker) {
    (void)worker;
    const sweep_job *job = ctx;
    const float *fresh = job->grid->fresh;
    if (chunk_skipped(job, task)) return;
    for (uint32_t i = (uint32_t)task * CHUNK; i < ((uint32_t)task + 1) * CHUNK; i++) {
        float *density = &job->grid->density[i];
        if (*density < 0) continue;
        const float value = neighbour_max(fresh, i);
        const float decayed = job->partial && fresh[i] < 0 ? *density : *density * DECAY;
        if (value >= 0) *density = value > decayed ? value : decayed;
    }
}

static void run_sweep(sweep_job *job, stk_pool *pool) {
    stk_pool_run(pool, CHUNKS, evaluate_chunk, job);
    stk_pool_run(pool, CHUNKS, merge_chunk, job);
    pack_grid(job->grid, pool);
}

void stk_occupancy_sweep(stk_occupancy *grid, const stk_field *field,
                         const stk_field_weights *weights, const stk_field_cond *cond,
                         const uint32_t *salt, stk_pool *pool) {
    sweep_job job = {.grid = grid,
                     .field = field,
                     .weights = weights,
                     .cond = cond,
                     .jitter = salt != NULL,
                     .salt = salt != NULL ? *salt : 0};
    run_sweep(&job, pool);
}

void stk_occupancy_update(stk_occupancy *grid, const stk_field *field,
                          const stk_field_weights *weights, const stk_field_cond *cond,
                          stk_rng *rng, stk_pool *pool) {
    uint32_t salt = rng != NULL ? stk_rng_u32(rng) : 0;
    stk_occupancy_sweep(grid, field, weights, cond, rng != NULL ? &salt : NULL, pool);
}

/* DIFFERS: the published code evaluates all 2 M cells every 16 steps, more work than the steps
 * themselves on a CPU. As in instant-ngp, a fresh random subset and every occupied cell do. Cells
 * outside the box, which rays never enter, are left out too and count as 0 in the mean. */
void stk_occupancy_update_partial(stk_occupancy *grid, const stk_field *field,
                                  const stk_field_weights *weights, const stk_field_cond *cond,
                                  stk_rng *rng, stk_pool *pool, float fraction) {
    const double pick = fmin(fmax((double)fraction, 0.0), 1.0) * 4294967295.0;
    sweep_job job = {.grid = grid,
                     .field = field,
                     .weights = weights,
                     .cond = cond,
                     .jitter = 1,
                     .salt = stk_rng_u32(rng),
                     .partial = 1,
                     .pick = (uint32_t)pick};
    run_sweep(&job, pool);
}
