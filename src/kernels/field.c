/* field.c - the grid layout, the size of the activation block and the choice of a variant. */
#include "kernels/field_private.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"

enum { BASE_RESOLUTION = 64, FINEST_RESOLUTION = 512, TABLE_MAX = 1 << 14 };

/* reference.md 3.1. The table sizes come from the growth factor in double, the lookup from its
 * logarithm in float; both as published, since a checkpoint's tables depend on them. */
void stk_grid_layout_init(stk_grid_layout *layout, int levels) {
    memset(layout, 0, sizeof *layout);
    layout->levels = levels;
    double octaves = log2((double)FINEST_RESOLUTION / BASE_RESOLUTION);
    double growth = levels > 1 ? exp2(octaves / (levels - 1)) : 1;
    float log2_growth = (float)log2(growth);
    uint32_t offset = 0;
    for (int level = 0; level < levels; level++) {
        double side = ceil(BASE_RESOLUTION * pow(growth, level)) + 1;
        uint32_t entries = side * side > TABLE_MAX ? TABLE_MAX : (uint32_t)(side * side);
        entries = (entries + 7) / 8 * 8;
        float scale = exp2f((float)level * log2_growth) * BASE_RESOLUTION - 1.0f;
        uint32_t resolution = (uint32_t)ceilf(scale) + 1;
        layout->scale[level] = scale;
        layout->resolution[level] = resolution;
        layout->offset[level] = offset;
        layout->hashed[level] = (resolution + 1) * (resolution + 1) > entries;
        offset += entries;
    }
    layout->offset[levels] = offset;
}

size_t stk_field_act_floats(const stk_field_shape *shape) {
    field_acts acts;
    return field_acts_bind(shape, NULL, &acts);
}

void stk_field_kernels_init(stk_field_kernels *kernels) {
    uint32_t flags = stk_cpu_flags();
    stk_field_fill_c(kernels);
    if (flags & STK_CPU_AVX2) stk_field_fill_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_field_fill_avx512(kernels);
}

void stk_field_training_kernels_init(stk_field_kernels *kernels) {
    stk_field_kernels_init(kernels);
    if (stk_cpu_flags() & STK_CPU_AVX512BF16) stk_field_fill_training_avx512bf16(kernels);
    if (stk_cpu_flags() & STK_CPU_AMX) stk_field_fill_training_amx(kernels);
}
