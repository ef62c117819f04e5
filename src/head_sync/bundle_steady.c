/* bundle_steady.c - see bundle_steady.h. Points in blocks are tasks. */
#include "head_sync/bundle_steady.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64, REACH = 18, TURNS = 2 };
static const double SIGMA = 6; /* frames */
static const double PART_M = 0.025;

typedef struct steady {
    stk_bundle_problem *b;
    float (*slow)[2]; /* [count] */
    double weights[REACH + 1];
} steady;

static int residual_of(const stk_bundle_problem *b, int64_t k, double r[2]) {
    const stk_bundle_observation *o = &b->list[k];
    return stk_bundle_takes_part(b, k) && b->usable[o->frame] &&
           stk_bundle_observe(b, k, &b->camera, &b->poses[o->frame], b->place[o->point], r, NULL);
}

/* The point's residuals within REACH frames of observation k, in one take, on one side of it. */
static void add_side(const steady *s, int64_t k, int side, double sum[3]) {
    const stk_bundle_problem *b = s->b;
    const stk_bundle_observation *o = &b->list[k];
    const int64_t from = b->point_first[o->point], to = b->point_first[o->point + 1];
    for (int64_t m = k + (side > 0); m >= from && m < to; m += side) {
        const int32_t frame = b->list[m].frame;
        const int far = side * (frame - o->frame);
        double r[2];
        if (far > REACH || b->take[frame] != b->take[o->frame]) return;
        if (!residual_of(b, m, r)) continue;
        sum[0] += s->weights[far];
        for (int i = 0; i < 2; i++) sum[1 + i] += s->weights[far] * r[i];
    }
}

static void slow_task(void *ctx, int task, int worker) {
    (void)worker;
    const steady *s = ctx;
    const stk_bundle_problem *b = s->b;
    const int to = (task + 1) * BLOCK < b->points ? (task + 1) * BLOCK : b->points;
    for (int64_t k = b->point_first[task * BLOCK]; k < b->point_first[to]; k++) {
        double sum[3] = {0};
        if (!stk_bundle_takes_part(b, k)) continue;
        add_side(s, k, -1, sum);
        add_side(s, k, 1, sum);
        for (int i = 0; i < 2 && sum[0] > 0; i++) s->slow[k][i] = (float)(sum[1 + i] / sum[0]);
    }
}

static void divide_face(stk_bundle_problem *b) {
    for (int p = 0; p < b->points; p++) {
        const int x = (int)floor(b->place[p][0] / PART_M + 0.5);
        const int y = (int)floor(b->place[p][1] / PART_M + 0.5);
        const int part = (x + 2 * y) % STK_BUNDLE_PARTS;
        b->part[p] = (uint8_t)(part < 0 ? part + STK_BUNDLE_PARTS : part);
    }
}

stk_status stk_bundle_steady(stk_bundle_problem *b) {
    steady s = {.b = b};
    s.slow = stk_calloc_aligned((size_t)b->count + 1, sizeof *s.slow);
    if (s.slow == NULL) return stk_fail_memory("bundle adjustment");
    for (int d = 0; d <= REACH; d++) s.weights[d] = exp(-0.5 * d * d / (SIGMA * SIGMA));
    stk_pool_run(b->pool, (b->points + BLOCK - 1) / BLOCK, slow_task, &s);
    b->slow = s.slow;
    b->trust_held = 1;
    for (int p = 0; p < b->points; p++) b->trust[p] = 1;
    divide_face(b);
    stk_bundle_measure(b);
    for (int turn = 0; turn < TURNS; turn++) {
        stk_bundle_sweep_poses(b);
        stk_bundle_measure(b);
    }
    return STK_OK;
}

void stk_bundle_steady_end(stk_bundle_problem *b) {
    stk_free(b->slow);
    b->slow = NULL;
}
