/* transpose_avx512.h - 16 x 16 transposes of 32-bit elements, the step from rows of samples to rows
 * of channels that weight gradients take. */
#ifndef STK_KERNELS_X86_TRANSPOSE_AVX512_H
#define STK_KERNELS_X86_TRANSPOSE_AVX512_H

#include "kernels/field_private.h"
#include "kernels/x86/vector_avx512.h"

/* 16 rows of 16, `stride` apart, `rows` of them present, to 16 rows FIELD_XT_STRIDE apart. After
 * two rounds of interleaving, vector 4i+j holds in quarter q the rows 4i..4i+3 of column 4q+j. */
OP void transpose_16(const float *x, int stride, int rows, float *xt) {
    vf r[16], t[16], q[16];
    for (int i = 0; i < 16; i++) r[i] = i < rows ? vf_load(x + i * stride) : vf_zero();
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

#endif
