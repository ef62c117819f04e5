/* winograd.c - the transforms in plain C, that of the weights, and the choice of a variant. */
#include "kernels/winograd_body.h"

#include "base/cpu.h"

/* G [6][3] */
static const double G[SIDE][3] = {{1. / 4, 0, 0},
                                  {-1. / 6, -1. / 6, -1. / 6},
                                  {-1. / 6, 1. / 6, -1. / 6},
                                  {1. / 24, 1. / 12, 1. / 6},
                                  {1. / 24, -1. / 12, 1. / 6},
                                  {0, 0, 1}};

void stk_winograd_weights(const float w[9], float u[STK_WINOGRAD_PLANES]) {
    for (int i = 0; i < STK_WINOGRAD_PLANES; i++) {
        double sum = 0;
        for (int k = 0; k < 9; k++) sum += G[i / SIDE][k / 3] * (double)w[k] * G[i % SIDE][k % 3];
        u[i] = (float)sum;
    }
}

void stk_winograd_kernels_init(stk_winograd_kernels *kernels) {
    const uint32_t flags = stk_cpu_flags();
    *kernels = (stk_winograd_kernels){"c", input, output};
    if (flags & STK_CPU_AVX2) stk_winograd_fill_avx2(kernels);
}
