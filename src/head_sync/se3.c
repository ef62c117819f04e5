/* se3.c - see se3.h. Formulas: Rodrigues; Sola, Deray, Atchuthan "A micro Lie theory" (2018) for
 * the left Jacobian; Higham, "Computing the polar decomposition" (1986). */
#include "head_sync/se3.h"

#include <math.h>
#include <string.h>

void stk_mat3_mul(const double a[9], const double b[9], double out[9]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
}

void stk_mat3_mul_bt(const double a[9], const double b[9], double out[9]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out[3 * i + j] =
                a[3 * i] * b[3 * j] + a[3 * i + 1] * b[3 * j + 1] + a[3 * i + 2] * b[3 * j + 2];
}

void stk_mat3_apply(const double m[9], const double v[3], double out[3]) {
    for (int i = 0; i < 3; i++)
        out[i] = m[3 * i] * v[0] + m[3 * i + 1] * v[1] + m[3 * i + 2] * v[2];
}

/* c = cofactors of m, so that m^-T = c / det; returns det. */
static double cofactors(const double m[9], double c[9]) {
    c[0] = m[4] * m[8] - m[5] * m[7];
    c[1] = m[5] * m[6] - m[3] * m[8];
    c[2] = m[3] * m[7] - m[4] * m[6];
    c[3] = m[2] * m[7] - m[1] * m[8];
    c[4] = m[0] * m[8] - m[2] * m[6];
    c[5] = m[1] * m[6] - m[0] * m[7];
    c[6] = m[1] * m[5] - m[2] * m[4];
    c[7] = m[2] * m[3] - m[0] * m[5];
    c[8] = m[0] * m[4] - m[1] * m[3];
    return m[0] * c[0] + m[1] * c[1] + m[2] * c[2];
}

int stk_mat3_polar(double m[9]) {
    enum { ITERATIONS = 64 }; /* quadratic once near; a bad scale costs one halving an iteration */
    double norm = 0;
    for (int i = 0; i < 9; i++) norm += m[i] * m[i];
    norm = sqrt(norm / 3);
    if (!(norm > 0) || !isfinite(norm)) return 0;
    for (int i = 0; i < 9; i++) m[i] /= norm;
    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
        double c[9], det = cofactors(m, c), change = 0;
        if (!(det > 1e-12)) return 0;
        for (int i = 0; i < 9; i++) {
            double next = 0.5 * (m[i] + c[i] / det);
            change += fabs(next - m[i]);
            m[i] = next;
        }
        if (change < 1e-14) break;
    }
    return 1;
}

/* sin(x)/x, (1-cos x)/x^2 and (x-sin x)/x^3 at x^2; series where the quotients would cancel. */
static void rodrigues_factors(double x2, double *a, double *b, double *c) {
    if (x2 < 1e-6) {
        *a = 1 - x2 / 6;
        *b = 0.5 - x2 / 24;
        *c = 1.0 / 6 - x2 / 120;
        return;
    }
    double x = sqrt(x2);
    *a = sin(x) / x;
    *b = (1 - cos(x)) / x2;
    *c = (x - sin(x)) / (x2 * x);
}

/* I + p [w]x + q [w]x^2 */
static void skew_polynomial(const double w[3], double p, double q, double m[9]) {
    double n2 = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) m[3 * i + j] = q * w[i] * w[j] + (i == j ? 1 - q * n2 : 0);
    m[1] -= p * w[2], m[3] += p * w[2];
    m[2] += p * w[1], m[6] -= p * w[1];
    m[5] -= p * w[0], m[7] += p * w[0];
}

void stk_so3_exp(const double w[3], double R[9]) {
    double a, b, c;
    rodrigues_factors(w[0] * w[0] + w[1] * w[1] + w[2] * w[2], &a, &b, &c);
    skew_polynomial(w, a, b, R);
}

void stk_so3_left_jacobian(const double w[3], double J[9]) {
    double a, b, c;
    rodrigues_factors(w[0] * w[0] + w[1] * w[1] + w[2] * w[2], &a, &b, &c);
    skew_polynomial(w, b, c, J);
}

/* Shepperd: the quaternion component that is largest is found first, the others from it. */
static void quaternion_of(const double R[9], double q[4]) {
    double trace = R[0] + R[4] + R[8];
    double squares[4] = {1 + trace, 1 + 2 * R[0] - trace, 1 + 2 * R[4] - trace,
                         1 + 2 * R[8] - trace};
    int k = 0;
    for (int i = 1; i < 4; i++)
        if (squares[i] > squares[k]) k = i;
    double s = sqrt(squares[k]), h = 0.5 / s; /* s = 2 |q_k| */
    double d0 = R[7] - R[5], d1 = R[2] - R[6], d2 = R[3] - R[1];
    double s01 = R[1] + R[3], s02 = R[2] + R[6], s12 = R[5] + R[7];
    const double rows[4][4] = {
        {0, d0, d1, d2}, {d0, 0, s01, s02}, {d1, s01, 0, s12}, {d2, s02, s12, 0}};
    for (int i = 0; i < 4; i++) q[i] = i == k ? 0.5 * s : h * rows[k][i];
    if (q[0] < 0)
        for (int i = 0; i < 4; i++) q[i] = -q[i];
}

void stk_so3_log(const double R[9], double w[3]) {
    double q[4];
    quaternion_of(R, q);
    double n = sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    double scale = n < 1e-9 ? 2 : 2 * atan2(n, q[0]) / n;
    for (int i = 0; i < 3; i++) w[i] = scale * q[i + 1];
}

void stk_se3_move(const stk_se3 *pose, const double d[6], stk_se3 *moved) {
    double turn[9], R[9];
    stk_so3_exp(d, turn);
    stk_mat3_mul(turn, pose->R, R);
    memcpy(moved->R, R, sizeof R);
    for (int i = 0; i < 3; i++) moved->t[i] = pose->t[i] + d[3 + i];
}

void stk_se3_between(const stk_se3 *a, const stk_se3 *b, double u, stk_se3 *out) {
    double relative[9], d[6];
    stk_mat3_mul_bt(b->R, a->R, relative);
    stk_so3_log(relative, d);
    for (int i = 0; i < 3; i++) {
        d[i] *= u;
        d[3 + i] = u * (b->t[i] - a->t[i]);
    }
    stk_se3_move(a, d, out);
}
