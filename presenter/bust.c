/* bust.c - see bust.h.
 *
 *   create   look -> control mesh -> subdivision weights -> skin, strips, eyes, mouth, ears
 *   express  shapes -> moved control mesh -> fine skin -> off the eyeballs -> strips -> eyes, mouth
 *
 * One thread; express allocates nothing.
 */
#include "presenter/bust_private.h"

#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "presenter/bust_math.h"

static const float GLOBE_RADIUS = 0.0123f;
static const float LID_THICKNESS = 0.0009f;   /* margin of the lid over the eyeball */
static const float SKIN_OVER_GLOBE = 0.0006f; /* no lid comes nearer */

static const int16_t eye_middle[2][2] = {{159, 145}, {386, 374}}; /* upper, lower lid */

static void eyeballs_place(const stk_control_mesh *mesh, stk_eye_globe globe[2]) {
    for (int e = 0; e < 2; e++) {
        const float *a = mesh->position[stk_lid_loop[e][0]],
                    *b = mesh->position[stk_lid_loop[e][8]];
        const float *upper = mesh->position[eye_middle[e][0]];
        const float *lower = mesh->position[eye_middle[e][1]];
        const float half = 0.5f * (upper[1] - lower[1]), reach = GLOBE_RADIUS + LID_THICKNESS;
        globe[e].radius = GLOBE_RADIUS;
        globe[e].centre[0] = 0.5f * (a[0] + b[0]);
        globe[e].centre[1] = 0.5f * (upper[1] + lower[1]);
        globe[e].centre[2] = 0.5f * (upper[2] + lower[2]) - sqrtf(reach * reach - half * half);
    }
}

static void materials_set(stk_bust *bust) {
    const stk_look *look = &bust->look;
    stk_material *m = bust->material;
    m[STK_BUST_SKIN] =
        (stk_material){.kind = STK_MATERIAL_SKIN, .specular = 0.028f, .roughness = 0.45f};
    memcpy(m[STK_BUST_SKIN].rgb, look->skin_rgb, sizeof look->skin_rgb);
    m[STK_BUST_EAR] = m[STK_BUST_SKIN];
    m[STK_BUST_EYE] = (stk_material){.kind = STK_MATERIAL_WET,
                                     .rgb = {0.72f, 0.68f, 0.65f},
                                     .specular = 0.03f,
                                     .roughness = 0.08f};
    m[STK_BUST_TEETH] = (stk_material){.kind = STK_MATERIAL_WET,
                                       .rgb = {0.66f, 0.60f, 0.49f},
                                       .specular = 0.04f,
                                       .roughness = 0.25f};
    m[STK_BUST_MOUTH] = (stk_material){.kind = STK_MATERIAL_WET,
                                       .rgb = {0.36f, 0.12f, 0.11f},
                                       .specular = 0.03f,
                                       .roughness = 0.3f};
}

/* Triangles between a border (or strip) and the strip further inside. */
static int strip_connect(stk_surface *s, int count, const int32_t *border, int loop, int first,
                         int strips, stk_part part) {
    for (int r = 0; r < strips; r++)
        for (int j = 0; j < loop; j++) {
            const int k = (j + 1) % loop, inner = first + r * loop;
            const int a = r ? inner - loop + j : border[j], b = r ? inner - loop + k : border[k];
            const int32_t two[2][3] = {{b, a, inner + j}, {b, inner + j, inner + k}};
            memcpy(s->triangle[count], two, sizeof two);
            s->part[count] = s->part[count + 1] = (uint8_t)part;
            count += 2;
        }
    return count;
}

/* uv of strips: `share` of the way to the opposite side of the opening each (below 1/2 in all). */
static void strip_texture(stk_surface *s, const int32_t *border, int loop, int first, int strips,
                          float share) {
    for (int r = 0; r < strips; r++)
        for (int j = 0; j < loop; j++)
            for (int k = 0; k < 2; k++)
                s->uv[first + r * loop + j][k] =
                    bust_mix(s->uv[border[j]][k], s->uv[border[(loop - j) % loop]][k],
                             share * (float)(r + 1));
}

static int strip_first(const stk_bust *bust, int which) { /* 0, 1: lids; 2: lips */
    return bust->sub.vertices + which * STK_LID_FINE * STK_LID_STRIPS;
}

