/* The presenter's light: harmonics turn as rotations do, baked transfer and key visibility of
 * shapes whose truth is known. */
#include "support.h"
#include "base/pool.h"
#include "presenter/light.h"

#include <math.h>
#include <string.h>

#define PI_F 3.14159265f

/* Latitude-longitude sphere of 2 m x m quads. */
static void make_sphere(stk_surface *s, int m, float radius) {
    const int across = 2 * m + 1;
    TEST_OK(stk_surface_init(s, "sphere", (m + 1) * across, 4 * m * m));
    for (int i = 0; i < s->vertices; i++) {
        const float down = PI_F * (float)(i / across) / (float)m;
        const float around = PI_F * (float)(i % across % (2 * m)) / (float)m;
        s->rest[i][0] = radius * sinf(down) * sinf(around);
        s->rest[i][1] = radius * cosf(down);
        s->rest[i][2] = radius * sinf(down) * cosf(around);
    }
    for (int t = 0; t < 2 * m * m; t++) {
        const int a = t / (2 * m) * across + t % (2 * m), c = a + across;
        const int32_t corners[2][3] = {{a, c, a + 1}, {a + 1, c, c + 1}};
        memcpy(s->triangle[2 * t], corners, sizeof corners);
    }
}

/* A level square of n x n quads at height y, facing up. */
static void make_plate(stk_surface *s, int n, float half, float y) {
    TEST_OK(stk_surface_init(s, "plate", (n + 1) * (n + 1), 2 * n * n));
    for (int i = 0; i < s->vertices; i++) {
        s->rest[i][0] = half * (2 * (float)(i % (n + 1)) / (float)n - 1);
        s->rest[i][1] = y;
        s->rest[i][2] = half * (2 * (float)(i / (n + 1)) / (float)n - 1);
    }
    for (int t = 0; t < n * n; t++) {
        const int a = t / n * (n + 1) + t % n, c = a + n + 1;
        const int32_t corners[2][3] = {{a, c, a + 1}, {a + 1, c, c + 1}};
        memcpy(s->triangle[2 * t], corners, sizeof corners);
    }
}

static void rotation(float yaw, float pitch, float roll, float R[9]) {
    const float a = cosf(yaw), b = sinf(yaw), c = cosf(pitch), d = sinf(pitch), e = cosf(roll),
                f = sinf(roll);
    const float m[9] = {a * e + b * d * f,  -a * f + b * d * e, b * c, c * f, c * e, -d,
                        -b * e + a * d * f, b * f + a * d * e,  a * c};
    memcpy(R, m, sizeof m);
}

static void stk_light_turn_equals_looking_in_turned_direction(void **state) {
    (void)state;
    stk_light light;
    stk_light_studio(&light);
    for (int k = 0; k < 20; k++) {
        float R[9], turned[9][3];
        rotation(0.3f * (float)k, 0.2f * (float)k - 1, 0.5f * (float)k, R);
        stk_light_turn(&light, R, turned);
        const float d[3] = {0.48f, -0.6f, 0.64f};
        float out[3], here[9], there[9], a = 0, b = 0;
        for (int i = 0; i < 3; i++)
            out[i] = R[3 * i] * d[0] + R[3 * i + 1] * d[1] + R[3 * i + 2] * d[2];
        stk_light_basis(d, here);
        stk_light_basis(out, there);
        for (int j = 0; j < 9; j++) {
            a += here[j] * turned[j][1];
            b += there[j] * light.harmonics[j][1];
        }
        test_assert_close("radiance", &a, &b, 1, 1e-5);
    }
}

static void stk_light_studio_lights_a_facing_diffuser_about_one(void **state) {
    (void)state;
    stk_light light;
    stk_light_studio(&light);
    float basis[9];
    stk_light_basis(light.key_dir, basis);
    for (int c = 0; c < 3; c++) {
        float sum = light.key_rgb[c];
        for (int j = 0; j < 9; j++)
            sum += light.harmonics[j][c] * basis[j] * (j == 0 ? 1 : j < 4 ? 2.0f / 3 : 0.25f);
        assert_true(sum > 0.8f && sum < 1.2f);
    }
}

static void stk_light_key_cells_sum_to_one_anywhere(void **state) {
    (void)state;
    for (int k = 0; k < 200; k++) {
        const float yaw = 0.4f * (float)k, pitch = 1.5f * sinf(0.7f * (float)k);
        const float key[3] = {sinf(yaw) * cosf(pitch), sinf(pitch), cosf(yaw) * cosf(pitch)};
        float weight[STK_KEY_CELLS], sum = 0;
        stk_light_key_cells(key, weight);
        for (int c = 0; c < STK_KEY_CELLS; c++) {
            assert_true(weight[c] >= 0);
            sum += weight[c];
        }
        const float one = 1;
        test_assert_close("weights", &sum, &one, 1, 1e-5);
    }
}

