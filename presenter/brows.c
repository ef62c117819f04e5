/* brows.c - eyebrow hairs and eyelashes, planted in triangles of the skin.
 *
 *   landmarks of brow or lid -> root on the skin, shape of the hair in rest space -> triangle,
 *   barycentric place, points in the triangle's own frame; per expression: frame -> points
 *
 * The frame of a brow hair is its triangle's first side, normal and their cross product. A lid
 * slides round the eyeball, so a lash has the frame of the direction from the eye's centre to its
 * root: all of a lid turn alike, by the angle the lid has turned.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "presenter/hair_private.h"
#include "presenter/noise.h"
#include "presenter/skin.h"

enum { BROW_HAIRS = 170, BROW_POINTS = 5, LASH_UPPER = 80, LASH_LOWER = 40, LASH_POINTS = 5 };

/* [0] the person's right (picture left), [1] left; outer to inner end. */
static const int16_t brow_upper[2][5] = {{70, 63, 105, 66, 107}, {300, 293, 334, 296, 336}};
static const int16_t brow_lower[2][5] = {{46, 53, 52, 65, 55}, {276, 283, 282, 295, 285}};
static const int16_t lid_upper[2][9] = {{33, 246, 161, 160, 159, 158, 157, 173, 133},
                                        {263, 466, 388, 387, 386, 385, 384, 398, 362}};
static const int16_t lid_lower[2][9] = {{33, 7, 163, 144, 145, 153, 154, 155, 133},
                                        {263, 249, 390, 373, 374, 380, 381, 382, 362}};

/* Triangles near what is planted. */
typedef struct patch {
    const stk_surface *skin;
    int32_t *triangle;
    int count;
} patch;

static stk_status patch_init(patch *part, const stk_surface *skin, const float low[3],
                             const float high[3]) {
    part->skin = skin;
    part->count = 0;
    part->triangle = stk_calloc_aligned((size_t)skin->triangles, sizeof *part->triangle);
    if (!part->triangle) return stk_fail_memory("brows and lashes");
    for (int t = 0; t < skin->triangles; t++) {
        const float *p = skin->rest[skin->triangle[t][0]];
        if (p[0] > low[0] && p[0] < high[0] && p[1] > low[1] && p[1] < high[1] && p[2] > low[2])
            part->triangle[part->count++] = t;
    }
    return STK_OK;
}

static const float longest_side = 0.010f; /* of skin triangles near the eyes: up to 6 mm */

/* Frontmost skin at x, y: triangle and weights; -1 if there is none. */
static int patch_front(const patch *part, float x, float y, float weight[3], float *z) {
    int best = -1;
    for (int i = 0; i < part->count; i++) {
        const int32_t *v = part->skin->triangle[part->triangle[i]];
        const float *a = part->skin->rest[v[0]], *b = part->skin->rest[v[1]];
        if (fabsf(a[0] - x) > longest_side || fabsf(a[1] - y) > longest_side) continue;
        const float *c = part->skin->rest[v[2]];
        const float area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
        if (fabsf(area) < 1e-14f) continue;
        const float w1 = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area;
        const float w2 = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area;
        if (w1 < 0 || w2 < 0 || w1 + w2 > 1) continue;
        const float here = a[2] + w1 * (b[2] - a[2]) + w2 * (c[2] - a[2]);
        if (best >= 0 && here <= *z) continue;
        best = part->triangle[i], *z = here;
        weight[0] = 1 - w1 - w2, weight[1] = w1, weight[2] = w2;
    }
    return best;
}

/* Weights of the triangle's point nearest to p [Ericson 2005, 5.1.5]: the plane's if inside, else
 * the best point of the three sides. Returns the squared distance. */