static stk_status skin_connect(stk_bust *bust) {
    stk_subdivision *sub = &bust->sub;
    stk_surface *s = &bust->skin;
    STK_TRY(stk_surface_init(s, "skin", sub->vertices + STK_STRIP_VERTICES,
                             sub->triangles + STK_STRIP_TRIANGLES));
    const int32_t(*fine)[3] = (const int32_t(*)[3])sub->triangle;
    memcpy(s->triangle, sub->triangle, (size_t)sub->triangles * sizeof *s->triangle);
    stk_subdivision_apply(sub, bust->mesh.uv[0], 2, s->uv[0]);
    int count = sub->triangles;
    for (int e = 0; e < 2; e++) {
        if (stk_mesh_border(fine, sub->triangles, sub->vertices, stk_lid_loop[e][0], bust->lid[e],
                            STK_LID_FINE) != STK_LID_FINE)
            return stk_fail(STK_ERR_ARGUMENT, "bust: unexpected border of the lids");
        const int first = strip_first(bust, e);
        count = strip_connect(s, count, bust->lid[e], STK_LID_FINE, first, STK_LID_STRIPS,
                              STK_PART_FACE);
        strip_texture(s, bust->lid[e], STK_LID_FINE, first, STK_LID_STRIPS, 0.11f);
    }
    if (stk_mesh_border(fine, sub->triangles, sub->vertices, stk_lip_loop[0], bust->lip,
                        STK_LIP_FINE) != STK_LIP_FINE)
        return stk_fail(STK_ERR_ARGUMENT, "bust: unexpected border of the lips");
    strip_connect(s, count, bust->lip, STK_LIP_FINE, strip_first(bust, 2), STK_LIP_STRIPS,
                  STK_PART_FACE);
    strip_texture(s, bust->lip, STK_LIP_FINE, strip_first(bust, 2), STK_LIP_STRIPS, 0.11f);
    s->material = &bust->material[STK_BUST_SKIN];
    return STK_OK;
}

/* bind, scalp and part of the fine vertices from their places on the average head. */
static stk_status skin_regions(stk_bust *bust) {
    const int fine = bust->sub.vertices;
    stk_surface *s = &bust->skin;
    float *ring = stk_calloc_aligned((size_t)fine, sizeof *ring);
    if (!ring) return stk_fail_memory("bust");
    stk_subdivision_apply(&bust->sub, bust->mesh.average[0], 3, bust->average[0]);
    stk_subdivision_apply(&bust->sub, bust->mesh.ring, 1, ring);
    const float recess = bust->look.woman ? 0.0f : 4 + 3 * bust->look.shape[12];
    for (int v = 0; v < fine; v++) {
        s->bind[v] = stk_bust_bind_at(bust->average[v]);
        bust->scalp[v] = stk_bust_scalp_at(bust->average[v], bust->look.woman, recess);
    }
    for (int t = 0; t < bust->sub.triangles; t++) {
        float middle[3] = {0, 0, 0}, scalp = 0, far = 99;
        for (int i = 0; i < 3; i++) {
            const int v = s->triangle[t][i];
            for (int k = 0; k < 3; k++) middle[k] += bust->average[v][k] / 3;
            scalp += bust->scalp[v] / 3;
            far = fminf(far, ring[v]);
        }
        s->part[t] = (uint8_t)stk_bust_part_at(middle, scalp, far);
    }
    stk_free(ring);
    return STK_OK;
}

static stk_status near_eyes_find(stk_bust *bust) {
    const float reach = 0.019f;
    for (int e = 0; e < 2; e++) {
        bust->near_eye[e] = stk_calloc_aligned((size_t)bust->sub.vertices, sizeof(int32_t));
        if (!bust->near_eye[e]) return stk_fail_memory("bust");
        for (int v = 0; v < bust->sub.vertices; v++) {
            float d[3];
            bust_sub(bust->neutral[v], bust->eyes.globe[e].centre, d);
            if (d[2] > -0.006f && bust_dot(d, d) < reach * reach)
                bust->near_eye[e][bust->near_eye_count[e]++] = v;
        }
    }
    return STK_OK;
}

