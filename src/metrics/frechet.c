/* frechet.c - the Frechet distance of two Gaussians, see fid.h.
 *
 *   A, B [n][d]: a and b less their means; S = A'A / (n - 1), S' likewise of B
 *   S S' has the nonzero eigenvalues of (A B')(A B')' / (n - 1)^2, so that
 *   tr (S S')^(1/2) = sum of the singular values of A B' / (n - 1)            [n][n]
 *   for n > d: A = Q R with R [d][d], and A B' has the singular values of R_A R_B'; R takes in A
 *   by CHUNK rows, so that there is no copy of A in double precision
 *
 * Singular values: Householder reflections from both sides leave two diagonals, f and e; they
 * alternate off the diagonal of a symmetric matrix of twice the size with zeros on it, whose
 * eigenvalues are the singular values and their negatives [Golub, Kahan 1965] and are found by
 * implicit QL steps. In double precision throughout.
 */
#include "base/memory.h"
#include "metrics/fid.h"

#include <math.h>

enum {
    QL_STEPS = 64, /* an eigenvalue takes two or three */
    CHUNK = 64,    /* rows at a time: of 2048 numbers, as much as a core's cache holds */
};

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

/* R [d][d], upper triangular, becomes that of R above `count` more rows [count][d], which are
 * destroyed. v [count + 1], work [d]. */
static void absorb(int d, int count, double *R, double *rows, double *v, double *work) {
    const size_t width = (size_t)d;
    for (int k = 0; k < d; k++) {
        double *restrict top = R + (size_t)k * width;
        v[0] = top[k];
        for (int i = 0; i < count; i++) v[i + 1] = rows[(size_t)i * width + (size_t)k];
        const double diagonal = make_reflection(count + 1, v, 1, v);
        for (int j = k + 1; j < d; j++) work[j] = v[0] * top[j];
        for (int i = 0; i < count; i++) {
            const double *restrict row = rows + (size_t)i * width;
            for (int j = k + 1; j < d; j++) work[j] += v[i + 1] * row[j];
        }
        for (int j = k + 1; j < d; j++) top[j] -= v[0] * work[j];
        for (int i = 0; i < count; i++) {
            double *restrict row = rows + (size_t)i * width;
            for (int j = k + 1; j < d; j++) row[j] -= v[i + 1] * work[j];
        }
        top[k] = diagonal;
    }
}

static stk_status stopped(const stk_job *job) {
    return stk_job_aborted(job) ? stk_fail(STK_ERR_ABORTED, "stopped") : STK_OK;
}

/* m [n][n] is destroyed; beside [2n - 1] receives f0 e0 f1 e1 .. of its two diagonals. v, work [n].
 */
static stk_status bidiagonalise(int n, double *m, double *v, double *work, double *beside,
                                const stk_job *job) {
    for (int k = 0; k < n; k++) {
        STK_TRY(stopped(job));
        double *corner = m + (size_t)k * (size_t)n;
        beside[2 * k] = make_reflection(n - k, corner + k, (size_t)n, v);
        reflect_rows(n - k, k + 1, n, corner, v, work);
        if (k + 1 == n) break;
        beside[2 * k + 1] = make_reflection(n - k - 1, corner + k + 1, 1, v);
        reflect_columns(n - k - 1, k + 1, n, corner + n, v);
    }
    return STK_OK;
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
static stk_status sum_singular(int n, double *m, double *work, const stk_job *job, double *sum) {
    double *d = work, *e = work + 2 * n, *v = work + 4 * n;
    STK_TRY(bidiagonalise(n, m, v, d, e, job));
    for (int i = 0; i < 2 * n; i++) d[i] = 0;
    STK_TRY(eigenvalues(2 * n, d, e));
    *sum = 0;
    for (int i = 0; i < 2 * n; i++) *sum += fabs(d[i]) / 2;
    return STK_OK;
}

/* --- the distance ----------------------------------------------------------------------------- */

/* mean [d] of the rows of x [n][d]. */
static void average(int n, int d, const float *x, double *mean) {
    for (int k = 0; k < d; k++) mean[k] = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d; k++) mean[k] += (double)x[(size_t)i * (size_t)d + (size_t)k] / n;
}

