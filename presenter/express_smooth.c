/* express_smooth.c - smoothest displacement through pinned landmarks, by a dense Cholesky factor.
 *
 *   W: cotangent weights, A: vertex areas (n x n, n = 468)
 *   M = (l^2 W + A) A^-1 (l^2 W + A) = F F'      once
 *   G = columns of M^-1 at the handles           kept, one a landmark ever used
 *   field = G (G_hh)^-1 target                   per call
 *
 * Double throughout: 30 ms for the factor, 0.4 ms a new column. One thread per handle.
 */
#include "presenter/express_smooth.h"

#include "base/face_mesh.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { N = STK_MESH_LANDMARKS };

struct stk_smooth {
    double (*factor)[N]; /* F and, above its diagonal, F' */
    double (*column)[N]; /* [N]: column h of M^-1 where known[h] */
    double *pivot;       /* [N * N] room for G_hh and its factor */
    double *solved;      /* [N] one right side */
    uint8_t known[N];
};

/* a (lower triangle, row stride `stride`) becomes its Cholesky factor, mirrored in the upper
 * triangle, so that all inner loops run along rows. */
static stk_status factorise(double *a, int n, int stride) {
    for (int i = 0; i < n; i++) {
        double *row = a + (ptrdiff_t)i * stride;
        for (int k = 0; k < i; k++) {
            double *other = a + (ptrdiff_t)k * stride; /* right of k: column k of the factor */
            const double value = row[k] / other[k];
            row[k] = value;
            for (int j = k + 1; j < i; j++) row[j] -= value * other[j];
            row[i] -= value * value;
            other[i] = value;
        }
        if (!(row[i] > 0))
            return stk_fail(STK_ERR_NUMERIC,
                            "the presenter's face mesh is degenerate at vertex %d; use another "
                            "seed",
                            i);
        row[i] = sqrt(row[i]);
    }
    return STK_OK;
}

static void substitute(const double *a, int n, int stride, double *x) {
    for (int k = 0; k < n; k++) {
        const double *row = a + (ptrdiff_t)k * stride;
        x[k] /= row[k];
        for (int i = k + 1; i < n; i++) x[i] -= row[i] * x[k];
    }
    for (int i = n - 1; i >= 0; i--) {
        const double *row = a + (ptrdiff_t)i * stride;
        x[i] /= row[i];
        for (int k = 0; k < i; k++) x[k] -= row[k] * x[i];
    }
}

/* Adds one triangle's cotangent weights to `w` and a third of its area to each corner. */
static void add_triangle(const float (*face)[3], const int16_t t[3], double (*w)[N], double *area) {
    for (int k = 0; k < 3; k++) {
        const int o = t[k], a = t[(k + 1) % 3], b = t[(k + 2) % 3];
        double u[3], v[3], dot = 0;
        for (int c = 0; c < 3; c++) {
            u[c] = (double)face[a][c] - (double)face[o][c];
            v[c] = (double)face[b][c] - (double)face[o][c];
            dot += u[c] * v[c];
        }
        const double x = u[1] * v[2] - u[2] * v[1], y = u[2] * v[0] - u[0] * v[2];
        const double z = u[0] * v[1] - u[1] * v[0];
        const double cross = sqrt(x * x + y * y + z * z) + 1e-12;
        /* obtuse corners would give negative weights; slivers huge ones */
        const double weight = 0.5 * fmin(fmax(dot / cross, 0.05), 5.0);
        w[a][a] += weight;
        w[b][b] += weight;
        w[a][b] -= weight;
        w[b][a] -= weight;
        area[o] += cross / 6;
    }
}

/* factor = (l^2 W + A) A^-1 (l^2 W + A); `w` becomes its bracket. */
static void square(double (*w)[N], const double *area, double length2, double (*factor)[N]) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) w[i][j] = length2 * w[i][j] + (i == j ? area[i] : 0);
    for (int k = 0; k < N; k++)
        for (int i = 0; i < N; i++) {
            const double scale = w[k][i] / area[k];
            if (scale == 0) continue;
            for (int j = 0; j <= i; j++) factor[i][j] += scale * w[k][j];
        }
}

