/* Single operators on small tensors, against values worked out by hand or by a direct loop. */
#include "support.h"
#include "flat_writer.h"
#include "base/rng.h"
#include "tflite/tflite.h"

#include <math.h>
#include <string.h>

static uint8_t file[TEST_FLAT_BYTES];

/* Opens, feeds the variable inputs in order, runs, and compares output 0. */
static void expect_output(const test_flat_op *op, const float *const *inputs, const float *expected,
                          size_t count, double tolerance) {
    for (int reference = 0; reference < 2; reference++) {
        stk_tflite *graph;
        size_t size = test_flat_write(op, file);
        TEST_OK(stk_tflite_open_as(&graph, file, size, "test", (stk_tflite_options){reference, 0}));
        for (int i = 0; i < stk_tflite_input_count(graph); i++) {
            stk_tflite_tensor in = stk_tflite_input(graph, i);
            memcpy(in.data, inputs[i], in.count * sizeof(float));
        }
        TEST_OK(stk_tflite_run(graph));
        stk_tflite_tensor out = stk_tflite_output(graph, 0);
        assert_int_equal(out.count, count);
        test_assert_close(stk_tflite_op_name(graph, 0), out.data, expected, count, tolerance);
        stk_tflite_close(&graph);
    }
}

static void expect_refused(const test_flat_op *op, stk_status status) {
    stk_tflite *graph;
    size_t size = test_flat_write(op, file);
    assert_int_equal(stk_tflite_open(&graph, file, size, "test"), status);
    assert_null(graph);
}

#define ONE(...) (const float *const[]){(const float[]){__VA_ARGS__}}

static void unary_operators_give_definitions(void **state) {
    (void)state;
    static const float x[4] = {-4, -0.5f, 0.25f, 7};
    static const struct {
        int code;
        float expected[4];
        double tolerance;
    } cases[] = {
        {19, {0, 0, 0.25f, 7}, 0},                            /* RELU */
        {20, {-1, -0.5f, 0.25f, 1}, 0},                       /* RELU_N1_TO_1 */
        {21, {0, 0, 0.25f, 6}, 0},                            /* RELU6 */
        {14, {0.01798621f, 0.37754067f, 0.56217650f, 0.99908895f}, 1e-7}, /* LOGISTIC */
        {28, {-0.99932930f, -0.46211716f, 0.24491866f, 0.99999834f}, 1e-7}, /* TANH */
        {117, {0, -0.5f * 2.5f / 6, 0.25f * 3.25f / 6, 7}, 1e-7},           /* HARD_SWISH */
        {59, {4, 0.5f, -0.25f, -7}, 0},                       /* NEG */
        {101, {4, 0.5f, 0.25f, 7}, 0},                        /* ABS */
        {92, {16, 0.25f, 0.0625f, 49}, 0},                    /* SQUARE */
        {47, {0.01831564f, 0.60653066f, 1.28402542f, 1096.63316f}, 2e-4},   /* EXP */
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        test_flat_op op = {.code = cases[i].code, .inputs = 1, .outputs = 1,
                           .tensors = {{2, {2, 2}, 0, NULL}, {2, {2, 2}, 0, NULL}}};
        expect_output(&op, (const float *const[]){x}, cases[i].expected, 4, cases[i].tolerance);
    }
    test_flat_op root = {.code = 75, .inputs = 1, .outputs = 1,
                         .tensors = {{1, {2}, 0, NULL}, {1, {2}, 0, NULL}}};
    expect_output(&root, ONE(4, 0.25f), (float[]){2, 0.5f}, 2, 0);
    root.code = 76; /* RSQRT */
    expect_output(&root, ONE(4, 0.25f), (float[]){0.5f, 2}, 2, 0);
    root.code = 73; /* LOG */
    expect_output(&root, ONE(1, 2.71828183f), (float[]){0, 1}, 2, 1e-6);
    root.code = 98; /* LEAKY_RELU, alpha 0.5 */
    root.option_count = 1;
    root.options[0] = 0x3f000000;
    expect_output(&root, ONE(-4, 3), (float[]){-2, 3}, 2, 0);
    root.code = 98;
    root.tensors[1].shape[0] = 3;
    expect_refused(&root, STK_ERR_FORMAT);
}

