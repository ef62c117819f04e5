/* The AMX variant of the rendering field, the product's own source compiled for emulated tiles:
 * results, and that it touches nothing that is not its own, written or prepared. Skips on
 * processors without AVX-512. */
#include "support.h"
#include "radiance_case.h"
#include "tiles_check.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/radiance_private.h"

static void variant_or_skip(stk_radiance_kernels *kernels) {
    stk_cpu_set_mask(UINT32_MAX);
    if (!(stk_cpu_flags() & STK_CPU_AVX512)) {
        print_message("SKIP: no AVX-512\n");
        skip();
    }
    stk_radiance_fill_amx_emulated(kernels);
}

static void evaluate_on_emulated_tiles_like_forward(void **state) {
    (void)state;
    stk_radiance_kernels kernels;
    variant_or_skip(&kernels);
    void *block = stk_calloc_aligned(1, stk_radiance_bytes());
    assert_non_null(block);
    for (size_t k = 0; k < RADIANCE_SHAPES; k++) {
        field_case fc;
        field_case_init(&fc, radiance_shapes[k].levels, radiance_shapes[k].exp, 7 + k, 3.0f);
        radiance_compare(&kernels, &fc, block);
        field_case_mask(&fc);
        radiance_compare(&kernels, &fc, block);
        field_case_clear(&fc);
    }
    stk_free(block);
}

/* --- buffers ---------------------------------------------------------------------------------- */

enum { GUARD = 64, INPUTS = 3 * STK_TILE, OUTPUTS = 4 * STK_TILE };

/* A block that ends where its pages end, before one that nobody may touch. */
typedef struct fenced {
    unsigned char *pages;
    size_t bytes; /* of the pages that may be used */
    void *block;
} fenced;

static fenced fenced_block(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), block = stk_radiance_bytes();
    fenced f = {.bytes = (block + page - 1) / page * page};
    f.pages =
        mmap(NULL, f.bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f.pages != MAP_FAILED);
    assert_int_equal(mprotect(f.pages + f.bytes, page, PROT_NONE), 0);
    f.block = f.pages + f.bytes - block;
    assert_int_equal((uintptr_t)f.block % 64, 0);
    return f;
}

/* Inputs and outputs between guards of NaN: what is read from there spoils a result. */
typedef struct buffers {
    STK_ALIGNED(64) float g0[GUARD], xyz[INPUTS], g1[GUARD], dir[INPUTS], g2[GUARD];
    float sigma[STK_TILE], g3[GUARD], rgb[3 * STK_TILE], g4[GUARD];
} buffers;

static void buffers_init(buffers *b, uint64_t seed) {
    static field_tile tile;
    field_tile_init(&tile, STK_TILE, 0, seed);
    memset(b, 0xff, sizeof *b);
    memcpy(b->xyz, tile.xyz, sizeof b->xyz);
    memcpy(b->dir, tile.dir, sizeof b->dir);
}

static int all_ones(const float *guard) {
    const unsigned char *p = (const unsigned char *)guard;
    for (size_t i = 0; i < GUARD * sizeof(float); i++)
        if (p[i] != 0xff) return 0;
    return 1;
}

/* Leaves `byte` all over the stack that the next call will use: 0xff are NaNs, as floats and as
 * bfloat16. */
