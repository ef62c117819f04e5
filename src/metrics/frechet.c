/* frechet.c - the Frechet distance of two Gaussians, see fid.h.
 *
 *   A, B [n][d]: a and b less their means; S = A'A / (n - 1), S' likewise of B
 *   S S' has the nonzero eigenvalues of (A B')(A B')' / (n - 1)^2, so that
 *   tr (S S')^(1/2) = sum of the singular values of A B' / (n - 1)            [n][n]
 *   for n > d: A = Q R with R [d][d], and A B' has the singular values of R_A R_B'
 *
 * Singular values: Householder reflections from both sides leave two diagonals, f and e; they
 * alternate off the diagonal of a symmetric matrix of twice the size with zeros on it, whose
 * eigenvalues are the singular values and their negatives [Golub, Kahan 1965] and are found by
 * implicit QL steps. In double precision throughout.
 */
#include "base/memory.h"
#include "metrics/fid.h"

#include <math.h>

enum { QL_STEPS = 64 }; /* an eigenvalue takes two or three */

/* --- reflections ------------------------------------------------------------------------------ */

/* Makes of x [n] (elements `step` apart) the v of H = 1 - v v' that maps x to (result, 0 ..): v [n]
 * contiguous, |v|^2 = 2 or all 0. */
static double make_reflection(int n, const double *x, size_t step, double *v) {
    double scale = 0, square = 0;
    for (int i = 0; i < n; i++) scale = fmax(scale, fabs(x[(size_t)i * step]));
    for (int i = 0; i < n; i++) {
        v[i] = scale > 0 ? x[(size_t)i * step] / scale : 0;
        square += v[i] * v[i];
    }
    if (scale == 0) return 0;
    const double length = sqrt(square), result = v[0] > 0 ? -length : length;
    v[0] -= result;
    const double size = sqrt(-result * v[0]); /* |v|^2 / 2 = result^2 - result x0 */
    for (int i = 0; i < n; i++) v[i] /= size;
    return result * scale;
}

/* m [rows][width] -= v (v' m) over columns [from, width). */
static void reflect_rows(int rows, int from, int width, double *m, const double *v, double *work) {
    for (int k = from; k < width; k++) work[k] = 0;
    for (int i = 0; i < rows; i++) {
        const double *restrict row = m + (size_t)i * (size_t)width;
        for (int k = from; k < width; k++) work[k] += v[i] * row[k];
    }
    for (int i = 0; i < rows; i++) {
        double *restrict row = m + (size_t)i * (size_t)width;
        for (int k = from; k < width; k++) row[k] -= v[i] * work[k];
    }
}

/* Each row of m [rows][width] -= (row . v) v over columns [from, width). */
static void reflect_columns(int rows, int from, int width, double *m, const double *v) {
    for (int i = 0; i < rows; i++) {
        double *restrict row = m + (size_t)i * (size_t)width;
        double dot = 0;
        for (int k = from; k < width; k++) dot += row[k] * v[k - from];
        for (int k = from; k < width; k++) row[k] -= dot * v[k - from];
    }
}

/* m [n][d], n >= d, becomes R in its first d rows, zeros below the diagonal. v [n], work [d]. */
static void triangulate(int n, int d, double *m, double *v, double *work) {
    for (int k = 0; k < d; k++) {
        double *corner = m + (size_t)k * (size_t)d;
        const double diagonal = make_reflection(n - k, corner + k, (size_t)d, v);
        reflect_rows(n - k, k + 1, d, corner, v, work);
        corner[k] = diagonal;
        for (int i = 1; i < n - k; i++) corner[(size_t)i * (size_t)d + (size_t)k] = 0;
    }
}

/* m [n][n] is destroyed; beside [2n - 1] receives f0 e0 f1 e1 .. of its two diagonals. */
static void bidiagonalise(int n, double *m, double *v, double *work, double *beside) {
    for (int k = 0; k < n; k++) {
        double *corner = m + (size_t)k * (size_t)n;
        beside[2 * k] = make_reflection(n - k, corner + k, (size_t)n, v);
        reflect_rows(n - k, k + 1, n, corner, v, work);
        if (k + 1 == n) break;
        beside[2 * k + 1] = make_reflection(n - k - 1, corner + k + 1, 1, v);
        reflect_columns(n - k - 1, k + 1, n, corner + n, v);
    }
}

/* --- eigenvalues ------------------------------------------------------------------------------ */

