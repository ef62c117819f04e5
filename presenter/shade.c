/* shade.c - the colour of what is nearest, once a pixel and surface, into its samples.
 *
 *   diffuse   albedo (fill + key K wrap_c(n.key)) cavity: fill from vertices; the wrap lets red
 *             light round the terminator of skin
 *   specular  GGX of key and rim light, skin with a second broad lobe, and what the surroundings
 *             mirror, by Schlick's fresnel
 *   tone      straight up to a knee, then a shoulder that ends at white
 *
 * The bumped normal leans by the texture's slopes in the triangle's own tangent frame.
 */
#include "presenter/canvas_private.h"

#include <math.h>
#include <string.h>

#define PI_F 3.14159265f

/* Film is exposed for faces: a little more than the studio's unit. */
static const float EXPOSURE = 1.2f;
/* Exposed values above the knee are bent; SHOULDER is mapped to white. */
static const float KNEE = 0.6f, SHOULDER = 2.4f;
/* How far each colour of light reaches beyond the terminator of skin. */
static const float SKIN_WRAP[3] = {0.30f, 0.14f, 0.09f};
static const float CLOTH_WRAP = 0.12f, OTHER_WRAP = 0.03f;
/* The key is a large softbox: a lobe can't be sharper than it. */
static const float KEY_SPREAD = 0.12f;
/* Samples of one surface and part within this share of their distance are one piece. */
static const float PIECE = 0.006f;

typedef struct spot {
    const stk_light *light;
    const stk_material *material;
    float normal[3], bumped[3], view[3];
    float fill[3], rgb[3];
    float key, rim, open, shade, roughness, cavity;
} spot;