static float triangle_nearest(const stk_surface *skin, int t, const float p[3], float weight[3]) {
    const int32_t *v = skin->triangle[t];
    const float *corner[3] = {skin->rest[v[0]], skin->rest[v[1]], skin->rest[v[2]]};
    float best = 1e9f;
    for (int k = 0; k < 3; k++) {
        const float *a = corner[k], *b = corner[(k + 1) % 3];
        float side[3], to[3], at[3];
        stk_sub3(b, a, side);
        stk_sub3(p, a, to);
        const float long2 = stk_dot3(side, side);
        const float s = long2 > 0 ? stk_clampf(stk_dot3(to, side) / long2, 0, 1) : 0;
        stk_add3(a, s, side, at);
        stk_sub3(p, at, to);
        const float far = stk_dot3(to, to);
        if (far >= best) continue;
        best = far;
        weight[k] = 1 - s, weight[(k + 1) % 3] = s, weight[(k + 2) % 3] = 0;
    }
    float e1[3], e2[3], to[3];
    stk_sub3(corner[1], corner[0], e1);
    stk_sub3(corner[2], corner[0], e2);
    stk_sub3(p, corner[0], to);
    const float d11 = stk_dot3(e1, e1), d12 = stk_dot3(e1, e2), d22 = stk_dot3(e2, e2);
    const float t1 = stk_dot3(to, e1), t2 = stk_dot3(to, e2);
    const float determinant = d11 * d22 - d12 * d12;
    if (determinant < 1e-20f) return best;
    const float w1 = (d22 * t1 - d12 * t2) / determinant, w2 = (d11 * t2 - d12 * t1) / determinant;
    if (w1 < 0 || w2 < 0 || w1 + w2 > 1) return best;
    weight[0] = 1 - w1 - w2, weight[1] = w1, weight[2] = w2;
    float off[3] = {to[0], to[1], to[2]};
    stk_add3(off, -w1, e1, off);
    stk_add3(off, -w2, e2, off);
    return stk_dot3(off, off);
}

static int patch_nearest(const patch *part, const float p[3], float weight[3]) {
    float best = 1e9f;
    int found = -1;
    for (int i = 0; i < part->count; i++) {
        float w[3];
        const float *corner = part->skin->rest[part->skin->triangle[part->triangle[i]][0]];
        if (fabsf(corner[0] - p[0]) > longest_side || fabsf(corner[1] - p[1]) > longest_side)
            continue;
        const float far = triangle_nearest(part->skin, part->triangle[i], p, w);
        if (far >= best) continue;
        best = far, found = part->triangle[i];
        for (int k = 0; k < 3; k++) weight[k] = w[k];
    }
    return found;
}

/* Origin and axes (rows) of a triangle's place. */
static void triangle_frame(const stk_surface *skin, int t, const float weight[3], float origin[3],
                           float axis[3][3]) {
    const int32_t *v = skin->triangle[t];
    const float *a = skin->rest[v[0]], *b = skin->rest[v[1]], *c = skin->rest[v[2]];
    float other[3];
    for (int k = 0; k < 3; k++) origin[k] = weight[0] * a[k] + weight[1] * b[k] + weight[2] * c[k];
    stk_sub3(b, a, axis[0]);
    stk_sub3(c, a, other);
    stk_unit3(axis[0]);
    stk_cross3(axis[0], other, axis[2]);
    if (stk_unit3(axis[2]) < 1e-12f) axis[2][0] = 0, axis[2][1] = 0, axis[2][2] = 1;
    stk_cross3(axis[2], axis[0], axis[1]);
}

/* Origin and axes of hair i in the skin's state of now. */
static void hair_frame(const stk_brows *brows, int i, const stk_surface *skin, float origin[3],
                       float axis[3][3]) {
    triangle_frame(skin, brows->triangle[i], brows->weight[i], origin, axis);
    if (!brows->pivoted) return;
    stk_sub3(origin, brows->pivot[2 * i >= brows->strands.count], axis[2]);
    stk_unit3(axis[2]);
    const float hinge[3] = {1, 0, 0};
    stk_add3(hinge, -axis[2][0], axis[2], axis[0]);
    stk_unit3(axis[0]);
    stk_cross3(axis[2], axis[0], axis[1]);
}

