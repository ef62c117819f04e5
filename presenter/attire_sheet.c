/* attire_sheet.c - grids of vertices laid on the dummy: shells, strips, rings, buttons.
 *
 * Every piece is a grid of rows and columns whose outside is counter-clockwise. Hems are real: the
 * last rows of a strip go down to what lies below, so edges catch light and throw shadows.
 */
#include "presenter/attire_private.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "presenter/noise.h"

#define PI_F 3.14159265f
static const float STRIP_HEM = 0.006f; /* width of the border that has rows of its own, m */

stk_status stk_sheet_init(stk_sheet *sheet, int capacity) {
    *sheet = (stk_sheet){.capacity = capacity};
    const size_t n = (size_t)capacity;
    sheet->point = stk_calloc_aligned(n, sizeof *sheet->point);
    sheet->uv = stk_calloc_aligned(n, sizeof *sheet->uv);
    sheet->shade = stk_calloc_aligned(n, sizeof *sheet->shade);
    sheet->triangle = stk_calloc_aligned(2 * n, sizeof *sheet->triangle);
    if (sheet->point && sheet->uv && sheet->shade && sheet->triangle) return STK_OK;
    stk_sheet_clear(sheet);
    return stk_fail_memory("a sheet of cloth");
}

void stk_sheet_clear(stk_sheet *sheet) {
    stk_free(sheet->point);
    stk_free(sheet->uv);
    stk_free(sheet->shade);
    stk_free(sheet->triangle);
    *sheet = (stk_sheet){0};
}

stk_status stk_sheet_surface(const stk_sheet *sheet, const char *name, stk_part part,
                             stk_surface *surface) {
    if (sheet->overflow)
        return stk_fail(STK_ERR_MEMORY, "the %s has more vertices than %d", name, sheet->capacity);
    STK_TRY(stk_surface_init(surface, name, sheet->vertices, sheet->triangles));
    const size_t n = (size_t)sheet->vertices, m = (size_t)sheet->triangles;
    memcpy(surface->rest, sheet->point, n * sizeof *surface->rest);
    memcpy(surface->uv, sheet->uv, n * sizeof *surface->uv);
    memcpy(surface->shade, sheet->shade, n * sizeof *surface->shade);
    memcpy(surface->triangle, sheet->triangle, m * sizeof *surface->triangle);
    memset(surface->part, part, m);
    memset(surface->bind, 0, n * sizeof *surface->bind);
    surface->casts = 1;
    surface->two_sided = part == STK_PART_TORSO; /* the inside of collars */
    return STK_OK;
}

/* Reserves a grid and joins its cells whose corners are all kept; returns its first vertex, -1 when
 * the sheet is full. `keep` may be NULL. */
static int grid_vertices(stk_sheet *sheet, int columns, int rows) {
    const int first = sheet->vertices;
    if (first + columns * rows > sheet->capacity) {
        sheet->overflow = 1;
        return -1;
    }
    for (int i = 0; i < columns * rows; i++) sheet->shade[first + i] = 1.0f;
    sheet->vertices += columns * rows;
    return first;
}

static void triangle(stk_sheet *sheet, int a, int b, int c, int flip) {
    int32_t *t = sheet->triangle[sheet->triangles++];
    t[0] = a, t[1] = flip ? c : b, t[2] = flip ? b : c;
}

/* Rows run downwards and columns to the right seen from outside, unless `flip`. Cells with a vertex
 * of negative shade are left out. */
static void grid_join(stk_sheet *sheet, int first, int columns, int rows, int closed, int flip) {
    for (int r = 0; r + 1 < rows; r++)
        for (int c = 0; c + (closed ? 0 : 1) < columns; c++) {
            const int next = (c + 1) % columns;
            const int a = first + r * columns + c, b = first + r * columns + next;
            const int d = a + columns, e = b + columns;
            if (sheet->shade[a] < 0 || sheet->shade[b] < 0 || sheet->shade[d] < 0 ||
                sheet->shade[e] < 0)
                continue;
            triangle(sheet, a, d, e, flip);
            triangle(sheet, a, e, b, flip);
        }
}

void stk_cloth_place(const float p[3], float turn, float uv[2]) {
    const float x = p[0], y = -(p[1] + 0.30f), c = cosf(turn), s = sinf(turn);
    uv[0] = stk_clampf(0.5f + (c * x + s * y) / 0.64f, 0.0f, 1.0f);
    uv[1] = stk_clampf(0.5f + (c * y - s * x) / 0.64f, 0.0f, 1.0f);
}

