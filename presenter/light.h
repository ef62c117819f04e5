/* light.h - soft fixed studio light with soft shadows, by precomputed radiance transfer.
 *
 *   bake   for some 100 directions a depth map of all that casts; a vertex' visibility V(d) and
 *          T_j = 1/pi * integral V(d) max(0, n.d) Y_j(d) dd, j < 9 (spherical harmonics l <= 2,
 *          [Ramamoorthi & Hanrahan 2001] order and constants; [Sloan 2002])
 *   frame  the studio's light is turned into each bone's frame, light_c = sum_j T_j L_jc
 *
 * Studio: large key light from the upper left of the picture, weaker fill from the right, a rim
 * light from behind and above, a grey dome. Values are relative to exposure 1: a white diffuser
 * that
 * faces the key has light of about 1. All in the cam frame, fixed.
 */
#ifndef STK_PRESENTER_LIGHT_H
#define STK_PRESENTER_LIGHT_H

#include "base/pool.h"
#include "presenter/scene.h"

typedef struct stk_light {
    float harmonics[9][3]; /* radiance of the surroundings, cam frame */
    float key_dir[3];      /* unit, towards the key light, cam frame; for highlights and bumps */
    float key_rgb[3];
    float rim_dir[3];
    float rim_rgb[3];
} stk_light;

void stk_light_studio(stk_light *light);
/* The light's harmonics as seen in a frame whose axes are R's columns (x_cam = R x). */
void stk_light_turn(const stk_light *light, const float R[9], float harmonics[9][3]);
/* Fills `transfer` of everything in the actor from its rest state now (neutral expression). Hair
 * strands use a normal made from the direction away from the head's centre. */
stk_status stk_light_bake(stk_actor *actor, stk_pool *pool);

#endif