/* Plants hair i, whose points in rest space are `points`, at its root's place. */
static void plant(stk_brows *brows, int i, const stk_surface *skin, int t, const float weight[3],
                  const float (*points)[3]) {
    float origin[3], axis[3][3];
    brows->triangle[i] = t;
    for (int k = 0; k < 3; k++) brows->weight[i][k] = weight[k];
    hair_frame(brows, i, skin, origin, axis);
    for (int j = 0; j < brows->strands.points; j++) {
        const size_t at = (size_t)i * (size_t)brows->strands.points + (size_t)j;
        float d[3];
        stk_sub3(points[j], origin, d);
        for (int k = 0; k < 3; k++) brows->local[at][k] = stk_dot3(d, axis[k]);
    }
}

void stk_brows_follow(stk_brows *brows, const stk_surface *skin) {
    const int points = brows->strands.points;
    for (int i = 0; i < brows->strands.count; i++) {
        float origin[3], axis[3][3];
        hair_frame(brows, i, skin, origin, axis);
        for (int j = 0; j < points; j++) {
            const float *local = brows->local[(ptrdiff_t)i * points + j];
            float *out = brows->strands.rest[(ptrdiff_t)i * points + j];
            for (int k = 0; k < 3; k++)
                out[k] = origin[k] + local[0] * axis[0][k] + local[1] * axis[1][k] +
                         local[2] * axis[2][k];
        }
    }
}

static stk_status brows_init(stk_brows *brows, const char *name, int count, int points) {
    STK_TRY(stk_strands_init(&brows->strands, name, count, points));
    const size_t n = (size_t)count;
    brows->triangle = stk_calloc_aligned(n, sizeof *brows->triangle);
    brows->weight = stk_calloc_aligned(n, sizeof *brows->weight);
    brows->local = stk_calloc_aligned(n * (size_t)points, sizeof *brows->local);
    if (!brows->triangle || !brows->weight || !brows->local)
        return stk_fail_memory("brows and lashes");
    for (size_t i = 0; i < n * (size_t)points; i++) brows->strands.bind[i] = 1;
    brows->strands.part = STK_PART_FACE;
    return STK_OK;
}

void stk_brows_clear(stk_brows *brows) {
    stk_strands_clear(&brows->strands);
    stk_free(brows->triangle);
    stk_free(brows->weight);
    stk_free(brows->local);
    memset(brows, 0, sizeof *brows);
}

static void tone(const float rgb[3], float scale, stk_rng *rng, float out[3]) {
    const float s = scale * stk_clampf(1 + 0.25f * stk_rng_normal(rng), 0.5f, 1.6f);
    for (int k = 0; k < 3; k++) out[k] = stk_clampf(rgb[k] * s, 0.002f, 0.9f);
}

