/* points_pick.c - see points_pick.h. Threading: cells are tasks of the pool. */
#include "head_sync/points_pick.h"
#include "base/face_mesh.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { HALF = STK_LK_SIDE / 2 - 1, MARGIN = STK_LK_SIDE / 2 + 1, AREA_STEP = 4, CELL_LEAST = 6 };
/* Cosine between a triangle and the camera's direction below which skin is seen too flat. */
static const float FACING_LEAST = 0.3f;
/* Mean squared slope, grey levels^2 / px^2, that noise alone would not give. */
static const float TEXTURE_LEAST = 0.25f;
static const float RIGIDITY_LEAST = 0.25f;
/* Some cells lie on the rim, or their best place is too near a neighbour's. */
static const float CELLS_A_PICK = 1.5f;
/* Reach of a hidden point over its surroundings, in cells. */
static const float HIDDEN_CELLS = 2.0f;

int stk_picker_init(stk_picker *picker, int width, int height) {
    memset(picker, 0, sizeof *picker);
    picker->width = width;
    picker->height = height;
    picker->triangle = stk_calloc_aligned((size_t)width * (size_t)height, sizeof(int16_t));
    picker->depth = stk_calloc_aligned(STK_MESH_TRIANGLES, sizeof(float));
    picker->cells = stk_calloc_aligned(STK_PICK_CELLS_MAX, sizeof(stk_pick));
    if (picker->triangle != NULL && picker->depth != NULL && picker->cells != NULL) return 0;
    stk_picker_clear(picker);
    return -1;
}

void stk_picker_clear(stk_picker *picker) {
    stk_free(picker->triangle);
    stk_free(picker->depth);
    stk_free(picker->cells);
    memset(picker, 0, sizeof *picker);
}

/* Numbers: millimetres on the canonical face (mirror-symmetric); eyes at (32, 26), brows from
 * (57, 42) over (40, 51) to (12, 41), base of the nose at -21, nostrils' wings to 16 aside. */
float stk_pick_rigidity(const float head[3]) {
    const float x = 1000 * fabsf(head[0]), y = 1000 * head[1];
    const float ex = (x - 32) / 18, ey = (y - 26) / 11;
    if (y < -20 || ex * ex + ey * ey < 1) return 0;
    if (y < -8) return x < 16 ? 1.0f : x < 58 ? 0.4f : 0.0f;
    if (x < 10 && y < 45) return 1;
    if (x > 8 && x < 62 && y > 34 && y < 57) return y < 38 ? 0.0f : 0.3f; /* upper lid, brow */
    if (y >= 45) return 0.7f;                                             /* forehead */
    return x > 60 ? 0.7f : 0.8f;                                          /* temple, cheek bone */
}

/* --- which triangle is where ------------------------------------------------------------------ */