static float apply(int code, float u, float v) {
    switch (code) {
    case 0: return u + v;
    case 41: return u - v;
    case 18: return u * v;
    case 42: return u / v;
    case 55: return fmaxf(u, v);
    case 57: return fminf(u, v);
    case 99: return (u - v) * (u - v);
    default: return u > 0 ? u : u * v; /* PRELU */
    }
}

/* Every operator with every pair of broadcast patterns of a [2][3][4] result. */
static void binary_operators_broadcast(void **state) {
    (void)state;
    static const int codes[] = {0, 41, 18, 42, 55, 57, 99, 54};
    static const int full[3] = {2, 3, 4};
    float a[24], b[24], expected[24];
    stk_rng rng;
    stk_rng_seed(&rng, 3, 0);
    for (int i = 0; i < 24; i++) a[i] = stk_rng_normal(&rng), b[i] = 1 + stk_rng_float(&rng);
    for (size_t c = 0; c < STK_ARRAY_SIZE(codes); c++)
        for (int mask = 0; mask < 64; mask++) {
            test_flat_op op = {.code = codes[c], .inputs = 2, .outputs = 1, .option_count = 1};
            int shape[3], stride[2][3];
            for (int k = 0; k < 2; k++) op.tensors[k].rank = 3;
            for (int d = 0; d < 3; d++) {
                op.tensors[0].shape[d] = mask >> d & 1 ? 1 : full[d];
                op.tensors[1].shape[d] = mask >> (d + 3) & 1 ? 1 : full[d];
                shape[d] = op.tensors[0].shape[d] > op.tensors[1].shape[d] ? op.tensors[0].shape[d]
                                                                           : op.tensors[1].shape[d];
            }
            op.tensors[2].rank = 3;
            memcpy(op.tensors[2].shape, shape, sizeof shape);
            for (int k = 0; k < 2; k++)
                for (int d = 2, step = 1; d >= 0; d--) {
                    stride[k][d] = op.tensors[k].shape[d] == 1 ? 0 : step;
                    step *= op.tensors[k].shape[d];
                }
            size_t n = 0;
            for (int i = 0; i < shape[0]; i++)
                for (int j = 0; j < shape[1]; j++)
                    for (int k = 0; k < shape[2]; k++)
                        expected[n++] = apply(
                            codes[c], a[i * stride[0][0] + j * stride[0][1] + k * stride[0][2]],
                            b[i * stride[1][0] + j * stride[1][1] + k * stride[1][2]]);
            expect_output(&op, (const float *const[]){a, b}, expected, n, 0);
        }
}

static void binary_fused_activation_and_bad_shapes(void **state) {
    (void)state;
    test_flat_op op = {.code = 0, .inputs = 2, .outputs = 1, .option_count = 1, .options = {3},
                       .tensors = {{1, {3}, 0, NULL}, {0, {0}, 0, NULL}, {1, {3}, 0, NULL}}};
    const float x[3] = {-9, 1, 9}, one = 1;
    expect_output(&op, (const float *const[]){x, &one}, (float[]){0, 2, 6}, 3, 0);
    op.options[0] = 4; /* TANH fused: no known graph has it */
    expect_refused(&op, STK_ERR_UNSUPPORTED);
    op.options[0] = 0;
    op.tensors[1] = (test_flat_tensor){1, {2}, 0, NULL};
    expect_refused(&op, STK_ERR_FORMAT);
    op.tensors[1] = (test_flat_tensor){1, {3}, 0, NULL};
    op.tensors[2] = (test_flat_tensor){1, {4}, 0, NULL};
    expect_refused(&op, STK_ERR_FORMAT);
}

