/* torso_avx2.c - the torso branch on AVX2 and FMA: a tile row is eight vectors. */
#include "kernels/torso_private.h"
#include "kernels/x86/vector_avx2.h"

#include "kernels/x86/torso_simd.h"
#define TORSO_ISA avx2
#include "kernels/torso_body.h"

void stk_torso_fill_avx2(stk_torso_kernels *kernels) {
    fill_slots(kernels, "avx2");
}
