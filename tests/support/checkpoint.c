/* checkpoint.c */
#include "checkpoint.h"
#include "support.h"
#include "base/memory.h"
#include "kernels/march.h"
#include "nn/pth.h"

void test_checkpoint_field(const char *path, int exp, stk_params *params, stk_field *field) {
    stk_pth *file = NULL;
    TEST_OK(stk_pth_open(&file, path));
    const stk_pth_value *model = stk_pth_model(file);
    TEST_OK(stk_params_init(params));
    TEST_OK(stk_field_register(field, params, 12, exp, 20000));
    TEST_OK(stk_params_seal(params, 0));
    for (int i = 0; i < params->n; i++) {
        const stk_param *p = &params->list[i];
        TEST_OK(stk_pth_read_f32(stk_pth_get(model, p->name), stk_params_value(params, i),
                                 (int64_t)p->count, p->name));
    }
    stk_pth_close(&file);
}

uint8_t *test_checkpoint_bits(const char *path) {
    stk_pth *file = NULL;
    TEST_OK(stk_pth_open(&file, path));
    uint8_t *bits = stk_calloc_aligned(STK_GRID_BYTES, 1);
    assert_non_null(bits);
    TEST_OK(stk_pth_read_raw(stk_pth_get(stk_pth_model(file), "density_bitfield"), STK_U8, bits,
                             STK_GRID_BYTES, "density_bitfield"));
    stk_pth_close(&file);
    return bits;
}

float *test_checkpoint_density(const char *path) {
    stk_pth *file = NULL;
    TEST_OK(stk_pth_open(&file, path));
    float *density = stk_calloc_aligned(STK_GRID_CELLS, sizeof *density);
    assert_non_null(density);
    TEST_OK(stk_pth_read_f32(stk_pth_get(stk_pth_model(file), "density_grid"), density,
                             STK_GRID_CELLS, "density_grid"));
    stk_pth_close(&file);
    return density;
}