static float dot3(const float a[3], const float b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void normalise(float v[3]) {
    const float scale = 1 / sqrtf(dot3(v, v) + 1e-20f);
    for (int i = 0; i < 3; i++) v[i] *= scale;
}

static float tone(float v) {
    const float white = (SHOULDER - KNEE) / (1 - KNEE), s = (v - KNEE) / (1 - KNEE);
    if (v <= KNEE) return v;
    return canvas_min(KNEE + (1 - KNEE) * s * (1 + s / (white * white)) / (1 + s), 1);
}

/* Half by channel, which pales bright colours as film does, half by the brightest channel, which
 * keeps their hue. */
void canvas_tone(const float in[3], float out[3]) {
    float light[3];
    for (int c = 0; c < 3; c++) light[c] = EXPOSURE * canvas_max(in[c], 0);
    const float most = canvas_max(light[0], canvas_max(light[1], light[2]));
    const float scale = most > KNEE ? tone(most) / most : 1;
    for (int c = 0; c < 3; c++) out[c] = 0.5f * (tone(light[c]) + light[c] * scale);
}

/* max(0, (x + w) / (1 + w)), rounded off at its foot, of the same sum over the sphere as a plain
 * cosine's within 10 %. */
static float wrapped(float x, float w) {
    const float t = (x + w) / (1 + w);
    if (t <= 0) return 0;
    return t * t / (t + 0.6f * w + 0.02f) * (1 - 0.25f * w);
}

/* GGX times visibility of Smith, Schlick's approximation; without fresnel. [Karis 2013] */
static float lobe(const spot *s, const float to_light[3], float roughness, float facing_view,
                  float *fresnel) {
    const float facing = dot3(s->bumped, to_light);
    if (facing <= 0) return 0;
    float half[3];
    for (int i = 0; i < 3; i++) half[i] = s->view[i] + to_light[i];
    normalise(half);
    const float a = roughness * roughness, a2 = a * a;
    const float nh = dot3(s->bumped, half), vh = dot3(s->view, half);
    const float d = nh * nh * (a2 - 1) + 1, k = 0.5f * a;
    const float away = 1 - canvas_max(vh, 0), away2 = away * away;
    *fresnel = s->material->specular + (1 - s->material->specular) * away2 * away2 * away;
    const float masking = (facing * (1 - k) + k) * (facing_view * (1 - k) + k);
    return a2 / (PI_F * d * d) / (4 * masking) * facing * PI_F;
}

/* Share of a window as large as the key light that is mirrored to the eye, soft at its border. */
static float window(const spot *s, float facing_view) {
    float mirrored[3], side[3], up[3];
    for (int i = 0; i < 3; i++) mirrored[i] = 2 * facing_view * s->bumped[i] - s->view[i];
    const float *key = s->light->key_dir;
    if (dot3(mirrored, key) <= 0) return 0;
    side[0] = key[2];
    side[1] = 0;
    side[2] = -key[0];
    normalise(side);
    up[0] = key[1] * side[2] - key[2] * side[1];
    up[1] = key[2] * side[0] - key[0] * side[2];
    up[2] = key[0] * side[1] - key[1] * side[0];
    const float x = fabsf(dot3(mirrored, side)), y = fabsf(dot3(mirrored, up));
    const float a = stk_clampf((0.26f - x) * 12, 0, 1), b = stk_clampf((0.34f - y) * 12, 0, 1);
    return a * b;
}

/* Radiance of the surroundings towards `d`, blurred as its harmonics are. */
static void surroundings(const stk_light *light, const float d[3], float rgb[3]) {
    for (int c = 0; c < 3; c++) {
        rgb[c] = light->harmonics[0][c] * 0.282095f +
                 0.6f * 0.488603f *
                     (light->harmonics[1][c] * d[1] + light->harmonics[2][c] * d[2] +
                      light->harmonics[3][c] * d[0]);
        rgb[c] = canvas_max(rgb[c], 0);
    }
}

static void add_specular(const spot *s, float out[3]) {
    const stk_light *light = s->light;
    const float f0 = s->material->specular;
    if (f0 <= 0 || s->material->kind == STK_MATERIAL_HAIR) return; /* strands shine */
    const float nv = canvas_max(dot3(s->bumped, s->view), 0.02f);
    const float wide = stk_clampf(s->roughness + KEY_SPREAD * (1 - s->roughness), 0.1f, 1);
    const float hidden = s->open * s->cavity;
    float f_key = 0, f_rim = 0, key, mirrored[3], around[3];
    if (s->material->kind == STK_MATERIAL_WET) {
        key = 6 * window(s, nv) + 0.3f * lobe(s, light->key_dir, wide, nv, &f_key);
        f_key = f0 + (1 - f0) * 0.05f;
    } else {
        key = lobe(s, light->key_dir, wide, nv, &f_key);
        if (s->material->kind == STK_MATERIAL_SKIN) {
            float unused;
            const float broad = canvas_min(wide * 1.7f, 1);
            key = 0.8f * key + 0.5f * lobe(s, light->key_dir, broad, nv, &unused);
        }
    }
    const float rim =
        s->rim > 0
            ? s->rim * s->cavity * lobe(s, light->rim_dir, canvas_min(wide + 0.1f, 1), nv, &f_rim)
            : 0;
    for (int i = 0; i < 3; i++) mirrored[i] = 2 * nv * s->bumped[i] - s->view[i];
    surroundings(light, mirrored, around);
    const float away = 1 - nv, away2 = away * away;
    /* Rough surfaces hide themselves at a glance: less than Schlick says. From below mostly the
     * body is mirrored, which is dark. */
    const float f_around = (f0 + 0.3f * (1 - s->roughness) * away2 * away2 * away) *
                           stk_clampf(0.6f + 0.7f * mirrored[1], 0.1f, 1);
    for (int c = 0; c < 3; c++)
        out[c] += light->key_rgb[c] * key * f_key * s->key * s->cavity +
                  light->rim_rgb[c] * rim * f_rim + around[c] * f_around * hidden * hidden;
}

static void shade_spot(const spot *s, float out[3]) {
    const stk_light *light = s->light;
    const int skin = s->material->kind == STK_MATERIAL_SKIN;
    const float other = s->material->kind == STK_MATERIAL_CLOTH ? CLOTH_WRAP : OTHER_WRAP;
    const float smooth = dot3(s->normal, light->key_dir), rough = dot3(s->bumped, light->key_dir);
    for (int c = 0; c < 3; c++) {
        const float wrap = skin ? SKIN_WRAP[c] : other;
        /* red light smooths pores and shadows' borders */
        const float blur = skin ? (c == 0 ? 0.5f : c == 1 ? 0.2f : 0.1f) : 0;
        const float facing = rough + blur * (smooth - rough);
        const float soft = skin ? (c == 0 ? 0.35f : 0.08f) : 0;
        const float seen = s->key + soft * s->key * (1 - s->key);
        const float light_c = s->fill[c] + light->key_rgb[c] * seen * wrapped(facing, wrap);
        out[c] = s->rgb[c] * light_c * (0.35f + 0.65f * s->cavity);
    }
    add_specular(s, out);
    for (int c = 0; c < 3; c++) out[c] *= s->shade;
}

/* Leans the normal by slopes along u and v in the plane of the triangle p with texture places t. */
static void bump(const float *const p[3], const float *const t[3], const float slope[2],
                 const float normal[3], float bumped[3]) {
    const float u1 = t[1][0] - t[0][0], v1 = t[1][1] - t[0][1];
    const float u2 = t[2][0] - t[0][0], v2 = t[2][1] - t[0][1];
    const float det = u1 * v2 - u2 * v1;
    memcpy(bumped, normal, 3 * sizeof *bumped);
    if (fabsf(det) < 1e-14f) return;
    const float sign = det > 0 ? 1 : -1;
    float along[3], down[3];
    for (int i = 0; i < 3; i++) {
        const float e1 = p[1][i] - p[0][i], e2 = p[2][i] - p[0][i];
        along[i] = sign * (v2 * e1 - v1 * e2);
        down[i] = sign * (u1 * e2 - u2 * e1);
    }
    normalise(along);
    normalise(down);
    for (int i = 0; i < 3; i++) bumped[i] -= slope[0] * along[i] + slope[1] * down[i];
    normalise(bumped);
}

/* log2 of texels a pixel, from the areas of the triangle in both. */
static float level_of(const canvas_texture *texture, const canvas_vertex *a, const canvas_vertex *b,
                      const canvas_vertex *c) {
    const float screen = fabsf((b->x - a->x) * (c->y - a->y) - (b->y - a->y) * (c->x - a->x));
    const float texels = fabsf((b->uv[0] - a->uv[0]) * (c->uv[1] - a->uv[1]) -
                               (b->uv[1] - a->uv[1]) * (c->uv[0] - a->uv[0])) *
                         (float)texture->width[0] * (float)texture->height[0];
    if (!(texels > screen) || screen <= 0) return 0;
    return 0.5f * log2f(texels / screen);
}

static void fetch(const stk_canvas *canvas, int item, const canvas_vertex *const v[3],
                  const float share[3], spot *s) {
    const canvas_job *job = &canvas->job;
    const stk_surface *surface = job->actor->surface[item >> 24];
    const canvas_texture *texture = job->texture[item >> 24];
    const int32_t *t = surface->triangle[item & 0xffffff];
    s->roughness = s->material->roughness;
    s->cavity = 1;
    memcpy(s->rgb, s->material->rgb, sizeof s->rgb);
    memcpy(s->bumped, s->normal, sizeof s->bumped);
    if (texture == NULL) return;
    float value[8], uv[2];
    for (int i = 0; i < 2; i++)
        uv[i] = share[0] * v[0]->uv[i] + share[1] * v[1]->uv[i] + share[2] * v[2]->uv[i];
    canvas_texture_sample(texture, uv[0], uv[1], level_of(texture, v[0], v[1], v[2]), value);
    for (int c = 0; c < 3; c++) s->rgb[c] *= value[c];
    if (texture->detail == NULL) return;
    s->roughness = value[6];
    s->cavity = value[7];
    if (fabsf(value[4]) + fabsf(value[5]) < 0.01f) return;
    const float *const p[3] = {surface->position[t[0]], surface->position[t[1]],
                               surface->position[t[2]]};
    const float *const at[3] = {v[0]->uv, v[1]->uv, v[2]->uv};
    bump(p, at, value + 4, s->normal, s->bumped);
}

static const stk_material plain = {.kind = STK_MATERIAL_CLOTH, .rgb = {0.5f, 0.5f, 0.5f}};

/* Display-linear colour of triangle `item` at (x, y) px. */
static void shade_at(const stk_canvas *canvas, int item, float x, float y, float out[3]) {
    const canvas_job *job = &canvas->job;
    const int group = item >> 24;
    const stk_surface *surface = job->actor->surface[group];
    const int32_t *t = surface->triangle[item & 0xffffff];
    const canvas_vertex *first = canvas->vertex + job->surface_first[group];
    const canvas_vertex *const v[3] = {first + t[0], first + t[1], first + t[2]};
    float share[3], sum = 0;
    for (int k = 0; k < 3; k++) { /* screen areas, made true to perspective by nearness */
        const canvas_vertex *p = v[(k + 1) % 3], *q = v[(k + 2) % 3];
        share[k] = ((p->x - x) * (q->y - y) - (p->y - y) * (q->x - x)) * v[k]->near;
        sum += share[k];
    }
    for (int k = 0; k < 3; k++) share[k] /= sum;
    spot s = {.light = &canvas->light, .material = surface->material ? surface->material : &plain};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 3; i++) {
            s.normal[i] += share[k] * v[k]->normal[i];
            s.fill[i] += share[k] * v[k]->light[i];
        }
        s.key += share[k] * v[k]->key;
        s.rim += share[k] * v[k]->rim;
        s.open += share[k] * v[k]->open;
        s.shade += share[k] * v[k]->shade;
    }
    normalise(s.normal);
    s.view[0] = -(x - canvas->camera.cx_px) / canvas->camera.focal_px;
    s.view[1] = (y - canvas->camera.cy_px) / canvas->camera.focal_px;
    s.view[2] = 1;
    normalise(s.view);
    if (surface->two_sided && dot3(s.normal, s.view) < 0)
        for (int i = 0; i < 3; i++) s.normal[i] = -s.normal[i];
    fetch(canvas, item, v, share, &s);
    float light[3];
    shade_spot(&s, light);
    canvas_tone(light, out);
}

