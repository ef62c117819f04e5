/* march_x86.h - what the instruction-set variants of march.c export: each overwrites the slots it
 * fills. */
#ifndef STK_KERNELS_X86_MARCH_X86_H
#define STK_KERNELS_X86_MARCH_X86_H

#include "kernels/march.h"

void stk_march_kernels_init_avx2(stk_march_kernels *kernels);
void stk_march_kernels_init_avx512(stk_march_kernels *kernels);

#endif
