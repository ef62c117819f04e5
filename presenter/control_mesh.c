/* control_mesh.c - see control_mesh.h.
 *
 *   canonical face -> lips closed, lids at a normal opening -> holes cut
 *   guide curves over skull and throat -> rings of 36 -> faired (bilaplacian, face fixed)
 *   identity modes (smooth fields of the average position) -> this person
 *
 * Guides and modes are in millimetres, in the frame of the canonical face. The skull's measures are
 * those of an average adult (head 19.3 cm deep, 22.3 high, 15.6 wide; neck 11.6 wide).
 */
#include "presenter/control_mesh.h"

#include <stdlib.h>
#include <string.h>

#include "base/face_mesh.h"
#include "base/memory.h"
#include "base/rng.h"
#include "presenter/bust_math.h"
#include "presenter/look.h"

enum { FACE = STK_MESH_LANDMARKS, RINGS = STK_CONTROL_RINGS, COLUMNS = STK_CONTROL_COLUMNS };

const int16_t stk_lip_loop[STK_LIP_LOOP] = {78,  191, 80,  81,  82,  13, 312, 311, 310, 415,
                                            308, 324, 318, 402, 317, 14, 87,  178, 88,  95};
const int16_t stk_lid_loop[2][STK_LID_LOOP] = {
    {33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7},
    {362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382}};

/* Columns that are given by hand, of one half; the others are interpolated. */
enum { GUIDES = 9 };
static const int guide_column[GUIDES] = {0, 3, 6, 8, 10, 12, 14, 16, 18};
/* clang-format off */
static const float guide[GUIDES][RINGS][3] = {
    {{0, 102, 30}, {0, 118, 7}, {0, 127.5f, -23}, {0, 128, -57}, {0, 116, -91},
     {0, 92, -117}, {0, 60, -133}, {0, 25, -134}, {0, -8, -123}, {0, -38, -101},
     {0, -68, -91}, {0, -98, -93}, {0, -130, -104}},
    {{53, 91, 14}, {56, 105, -5}, {58, 112, -29}, {58, 110, -58}, {56, 98, -88},
     {49, 78, -112}, {46, 50, -125}, {43, 19, -126}, {40, -11, -116}, {38, -40, -99},
     {37, -69, -90}, {37, -99, -92}, {38, -131, -101}},
    {{77, 47, -24}, {78, 51, -40}, {78.5f, 52, -57}, {77.5f, 49, -74}, {75, 41, -90},
     {71.5f, 28, -102}, {67, 11, -108}, {62.5f, -8, -108}, {59, -28, -103}, {56.5f, -50, -93},
     {55, -74, -87}, {55.5f, -102, -87}, {58, -136, -92}},
    {{76.5f, 6, -36}, {76, 4, -48}, {75, 0, -60}, {73, -6, -70}, {70, -14, -77},
     {66.5f, -24, -82}, {63, -36, -84}, {60.5f, -49, -84}, {58.5f, -62, -83}, {57.5f, -77, -81},
     {57.5f, -94, -79}, {58.5f, -116, -79}, {61, -146, -81}},
    {{69.5f, -31, -32}, {65.5f, -36, -41.5f}, {62, -42, -50}, {60.5f, -50, -57}, {61, -58, -61},
     {59, -67, -64}, {57.5f, -76, -65}, {56.5f, -85, -65.5f}, {56, -94, -65}, {56, -104, -64},
     {56.5f, -116, -63.5f}, {57.5f, -133, -63}, {60, -157, -64}},
    {{54.5f, -67.5f, -12.5f}, {50.5f, -72, -20}, {48.5f, -78, -28}, {48.5f, -85, -35.5f},
     {49, -93, -41},
     {50, -100, -44.5f}, {49.5f, -107, -46}, {49, -114, -46.5f}, {49, -121, -46.5f},
     {49, -129, -46.5f}, {49, -138, -46.5f}, {50, -151, -47}, {52, -168, -48}},
    {{36.5f, -85, 10}, {33.5f, -88, 0}, {32, -92, -9}, {34, -98, -17}, {33.5f, -104, -22.5f},
     {33, -111, -25.5f}, {32.5f, -119, -27}, {32, -127, -27.5f}, {32, -135, -28}, {32, -143, -29},
     {32.5f, -152, -30.5f}, {33.5f, -163, -32.5f}, {35, -177, -35}},
    {{22, -93.5f, 23}, {21, -96, 10}, {20, -98.5f, -1.5f}, {19, -103, -9.5f}, {18.5f, -110, -15},
     {18, -118.5f, -17}, {17.5f, -127.5f, -17.5f}, {17.5f, -136, -18}, {17.5f, -145, -19},
     {17.5f, -154, -20.5f}, {18, -163, -22.5f}, {18.5f, -173, -25}, {19.5f, -185, -28}},
    {{0, -98.5f, 29}, {0, -100.5f, 15}, {0, -102, 3}, {0, -106, -6}, {0, -113, -11.5f},
     {0, -122, -13}, {0, -131, -13}, {0, -140, -14}, {0, -149, -15.5f}, {0, -158, -17},
     {0, -167, -19}, {0, -177, -22}, {0, -188, -25}},
};
/* clang-format on */

