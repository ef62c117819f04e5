/* neck.c - where the neck ends and the clothes begin.
 *
 *   skin membership, colour -> two geodesic distances over the person below the jaw
 *     from the neck: seeds right below the chin       step = edge + SKIN_COST (1 - membership)
 *     from the torso: seeds at the shoulders, far down step = edge + SKIN_COST membership
 *   neck = 1 / (1 + exp((D_neck - D_torso) / SOFTNESS))
 *
 * Skin colour alone fails in pale pictures, where a shirt is as near to it as the shaded throat.
 * The shade under a chin is gradual and a collar is a step, so the way there tells them apart.
 * Distances by raster sweeps (Toivanen, Pattern Recognition Letters 17, 1996). Pure functions, no
 * allocation.
 */
#include "parts.h"

#include <math.h>
#include <string.h>

static const float FAR = 1e6f;
static const float STEP = 0.002f;      /* cost of a grid px where nothing happens */
static const float SKIN_COST = 0.08f;  /* of a px of the wrong colour */
static const float LUMA_NOISE = 0.02f; /* luma steps up to this are shading */
static const float TINT_NOISE = 0.008f;
static const float TINT_WEIGHT = 4; /* chromaticity steps are smaller than luma steps */
static const float SOFTNESS = 0.06f;
static const float SEED_SKIN_MIN = 0.15f; /* bare skin among the chin's seeds, else no neck */
static const float BARE = 0.05f;          /* membership that counts as skin, shaded or not */

enum { SWEEPS = 2 };

typedef struct field {
    int width, height, top; /* rows above top hold no neck */
    const float *luma, *r, *g, *skin;
    float *from_neck, *from_torso;
} field;

void stk_neck_place(const stk_jaw *jaw, float x, float y, float *depth, float *offset) {
    float u, v;
    stk_jaw_axes(jaw, x, y, &u, &v);
    *depth = (v - jaw->limit[stk_jaw_entry(jaw, u)]) / jaw->height;
    /* A turned head's chin leaves the neck's axis, the oval's middle less so. */
    float axis = 0.5f * (jaw->u_mid + jaw->u_chin);
    *offset = fabsf(u - axis) / jaw->width;
}

static int is_neck_seed(float depth, float offset) {
    return depth >= 0 && depth < 0.07f && offset < 0.27f;
}

static int is_torso_seed(float depth, float offset, float skin) {
    if (depth > 1.0f || (offset > 0.75f && depth > 0.12f)) return 1;
    return skin < 0.01f && depth > 0.1f && offset > 0.25f;
}

/* Fills colours, skin membership (into neck) and seeds; blocked pixels have skin -1. Returns how
 * many of the chin's seeds are bare skin, as a share. */
static float prepare(float *neck, const stk_neck_input *in, field *f, float *luma, float *r,
                     float *g) {
    int w = f->width, seeds = 0, bare = 0;
    f->top = f->height;
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < w; x++) {
            size_t at = (size_t)y * (size_t)w + (size_t)x;
            float depth, offset, colour[3];
            stk_neck_place(in->jaw, ((float)x + 0.5f) / in->scale, ((float)y + 0.5f) / in->scale,
                           &depth, &offset);
            neck[at] = -1;
            f->from_neck[at] = f->from_torso[at] = FAR;
            if (depth < -0.02f || in->person[at] < 0.4f) continue;
            if (in->hair != NULL && in->hair[at] > 0.6f) continue;
            if (y < f->top) f->top = y;
            stk_skin_colour(colour, stk_image_row(in->grid_rgb, y) + 3 * x);
            luma[at] = colour[0], r[at] = colour[1], g[at] = colour[2];
            neck[at] = stk_skin_membership(in->skin, colour);
            if (is_neck_seed(depth, offset)) {
                f->from_neck[at] = 0;
                seeds++, bare += neck[at] > BARE;
            } else if (is_torso_seed(depth, offset, neck[at])) {
                f->from_torso[at] = 0;
            }
        }
    return seeds > 0 ? (float)bare / (float)seeds : 0;
}

/* Tries the way from pixel q to pixel p. */
static inline void relax(const field *f, size_t p, size_t q, float length) {
    if (f->skin[q] < 0) return;
    float luma = fabsf(f->luma[p] - f->luma[q]) - LUMA_NOISE;
    float tint = fabsf(f->r[p] - f->r[q]) + fabsf(f->g[p] - f->g[q]) - TINT_NOISE;
    float edge = length * STEP + (luma > 0 ? luma : 0) + (tint > 0 ? TINT_WEIGHT * tint : 0);
    float neck = f->from_neck[q] + edge + length * SKIN_COST * (1 - f->skin[p]);
    float torso = f->from_torso[q] + edge + length * SKIN_COST * f->skin[p];
    if (neck < f->from_neck[p]) f->from_neck[p] = neck;
    if (torso < f->from_torso[p]) f->from_torso[p] = torso;
}

/* One raster pass: step +1 from the top left, -1 from the bottom right. */
static void sweep(const field *f, int step) {
    int w = f->width, h = f->height, rows = h - f->top;
    ptrdiff_t back_x = -step, back_y = (ptrdiff_t)-step * w;
    for (int i = 0; i < rows; i++) {
        int y = step > 0 ? f->top + i : h - 1 - i;
        for (int j = 0; j < w; j++) {
            int x = step > 0 ? j : w - 1 - j;
            size_t p = (size_t)y * (size_t)w + (size_t)x;
            if (f->skin[p] < 0) continue;
            size_t behind = (size_t)((ptrdiff_t)p + back_x),
                   above = (size_t)((ptrdiff_t)p + back_y);
            if (j > 0) relax(f, p, behind, 1);
            if (i == 0) continue;
            relax(f, p, above, 1);
            if (j > 0) relax(f, p, (size_t)((ptrdiff_t)above + back_x), 1.414f);
            if (j + 1 < w) relax(f, p, (size_t)((ptrdiff_t)above - back_x), 1.414f);
        }
    }
}

void stk_neck_find(float *neck, const stk_neck_input *input, float *planes) {
    int w = input->grid_rgb->width, h = input->grid_rgb->height;
    size_t n = (size_t)w * (size_t)h;
    float *luma = planes, *r = planes + n, *g = planes + 2 * n;
    field f = {w, h, h, luma, r, g, neck, planes + 3 * n, planes + 4 * n};
    float bare = prepare(neck, input, &f, luma, r, g);
    if (bare < SEED_SKIN_MIN) { /* a turtleneck, a scarf */
        memset(neck, 0, n * sizeof *neck);
        return;
    }
    for (int i = 0; i < SWEEPS; i++) sweep(&f, 1), sweep(&f, -1);
    for (size_t i = 0; i < n; i++) {
        int blocked = neck[i] < 0 || f.from_neck[i] >= FAR;
        float difference = stk_clampf((f.from_neck[i] - f.from_torso[i]) / SOFTNESS, -30, 30);
        neck[i] = blocked ? 0 : 1 / (1 + expf(difference));
    }
}
