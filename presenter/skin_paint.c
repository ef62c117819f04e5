/* skin_paint.c - the ground of the skin: colour from pigments, relief, roughness of one texel.
 *
 *   place, regions, noise --> blood, melanin, blue, yellow --> rgb = skin * exp(-sum a_i s_i)
 *   pores, fine net of lines, broad unevenness --> height in mm, cavity
 *
 * The pigments darken channels as their absorption does: haemoglobin takes green most, melanin
 * blue more than green more than red, veins below thin skin take red, carotene blue. Amounts are
 * relative to skin with the look's skin_rgb.
 */
#include "presenter/skin_parts.h"

#include <math.h>
#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "presenter/noise.h"

enum { BAND = 16 };

/* Absorption by channel. */
static const float blood_rgb[3] = {0.10f, 1.00f, 0.80f};
static const float melanin_rgb[3] = {0.60f, 0.85f, 1.10f};
static const float blue_rgb[3] = {1.00f, 0.70f, 0.38f};
static const float yellow_rgb[3] = {0.02f, 0.10f, 0.70f};

static float mix(float a, float b, float t) {
    return a + (b - a) * t;
}

static float noise_at(const float p[3], float size_mm, int octaves, uint32_t seed) {
    float s = 1.0f / size_mm;
    return stk_noise_fractal3(p[0] * s, p[1] * s, p[2] * s, octaves, seed);
}

/* Cells of that size: nearest and second nearest in cell sizes. */
static void cells_at(const float p[3], float size_mm, uint32_t seed, float d[2]) {
    float s = 1.0f / size_mm;
    stk_noise_cells3(p[0] * s, p[1] * s, p[2] * s, seed, &d[0], &d[1]);
}

/* Blood, melanin and the like from place and noise. */
static void pigments(const stk_skin_brush *brush, stk_skin_texel *t) {
    const stk_look *look = brush->look;
    float *a = t->amount;
    uint32_t seed = brush->seed;
    /* blood shows less through brown skin */
    float fair = stk_clampf(0.25f + 1.5f * look->skin_rgb[1], 0.25f, 1.0f);
    float red = fair * (0.65f + 0.8f * look->ruddiness);
    float broad = noise_at(t->p, 23.0f, 3, seed + 1), blotch = noise_at(t->p, 7.0f, 2, seed + 2);
    float mottle = noise_at(t->p, 2.6f, 2, seed + 3);
    float tint = noise_at(t->p, 34.0f, 2, seed + 4), speck = noise_at(t->p, 0.8f, 1, seed + 5);
    a[STK_SKIN_BLOOD] = a[STK_SKIN_BLOOD] * red + fair * (0.10f * broad + 0.06f * blotch) +
                        fair * (0.07f + 0.08f * a[STK_SKIN_BLOOD]) * mottle;
    /* small vessels: reddish flecks where there is blood anyway */
    a[STK_SKIN_BLOOD] += 0.05f * red * stk_smoothstep(0.25f, 0.7f, blotch + 0.6f * mottle);
    a[STK_SKIN_MELANIN] += 0.045f * mottle + 0.05f * speck + 0.05f * blotch - 0.03f * broad;
    a[STK_SKIN_BLUE] += 0.04f * stk_smoothstep(0.0f, 0.7f, -tint - 0.3f * blotch);
    a[STK_SKIN_YELLOW] += 0.10f * tint + 0.03f * blotch;
}

