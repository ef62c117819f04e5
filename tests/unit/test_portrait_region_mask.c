/* Region masks: heights on the head found again through a pose, shares above, between and below. */
#include "support.h"
#include "portrait/field.h"
#include "portrait/region_mask.h"

#include <math.h>

static float share(const float plane[4], const float x[3]) {
    const float m = plane[0] * x[0] + plane[1] * x[1] + plane[2] * x[2] + plane[3];
    return stk_clampf(m, 0, 1);
}

/* A head turned by 0.3 and nodding by -0.2 rad. */
static stk_pose oblique(void) {
    const float a = 0.3f, b = -0.2f;
    return (stk_pose){{cosf(a), 0, sinf(a), sinf(b) * sinf(a), cosf(b), -sinf(b) * cosf(a),
                       -cosf(b) * sinf(a), sinf(b), cosf(b) * cosf(a)},
                      {0.02f, -0.03f, -0.6f}};
}

static void height_of_a_projected_point_is_its_own(void **state) {
    (void)state;
    const stk_camera camera = {1200, 250, 260, 512, 512};
    const stk_pose pose = oblique();
    static const float points[][3] = {
        {0, 0.03f, 0.05f}, {-0.04f, -0.05f, 0.02f}, {0.03f, 0, 0.08f}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(points); i++) {
        const float *p = points[i];
        float c[3];
        for (int k = 0; k < 3; k++)
            c[k] = pose.R[3 * k] * p[0] + pose.R[3 * k + 1] * p[1] + pose.R[3 * k + 2] * p[2] +
                   pose.t[k];
        const float u = camera.cx_px - camera.focal_px * c[0] / c[2];
        const float v = camera.cy_px + camera.focal_px * c[1] / c[2];
        assert_float_equal(stk_height_on_head(&camera, &pose, p[2], u, v), p[1], 1e-6);
    }
}

static void shares_add_up_and_fade_between_the_heights(void **state) {
    (void)state;
    stk_region_mask mask;
    stk_region_mask_init(&mask, 0.03f, -0.01f);
    assert_int_equal(mask.on, 1);
    static const struct {
        float height, lips;
    } cases[] = {{0.1f, 0}, {0.03f, 0}, {0.02f, 0.25f}, {0.01f, 0.5f}, {-0.01f, 1}, {-0.1f, 1}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        const float head[3] = {0.04f, cases[i].height, -0.03f};
        float x[3];
        stk_ngp_from_head(head, x);
        assert_float_equal(share(mask.audio, x), cases[i].lips, 1e-5);
        assert_float_equal(share(mask.exp, x), 1 - cases[i].lips, 1e-5);
    }
}

/* Heights that tracking has confused do not make a cliff, or a mask upside down. */
static void heights_in_the_wrong_order_still_fade(void **state) {
    (void)state;
    stk_region_mask mask;
    stk_region_mask_init(&mask, -0.01f, 0.03f);
    const float slope = 1 / (4 * STK_REGION_RAMP_MIN);
    assert_float_equal(mask.audio[0], -slope, 1e-3 * slope);
    assert_float_equal(mask.exp[0], slope, 1e-3 * slope);
    const float middle[3] = {0.04f, 0, 0};
    assert_float_equal(share(mask.audio, middle), 0.5f, 1e-4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(height_of_a_projected_point_is_its_own),
        cmocka_unit_test(shares_add_up_and_fade_between_the_heights),
        cmocka_unit_test(heights_in_the_wrong_order_still_fade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
