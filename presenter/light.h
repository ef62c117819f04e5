/* light.h - soft fixed studio light with soft shadows, by precomputed radiance transfer.
 *
 *   bake   for some 100 directions of the sky and as many of the key light a depth map of all that
 *          casts; a vertex' visibility V(d) and T_j = 1/pi * integral V(d) max(0, n.d) Y_j(d) dd,
 *          j < 9 (spherical harmonics l <= 2, [Ramamoorthi & Hanrahan 2001] order and constants;
 *          [Sloan 2002])
 *   frame  the studio's light is turned into each bone's frame, light_c = sum_j T_j L_jc
 *
 * Second-order harmonics blur a key light's shadow away, so the key light is apart from them: its
 * share seen, K, is baked for a grid of directions of the light around its place in the rest frame
 * (a head that turns is a light that turns the other way), and is interpolated there each frame.
 * What the key adds, key_rgb K max(0, n.key), is left to the shading of the pixel.
 *
 * Studio: large key light from the upper left of the picture, weaker fill from the right, a rim
 * light from behind and above, a grey dome. Values are relative to exposure 1: a white diffuser
 * that faces the key has light of about 1. All in the cam frame, fixed.
 */
#ifndef STK_PRESENTER_LIGHT_H
#define STK_PRESENTER_LIGHT_H

#include "base/pool.h"
#include "presenter/scene.h"

typedef struct stk_light {
    float harmonics[9][3]; /* radiance of the surroundings but the key light, cam frame */
    float key_dir[3];      /* unit, towards the middle of the key light, cam frame */
    float key_rgb[3];      /* irradiance / pi of a surface that faces it */
    float rim_dir[3];
    float rim_rgb[3];
} stk_light;

/* Coarse takes a third of the directions and of the time: for pictures of some 100 pixels. */
typedef enum stk_light_detail { STK_LIGHT_FINE, STK_LIGHT_COARSE } stk_light_detail;

void stk_light_studio(stk_light *light);
/* The light's harmonics as seen in a frame whose axes are R's columns (x_cam = R x). */
void stk_light_turn(const stk_light *light, const float R[9], float harmonics[9][3]);
/* Real spherical harmonics of a unit direction. */
void stk_light_basis(const float direction[3], float basis[9]);
/* Weights of the baked key directions for a light whose key stands at `key` (unit, frame of the
 * bone). They sum to 1. */
void stk_light_key_cells(const float key[3], float weight[STK_KEY_CELLS]);
/* Fills `transfer` and `key` of everything in the actor from its rest state now (neutral
 * expression). Hair strands use a normal made from the direction away from the head's centre. */
stk_status stk_light_bake(stk_actor *actor, stk_light_detail detail, stk_pool *pool);

#endif
