/* Gradients of training's own terms against central differences: the loss of a ray by everything
 * that compositing hands over, and the lip probe by code, weights and bias. */
#include "support.h"
#include "synthetic_subject.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/internal.h"
#include "train/structure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RAYS = 400 };

static float uniform(stk_rng *rng, float lo, float hi) {
    return lo + (hi - lo) * stk_rng_float(rng);
}

/* The total is piecewise smooth: a difference that straddles a kink (colour = target, clamp) is
 * recognised by its two one-sided slopes and left out. Values are of order 1 in float: a step of
 * 2^-8 leaves a rounding error of about 1e-7 / 2^-8 = 3e-5, against slopes of 1/3. */
static int smooth_slope(const stk_ray_pick *pick, const float backdrop[3], stk_ray_out *out,
                        float *value, double *slope) {
    const float step = 0x1p-8f, fraction = 0.7f, middle = *value;
    stk_ray_dout unused;
    double at[3];
    for (int k = 0; k < 3; k++) {
        *value = middle + (float)(k - 1) * step;
        at[k] = (double)stk_train_ray_loss(pick, backdrop, out, fraction, 1.0f, &unused).total;
    }
    *value = middle;
    *slope = (at[2] - at[0]) / (2.0 * (double)step);
    return fabs((at[2] - at[1]) - (at[1] - at[0])) < 2e-6;
}

static void ray_loss_gradient_agrees_with_differences(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 5, 1);
    int compared = 0;
    for (int i = 0; i < RAYS; i++) {
        stk_ray_pick pick = {.in_low_face = i % 2};
        stk_ray_out out = {.weight = uniform(&rng, 0.05f, 0.95f),
                           .amb_aud = uniform(&rng, 0, 9),
                           .amb_exp = uniform(&rng, 0, 9)};
        float backdrop[3];
        for (int c = 0; c < 3; c++) {
            backdrop[c] = uniform(&rng, 0, 1);
            out.rgb[c] = uniform(&rng, -0.3f, 1.1f);
            pick.target[c] = (uint8_t)stk_rng_below(&rng, 256);
        }
        stk_ray_dout dout;
        stk_train_ray_loss(&pick, backdrop, &out, 0.7f, 1.0f, &dout);
        float *values[] = {&out.rgb[0], &out.rgb[1],  &out.rgb[2],
                           &out.weight, &out.amb_aud, &out.amb_exp};
        const float gradients[] = {dout.rgb[0], dout.rgb[1],  dout.rgb[2],
                                   dout.weight, dout.amb_aud, dout.amb_exp};
        for (int k = 0; k < 6; k++) {
            double slope;
            if (!smooth_slope(&pick, backdrop, &out, values[k], &slope)) continue;
            compared++;
            if (fabs(slope - (double)gradients[k]) > 1e-4)
                fail_msg("ray %d value %d: %g against %g", i, k, (double)gradients[k], slope);
        }
    }
    print_message("%d of %d slopes compared\n", compared, 6 * RAYS);
    assert_true(compared > 4 * RAYS);
}

/* The published loss by everything but what is a constant to it: its colour error enters the
 * uncertainty term as a number, so rays in the face are differenced by uncertainty and
 * ambient sums alone. */
static int published_slope(const stk_ray_target *target, stk_ray_out *out, float share,
                           float *value, double *slope) {
    const float step = 0x1p-8f, fraction = 0.7f, middle = *value;
    stk_ray_dout unused;
    double at[3];
    for (int k = 0; k < 3; k++) {
        *value = middle + (float)(k - 1) * step;
        at[k] = (double)stk_loss_published(target, out, share, fraction, 1.0f, &unused);
    }
    *value = middle;
    *slope = (at[2] - at[0]) / (2.0 * (double)step);
    return fabs((at[2] - at[1]) - (at[1] - at[0])) < 4e-6;
}

