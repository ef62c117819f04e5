/* torso_draw.c - the torso branch's occupancy, and the picture it paints over the plate.
 *
 *   cells (128 x 128, jittered) -> alpha -> 5x5 maximum -> density = max(0.95 density, .) -> mean
 *   block of 64 x 64 pixels -> rows and columns through their halves of the first layers
 *         -> each row with an occupied pixel -> (alpha, rgb) -> rgb alpha + plate (1 - alpha)
 *
 * Work is split into fixed parts (tiles of cells, blocks of pixels), each written by its own task
 * only, so that the thread count changes nothing. Scratch is on the workers' stacks.
 */
#include "portrait/torso.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum {
    SIDE = STK_TORSO_SIDE,
    CELL_TILES = STK_TORSO_GRID_CELLS / STK_TILE,
    POOL_REACH = 2,
};

static const float DECAY = 0.95f;
static const float THRESHOLD_MAX = 0.01f;

/* --- occupancy -------------------------------------------------------------------------------- */

stk_status stk_torso_occupancy_init(stk_torso_occupancy *grid) {
    *grid = (stk_torso_occupancy){0};
    grid->density = stk_calloc_aligned(STK_TORSO_GRID_CELLS, sizeof *grid->density);
    grid->fresh = stk_calloc_aligned(STK_TORSO_GRID_CELLS, sizeof *grid->fresh);
    if (grid->density != NULL && grid->fresh != NULL) return STK_OK;
    stk_torso_occupancy_clear(grid);
    return stk_fail_memory("torso occupancy");
}

void stk_torso_occupancy_clear(stk_torso_occupancy *grid) {
    stk_free(grid->density);
    stk_free(grid->fresh);
    *grid = (stk_torso_occupancy){0};
}

void stk_torso_occupancy_mean(stk_torso_occupancy *grid) {
    double sum = 0;
    for (int i = 0; i < STK_TORSO_GRID_CELLS; i++) sum += (double)grid->density[i];
    grid->mean_density = (float)(sum / STK_TORSO_GRID_CELLS);
}

typedef struct update_job {
    stk_torso_occupancy *grid;
    const stk_torso *torso;
    const stk_torso_frame *frame;
    int jitter;
    uint32_t salt;
} update_job;

/* The 64 cells of a task: alpha at (2 i / 127 - 1) (1 - 1/128), with jitter U(-1, 1)/128. */
static void evaluate_cells(void *ctx, int task, int worker) {
    (void)worker;
    const update_job *job = ctx;
    STK_ALIGNED(64) float xy[2 * STK_TILE], rgb[3 * STK_TILE], point[2 * STK_TILE];
    stk_rng rng;
    stk_rng_seed(&rng, job->salt, (uint64_t)task);
    for (int s = 0; s < STK_TILE; s++) {
        const int cell = task * STK_TILE + s, index[2] = {cell % SIDE, cell / SIDE};
        for (int k = 0; k < 2; k++) {
            float v = (2.0f * (float)index[k] / (SIDE - 1) - 1.0f) * (1.0f - 1.0f / SIDE);
            if (job->jitter) v += (2.0f * stk_rng_float(&rng) - 1.0f) / SIDE;
            xy[k * STK_TILE + s] = STK_TORSO_SHRINK * v;
        }
    }
    const stk_torso_out out = {job->grid->fresh + task * STK_TILE, rgb, point};
    job->torso->kernels.forward(&job->torso->layout, &job->frame->weights, xy, NULL, &out);
}

/* One row of cells: the largest fresh value of the 5x5 around each; one that is not a number loses
 * every comparison. */
static void merge_cells(void *ctx, int task, int worker) {
    (void)worker;
    const stk_torso_occupancy *grid = ((const update_job *)ctx)->grid;
    const int y0 = stk_clampi(task - POOL_REACH, 0, SIDE - 1);
    const int y1 = stk_clampi(task + POOL_REACH, 0, SIDE - 1);
    for (int x = 0; x < SIDE; x++) {
        const int x0 = stk_clampi(x - POOL_REACH, 0, SIDE - 1);
        const int x1 = stk_clampi(x + POOL_REACH, 0, SIDE - 1);
        float best = DECAY * grid->density[task * SIDE + x];
        for (int y = y0; y <= y1; y++)
            for (int i = x0; i <= x1; i++)
                if (grid->fresh[y * SIDE + i] > best) best = grid->fresh[y * SIDE + i];
        grid->density[task * SIDE + x] = best;
    }
}

void stk_torso_occupancy_update(stk_torso_occupancy *grid, const stk_torso *torso,
                                const stk_torso_frame *frame, stk_rng *rng, stk_pool *pool) {
    update_job job = {grid, torso, frame, rng != NULL, rng != NULL ? stk_rng_u32(rng) : 0};
    stk_pool_run(pool, CELL_TILES, evaluate_cells, &job);
    stk_pool_run(pool, SIDE, merge_cells, &job);
    stk_torso_occupancy_mean(grid);
}

int stk_torso_occupied(const float *density, float mean_density, float row, float col) {
    const float x = stk_clampf((row + 1) * 0.5f * (SIDE - 1), 0, SIDE - 1);
    const float y = stk_clampf((col + 1) * 0.5f * (SIDE - 1), 0, SIDE - 1);
    const int x0 = (int)x, y0 = (int)y;
    const int x1 = x0 < SIDE - 1 ? x0 + 1 : x0, y1 = y0 < SIDE - 1 ? y0 + 1 : y0;
    const float a = x - (float)x0, b = y - (float)y0;
    const float *near = density + y0 * SIDE, *far = density + y1 * SIDE;
    const float value =
        (1 - b) * ((1 - a) * near[x0] + a * near[x1]) + b * ((1 - a) * far[x0] + a * far[x1]);
    return value > fminf(THRESHOLD_MAX, mean_density);
}

