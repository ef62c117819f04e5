/* face_mask.c - the mask by which the published system pastes a rendered face into the original
 * frame (reference.md 6.2).
 *
 *   oval of the mesh, at 512 x 512, where the class is head -> face
 *     -> the chin lengthened by 10 rows over the middle half of the columns
 *     -> (not published:) there down to the rendered chin, where that comes lower
 *     -> Gaussian 9 x 9 of sigma 4, border reflected (Q8) -> nearest pixel at the mask's size
 *
 * DIFFERS: the published face is the classes skin, brows, eyes, glasses, nose and mouth of a parser
 * of 19 classes; ours knows the head as one, so the mesh's oval stands for them. A frame without a
 * face gives an empty mask where the published script stops (Q33).
 */
#include "portrait_sync/portrait.h"

#include "kernels/image.h"
#include "portrait_sync/contour.h"
#include "portrait_sync/parts.h"

#include <math.h>
#include <string.h>

enum { SIDE = 512, CHIN = 5, BLUR_RADIUS = 4, CHIN_SMOOTH = 10, CHIN_LOWER = 4 };
static const float BLUR_SIGMA = 4.0f;
static const float SOLID = 0.8f;       /* the head's weight */
static const float CHIN_SHARE = 0.4f;  /* of those columns: a chin, not the model's crumbs */
static const float CHIN_REACH = 0.12f; /* of the face's rows: a jaw dropped wide */

size_t stk_face_mask_scratch(void) {
    return (size_t)SIDE * SIDE * 2;
}

/* Where the row's middle crosses the polygon's edges, in ascending order. */
static int crossings(float points[STK_OVAL_POINTS][2], float y, float at[STK_OVAL_POINTS]) {
    int n = 0;
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        const float *a = points[i], *b = points[(i + 1) % STK_OVAL_POINTS];
        if ((a[1] <= y) == (b[1] <= y)) continue;
        float x = a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
        int k = n++;
        for (; k > 0 && at[k - 1] > x; k--) at[k] = at[k - 1];
        at[k] = x;
    }
    return n;
}

static void fill_oval(const float (*landmarks)[3], const stk_image *labels, const float *contour,
                      float *plane) {
    float points[STK_OVAL_POINTS][2], at[STK_OVAL_POINTS];
    const float sx = (float)SIDE / (float)labels->width, sy = (float)SIDE / (float)labels->height;
    stk_contour_points(landmarks, contour, points);
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        points[i][0] = stk_clampf(points[i][0] * sx, -SIDE, 2 * SIDE);
        points[i][1] = stk_clampf(points[i][1] * sy, -SIDE, 2 * SIDE);
    }
    memset(plane, 0, sizeof *plane * SIDE * SIDE);
    for (int y = 0; y < SIDE; y++) {
        const uint8_t *row = stk_image_row(labels, y * labels->height / SIDE);
        int n = crossings(points, (float)y + 0.5f, at);
        for (int k = 0; k + 1 < n; k += 2) {
            int x0 = stk_clampi((int)ceilf(at[k] - 0.5f), 0, SIDE);
            int x1 = stk_clampi((int)ceilf(at[k + 1] - 0.5f), 0, SIDE);
            for (int x = x0; x < x1; x++)
                plane[y * SIDE + x] = row[x * labels->width / SIDE] == STK_LABEL_HEAD;
        }
    }
}

/* The lowest face row of each column, -1 without one, and the columns of the middle half of the
 * face: [0] first, [1] last; none: last < first. */
static void find_bottom(const float *plane, int bottom[SIDE], int middle[2]) {
    int first = SIDE, last = -1;
    for (int x = 0; x < SIDE; x++) bottom[x] = -1;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            if (plane[y * SIDE + x] != 0.0f) bottom[x] = y;
    for (int x = 0; x < SIDE; x++) {
        if (bottom[x] < 0) continue;
        if (first == SIDE) first = x;
        last = x;
    }
    const int quarter = (last - first) / 4;
    middle[0] = first + quarter;
    middle[1] = last < 0 ? -1 : first + 3 * quarter;
}

static void lengthen_chin(float *plane) {
    int bottom[SIDE], middle[2];
    find_bottom(plane, bottom, middle);
    for (int x = middle[0]; x <= middle[1]; x++) {
        if (bottom[x] < 0) continue;
        int centre = stk_clampi(bottom[x] + CHIN, 0, SIDE - 1);
        int y0 = centre - CHIN > 0 ? centre - CHIN : 0;
        int y1 = centre + CHIN < SIDE ? centre + CHIN : SIDE;
        for (int y = y0; y < y1; y++) plane[y * SIDE + x] = 1.0f;
    }
}

/* Fills the columns of the middle half down to row `to` (inclusive). */
static void fill_down(float *plane, const int bottom[SIDE], const int middle[2],
                      const int to[SIDE]) {
    for (int x = middle[0]; x <= middle[1]; x++)
        for (int y = bottom[x] + 1; bottom[x] >= 0 && y <= to[x] && y < SIDE; y++)
            plane[y * SIDE + x] = 1.0f;
}

static int row_has_face(const float *plane, int y) {
    for (int x = 0; x < SIDE; x++)
        if (plane[y * SIDE + x] != 0.0f) return 1;
    return 0;
}

