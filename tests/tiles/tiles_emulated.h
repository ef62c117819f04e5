/* tiles_emulated.h - the operations of kernels/x86/tiles.h in software, bit for bit as Intel
 * documents them, so that kernels on AMX tiles run (slowly) on any processor with AVX-512.
 *
 * TDPBF16PS: for each sum, even and odd products are summed apart in the order of the pairs, by
 * fused multiply-adds rounded to nearest even, denormals taken for and flushed to zero; then even
 * and odd sums are added, and the result to the sum. What the processor answers with an exception
 * (no configuration, sizes that do not fit, the same register twice), and what it would leave
 * undefined, aborts the program with a sentence.
 */
#ifndef STK_TESTS_TILES_EMULATED_H
#define STK_TESTS_TILES_EMULATED_H

void tile_configure(const tile_config *config);
void tile_release(void);
void tile_zero(int tile);
void tile_load(int tile, const void *from, size_t stride);
void tile_store(int tile, void *to, size_t stride);
void tile_dot(int sum, int w, int x);

#ifdef __AVX512BW__

/* VCVTNE2PS2BF16 of one vector: 16 bfloat16 in the low halves of integers. */
STK_INLINE __m512i emulated_bf16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    const __m512i tie = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i y = _mm512_add_epi32(bits, _mm512_add_epi32(tie, _mm512_set1_epi32(0x7fff)));
    y = _mm512_srli_epi32(y, 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    y = _mm512_mask_or_epi32(y, nan, high, _mm512_set1_epi32(0x40));
    const __mmask16 tiny = _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(0x7f800000));
    return _mm512_mask_and_epi32(y, tiny, high, _mm512_set1_epi32(0x8000));
}

STK_INLINE __m512i to_bf16_twice(__m512 high, __m512 low) {
    const __m256i h = _mm512_cvtepi32_epi16(emulated_bf16(high));
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(emulated_bf16(low))), h,
                              1);
}

#endif
#endif
