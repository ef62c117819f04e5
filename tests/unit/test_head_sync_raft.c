/* Optical flow with the published weights on pictures whose motion is known (a texture, moved,
 * turned, enlarged) and on two frames of a clip; with seeded weights, what does not depend on them:
 * features kept, threads, places of a pair. */
#include "raft_file.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/image.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/rng.h"
#include "head_sync/raft.h"
#include "kernels/image.h"
#include "media/media.h"

enum { H = 240, W = 320, WAVES = 80, MARGIN = 16 };

/* Where the point at (x, y) of the first picture is in the second: x' = a (x - cx) - b (y - cy) +
 * cx + dx, ... */
typedef struct similarity {
    double a, b, dx, dy;
} similarity;

static void move(const similarity *m, double x, double y, double out[2]) {
    const double u = x - W / 2.0, v = y - H / 2.0;
    out[0] = m->a * u - m->b * v + W / 2.0 + m->dx;
    out[1] = m->b * u + m->a * v + H / 2.0 + m->dy;
}

static void unmove(const similarity *m, double x, double y, double out[2]) {
    const double u = x - W / 2.0 - m->dx, v = y - H / 2.0 - m->dy, n = m->a * m->a + m->b * m->b;
    out[0] = (m->a * u + m->b * v) / n + W / 2.0;
    out[1] = (m->a * v - m->b * u) / n + H / 2.0;
}

/* Waves of all directions, 16 px (two coarse pixels) to 160 px long, taken where the motion says:
 * nothing is resampled. */
static void paint(const similarity *m, stk_image *image) {
    static double waves[WAVES][6];
    stk_rng rng;
    stk_rng_seed(&rng, 21, 0);
    for (int i = 0; i < WAVES; i++) {
        const double length = 16 * pow(10, (double)stk_rng_float(&rng));
        const double angle = 6.2831853 * (double)stk_rng_float(&rng);
        waves[i][0] = cos(angle) * 6.2831853 / length,
        waves[i][1] = sin(angle) * 6.2831853 / length;
        waves[i][2] = 6.2831853 * (double)stk_rng_float(&rng);
        for (int c = 0; c < 3; c++) waves[i][3 + c] = 9 * (double)stk_rng_normal(&rng);
    }
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double at[2], sum[3] = {127, 127, 127};
            unmove(m, x, y, at);
            for (int i = 0; i < WAVES; i++) {
                const double s = sin(waves[i][0] * at[0] + waves[i][1] * at[1] + waves[i][2]);
                for (int c = 0; c < 3; c++) sum[c] += s * waves[i][3 + c];
            }
            for (int c = 0; c < 3; c++)
                stk_image_row(image, y)[3 * x + c] =
                    (uint8_t)stk_clampi((int)lrint(sum[c]), 0, 255);
        }
}

static int ascending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median(float *v, int n) {
    qsort(v, (size_t)n, sizeof *v, ascending);
    return v[n / 2];
}

/* Of the distance between the flow and the motion, over pixels that stay within the picture. */
static float median_error(const similarity *m, const float *flow) {
    static float errors[H * W];
    int n = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double to[2];
            move(m, x, y, to);
            if (to[0] < 0 || to[1] < 0 || to[0] > W - 1 || to[1] > H - 1) continue;
            errors[n++] = (float)hypot((double)flow[y * W + x] + x - to[0],
                                       (double)flow[H * W + y * W + x] + y - to[1]);
        }
    return median(errors, n);
}