/* The vertex after `at` on a border, or -1: an edge is on a border when its reverse is in no
 * triangle. */
static int after_on_border(const int32_t (*triangle)[3], int triangles, int at) {
    enum { MOST = 32 };
    int32_t to[MOST], from[MOST];
    int count = 0;
    for (int t = 0; t < triangles; t++) {
        const int32_t *v = triangle[t];
        const int s = v[0] == at ? 0 : v[1] == at ? 1 : v[2] == at ? 2 : 3;
        if (s == 3 || count == MOST) continue;
        to[count] = v[(s + 1) % 3];
        from[count++] = v[(s + 2) % 3];
    }
    for (int i = 0; i < count; i++) {
        int twin = 0;
        for (int j = 0; j < count; j++) twin |= from[j] == to[i];
        if (!twin) return to[i];
    }
    return -1;
}

int stk_mesh_border(const int32_t (*triangle)[3], int triangles, int vertices, int start,
                    int32_t *loop, int most) {
    int count = 0;
    for (int at = start; count < most;) {
        const int next = after_on_border(triangle, triangles, at);
        if (next < 0 || next >= vertices) return 0;
        loop[count++] = at;
        if (next == start) return count;
        at = next;
    }
    return 0;
}

/* Place of a vertex in a loop, or -1. */
static int place_in(const int16_t *loop, int count, int vertex) {
    for (int i = 0; i < count; i++)
        if (loop[i] == vertex) return i;
    return -1;
}

static int all_in(const int16_t *loop, int count, const int16_t triangle[3]) {
    for (int s = 0; s < 3; s++)
        if (place_in(loop, count, triangle[s]) < 0) return 0;
    return 1;
}

