/* march_avx2.c - the lattice scan with 8 rays side by side, one point each per turn; opacities.
 *
 * Rounding is the twin's: the multiply and the add of o + t d are kept apart by a barrier on the
 * product, t advances by repeated addition.
 */
#include "kernels/x86/march_x86.h"
#include "kernels/x86/vector_avx2.h"
#include "kernels/x86/vector_math.h"

/* The seven low bits with two zeros after each. */
static inline __m256i spread(__m256i v) {
    v = _mm256_and_si256(_mm256_or_si256(v, _mm256_slli_epi32(v, 8)), _mm256_set1_epi32(0xf00f));
    v = _mm256_and_si256(_mm256_or_si256(v, _mm256_slli_epi32(v, 4)), _mm256_set1_epi32(0xc30c3));
    return _mm256_and_si256(_mm256_or_si256(v, _mm256_slli_epi32(v, 2)),
                            _mm256_set1_epi32(0x249249));
}

/* Cell along one axis: trunc(clamp(0.5 (p + 1) 128, 0, 127)), p clamped to +-1 first. */
static inline __m256i cell(__m256 o, __m256 d, __m256 t) {
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 product = _mm256_mul_ps(t, d);
    __asm__("" : "+x"(product)); /* no fused multiply-add: a cell border must fall as in the twin */
    __m256 p = _mm256_add_ps(o, product);
    p = _mm256_max_ps(_mm256_min_ps(p, one), _mm256_set1_ps(-1.0f));
    p = _mm256_mul_ps(_mm256_add_ps(p, one), _mm256_set1_ps(0.5f * STK_GRID_SIDE));
    return _mm256_cvttps_epi32(_mm256_min_ps(p, _mm256_set1_ps(STK_GRID_SIDE - 1)));
}

static void scan_group(const __m256 o[3], const __m256 d[3], __m256 t, __m256 far,
                       const uint8_t *bitfield, __m256i words[STK_SCAN_WORDS]) {
    const __m256 step = _mm256_set1_ps(STK_STEP_NGP);
    const __m256i one = _mm256_set1_epi32(1), zero = _mm256_setzero_si256();
    for (int word = 0; word < STK_SCAN_WORDS; word++) {
        words[word] = zero;
        for (int k = 0; k < 32; k++) {
            const __m256 live = _mm256_cmp_ps(t, far, _CMP_LT_OQ);
            if (_mm256_testz_ps(live, live)) break;
            const __m256i x = spread(cell(o[0], d[0], t)), y = spread(cell(o[1], d[1], t));
            const __m256i z = spread(cell(o[2], d[2], t));
            const __m256i index = _mm256_or_si256(
                x, _mm256_or_si256(_mm256_slli_epi32(y, 1), _mm256_slli_epi32(z, 2)));
            const __m256i bits = _mm256_mask_i32gather_epi32(
                zero, (const int *)(const void *)bitfield, _mm256_srli_epi32(index, 5),
                _mm256_castps_si256(live), 4);
            const __m256i shift = _mm256_and_si256(index, _mm256_set1_epi32(31));
            const __m256i set = _mm256_and_si256(_mm256_srlv_epi32(bits, shift), one);
            words[word] = _mm256_or_si256(words[word], _mm256_slli_epi32(set, k));
            t = _mm256_add_ps(t, step);
        }
    }
}

static void scan_avx2(int n, const float o[3], const float *d, const float *t0, const float *far,
                      const uint8_t *bitfield, uint32_t *mask) {
    const __m256 origin[3] = {_mm256_set1_ps(o[0]), _mm256_set1_ps(o[1]), _mm256_set1_ps(o[2])};
    for (int i = 0; i < n; i += LANES) {
        const __m256 direction[3] = {_mm256_load_ps(d + i), _mm256_load_ps(d + n + i),
                                     _mm256_load_ps(d + 2 * n + i)};
        __m256i words[STK_SCAN_WORDS];
        scan_group(origin, direction, _mm256_load_ps(t0 + i), _mm256_load_ps(far + i), bitfield,
                   words);
        for (int w = 0; w < STK_SCAN_WORDS; w++)
            _mm256_store_si256((__m256i *)(void *)(mask + w * n + i), words[w]);
    }
}

static void opacity_avx2(int n, const float *sigma, float dt, float *alpha) {
    const vf one = vf_set1(1.0f), minus_dt = vf_set1(-dt);
    for (int i = 0; i < n; i += LANES)
        vf_store(alpha + i, vf_sub(one, vf_exp(vf_mul(vf_load(sigma + i), minus_dt))));
}

void stk_march_kernels_init_avx2(stk_march_kernels *kernels) {
    kernels->isa = "avx2";
    kernels->scan = scan_avx2;
    kernels->opacity = opacity_avx2;
}
