/* attire_cut.c - the garments of each style: which sheets, and where their borders run.
 *
 *   jacket   a shell all round the shoulders that sinks below the shirt inside the opening; lapels
 *            and collar are strips laid over the opening's border, notched where they meet
 *   shirt    a shell of the front, a standing band, two collar leaves, placket and buttons or a tie
 *   top      a shell with a round neckline and a ribbed ring; skin of the chest within
 *   sweater  the jacket's shell closed, knitted, with a ring; shirt collar inside
 *
 * Control points are given for the wearer's left side (picture right); the other is the mirror
 * image. `x` and `y` of frontal points are enough: z is found on the dummy.
 */
#include "presenter/attire_private.h"

#include <math.h>
#include <string.h>

#include "presenter/noise.h"

#define PI_F 3.14159265f
static const float JACKET = 0.009f; /* cloth and lining over the shirt, m */
static const float SUNK = -0.022f;  /* where a garment is open its shell hides below the rest */
static const float LEFT_OUT = -2.0f;

/* Half width of the jacket's opening at height y: the roll line of the lapels. */
static float opening(const stk_neckline *neck, float y) {
    const float top = neck->half_width + 0.013f;
    const float down = -(y + 0.125f);
    if (down < 0.0f) return top;
    const float straight = top * (1.0f - down / 0.27f);
    return (straight > 0.0f ? straight : 0.0f) +
           0.010f * sinf(PI_F * stk_clampf(down / 0.27f, 0, 1));
}

static float neck_middle(const stk_neckline *neck) {
    return 0.5f * (neck->front_z + neck->back_z);
}

/* Positive outside the jacket's opening: the V in front, the ring of the neck at side and back. */
static float outside_opening(const stk_neckline *neck, const float p[3]) {
    const float middle = neck_middle(neck), half = 0.5f * (neck->front_z - neck->back_z);
    const float x = p[0] / (neck->half_width + 0.014f), z = (p[2] - middle) / (half + 0.016f);
    const float ring = (sqrtf(x * x + z * z) - 1.0f) * neck->half_width;
    const float v = fabsf(p[0]) - opening(neck, p[1]);
    if (p[2] < middle) return ring;
    return p[1] < -0.15f ? v : (v < ring ? v : ring);
}

/* Long soft folds: ridges of noise stretched along `along`, from the armpit to the shoulder and
 * across the sleeve. p mirrored to the left side; seed differs by side. */
static float folds(const float p[3], uint32_t seed) {
    const uint32_t side = seed + (p[0] < 0.0f ? 17u : 0u);
    const float x = fabsf(p[0]), y = p[1];
    const float a = (x - 0.13f) * 0.70f + (y + 0.30f) * 0.71f; /* from the armpit upwards */
    const float b = (x - 0.13f) * 0.71f - (y + 0.30f) * 0.70f;
    const float ridge = stk_noise3(4.0f * a, 21.0f * b, 8.0f * p[2], side);
    const float near =
        expf(-((x - 0.145f) * (x - 0.145f) / 0.0016f + (y + 0.30f) * (y + 0.30f) / 0.0060f));
    const float drag = stk_noise3(9.0f * x, 34.0f * (y + 0.5f * x), 6.0f * p[2], side + 5u);
    const float sleeve = stk_smoothstep(0.178f, 0.20f, x) * stk_smoothstep(-0.22f, -0.27f, y);
    const float broad = stk_noise3(13.0f * x, 7.0f * y, 9.0f * p[2], side + 9u);
    return 0.0095f * near * ridge + 0.0065f * sleeve * drag + 0.0030f * broad;
}

/* The seam where the sleeve is set in: a groove, and the padded roll outside it. */
static float sleeve_head(const float p[3], float broad) {
    const float x = fabsf(p[0]), y = p[1];
    const float seam = 0.176f * (1.0f - 0.10f * stk_smoothstep(-0.20f, -0.32f, y)) * broad;
    const float off = x - seam;
    const float groove = -0.0040f * expf(-off * off / 0.000016f);
    const float roll = 0.0032f * stk_smoothstep(0.0f, 0.010f, off) *
                       stk_smoothstep(0.070f, 0.015f, off) * stk_smoothstep(-0.34f, -0.24f, y);
    return groove + roll;
}

typedef struct stk_cut {
    const stk_neckline *neck;
    float broad;
    uint32_t seed;
    const stk_ring *ring; /* round neckline, NULL = none */
    float height;
    float front; /* shells of the front end here: largest |x| */
} stk_cut;

