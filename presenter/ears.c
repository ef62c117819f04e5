/* ears.c - see ears.h.
 *
 * A grid polar about the ear canal: sector s goes round the ear (0 = forward, then up, back, down),
 * row r goes from the canal over bowl (concha), inner ridge (antihelix), groove (scapha) and the
 * rolled rim (helix) to the back of the ear and into the head.
 *
 *   outline(angle) x row -> place in the plane of the ear (a up, b backwards)
 *   profile(row, angle) -> height over that plane; tragus and lobe change it by angle
 *   plane -> head: turned 20 degrees backwards, its back edge 25 degrees away from the skull
 *
 * uv: 0.5 + 0.48 (row / rows) (cos angle, -sin angle), both ears alike.
 */
#include "presenter/ears.h"

#include <string.h>

#include "presenter/bust_math.h"

enum {
    SECTORS = 48,
    ROWS = 19,
    EAR_VERTICES = 1 + ROWS * SECTORS,
    EAR_TRIANGLES = SECTORS * (2 * ROWS - 1)
};

/* Outline from the canal (mm): angle from forward over up; the ear is 62 high, 35 wide. */
enum { OUTLINE = 13 };
static const float outline[OUTLINE][2] = {
    {0, 8.5f}, {30, 12},     {60, 23.5f}, {85, 33},  {110, 36}, {135, 33.5f}, {165, 28},
    {195, 24}, {222, 22.5f}, {248, 25},   {272, 27}, {295, 25}, {318, 16}};

static float outline_at(float degrees) {
    int i = 0;
    while (i + 1 < OUTLINE && outline[i + 1][0] <= degrees) i++;
    const float *p[4];
    float x[4];
    for (int k = -1; k <= 2; k++) {
        const int at = (i + k + OUTLINE) % OUTLINE;
        p[k + 1] = outline[at];
        x[k + 1] = outline[at][0] + (i + k < 0 ? -360.0f : i + k >= OUTLINE ? 360.0f : 0.0f);
    }
    const float h = x[2] - x[1], t = (degrees - x[1]) / h;
    const float m1 = (p[2][1] - p[0][1]) / (x[2] - x[0]) * h;
    const float m2 = (p[3][1] - p[1][1]) / (x[3] - x[1]) * h;
    const float t2 = t * t, t3 = t2 * t;
    return (2 * t3 - 3 * t2 + 1) * p[1][1] + (t3 - 2 * t2 + t) * m1 + (3 * t2 - 2 * t3) * p[2][1] +
           (t3 - t2) * m2;
}

/* Rows: share of the outline, height over the plane (mm). The last five are the ear's back. */
static const float row_reach[ROWS] = {0.10f,  0.20f, 0.30f, 0.40f,  0.48f, 0.55f, 0.62f,
                                      0.69f,  0.76f, 0.83f, 0.885f, 0.93f, 0.97f, 1.0f,
                                      0.985f, 0.93f, 0.82f, 0.68f,  0.60f};
static const float row_height[ROWS] = {-3.9f, -3.8f, -3.6f, -3.0f, -1.7f, 0.0f, 0.8f,
                                       0.5f,  -0.5f, -1.4f, -0.8f, 0.8f,  1.5f, 0.7f,
                                       -1.0f, -2.2f, -3.2f, -9,    -20};

/* 1 inside an arc of angles, soft ends. */
static float arc(float degrees, float middle, float half) {
    float d = fabsf(degrees - middle);
    if (d > 180) d = 360 - d;
    return 1 - bust_step(half * 0.6f, half * 1.4f, d);
}

