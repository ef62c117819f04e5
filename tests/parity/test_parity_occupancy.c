/* Occupancy grid against the published system's: dilation and packing, cells no camera sees, and
 * one full update with and without jitter. */
#include "support.h"
#include "audio_code.h"
#include "checkpoint.h"
#include "fixture.h"
#include "base/memory.h"
#include "portrait/occupancy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void dilate_and_bits_fixture_equal(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("units");
    int64_t n, samples;
    int32_t *index = test_fixture_raw(file, "dilate_index", STK_I32, &n);
    float *value = test_fixture_f32(file, "dilate_value", NULL);
    float *want = test_fixture_f32(file, "dilate_max_at", &samples); /* every 64th cell */
    uint8_t *want_bits = test_fixture_raw(file, "dilate_bits_over_7p5", STK_U8, NULL);
    stk_occupancy grid;
    TEST_OK(stk_occupancy_init(&grid));
    for (int i = 0; i < STK_GRID_CELLS; i++) grid.density[i] = -1;
    for (int64_t i = 0; i < n; i++) grid.density[index[i]] = value[i];
    stk_occupancy_dilate(grid.density, grid.fresh, NULL);
    for (int64_t i = 0; i < samples; i++) assert_true(grid.fresh[64 * i] == want[i]);
    stk_occupancy_bits(grid.fresh, 7.5f, grid.bits, NULL);
    assert_memory_equal(grid.bits, want_bits, STK_GRID_BYTES);
    stk_occupancy_clear(&grid);
    stk_free(index), stk_free(value), stk_free(want), stk_free(want_bits);
    stk_safetensors_close(&file);
}

static void mark_unseen_fixture_equal(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("A_mark_untrained");
    float *poses = test_fixture_f32(file, "poses", NULL), intrinsics[4];
    TEST_OK(stk_safetensors_read_f32(file, "intrinsics", intrinsics, 4));
    uint8_t *want = test_fixture_raw(file, "untrained_bits", STK_U8, NULL);
    stk_ngp_camera cameras[10];
    for (int i = 0; i < 10; i++) {
        cameras[i] = (stk_ngp_camera){
            .fx = intrinsics[0], .fy = intrinsics[1], .cx = intrinsics[2], .cy = intrinsics[3]};
        for (int k = 0; k < 9; k++) cameras[i].R[k] = poses[16 * i + 4 * (k / 3) + k % 3];
        for (int k = 0; k < 3; k++) cameras[i].origin[k] = poses[16 * i + 4 * k + 3];
    }
    stk_occupancy grid;
    TEST_OK(stk_occupancy_init(&grid));
    stk_occupancy_mark_unseen(&grid, cameras, 10, NULL);
    int differ = 0, unseen = 0;
    for (int i = 0; i < STK_GRID_CELLS; i++) {
        int marked = grid.density[i] < 0;
        assert_true(grid.density[i] == 0 || grid.density[i] == -1);
        differ += marked != (want[i >> 3] >> (i & 7) & 1);
        unseen += marked;
    }
    assert_int_equal(unseen, (int)test_fixture_number(file, "count"));
    assert_int_equal(differ, 0);
    stk_occupancy_clear(&grid);
    stk_free(poses), stk_free(want);
    stk_safetensors_close(&file);
}

/* Whole bitfield, mean, the listed cells and the sums of runs of 512. */
static void check_grid(const stk_occupancy *grid, const stk_safetensors *file) {
    int64_t n;
    int32_t *index = test_fixture_raw(file, "grid_index", STK_I32, &n);
    float *value = test_fixture_f32(file, "grid_value", NULL);
    float *sums = test_fixture_f32(file, "morton_block_sum", NULL);
    uint8_t *bits = test_fixture_raw(file, "bitfield", STK_U8, NULL);
    const double mean = test_fixture_number(file, "mean_density");
    assert_float_equal(grid->mean_density, mean, 1e-5 * mean);
    for (int64_t i = 0; i < n; i++) {
        float got = grid->density[index[i]];
        if (!(fabsf(got - value[i]) <= 1e-4f * fabsf(value[i]) + 1e-6f))
            fail_msg("cell %d: %g against %g", index[i], (double)got, (double)value[i]);
    }
    for (int i = 0; i < 4096; i++) {
        double sum = 0;
        for (int k = 0; k < 512; k++) sum += (double)grid->density[512 * i + k];
        assert_true(fabs(sum - (double)sums[i]) <= 1e-4 * (512 + fabs((double)sums[i])));
    }
    int differ = 0;
    for (int i = 0; i < STK_GRID_CELLS; i++) {
        if ((grid->bits[i >> 3] ^ bits[i >> 3]) >> (i & 7) & 1) {
            assert_true(fabsf(grid->density[i] - grid->threshold) <= 1e-4f);
            differ++;
        }
    }
    print_message("bits that differ within 1e-4 of the threshold: %d\n", differ);
    stk_free(index), stk_free(value), stk_free(sums), stk_free(bits);
}