static float jacket_height(const void *ctx, const stk_dummy *dummy, const float p[3]) {
    const stk_cut *cut = ctx;
    (void)dummy;
    const float out = outside_opening(cut->neck, p);
    if (out < 0.0015f) return LEFT_OUT;
    const float worn = JACKET + folds(p, cut->seed) + sleeve_head(p, cut->broad);
    return SUNK + (worn - SUNK) * stk_smoothstep(0.004f, 0.018f, out);
}

static float shirt_height(const void *ctx, const stk_dummy *dummy, const float p[3]) {
    const stk_cut *cut = ctx;
    if (fabsf(p[0]) > cut->front || (p[2] < -0.08f && p[1] < -0.2f)) return LEFT_OUT;
    const float back = stk_smoothstep(cut->neck->front_z, cut->neck->back_z, p[2]);
    if (p[1] > -0.140f + 0.035f * back) return LEFT_OUT; /* the band goes on from here */
    const float placket = stk_smoothstep(0.0165f, 0.0150f, fabsf(p[0] - 0.002f));
    const float seam = fabsf(fabsf(p[0] - 0.002f) - 0.0125f);
    const float crease = stk_noise3(10.0f * p[0] + 5.0f * p[1], 30.0f * p[1] - 25.0f * fabsf(p[0]),
                                    4.0f, dummy->seed + (p[0] > 0.0f ? 3u : 4u));
    const float drape = stk_smoothstep(0.012f, 0.035f, fabsf(p[0]));
    return 0.0012f * placket - 0.0005f * stk_smoothstep(0.0012f, 0.0004f, seam) +
           0.0022f * crease * drape;
}

static float top_height(const void *ctx, const stk_dummy *dummy, const float p[3]) {
    const stk_cut *cut = ctx;
    const float out = stk_ring_distance(cut->ring, p);
    if (out < -0.010f || (cut->front < 1.0f && p[1] > -0.110f) ||
        (cut->front < 1.0f && (fabsf(p[0]) > cut->front || p[2] < -0.09f)))
        return LEFT_OUT;
    const float x = fabsf(p[0]);
    const float hang =
        stk_noise3(30.0f * p[0] + 11.0f * p[1], 7.0f * p[1] + 6.0f * x, 2.5f, dummy->seed + 31u);
    float worn = cut->height + 0.0022f * hang * stk_smoothstep(0.0f, 0.05f, out);
    if (cut->front >= 1.0f) worn += 1.5f * folds(p, cut->seed) * stk_smoothstep(0.005f, 0.05f, out);
    const float side = cut->front < 1.0f ? stk_smoothstep(-0.118f, -0.138f, p[1]) : 1.0f;
    /* seen from before, what is sunk behind the neck would lie before the rest */
    const float middle = neck_middle(cut->neck), back = stk_smoothstep(0.0f, -0.02f, p[2] - middle);
    const float sunk = SUNK + (0.004f - SUNK) * back * (cut->front >= 1.0f ? 1.0f : 0.0f);
    return sunk + (worn - sunk) * side * stk_smoothstep(-0.005f, 0.0f, out);
}

static stk_sheet *piece(stk_garment *garment, const char *name, stk_cloth cloth, stk_part part,
                        const float rgb[3], int capacity, stk_status *status) {
    if (*status != STK_OK) return NULL;
    const int at = garment->pieces;
    *status = stk_sheet_init(&garment->sheet[at], capacity);
    if (*status != STK_OK) return NULL;
    garment->name[at] = name, garment->cloth[at] = cloth, garment->part[at] = part;
    memcpy(garment->rgb[at], rgb, sizeof garment->rgb[at]);
    garment->pieces++;
    return &garment->sheet[at];
}

static void frontal(const stk_dummy *dummy, stk_curve *curve, const float (*xy)[2], int points,
                    float height) {
    curve->points = points;
    for (int i = 0; i < points; i++) {
        curve->point[i][0] = xy[i][0], curve->point[i][1] = xy[i][1];
        curve->point[i][2] = stk_dummy_front(dummy, xy[i][0], xy[i][1], height);
    }
}