void stk_sheet_shell(stk_sheet *sheet, const stk_dummy *dummy, const stk_shell *shell) {
    const int whole = shell->sweep > 3.1f;
    const int first = grid_vertices(sheet, shell->columns, shell->rows);
    if (first < 0) return;
    static const float inside[3] = {0.0f, -0.36f, -0.05f};
    for (int r = 0; r < shell->rows; r++)
        for (int c = 0; c < shell->columns; c++) {
            const float s = (float)r / (float)(shell->rows - 1);
            const float across = (float)c / (float)(shell->columns - (whole ? 0 : 1));
            const float polar = shell->polar[0] + (shell->polar[1] - shell->polar[0]) * s;
            const float side = 2.0f * across - 1.0f; /* columns are denser in front */
            const float turn = shell->sweep * side * (0.5f + 0.5f * side * side);
            const float ray[3] = {sinf(polar) * sinf(turn), cosf(polar), sinf(polar) * cosf(turn)};
            const int at = first + r * shell->columns + c;
            float *p = sheet->point[at], normal[3];
            stk_dummy_cast(dummy, inside, ray, 0.006f, p);
            const float height = shell->height(shell->ctx, dummy, p);
            sheet->shade[at] = height < -1.0f ? -1.0f : 1.0f;
            stk_dummy_lay(dummy, p, 0.0f, 0);
            stk_dummy_normal(dummy, p, normal);
            for (int i = 0; i < 3; i++) p[i] += normal[i] * (height < -1.0f ? 0.0f : height);
            stk_cloth_place(p, 0.0f, sheet->uv[at]);
        }
    grid_join(sheet, first, shell->columns, shell->rows, whole, 0);
    for (int i = first; i < sheet->vertices; i++)
        if (sheet->shade[i] < 0.0f) sheet->shade[i] = 1.0f;
}

/* Catmull-Rom, evenly in t. */
void stk_curve_at(const stk_curve *curve, float t, float p[3]) {
    const int spans = curve->points - 1;
    const float at = stk_clampf(t, 0.0f, 1.0f) * (float)spans;
    const int span = stk_clampi((int)at, 0, spans - 1);
    const float f = at - (float)span;
    const float *b = curve->point[span], *c = curve->point[span + 1];
    for (int i = 0; i < 3; i++) {
        const float a = span > 0 ? curve->point[span - 1][i] : 2.0f * b[i] - c[i];
        const float d = span + 2 < curve->points ? curve->point[span + 2][i] : 2.0f * c[i] - b[i];
        p[i] = b[i] + 0.5f * f *
                          (c[i] - a +
                           f * (2.0f * a - 5.0f * b[i] + 4.0f * c[i] - d +
                                f * (3.0f * (b[i] - c[i]) + d - a)));
    }
}

/* Columns: the hemmed ends have two more, turned under. Returns t and how far under, 0 .. 1. */
static float strip_column(const stk_strip *strip, int c, float *under) {
    const int lead = strip->hem[0] ? 2 : 0, tail = strip->hem[1] ? 2 : 0;
    const int last = strip->columns - 1 - tail;
    *under = c < lead ? 1.0f - 0.5f * (float)c : c > last ? 0.5f * (float)(c - last) : 0.0f;
    return stk_clampf((float)(c - lead) / (float)(last - lead), 0.0f, 1.0f);
}

static void strip_point(const stk_strip *strip, const stk_dummy *dummy, float t, float under,
                        const stk_strip_row *row, float p[3]) {
    float a[3], b[3], length = 0.0f;
    stk_curve_at(strip->inner, t, a);
    stk_curve_at(strip->outer, t, b);
    for (int i = 0; i < 3; i++) length += (b[i] - a[i]) * (b[i] - a[i]);
    length = sqrtf(length) + 1e-6f;
    const float body = length > STRIP_HEM ? length - STRIP_HEM : 0.0f;
    const float share = (row->w * body + row->past) / length;
    for (int i = 0; i < 3; i++) p[i] = a[i] + share * (b[i] - a[i]);
    const float start = 1.0f - stk_smoothstep(0.0f, 0.22f, t);
    const float bent = share < 0.6f ? share / 0.6f : 1.0f - (share - 0.6f) / 0.4f;
    for (int i = 0; i < 2; i++) p[i] += strip->bend[i] * start * (bent > 0.0f ? bent : 0.0f);
    const float wave = strip->ripple * stk_noise3(28.0f * p[0], 28.0f * p[1], 28.0f * p[2],
                                                  dummy->seed + (uint32_t)strip->mirror);
    float height = row->height + wave * 4.0f * share * (1.0f - share);
    if (under > 0.0f) height -= 0.0045f * under;
    stk_dummy_lay(dummy, p, height, strip->push);
    if (under > 0.6f && strip->push) { /* a chord's end is turned towards the body */
        float normal[3];
        stk_dummy_normal(dummy, p, normal);
        for (int i = 0; i < 3; i++) p[i] -= 0.003f * normal[i];
    }
    if (strip->mirror) p[0] = -p[0];
}

