/* canvas.h - the software renderer: triangles and hair strands into a picture and a label map.
 *
 *   actor + bones --skin, light--> vertices in cam --bins of 16 rows--> depth, colour, part at 2x2
 *   samples a pixel --resolve over the backdrop--> RGB8 sRGB + part per pixel
 *
 * One task a band of rows; the picture does not depend on the number of threads. Buffers are sized
 * by stk_canvas_create; nothing is allocated in a frame except by the first frame of a larger
 * actor.
 */
#ifndef STK_PRESENTER_CANVAS_H
#define STK_PRESENTER_CANVAS_H

#include "base/pool.h"
#include "presenter/light.h"

typedef struct stk_canvas stk_canvas;

typedef struct stk_bones {
    stk_pose head, torso;
} stk_bones;

stk_status stk_canvas_create(stk_canvas **canvas, int width, int height, stk_pool *pool);
void stk_canvas_free(stk_canvas **canvas);

/* Starts a frame: nothing drawn, infinite depth. */
void stk_canvas_begin(stk_canvas *canvas, const stk_camera *camera, const stk_light *light);
/* Skins, lights and draws all that is not hidden. May be called for several actors (depth is
 * shared). `keep` = -1, or only triangles and strands of these parts (bit 1 << part). force_part =
 * -1, or the part that all of it is labelled (a second person). */
stk_status stk_canvas_draw(stk_canvas *canvas, const stk_actor *actor, const stk_bones *bones,
                           int keep, int force_part);
/* Puts the drawn over `backdrop` (RGB8, same size; NULL = black). `parts` is one byte a pixel (1
 * channel image): the part that covers most of the pixel's samples. alpha (1 channel, may be NULL):
 * coverage of all that is not background, 0..255. Grain: film noise of this sigma in 8-bit units,
 * drawn from `grain_seed` and the pixel (0 = none). */
void stk_canvas_resolve(stk_canvas *canvas, const stk_image *backdrop, float grain,
                        uint32_t grain_seed, stk_image *rgb, stk_image *parts, stk_image *alpha);

#endif
