/* layer_avx2.c - layer kernels: the common loops, compiled for AVX2. */
#include "kernels/layer_body.h"
#include "kernels/x86/layer_x86.h"

void stk_layer_kernels_init_avx2(stk_layer_kernels *kernels) {
    body_init(kernels, "avx2");
}
