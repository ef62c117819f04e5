/* fft.h - real discrete Fourier transform in doubles, for short lengths with factors 2, 3 and 5.
 *
 *   X[k] = sum_j x[j] exp(-2 pi i j k / n), k = 0 .. n/2
 *
 * The mel front end needs 800 points in double precision: silence between loud partials lies 100 dB
 * down, where a float transform leaves noise. (FFTW is GPL; Debian's KISS FFT is float only.)
 * A plan is read-only after init and may be shared by threads; each brings its own work space.
 */
#ifndef STK_FACE_SYNC_FFT_H
#define STK_FACE_SYNC_FFT_H

#include "base/status.h"

enum { STK_FFT_MAX = 1024 };

typedef struct stk_fft {
    int n;                          /* real points, even */
    int factor_count, factors[12];  /* of n/2 */
    double twiddle[STK_FFT_MAX][2]; /* exp(-2 pi i k / n) */
} stk_fft;

typedef struct stk_fft_work {
    double a[STK_FFT_MAX / 2][2], b[STK_FFT_MAX / 2][2];
} stk_fft_work;

/* n even, at most STK_FFT_MAX, n/2 a product of 2, 3 and 5. */
stk_status stk_fft_init(stk_fft *fft, int n);
/* in [n], out [n/2 + 1][2] (real, imaginary). */
void stk_fft_real(const stk_fft *fft, const double *in, double (*out)[2], stk_fft_work *work);

#endif
