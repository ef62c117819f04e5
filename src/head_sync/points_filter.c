/* points_filter.c - see points_filter.h. Threading: frames and points are tasks of the pool; sums
 * run within a task, so that results do not depend on the number of threads. */
#include "head_sync/points_filter.h"
#include "base/memory.h"
#include "base/spd.h"
#include "head_sync/se3.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 4, SEEN_LEAST = 5, FRAME_LEAST = 8 };
/* A point's place on the canonical face may be wrong by this much (landmarks, another person). */
static const double PLACE_SIGMA_M = 0.006;
/* Residuals beyond this part of the face's size do not count: Geman-McClure width. */
static const double WIDTH_PART = 0.012, WIDTH_LEAST_PX = 0.75;
/* How far above the median a point may be, and what is never too much, px. */
static const float LAPLACIAN_FACTOR = 2.5f, LAPLACIAN_FINE_PX = 0.15f;
static const float SPREAD_FACTOR = 2.0f, SPREAD_FINE_PX = 0.5f;
static const float FAR_FACTOR = 5.0f;
/* Lowered below this, an observation says more of its point than of the head: 0. */
static const float WEIGHT_LEAST = 0.1f;
/* As published: a frame that shakes more than this many times the mean does not judge points. */
static const double WILD_FRAME = 3.0;

typedef struct affine_camera {
    double m[2][4]; /* px a metre; px */
    int usable;
    float shake; /* mean second difference of the frame */
} affine_camera;

typedef struct filter {
    stk_tracks *tracks;
    const float (*head)[3];
    double (*place)[3]; /* [points] metres, as fitted */
    affine_camera *cameras;
    float (*residual)[2];           /* [observations] px */
    float *laplacian;               /* [observations] of the point at that frame; < 0 unknown */
    int64_t *start;                 /* [points + 1] into index */
    int64_t *index;                 /* [observations] point by point, by rising frame */
    int32_t *frame;                 /* [observations] */
    float *score, *spread, *sorted; /* [points]; score < 0: too few frames */
    double width_px;
    stk_pool *pool;
    stk_arena memory; /* of all these */
} filter;

static int64_t observations(const filter *f) {
    return f->tracks->first[f->tracks->frames];
}

/* Each array begins on 64 bytes. */
enum { ROUNDING = 10 * 64 };

size_t stk_points_filter_bytes(int frames, int points, int64_t count) {
    const size_t n = (size_t)count + 1, p = (size_t)points + 1;
    const filter *f = NULL;
    return ROUNDING + (size_t)frames * sizeof *f->cameras +
           n * (sizeof *f->residual + sizeof *f->laplacian + sizeof *f->index + sizeof *f->frame) +
           p * (sizeof *f->place + sizeof *f->score + sizeof *f->spread + sizeof *f->sorted) +
           (p + 1) * sizeof *f->start;
}

static void *take(filter *f, size_t count, size_t size) {
    void *block = stk_arena_push(&f->memory, count * size);
    if (block != NULL) memset(block, 0, count * size);
    return block;
}

static stk_status filter_allocate(filter *f) {
    const size_t n = (size_t)observations(f) + 1, points = (size_t)f->tracks->points + 1;
    const size_t bytes =
        stk_points_filter_bytes(f->tracks->frames, f->tracks->points, observations(f));
    if (stk_arena_init(&f->memory, bytes) != 0)
        return stk_fail_memory("the filter of the head's points");
    f->place = take(f, points, sizeof *f->place);
    f->cameras = take(f, (size_t)f->tracks->frames, sizeof *f->cameras);
    f->residual = take(f, n, sizeof *f->residual);
    f->laplacian = take(f, n, sizeof *f->laplacian);
    f->start = take(f, points + 1, sizeof *f->start);
    f->index = take(f, n, sizeof *f->index);
    f->frame = take(f, n, sizeof *f->frame);
    f->score = take(f, points, sizeof *f->score);
    f->spread = take(f, points, sizeof *f->spread);
    f->sorted = take(f, points, sizeof *f->sorted);
    return f->sorted != NULL ? STK_OK : stk_fail_memory("the filter of the head's points");
}

/* Frame by frame -> point by point. */
static void sort_by_point(filter *f) {
    const stk_tracks *t = f->tracks;
    for (int64_t k = 0; k < observations(f); k++) f->start[t->list[k].point + 2]++;
    for (int j = 0; j < t->points; j++) f->start[j + 2] += f->start[j + 1];
    for (int i = 0; i < t->frames; i++)
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            f->frame[k] = i;
            f->index[f->start[t->list[k].point + 1]++] = k;
        }
    for (int j = 0; j < t->points; j++)
        for (int c = 0; c < 3; c++) f->place[j][c] = (double)f->head[j][c];
}

/* --- affine cameras and places, by turns ------------------------------------------------------ */

static void measure(const filter *f, int64_t k, double e[2]) {
    const stk_observation *o = &f->tracks->list[k];
    const affine_camera *camera = &f->cameras[f->frame[k]];
    const double *x = f->place[o->point];
    for (int c = 0; c < 2; c++) {
        const double *m = camera->m[c];
        const double at = c == 0 ? (double)o->x_px : (double)o->y_px;
        e[c] = at - (m[0] * x[0] + m[1] * x[1] + m[2] * x[2] + m[3]);
    }
}

