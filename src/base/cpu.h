/* cpu.h - which instruction sets this processor has, and which the user allows.
 *
 * Kernel families fill their tables from stk_cpu_flags(). The mask comes from --cpu-mask or
 * STK_CPU_MASK (a number, or one of: c avx2 avx512 avx512bf16 amx), so that any machine can run
 * every variant below its own and a bug can be pinned to one.
 */
#ifndef STK_BASE_CPU_H
#define STK_BASE_CPU_H

#include <stdint.h>

enum {
    STK_CPU_AVX2 = 1 << 0,   /* AVX2 + FMA + F16C */
    STK_CPU_AVX512 = 1 << 1, /* F + BW + DQ + VL */
    /* BF16 dot products at twice the rate of float32. Only said of AMD: Intel's Sapphire Rapids has
     * them at half the rate of float32 (and has tiles instead). */
    STK_CPU_AVX512BF16 = 1 << 2,
    STK_CPU_AMX = 1 << 3, /* AMX-TILE + AMX-BF16 (and AVX512-BF16, for rounding), and the
                           * system lets this process use them */
};

/* Detected flags and the mask; the first call detects. */
uint32_t stk_cpu_flags(void);
/* Restricts the flags from now on, besides what STK_CPU_MASK restricts. Call before any kernel
 * table is initialised; tests re-initialise. */
void stk_cpu_set_mask(uint32_t mask);
/* Parses one of the names above (each includes those before it, amx not avx512bf16) or a number;
 * returns 0 and stores the mask, or -1. */
int stk_cpu_parse_mask(const char *text, uint32_t *mask);
/* "avx2 avx512 ...", for the system line; static storage. */
const char *stk_cpu_describe(void);

#endif