/* The lapel: from the button up to the gorge; its last column is its upper edge. */
static void cut_lapels(const stk_dummy *dummy, stk_sheet *sheet) {
    const float top = dummy->neck.half_width;
    const float roll[6][2] = {{0.004f, -0.400f},
                              {opening(&dummy->neck, -0.340f), -0.340f},
                              {opening(&dummy->neck, -0.280f), -0.280f},
                              {opening(&dummy->neck, -0.220f), -0.220f},
                              {opening(&dummy->neck, -0.170f), -0.170f},
                              {top + 0.014f, -0.128f}};
    const float edge[6][2] = {{0.010f, -0.405f}, {0.064f, -0.350f}, {0.093f, -0.290f},
                              {0.110f, -0.240f}, {0.117f, -0.205f}, {0.121f, -0.176f}};
    static const stk_strip_row row[] = {
        {0, 0.0040f, -0.0050f}, {0, -0.0006f, 0.0060f}, {0, -0.0022f, 0.0120f},
        {0, -0.0006f, 0.0165f}, {0, 0.0035f, 0.0178f},  {0.12f, 0, 0.0172f},
        {0.26f, 0, 0.0160f},    {0.40f, 0, 0.0150f},    {0.55f, 0, 0.0143f},
        {0.70f, 0, 0.0139f},    {0.85f, 0, 0.0137f},    {1, 0, 0.0136f},
        {1, 0.0014f, 0.0130f},  {1, 0.0022f, 0.0129f},  {1, 0.0034f, 0.0136f},
        {1, 0.0050f, 0.0132f},  {1, 0.0058f, 0.0120f},  {1, 0.0058f, 0.0098f},
        {1, 0.0045f, 0.0070f}};
    stk_curve inner, outer;
    frontal(dummy, &inner, roll, 6, JACKET);
    frontal(dummy, &outer, edge, 6, JACKET);
    stk_strip strip = {.inner = &inner,
                       .outer = &outer,
                       .row = row,
                       .columns = 64,
                       .rows = sizeof row / sizeof row[0],
                       .hem = {0, 1},
                       .ripple = 0.0014f,
                       .turn = 0.33f};
    for (strip.mirror = 0; strip.mirror < 2; strip.mirror++) stk_sheet_strip(sheet, dummy, &strip);
}

/* The jacket's collar: from the gorge round the back; its first column is the gorge and the notch.
 */
static void cut_collar(const stk_dummy *dummy, stk_sheet *sheet) {
    const stk_neckline *neck = &dummy->neck;
    const float w = neck->half_width, middle = neck_middle(neck), back = neck->back_z;
    stk_curve inner = {6,
                       {{w + 0.0135f, -0.128f, 0},
                        {w + 0.0145f, -0.117f, middle + 0.016f},
                        {w + 0.0110f, -0.106f, middle - 0.010f},
                        {0.80f * w, -0.096f, back + 0.004f},
                        {0.42f * w, -0.090f, back - 0.014f},
                        {-0.004f, -0.089f, back - 0.018f}}};
    stk_curve outer = {6,
                       {{0.110f, -0.143f, 0},
                        {0.107f, -0.132f, middle + 0.012f},
                        {0.103f, -0.127f, middle - 0.018f},
                        {0.082f, -0.127f, back - 0.006f},
                        {0.046f, -0.130f, back - 0.028f},
                        {-0.004f, -0.131f, back - 0.034f}}};
    static const stk_strip_row row[] = {
        {0, 0.0045f, -0.0070f}, {0, -0.0006f, 0.0080f}, {0, -0.0020f, 0.0140f},
        {0, -0.0004f, 0.0180f}, {0, 0.0040f, 0.0196f},  {0.25f, 0, 0.0192f},
        {0.50f, 0, 0.0182f},    {0.75f, 0, 0.0170f},    {1, 0, 0.0162f},
        {1, 0.0018f, 0.0158f},  {1, 0.0036f, 0.0162f},  {1, 0.0052f, 0.0156f},
        {1, 0.0059f, 0.0140f},  {1, 0.0059f, 0.0105f},  {1, 0.0045f, 0.0070f}};
    inner.point[0][2] = stk_dummy_front(dummy, inner.point[0][0], inner.point[0][1], JACKET);
    outer.point[0][2] = stk_dummy_front(dummy, outer.point[0][0], outer.point[0][1], JACKET);
    stk_strip strip = {.inner = &inner,
                       .outer = &outer,
                       .row = row,
                       .columns = 52,
                       .rows = sizeof row / sizeof row[0],
                       .hem = {1, 0},
                       .ripple = 0.0008f,
                       .bend = {0.002f, -0.011f},
                       .turn = -0.15f};
    for (strip.mirror = 0; strip.mirror < 2; strip.mirror++) stk_sheet_strip(sheet, dummy, &strip);
}

