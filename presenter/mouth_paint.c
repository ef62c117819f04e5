/* mouth_paint.c - teeth and gums; the mouth's wall and the tongue.
 *
 *   teeth: u along a row of 14 teeth of equal share, v of the upper row 0.02 .. 0.48 from the
 *          tongue's side over the edge (0.25 of it) and the neck (0.62) to the gum; the lower row
 *          is the upper one mirrored at v = 0.5
 *   flesh: v < 0.5 a disc round (0.5, 0.25) of radius 0.24 in v, lips at its border, throat in the
 *          middle; v > 0.5 the tongue, u across, v from tip to root
 *
 * That is how mouth_inside.c lays its surfaces out. Shadow in the mouth is the surfaces' own.
 */
#include "presenter/skin_parts.h"

#include <math.h>

#include "base/image.h"
#include "presenter/noise.h"

enum { BAND = 16, TEETH = 14 };
static const float neck_row = 0.62f, edge_row = 0.25f;

typedef struct mouth_job {
    const stk_look *look;
    stk_texture *texture;
} mouth_job;

typedef struct mouth_texel {
    float rgb[3], roughness, cavity, slope[2];
} mouth_texel;

static float mix(float a, float b, float t) {
    return a + (b - a) * t;
}

static void blend(float rgb[3], const float other[3], float share) {
    for (int c = 0; c < 3; c++) rgb[c] = mix(rgb[c], other[c], share);
}

/* Enamel at row v: grey and clear at the edge, warmer towards the neck. across: -1 .. 1. */
static void enamel(const stk_look *look, int tooth, int lower, float across, float v,
                   mouth_texel *t) {
    static const float body[3] = {0.93f, 0.81f, 0.67f}, edge[3] = {0.87f, 0.78f, 0.67f};
    static const float root[3] = {0.82f, 0.69f, 0.52f};
    uint32_t seed = (uint32_t)look->seed;
    float own = stk_noise3((float)tooth * 3.7f + 0.5f, lower ? 5.5f : 1.5f, 0.5f, seed + 401);
    int from = tooth < TEETH / 2 ? TEETH / 2 - 1 - tooth : tooth - TEETH / 2; /* 2 = canine */
    for (int c = 0; c < 3; c++) t->rgb[c] = body[c];
    blend(t->rgb, edge, 0.75f * stk_smoothstep(edge_row + 0.10f, edge_row - 0.01f, v));
    blend(t->rgb, root, 0.8f * stk_smoothstep(0.42f, neck_row, v) + (from == 2 ? 0.15f : 0.0f));
    float streak = stk_noise3(across * 5.0f + 9.0f * (float)tooth, v * 3.0f, 0.5f, seed + 402);
    for (int c = 0; c < 3; c++) t->rgb[c] *= 1.0f + 0.06f * own + 0.035f * streak;
    if (v < edge_row - 0.05f) { /* the tongue's side */
        for (int c = 0; c < 3; c++) t->rgb[c] *= 0.8f;
    }
    t->roughness = 0.16f;
    t->slope[0] = 0.05f * streak + 0.22f * across * fabsf(across);
}

static void tooth_texel(const stk_look *look, float u, float v, mouth_texel *t) {
    static const float between[3] = {0.30f, 0.20f, 0.15f};
    int lower = v > 0.5f;
    float row = ((lower ? 1.0f - v : v) - 0.02f) / 0.46f;
    float place = stk_clampf((u - 0.01f) / 0.98f, 0.0f, 0.9999f) * TEETH;
    int tooth = (int)place;
    float across = 2.0f * (place - (float)tooth) - 1.0f, rim = fabsf(across);
    enamel(look, tooth, lower, across, row, t);
    t->cavity = 1.0f;
    float gap = stk_smoothstep(0.87f, 1.0f, rim + 0.10f * stk_smoothstep(0.40f, 0.26f, row));
    blend(t->rgb, between, 0.6f * gap);
    t->cavity -= 0.3f * gap;
    /* gums: a papilla between two teeth reaches down, a dark line where they meet the crown */
    float wobble = stk_noise3(u * 60.0f, row * 8.0f, 0.5f, (uint32_t)look->seed + 403);
    float line = neck_row - 0.05f * powf(rim, 4.0f) + 0.006f * wobble;
    float gum = stk_smoothstep(line - 0.008f, line + 0.012f, row);
    float pink[3] = {0.50f + 0.05f * wobble, 0.205f + 0.04f * wobble, 0.185f + 0.03f * wobble};
    float deep = stk_smoothstep(0.75f, 1.0f, row);
    blend(pink, (const float[3]){0.36f, 0.10f, 0.09f}, 0.7f * deep);
    blend(t->rgb, pink, gum);
    float meet = stk_smoothstep(0.03f, 0.0f, fabsf(row - line));
    for (int c = 0; c < 3; c++) t->rgb[c] *= 1.0f - (c == 0 ? 0.22f : 0.36f) * meet;
    t->roughness = mix(t->roughness, 0.22f, gum);
    t->slope[0] = mix(t->slope[0], 0.10f * wobble, gum);
}