/* Samples that belong with sample k: the same surface and part, about as near. */
static int piece_of(const stk_canvas *canvas, const canvas_i4 *item, const canvas_f4 *near, int k) {
    const canvas_job *job = &canvas->job;
    const int group = (*item)[k] >> 24;
    const uint8_t *part = job->actor->surface[group]->part;
    int piece = 0;
    for (int i = k; i < 4; i++) {
        if ((*item)[i] < 0) continue;
        if ((*item)[i] != (*item)[k] &&
            ((*item)[i] >> 24 != group ||
             part[(*item)[i] & 0xffffff] != part[(*item)[k] & 0xffffff] ||
             fabsf((*near)[i] - (*near)[k]) > PIECE * (*near)[k]))
            continue;
        piece |= 1 << i;
    }
    return piece;
}

/* The triangle with most samples of the piece, and the middle of these samples. */
static int32_t leader_of(const canvas_i4 *item, int piece, float *x, float *y) {
    int best = -1, most = 0;
    for (int i = 0; i < 4; i++) {
        if (!(piece >> i & 1)) continue;
        int count = 0;
        for (int j = 0; j < 4; j++) count += (piece >> j & 1) && (*item)[j] == (*item)[i];
        if (count > most) {
            most = count;
            best = i;
        }
    }
    float sum_x = 0, sum_y = 0;
    for (int j = 0; j < 4; j++) {
        if (!(piece >> j & 1) || (*item)[j] != (*item)[best]) continue;
        sum_x += CANVAS_SAMPLE_X[j];
        sum_y += CANVAS_SAMPLE_Y[j];
    }
    *x += sum_x / (float)most;
    *y += sum_y / (float)most;
    return (*item)[best];
}