static stk_status cut_jacket(stk_garment *garment, const stk_look *look) {
    stk_status status = STK_OK;
    const stk_cut cut = {
        .neck = &garment->dummy.neck, .broad = garment->dummy.broad, .seed = garment->dummy.seed};
    stk_sheet *body = piece(garment, "jacket", STK_CLOTH_TWILL, STK_PART_TORSO, look->jacket_rgb,
                            116 * 44, &status);
    stk_sheet *lapels = piece(garment, "lapels", STK_CLOTH_TWILL, STK_PART_TORSO, look->jacket_rgb,
                              64 * 19 * 2 + 52 * 15 * 2, &status);
    STK_TRY(status);
    const stk_shell shell = {.columns = 116,
                             .rows = 44,
                             .polar = {0.22f, 1.72f},
                             .sweep = PI_F,
                             .height = jacket_height,
                             .ctx = &cut};
    stk_sheet_shell(body, &garment->dummy, &shell);
    cut_lapels(&garment->dummy, lapels);
    cut_collar(&garment->dummy, lapels);
    return STK_OK;
}

/* The band that stands round the neck under the leaves. */
static void cut_band(const stk_dummy *dummy, stk_sheet *sheet, const stk_curve *top) {
    static const stk_strip_row row[] = {{0, 0.0100f, -0.0030f}, {0, 0.0010f, -0.0006f},
                                        {0, 0.0f, 0.0010f},     {0.1f, 0, 0.0020f},
                                        {0.5f, 0, 0.0020f},     {1, 0.006f, 0.0015f}};
    stk_curve upper = *top, lower = *top;
    for (int i = 0; i < top->points; i++) {
        upper.point[i][1] -= 0.0015f, lower.point[i][1] -= 0.036f;
        lower.point[i][2] += 0.004f;
        if (i == 0) upper.point[i][0] = lower.point[i][0] = -0.001f;
    }
    stk_strip strip = {.inner = &upper,
                       .outer = &lower,
                       .row = row,
                       .columns = 40,
                       .rows = sizeof row / sizeof row[0]};
    for (strip.mirror = 0; strip.mirror < 2; strip.mirror++) stk_sheet_strip(sheet, dummy, &strip);
}

/* Leaves of the shirt's collar, tucked under a ring if there is one, and the band they are sewn to.
 */
static void cut_leaves(const stk_dummy *dummy, stk_sheet *sheet, const stk_ring *ring) {
    const stk_neckline *neck = &dummy->neck;
    const float w = neck->half_width + 0.005f, middle = neck_middle(neck);
    const float front = neck->front_z + 0.008f, back = neck->back_z - 0.006f;
    stk_curve inner = {6,
                       {{0.002f, -0.149f, front + 0.004f},
                        {0.55f * w, -0.140f, middle + 0.90f * (front - middle)},
                        {0.97f * w, -0.124f, middle + 0.30f * (front - middle)},
                        {0.97f * w, -0.108f, middle + 0.40f * (back - middle)},
                        {0.58f * w, -0.094f, middle + 0.88f * (back - middle)},
                        {-0.003f, -0.090f, back}}};
    stk_curve outer = {6,
                       {{0.049f, -0.196f, 0},
                        {w + 0.006f, -0.172f, 0},
                        {w + 0.012f, -0.150f, middle + 0.014f},
                        {w + 0.010f, -0.136f, middle - 0.020f},
                        {0.66f * w, -0.130f, back - 0.004f},
                        {-0.003f, -0.130f, back - 0.012f}}};
    static const stk_strip_row row[] = {
        {0, 0.0100f, -0.0058f}, {0, 0.0020f, -0.0010f}, {0, -0.0004f, 0.0015f},
        {0, 0.0000f, 0.0036f},  {0, 0.0025f, 0.0050f},  {0.20f, 0, 0.0066f},
        {0.40f, 0, 0.0066f},    {0.60f, 0, 0.0050f},    {0.80f, 0, 0.0066f},
        {1, -0.0006f, 0.0064f}, {1, 0.0004f, 0.0058f},  {1, 0.0014f, 0.0064f},
        {1, 0.0045f, 0.0062f},  {1, 0.0058f, 0.0052f},  {1, 0.0058f, 0.0020f}};
    for (int i = 0; i < 2; i++)
        outer.point[i][2] =
            stk_dummy_front(dummy, outer.point[i][0], outer.point[i][1], 0.005f) + 0.0015f;
    stk_strip strip = {.inner = &inner,
                       .outer = &outer,
                       .row = row,
                       .columns = 56,
                       .rows = sizeof row / sizeof row[0],
                       .push = 1,
                       .hem = {1, 0},
                       .turn = 0.5f};
    for (strip.mirror = 0; strip.mirror < 2; strip.mirror++) stk_sheet_strip(sheet, dummy, &strip);
    if (ring) stk_sheet_tuck(sheet, dummy, ring);
    cut_band(dummy, sheet, &inner);
}

