/* field_avx2.c - the field on AVX2 and FMA: a tile row is eight vectors of 8. */
#include "kernels/field_private.h"

#include <immintrin.h>
#include <string.h>

#define LANES 8
#define COLUMNS 2

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vmask; /* all ones or zeros in each lane */

#define OP STK_INLINE
/* clang-format off */

OP vf vf_zero(void) { return _mm256_setzero_ps(); }
OP vf vf_set1(float x) { return _mm256_set1_ps(x); }
OP vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
OP void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
OP vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
OP vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
OP vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
OP vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
OP vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
OP vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
OP vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
OP vf vf_round(vf x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OP vf vf_rounded(vf x) { __asm__("" : "+x"(x)); return x; }
OP vf vf_from_vi(vi x) { return _mm256_cvtepi32_ps(x); }
OP vi vi_truncate(vf x) { return _mm256_cvttps_epi32(x); }
OP vi vi_set1(int x) { return _mm256_set1_epi32(x); }
OP vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
OP vi vi_mul(vi a, vi b) { return _mm256_mullo_epi32(a, b); }
OP vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
OP vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
OP void vi_store(uint32_t *p, vi x) { _mm256_storeu_si256((void *)p, x); }
OP vf vf_keep(vmask m, vf x) { return _mm256_and_ps(m, x); } /* 0 elsewhere */
/* clang-format on */

OP vf vf_where_positive(vf test, vf x) {
    return _mm256_and_ps(_mm256_cmp_ps(test, vf_zero(), _CMP_GT_OQ), x);
}

/* x 2^n in two factors, each a normal number for -252 <= n <= 254, so that results below the normal
 * range round once and those above become infinite. */
OP vf vf_scale2(vf x, vf n) {
    vi whole = _mm256_cvtps_epi32(n), low = _mm256_srai_epi32(whole, 1);
    vi high = _mm256_sub_epi32(whole, low), bias = vi_set1(127);
    vf f1 = _mm256_castsi256_ps(_mm256_slli_epi32(vi_add(low, bias), 23));
    vf f2 = _mm256_castsi256_ps(_mm256_slli_epi32(vi_add(high, bias), 23));
    return vf_mul(vf_mul(x, f1), f2);
}

/* Both in [0, 1]; NaN is not. */
OP vmask vf_in_unit(vf a, vf b) {
    vf one = vf_set1(1.0f), zero = vf_zero();
    vf in_a = _mm256_and_ps(_mm256_cmp_ps(a, zero, _CMP_GE_OQ), _mm256_cmp_ps(a, one, _CMP_LE_OQ));
    vf in_b = _mm256_and_ps(_mm256_cmp_ps(b, zero, _CMP_GE_OQ), _mm256_cmp_ps(b, one, _CMP_LE_OQ));
    return _mm256_and_ps(in_a, in_b);
}

/* 8 rows of 8, STK_TILE apart, `rows` of them present, to 8 rows FIELD_XT_STRIDE apart. After two
 * rounds of interleaving, vector 4i+j holds in its half h the rows 4i..4i+3 of column 4h+j. */
OP void transpose_8(const float *x, int rows, float *xt) {
    vf r[8], t[8], q[8];
    for (int i = 0; i < 8; i++) r[i] = i < rows ? vf_load(x + i * STK_TILE) : vf_zero();
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        q[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        q[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        q[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        q[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int j = 0; j < 4; j++) {
        vf_store(xt + j * FIELD_XT_STRIDE, _mm256_permute2f128_ps(q[j], q[4 + j], 0x20));
        vf_store(xt + (4 + j) * FIELD_XT_STRIDE, _mm256_permute2f128_ps(q[j], q[4 + j], 0x31));
    }
}

static void transpose(int rows, const float *x, float *xt) {
    for (int row = 0; row < rows; row += 8)
        for (int s = 0; s < STK_TILE; s += 8)
            transpose_8(x + row * STK_TILE + s, rows - row, xt + s * FIELD_XT_STRIDE + row);
}

#include "kernels/x86/field_simd.h"
#define FIELD_ISA avx2
#include "kernels/field_body.h"

void stk_field_fill_avx2(stk_field_kernels *kernels) {
    fill_slots(kernels, "avx2");
}
