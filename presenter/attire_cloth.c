/* attire_cloth.c - pictures of cloth: colour, slopes of the weave, roughness, one task 16 rows.
 *
 * A texel of the 0.64 m square (stk_cloth_place) is about 1 mm at 640 texels: single threads are
 * below that, so a weave is what one sees of it from a metre away: diagonals of twill 3 mm apart,
 * slubs, stitches of a knit. Slopes are differences of a height field of the same pattern.
 */
#include "presenter/attire_private.h"

#include <math.h>

#include "base/image.h"
#include "presenter/noise.h"

#define TAU_F 6.2831853f
static const float CLOTH_WIDE = 0.64f;               /* m, see stk_cloth_place */
enum { STK_CLOTH_ROWS = 16, STK_CLOTH_SIDE = 1024 }; /* largest side */

typedef struct stk_loom {
    stk_material *material;
    stk_cloth cloth;
    float rgb[3];
    int side;
    float seam;
    uint32_t seed;
} stk_loom;

/* Height of the cloth at x, y (m) in m, and its brightness relative to the mean. */
static float twill(float x, float y, uint32_t seed, float *bright) {
    const float slub = stk_noise3(900.0f * x, 60.0f * y, 1.0f, seed) +
                       stk_noise3(60.0f * x, 900.0f * y, 2.0f, seed);
    const float line = sinf(TAU_F * (x - y) / 0.0034f + 0.8f * slub);
    const float mottle = stk_noise_fractal3(300.0f * x, 300.0f * y, 3.0f, 2, seed);
    const float broad = stk_noise_fractal3(18.0f * x, 18.0f * y, 5.0f, 3, seed);
    *bright = 1.0f + 0.09f * line + 0.14f * slub + 0.16f * mottle + 0.07f * broad;
    return 0.00010f * line + 0.00010f * slub + 0.00010f * mottle;
}

static float poplin(float x, float y, uint32_t seed, float *bright) {
    const float across = stk_noise3(700.0f * x, 30.0f * y, 1.0f, seed);
    const float along = stk_noise3(30.0f * x, 700.0f * y, 2.0f, seed);
    const float wrinkle = stk_noise_fractal3(45.0f * x, 30.0f * y, 3.0f, 3, seed);
    *bright = 1.0f + 0.025f * (across + along) + 0.012f * wrinkle;
    return 0.00005f * (across + along) + 0.0005f * wrinkle;
}

static float silk(float x, float y, uint32_t seed, float *bright) {
    const float rib = sinf(TAU_F * (x + y) / 0.0030f);
    const float phase = (x - y) / 0.017f; /* regimental stripes */
    const float stripe = phase - floorf(phase);
    const float band = stk_smoothstep(0.0f, 0.05f, stripe) * stk_smoothstep(0.34f, 0.29f, stripe);
    const float fine = stk_noise3(500.0f * x, 500.0f * y, 1.0f, seed);
    *bright = (1.0f + 0.10f * rib + 0.06f * fine) * (1.0f + 0.9f * band);
    return 0.00008f * rib;
}

/* Columns of V stitches. */
static float knit(float x, float y, uint32_t seed, float *bright) {
    const float wide = 0.0052f, high = 0.0042f;
    const float wobble = 0.25f * stk_noise3(60.0f * x, 60.0f * y, 1.0f, seed);
    const float column = x / wide + 0.3f * wobble;
    const float u = 2.0f * fabsf(column - floorf(column) - 0.5f); /* 0 in the middle, 1 at border */
    const float v = sinf(TAU_F * (y / high + 0.55f * u + wobble));
    const float leg = sinf(0.5f * TAU_F * u);
    const float fuzz = stk_noise_fractal3(450.0f * x, 450.0f * y, 2.0f, 2, seed);
    const float height = leg * (0.72f + 0.28f * v);
    *bright = 0.80f + 0.30f * height + 0.14f * fuzz;
    return 0.0007f * height + 0.0001f * fuzz;
}