/* Geman-McClure: (s^2 / (s^2 + e^2))^2. */
static double trust(const filter *f, int64_t k, double width) {
    double e[2];
    measure(f, k, e);
    const double s = width * width / (width * width + e[0] * e[0] + e[1] * e[1]);
    return (double)f->tracks->list[k].weight * s * s;
}

/* One weighted least squares fit of a frame's camera. Depth is held by a weak prior towards the
 * last fit's rows, so that a face seen from the front does not lose it. */
static int fit_camera(filter *f, int i, double width) {
    double a[16] = {0}, b[2][4] = {{0}}, copy[16];
    affine_camera *camera = &f->cameras[i];
    const stk_tracks *t = f->tracks;
    for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
        const stk_observation *o = &t->list[k];
        const double *x = f->place[o->point], row[4] = {x[0], x[1], x[2], 1};
        const double w = width > 0 ? trust(f, k, width) : (double)o->weight;
        for (int r = 0; r < 4; r++) {
            for (int c = 0; c < 4; c++) a[4 * r + c] += w * row[r] * row[c];
            b[0][r] += w * row[r] * (double)o->x_px;
            b[1][r] += w * row[r] * (double)o->y_px;
        }
    }
    /* In metres^2: a hundredth of a millimetre for each point. */
    for (int r = 0; r < 3; r++) a[5 * r] += 1e-10 * a[15];
    for (int c = 0; c < 2; c++) {
        memcpy(copy, a, sizeof copy);
        if (!stk_spd_solve(copy, b[c], 4)) return 0;
        memcpy(camera->m[c], b[c], sizeof b[c]);
    }
    return 1;
}

/* From nothing: wide, then narrower; later turns start from the last fit. */
static void camera_task(void *ctx, int task, int worker) {
    (void)worker;
    filter *f = ctx;
    affine_camera *camera = &f->cameras[task];
    const int fresh = !camera->usable;
    camera->usable = f->tracks->first[task + 1] - f->tracks->first[task] >= FRAME_LEAST;
    if (camera->usable && fresh) camera->usable = fit_camera(f, task, 0);
    for (double wide = fresh ? 16 : 1; camera->usable && wide >= 1; wide /= 2)
        camera->usable = fit_camera(f, task, wide * f->width_px);
}

/* Place of a point from all its frames, near the one on the canonical face. */
static void place_task(void *ctx, int task, int worker) {
    (void)worker;
    filter *f = ctx;
    double a[9] = {0}, b[3];
    const double hold = f->width_px * f->width_px / (PLACE_SIGMA_M * PLACE_SIGMA_M);
    for (int c = 0; c < 3; c++) {
        a[4 * c] = hold;
        b[c] = hold * (double)f->head[task][c];
    }
    for (int64_t n = f->start[task]; n < f->start[task + 1]; n++) {
        const int64_t k = f->index[n];
        const stk_observation *o = &f->tracks->list[k];
        const affine_camera *camera = &f->cameras[f->frame[k]];
        if (!camera->usable) continue;
        const double w = trust(f, k, 4 * f->width_px);
        for (int r = 0; r < 2; r++) {
            const double *m = camera->m[r];
            const double at = (r == 0 ? (double)o->x_px : (double)o->y_px) - m[3];
            for (int i = 0; i < 3; i++) {
                for (int j = 0; j < 3; j++) a[3 * i + j] += w * m[i] * m[j];
                b[i] += w * m[i] * at;
            }
        }
    }
    if (stk_spd_solve(a, b, 3)) memcpy(f->place[task], b, sizeof b);
}

/* --- judging ---------------------------------------------------------------------------------- */

static void residual_task(void *ctx, int task, int worker) {
    (void)worker;
    filter *f = ctx;
    for (int64_t n = f->start[task]; n < f->start[task + 1]; n++) {
        double e[2] = {0, 0};
        const int64_t k = f->index[n];
        if (f->cameras[f->frame[k]].usable) measure(f, k, e);
        f->residual[k][0] = (float)e[0];
        f->residual[k][1] = (float)e[1];
    }
    for (int64_t n = f->start[task]; n < f->start[task + 1]; n++) {
        const int64_t k = f->index[n];
        f->laplacian[k] = -1;
        if (n == f->start[task] || n + 1 == f->start[task + 1]) continue;
        const int64_t before = f->index[n - 1], after = f->index[n + 1];
        const int i = f->frame[k];
        if (f->frame[before] != i - 1 || f->frame[after] != i + 1 || !f->cameras[i].usable ||
            !f->cameras[i - 1].usable || !f->cameras[i + 1].usable)
            continue;
        const float *p = f->residual[before], *q = f->residual[k], *r = f->residual[after];
        f->laplacian[k] = hypotf(q[0] - 0.5f * (p[0] + r[0]), q[1] - 0.5f * (p[1] + r[1]));
    }
}

