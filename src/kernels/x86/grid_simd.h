/* grid_simd.h - the hash planes on vectors of LANES samples: cells, corners, features; written in
 * the operations of vector_<isa>.h. */
#ifndef STK_KERNELS_X86_GRID_SIMD_H
#define STK_KERNELS_X86_GRID_SIMD_H

#include "kernels/field_private.h"

#include <string.h>

/* Coordinates in [0, 1], 0 where outside. */
typedef struct unit_point {
    vf a, b;
    vmask inside;
} unit_point;

STK_INLINE unit_point to_unit(const float *u, const float *v) {
    vf one = vf_set1(1.0f), half = vf_set1(0.5f);
    unit_point p;
    p.a = vf_mul(vf_add(vf_load(u), one), half);
    p.b = vf_mul(vf_add(vf_load(v), one), half);
    p.inside = vf_in_unit(p.a, p.b);
    p.a = vf_keep(p.inside, p.a);
    p.b = vf_keep(p.inside, p.b);
    return p;
}

/* One level's cell of a vector of points; FIELD_PRIME and rounding as in the twin. vf_rounded keeps
 * the compiler from fusing product and sum: a sample on a cell's edge must land in the same cell in
 * every variant. */
typedef struct cell {
    vi index[4];
    vf weight[4];
} cell;

STK_INLINE cell cell_of(const stk_grid_layout *grid, int level, const unit_point *p) {
    vf scale = vf_set1(grid->scale[level]), half = vf_set1(0.5f), one = vf_set1(1.0f);
    vf a = vf_add(vf_rounded(vf_mul(p->a, scale)), half);
    vf b = vf_add(vf_rounded(vf_mul(p->b, scale)), half);
    vi x = vi_truncate(a), y = vi_truncate(b);
    vi x1 = vi_add(x, vi_set1(1));
    a = vf_sub(a, vf_from_vi(x));
    b = vf_sub(b, vf_from_vi(y));
    vf a0 = vf_sub(one, a), b0 = vf_sub(one, b);
    cell c = {.weight = {vf_mul(a0, b0), vf_mul(a, b0), vf_mul(a0, b), vf_mul(a, b)}};
    if (grid->hashed[level]) {
        vi wrap = vi_set1((int)(grid->offset[level + 1] - grid->offset[level] - 1));
        vi h = vi_mul(y, vi_set1((int)FIELD_PRIME)), h1 = vi_add(h, vi_set1((int)FIELD_PRIME));
        c.index[0] = vi_and(vi_xor(x, h), wrap);
        c.index[1] = vi_and(vi_xor(x1, h), wrap);
        c.index[2] = vi_and(vi_xor(x, h1), wrap);
        c.index[3] = vi_and(vi_xor(x1, h1), wrap);
    } else {
        vi side = vi_set1((int)grid->resolution[level] + 1), row = vi_mul(y, side);
        c.index[0] = vi_add(x, row);
        c.index[1] = vi_add(x1, row);
        c.index[2] = vi_add(c.index[0], side);
        c.index[3] = vi_add(c.index[1], side);
    }
    return c;
}

static inline void corners(const stk_grid_layout *grid, int level, const float *u, const float *v,
                           field_corners *at) {
    for (int s = 0; s < STK_TILE; s += LANES) {
        unit_point p = to_unit(u + s, v + s);
        cell c = cell_of(grid, level, &p);
        for (int k = 0; k < 4; k++) {
            vi_store(&at->index[k][s], c.index[k]);
            vf_store(&at->weight[k][s], vf_keep(p.inside, c.weight[k]));
        }
    }
}

/* The entries are fetched one by one, 64 x 4 at a time: index and value pass through general
 * registers, which on Zen 4 (and on Intel with the gather mitigation) beats the gather instruction.
 * The values are read back as vectors only after all are stored, when the stores no longer have to
 * be forwarded. */
STK_INLINE void fetch(const float *entries, const field_corners *at, float value[4][STK_TILE]) {
    const uint32_t *index = at->index[0];
    float *to = value[0];
    for (int i = 0; i < 4 * STK_TILE; i += 2) {
        uint64_t pair;
        memcpy(&pair, index + i, sizeof pair);
        __asm__("" : "+r"(pair)); /* or the compiler makes gathers of it */
        memcpy(to + i, entries + (uint32_t)pair, sizeof *to);
        memcpy(to + i + 1, entries + (pair >> 32), sizeof *to);
    }
}

static inline void encode_plane(const stk_grid_layout *grid, const float *table, const float *u,
                                const float *v, float *enc) {
    STK_ALIGNED(64) float value[4][STK_TILE];
    field_corners at;
    for (int level = 0; level < grid->levels; level++, enc += STK_TILE) {
        corners(grid, level, u, v, &at);
        fetch(table + grid->offset[level], &at, value);
        for (int s = 0; s < STK_TILE; s += LANES) {
            vf sum = vf_mul(vf_load(at.weight[0] + s), vf_load(value[0] + s));
            for (int k = 1; k < 4; k++)
                sum = vf_fma(vf_load(at.weight[k] + s), vf_load(value[k] + s), sum);
            vf_store(enc + s, sum);
        }
    }
}

#endif
