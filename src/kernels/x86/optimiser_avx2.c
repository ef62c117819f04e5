/* optimiser_avx2.c - optimiser kernels, AVX2: 8 parameters at a time. The divide and the square
 * root are the exact instructions; memory, not arithmetic, is the limit.
 */
#include "kernels/x86/optimiser_x86.h"

#include <immintrin.h>
#include <math.h>

enum { LANES = 8 };

static int finite_avx2(size_t n, const float *g) {
    const __m256 limit = _mm256_set1_ps(STK_GRADIENT_MAX);
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 bad = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += LANES) {
        __m256 x = _mm256_andnot_ps(sign, _mm256_load_ps(g + i));
        bad = _mm256_or_ps(bad, _mm256_cmp_ps(x, limit, _CMP_NLE_UQ));
    }
    return _mm256_movemask_ps(bad) != 0;
}

static void clear_avx2(size_t n, float *g) {
    for (size_t i = 0; i < n; i += LANES) _mm256_store_ps(g + i, _mm256_setzero_ps());
}

static int adamw_avx2(const stk_adamw *settings, size_t n, float *p, float *g, float *v) {
    if (finite_avx2(n, g)) {
        clear_avx2(n, g);
        return 1;
    }
    const __m256 shrink = _mm256_set1_ps(1.0f - settings->lr * settings->weight_decay);
    const __m256 root_scale = _mm256_set1_ps(1.0f / sqrtf(settings->correction));
    const __m256 beta2 = _mm256_set1_ps(settings->beta2);
    const __m256 fresh = _mm256_set1_ps(1.0f - settings->beta2);
    const __m256 lr = _mm256_set1_ps(settings->lr), eps = _mm256_set1_ps(settings->eps);
    for (size_t i = 0; i < n; i += LANES) {
        __m256 gi = _mm256_load_ps(g + i);
        __m256 vi = _mm256_fmadd_ps(beta2, _mm256_load_ps(v + i),
                                    _mm256_mul_ps(fresh, _mm256_mul_ps(gi, gi)));
        __m256 root = _mm256_fmadd_ps(_mm256_sqrt_ps(vi), root_scale, eps);
        __m256 step = _mm256_div_ps(_mm256_mul_ps(lr, gi), root);
        _mm256_store_ps(v + i, vi);
        _mm256_store_ps(p + i, _mm256_fmsub_ps(_mm256_load_ps(p + i), shrink, step));
        _mm256_store_ps(g + i, _mm256_setzero_ps());
    }
    return 0;
}

static void ema_avx2(float decay, size_t n, const float *p, float *ema) {
    const __m256 rate = _mm256_set1_ps(1.0f - decay);
    for (size_t i = 0; i < n; i += LANES) {
        __m256 e = _mm256_load_ps(ema + i);
        e = _mm256_fmadd_ps(rate, _mm256_sub_ps(_mm256_load_ps(p + i), e), e);
        _mm256_store_ps(ema + i, e);
    }
}

static void accumulate_avx2(size_t n, int k, const float *const *source, float *target) {
    for (size_t i = 0; i < n; i += LANES) {
        __m256 sum = _mm256_load_ps(target + i);
        for (int j = 0; j < k; j++) sum = _mm256_add_ps(sum, _mm256_load_ps(source[j] + i));
        _mm256_store_ps(target + i, sum);
    }
}

void stk_optimiser_kernels_init_avx2(stk_optimiser_kernels *kernels) {
    kernels->isa = "avx2";
    kernels->finite = finite_avx2;
    kernels->adamw = adamw_avx2;
    kernels->ema = ema_avx2;
    kernels->accumulate = accumulate_avx2;
}
