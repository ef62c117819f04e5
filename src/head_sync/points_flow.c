/* points_flow.c - see points_flow.h. */
#include "head_sync/points_flow.h"
#include "base/image.h"
#include "base/memory.h"
#include "head_sync/raft.h"

#include <math.h>
#include <string.h>

enum { SIDE_MOST = 384, DIRECTIONS = 2 };

typedef struct key_frame {
    stk_raft_features *features;
    float *flow[DIRECTIONS]; /* [2][height][width]: key -> frame, frame -> key */
    int origin[2];           /* of its window, px */
    int held, begun;         /* begun: the flows are of the frame before */
} key_frame;

struct stk_points_flow {
    int width, height; /* of pictures */
    int side[2];       /* of the window as the network sees it: width, height */
    int unit;          /* picture px in one of the window's */
    int keys, iterations, threads;
    stk_pool *pool;
    stk_raft **rafts; /* [threads] */
    stk_raft_features *now;
    stk_image window;
    int origin[2];
    key_frame slots[STK_POINTS_FLOW_KEYS];
    stk_status results[STK_POINTS_FLOW_KEYS * DIRECTIONS];
};

/* --- making and freeing ----------------------------------------------------------------------- */

static void lay_window(stk_points_flow *f, const int window[2]) {
    const int picture[2] = {f->width, f->height};
    f->unit = 1;
    while (window[0] > SIDE_MOST * f->unit || window[1] > SIDE_MOST * f->unit) f->unit *= 2;
    for (int c = 0; c < 2; c++) {
        const int most = picture[c] / f->unit / STK_RAFT_STRIDE * STK_RAFT_STRIDE;
        const int wanted = (window[c] / f->unit + STK_RAFT_STRIDE - 1) / STK_RAFT_STRIDE;
        f->side[c] = stk_clampi(wanted * STK_RAFT_STRIDE, STK_RAFT_SIDE_MIN, SIDE_MOST);
        if (f->side[c] > most) f->side[c] = most;
    }
}

static stk_status create_parts(stk_points_flow *f, const char *weights) {
    f->rafts = stk_calloc_aligned((size_t)f->threads, sizeof(stk_raft *));
    if (f->rafts == NULL) return stk_fail_memory("optical flow");
    for (int i = 0; i < f->threads; i++)
        STK_TRY(stk_raft_create(&f->rafts[i], weights, f->side[1], f->side[0]));
    STK_TRY(stk_raft_features_create(&f->now, f->rafts[0]));
    STK_TRY(stk_image_init(&f->window, f->side[0], f->side[1], 3));
    const size_t plane = (size_t)f->side[0] * (size_t)f->side[1];
    for (int k = 0; k < f->keys; k++) {
        STK_TRY(stk_raft_features_create(&f->slots[k].features, f->rafts[0]));
        for (int d = 0; d < DIRECTIONS; d++) {
            f->slots[k].flow[d] = stk_calloc_aligned(2 * plane, sizeof(float));
            if (f->slots[k].flow[d] == NULL) return stk_fail_memory("optical flow");
        }
    }
    return STK_OK;
}

stk_status stk_points_flow_create(stk_points_flow **out, int width, int height,
                                  const stk_points_flow_settings *settings) {
    *out = NULL;
    stk_points_flow *f = stk_calloc_aligned(1, sizeof *f);
    if (f == NULL) return stk_fail_memory("optical flow");
    f->width = width, f->height = height;
    f->pool = settings->pool;
    f->keys = settings->keys > 0 ? settings->keys : 1;
    if (f->keys > STK_POINTS_FLOW_KEYS) f->keys = STK_POINTS_FLOW_KEYS;
    f->iterations = settings->iterations > 0 ? settings->iterations : STK_RAFT_ITERATIONS;
    f->threads = settings->pool != NULL ? stk_pool_threads(settings->pool) : 1;
    lay_window(f, settings->window);
    stk_status status = create_parts(f, settings->weights);
    if (status != STK_OK) stk_points_flow_free(&f);
    *out = f;
    return status;
}

void stk_points_flow_free(stk_points_flow **handle) {
    stk_points_flow *f = *handle;
    if (f == NULL) return;
    for (int i = 0; f->rafts != NULL && i < f->threads; i++) stk_raft_free(&f->rafts[i]);
    for (int k = 0; k < f->keys; k++) {
        stk_raft_features_free(&f->slots[k].features);
        for (int d = 0; d < DIRECTIONS; d++) stk_free(f->slots[k].flow[d]);
    }
    stk_raft_features_free(&f->now);
    stk_image_clear(&f->window);
    stk_free(f->rafts);
    stk_free(f);
    *handle = NULL;
}

int stk_points_flow_keys(const stk_points_flow *f) {
    return f->keys;
}

/* --- a frame ---------------------------------------------------------------------------------- */

