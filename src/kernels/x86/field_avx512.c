/* field_avx512.c - the field on AVX-512 (F, BW, DQ, VL): a tile row is four vectors of 16. */
#include "kernels/field_private.h"

#include <immintrin.h>
#include <string.h>

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

/* 16 rows of 16, STK_TILE apart, `rows` of them present, to 16 rows FIELD_XT_STRIDE apart. After
 * two rounds of interleaving, vector 4i+j holds in quarter q the rows 4i..4i+3 of column 4q+j. */
OP void transpose_16(const float *x, int rows, float *xt) {
    vf r[16], t[16], q[16];
    for (int i = 0; i < 16; i++) r[i] = i < rows ? vf_load(x + i * STK_TILE) : vf_zero();
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#define PAIR(half, a, b)                                                                           \
    _mm512_castpd_ps(_mm512_unpack##half##_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
    for (int i = 0; i < 16; i += 4) {
        q[i] = PAIR(lo, t[i], t[i + 2]);
        q[i + 1] = PAIR(hi, t[i], t[i + 2]);
        q[i + 2] = PAIR(lo, t[i + 1], t[i + 3]);
        q[i + 3] = PAIR(hi, t[i + 1], t[i + 3]);
    }
#undef PAIR
    for (int j = 0; j < 4; j++) {
        vf even0 = _mm512_shuffle_f32x4(q[j], q[4 + j], 0x88);
        vf even1 = _mm512_shuffle_f32x4(q[8 + j], q[12 + j], 0x88);
        vf odd0 = _mm512_shuffle_f32x4(q[j], q[4 + j], 0xdd);
        vf odd1 = _mm512_shuffle_f32x4(q[8 + j], q[12 + j], 0xdd);
        vf_store(xt + j * FIELD_XT_STRIDE, _mm512_shuffle_f32x4(even0, even1, 0x88));
        vf_store(xt + (4 + j) * FIELD_XT_STRIDE, _mm512_shuffle_f32x4(odd0, odd1, 0x88));
        vf_store(xt + (8 + j) * FIELD_XT_STRIDE, _mm512_shuffle_f32x4(even0, even1, 0xdd));
        vf_store(xt + (12 + j) * FIELD_XT_STRIDE, _mm512_shuffle_f32x4(odd0, odd1, 0xdd));
    }
}

static void transpose(int rows, const float *x, float *xt) {
    for (int row = 0; row < rows; row += 16)
        for (int s = 0; s < STK_TILE; s += 16)
            transpose_16(x + row * STK_TILE + s, rows - row, xt + s * FIELD_XT_STRIDE + row);
}

#include "kernels/x86/field_simd.h"
#define FIELD_ISA avx512
#include "kernels/field_body.h"

void stk_field_fill_avx512(stk_field_kernels *kernels) {
    fill_slots(kernels, "avx512");
}
