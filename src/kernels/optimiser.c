/* optimiser.c - plain-C twins of the optimiser kernels, and the ladder that picks variants.
 *
 *   g, p, v [n] -> p, v updated, g = 0;   p, ema [n] -> ema;   k x [n] -> target [n]
 *
 * Element-wise over disjoint ranges: callers split [0, n) over threads as they like, the bits do
 * not change.
 */
#include "kernels/optimiser.h"
#include "kernels/x86/optimiser_x86.h"
#include "base/cpu.h"

#include <math.h>
#include <string.h>

static int finite_c(size_t n, const float *g) {
    int bad = 0;
    for (size_t i = 0; i < n; i++) bad |= !(fabsf(g[i]) <= STK_GRADIENT_MAX);
    return bad;
}

static int adamw_c(const stk_adamw *settings, size_t n, float *p, float *g, float *v) {
    const int bad = finite_c(n, g);
    const float shrink = 1.0f - settings->lr * settings->weight_decay;
    const float root_scale = 1.0f / sqrtf(settings->correction);
    const float beta2 = settings->beta2, fresh = 1.0f - settings->beta2;
    for (size_t i = 0; i < n && !bad; i++) {
        v[i] = beta2 * v[i] + fresh * (g[i] * g[i]);
        p[i] = p[i] * shrink - settings->lr * g[i] / (sqrtf(v[i]) * root_scale + settings->eps);
    }
    memset(g, 0, n * sizeof *g);
    return bad;
}

static void ema_c(float decay, size_t n, const float *p, float *ema) {
    for (size_t i = 0; i < n; i++) ema[i] += (1.0f - decay) * (p[i] - ema[i]);
}

static void accumulate_c(size_t n, int k, const float *const *source, float *target) {
    for (size_t i = 0; i < n; i++) {
        float sum = target[i];
        for (int j = 0; j < k; j++) sum += source[j][i];
        target[i] = sum;
    }
}

void stk_optimiser_kernels_init(stk_optimiser_kernels *kernels) {
    *kernels = (stk_optimiser_kernels){
        .isa = "c",
        .finite = finite_c,
        .adamw = adamw_c,
        .ema = ema_c,
        .accumulate = accumulate_c,
    };
    const uint32_t flags = stk_cpu_flags();
    if (flags & STK_CPU_AVX2) stk_optimiser_kernels_init_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_optimiser_kernels_init_avx512(kernels);
}
