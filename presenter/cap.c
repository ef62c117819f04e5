/* cap.c - the surface below the strands, so that no skin shines through the hair.
 *
 * The skin's hairy triangles, pushed out along smooth normals by the comb's height; the border goes
 * below the skin. Its texture is a table: u is how much grows at a vertex (ragged by noise: skin ..
 * shadow of stubble .. hair), v runs across the flow and gives streaks.
 */
#include <math.h>

#include "base/memory.h"
#include "presenter/hair_private.h"
#include "presenter/noise.h"

enum { CAP_WIDTH = 64, CAP_HEIGHT = 512 };
static const float cap_least = 0.02f; /* growth below which the cap has ended */

static int cap_counts(const stk_scalp *scalp, int32_t *place, int *triangles) {
    const stk_surface *skin = scalp->skin;
    int vertices = 0;
    *triangles = 0;
    for (int v = 0; v < skin->vertices; v++) place[v] = -1;
    for (int t = 0; t < skin->triangles; t++) {
        const int32_t *v = skin->triangle[t];
        const float *g = scalp->growth;
        if (fmaxf(g[v[0]], fmaxf(g[v[1]], g[v[2]])) < cap_least) continue;
        for (int k = 0; k < 3; k++)
            if (place[v[k]] < 0) place[v[k]] = vertices++;
        ++*triangles;
    }
    return vertices;
}

static void cap_vertex(stk_surface *cap, int v, const stk_comb *comb, int from) {
    const stk_scalp *scalp = comb->scalp;
    const float *p = scalp->skin->rest[from];
    const float growth = scalp->growth[from];
    const float ragged = stk_noise3(180 * p[0], 180 * p[1], 180 * p[2], comb->seed + 20);
    const float bump = stk_noise3(90 * p[0], 40 * p[1], 60 * p[2], comb->seed + 21);
    float height = stk_comb_cap(comb, p, growth);
    if (height > 0) height *= 1 + 0.18f * bump;
    stk_add3(p, height, scalp->normal[from], cap->rest[v]);
    cap->uv[v][0] = stk_clampf(growth + 0.15f * ragged, 0, 1);
    cap->uv[v][1] = stk_clampf(0.5f + (p[2] - scalp->centre[2] + 0.15f * p[1]) / 0.28f, 0, 1);
    cap->bind[v] = 1;
}

static stk_status cap_paint(stk_material *material, const stk_comb *comb, const stk_look *look) {
    stk_image *image = &material->texture.colour;
    image->width = CAP_WIDTH, image->height = CAP_HEIGHT, image->channels = 4;
    image->stride = 4 * CAP_WIDTH;
    image->data = stk_calloc_aligned(CAP_HEIGHT, 4 * CAP_WIDTH);
    if (!image->data) return stk_fail_memory("the texture of the hair's cap");
    /* from and up to which growth there is hair: long hair starts at once */
    const float full[2] = {comb->style == STK_HAIR_BOB ? 0.12f : 0.20f,
                           comb->style == STK_HAIR_BOB ? 0.62f : 0.85f};
    for (int y = 0; y < CAP_HEIGHT; y++) {
        uint8_t *row = stk_image_row(image, y);
        for (int x = 0; x < CAP_WIDTH; x++) {
            const float growth = (float)x / (CAP_WIDTH - 1);
            const float streak = stk_noise_fractal3((float)y * 0.25f, growth * 2, 0, 3, comb->seed);
            const float hairy = stk_smoothstep(full[0], full[1], growth + 0.12f * streak);
            for (int k = 0; k < 3; k++) {
                const float hair = look->hair_rgb[k] * 0.72f * (1 + 0.5f * streak);
                const float skin = look->skin_rgb[k] * 0.80f;
                const float srgb = stk_srgb_from_linear(stk_mix(skin, hair, hairy));
                row[4 * x + k] = (uint8_t)(stk_clampf(srgb, 0, 1) * 255 + 0.5f);
            }
            row[4 * x + 3] = 255;
        }
    }
    return STK_OK;
}

stk_status stk_cap_make(stk_surface *cap, stk_material *material, const stk_comb *comb,
                        const stk_look *look) {
    const stk_surface *skin = comb->scalp->skin;
    material->kind = STK_MATERIAL_HAIR;
    for (int k = 0; k < 3; k++) material->rgb[k] = 1;
    material->specular = 0.004f;
    material->roughness = 0.95f;
    STK_TRY(cap_paint(material, comb, look));
    int32_t *place = stk_calloc_aligned((size_t)skin->vertices, sizeof *place);
    if (!place) return stk_fail_memory("the hair's cap");
    int triangles;
    const int vertices = cap_counts(comb->scalp, place, &triangles);
    const stk_status status = stk_surface_init(cap, "hair cap", vertices, triangles);
    if (status == STK_OK) {
        for (int v = 0; v < skin->vertices; v++)
            if (place[v] >= 0) cap_vertex(cap, place[v], comb, v);
        for (int t = 0, n = 0; t < skin->triangles; t++) {
            const int32_t *v = skin->triangle[t];
            const float *g = comb->scalp->growth;
            if (fmaxf(g[v[0]], fmaxf(g[v[1]], g[v[2]])) < cap_least) continue;
            for (int k = 0; k < 3; k++) cap->triangle[n][k] = place[v[k]];
            cap->part[n++] = STK_PART_HAIR;
        }
        cap->material = material;
        cap->casts = 1;
    }
    stk_free(place);
    return status;
}
