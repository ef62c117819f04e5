/* layer_avx512.c - layer kernels: the common loops, compiled for AVX512. */
#include "kernels/layer_body.h"
#include "kernels/x86/layer_x86.h"

void stk_layer_kernels_init_avx512(stk_layer_kernels *kernels) {
    body_init(kernels, "avx512");
}
