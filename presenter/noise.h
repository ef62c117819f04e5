/* noise.h - hashed gradient noise and what is made of it. Pure functions, the same everywhere. */
#ifndef STK_PRESENTER_NOISE_H
#define STK_PRESENTER_NOISE_H

#include <stdint.h>

uint32_t stk_noise_hash(uint32_t x, uint32_t y, uint32_t z, uint32_t seed);
/* Gradient noise, about [-1, 1], zero mean, feature size 1. */
float stk_noise3(float x, float y, float z, uint32_t seed);
/* Sum of `octaves` at doubled frequency and halved strength, about [-1, 1]. */
float stk_noise_fractal3(float x, float y, float z, int octaves, uint32_t seed);
/* Distance to the nearest and second nearest of jittered cell points (Worley). */
void stk_noise_cells3(float x, float y, float z, uint32_t seed, float *nearest, float *second);
/* 3 t^2 - 2 t^3 between the edges, clamped; works for lo > hi too. */
float stk_smoothstep(float lo, float hi, float v);
/* One channel; both in [0, 1]. */
float stk_srgb_from_linear(float v);
float stk_linear_from_srgb(float v);

#endif
