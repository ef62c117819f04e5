/* tiles_emulated.c - the tile registers as arrays. */
#include "kernels/x86/tiles.h"
#include "tiles_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
    int configured;
    int rows[TILE_REGISTERS], row_bytes[TILE_REGISTERS];
    unsigned char data[TILE_REGISTERS][TILE_ROWS][TILE_ROW_BYTES];
} tiles;

static void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "tiles: %s\n", what);
    abort();
}

static void require_tile(int tile) {
    require(tiles.configured, "used without a configuration");
    require(tile >= 0 && tile < TILE_REGISTERS, "no such register");
    require(tiles.rows[tile] > 0, "register is not configured");
}

void tile_configure(const tile_config *config) {
    require(config->palette == 1, "palette is not 1");
    require(config->start_row == 0, "start row is not 0");
    for (size_t i = 0; i < sizeof config->reserved; i++)
        require(config->reserved[i] == 0, "reserved byte is not 0");
    for (int t = 0; t < 16; t++) {
        const int rows = config->rows[t], bytes = config->row_bytes[t];
        if (t >= TILE_REGISTERS) {
            require(rows == 0 && bytes == 0, "more than eight registers");
            continue;
        }
        require(rows <= TILE_ROWS, "more than 16 rows");
        require(bytes <= TILE_ROW_BYTES, "rows wider than 64 bytes");
        require((rows == 0) == (bytes == 0), "rows without bytes, or bytes without rows");
        tiles.rows[t] = rows;
        tiles.row_bytes[t] = bytes;
    }
    memset(tiles.data, 0, sizeof tiles.data);
    tiles.configured = 1;
}

void tile_release(void) {
    memset(&tiles, 0, sizeof tiles);
}

int tiles_in_use(void) {
    return tiles.configured;
}

void tile_zero(int tile) {
    require_tile(tile);
    memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
}

void tile_load(int tile, const void *from, size_t stride) {
    tile_zero(tile);
    for (int r = 0; r < tiles.rows[tile]; r++)
        memcpy(tiles.data[tile][r], (const char *)from + (size_t)r * stride,
               (size_t)tiles.row_bytes[tile]);
}

void tile_store(int tile, void *to, size_t stride) {
    require_tile(tile);
    require(stride >= (size_t)tiles.row_bytes[tile], "stored rows overlap");
    for (int r = 0; r < tiles.rows[tile]; r++)
        memcpy((char *)to + (size_t)r * stride, tiles.data[tile][r], (size_t)tiles.row_bytes[tile]);
}

/* --- TDPBF16PS -------------------------------------------------------------------------------- */

static float flushed(float x) {
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

/* The bfloat16 in the upper half of `bits`, denormals taken for zero. */
static float upper(uint32_t bits) {
    float x;
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return flushed(x);
}

/* One row of sums: n sums, `pairs` pairs of weights. */
static void dot_row(int n, int pairs, const uint32_t *w, int x_tile, float *sum) {
    float even[16] = {0}, odd[16] = {0};
    for (int k = 0; k < pairs; k++) {
        uint32_t x[16];
        memcpy(x, tiles.data[x_tile][k], sizeof x);
        const float w_even = upper(w[k] << 16), w_odd = upper(w[k]);
        for (int i = 0; i < n; i++) {
            even[i] = flushed(fmaf(w_even, upper(x[i] << 16), even[i]));
            odd[i] = flushed(fmaf(w_odd, upper(x[i]), odd[i]));
        }
    }
    for (int i = 0; i < n; i++) sum[i] = flushed(flushed(sum[i]) + flushed(even[i] + odd[i]));
}

void tile_dot(int sum, int w, int x) {
    require_tile(sum);
    require_tile(w);
    require_tile(x);
    require(sum != w && sum != x && w != x, "one register twice in a product");
    require(tiles.rows[sum] == tiles.rows[w], "sums and weights have different rows");
    require(tiles.row_bytes[sum] == tiles.row_bytes[x], "sums and inputs have different columns");
    require(tiles.row_bytes[w] == 4 * tiles.rows[x], "weights' columns are not the inputs' rows");
    require(tiles.row_bytes[sum] % 4 == 0, "columns are not whole");
    for (int r = 0; r < tiles.rows[sum]; r++) {
        uint32_t weights[16];
        float sums[16];
        memcpy(weights, tiles.data[w][r], sizeof weights);
        memcpy(sums, tiles.data[sum][r], sizeof sums);
        dot_row(tiles.row_bytes[sum] / 4, tiles.rows[x], weights, x, sums);
        memcpy(tiles.data[sum][r], sums, sizeof sums);
    }
}

/* --- rounding --------------------------------------------------------------------------------- */

__attribute__((target("avx512bf16"))) static __m512i by_processor(__m512 high, __m512 low) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

int tiles_rounding_differences(void) {
    static const uint16_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    int different = 0;
    for (size_t k = 0; k < sizeof lower / sizeof *lower; k++)
        for (uint32_t upper_half = 0; upper_half < 0x10000; upper_half += 16) {
            uint32_t bits[16];
            for (uint32_t i = 0; i < 16; i++) bits[i] = (upper_half + i) << 16 | lower[k];
            const __m512 x = _mm512_loadu_ps(bits),
                         y = _mm512_castsi512_ps(_mm512_ror_epi32(_mm512_loadu_si512(bits), 13));
            different += _mm512_cmpneq_epi32_mask(by_processor(x, y), to_bf16_twice(x, y)) != 0;
        }
    return different;
}
