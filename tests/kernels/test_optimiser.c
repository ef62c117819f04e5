/* AdamW, the moving average and the fixed-order sum: closed forms, refusal of gradients that are
 * not finite, and every CPU mask against the plain-C twin. */
#include "support.h"
#include "base/attr.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/optimiser.h"

#include <math.h>
#include <string.h>

enum { N = 208, SOURCES = 3 };
static const uint32_t MASKS[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};

typedef struct vectors {
    STK_ALIGNED(64) float p[N];
    STK_ALIGNED(64) float g[N];
    STK_ALIGNED(64) float v[N];
    STK_ALIGNED(64) float ema[N];
    STK_ALIGNED(64) float source[SOURCES][N];
} vectors;

static void fill(vectors *x) {
    stk_rng rng;
    stk_rng_seed(&rng, 3, 9);
    for (int i = 0; i < N; i++) {
        x->p[i] = stk_rng_normal(&rng);
        x->g[i] = stk_rng_normal(&rng) * powf(10.0f, (float)(i % 13) - 10.0f);
        x->v[i] = i % 5 == 0 ? 0 : x->g[i] * x->g[i] * stk_rng_float(&rng);
        x->ema[i] = stk_rng_normal(&rng);
        for (int k = 0; k < SOURCES; k++) x->source[k][i] = stk_rng_normal(&rng);
    }
    x->g[0] = 0;
    x->v[0] = 0;
    x->g[1] = 1e18f;
    x->g[2] = -1e-38f;
}

static void adamw_first_step_moves_by_lr_and_decays(void **state) {
    (void)state;
    static vectors x;
    for (size_t m = 0; m < STK_ARRAY_SIZE(MASKS); m++) {
        stk_optimiser_kernels kernels;
        stk_cpu_set_mask(MASKS[m]);
        stk_optimiser_kernels_init(&kernels);
        for (int i = 0; i < N; i++) {
            x.p[i] = 0.5f;
            x.g[i] = i % 2 ? 0.25f : -3.0f;
            x.v[i] = 0;
        }
        const stk_adamw settings = {1e-2f, 1e-2f, 0.99f, 1e-8f, 1.0f - 0.99f};
        assert_int_equal(kernels.adamw(&settings, N, x.p, x.g, x.v), 0);
        for (int i = 0; i < N; i++) {
            float moved = i % 2 ? -1e-2f : 1e-2f;
            assert_float_equal(x.p[i], 0.5f * (1 - 1e-4f) + moved, 1e-7);
            assert_float_equal(x.g[i], 0, 0);
        }
    }
    stk_cpu_set_mask(~0u);
}

static void adamw_unusable_gradient_leaves_parameters(void **state) {
    (void)state;
    static vectors x, before;
    const float bad[] = {NAN, INFINITY, -INFINITY, 2e18f};
    for (size_t m = 0; m < STK_ARRAY_SIZE(MASKS); m++) {
        stk_optimiser_kernels kernels;
        stk_cpu_set_mask(MASKS[m]);
        stk_optimiser_kernels_init(&kernels);
        for (int i = 0; i < 4 * N; i += 17) {
            fill(&x);
            before = x;
            assert_int_equal(kernels.finite(N, x.g), 0);
            x.g[i % N] = bad[i % 4];
            assert_int_not_equal(kernels.finite(N, x.g), 0);
            const stk_adamw settings = {1e-2f, 1e-2f, 0.99f, 1e-8f, 0.3f};
            assert_int_not_equal(kernels.adamw(&settings, N, x.p, x.g, x.v), 0);
            assert_memory_equal(x.p, before.p, sizeof x.p);
            assert_memory_equal(x.v, before.v, sizeof x.v);
            for (int j = 0; j < N; j++) assert_true(x.g[j] == 0);
        }
    }
    stk_cpu_set_mask(~0u);
}

/* The variants fuse multiply and add: one rounding less in v and in p, so 2 ulp of v, and for p one
 * ulp of p plus a few of the step. */
static void every_mask_agrees_with_twin(void **state) {
    (void)state;
    static vectors a, b;
    stk_optimiser_kernels twin, kernels;
    stk_cpu_set_mask(0);
    stk_optimiser_kernels_init(&twin);
    assert_string_equal(twin.isa, "c");
    const stk_adamw settings = {5e-3f, 1e-4f, 0.99f, 1e-8f, 0.0394f};
    for (size_t m = 0; m < STK_ARRAY_SIZE(MASKS); m++) {
        stk_cpu_set_mask(MASKS[m]);
        stk_optimiser_kernels_init(&kernels);
        fill(&a);
        fill(&b);
        const float *sa[SOURCES] = {a.source[0], a.source[1], a.source[2]};
        assert_int_equal(twin.adamw(&settings, N, a.p, a.g, a.v), 0);
        assert_int_equal(kernels.adamw(&settings, N, b.p, b.g, b.v), 0);
        twin.ema(0.95f, N, a.p, a.ema);
        kernels.ema(0.95f, N, b.p, b.ema);
        for (int i = 0; i < N; i++) {
            assert_true(fabsf(a.v[i] - b.v[i]) <= 3e-7f * fabsf(a.v[i]) + 1e-44f);
            assert_true(fabsf(a.p[i] - b.p[i]) <= 1.2e-7f * fabsf(a.p[i]) + 5e-7f * 5e-2f);
            assert_true(fabsf(a.ema[i] - b.ema[i]) <= 4e-7f);
        }
        twin.accumulate(N, SOURCES, sa, a.ema);
        memcpy(b.ema, a.ema, sizeof a.ema);
        twin.accumulate(N, SOURCES, sa, a.ema);
        kernels.accumulate(N, SOURCES, sa, b.ema);
        assert_memory_equal(a.ema, b.ema, sizeof a.ema);
    }
    stk_cpu_set_mask(~0u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adamw_first_step_moves_by_lr_and_decays),
        cmocka_unit_test(adamw_unusable_gradient_leaves_parameters),
        cmocka_unit_test(every_mask_agrees_with_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
