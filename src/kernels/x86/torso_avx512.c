/* torso_avx512.c - the torso branch on AVX-512 (F, BW, DQ, VL): a tile row is four vectors. */
#include "kernels/torso_private.h"
#include "kernels/x86/vector_avx512.h"

#include "kernels/x86/torso_simd.h"
#define TORSO_ISA avx512
#include "kernels/torso_body.h"

void stk_torso_fill_avx512(stk_torso_kernels *kernels) {
    fill_slots(kernels, "avx512");
}
