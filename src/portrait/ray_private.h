/* ray_private.h - a ray on its way, a worker's scratch, a picture: what both march rules use. */
#ifndef STK_PORTRAIT_RAY_PRIVATE_H
#define STK_PORTRAIT_RAY_PRIVATE_H

#include "portrait/ray_render.h"

enum {
    RAY_BATCH = 256, /* rays, and samples a round, that a worker has in hand */
    RAY_FRESH = 64,  /* FAST: of these, rays that were started together */
    RAY_TILES = RAY_BATCH / STK_TILE,
    RAY_STEP_MAX = 8,
    RAY_PASSES = 5, /* FAST */
};

/* One ray. T is the transmittance so far. */
typedef struct ray_state {
    float d[3], t, far; /* FAST: t stays at the entry */
    float T, rgb[3], depth;
    int pixel, taken;
    uint32_t points[STK_SCAN_WORDS]; /* FAST: lattice points not yet taken */
} ray_state;

/* Everything one worker touches: samples of a round in tiles, and the rays in hand. */
typedef struct ray_scratch {
    STK_ALIGNED(64) float xyz[RAY_TILES][3][STK_TILE];
    STK_ALIGNED(64) float dir[RAY_TILES][3][STK_TILE];
    STK_ALIGNED(64) float sigma[RAY_TILES][STK_TILE];
    STK_ALIGNED(64) float alpha[RAY_TILES][STK_TILE];
    STK_ALIGNED(64) float rgb[RAY_TILES][3][STK_TILE];
    STK_ALIGNED(64) float amb_aud[STK_TILE];
    STK_ALIGNED(64) float amb_exp[STK_TILE];
    STK_ALIGNED(64) uint16_t cond_row[STK_TILE]; /* all zero: one frame */
    STK_ALIGNED(64) float d[3][RAY_BATCH];       /* for the scan */
    STK_ALIGNED(64) float near[RAY_BATCH];
    STK_ALIGNED(64) float far[RAY_BATCH];
    STK_ALIGNED(64) uint32_t points[STK_SCAN_WORDS][RAY_BATCH];
    float t_after[RAY_BATCH];
    ray_state rays[RAY_BATCH];
    int first[RAY_BATCH], count[RAY_BATCH]; /* samples of ray i in this round */
    int living, fresh;                      /* rays; FAST: fresh ones follow the living */
    stk_ray_stats stats;
} ray_scratch;

struct stk_ray_renderer {
    int threads, pixels, height;
    int (*spans[RAY_PASSES])[2]; /* FAST, [height] of the picture: columns that each pass fills */
    ray_scratch *workers;        /* [threads] */
    ray_state *rays;             /* [pixels] of a REFERENCE picture; FAST has none */
    int *alive;                  /* [pixels] indices into rays, in order */
    stk_march_kernels march;
    stk_ray_stats stats;
};

typedef struct ray_picture {
    stk_ray_renderer *renderer;
    const stk_ray_frame *frame;
    stk_field_cond cond;
    stk_rect rect;
    int width, height, cap;
    float opaque;        /* FAST: transmittance below which a ray ends */
    int step, living;    /* REFERENCE: of this round */
    int pass, band_rows; /* FAST */
    float *rgba, *depth;
} ray_picture;

/* Ray of a pixel at its entry into the box; returns 0 for a miss. */
int stk_ray_start(const ray_picture *p, int col, int row, ray_state *ray);
void stk_ray_place_sample(ray_scratch *s, int at, const float xyz[3], const float d[3],
                          float t_after);
void stk_ray_store(const ray_picture *p, const ray_state *ray, float weight);

void stk_ray_render_fast(ray_picture *p, stk_pool *pool);
void stk_ray_render_reference(ray_picture *p, stk_pool *pool);

#endif
