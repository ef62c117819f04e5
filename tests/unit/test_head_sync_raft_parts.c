/* The parts of RAFT-small with seeded weights against plain sums in double: normalisation, pyramid,
 * one update, up- and downsampling; files that are not the weights; agreement of two flows. */
#include "raft_file.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "head_sync/raft.h"
#include "head_sync/raft_private.h"
#include "nn/weights.h"

enum { H = 8, W = 10, P = H * W };

static void fill(float *v, size_t n, float scale, uint64_t seed) {
    stk_rng rng;
    stk_rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) v[i] = scale * (2 * stk_rng_float(&rng) - 1);
}

/* --- one update ------------------------------------------------------------------------------- */

/* 3x3 (or k x k) convolution of x [P][in] at pixel (py, px), output o, bias included; read from the
 * file as the published network has it. */
typedef struct double_conv {
    float *weight, *bias;
    int in, out, kernel;
} double_conv;

static double_conv read_conv(stk_raft_loader *loader, const char *name, int in, int out,
                             int kernel) {
    double_conv conv = {.in = in, .out = out, .kernel = kernel};
    const size_t n = (size_t)(in * out * kernel * kernel);
    TEST_OK(stk_raft_loader_read(loader, name, in, out, kernel));
    conv.weight = stk_calloc_aligned(n + (size_t)out, sizeof(float));
    conv.bias = conv.weight + n;
    memcpy(conv.weight, loader->weight, n * sizeof(float));
    memcpy(conv.bias, loader->bias, (size_t)out * sizeof(float));
    return conv;
}

static void run_conv(const double_conv *conv, const double *x, int relu, double *y) {
    const int k = conv->kernel, pad = k / 2;
    for (int p = 0; p < P; p++)
        for (int o = 0; o < conv->out; o++) {
            double sum = (double)conv->bias[o];
            for (int t = 0; t < k * k; t++) {
                const int yy = p / W + t / k - pad, xx = p % W + t % k - pad;
                if (yy < 0 || xx < 0 || yy >= H || xx >= W) continue;
                for (int i = 0; i < conv->in; i++)
                    sum += (double)conv->weight[(o * conv->in + i) * k * k + t] *
                           x[(yy * W + xx) * conv->in + i];
            }
            y[p * conv->out + o] = relu && sum < 0 ? 0 : sum;
        }
}

static void apply(stk_raft_loader *loader, const char *name, const int in_out_kernel[3],
                  const double *x, int relu, double *y) {
    double_conv conv =
        read_conv(loader, name, in_out_kernel[0], in_out_kernel[1], in_out_kernel[2]);
    run_conv(&conv, x, relu, y);
    stk_free(conv.weight);
}

/* Columns [to, to + count) of wide rows. */
static void put(const double *from, int from_stride, int count, double *to, int to_stride) {
    for (int p = 0; p < P; p++)
        memcpy(to + p * to_stride, from + p * from_stride, (size_t)count * sizeof(double));
}