static void shade_pixel(stk_canvas *canvas, int x, int y, const canvas_i4 *item) {
    const canvas_job *job = &canvas->job;
    const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
    canvas_pixel *pixel = canvas->pixel + at;
    if (!canvas->live[at]) {
        canvas->live[at] = 1;
        *pixel = (canvas_pixel){.r = {0}};
    }
    int left = 0;
    for (int i = 0; i < 4; i++) left |= ((*item)[i] >= 0) << i;
    for (int k = 0; k < 4; k++) {
        if (!(left >> k & 1)) continue;
        const int piece = piece_of(canvas, item, &canvas->nearness[at], k) & left;
        float px = (float)x, py = (float)y, rgb[3];
        const int32_t leader = leader_of(item, piece, &px, &py);
        shade_at(canvas, leader, px, py, rgb);
        const uint8_t part = job->force_part >= 0
                                 ? (uint8_t)job->force_part
                                 : job->actor->surface[leader >> 24]->part[leader & 0xffffff];
        for (int i = k; i < 4; i++) {
            if (!(piece >> i & 1)) continue;
            pixel->r[i] = rgb[0];
            pixel->g[i] = rgb[1];
            pixel->b[i] = rgb[2];
            pixel->a[i] = 1;
            canvas->part[at][i] = part;
        }
        left &= ~piece;
    }
}