/* Knot and blade of the tie. */
static void cut_tie(const stk_dummy *dummy, stk_sheet *sheet) {
    static const float edge[6][2] = {{0.0080f, -0.191f}, {0.0095f, -0.190f}, {0.0120f, -0.185f},
                                     {0.0165f, -0.170f}, {0.0185f, -0.152f}, {0.0150f, -0.143f}};
    static const float blade[6][2] = {{0.0390f, -0.40f}, {0.0330f, -0.34f},  {0.0270f, -0.29f},
                                      {0.0200f, -0.24f}, {0.0140f, -0.198f}, {0.0115f, -0.182f}};
    for (int part = 0; part < 2; part++) {
        const float(*side)[2] = part ? edge : blade;
        float left[6][2];
        for (int i = 0; i < 6; i++) left[i][0] = -side[i][0], left[i][1] = side[i][1];
        stk_curve inner, outer;
        frontal(dummy, &inner, (const float(*)[2])left, 6, 0.004f);
        frontal(dummy, &outer, side, 6, 0.004f);
        stk_strip_row row[STK_STRIP_ROWS];
        for (int r = 0; r < STK_STRIP_ROWS; r++) {
            const float s = (float)r / (float)(STK_STRIP_ROWS - 1);
            const float u = 2.0f * s - 1.0f;
            const float round = sqrtf(1.0f - u * u * 0.999f);
            const float dimple = expf(-u * u / 0.06f);
            row[r].w = s, row[r].past = 0.006f * s;
            row[r].height = part ? 0.004f + 0.0115f * powf(round, 0.8f)
                                 : 0.001f + 0.0065f * powf(round, 0.5f) - 0.0018f * dimple;
        }
        const stk_strip strip = {.inner = &inner,
                                 .outer = &outer,
                                 .row = row,
                                 .columns = 36,
                                 .rows = STK_STRIP_ROWS,
                                 .hem = {part, 1},
                                 .turn = part ? 0.35f : 0.0f};
        stk_sheet_strip(sheet, dummy, &strip);
    }
}

static stk_status cut_shirt(stk_garment *garment, const stk_look *look) {
    stk_status status = STK_OK;
    const stk_cut cut = {.neck = &garment->dummy.neck,
                         .broad = garment->dummy.broad,
                         .seed = garment->dummy.seed,
                         .front = 0.115f};
    const int tie = !look->woman || look->seed % 3 == 0;
    stk_sheet *shirt = piece(garment, "shirt", STK_CLOTH_POPLIN, STK_PART_TORSO, look->shirt_rgb,
                             64 * 60 + 56 * 15 * 2 + 40 * 6 * 2, &status);
    stk_sheet *trim = piece(
        garment, tie ? "tie" : "buttons", tie ? STK_CLOTH_SILK : STK_CLOTH_PLAIN, STK_PART_TORSO,
        tie ? look->accent_rgb : look->shirt_rgb, 36 * STK_STRIP_ROWS * 2, &status);
    STK_TRY(status);
    const stk_shell shell = {.columns = 64,
                             .rows = 60,
                             .polar = {0.26f, 1.62f},
                             .sweep = PI_F,
                             .height = shirt_height,
                             .ctx = &cut};
    stk_sheet_shell(shirt, &garment->dummy, &shell);
    cut_leaves(&garment->dummy, shirt, NULL);
    if (tie)
        cut_tie(&garment->dummy, trim);
    else
        for (int i = 0; i < 4; i++)
            stk_sheet_button(trim, &garment->dummy, 0.002f, -0.166f - 0.062f * (float)i, 0.0052f,
                             i ? 0.0012f : 0.004f);
    return STK_OK;
}

