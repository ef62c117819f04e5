/* blend_x86.h - what the instruction-set variants of blend.c export: each overwrites the slots it
 * fills. */
#ifndef STK_KERNELS_X86_BLEND_X86_H
#define STK_KERNELS_X86_BLEND_X86_H

#include "kernels/blend.h"

void stk_blend_kernels_init_avx2(stk_blend_kernels *kernels);
void stk_blend_kernels_init_avx512(stk_blend_kernels *kernels);

#endif
