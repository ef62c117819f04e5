/* Field registration (names, shapes, counts), initialisation and the ngp camera. */
#include "support.h"
#include "base/rng.h"
#include "portrait/field.h"

#include <math.h>
#include <string.h>

static void register_released_shape_has_official_tensors(void **state) {
    (void)state;
    stk_params params;
    stk_field field;
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_field_register(&field, &params, 12, 7, 20000));
    TEST_OK(stk_params_seal(&params, 0));
    size_t count = 0;
    for (int i = 0; i < params.n; i++) count += params.list[i].count;
    /* reference.md 3.8: grids, eye, sigma, colour, uncertainty, audio attention, codes */
    assert_int_equal(count, 490752 + 2752 + 13056 + 5568 + 1184 + 4352 + 80000);
    const stk_param *sigma = &params.list[stk_params_find(&params, "sigma_net.net.0.weight")];
    assert_int_equal(sigma->shape[0], 64);
    assert_int_equal(sigma->shape[1], 75);
    const stk_param *table = &params.list[stk_params_find(&params, "encoder_yz.embeddings")];
    assert_int_equal(table->shape[0], 163584);
    assert_int_equal(table->group, STK_GROUP_GRID);
    assert_int_equal(field.plane[1], stk_params_find(&params, "encoder_yz.embeddings"));
    stk_params_clear(&params);
}

static void register_au45_has_narrow_expression_net(void **state) {
    (void)state;
    stk_params params;
    stk_field field;
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_field_register(&field, &params, 12, 1, 10));
    const stk_param *net = &params.list[stk_params_find(&params, "eye_att_net.net.1.weight")];
    assert_int_equal(net->shape[0], 1);
    assert_int_equal(net->shape[1], 16);
    assert_int_equal(params.list[field.sigma[0]].shape[1], 69);
    stk_params_clear(&params);
}

static void register_impossible_shape_is_refused(void **state) {
    (void)state;
    stk_params params;
    stk_field field;
    TEST_OK(stk_params_init(&params));
    assert_int_equal(stk_field_register(&field, &params, 15, 7, 10), STK_ERR_ARGUMENT);
    assert_int_equal(stk_field_register(&field, &params, 12, 9, 10), STK_ERR_ARGUMENT);
    assert_int_equal(stk_field_register(&field, &params, 12, 7, 0), STK_ERR_ARGUMENT);
    stk_params_clear(&params);
}

static void init_draws_within_published_bounds(void **state) {
    (void)state;
    stk_params params;
    stk_field field;
    stk_rng rng;
    stk_rng_seed(&rng, 0, 1);
    TEST_OK(stk_params_init(&params));
    TEST_OK(stk_field_register(&field, &params, 12, 7, 500));
    TEST_OK(stk_params_seal(&params, 1));
    stk_field_init(&field, &params, &rng);
    for (int i = 0; i < params.n; i++) {
        const stk_param *p = &params.list[i];
        const float *value = stk_params_value(&params, i);
        double largest = 0, square = 0;
        for (size_t k = 0; k < p->count; k++) {
            largest = fmax(largest, fabs((double)value[k]));
            square += (double)value[k] * (double)value[k];
        }
        if (i == field.codes) {
            assert_float_equal(sqrt(square / (double)p->count), 0.1, 0.01);
            continue;
        }
        double bound = p->group == STK_GROUP_GRID ? 1e-4 : 1 / sqrt((double)p->shape[1]);
        assert_true(largest <= bound * 1.000001 && largest > bound * 0.8);
    }
    stk_field_weights weights;
    stk_field_weights_view(&field, &params, params.value, &weights);
    assert_ptr_equal(weights.sigma[2], stk_params_value(&params, field.sigma[2]));
    stk_field_grads grads;
    stk_field_grads_view(&field, &params, params.grad, &grads);
    assert_ptr_equal(grads.unc[1], stk_params_grad(&params, field.unc[1]));
    stk_params_clear(&params);
}

/* reference.md 13, item 4: rows [0,-1,0,0], [0,0,-1,2.4], [1,0,0,0]. */
static void camera_identity_json_looks_down_the_depth_axis(void **state) {
    (void)state;
    const float json[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.6f, 0, 0, 0, 1};
    const float R[9] = {0, -1, 0, 0, 0, -1, 1, 0, 0}, origin[3] = {0, 2.4f, 0};
    stk_ngp_camera ngp;
    stk_ngp_camera_from_json(json, 100, 100, 50, 50, &ngp);
    test_assert_close("R", ngp.R, R, 9, 0);
    test_assert_close("origin", ngp.origin, origin, 3, 1e-6);
    float d[3];
    stk_ngp_ray(&ngp, 49.5f, 49.5f, d);
    const float straight[3] = {0, -1, 0};
    test_assert_close("centre ray", d, straight, 3, 1e-7);
}

/* A head point seen by the tracker camera at pixel (u, v) must lie on the ngp ray through (u, v).
 */
static void camera_from_pose_agrees_with_projection(void **state) {
    (void)state;
    const float a = 0.3f, b = -0.2f;
    const stk_pose pose = {{cosf(a), 0, sinf(a), sinf(a) * sinf(b), cosf(b), -cosf(a) * sinf(b),
                            -sinf(a) * cosf(b), sinf(b), cosf(a) * cosf(b)},
                           {0.02f, -0.03f, -0.7f}};
    const stk_camera camera = {900, 256, 250, 512, 500};
    stk_ngp_camera ngp;
    stk_ngp_camera_from_pose(&camera, &pose, &ngp);
    const float points[3][3] = {{0, 0, 0}, {0.05f, -0.04f, 0.06f}, {-0.07f, 0.08f, -0.02f}};
    for (int i = 0; i < 3; i++) {
        float c[3], target[3], d[3];
        for (int k = 0; k < 3; k++)
            c[k] = pose.R[3 * k] * points[i][0] + pose.R[3 * k + 1] * points[i][1] +
                   pose.R[3 * k + 2] * points[i][2] + pose.t[k];
        float u = camera.cx_px - camera.focal_px * c[0] / c[2];
        float v = camera.cy_px + camera.focal_px * c[1] / c[2];
        stk_ngp_from_head(points[i], target);
        stk_ngp_ray(&ngp, u - 0.5f, v - 0.5f, d);
        float distance = 0;
        for (int k = 0; k < 3; k++) distance += (target[k] - ngp.origin[k]) * d[k];
        for (int k = 0; k < 3; k++)
            assert_float_equal(ngp.origin[k] + distance * d[k], target[k], 5e-6);
        assert_true(distance > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(register_released_shape_has_official_tensors),
        cmocka_unit_test(register_au45_has_narrow_expression_net),
        cmocka_unit_test(register_impossible_shape_is_refused),
        cmocka_unit_test(init_draws_within_published_bounds),
        cmocka_unit_test(camera_identity_json_looks_down_the_depth_axis),
        cmocka_unit_test(camera_from_pose_agrees_with_projection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
