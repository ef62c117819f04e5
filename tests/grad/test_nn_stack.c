/* test_nn_stack.c - forward and backward of a stack with everything in it (stride, residual,
 * doubled input, batch norm and bias, reshaped and linear blocks) against a double-precision twin
 * straight from the definition.
 *
 * Forward: float32 sums of at most 150 products of size 1, then norms: 1e-5 of the largest. The
 * gradient goes through six such layers, and each norm's backward takes off two means: 2e-4 of a
 * tensor's largest entry is 300 roundings of it. h = 1e-5 steps over a ReLU's kink at about one
 * entry in 1e4.
 */
#include "support.h"
#include "gradcheck.h"
#include "base/memory.h"
#include "nn/stack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 3, MICRO = 2, BATCH = TASKS * MICRO, LARGEST = 4096 };

static const stk_stack_block BLOCKS[] = {
    {6, 8, 3, 16, 3, 3, 2, 1, 1, 0, 1, 0, 1},  /* 3 x 8 x 16 */
    {3, 8, 16, 16, 3, 3, 1, 1, 1, 0, 1, 1, 1}, /* residual */
    {3, 8, 16, 32, 3, 8, 1, 1, 0, 0, 1, 0, 1}, /* 1 x 1 x 32 */
    {1, 1, 32, 24, 1, 1, 1, 1, 0, 0, 0, 0, 1}, /* linear, bias */
    {2, 3, 4, 8, 3, 3, 1, 1, 1, 1, 1, 0, 1},   /* doubled: 4 x 6 x 8 */
    {4, 6, 8, 3, 3, 3, 1, 1, 1, 0, 0, 0, 0},   /* bias, no ReLU */
};
enum { N = sizeof BLOCKS / sizeof BLOCKS[0] };

typedef struct subject {
    stk_params params;
    stk_stack stack;
    stk_pool *pool;
    float *x, *upstream;
    size_t in, out;
    int train;
} subject;

/* --- the twin --------------------------------------------------------------------------------- */

static void twin_conv(const stk_stack_block *b, const float *w, const double *x, int h, int wide,
                      double *z) {
    int oh, ow;
    stk_stack_block_size(b, &oh, &ow);
    for (int i = 0; i < oh; i++)
        for (int j = 0; j < ow; j++)
            for (int o = 0; o < b->out_c; o++) {
                double sum = 0;
                for (int c = 0; c < b->in_c; c++)
                    for (int ky = 0; ky < b->kernel_h; ky++)
                        for (int kx = 0; kx < b->kernel_w; kx++) {
                            const int y = i * b->stride_h + ky - b->pad;
                            const int v = j * b->stride_w + kx - b->pad;
                            if (y < 0 || v < 0 || y >= h || v >= wide) continue;
                            sum += x[(y * wide + v) * b->in_c + c] *
                                   (double)
                                       w[((o * b->in_c + c) * b->kernel_h + ky) * b->kernel_w + kx];
                        }
                z[(i * ow + j) * b->out_c + o] = sum;
            }
}

static void twin_double(const stk_stack_block *b, const double *x, double *wide) {
    for (int i = 0; i < 2 * b->in_h; i++)
        for (int j = 0; j < 2 * b->in_w; j++)
            for (int c = 0; c < b->in_c; c++)
                wide[(i * 2 * b->in_w + j) * b->in_c + c] =
                    x[(i / 2 * b->in_w + j / 2) * b->in_c + c];
}

static void twin_norm(const subject *s, int i, double z[BATCH][LARGEST]) {
    const stk_stack_block *b = &s->stack.blocks[i];
    const stk_stack_layer *l = &s->stack.layer[i];
    const size_t c = (size_t)b->out_c;
    for (size_t k = 0; k < c; k++) {
        double mean = 0, variance = 0, count = (double)l->rows * BATCH;
        if (b->norm && s->train) {
            for (int n = 0; n < BATCH; n++)
                for (size_t r = 0; r < l->rows; r++) mean += z[n][r * c + k] / count;
            for (int n = 0; n < BATCH; n++)
                for (size_t r = 0; r < l->rows; r++)
                    variance += pow(z[n][r * c + k] - mean, 2) / count;
        } else if (b->norm) {
            mean = (double)stk_params_value(&s->params, l->mean)[k];
            variance = (double)stk_params_value(&s->params, l->variance)[k];
        }
        for (int n = 0; n < BATCH; n++)
            for (size_t r = 0; r < l->rows; r++) {
                double *v = &z[n][r * c + k];
                *v = b->norm ? (*v - mean) / sqrt(variance + 1e-5) *
                                       (double)stk_params_value(&s->params, l->gain)[k] +
                                   (double)stk_params_value(&s->params, l->shift)[k]
                             : *v + (double)stk_params_value(&s->params, l->bias)[k];
            }
    }
}