/* Mean second difference of each frame; those far above all others are not asked. */
static double judge_frames(filter *f) {
    double sum = 0;
    int64_t count = 0;
    for (int i = 0; i < f->tracks->frames; i++) {
        double here = 0;
        int64_t seen = 0;
        for (int64_t k = f->tracks->first[i]; k < f->tracks->first[i + 1]; k++)
            if (f->laplacian[k] >= 0) here += (double)f->laplacian[k], seen++;
        f->cameras[i].shake = seen > 0 ? (float)(here / (double)seen) : 0;
        sum += here;
        count += seen;
    }
    return count > 0 ? WILD_FRAME * sum / (double)count : INFINITY;
}

static void judge_point(filter *f, int j, double wild) {
    double laplacian = 0, spread = 0;
    int64_t triples = 0, seen = 0;
    for (int64_t n = f->start[j]; n < f->start[j + 1]; n++) {
        const int64_t k = f->index[n];
        const affine_camera *camera = &f->cameras[f->frame[k]];
        if (!camera->usable || camera->shake > wild || f->tracks->list[k].weight <= 0) continue;
        const float *e = f->residual[k];
        spread += (double)(e[0] * e[0] + e[1] * e[1]);
        seen++;
        if (f->laplacian[k] < 0) continue;
        laplacian += (double)f->laplacian[k];
        triples++;
    }
    const int enough = seen >= SEEN_LEAST && triples >= SEEN_LEAST - 2;
    f->score[j] = enough ? (float)(laplacian / (double)triples) : -1;
    f->spread[j] = seen > 0 ? (float)sqrt(spread / (double)seen) : 0;
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of the points that were seen long enough and, with keep, not rejected. */
static float median_of(filter *f, const float *values) {
    int count = 0;
    for (int j = 0; j < f->tracks->points; j++)
        if (f->score[j] >= 0) f->sorted[count++] = values[j];
    if (count == 0) return 0;
    qsort(f->sorted, (size_t)count, sizeof *f->sorted, compare_floats);
    return f->sorted[count / 2];
}

/* Points and observations far off get weight 0. With `weigh` the others' are lowered, too: by
 * 4 / ((1 + l^2) (1 + s^2)), 1 at most; l, s the second difference and the rms in medians; what
 * is left of too little becomes 0. */
static void reject(filter *f, int weigh, stk_filter_figures *figures) {
    const float shaking = fmaxf(median_of(f, f->score), LAPLACIAN_FINE_PX / LAPLACIAN_FACTOR);
    const float wide = fmaxf(median_of(f, f->spread), SPREAD_FINE_PX / SPREAD_FACTOR);
    int64_t seen = 0;
    figures->kept = 0;
    for (int j = 0; j < f->tracks->points; j++) {
        const float l = f->score[j] / shaking, s = f->spread[j] / wide;
        const int kept = l >= 0 && l <= LAPLACIAN_FACTOR && s <= SPREAD_FACTOR;
        const float lowered = fminf(1, 4 / ((1 + l * l) * (1 + s * s)));
        const float factor = !kept ? 0 : weigh ? lowered : 1;
        for (int64_t n = f->start[j]; n < f->start[j + 1]; n++) {
            const int64_t k = f->index[n];
            const float *e = f->residual[k];
            const int good = hypotf(e[0], e[1]) <= FAR_FACTOR * wide;
            f->tracks->list[k].weight *= good ? factor : 0;
            if (weigh && f->tracks->list[k].weight < WEIGHT_LEAST) f->tracks->list[k].weight = 0;
            seen += f->tracks->list[k].weight > 0;
        }
        if (!kept) f->score[j] = -1;
        figures->kept += kept;
    }
    figures->length = figures->kept > 0 ? (float)seen / (float)figures->kept : 0;
    figures->laplacian_px = median_of(f, f->score);
    figures->spread_px = median_of(f, f->spread);
}

/* Cameras and places by turns, residuals, and what they say of every point. */
static void fit_and_judge(filter *f) {
    for (int turn = 0; turn < TURNS; turn++) {
        stk_pool_run(f->pool, f->tracks->frames, camera_task, f);
        if (turn + 1 < TURNS) stk_pool_run(f->pool, f->tracks->points, place_task, f);
    }
    stk_pool_run(f->pool, f->tracks->points, residual_task, f);
    const double wild = judge_frames(f);
    for (int j = 0; j < f->tracks->points; j++) judge_point(f, j, wild);
}

stk_status stk_points_filter(stk_tracks *tracks, const float (*head)[3], float size_px,
                             stk_pool *pool, stk_filter_figures *figures) {
    filter f = {.tracks = tracks, .head = head, .pool = pool};
    memset(figures, 0, sizeof *figures);
    f.width_px = fmax(WIDTH_PART * (double)size_px, WIDTH_LEAST_PX);
    stk_status status = filter_allocate(&f);
    if (status == STK_OK) {
        sort_by_point(&f);
        fit_and_judge(&f);
        reject(&f, 0, figures);
        fit_and_judge(&f); /* without those that are out */
        reject(&f, 1, figures);
    }
    stk_arena_clear(&f.memory);
    return status;
}