void stk_sheet_strip(stk_sheet *sheet, const stk_dummy *dummy, const stk_strip *strip) {
    const int first = grid_vertices(sheet, strip->columns, strip->rows);
    if (first < 0) return;
    for (int r = 0; r < strip->rows; r++)
        for (int c = 0; c < strip->columns; c++) {
            const int at = first + r * strip->columns + c;
            float under;
            const float t = strip_column(strip, c, &under);
            strip_point(strip, dummy, t, under, &strip->row[r], sheet->point[at]);
            stk_cloth_place(sheet->point[at], strip->mirror ? -strip->turn : strip->turn,
                            sheet->uv[at]);
        }
    grid_join(sheet, first, strip->columns, strip->rows, 0, strip->mirror);
}

float stk_ring_distance(const stk_ring *ring, const float p[3]) {
    const float x = p[0] / ring->radius[0], z = (p[2] - ring->middle_z) / ring->radius[1];
    const float back = stk_smoothstep(1.1f, -1.1f, z);
    const float up = p[1] - (ring->low + (ring->high - ring->low) * back);
    return 0.7071f * ((sqrtf(x * x + z * z) - 1.0f) * ring->radius[0] - up);
}

/* A point of the cut between funnel and dummy near p: steps onto one and the other by turns. */
static void ring_settle(const stk_ring *ring, const stk_dummy *dummy, float p[3]) {
    for (int step = 0; step < 16; step++) {
        const float off = 0.7071f * stk_ring_distance(ring, p);
        const float x = p[0], z = p[2] - ring->middle_z, out = sqrtf(x * x + z * z) + 1e-9f;
        p[0] -= off * x / out, p[1] += off, p[2] -= off * z / out;
        stk_dummy_lay(dummy, p, 0.0f, 0);
    }
}

static void ring_start(const stk_ring *ring, float turn, float p[3]) {
    p[0] = ring->radius[0] * sinf(turn);
    p[1] = ring->low + (ring->high - ring->low) * (0.5f - 0.5f * cosf(turn));
    p[2] = ring->middle_z + ring->radius[1] * cosf(turn);
}

void stk_sheet_ring(stk_sheet *sheet, const stk_dummy *dummy, const stk_ring *ring) {
    const int first = grid_vertices(sheet, ring->columns, ring->rows);
    if (first < 0) return;
    for (int c = 0; c < ring->columns; c++) {
        const float turn = 2.0f * PI_F * (float)c / (float)ring->columns;
        float p[3], normal[3], away[3], square = 0.0f, dot = 0.0f;
        ring_start(ring, turn, p);
        ring_settle(ring, dummy, p);
        stk_dummy_normal(dummy, p, normal);
        for (int i = 0; i < 3; i++) {
            away[i] = i == 1 ? -1.0f : i ? cosf(turn) : sinf(turn); /* square to the funnel */
            dot += away[i] * normal[i];
        }
        for (int i = 0; i < 3; i++) away[i] -= dot * normal[i], square += away[i] * away[i];
        for (int i = 0; i < 3; i++) away[i] /= sqrtf(square) + 1e-9f;
        for (int r = 0; r < ring->rows; r++) {
            const float s = (float)r / (float)(ring->rows - 1), angle = PI_F * (1.15f * s - 0.075f);
            const float across = -cosf(angle) * ring->half_wide;
            const float flat = sinf(angle) > 0.0f ? powf(sinf(angle), 0.45f) : sinf(angle);
            const float up = ring->height + ring->thick * flat;
            const int at = first + r * ring->columns + c;
            for (int i = 0; i < 3; i++)
                sheet->point[at][i] = p[i] + across * away[i] + up * normal[i];
            sheet->uv[at][0] = (float)c / (float)(ring->columns - 1);
            sheet->uv[at][1] = s;
        }
    }
    grid_join(sheet, first, ring->columns, ring->rows, 1, 0);
}