/* Everything of an iteration by the published formulas; state and flow in place. */
static void update_oracle(stk_raft_loader *loader, const double *context, const double *taps,
                          double *state, double *flow) {
    static double c[P * 96], f1[P * 64], f2[P * 32], joined[P * 128], motion[P * 80];
    static double u[P * 242], z[P * 96], r[P * 96], q[P * 96], head[P * 128], step[P * 2];
    apply(loader, "update_block.encoder.convc1", (int[]){196, 96, 1}, taps, 1, c);
    apply(loader, "update_block.encoder.convf1", (int[]){2, 64, 7}, flow, 1, f1);
    apply(loader, "update_block.encoder.convf2", (int[]){64, 32, 3}, f1, 1, f2);
    put(c, 96, 96, joined, 128), put(f2, 32, 32, joined + 96, 128);
    apply(loader, "update_block.encoder.conv", (int[]){128, 80, 3}, joined, 1, motion);
    put(state, 96, 96, u, 242), put(context, 64, 64, u + 96, 242);
    put(motion, 80, 80, u + 160, 242), put(flow, 2, 2, u + 240, 242);
    apply(loader, "update_block.gru.convz", (int[]){242, 96, 3}, u, 0, z);
    apply(loader, "update_block.gru.convr", (int[]){242, 96, 3}, u, 0, r);
    for (int i = 0; i < P * 96; i++) u[i / 96 * 242 + i % 96] = state[i] / (1 + exp(-r[i]));
    apply(loader, "update_block.gru.convq", (int[]){242, 96, 3}, u, 0, q);
    for (int i = 0; i < P * 96; i++) {
        const double gate = 1 / (1 + exp(-z[i]));
        state[i] = (1 - gate) * state[i] + gate * tanh(q[i]);
    }
    apply(loader, "update_block.flow_head.conv1", (int[]){96, 128, 3}, state, 1, head);
    apply(loader, "update_block.flow_head.conv2", (int[]){128, 2, 3}, head, 0, step);
    for (int i = 0; i < 2 * P; i++) flow[i] += step[i];
}

static void widen(const float *from, double *to, int n) {
    for (int i = 0; i < n; i++) to[i] = (double)from[i];
}

static void assert_doubles(const char *what, const float *got, const double *want, int n,
                           double tolerance) {
    for (int i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance))
            fail_msg("%s: %d is %.8g instead of %.8g", what, i, (double)got[i], want[i]);
}

static void update_seeded_like_double(void **unused) {
    (void)unused;
    static float context[P * 64], added[P * STK_FLOW_CONTEXT];
    static double context_d[P * 64], taps[P * 196], state[P * 96], flow[P * 2];
    stk_raft_loader loader;
    stk_raft_update update;
    stk_flow_kernels kernels;
    stk_flow_kernels_init(&kernels);
    TEST_OK(stk_raft_loader_open(&loader, raft_file_write(test_temporary_folder(), RAFT_WHOLE)));
    TEST_OK(stk_raft_update_create(&update, &loader, H, W));
    fill(context, P * 64, 1, 1), fill(update.taps, P * 196, 3, 2);
    fill(update.state, P * 96, 1, 3), fill(update.flow, P * 2, 2, 4);
    widen(context, context_d, P * 64), widen(update.taps, taps, P * 196);
    widen(update.state, state, P * 96), widen(update.flow, flow, P * 2);
    TEST_OK(stk_raft_context_run(&update, context, added));
    for (int i = 0; i < 2; i++) {
        TEST_OK(stk_raft_update_run(&update, &kernels, added));
        update_oracle(&loader, context_d, taps, state, flow);
    }
    /* values about 1, each a sum of up to 2178 products: 1e-6 a layer, eight layers deep */
    assert_doubles("state", update.state, state, P * 96, 1e-5);
    assert_doubles("flow", update.flow, flow, P * 2, 2e-5);
    stk_raft_update_clear(&update);
    stk_raft_loader_close(&loader);
}

/* --- normalisation, pyramid, sampling --------------------------------------------------------- */

static void norm_like_double(void **state) {
    (void)state;
    enum { PIXELS = 1000, CHANNELS = 24 };
    static float x[PIXELS * CHANNELS], y[PIXELS * CHANNELS];
    fill(x, PIXELS * CHANNELS, 2, 9);
    for (int i = 0; i < PIXELS * CHANNELS; i++) x[i] += 5; /* a mean beyond the deviation */
    for (int relu = 0; relu < 2; relu++) {
        memcpy(y, x, sizeof x);
        stk_raft_norm(y, PIXELS, CHANNELS, relu);
        for (int c = 0; c < CHANNELS; c++) {
            double mean = 0, variance = 0;
            for (int p = 0; p < PIXELS; p++) mean += (double)x[p * CHANNELS + c] / PIXELS;
            for (int p = 0; p < PIXELS; p++)
                variance += pow((double)x[p * CHANNELS + c] - mean, 2) / PIXELS;
            for (int p = 0; p < PIXELS; p++) {
                double v = ((double)x[p * CHANNELS + c] - mean) / sqrt(variance + 1e-5);
                if (relu && v < 0) v = 0;
                assert_float_equal(y[p * CHANNELS + c], v, 2e-6);
            }
        }
    }
}

