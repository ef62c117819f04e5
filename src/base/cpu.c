/* cpu.c - detection through the compiler's cpuid helpers (which check the OS state as well). */
#include "base/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t cpu_mask = UINT32_MAX;
static uint32_t cpu_detected;
static int cpu_ready;

static int have_amx(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
    int tile_and_bf16 = (edx >> 24 & 1) && (edx >> 22 & 1);
    return tile_and_bf16 && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static uint32_t detect(void) {
    uint32_t flags = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) flags |= STK_CPU_AVX2;
    if ((flags & STK_CPU_AVX2) && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        flags |= STK_CPU_AVX512;
    if ((flags & STK_CPU_AVX512) && have_amx()) flags |= STK_CPU_AMX;
    return flags;
}

uint32_t stk_cpu_flags(void) {
    if (!cpu_ready) {
        cpu_detected = detect();
        const char *text = getenv("STK_CPU_MASK");
        uint32_t mask;
        if (text != NULL && stk_cpu_parse_mask(text, &mask) == 0) cpu_mask &= mask;
        cpu_ready = 1;
    }
    return cpu_detected & cpu_mask;
}

void stk_cpu_set_mask(uint32_t mask) {
    stk_cpu_flags();
    cpu_mask = mask;
}

int stk_cpu_parse_mask(const char *text, uint32_t *mask) {
    static const struct { const char *name; uint32_t mask; } names[] = {
        {"c", 0},
        {"avx2", STK_CPU_AVX2},
        {"avx512", STK_CPU_AVX2 | STK_CPU_AVX512},
        {"amx", STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AMX},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) == 0) {
            *mask = names[i].mask;
            return 0;
        }
    }
    char *end;
    unsigned long value = strtoul(text, &end, 0);
    if (end == text || *end != '\0') return -1;
    *mask = (uint32_t)value;
    return 0;
}

const char *stk_cpu_describe(void) {
    static char text[64];
    uint32_t flags = stk_cpu_flags();
    snprintf(text, sizeof text, "%s%s%s%s", flags == 0 ? "plain C" : "",
             flags & STK_CPU_AVX2 ? "avx2" : "", flags & STK_CPU_AVX512 ? " avx512" : "",
             flags & STK_CPU_AMX ? " amx" : "");
    return text;
}
