/* test_face_sync_sync_loss.c - gradients of the lip-sync loss against differences of a twin in
 * double precision, straight from the formulas of sync_loss.h.
 *
 * Similarities are float sums of 512 products (1e-6); 1 / (1 - sim) magnifies that up to tenfold
 * here, and gradients lose their component along the code: 1e-4 of the largest entry.
 */
#include "support.h"
#include "gradcheck.h"
#include "base/memory.h"
#include "face_sync/sync_loss.h"

#include <math.h>
#include <stdlib.h>

enum { N = 6, D = STK_SYNC_CODE };

/* 0 and 1 are of one clip and one frame apart: neither in sync nor out of it. */
static const int32_t CLIP[N] = {0, 0, 0, 1, 1, 2}, FRAME[N] = {10, 11, 30, 10, 90, 10};

typedef struct subject {
    float sound[N * D], picture[N * D], log_scale;
    stk_sync_weights weights;
} subject;

static double cosine(const float *a, const float *b) {
    double ab = 0, aa = 0, bb = 0;
    for (int k = 0; k < D; k++) {
        ab += (double)a[k] * (double)b[k];
        aa += (double)a[k] * (double)a[k];
        bb += (double)b[k] * (double)b[k];
    }
    return ab / sqrt(aa * bb);
}

static int counts(int i, int j) {
    return i == j || CLIP[i] != CLIP[j] || abs(FRAME[i] - FRAME[j]) >= STK_SYNC_APART;
}

static double objective(void *context) {
    const subject *s = context;
    double sim[N][N], bce = 0, nce = 0, others = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            sim[i][j] = cosine(s->picture + i * D, s->sound + j * D);
            others += i != j && counts(i, j);
        }
    for (int i = 0; i < N; i++) {
        double by_sound = 0, by_picture = 0, scale = exp((double)s->log_scale);
        for (int j = 0; j < N; j++) {
            if (!counts(i, j)) continue;
            bce -= i == j ? 0.5 / N * log(sim[i][j]) : 0.5 / others * log(1 - sim[i][j]);
            by_sound += exp(scale * sim[i][j]);
            by_picture += exp(scale * sim[j][i]);
        }
        nce += 0.5 / N * (log(by_sound) + log(by_picture) - 2 * scale * sim[i][i]);
    }
    return (double)s->weights.bce * bce + (double)s->weights.nce * nce;
}

static void make(subject *s, float bce, float nce) {
    stk_rng rng;
    stk_rng_seed(&rng, 3, 0);
    s->weights = (stk_sync_weights){bce, nce};
    s->log_scale = 1.5f;
    for (int i = 0; i < N * D; i++) { /* not negative, as after a ReLU, and somewhat alike */
        const float common = stk_rng_float(&rng);
        s->sound[i] = fabsf(common + 0.7f * stk_rng_normal(&rng));
        s->picture[i] = fabsf(common + 0.7f * stk_rng_normal(&rng));
    }
}

static void compare(float bce, float nce) {
    static subject s;
    stk_sync_loss loss;
    stk_sync_figures figures;
    make(&s, bce, nce);
    TEST_OK(stk_sync_loss_init(&loss, N));
    stk_sync_loss_run(&loss, &s.weights, s.sound, s.picture, CLIP, FRAME, s.log_scale, &figures);
    const double expected = objective(&s);
    assert_true(fabs((double)bce * figures.bce + (double)nce * figures.nce - expected) <
                1e-5 * expected);
    const test_gradient checks[] = {
        {"sound", s.sound, loss.dsound, N * D, 37, 1e-4, 1e-4, 1e-9},
        {"picture", s.picture, loss.dpicture, N * D, 41, 1e-4, 1e-4, 1e-9},
        {"scale", &s.log_scale, &loss.dlog_scale, 1, 1, 1e-4, 1e-4, 1e-9},
    };
    for (size_t i = 0; i < 3; i++) test_gradcheck(&checks[i], objective, &s);
    stk_sync_loss_clear(&loss);
}

static void bce_gradients_agree_with_differences(void **state) {
    (void)state;
    compare(1, 0);
}

static void nce_gradients_agree_with_differences(void **state) {
    (void)state;
    compare(0, 1);
}

static void mixed_gradients_agree_with_differences(void **state) {
    (void)state;
    compare(0.3f, 1.7f);
}

static void hits_equal_codes_are_all_found(void **state) {
    static subject s;
    stk_sync_loss loss;
    stk_sync_figures figures;
    (void)state;
    make(&s, 1, 1);
    for (int i = 0; i < N * D; i++) s.picture[i] = 2 * s.sound[i];
    TEST_OK(stk_sync_loss_init(&loss, N));
    stk_sync_loss_run(&loss, &s.weights, s.sound, s.picture, CLIP, FRAME, s.log_scale, &figures);
    assert_true(figures.hits == 1 && figures.apart > 0);
    stk_sync_loss_clear(&loss);
}

static void zero_codes_give_finite_gradients(void **state) {
    static subject s;
    stk_sync_loss loss;
    stk_sync_figures figures;
    (void)state;
    make(&s, 1, 1);
    for (int i = 0; i < D; i++) s.picture[i] = s.sound[D + i] = 0;
    TEST_OK(stk_sync_loss_init(&loss, N));
    stk_sync_loss_run(&loss, &s.weights, s.sound, s.picture, CLIP, FRAME, s.log_scale, &figures);
    assert_true(isfinite(figures.bce) && isfinite(figures.nce));
    for (int i = 0; i < N * D; i++)
        assert_true(isfinite(loss.dsound[i]) && isfinite(loss.dpicture[i]));
    stk_sync_loss_clear(&loss);
}

static void l1_loss_gives_mean_and_signs(void **state) {
    const float y[] = {1, 2, 3, 4}, target[] = {0.5f, 2, 4, 2};
    float dy[4];
    (void)state;
    assert_true(fabs(stk_l1_loss(4, y, target, 2, dy) - 0.875) < 1e-12);
    assert_true(dy[0] == 0.5f && dy[1] == 0 && dy[2] == -0.5f && dy[3] == 0.5f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bce_gradients_agree_with_differences),
        cmocka_unit_test(nce_gradients_agree_with_differences),
        cmocka_unit_test(mixed_gradients_agree_with_differences),
        cmocka_unit_test(hits_equal_codes_are_all_found),
        cmocka_unit_test(zero_codes_give_finite_gradients),
        cmocka_unit_test(l1_loss_gives_mean_and_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
