/* layer_x86.h - the variants of the layer kernels. */
#ifndef STK_KERNELS_X86_LAYER_X86_H
#define STK_KERNELS_X86_LAYER_X86_H

#include "kernels/layer.h"

void stk_layer_kernels_init_avx2(stk_layer_kernels *kernels);
void stk_layer_kernels_init_avx512(stk_layer_kernels *kernels);

#endif
