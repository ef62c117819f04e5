/* hand_form.c - the form of a hand: rounded cones for bones, blended, and its polygons.
 *
 *   palm      carpal and metacarpal cones, blended widely; ball of the thumb; tendons and knuckles
 *   fingers   three cones each, blended narrowly; among one another not at all
 *
 * Polygons by naive surface nets [Gibson 1998]: one vertex a cell that the surface crosses, at the
 * mean of the crossings on its edges, then two Newton steps onto the surface; one quad per crossed
 * edge of the grid.
 */
#include "presenter/hand_private.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

static const float CELL = 0.0036f;
static const float BOX_LO[3] = {-0.105f, -0.082f, -0.075f};
enum { NX = 89, NY = 53, NZ = 34, BLOCK = 4 };

static float blend(float a, float b, float k) {
    const float h = stk_clampf(0.5f + 0.5f * (b - a) / k, 0.0f, 1.0f);
    return b + (a - b) * h - k * h * (1.0f - h);
}

static float cone(const float p[3], const float a[3], float ra, const float b[3], float rb) {
    float along = 0.0f, length = 1e-12f;
    for (int i = 0; i < 3; i++) {
        along += (p[i] - a[i]) * (b[i] - a[i]);
        length += (b[i] - a[i]) * (b[i] - a[i]);
    }
    const float t = stk_clampf(along / length, 0.0f, 1.0f);
    float square = 0.0f;
    for (int i = 0; i < 3; i++) {
        const float d = p[i] - a[i] - t * (b[i] - a[i]);
        square += d * d;
    }
    return sqrtf(square) - ra - t * (rb - ra);
}

void stk_hand_pose(stk_hand_form *form, float size) {
    static const float root[STK_FINGERS][3] = {{0.050f, 0.043f, -0.012f},
                                               {0.088f, 0.0270f, 0.000f},
                                               {0.092f, 0.0075f, 0.003f},
                                               {0.087f, -0.0120f, 0.001f},
                                               {0.077f, -0.0300f, -0.004f}};
    static const float bone[STK_FINGERS][3] = {{0.034f, 0.026f, 0.004f},
                                               {0.043f, 0.026f, 0.017f},
                                               {0.048f, 0.030f, 0.018f},
                                               {0.044f, 0.028f, 0.018f},
                                               {0.034f, 0.020f, 0.015f}};
    static const float thick[STK_FINGERS] = {1.14f, 1.0f, 1.02f, 0.97f, 0.84f};
    static const float fan[STK_FINGERS] = {0.58f, -0.03f, -0.005f, 0.015f, 0.02f};
    static const float curl[STK_FINGERS][3] = {{0.12f, 0.16f, 0.10f},
                                               {0.22f, 0.40f, 0.22f},
                                               {0.27f, 0.46f, 0.25f},
                                               {0.32f, 0.52f, 0.27f},
                                               {0.36f, 0.54f, 0.25f}};
    static const float width[STK_FINGER_JOINTS] = {0.0102f, 0.0093f, 0.0083f, 0.0072f};
    for (int f = 0; f < STK_FINGERS; f++) {
        float bent = 0.0f;
        for (int i = 0; i < 3; i++) form->joint[f][0][i] = size * root[f][i];
        for (int j = 0; j < STK_FINGER_JOINTS; j++) form->radius[f][j] = size * width[j] * thick[f];
        for (int j = 0; j < 3; j++) {
            bent += curl[f][j];
            const float way[3] = {cosf(bent) * cosf(fan[f]), cosf(bent) * sinf(fan[f]),
                                  -sinf(bent)};
            for (int i = 0; i < 3; i++)
                form->joint[f][j + 1][i] = form->joint[f][j][i] + size * bone[f][j] * way[i];
        }
        /* the thumb's nail looks sideways */
        const float roll = f == 0 ? 0.75f : 0.10f * (float)(2 - f);
        const float up[3] = {sinf(bent) * cosf(fan[f]), sinf(bent) * sinf(fan[f]), cosf(bent)};
        const float side[3] = {-sinf(fan[f]), cosf(fan[f]), 0.0f};
        for (int i = 0; i < 3; i++) form->up[f][i] = cosf(roll) * up[i] + sinf(roll) * side[i];
    }
}