/* Blurs the rows that the face and its rim reach. */
static void soften(float *plane, float *scratch) {
    int first = 0, end = SIDE;
    while (first < end && !row_has_face(plane, first)) first++;
    while (end > first && !row_has_face(plane, end - 1)) end--;
    if (first == end) return;
    first = first > 2 * BLUR_RADIUS ? first - 2 * BLUR_RADIUS : 0;
    end = end + 2 * BLUR_RADIUS < SIDE ? end + 2 * BLUR_RADIUS : SIDE;
    stk_plane_blur(plane + (size_t)first * SIDE, scratch, SIDE, end - first, BLUR_SIGMA,
                   BLUR_RADIUS);
}

static void write_mask(const float *plane, stk_image *mask) {
    for (int y = 0; y < mask->height; y++) {
        const float *row = plane + (size_t)(y * SIDE / mask->height) * SIDE;
        uint8_t *out = stk_image_row(mask, y);
        for (int x = 0; x < mask->width; x++)
            out[x] = (uint8_t)lrintf(255.0f * stk_clampf(row[x * SIDE / mask->width], 0, 1));
    }
}

void stk_face_mask(const float (*landmarks)[3], const stk_image *labels, float *scratch,
                   stk_image *mask) {
    stk_face_shape(landmarks, labels, NULL, scratch);
    stk_face_shape_mask(scratch, mask);
}

void stk_face_shape(const float (*landmarks)[3], const stk_image *labels, const float *contour,
                    float *shape) {
    fill_oval(landmarks, labels, contour, shape);
    lengthen_chin(shape);
}

/* The chin may come lower by this share of the face's rows. */
static int reach_of(const int bottom[SIDE], const int middle[2], const float *plane) {
    int top = SIDE, low = 0;
    for (int x = middle[0]; x <= middle[1]; x++) low = bottom[x] > low ? bottom[x] : low;
    for (int y = 0; y < SIDE && top == SIDE; y++)
        if (row_has_face(plane, y)) top = y;
    return low > top ? (int)(CHIN_REACH * (float)(low - top)) : 0;
}

void stk_face_shape_reach(float *shape, stk_image *mask) {
    int bottom[SIDE], to[SIDE], middle[2];
    float *plane = shape + SIDE * SIDE;
    memcpy(plane, shape, sizeof *plane * SIDE * SIDE);
    find_bottom(plane, bottom, middle);
    const int reach = reach_of(bottom, middle, plane);
    for (int x = 0; x < SIDE; x++) to[x] = bottom[x] + reach + 2 * CHIN;
    fill_down(plane, bottom, middle, to);
    write_mask(plane, mask);
}

static float weight_at(const float *rgba, int width, int height, int x, int y) {
    const size_t column = (size_t)(x * width / SIDE), row = (size_t)(y * height / SIDE);
    return rgba[4 * (row * (size_t)width + column) + 3];
}

/* Rows by which the rendered head goes on below the shape in column x of the shape's grid; 0 where
 * it ends with the frame's own head, as it does while both mouths are alike. */
static int rows_below(const float *rgba, const int size[2], const stk_image *labels, int x,
                      int bottom, int reach) {
    int end = bottom; /* of the frame's head */
    while (end + 1 < SIDE && end < bottom + reach &&
           stk_image_row(labels, (end + 1) * labels->height / SIDE)[x * labels->width / SIDE] ==
               STK_LABEL_HEAD)
        end++;
    int y = end + CHIN_LOWER;
    if (y >= SIDE || weight_at(rgba, size[0], size[1], x, y) < SOLID) return 0;
    while (y + 1 < SIDE && y < bottom + reach &&
           weight_at(rgba, size[0], size[1], x, y + 1) >= SOLID)
        y++;
    return y < bottom + reach ? y - bottom : reach;
}

void stk_face_shape_follow(float *shape, const stk_image *labels, const float *rgba, int width,
                           int height) {
    const int size[2] = {width, height};
    int bottom[SIDE], to[SIDE], down[SIDE], middle[2];
    find_bottom(shape, bottom, middle);
    const int reach = reach_of(bottom, middle, shape);
    float lower = 0;
    for (int x = 0; x < SIDE; x++)
        down[x] = bottom[x] < 0 || x < middle[0] || x > middle[1]
                      ? 0
                      : rows_below(rgba, size, labels, x, bottom[x], reach);
    for (int x = middle[0]; x <= middle[1]; x++) lower += down[x] > 0;
    if (lower < CHIN_SHARE * (float)(middle[1] - middle[0])) return;
    for (int x = 0; x < SIDE; x++) {
        int most = 0, sum = 0, count = 0;
        for (int i = x - CHIN_SMOOTH; i <= x + CHIN_SMOOTH; i++) {
            if (i < 0 || i >= SIDE) continue;
            most = down[i] > most ? down[i] : most;
            sum += down[i];
            count++;
        }
        /* An edge of its own where the chin comes through; a few columns alone are noise. */
        to[x] = bottom[x] + (3 * sum > count ? (most + sum / count) / 2 + CHIN : 0);
    }
    fill_down(shape, bottom, middle, to);
}

void stk_face_shape_mask(float *shape, stk_image *mask) {
    soften(shape, shape + SIDE * SIDE);
    write_mask(shape, mask);
}
