/* skin_features.c - what lies on the ground of the skin: lids, nose, lips, brows, roots of hair.
 *
 *   distance to a curve through landmarks, in mm --> colour, shade, height, roughness
 *
 * Every feature fades over a fraction of a millimetre with a wobble of noise: borders in skin are
 * never drawn with a ruler.
 */
#include "presenter/skin_parts.h"

#include <math.h>

#include "presenter/noise.h"

static float mix(float a, float b, float t) {
    return a + (b - a) * t;
}

static void tint(stk_skin_texel *t, const float rgb[3], float share) {
    for (int c = 0; c < 3; c++) t->rgb[c] = mix(t->rgb[c], rgb[c], share);
}

/* Multiplies by a colour raised to a strength: a stain of blood, say. */
static void stain(stk_skin_texel *t, const float rgb[3], float strength) {
    for (int c = 0; c < 3; c++) t->rgb[c] *= 1.0f + strength * (rgb[c] - 1.0f);
}

static const float pink[3] = {0.97f, 0.72f, 0.72f};
static const float flesh[3] = {0.42f, 0.13f, 0.11f};

static float bell(float d, float width) {
    float v = d / width;
    return v * v < 9.0f ? expf(-v * v) : 0.0f;
}

/* Distance in mm, `reach` where farther. */
static float distance(const stk_skin_brush *brush, int which, const stk_skin_texel *t, float reach,
                      float *along) {
    float far = reach / t->pitch;
    return t->pitch * stk_curve_distance(&brush->curves->curve[which], t->x, t->y, far, along);
}

/* A groove along an open curve that fades towards its ends. */
static void groove(const stk_skin_brush *brush, int which, stk_skin_texel *t, float width,
                   float depth, float shade) {
    float along = 0.0f, reach = 3.0f * width, d = distance(brush, which, t, reach, &along);
    if (d >= reach) return;
    float ends = stk_smoothstep(0.0f, 0.25f, along) * stk_smoothstep(1.0f, 0.75f, along);
    float v = ends * bell(d, width);
    t->height -= depth * v;
    t->shade *= 1.0f - shade * v;
    t->cavity -= 0.4f * shade * v;
    stain(t, pink, 0.25f * shade * v);
}

/* Upper half of an eye: above the line through its corners. */
static int above_corners(const stk_curve *eye, const stk_skin_texel *t) {
    const float *a = eye->at[0], *b = eye->at[eye->count / 2];
    return t->y < a[1] + (b[1] - a[1]) * (t->x - a[0]) / (b[0] - a[0]);
}

static void eye(const stk_skin_brush *brush, int which, stk_skin_texel *t) {
    const stk_curve *lids = &brush->curves->curve[STK_CURVE_EYE + which];
    float d = distance(brush, STK_CURVE_EYE + which, t, 9.0f, NULL);
    if (d >= 9.0f) return;
    int upper = above_corners(lids, t), woman = brush->look->woman;
    const float *inner = lids->at[lids->count / 2];
    float corner = t->pitch * hypotf(t->x - inner[0], t->y - inner[1]);
    /* thin skin next to the lids */
    stain(t, pink, 0.16f * stk_smoothstep(2.6f, 0.4f, d));
    t->roughness -= 0.07f * stk_smoothstep(5.0f, 1.0f, d);
    /* the line where lashes grow; fades out towards the inner corner */
    float lash = bell(d - 0.35f, upper ? 0.75f : 0.55f) * stk_smoothstep(1.5f, 6.0f, corner);
    t->shade *= 1.0f - lash * (upper ? (woman ? 0.72f : 0.56f) : (woman ? 0.34f : 0.24f));
    if (d < 0.3f) { /* rim of the lid, wet and pink */
        float rim = stk_smoothstep(0.3f, -0.3f, d), deep = stk_smoothstep(-0.8f, -3.5f, d);
        const float *skin = brush->look->skin_rgb;
        float wet[3] = {0.58f * skin[0] + 0.12f, 0.34f * skin[1] + 0.07f, 0.36f * skin[2] + 0.06f};
        tint(t, wet, 0.75f * rim);
        t->shade *= 1.0f - 0.55f * deep * rim;
        t->roughness = mix(t->roughness, 0.22f, rim);
        t->height *= 1.0f - rim;
    }
    float duct = stk_smoothstep(3.6f, 1.2f, corner) * stk_smoothstep(0.9f, -0.2f, d);
    tint(t, (const float[3]){0.50f, 0.20f, 0.17f}, 0.8f * duct);
    t->roughness = mix(t->roughness, 0.16f, duct);
}

