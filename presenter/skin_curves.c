/* skin_curves.c - smooth curves through landmarks of the face mesh, in texel units.
 *
 *   landmark indices --uv--> points --Catmull-Rom, STEPS a span--> polyline
 *
 * Curves lie in the texture, not in space: there they have the same shape for every identity and
 * expression, and both lips and lids are apart. Lips and lids have two sharp corners.
 */
#include "presenter/skin_parts.h"

#include <math.h>
#include <string.h>

enum { STEPS = 8, LANDMARKS_MAX = 21 };

typedef struct curve_row {
    int16_t landmark[LANDMARKS_MAX];
    int8_t count, closed, corner; /* closed: sharp at 0 and at `corner` (-1 = smooth) */
} curve_row;

/* clang-format off */
static const curve_row rows[STK_CURVES] = {
    [STK_CURVE_LIPS] = {{61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291,
                         375, 321, 405, 314, 17, 84, 181, 91, 146}, 20, 1, 10},
    [STK_CURVE_MOUTH] = {{78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308,
                          324, 318, 402, 317, 14, 87, 178, 88, 95}, 20, 1, 10},
    [STK_CURVE_PHILTRUM] = {{2, 164, 0}, 3, 0, -1},
    [STK_CURVE_EYE] = {{33, 7, 163, 144, 145, 153, 154, 155,
                        133, 173, 157, 158, 159, 160, 161, 246}, 16, 1, 8},
    [STK_CURVE_EYE + 1] = {{263, 249, 390, 373, 374, 380, 381, 382,
                            362, 398, 384, 385, 386, 387, 388, 466}, 16, 1, 8},
    [STK_CURVE_CREASE] = {{130, 247, 30, 29, 27, 28, 56, 190, 243}, 9, 0, -1},
    [STK_CURVE_CREASE + 1] = {{359, 467, 260, 259, 257, 258, 286, 414, 463}, 9, 0, -1},
    [STK_CURVE_BAG] = {{226, 31, 228, 229, 230, 231, 232, 233, 244}, 9, 0, -1},
    [STK_CURVE_BAG + 1] = {{446, 261, 448, 449, 450, 451, 452, 453, 464}, 9, 0, -1},
    [STK_CURVE_NOSTRIL] = {{166, 79, 239, 238, 20, 60, 75, 59}, 8, 1, -1},
    [STK_CURVE_NOSTRIL + 1] = {{392, 309, 459, 458, 250, 290, 305, 289}, 8, 1, -1},
    [STK_CURVE_WING] = {{97, 98, 129, 49, 131}, 5, 0, -1},
    [STK_CURVE_WING + 1] = {{326, 327, 358, 279, 360}, 5, 0, -1},
    [STK_CURVE_FOLD] = {{129, 203, 206, 216, 212}, 5, 0, -1},
    [STK_CURVE_FOLD + 1] = {{358, 423, 426, 436, 432}, 5, 0, -1},
    [STK_CURVE_BROW_TOP] = {{107, 66, 105, 63, 70}, 5, 0, -1},
    [STK_CURVE_BROW_TOP + 1] = {{336, 296, 334, 293, 300}, 5, 0, -1},
    [STK_CURVE_BROW_FOOT] = {{55, 65, 52, 53, 46}, 5, 0, -1},
    [STK_CURVE_BROW_FOOT + 1] = {{285, 295, 282, 283, 276}, 5, 0, -1},
};
/* clang-format on */

static void landmark_point(const curve_row *row, int i, const float (*uv)[2], float side,
                           float at[2]) {
    const float *p = uv[row->landmark[(i + row->count) % row->count]];
    at[0] = p[0] * side - 0.5f;
    at[1] = p[1] * side - 0.5f;
}

/* The point before or after a span's end: the neighbour, or, at a sharp corner or the end of an
 * open curve, the end mirrored. */
static void beyond(const curve_row *row, int i, int step, const float (*uv)[2], float side,
                   float at[2]) {
    int sharp = row->closed ? row->corner >= 0 && (i == 0 || i == row->corner || i == row->count)
                            : i == 0 || i == row->count - 1;
    if (!sharp) {
        landmark_point(row, i + step, uv, side, at);
        return;
    }
    float end[2], other[2];
    landmark_point(row, i, uv, side, end);
    landmark_point(row, i - step, uv, side, other);
    for (int c = 0; c < 2; c++) at[c] = 2.0f * end[c] - other[c];
}