static void flow_known_motion_found(void **state) {
    (void)state;
    static const struct {
        const char *name;
        similarity motion;
    } cases[] = {
        {"shift", {1, 0, 3.4, -1.7}},
        {"large shift", {1, 0, -17.25, 9.5}},
        {"rotation", {0.99863, 0.052336, 0.5, 0.25}}, /* 3 degrees */
        {"zoom", {1.04, 0, -0.6, 0.3}},
    };
    static float flow[2 * H * W];
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    stk_image a, b;
    stk_raft *raft;
    TEST_OK(stk_image_init(&a, W, H, 3));
    TEST_OK(stk_image_init(&b, W, H, 3));
    TEST_OK(stk_raft_create(&raft, weights, H, W));
    paint(&(similarity){1, 0, 0, 0}, &a);
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        paint(&cases[i].motion, &b);
        TEST_OK(stk_raft_flow(raft, &a, &b, STK_RAFT_ITERATIONS, NULL, flow));
        const float error = median_error(&cases[i].motion, flow);
        /* Four more iterations from there stay there, within what the network itself wanders. */
        TEST_OK(stk_raft_flow(raft, &a, &b, 4, flow, flow));
        const float warm = median_error(&cases[i].motion, flow);
        print_message("%s: median error %.3f px, warm %.3f px\n", cases[i].name, (double)error,
                      (double)warm);
        assert_true(error < 0.15f);
        assert_true(warm < 0.2f);
    }
    TEST_OK(stk_raft_flow(raft, &a, &a, STK_RAFT_ITERATIONS, NULL, flow));
    const float still = median_error(&(similarity){1, 0, 0, 0}, flow);
    print_message("equal pictures: %.4f px\n", (double)still);
    assert_true(still < 0.05f);
    stk_raft_free(&raft);
    stk_image_clear(&a);
    stk_image_clear(&b);
}

/* Frame `index` of the clip, the middle of it at 320x240. */
static void read_frame(const char *path, int index, stk_image *image) {
    stk_video_reader *reader;
    const stk_image *frame = NULL;
    int end = 0;
    TEST_OK(stk_video_reader_open(&reader, path, NULL));
    for (int i = 0; i <= index && !end; i++)
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
    assert_false(end);
    /* the largest 4:3 part from the middle */
    stk_image part = *frame;
    part.width = frame->width * 3 > frame->height * 4 ? frame->height * 4 / 3 : frame->width;
    part.height = part.width * 3 / 4;
    part.data = stk_image_row(frame, (frame->height - part.height) / 2) +
                3 * (ptrdiff_t)((frame->width - part.width) / 2);
    stk_image_resize(image, &part);
    stk_video_reader_close(&reader);
}

static void flow_clip_frames_forward_and_backward_agree(void **state) {
    (void)state;
    static float forward[2 * H * W], backward[2 * H * W], error[H * W], face[H * W];
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    const char *clip = test_shared_or_skip("clips/french.mp4");
    stk_image a, b;
    stk_raft *raft;
    stk_raft_features *first, *second;
    TEST_OK(stk_image_init(&a, W, H, 3));
    TEST_OK(stk_image_init(&b, W, H, 3));
    read_frame(clip, 8, &a); /* the head moves by 3 px between them */
    read_frame(clip, 10, &b);
    TEST_OK(stk_raft_create(&raft, weights, H, W));
    TEST_OK(stk_raft_features_create(&first, raft));
    TEST_OK(stk_raft_features_create(&second, raft));
    TEST_OK(stk_raft_encode(raft, &a, STK_RAFT_FROM | STK_RAFT_TO, first));
    TEST_OK(stk_raft_encode(raft, &b, STK_RAFT_FROM | STK_RAFT_TO, second));
    TEST_OK(stk_raft_flow_between(raft, first, second, STK_RAFT_ITERATIONS, NULL, forward));
    TEST_OK(stk_raft_flow_between(raft, second, first, STK_RAFT_ITERATIONS, NULL, backward));
    stk_raft_consistency(H, W, forward, backward, 0.5f, NULL, error);
    int n = 0;
    for (int y = H / 4; y < H * 3 / 4; y++) /* the face fills the middle of this clip */
        for (int x = W * 3 / 8; x < W * 5 / 8; x++) face[n++] = error[y * W + x];
    const float middle = median(face, n);
    print_message("forward and backward differ by %.3f px in the face\n", (double)middle);
    assert_true(middle < 0.3f);
    stk_raft_features_free(&first);
    stk_raft_features_free(&second);
    stk_raft_free(&raft);
    stk_image_clear(&a);
    stk_image_clear(&b);
}

/* --- whatever the weights --------------------------------------------------------------------- */

enum { SMALL = 64, FLOW = 2 * SMALL * SMALL };

typedef struct pair_job {
    stk_raft *raft[2];
    stk_raft_features *from, *to;
    float flow[2][FLOW];
    int status[2];
} pair_job;

static void run_pair(void *context, int task, int worker) {
    pair_job *job = context;
    (void)worker;
    job->status[task] =
        stk_raft_flow_between(job->raft[task], job->from, job->to, 3, NULL, job->flow[task]);
}

