/* points_pyramid.c - grey pictures of three sizes, smoothed, in units of 1 / STK_LK_ONE of a level.
 * Bands of rows are tasks of the pool. */
#include "head_sync/points_internal.h"

#include "base/memory.h"

enum { BAND = 64 }; /* rows of a task */

int stk_points_pyramid_init(points_pyramid *p, int width, int height) {
    for (int l = 0; l < POINTS_LEVELS; l++, width /= 2, height /= 2) {
        /* One sample more than the rows hold: kernels read neighbours in pairs. */
        const size_t stride = ((size_t)width + 32) / 32 * 32;
        p->data[l] = stk_calloc_aligned(stride * (size_t)height + 32, sizeof(uint16_t));
        if (p->data[l] == NULL) return -1;
        p->planes[l] = (stk_lk_plane){p->data[l], width, height, (ptrdiff_t)stride};
    }
    return 0;
}

static void grey_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_points_tracker *t = ctx;
    for (int y = task * BAND; y < (task + 1) * BAND && y < t->height; y++)
        t->kernels.grey(t->width, stk_image_row(t->rgb, y), t->grey + (size_t)y * (size_t)t->width);
}

static void smooth_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_points_tracker *t = ctx;
    const size_t width = (size_t)t->width, stride = (size_t)t->now->planes[0].stride;
    for (int y = task * BAND; y < (task + 1) * BAND && y < t->height; y++) {
        const int above = stk_clampi(y - 1, 0, t->height - 1);
        const int below = stk_clampi(y + 1, 0, t->height - 1);
        t->kernels.smooth(t->width, t->grey + (size_t)above * width, t->grey + (size_t)y * width,
                          t->grey + (size_t)below * width, t->now->data[0] + (size_t)y * stride);
    }
}

static void halve_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_points_tracker *t = ctx;
    const stk_lk_plane *from = &t->now->planes[t->level - 1], *to = &t->now->planes[t->level];
    for (int y = task * BAND; y < (task + 1) * BAND && y < to->height; y++) {
        const uint16_t *rows[4];
        for (int k = 0; k < 4; k++)
            rows[k] = from->data + stk_clampi(2 * y - 1 + k, 0, from->height - 1) * from->stride;
        t->kernels.halve(to->width, from->width, rows,
                         t->now->data[t->level] + (ptrdiff_t)y * to->stride);
    }
}

void stk_points_pyramid_make(stk_points_tracker *t, const stk_image *rgb) {
    t->rgb = rgb;
    stk_pool_run(t->pool, (t->height + BAND - 1) / BAND, grey_task, t);
    stk_pool_run(t->pool, (t->height + BAND - 1) / BAND, smooth_task, t);
    for (t->level = 1; t->level < POINTS_LEVELS; t->level++)
        stk_pool_run(t->pool, (t->now->planes[t->level].height + BAND - 1) / BAND, halve_task, t);
    t->rgb = NULL;
}

float stk_points_picture_change(const stk_points_tracker *t) {
    const stk_lk_plane *a = &t->now->planes[POINTS_LEVELS - 1],
                       *b = &t->past->planes[POINTS_LEVELS - 1];
    int64_t sum = 0;
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++) {
            const int d = a->data[y * a->stride + x] - b->data[y * b->stride + x];
            sum += d < 0 ? -d : d;
        }
    return (float)sum / (float)(a->width * a->height) / STK_LK_ONE;
}