/* The face without the triangles in the openings, then two triangles a ring and column. */
static stk_status connect(stk_control_mesh *mesh) {
    const int16_t(*face)[3] = stk_face_mesh_triangles();
    int count = 0;
    for (int t = 0; t < STK_MESH_TRIANGLES; t++) {
        if (all_in(stk_lip_loop, STK_LIP_LOOP, face[t]) ||
            all_in(stk_lid_loop[0], STK_LID_LOOP, face[t]) ||
            all_in(stk_lid_loop[1], STK_LID_LOOP, face[t]))
            continue;
        if (count == STK_CONTROL_TRIANGLES) break;
        for (int s = 0; s < 3; s++) mesh->triangle[count][s] = face[t][s];
        count++;
    }
    const int top = 10;
    int32_t loop[COLUMNS];
    if (count != STK_MESH_TRIANGLES - STK_CONTROL_HOLES ||
        stk_mesh_border((const int32_t(*)[3])mesh->triangle, count, FACE, top, loop, COLUMNS) !=
            COLUMNS)
        return stk_fail(STK_ERR_ARGUMENT, "bust: the face mesh is not the expected disc");
    for (int j = 0; j < COLUMNS; j++) mesh->oval[j] = loop[j];
    for (int ring = 0; ring < RINGS; ring++)
        for (int j = 0; j < COLUMNS; j++) {
            const int k = (j + 1) % COLUMNS, outer = FACE + ring * COLUMNS;
            const int a = ring ? outer - COLUMNS + j : loop[j];
            const int b = ring ? outer - COLUMNS + k : loop[k];
            /* The shorter way of symmetric halves: diagonals mirror at the middle plane. */
            const int32_t left[2][3] = {{b, a, outer + j}, {b, outer + j, outer + k}};
            const int32_t right[2][3] = {{b, a, outer + k}, {a, outer + j, outer + k}};
            memcpy(mesh->triangle[count], j < COLUMNS / 2 ? left : right, sizeof left);
            count += 2;
        }
    return STK_OK;
}

/* Cubic through the guides of one ring at column c of a half; mirrored at both ends. */
static void guide_at(int ring, int c, float out[3]) {
    int i = 0;
    while (i < GUIDES - 2 && guide_column[i + 1] <= c) i++;
    const float x0 = (float)guide_column[i], x1 = (float)guide_column[i + 1];
    const float h = x1 - x0, t = ((float)c - x0) / h;
    const int before = i > 0 ? i - 1 : 1, after = i + 2 < GUIDES ? i + 2 : GUIDES - 2;
    const float xb = i > 0 ? (float)guide_column[before] : x0 - (float)guide_column[1];
    const float xa =
        i + 2 < GUIDES ? (float)guide_column[after] : x1 + (x1 - (float)guide_column[GUIDES - 2]);
    for (int k = 0; k < 3; k++) {
        const float sb = i > 0 || k ? 1.0f : -1.0f, sa = i + 2 < GUIDES || k ? 1.0f : -1.0f;
        const float p0 = guide[i][ring][k], p1 = guide[i + 1][ring][k];
        const float m0 = (p1 - sb * guide[before][ring][k]) / (x1 - xb) * h;
        const float m1 = (sa * guide[after][ring][k] - p0) / (xa - x0) * h;
        const float t2 = t * t, t3 = t2 * t;
        out[k] = (2 * t3 - 3 * t2 + 1) * p0 + (t3 - 2 * t2 + t) * m0 + (3 * t2 - 2 * t3) * p1 +
                 (t3 - t2) * m1;
    }
}

/* Umbrella Laplacian: mean of the neighbours minus the vertex. */
static void laplacian(const stk_control_mesh *mesh, const float (*in)[3], float (*out)[3],
                      int *valence) {
    memset(out, 0, STK_CONTROL_VERTICES * sizeof *out);
    memset(valence, 0, STK_CONTROL_VERTICES * sizeof *valence);
    for (int t = 0; t < STK_CONTROL_TRIANGLES; t++)
        for (int s = 0; s < 3; s++) {
            const int a = mesh->triangle[t][s], b = mesh->triangle[t][(s + 1) % 3];
            for (int k = 0; k < 3; k++) out[a][k] += in[b][k], out[b][k] += in[a][k];
            valence[a]++, valence[b]++;
        }
    for (int v = 0; v < STK_CONTROL_VERTICES; v++)
        for (int k = 0; k < 3; k++)
            out[v][k] = valence[v] ? out[v][k] / (float)valence[v] - in[v][k] : 0;
}

/* Bilaplacian flow of the rings 1 .. 12: the surface leaves the face oval without a crease; less
 * below the jaw, whose edge stays readable. */
