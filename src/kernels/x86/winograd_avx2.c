/* winograd_avx2.c - the Winograd transforms, vectorised by the compiler. With
 * AVX-512 they take as long. */
#include "kernels/winograd_body.h"

void stk_winograd_fill_avx2(stk_winograd_kernels *kernels) {
    *kernels = (stk_winograd_kernels){"avx2", input, output};
}
