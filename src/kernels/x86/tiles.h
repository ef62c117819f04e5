/* tiles.h - the tile registers of AMX: eight of 16 rows x 64 bytes, and what a kernel does with
 * them.
 *
 *   sums [16][16] float32 += weights [16][16 pairs] . activations [16 pairs][16]    tile_dot
 *
 * A kernel configures at entry and releases at exit and calls no library between that might use
 * tiles: oneDNN does, configured its way, in the same threads; and a thread whose tiles are
 * released has 8 KiB less to save when the system switches. Both take some 220 cycles together.
 *
 * The tile numbers are part of the instructions, so they are macros, and these operations are, too.
 * With STK_EMULATE_TILES (tests) all is done in software, on any processor with AVX-512,
 * the rounding to bfloat16 (bf16_pairs.h) too.
 */
#ifndef STK_KERNELS_X86_TILES_H
#define STK_KERNELS_X86_TILES_H

#include "base/attr.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE_REGISTERS = 8, TILE_ROWS = 16, TILE_ROW_BYTES = 64 };

/* What LDTILECFG reads. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "the processor's layout");

/* All eight registers whole. */
static const STK_ALIGNED(64) tile_config tiles_whole = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

/* Sums of four tiles, two tiles of weights, two of activations. */
#define TILE_SUM0 0
#define TILE_SUM1 1
#define TILE_SUM2 2
#define TILE_SUM3 3
#define TILE_W0 4
#define TILE_W1 5
#define TILE_X0 6
#define TILE_X1 7

#ifdef STK_EMULATE_TILES
#include "tiles_emulated.h"
#else

/* gcc's tile_loadd does not say that it reads memory: what was written before must be there. */
#define TILE_MEMORY_WRITTEN() __asm__ volatile("" ::: "memory")

#define tile_configure(config) _tile_loadconfig(config)
#define tile_release() _tile_release()
#define tile_zero(tile) _tile_zero(tile)
/* Row r from `from` + r * stride bytes. */
#define tile_load(tile, from, stride)                                                              \
    do {                                                                                           \
        TILE_MEMORY_WRITTEN();                                                                     \
        _tile_loadd(tile, from, stride);                                                           \
    } while (0)
#define tile_store(tile, to, stride) _tile_stored(tile, to, stride)
#define tile_dot(sum, w, x) _tile_dpbf16ps(sum, w, x)

#endif
#endif
