/* march_avx512.c - the lattice scan with 16 rays side by side, one point each per turn; opacities.
 *
 * Rounding is the twin's: the multiply and the add of o + t d are kept apart by a barrier on the
 * product, t advances by repeated addition.
 */
#include "kernels/x86/march_x86.h"
#include "kernels/x86/vector_avx512.h"
#include "kernels/x86/vector_math.h"

/* The seven low bits with two zeros after each. */
static inline __m512i spread(__m512i v) {
    v = _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi32(v, 8)), _mm512_set1_epi32(0xf00f));
    v = _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi32(v, 4)), _mm512_set1_epi32(0xc30c3));
    return _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi32(v, 2)),
                            _mm512_set1_epi32(0x249249));
}

/* Cell along one axis: trunc(clamp(0.5 (p + 1) 128, 0, 127)), p clamped to +-1 first. */
static inline __m512i cell(__m512 o, __m512 d, __m512 t) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 product = _mm512_mul_ps(t, d);
    __asm__("" : "+v"(product)); /* no fused multiply-add: a cell border must fall as in the twin */
    __m512 p = _mm512_add_ps(o, product);
    p = _mm512_max_ps(_mm512_min_ps(p, one), _mm512_set1_ps(-1.0f));
    p = _mm512_mul_ps(_mm512_add_ps(p, one), _mm512_set1_ps(0.5f * STK_GRID_SIDE));
    return _mm512_cvttps_epi32(_mm512_min_ps(p, _mm512_set1_ps(STK_GRID_SIDE - 1)));
}

static void scan_group(const __m512 o[3], const __m512 d[3], __m512 t, __m512 far,
                       const uint8_t *bitfield, __m512i words[STK_SCAN_WORDS]) {
    const __m512 step = _mm512_set1_ps(STK_STEP_NGP);
    for (int word = 0; word < STK_SCAN_WORDS; word++) {
        words[word] = _mm512_setzero_si512();
        for (int k = 0; k < 32; k++) {
            const __mmask16 live = _mm512_cmp_ps_mask(t, far, _CMP_LT_OQ);
            if (live == 0) break;
            const __m512i x = spread(cell(o[0], d[0], t)), y = spread(cell(o[1], d[1], t));
            const __m512i z = spread(cell(o[2], d[2], t));
            const __m512i index = _mm512_or_si512(
                x, _mm512_or_si512(_mm512_slli_epi32(y, 1), _mm512_slli_epi32(z, 2)));
            const __m512i bits = _mm512_mask_i32gather_epi32(
                _mm512_setzero_si512(), live, _mm512_srli_epi32(index, 5), bitfield, 4);
            const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1),
                                                  _mm512_and_si512(index, _mm512_set1_epi32(31)));
            const __mmask16 set = _mm512_test_epi32_mask(bits, bit);
            words[word] = _mm512_mask_or_epi32(words[word], set, words[word],
                                               _mm512_set1_epi32((int)(1u << k)));
            t = _mm512_add_ps(t, step);
        }
    }
}

static void scan_avx512(int n, const float o[3], const float *d, const float *t0, const float *far,
                        const uint8_t *bitfield, uint32_t *mask) {
    const __m512 origin[3] = {_mm512_set1_ps(o[0]), _mm512_set1_ps(o[1]), _mm512_set1_ps(o[2])};
    for (int i = 0; i < n; i += LANES) {
        const __m512 direction[3] = {_mm512_load_ps(d + i), _mm512_load_ps(d + n + i),
                                     _mm512_load_ps(d + 2 * n + i)};
        __m512i words[STK_SCAN_WORDS];
        scan_group(origin, direction, _mm512_load_ps(t0 + i), _mm512_load_ps(far + i), bitfield,
                   words);
        for (int w = 0; w < STK_SCAN_WORDS; w++) _mm512_store_si512(mask + w * n + i, words[w]);
    }
}

static void opacity_avx512(int n, const float *sigma, float dt, float *alpha) {
    const vf one = vf_set1(1.0f), minus_dt = vf_set1(-dt);
    for (int i = 0; i < n; i += LANES)
        vf_store(alpha + i, vf_sub(one, vf_exp(vf_mul(vf_load(sigma + i), minus_dt))));
}

void stk_march_kernels_init_avx512(stk_march_kernels *kernels) {
    kernels->isa = "avx512";
    kernels->scan = scan_avx512;
    kernels->opacity = opacity_avx512;
}
