/* radiance_amx.c - the rendering field on AMX tiles: 16 x 16 sums of 32 products an instruction.
 *
 *   activations [pairs][64]: 16 pairs x 16 lanes are the second operand as they lie in memory
 *   weights [rows][pairs]:   16 rows x 16 pairs are the first
 *   sums, 16 rows x 16 lanes of float32: to memory; AVX-512 rounds them to pairs
 *
 * A block is four tiles of sums: 32 rows x 32 lanes, so that every tile loaded meets two others,
 * or, of rows that are left, 16 x 64. While one block is multiplied the block before it is rounded,
 * in another scratch buffer. Blocks take one half of the lanes after the other: the next layer's
 * first block needs the first half only, so the processor can begin it while this layer's last
 * block is being rounded.
 */
#include "kernels/radiance_private.h"
#include "kernels/x86/tiles.h"
#include "kernels/x86/vector_avx512.h"

#ifdef STK_EMULATE_TILES
#define RADIANCE_NAME(name) stk_radiance_##name##_amx_emulated
#else
#define RADIANCE_NAME(name) stk_radiance_##name##_amx
#endif

enum {
    RADIANCE_PAIRS_STEP = TILE_ROWS,
    RADIANCE_ROWS_STEP = TILE_ROWS,
    BLOCK = 2 * TILE_ROWS,             /* rows and lanes of a square block */
    BLOCK_FLOATS = 4 * TILE_ROWS * 16, /* of either kind */
    X_STRIDE = STK_TILE * (int)sizeof(uint32_t),
};

static void product(const bf16_product *p);
#include "kernels/x86/radiance_bf16.h"

typedef struct sum_block {
    int row, lane;   /* first */
    int rows, lanes; /* 32 x 32 or 16 x 64 */
} sum_block;

static int block_count(int rows) {
    return rows / BLOCK * 2 + (rows % BLOCK != 0);
}

static sum_block block_at(int rows, int i) {
    const int square = rows / BLOCK; /* to a half of the lanes */
    if (i < 2 * square) return (sum_block){i % square * BLOCK, i / square * BLOCK, BLOCK, BLOCK};
    return (sum_block){square * BLOCK, 0, TILE_ROWS, STK_TILE};
}

/* Sums of rows row.., lanes lane.. to y [32][stride bytes]. */
static void dot_square(const bf16_product *p, const sum_block *at, float *y, size_t stride) {
    const int pairs = p->m->pairs;
    const size_t w_stride = (size_t)pairs * sizeof(uint32_t);
    const uint32_t *w0 = p->m->w + at->row * pairs, *w1 = w0 + TILE_ROWS * pairs;
    const uint32_t *x = p->x + at->lane;
    tile_zero(TILE_SUM0);
    tile_zero(TILE_SUM1);
    tile_zero(TILE_SUM2);
    tile_zero(TILE_SUM3);
    for (int k = 0; k < pairs; k += TILE_ROWS, x += TILE_ROWS * STK_TILE) {
        tile_load(TILE_X0, x, X_STRIDE);
        tile_load(TILE_W0, w0 + k, w_stride);
        tile_load(TILE_X1, x + LANES, X_STRIDE);
        tile_load(TILE_W1, w1 + k, w_stride);
        tile_dot(TILE_SUM0, TILE_W0, TILE_X0);
        tile_dot(TILE_SUM1, TILE_W0, TILE_X1);
        tile_dot(TILE_SUM2, TILE_W1, TILE_X0);
        tile_dot(TILE_SUM3, TILE_W1, TILE_X1);
    }
    float *below = y + TILE_ROWS * (stride / sizeof *y);
    tile_store(TILE_SUM0, y, stride);
    tile_store(TILE_SUM1, y + LANES, stride);
    tile_store(TILE_SUM2, below, stride);
    tile_store(TILE_SUM3, below + LANES, stride);
}

