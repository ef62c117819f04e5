/* layer.c - plain-C twins of the layer kernels, and the ladder that picks variants. */
#include "kernels/layer.h"
#include "base/cpu.h"
#include "kernels/layer_body.h"
#include "kernels/x86/layer_x86.h"

void stk_layer_kernels_init(stk_layer_kernels *kernels) {
    body_init(kernels, "c");
    const uint32_t flags = stk_cpu_flags();
    if (flags & STK_CPU_AVX2) stk_layer_kernels_init_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_layer_kernels_init_avx512(kernels);
}
