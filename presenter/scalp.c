/* scalp.c - the head as the hair sees it.
 *
 * A skull is star-shaped about its centre, so "how far out is the skin in this direction" is a map
 * over longitude and latitude (rows from straight up to straight down, columns about the y axis
 * from -z round over +x): radius[row][column] is the largest distance at which the ray from the
 * centre meets the skin or an ear. A strand is kept outside by moving its points along the radius.
 * The face is kept clear by its oval as seen from the front (the border of the face mesh).
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "presenter/hair_private.h"
#include "presenter/noise.h"

static const float pi = 3.14159265358979f;

float stk_unit3(float v[3]) {
    const float length = sqrtf(stk_dot3(v, v));
    if (length > 1e-12f)
        for (int k = 0; k < 3; k++) v[k] /= length;
    return length;
}

/* Row and column, both fractional, of a direction. */
static void map_place(const float direction[3], float *row, float *column) {
    const float length = sqrtf(stk_dot3(direction, direction));
    const float cosine = length > 1e-12f ? stk_clampf(direction[1] / length, -1, 1) : 1.0f;
    *row = acosf(cosine) / pi * (float)STK_SCALP_ROWS;
    *column = (atan2f(direction[0], direction[2]) / (2 * pi) + 0.5f) * (float)STK_SCALP_COLUMNS;
}

static void map_direction(int row, int column, float direction[3]) {
    const float down = pi * (float)row / (float)STK_SCALP_ROWS;
    const float round = 2 * pi * ((float)column / (float)STK_SCALP_COLUMNS - 0.5f);
    direction[0] = sinf(down) * sinf(round);
    direction[1] = cosf(down);
    direction[2] = sinf(down) * cosf(round);
}

static float *map_cell(const stk_scalp *scalp, int row, int column) {
    return scalp->radius + (ptrdiff_t)row * (STK_SCALP_COLUMNS + 1) + column;
}

/* Where the ray t * d from the origin meets the triangle; 0 if it does not. */
static float ray_hit(const float d[3], float v[3][3]) {
    float a[3], b[3], p[3], q[3];
    stk_sub3(v[1], v[0], a);
    stk_sub3(v[2], v[0], b);
    stk_cross3(d, b, p);
    const float determinant = stk_dot3(a, p);
    if (fabsf(determinant) < 1e-14f) return 0;
    const float minus[3] = {-v[0][0], -v[0][1], -v[0][2]};
    const float u = stk_dot3(minus, p) / determinant;
    stk_cross3(minus, a, q);
    const float w = stk_dot3(d, q) / determinant;
    if (u < -1e-4f || w < -1e-4f || u + w > 1.0002f) return 0;
    return stk_dot3(b, q) / determinant;
}

static void map_triangle(stk_scalp *scalp, float v[3][3]) {
    float low_row = 1e9f, high_row = -1, low_column = 1e9f, high_column = -1;
    for (int k = 0; k < 3; k++) {
        float row, column;
        map_place(v[k], &row, &column);
        low_row = fminf(low_row, row), high_row = fmaxf(high_row, row);
        low_column = fminf(low_column, column), high_column = fmaxf(high_column, column);
    }
    const int wraps = high_column - low_column > STK_SCALP_COLUMNS / 4.0f;
    const int column0 = wraps ? 0 : (int)floorf(low_column);
    const int column1 = wraps ? STK_SCALP_COLUMNS : (int)ceilf(high_column);
    const int row0 = wraps && low_row < 5 ? 0 : (int)floorf(low_row);
    const int row1 = wraps && high_row > STK_SCALP_ROWS - 5 ? STK_SCALP_ROWS : (int)ceilf(high_row);
    for (int row = row0; row <= row1; row++)
        for (int column = column0; column <= column1; column++) {
            float direction[3];
            map_direction(row, column, direction);
            float *cell = map_cell(scalp, row, column);
            *cell = fmaxf(*cell, ray_hit(direction, v));
        }
}

