/* lk_x86.h - what the instruction-set variants of lk.c export: each overwrites the slots it fills.
 */
#ifndef STK_KERNELS_X86_LK_X86_H
#define STK_KERNELS_X86_LK_X86_H

#include "kernels/lk.h"

void stk_lk_kernels_init_avx2(stk_lk_kernels *kernels);
void stk_lk_kernels_init_avx512(stk_lk_kernels *kernels);

#endif
