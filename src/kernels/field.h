/* field.h - the fused radiance field: tri-plane hash encoding, facial-aware attention, density and
 * colour nets, forward and backward, on tiles of STK_TILE samples that stay in cache.
 *
 *   xyz [3][64] -> 3 hash planes -> enc [36][64]                                  reference.md 3.1
 *   enc -> aud_ch_att 36-64-32 -> A, a' = a * A;  enc -> eye_att 36-64-E -> G, e' = e * G       3.4
 *   [enc|a'|e'] -> sigma_net 75-64-64-65 -> sigma = exp(h0), geo = h1..64
 *   [SH16(d)|geo|c] -> color_net 84-64-3 -> rgb = 1.002 sigmoid - 0.001
 *   ambient_aud = |A|_2, ambient_exp = |G|_2 per sample
 *   stop_grad(enc) -> unc_net 36-32-1 -> softplus
 * With a region mask (stk_region_mask): a' = a * A M_lip(x), e' = e * G M_exp(x); the ambients are
 * of A and G before it.
 *
 * Layout: channel-major within a tile, float x[C][STK_TILE], 64-byte aligned; lanes past `n` hold
 * finite values and are ignored. Weights are [out][in] row-major as in the official state dict. The
 * table has a plain-C twin for every slot; AVX2 and AVX-512 variants are tested against it.
 *
 * Samples of different video frames may share a tile: cond_row[s] picks the row of the per-frame
 * condition tables.
 *
 * Scatter into the hash tables is not done tile by tile: backward leaves denc [36][64]; after all
 * tiles of a step, grid_backward runs once per (plane, level) over all samples in sample order.
 * That makes the sums independent of the thread count, needs no private tables, and keeps one level
 * (64 KiB) in L2.
 */
#ifndef STK_KERNELS_FIELD_H
#define STK_KERNELS_FIELD_H

#include "base/attr.h"
#include <stdint.h>
#include <stddef.h>

enum {
    STK_TILE = 64,
    STK_PLANES = 3,
    STK_LEVELS_MAX = 14,
    STK_ENC_MAX = STK_PLANES * STK_LEVELS_MAX,
    STK_HIDDEN = 64,
    STK_GEO = 64,
    STK_CODE = 4, /* individual code */
    STK_SH = 16,
    STK_AUD = 32,
    STK_EXP_MAX = 8,
    STK_UNC_HIDDEN = 32,
};

/* One hash plane's levels (reference.md 3.1 table); the same for all three planes. */
typedef struct stk_grid_layout {
    int levels;                          /* 12 released, 14 paper */
    float scale[STK_LEVELS_MAX];         /* exp2f(l*S)*64 - 1 */
    uint32_t resolution[STK_LEVELS_MAX]; /* ceil(scale)+1 */
    uint32_t offset[STK_LEVELS_MAX + 1]; /* in entries; offset[levels] = table size */
    uint8_t hashed[STK_LEVELS_MAX];
} stk_grid_layout;

/* Fills the layout for bound 1: base 64, finest 512, log2 table size 14. */
void stk_grid_layout_init(stk_grid_layout *layout, int levels);

/* Where sound and where expression may act, in canonical space: M(x) = clamp(n . x + d, 0, 1), a
 * ramp between two parallel planes (portrait/region_mask.h makes them). */
typedef struct stk_region_mask {
    int on;                 /* 0: everywhere */
    float audio[4], exp[4]; /* n, d of either */
} stk_region_mask;

typedef struct stk_field_shape {
    stk_grid_layout grid;
    int enc;        /* 3*levels */
    int exp;        /* E: 7, 4, 2 or 1; inputs of the expression branch */
    int exp_hidden; /* 64; 16 with au45 */
    stk_region_mask mask;
} stk_field_shape;

/* Read-only views into the parameter block. */
typedef struct stk_field_weights {
    const float *plane[STK_PLANES]; /* xy, yz, xz: [offset[levels]] */
    const float *aud_att[2];        /* [64][enc], [32][64] */
    const float *exp_att[2];        /* [exp_hidden][enc], [E][exp_hidden] */
    const float *sigma[3];          /* [64][enc+32+E], [64][64], [65][64] */
    const float *color[2];          /* [64][84], [3][64] */
    const float *unc[2];            /* [32][enc], [1][32] */
    const uint32_t *pairs;          /* what pack made of them, where that is set */
} stk_field_weights;

