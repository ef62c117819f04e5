/* brow_paint.c - eyebrows as some hundred fine hairs drawn into the texture.
 *
 *   (s along the brow from its inner end, t across from foot to top) --curves--> texel
 *   a hair: root (s, t), direction from a field, bent as it grows --> optical depth --> cover
 *
 * Hairs stand up at the inner end and lie down towards the tail; those at the foot rise, those at
 * the top sink, so that they meet in a crest, as brows grow. Drawn by one thread in a fixed order.
 */
#include "presenter/skin_parts.h"

#include <math.h>

#include "base/rng.h"
#include "presenter/noise.h"
#include "presenter/skin.h"

typedef struct brow_pen {
    const stk_curve *top, *foot;
    const stk_skin_map *map;
    float *depth;    /* [side][side] optical depth */
    float low, high; /* part of the band between foot and top that hairs fill */
    float pitch;     /* mm a texel at the brow */
} brow_pen;

float stk_brow_drop(float along) {
    float inner = 0.10f * stk_smoothstep(0.30f, 0.0f, along);
    return (0.42f + inner) * stk_smoothstep(1.15f, 0.60f, along);
}

static void brow_place(const brow_pen *pen, float s, float t, float at[2]) {
    float top[2], foot[2];
    stk_curve_point(pen->top, s, top);
    stk_curve_point(pen->foot, s, foot);
    /* the tail tapers towards the upper third */
    float taper = stk_smoothstep(0.55f, 1.0f, s);
    float v = pen->low + (pen->high - pen->low) * t;
    v += (0.58f - v) * 0.75f * taper;
    v += (0.40f - v) * 0.35f * stk_smoothstep(0.30f, 0.0f, s);
    v -= stk_brow_drop(s);
    for (int c = 0; c < 2; c++) at[c] = foot[c] + v * (top[c] - foot[c]);
}

/* Adds depth at a point, shared between its four texels. */
static void deposit(const brow_pen *pen, float x, float y, float amount) {
    int side = pen->map->side, i = (int)floorf(x), j = (int)floorf(y);
    if (i < 0 || j < 0 || i >= side - 1 || j >= side - 1) return;
    float fx = x - (float)i, fy = y - (float)j;
    float *row = pen->depth + (size_t)j * (size_t)side + (size_t)i;
    row[0] += amount * (1.0f - fx) * (1.0f - fy);
    row[1] += amount * fx * (1.0f - fy);
    row[side] += amount * (1.0f - fx) * fy;
    row[side + 1] += amount * fx * fy;
}

/* Angle above the direction to the tail, radians. */
static float growth_angle(float s, float t, stk_rng *rng) {
    float rise = 0.80f * stk_smoothstep(0.28f, 0.0f, s) + 0.40f * stk_smoothstep(0.75f, 0.1f, s);
    float crest = (0.5f - t) * 0.75f * stk_smoothstep(0.02f, 0.35f, s);
    return 0.08f + rise * 0.8f + crest + 0.13f * stk_rng_normal(rng);
}

static void hair(const brow_pen *pen, float s, float t, float width_mm, stk_rng *rng) {
    float at[2], next[2], top[2], foot[2];
    brow_place(pen, s, t, at);
    brow_place(pen, s + 0.02f, t, next);
    brow_place(pen, s, 1.0f, top);
    brow_place(pen, s, 0.0f, foot);
    if (s > 0.97f) brow_place(pen, s - 0.02f, t, next);
    float sign = s > 0.97f ? -1.0f : 1.0f, dx = sign * (next[0] - at[0]);
    float dy = sign * (next[1] - at[1]), n = sqrtf(dx * dx + dy * dy) + 1e-9f;
    dx /= n;
    dy /= n;
    float ux = dy, uy = -dx; /* across, towards the forehead */
    if (ux * (top[0] - foot[0]) + uy * (top[1] - foot[1]) < 0.0f) ux = -ux, uy = -uy;
    float angle = growth_angle(s, t, rng);
    float length_mm = 5.2f + 3.2f * stk_smoothstep(0.05f, 0.4f, s) -
                      2.8f * stk_smoothstep(0.65f, 1.0f, s) + 0.8f * stk_rng_normal(rng);
    float length = fmaxf(length_mm, 2.0f) / pen->pitch, step = 0.4f;
    float bend = -0.35f * (0.6f + 0.8f * stk_rng_float(rng)) / length;
    float x = at[0] + 0.5f * stk_rng_normal(rng), y = at[1] + 0.5f * stk_rng_normal(rng);
    for (float l = 0.0f; l < length; l += step) {
        float thin = 1.0f - l / length, c = cosf(angle), w = sinf(angle);
        deposit(pen, x, y, width_mm / pen->pitch * sqrtf(thin) * step);
        x += step * (c * dx + w * ux);
        y += step * (c * dy + w * uy);
        angle += bend * step;
    }
}