static void map_surface(stk_scalp *scalp, const stk_surface *surface) {
    for (int t = 0; t < surface->triangles; t++) {
        float v[3][3];
        for (int k = 0; k < 3; k++)
            stk_sub3(surface->rest[surface->triangle[t][k]], scalp->centre, v[k]);
        map_triangle(scalp, v);
    }
}

/* Smooth normals by area, outwards. */
static void scalp_normals(stk_scalp *scalp) {
    const stk_surface *skin = scalp->skin;
    for (int t = 0; t < skin->triangles; t++) {
        const int32_t *v = skin->triangle[t];
        float a[3], b[3], n[3];
        stk_sub3(skin->rest[v[1]], skin->rest[v[0]], a);
        stk_sub3(skin->rest[v[2]], skin->rest[v[0]], b);
        stk_cross3(a, b, n);
        for (int k = 0; k < 3; k++) stk_add3(scalp->normal[v[k]], 1, n, scalp->normal[v[k]]);
    }
    for (int v = 0; v < skin->vertices; v++) stk_unit3(scalp->normal[v]);
}

static stk_status scalp_centre(stk_scalp *scalp) {
    float top = -1e9f, front = -1e9f, back = 1e9f;
    int hairy = 0;
    for (int v = 0; v < scalp->skin->vertices; v++) {
        if (scalp->growth[v] < 0.5f) continue;
        const float *p = scalp->skin->rest[v];
        top = fmaxf(top, p[1]), front = fmaxf(front, p[2]), back = fminf(back, p[2]);
        hairy++;
    }
    if (hairy < 100 || !(front - back > 0.05f))
        return stk_fail(STK_ERR_ARGUMENT, "hair: %d skin vertices grow hair, which is no scalp",
                        hairy);
    scalp->half = 0.5f * (front - back);
    scalp->centre[1] = top - scalp->half;
    scalp->centre[2] = 0.5f * (front + back);
    return STK_OK;
}

/* The border of the face mesh (landmarks of the oval, clockwise from the forehead's middle). */
static const int16_t oval[36] = {10,  338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288,
                                 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136,
                                 172, 58,  132, 93,  234, 127, 162, 21,  54,  103, 67,  109};

static void scalp_outline(stk_scalp *scalp) {
    const float(*rest)[3] = (const float(*)[3])scalp->skin->rest;
    scalp->middle[0] = 0;
    scalp->middle[1] = 0.5f * (rest[10][1] + rest[152][1]);
    scalp->chin_y = rest[152][1];
    scalp->brow_y = 0.5f * (rest[105][1] + rest[334][1]);
    for (int i = 0; i < STK_SCALP_OUTLINE; i++) {
        const float angle = 2 * pi * (float)i / (float)STK_SCALP_OUTLINE;
        const float d[2] = {sinf(angle), cosf(angle)};
        scalp->outline[i] = 0.08f;
        for (int k = 0; k < 36; k++) { /* ray against each side of the polygon */
            const float *p = rest[oval[k]], *q = rest[oval[(k + 1) % 36]];
            const float a[2] = {p[0] - scalp->middle[0], p[1] - scalp->middle[1]};
            const float e[2] = {q[0] - p[0], q[1] - p[1]};
            const float determinant = d[0] * e[1] - d[1] * e[0];
            if (fabsf(determinant) < 1e-9f) continue;
            const float along = (a[0] * e[1] - a[1] * e[0]) / determinant;
            const float share = (a[0] * d[1] - a[1] * d[0]) / determinant;
            if (along > 0 && share >= 0 && share <= 1) scalp->outline[i] = along;
        }
    }
}

static const float neck_slice = 0.007f;