static void reduce_operators_over_axes(void **state) {
    (void)state;
    static const int32_t axis[2] = {-1, 0};
    const float x[6] = {1, 2, 3, -4, 5, 9};
    test_flat_op op = {.code = 40, .inputs = 2, .outputs = 1, .option_count = 1, .options = {1},
                       .tensors = {{2, {2, 3}, 0, NULL}, {1, {1}, 2, axis}, {2, {2, 1}, 0, NULL}}};
    expect_output(&op, (const float *const[]){x}, (float[]){2, 10.f / 3}, 2, 1e-6);
    op.code = 74, op.options[0] = 0, op.tensors[2] = (test_flat_tensor){1, {2}, 0, NULL};
    expect_output(&op, (const float *const[]){x}, (float[]){6, 10}, 2, 0);
    op.code = 82, op.tensors[1].shape[0] = 2, op.tensors[2] = (test_flat_tensor){0, {0}, 0, NULL};
    expect_output(&op, (const float *const[]){x}, (float[]){9}, 1, 0);
    op.tensors[1].data = (const int32_t[]){5, 0};
    expect_refused(&op, STK_ERR_FORMAT);
}

static void softmax_rows_sum_to_one(void **state) {
    (void)state;
    test_flat_op op = {.code = 25, .inputs = 1, .outputs = 1, .option_count = 1,
                       .options = {0x3f800000},
                       .tensors = {{2, {2, 2}, 0, NULL}, {2, {2, 2}, 0, NULL}}};
    expect_output(&op, ONE(0, 0, 100, 98),
                  (float[]){0.5f, 0.5f, 0.88079708f, 0.11920292f}, 4, 1e-6);
}

static void pools_by_hand(void **state) {
    (void)state;
    const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    test_flat_op op = {.code = 17, .inputs = 1, .outputs = 1, .option_count = 6,
                       .options = {0, 2, 2, 2, 2, 0},
                       .tensors = {{4, {1, 3, 3, 1}, 0, NULL}, {4, {1, 2, 2, 1}, 0, NULL}}};
    expect_output(&op, (const float *const[]){x}, (float[]){5, 6, 8, 9}, 4, 0);
    op.code = 1; /* average: positions outside do not count */
    expect_output(&op, (const float *const[]){x}, (float[]){3, 4.5f, 7.5f, 9}, 4, 1e-6);
    op.options[0] = 1; /* VALID */
    op.tensors[1] = (test_flat_tensor){4, {1, 1, 1, 1}, 0, NULL};
    expect_output(&op, (const float *const[]){x}, (float[]){3}, 1, 1e-6);
    op.options[1] = 0; /* stride 0 */
    expect_refused(&op, STK_ERR_FORMAT);
}

static void argmax_pool_then_unpool_restores_maxima(void **state) {
    (void)state;
    static const int32_t options[9] = {2, 2, 2, 2, 2, 0, -1, -1, 0};
    const float x[16] = {1, 5, 2, 0, 3, 4, 9, 1, 0, 0, 7, 7, 8, 0, 7, 7};
    test_flat_op pool = {.code = 32, .custom_name = "MaxPoolingWithArgmax2D", .inputs = 1,
                         .outputs = 2, .custom = options, .custom_size = sizeof options,
                         .tensors = {{4, {1, 4, 4, 1}, 0, NULL}, {4, {1, 2, 2, 1}, 0, NULL},
                                     {4, {1, 2, 2, 1}, 0, NULL}}};
    expect_output(&pool, (const float *const[]){x}, (float[]){5, 9, 8, 7}, 4, 0);
    test_flat_op unpool = {.code = 32, .custom_name = "MaxUnpooling2D", .inputs = 2, .outputs = 1,
                           .custom = options, .custom_size = sizeof options,
                           .tensors = {{4, {1, 2, 2, 1}, 0, NULL}, {4, {1, 2, 2, 1}, 0, NULL},
                                       {4, {1, 4, 4, 1}, 0, NULL}}};
    const float y[4] = {5, 9, 8, 7}, where[4] = {1.1f, 2.1f, 2.1f, 0.1f};
    const float expected[16] = {0, 5, 0, 0, 0, 0, 9, 0, 0, 0, 7, 0, 8, 0, 0, 0};
    expect_output(&unpool, (const float *const[]){y, where}, expected, 16, 0);
    unpool.custom_size = 8;
    expect_refused(&unpool, STK_ERR_FORMAT);
}