static float papillae(float x, float y, uint32_t seed) {
    float near, second;
    stk_noise_cells3(x * 1.1f, y * 1.1f, 0.5f, seed, &near, &second);
    return 0.11f * stk_smoothstep(0.55f, 0.1f, near) +
           0.25f * stk_noise3(x * 0.3f, y * 0.3f, 0.5f, seed);
}

static void tongue_texel(const stk_look *look, float u, float v, mouth_texel *t) {
    uint32_t seed = (uint32_t)look->seed + 411;
    float x = (u - 0.5f) * 46.0f, y = (v - 0.52f) * 96.0f, h = 0.15f; /* mm */
    float bump = papillae(x, y, seed);
    float red[3] = {0.47f, 0.17f, 0.155f}, coat[3] = {0.52f, 0.30f, 0.27f};
    float back = stk_smoothstep(0.58f, 0.85f, v), middle = stk_smoothstep(16.0f, 4.0f, fabsf(x));
    blend(red, coat, stk_clampf(0.75f * back * middle + 1.2f * bump, 0.0f, 1.0f));
    float groove =
        stk_smoothstep(3.2f, 0.0f, fabsf(x + 9.0f * bump)) * stk_smoothstep(0.53f, 0.6f, v);
    for (int c = 0; c < 3; c++) t->rgb[c] = red[c] * (1.0f - 0.16f * groove);
    t->roughness = 0.30f;
    t->cavity = 1.0f - 0.2f * groove;
    t->slope[0] = (papillae(x + h, y, seed) - papillae(x - h, y, seed)) / (2.0f * h);
    t->slope[1] = (papillae(x, y + h, seed) - papillae(x, y - h, seed)) / (2.0f * h);
}

static void wall_texel(const stk_look *look, float u, float v, mouth_texel *t) {
    float x = (u - 0.5f) * 0.5f, y = v - 0.25f, lip = sqrtf(x * x + y * y) / 0.24f;
    float n = stk_noise_fractal3(x * 40.0f, y * 40.0f, 0.5f, 3, (uint32_t)look->seed + 421);
    float throat[3] = {0.20f, 0.045f, 0.04f}, moist[3];
    for (int c = 0; c < 3; c++) moist[c] = look->lip_rgb[c] * (c == 0 ? 0.85f : 0.62f);
    for (int c = 0; c < 3; c++) t->rgb[c] = throat[c] * (1.0f + 0.3f * n);
    blend(t->rgb, moist, stk_smoothstep(0.72f, 1.0f, lip));
    t->roughness = 0.26f;
    t->cavity = 1.0f;
    t->slope[0] = 0.15f * n;
    t->slope[1] = -0.15f * n;
}

static void texel_store(const mouth_texel *t, uint8_t *colour, uint8_t *detail) {
    for (int c = 0; c < 3; c++) colour[c] = stk_skin_byte(t->rgb[c]);
    for (int c = 0; c < 2; c++) {
        detail[c] = (uint8_t)(128.5f + 127.0f * stk_clampf(t->slope[c], -1.0f, 1.0f));
    }
    detail[2] = (uint8_t)(255.0f * t->roughness);
    detail[3] = (uint8_t)(255.0f * stk_clampf(t->cavity, 0.0f, 1.0f));
}

static void band_paint(const mouth_job *job, int task, int teeth) {
    int side = job->texture->colour.width;
    for (int y = task * BAND; y < task * BAND + BAND && y < side; y++) {
        uint8_t *colour = stk_image_row(&job->texture->colour, y);
        uint8_t *detail = stk_image_row(&job->texture->detail, y);
        float v = ((float)y + 0.5f) / (float)side;
        for (int x = 0; x < side; x++) {
            mouth_texel t = {0};
            float u = ((float)x + 0.5f) / (float)side;
            if (teeth) {
                tooth_texel(job->look, u, v, &t);
            } else if (v > 0.5f) {
                tongue_texel(job->look, u, v, &t);
            } else {
                wall_texel(job->look, u, v, &t);
            }
            texel_store(&t, colour + 4 * x, detail + 4 * x);
        }
    }
}

static void teeth_band(void *ctx, int task, int worker) {
    (void)worker;
    band_paint(ctx, task, 1);
}

static void flesh_band(void *ctx, int task, int worker) {
    (void)worker;
    band_paint(ctx, task, 0);
}

stk_status stk_teeth_paint(const stk_look *look, int side, stk_pool *pool, stk_texture *texture) {
    STK_TRY(stk_texture_init(texture, side));
    mouth_job job = {.look = look, .texture = texture};
    stk_pool_run(pool, (side + BAND - 1) / BAND, teeth_band, &job);
    return STK_OK;
}

stk_status stk_mouth_paint(const stk_look *look, int side, stk_pool *pool, stk_texture *texture) {
    STK_TRY(stk_texture_init(texture, side));
    mouth_job job = {.look = look, .texture = texture};
    stk_pool_run(pool, (side + BAND - 1) / BAND, flesh_band, &job);
    return STK_OK;
}