/* out [count][d] = x less the mean; the sum of squares. */
static double centre(int count, int d, const float *x, const double *mean, double *out) {
    double sum = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < d; k++) {
            const size_t at = (size_t)i * (size_t)d + (size_t)k;
            out[at] = (double)x[at] - mean[k];
            sum += out[at] * out[at];
        }
    return sum;
}

/* Of x [n][d]: mean [d], the trace of the covariance, and in out [min(n, d)][d], which is zeros, x
 * less its mean or the R of that. work: CHUNK rows, CHUNK + 1 and d more. */
static stk_status condense(int n, int d, const float *x, double *mean, double *out, double *work,
                           const stk_job *job, double *trace) {
    double *rows = work, *v = rows + (size_t)CHUNK * (size_t)d, *rest = v + CHUNK + 1, sum = 0;
    average(n, d, x, mean);
    if (n <= d) sum = centre(n, d, x, mean, out);
    for (int i = 0; n > d && i < n; i += CHUNK) {
        const int count = n - i < CHUNK ? n - i : CHUNK;
        STK_TRY(stopped(job));
        sum += centre(count, d, x + (size_t)i * (size_t)d, mean, rows);
        absorb(d, count, out, rows, v, rest);
    }
    *trace = sum / (n - 1);
    return STK_OK;
}

/* m [n][n] = a b', both [n][d]. */
static stk_status multiply(int n, int d, const double *a, const double *b, double *m,
                           const stk_job *job) {
    for (int i = 0; i < n; i++) {
        STK_TRY(stopped(job));
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
    return STK_OK;
}

/* x: both sets. blocks: two condensed ones and [least][least]; work: two means, then by turns what
 * condense and sum_singular take. */
static stk_status measure(int n, int d, const float *const x[2], double *blocks, double *work,
                          const stk_job *job, double *distance) {
    const int least = n < d ? n : d;
    const size_t size = (size_t)least * (size_t)d;
    double *means[2] = {work, work + d}, *rest = work + 2 * d, *m = blocks + 2 * size;
    double trace[2], apart = 0, root;
    for (int i = 0; i < 2; i++)
        STK_TRY(condense(n, d, x[i], means[i], blocks + (size_t)i * size, rest, job, &trace[i]));
    for (int k = 0; k < d; k++) apart += (means[0][k] - means[1][k]) * (means[0][k] - means[1][k]);
    if (!isfinite(apart + trace[0] + trace[1]))
        return stk_fail(STK_ERR_NUMERIC, "a feature of the pictures is no number");
    STK_TRY(multiply(least, d, blocks, blocks + size, m, job));
    STK_TRY(sum_singular(least, m, rest, job, &root));
    const double found = apart + trace[0] + trace[1] - 2 * root / (n - 1);
    if (!isfinite(found)) return stk_fail(STK_ERR_NUMERIC, "the Frechet distance is no number");
    *distance = found < 0 ? 0 : found; /* by rounding */
    return STK_OK;
}

stk_status stk_frechet_distance(double *distance, int n, int d, const float *a, const float *b,
                                const stk_job *job) {
    if (n < 2 || d < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a covariance takes two pictures, there are %d", n);
    const size_t least = n < d ? (size_t)n : (size_t)d, width = (size_t)d;
    const size_t chunk = n > d ? CHUNK * width : 0;
    double *blocks = stk_calloc_aligned(2 * least * width + least * least, sizeof *blocks);
    double *work = stk_calloc_aligned(chunk + CHUNK + 1 + 3 * width + 5 * least, sizeof *work);
    stk_status status =
        blocks != NULL && work != NULL ? STK_OK : stk_fail_memory("Frechet distance");
    if (status == STK_OK)
        status = measure(n, d, (const float *const[]){a, b}, blocks, work, job, distance);
    stk_free(blocks);
    stk_free(work);
    return status;
}
