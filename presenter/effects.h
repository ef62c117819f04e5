/* effects.h - what the variants do to a frame: who stands where, how the camera shakes and exposes.
 *
 * Functions of the time alone; pictures are changed in place or into one given.
 */
#ifndef STK_PRESENTER_EFFECTS_H
#define STK_PRESENTER_EFFECTS_H

#include "base/image.h"
#include "base/pool.h"
#include "presenter/canvas.h"
#include "presenter/presenter.h"

typedef struct stk_effects {
    int after_cut;
    int second;          /* another person is in the picture */
    float place_m[2][3]; /* moves both bones of the first and the second person, cam */
    float nearer;        /* the first person's distance is divided by it */
    float hand;          /* raised 0 .. 1 */
    float exposure;
    int shaken;
    float shake[9]; /* rotation of the world about the camera */
} stk_effects;

/* At time_s of a clip of `seconds`. */
void stk_effects_at(const stk_presenter_variant *variant, double time_s, double seconds,
                    stk_effects *effects);
/* Pixels around the picture that a shaken camera may see of the room. */
int stk_shake_margin(const stk_camera *camera);
/* Moves (and for the first person brings nearer), then shakes. which: 0 or 1. */
void stk_effects_place(const stk_effects *effects, int which, stk_bones *bones);
/* room: RGB, `margin` pixels larger on each side than the camera's picture; `seen`: the picture. */
void stk_room_seen(const stk_image *room, int margin, const stk_camera *camera,
                   const float shake[9], stk_pool *pool, stk_image *seen);
/* Multiplies linear light by `exposure`. */
void stk_expose(stk_image *rgb, float exposure);

#endif