static stk_status fair(const stk_control_mesh *mesh, float (*p)[3], int rounds) {
    float(*first)[3] = stk_calloc_aligned(STK_CONTROL_VERTICES, sizeof *first);
    float(*second)[3] = stk_calloc_aligned(STK_CONTROL_VERTICES, sizeof *second);
    int *valence = stk_calloc_aligned(STK_CONTROL_VERTICES, sizeof *valence);
    const float rate = 0.2f; /* stable below 1/4: the umbrella's eigenvalues lie in [-2, 0] */
    if (first && second && valence)
        for (int round = 0; round < rounds; round++) {
            laplacian(mesh, (const float(*)[3])p, first, valence);
            laplacian(mesh, (const float(*)[3])first, second, valence);
            for (int v = FACE; v < STK_CONTROL_VERTICES - COLUMNS; v++) {
                const int j = (v - FACE) % COLUMNS, jaw = j > 9 && j < 27 && v < FACE + 3 * COLUMNS;
                for (int k = 0; k < 3; k++) p[v][k] -= (jaw ? 0.3f : 1.0f) * rate * second[v][k];
            }
        }
    const int ok = first && second && valence;
    stk_free(first);
    stk_free(second);
    stk_free(valence);
    return ok ? STK_OK : stk_fail_memory("bust");
}

/* How far a face vertex is from an opening in rows of the mesh: 0 on the loop itself. */
static void rows_from(const stk_control_mesh *mesh, const int16_t *loop, int count, int *row) {
    const int far = 99;
    for (int v = 0; v < FACE; v++) row[v] = far;
    for (int i = 0; i < count; i++) row[loop[i]] = 0;
    for (int r = 1; r < 6; r++)
        for (int t = 0; t < STK_CONTROL_TRIANGLES; t++)
            for (int s = 0; s < 3; s++) {
                const int a = mesh->triangle[t][s], b = mesh->triangle[t][(s + 1) % 3];
                if (a >= FACE || b >= FACE) continue;
                if (row[a] == r - 1 && row[b] > r) row[b] = r;
                if (row[b] == r - 1 && row[a] > r) row[a] = r;
            }
}

/* Height (mm) of the line where the lips meet; x = -1 .. 1 between the corners. */
static float lip_line(float x) {
    const float a = fabsf(x), dip = a / 0.17f, rise = (a - 0.42f) / 0.2f;
    return -42.3f - 0.5f * expf(-dip * dip) + 0.3f * expf(-rise * rise) + 0.5f * a * a * a;
}

/* The canonical lips stand 5.5 mm apart and are thin: closed, then given volume by rows. */
static void close_lips(const stk_control_mesh *mesh, float (*p)[3]) {
    int row[FACE];
    rows_from(mesh, stk_lip_loop, STK_LIP_LOOP, row);
    static const float share[6] = {1, 0.88f, 0.62f, 0.34f, 0.12f, 0.03f};
    static const float upper_out[6] = {1.0f, 1.5f, 1.3f, 0.3f, 0, 0};
    static const float lower_out[6] = {0.3f, 1.6f, 1.9f, 0.8f, -0.3f, -0.3f};
    const float gap = 0.06f;
    for (int v = 0; v < FACE; v++) {
        if (row[v] > 5) continue;
        const float x = p[v][0] / 21.531f, inside = stk_clampf(1 - x * x, 0, 1);
        const float upper = -39.6f - 3.1f * (1 - inside), lower = -45.4f + 2.6f * (1 - inside);
        const float line = lip_line(stk_clampf(x, -1, 1));
        const int above = row[v] == 0 ? place_in(stk_lip_loop, STK_LIP_LOOP, v) <= 10
                                      : p[v][1] > 0.5f * (upper + lower);
        p[v][1] += share[row[v]] * inside * (above ? line - upper + gap : line - lower - gap);
        p[v][2] += (above ? upper_out : lower_out)[row[v]] * sqrtf(inside);
        if (row[v] == 0)
            p[v][1] = bust_mix(p[v][1], line + (above ? gap : -gap), stk_clampf(4 * inside, 0, 1));
    }
    for (int v = 0; v < FACE; v++) { /* corners a little up: a friendly rest */
        const float q[3] = {fabsf(p[v][0]), p[v][1], p[v][2]};
        p[v][1] += 0.9f * bust_bump(q, 23, -43, 5, 6) * (p[v][2] > 20);
    }
    for (int i = 1; i < 10; i++) { /* the two inner borders lie on each other */
        float *a = p[stk_lip_loop[i]], *b = p[stk_lip_loop[STK_LIP_LOOP - i]];
        const float x = 0.5f * (a[0] + b[0]), z = 0.5f * (a[2] + b[2]);
        const float y = 0.5f * (a[1] + b[1]);
        a[0] = b[0] = x, a[2] = b[2] = z;
        a[1] = y + gap, b[1] = y - gap;
    }
}

