/* blend_avx2.c - blending kernels, AVX2: sixteen pixels mixed at a time, four pasted. */
#include "kernels/blend_body.h"
#include "kernels/x86/blend_x86.h"

#include <immintrin.h>

/* t = m a + (255 - m) b + 128 in 16 bits (at most 65153), then (t + t / 256) / 256. */
STK_INLINE __m256i mix_words(__m256i m, __m256i a, __m256i b) {
    const __m256i rest = _mm256_sub_epi16(_mm256_set1_epi16(255), m);
    const __m256i t =
        _mm256_add_epi16(_mm256_add_epi16(_mm256_mullo_epi16(m, a), _mm256_mullo_epi16(rest, b)),
                         _mm256_set1_epi16(128));
    return _mm256_srli_epi16(_mm256_add_epi16(t, _mm256_srli_epi16(t, 8)), 8);
}

STK_INLINE void mix_bytes(__m128i m, uint8_t *a, const uint8_t *b) {
    const __m256i mixed = mix_words(_mm256_cvtepu8_epi16(m),
                                    _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)a)),
                                    _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)b)));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(mixed, mixed), 0x08);
    _mm_storeu_si128((__m128i *)a, _mm256_castsi256_si128(packed));
}

static void mix_avx2(int n, const uint8_t *mask, uint8_t *a, const uint8_t *b) {
    const __m128i first = _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5);
    const __m128i second = _mm_setr_epi8(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10);
    const __m128i third =
        _mm_setr_epi8(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15);
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m128i m = _mm_loadu_si128((const __m128i *)(mask + i));
        uint8_t *to = a + 3 * (ptrdiff_t)i;
        const uint8_t *from = b + 3 * (ptrdiff_t)i;
        mix_bytes(_mm_shuffle_epi8(m, first), to, from);
        mix_bytes(_mm_shuffle_epi8(m, second), to + 16, from + 16);
        mix_bytes(_mm_shuffle_epi8(m, third), to + 32, from + 32);
    }
    body_mix(n - i, mask + i, a + 3 * (ptrdiff_t)i, b + 3 * (ptrdiff_t)i);
}

/* Two target pixels: their neighbours in the row, sampled, over b (4 32-bit lanes a pixel). */
STK_INLINE __m256i paste_pair(const uint16_t *row, const int32_t *first, const int32_t *share,
                              __m256i b) {
    const __m256i zip = _mm256_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1,
                                         8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    const __m128i p = _mm_loadu_si128((const __m128i *)(row + 4 * (ptrdiff_t)first[0]));
    const __m128i q = _mm_loadu_si128((const __m128i *)(row + 4 * (ptrdiff_t)first[1]));
    const __m256i pairs = _mm256_shuffle_epi8(_mm256_set_m128i(q, p), zip);
    const int w0 = (STK_BLEND_ONE - share[0]) | share[0] << 16;
    const int w1 = (STK_BLEND_ONE - share[1]) | share[1] << 16;
    const __m256i weights = _mm256_set_m128i(_mm_set1_epi32(w1), _mm_set1_epi32(w0));
    const __m256i half = _mm256_set1_epi32(1 << (2 * STK_BLEND_BITS - 1));
    const __m256i a = _mm256_srli_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, weights), half),
                                        2 * STK_BLEND_BITS);
    const __m256i m = _mm256_shuffle_epi32(a, 0xff);
    const __m256i rest = _mm256_sub_epi32(_mm256_set1_epi32(255), m);
    const __m256i t =
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_or_si256(m, _mm256_slli_epi32(rest, 16)),
                                           _mm256_or_si256(a, _mm256_slli_epi32(b, 16))),
                         _mm256_set1_epi32(128));
    return _mm256_srli_epi32(_mm256_add_epi32(t, _mm256_srli_epi32(t, 8)), 8);
}

static void paste_avx2(int n, const uint16_t *row, const stk_blend_columns *columns,
                       uint8_t *target) {
    const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    const __m128i gather = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    int i = 0;
    for (; i + 6 <= n; i += 4) { /* 16 bytes of the target are read, 12 written */
        uint8_t *to = target + 3 * (ptrdiff_t)i;
        const __m128i b = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)to), spread);
        const __m256i low =
            paste_pair(row, columns->first + i, columns->share + i, _mm256_cvtepu8_epi32(b));
        const __m256i high = paste_pair(row, columns->first + i + 2, columns->share + i + 2,
                                        _mm256_cvtepu8_epi32(_mm_srli_si128(b, 8)));
        /* words: pixel 0, 2 | 1, 3 -> bytes of pixels 0 .. 3 */
        const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
        const __m128i bytes =
            _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        const __m128i rgb = _mm_shuffle_epi8(bytes, gather);
        const int last = _mm_extract_epi32(rgb, 2);
        _mm_storel_epi64((__m128i *)to, rgb);
        __builtin_memcpy(to + 8, &last, sizeof last);
    }
    body_paste(n, row, columns, i, target);
}

void stk_blend_kernels_init_avx2(stk_blend_kernels *kernels) {
    kernels->isa = "avx2";
    kernels->shade = body_shade;
    kernels->mix = mix_avx2;
    kernels->between = body_between;
    kernels->paste = paste_avx2;
}
