/* blend.c - plain-C twins of the blending kernels, and the ladder that picks variants. */
#include "kernels/blend.h"
#include "base/cpu.h"
#include "kernels/blend_body.h"
#include "kernels/x86/blend_x86.h"

static void mix_c(int n, const uint8_t *mask, uint8_t *a, const uint8_t *b) {
    body_mix(n, mask, a, b);
}

static void paste_c(int n, const uint16_t *row, const stk_blend_columns *columns, uint8_t *target) {
    body_paste(n, row, columns, 0, target);
}

void stk_blend_kernels_init(stk_blend_kernels *kernels) {
    *kernels = (stk_blend_kernels){
        .isa = "c",
        .shade = body_shade,
        .mix = mix_c,
        .between = body_between,
        .paste = paste_c,
    };
    const uint32_t flags = stk_cpu_flags();
    if (flags & STK_CPU_AVX2) stk_blend_kernels_init_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_blend_kernels_init_avx512(kernels);
}