static void span_points(const curve_row *row, int i, const float (*uv)[2], float side,
                        stk_curve *curve) {
    float p[4][2];
    beyond(row, i, -1, uv, side, p[0]);
    landmark_point(row, i, uv, side, p[1]);
    landmark_point(row, i + 1, uv, side, p[2]);
    beyond(row, i + 1, 1, uv, side, p[3]);
    for (int k = 0; k < STEPS; k++) {
        float t = (float)k / STEPS, t2 = t * t, t3 = t2 * t;
        for (int c = 0; c < 2; c++) {
            curve->at[curve->count][c] =
                0.5f * (2.0f * p[1][c] + (p[2][c] - p[0][c]) * t +
                        (2.0f * p[0][c] - 5.0f * p[1][c] + 4.0f * p[2][c] - p[3][c]) * t2 +
                        (3.0f * p[1][c] - p[0][c] - 3.0f * p[2][c] + p[3][c]) * t3);
        }
        curve->count++;
    }
}

static void curve_init(stk_curve *curve, const curve_row *row, const float (*uv)[2], float side) {
    curve->count = 0;
    curve->closed = row->closed;
    int spans = row->closed ? row->count : row->count - 1;
    for (int i = 0; i < spans; i++) span_points(row, i, uv, side, curve);
    if (!row->closed) {
        landmark_point(row, row->count - 1, uv, side, curve->at[curve->count]);
        curve->count++;
    }
    for (int c = 0; c < 2; c++) curve->box[c] = curve->box[2 + c] = curve->at[0][c];
    for (int i = 1; i < curve->count; i++) {
        for (int c = 0; c < 2; c++) {
            curve->box[c] = fminf(curve->box[c], curve->at[i][c]);
            curve->box[2 + c] = fmaxf(curve->box[2 + c], curve->at[i][c]);
        }
    }
}

/* Rounds a closed curve off, its two corners kept: drawn lips have no vertices. */
static void curve_smooth(stk_curve *curve, int corner, int passes) {
    float before[STK_CURVE_POINTS][2];
    for (int pass = 0; pass < passes; pass++) {
        memcpy(before, curve->at, sizeof before);
        for (int i = 1; i < curve->count; i++) {
            if (i == corner) continue;
            const float *next = before[i + 1 < curve->count ? i + 1 : 0];
            for (int c = 0; c < 2; c++) {
                curve->at[i][c] = 0.5f * before[i][c] + 0.25f * (before[i - 1][c] + next[c]);
            }
        }
    }
}

void stk_curves_init(stk_curves *curves, const float (*uv)[2], int side) {
    for (int c = 0; c < STK_CURVES; c++) {
        curve_init(&curves->curve[c], &rows[c], uv, (float)side);
    }
    curve_smooth(&curves->curve[STK_CURVE_LIPS], 10 * STEPS, 12);
    curve_smooth(&curves->curve[STK_CURVE_MOUTH], 10 * STEPS, 12);
}

float stk_curve_distance(const stk_curve *curve, float x, float y, float reach, float *along) {
    const float *box = curve->box;
    if (x < box[0] - reach || y < box[1] - reach || x > box[2] + reach || y > box[3] + reach) {
        return reach;
    }
    int spans = curve->closed ? curve->count : curve->count - 1, inside = 0;
    float best = 1e30f, place = 0.0f;
    for (int i = 0; i < spans; i++) {
        const float *a = curve->at[i], *b = curve->at[i + 1 < curve->count ? i + 1 : 0];
        float dx = b[0] - a[0], dy = b[1] - a[1], px = x - a[0], py = y - a[1];
        float t = stk_clampf((px * dx + py * dy) / (dx * dx + dy * dy + 1e-12f), 0.0f, 1.0f);
        float ex = px - t * dx, ey = py - t * dy, d = ex * ex + ey * ey;
        if (d < best) {
            best = d;
            place = (float)i + t;
        }
        if ((a[1] > y) != (b[1] > y) && px < dx * py / dy) inside = !inside;
    }
    if (along != NULL) *along = place / (float)spans;
    float distance = sqrtf(best);
    if (curve->closed && inside) return -distance;
    return distance < reach ? distance : reach;
}

void stk_curve_point(const stk_curve *curve, float along, float at[2]) {
    float place = stk_clampf(along, 0.0f, 1.0f) * (float)(curve->count - 1);
    int i = stk_clampi((int)place, 0, curve->count - 2);
    for (int c = 0; c < 2; c++) {
        at[c] = curve->at[i][c] + (place - (float)i) * (curve->at[i + 1][c] - curve->at[i][c]);
    }
}
