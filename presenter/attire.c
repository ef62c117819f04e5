/* attire.c - the presenter's clothes: measured on the bust, cut, woven, breathing.
 *
 *   bust's neck -> dummy (attire_body.c) -> sheets (attire_cut.c) -> surfaces
 *   look -> cloth textures (attire_cloth.c)
 *
 * Cloth follows the torso bone, bare skin goes with the neck's. Breathing moves the front of the
 * chest forwards and up by a weight by place; rest = still + breath * weight.
 */
#include "presenter/attire.h"

#include <math.h>
#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "presenter/attire_private.h"
#include "presenter/bust_private.h"
#include "presenter/noise.h"

static const float BREATH = 0.003f; /* farthest way of a vertex, m */
enum { STK_ATTIRE_PLAIN_TEXELS = 8 };

struct stk_attire {
    int pieces;
    stk_surface surface[STK_GARMENT_PIECES];
    stk_material material[STK_GARMENT_PIECES];
    float (*still[STK_GARMENT_PIECES])[3];
};

/* Distance along a level ray from the neck's axis to the skin; 0 when there is none. */
static float skin_radius(const stk_surface *skin, const float from[3], const float way[2]) {
    float farthest = 0.0f;
    for (int t = 0; t < skin->triangles; t++) {
        if (skin->part[t] != STK_PART_NECK) continue;
        const float *a = skin->rest[skin->triangle[t][0]], *b = skin->rest[skin->triangle[t][1]];
        const float *c = skin->rest[skin->triangle[t][2]];
        const float high = fmaxf(a[1], fmaxf(b[1], c[1])), low = fminf(a[1], fminf(b[1], c[1]));
        if (from[1] > high || from[1] < low) continue;
        /* solve from + r (way0, 0, way1) = a + s (b - a) + q (c - a), Cramer */
        const float e[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
        const float f[3] = {c[0] - a[0], c[1] - a[1], c[2] - a[2]};
        const float d[3] = {from[0] - a[0], from[1] - a[1], from[2] - a[2]};
        const float n[3] = {e[1] * f[2] - e[2] * f[1], e[2] * f[0] - e[0] * f[2],
                            e[0] * f[1] - e[1] * f[0]};
        const float slope = way[0] * n[0] + way[1] * n[2];
        if (fabsf(slope) < 1e-12f) continue;
        const float r = -(d[0] * n[0] + d[1] * n[1] + d[2] * n[2]) / slope;
        const float at[3] = {d[0] + r * way[0], d[1], d[2] + r * way[1]};
        const float square = n[0] * n[0] + n[1] * n[1] + n[2] * n[2];
        const float s =
            ((at[1] * f[2] - at[2] * f[1]) * n[0] + (at[2] * f[0] - at[0] * f[2]) * n[1] +
             (at[0] * f[1] - at[1] * f[0]) * n[2]) /
            square;
        const float q =
            ((e[1] * at[2] - e[2] * at[1]) * n[0] + (e[2] * at[0] - e[0] * at[2]) * n[1] +
             (e[0] * at[1] - e[1] * at[0]) * n[2]) /
            square;
        if (s >= -1e-4f && q >= -1e-4f && s + q <= 1.0002f && r > farthest && r < 0.12f)
            farthest = r;
    }
    return farthest;
}

/* Width and depth of the neck where the collar closes (y -0.14 .. -0.12), and its skin on a curve
 * that is low in front and high behind. */
static void measure_neck(const stk_bust *bust, stk_neckline *neck) {
    const stk_surface *skin = stk_bust_skin(bust);
    *neck = (stk_neckline){0.0f, -1.0f, 1.0f, {{0}}};
    for (int t = 0; t < skin->triangles; t++) {
        if (skin->part[t] != STK_PART_NECK) continue;
        for (int k = 0; k < 3; k++) {
            const float *p = skin->rest[skin->triangle[t][k]];
            if (p[1] < -0.14f || p[1] > -0.12f) continue;
            neck->half_width = fmaxf(neck->half_width, fabsf(p[0]));
            neck->front_z = fmaxf(neck->front_z, p[2]);
            neck->back_z = fminf(neck->back_z, p[2]);
        }
    }
    if (neck->half_width <= 0.0f) {
        neck->half_width = 0.057f;
        neck->front_z = -0.014f, neck->back_z = -0.106f;
    }
    const float middle = 0.5f * (neck->front_z + neck->back_z);
    for (int c = 0; c < STK_NECK_COLUMNS; c++) {
        const float turn = 6.2831853f * (float)c / (float)STK_NECK_COLUMNS;
        const float way[2] = {sinf(turn), cosf(turn)};
        const float from[3] = {0.0f, -0.139f - (0.018f - 0.006f * way[1]) * way[1], middle};
        float radius = skin_radius(skin, from, way);
        if (radius <= 0.0f) {
            const float x = way[0] / neck->half_width, z = way[1] / (neck->front_z - middle);
            radius = 1.0f / sqrtf(x * x + z * z);
        }
        neck->join[c][0] = radius * way[0], neck->join[c][1] = from[1];
        neck->join[c][2] = middle + radius * way[1];
    }
}

/* Mean colour of the painted neck's front, or the look's where nothing is painted yet. */
static void measure_skin(const stk_bust *bust, const stk_look *look, float rgb[3]) {
    const stk_surface *skin = stk_bust_skin(bust);
    const stk_image *colour = skin->material ? &skin->material->texture.colour : NULL;
    double sum[3] = {0.0, 0.0, 0.0};
    int count = 0;
    for (int t = 0; t < skin->triangles && colour && colour->data; t++) {
        const int k = skin->triangle[t][0];
        const float *p = skin->rest[k];
        if (skin->part[t] != STK_PART_NECK || p[1] > -0.14f || p[2] < -0.05f) continue;
        const int x =
            stk_clampi((int)(skin->uv[k][0] * (float)colour->width), 0, colour->width - 1);
        const int y =
            stk_clampi((int)(skin->uv[k][1] * (float)colour->height), 0, colour->height - 1);
        const uint8_t *texel = stk_image_row(colour, y) + 4 * x;
        for (int c = 0; c < 3; c++)
            sum[c] += stk_linear_from_srgb((float)texel[c] / 255.0f) * skin->material->rgb[c];
        count++;
    }
    for (int c = 0; c < 3; c++) rgb[c] = count > 0 ? (float)(sum[c] / count) : look->skin_rgb[c];
}

static stk_status finish_piece(stk_attire *attire, const stk_garment *garment, int at, int side,
                               stk_pool *pool) {
    stk_surface *surface = &attire->surface[at];
    const stk_cloth cloth = garment->cloth[at];
    STK_TRY(stk_sheet_surface(&garment->sheet[at], garment->name[at], garment->part[at], surface));
    attire->pieces = at + 1;
    const size_t n = (size_t)surface->vertices;
    if (cloth == STK_CLOTH_BARE) { /* it lies on the neck's own skin and goes with it */
        surface->casts = 0;
        for (size_t k = 0; k < n; k++) surface->bind[k] = stk_bust_bind_at(surface->rest[k]);
    }
    attire->still[at] = stk_calloc_aligned(n, sizeof *attire->still[at]);
    if (!attire->still[at]) return stk_fail_memory("the attire");
    memcpy(attire->still[at], surface->rest, n * sizeof *surface->rest);
    for (int i = 0; i < at; i++) /* two pieces of one cloth share its picture */
        if (garment->cloth[i] == cloth &&
            !memcmp(garment->rgb[i], garment->rgb[at], sizeof garment->rgb[at])) {
            surface->material = attire->surface[i].material;
            return STK_OK;
        }
    surface->material = &attire->material[at];
    if (cloth == STK_CLOTH_PLAIN)
        side = STK_ATTIRE_PLAIN_TEXELS;
    else if (cloth == STK_CLOTH_RIB || cloth == STK_CLOTH_BARE)
        side /= 2;
    const int sleeved = cloth == STK_CLOTH_TWILL || cloth == STK_CLOTH_KNIT;
    const float seam = sleeved ? 0.176f * garment->dummy.broad : 0.0f;
    return stk_cloth_weave(&attire->material[at], cloth, garment->rgb[at], side, seam,
                           garment->dummy.seed + 100u * (uint32_t)cloth, pool);
}

stk_status stk_attire_create(stk_attire **attire, const stk_look *look, const stk_bust *bust,
                             int side, stk_pool *pool) {
    *attire = NULL;
    if (side < 8 || side > 1024) return stk_fail(STK_ERR_ARGUMENT, "cloth of %d texels", side);
    stk_garment garment = {
        .dummy = {.broad = look->woman ? 0.92f : 1.00f, .seed = 1000u + 7u * (uint32_t)look->seed}};
    measure_neck(bust, &garment.dummy.neck);
    measure_skin(bust, look, garment.bare_rgb);
    stk_attire *made = stk_calloc_aligned(1, sizeof *made);
    if (!made) return stk_fail_memory("the attire");
    stk_status status = stk_garment_cut(&garment, look);
    for (int i = 0; i < garment.pieces && status == STK_OK; i++)
        status = finish_piece(made, &garment, i, side, pool);
    stk_garment_clear(&garment);
    if (status != STK_OK) stk_attire_free(&made);
    *attire = made;
    return status;
}

void stk_attire_free(stk_attire **attire) {
    if (!attire || !*attire) return;
    stk_attire *a = *attire;
    for (int i = 0; i < STK_GARMENT_PIECES; i++) {
        stk_surface_clear(&a->surface[i]);
        stk_image_clear(&a->material[i].texture.colour);
        stk_image_clear(&a->material[i].texture.detail);
        stk_free(a->still[i]);
    }
    stk_free(a);
    *attire = NULL;
}

stk_status stk_attire_add(stk_attire *attire, stk_actor *actor) {
    for (int i = 0; i < attire->pieces; i++)
        STK_TRY(stk_actor_add_surface(actor, &attire->surface[i]));
    return STK_OK;
}

void stk_attire_breathe(stk_attire *attire, float phase) {
    const float breath = 0.5f * BREATH * (1.0f - cosf(6.2831853f * phase));
    for (int i = 0; i < attire->pieces; i++) {
        const float(*still)[3] = (const float(*)[3])attire->still[i];
        float(*rest)[3] = attire->surface[i].rest;
        for (int k = 0; k < attire->surface[i].vertices; k++) {
            const float low = stk_smoothstep(-0.14f, -0.32f, still[k][1]);
            const float front = stk_smoothstep(-0.10f, 0.0f, still[k][2]);
            rest[k][0] = still[k][0] + 0.25f * breath * low * stk_clampf(still[k][0] / 0.2f, -1, 1);
            rest[k][1] = still[k][1] + 0.45f * breath * low;
            rest[k][2] = still[k][2] + 0.80f * breath * low * front;
        }
    }
}
