/* A patch found again under another light: the light must not move it. */
#include "head_sync/points_patch.h"
#include "support.h"

#include <math.h>
#include <stdio.h>

enum { SIZE = 64 };

/* Texture of several periods, moved by `shift`; light of degree 2, which does not move. */
static void paint(uint16_t *data, const float shift[2], float light) {
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const float u = (float)x + 0.5f - shift[0], v = (float)y + 0.5f - shift[1];
            const float texture =
                6 * sinf(0.9f * u + 0.3f * v) + 5 * sinf(0.5f * v - 0.7f * u) + 4 * sinf(1.1f * v);
            const float a = ((float)x - 30) / 8, b = ((float)y - 33) / 8;
            const float bright = light * (5 * a - 3 * b + 4 * a * a - 2 * a * b + 3 * b * b);
            data[y * SIZE + x] = (uint16_t)((120 + texture + bright) * STK_LK_ONE);
        }
}

/* Distance of what is found from where the texture went. */
static float miss(float light, float *correlation) {
    static uint16_t before[SIZE * SIZE + 64], after[SIZE * SIZE + 64];
    const float shift[2] = {0.35f, -0.6f}, none[2] = {0, 0}, linear[4] = {1, 0, 0, 1};
    const stk_lk_plane old = {before, SIZE, SIZE, SIZE}, now = {after, SIZE, SIZE, SIZE};
    float warp[6] = {1, 0, 32, 0, 1, 32};
    stk_lk_kernels kernels;
    stk_patch patch;
    stk_lk_kernels_init(&kernels);
    paint(before, none, 0);
    paint(after, shift, light);
    assert_true(stk_patch_take(&kernels, &old, warp, 6, &patch));
    assert_true(stk_patch_find(&kernels, &now, &patch, linear, 20, warp, correlation));
    return hypotf(warp[2] - 32 - shift[0], warp[5] - 32 - shift[1]);
}

static void find_light_does_not_move_the_patch(void **state) {
    (void)state;
    float plain, lit;
    const float still = miss(0, &plain), moved = miss(1, &lit);
    printf("  off by %.4f px, %.4f px under another light; correlations %.4f, %.4f\n",
           (double)still, (double)moved, (double)plain, (double)lit);
    assert_true(still < 0.02f && moved < 0.03f);
    assert_true(plain > 0.98f && lit > 0.97f);
}

/* Less than half the contrast is another place, or something before it. */
static void find_faint_copy_is_refused(void **state) {
    (void)state;
    static uint16_t strong[SIZE * SIZE + 64], faint[SIZE * SIZE + 64];
    const float none[2] = {0, 0}, linear[4] = {1, 0, 0, 1};
    const stk_lk_plane old = {strong, SIZE, SIZE, SIZE}, now = {faint, SIZE, SIZE, SIZE};
    float warp[6] = {1, 0, 32, 0, 1, 32}, correlation;
    stk_lk_kernels kernels;
    stk_patch patch;
    stk_lk_kernels_init(&kernels);
    paint(strong, none, 0);
    for (int i = 0; i < SIZE * SIZE; i++)
        faint[i] = (uint16_t)(120 * STK_LK_ONE + (strong[i] - 120 * STK_LK_ONE) * 0.4f);
    assert_true(stk_patch_take(&kernels, &old, warp, 6, &patch));
    assert_false(stk_patch_find(&kernels, &now, &patch, linear, 20, warp, &correlation));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_light_does_not_move_the_patch),
        cmocka_unit_test(find_faint_copy_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