static void lid_folds(const stk_skin_brush *brush, int which, stk_skin_texel *t) {
    groove(brush, STK_CURVE_CREASE + which, t, 0.85f, 0.32f, 0.34f);
    groove(brush, STK_CURVE_BAG + which, t, 1.8f, 0.20f, 0.085f);
}

static void nose(const stk_skin_brush *brush, int which, stk_skin_texel *t) {
    groove(brush, STK_CURVE_WING + which, t, 1.5f, 0.30f, 0.16f);
    float deep = brush->look->woman ? 0.6f : 1.0f;
    groove(brush, STK_CURVE_FOLD + which, t, 2.4f, 0.34f * deep, 0.10f * deep);
    float d = distance(brush, STK_CURVE_NOSTRIL + which, t, 3.0f, NULL);
    if (d >= 3.0f) return;
    d += 0.2f * stk_noise3(t->p[0], t->p[1], t->p[2], brush->seed + 51);
    float hole = stk_smoothstep(0.4f, -1.9f, d), round = stk_smoothstep(2.6f, -0.4f, d);
    stain(t, pink, 0.4f * round);
    t->shade *= 1.0f - 0.20f * round;
    tint(t, (const float[3]){0.060f, 0.021f, 0.015f}, 0.90f * hole);
    t->height = mix(t->height, 0.0f, hole) - 0.22f * stk_smoothstep(0.7f, -1.3f, d);
    t->roughness = mix(t->roughness, 0.85f, hole);
    t->cavity *= (1.0f - 0.85f * hole) * (1.0f - 0.45f * round);
}

static void philtrum(const stk_skin_brush *brush, stk_skin_texel *t) {
    float along = 0.0f, d = distance(brush, STK_CURVE_PHILTRUM, t, 9.0f, &along);
    if (d >= 9.0f) return;
    float ends = stk_smoothstep(0.05f, 0.4f, along);
    t->height += ends * (0.12f * bell(d - 4.4f, 2.2f) - 0.15f * bell(d, 2.9f));
    t->shade *= 1.0f - 0.05f * ends * bell(d, 2.6f);
}

/* Fine lines across the lips and plumpness between them. */
static float lip_lines(const stk_skin_brush *brush, const stk_skin_texel *t) {
    float n = stk_noise3(t->p[0] * 1.05f, t->p[1] * 0.16f, t->p[2] * 0.16f, brush->seed + 61);
    float m = stk_noise3(t->p[0] * 2.3f, t->p[1] * 0.25f, t->p[2] * 0.25f, brush->seed + 62);
    return stk_smoothstep(0.22f, 0.0f, fabsf(n)) + 0.5f * stk_smoothstep(0.2f, 0.0f, fabsf(m));
}

static void lip_surface(const stk_skin_brush *brush, stk_skin_texel *t, float mask, float inner) {
    float broad =
        stk_noise_fractal3(t->p[0] * 0.25f, t->p[1] * 0.25f, t->p[2] * 0.25f, 2, brush->seed + 63);
    float lines = lip_lines(brush, t), rgb[3];
    float wet = stk_smoothstep(2.6f, 0.2f, inner);
    for (int c = 0; c < 3; c++) {
        float redder = c == 0 ? 1.0f : 0.86f; /* towards the inner, moist part */
        rgb[c] = brush->look->lip_rgb[c] * (1.0f + 0.12f * broad) * (1.0f - 0.07f * lines) *
                 mix(1.0f, 0.90f * redder, wet);
    }
    tint(t, rgb, (brush->look->woman ? 0.84f : 0.66f) * mask);
    t->height = mix(t->height, 0.25f * t->height - 0.045f * lines, mask);
    t->roughness = mix(t->roughness, 0.31f - 0.09f * wet + 0.03f * lines, mask);
    t->cavity = mix(t->cavity, 1.0f - 0.08f * lines, mask);
}

