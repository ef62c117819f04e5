/* Blending kernels: known mixes, and every slot under every CPU mask against the plain-C twin, bit
 * by bit, at all lengths; rows are exactly as long as said, so that a sanitizer sees more. */
#include "support.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "base/types.h"
#include "kernels/blend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t MASKS[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
enum { MASK_COUNT = 3, LONGEST = 131 };

static void use(int mask, stk_blend_kernels *kernels) {
    stk_cpu_set_mask(MASKS[mask]);
    stk_blend_kernels_init(kernels);
    stk_cpu_set_mask(~0u);
}

/* Often 0 or 255. */
static uint8_t *bytes(int n, stk_rng *rng) {
    uint8_t *b = malloc((size_t)(n > 0 ? n : 1));
    assert_non_null(b);
    for (int i = 0; i < n; i++) {
        const float u = stk_rng_float(rng);
        b[i] = u < 0.15f ? 0 : u > 0.85f ? 255 : (uint8_t)(stk_rng_float(rng) * 256);
    }
    return b;
}

static void mix_is_the_rounded_mean(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 1, 1);
    for (int mask = 0; mask < MASK_COUNT; mask++) {
        stk_blend_kernels k;
        use(mask, &k);
        for (int n = 0; n <= LONGEST; n++) {
            uint8_t *m = bytes(n, &rng), *a = bytes(3 * n, &rng), *b = bytes(3 * n, &rng);
            uint8_t *out = malloc((size_t)(3 * n + 1));
            memcpy(out, a, (size_t)(3 * n));
            k.mix(n, m, out, b);
            for (int i = 0; i < 3 * n; i++) {
                const double want = (m[i / 3] * a[i] + (255.0 - m[i / 3]) * b[i]) / 255;
                assert_int_equal(out[i], (int)floor(want + 0.5));
            }
            free(out), free(b), free(a), free(m);
        }
    }
}

static void shade_shifts_and_clamps(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 2, 1);
    for (int mask = 0; mask < MASK_COUNT; mask++) {
        stk_blend_kernels k;
        use(mask, &k);
        for (int n = 0; n <= LONGEST; n += 13) {
            uint8_t *a = bytes(3 * n, &rng), *was = malloc((size_t)(3 * n + 1));
            int16_t *shift = malloc((size_t)(3 * n + 1) * sizeof *shift);
            memcpy(was, a, (size_t)(3 * n));
            for (int i = 0; i < 3 * n; i++) shift[i] = (int16_t)(511 * stk_rng_float(&rng) - 255);
            k.shade(n, a, shift);
            for (int i = 0; i < 3 * n; i++)
                assert_int_equal(a[i], stk_clampi(was[i] + shift[i], 0, 255));
            free(shift), free(was), free(a);
        }
    }
}

/* Rows of n + 1 pixels sampled at n places. */
static void between_and_paste_every_mask_same_bits(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 3, 1);
    for (int n = 1; n <= LONGEST; n++) {
        const int w = n / 2 + 2;
        uint8_t *rgb[2] = {bytes(3 * w, &rng), bytes(3 * w, &rng)};
        uint8_t *m[2] = {bytes(w, &rng), bytes(w, &rng)}, *target = bytes(3 * n, &rng);
        uint16_t *row[2] = {malloc((size_t)w * 8), malloc((size_t)w * 8)};
        int32_t *first = malloc((size_t)n * sizeof *first),
                *share = malloc((size_t)n * sizeof *share);
        uint8_t *out[2] = {malloc((size_t)(3 * n)), malloc((size_t)(3 * n))};
        for (int i = 0; i < n; i++) {
            first[i] = (int32_t)(stk_rng_float(&rng) * (float)(w - 1));
            share[i] = (int32_t)(stk_rng_float(&rng) * (STK_BLEND_ONE + 1));
        }
        const stk_blend_columns columns = {first, share};
        const int vertical = (int)(stk_rng_float(&rng) * (STK_BLEND_ONE + 1));
        for (int mask = 0; mask < MASK_COUNT; mask++) {
            stk_blend_kernels k;
            const int to = mask > 0;
            use(mask, &k);
            k.between(w, (const uint8_t *const *)rgb, (const uint8_t *const *)m, vertical, row[to]);
            assert_memory_equal(row[to], row[0], (size_t)w * 8);
            memcpy(out[to], target, (size_t)(3 * n));
            k.paste(n, row[to], &columns, out[to]);
            assert_memory_equal(out[to], out[0], (size_t)(3 * n));
        }
        free(out[0]), free(out[1]), free(share), free(first), free(row[0]), free(row[1]);
        free(target), free(m[0]), free(m[1]), free(rgb[0]), free(rgb[1]);
    }
}

/* A ramp sampled between its pixels, fully opaque, is that ramp; mask 0 leaves the target. */
static void paste_of_a_ramp_is_exact(void **state) {
    (void)state;
    enum { W = 40, N = 3 * (W - 1) };
    uint8_t rgb[3 * W], solid[W], none[W], target[3 * N];
    uint16_t row[4 * W];
    int32_t first[N], share[N];
    memset(solid, 255, sizeof solid);
    memset(none, 0, sizeof none);
    for (int i = 0; i < 3 * W; i++) rgb[i] = (uint8_t)(4 * (i / 3));
    for (int i = 0; i < N; i++) first[i] = i / 3, share[i] = i % 3 * STK_BLEND_ONE / 4;
    const stk_blend_columns columns = {first, share};
    for (int mask = 0; mask < MASK_COUNT; mask++) {
        stk_blend_kernels k;
        use(mask, &k);
        memset(target, 7, sizeof target);
        k.between(W, (const uint8_t *const[2]){rgb, rgb}, (const uint8_t *const[2]){none, none}, 50,
                  row);
        k.paste(N, row, &columns, target);
        for (int i = 0; i < 3 * N; i++) assert_int_equal(target[i], 7);
        k.between(W, (const uint8_t *const[2]){rgb, rgb}, (const uint8_t *const[2]){solid, solid},
                  50, row);
        k.paste(N, row, &columns, target);
        for (int i = 0; i < N; i++) assert_int_equal(target[3 * i + 1], 4 * (i / 3) + i % 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mix_is_the_rounded_mean),
        cmocka_unit_test(shade_shifts_and_clamps),
        cmocka_unit_test(between_and_paste_every_mask_same_bits),
        cmocka_unit_test(paste_of_a_ramp_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