/* What the canonical face only hints at: groove below the nose, fold of the upper lid, hollow under
 * the lower lip. */
static void carve(float (*p)[3]) {
    static const int16_t fold[14] = {247, 30,  29,  27,  28,  56,  190,
                                     467, 260, 259, 257, 258, 286, 414};
    static const int16_t over[14] = {113, 225, 224, 223, 222, 221, 189,
                                     342, 445, 444, 443, 442, 441, 413};
    for (int i = 0; i < 14; i++) {
        const int end = i % 7 == 0 || i % 7 == 6;
        p[fold[i]][2] -= end ? 0.4f : 1.1f, p[fold[i]][1] += end ? 0.5f : 1.8f;
        p[over[i]][2] += end ? 0.2f : 0.6f, p[over[i]][1] += end ? 0.2f : 0.7f;
    }
    for (int v = 0; v < FACE; v++) {
        const float q[3] = {fabsf(p[v][0]), p[v][1], p[v][2]};
        if (q[2] < 20) continue;
        p[v][2] -= 0.9f * bust_bump(q, 0, -27, 3, 4);
        p[v][2] += 0.5f * bust_bump(q, 7, -29, 3, 4);
        p[v][2] -= 0.8f * bust_bump(q, 0, -61, 14, 4);
        p[v][2] += 1.3f * bust_bump(q, 0, -82, 13, 8);
        p[v][2] -= 0.7f * bust_bump(q, 25, -74, 8, 9);
    }
}

/* The muscles from behind the ears to the breastbone, the pit between them. */
static void carve_neck(float (*p)[3]) {
    const float from[3] = {61, -38, -62}, to[3] = {10, -192, -24};
    float axis[3];
    bust_sub(to, from, axis);
    const float length = bust_normalise(axis);
    for (int v = FACE; v < STK_CONTROL_VERTICES; v++) {
        const float q[3] = {fabsf(p[v][0]), p[v][1], p[v][2]};
        float d[3], out[3] = {q[0], 0, q[2] + 64};
        bust_sub(q, from, d);
        const float along = bust_dot(d, axis);
        if (along < 0 || along > length) continue;
        for (int k = 0; k < 3; k++) d[k] -= along * axis[k];
        const float ridge = expf(-bust_dot(d, d) / (2 * 7.5f * 7.5f));
        const float size = 2.4f * ridge * bust_step(0, 0.25f, along / length);
        bust_normalise(out);
        p[v][0] += (p[v][0] < 0 ? -1.0f : 1.0f) * size * out[0], p[v][2] += size * out[2];
    }
}