static stk_ring neckline_ring(const stk_neckline *neck, int sweater) {
    return (stk_ring){.columns = 128,
                      .rows = 14,
                      .half_wide = sweater ? 0.0105f : 0.0062f,
                      .thick = sweater ? 0.0042f : 0.0022f,
                      .height = sweater ? 0.0085f : 0.0012f,
                      .middle_z = neck_middle(neck),
                      .radius = {neck->half_width + (sweater ? 0.020f : 0.026f),
                                 0.5f * (neck->front_z - neck->back_z) + 0.020f},
                      .low = sweater ? -0.176f : -0.192f,
                      .high = -0.124f};
}

/* Round neckline: a ribbed ring, the garment below it, skin above. */
static stk_status cut_top(stk_garment *garment, const stk_look *look, int sweater) {
    stk_status status = STK_OK;
    const stk_neckline *neck = &garment->dummy.neck;
    const stk_ring ring = neckline_ring(neck, sweater);
    const stk_cut cut = {.neck = neck,
                         .broad = garment->dummy.broad,
                         .seed = garment->dummy.seed + 3u,
                         .ring = &ring,
                         .height = sweater ? 0.009f : 0.0025f,
                         .front = sweater ? 1.0f : 0.12f};
    const float *rgb = sweater ? look->jacket_rgb : look->shirt_rgb;
    const int columns = sweater ? 128 : 64, rows = 52;
    stk_sheet *body =
        piece(garment, sweater ? "sweater" : "top", sweater ? STK_CLOTH_KNIT : STK_CLOTH_JERSEY,
              STK_PART_TORSO, rgb, columns * rows, &status);
    stk_sheet *rib =
        piece(garment, "neckline", STK_CLOTH_RIB, STK_PART_TORSO, rgb, 128 * 14, &status);
    STK_TRY(status);
    const stk_shell shell = {.columns = columns,
                             .rows = rows,
                             .polar = {0.22f, 1.70f},
                             .sweep = sweater ? PI_F : 1.5f,
                             .height = top_height,
                             .ctx = &cut};
    stk_sheet_shell(body, &garment->dummy, &shell);
    stk_sheet_ring(rib, &garment->dummy, &ring);
    if (sweater) return STK_OK;
    stk_sheet *skin = piece(garment, "chest", STK_CLOTH_BARE, STK_PART_NECK, garment->bare_rgb,
                            STK_NECK_COLUMNS * 26, &status);
    STK_TRY(status);
    stk_sheet_bare(skin, &garment->dummy, &ring, 26);
    return STK_OK;
}

/* The shirt below a sweater: its collar and the little of its front that shows. */
static stk_status cut_undershirt(stk_garment *garment, const stk_look *look) {
    stk_status status = STK_OK;
    stk_sheet *shirt = piece(garment, "shirt", STK_CLOTH_POPLIN, STK_PART_TORSO, look->shirt_rgb,
                             48 * 40 + 56 * 15 * 2 + 40 * 6 * 2, &status);
    stk_sheet *button = piece(garment, "buttons", STK_CLOTH_PLAIN, STK_PART_TORSO, look->shirt_rgb,
                              16 * 6, &status);
    STK_TRY(status);
    const stk_cut cut = {.neck = &garment->dummy.neck, .front = 0.075f};
    const stk_shell shell = {.columns = 48,
                             .rows = 40,
                             .polar = {0.26f, 1.1f},
                             .sweep = PI_F,
                             .height = shirt_height,
                             .ctx = &cut};
    stk_sheet_shell(shirt, &garment->dummy, &shell);
    const stk_ring ring = neckline_ring(&garment->dummy.neck, 1);
    cut_leaves(&garment->dummy, shirt, &ring);
    stk_sheet_button(button, &garment->dummy, 0.002f, -0.166f, 0.0052f, 0.004f);
    return STK_OK;
}

stk_status stk_garment_cut(stk_garment *garment, const stk_look *look) {
    switch (look->attire) {
    case STK_ATTIRE_JACKET_SHIRT:
        STK_TRY(cut_jacket(garment, look));
        return cut_shirt(garment, look);
    case STK_ATTIRE_JACKET_ROUND:
        STK_TRY(cut_jacket(garment, look));
        return cut_top(garment, look, 0);
    case STK_ATTIRE_SWEATER:
        STK_TRY(cut_top(garment, look, 1));
        return cut_undershirt(garment, look);
    default:
        return stk_fail(STK_ERR_ARGUMENT, "no attire of style %d", (int)look->attire);
    }
}

void stk_garment_clear(stk_garment *garment) {
    for (int i = 0; i < garment->pieces; i++) stk_sheet_clear(&garment->sheet[i]);
    garment->pieces = 0;
}