static stk_status build(stk_smooth *s, const float (*face)[3], const uint8_t *hole,
                        double length_m) {
    double area[N] = {0}, mean = 0;
    double(*w)[N] = s->column; /* not yet in use */
    const int16_t(*triangle)[3] = stk_face_mesh_triangles();
    for (int i = 0; i < STK_MESH_TRIANGLES; i++) {
        const int16_t *t = triangle[i];
        if (hole[t[0]] != 0 && hole[t[0]] == hole[t[1]] && hole[t[0]] == hole[t[2]]) continue;
        add_triangle(face, t, w, area);
    }
    for (int i = 0; i < N; i++) mean += area[i] / N;
    if (!(mean > 0)) return stk_fail(STK_ERR_ARGUMENT, "the presenter's face mesh has no area");
    for (int i = 0; i < N; i++) {
        area[i] = fmax(area[i], 0.05 * mean) / mean;
        for (int j = 0; j < N; j++) w[i][j] /= mean;
    }
    square(w, area, length_m * length_m, s->factor);
    return factorise(&s->factor[0][0], N, N);
}

stk_status stk_smooth_create(stk_smooth **smooth, const float (*face)[3], const uint8_t *hole,
                             float length_m) {
    stk_smooth *s = stk_calloc_aligned(1, sizeof *s);
    *smooth = s;
    if (s == NULL) return stk_fail_memory("the smoothing of expressions");
    s->factor = stk_calloc_aligned(N, sizeof *s->factor);
    s->column = stk_calloc_aligned(N, sizeof *s->column);
    s->pivot = stk_calloc_aligned((size_t)N * N, sizeof *s->pivot);
    s->solved = stk_calloc_aligned(N, sizeof *s->solved);
    stk_status status = STK_OK;
    if (s->factor == NULL || s->column == NULL || s->pivot == NULL || s->solved == NULL)
        status = stk_fail_memory("the smoothing of expressions");
    if (status == STK_OK) status = build(s, face, hole, (double)length_m);
    if (status != STK_OK) stk_smooth_free(smooth);
    return status;
}

void stk_smooth_free(stk_smooth **smooth) {
    stk_smooth *s = *smooth;
    if (s == NULL) return;
    stk_free(s->factor);
    stk_free(s->column);
    stk_free(s->pivot);
    stk_free(s->solved);
    stk_free(s);
    *smooth = NULL;
}

static const double *column_of(stk_smooth *s, int landmark) {
    double *column = s->column[landmark];
    if (!s->known[landmark]) {
        memset(column, 0, sizeof s->column[0]);
        column[landmark] = 1;
        substitute(&s->factor[0][0], N, N, column);
        s->known[landmark] = 1;
    }
    return column;
}

stk_status stk_smooth_solve(stk_smooth *smooth, const int16_t *handles, int count,
                            const float *target, int channels, float *field) {
    for (int i = 0; i < count; i++) {
        const double *column = column_of(smooth, handles[i]);
        for (int j = 0; j <= i; j++) smooth->pivot[i * count + j] = column[handles[j]];
    }
    STK_TRY(factorise(smooth->pivot, count, count));
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < count; i++) smooth->solved[i] = (double)target[i * channels + c];
        substitute(smooth->pivot, count, count, smooth->solved);
        double sum[N] = {0};
        for (int i = 0; i < count; i++) {
            const double *column = smooth->column[handles[i]], factor = smooth->solved[i];
            for (int v = 0; v < N; v++) sum[v] += factor * column[v];
        }
        for (int v = 0; v < N; v++) field[v * channels + c] = (float)sum[v];
    }
    return STK_OK;
}