/* Catmull-Rom through landmarks at `place` in [0, count - 1]. */
static void curve_at(const float (*rest)[3], const int16_t *landmark, int count, float place,
                     float out[3]) {
    const int i = stk_clampi((int)place, 0, count - 2);
    const float t = place - (float)i, t2 = t * t, t3 = t2 * t;
    const float *a = rest[landmark[i > 0 ? i - 1 : 0]], *b = rest[landmark[i]];
    const float *c = rest[landmark[i + 1]], *d = rest[landmark[i + 2 < count ? i + 2 : count - 1]];
    for (int k = 0; k < 3; k++)
        out[k] =
            0.5f * (2 * b[k] + (c[k] - a[k]) * t + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t2 +
                    (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t3);
}

/* ---- brows ---------------------------------------------------------------------------------- */

/* One hair: x, y from the brow's own directions, z from the skin below it. Inner hairs stand up,
 * those of the middle lie outwards, the tail's outwards and down; upper and lower ones close in. */
static int brow_hair(const patch *part, int side, int woman, stk_rng *rng, float (*points)[3],
                     float weight[3]) {
    const float(*rest)[3] = (const float(*)[3])part->skin->rest;
    const float along = stk_rng_float(rng), inner = along;
    const float across = stk_mix(0.5f, stk_rng_float(rng), woman ? 0.75f : 0.95f);
    float up[3], low[3], root[3], ahead[3], before[3];
    const float place = 4 * stk_mix(0.02f, 0.97f, along);
    curve_at(rest, brow_upper[side], 5, place, up);
    curve_at(rest, brow_lower[side], 5, place, low);
    stk_mix3(low, up, stk_mix(0.22f, 0.92f, across) - stk_brow_drop(1 - along), root);
    curve_at(rest, brow_upper[side], 5, fmaxf(place - 0.4f, 0), ahead);
    curve_at(rest, brow_upper[side], 5, fminf(place + 0.4f, 4), before);
    float outward[3];
    stk_sub3(ahead, before, outward);
    outward[2] = 0;
    stk_unit3(outward);
    const float rise[2] = {side == 0 ? outward[1] : -outward[1],
                           side == 0 ? -outward[0] : outward[0]};
    float angle = stk_mix(0.02f, 0.45f, stk_smoothstep(0.1f, 0.75f, inner)) +
                  0.50f * stk_smoothstep(0.78f, 1.0f, inner) + 0.45f * (0.5f - across) +
                  0.13f * stk_rng_normal(rng);
    float length = stk_mix(0.0060f, 0.0088f, stk_smoothstep(0.0f, 0.5f, inner)) *
                   stk_mix(1, 0.7f, stk_smoothstep(0.8f, 1.0f, inner)) *
                   (0.8f + 0.4f * stk_rng_float(rng));
    const int triangle = patch_front(part, root[0], root[1], weight, &root[2]);
    float x = root[0], y = root[1], z = root[2];
    for (int j = 0; j < BROW_POINTS; j++) {
        const float s = (float)j / (BROW_POINTS - 1);
        float unused[3], here;
        if (patch_front(part, x, y, unused, &here) >= 0) z = here;
        points[j][0] = x, points[j][1] = y;
        points[j][2] = z + stk_mix(-0.0002f, 0.0008f, sinf(2.4f * s));
        const float a = angle * (1 - 0.45f * s);
        x += length / (BROW_POINTS - 1) * (cosf(a) * outward[0] + sinf(a) * rise[0]);
        y += length / (BROW_POINTS - 1) * (cosf(a) * outward[1] + sinf(a) * rise[1]);
    }
    return triangle;
}

stk_status stk_brows_make(stk_brows *brows, const stk_bust *bust, const stk_look *look) {
    const stk_surface *skin = stk_bust_skin(bust);
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)look->seed, 0x62726f77);
    STK_TRY(brows_init(brows, "brows", 2 * BROW_HAIRS, BROW_POINTS));
    const float *a = skin->rest[70], *b = skin->rest[300], *eye = skin->rest[159];
    const float low[3] = {a[0] - 0.015f, eye[1] - 0.005f, 0.0f};
    const float high[3] = {b[0] + 0.015f, skin->rest[105][1] + 0.025f, 1};
    patch part;
    STK_TRY(patch_init(&part, skin, low, high));
    for (int i = 0; i < 2 * BROW_HAIRS; i++) {
        float points[BROW_POINTS][3], weight[3] = {1, 0, 0};
        const int t = brow_hair(&part, i & 1, look->woman, &rng, points, weight);
        plant(brows, i, skin, t < 0 ? 0 : t, weight, (const float(*)[3])points);
        tone(look->brow_rgb, 0.9f, &rng, brows->strands.rgb[i]);
    }
    stk_free(part.triangle);
    brows->strands.width_m[0] = 0.00034f;
    brows->strands.width_m[1] = 0.00010f;
    brows->strands.opacity = 0.45f;
    brows->strands.shine = 0.15f;
    stk_brows_follow(brows, skin);
    return STK_OK;
}

/* ---- lashes --------------------------------------------------------------------------------- */