/* The canonical lids stand 6.7 mm apart: opened to about 9; the inner corner lies deeper. */
static void open_lids(float (*p)[3]) {
    for (int v = 0; v < FACE; v++) {
        const float side = p[v][0] < 0 ? -1.0f : 1.0f, x = side * p[v][0] - 31.6f;
        const float y = p[v][1] - 26.2f;
        const float r2 = (x * x) / (15.0f * 15) + y * y / (6.5f * 6.5f);
        if (p[v][2] < 20) continue;
        const float near = expf(-r2 * r2), open = y > 0 ? 1.5f : 0.9f;
        p[v][1] += near * open * (y > 0 ? 1 : -1) * bust_step(0, 3, fabsf(y)) *
                   (1 - bust_step(8, 14, fabsf(x)));
        const float corner = expf(-((x + 12) * (x + 12) + y * y) / (2 * 2.6f * 2.6f));
        p[v][2] -= 2.2f * corner;
    }
}

static stk_status average_head(stk_control_mesh *mesh, float (*p)[3]) {
    const float(*canonical)[3] = stk_canonical_face();
    for (int v = 0; v < FACE; v++)
        for (int k = 0; k < 3; k++) p[v][k] = canonical[v][k] * 1000;
    close_lips(mesh, p);
    open_lids(p);
    carve(p);
    for (int ring = 0; ring < RINGS; ring++)
        for (int j = 0; j < COLUMNS; j++) {
            const int half = COLUMNS / 2, c = j <= half ? j : COLUMNS - j;
            float *at = p[FACE + ring * COLUMNS + j];
            guide_at(ring, c, at);
            if (j < half) at[0] = -at[0];
            mesh->ring[FACE + ring * COLUMNS + j] = (float)(ring + 1);
        }
    STK_TRY(fair(mesh, p, 40));
    carve_neck(p);
    return STK_OK;
}

/* Fields of the identity modes: p in mm on the average head, side = sign of x; adds to d. Each is a
 * few millimetres at one sigma. */
static void move_by_modes(const float m[STK_LOOK_MODES], const float p[3], float d[3]) {
    const float side = p[0] < 0 ? -1.0f : 1.0f, ax = fabsf(p[0]);
    const float q[3] = {ax, p[1], p[2]}, front = bust_step(-70, -5, p[2]);
    const float off = side * stk_clampf(ax / 4, 0, 1); /* sideways, smooth across the middle */
    d[0] += p[0] * (0.022f * m[0] - 0.03f);            /* the canonical face is a wide one */
    d[0] += off * front * m[1] *
            (3.3f * bust_bump(q, 58, -62, 26, 30) + 1.0f * bust_bump(q, 28, -88, 14, 14));
    d[1] -= front * 2.4f * m[2] * bust_bump(q, 0, -94, 42, 20);
    const float tip = front * bust_bump(q, 0, -8, 13, 11);
    d[1] -= 1.7f * m[3] * tip, d[2] += 1.3f * m[3] * tip;
    d[0] += off * front * 1.4f * m[4] * bust_bump(q, 15, -9, 8, 9);
    d[2] += front * 1.6f * m[5] * bust_bump(q, 0, 16, 9, 15);
    d[2] +=
        front * m[6] * (1.5f * bust_bump(q, 24, 47, 22, 9) - 1.8f * bust_bump(q, 0, 80, 44, 20));
    d[0] += off * front * 1.1f * m[7] * bust_bump(q, 31, 26, 18, 14);
    const float eye = front * 0.05f * m[8] * bust_bump(q, 31.5f, 26.2f, 15, 9);
    d[0] += side * stk_clampf(ax / 10, 0, 1) * eye * (ax - 31.5f), d[1] += eye * (p[1] - 26.2f);
    const float cheek = front * m[9] * bust_bump(q, 54, 0, 16, 14);
    d[0] += off * 1.4f * cheek, d[2] += 1.2f * cheek;
    const float lips = front * m[10] * bust_bump(q, 0, -43, 19, 9);
    d[1] += 0.9f * lips * stk_clampf((p[1] + 42.3f) / 5, -1, 1), d[2] += 0.7f * lips;
    d[0] += off * front * 1.7f * m[11] * bust_bump(q, 23, -43, 9, 12);
    d[1] += 2.6f * m[12] * bust_step(52, 92, p[1]);
    d[1] += p[1] * 0.016f * m[13];
    const float full = front * m[14] * bust_bump(q, 44, -34, 17, 18);
    d[0] += off * 1.4f * full, d[2] += 1.1f * full;
    const float apple = bust_step(-60, -20, p[2]) * bust_bump(q, 0, -126, 8, 9);
    d[2] += 1.3f * stk_clampf(1 + m[15], 0, 3) * apple;
    const float neck = bust_step(-70, -120, p[1]) * bust_step(35, 0, p[2]);
    d[0] += p[0] * 0.05f * m[15] * neck, d[2] += (p[2] + 60) * 0.04f * m[15] * neck;
}