static void resize_flags_give_tflite_positions(void **state) {
    (void)state;
    static const int32_t size[2] = {1, 4};
    const float x[2] = {0, 8};
    test_flat_op op = {.code = 23, .inputs = 2, .outputs = 1, .option_count = 4,
                       .tensors = {{4, {1, 1, 2, 1}, 0, NULL}, {1, {2}, 2, size},
                                   {4, {1, 1, 4, 1}, 0, NULL}}};
    expect_output(&op, (const float *const[]){x}, (float[]){0, 4, 8, 8}, 4, 1e-6);
    op.options[3] = 1; /* half pixel centres */
    expect_output(&op, (const float *const[]){x}, (float[]){0, 2, 6, 8}, 4, 1e-6);
    op.options[2] = 1, op.options[3] = 0; /* aligned corners */
    expect_output(&op, (const float *const[]){x}, (float[]){0, 8.f / 3, 16.f / 3, 8}, 4, 1e-5);
    op.code = 97, op.option_count = 2, op.options[0] = op.options[1] = 0; /* nearest */
    expect_output(&op, (const float *const[]){x}, (float[]){0, 0, 8, 8}, 4, 0);
}

static void layout_operators_move_numbers(void **state) {
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, y[2] = {7, 8};
    test_flat_op transpose = {.code = 39, .inputs = 2, .outputs = 1,
                              .tensors = {{2, {2, 3}, 0, NULL}, {1, {2}, 2, (int32_t[]){1, 0}},
                                          {2, {3, 2}, 0, NULL}}};
    expect_output(&transpose, (const float *const[]){x}, (float[]){1, 4, 2, 5, 3, 6}, 6, 0);
    test_flat_op pad = {.code = 34, .inputs = 2, .outputs = 1,
                        .tensors = {{2, {1, 2}, 0, NULL}, {2, {2, 2}, 2, (int32_t[]){1, 0, 0, 1}},
                                    {2, {2, 3}, 0, NULL}}};
    expect_output(&pad, (const float *const[]){y}, (float[]){0, 0, 0, 7, 8, 0}, 6, 0);
    test_flat_op concat = {.code = 2, .inputs = 2, .outputs = 1, .option_count = 2,
                           .options = {(uint32_t)-1, 0},
                           .tensors = {{2, {2, 3}, 0, NULL}, {2, {2, 1}, 0, NULL},
                                       {2, {2, 4}, 0, NULL}}};
    expect_output(&concat, (const float *const[]){x, y}, (float[]){1, 2, 3, 7, 4, 5, 6, 8}, 8, 0);
    concat.tensors[2].shape[1] = 5;
    expect_refused(&concat, STK_ERR_FORMAT);
    test_flat_op split = {.code = 49, .inputs = 2, .outputs = 3, .option_count = 1, .options = {3},
                          .tensors = {{0, {0}, 2, (int32_t[]){1}}, {2, {2, 3}, 0, NULL},
                                      {2, {2, 1}, 0, NULL}, {2, {2, 1}, 0, NULL},
                                      {2, {2, 1}, 0, NULL}}};
    expect_output(&split, (const float *const[]){x}, (float[]){1, 4}, 2, 0);
    test_flat_op slice = {.code = 65, .inputs = 3, .outputs = 1,
                          .tensors = {{2, {2, 3}, 0, NULL}, {1, {2}, 2, (int32_t[]){0, 1}},
                                      {1, {2}, 2, (int32_t[]){2, -1}}, {2, {2, 2}, 0, NULL}}};
    expect_output(&slice, (const float *const[]){x}, (float[]){2, 3, 5, 6}, 4, 0);
    test_flat_op reshape = {.code = 22, .inputs = 1, .outputs = 1,
                            .tensors = {{2, {2, 3}, 0, NULL}, {3, {3, 1, 2}, 0, NULL}}};
    expect_output(&reshape, (const float *const[]){x}, x, 6, 0);
}