void canvas_shade(stk_canvas *canvas, int band, const canvas_i4 *nearest) {
    const int y0 = band * CANVAS_BAND;
    const int y1 = y0 + CANVAS_BAND < canvas->height ? y0 + CANVAS_BAND : canvas->height;
    const canvas_i4 none = {-1, -1, -1, -1};
    for (int y = y0; y < y1; y++) {
        const canvas_i4 *row = nearest + (ptrdiff_t)(y - y0) * canvas->width;
        for (int x = 0; x < canvas->width; x++)
            if (canvas_any(row[x] ^ none)) shade_pixel(canvas, x, y, &row[x]);
    }
}

/* Kajiya-Kay, with a highlight of the light's colour shifted to the tip and one of the hair's
 * colour shifted to the root [Scheuermann 2004]. */
void canvas_shade_hair(const stk_light *light, const canvas_hair *hair, float out[3]) {
    float half[3];
    for (int i = 0; i < 3; i++) half[i] = hair->view[i] + light->key_dir[i];
    normalise(half);
    const float tl = dot3(hair->tangent, light->key_dir);
    const float th = dot3(hair->tangent, half);
    const float diffuse = sqrtf(canvas_max(1 - tl * tl, 0)) * 0.65f;
    const float shift = 0.12f * hair->shift;
    const float t1 = stk_clampf(th + 0.06f + shift, -1, 1),
                t2 = stk_clampf(th - 0.10f + shift, -1, 1);
    const float s1 = powf(1 - t1 * t1, 45), s2 = powf(1 - t2 * t2, 9);
    const float tr = dot3(hair->tangent, light->rim_dir);
    const float along = canvas_max(1 - tr * tr, 0);
    const float rim = hair->rim * along * along * canvas_max(0, -dot3(light->rim_dir, hair->view));
    /* fair hair shines white, dark hair in its own colour */
    const float pale = canvas_min((hair->rgb[0] + hair->rgb[1] + hair->rgb[2]) * (1 / 3.0f), 1);
    for (int c = 0; c < 3; c++) {
        const float key = light->key_rgb[c] * hair->key;
        out[c] = hair->rgb[c] * (hair->fill[c] + key * diffuse) +
                 hair->shine * key *
                     (s1 * (0.04f + 0.4f * pale) + s2 * (0.8f - 0.6f * pale) * hair->rgb[c]) +
                 hair->shine * rim * light->rim_rgb[c] * (0.05f + 1.2f * hair->rgb[c]);
    }
}
