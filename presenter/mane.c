/* mane.c - the hair of the head: a few thousand strands in locks.
 *
 *   roots (even, denser where one looks) -> each grown by the comb with small differences of its
 *   own; every root some 14 mm from the next guide belongs to that guide's lock and is drawn
 *   towards it from root to tip -> pushed out of the skull -> coloured by lock and by strand
 *
 * Fine hairs are single: strays over the outline of the head, and short soft ones along the hair
 * line, so that neither ends like an edge.
 */
#include <math.h>

#include "base/memory.h"
#include "presenter/hair_private.h"
#include "presenter/noise.h"

typedef struct mane_plan {
    int strands, points;
    float lock;  /* distance of guides, m */
    float clump; /* how much a tip is drawn to its guide */
    float width_m[2];
} mane_plan;

static const mane_plan plans[STK_HAIR_STYLES] = {
    [STK_HAIR_SHORT] = {5600, STK_HAIR_POINTS_SHORT, 0.011f, 0.45f, {0.00085f, 0.00035f}},
    [STK_HAIR_PARTED] = {5000, STK_HAIR_POINTS, 0.014f, 0.60f, {0.00090f, 0.00040f}},
    [STK_HAIR_BOB] = {4800, STK_HAIR_POINTS_LONG, 0.013f, 0.60f, {0.00075f, 0.00048f}},
};

static float density_mane(const stk_root *root, const void *context) {
    const stk_comb *comb = context;
    const float *p = root->position;
    const float back = (p[2] - comb->scalp->centre[2]) / comb->scalp->half;
    const float least = comb->style == STK_HAIR_BOB ? 0.45f : 0.4f;
    const float parting = fabsf(p[0] - comb->part) / 0.010f;
    float seen = stk_mix(least, 0.72f, stk_smoothstep(-0.7f, 0.3f, back));
    if (comb->style != STK_HAIR_SHORT) seen += 0.28f * expf(-parting * parting);
    /* long hair from the very hair line would be seen to cross the forehead: soft hair's place */
    const int bare = comb->style == STK_HAIR_BOB && p[2] > comb->scalp->ear_z;
    return seen * stk_smoothstep(bare ? 0.32f : 0.12f, bare ? 0.72f : 0.6f, root->growth);
}

/* Differences shared by a lock (from smooth noise over the scalp) and of the strand alone. */
static void curl_draw(const stk_comb *comb, const stk_root *root, stk_rng *rng, stk_curl *curl) {
    const float *p = root->position;
    const float f = 70; /* 1/m: locks of some 14 mm */
    const float shared[3] = {stk_noise3(f * p[0], f * p[1], f * p[2], comb->seed + 1),
                             stk_noise3(f * p[0], f * p[1], f * p[2], comb->seed + 2),
                             stk_noise3(f * p[0], f * p[1], f * p[2], comb->seed + 3)};
    const float slow = stk_noise3(25 * p[0], 25 * p[1], 25 * p[2], comb->seed + 4);
    curl->length = 1 + 0.16f * shared[0] + 0.10f * stk_rng_normal(rng);
    curl->length = stk_clampf(curl->length, 0.5f, 1.5f);
    curl->lift = 0.14f * shared[1] + 0.10f * stk_rng_normal(rng);
    curl->turn = 0.22f * shared[2] + 0.12f * slow + 0.09f * stk_rng_normal(rng);
    curl->layer = 0.0016f * shared[1] + 0.0030f * (stk_rng_float(rng) - 0.6f);
    curl->phase = 3.0f * slow + 1.2f * shared[0] + 0.3f * stk_rng_normal(rng);
    curl->stray = 0.0007f * stk_rng_normal(rng);
}

/* Guides: roots no two of which are nearer than a lock. guide_of[i]: nearest guide of root i. */
static void assign_guides(const stk_root *roots, int count, float lock, int32_t *guides,
                          int32_t *guide_of) {
    int n = 0;
    for (int i = 0; i < count; i++) {
        float best = 1e9f;
        int nearest = -1;
        for (int g = 0; g < n; g++) {
            float d[3];
            stk_sub3(roots[guides[g]].position, roots[i].position, d);
            const float far = stk_dot3(d, d);
            if (far < best) best = far, nearest = guides[g];
        }
        if (best > lock * lock) guides[n++] = i, nearest = i;
        guide_of[i] = nearest;
    }
}