/* Soft ground below the hairs. */
static void undertone(const brow_pen *pen, float strength) {
    enum { ALONG = 90, ACROSS = 14, SPREAD = 6 };
    for (int i = 0; i < ALONG; i++) {
        float s = 0.03f + 0.95f * ((float)i + 0.5f) / ALONG;
        float ends = stk_smoothstep(0.0f, 0.16f, s) * stk_smoothstep(1.0f, 0.7f, s);
        for (int j = 0; j < ACROSS; j++) {
            float t = ((float)j + 0.5f) / ACROSS, at[2];
            float across = stk_smoothstep(0.0f, 0.35f, t) * stk_smoothstep(1.0f, 0.6f, t);
            brow_place(pen, s, t, at);
            for (int k = 0; k < SPREAD * SPREAD; k++) {
                float dx = ((float)(k % SPREAD) + 0.5f) / SPREAD - 0.5f;
                float dy = ((float)(k / SPREAD) + 0.5f) / SPREAD - 0.5f;
                deposit(pen, at[0] + dx * 2.4f / pen->pitch, at[1] + dy * 2.4f / pen->pitch,
                        strength * ends * across / (SPREAD * SPREAD));
            }
        }
    }
}

static void brow_draw(brow_pen *pen, const stk_look *look, stk_rng *rng) {
    int hairs = look->woman ? 460 : 620;
    float width = look->woman ? 0.15f : 0.17f;
    float at[2];
    brow_place(pen, 0.5f, 0.5f, at);
    int side = pen->map->side, x = stk_clampi((int)at[0], 0, side - 1);
    int y = stk_clampi((int)at[1], 0, side - 1);
    pen->pitch = stk_clampf(pen->map->pitch[(size_t)y * (size_t)side + (size_t)x], 0.05f, 3.0f);
    undertone(pen, 0.30f / pen->pitch);
    for (int i = 0; i < hairs; i++) {
        float s = stk_rng_float(rng);
        s = 0.01f + 0.94f * (s < 0.1f ? s + 0.1f * stk_rng_float(rng) : s);
        float t = 0.47f + 0.24f * stk_rng_normal(rng);
        /* hairs root a little below where they end */
        if (s < 0.2f) t -= 0.14f;
        if (t < 0.0f || t > 1.0f) continue;
        hair(pen, s, t, width * (0.75f + 0.5f * stk_rng_float(rng)), rng);
    }
}

void stk_brow_paint(const stk_curves *curves, const stk_skin_map *map, const stk_look *look,
                    float *cover) {
    brow_pen pen = {.map = map, .depth = cover};
    pen.low = look->woman ? 0.14f : 0.02f;
    pen.high = look->woman ? 0.80f : 0.92f;
    for (int which = 0; which < 2; which++) {
        stk_rng rng;
        stk_rng_seed(&rng, (uint64_t)look->seed, 71u + (uint64_t)which);
        pen.top = &curves->curve[STK_CURVE_BROW_TOP + which];
        pen.foot = &curves->curve[STK_CURVE_BROW_FOOT + which];
        brow_draw(&pen, look, &rng);
    }
    size_t texels = (size_t)map->side * (size_t)map->side;
    for (size_t i = 0; i < texels; i++) {
        if (cover[i] > 0.0f) cover[i] = 1.0f - expf(-1.9f * cover[i]);
    }
}
