/* noise.c - hashed gradient noise [Perlin 2002], its fractal sum, cell noise [Worley 1996], and the
 * sRGB transfer curve (IEC 61966-2-1).
 *
 *   (x, y, z) -> cell corner (i, j, k) and place in the cell -> hash of the corner and the seed ->
 *   gradient (or jittered point) -> weighted sum (or distances)
 *
 * No tables and no state: any thread may call anything. Only +, -, *, comparisons and, for sRGB and
 * distances, powf and sqrtf, so the values do not depend on the order of calls.
 */
#include "presenter/noise.h"

#include <math.h>

uint32_t stk_noise_hash(uint32_t x, uint32_t y, uint32_t z, uint32_t seed) {
    uint32_t h = x * 0x9e3779b1u ^ (y * 0x85ebca77u + 0x27d4eb2fu) ^ (z * 0xc2b2ae3du) ^
                 (seed * 0x165667b1u + 0x68bc21ebu);
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ (h >> 16);
}

static int floor_int(float v) {
    int i = (int)v;
    return i - ((float)i > v);
}

static float fade(float t) {
    return t * t * t * (t * (t * 6.0f - 15.0f) + 10.0f);
}

static float mix(float a, float b, float t) {
    return a + (b - a) * t;
}

/* Dot product of the corner's gradient, one of the 12 (4 of them twice) to the edges of a cube, with
 * the place relative to the corner. */
static float corner(uint32_t hash, float x, float y, float z) {
    uint32_t h = hash >> 28;
    float u = h < 8 ? x : y;
    float v = h < 4 ? y : (h == 12 || h == 14 ? x : z);
    return ((h & 1) != 0 ? -u : u) + ((h & 2) != 0 ? -v : v);
}

float stk_noise3(float x, float y, float z, uint32_t seed) {
    int i = floor_int(x), j = floor_int(y), k = floor_int(z);
    float fx = x - (float)i, fy = y - (float)j, fz = z - (float)k;
    uint32_t cx = (uint32_t)i, cy = (uint32_t)j, cz = (uint32_t)k;
    float g[8];
    for (uint32_t c = 0; c < 8; c++) {
        uint32_t dx = c & 1, dy = c >> 1 & 1, dz = c >> 2;
        g[c] = corner(stk_noise_hash(cx + dx, cy + dy, cz + dz, seed), fx - (float)dx,
                      fy - (float)dy, fz - (float)dz);
    }
    float u = fade(fx), v = fade(fy), w = fade(fz);
    float near = mix(mix(g[0], g[1], u), mix(g[2], g[3], u), v);
    float far = mix(mix(g[4], g[5], u), mix(g[6], g[7], u), v);
    return mix(near, far, w);
}

float stk_noise_fractal3(float x, float y, float z, int octaves, uint32_t seed) {
    float sum = 0.0f, strength = 1.0f, total = 0.0f;
    for (int o = 0; o < octaves; o++) {
        sum += strength * stk_noise3(x, y, z, seed + (uint32_t)o * 0x9e37u);
        total += strength;
        strength *= 0.5f;
        /* off the lattice, so that the zeros of the octaves do not coincide */
        x = x * 2.0f + 0.37f;
        y = y * 2.0f + 0.71f;
        z = z * 2.0f + 0.19f;
    }
    return total > 0.0f ? sum / total : 0.0f;
}

/* Squared distance along one axis from place f in [0, 1) to the neighbouring cell d = -1, 0, 1. */
static float gap2(float f, int d) {
    float gap = d < 0 ? f : 1.0f - f;
    return d == 0 ? 0.0f : gap * gap;
}

void stk_noise_cells3(float x, float y, float z, uint32_t seed, float *nearest, float *second) {
    static const int order[3] = {0, -1, 1};
    int i = floor_int(x), j = floor_int(y), k = floor_int(z);
    float fx = x - (float)i, fy = y - (float)j, fz = z - (float)k;
    float best = 8.0f, next = 8.0f;
    for (int c = 0; c < 27; c++) {
        int dx = order[c % 3], dy = order[c / 3 % 3], dz = order[c / 9];
        if (gap2(fx, dx) + gap2(fy, dy) + gap2(fz, dz) >= next) continue;
        uint32_t h =
            stk_noise_hash((uint32_t)(i + dx), (uint32_t)(j + dy), (uint32_t)(k + dz), seed);
        float px = (float)dx + (float)(h & 1023) * (1.0f / 1024.0f) - fx;
        float py = (float)dy + (float)(h >> 10 & 1023) * (1.0f / 1024.0f) - fy;
        float pz = (float)dz + (float)(h >> 20 & 1023) * (1.0f / 1024.0f) - fz;
        float d = px * px + py * py + pz * pz;
        if (d < best) {
            next = best;
            best = d;
        } else if (d < next) {
            next = d;
        }
    }
    *nearest = sqrtf(best);
    *second = sqrtf(next);
}

float stk_smoothstep(float lo, float hi, float v) {
    if (lo == hi) return v >= hi ? 1.0f : 0.0f;
    float t = (v - lo) / (hi - lo);
    t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
    return t * t * (3.0f - 2.0f * t);
}

float stk_srgb_from_linear(float v) {
    if (!(v > 0.0f)) return 0.0f;
    if (v >= 1.0f) return 1.0f;
    return v <= 0.0031308f ? 12.92f * v : 1.055f * powf(v, 1.0f / 2.4f) - 0.055f;
}

float stk_linear_from_srgb(float v) {
    if (!(v > 0.0f)) return 0.0f;
    if (v >= 1.0f) return 1.0f;
    return v <= 0.04045f ? v * (1.0f / 12.92f) : powf((v + 0.055f) * (1.0f / 1.055f), 2.4f);
}