/* Draws a strand towards its guide unless their ways part (parting, whorl). */
static void clump(const float (*guide)[3], float (*own)[3], int points, float strength) {
    float at_root[3], at_tip[3];
    stk_sub3(own[0], guide[0], at_root);
    stk_sub3(own[points - 1], guide[points - 1], at_tip);
    const float near = sqrtf(stk_dot3(at_root, at_root)), far = sqrtf(stk_dot3(at_tip, at_tip));
    const float agree = stk_smoothstep(near + 0.035f, near + 0.012f, far);
    for (int k = 1; k < points; k++) {
        const float s = (float)k / (float)(points - 1);
        stk_mix3(own[k], guide[k], agree * strength * s * sqrtf(s), own[k]);
    }
}

/* Winds a strand round its own way: a turn every three points, 1.7 mm wide when tight. */
static void coil(const stk_comb *comb, float (*points)[3], int count, stk_rng *rng) {
    float along[3], a[3], b[3];
    const float start = 6.2831853f * stk_rng_float(rng), way = stk_rng_float(rng) < 0.5f ? -1 : 1;
    stk_sub3(points[count - 1], points[0], along);
    stk_unit3(along);
    const float any[3] = {along[1], along[2], along[0]};
    stk_cross3(along, any, a);
    stk_unit3(a);
    stk_cross3(along, a, b);
    for (int k = 1; k < count; k++) {
        const float angle = start + way * 2.1f * (float)k;
        const float wide = comb->coil * 0.0017f * (0.7f + 0.6f * stk_rng_float(rng));
        stk_add3(points[k], wide * cosf(angle), a, points[k]);
        stk_add3(points[k], wide * sinf(angle), b, points[k]);
    }
}

/* Above the brows hair lies no farther in the face than it grows: combed across the forehead it
 * keeps the distance of its root from the middle of the face, and its height over the skin. */
static void keep_to_line(const stk_comb *comb, float root_oval, float point[3]) {
    const stk_scalp *scalp = comb->scalp;
    const float upper = stk_smoothstep(scalp->brow_y - 0.012f, scalp->brow_y + 0.025f, point[1]);
    const float share = stk_mix(0.92f, fminf(root_oval, 1.25f), upper);
    if (point[2] < scalp->centre[2] || stk_scalp_oval(scalp, point) >= share) return;
    float d[3];
    stk_sub3(point, scalp->centre, d);
    const float above = sqrtf(stk_dot3(d, d)) - stk_scalp_radius(scalp, d);
    stk_scalp_clear_face(scalp, share, point);
    stk_sub3(point, scalp->centre, d);
    const float length = sqrtf(stk_dot3(d, d));
    stk_add3(scalp->centre, (stk_scalp_radius(scalp, d) + above) / length, d, point);
}

/* Bends the tip aside by `stray`, keeps all but the root outside the skin. */
static void finish(const stk_comb *comb, float (*points)[3], int count, float stray, stk_rng *rng) {
    float aside[3];
    if (comb->coil > 0) coil(comb, points, count, rng);
    for (int k = 0; k < 3; k++) aside[k] = stray * stk_rng_normal(rng);
    const float root_oval = stk_scalp_oval(comb->scalp, points[0]);
    for (int k = 1; k < count; k++) {
        const float s = (float)k / (float)(count - 1);
        stk_add3(points[k], s * s, aside, points[k]);
        stk_scalp_push_out(comb->scalp, 0.0008f, points[k]);
        if (comb->style == STK_HAIR_BOB) {
            stk_scalp_clear_neck(comb->scalp, 0.0015f, points[k]);
            keep_to_line(comb, root_oval, points[k]);
        } else if (points[k][1] < comb->scalp->brow_y + 0.03f) {
            stk_scalp_clear_face(comb->scalp, 0.98f, points[k]);
        }
    }
}