static float palm_distance(const stk_hand_form *form, const float p[3]) {
    float palm = 1.0f;
    for (int f = 1; f < STK_FINGERS; f++) {
        const float *knuckle = form->joint[f][0], r = form->radius[f][0];
        const float y = knuckle[1];
        const float wrist[3] = {0.006f, 0.50f * y, -0.001f};
        const float low[3] = {knuckle[0] - 0.010f, y, knuckle[2] - 0.006f};
        palm = blend(palm, cone(p, wrist, 0.0155f, low, 1.28f * r), 0.012f);
        const float from[3] = {0.022f, 0.45f * y, 0.0125f};
        const float to[3] = {knuckle[0] - 0.004f, y, knuckle[2] + 0.0075f};
        palm = blend(palm, cone(p, from, 0.0018f, to, 0.0030f), 0.006f); /* tendon */
        const float top[3] = {knuckle[0] - 0.001f, y, knuckle[2] + 0.0035f};
        palm = blend(palm, cone(p, top, 0.0085f, knuckle, r), 0.006f);
    }
    const float ball[3] = {0.014f, 0.018f, -0.010f}, *thumb = form->joint[0][0];
    palm = blend(palm, cone(p, ball, 0.0175f, thumb, 1.15f * form->radius[0][0]), 0.014f);
    for (int side = -1; side <= 1; side += 2) { /* forearm, wider than thick */
        const float wrist[3] = {0.0f, 0.0105f * (float)side, 0.0f};
        /* bent at the wrist, towards the elbow (hand.c) */
        const float arm[3] = {-0.066f + 0.007f * (float)side, -0.036f + 0.012f * (float)side,
                              -0.008f};
        palm = blend(palm, cone(p, wrist, 0.0185f, arm, 0.0240f), 0.012f);
    }
    return palm;
}

float stk_hand_distance(const stk_hand_form *form, const float p[3]) {
    float fingers = 1.0f;
    for (int f = 0; f < STK_FINGERS; f++) {
        float finger = 1.0f;
        for (int j = 0; j < 3; j++)
            finger = blend(finger,
                           cone(p, form->joint[f][j], form->radius[f][j], form->joint[f][j + 1],
                                form->radius[f][j + 1]),
                           0.004f);
        fingers = blend(fingers, finger, 0.0012f);
    }
    return blend(palm_distance(form, p), fingers, 0.009f);
}

void stk_hand_normal(const stk_hand_form *form, const float p[3], float normal[3]) {
    const float step = 4e-4f;
    float square = 1e-20f;
    for (int i = 0; i < 3; i++) {
        float lo[3] = {p[0], p[1], p[2]}, hi[3] = {p[0], p[1], p[2]};
        lo[i] -= step, hi[i] += step;
        normal[i] = stk_hand_distance(form, hi) - stk_hand_distance(form, lo);
        square += normal[i] * normal[i];
    }
    for (int i = 0; i < 3; i++) normal[i] /= sqrtf(square);
}

static void settle(const stk_hand_form *form, float p[3], float height) {
    for (int step = 0; step < 3; step++) {
        float normal[3];
        const float off = height - stk_hand_distance(form, p);
        stk_hand_normal(form, p, normal);
        for (int i = 0; i < 3; i++) p[i] += 0.95f * off * normal[i];
    }
}

static size_t node(int x, int y, int z) {
    return ((size_t)z * NY + (size_t)y) * NX + (size_t)x;
}

/* Distances at a block's nodes; a block far from the surface gets its middle's everywhere. */
static void sample_block(const stk_hand_form *form, float *value, const int from[3]) {
    const int n[3] = {NX, NY, NZ};
    float p[3];
    for (int i = 0; i < 3; i++) p[i] = BOX_LO[i] + CELL * ((float)from[i] + 0.5f * (BLOCK - 1));
    const float middle = stk_hand_distance(form, p);
    const int far = fabsf(middle) > 1.5f * CELL * BLOCK; /* sqrt(3)/2 and a margin */
    for (int z = from[2]; z < stk_clampi(from[2] + BLOCK, 0, n[2]); z++)
        for (int y = from[1]; y < stk_clampi(from[1] + BLOCK, 0, n[1]); y++)
            for (int x = from[0]; x < stk_clampi(from[0] + BLOCK, 0, n[0]); x++) {
                p[0] = BOX_LO[0] + CELL * (float)x, p[1] = BOX_LO[1] + CELL * (float)y;
                p[2] = BOX_LO[2] + CELL * (float)z;
                value[node(x, y, z)] = far ? middle : stk_hand_distance(form, p);
            }
}

/* The vertex of a cell: mean of the crossings of its twelve edges. 0 = not crossed. */
static int cell_vertex(const float *value, int x, int y, int z, float p[3]) {
    float sum[3] = {0.0f, 0.0f, 0.0f};
    int crossings = 0;
    for (int e = 0; e < 12; e++) {
        const int axis = e / 4, u = (axis + 1) % 3, v = (axis + 2) % 3;
        int a[3] = {x, y, z};
        a[u] += e & 1, a[v] += (e >> 1) & 1;
        int b[3] = {a[0], a[1], a[2]};
        b[axis]++;
        const float va = value[node(a[0], a[1], a[2])], vb = value[node(b[0], b[1], b[2])];
        if ((va < 0.0f) == (vb < 0.0f)) continue;
        for (int i = 0; i < 3; i++) sum[i] += (float)a[i];
        sum[axis] += va / (va - vb);
        crossings++;
    }
    if (!crossings) return 0;
    for (int i = 0; i < 3; i++) p[i] = BOX_LO[i] + CELL * sum[i] / (float)crossings;
    return 1;
}