static void twin(const subject *s, double y[BATCH][LARGEST]) {
    static double z[BATCH][LARGEST], wide[LARGEST];
    for (int n = 0; n < BATCH; n++)
        for (size_t i = 0; i < s->in; i++) y[n][i] = (double)s->x[(size_t)n * s->in + i];
    for (int i = 0; i < N; i++) {
        const stk_stack_block *b = &BLOCKS[i];
        const float *w = stk_params_value(&s->params, s->stack.layer[i].weight);
        for (int n = 0; n < BATCH; n++) {
            if (b->up) twin_double(b, y[n], wide);
            twin_conv(b, w, b->up ? wide : y[n], b->in_h << b->up, b->in_w << b->up, z[n]);
        }
        twin_norm(s, i, z);
        for (int n = 0; n < BATCH; n++)
            for (size_t k = 0; k < s->stack.layer[i].out_floats; k++) {
                const double v = z[n][k] + (b->residual ? y[n][k] : 0);
                y[n][k] = b->relu && v < 0 ? 0 : v;
            }
    }
}

static double objective(void *context) {
    static double y[BATCH][LARGEST];
    const subject *s = context;
    double sum = 0;
    twin(s, y);
    for (int n = 0; n < BATCH; n++)
        for (size_t k = 0; k < s->out; k++)
            sum += (double)s->upstream[(size_t)n * s->out + k] * y[n][k];
    return sum;
}

/* --- cases ------------------------------------------------------------------------------------ */

static void make_as(subject *s, int threads, int bf16) {
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    *s = (subject){.train = 1};
    TEST_OK(stk_params_init(&s->params));
    TEST_OK(stk_stack_register(&s->stack, &s->params, "net.", BLOCKS, N));
    TEST_OK(stk_params_seal(&s->params, 1));
    stk_stack_init(&s->stack, &rng);
    for (int i = 0; i < N; i++) {
        const stk_stack_layer *l = &s->stack.layer[i];
        if (l->gain >= 0)
            for (int k = 0; k < BLOCKS[i].out_c; k++) {
                stk_params_value(&s->params, l->gain)[k] = 0.5f + stk_rng_float(&rng);
                stk_params_value(&s->params, l->mean)[k] = 0.3f * stk_rng_normal(&rng);
                stk_params_value(&s->params, l->variance)[k] = 0.5f + stk_rng_float(&rng);
            }
        stk_params_fill_normal(&s->params, l->gain >= 0 ? l->shift : l->bias, 0.3f, &rng);
    }
    TEST_OK(stk_pool_create(&s->pool, threads));
    const stk_stack_options options = {TASKS, MICRO, 1, bf16};
    TEST_OK(stk_stack_open(&s->stack, s->pool, &options));
    s->in = s->stack.layer[0].in_floats;
    s->out = s->stack.layer[N - 1].out_floats;
    s->x = stk_calloc_aligned(BATCH * s->in, sizeof(float));
    s->upstream = stk_calloc_aligned(BATCH * s->out, sizeof(float));
    for (size_t i = 0; i < BATCH * s->in; i++) s->x[i] = stk_rng_normal(&rng);
    for (size_t i = 0; i < BATCH * s->out; i++) s->upstream[i] = stk_rng_normal(&rng);
    TEST_OK(stk_stack_load(&s->stack));
}

static void make(subject *s, int threads) {
    make_as(s, threads, 0);
}

static void drop(subject *s) {
    stk_stack_close(&s->stack);
    stk_pool_free(&s->pool);
    stk_params_clear(&s->params);
    stk_free(s->x);
    stk_free(s->upstream);
}

static void compare_forward(int train) {
    static double y[BATCH][LARGEST];
    subject s;
    make(&s, 2);
    s.train = train;
    twin(&s, y); /* before the running statistics move */
    TEST_OK(stk_stack_forward(&s.stack, s.x, train));
    const float *out = stk_stack_output(&s.stack);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < BATCH * s.out; i++) {
        const double expected = y[i / s.out][i % s.out];
        worst = fmax(worst, fabs((double)out[i] - expected));
        largest = fmax(largest, fabs(expected));
    }
    assert_true(worst < 1e-5 * largest);
    drop(&s);
}

static void forward_training_agrees_with_twin(void **state) {
    (void)state;
    compare_forward(1);
}

static void forward_evaluation_uses_running_statistics(void **state) {
    (void)state;
    compare_forward(0);
}

