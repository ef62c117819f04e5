/* fft.c - Stockham autosort transform of n/2 complex points, then the split into n real ones.
 *
 * A stage of radix r turns a transform of length m*r into r of length m:
 *   y[q + s (r p + k)] = w^(p k) sum_j x[q + s (p + j m)] exp(-2 pi i j k / r)
 * with w = exp(-2 pi i / (m r)), s = product of the radices done, p < m, q < s. No bit reversal.
 */
#include "face_sync/fft.h"

#include <math.h>
#include <string.h>

stk_status stk_fft_init(stk_fft *fft, int n) {
    static const int RADICES[] = {4, 5, 3, 2};
    *fft = (stk_fft){.n = n};
    int rest = n / 2;
    for (int i = 0; i < 4 && rest > 0; i++)
        for (; rest % RADICES[i] == 0; rest /= RADICES[i])
            fft->factors[fft->factor_count++] = RADICES[i];
    if (n < 2 || n > STK_FFT_MAX || n % 2 != 0 || rest != 1)
        return stk_fail(STK_ERR_ARGUMENT, "no Fourier transform of %d points here", n);
    for (int k = 0; k < n; k++) {
        fft->twiddle[k][0] = cos(2 * M_PI * k / n);
        fft->twiddle[k][1] = -sin(2 * M_PI * k / n);
    }
    return STK_OK;
}

/* b = DFT of radix r over a, written out for 4, by the definition for 2, 3 and 5. */
static void butterfly_4(const double a[5][2], double b[5][2]) {
    double s0 = a[0][0] + a[2][0], s1 = a[0][1] + a[2][1];
    double d0 = a[0][0] - a[2][0], d1 = a[0][1] - a[2][1];
    double t0 = a[1][0] + a[3][0], t1 = a[1][1] + a[3][1];
    double e0 = a[1][0] - a[3][0], e1 = a[1][1] - a[3][1];
    b[0][0] = s0 + t0, b[0][1] = s1 + t1;
    b[1][0] = d0 + e1, b[1][1] = d1 - e0;
    b[2][0] = s0 - t0, b[2][1] = s1 - t1;
    b[3][0] = d0 - e1, b[3][1] = d1 + e0;
}

static void butterfly(const stk_fft *fft, int radix, const double a[5][2], double b[5][2]) {
    if (radix == 4) {
        butterfly_4(a, b);
        return;
    }
    int turn = fft->n / radix; /* for radix 3 or 5, n holds the factor: exact */
    for (int k = 0; k < radix; k++) {
        double re = a[0][0], im = a[0][1];
        for (int j = 1; j < radix; j++) {
            const double *w = fft->twiddle[j * k % radix * turn];
            re += a[j][0] * w[0] - a[j][1] * w[1];
            im += a[j][0] * w[1] + a[j][1] * w[0];
        }
        b[k][0] = re, b[k][1] = im;
    }
}

static void stage(const stk_fft *fft, int radix, int m, int s, const double (*x)[2],
                  double (*y)[2]) {
    int turn = 2 * s; /* w^1 in the table: n / (m * radix) */
    for (int p = 0; p < m; p++) {
        for (int q = 0; q < s; q++) {
            double a[5][2], b[5][2];
            for (int j = 0; j < radix; j++) memcpy(a[j], x[q + s * (p + j * m)], sizeof a[j]);
            butterfly(fft, radix, (const double(*)[2])a, b);
            for (int k = 0; k < radix; k++) {
                const double *w = fft->twiddle[p * k * turn % fft->n];
                double *out = y[q + s * (radix * p + k)];
                out[0] = b[k][0] * w[0] - b[k][1] * w[1];
                out[1] = b[k][0] * w[1] + b[k][1] * w[0];
            }
        }
    }
}

void stk_fft_real(const stk_fft *fft, const double *in, double (*out)[2], stk_fft_work *work) {
    int half = fft->n / 2, m = half, s = 1;
    double(*x)[2] = work->a, (*y)[2] = work->b;
    memcpy(x, in, (size_t)fft->n * sizeof *in); /* even samples real, odd ones imaginary */
    for (int i = 0; i < fft->factor_count; i++) {
        m /= fft->factors[i];
        stage(fft, fft->factors[i], m, s, (const double(*)[2])x, y);
        s *= fft->factors[i];
        double(*swap)[2] = x;
        x = y, y = swap;
    }
    /* X[k] = E[k] + exp(-2 pi i k / n) O[k], E and O from the symmetric and antisymmetric parts. */
    for (int k = 0; k <= half; k++) {
        const double *z = x[k % half], *c = x[(half - k) % half], *w = fft->twiddle[k];
        double even[2] = {0.5 * (z[0] + c[0]), 0.5 * (z[1] - c[1])};
        double odd[2] = {0.5 * (z[1] + c[1]), 0.5 * (c[0] - z[0])};
        out[k][0] = even[0] + odd[0] * w[0] - odd[1] * w[1];
        out[k][1] = even[1] + odd[0] * w[1] + odd[1] * w[0];
    }
}
