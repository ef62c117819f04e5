/* optimiser_x86.h - what the instruction-set variants of optimiser.c export: each overwrites the
 * slots it fills. */
#ifndef STK_KERNELS_X86_OPTIMISER_X86_H
#define STK_KERNELS_X86_OPTIMISER_X86_H

#include "kernels/optimiser.h"

void stk_optimiser_kernels_init_avx2(stk_optimiser_kernels *kernels);
void stk_optimiser_kernels_init_avx512(stk_optimiser_kernels *kernels);

#endif