/* Freckles where the look has them, and a few moles. */
static void spots(const stk_skin_brush *brush, stk_skin_texel *t) {
    float *a = t->amount, weight = brush->look->freckles * a[STK_SKIN_FRECKLES];
    if (weight > 0.02f) {
        float d[2], dense = noise_at(t->p, 9.0f, 2, brush->seed + 11);
        cells_at(t->p, 2.7f, brush->seed + 12, d);
        float size = 0.16f + 0.16f * noise_at(t->p, 3.3f, 1, brush->seed + 13);
        float spot = stk_smoothstep(size + 0.10f, size - 0.06f, d[0]);
        a[STK_SKIN_MELANIN] += 0.55f * weight * spot * stk_smoothstep(-0.25f, 0.35f, dense);
        cells_at(t->p, 1.5f, brush->seed + 14, d);
        a[STK_SKIN_MELANIN] += 0.22f * weight * stk_smoothstep(0.38f, 0.15f, d[0]);
    }
    for (int m = 0; m < brush->moles; m++) {
        const float *mole = brush->mole[m];
        float d2 = 0.0f, r = mole[3];
        for (int c = 0; c < 3; c++) d2 += (t->p[c] - mole[c]) * (t->p[c] - mole[c]);
        if (d2 > 4.0f * r * r) continue;
        float d = sqrtf(d2) * (1.0f + 0.25f * noise_at(t->p, 0.9f, 1, brush->seed + 15));
        float spot = stk_smoothstep(1.25f * r, 0.6f * r, d);
        a[STK_SKIN_MELANIN] += 0.70f * spot;
        t->height += 0.22f * r * stk_smoothstep(1.3f * r, 0.2f * r, d);
    }
}

/* Bluish-grey shadow of shaven hair, with dots. */
static void beard(const stk_skin_brush *brush, stk_skin_texel *t) {
    float weight = brush->look->stubble * stk_smoothstep(0.05f, 0.80f, t->amount[STK_SKIN_BEARD]);
    if (weight < 0.01f) return;
    float d[2], patch = noise_at(t->p, 6.0f, 2, brush->seed + 21);
    weight *= stk_clampf(0.85f + 0.5f * patch, 0.0f, 1.0f);
    cells_at(t->p, 0.72f, brush->seed + 22, d);
    float dots = stk_smoothstep(0.42f, 0.12f, d[0]);
    t->amount[STK_SKIN_BLUE] += weight * (0.34f + 0.45f * dots);
    t->amount[STK_SKIN_MELANIN] += weight * (0.12f + 0.50f * dots);
    t->amount[STK_SKIN_BLOOD] += 0.10f * weight;
    t->height += 0.03f * weight * dots;
}

/* Creases of a face that moves: across the forehead, round the neck; zeros of stretched noise. */
static void creases(const stk_skin_brush *brush, stk_skin_texel *t) {
    float weight = t->amount[STK_SKIN_LINES];
    if (brush->regions == NULL) return;
    /* below the chin and behind the jaw */
    weight += 0.8f * stk_smoothstep(-98.0f, -108.0f, t->p[1]);
    if (weight < 0.02f) return;
    float n = stk_noise3(t->p[0] * 0.011f, t->p[1] * 0.085f, t->p[2] * 0.011f, brush->seed + 36);
    float m = noise_at(t->p, 15.0f, 2, brush->seed + 37);
    float line = stk_smoothstep(0.09f, 0.0f, fabsf(n + 0.05f * m));
    line *= weight * stk_clampf(0.55f + 1.1f * m, 0.0f, 1.0f);
    float age = 0.45f + 0.55f * (float)(stk_noise_hash(4, 4, 4, brush->seed) >> 8) / 16777216.0f;
    if (brush->look->woman) age *= 0.6f;
    t->height -= 0.22f * age * line;
    t->shade *= 1.0f - 0.10f * age * line;
    t->amount[STK_SKIN_BLOOD] += 0.05f * age * line;
}

/* Net of fine lines and pores; only where texels are fine enough to hold them. */
static void grain(const stk_skin_brush *brush, stk_skin_texel *t) {
    float d[2], coarse = stk_clampf(t->amount[STK_SKIN_PORES], 0.0f, 1.0f);
    if (t->pitch > 0.6f) return;
    cells_at(t->p, 1.25f, brush->seed + 32, d); /* lines run between the cells */
    float line = stk_smoothstep(0.22f, 0.0f, d[1] - d[0]);
    t->height -= (0.015f + 0.012f * coarse) * line;
    cells_at(t->p, mix(0.95f, 1.2f, coarse), brush->seed + 33, d);
    float wide = noise_at(t->p, 1.9f, 1, brush->seed + 34);
    float pore = stk_smoothstep(0.40f, 0.08f, d[0]) * stk_clampf(0.55f + 1.2f * wide, 0.0f, 1.0f);
    t->height -= (0.02f + 0.085f * coarse) * pore;
    t->cavity -= (0.04f + 0.13f * coarse) * pore + 0.04f * line;
    t->amount[STK_SKIN_MELANIN] += (0.01f + 0.07f * coarse) * pore;
    t->amount[STK_SKIN_BLOOD] += 0.06f * coarse * pore;
}