static void pyramid_odd_sizes_drop_the_rest(void **state) {
    (void)state;
    enum { TALL = 13, WIDE = 19 };
    stk_flow_map maps[RAFT_LEVELS];
    float *block = stk_calloc_aligned(stk_raft_pyramid_floats(TALL, WIDE), sizeof(float));
    stk_raft_pyramid_place(maps, block, TALL, WIDE);
    fill(block, TALL * WIDE * STK_FLOW_FEATURES, 1, 6);
    stk_raft_pyramid_build(maps, block);
    for (int level = 1, h = TALL, w = WIDE; level < RAFT_LEVELS; level++) {
        h /= 2, w /= 2;
        assert_int_equal(maps[level].height, h);
        assert_int_equal(maps[level].width, w);
        const int side = 1 << level;
        for (int i = 0; i < h * w * STK_FLOW_FEATURES; i++) {
            const int p = i / STK_FLOW_FEATURES, c = i % STK_FLOW_FEATURES;
            double sum = 0;
            for (int k = 0; k < side * side; k++) {
                const int y = p / w * side + k / side, x = p % w * side + k % side;
                sum += (double)block[(y * WIDE + x) * STK_FLOW_FEATURES + c];
            }
            assert_float_equal(maps[level].features[i], sum / (side * side), 1e-6);
        }
    }
    stk_free(block);
}

static void upsample_like_double_corners_kept(void **state) {
    (void)state;
    static float coarse[P * 2], flow[2 * 64 * P], back[P * 2];
    fill(coarse, P * 2, 4, 8);
    stk_raft_upsample(coarse, H, W, flow);
    for (int k = 0; k < 2; k++)
        for (int y = 0; y < 8 * H; y++)
            for (int x = 0; x < 8 * W; x++) {
                const double sy = (double)y * (H - 1) / (8 * H - 1);
                const double sx = (double)x * (W - 1) / (8 * W - 1);
                const int y0 = sy < H - 2 ? (int)sy : H - 2, x0 = sx < W - 2 ? (int)sx : W - 2;
                double sum = 0;
                for (int t = 0; t < 4; t++)
                    sum += (t & 1 ? sx - x0 : 1 - sx + x0) * (t & 2 ? sy - y0 : 1 - sy + y0) *
                           (double)coarse[2 * ((y0 + (t >> 1)) * W + x0 + (t & 1)) + k];
                assert_float_equal(flow[k * 64 * P + y * 8 * W + x], 8 * sum, 1e-4);
            }
    /* Corners come back as they were; the others within the kink that a fine pixel rounds off. */
    stk_raft_downsample(flow, H, W, back);
    const int corners[] = {0, W - 1, P - W, P - 1};
    for (int i = 0; i < 4; i++)
        test_assert_close("corner", back + 2 * corners[i], coarse + 2 * corners[i], 2, 1e-5);
    flow[5] = NAN;
    stk_raft_downsample(flow, H, W, back);
    for (int i = 0; i < 2 * P; i++) assert_true(isfinite(back[i]));
}

/* --- agreement -------------------------------------------------------------------------------- */