static void lips(const stk_skin_brush *brush, stk_skin_texel *t) {
    float d = distance(brush, STK_CURVE_LIPS, t, 7.0f, NULL);
    if (d >= 7.0f) return;
    float wobble =
        stk_noise_fractal3(t->p[0] * 0.6f, t->p[1] * 0.6f, t->p[2] * 0.6f, 2, brush->seed + 64);
    float inner = distance(brush, STK_CURVE_MOUTH, t, 12.0f, NULL), edge = d + 0.22f * wobble;
    /* light seam along the border, shadow below the lower lip comes from the light itself */
    float seam = stk_smoothstep(0.1f, 0.9f, edge) * stk_smoothstep(2.6f, 0.9f, edge);
    t->shade *= 1.0f + 0.06f * seam;
    t->height += 0.14f * bell(edge - 0.5f, 1.0f);
    float mask = stk_smoothstep(0.65f, -0.95f, edge);
    if (mask > 0.0f) lip_surface(brush, t, mask, inner);
    /* the line where they meet, its corners, and what lies behind */
    const stk_curve *mouth = &brush->curves->curve[STK_CURVE_MOUTH];
    const float *a = mouth->at[0], *b = mouth->at[mouth->count / 2];
    float corner =
        t->pitch * fminf(hypotf(t->x - a[0], t->y - a[1]), hypotf(t->x - b[0], t->y - b[1]));
    t->shade *= 1.0f - 0.40f * bell(corner, 2.2f);
    t->cavity *= 1.0f - 0.75f * bell(corner, 1.8f);
    t->shade *= 1.0f - 0.42f * stk_smoothstep(1.1f, -0.1f, inner);
    if (inner < 0.0f) {
        float behind = stk_smoothstep(0.0f, -0.8f, inner);
        tint(t, flesh, behind);
        t->roughness = mix(t->roughness, 0.45f, behind);
        t->cavity *= 1.0f - 0.5f * behind;
        t->height *= 1.0f - behind;
    }
}

/* Brow hairs over the skin. */
static void brow(const stk_skin_brush *brush, stk_skin_texel *t) {
    if (t->brow <= 0.0f) return;
    float cover = 0.93f * t->brow;
    tint(t, brush->look->brow_rgb, cover);
    t->height += 0.06f * t->brow;
    t->roughness = mix(t->roughness, 0.55f, cover);
}

/* Below the hair: towards its colour, with roots as dots along the soft border. */
static void scalp(const stk_skin_brush *brush, stk_skin_texel *t) {
    if (t->scalp <= 0.0f) return;
    float s = 1.0f / 0.9f, d[2];
    float uneven =
        stk_noise_fractal3(t->p[0] * 0.3f, t->p[1] * 0.3f, t->p[2] * 0.3f, 2, brush->seed + 71);
    stk_noise_cells3(t->p[0] * s, t->p[1] * s, t->p[2] * s, brush->seed + 72, &d[0], &d[1]);
    float grown = stk_clampf(t->scalp + 0.18f * uneven * (1.0f - t->scalp), 0.0f, 1.0f);
    float dots = stk_smoothstep(0.46f, 0.16f, d[0]) * stk_smoothstep(0.10f, 0.45f, grown);
    float cover = fmaxf(0.92f * stk_smoothstep(0.25f, 0.95f, grown), 0.75f * dots);
    float rgb[3];
    for (int c = 0; c < 3; c++) rgb[c] = 0.75f * brush->look->hair_rgb[c];
    tint(t, rgb, cover);
    t->roughness = mix(t->roughness, 0.7f, cover);
}

void stk_skin_texel_features(const stk_skin_brush *brush, stk_skin_texel *texel) {
    philtrum(brush, texel);
    for (int which = 0; which < 2; which++) {
        lid_folds(brush, which, texel);
        nose(brush, which, texel);
        eye(brush, which, texel);
    }
    lips(brush, texel);
    brow(brush, texel);
    scalp(brush, texel);
}
