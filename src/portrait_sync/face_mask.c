/* face_mask.c - the mask by which the published system pastes a rendered face into the original
 * frame (reference.md 6.2).
 *
 *   oval of the mesh, at 512 x 512, where the class is head -> face
 *     -> the chin lengthened by 10 rows over the middle half of the columns
 *     -> Gaussian 9 x 9 of sigma 4, border reflected (Q8) -> nearest pixel at the mask's size
 *
 * DIFFERS: the published face is the classes skin, brows, eyes, glasses, nose and mouth of a parser
 * of 19 classes; ours knows the head as one, so the mesh's oval stands for them. A frame without a
 * face gives an empty mask where the published script stops (Q33).
 */
#include "portrait_sync/portrait.h"

#include "kernels/image.h"
#include "portrait_sync/parts.h"

#include <math.h>
#include <string.h>

enum { SIDE = 512, CHIN = 5, BLUR_RADIUS = 4 };
static const float BLUR_SIGMA = 4.0f;

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

static void fill_oval(const float (*landmarks)[3], const stk_image *labels, float *plane) {
    float points[STK_OVAL_POINTS][2], at[STK_OVAL_POINTS];
    const float sx = (float)SIDE / (float)labels->width, sy = (float)SIDE / (float)labels->height;
    for (int i = 0; i < STK_OVAL_POINTS; i++) {
        const float *p = landmarks[stk_jaw_indices[i]];
        points[i][0] = stk_clampf(p[0] * sx, -SIDE, 2 * SIDE);
        points[i][1] = stk_clampf(p[1] * sy, -SIDE, 2 * SIDE);
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

static void lengthen_chin(float *plane) {
    int bottom[SIDE], first = SIDE, last = -1;
    for (int x = 0; x < SIDE; x++) bottom[x] = -1; /* the lowest face row of each column */
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            if (plane[y * SIDE + x] != 0.0f) bottom[x] = y;
    for (int x = 0; x < SIDE; x++) {
        if (bottom[x] < 0) continue;
        if (first == SIDE) first = x;
        last = x;
    }
    int quarter = (last - first) / 4;
    for (int x = first + quarter; last >= 0 && x <= first + 3 * quarter; x++) {
        if (bottom[x] < 0) continue;
        int middle = stk_clampi(bottom[x] + CHIN, 0, SIDE - 1);
        int y0 = middle - CHIN > 0 ? middle - CHIN : 0;
        int y1 = middle + CHIN < SIDE ? middle + CHIN : SIDE;
        for (int y = y0; y < y1; y++) plane[y * SIDE + x] = 1.0f;
    }
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

void stk_face_mask(const float (*landmarks)[3], const stk_image *labels, float *scratch,
                   stk_image *mask) {
    float *plane = scratch;
    fill_oval(landmarks, labels, plane);
    lengthen_chin(plane);
    soften(plane, scratch + SIDE * SIDE);
    for (int y = 0; y < mask->height; y++) {
        const float *row = plane + (size_t)(y * SIDE / mask->height) * SIDE;
        uint8_t *out = stk_image_row(mask, y);
        for (int x = 0; x < mask->width; x++)
            out[x] = (uint8_t)lrintf(255.0f * stk_clampf(row[x * SIDE / mask->width], 0, 1));
    }
}