/* Same shapes, accumulated into (+=). Not the planes. */
typedef struct stk_field_grads {
    float *aud_att[2], *exp_att[2], *sigma[3], *color[2], *unc[2];
} stk_field_grads;

/* Per-frame conditions, one row per frame of the batch; row strides are 32, STK_EXP_MAX, 4. */
typedef struct stk_field_cond {
    const float *audio; /* [rows][32] */
    const float *exp;   /* [rows][STK_EXP_MAX], first E used */
    const float *code;  /* [rows][4] */
} stk_field_cond;
typedef struct stk_field_dcond { /* accumulated into; exp gets no gradient */
    float *audio, *code;
} stk_field_dcond;

/* All tile arrays are 64-byte aligned [C][STK_TILE]. */
typedef struct stk_field_in {
    const float *xyz;         /* [3][64], ngp frame; outside [-1,1]: zero features */
    const float *dir;         /* [3][64], unit; unused by density */
    const uint16_t *cond_row; /* [64]; lanes past n must hold a valid row too */
    int n;                    /* samples used, 1..64 */
} stk_field_in;
typedef struct stk_field_out {
    float *sigma;             /* [64] */
    float *rgb;               /* [3][64] in [-0.001, 1.001] */
    float *amb_aud, *amb_exp; /* [64] */
    float *unc;               /* [64]; NULL = not wanted (then unc_net is skipped) */
} stk_field_out;
typedef struct stk_field_dout { /* gradients of the loss by the outputs; zero for unused lanes */
    const float *sigma, *rgb, *amb_aud, *amb_exp, *unc; /* unc NULL = none */
} stk_field_dout;

/* Where backward puts its gradients. */
typedef struct stk_field_din {
    stk_field_grads *grads; /* accumulated into, like dcond */
    stk_field_dcond *dcond;
    float *denc; /* [enc][64], written; zero in unused lanes */
} stk_field_din;

/* Activations kept between forward and backward of one tile, in floats (a multiple of 16): 496 rows
 * of 64, 124 KiB, at the released shape. */
size_t stk_field_act_floats(const stk_field_shape *shape);

typedef struct stk_field_kernels {
    const char *isa;
    /* acts NULL: inference, nothing kept (the kernel uses its own stack). */
    void (*forward)(const stk_field_shape *shape, const stk_field_weights *weights,
                    const stk_field_cond *cond, const stk_field_in *in, float *acts,
                    stk_field_out *out);
    /* Density only (occupancy sweep): enc, attentions, sigma; no colour. sigma [64]. */
    void (*density)(const stk_field_shape *shape, const stk_field_weights *weights,
                    const stk_field_cond *cond, const stk_field_in *in, float *sigma);
    /* acts as left by forward. A lane whose dsigma is 0 takes no gradient through sigma even where
     * sigma has overflowed to infinity. */
    void (*backward)(const stk_field_shape *shape, const stk_field_weights *weights,
                     const stk_field_cond *cond, const stk_field_in *in, const float *acts,
                     const stk_field_dout *dout, const stk_field_din *din);
    /* enc [enc][64] of a tile. */
    void (*encode)(const stk_field_shape *shape, const stk_field_weights *weights,
                   const stk_field_in *in, float *enc);
    /* Scatter-add of one plane and level over `tiles` tiles in order: xyz is [tiles][3][64], denc
     * [tiles][enc][64]; counts[t] samples in tile t. dtable: the plane's whole gradient table. */
    void (*grid_backward)(const stk_field_shape *shape, int plane, int level, int tiles,
                          const int *counts, const float *xyz, const float *denc, float *dtable);
    /* NULL, or: rounds the nets into weights->pairs for forward and backward, to be called whenever
     * they have changed; returns how many pairs (a multiple of 16; pairs NULL: only that). */
    size_t (*pack)(const stk_field_shape *shape, const stk_field_weights *weights, uint32_t *pairs);
} stk_field_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_field_kernels_init(stk_field_kernels *kernels);
/* The same for training: forward and backward may multiply in bfloat16 (sums and weights stay
 * float32) where that is faster. Such a forward wants acts, not NULL, and only its own backward can
 * read them. */
void stk_field_training_kernels_init(stk_field_kernels *kernels);

#endif