/* Sums of rows row..row+15, all lanes, to y [16][64]. */
static void dot_wide(const bf16_product *p, const sum_block *at, float *y) {
    const int pairs = p->m->pairs;
    const size_t w_stride = (size_t)pairs * sizeof(uint32_t);
    const uint32_t *w = p->m->w + at->row * pairs, *x = p->x;
    tile_zero(TILE_SUM0);
    tile_zero(TILE_SUM1);
    tile_zero(TILE_SUM2);
    tile_zero(TILE_SUM3);
    for (int k = 0; k < pairs; k += TILE_ROWS, x += TILE_ROWS * STK_TILE) {
        tile_load(TILE_W0, w + k, w_stride);
        tile_load(TILE_X0, x, X_STRIDE);
        tile_load(TILE_X1, x + LANES, X_STRIDE);
        tile_dot(TILE_SUM0, TILE_W0, TILE_X0);
        tile_dot(TILE_SUM1, TILE_W0, TILE_X1);
        tile_load(TILE_X0, x + 2 * LANES, X_STRIDE);
        tile_load(TILE_X1, x + 3 * LANES, X_STRIDE);
        tile_dot(TILE_SUM2, TILE_W0, TILE_X0);
        tile_dot(TILE_SUM3, TILE_W0, TILE_X1);
    }
    tile_store(TILE_SUM0, y, X_STRIDE);
    tile_store(TILE_SUM1, y + LANES, X_STRIDE);
    tile_store(TILE_SUM2, y + 2 * LANES, X_STRIDE);
    tile_store(TILE_SUM3, y + 3 * LANES, X_STRIDE);
}

/* y [rows][stride bytes]; the stride of a wide block is a row of 64 anyway. */
static void dot(const bf16_product *p, const sum_block *at, float *y, size_t stride) {
    if (at->rows == BLOCK)
        dot_square(p, at, y, stride);
    else
        dot_wide(p, at, y);
}

/* Sums [rows][lanes] of a block to pairs. ReLU after rounding: a bfloat16 is negative where it is
 * as an integer. */
static void finish(const bf16_product *p, const sum_block *at, const float *sums) {
    uint32_t *out = p->pairs + at->row / 2 * STK_TILE + at->lane;
    const vi least = p->relu ? _mm512_setzero_si512() : _mm512_set1_epi16(INT16_MIN);
    for (int r = 0; r < at->rows; r += 2, sums += 2 * at->lanes, out += STK_TILE)
        for (int s = 0; s < at->lanes; s += LANES) {
            const vi both = pair_up(vf_load(sums + s), vf_load(sums + at->lanes + s));
            vi_store(out + s, _mm512_max_epi16(both, least));
        }
}

static void product(const bf16_product *p) {
    STK_ALIGNED(64) float sums[2][BLOCK_FLOATS];
    const int n = block_count(p->m->rows);
    for (int i = 0; i <= n; i++) {
        if (i < n) {
            const sum_block at = block_at(p->m->rows, i);
            if (p->pairs == NULL)
                dot(p, &at, p->y + at.row * STK_TILE + at.lane, X_STRIDE);
            else
                dot(p, &at, sums[i & 1], (size_t)at.lanes * sizeof(float));
        }
        if (i > 0 && p->pairs != NULL) {
            const sum_block before = block_at(p->m->rows, i - 1);
            finish(p, &before, sums[(i - 1) & 1]);
        }
    }
}

static void evaluate_on_tiles(const void *block, const float *xyz, const float *dir, float *sigma,
                              float *rgb) {
    tile_configure(&tiles_whole);
    RADIANCE_NAME(evaluate)(block, xyz, dir, sigma, rgb);
    tile_release();
}

void RADIANCE_NAME(fill)(stk_radiance_kernels *kernels) {
    *kernels = (stk_radiance_kernels){"amx", RADIANCE_NAME(fold), RADIANCE_NAME(condition),
                                      evaluate_on_tiles};
}