/* Twice the signed area in the picture, y down: negative for a triangle seen from outside. */
static float turn(const float *a, const float *b, const float *c) {
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

static float area_head(const int16_t v[3]) {
    const float(*face)[3] = stk_canonical_face();
    float a[3], b[3];
    for (int i = 0; i < 3; i++) {
        a[i] = face[v[1]][i] - face[v[0]][i];
        b[i] = face[v[2]][i] - face[v[0]][i];
    }
    const float x = a[1] * b[2] - a[2] * b[1], y = a[2] * b[0] - a[0] * b[2];
    const float z = a[0] * b[1] - a[1] * b[0];
    return sqrtf(x * x + y * y + z * z);
}

static void fill_triangle(stk_picker *picker, const float (*landmarks)[3], int t) {
    const int16_t *v = stk_face_mesh_triangles()[t];
    const float *p[3] = {landmarks[v[0]], landmarks[v[1]], landmarks[v[2]]};
    const float low_x = fminf(fminf(p[0][0], p[1][0]), p[2][0]);
    const float low_y = fminf(fminf(p[0][1], p[1][1]), p[2][1]);
    const float high_x = fmaxf(fmaxf(p[0][0], p[1][0]), p[2][0]);
    const float high_y = fmaxf(fmaxf(p[0][1], p[1][1]), p[2][1]);
    const int x0 = (int)stk_clampf(low_x, 0, (float)picker->width);
    const int y0 = (int)stk_clampf(low_y, 0, (float)picker->height);
    const int x1 = (int)stk_clampf(high_x + 1, 0, (float)picker->width);
    const int y1 = (int)stk_clampf(high_y + 1, 0, (float)picker->height);
    for (int y = y0; y < y1; y++) {
        int16_t *row = picker->triangle + (size_t)y * (size_t)picker->width;
        for (int x = x0; x < x1; x++) {
            const float at[2] = {(float)x + 0.5f, (float)y + 0.5f};
            if (turn(p[0], p[1], at) > 0 || turn(p[1], p[2], at) > 0 || turn(p[2], p[0], at) > 0)
                continue;
            if (row[x] < 0 || picker->depth[t] < picker->depth[row[x]]) row[x] = (int16_t)t;
        }
    }
}

/* Triangles are compared with the mean scale of those that face the camera at all. */
static void fill_triangles(stk_picker *picker, const float (*landmarks)[3]) {
    const int16_t(*triangles)[3] = stk_face_mesh_triangles();
    double seen = 0, whole = 0;
    for (int t = 0; t < STK_MESH_TRIANGLES; t++) {
        const int16_t *v = triangles[t];
        const float area = -turn(landmarks[v[0]], landmarks[v[1]], landmarks[v[2]]);
        picker->depth[t] = landmarks[v[0]][2] + landmarks[v[1]][2] + landmarks[v[2]][2];
        if (area > 0) seen += (double)area, whole += (double)area_head(v);
    }
    /* Averaged over a half of a face, the cosine is about 0.7. */
    const float scale = whole > 0 ? (float)(seen / whole / 0.7) : 1;
    memset(picker->triangle, 0xff,
           (size_t)picker->width * (size_t)picker->height * sizeof *picker->triangle);
    for (int t = 0; t < STK_MESH_TRIANGLES; t++) {
        const int16_t *v = triangles[t];
        const float area = -turn(landmarks[v[0]], landmarks[v[1]], landmarks[v[2]]);
        if (area > FACING_LEAST * scale * area_head(v)) fill_triangle(picker, landmarks, t);
    }
}

static int triangle_at(const stk_picker *picker, int x, int y) {
    if (x < 0 || y < 0 || x >= picker->width || y >= picker->height) return -1;
    return picker->triangle[(size_t)y * (size_t)picker->width + (size_t)x];
}

/* Rigidity of the place at a pixel corner, and the place; 0 off the face. */
static float place_at(const stk_picker *picker, const float (*landmarks)[3], int x, int y,
                      float head[3]) {
    const int t = triangle_at(picker, x, y);
    if (t < 0) return 0;
    const int16_t *v = stk_face_mesh_triangles()[t];
    const float(*face)[3] = stk_canonical_face();
    const float at[2] = {(float)x, (float)y};
    const float *a = landmarks[v[0]], *b = landmarks[v[1]], *c = landmarks[v[2]];
    const float all = turn(a, b, c), u = turn(at, b, c) / all, w = turn(a, at, c) / all;
    for (int i = 0; i < 3; i++)
        head[i] = u * face[v[0]][i] + w * face[v[1]][i] + (1 - u - w) * face[v[2]][i];
    return stk_pick_rigidity(head);
}

/* --- cells ------------------------------------------------------------------------------------ */

typedef struct looking {
    stk_picker *picker;
    const stk_lk_plane *plane;
    const float (*landmarks)[3];
    const stk_image *mask;
    const stk_taken *taken;
    int count;
} looking;

/* Smaller eigenvalue of the mean structure tensor over the patch around a pixel corner. */
static float texture_at(const stk_lk_plane *plane, int x, int y) {
    float xx = 0, xy = 0, yy = 0;
    for (int j = y - HALF; j < y + HALF; j++) {
        const uint16_t *row = plane->data + (ptrdiff_t)j * plane->stride;
        for (int i = x - HALF; i < x + HALF; i++) {
            const float dx = (float)(row[i + 1] - row[i - 1]);
            const float dy = (float)(row[i + plane->stride] - row[i - plane->stride]);
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
    }
    const float unit = 0.25f / (STK_LK_ONE * STK_LK_ONE * 4.0f * HALF * HALF);
    const float mean = 0.5f * (xx + yy), half = 0.5f * (xx - yy);
    return unit * (mean - sqrtf(half * half + xy * xy));
}

static int is_free(const looking *look, int x, int y) {
    const stk_picker *picker = look->picker;
    if (x < MARGIN || y < MARGIN || x > picker->width - MARGIN || y > picker->height - MARGIN)
        return 0;
    for (int k = 0; k < 4; k++) /* the patch lies on the face */
        if (triangle_at(picker, x + (k & 1 ? HALF : -HALF), y + (k & 2 ? HALF : -HALF)) < 0)
            return 0;
    if (look->mask != NULL && stk_image_row(look->mask, y)[x] == 0) return 0;
    const float cell = picker->cell_px * picker->cell_px;
    float nearest = HIDDEN_CELLS * HIDDEN_CELLS * cell;
    int hidden = 0;
    for (int k = 0; k < look->count; k++) {
        const float dx = look->taken[k].px[0] - (float)x, dy = look->taken[k].px[1] - (float)y;
        const float far = dx * dx + dy * dy;
        if (far < 0.64f * cell) return 0;
        if (far < nearest) nearest = far, hidden = look->taken[k].hidden;
    }
    return !hidden;
}

static void cell_task(void *ctx, int task, int worker) {
    (void)worker;
    const looking *look = ctx;
    stk_picker *picker = look->picker;
    stk_pick *best = &picker->cells[task];
    const int column = task % picker->columns, row = task / picker->columns;
    const int left = picker->x0 + (int)((float)column * picker->cell_px);
    const int top = picker->y0 + (int)((float)row * picker->cell_px);
    const int size = (int)picker->cell_px, step = size >= 12 ? size / 6 : 2;
    float most = 0;
    *best = (stk_pick){0};
    for (int y = top; y < top + size; y += step)
        for (int x = left; x < left + size; x += step) {
            float head[3];
            const float rigidity = place_at(picker, look->landmarks, x, y, head);
            if (rigidity < RIGIDITY_LEAST || !is_free(look, x, y)) continue;
            const float texture = texture_at(look->plane, x, y);
            if (texture < TEXTURE_LEAST || rigidity * texture <= most) continue;
            most = rigidity * texture;
            best->px[0] = (float)x;
            best->px[1] = (float)y;
            memcpy(best->head, head, sizeof head);
            best->weight = rigidity;
            best->texture = texture;
        }
}

/* Bounding box and area of what moves with the skull -> the cells. */
static void lay_cells(stk_picker *picker, const float (*landmarks)[3], int wanted) {
    int x0 = picker->width, y0 = picker->height, x1 = 0, y1 = 0, area = 0;
    for (int y = 0; y < picker->height; y += AREA_STEP)
        for (int x = 0; x < picker->width; x += AREA_STEP) {
            float head[3];
            if (place_at(picker, landmarks, x, y, head) < RIGIDITY_LEAST) continue;
            area++;
            if (x < x0) x0 = x;
            if (y < y0) y0 = y;
            if (x > x1) x1 = x;
            if (y > y1) y1 = y;
        }
    const float px = (float)(area * AREA_STEP * AREA_STEP);
    picker->columns = picker->rows = 0;
    if (area == 0 || wanted < 1) return;
    picker->cell_px = fmaxf(sqrtf(px / ((float)wanted * CELLS_A_PICK)), CELL_LEAST);
    picker->x0 = x0;
    picker->y0 = y0;
    for (;; picker->cell_px *= 1.25f) {
        picker->columns = (int)((float)(x1 - x0) / picker->cell_px) + 1;
        picker->rows = (int)((float)(y1 - y0) / picker->cell_px) + 1;
        if (picker->columns * picker->rows <= STK_PICK_CELLS_MAX) break;
    }
}

/* Best places of neighbouring cells may touch: of two the later goes. */
static void thin_out(stk_picker *picker) {
    const int cells = picker->columns * picker->rows;
    const float least = 0.25f * picker->cell_px * picker->cell_px;
    for (int a = 0; a < cells; a++) {
        stk_pick *p = &picker->cells[a];
        for (int k = 0; k < 4; k++) { /* those looked at before: above, and to the left */
            const int x = a % picker->columns + k % 3 - 1, y = a / picker->columns - (k < 3);
            if (x < 0 || y < 0 || x >= picker->columns) continue;
            const stk_pick *q = &picker->cells[y * picker->columns + x];
            const float dx = p->px[0] - q->px[0], dy = p->px[1] - q->px[1];
            if (q->weight > 0 && dx * dx + dy * dy < least) p->weight = 0;
        }
    }
}

int stk_picker_look(stk_picker *picker, const stk_lk_plane *plane, const float (*landmarks)[3],
                    const stk_image *mask, const stk_taken *taken, int count, int wanted,
                    stk_pool *pool) {
    looking look = {picker, plane, landmarks, mask, taken, count};
    fill_triangles(picker, landmarks);
    lay_cells(picker, landmarks, wanted);
    stk_pool_run(pool, picker->columns * picker->rows, cell_task, &look);
    thin_out(picker);
    return picker->columns * picker->rows;
}