/* NumPy's x[begin:end:step] with masks. */
static void strided_slice_follows_numpy(void **state) {
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    test_flat_op op = {.code = 45, .inputs = 4, .outputs = 1, .option_count = 5,
                       .tensors = {{1, {6}, 0, NULL}, {1, {1}, 2, (int32_t[]){1}},
                                   {1, {1}, 2, (int32_t[]){-1}}, {1, {1}, 2, (int32_t[]){2}},
                                   {1, {2}, 0, NULL}}};
    expect_output(&op, (const float *const[]){x}, (float[]){2, 4}, 2, 0); /* x[1:-1:2] */
    op.tensors[3].data = (int32_t[]){-2}, op.options[0] = op.options[1] = 1;
    op.tensors[4].shape[0] = 3;
    expect_output(&op, (const float *const[]){x}, (float[]){6, 4, 2}, 3, 0); /* x[::-2] */
    op.options[0] = op.options[1] = 0, op.options[4] = 1; /* x[-2] */
    op.tensors[1].data = (int32_t[]){-2}, op.tensors[3].data = (int32_t[]){1};
    op.tensors[4] = (test_flat_tensor){0, {0}, 0, NULL};
    expect_output(&op, (const float *const[]){x}, (float[]){5}, 1, 0);
    op.tensors[1].data = (int32_t[]){6}; /* x[6] */
    expect_refused(&op, STK_ERR_FORMAT);
    op.tensors[1].data = (int32_t[]){0}, op.tensors[3].data = (int32_t[]){0};
    expect_refused(&op, STK_ERR_FORMAT);
}

/* FULLY_CONNECTED [2][3] x [2][3]^T, bias, ReLU; half-precision numbers are covered by the
 * graphs. */
static void dense_by_hand(void **state) {
    (void)state;
    test_flat_op op = {.code = 9, .inputs = 3, .outputs = 1, .option_count = 2, .options = {1, 0},
                       .tensors = {{2, {2, 3}, 0, NULL},
                                   {2, {2, 3}, 0, (float[]){1, 0, -1, 2, 1, 0}},
                                   {1, {2}, 0, (float[]){0.5f, -1}},
                                   {2, {2, 2}, 0, NULL}}};
    expect_output(&op, ONE(1, 2, 3, 4, 5, 6), (float[]){0, 3, 0, 12}, 4, 1e-6);
    op.tensors[2].shape[0] = 1;
    expect_refused(&op, STK_ERR_FORMAT);
}

/* Random convolutions against the plain-C path: strides, dilation, both paddings, depthwise with a
 * multiplier. Sums of at most 5*5*8 products of order 1: 1e-4 covers both orders of summation. */
static void conv_variants_agree_with_plain_c(void **state) {
    (void)state;
    static float x[9 * 7 * 8], weights[16 * 25 * 8], bias[16];
    stk_rng rng;
    stk_rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < STK_ARRAY_SIZE(x); i++) x[i] = stk_rng_normal(&rng);
    for (size_t i = 0; i < STK_ARRAY_SIZE(weights); i++) weights[i] = stk_rng_normal(&rng);
    for (size_t i = 0; i < STK_ARRAY_SIZE(bias); i++) bias[i] = stk_rng_normal(&rng);
    for (int trial = 0; trial < 48; trial++) {
        int depthwise = trial & 1, padding = trial >> 1 & 1, k = trial % 3 * 2 + 1;
        int stride = trial / 4 % 2 + 1, dilation = k == 3 && stride == 1 ? trial / 8 % 2 + 1 : 1;
        int reach = (k - 1) * dilation + 1, h = 9, w = 7, ci = 8, co = depthwise ? 16 : 5;
        int oh = ((padding ? h - reach + 1 : h) + stride - 1) / stride;
        int ow = ((padding ? w - reach + 1 : w) + stride - 1) / stride;
        test_flat_op op = {.code = depthwise ? 4 : 3, .inputs = 3, .outputs = 1,
                           .option_count = depthwise ? 7 : 6,
                           .tensors = {{4, {1, h, w, ci}, 0, NULL},
                                       {4, {depthwise ? 1 : co, k, k, depthwise ? co : ci}, 0,
                                        weights},
                                       {1, {co}, 0, bias},
                                       {4, {1, oh, ow, co}, 0, NULL}}};
        uint32_t s = (uint32_t)stride, d = (uint32_t)dilation, act = (uint32_t)(trial % 3 == 2);
        const uint32_t dense[] = {(uint32_t)padding, s, s, act, d, d};
        const uint32_t grouped[] = {(uint32_t)padding, s, s, 2, act, d, d};
        memcpy(op.options, depthwise ? grouped : dense, depthwise ? sizeof grouped : sizeof dense);
        stk_tflite *graph;
        static float expected[9 * 7 * 16];
        size_t size = test_flat_write(&op, file);
        TEST_OK(stk_tflite_open_as(&graph, file, size, "test", (stk_tflite_options){1, 0}));
        memcpy(stk_tflite_input(graph, 0).data, x, sizeof x);
        TEST_OK(stk_tflite_run(graph));
        size_t count = stk_tflite_output(graph, 0).count;
        memcpy(expected, stk_tflite_output(graph, 0).data, count * sizeof(float));
        stk_tflite_close(&graph);
        expect_output(&op, (const float *const[]){x}, expected, count, 1e-4);
    }
}

