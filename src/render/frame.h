/* frame.h - one finished picture: the head rendered by the radiance field over what stands behind
 * it.
 *
 *   pose, audio code, expression -> rays -> (rgb, weight) -> rgb + (1 - weight) * backdrop -> 8 bit
 *                                                                             reference.md 4.6
 */
#ifndef STK_RENDER_FRAME_H
#define STK_RENDER_FRAME_H

#include "base/pool.h"
#include "portrait/ray_render.h"
#include "render/model.h"

/* DIFFERS: a ray ends once it lets less than this through; published 1e-4. What is lost is below a
 * quarter of an 8-bit level. */
#define STK_FAST_TRANSMITTANCE 1e-3f
/* DIFFERS: between rays that agree this well, pixels are interpolated (portrait/ray_fast.c). */
#define STK_FAST_FLAT 0.02f

typedef struct stk_frame_renderer stk_frame_renderer;

/* Buffers for pictures of exactly width x height; pool is kept (not owned) and may be NULL. */
stk_status stk_frame_renderer_create(stk_frame_renderer **renderer, int width, int height,
                                     stk_pool *pool);
void stk_frame_renderer_free(stk_frame_renderer **renderer);

/* Whose pictures: nets are kept (not owned), values is params.value or params.ema. To be called
 * before the first picture and whenever the values have changed. */
stk_status stk_frame_renderer_load(stk_frame_renderer *renderer, const stk_nets *nets,
                                   const float *values);
/* Loads what `loaded` has; its tables (10 MB) are used, not copied, so it must live as long, and
 * this must be called again after it is loaded anew. */
void stk_frame_renderer_share(stk_frame_renderer *renderer, const stk_frame_renderer *loaded);

typedef struct stk_frame_request {
    const uint8_t *bits; /* occupancy */
    stk_camera camera;   /* of the picture to make */
    stk_pose pose;
    const float *audio_code;   /* [32] */
    const float *expression;   /* [7] */
    int code_row;              /* individual code; 0 when rendering (reference.md 3.5) */
    stk_rect rect;             /* pixels the head can cover */
    const int (*spans)[2];     /* of each row only these columns; NULL = all (ray_render.h) */
    const stk_image *backdrop; /* RGB, of the picture's size; may be the picture itself */
    stk_march_rule rule;
    int every_pixel; /* FAST: a ray through every pixel, none interpolated */
} stk_frame_request;

/* picture: RGB, preallocated. Allocates nothing. */
void stk_frame_render(stk_frame_renderer *renderer, const stk_frame_request *request,
                      stk_image *picture);
/* Of the last frame rendered: the head before compositing [h][w][4] (ray_render.h), owned by the
 * renderer, and what it took. */
const float *stk_frame_rgba(const stk_frame_renderer *renderer);
void stk_frame_stats(const stk_frame_renderer *renderer, stk_ray_stats *stats);

/* The camera for a picture of this size (the focal length follows the width); a rectangle from one
 * camera's picture to another's, rounded outwards. */
stk_camera stk_camera_scaled(const stk_camera *camera, int width, int height);
stk_rect stk_rect_scaled(const stk_rect *rect, const stk_camera *from, const stk_camera *to);

#endif
