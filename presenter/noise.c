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

/* The hash is a mix of terms that depend on one number each, so that neighbours share them. */
static uint32_t term_x(uint32_t x) {
    return x * 0x9e3779b1u;
}

static uint32_t term_y(uint32_t y) {
    return y * 0x85ebca77u + 0x27d4eb2fu;
}

static uint32_t term_z(uint32_t z, uint32_t seed) {
    return z * 0xc2b2ae3du ^ (seed * 0x165667b1u + 0x68bc21ebu);
}

static uint32_t stir(uint32_t h) {
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ (h >> 16);
}

uint32_t stk_noise_hash(uint32_t x, uint32_t y, uint32_t z, uint32_t seed) {
    return stir(term_x(x) ^ term_y(y) ^ term_z(z, seed));
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

/* To the edges of a cube; 4 of the 12 twice. */
static const float gradient[16][3] = {
    {1, 1, 0}, {-1, 1, 0}, {1, -1, 0}, {-1, -1, 0}, {1, 0, 1}, {-1, 0, 1}, {1, 0, -1}, {-1, 0, -1},
    {0, 1, 1}, {0, -1, 1}, {0, 1, -1}, {0, -1, -1}, {1, 1, 0}, {0, -1, 1}, {-1, 1, 0}, {0, -1, -1}};

/* Dot product of the corner's gradient with the place relative to the corner. */
static float corner(uint32_t hash, float x, float y, float z) {
    const float *g = gradient[hash >> 28];
    return g[0] * x + g[1] * y + g[2] * z;
}

float stk_noise3(float x, float y, float z, uint32_t seed) {
    int i = floor_int(x), j = floor_int(y), k = floor_int(z);
    float fx = x - (float)i, fy = y - (float)j, fz = z - (float)k;
    const uint32_t hx[2] = {term_x((uint32_t)i), term_x((uint32_t)i + 1)};
    const uint32_t hy[2] = {term_y((uint32_t)j), term_y((uint32_t)j + 1)};
    const uint32_t hz[2] = {term_z((uint32_t)k, seed), term_z((uint32_t)k + 1, seed)};
    const float gx[2] = {fx, fx - 1.0f}, gy[2] = {fy, fy - 1.0f}, gz[2] = {fz, fz - 1.0f};
    float g[8];
    for (int c = 0; c < 8; c++) {
        int a = c & 1, b = c >> 1 & 1, d = c >> 2;
        g[c] = corner(stir(hx[a] ^ hy[b] ^ hz[d]), gx[a], gy[b], gz[d]);
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

typedef struct cell_search {
    float place[3];      /* in the cell, 0 .. 1 */
    uint32_t term[3][3]; /* [axis][cell -1, 0, 1] */
    float gap2[3][3];    /* squared distance along the axis to that cell */
    float best, next;    /* squared */
} cell_search;

static void cell_visit(cell_search *s, int a, int b, int c) {
    if (s->gap2[0][a] + s->gap2[1][b] + s->gap2[2][c] >= s->next) return;
    uint32_t h = stir(s->term[0][a] ^ s->term[1][b] ^ s->term[2][c]);
    float px = (float)(a - 1) + (float)(h & 1023) * (1.0f / 1024.0f) - s->place[0];
    float py = (float)(b - 1) + (float)(h >> 10 & 1023) * (1.0f / 1024.0f) - s->place[1];
    float pz = (float)(c - 1) + (float)(h >> 20 & 1023) * (1.0f / 1024.0f) - s->place[2];
    float d = px * px + py * py + pz * pz, nearer = d < s->best ? d : s->best;
    float farther = d < s->best ? s->best : d;
    s->next = farther < s->next ? farther : s->next;
    s->best = nearer;
}

void stk_noise_cells3(float x, float y, float z, uint32_t seed, float *nearest, float *second) {
    /* The middle first, then the faces, edges and corners: most are then too far away. */
    static const uint8_t order[27][3] = {
        {1, 1, 1}, {0, 1, 1}, {2, 1, 1}, {1, 0, 1}, {1, 2, 1}, {1, 1, 0}, {1, 1, 2},
        {0, 0, 1}, {2, 0, 1}, {0, 2, 1}, {2, 2, 1}, {0, 1, 0}, {2, 1, 0}, {0, 1, 2},
        {2, 1, 2}, {1, 0, 0}, {1, 2, 0}, {1, 0, 2}, {1, 2, 2}, {0, 0, 0}, {2, 0, 0},
        {0, 2, 0}, {2, 2, 0}, {0, 0, 2}, {2, 0, 2}, {0, 2, 2}, {2, 2, 2}};
    const int cell[3] = {floor_int(x), floor_int(y), floor_int(z)};
    const float at[3] = {x, y, z};
    cell_search s = {.best = 8.0f, .next = 8.0f};
    for (int k = 0; k < 3; k++) {
        float f = at[k] - (float)cell[k];
        s.place[k] = f;
        s.gap2[k][0] = f * f;
        s.gap2[k][2] = (1.0f - f) * (1.0f - f);
        for (int d = 0; d < 3; d++) {
            uint32_t c = (uint32_t)(cell[k] + d - 1);
            s.term[k][d] = k == 0 ? term_x(c) : k == 1 ? term_y(c) : term_z(c, seed);
        }
    }
    for (int n = 0; n < 27; n++) cell_visit(&s, order[n][0], order[n][1], order[n][2]);
    *nearest = sqrtf(s.best);
    *second = sqrtf(s.next);
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
