/* norm.c - see norm.h. */
#include "nn/norm.h"

#include <math.h>

int stk_norm_fold(const stk_norm *norm, int out, size_t fan_in, float *weight, float *bias) {
    for (int o = 0; o < out; o++, weight += fan_in) {
        if (!(norm->variance[o] >= 0)) return 0;
        const double k = (double)norm->gain[o] / sqrt((double)norm->variance[o] + norm->epsilon);
        const size_t own = (size_t)o * (size_t)norm->taps + (size_t)norm->taps / 2;
        int good = isfinite(k) != 0;
        for (size_t i = 0; i < fan_in; i++) {
            const int middle = norm->taps > 0 && i == own;
            weight[i] = (float)(k * (double)weight[i] + (double)middle);
            good &= isfinite(weight[i]) != 0;
        }
        bias[o] = (float)(k * ((double)bias[o] - (double)norm->mean[o]) + (double)norm->shift[o]);
        if (!good || !isfinite(bias[o])) return 0;
    }
    return 1;
}