/* Behind the ears the neck is taken as round, level by level. */
static void scalp_neck(stk_scalp *scalp) {
    scalp->neck_y = scalp->chin_y - 0.062f;
    for (int i = 0; i < STK_SCALP_SLICES; i++) scalp->neck[i][0] = scalp->neck[i][1] = 0;
    for (int v = 0; v < scalp->skin->vertices; v++) {
        const float *p = scalp->skin->rest[v];
        const int i = (int)floorf((p[1] - scalp->neck_y) / neck_slice);
        if (i < 0 || i >= STK_SCALP_SLICES || p[2] > scalp->ear_z - 0.01f) continue;
        scalp->neck[i][0] = fmaxf(scalp->neck[i][0], fabsf(p[0]));
        scalp->neck[i][1] = fminf(scalp->neck[i][1], p[2]);
    }
}

/* Ears and the radius map need all surfaces of the bust; those are had by adding it to an actor. */
static stk_status scalp_map(stk_scalp *scalp, const stk_bust *bust, int hanging) {
    stk_actor actor;
    memset(&actor, 0, sizeof actor);
    STK_TRY(stk_bust_add((stk_bust *)(uintptr_t)bust, &actor)); /* only lists its surfaces */
    scalp->ear_top_y = scalp->brow_y - 0.005f;
    scalp->ear_low_y = scalp->brow_y - 0.065f;
    scalp->ear_z = scalp->centre[2] + 0.01f;
    float low = 1e9f, high = -1e9f, z = 0;
    int vertices = 0;
    map_surface(scalp, scalp->skin);
    for (int s = 0; s < actor.surfaces; s++) {
        const stk_surface *surface = actor.surface[s];
        if (surface->triangles < 1 || surface->part[0] != STK_PART_EAR) continue;
        if (hanging) map_surface(scalp, surface); /* short hair passes behind the ears */
        for (int v = 0; v < surface->vertices; v++, vertices++) {
            low = fminf(low, surface->rest[v][1]), high = fmaxf(high, surface->rest[v][1]);
            z += surface->rest[v][2];
        }
    }
    if (vertices > 0)
        scalp->ear_low_y = low, scalp->ear_top_y = high, scalp->ear_z = z / (float)vertices;
    return STK_OK;
}

/* The bust says where hair grows; before the ears long hair hangs over it and needs no cap. */
static void scalp_growth(stk_scalp *scalp, const float *grows, int hanging) {
    for (int v = 0; v < scalp->skin->vertices; v++) {
        const float *p = scalp->skin->rest[v];
        const float before = stk_smoothstep(scalp->ear_z, scalp->ear_z + 0.012f, p[2]);
        const float low = stk_smoothstep(scalp->brow_y - 0.004f, scalp->brow_y - 0.020f, p[1]);
        scalp->growth[v] = grows[v] * (1 - (hanging ? before * low : 0));
    }
}

stk_status stk_scalp_init(stk_scalp *scalp, const stk_bust *bust, const stk_look *look) {
    memset(scalp, 0, sizeof *scalp);
    scalp->skin = stk_bust_skin(bust);
    scalp->growth = stk_calloc_aligned((size_t)scalp->skin->vertices, sizeof *scalp->growth);
    scalp->normal = stk_calloc_aligned((size_t)scalp->skin->vertices, sizeof *scalp->normal);
    scalp->radius =
        stk_calloc_aligned((STK_SCALP_ROWS + 1) * (STK_SCALP_COLUMNS + 1), sizeof *scalp->radius);
    if (!scalp->growth || !scalp->normal || !scalp->radius) return stk_fail_memory("the scalp");
    scalp_growth(scalp, stk_bust_scalp(bust), 0);
    STK_TRY(scalp_centre(scalp));
    scalp_normals(scalp);
    scalp_outline(scalp);
    const int hanging = look->hair == STK_HAIR_BOB;
    STK_TRY(scalp_map(scalp, bust, hanging));
    scalp_neck(scalp);
    scalp_growth(scalp, stk_bust_scalp(bust), hanging);
    return STK_OK;
}

void stk_scalp_clear(stk_scalp *scalp) {
    stk_free(scalp->growth);
    stk_free(scalp->normal);
    stk_free(scalp->radius);
    memset(scalp, 0, sizeof *scalp);
}