/* The window's pixels, each the mean of unit x unit of the picture's. */
static void cut_window(stk_points_flow *f, const stk_image *rgb) {
    const int unit = f->unit, all = unit * unit;
    for (int y = 0; y < f->side[1]; y++) {
        uint8_t *to = f->window.data + y * f->window.stride;
        for (int i = 0; i < 3 * f->side[0]; i++) {
            int sum = 0;
            for (int k = 0; k < all; k++) {
                const uint8_t *row = stk_image_row(rgb, f->origin[1] + unit * y + k / unit);
                sum += row[3 * (f->origin[0] + unit * (i / 3) + k % unit) + i % 3];
            }
            to[i] = (uint8_t)((sum + all / 2) / all);
        }
    }
}

static void flow_task(void *ctx, int task, int worker) {
    stk_points_flow *f = ctx;
    key_frame *key = &f->slots[task / DIRECTIONS];
    float *flow = key->flow[task % DIRECTIONS];
    const int back = task % DIRECTIONS;
    f->results[task] = STK_OK;
    if (!key->held) return;
    f->results[task] = stk_raft_flow_between(f->rafts[worker], back ? f->now : key->features,
                                             back ? key->features : f->now, f->iterations,
                                             key->begun ? flow : NULL, flow);
}

stk_status stk_points_flow_look(stk_points_flow *f, const stk_image *rgb,
                                const float centre_px[2]) {
    const int picture[2] = {f->width, f->height};
    for (int c = 0; c < 2; c++) {
        const int size = f->side[c] * f->unit;
        const float middle = stk_clampf(centre_px[c], 0, (float)picture[c]);
        f->origin[c] = stk_clampi((int)lrintf(middle) - size / 2, 0, picture[c] - size);
    }
    cut_window(f, rgb);
    STK_TRY(stk_raft_encode(f->rafts[0], &f->window, STK_RAFT_FROM | STK_RAFT_TO, f->now));
    stk_pool_run(f->pool, f->keys * DIRECTIONS, flow_task, f);
    for (int k = 0; k < f->keys * DIRECTIONS; k++) STK_TRY(f->results[k]);
    for (int k = 0; k < f->keys; k++) f->slots[k].begun = f->slots[k].held;
    return STK_OK;
}

void stk_points_flow_hold(stk_points_flow *f, int slot) {
    key_frame *key = &f->slots[slot];
    const size_t plane = (size_t)f->side[0] * (size_t)f->side[1];
    stk_raft_features *swap = key->features;
    key->features = f->now;
    f->now = swap;
    memcpy(key->origin, f->origin, sizeof key->origin);
    for (int d = 0; d < DIRECTIONS; d++) memset(key->flow[d], 0, 2 * plane * sizeof(float));
    key->held = key->begun = 1;
}

void stk_points_flow_forget(stk_points_flow *f) {
    for (int k = 0; k < f->keys; k++) f->slots[k].held = f->slots[k].begun = 0;
}

/* --- a place ---------------------------------------------------------------------------------- */

/* Bilinear flow at a place of the window, in its pixels; 0 outside it. */
static int sample(const stk_points_flow *f, const float *flow, const float at[2], float out[2]) {
    const int w = f->side[0], h = f->side[1];
    const size_t plane = (size_t)w * (size_t)h;
    const float x = at[0] - 0.5f, y = at[1] - 0.5f; /* pixel centres are at half-integers */
    if (!(x >= 0 && y >= 0 && x <= (float)(w - 1) && y <= (float)(h - 1))) return 0;
    const int x0 = stk_clampi((int)x, 0, w - 2), y0 = stk_clampi((int)y, 0, h - 2);
    const float fx = x - (float)x0, fy = y - (float)y0;
    for (int c = 0; c < 2; c++) {
        const float *p = flow + (size_t)c * plane + (size_t)y0 * (size_t)w + x0;
        out[c] = (1 - fy) * ((1 - fx) * p[0] + fx * p[1]) + fy * ((1 - fx) * p[w] + fx * p[w + 1]);
    }
    return 1;
}

int stk_points_flow_at(const stk_points_flow *f, int slot, const float anchor_px[2],
                       float now_px[2], float *error_px) {
    const key_frame *key = &f->slots[slot];
    const float unit = (float)f->unit;
    float at[2], there[2], flow[2], back[2];
    if (!key->held) return 0;
    for (int c = 0; c < 2; c++) at[c] = (anchor_px[c] - (float)key->origin[c]) / unit;
    if (!sample(f, key->flow[0], at, flow)) return 0;
    for (int c = 0; c < 2; c++) there[c] = at[c] + flow[c];
    if (!sample(f, key->flow[1], there, back)) return 0;
    *error_px = unit * hypotf(flow[0] + back[0], flow[1] + back[1]);
    for (int c = 0; c < 2; c++) now_px[c] = (float)f->origin[c] + unit * there[c];
    return isfinite(*error_px);
}