static void published_loss_gradient_agrees_with_differences(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 6, 1);
    int compared = 0;
    for (int i = 0; i < RAYS; i++) {
        stk_ray_target target = {.in_low_face = i % 2, .in_face = i / 2 % 2};
        stk_ray_out out = {.weight = uniform(&rng, 0.05f, 0.95f),
                           .amb_aud = uniform(&rng, 0, 9),
                           .amb_exp = uniform(&rng, 0, 9),
                           .unc = uniform(&rng, 0, 2)};
        for (int c = 0; c < 3; c++) {
            target.behind[c] = uniform(&rng, 0, 1);
            target.rgb[c] = uniform(&rng, 0, 1);
            out.rgb[c] = uniform(&rng, -0.3f, 1.1f);
        }
        const float share = uniform(&rng, 0, 3);
        stk_ray_dout dout;
        stk_loss_published(&target, &out, share, 0.7f, 1.0f, &dout);
        float *values[] = {&out.unc,    &out.amb_aud, &out.amb_exp, &out.rgb[0],
                           &out.rgb[1], &out.rgb[2],  &out.weight};
        const float gradients[] = {dout.unc,    dout.amb_aud, dout.amb_exp, dout.rgb[0],
                                   dout.rgb[1], dout.rgb[2],  dout.weight};
        for (int k = 0; k < (target.in_face ? 3 : 7); k++) {
            double slope;
            if (!published_slope(&target, &out, share, values[k], &slope)) continue;
            compared++;
            if (fabs(slope - (double)gradients[k]) > 1.5e-4)
                fail_msg("ray %d value %d: %g against %g", i, k, (double)gradients[k], slope);
        }
    }
    print_message("%d slopes compared\n", compared);
    assert_true(compared > 4 * RAYS);
}

/* Shares are n times a softmax: they sum to n and keep their ratios, however large the values. */
static void shares_are_a_softmax(void **state) {
    (void)state;
    enum { N = 5 };
    stk_ray_out rays[N] = {{.unc = 0.5f}, {.unc = 90}, {.unc = 89}, {.unc = 90}, {.unc = 0}};
    float shares[N];
    stk_loss_shares(N, rays, shares);
    assert_float_equal(shares[0] + shares[1] + shares[2] + shares[3] + shares[4], N, 1e-5);
    assert_float_equal(shares[1] / shares[2], exp(1), 1e-5);
    assert_true(shares[1] == shares[3] && shares[0] >= 0 && shares[4] >= 0);
    assert_float_equal(stk_loss_attention(2, 0), 1, 1e-6);
    assert_float_equal(stk_loss_attention(2, 1), 1.8, 1e-6);
    assert_float_equal(stk_loss_attention(50, 1), 8.2, 1e-5);
}

/* Linear but for its kink: one difference per value, step 2^-6 of values of order 1. */
static void smoothness_gradient_agrees_with_differences(void **state) {
    (void)state;
    enum { N = 200 };
    float still[N], moved[N], dmoved[N], unused[N];
    stk_rng rng;
    stk_rng_seed(&rng, 7, 1);
    for (int i = 0; i < N; i++) still[i] = uniform(&rng, 0, 3), moved[i] = uniform(&rng, 0, 3);
    moved[3] = still[3];
    stk_loss_smoothness(N, still, moved, 0.8, dmoved);
    assert_true(dmoved[3] == 0);
    for (int i = 0; i < N; i++) {
        const float middle = moved[i], step = 0x1p-6f;
        if (fabsf(middle - still[i]) < 2 * step) continue;
        moved[i] = middle + step;
        double up = stk_loss_smoothness(N, still, moved, 0.8, unused);
        moved[i] = middle - step;
        double down = stk_loss_smoothness(N, still, moved, 0.8, unused);
        moved[i] = middle;
        assert_float_equal((up - down) / (2.0 * (double)step), dmoved[i], 1e-6);
    }
}

/* A chequered difference: the gradients differ by 0.04 at least everywhere, so no kink of |.| is
 * near. Single values move the distance by less than its windows' rounding where several scales
 * are averaged, so half of them move at once, each the way its gradient says: 2e-3 of a distance
 * that is good to 1e-6. */
