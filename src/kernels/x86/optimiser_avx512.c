/* optimiser_avx512.c - optimiser kernels, AVX-512: 16 parameters at a time. The divide and the
 * square root are the exact instructions; memory, not arithmetic, is the limit.
 */
#include "kernels/x86/optimiser_x86.h"

#include <immintrin.h>
#include <math.h>

enum { LANES = 16 };

static int finite_avx512(size_t n, const float *g) {
    const __m512 limit = _mm512_set1_ps(STK_GRADIENT_MAX);
    __mmask16 bad = 0;
    for (size_t i = 0; i < n; i += LANES) {
        __m512 x = _mm512_abs_ps(_mm512_load_ps(g + i));
        bad |= _mm512_cmp_ps_mask(x, limit, _CMP_NLE_UQ);
    }
    return bad != 0;
}

static void clear_avx512(size_t n, float *g) {
    for (size_t i = 0; i < n; i += LANES) _mm512_store_ps(g + i, _mm512_setzero_ps());
}

static int adamw_avx512(const stk_adamw *settings, size_t n, float *p, float *g, float *v) {
    if (finite_avx512(n, g)) {
        clear_avx512(n, g);
        return 1;
    }
    const __m512 shrink = _mm512_set1_ps(1.0f - settings->lr * settings->weight_decay);
    const __m512 root_scale = _mm512_set1_ps(1.0f / sqrtf(settings->correction));
    const __m512 beta2 = _mm512_set1_ps(settings->beta2);
    const __m512 fresh = _mm512_set1_ps(1.0f - settings->beta2);
    const __m512 lr = _mm512_set1_ps(settings->lr), eps = _mm512_set1_ps(settings->eps);
    for (size_t i = 0; i < n; i += LANES) {
        __m512 gi = _mm512_load_ps(g + i);
        __m512 vi = _mm512_fmadd_ps(beta2, _mm512_load_ps(v + i),
                                    _mm512_mul_ps(fresh, _mm512_mul_ps(gi, gi)));
        __m512 root = _mm512_fmadd_ps(_mm512_sqrt_ps(vi), root_scale, eps);
        __m512 step = _mm512_div_ps(_mm512_mul_ps(lr, gi), root);
        _mm512_store_ps(v + i, vi);
        _mm512_store_ps(p + i, _mm512_fmsub_ps(_mm512_load_ps(p + i), shrink, step));
        _mm512_store_ps(g + i, _mm512_setzero_ps());
    }
    return 0;
}

static void ema_avx512(float decay, size_t n, const float *p, float *ema) {
    const __m512 rate = _mm512_set1_ps(1.0f - decay);
    for (size_t i = 0; i < n; i += LANES) {
        __m512 e = _mm512_load_ps(ema + i);
        e = _mm512_fmadd_ps(rate, _mm512_sub_ps(_mm512_load_ps(p + i), e), e);
        _mm512_store_ps(ema + i, e);
    }
}

static void accumulate_avx512(size_t n, int k, const float *const *source, float *target) {
    for (size_t i = 0; i < n; i += LANES) {
        __m512 sum = _mm512_load_ps(target + i);
        for (int j = 0; j < k; j++) sum = _mm512_add_ps(sum, _mm512_load_ps(source[j] + i));
        _mm512_store_ps(target + i, sum);
    }
}

void stk_optimiser_kernels_init_avx512(stk_optimiser_kernels *kernels) {
    kernels->isa = "avx512";
    kernels->finite = finite_avx512;
    kernels->adamw = adamw_avx512;
    kernels->ema = ema_avx512;
    kernels->accumulate = accumulate_avx512;
}