static void relief(const stk_skin_brush *brush, stk_skin_texel *t) {
    t->height += 0.15f * noise_at(t->p, 5.5f, 2, brush->seed + 31) +
                 0.022f * noise_at(t->p, 1.6f, 1, brush->seed + 35);
    creases(brush, t);
    grain(brush, t);
}

/* Below hair nothing of the skin is seen. */
static void covered(const stk_skin_brush *brush, stk_skin_texel *t) {
    for (int c = 0; c < 3; c++) t->rgb[c] = brush->look->skin_rgb[c];
    t->cavity = t->shade = 1.0f;
    t->roughness = 0.6f;
}

/* Ears are thin: redder, most at the rim; the bowl towards the canal is deep. Their texture is
 * polar about the canal (bust.h). */
static void ear(const stk_skin_brush *brush, stk_skin_texel *t) {
    float middle = 0.5f * (float)brush->map->side;
    float out = hypotf(t->x - middle, t->y - middle) / (0.96f * middle);
    float rim = stk_smoothstep(0.45f, 0.72f, out) * stk_smoothstep(0.98f, 0.80f, out);
    t->amount[STK_SKIN_BLOOD] += 0.10f + 0.20f * rim + 0.12f * stk_smoothstep(0.35f, 0.1f, out);
    t->amount[STK_SKIN_OIL] += 0.35f;
    t->shade *= 1.0f - 0.45f * stk_smoothstep(0.28f, 0.05f, out);
    t->cavity *= 1.0f - 0.50f * stk_smoothstep(0.30f, 0.05f, out);
}

void stk_skin_texel_ground(const stk_skin_brush *brush, stk_skin_texel *t) {
    if (t->scalp > 0.985f) {
        covered(brush, t);
        return;
    }
    if (brush->regions != NULL) stk_skin_regions_at(brush->regions, t->p, t->amount);
    t->cavity = 1.0f;
    t->shade = 1.0f;
    if (brush->regions == NULL) ear(brush, t);
    float oil = stk_clampf(t->amount[STK_SKIN_OIL], 0.0f, 1.0f);
    pigments(brush, t);
    spots(brush, t);
    beard(brush, t);
    relief(brush, t);
    t->roughness = mix(0.54f, 0.29f, oil) + 0.05f * noise_at(t->p, 3.0f, 1, brush->seed + 41) +
                   0.10f * (1.0f - t->cavity);
    /* throat and neck are dry */
    t->roughness = mix(t->roughness, 0.82f, stk_smoothstep(-84.0f, -100.0f, t->p[1]));
    /* Pictures show fair skin warmer than it measures: some blood and carotene everywhere. */
    const float *skin = brush->look->skin_rgb;
    float warm = stk_clampf((skin[1] / (skin[0] + 1e-6f) - 0.45f) * 5.5f, 0.0f, 1.5f);
    for (int c = 0; c < 3; c++) {
        float depth = t->amount[STK_SKIN_BLOOD] * blood_rgb[c] +
                      t->amount[STK_SKIN_MELANIN] * melanin_rgb[c] +
                      t->amount[STK_SKIN_BLUE] * blue_rgb[c] +
                      t->amount[STK_SKIN_YELLOW] * yellow_rgb[c];
        float base = warm * (0.15f * blood_rgb[c] + 0.10f * yellow_rgb[c]);
        t->rgb[c] = skin[c] * expf(-base - depth);
    }
}

/* --- all texels of a surface --- */

typedef struct paint_job {
    const stk_skin_brush *brush;
    stk_texture *texture;
} paint_job;

static void texel_store(const stk_skin_texel *t, uint8_t *colour, uint8_t *detail) {
    for (int c = 0; c < 3; c++) colour[c] = stk_skin_byte(t->rgb[c] * t->shade);
    detail[2] = (uint8_t)(255.0f * stk_clampf(t->roughness, 0.05f, 1.0f) + 0.5f);
    detail[3] = (uint8_t)(255.0f * stk_clampf(t->cavity, 0.0f, 1.0f) + 0.5f);
}