/* The sound of the fixture's random index is that of A_frame, frame 3; the threshold is the mean,
 * at most 10; the mean number of samples is that of the last 16 steps (ours needs none: it has room
 * for every sample). */
static void check_conditions(const stk_safetensors *file, const stk_safetensors *frame,
                             const char *checkpoint, const stk_occupancy *grid) {
    float *auds = test_fixture_f32(file, "auds", NULL), code[STK_AUD];
    float *want = test_fixture_f32(frame, "enc_a", NULL);
    int32_t *counter = test_fixture_raw(file, "step_counter", STK_I32, NULL);
    test_audio_code(checkpoint, auds, code);
    test_assert_close("enc_a", code, want, STK_AUD, 1e-5);
    assert_int_equal((int)test_fixture_number(file, "rand_idx"), 3);
    const double limit = test_fixture_number(file, "density_thresh");
    assert_float_equal(grid->threshold, fmin(limit, (double)grid->mean_density), 1e-6);
    int64_t samples = 0;
    for (int i = 0; i < 16; i++) samples += counter[2 * i];
    assert_int_equal((int)test_fixture_number(file, "mean_count"), samples / 16);
    stk_free(auds), stk_free(want), stk_free(counter);
}

static void check_update(const char *name) {
    const char *path = test_shared_or_skip("parity/official_A.pth");
    stk_safetensors *file = test_fixture_open(name), *frame = test_fixture_open("A_frame");
    stk_params params;
    stk_field field;
    test_checkpoint_field(path, 7, &params, &field);
    stk_field_weights weights;
    stk_field_weights_view(&field, &params, params.value, &weights);
    /* the update of index 3 has the sound of A_frame */
    STK_ALIGNED(64) float audio[STK_AUD], exp[STK_EXP_MAX] = {0}, code[STK_CODE] = {0};
    TEST_OK(stk_safetensors_read_f32(frame, "enc_a", audio, STK_AUD));
    TEST_OK(stk_safetensors_read_f32(file, "eye", exp, 7));
    const stk_field_cond cond = {audio, exp, code};
    stk_occupancy grid;
    TEST_OK(stk_occupancy_init(&grid));
    float *density = test_checkpoint_density(path);
    memcpy(grid.density, density, STK_GRID_CELLS * sizeof *density);
    const int salt = (int)test_fixture_number(file, "noise_salt");
    const uint32_t noise = (uint32_t)salt;
    stk_pool *pool;
    TEST_OK(stk_pool_create(&pool, 2));
    stk_occupancy_sweep(&grid, &field, &weights, &cond, salt < 0 ? NULL : &noise, pool);
    check_grid(&grid, file);
    check_conditions(file, frame, path, &grid);
    stk_pool_free(&pool);
    stk_free(density);
    stk_occupancy_clear(&grid);
    stk_params_clear(&params);
    stk_safetensors_close(&file);
    stk_safetensors_close(&frame);
}

static void update_without_jitter_fixture_agrees(void **state) {
    (void)state;
    check_update("A_density_still");
}

static void update_with_jitter_fixture_agrees(void **state) {
    (void)state;
    check_update("A_density_noise");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dilate_and_bits_fixture_equal),
        cmocka_unit_test(mark_unseen_fixture_equal),
        cmocka_unit_test(update_without_jitter_fixture_agrees),
        cmocka_unit_test(update_with_jitter_fixture_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