__attribute__((noinline)) static void spoil_stack(int byte) {
    unsigned char below[160 << 10];
    memset(below, byte, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
}

static void evaluate_reads_only_what_is_prepared(void **state) {
    (void)state;
    static buffers first, again;
    stk_radiance_kernels kernels;
    variant_or_skip(&kernels);
    fenced f = fenced_block();
    for (size_t k = 0; k < RADIANCE_SHAPES; k++) {
        field_case fc;
        field_case_init(&fc, radiance_shapes[k].levels, radiance_shapes[k].exp, 90 + k, 3.0f);
        const stk_field_cond cond = radiance_conditions(&fc);
        memset(f.block, 0xff, stk_radiance_bytes());
        kernels.fold(&fc.shape, &fc.weights, NULL, f.block);
        kernels.condition(&fc.shape, &fc.weights, &cond, f.block);
        assert_int_equal(mprotect(f.pages, f.bytes, PROT_READ), 0);
        buffers_init(&first, k);
        buffers_init(&again, k);
        spoil_stack(0xff);
        kernels.evaluate(f.block, first.xyz, first.dir, first.sigma, first.rgb);
        assert_false(tiles_in_use());
        spoil_stack(0x3f);
        kernels.evaluate(f.block, again.xyz, again.dir, again.sigma, again.rgb);
        assert_memory_equal(&first, &again, sizeof first);
        assert_true(all_ones(first.g0) && all_ones(first.g1) && all_ones(first.g2) &&
                    all_ones(first.g3) && all_ones(first.g4));
        for (int s = 0; s < STK_TILE; s++) assert_true(first.sigma[s] > 0);
        for (int s = 0; s < 3 * STK_TILE; s++)
            assert_true(first.rgb[s] > -0.01f && first.rgb[s] < 1.01f);
        assert_int_equal(mprotect(f.pages, f.bytes, PROT_READ | PROT_WRITE), 0);
        field_case_clear(&fc);
    }
    munmap(f.pages, f.bytes + (size_t)sysconf(_SC_PAGESIZE));
}

static int has_bf16_or_skip(void) {
    if (__builtin_cpu_supports("avx512bf16")) return 1;
    print_message("SKIP: no AVX512-BF16\n");
    skip();
    return 0;
}

/* The variant on dot products rounds the same values, and only sums differ, by some 1e-7: that
 * turns one rounding of 2^-8 in 30,000 the other way, 2e-5 of a root mean square. */
static void evaluate_on_emulated_tiles_like_on_dot_products(void **state) {
    (void)state;
    static buffers a, b;
    stk_radiance_kernels tiles, dots;
    variant_or_skip(&tiles);
    if (!has_bf16_or_skip()) return;
    stk_radiance_fill_avx512bf16(&dots);
    void *tiles_block = stk_calloc_aligned(1, stk_radiance_bytes());
    void *dots_block = stk_calloc_aligned(1, stk_radiance_bytes());
    assert_true(tiles_block != NULL && dots_block != NULL);
    for (size_t k = 0; k < RADIANCE_SHAPES; k++) {
        field_case fc;
        field_case_init(&fc, radiance_shapes[k].levels, radiance_shapes[k].exp, 190 + k, 3.0f);
        const stk_field_cond cond = radiance_conditions(&fc);
        tiles.fold(&fc.shape, &fc.weights, NULL, tiles_block);
        dots.fold(&fc.shape, &fc.weights, NULL, dots_block);
        tiles.condition(&fc.shape, &fc.weights, &cond, tiles_block);
        dots.condition(&fc.shape, &fc.weights, &cond, dots_block);
        buffers_init(&a, k);
        buffers_init(&b, k);
        tiles.evaluate(tiles_block, a.xyz, a.dir, a.sigma, a.rgb);
        dots.evaluate(dots_block, b.xyz, b.dir, b.sigma, b.rgb);
        assert_true(test_relative_l2(a.sigma, b.sigma, STK_TILE) < 5e-4);
        assert_true(test_relative_l2(a.rgb, b.rgb, 3 * STK_TILE) < 5e-4);
        field_case_clear(&fc);
    }
    stk_free(tiles_block);
    stk_free(dots_block);
}

/* The emulated rounding is what the emulated variant differs in from the product's. */
static void emulated_rounding_like_the_processor(void **state) {
    (void)state;
    stk_radiance_kernels kernels;
    variant_or_skip(&kernels);
    if (!has_bf16_or_skip()) return;
    assert_int_equal(tiles_rounding_differences(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluate_on_emulated_tiles_like_forward),
        cmocka_unit_test(evaluate_reads_only_what_is_prepared),
        cmocka_unit_test(evaluate_on_emulated_tiles_like_on_dot_products),
        cmocka_unit_test(emulated_rounding_like_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
