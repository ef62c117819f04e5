/* torso.c - the tiled grid's layout, the size of the activation block, the choice of a variant. */
#include "kernels/torso_private.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"

enum { BASE_RESOLUTION = 16, FINEST_RESOLUTION = 2048, TABLE_MAX = 1 << 16 };

/* reference.md 3.6. As for the head's planes, table sizes come from the growth factor in double,
 * the lookup from its logarithm in float. */
void stk_torso_grid_init(stk_torso_grid *grid) {
    const double octaves = log2((double)FINEST_RESOLUTION / BASE_RESOLUTION);
    const double growth = exp2(octaves / (STK_TORSO_LEVELS - 1));
    const float log2_growth = (float)log2(growth);
    uint32_t offset = 0;
    memset(grid, 0, sizeof *grid);
    for (int level = 0; level < STK_TORSO_LEVELS; level++) {
        double side = ceil(BASE_RESOLUTION * pow(growth, level)) + 1;
        uint32_t entries = side * side > TABLE_MAX ? TABLE_MAX : (uint32_t)(side * side);
        entries = (entries + 7) / 8 * 8;
        float scale = exp2f((float)level * log2_growth) * BASE_RESOLUTION - 1.0f;
        grid->scale[level] = scale;
        grid->side[level] = (uint32_t)ceilf(scale) + 2;
        grid->wrap[level] = entries == TABLE_MAX ? TABLE_MAX - 1 : UINT32_MAX;
        grid->offset[level] = offset;
        offset += entries;
    }
    grid->offset[STK_TORSO_LEVELS] = offset;
}

size_t stk_torso_act_floats(void) {
    return TORSO_ACT_FLOATS;
}

void stk_torso_kernels_init(stk_torso_kernels *kernels) {
    uint32_t flags = stk_cpu_flags();
    stk_torso_fill_c(kernels);
    if (flags & STK_CPU_AVX2) stk_torso_fill_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_torso_fill_avx512(kernels);
}
