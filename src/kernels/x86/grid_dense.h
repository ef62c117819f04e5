/* grid_dense.h - features from the rendering tables (radiance.h): two reads a sample and level
 * where the hash planes need four, and neighbours lie side by side. Written in the operations of
 * vector_<isa>.h. */
#ifndef STK_KERNELS_X86_GRID_DENSE_H
#define STK_KERNELS_X86_GRID_DENSE_H

#include "kernels/radiance_private.h"
#include "kernels/x86/grid_simd.h"

#include <string.h>

/* Where a tile's samples lie in one level. */
typedef struct dense_cells {
    STK_ALIGNED(64) uint32_t entry[STK_TILE];
    STK_ALIGNED(64) float a[STK_TILE], b[STK_TILE]; /* fractions along the two axes */
} dense_cells;

/* As cell_of (grid_simd.h). Outside the box: entry 0. */
STK_INLINE void find_cells(const unit_point p[STK_TILE / LANES], float scale, int side,
                           dense_cells *at) {
    const vf factor = vf_set1(scale), half = vf_set1(0.5f);
    for (int i = 0; i < STK_TILE / LANES; i++) {
        vf a = vf_add(vf_rounded(vf_mul(p[i].a, factor)), half);
        vf b = vf_add(vf_rounded(vf_mul(p[i].b, factor)), half);
        vi x = vi_truncate(a), y = vi_truncate(b);
        vi_store(at->entry + i * LANES, vi_add(x, vi_mul(y, vi_set1(side))));
        vf_store(at->a + i * LANES, vf_sub(a, vf_from_vi(x)));
        vf_store(at->b + i * LANES, vf_sub(b, vf_from_vi(y)));
    }
}

/* pairs[0]: entry, pairs[1]: the entry a row further. See fetch() of grid_simd.h. */
STK_INLINE void fetch_pairs(const uint32_t *table, int side, const uint32_t *entry,
                            uint32_t pairs[2][STK_TILE]) {
    const uint32_t *below = table + side;
    for (int i = 0; i < STK_TILE; i += 2) {
        uint64_t two;
        memcpy(&two, entry + i, sizeof two);
        __asm__("" : "+r"(two));
        const uint32_t first = (uint32_t)two, second = (uint32_t)(two >> 32);
        pairs[0][i] = table[first];
        pairs[1][i] = below[first];
        pairs[0][i + 1] = table[second];
        pairs[1][i + 1] = below[second];
    }
}

/* From x to x + 1 within a pair. */
STK_INLINE vf mix_pair(const uint32_t *pair, vf a) {
    const vi both = vi_load(pair);
    const vf low = vf_from_bits(vi_shift_left_16(both));
    const vf high = vf_from_bits(vi_and(both, vi_set1((int)0xffff0000)));
    return vf_fma(a, vf_sub(high, low), low);
}

/* One plane's levels, [levels][64]. */
static inline void encode_dense(const stk_grid_layout *grid, const uint32_t *table, const float *u,
                                const float *v, float *enc) {
    STK_ALIGNED(64) uint32_t pairs[2][STK_TILE];
    dense_cells at;
    unit_point p[STK_TILE / LANES];
    for (int i = 0; i < STK_TILE / LANES; i++) p[i] = to_unit(u + i * LANES, v + i * LANES);
    for (int level = 0; level < grid->levels; level++, enc += STK_TILE) {
        const int side = (int)grid->resolution[level] + 1;
        find_cells(p, grid->scale[level], side, &at);
        fetch_pairs(table, side, at.entry, pairs);
        for (int i = 0; i < STK_TILE / LANES; i++) {
            const vf a = vf_load(at.a + i * LANES), b = vf_load(at.b + i * LANES);
            const vf low = mix_pair(pairs[0] + i * LANES, a);
            const vf high = mix_pair(pairs[1] + i * LANES, a);
            vf_store(enc + i * LANES, vf_keep(p[i].inside, vf_fma(b, vf_sub(high, low), low)));
        }
        table += side * side;
    }
}

/* One plane's levels from whichever tables the block has. */
static inline void encode_for_rendering(const radiance_block *b, int plane, const float *u,
                                        const float *v, float *enc) {
    if (b->dense[plane] != NULL)
        encode_dense(&b->shape.grid, b->dense[plane], u, v, enc);
    else
        encode_plane(&b->shape.grid, b->plane[plane], u, v, enc);
}

#endif