/* Skin near the eyes is kept outside of the eyeballs: radially, with a soft limit. */
static void off_the_eyeballs(stk_bust *bust) {
    const float soft = 0.0003f;
    for (int e = 0; e < 2; e++)
        for (int i = 0; i < bust->near_eye_count[e]; i++) {
            float *p = bust->skin.rest[bust->near_eye[e][i]], d[3];
            const float *c = bust->eyes.globe[e].centre;
            bust_sub(p, c, d);
            const float length = bust_normalise(d);
            const float over = length - stk_eyes_radius(&bust->eyes, e, d) - SKIN_OVER_GLOBE;
            const float lift = 0.5f * (sqrtf(over * over + soft * soft) - over);
            for (int k = 0; k < 3; k++) p[k] += lift * d[k];
        }
}

/* From the lid's border: half way to the eyeball, on the eyeball, on it but behind the lid. */
static void lids_turn_in(stk_bust *bust, int e) {
    stk_surface *s = &bust->skin;
    const stk_eye_globe *g = &bust->eyes.globe[e];
    const int first = strip_first(bust, e);
    const float *a = s->rest[bust->lid[e][0]], *b = s->rest[bust->lid[e][STK_LID_FINE / 2]];
    float axis[3];
    for (int k = 0; k < 3; k++) axis[k] = 0.5f * (a[k] + b[k]) - g->centre[k];
    bust_normalise(axis);
    for (int j = 0; j < STK_LID_FINE; j++) {
        const float *p = s->rest[bust->lid[e][j]];
        float d[3], aside[3];
        bust_sub(p, g->centre, d);
        bust_normalise(d);
        const float radius = stk_eyes_radius(&bust->eyes, e, d) + 0.00015f;
        const float along = bust_dot(d, axis);
        for (int k = 0; k < 3; k++) aside[k] = d[k] - along * axis[k];
        bust_normalise(aside);
        float *half = s->rest[first + j], *on = s->rest[first + STK_LID_FINE + j];
        float *behind = s->rest[first + 2 * STK_LID_FINE + j];
        for (int k = 0; k < 3; k++) {
            on[k] = g->centre[k] + radius * d[k];
            half[k] = 0.5f * (p[k] + on[k]);
            behind[k] = d[k] + 0.2f * aside[k];
        }
        bust_normalise(behind);
        for (int k = 0; k < 3; k++) behind[k] = g->centre[k] + (radius - 0.0002f) * behind[k];
        s->shade[first + j] = 0.85f, s->shade[first + STK_LID_FINE + j] = 0.6f;
        s->shade[first + 2 * STK_LID_FINE + j] = 0.3f;
    }
}

/* The lips' inner side: back to the teeth, then up (down) in front of them. */
static void lips_turn_in(stk_bust *bust) {
    static const float back[STK_LIP_STRIPS] = {1.5f, 3.4f, 4.8f, 5.4f};
    static const float away[STK_LIP_STRIPS] = {0.15f, 1.1f, 3.6f, 7.0f};
    static const float light[STK_LIP_STRIPS] = {0.8f, 0.55f, 0.35f, 0.2f};
    stk_surface *s = &bust->skin;
    const int first = strip_first(bust, 2);
    const float *upper = s->rest[bust->lip[STK_LIP_FINE / 4]];
    const float *lower = s->rest[bust->lip[3 * STK_LIP_FINE / 4]];
    const float open = bust_step(0, 0.006f, upper[1] - lower[1]);
    for (int j = 0; j < STK_LIP_FINE; j++) {
        const float turn = 6.2831853f * (float)j / STK_LIP_FINE;
        const float out[2] = {-cosf(turn), sinf(turn)};
        const float *p = s->rest[bust->lip[j]];
        for (int r = 0; r < STK_LIP_STRIPS; r++) {
            float *q = s->rest[first + r * STK_LIP_FINE + j];
            for (int k = 0; k < 2; k++) q[k] = p[k] + 1e-3f * away[r] * out[k];
            q[2] = p[2] - 1e-3f * back[r];
            s->shade[first + r * STK_LIP_FINE + j] = light[r] * bust_mix(0.5f, 1, open);
        }
        s->shade[bust->lip[j]] = bust_mix(0.55f, 0.92f, open * out[1] * out[1]);
    }
}