/* The quad of the grid's edge from (x, y, z) along `axis`. */
static void edge_quad(stk_sheet *sheet, const float *value, const int32_t *vertex, const int at[3],
                      int axis) {
    const int u = (axis + 1) % 3, v = (axis + 2) % 3;
    int next[3] = {at[0], at[1], at[2]};
    next[axis]++;
    const float here = value[node(at[0], at[1], at[2])];
    const float there = value[node(next[0], next[1], next[2])];
    if ((here < 0.0f) == (there < 0.0f)) return;
    int32_t corner[4];
    for (int i = 0; i < 4; i++) {
        int cell[3] = {at[0], at[1], at[2]};
        cell[u] -= i == 0 || i == 3, cell[v] -= i < 2;
        corner[i] = vertex[node(cell[0], cell[1], cell[2])] - 1;
    }
    const int out = here < 0.0f; /* the surface looks along +axis */
    for (int i = 0; i < 2; i++) {
        int32_t *t = sheet->triangle[sheet->triangles++];
        t[0] = corner[0], t[1] = corner[out ? 1 + i : 2 + i], t[2] = corner[out ? 2 + i : 1 + i];
    }
}

static void nets(const stk_hand_form *form, stk_sheet *sheet, const float *value, int32_t *vertex) {
    for (int z = 0; z + 1 < NZ; z++)
        for (int y = 0; y + 1 < NY; y++)
            for (int x = 0; x + 1 < NX; x++) {
                float p[3];
                if (!cell_vertex(value, x, y, z, p)) continue;
                if (sheet->vertices >= sheet->capacity) {
                    sheet->overflow = 1;
                    return;
                }
                settle(form, p, 0.0f);
                memcpy(sheet->point[sheet->vertices], p, sizeof p);
                sheet->shade[sheet->vertices] = 1.0f;
                vertex[node(x, y, z)] = ++sheet->vertices;
            }
    for (int z = 1; z + 1 < NZ; z++)
        for (int y = 1; y + 1 < NY; y++)
            for (int x = 1; x + 1 < NX; x++)
                for (int axis = 0; axis < 3; axis++)
                    edge_quad(sheet, value, vertex, (const int[3]){x, y, z}, axis);
}

stk_status stk_hand_polygonise(const stk_hand_form *form, stk_sheet *sheet) {
    float *value = stk_calloc_aligned((size_t)NX * NY * NZ, sizeof *value);
    int32_t *vertex = stk_calloc_aligned((size_t)NX * NY * NZ, sizeof *vertex);
    stk_status status = STK_OK;
    if (value && vertex) {
        for (int z = 0; z < NZ; z += BLOCK)
            for (int y = 0; y < NY; y += BLOCK)
                for (int x = 0; x < NX; x += BLOCK)
                    sample_block(form, value, (const int[3]){x, y, z});
        nets(form, sheet, value, vertex);
    } else
        status = stk_fail_memory("the hand");
    stk_free(vertex);
    stk_free(value);
    return status;
}

/* A domed plate on the last bone; its rim sinks into the skin. */
void stk_hand_nails(const stk_hand_form *form, stk_sheet *sheet) {
    enum { SIDE = 11 };
    for (int f = 0; f < STK_FINGERS; f++) {
        const float *tip = form->joint[f][3], *last = form->joint[f][2], *up = form->up[f];
        const float r = form->radius[f][3];
        float along[3], across[3], length = 0.0f;
        for (int i = 0; i < 3; i++) along[i] = tip[i] - last[i], length += along[i] * along[i];
        for (int i = 0; i < 3; i++) along[i] /= sqrtf(length);
        for (int i = 0; i < 3; i++)
            across[i] = up[(i + 1) % 3] * along[(i + 2) % 3] - up[(i + 2) % 3] * along[(i + 1) % 3];
        const int first = sheet->vertices;
        for (int k = 0; k < SIDE * SIDE; k++) {
            const float u = 2.0f * (float)(k % SIDE) / (SIDE - 1) - 1.0f;
            const float v = 2.0f * (float)(k / SIDE) / (SIDE - 1) - 1.0f;
            const float m = fmaxf(fabsf(u), fabsf(v)); /* square to a rounded plate */
            const float l = powf(u * u * u * u + v * v * v * v, 0.25f);
            const float shrink = l > 0.0f ? m / l : 1.0f;
            float *p = sheet->point[first + k];
            for (int i = 0; i < 3; i++)
                p[i] = tip[i] + (0.15f * r + 0.80f * r * v * shrink) * along[i] +
                       0.66f * r * u * shrink * across[i] + 0.8f * r * up[i];
            settle(form, p, m > 0.99f ? -0.0004f : m > 0.75f ? 0.0003f : 0.0005f);
            sheet->shade[first + k] = 1.0f;
            sheet->uv[first + k][0] = 0.5f + 0.5f * u, sheet->uv[first + k][1] = 0.5f + 0.5f * v;
        }
        sheet->vertices += SIDE * SIDE;
        for (int k = 0; k < SIDE * (SIDE - 1); k++) {
            if (k % SIDE == SIDE - 1) continue;
            const int32_t a = first + k,
                          quad[2][3] = {{a, a + SIDE + 1, a + 1}, {a, a + SIDE, a + SIDE + 1}};
            memcpy(sheet->triangle[sheet->triangles], quad, sizeof quad);
            sheet->triangles += 2;
        }
    }
}