/* Vertex in the plane of the ear: out = up, backwards, away from the head (mm). */
static void ear_vertex(int r, float degrees, float out[3]) {
    const float angle = degrees * 0.01745329f, length = outline_at(degrees);
    const float lobe = arc(degrees, 275, 38), front = arc(degrees, 0, 45);
    float height = row_height[r], reach = row_reach[r];
    if (r < 14) {
        const float t = row_reach[r];
        /* The lobe is a smooth cushion; in front there is neither ridge nor rim but the tragus. */
        const float cushion =
            -2.4f + 3.2f * bust_step(0.25f, 0.8f, t) - 1.6f * bust_step(0.8f, 1, t);
        height = bust_mix(height, cushion, lobe * bust_step(0.2f, 0.5f, t));
        const float tragus =
            -3.9f + 6.0f * bust_step(0.3f, 0.62f, t) - 2.5f * bust_step(0.75f, 1, t);
        height = bust_mix(height, tragus, front);
        /* The inner ridge forks above into the triangular hollow. */
        height -= 1.6f * arc(degrees, 75, 16) * expf(-(t - 0.62f) * (t - 0.62f) * 90);
        /* The rim's root sinks into the cheek's border. */
        height -= 5.0f * arc(degrees, 38, 20) * bust_step(0.6f, 1, t);
        height += 0.8f * arc(degrees, 110, 60) * bust_step(0.85f, 0.97f, t);
    } else {
        height = bust_mix(height, height - 4, front);
    }
    out[0] = reach * length * sinf(angle);
    out[1] = -reach * length * cosf(angle);
    out[2] = height;
}

/* Plane of the ear to rest space; side -1: person's right. */
static void ear_place(const float p[3], const float root[3], float size, float side, float out[3]) {
    const float lean = 0.26f, stand = 0.31f;   /* rad: top backwards; back edge outwards */
    const float up = p[0], back = p[1] + 9.0f; /* 0 at the root in front */
    const float away = p[2] * cosf(stand) + back * sinf(stand);
    const float behind = back * cosf(stand) - p[2] * sinf(stand);
    const float y = up * cosf(lean) - behind * sinf(lean) * 0.35f;
    const float z = -behind * cosf(lean) - up * sinf(lean);
    out[0] = root[0] + side * size * 1e-3f * (away + 2.0f);
    out[1] = root[1] + size * 1e-3f * y;
    out[2] = root[2] + size * 1e-3f * z;
}

stk_status stk_ears_init(stk_ears *ears, const float roots[2][3], float size,
                         stk_material *material) {
    stk_surface *s = &ears->surface;
    STK_TRY(stk_surface_init(s, "ears", 2 * EAR_VERTICES, 2 * EAR_TRIANGLES));
    int count = 0;
    for (int e = 0; e < 2; e++) {
        const int first = e * EAR_VERTICES;
        const float side = e ? 1.0f : -1.0f;
        for (int r = 0; r <= ROWS; r++)
            for (int a = 0; a < (r ? SECTORS : 1); a++) {
                const int v = first + (r ? 1 + (r - 1) * SECTORS + a : 0);
                const float degrees = 360.0f * (float)a / SECTORS;
                float p[3] = {0, 0, -4.0f};
                if (r) ear_vertex(r - 1, degrees, p);
                ear_place(p, roots[e], size, side, s->rest[v]);
                const float radius = 0.48f * (float)r / ROWS, angle = degrees * 0.01745329f;
                s->uv[v][0] = 0.5f + radius * cosf(angle),
                s->uv[v][1] = 0.5f - radius * sinf(angle);
                const float deep = r == 0 ? 1 : bust_step(-0.8f, -3.8f, p[2]) * (r < 8);
                s->shade[v] = 1 - 0.4f * deep;
            }
        for (int r = 0; r < ROWS; r++)
            for (int a = 0; a < SECTORS; a++) {
                const int b = (a + 1) % SECTORS;
                const int o0 = first + 1 + r * SECTORS + a, o1 = first + 1 + r * SECTORS + b;
                const int i0 = r ? o0 - SECTORS : first, i1 = r ? o1 - SECTORS : first;
                const int32_t inner[2][3] = {{i0, o0, o1}, {i0, o1, o0}};
                const int32_t outer[2][3] = {{i0, o1, i1}, {i0, i1, o1}};
                memcpy(s->triangle[count++], inner[e], sizeof *inner);
                if (r) memcpy(s->triangle[count++], outer[e], sizeof *outer);
            }
    }
    memset(s->part, STK_PART_EAR, (size_t)s->triangles);
    s->material = material;
    return STK_OK;
}

void stk_ears_clear(stk_ears *ears) {
    stk_surface_clear(&ears->surface);
}
