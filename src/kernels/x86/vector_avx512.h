/* vector_avx512.h - the operations that field_simd.h is written in, on AVX-512 (F, BW, DQ, VL): vf
 * and vi are vectors of LANES floats and integers, a tile row is four vectors of 16.
 *
 * Included once by a variant; everything is static.
 */
#ifndef STK_KERNELS_X86_VECTOR_AVX512_H
#define STK_KERNELS_X86_VECTOR_AVX512_H

#include "base/attr.h"

#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define COLUMNS 4

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vmask;

#define OP STK_INLINE
/* clang-format off */
OP vf vf_zero(void) { return _mm512_setzero_ps(); }
OP vf vf_set1(float x) { return _mm512_set1_ps(x); }
OP vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
OP void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
OP vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
OP vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
OP vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
OP vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
OP vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
OP vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
OP vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
OP vf vf_round(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
OP vf vf_scale2(vf x, vf n) { return _mm512_scalef_ps(x, n); } /* x 2^n */
OP vf vf_rounded(vf x) { __asm__("" : "+v"(x)); return x; }
OP vf vf_from_vi(vi x) { return _mm512_cvtepi32_ps(x); }
OP vi vi_truncate(vf x) { return _mm512_cvttps_epi32(x); }
OP vi vi_set1(int x) { return _mm512_set1_epi32(x); }
OP vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
OP vi vi_mul(vi a, vi b) { return _mm512_mullo_epi32(a, b); }
OP vi vi_and(vi a, vi b) { return _mm512_and_epi32(a, b); }
OP vi vi_xor(vi a, vi b) { return _mm512_xor_epi32(a, b); }
OP void vi_store(uint32_t *p, vi x) { _mm512_storeu_si512(p, x); }
OP vi vi_load(const uint32_t *p) { return _mm512_loadu_si512(p); }
OP vi vi_shift_left_16(vi x) { return _mm512_slli_epi32(x, 16); }
OP vf vf_from_bits(vi x) { return _mm512_castsi512_ps(x); }
OP vf vf_keep(vmask m, vf x) { return _mm512_maskz_mov_ps(m, x); } /* 0 elsewhere */
/* clang-format on */

OP vf vf_where_positive(vf test, vf x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(test, vf_zero(), _CMP_GT_OQ), x);
}

/* Both in [0, 1]; NaN is not. */
OP vmask vf_in_unit(vf a, vf b) {
    vf one = vf_set1(1.0f);
    vmask m = _mm512_cmp_ps_mask(vf_min(a, b), vf_zero(), _CMP_GE_OQ);
    m = _mm512_mask_cmp_ps_mask(m, a, one, _CMP_LE_OQ);
    m = _mm512_mask_cmp_ps_mask(m, a, vf_zero(), _CMP_GE_OQ);
    return _mm512_mask_cmp_ps_mask(m, b, one, _CMP_LE_OQ);
}

#endif