/* The ring's own coordinates: u around (128 ribs), v across. */
static float rib(float u, float v, uint32_t seed, float *bright) {
    const float ridge = sinf(TAU_F * 92.0f * u);
    const float fuzz = stk_noise_fractal3(700.0f * u, 24.0f * v, 2.0f, 2, seed);
    *bright = 0.92f + 0.13f * ridge + 0.10f * fuzz;
    return 0.00030f * ridge;
}

static float jersey(float x, float y, uint32_t seed, float *bright) {
    const float wale = sinf(TAU_F * x / 0.0028f + stk_noise3(80.0f * x, 80.0f * y, 1.0f, seed));
    const float fuzz = stk_noise_fractal3(420.0f * x, 260.0f * y, 2.0f, 2, seed);
    const float soft = stk_noise_fractal3(25.0f * x, 14.0f * y, 3.0f, 2, seed);
    *bright = 1.0f + 0.025f * wale + 0.05f * fuzz + 0.025f * soft;
    return 0.00006f * wale + 0.00006f * fuzz + 0.0004f * soft;
}

static float bare(float x, float y, uint32_t seed, float *bright) {
    float nearest, second;
    stk_noise_cells3(700.0f * x, 700.0f * y, 1.0f, seed, &nearest, &second);
    const float pore = second - nearest;
    const float mottle = stk_noise_fractal3(90.0f * x, 90.0f * y, 2.0f, 3, seed);
    *bright = 1.0f + 0.05f * mottle + 0.02f * pore;
    return 0.00005f * pore + 0.0001f * mottle;
}

/* The seam of a sleeve in the front seen flat: a groove, and the sleeve's roll outside it. */
static float sleeve_seam(float x, float y, float seam, float *bright) {
    const float down = y - 0.24f; /* below the tip of the shoulder, see stk_cloth_place */
    const float off =
        fabsf(x - 0.5f * CLOTH_WIDE) - seam * (1.0f - 0.10f * stk_smoothstep(0.0f, 0.12f, down));
    const float groove = expf(-off * off / 0.0000022f);
    const float roll = stk_smoothstep(0.0f, 0.004f, off) * stk_smoothstep(0.022f, 0.006f, off);
    *bright *= (1.0f - 0.38f * groove) * (1.0f + 0.10f * roll);
    return -0.0012f * groove + 0.0022f * stk_smoothstep(-0.001f, 0.009f, off);
}

static float plain_height(const stk_loom *loom, float u, float v, float *bright) {
    const float x = CLOTH_WIDE * u, y = CLOTH_WIDE * v;
    switch (loom->cloth) {
    case STK_CLOTH_TWILL:
        return twill(x, y, loom->seed, bright);
    case STK_CLOTH_POPLIN:
        return poplin(x, y, loom->seed, bright);
    case STK_CLOTH_SILK:
        return silk(x, y, loom->seed, bright);
    case STK_CLOTH_KNIT:
        return knit(x, y, loom->seed, bright);
    case STK_CLOTH_RIB:
        return rib(u, v, loom->seed, bright);
    case STK_CLOTH_JERSEY:
        return jersey(x, y, loom->seed, bright);
    case STK_CLOTH_BARE:
        return bare(x, y, loom->seed, bright);
    default:
        *bright = 1.0f;
        return 0.0f;
    }
}

static float cloth_height(const stk_loom *loom, float u, float v, float *bright) {
    const float height = plain_height(loom, u, v, bright);
    if (loom->seam <= 0.0f) return height;
    return height + sleeve_seam(CLOTH_WIDE * u, CLOTH_WIDE * v, loom->seam, bright);
}

static uint8_t byte_of(float v) {
    return (uint8_t)stk_clampf(v + 0.5f, 0.0f, 255.0f);
}