/* --- picture ---------------------------------------------------------------------------------- */

/* A block of pixels and, once one of them is occupied, what its rows and columns contribute. */
typedef struct draw_block {
    stk_torso_axis rows, columns;
    STK_ALIGNED(64) float alpha[STK_TILE];
    STK_ALIGNED(64) float rgb[3 * STK_TILE];
    STK_ALIGNED(64) float point[2 * STK_TILE];
    int x0, y0, width, height; /* of the block; at most 64 x 64 */
    int encoded;
} draw_block;

/* 0 .. size-1 -> -1 .. 1 */
static float pixel_coord(int i, int size) {
    return size > 1 ? 2.0f * (float)i / (float)(size - 1) - 1.0f : 0;
}

static void put_pixel(const stk_torso_picture *p, int x, int y, float alpha, const float rgb[3]) {
    const size_t at = (size_t)y * (size_t)p->plate->width + (size_t)x;
    const uint8_t *behind = stk_image_row(p->plate, y) + 3 * x;
    uint8_t *out = stk_image_row(p->picture, y) + 3 * x;
    for (int c = 0; c < 3; c++) {
        const float v = rgb[c] * alpha + (float)behind[c] / 255.0f * (1.0f - alpha);
        if (p->rgb != NULL) p->rgb[3 * at + (size_t)c] = v;
        out[c] = (uint8_t)(stk_clampf(255.0f * v, 0, 255) + 0.5f);
    }
    if (p->alpha != NULL) p->alpha[at] = alpha;
}

/* A row of the block without torso. */
static void put_plate(const stk_torso_picture *p, const draw_block *b, int y) {
    const size_t at = (size_t)y * (size_t)p->plate->width + (size_t)b->x0;
    const size_t width = (size_t)b->width;
    const uint8_t *behind = stk_image_row(p->plate, y) + 3 * b->x0;
    if (p->picture->data != p->plate->data)
        memcpy(stk_image_row(p->picture, y) + 3 * b->x0, behind, 3 * width);
    if (p->alpha != NULL) memset(p->alpha + at, 0, width * sizeof *p->alpha);
    for (size_t i = 0; p->rgb != NULL && i < 3 * width; i++)
        p->rgb[3 * at + i] = (float)behind[i] / 255.0f;
}

static void encode_block(const stk_torso_picture *p, draw_block *b) {
    for (int s = 0; s < STK_TILE; s++) { /* past the edge: any number */
        b->rows.coord[s] = STK_TORSO_SHRINK * pixel_coord(b->y0 + s, p->plate->height);
        b->columns.coord[s] = STK_TORSO_SHRINK * pixel_coord(b->x0 + s, p->plate->width);
    }
    p->torso->kernels.split_axis(&p->frame->weights, 0, &b->rows);
    p->torso->kernels.split_axis(&p->frame->weights, 1, &b->columns);
    b->encoded = 1;
}

/* One row: all 64 pixels are evaluated if one is occupied. */
static void draw_row(const stk_torso_picture *p, draw_block *b, int row) {
    const int y = b->y0 + row;
    const float row_coord = pixel_coord(y, p->plate->height);
    uint8_t occupied[STK_TILE];
    int any = 0;
    put_plate(p, b, y);
    for (int i = 0; i < b->width; i++) {
        occupied[i] = (uint8_t)stk_torso_occupied(p->density, p->mean_density, row_coord,
                                                  pixel_coord(b->x0 + i, p->plate->width));
        any |= occupied[i];
    }
    if (!any) return;
    if (!b->encoded) encode_block(p, b);
    const stk_torso_out out = {b->alpha, b->rgb, b->point};
    p->torso->kernels.split_forward(&p->torso->layout, &p->frame->weights, &b->rows, row,
                                    &b->columns, &out);
    for (int i = 0; i < b->width; i++) {
        const float rgb[3] = {b->rgb[i], b->rgb[STK_TILE + i], b->rgb[2 * STK_TILE + i]};
        if (occupied[i]) put_pixel(p, b->x0 + i, y, b->alpha[i], rgb);
    }
}

static int blocks_of(int size) {
    return (size + STK_TILE - 1) / STK_TILE;
}

static void draw_block_of(void *ctx, int task, int worker) {
    (void)worker;
    const stk_torso_picture *p = ctx;
    const int across = blocks_of(p->plate->width);
    draw_block b;
    b.encoded = 0;
    b.x0 = task % across * STK_TILE;
    b.y0 = task / across * STK_TILE;
    b.width = p->plate->width - b.x0 < STK_TILE ? p->plate->width - b.x0 : STK_TILE;
    b.height = p->plate->height - b.y0 < STK_TILE ? p->plate->height - b.y0 : STK_TILE;
    for (int row = 0; row < b.height; row++) draw_row(p, &b, row);
}

void stk_torso_draw(const stk_torso_picture *picture, stk_pool *pool) {
    const int tasks = blocks_of(picture->plate->width) * blocks_of(picture->plate->height);
    stk_pool_run(pool, tasks, draw_block_of, (void *)picture);
}