static void mouth_set(stk_bust *bust, const stk_face_state *state) {
    const int last = strip_first(bust, 2) + (STK_LIP_STRIPS - 1) * STK_LIP_FINE;
    float border[STK_LIP_FINE][3];
    for (int j = 0; j < STK_LIP_FINE; j++)
        memcpy(border[j], bust->skin.rest[bust->lip[j]], sizeof *border);
    stk_pose jaw;
    stk_express_jaw(bust->express, state, &jaw);
    stk_mouth_inside_set(&bust->mouth, &jaw, state->shapes[STK_BLENDSHAPES - 1],
                         (const float(*)[3])border, (const float(*)[3])(bust->skin.rest + last));
}

void stk_bust_express(stk_bust *bust, const stk_face_state *state) {
    stk_express_apply(bust->express, state, bust->control);
    stk_subdivision_apply(&bust->sub, bust->control[0], 3, bust->skin.rest[0]);
    stk_eyes_turn(&bust->eyes, state);
    off_the_eyeballs(bust);
    for (int e = 0; e < 2; e++) lids_turn_in(bust, e);
    lips_turn_in(bust);
    stk_eyes_set(&bust->eyes, (const float(*)[3])bust->skin.rest,
                 (const int32_t(*)[STK_LID_FINE])bust->lid);
    mouth_set(bust, state);
}

static stk_status arrays_make(stk_bust *bust) {
    const size_t vertices = (size_t)bust->skin.vertices;
    bust->control = stk_calloc_aligned(STK_CONTROL_VERTICES, sizeof *bust->control);
    bust->neutral = stk_calloc_aligned(vertices, sizeof *bust->neutral);
    bust->average = stk_calloc_aligned(vertices, sizeof *bust->average);
    bust->scalp = stk_calloc_aligned(vertices, sizeof *bust->scalp);
    if (!bust->control || !bust->neutral || !bust->average || !bust->scalp)
        return stk_fail_memory("bust");
    return STK_OK;
}

/* Things that sit in or on the skin of the neutral face. */
static stk_status organs_make(stk_bust *bust) {
    stk_eye_globe globe[2];
    eyeballs_place(&bust->mesh, globe);
    float share[STK_CONTROL_VERTICES]; /* the face moves the throat, not the neck's lower half */
    for (int v = 0; v < STK_CONTROL_VERTICES; v++) share[v] = bust_step(10, 2, bust->mesh.ring[v]);
    STK_TRY(stk_express_create(&bust->express, (const float(*)[3])bust->mesh.position, share,
                               STK_CONTROL_VERTICES, globe));
    STK_TRY(stk_eyes_init(&bust->eyes, globe, &bust->material[STK_BUST_EYE]));
    stk_subdivision_apply(&bust->sub, bust->mesh.position[0], 3, bust->neutral[0]);
    STK_TRY(near_eyes_find(bust));
    float border[STK_LIP_FINE][3], roots[2][3];
    for (int j = 0; j < STK_LIP_FINE; j++)
        memcpy(border[j], bust->neutral[bust->lip[j]], sizeof *border);
    STK_TRY(stk_mouth_inside_init(&bust->mouth, (const float(*)[3])border,
                                  &bust->material[STK_BUST_TEETH],
                                  &bust->material[STK_BUST_MOUTH]));
    memcpy(roots[0], bust->neutral[234], sizeof *roots);
    memcpy(roots[1], bust->neutral[454], sizeof *roots);
    const float size = 1 + 0.04f * bust->look.shape[13] - (bust->look.woman ? 0.05f : 0.0f);
    return stk_ears_init(&bust->ears, (const float(*)[3])roots, size,
                         &bust->material[STK_BUST_EAR]);
}

/* Subdivision rounds what it meets. The face's control vertices are moved so that the fine surface
 * passes through where they were: p += share (wanted - S p), S p the fine vertex of that number.
 */
static stk_status face_sharpen(stk_bust *bust) {
    enum { ROUNDS = 4 };
    const float share = 0.7f;
    float(*fine)[3] = stk_calloc_aligned((size_t)bust->sub.vertices, sizeof *fine);
    float(*wanted)[3] = stk_calloc_aligned(STK_MESH_LANDMARKS, sizeof *wanted);
    float(*p)[3] = bust->mesh.position;
    if (fine && wanted) {
        memcpy(wanted, p, STK_MESH_LANDMARKS * sizeof *wanted);
        for (int round = 0; round < ROUNDS; round++) {
            stk_subdivision_apply(&bust->sub, p[0], 3, fine[0]);
            for (int v = 0; v < STK_MESH_LANDMARKS; v++)
                for (int k = 0; k < 3; k++) p[v][k] += share * (wanted[v][k] - fine[v][k]);
        }
    }
    const int ok = fine && wanted;
    stk_free(fine);
    stk_free(wanted);
    return ok ? STK_OK : stk_fail_memory("bust");
}