/* 96 directions integrate a clamped cosine times a second-order harmonic to about 1 % of the
 * largest coefficient, 0.33; the surface's own shadow at grazing angles adds as much. */
static void stk_light_bake_open_sphere_is_the_cosine_lobe(void **state) {
    (void)state;
    stk_surface sphere;
    make_sphere(&sphere, 48, 0.1f);
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_actor_add_surface(&actor, &sphere));
    TEST_OK(stk_light_bake(&actor, STK_LIGHT_FINE, NULL));
    float key[STK_KEY_CELLS];
    stk_light light;
    stk_light_studio(&light);
    stk_light_key_cells(light.key_dir, key);
    for (int i = 0; i < sphere.vertices; i++) {
        float basis[9], n[3], seen = 0;
        for (int k = 0; k < 3; k++) n[k] = sphere.rest[i][k] / 0.1f;
        stk_light_basis(n, basis);
        for (int j = 0; j < 9; j++) basis[j] *= j == 0 ? 1 : j < 4 ? 2.0f / 3 : 0.25f;
        test_assert_close("transfer", sphere.transfer[i], basis, 9, 0.02);
        for (int c = 0; c < STK_KEY_CELLS; c++) seen += key[c] * sphere.key[i][c];
        if (n[0] * light.key_dir[0] + n[1] * light.key_dir[1] + n[2] * light.key_dir[2] > 0.35f)
            assert_true(seen > 0.98f);
    }
    stk_surface_clear(&sphere);
}

static void stk_light_bake_below_a_plate_is_dark_and_equal_for_any_threads(void **state) {
    (void)state;
    stk_surface floor, plate;
    make_plate(&floor, 40, 0.4f, 0);
    make_plate(&plate, 8, 0.15f, 0.1f);
    stk_actor actor = {.surfaces = 0};
    TEST_OK(stk_actor_add_surface(&actor, &floor));
    TEST_OK(stk_actor_add_surface(&actor, &plate));
    stk_strands strands;
    TEST_OK(stk_strands_init(&strands, "hair", 40, 4));
    for (int i = 0; i < 160; i++) strands.rest[i][1] = 0.2f + 0.001f * (float)i;
    TEST_OK(stk_actor_add_strands(&actor, &strands));
    stk_pool *pool;
    TEST_OK(stk_pool_create(&pool, 3));
    TEST_OK(stk_light_bake(&actor, STK_LIGHT_FINE, pool));
    const int middle = 20 * 41 + 20;
    assert_true(floor.transfer[middle][0] < 0.6f * floor.transfer[0][0]);
    /* the key comes from the left and front, so its shadow lies to the right and behind */
    float key[STK_KEY_CELLS], lit = 0, shadow = 0;
    stk_light light;
    stk_light_studio(&light);
    stk_light_key_cells(light.key_dir, key);
    const int behind = (20 - 5) * 41 + 20 + 5;
    for (int c = 0; c < STK_KEY_CELLS; c++) {
        lit += key[c] * floor.key[0][c];
        shadow += key[c] * floor.key[behind][c];
    }
    assert_true(lit > 0.95f && shadow < 0.1f);
    assert_true(strands.transfer[159][0] > 0.2f);
    float(*first)[9] = test_malloc((size_t)floor.vertices * sizeof *first);
    memcpy(first, floor.transfer, (size_t)floor.vertices * sizeof *first);
    TEST_OK(stk_light_bake(&actor, STK_LIGHT_FINE, NULL));
    assert_memory_equal(first, floor.transfer, (size_t)floor.vertices * sizeof *first);
    test_free(first);
    stk_pool_free(&pool);
    stk_strands_clear(&strands);
    stk_surface_clear(&plate);
    stk_surface_clear(&floor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stk_light_turn_equals_looking_in_turned_direction),
        cmocka_unit_test(stk_light_studio_lights_a_facing_diffuser_about_one),
        cmocka_unit_test(stk_light_key_cells_sum_to_one_anywhere),
        cmocka_unit_test(stk_light_bake_open_sphere_is_the_cosine_lobe),
        cmocka_unit_test(stk_light_bake_below_a_plate_is_dark_and_equal_for_any_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