float stk_scalp_radius(const stk_scalp *scalp, const float direction[3]) {
    float row, column;
    map_place(direction, &row, &column);
    const int r = stk_clampi((int)row, 0, STK_SCALP_ROWS - 1);
    const int c = stk_clampi((int)column, 0, STK_SCALP_COLUMNS - 1);
    const float fr = row - (float)r, fc = column - (float)c;
    const float upper = stk_mix(*map_cell(scalp, r, c), *map_cell(scalp, r, c + 1), fc);
    const float lower = stk_mix(*map_cell(scalp, r + 1, c), *map_cell(scalp, r + 1, c + 1), fc);
    return stk_mix(upper, lower, fr);
}

void stk_scalp_push_out(const stk_scalp *scalp, float above, float point[3]) {
    float d[3];
    stk_sub3(point, scalp->centre, d);
    const float least = stk_scalp_radius(scalp, d) + above;
    const float length = sqrtf(stk_dot3(d, d));
    if (length >= least || length < 1e-6f) return;
    stk_add3(scalp->centre, least / length, d, point);
}

void stk_scalp_clear_neck(const stk_scalp *scalp, float above, float point[3]) {
    const int i = (int)floorf((point[1] - scalp->neck_y) / neck_slice);
    if (i < 0 || i >= STK_SCALP_SLICES || !(scalp->neck[i][0] > 0)) return;
    const float radius = scalp->neck[i][0] + above;
    const float middle = scalp->neck[i][1] + scalp->neck[i][0];
    const float x = point[0], z = point[2] - middle;
    const float far = sqrtf(x * x + z * z);
    if (far >= radius || far < 1e-4f) return;
    point[0] = x * radius / far;
    point[2] = middle + z * radius / far;
}

static float outline_at(const stk_scalp *scalp, float x, float y) {
    float turn = atan2f(x, y) / (2 * pi);
    if (turn < 0) turn += 1;
    const float place = turn * (float)STK_SCALP_OUTLINE;
    const int i = (int)place;
    return stk_mix(scalp->outline[i % STK_SCALP_OUTLINE],
                   scalp->outline[(i + 1) % STK_SCALP_OUTLINE], place - (float)i);
}

float stk_scalp_oval(const stk_scalp *scalp, const float point[3]) {
    const float x = point[0] - scalp->middle[0], y = point[1] - scalp->middle[1];
    return sqrtf(x * x + y * y) / outline_at(scalp, x, y);
}

void stk_scalp_clear_face(const stk_scalp *scalp, float share, float point[3]) {
    if (point[2] < scalp->centre[2]) return;
    const float have = stk_scalp_oval(scalp, point);
    if (have >= share || have < 1e-3f) return;
    for (int k = 0; k < 2; k++)
        point[k] = scalp->middle[k] + (point[k] - scalp->middle[k]) * share / have;
}

/* ---- roots ---------------------------------------------------------------------------------- */

enum { GRID = 32, CELL_ROOTS = 64 };

/* Roots so far, in cells of space; a cell that is full takes no more. */
typedef struct root_grid {
    float low[3], cell;
    int32_t count[GRID * GRID * GRID];
    int32_t root[GRID * GRID * GRID][CELL_ROOTS];
} root_grid;

static int grid_index(const root_grid *grid, const float p[3], const int step[3]) {
    int index = 0;
    for (int k = 0; k < 3; k++) {
        const int i = (int)((p[k] - grid->low[k]) / grid->cell) + step[k];
        if (i < 0 || i >= GRID) return -1;
        index = index * GRID + i;
    }
    return index;
}

static int grid_crowded(const root_grid *grid, const stk_root *roots, const float p[3],
                        float distance) {
    for (int i = 0; i < 27; i++) {
        const int step[3] = {i % 3 - 1, i / 3 % 3 - 1, i / 9 - 1};
        const int cell = grid_index(grid, p, step);
        if (cell < 0) continue;
        for (int k = 0; k < grid->count[cell]; k++) {
            float d[3];
            stk_sub3(roots[grid->root[cell][k]].position, p, d);
            if (stk_dot3(d, d) < distance * distance) return 1;
        }
    }
    return 0;
}

