/* blend_avx512.c - blending kernels, AVX-512: sixteen pixels mixed at a time, four pasted. */
#include "kernels/blend_body.h"
#include "kernels/x86/blend_x86.h"

#include <immintrin.h>

/* As in blend_avx2.c. */
STK_INLINE __m512i mix_words(__m512i m, __m512i a, __m512i b) {
    const __m512i rest = _mm512_sub_epi16(_mm512_set1_epi16(255), m);
    const __m512i t =
        _mm512_add_epi16(_mm512_add_epi16(_mm512_mullo_epi16(m, a), _mm512_mullo_epi16(rest, b)),
                         _mm512_set1_epi16(128));
    return _mm512_srli_epi16(_mm512_add_epi16(t, _mm512_srli_epi16(t, 8)), 8);
}

STK_INLINE void mix_bytes(__m256i m, uint8_t *a, const uint8_t *b, __mmask32 bytes) {
    const __m512i mixed =
        mix_words(_mm512_cvtepu8_epi16(m), _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(bytes, a)),
                  _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(bytes, b)));
    _mm256_mask_storeu_epi8(a, bytes, _mm512_cvtepi16_epi8(mixed));
}

static void mix_avx512(int n, const uint8_t *mask, uint8_t *a, const uint8_t *b) {
    const __m128i first = _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5);
    const __m128i second = _mm_setr_epi8(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10);
    const __m128i third =
        _mm_setr_epi8(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15);
    for (int i = 0; i < n; i += 16) {
        const int count = n - i < 16 ? n - i : 16;
        const __mmask16 some = (__mmask16)((1u << count) - 1);
        const uint64_t bytes = (UINT64_C(1) << 3 * count) - 1;
        const __m128i m = _mm_maskz_loadu_epi8(some, mask + i);
        uint8_t *to = a + 3 * (ptrdiff_t)i;
        const uint8_t *from = b + 3 * (ptrdiff_t)i;
        mix_bytes(_mm256_set_m128i(_mm_shuffle_epi8(m, second), _mm_shuffle_epi8(m, first)), to,
                  from, (__mmask32)bytes);
        mix_bytes(_mm256_castsi128_si256(_mm_shuffle_epi8(m, third)), to + 32, from + 32,
                  (__mmask32)(bytes >> 32));
    }
}

STK_INLINE __m512i four_pixels(const uint16_t *row, const int32_t *first) {
    const __m128i p[4] = {_mm_loadu_si128((const __m128i *)(row + 4 * (ptrdiff_t)first[0])),
                          _mm_loadu_si128((const __m128i *)(row + 4 * (ptrdiff_t)first[1])),
                          _mm_loadu_si128((const __m128i *)(row + 4 * (ptrdiff_t)first[2])),
                          _mm_loadu_si128((const __m128i *)(row + 4 * (ptrdiff_t)first[3]))};
    const __m512i low = _mm512_castsi256_si512(_mm256_set_m128i(p[1], p[0]));
    return _mm512_inserti64x4(low, _mm256_set_m128i(p[3], p[2]), 1);
}

/* Four target pixels over b, 4 32-bit lanes each. */
STK_INLINE __m512i paste_four(const uint16_t *row, const int32_t *first, const int32_t *share,
                              __m512i b) {
    const __m512i zip =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
    const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i pairs = _mm512_shuffle_epi8(four_pixels(row, first), zip);
    const __m128i f = _mm_loadu_si128((const __m128i *)share);
    const __m128i w =
        _mm_or_si128(_mm_sub_epi32(_mm_set1_epi32(STK_BLEND_ONE), f), _mm_slli_epi32(f, 16));
    const __m512i weights = _mm512_permutexvar_epi32(each, _mm512_castsi128_si512(w));
    const __m512i half = _mm512_set1_epi32(1 << (2 * STK_BLEND_BITS - 1));
    const __m512i a = _mm512_srli_epi32(_mm512_add_epi32(_mm512_madd_epi16(pairs, weights), half),
                                        2 * STK_BLEND_BITS);
    const __m512i m = _mm512_shuffle_epi32(a, _MM_PERM_DDDD);
    const __m512i rest = _mm512_sub_epi32(_mm512_set1_epi32(255), m);
    const __m512i t =
        _mm512_add_epi32(_mm512_madd_epi16(_mm512_or_si512(m, _mm512_slli_epi32(rest, 16)),
                                           _mm512_or_si512(a, _mm512_slli_epi32(b, 16))),
                         _mm512_set1_epi32(128));
    return _mm512_srli_epi32(_mm512_add_epi32(t, _mm512_srli_epi32(t, 8)), 8);
}

static void paste_avx512(int n, const uint16_t *row, const stk_blend_columns *columns,
                         uint8_t *target) {
    const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    const __m128i gather = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        uint8_t *to = target + 3 * (ptrdiff_t)i;
        const __m128i b = _mm_shuffle_epi8(_mm_maskz_loadu_epi8(0xfff, to), spread);
        const __m512i mixed =
            paste_four(row, columns->first + i, columns->share + i, _mm512_cvtepu8_epi32(b));
        const __m128i rgb = _mm_shuffle_epi8(_mm512_cvtepi32_epi8(mixed), gather);
        _mm_mask_storeu_epi8(to, 0xfff, rgb);
    }
    body_paste(n, row, columns, i, target);
}

void stk_blend_kernels_init_avx512(stk_blend_kernels *kernels) {
    kernels->isa = "avx512";
    kernels->shade = body_shade;
    kernels->mix = mix_avx512;
    kernels->between = body_between;
    kernels->paste = paste_avx512;
}
