/* cpu.c - detection through the compiler's cpuid helpers (which check the OS state as well). */
#include "base/cpu.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint cpu_mask = UINT32_MAX;
static uint32_t cpu_detected; /* already restricted by STK_CPU_MASK */
static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;

enum {
    REQUEST_PERMISSION = 0x1023, /* ARCH_REQ_XCOMP_PERM of arch_prctl */
    TILE_DATA = 18,              /* the state component it asks for */
    AMX_BF16_BIT = 22,           /* of EDX of leaf 7, like the next */
    AMX_TILE_BIT = 24,
    AVX512_BF16_BIT = 5, /* of EAX of leaf 7, subleaf 1 */
};

static int has_bf16(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> AVX512_BF16_BIT & 1);
}

static int has_amx(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d >> AMX_BF16_BIT & 1) || !(d >> AMX_TILE_BIT & 1) || !has_bf16()) return 0;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static int has_fast_bf16(void) {
    return __builtin_cpu_is("amd") && has_bf16();
}

static uint32_t detect(void) {
    uint32_t flags = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) flags |= STK_CPU_AVX2;
    if ((flags & STK_CPU_AVX2) && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        flags |= STK_CPU_AVX512;
    if ((flags & STK_CPU_AVX512) && has_fast_bf16()) flags |= STK_CPU_AVX512BF16;
    if ((flags & STK_CPU_AVX512) && has_amx()) flags |= STK_CPU_AMX;
    return flags;
}

static void detect_once(void) {
    const char *text = getenv("STK_CPU_MASK");
    uint32_t mask;
    cpu_detected = detect();
    if (text != NULL && stk_cpu_parse_mask(text, &mask) == 0) cpu_detected &= mask;
}

uint32_t stk_cpu_flags(void) {
    pthread_once(&cpu_once, detect_once);
    return cpu_detected & atomic_load(&cpu_mask);
}

void stk_cpu_set_mask(uint32_t mask) {
    atomic_store(&cpu_mask, mask);
}

int stk_cpu_parse_mask(const char *text, uint32_t *mask) {
    static const struct {
        const char *name;
        uint32_t mask;
    } names[] = {
        {"c", 0},
        {"avx2", STK_CPU_AVX2},
        {"avx512", STK_CPU_AVX2 | STK_CPU_AVX512},
        {"avx512bf16", STK_CPU_AVX2 | STK_CPU_AVX512 | STK_CPU_AVX512BF16},
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
    uint32_t flags = stk_cpu_flags();
    if (flags & STK_CPU_AMX)
        return flags & STK_CPU_AVX512BF16 ? "avx2 avx512 avx512bf16 amx" : "avx2 avx512 amx";
    if (flags & STK_CPU_AVX512BF16) return "avx2 avx512 avx512bf16";
    if (flags & STK_CPU_AVX512) return "avx2 avx512";
    return flags & STK_CPU_AVX2 ? "avx2" : "plain C";
}
