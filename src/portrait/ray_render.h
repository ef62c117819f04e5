/* ray_render.h - renders rays of one frame through a trained field (inference): march, field,
 * compositing with early termination (reference.md 4.5, 4.6).
 */
#ifndef STK_PORTRAIT_RAY_RENDER_H
#define STK_PORTRAIT_RAY_RENDER_H

#include "base/pool.h"
#include "kernels/radiance.h"
#include "portrait/field.h"
#include "portrait/occupancy.h"

typedef struct stk_ray_renderer stk_ray_renderer;

typedef enum stk_march_rule {
    STK_MARCH_FAST,      /* per ray up to a cap, early termination, no global counts */
    STK_MARCH_REFERENCE, /* the published alive-count rule, for parity */
} stk_march_rule;

/* Scratch for `threads` workers and pictures up to width x height, sized up front. Free with
 * stk_ray_renderer_free. A pool of more threads than that is not used. */
stk_status stk_ray_renderer_create(stk_ray_renderer **renderer, int width, int height, int threads);
void stk_ray_renderer_free(stk_ray_renderer **renderer);

typedef struct stk_ray_frame {
    stk_march_rule rule;
    /* FAST: the field folded for this model and frame (kernels/radiance.h). */
    const stk_radiance_kernels *radiance;
    const void *block;
    /* REFERENCE: field.h's forward, float32. Conditions [32], [STK_EXP_MAX], [4]. */
    const stk_field *field;
    const stk_field_weights *weights;
    const float *audio, *exp, *code;

    const uint8_t *bits; /* occupancy bitfield */
    stk_ngp_camera camera;
    stk_rect rect;           /* pixels to render; outside: weight 0 */
    const int (*spans)[2];   /* [height]: of each row of rect only the columns [first, end) are
                              * wanted; NULL = all. FAST: up to 4 pixels around them are not 0;
                              * near the ends other pixels are interpolated than without. */
    int samples_max;         /* FAST: cap per ray; 0 = STK_FAST_SAMPLES_MAX */
    float transmittance_min; /* FAST: a ray ends below it; 0 = STK_TRANSMITTANCE_MIN */
    /* FAST: a pixel between four others two away is interpolated where these are flatter than this
     * (largest channel, of 0..1), between nearer ones where flatter than 1.5 or 2 times this;
     * 0 = a ray through every pixel. See ray_fast.c. */
    float flat;
} stk_ray_frame;

enum { STK_FAST_SAMPLES_MAX = 64 };

/* What the last picture took. */
typedef struct stk_ray_stats {
    int64_t rays;           /* through pixels of the rectangle that were not interpolated */
    int64_t samples, tiles; /* field evaluations, tiles of 64 they filled */
    int rounds;             /* REFERENCE: global rounds, and their first (living, samples) */
    int round_alive[16], round_step[16];
} stk_ray_stats;

/* rgba [h][w][4]: colour not yet over the background (so premultiplied), weight; depth [h][w] or
 * NULL (sum of w t, ngp units along the ray; with FAST only where `flat` is 0). Whole-picture
 * buffers, row-major, 16-byte aligned, not larger than the renderer was made for. Interpolated
 * values may leave [0, 1] by a few hundredths. Allocates nothing. */
void stk_ray_render(stk_ray_renderer *renderer, const stk_ray_frame *frame, int width, int height,
                    float *rgba, float *depth, stk_pool *pool);
void stk_ray_renderer_stats(const stk_ray_renderer *renderer, stk_ray_stats *stats);

#endif
