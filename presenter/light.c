/* light.c - the studio and its spherical harmonics.
 *
 * A light is a cap of the sky of constant radiance: a cap of half angle a around direction d has
 * L_lm = radiance Y_lm(d) 2 pi integral_{cos a}^1 P_l(x) dx, and gives a surface that faces it an
 * irradiance of pi radiance sin^2 a. Harmonics of bands 1 and 2 are a vector and a symmetric matrix
 * without trace; turning them is turning these.
 */
#include "presenter/light.h"

#include <math.h>
#include <string.h>

#define PI_F 3.14159265f

/* Constants of the basis [Ramamoorthi & Hanrahan 2001]. */
static const float Y0 = 0.282095f, Y1 = 0.488603f, Y2_MIXED = 1.092548f, Y2_Z = 0.315392f,
                   Y2_XY = 0.546274f;

void stk_light_basis(const float d[3], float basis[9]) {
    const float x = d[0], y = d[1], z = d[2];
    basis[0] = Y0;
    basis[1] = Y1 * y;
    basis[2] = Y1 * z;
    basis[3] = Y1 * x;
    basis[4] = Y2_MIXED * x * y;
    basis[5] = Y2_MIXED * y * z;
    basis[6] = Y2_Z * (3 * z * z - 1);
    basis[7] = Y2_MIXED * x * z;
    basis[8] = Y2_XY * (x * x - y * y);
}

static void unit(const float v[3], float out[3]) {
    const float scale = 1 / sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int i = 0; i < 3; i++) out[i] = v[i] * scale;
}

/* Adds a cap that gives a surface facing it light `rgb`. */
static void add_cap(stk_light *light, const float direction[3], float half_angle_degrees,
                    const float rgb[3]) {
    const float c = cosf(half_angle_degrees * PI_F / 180);
    const float band[3] = {2 * PI_F * (1 - c), PI_F * (1 - c * c), PI_F * (c - c * c * c)};
    float d[3], basis[9];
    unit(direction, d);
    stk_light_basis(d, basis);
    for (int j = 0; j < 9; j++) {
        const float share = basis[j] * band[j == 0 ? 0 : j < 4 ? 1 : 2] / (1 - c * c);
        for (int k = 0; k < 3; k++) light->harmonics[j][k] += share * rgb[k];
    }
}

/* Daylight-balanced softbox as key; a cooler, weaker one as fill; a strip behind; grey walls, a
 * darker floor. */
void stk_light_studio(stk_light *light) {
    static const float key[3] = {-0.60f, 0.52f, 0.68f}, key_rgb[3] = {0.95f, 0.89f, 0.815f};
    static const float fill[3] = {0.82f, 0.08f, 0.62f}, fill_rgb[3] = {0.12f, 0.128f, 0.142f};
    static const float rim[3] = {0.62f, 0.50f, -0.66f}, rim_rgb[3] = {0.42f, 0.42f, 0.44f};
    static const float rim_fill[3] = {0.26f, 0.26f, 0.28f}; /* less: harmonics leak to the front */
    static const float bounce[3] = {-0.2f, -0.8f, 0.6f}, bounce_rgb[3] = {0.06f, 0.054f, 0.05f};
    static const float dome[3] = {0, 1, 0}, dome_rgb[3] = {0.12f, 0.125f, 0.135f};
    *light = (stk_light){.harmonics = {{0}}};
    unit(key, light->key_dir);
    memcpy(light->key_rgb, key_rgb, sizeof key_rgb);
    unit(rim, light->rim_dir);
    memcpy(light->rim_rgb, rim_rgb, sizeof rim_rgb);
    add_cap(light, fill, 45, fill_rgb);
    add_cap(light, rim, 35, rim_fill);
    add_cap(light, bounce, 50, bounce_rgb);
    add_cap(light, dome, 110, dome_rgb);
}

void stk_light_turn(const stk_light *light, const float R[9], float harmonics[9][3]) {
    for (int c = 0; c < 3; c++) {
        float h[9];
        for (int j = 0; j < 9; j++) h[j] = light->harmonics[j][c];
        const float vector[3] = {h[3], h[1], h[2]}; /* x, y, z */
        const float m[3][3] = {
            {Y2_XY * h[8] - Y2_Z * h[6], Y2_MIXED * h[4] / 2, Y2_MIXED * h[7] / 2},
            {Y2_MIXED * h[4] / 2, -Y2_XY * h[8] - Y2_Z * h[6], Y2_MIXED * h[5] / 2},
            {Y2_MIXED * h[7] / 2, Y2_MIXED * h[5] / 2, 2 * Y2_Z * h[6]}};
        float v[3] = {0, 0, 0}, n[3][3] = {{0}};
        for (int i = 0; i < 3; i++) { /* v = R' vector, n = R' m R */
            for (int k = 0; k < 3; k++) v[i] += R[3 * k + i] * vector[k];
            for (int j = 0; j < 3; j++)
                for (int k = 0; k < 9; k++)
                    n[i][j] += R[3 * (k / 3) + i] * m[k / 3][k % 3] * R[3 * (k % 3) + j];
        }
        const float turned[9] = {h[0],
                                 v[1],
                                 v[2],
                                 v[0],
                                 2 * n[0][1] / Y2_MIXED,
                                 2 * n[1][2] / Y2_MIXED,
                                 n[2][2] / (2 * Y2_Z),
                                 2 * n[0][2] / Y2_MIXED,
                                 (n[0][0] - n[1][1]) / (2 * Y2_XY)};
        for (int j = 0; j < 9; j++) harmonics[j][c] = turned[j];
    }
}
