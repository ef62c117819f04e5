/* lk.c - plain-C twins of the point-following kernels, and the ladder that picks variants. */
#include "kernels/lk.h"
#include "base/cpu.h"
#include "kernels/lk_body.h"
#include "kernels/x86/lk_x86.h"

static float inside(float v, int size) {
    return stk_clampf(v, 0, (float)size - 1.0f - 1.0f / 256);
}

static void sample_c(const stk_lk_plane *plane, const float m[6], float bias, float *out) {
    for (int j = 0; j < STK_LK_SIDE; j++) {
        const float y = (float)j - 7.5f;
        for (int i = 0; i < STK_LK_SIDE; i++) {
            const float x = (float)i - 7.5f;
            const float sx = inside(m[0] * x + (m[1] * y + (m[2] - 0.5f)), plane->width);
            const float sy = inside(m[3] * x + (m[4] * y + (m[5] - 0.5f)), plane->height);
            const int x0 = (int)sx, y0 = (int)sy;
            const float fx = sx - (float)x0, fy = sy - (float)y0;
            const uint16_t *p = plane->data + (ptrdiff_t)y0 * plane->stride + x0;
            const uint16_t *q = p + plane->stride;
            const float top = (float)p[0] + fx * ((float)p[1] - (float)p[0]);
            const float low = (float)q[0] + fx * ((float)q[1] - (float)q[0]);
            *out++ = (top + fy * (low - top)) * (1.0f / STK_LK_ONE) - bias;
        }
    }
}

static void dots_c(int rows, const float *basis, const float *s, float *sums) {
    for (int k = 0; k <= rows; k++) sums[k] = 0;
    for (int k = 0; k < rows; k++)
        for (int i = 0; i < STK_LK_SAMPLES; i++) sums[k] += basis[k * STK_LK_SAMPLES + i] * s[i];
    const float *weight = basis + (rows - 1) * STK_LK_SAMPLES;
    for (int i = 0; i < STK_LK_SAMPLES; i++) sums[rows] += weight[i] * s[i] * s[i];
}

void stk_lk_kernels_init(stk_lk_kernels *kernels) {
    *kernels = (stk_lk_kernels){
        .isa = "c",
        .grey = body_grey,
        .smooth = body_smooth,
        .halve = body_halve,
        .sample = sample_c,
        .dots = dots_c,
    };
    const uint32_t flags = stk_cpu_flags();
    if (flags & STK_CPU_AVX2) stk_lk_kernels_init_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_lk_kernels_init_avx512(kernels);
}