/* Long hair that comes near the shoulders goes with the torso in part. */
static void bind_strand(const stk_comb *comb, stk_strands *strands, int strand) {
    for (int k = 0; k < strands->points; k++) {
        const size_t i = (size_t)strand * (size_t)strands->points + (size_t)k;
        const float chin = comb->scalp->chin_y;
        strands->bind[i] =
            1 - 0.35f * stk_smoothstep(chin + 0.01f, chin - 0.06f, strands->rest[i][1]);
    }
}

static void colour_strand(const stk_look *look, float lock, stk_rng *rng, float rgb[3]) {
    float tone = 1 + 0.35f * lock + 0.22f * stk_rng_normal(rng);
    if (stk_rng_float(rng) < 0.10f) tone *= 1.6f;
    tone = stk_clampf(tone, 0.40f, 2.4f);
    tone = stk_mix(tone, 1, stk_clampf(look->hair_rgb[1], 0, 0.5f)); /* fair hair varies less */
    const float warm = 0.06f * stk_rng_normal(rng);
    rgb[0] = look->hair_rgb[0] * tone * (1 + warm);
    rgb[1] = look->hair_rgb[1] * tone;
    rgb[2] = look->hair_rgb[2] * tone * (1 - warm);
    for (int k = 0; k < 3; k++) rgb[k] = stk_clampf(rgb[k], 0.002f, 0.9f);
}

static void grow_all(stk_strands *mane, const stk_comb *comb, const stk_root *roots,
                     stk_curl *curls, stk_rng *rng) {
    for (int i = 0; i < mane->count; i++) {
        curl_draw(comb, &roots[i], rng, &curls[i]);
        stk_comb_grow(comb, &roots[i], &curls[i], mane->points,
                      mane->rest + (ptrdiff_t)i * mane->points);
    }
}

/* guides: [2 count] scratch. Clumps against a copy of the grown strands, so order does not count */
static void dress(stk_strands *mane, const stk_comb *comb, const stk_look *look,
                  const stk_root *roots, const stk_curl *curls, int32_t *guides,
                  const float (*grown)[3], stk_rng *rng) {
    const mane_plan *plan = &plans[comb->style];
    const int32_t *guide_of = guides + mane->count;
    for (int i = 0; i < mane->count; i++) {
        float(*own)[3] = mane->rest + (ptrdiff_t)i * mane->points;
        const int guide = guide_of[i];
        clump(grown + (ptrdiff_t)guide * mane->points, own, mane->points,
              plan->clump * (0.7f + 0.6f * stk_rng_float(rng)));
        finish(comb, own, mane->points, fabsf(curls[i].stray), rng);
        bind_strand(comb, mane, i);
        const float *p = roots[guide].position;
        colour_strand(look, stk_noise3(160 * p[0], 160 * p[1], 160 * p[2], comb->seed + 9), rng,
                      mane->rgb[i]);
    }
}

static stk_status mane_fill(stk_strands *mane, const stk_comb *comb, const stk_look *look,
                            const stk_root *roots, int count, stk_rng *rng) {
    const mane_plan *plan = &plans[comb->style];
    STK_TRY(stk_strands_init(mane, "hair", count, plan->points));
    const size_t floats = (size_t)count * (size_t)plan->points * 3;
    stk_curl *curls = stk_calloc_aligned((size_t)count, sizeof *curls);
    int32_t *guides = stk_calloc_aligned((size_t)count * 2, sizeof *guides);
    float(*grown)[3] = stk_calloc_aligned(floats, sizeof(float));
    const int have = curls && guides && grown;
    if (have) {
        grow_all(mane, comb, roots, curls, rng);
        for (size_t i = 0; i < floats / 3; i++)
            for (int k = 0; k < 3; k++) grown[i][k] = mane->rest[i][k];
        assign_guides(roots, count, plan->lock, guides, guides + count);
        dress(mane, comb, look, roots, curls, guides, (const float(*)[3])grown, rng);
    }
    stk_free(grown);
    stk_free(guides);
    stk_free(curls);
    return have ? STK_OK : stk_fail_memory("the hair");
}