/* A point of the skin by area (cumulative [triangles]). */
static void root_draw(const stk_scalp *scalp, const double *cumulative, stk_rng *rng,
                      stk_root *root) {
    const stk_surface *skin = scalp->skin;
    const double pick =
        ((double)stk_rng_u32(rng) + 0.5) / 4294967296.0 * cumulative[skin->triangles - 1];
    int low = 0, high = skin->triangles - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (cumulative[middle] > pick)
            high = middle;
        else
            low = middle + 1;
    }
    const float a = sqrtf(stk_rng_float(rng)), b = stk_rng_float(rng);
    const float weight[3] = {1 - a, a * (1 - b), a * b};
    memset(root, 0, sizeof *root);
    for (int k = 0; k < 3; k++) {
        const int v = skin->triangle[low][k];
        stk_add3(root->position, weight[k], skin->rest[v], root->position);
        stk_add3(root->normal, weight[k], scalp->normal[v], root->normal);
        root->growth += weight[k] * scalp->growth[v];
    }
    stk_unit3(root->normal);
}

/* Area of the hairy triangles summed up, m^2. */
static void hairy_area(const stk_scalp *scalp, double *cumulative) {
    const stk_surface *skin = scalp->skin;
    double sum = 0;
    for (int t = 0; t < skin->triangles; t++) {
        const int32_t *v = skin->triangle[t];
        const float growth = scalp->growth[v[0]] + scalp->growth[v[1]] + scalp->growth[v[2]];
        float a[3], b[3], n[3];
        stk_sub3(skin->rest[v[1]], skin->rest[v[0]], a);
        stk_sub3(skin->rest[v[2]], skin->rest[v[0]], b);
        stk_cross3(a, b, n);
        if (growth > 0) sum += 0.5 * sqrt((double)stk_dot3(n, n));
        cumulative[t] = sum;
    }
}

static int throw_roots(const stk_scalp *scalp, stk_scalp_density density, const void *context,
                       stk_rng *rng, int wanted, stk_root *roots, const double *cumulative,
                       root_grid *grid) {
    const double area = cumulative[scalp->skin->triangles - 1];
    float distance = 0.95f * (float)sqrt(area / (double)wanted);
    for (int k = 0; k < 3; k++) grid->low[k] = scalp->centre[k] - 0.2f;
    grid->cell = 0.4f / (float)GRID;
    int count = 0, missed = 0;
    const int no_step[3] = {0, 0, 0};
    for (int thrown = 0; count < wanted && thrown < 60 * wanted; thrown++) {
        stk_root root;
        root_draw(scalp, cumulative, rng, &root);
        const float dense = density(&root, context);
        const int cell = grid_index(grid, root.position, no_step);
        const float keep_off = fminf(distance / sqrtf(fmaxf(dense, 0.02f)), grid->cell);
        if (dense <= 0 || stk_rng_float(rng) > dense || cell < 0 ||
            grid->count[cell] >= CELL_ROOTS || grid_crowded(grid, roots, root.position, keep_off)) {
            if (++missed % wanted == 0) distance *= 0.93f; /* full at this distance */
            continue;
        }
        grid->root[cell][grid->count[cell]++] = count;
        roots[count++] = root;
    }
    return count;
}

stk_status stk_scalp_roots(const stk_scalp *scalp, stk_scalp_density density, const void *context,
                           stk_rng *rng, int wanted, stk_root *roots, int *count) {
    double *cumulative = stk_calloc_aligned((size_t)scalp->skin->triangles, sizeof *cumulative);
    root_grid *grid = stk_calloc_aligned(1, sizeof *grid);
    *count = 0;
    if (cumulative && grid) {
        hairy_area(scalp, cumulative);
        *count = throw_roots(scalp, density, context, rng, wanted, roots, cumulative, grid);
    }
    stk_free(grid);
    stk_free(cumulative);
    return cumulative && grid ? STK_OK : stk_fail_memory("the roots of the hair");
}