/* 2x2 input, 3x3 kernel of ones, stride 2, SAME: output 4x4, no padding in front. */
static void transposed_conv_by_hand(void **state) {
    (void)state;
    static const int32_t options[3] = {1, 2, 2};
    static const float ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, bias[1] = {0.5f};
    test_flat_op op = {.code = 32, .custom_name = "Convolution2DTransposeBias", .inputs = 3,
                       .outputs = 1, .custom = options, .custom_size = sizeof options,
                       .tensors = {{4, {1, 2, 2, 1}, 0, NULL}, {4, {1, 3, 3, 1}, 0, ones},
                                   {1, {1}, 0, bias}, {4, {1, 4, 4, 1}, 0, NULL}}};
    const float expected[16] = {1.5f, 1.5f, 3.5f, 2.5f, 1.5f,  1.5f,  3.5f,  2.5f,
                                4.5f, 4.5f, 10.5f, 6.5f, 3.5f, 3.5f, 7.5f, 4.5f};
    expect_output(&op, ONE(1, 2, 3, 4), expected, 16, 1e-6);
    op.tensors[3] = (test_flat_tensor){4, {1, 9, 4, 1}, 0, NULL};
    expect_refused(&op, STK_ERR_FORMAT);
    /* TRANSPOSE_CONV: output size first, VALID */
    test_flat_op plain = {.code = 67, .inputs = 3, .outputs = 1, .option_count = 4,
                          .options = {1, 2, 2, 0},
                          .tensors = {{1, {4}, 2, (int32_t[]){1, 5, 5, 1}},
                                      {4, {1, 3, 3, 1}, 0, ones}, {4, {1, 2, 2, 1}, 0, NULL},
                                      {4, {1, 5, 5, 1}, 0, NULL}}};
    const float full[25] = {1, 1, 3, 2, 2, 1, 1, 3, 2, 2, 4, 4, 10, 6, 6, 3, 3, 7, 4, 4, 3, 3, 7, 4,
                            4};
    expect_output(&plain, ONE(1, 2, 3, 4), full, 25, 1e-6);
}

static void open_unknown_operator_is_unsupported(void **state) {
    (void)state;
    test_flat_op op = {.code = 111, .inputs = 1, .outputs = 1,
                       .tensors = {{1, {2}, 0, NULL}, {1, {2}, 0, NULL}}};
    expect_refused(&op, STK_ERR_UNSUPPORTED);
    op.code = 32, op.custom_name = "Nonsense";
    expect_refused(&op, STK_ERR_UNSUPPORTED);
    assert_non_null(strstr(stk_error_text(), "Nonsense"));
    op.code = 19, op.tensors[0].type = op.tensors[1].type = 9; /* int8 */
    expect_refused(&op, STK_ERR_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_operators_give_definitions),
        cmocka_unit_test(binary_operators_broadcast),
        cmocka_unit_test(binary_fused_activation_and_bad_shapes),
        cmocka_unit_test(reduce_operators_over_axes),
        cmocka_unit_test(softmax_rows_sum_to_one),
        cmocka_unit_test(pools_by_hand),
        cmocka_unit_test(argmax_pool_then_unpool_restores_maxima),
        cmocka_unit_test(resize_flags_give_tflite_positions),
        cmocka_unit_test(layout_operators_move_numbers),
        cmocka_unit_test(strided_slice_follows_numpy),
        cmocka_unit_test(dense_by_hand),
        cmocka_unit_test(conv_variants_agree_with_plain_c),
        cmocka_unit_test(transposed_conv_by_hand),
        cmocka_unit_test(open_unknown_operator_is_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
