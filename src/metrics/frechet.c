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
 *
 * Threads share out columns, or rows, of one operation at a time; each number is made by one thread
 * in the order of the loops, so their count changes nothing.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/fid.h"

#include <math.h>

enum {
    QL_STEPS = 64, /* an eigenvalue takes two or three */
    CHUNK = 64,    /* rows at a time: of 2048 numbers, as much as a core's cache holds */
    BAND = 256,    /* columns, or rows, of a task */
};

/* How work is shared out, and how far it is: rows condensed, multiplied and reflected. */
typedef struct labour {
    stk_pool *pool;
    const stk_job *job;
    double start_s;
    int64_t done, total;
} labour;

static stk_status proceed(labour *l, int rows) {
    l->done += rows;
    stk_job_report(l->job, "fid", l->done, l->total, l->start_s, NULL);
    return stk_job_aborted(l->job) ? stk_fail(STK_ERR_ABORTED, "stopped") : STK_OK;
}

/* One reflection v, of a matrix m [rows][width]: columns, or rows, from `from` on. */
typedef struct mirror {
    int rows, from, width;
    double *m, *top, *work;
    const double *v;
} mirror;

static void share_out(labour *l, stk_pool_fn fn, mirror *x, int count) {
    stk_pool_run(l->pool, (count + BAND - 1) / BAND, fn, x);
}

static int end_of(int first, int end) {
    return first + BAND < end ? first + BAND : end;
}

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
static void reflect_rows(void *context, int task, int worker) {
    const mirror *x = context;
    const int first = x->from + task * BAND, end = end_of(first, x->width);
    (void)worker;
    for (int k = first; k < end; k++) x->work[k] = 0;
    for (int i = 0; i < x->rows; i++) {
        const double *restrict row = x->m + (size_t)i * (size_t)x->width;
        for (int k = first; k < end; k++) x->work[k] += x->v[i] * row[k];
    }
    for (int i = 0; i < x->rows; i++) {
        double *restrict row = x->m + (size_t)i * (size_t)x->width;
        for (int k = first; k < end; k++) row[k] -= x->v[i] * x->work[k];
    }
}

/* Each row of m [rows][width] -= (row . v) v over columns [from, width). */
static void reflect_columns(void *context, int task, int worker) {
    const mirror *x = context;
    const int first = task * BAND, end = end_of(first, x->rows);
    (void)worker;
    for (int i = first; i < end; i++) {
        double *restrict row = x->m + (size_t)i * (size_t)x->width;
        double dot = 0;
        for (int k = x->from; k < x->width; k++) dot += row[k] * x->v[k - x->from];
        for (int k = x->from; k < x->width; k++) row[k] -= dot * x->v[k - x->from];
    }
}

/* As reflect_rows of m with the row `top` above it. */
static void reflect_below(void *context, int task, int worker) {
    const mirror *x = context;
    const int first = x->from + task * BAND, end = end_of(first, x->width);
    const double *v = x->v + 1;
    (void)worker;
    for (int j = first; j < end; j++) x->work[j] = x->v[0] * x->top[j];
    for (int i = 0; i < x->rows; i++) {
        const double *restrict row = x->m + (size_t)i * (size_t)x->width;
        for (int j = first; j < end; j++) x->work[j] += v[i] * row[j];
    }
    for (int j = first; j < end; j++) x->top[j] -= x->v[0] * x->work[j];
    for (int i = 0; i < x->rows; i++) {
        double *restrict row = x->m + (size_t)i * (size_t)x->width;
        for (int j = first; j < end; j++) row[j] -= v[i] * x->work[j];
    }
}

/* R [d][d], upper triangular, becomes that of R above `count` more rows [count][d], which are
 * destroyed. v [count + 1], work [d]. */
static void absorb(int d, int count, double *R, double *rows, double *v, double *work, labour *l) {
    const size_t width = (size_t)d;
    for (int k = 0; k < d; k++) {
        double *top = R + (size_t)k * width;
        v[0] = top[k];
        for (int i = 0; i < count; i++) v[i + 1] = rows[(size_t)i * width + (size_t)k];
        const double diagonal = make_reflection(count + 1, v, 1, v);
        mirror x = {count, k + 1, d, rows, top, work, v};
        share_out(l, reflect_below, &x, d - k - 1);
        top[k] = diagonal;
    }
}

/* m [n][n] is destroyed; beside [2n - 1] receives f0 e0 f1 e1 .. of its two diagonals. v, work [n].
 */