stk_status stk_mane_make(stk_strands *mane, const stk_comb *comb, const stk_look *look) {
    const mane_plan *plan = &plans[comb->style];
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)look->seed, 0x6d616e65);
    stk_root *roots = stk_calloc_aligned((size_t)plan->strands, sizeof *roots);
    if (!roots) return stk_fail_memory("the roots of the hair");
    int count = 0;
    stk_status status =
        stk_scalp_roots(comb->scalp, density_mane, comb, &rng, plan->strands, roots, &count);
    if (status == STK_OK) status = mane_fill(mane, comb, look, roots, count, &rng);
    stk_free(roots);
    mane->width_m[0] = plan->width_m[0];
    mane->width_m[1] = plan->width_m[1];
    mane->opacity = 0.75f;
    mane->shine = comb->style == STK_HAIR_SHORT ? 0.45f * (1 - 0.5f * comb->coil) : 0.65f;
    mane->part = STK_PART_HAIR;
    return status;
}

/* ---- fine hair ------------------------------------------------------------------------------ */

enum { STRAYS = 320, SOFT = 520, FINE_POINTS = 9 };

static float density_strays(const stk_root *root, const void *context) {
    const stk_comb *comb = context;
    const float up = (root->position[1] - comb->scalp->centre[1]) / comb->scalp->half;
    return stk_smoothstep(0.7f, 1.0f, root->growth) * stk_mix(0.3f, 1, stk_smoothstep(0, 0.6f, up));
}

static float density_soft(const stk_root *root, const void *context) {
    const stk_comb *comb = context;
    const float front = root->position[2] - comb->scalp->ear_z;
    const float line =
        stk_smoothstep(0.02f, 0.15f, root->growth) * stk_smoothstep(0.75f, 0.45f, root->growth);
    return line * (front > 0 ? 1.0f : 0.4f);
}

/* Strays follow their neighbours and leave them towards the tip; soft hairs are short. */
static void fine_strand(stk_strands *fine, int i, const stk_comb *comb, const stk_look *look,
                        const stk_root *root, int stray, stk_rng *rng) {
    stk_curl curl;
    curl_draw(comb, root, rng, &curl);
    float(*points)[3] = fine->rest + (ptrdiff_t)i * fine->points;
    if (stray) {
        /* Long hair sheds them at any length, else they would draw its outline once more. */
        if (comb->style == STK_HAIR_BOB) curl.length *= stk_mix(0.10f, 0.75f, stk_rng_float(rng));
        curl.lift += 0.10f + 0.25f * stk_rng_float(rng);
        curl.turn += 0.35f * stk_rng_normal(rng);
        curl.layer += stk_mix(-0.004f, 0.006f, stk_rng_float(rng));
        curl.stray = 0.0055f;
    } else {
        curl.length *= comb->style == STK_HAIR_BOB      ? 0.06f
                       : comb->style == STK_HAIR_PARTED ? 0.5f
                                                        : 0.8f;
        curl.length *= 0.6f + 0.6f * stk_rng_float(rng);
        curl.layer -= 0.004f;
        curl.turn += 0.25f * stk_rng_normal(rng);
        curl.stray = 0.0012f;
    }
    stk_comb_grow(comb, root, &curl, fine->points, points);
    finish(comb, points, fine->points, curl.stray, rng);
    bind_strand(comb, fine, i);
    colour_strand(look, 0.3f, rng, fine->rgb[i]);
}

stk_status stk_mane_make_fine(stk_strands *fine, const stk_comb *comb, const stk_look *look) {
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)look->seed, 0x66696e65);
    stk_root *roots = stk_calloc_aligned(STRAYS + SOFT, sizeof *roots);
    if (!roots) return stk_fail_memory("the fine hair");
    int strays = 0, soft = 0;
    stk_status status =
        stk_scalp_roots(comb->scalp, density_strays, comb, &rng, STRAYS, roots, &strays);
    if (status == STK_OK)
        status =
            stk_scalp_roots(comb->scalp, density_soft, comb, &rng, SOFT, roots + strays, &soft);
    if (status == STK_OK) status = stk_strands_init(fine, "fine hair", strays + soft, FINE_POINTS);
    for (int i = 0; status == STK_OK && i < strays + soft; i++)
        fine_strand(fine, i, comb, look, &roots[i], i < strays, &rng);
    stk_free(roots);
    fine->width_m[0] = 0.00030f;
    fine->width_m[1] = 0.00012f;
    fine->opacity = 0.55f;
    fine->shine = 0.4f;
    fine->part = STK_PART_HAIR;
    return status;
}
