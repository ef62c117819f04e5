/* bench_field.c - samples a second of every slot of the field's kernels, one thread, per instruction
 * set (src/api/bench_field.h does the work; `synctalk bench` shows the same with several threads).
 *
 * The best of several rounds counts: the least disturbed one. Released shape (12 levels, E = 7),
 * random weights. GFLOP/s count two operations for each multiply-add of the layers and nothing
 * else.
 */
#include "api/bench_field.h"
#include "base/cpu.h"

#include <stdio.h>

enum { ROUNDS = 10, LEVELS = 12, EXP = 7 };

static void show(stk_field_bench *bench, const stk_field_shape *shape, stk_field_slot slot) {
    const char *isa = "";
    double best = 1e30;
    for (int round = 0; round < ROUNDS; round++) {
        const double seconds = stk_field_bench_run(bench, slot, NULL, &isa);
        if (seconds < best) best = seconds;
    }
    const double rate = STK_BENCH_SAMPLES / best;
    printf("%-10s %-14s %8.3f Msamples/s  %7.1f GFLOP/s\n", isa, stk_field_slot_name(slot),
           rate * 1e-6, rate * 2e-9 * stk_field_slot_macs(shape, slot));
    fflush(stdout);
}

int main(void) {
    static const char *const masks[] = {"c", "avx2", "avx512", "avx512bf16", "amx"};
    stk_field_shape shape = {.enc = 3 * LEVELS, .exp = EXP, .exp_hidden = STK_HIDDEN};
    stk_grid_layout_init(&shape.grid, LEVELS);
    stk_field_bench *bench;
    if (stk_field_bench_create(&bench, &shape, NULL, 1) != STK_OK) {
        fprintf(stderr, "bench_field: %s\n", stk_error_text());
        return 1;
    }
    const uint32_t flags = stk_cpu_flags();
    for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
        uint32_t mask;
        if (stk_cpu_parse_mask(masks[m], &mask) != 0 || (mask & ~flags) != 0) continue;
        stk_cpu_set_mask(mask);
        for (int slot = 0; slot < STK_SLOTS; slot++) show(bench, &shape, (stk_field_slot)slot);
    }
    stk_field_bench_free(&bench);
    return 0;
}