static stk_status bidiagonalise(int n, double *m, double *v, double *work, double *beside,
                                labour *l) {
    for (int k = 0; k < n; k++) {
        STK_TRY(proceed(l, 1));
        double *corner = m + (size_t)k * (size_t)n;
        beside[2 * k] = make_reflection(n - k, corner + k, (size_t)n, v);
        mirror down = {n - k, k + 1, n, corner, NULL, work, v};
        share_out(l, reflect_rows, &down, n - k - 1);
        if (k + 1 == n) break;
        beside[2 * k + 1] = make_reflection(n - k - 1, corner + k + 1, 1, v);
        mirror right = {n - k - 1, k + 1, n, corner + n, NULL, NULL, v};
        share_out(l, reflect_columns, &right, n - k - 1);
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
static stk_status sum_singular(int n, double *m, double *work, labour *l, double *sum) {
    double *d = work, *e = work + 2 * n, *v = work + 4 * n;
    STK_TRY(bidiagonalise(n, m, v, d, e, l));
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
                           labour *l, double *trace) {
    double *rows = work, *v = rows + (size_t)CHUNK * (size_t)d, *rest = v + CHUNK + 1, sum = 0;
    average(n, d, x, mean);
    if (n <= d) sum = centre(n, d, x, mean, out);
    for (int i = 0; n > d && i < n; i += CHUNK) {
        const int count = n - i < CHUNK ? n - i : CHUNK;
        STK_TRY(proceed(l, count));
        sum += centre(count, d, x + (size_t)i * (size_t)d, mean, rows);
        absorb(d, count, out, rows, v, rest, l);
    }
    *trace = sum / (n - 1);
    return STK_OK;
}

typedef struct product {
    int n, d, first; /* row of task 0 */
    const double *a, *b;
    double *m;
} product;

static void multiply_row(void *context, int task, int worker) {
    const product *p = context;
    const int i = p->first + task, d = p->d;
    (void)worker;
    for (int j = 0; j < p->n; j++) {
        const double *restrict x = p->a + (size_t)i * (size_t)d;
        const double *restrict y = p->b + (size_t)j * (size_t)d;
        double lane[8] = {0}, sum = 0;
        int k = 0;
        for (; k + 8 <= d; k += 8)
            for (int at = 0; at < 8; at++) lane[at] += x[k + at] * y[k + at];
        for (; k < d; k++) sum += x[k] * y[k];
        for (int at = 0; at < 8; at++) sum += lane[at];
        p->m[(size_t)i * (size_t)p->n + (size_t)j] = sum;
    }
}

/* m [n][n] = a b', both [n][d]. */
static stk_status multiply(int n, int d, const double *a, const double *b, double *m, labour *l) {
    product p = {n, d, 0, a, b, m};
    for (; p.first < n; p.first += CHUNK) {
        const int count = n - p.first < CHUNK ? n - p.first : CHUNK;
        STK_TRY(proceed(l, count));
        stk_pool_run(l->pool, count, multiply_row, &p);
    }
    return STK_OK;
}

/* x: both sets. blocks: two condensed ones and [least][least]; work: two means, then by turns what
 * condense and sum_singular take. */
static stk_status measure(int n, int d, const float *const x[2], double *blocks, double *work,
                          labour *l, double *distance) {
    const int least = n < d ? n : d;
    const size_t size = (size_t)least * (size_t)d;
    double *means[2] = {work, work + d}, *rest = work + 2 * d, *m = blocks + 2 * size;
    double trace[2], apart = 0, root;
    for (int i = 0; i < 2; i++)
        STK_TRY(condense(n, d, x[i], means[i], blocks + (size_t)i * size, rest, l, &trace[i]));
    for (int k = 0; k < d; k++) apart += (means[0][k] - means[1][k]) * (means[0][k] - means[1][k]);
    if (!isfinite(apart + trace[0] + trace[1]))
        return stk_fail(STK_ERR_NUMERIC, "a feature of the pictures is no number");
    STK_TRY(multiply(least, d, blocks, blocks + size, m, l));
    STK_TRY(sum_singular(least, m, rest, l, &root));
    const double found = apart + trace[0] + trace[1] - 2 * root / (n - 1);
    if (!isfinite(found)) return stk_fail(STK_ERR_NUMERIC, "the Frechet distance is no number");
    *distance = found < 0 ? 0 : found; /* by rounding */
    return STK_OK;
}

stk_status stk_frechet_distance(double *distance, int n, int d, const float *a, const float *b,
                                stk_pool *pool, const stk_job *job) {
    if (n < 2 || d < 1)
        return stk_fail(STK_ERR_ARGUMENT, "a covariance takes two pictures, there are %d", n);
    const size_t least = n < d ? (size_t)n : (size_t)d, width = (size_t)d;
    const size_t chunk = n > d ? CHUNK * width : 0;
    double *blocks = stk_calloc_aligned(2 * least * width + least * least, sizeof *blocks);
    double *work = stk_calloc_aligned(chunk + CHUNK + 1 + 3 * width + 5 * least, sizeof *work);
    stk_status status =
        blocks != NULL && work != NULL ? STK_OK : stk_fail_memory("Frechet distance");
    labour l = {pool, job, stk_clock_s(), 0, 2 * (int64_t)least + (n > d ? 2 * (int64_t)n : 0)};
    if (status == STK_OK)
        status = measure(n, d, (const float *const[]){a, b}, blocks, work, &l, distance);
    stk_free(blocks);
    stk_free(work);
    return status;
}