void stk_sheet_tuck(stk_sheet *sheet, const stk_dummy *dummy, const stk_ring *ring) {
    for (int v = 0; v < sheet->vertices; v++) {
        const float out = stk_ring_distance(ring, sheet->point[v]);
        if (out < -0.009f) continue;
        const float limit = 0.0075f - 0.0135f * stk_smoothstep(-0.009f, 0.0f, out);
        if (stk_dummy_distance(dummy, sheet->point[v]) > limit)
            stk_dummy_lay(dummy, sheet->point[v], limit, 0);
    }
}

/* Hollow between the heads of the collarbones, which stand out faintly. */
static float chest_form(const float p[3]) {
    const float x = fabsf(p[0]), y = p[1] + 0.188f;
    const float notch = -0.0045f * expf(-(x * x / 0.00016f + y * y / 0.00012f));
    const float bone = y - 0.22f * (x - 0.02f) + 0.006f;
    return notch + 0.0022f * expf(-bone * bone / 0.00004f) * stk_smoothstep(0.010f, 0.025f, x);
}

void stk_sheet_bare(stk_sheet *sheet, const stk_dummy *dummy, const stk_ring *ring, int rows) {
    const int columns = STK_NECK_COLUMNS, first = grid_vertices(sheet, columns, rows);
    if (first < 0) return;
    const float middle = 0.5f * (dummy->neck.front_z + dummy->neck.back_z);
    for (int c = 0; c < columns; c++) {
        const float turn = 2.0f * PI_F * (float)c / (float)columns, *join = dummy->neck.join[c];
        const float out[3] = {sinf(turn), 0.0f, cosf(turn)};
        float end[3];
        ring_start(ring, turn, end);
        ring_settle(ring, dummy, end);
        for (int i = 0; i < 3; i++) end[i] += 0.004f * (i == 1 ? -1.0f : out[i]);
        float shift[3] = {join[0], join[1], join[2]};
        stk_dummy_lay(dummy, shift, 0.0f, 0);
        for (int i = 0; i < 3; i++) shift[i] = join[i] - shift[i];
        for (int r = 0; r < rows; r++) {
            /* two rows within the neck, then outwards, denser near the neck */
            const float s = r < 2 ? 0.0f : (float)(r - 1) / (float)(rows - 2);
            const float way = 0.6f * s + 0.4f * s * s, rest = (1.0f - s) * (1.0f - s);
            float *p = sheet->point[first + r * columns + c];
            for (int i = 0; i < 3; i++) p[i] = join[i] + way * (end[i] - join[i]);
            const float form = p[2] > middle ? chest_form(p) : 0.0f;
            const float x = fabsf(p[0]) - dummy->neck.half_width; /* beneath a jacket's collar */
            const float end_under =
                0.0015f * stk_smoothstep(0.8f, 1.0f, s) +
                0.014f * stk_smoothstep(0.003f, 0.016f, x) * stk_smoothstep(-0.175f, -0.155f, p[1]);
            stk_dummy_lay(dummy, p, form * stk_smoothstep(0.0f, 0.3f, s) - end_under, 0);
            for (int i = 0; i < 3; i++) p[i] += shift[i] * rest;
            const float sunk = r == 0 ? 0.0008f : r == 1 ? 0.0f : -0.0002f;
            for (int i = 0; i < 3; i++) p[i] -= sunk * out[i];
            if (r == 0) p[1] += 0.006f;
            stk_cloth_place(p, 0.0f, sheet->uv[first + r * columns + c]);
        }
    }
    grid_join(sheet, first, columns, rows, 1, 0);
}

void stk_sheet_button(stk_sheet *sheet, const stk_dummy *dummy, float x, float y, float radius,
                      float height) {
    enum { AROUND = 16, OUT = 6 };
    static const float profile[OUT][2] = {{0.0f, 0.72f}, {0.55f, 0.70f}, {0.72f, 0.95f},
                                          {0.88f, 1.0f}, {1.0f, 0.7f},   {1.02f, 0.0f}};
    const int first = grid_vertices(sheet, AROUND, OUT);
    if (first < 0) return;
    for (int r = 0; r < OUT; r++)
        for (int c = 0; c < AROUND; c++) {
            const float turn = -2.0f * PI_F * (float)c / (float)AROUND;
            const int at = first + r * AROUND + c;
            float *p = sheet->point[at];
            p[0] = x + radius * profile[r][0] * sinf(turn);
            p[1] = y + radius * profile[r][0] * cosf(turn);
            p[2] = stk_dummy_front(dummy, x, y, height) + 0.0022f * profile[r][1];
            stk_cloth_place(p, 0.0f, sheet->uv[at]);
        }
    grid_join(sheet, first, AROUND, OUT, 1, 1);
}