/* A lash of one lid: forward, fanned outwards from the middle of the eye, the upper curving up. */
static void lash_shape(const float root[3], float place, int side, int upper, float length,
                       stk_rng *rng, float (*points)[3]) {
    const float out = side == 0 ? -1.0f : 1.0f;
    const float fan = out * stk_mix(0.75f, -0.35f, place) + 0.10f * stk_rng_normal(rng);
    const float tilt = 0.08f * stk_rng_normal(rng);
    for (int j = 0; j < LASH_POINTS; j++) {
        const float s = (float)j / (LASH_POINTS - 1);
        const float rise = upper ? 0.95f * s * s - 0.30f * s : -0.55f * s + 0.15f * s * s;
        points[j][0] = root[0] + length * (fan * s * (0.7f + 0.3f * s));
        points[j][1] = root[1] + length * (rise + tilt * s);
        points[j][2] = root[2] + length * (0.85f * s - 0.15f * s * s);
    }
}

static void lash_plant(stk_brows *lashes, int i, const patch *part, int side, int upper,
                       float place, float longest, stk_rng *rng) {
    const float(*rest)[3] = (const float(*)[3])part->skin->rest;
    float at[3], weight[3] = {1, 0, 0}, root[3], axis[3][3], points[LASH_POINTS][3];
    curve_at(rest, upper ? lid_upper[side] : lid_lower[side], 9, 8 * place, at);
    const int t = patch_nearest(part, at, weight);
    triangle_frame(part->skin, t < 0 ? 0 : t, weight, root, axis);
    const float outer = stk_smoothstep(1.0f, 0.45f, place);
    const float length = longest * stk_mix(0.5f, 1, outer) *
                         stk_mix(0.75f, 1, stk_smoothstep(0, 0.2f, place)) *
                         (0.8f + 0.3f * stk_rng_float(rng));
    lash_shape(root, place, side, upper, length, rng, points);
    plant(lashes, i, part->skin, t < 0 ? 0 : t, weight, (const float(*)[3])points);
}

stk_status stk_lashes_make(stk_brows *lashes, const stk_bust *bust, const stk_look *look) {
    const stk_surface *skin = stk_bust_skin(bust);
    enum { EACH = LASH_UPPER + LASH_LOWER };
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)look->seed, 0x6c617368);
    STK_TRY(brows_init(lashes, "lashes", 2 * EACH, LASH_POINTS));
    float landmark[STK_LANDMARKS][3];
    stk_bust_landmarks(bust, landmark);
    lashes->pivoted = 1;
    for (int side = 0; side < 2; side++) { /* an eyeball's centre lies 11.5 mm behind its iris */
        const float *iris = landmark[side == 0 ? 468 : 473];
        const float back[3] = {0, 0, -0.0115f};
        stk_add3(iris, 1, back, lashes->pivot[side]);
    }
    const float longest = look->woman ? 0.0076f : 0.0062f;
    for (int side = 0; side < 2; side++) {
        const float *a = skin->rest[side == 0 ? 33 : 362], *b = skin->rest[side == 0 ? 133 : 263];
        const float low[3] = {a[0] - 0.006f, a[1] - 0.012f, 0.0f};
        const float high[3] = {b[0] + 0.006f, a[1] + 0.014f, 1};
        patch part;
        STK_TRY(patch_init(&part, skin, low, high));
        for (int i = 0; i < EACH; i++) {
            const int upper = i < LASH_UPPER, n = upper ? LASH_UPPER : LASH_LOWER;
            const float even =
                ((float)(upper ? i : i - LASH_UPPER) + stk_rng_float(&rng)) / (float)n;
            const int hair = side * EACH + i;
            lash_plant(lashes, hair, &part, side, upper, stk_mix(0.02f, upper ? 0.95f : 0.9f, even),
                       upper ? longest : 0.45f * longest, &rng);
            tone(look->brow_rgb, 0.35f, &rng, lashes->strands.rgb[hair]);
        }
        stk_free(part.triangle);
    }
    lashes->strands.width_m[0] = 0.00026f;
    lashes->strands.width_m[1] = 0.00006f;
    lashes->strands.opacity = 0.8f;
    lashes->strands.shine = 0;
    stk_brows_follow(lashes, skin);
    return STK_OK;
}