/* One implicit QL step on d, e [..], of the block l .. m. */
static void ql_step(double *d, double *e, int l, int m) {
    const double g0 = (d[l + 1] - d[l]) / (2 * e[l]);
    double g = d[m] - d[l] + e[l] / (g0 + copysign(hypot(g0, 1), g0)), s = 1, c = 1, p = 0;
    for (int i = m - 1; i >= l; i--) {
        const double f = s * e[i], b = c * e[i], r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const double t = (d[i] - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

/* Eigenvalues of the symmetric matrix with diagonal d [n] and e [n] beside it (e[n - 1] is room),
 * in d, in no order. */
static stk_status eigenvalues(int n, double *d, double *e) {
    e[n - 1] = 0;
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fmax(fabs(d[i]), fabs(e[i])));
    for (int l = 0; l < n; l++)
        for (int step = 0;; step++) {
            int m = l;
            while (m < n - 1 && fabs(e[m]) > 1e-16 * (fabs(d[m]) + fabs(d[m + 1])) &&
                   fabs(e[m]) > 1e-18 * most)
                m++;
            if (m == l) break;
            if (step == QL_STEPS)
                return stk_fail(STK_ERR_NUMERIC, "singular values of features were not found");
            ql_step(d, e, l, m);
        }
    return STK_OK;
}

/* Sum of the singular values of m [n][n], which is destroyed. work [5 n]. */
static stk_status sum_singular(int n, double *m, double *work, double *sum) {
    double *d = work, *e = work + 2 * n, *v = work + 4 * n;
    bidiagonalise(n, m, v, d, e);
    for (int i = 0; i < 2 * n; i++) d[i] = 0;
    STK_TRY(eigenvalues(2 * n, d, e));
    *sum = 0;
    for (int i = 0; i < 2 * n; i++) *sum += fabs(d[i]) / 2;
    return STK_OK;
}

/* --- the distance ----------------------------------------------------------------------------- */

/* out [n][d] = x less its mean, which is left in mean [d]; the trace of the covariance. */
static double centre(int n, int d, const float *x, double *mean, double *out) {
    double trace = 0;
    for (int k = 0; k < d; k++) mean[k] = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d; k++) mean[k] += (double)x[(size_t)i * (size_t)d + (size_t)k] / n;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d; k++) {
            const size_t at = (size_t)i * (size_t)d + (size_t)k;
            out[at] = (double)x[at] - mean[k];
            trace += out[at] * out[at];
        }
    return trace / (n - 1);
}

/* m [n][n] = a b', both [n][d]. */
static void multiply(int n, int d, const double *a, const double *b, double *m) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const double *restrict x = a + (size_t)i * (size_t)d;
            const double *restrict y = b + (size_t)j * (size_t)d;
            double lane[8] = {0}, sum = 0;
            int k = 0;
            for (; k + 8 <= d; k += 8)
                for (int l = 0; l < 8; l++) lane[l] += x[k + l] * y[k + l];
            for (; k < d; k++) sum += x[k] * y[k];
            for (int l = 0; l < 8; l++) sum += lane[l];
            m[(size_t)i * (size_t)n + (size_t)j] = sum;
        }
}

stk_status stk_frechet_distance(double *distance, int n, int d, const float *a, const float *b) {
    if (n < 2 || d < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a covariance takes two pictures, there are %d", n);
    const int least = n < d ? n : d, most = n < d ? d : n;
    const size_t all = (size_t)n * (size_t)d;
    double *A = stk_calloc_aligned(2 * all + (size_t)least * (size_t)least, sizeof *A);
    double *work = stk_calloc_aligned(5 * (size_t)most, sizeof *work);
    stk_status status = A != NULL && work != NULL ? STK_OK : stk_fail_memory("Frechet distance");
    if (status == STK_OK) {
        double *B = A + all, *m = B + all, *means[2] = {work, work + d}, apart = 0, root = 0;
        const double trace = centre(n, d, a, means[0], A) + centre(n, d, b, means[1], B);
        for (int k = 0; k < d; k++)
            apart += (means[0][k] - means[1][k]) * (means[0][k] - means[1][k]);
        if (n > d) triangulate(n, d, A, work, work + n);
        if (n > d) triangulate(n, d, B, work, work + n);
        multiply(least, d, A, B, m);
        status = sum_singular(least, m, work, &root);
        *distance = fmax(0, apart + trace - 2 * root / (n - 1)); /* rounding may say less */
    }
    stk_free(A);
    stk_free(work);
    return status;
}