/* Heights of a task's rows, of the row below them and of one column more on the right. */
typedef struct stk_weft {
    float height[STK_CLOTH_ROWS + 1][STK_CLOTH_SIDE + 1];
    float bright[STK_CLOTH_ROWS + 1][STK_CLOTH_SIDE + 1];
} stk_weft;

static void weave_row(const stk_loom *loom, const stk_weft *weft, int y0, int r) {
    const float texel = 1.0f / (float)loom->side;
    const int ring = loom->cloth == STK_CLOTH_RIB;
    /* metres between texels; the ring is 0.46 m round and 0.03 m across */
    const float du = (ring ? 0.46f : CLOTH_WIDE) * texel;
    const float dv = (ring ? 0.03f : CLOTH_WIDE) * texel;
    uint8_t *colour = stk_image_row(&loom->material->texture.colour, y0 + r);
    uint8_t *detail = stk_image_row(&loom->material->texture.detail, y0 + r);
    const float *here = weft->height[r], *below = weft->height[r + 1];
    for (int x = 0; x < loom->side; x++) {
        for (int c = 0; c < 3; c++) {
            const float light = stk_clampf(loom->rgb[c] * weft->bright[r][x], 0.0f, 1.0f);
            colour[4 * x + c] = byte_of(255.0f * stk_srgb_from_linear(light));
        }
        colour[4 * x + 3] = 255;
        const float across = stk_clampf((here[x + 1] - here[x]) / du, -1.0f, 1.0f);
        const float down = stk_clampf((below[x] - here[x]) / dv, -1.0f, 1.0f);
        detail[4 * x] = byte_of(128.0f + 127.0f * across);
        detail[4 * x + 1] = byte_of(128.0f + 127.0f * down);
        detail[4 * x + 2] = byte_of(255.0f * loom->material->roughness);
        detail[4 * x + 3] = 255;
    }
}

static void weave_rows(void *ctx, int task, int worker) {
    const stk_loom *loom = ctx;
    (void)worker;
    stk_weft weft;
    const int y0 = task * STK_CLOTH_ROWS;
    const int rows = stk_clampi(loom->side - y0, 0, STK_CLOTH_ROWS);
    const float texel = 1.0f / (float)loom->side;
    for (int r = 0; r <= rows; r++)
        for (int x = 0; x <= loom->side; x++)
            weft.height[r][x] = cloth_height(loom, ((float)x + 0.5f) * texel,
                                             ((float)(y0 + r) + 0.5f) * texel, &weft.bright[r][x]);
    for (int r = 0; r < rows; r++) weave_row(loom, &weft, y0, r);
}

stk_status stk_cloth_weave(stk_material *material, stk_cloth cloth, const float rgb[3], int side,
                           float seam, uint32_t seed, stk_pool *pool) {
    if (side < 1 || side > STK_CLOTH_SIDE)
        return stk_fail(STK_ERR_ARGUMENT, "cloth of %d texels a side", side);
    stk_loom loom = {
        .material = material, .cloth = cloth, .side = side, .seam = seam, .seed = seed};
    const int skin = cloth == STK_CLOTH_BARE;
    material->kind = skin ? STK_MATERIAL_SKIN : STK_MATERIAL_CLOTH;
    material->specular = skin ? 0.028f : cloth == STK_CLOTH_SILK ? 0.04f : 0.02f;
    material->roughness = skin ? 0.5f : cloth == STK_CLOTH_SILK ? 0.5f : 0.9f;
    for (int c = 0; c < 3; c++) loom.rgb[c] = rgb[c], material->rgb[c] = 1.0f;
    STK_TRY(stk_image_init(&material->texture.colour, side, side, 4));
    STK_TRY(stk_image_init(&material->texture.detail, side, side, 4));
    stk_pool_run(pool, (side + STK_CLOTH_ROWS - 1) / STK_CLOTH_ROWS, weave_rows, &loom);
    return STK_OK;
}
