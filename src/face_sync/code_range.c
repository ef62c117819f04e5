/* code_range.c - see code_range.h. Principal axes by cyclic Jacobi rotations (Golub and Van Loan,
 * Matrix Computations, 8.5) in double; 32 x 32, done once a saved model. */
#include "face_sync/code_range.h"

#include <math.h>
#include <string.h>

enum { N = STK_AUDIO_CODE, SWEEPS = 20 };
/* Shortest axis, of the longest: below it float codes cannot tell where they are along it. */
static const double SHORTEST = 1e-4;

typedef struct square {
    double at[N][N];
} square;

/* Columns p and q turned by the angle (c, s). */
static void turn_columns(square *m, int p, int q, double c, double s) {
    for (int i = 0; i < N; i++) {
        const double x = m->at[i][p], y = m->at[i][q];
        m->at[i][p] = c * x - s * y;
        m->at[i][q] = s * x + c * y;
    }
}

static void turn_rows(square *m, int p, int q, double c, double s) {
    for (int i = 0; i < N; i++) {
        const double x = m->at[p][i], y = m->at[q][i];
        m->at[p][i] = c * x - s * y;
        m->at[q][i] = s * x + c * y;
    }
}

/* a becomes diagonal, the columns of `axes` its eigenvectors. */
static void diagonalise(square *a, square *axes) {
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) axes->at[i][k] = i == k;
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int p = 0; p < N; p++)
            for (int q = p + 1; q < N; q++) {
                const double off = a->at[p][q];
                if (fabs(off) <= 1e-18 * sqrt(fabs(a->at[p][p] * a->at[q][q]))) continue;
                const double half = (a->at[q][q] - a->at[p][p]) / (2 * off);
                const double t = (half >= 0 ? 1 : -1) / (fabs(half) + sqrt(half * half + 1));
                const double c = 1 / sqrt(t * t + 1), s = t * c;
                turn_columns(a, p, q, c, s);
                turn_rows(a, p, q, c, s);
                turn_columns(axes, p, q, c, s);
            }
}

static void covariance(const float (*codes)[N], int n, const double mean[N], square *sum) {
    memset(sum, 0, sizeof *sum);
    for (int i = 0; i < n; i++)
        for (int p = 0; p < N; p++)
            for (int q = 0; q < N; q++)
                sum->at[p][q] += (codes[i][p] - mean[p]) * (codes[i][q] - mean[q]) / n;
}

void stk_code_range_fit(stk_code_range *range, const float (*codes)[N], int n) {
    square spread, axes;
    double mean[N] = {0};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < N; k++) mean[k] += codes[i][k] / (double)n;
    covariance(codes, n, mean, &spread);
    diagonalise(&spread, &axes);
    for (int k = 0; k < N; k++) range->rows[0][k] = (float)mean[k];
    for (int k = 0; k < N; k++) {
        const double length = sqrt(spread.at[k][k] > 0 ? spread.at[k][k] : 0);
        for (int i = 0; i < N; i++) range->rows[1 + k][i] = (float)(length * axes.at[i][k]);
    }
    range->known = 1;
}

static double dot(const float *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += (double)a[i] * b[i];
    return sum;
}

static double square_length(const float *a) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += (double)a[i] * (double)a[i];
    return sum;
}

void stk_code_range_limit(const stk_code_range *range, float code[N]) {
    if (!range->known) return;
    const double axis_limit = STK_CODE_AXIS_LIMIT, radius_limit = STK_CODE_RADIUS_LIMIT;
    const float(*axes)[N] = &range->rows[1];
    double from[N], z[N], radius = 0, longest = 0, scale = 1;
    for (int i = 0; i < N; i++) {
        if (!isfinite(code[i])) return;
        from[i] = (double)code[i] - (double)range->rows[0][i];
    }
    for (int k = 0; k < N; k++) longest = fmax(longest, square_length(axes[k]));
    for (int k = 0; k < N; k++) {
        const double length2 = square_length(axes[k]);
        z[k] = length2 > SHORTEST * SHORTEST * longest ? dot(axes[k], from) / length2 : 0;
        z[k] = fmin(fmax(z[k], -axis_limit), axis_limit);
        radius += z[k] * z[k];
    }
    radius = sqrt(radius);
    if (radius > radius_limit) scale = radius_limit / radius;
    for (int i = 0; i < N; i++) {
        double sum = (double)range->rows[0][i];
        for (int k = 0; k < N; k++) sum += scale * z[k] * (double)axes[k][i];
        code[i] = (float)sum;
    }
}