static void paint_row(const paint_job *job, int y) {
    const stk_skin_brush *brush = job->brush;
    const stk_skin_map *map = brush->map;
    uint8_t *colour = stk_image_row(&job->texture->colour, y);
    uint8_t *detail = stk_image_row(&job->texture->detail, y);
    for (int x = 0; x < map->side; x++) {
        size_t i = (size_t)y * (size_t)map->side + (size_t)x;
        if (map->inside[i] == 0) {
            for (int c = 0; c < 3; c++) {
                colour[4 * x + c] = stk_skin_byte(brush->look->skin_rgb[c]);
            }
            continue;
        }
        stk_skin_texel t = {.x = (float)x, .y = (float)y, .pitch = map->pitch[i]};
        memcpy(t.p, map->rest[i], sizeof t.p);
        t.scalp = map->scalp[i];
        t.brow = brush->brow != NULL ? brush->brow[i] : 0.0f;
        stk_skin_texel_ground(brush, &t);
        if (brush->curves != NULL) stk_skin_texel_features(brush, &t);
        map->height[i] = t.height;
        texel_store(&t, colour + 4 * x, detail + 4 * x);
    }
}

static void paint_band(void *ctx, int task, int worker) {
    const paint_job *job = ctx;
    (void)worker;
    int side = job->brush->map->side;
    int y1 = task * BAND + BAND < side ? task * BAND + BAND : side;
    for (int y = task * BAND; y < y1; y++) paint_row(job, y);
}

/* Places a few moles on the face, the same for the same person. */
static void moles_place(stk_skin_brush *brush, const stk_surface *surface) {
    static const int16_t around[] = {50,  280, 205, 425, 187, 411, 69,  299, 207, 427,
                                     117, 346, 211, 431, 21,  251, 36,  266, 172, 397,
                                     204, 424, 108, 337, 123, 352, 169, 394, 215, 435};
    enum { AROUND = sizeof around / sizeof around[0] };
    brush->moles = 2 + (int)(stk_noise_hash(1, 2, 3, brush->seed) % (STK_SKIN_MOLES - 4));
    for (int m = 0; m < brush->moles; m++) {
        uint32_t h = stk_noise_hash((uint32_t)m, 5, 7, brush->seed);
        const float *at = surface->rest[around[h % AROUND]];
        for (int c = 0; c < 3; c++) {
            float jitter = (float)(h >> (8 + 6 * c) & 63) / 63.0f - 0.5f;
            brush->mole[m][c] = 1e3f * at[c] + (c < 2 ? 9.0f * jitter : 0.0f);
        }
        brush->mole[m][3] = 0.6f + 0.6f * (float)(h >> 26) / 64.0f;
    }
}

stk_status stk_skin_paint_surface(const stk_surface *surface, const float *scalp,
                                  const stk_look *look, int side, int is_face, stk_pool *pool,
                                  stk_texture *texture) {
    stk_skin_map map = {0};
    stk_skin_brush brush = {.look = look, .map = &map, .seed = (uint32_t)look->seed * 977u + 13u};
    stk_skin_regions regions;
    stk_curves *curves = NULL;
    float *brow = NULL;
    stk_status status = stk_texture_init(texture, side);
    if (status != STK_OK) goto fail;
    status = stk_skin_map_init(&map, surface, scalp, side, pool);
    if (status != STK_OK) goto fail;
    if (is_face) {
        curves = stk_calloc_aligned(1, sizeof *curves);
        brow = stk_calloc_aligned((size_t)side * (size_t)side, sizeof *brow);
        if (curves == NULL || brow == NULL) {
            status = stk_fail_memory("the presenter's brows");
            goto fail;
        }
        stk_curves_init(curves, (const float(*)[2])surface->uv, side);
        stk_skin_regions_init(&regions, (const float(*)[3])surface->rest);
        stk_brow_paint(curves, &map, look, brow);
        moles_place(&brush, surface);
        brush.curves = curves;
        brush.regions = &regions;
        brush.brow = brow;
    }
    paint_job job = {.brush = &brush, .texture = texture};
    stk_pool_run(pool, (side + BAND - 1) / BAND, paint_band, &job);
    stk_skin_map_slopes(&map, &texture->detail, pool);
fail:
    stk_skin_map_clear(&map);
    stk_free(curves);
    stk_free(brow);
    return status;
}