static void backward_agrees_with_differences(void **state) {
    subject s;
    const float *dx;
    (void)state;
    make(&s, 2);
    TEST_OK(stk_stack_forward(&s.stack, s.x, 1));
    TEST_OK(stk_stack_backward(&s.stack, s.upstream, &dx));
    for (int i = 0; i < s.params.n; i++) {
        const stk_param *p = &s.params.list[i];
        if (p->group == STK_GROUP_FROZEN) continue;
        const test_gradient check = {.what = p->name,
                                     .x = stk_params_value(&s.params, i),
                                     .gradient = stk_params_grad(&s.params, i),
                                     .n = p->count,
                                     .every = p->count / 24,
                                     .step = 1e-5,
                                     .tolerance = 2e-4,
                                     .absolute = 1e-5};
        test_gradcheck(&check, objective, &s);
    }
    const test_gradient check = {.what = "x",
                                 .x = s.x,
                                 .gradient = dx,
                                 .n = BATCH * s.in,
                                 .every = 17,
                                 .step = 1e-5,
                                 .tolerance = 2e-4,
                                 .absolute = 1e-5};
    test_gradcheck(&check, objective, &s);
    drop(&s);
}

static void step_does_not_depend_on_threads(void **state) {
    subject a, b;
    const float *da, *db;
    (void)state;
    make(&a, 1);
    make(&b, 3);
    TEST_OK(stk_stack_forward(&a.stack, a.x, 1));
    TEST_OK(stk_stack_forward(&b.stack, b.x, 1));
    TEST_OK(stk_stack_backward(&a.stack, a.upstream, &da));
    TEST_OK(stk_stack_backward(&b.stack, b.upstream, &db));
    assert_memory_equal(da, db, BATCH * a.in * sizeof(float));
    assert_memory_equal(a.params.grad, b.params.grad, a.params.total * sizeof(float));
    assert_memory_equal(a.params.value, b.params.value, a.params.total * sizeof(float));
    drop(&a);
    drop(&b);
}

/* Where the processor has bfloat16: factors are off by 2^-9 each, six layers and their norms on. */
static void bf16_agrees_with_float32_roughly(void **state) {
    subject a, b;
    const float *da, *db;
    (void)state;
    make_as(&a, 2, 0);
    make_as(&b, 2, 1);
    TEST_OK(stk_stack_forward(&a.stack, a.x, 1));
    TEST_OK(stk_stack_forward(&b.stack, b.x, 1));
    assert_true(test_relative_l2(stk_stack_output(&b.stack), stk_stack_output(&a.stack),
                                 BATCH * a.out) < 0.02);
    TEST_OK(stk_stack_backward(&a.stack, a.upstream, &da));
    TEST_OK(stk_stack_backward(&b.stack, b.upstream, &db));
    assert_true(test_relative_l2(db, da, BATCH * a.in) < 0.1); /* ReLUs that flip count whole */
    assert_true(test_relative_l2(b.params.grad, a.params.grad, a.params.total) < 0.05);
    drop(&a);
    drop(&b);
}

static void running_statistics_move_a_tenth(void **state) {
    subject s;
    (void)state;
    make(&s, 1);
    const stk_stack_layer *l = &s.stack.layer[0];
    float before[16];
    memcpy(before, stk_params_value(&s.params, l->mean), sizeof before);
    TEST_OK(stk_stack_forward(&s.stack, s.x, 1));
    for (int k = 0; k < 16; k++) {
        double mean = 0;
        for (size_t r = 0; r < BATCH * l->rows; r++) mean += (double)l->z[r * 16 + (size_t)k];
        mean /= (double)(BATCH * l->rows);
        const double expected = 0.9 * (double)before[k] + 0.1 * mean;
        assert_true(fabs((double)stk_params_value(&s.params, l->mean)[k] - expected) < 1e-6);
    }
    drop(&s);
}

static void register_refuses_blocks_that_do_not_fit(void **state) {
    static const stk_stack_block bad[] = {{4, 4, 3, 8, 3, 3, 1, 1, 1, 0, 1, 0, 1},
                                          {4, 4, 7, 8, 3, 3, 1, 1, 1, 0, 1, 0, 1}};
    stk_params params;
    stk_stack stack;
    (void)state;
    TEST_OK(stk_params_init(&params));
    assert_int_equal(stk_stack_register(&stack, &params, "", bad, 2), STK_ERR_ARGUMENT);
    stk_params_clear(&params);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_training_agrees_with_twin),
        cmocka_unit_test(forward_evaluation_uses_running_statistics),
        cmocka_unit_test(backward_agrees_with_differences),
        cmocka_unit_test(step_does_not_depend_on_threads),
        cmocka_unit_test(bf16_agrees_with_float32_roughly),
        cmocka_unit_test(running_statistics_move_a_tenth),
        cmocka_unit_test(register_refuses_blocks_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