/* Nobody is quite symmetric: nose, mouth and brows a fraction of a millimetre aside. */
static void move_aside(const float a[4], const float p[3], float d[3]) {
    const float front = bust_step(-50, 0, p[2]);
    d[0] += 0.6f * a[0] * front * bust_bump(p, 0, -4, 16, 20);
    d[1] += 0.25f * a[1] * front * bust_bump(p, 0, -43, 26, 10) * stk_clampf(p[0] / 20, -1, 1);
    d[1] += 0.7f * a[2] * front * bust_bump(p, 34, 49, 24, 8);
    d[0] += 0.7f * a[3] * front * bust_bump(p, 0, -90, 50, 28);
}

static void texture_place(const stk_control_mesh *mesh, float (*uv)[2]) {
    const float(*t)[2] = stk_face_mesh_texture();
    const float scale = 0.64f, radius = 0.49f;
    for (int v = 0; v < FACE; v++) {
        uv[v][0] = 0.5f + scale * (t[v][0] - 0.5f);
        uv[v][1] = 0.5f + scale * (t[v][1] - 0.5307f);
        /* The texture's lips touch: room for their inner side. */
        const float x = (t[v][0] - 0.5f) / 0.0964f, from = t[v][1] - 0.69385f;
        const float room = stk_clampf(1 - x * x, 0, 1) * stk_clampf(1 - fabsf(from) / 0.13f, 0, 1);
        uv[v][1] += (from < 0 ? -0.016f : 0.016f) * room;
    }
    for (int j = 0; j < COLUMNS; j++) {
        const float *from = uv[mesh->oval[j]];
        float d[2] = {from[0] - 0.5f, from[1] - 0.5f};
        const float length = sqrtf(d[0] * d[0] + d[1] * d[1]);
        for (int ring = 1; ring <= RINGS; ring++)
            for (int k = 0; k < 2; k++)
                uv[FACE + (ring - 1) * COLUMNS + j][k] =
                    bust_mix(from[k], 0.5f + radius * d[k] / length, (float)ring / (float)RINGS);
    }
}

stk_status stk_control_mesh_build(stk_control_mesh *mesh, const float *shape, float asymmetry,
                                  int seed) {
    memset(mesh, 0, sizeof *mesh);
    STK_TRY(connect(mesh));
    STK_TRY(average_head(mesh, mesh->average));
    float aside[4];
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, 77);
    for (int i = 0; i < 4; i++) aside[i] = asymmetry * stk_clampf(stk_rng_normal(&rng), -2, 2);
    for (int v = 0; v < STK_CONTROL_VERTICES; v++) {
        float *p = mesh->average[v], d[3] = {0, 0, 0};
        move_by_modes(shape, p, d);
        move_aside(aside, p, d);
        for (int k = 0; k < 3; k++) {
            mesh->position[v][k] = (p[k] + d[k]) * 1e-3f;
            p[k] *= 1e-3f;
        }
    }
    texture_place(mesh, mesh->uv);
    static const int16_t corners[] = {33, 133, 263, 362, 78, 308};
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) mesh->corner[corners[i]] = 1;
    return STK_OK;
}
