/* ray_render.h - renders rays of one frame through a trained field (inference): march, field,
 * compositing with early termination (reference.md 4.5, 4.6).
 */
#ifndef STK_PORTRAIT_RAY_RENDER_H
#define STK_PORTRAIT_RAY_RENDER_H

#include "base/pool.h"
#include "portrait/field.h"
#include "portrait/occupancy.h"

typedef struct stk_ray_renderer stk_ray_renderer;

typedef enum stk_march_rule {
    STK_MARCH_FAST,      /* per ray up to a cap, early termination, no global counts */
    STK_MARCH_REFERENCE, /* the published alive-count rule, for parity */
} stk_march_rule;

/* Scratch for `threads` workers and pictures up to width x height, sized up front. */
stk_status stk_ray_renderer_create(stk_ray_renderer **renderer, int width, int height, int threads);
void stk_ray_renderer_free(stk_ray_renderer **renderer);

typedef struct stk_ray_frame {
    const stk_field *field;
    const stk_field_weights *weights;
    const uint8_t *bits;         /* occupancy bitfield */
    stk_ngp_camera camera;
    const float *audio, *exp, *code; /* [32], [STK_EXP_MAX], [4] */
    stk_rect rect;               /* pixels to render; outside: weight 0 */
    stk_march_rule rule;
} stk_ray_frame;

/* rgb [h][w][3] (not yet over the background), weight [h][w], depth [h][w] or NULL; whole-picture
 * buffers, row-major floats. Allocates nothing. */
void stk_ray_render(stk_ray_renderer *renderer, const stk_ray_frame *frame, int width, int height,
                    float *rgb, float *weight, float *depth, stk_pool *pool);

#endif
