/* import_landmarks.c - 68 points of a .lms file -> the 478 of the face mesh.
 *
 *   text, 68 lines "x y" -> (u, v) = A (X, Y, Z, 1) of the canonical face, least squares over the
 *   68 vertices that stand for the points -> all 478; what is missing at the 68 is shared out to
 *   their neighbours (inverse fourth power of the distance), those 68 become the points themselves
 *
 * The rectangles of reference.md 1.3 read only the 68: they come out as published. The other
 * vertices serve for pictures of the report and for the face mask of an export.
 */
#include "subject/import.h"
#include "subject/regions.h"

#include "base/face_mesh.h"
#include "base/memory.h"
#include "base/spd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LMS_BYTES_MAX = 64 << 10, UNKNOWNS = 4 };
static const double COORDINATE_MAX = STK_LANDMARK_MAX;
static const double IRIS_RADIUS_M = 0.00585; /* the human iris: 11.7 mm across */

/* --- the file --------------------------------------------------------------------------------- */

static int parse_points(const char *text, double points[STK_POINTS_68][2]) {
    const char *at = text;
    for (int i = 0; i < 2 * STK_POINTS_68; i++) {
        char *end;
        double v = strtod(at, &end);
        if (end == at || !(fabs(v) < COORDINATE_MAX)) return 0;
        points[i / 2][i % 2] = v;
        at = end;
    }
    return at[strspn(at, " \t\r\n")] == '\0';
}

static stk_status not_points(const char *path) {
    return stk_fail(
        STK_ERR_FORMAT,
        "%s: does not hold 68 points (\"x y\" a line) of a face; run the published task "
        "6 again",
        path);
}

static stk_status read_points(const char *path, double points[STK_POINTS_68][2]) {
    char *text;
    if (!stk_file_exists(path))
        return stk_fail(
            STK_ERR_IO,
            "%s: is missing; the published tracker leaves frames without landmarks out "
            "and counts on, so that all later poses would belong to other pictures: "
            "find the landmarks (task 6) or cut the frame, then run tasks 7 to 10 again",
            path);
    STK_TRY(stk_file_read_text(path, LMS_BYTES_MAX, &text));
    int good = parse_points(text, points);
    stk_free(text);
    return good ? STK_OK : not_points(path);
}

/* --- the mesh --------------------------------------------------------------------------------- */

/* Solves M x = b for two right-hand sides, in place; M is symmetric and positive. */
static void solve(const double m[UNKNOWNS * UNKNOWNS], double b[UNKNOWNS][2]) {
    for (int c = 0; c < 2; c++) {
        double copy[UNKNOWNS * UNKNOWNS], x[UNKNOWNS];
        memcpy(copy, m, sizeof copy);
        for (int r = 0; r < UNKNOWNS; r++) x[r] = b[r][c];
        stk_spd_solve(copy, x, UNKNOWNS);
        for (int r = 0; r < UNKNOWNS; r++) b[r][c] = x[r];
    }
}

/* a[4][2]: (u, v) = (X, Y, Z, 1) a. Positions in decimetres: the sums are of one size then. */
static void fit(double points[STK_POINTS_68][2], double a[UNKNOWNS][2]) {
    const float(*face)[3] = stk_canonical_face();
    double m[UNKNOWNS * UNKNOWNS] = {0};
    memset(a, 0, UNKNOWNS * sizeof *a);
    for (int i = 0; i < STK_POINTS_68; i++) {
        const float *p = face[stk_mesh_of_68[i]];
        const double x[UNKNOWNS] = {10.0 * (double)p[0], 10.0 * (double)p[1], 10.0 * (double)p[2],
                                    1.0};
        for (int r = 0; r < UNKNOWNS; r++) {
            for (int c = 0; c < UNKNOWNS; c++) m[UNKNOWNS * r + c] += x[r] * x[c];
            for (int c = 0; c < 2; c++) a[r][c] += x[r] * points[i][c];
        }
    }
    solve(m, a);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 2; c++) a[r][c] *= 10.0;
}

/* The affine image of a vertex. */
static void project(const float vertex[3], double a[UNKNOWNS][2], double uv[2]) {
    for (int c = 0; c < 2; c++)
        uv[c] = (double)vertex[0] * a[0][c] + (double)vertex[1] * a[1][c] +
                (double)vertex[2] * a[2][c] + a[3][c];
}

/* residual: what is missing at the 68; shift: what that makes at a vertex, within their extremes */
static void spread(const float vertex[3], double residual[STK_POINTS_68][2], double shift[2]) {
    const float(*face)[3] = stk_canonical_face();
    double sum[2] = {0, 0}, total = 0.0;
    for (int i = 0; i < STK_POINTS_68; i++) {
        double d2 = 1e-8; /* (0.1 mm)^2 */
        for (int c = 0; c < 3; c++) {
            double d = (double)vertex[c] - (double)face[stk_mesh_of_68[i]][c];
            d2 += d * d;
        }
        double weight = 1.0 / (d2 * d2);
        total += weight;
        for (int c = 0; c < 2; c++) sum[c] += weight * residual[i][c];
    }
    for (int c = 0; c < 2; c++) shift[c] = sum[c] / total;
}

stk_status stk_import_landmarks(const char *path, float landmarks[STK_LANDMARKS][3]) {
    const float(*face)[3] = stk_canonical_face();
    double points[STK_POINTS_68][2], residual[STK_POINTS_68][2], a[UNKNOWNS][2];
    STK_TRY(read_points(path, points));
    fit(points, a);
    /* px a metre: the root mean square of how far x and y of the head reach in the picture */
    double scale =
        sqrt(0.5 * (a[0][0] * a[0][0] + a[0][1] * a[0][1] + a[1][0] * a[1][0] + a[1][1] * a[1][1]));
    for (int i = 0; i < STK_POINTS_68; i++) {
        double uv[2];
        project(face[stk_mesh_of_68[i]], a, uv);
        for (int c = 0; c < 2; c++) residual[i][c] = points[i][c] - uv[c];
    }
    for (int i = 0; i < STK_MESH_LANDMARKS; i++) {
        double uv[2], shift[2];
        project(face[i], a, uv);
        spread(face[i], residual, shift);
        for (int c = 0; c < 2; c++) landmarks[i][c] = (float)(uv[c] + shift[c]);
        landmarks[i][2] = (float)(-scale * (double)face[i][2]);
    }
    for (int i = 0; i < STK_POINTS_68; i++)
        for (int c = 0; c < 2; c++) landmarks[stk_mesh_of_68[i]][c] = (float)points[i][c];
    float radius = (float)(scale * IRIS_RADIUS_M);
    stk_face_mesh_iris(landmarks, 468, 33, 133, radius);
    stk_face_mesh_iris(landmarks, 473, 362, 263, radius);
    for (int i = 0; i < 3 * STK_LANDMARKS; i++)
        if (!(fabsf(landmarks[i / 3][i % 3]) <= (float)STK_LANDMARK_MAX)) return not_points(path);
    return STK_OK;
}