static void consistency_known_flows_known_errors(void **state) {
    (void)state;
    enum { TALL = 6, WIDE = 8, N = TALL * WIDE };
    static float forward[2 * N], backward[2 * N], error[N];
    uint8_t mask[N];
    for (int i = 0; i < N; i++) {
        forward[i] = 1.5f, forward[N + i] = -0.5f;
        backward[i] = -1.5f + 0.3f, backward[N + i] = 0.5f - 0.4f; /* off by 0.5 */
    }
    forward[3 * WIDE + 2] = NAN;
    stk_raft_consistency(TALL, WIDE, forward, backward, 0.6f, mask, error);
    for (int i = 0; i < N; i++) {
        const int leaves = i % WIDE + 1.5 > WIDE - 1 || i / WIDE < 1 || i == 3 * WIDE + 2;
        assert_int_equal(mask[i], !leaves);
        if (leaves)
            assert_true(isinf(error[i]));
        else
            assert_float_equal(error[i], 0.5, 1e-6);
    }
    stk_raft_consistency(TALL, WIDE, forward, backward, 0.4f, mask, NULL);
    for (int i = 0; i < N; i++) assert_int_equal(mask[i], 0);
}

/* --- files ------------------------------------------------------------------------------------ */

static void assert_refused(const char *path, int status, const char *text) {
    stk_raft *raft = NULL;
    assert_int_equal(stk_raft_create(&raft, path, 64, 64), status);
    assert_null(raft);
    const char *sentence = stk_error_text();
    if (strstr(sentence, text) == NULL || strchr(sentence, '\n') != NULL)
        fail_msg("the sentence is: %s", sentence);
}

static void create_damaged_file_one_sentence(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    assert_refused(raft_file_write(folder, RAFT_LACKS_ONE), STK_ERR_WEIGHTS,
                   "it has no update_block.gru.convq.weight");
    assert_refused(raft_file_write(folder, RAFT_OTHER_SHAPE), STK_ERR_WEIGHTS,
                   "fnet.conv2.weight has another shape");
    assert_refused(raft_file_write(folder, RAFT_NO_NUMBER), STK_ERR_WEIGHTS, "no numbers");
    char path[STK_PATH_MAX];
    snprintf(path, sizeof path, "%s/noise.pth", folder);
    TEST_OK(stk_file_write(path, "no weights at all", 17));
    assert_refused(path, STK_ERR_WEIGHTS, "noise.pth: is not RAFT-small");
    snprintf(path, sizeof path, "%s/nothing.pth", folder);
    assert_refused(path, STK_ERR_IO, "nothing.pth");
}

static void create_cut_published_file_one_sentence(void **state) {
    (void)state;
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    stk_map map;
    char path[STK_PATH_MAX];
    TEST_OK(stk_map_open(&map, weights));
    snprintf(path, sizeof path, "%s/cut.pth", test_temporary_folder());
    static const double parts[] = {0, 0.0001, 0.004, 0.3, 0.9, 0.999};
    for (size_t i = 0; i < STK_ARRAY_SIZE(parts); i++) {
        TEST_OK(stk_file_write(path, map.data, (size_t)(parts[i] * (double)map.size)));
        assert_refused(path, STK_ERR_WEIGHTS, "cut.pth: is not RAFT-small");
    }
    stk_map_close(&map);
}

static void create_absent_names_the_script(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    if (stk_weights_find(NULL, "raft-small.pth", path) == STK_OK) skip();
    assert_refused(NULL, STK_ERR_WEIGHTS, "scripts/get-models.sh");
}

static void create_impossible_size_refused(void **state) {
    (void)state;
    static const int sizes[][2] = {{60, 64}, {64, 65}, {0, 0}, {56, 64}, {-64, 64}, {64, 8192}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(sizes); i++) {
        stk_raft *raft;
        assert_int_equal(stk_raft_create(&raft, "any", sizes[i][0], sizes[i][1]), STK_ERR_ARGUMENT);
        assert_null(raft);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_seeded_like_double),
        cmocka_unit_test(norm_like_double),
        cmocka_unit_test(pyramid_odd_sizes_drop_the_rest),
        cmocka_unit_test(upsample_like_double_corners_kept),
        cmocka_unit_test(consistency_known_flows_known_errors),
        cmocka_unit_test(create_damaged_file_one_sentence),
        cmocka_unit_test(create_cut_published_file_one_sentence),
        cmocka_unit_test(create_absent_names_the_script),
        cmocka_unit_test(create_impossible_size_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