static void check_structure(int width, int height) {
    enum { MOST = 3 * 48 * 48, WAYS = 12 };
    static float made[MOST], real[MOST], dmade[MOST], way[MOST], at_way[MOST], unused[MOST];
    const int n = 3 * width * height;
    assert_true(n <= MOST);
    float *scratch = stk_calloc_aligned(stk_structure_scratch_floats(width, height), sizeof(float));
    stk_rng rng;
    stk_rng_seed(&rng, 8, 1);
    for (int i = 0; i < n; i++) {
        real[i] = uniform(&rng, 0.2f, 0.8f);
        made[i] = 0.9f * real[i] + ((i / 3 % width + i / 3 / width) % 2 ? 0.1f : 0.0f);
    }
    const double value = stk_structure(width, height, made, real, 1, dmade, scratch);
    assert_true(value > 0.03 && value < 1);
    for (int k = 0; k < WAYS; k++) {
        const float step = 0x1p-9f;
        double slope = 0, at[2];
        for (int i = 0; i < n; i++) {
            way[i] = stk_rng_below(&rng, 2) ? 0.0f : dmade[i] > 0 ? step : -step;
            slope += (double)way[i] * (double)dmade[i];
        }
        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < n; i++) at_way[i] = made[i] + (side ? way[i] : -way[i]);
            at[side] = stk_structure(width, height, at_way, real, 1, unused, scratch);
        }
        if (!(fabs((at[1] - at[0]) / 2 / slope - 1) < 0.01))
            fail_msg("%dx%d: %g against %g", width, height, slope, (at[1] - at[0]) / 2);
    }
    assert_true(stk_structure(width, height, real, real, 1, unused, scratch) < 1e-6);
    stk_free(scratch);
}

static void structure_gradient_agrees_with_differences(void **state) {
    (void)state;
    check_structure(48, 47); /* three scales */
    check_structure(23, 11); /* one */
    check_structure(40, 9);  /* no window fits: gradients alone */
}

static stk_trainer *trainer_of_a_disc(void) {
    static char subject[STK_PATH_MAX];
    TEST_OK(stk_path_join(subject, sizeof subject, test_temporary_folder(), "disc"));
    TEST_OK(synthetic_subject_write(subject, 40, 64));
    const stk_train_settings settings = {.subject = subject,
                                         .threads = 1,
                                         .seed = 2,
                                         .rays = 256,
                                         .frames = 4,
                                         .lr_grid = 0.01f,
                                         .lr_net = 0.001f};
    stk_trainer *t;
    TEST_OK(stk_trainer_create(&t, &settings, NULL));
    TEST_OK(stk_trainer_step(t, 0.0)); /* fills the batch and the audio codes */
    return t;
}

static float lips_at(const stk_trainer *t) {
    float daudio[STK_AUD] = {0}, dweight[STK_LIPS * STK_AUD] = {0}, dbias[STK_LIPS] = {0};
    return stk_train_lips(t, 1, daudio, dweight, dbias);
}

/* d/dx of the quadratic loss: central differences are exact but for rounding (1e-7 of a loss of
 * order 1 over a step of 2^-4: 2e-6). The gradients carry the probe's weight 0.02 / slots. */
static void lip_probe_gradient_agrees_with_differences(void **state) {
    (void)state;
    stk_trainer *t = trainer_of_a_disc();
    t->fraction = 0;
    float daudio[STK_AUD] = {0}, dweight[STK_LIPS * STK_AUD] = {0}, dbias[STK_LIPS] = {0};
    stk_train_lips(t, 1, daudio, dweight, dbias);
    const float scale = 0.02f / (float)t->plan.slots, step = 0x1p-4f;
    const struct {
        float *values;
        const float *gradient;
        int count;
    } groups[] = {
        {t->audio_code + STK_AUD, daudio, STK_AUD},
        {stk_params_value(&t->nets.params, t->nets.lip_weight), dweight, STK_LIPS * STK_AUD},
        {stk_params_value(&t->nets.params, t->nets.lip_bias), dbias, STK_LIPS},
    };
    for (int g = 0; g < 3; g++) {
        for (int i = 0; i < groups[g].count; i++) {
            float *value = &groups[g].values[i], middle = *value;
            *value = middle + step;
            double up = (double)lips_at(t);
            *value = middle - step;
            double down = (double)lips_at(t);
            *value = middle;
            double slope = (double)scale * (up - down) / (2.0 * (double)step);
            double error = fabs(slope - (double)groups[g].gradient[i]);
            if (error > (double)scale * 2e-5 + 1e-3 * fabs(slope))
                fail_msg("group %d entry %d: %g against %g", g, i, (double)groups[g].gradient[i],
                         slope);
        }
    }
    stk_trainer_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ray_loss_gradient_agrees_with_differences),
        cmocka_unit_test(published_loss_gradient_agrees_with_differences),
        cmocka_unit_test(shares_are_a_softmax),
        cmocka_unit_test(smoothness_gradient_agrees_with_differences),
        cmocka_unit_test(structure_gradient_agrees_with_differences),
        cmocka_unit_test(lip_probe_gradient_agrees_with_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