static stk_status bust_make(stk_bust *bust) {
    STK_TRY(stk_control_mesh_build(&bust->mesh, bust->look.shape, 1, bust->look.seed));
    STK_TRY(stk_subdivision_init(&bust->sub, (const int32_t(*)[3])bust->mesh.triangle,
                                 STK_CONTROL_TRIANGLES, STK_CONTROL_VERTICES, bust->mesh.corner,
                                 2));
    STK_TRY(face_sharpen(bust));
    materials_set(bust);
    STK_TRY(skin_connect(bust));
    STK_TRY(arrays_make(bust));
    STK_TRY(skin_regions(bust));
    STK_TRY(organs_make(bust));
    const stk_face_state rest = {{0}};
    stk_bust_express(bust, &rest);
    memcpy(bust->neutral, bust->skin.rest, (size_t)bust->skin.vertices * sizeof *bust->neutral);
    return stk_bust_plug_make(bust);
}

stk_status stk_bust_create(stk_bust **out, const stk_look *look) {
    stk_bust *bust = stk_calloc_aligned(1, sizeof *bust);
    *out = bust;
    if (!bust) return stk_fail_memory("bust");
    bust->look = *look;
    const stk_status status = bust_make(bust);
    if (status != STK_OK) stk_bust_free(out);
    return status;
}

void stk_bust_free(stk_bust **bust) {
    stk_bust *b = *bust;
    if (!b) return;
    for (int m = 0; m < STK_BUST_MATERIALS; m++) {
        stk_image_clear(&b->material[m].texture.colour);
        stk_image_clear(&b->material[m].texture.detail);
    }
    stk_express_free(&b->express);
    stk_subdivision_clear(&b->sub);
    stk_surface_clear(&b->skin);
    stk_surface_clear(&b->plug);
    stk_eyes_clear(&b->eyes);
    stk_mouth_inside_clear(&b->mouth);
    stk_ears_clear(&b->ears);
    stk_free(b->control);
    stk_free(b->neutral);
    stk_free(b->average);
    stk_free(b->beheaded);
    stk_free(b->scalp);
    for (int e = 0; e < 2; e++) stk_free(b->near_eye[e]);
    stk_free(b);
    *bust = NULL;
}

stk_material *stk_bust_material_get(stk_bust *bust, stk_bust_material which) {
    return &bust->material[which];
}

stk_status stk_bust_add(stk_bust *bust, stk_actor *actor) {
    STK_TRY(stk_actor_add_surface(actor, &bust->skin));
    STK_TRY(stk_actor_add_surface(actor, &bust->eyes.surface));
    STK_TRY(stk_actor_add_surface(actor, &bust->mouth.teeth));
    STK_TRY(stk_actor_add_surface(actor, &bust->mouth.flesh));
    STK_TRY(stk_actor_add_surface(actor, &bust->ears.surface));
    return stk_actor_add_surface(actor, &bust->plug);
}

void stk_bust_landmarks(const stk_bust *bust, float head[STK_LANDMARKS][3]) {
    memcpy(head, bust->skin.rest, STK_MESH_LANDMARKS * sizeof *head);
    for (int e = 0; e < 2; e++) stk_eyes_iris(&bust->eyes, e, head + STK_MESH_LANDMARKS + 5 * e);
}

const stk_surface *stk_bust_skin(const stk_bust *bust) {
    return &bust->skin;
}

const float (*stk_bust_neutral(const stk_bust *bust))[3] {
    return (const float(*)[3])bust->neutral;
}

const float *stk_bust_scalp(const stk_bust *bust) {
    return bust->scalp;
}

void stk_bust_mouth(const stk_bust *bust, float *opening_m, float *width_m) {
    float d[3], w[3];
    bust_sub(bust->skin.rest[13], bust->skin.rest[14], d);
    bust_sub(bust->skin.rest[308], bust->skin.rest[78], w);
    *opening_m = sqrtf(bust_dot(d, d));
    *width_m = sqrtf(bust_dot(w, w));
}