static void noise(stk_image *image, uint64_t seed) {
    stk_rng rng;
    stk_rng_seed(&rng, seed, 0);
    for (int i = 0; i < SMALL * SMALL * 3; i++)
        stk_image_row(image, i / (3 * SMALL))[i % (3 * SMALL)] = (uint8_t)stk_rng_below(&rng, 256);
}

static void flow_between_kept_features_same_bits(void **state) {
    (void)state;
    static pair_job job;
    static float want[FLOW];
    const char *path = raft_file_write(test_temporary_folder(), RAFT_WHOLE);
    stk_image a, b;
    stk_pool *pool;
    TEST_OK(stk_image_init(&a, SMALL, SMALL, 3));
    TEST_OK(stk_image_init(&b, SMALL, SMALL, 3));
    noise(&a, 1), noise(&b, 2);
    for (int i = 0; i < 2; i++) TEST_OK(stk_raft_create(&job.raft[i], path, SMALL, SMALL));
    TEST_OK(stk_raft_features_create(&job.from, job.raft[0]));
    TEST_OK(stk_raft_features_create(&job.to, job.raft[0]));
    TEST_OK(stk_raft_flow(job.raft[0], &a, &b, 3, NULL, want));
    TEST_OK(stk_raft_encode(job.raft[1], &b, STK_RAFT_TO, job.to));
    TEST_OK(stk_raft_encode(job.raft[0], &a, STK_RAFT_FROM | STK_RAFT_TO, job.from));
    TEST_OK(stk_pool_create(&pool, 2));
    stk_pool_run(pool, 2, run_pair, &job); /* two handles at once, one pair of features */
    stk_pool_free(&pool);
    double size = 0;
    for (int i = 0; i < FLOW; i++) size = fmax(size, fabs((double)want[i]));
    assert_true(size > 0.01 && isfinite(size));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(job.status[i], STK_OK);
        assert_memory_equal(job.flow[i], want, sizeof want);
    }
    /* A flow to begin from that is zero is none. */
    static const float zero[FLOW];
    TEST_OK(stk_raft_flow(job.raft[0], &a, &b, 3, zero, job.flow[0]));
    assert_memory_equal(job.flow[0], want, sizeof want);
    for (int i = 0; i < 2; i++) stk_raft_free(&job.raft[i]);
    stk_raft_features_free(&job.from);
    stk_raft_features_free(&job.to);
    stk_image_clear(&a);
    stk_image_clear(&b);
}

static void flow_wrong_arguments_refused(void **state) {
    (void)state;
    static float flow[FLOW];
    const char *path = raft_file_write(test_temporary_folder(), RAFT_WHOLE);
    stk_raft *raft;
    stk_raft_features *from, *to;
    stk_image a, small;
    TEST_OK(stk_raft_create(&raft, path, SMALL, SMALL));
    TEST_OK(stk_image_init(&a, SMALL, SMALL, 3));
    TEST_OK(stk_image_init(&small, SMALL - 8, SMALL, 3));
    TEST_OK(stk_raft_features_create(&from, raft));
    TEST_OK(stk_raft_features_create(&to, raft));
    assert_int_equal(stk_raft_flow(raft, &a, &small, 3, NULL, flow), STK_ERR_ARGUMENT);
    assert_int_equal(stk_raft_flow(raft, &a, &a, 0, NULL, flow), STK_ERR_ARGUMENT);
    assert_int_equal(stk_raft_flow_between(raft, from, to, 3, NULL, flow), STK_ERR_ARGUMENT);
    TEST_OK(stk_raft_encode(raft, &a, STK_RAFT_FROM, from));
    assert_int_equal(stk_raft_flow_between(raft, from, from, 3, NULL, flow), STK_ERR_ARGUMENT);
    TEST_OK(stk_raft_encode(raft, &a, STK_RAFT_TO, to));
    TEST_OK(stk_raft_flow_between(raft, from, to, 3, NULL, flow));
    stk_raft_features_free(&from);
    stk_raft_features_free(&to);
    stk_raft_free(&raft);
    stk_image_clear(&a);
    stk_image_clear(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_known_motion_found),
        cmocka_unit_test(flow_clip_frames_forward_and_backward_agree),
        cmocka_unit_test(flow_between_kept_features_same_bits),
        cmocka_unit_test(flow_wrong_arguments_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
