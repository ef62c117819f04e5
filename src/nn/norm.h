/* norm.h - a batch norm whose statistics stand still, folded into the convolution before it.
 *
 *   N(v) = gain (v - mean) / sqrt(variance + epsilon) + shift, v = w * x + b, by output channel
 *   N(w * x + b) = w' * x + b',   k = gain / sqrt(variance + epsilon)
 *   w' = k w,   b' = k (b - mean) + shift
 *
 * In double precision, rounded once.
 */
#ifndef STK_NN_NORM_H
#define STK_NN_NORM_H

#include <stddef.h>

typedef struct stk_norm {
    const float *gain, *shift, *mean, *variance; /* [out] each */
    double epsilon;
    int taps; /* of a residual block, N(w * x + b) + x: of a filter on one channel, odd; w' then has
                 one more on the middle tap from each channel to itself. 0: no residual */
} stk_norm;

/* weight [out][fan_in] (fan_in: channels, then taps) and bias [out], in place. 0 when a variance is
 * negative or a result is not a number. */
int stk_norm_fold(const stk_norm *norm, int out, size_t fan_in, float *weight, float *bias);

#endif
