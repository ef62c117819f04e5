/* points_tracker.c - see points_tracker.h.
 *
 * A point is predicted by the landmarks that carry the pose (head_shape.h): an affine map from its
 * anchor frame to this one, fitted to the landmarks around it, plus the point's own offset from
 * that map where it was last seen (the landmarks' shape is not the person's). The map's linear part
 * is also the prior of the patch's. A point that is not found stays for a while and is looked for
 * again: a hand that passes costs observations, not points.
 */
#include "head_sync/points_tracker.h"
#include "base/memory.h"
#include "head_sync/head_shape.h"
#include "head_sync/points_filter.h"
#include "head_sync/points_patch.h"
#include "head_sync/points_pick.h"

#include <math.h>
#include <string.h>

enum {
    LEVELS = 3,
    COARSE_TURNS = 6,
    FINE_TURNS = 12,
    BACK_TURNS = 6,
    LOST_MOST = 12,    /* frames for which a point that is not found is kept */
    HIDDEN_MOST = 500, /* the same if something must be in front of it; one that was seen briefly is
                        * kept for twice that time */
    HIDDEN_LEAST = 3,  /* points that are lost together, then */
    BRIEF_MOST = 100,  /* frames that a point of something that goes away is seen in */
    KEY_LEAST = 6, /* frames between picks; doubled after each that found little, up to KEY_SLOW */
    KEY_SLOW = 48,
    KEY_MOST = 250,  /* a pick at least as often */
    BAND = 64,       /* rows of a task */
    BORDER = 9,      /* px of the picture's rim where no patch fits */
    ANCHORS_MIN = 8, /* points for which a cut is asked */
};
static const float PICK_PART = 0.75f; /* of `alive` that the first pick fills */
static const float FEW_PART = 0.6f;   /* of the first pick seen, below which more are picked */
static const float CORRELATION_LEAST = 0.75f, COARSE_LEAST = 0.6f;
static const float BACK_MOST_PX = 0.7f, FLOW_BACK_MOST_PX = 1.5f;
static const float HIDDEN_PART = 0.3f;    /* of the face's size: around a point that is hidden */
static const float HIDDEN_LINEAR = 0.12f; /* change of the linear part that alone may lose it */
static const float LINEAR_MOST = 0.35f;   /* off the predicted linear part */
static const float ASTRAY_PART = 0.06f;   /* of the face's size, off the predicted place */
static const float NEIGHBOUR_PART = 0.3f; /* of the face's size: width of a prediction */
static const float TURNED_PART = 0.03f;   /* change of the face's outline that asks for a pick */
static const float JUMP_PART = 0.3f, JUMP_SCALE = 1.3f; /* of one frame: a cut */
static const float LOST_CUT_PART = 0.7f;                /* of the points lost in one frame */
static const float CUT_LEVELS = 10.0f; /* and the picture changed by so many grey levels */

typedef struct point {
    stk_patch fine, mid, coarse;   /* of the anchor frame, levels 0, 1, 2 */
    float solve[3][STK_RIGID_MAX]; /* landmarks -> row of the affine map about `anchor` */
    float anchor[2], offset[2];    /* px */
    float predicted[2], linear[4]; /* this frame */
    float before[2];               /* the last frame's prediction, without the offset */
    float warp[6];                 /* as last found */
    float weight, rigidity;        /* weight: of this frame; 0 = not found */
    int32_t id;
    int lost;   /* frames since it was found */
    int life;   /* frames in which it was found */
    int hidden; /* what is_hidden said when it was lost for LOST_MOST frames */
    int slot;   /* of the flow's key frame that is its anchor frame; -1 = none */
} point;

typedef struct pyramid {
    uint16_t *data[LEVELS];
    stk_lk_plane planes[LEVELS];
} pyramid;

struct stk_points_tracker {
    int width, height, frames, alive, next; /* next: frame to come */
    stk_pool *pool;
    const int32_t *take; /* [frames] or NULL */
    stk_lk_kernels kernels;
    stk_head_shape shape;
    stk_picker picker;
    pyramid pyramids[2], *now, *past;
    uint16_t *grey; /* [height][width], before smoothing */
    const stk_image *rgb;
    int level;             /* being made */
    point *slots, **order; /* [alive]; order: by rising id, then the free ones */
    int count;
    stk_taken *taken; /* [alive] */
    float rigid_px[STK_RIGID_MAX][2], last_px[STK_RIGID_MAX][2], key_px[STK_RIGID_MAX][2];
    float size_px, size_sum; /* of the face: rms distance of the rigid landmarks, doubled */
    int faces;               /* frames with one */
    int key_wait;            /* frames before the next pick */
    int last_face, key;      /* frames; -1 = none */
    int seen, past_seen;     /* points */
    stk_points_flow *flow;
    int flow_every, flow_alone, flow_now; /* flow_now: it has looked at this frame */
    stk_tracks tracks;
    float (*head)[3]; /* [points] */
    uint8_t *went;    /* [points] 1: of something that passed before the head */
    int64_t observations;
    int points_room;
    stk_points_figures figures;
};

/* --- making and freeing ----------------------------------------------------------------------- */

static int pyramid_init(pyramid *p, int width, int height) {
    for (int l = 0; l < LEVELS; l++, width /= 2, height /= 2) {
        /* One sample more than the rows hold: kernels read neighbours in pairs. */
        const size_t stride = ((size_t)width + 32) / 32 * 32;
        p->data[l] = stk_calloc_aligned(stride * (size_t)height + 32, sizeof(uint16_t));
        if (p->data[l] == NULL) return -1;
        p->planes[l] = (stk_lk_plane){p->data[l], width, height, (ptrdiff_t)stride};
    }
    return 0;
}

static stk_status tracker_allocate(stk_points_tracker *t) {
    const size_t n = (size_t)t->alive, list = n * (size_t)t->frames;
    t->points_room = 4 * t->alive + (int)((int64_t)t->frames * t->alive / (4 * KEY_LEAST));
    const size_t room = (size_t)t->points_room;
    t->grey = stk_calloc_aligned((size_t)t->width * (size_t)t->height, sizeof(uint16_t));
    t->slots = stk_calloc_aligned(n, sizeof *t->slots);
    t->order = stk_calloc_aligned(n, sizeof *t->order);
    t->taken = stk_calloc_aligned(n, sizeof *t->taken);
    t->head = stk_calloc_aligned(room, sizeof *t->head);
    t->went = stk_calloc_aligned(room, 1);
    t->tracks.first = stk_calloc_aligned((size_t)t->frames + 1, sizeof *t->tracks.first);
    t->tracks.list = stk_calloc_aligned(list, sizeof *t->tracks.list);
    t->tracks.anchor = stk_calloc_aligned(room, sizeof *t->tracks.anchor);
    t->tracks.anchor_px = stk_calloc_aligned(room, sizeof *t->tracks.anchor_px);
    if (t->grey == NULL || t->slots == NULL || t->order == NULL || t->taken == NULL ||
        t->head == NULL || t->went == NULL || t->tracks.first == NULL || t->tracks.list == NULL ||
        t->tracks.anchor == NULL || t->tracks.anchor_px == NULL ||
        pyramid_init(&t->pyramids[0], t->width, t->height) != 0 ||
        pyramid_init(&t->pyramids[1], t->width, t->height) != 0 ||
        stk_picker_init(&t->picker, t->width, t->height) != 0)
        return stk_fail_memory("the head points tracker");
    for (size_t k = 0; k < n; k++) t->order[k] = &t->slots[k];
    return STK_OK;
}

stk_status stk_points_tracker_create(stk_points_tracker **tracker, int width, int height,
                                     int frames, const stk_points_settings *settings) {
    *tracker = NULL;
    if (width < 64 || height < 64 || width > 4096 || height > 4096 || frames < 1 ||
        settings->alive < 0 || settings->alive > STK_POINTS_ALIVE_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "head points: %d points in %d frames of %dx%d px",
                        settings->alive, frames, width, height);
    stk_points_tracker *t = stk_calloc_aligned(1, sizeof *t);
    if (t == NULL) return stk_fail_memory("the head points tracker");
    t->width = width;
    t->height = height;
    t->frames = frames;
    t->alive = settings->alive > 0 ? settings->alive : STK_POINTS_ALIVE;
    t->pool = settings->pool;
    t->take = settings->take;
    t->flow = settings->flow;
    t->flow_every = settings->flow_every > 0 ? settings->flow_every : 1;
    t->flow_alone = settings->flow_alone;
    t->last_face = t->key = -1;
    t->now = &t->pyramids[0];
    t->past = &t->pyramids[1];
    stk_lk_kernels_init(&t->kernels);
    stk_head_shape_init(&t->shape);
    stk_status status = tracker_allocate(t);
    *tracker = t;
    if (status != STK_OK) stk_points_tracker_free(tracker);
    return status;
}

void stk_points_tracker_free(stk_points_tracker **tracker) {
    stk_points_tracker *t = *tracker;
    if (t == NULL) return;
    for (int l = 0; l < LEVELS; l++) {
        stk_free(t->pyramids[0].data[l]);
        stk_free(t->pyramids[1].data[l]);
    }
    stk_picker_clear(&t->picker);
    stk_tracks_clear(&t->tracks);
    stk_free(t->grey);
    stk_free(t->slots);
    stk_free(t->order);
    stk_free(t->taken);
    stk_free(t->head);
    stk_free(t->went);
    stk_free(t);
    *tracker = NULL;
}

/* --- pyramid ---------------------------------------------------------------------------------- */

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

static void make_pyramid(stk_points_tracker *t, const stk_image *rgb) {
    t->rgb = rgb;
    stk_pool_run(t->pool, (t->height + BAND - 1) / BAND, grey_task, t);
    stk_pool_run(t->pool, (t->height + BAND - 1) / BAND, smooth_task, t);
    for (t->level = 1; t->level < LEVELS; t->level++)
        stk_pool_run(t->pool, (t->now->planes[t->level].height + BAND - 1) / BAND, halve_task, t);
    t->rgb = NULL;
}

/* Mean absolute difference of the smallest level from the last frame's, grey levels. */
static float picture_change(const stk_points_tracker *t) {
    const stk_lk_plane *a = &t->now->planes[LEVELS - 1], *b = &t->past->planes[LEVELS - 1];
    int64_t sum = 0;
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++) {
            const int d = a->data[y * a->stride + x] - b->data[y * b->stride + x];
            sum += d < 0 ? -d : d;
        }
    return (float)sum / (float)(a->width * a->height) / STK_LK_ONE;
}

/* --- landmarks -------------------------------------------------------------------------------- */

/* Reads the rigid landmarks; returns 0 when they are no numbers or span nothing. */
static int read_face(stk_points_tracker *t, const float (*landmarks)[3]) {
    double x = 0, y = 0, xx = 0;
    const int n = t->shape.rigid_count;
    for (int k = 0; k < n; k++) {
        const float *p = landmarks[t->shape.rigid[k]];
        t->rigid_px[k][0] = p[0];
        t->rigid_px[k][1] = p[1];
        x += (double)p[0] / n;
        y += (double)p[1] / n;
    }
    for (int k = 0; k < n; k++) {
        const double dx = (double)t->rigid_px[k][0] - x, dy = (double)t->rigid_px[k][1] - y;
        xx += dx * dx + dy * dy;
    }
    t->size_px = (float)(2 * sqrt(xx / n));
    return t->size_px > 8 && t->size_px < 1e5f && fabs(x) < 1e6 && fabs(y) < 1e6;
}

typedef struct change {
    float shift, scale, outline; /* of the centre, in face sizes; factor; rms that a similarity
                                  * leaves, in face sizes */
} change;

/* Best similarity from one set of rigid landmarks to another, and what it leaves. */
static change face_change(const stk_points_tracker *t, const float (*from)[2],
                          const float (*to)[2]) {
    const int n = t->shape.rigid_count;
    double a[2] = {0}, b[2] = {0}, dot = 0, cross = 0, aa = 0, bb = 0;
    for (int k = 0; k < n; k++)
        for (int c = 0; c < 2; c++) a[c] += (double)from[k][c] / n, b[c] += (double)to[k][c] / n;
    for (int k = 0; k < n; k++) {
        const double ax = (double)from[k][0] - a[0], ay = (double)from[k][1] - a[1];
        const double bx = (double)to[k][0] - b[0], by = (double)to[k][1] - b[1];
        dot += ax * bx + ay * by;
        cross += ax * by - ay * bx;
        aa += ax * ax + ay * ay;
        bb += bx * bx + by * by;
    }
    const double left = bb - (dot * dot + cross * cross) / aa;
    const double size = fmax((double)t->size_px, 1);
    return (change){(float)(hypot(b[0] - a[0], b[1] - a[1]) / size), (float)sqrt(bb / aa),
                    (float)(sqrt(fmax(left, 0) / n) / size)};
}

/* Rows that turn the rigid landmarks of any frame into the affine map about the anchor: weighted
 * least squares over the landmarks around it. Returns 0 when they lie on a line. */
static int prepare_prediction(const stk_points_tracker *t, point *p) {
    double gram[9] = {0}, weights[STK_RIGID_MAX];
    const double width = (double)(NEIGHBOUR_PART * t->size_px);
    const int n = t->shape.rigid_count;
    for (int k = 0; k < n; k++) {
        const double dx = (double)(t->rigid_px[k][0] - p->anchor[0]) / width;
        const double dy = (double)(t->rigid_px[k][1] - p->anchor[1]) / width;
        const double row[3] = {dx, dy, 1};
        weights[k] = t->shape.weights[k] * (exp(-0.5 * (dx * dx + dy * dy)) + 0.02);
        for (int i = 0; i < 9; i++) gram[i] += weights[k] * row[i / 3] * row[i % 3];
    }
    for (int k = 0; k < n; k++) {
        double copy[9], row[3] = {0, 0, 1};
        memcpy(copy, gram, sizeof copy);
        for (int c = 0; c < 2; c++) row[c] = (double)(t->rigid_px[k][c] - p->anchor[c]) / width;
        for (int c = 0; c < 3; c++) row[c] *= weights[k];
        if (!stk_spd_solve(copy, row, 3)) return 0;
        p->solve[0][k] = (float)(row[0] / width);
        p->solve[1][k] = (float)(row[1] / width);
        p->solve[2][k] = (float)row[2];
    }
    return 1;
}

static void predict(const stk_points_tracker *t, point *p) {
    float m[3][2] = {{0}};
    for (int row = 0; row < 3; row++)
        for (int k = 0; k < t->shape.rigid_count; k++)
            for (int c = 0; c < 2; c++) m[row][c] += p->solve[row][k] * t->rigid_px[k][c];
    for (int c = 0; c < 2; c++) {
        p->linear[2 * c] = m[0][c];
        p->linear[2 * c + 1] = m[1][c];
        p->before[c] = p->predicted[c];
        p->predicted[c] = m[2][c];
    }
}

/* --- following -------------------------------------------------------------------------------- */

/* Levels 2 and 1: the shift, where it is trustworthy; `at` moves. */
static void follow_coarse(const stk_points_tracker *t, const point *p, float at[2]) {
    const stk_patch *patches[LEVELS] = {&p->fine, &p->mid, &p->coarse};
    for (int level = LEVELS - 1; level > 0; level--) {
        const float unit = (float)(1 << level);
        float warp[6] = {p->linear[0], p->linear[1], at[0] / unit,
                         p->linear[2], p->linear[3], at[1] / unit};
        float correlation;
        if (patches[level]->parameters == 0) continue;
        const int found = stk_patch_find(&t->kernels, &t->now->planes[level], patches[level], NULL,
                                         COARSE_TURNS, warp, &correlation);
        const float moved = hypotf(warp[2] * unit - at[0], warp[5] * unit - at[1]);
        if (!found || correlation < COARSE_LEAST || moved > 6 * unit) continue;
        at[0] = warp[2] * unit;
        at[1] = warp[5] * unit;
    }
}

/* How far from its old place a point comes out when the new patch is looked for in the last frame;
 * 0 when it was not there. */
static float look_back(const stk_points_tracker *t, const point *p, const float warp[6]) {
    stk_patch patch;
    float correlation;
    if (p->lost > 0) return 0;
    const float here[6] = {1, 0, warp[2], 0, 1, warp[5]};
    float back[6] = {1, 0, warp[2] - p->predicted[0] + p->before[0],
                     0, 1, warp[5] - p->predicted[1] + p->before[1]};
    if (!stk_patch_take(&t->kernels, &t->now->planes[0], here, 2, &patch) ||
        !stk_patch_find(&t->kernels, &t->past->planes[0], &patch, NULL, BACK_TURNS, back,
                        &correlation))
        return INFINITY;
    return hypotf(back[2] - p->warp[2], back[5] - p->warp[5]);
}

static int on_picture(const stk_points_tracker *t, const float warp[6]) {
    return warp[2] >= BORDER && warp[2] <= (float)(t->width - BORDER) && warp[5] >= BORDER &&
           warp[5] <= (float)(t->height - BORDER);
}

static int is_astray(const stk_points_tracker *t, const point *p, const float warp[6]) {
    const float off =
        hypotf(warp[2] - p->predicted[0] - p->offset[0], warp[5] - p->predicted[1] - p->offset[1]);
    return !(off <= ASTRAY_PART * t->size_px + 2);
}

static int follow_fine(const stk_points_tracker *t, const point *p, const float at[2],
                       float warp[6], float *correlation) {
    const float start[6] = {p->linear[0], p->linear[1], at[0], p->linear[2], p->linear[3], at[1]};
    memcpy(warp, start, sizeof start);
    if (!stk_patch_find(&t->kernels, &t->now->planes[0], &p->fine, p->linear, FINE_TURNS, warp,
                        correlation) ||
        *correlation < CORRELATION_LEAST || !on_picture(t, warp))
        return 0;
    const float off = fmaxf(fmaxf(fabsf(warp[0] - p->linear[0]), fabsf(warp[1] - p->linear[1])),
                            fmaxf(fabsf(warp[3] - p->linear[2]), fabsf(warp[4] - p->linear[3])));
    return off <= LINEAR_MOST && !is_astray(t, p, warp);
}

/* Where the flow says, with how far the way back misses. */
static int follow_flow(const stk_points_tracker *t, const point *p, float at[2], float *back) {
    return t->flow_now && p->slot >= 0 && stk_points_flow_at(t->flow, p->slot, p->anchor, at, back);
}

/* The point's place, how well it matches (0 .. 1) and how far the way back misses. */
static int follow_point(const stk_points_tracker *t, const point *p, float warp[6], float *match,
                        float *back) {
    float at[2] = {p->predicted[0] + p->offset[0], p->predicted[1] + p->offset[1]};
    float correlation = 0, flow_back;
    const int flows = follow_flow(t, p, at, &flow_back);
    if (flows && flow_back > FLOW_BACK_MOST_PX) return 0;
    if (flows && t->flow_alone) {
        const float here[6] = {p->linear[0], p->linear[1], at[0],
                               p->linear[2], p->linear[3], at[1]};
        memcpy(warp, here, sizeof here);
        *match = 1;
        *back = 0.25f * flow_back;
        return on_picture(t, warp) && !is_astray(t, p, warp);
    }
    if (!flows) follow_coarse(t, p, at);
    if (!follow_fine(t, p, at, warp, &correlation)) return 0;
    *match = stk_clampf((correlation - 0.7f) / 0.25f, 0, 1);
    *back = look_back(t, p, warp);
    return *back <= BACK_MOST_PX;
}

static void follow_task(void *ctx, int task, int worker) {
    (void)worker;
    const stk_points_tracker *t = ctx;
    point *p = t->order[task];
    float warp[6], match, back;
    p->weight = 0;
    predict(t, p);
    const float det = p->linear[0] * p->linear[3] - p->linear[1] * p->linear[2];
    if (!(det > 0.1f && det < 10) || !follow_point(t, p, warp, &match, &back)) return;
    memcpy(p->warp, warp, sizeof p->warp);
    p->offset[0] = warp[2] - p->predicted[0];
    p->offset[1] = warp[5] - p->predicted[1];
    p->weight = p->rigidity * match / (1 + back * back / 0.0625f);
}

/* Whether something is in front of a point: it is not found though the skin is seen from where it
 * was when it was found last (a place that has turned away looks different), and a quarter of those
 * around it are not found either (one alone may be a wrinkle), but a quarter of all are. */
static int is_hidden(const stk_points_tracker *t, const point *p) {
    const float *was = p->warp, *is = p->linear;
    const float turned = fmaxf(fmaxf(fabsf(is[0] - was[0]), fabsf(is[1] - was[1])),
                               fmaxf(fabsf(is[2] - was[3]), fabsf(is[3] - was[4])));
    const float reach = HIDDEN_PART * t->size_px;
    int lost = 0, found = 0, all_found = 0;
    const int wait =
        p->life > BRIEF_MOST ? HIDDEN_MOST : stk_clampi(2 * p->life, LOST_MOST, HIDDEN_MOST);
    if (p->lost == 0 || p->lost > wait || turned > HIDDEN_LINEAR) return 0;
    for (int k = 0; k < t->count; k++) {
        const point *q = t->order[k];
        const float dx = q->predicted[0] - p->predicted[0];
        const float dy = q->predicted[1] - p->predicted[1];
        all_found += q->lost == 0;
        if (dx * dx + dy * dy > reach * reach) continue;
        lost += q->lost > 0;
        found += q->lost == 0;
    }
    return lost >= HIDDEN_LEAST && 3 * lost > found && 4 * all_found >= t->count;
}

/* Looked for in vain since it was hidden, and seen for a short time before: not the head was hidden
 * then, but something before it went away. */
static void judge_end(stk_points_tracker *t, const point *p) {
    t->went[p->id] = (uint8_t)(p->hidden && p->life <= BRIEF_MOST);
}

static void end_point(stk_points_tracker *t, int k) {
    point *p = t->order[k];
    judge_end(t, p);
    t->count--;
    memmove(&t->order[k], &t->order[k + 1], (size_t)(t->count - k) * sizeof *t->order);
    t->order[t->count] = p;
}

static void end_all(stk_points_tracker *t) {
    t->figures.cuts += t->count > 0;
    for (int k = 0; k < t->count; k++) judge_end(t, t->order[k]);
    t->count = t->seen = 0;
    t->key = -1;
    if (t->flow != NULL) stk_points_flow_forget(t->flow);
}

/* Points found become observations; those lost for long end. */
static void record(stk_points_tracker *t, int face) {
    t->seen = 0;
    for (int k = 0; k < t->count;) {
        point *p = t->order[k];
        if (p->weight > 0) {
            t->tracks.list[t->observations++] =
                (stk_observation){p->id, p->warp[2], p->warp[5], p->weight};
            p->lost = p->hidden = 0;
            p->life++;
            t->seen++;
        } else if (++p->lost >= LOST_MOST) {
            const int hidden = face && is_hidden(t, p);
            if (p->lost == LOST_MOST) p->hidden = hidden;
            if (!hidden) {
                end_point(t, k);
                continue;
            }
        }
        k++;
    }
}

/* 1 when this frame's face, seen by its landmarks alone, cannot be the last one's. */
static int face_jumped(const stk_points_tracker *t, int frame) {
    if (t->take != NULL) return t->last_face >= 0 && t->take[frame] != t->take[t->last_face];
    if (t->last_face != frame - 1) return 0;
    const change jump = face_change(t, t->last_px, t->rigid_px);
    return jump.shift > JUMP_PART || jump.scale > JUMP_SCALE || jump.scale * JUMP_SCALE < 1;
}

static void follow(stk_points_tracker *t, int frame) {
    int found = 0, had = t->seen;
    if (t->count > 0 && face_jumped(t, frame)) end_all(t);
    stk_pool_run(t->pool, t->count, follow_task, t);
    for (int k = 0; k < t->count; k++) found += t->order[k]->weight > 0;
    if (t->take == NULL && had >= ANCHORS_MIN &&
        (float)(had - found) > LOST_CUT_PART * (float)had && picture_change(t) > CUT_LEVELS)
        end_all(t);
    record(t, 1);
}

/* --- picking ---------------------------------------------------------------------------------- */

/* The frame becomes the flow's key frame for the points picked in it: in place of that of which the
 * fewest points are left. Those go on without flow. */
static int hold_key(stk_points_tracker *t) {
    int left[STK_POINTS_FLOW_KEYS] = {0}, least = 0;
    if (t->flow == NULL || !t->flow_now) return -1;
    for (int k = 0; k < t->count; k++)
        if (t->order[k]->slot >= 0) left[t->order[k]->slot]++;
    for (int k = 1; k < stk_points_flow_keys(t->flow); k++)
        if (left[k] < left[least]) least = k;
    for (int k = 0; k < t->count; k++)
        if (t->order[k]->slot == least) t->order[k]->slot = -1;
    stk_points_flow_hold(t->flow, least);
    return least;
}

static int start_point(stk_points_tracker *t, int frame, int slot, const stk_pick *pick) {
    point *p = t->order[t->count];
    const float x = pick->px[0], y = pick->px[1];
    const float warps[LEVELS][6] = {
        {1, 0, x, 0, 1, y}, {1, 0, x / 2, 0, 1, y / 2}, {1, 0, x / 4, 0, 1, y / 4}};
    memcpy(p->anchor, pick->px, sizeof p->anchor);
    memcpy(p->warp, warps[0], sizeof p->warp);
    if (!stk_patch_take(&t->kernels, &t->now->planes[0], warps[0], 6, &p->fine) ||
        !prepare_prediction(t, p))
        return 0;
    if (!stk_patch_take(&t->kernels, &t->now->planes[1], warps[1], 2, &p->mid))
        p->mid.parameters = 0;
    if (!stk_patch_take(&t->kernels, &t->now->planes[2], warps[2], 2, &p->coarse))
        p->coarse.parameters = 0;
    predict(t, p);
    for (int c = 0; c < 2; c++) p->offset[c] = p->anchor[c] - p->predicted[c];
    p->rigidity = p->weight = pick->weight;
    p->lost = p->hidden = 0;
    p->life = 1;
    p->slot = slot;
    p->id = t->tracks.points++;
    t->tracks.anchor[p->id] = frame;
    memcpy(t->tracks.anchor_px[p->id], pick->px, sizeof p->anchor);
    memcpy(t->head[p->id], pick->head, sizeof pick->head);
    t->tracks.list[t->observations++] = (stk_observation){p->id, x, y, p->weight};
    t->count++;
    t->seen++;
    return 1;
}

/* Points that are not seen make room before new ones are picked; hidden ones keep theirs: what is
 * seen there now is not the head. */
static void make_room(stk_points_tracker *t) {
    for (int k = t->count - 1; k >= 0; k--)
        if (t->order[k]->lost > 0 && !is_hidden(t, t->order[k]) &&
            t->count + t->alive / 4 > t->alive)
            end_point(t, k);
}

static void pick(stk_points_tracker *t, int frame, const float (*landmarks)[3],
                 const stk_image *mask) {
    make_room(t);
    for (int k = 0; k < t->count; k++) {
        const point *p = t->order[k];
        for (int c = 0; c < 2; c++) t->taken[k].px[c] = p->predicted[c] + p->offset[c];
        t->taken[k].hidden = is_hidden(t, p);
    }
    const int wanted = (int)(PICK_PART * (float)t->alive), before = t->tracks.points;
    const int cells = stk_picker_look(&t->picker, &t->now->planes[0], landmarks, mask, t->taken,
                                      t->count, wanted, t->pool);
    int found = 0, room = t->alive - t->count, slot = -1;
    for (int k = 0; k < cells; k++) found += t->picker.cells[k].weight > 0;
    if (16 * (found < room ? found : room) >= t->alive) slot = hold_key(t);
    /* With less room than picks, every so many are taken: still even. */
    for (int k = 0, seen = 0; k < cells && t->tracks.points < t->points_room; k++) {
        if (t->picker.cells[k].weight <= 0) continue;
        const int even =
            room >= found || (int64_t)(seen + 1) * room / found > (int64_t)seen * room / found;
        seen++;
        if (even && t->count < t->alive) start_point(t, frame, slot, &t->picker.cells[k]);
    }
    t->figures.picked += t->tracks.points - before;
    t->figures.keys += t->tracks.points > before;
    const int fruitful = 16 * (t->tracks.points - before) >= t->alive;
    t->key_wait = fruitful ? KEY_LEAST : stk_clampi(2 * t->key_wait, KEY_LEAST, KEY_SLOW);
    t->key = frame;
    memcpy(t->key_px, t->rigid_px, sizeof t->key_px);
}

static int wants_points(const stk_points_tracker *t, int frame) {
    if (t->key < 0) return 1;
    if (frame - t->key < t->key_wait) return 0;
    if (frame - t->key > KEY_MOST) return 1;
    if ((float)t->seen < FEW_PART * PICK_PART * (float)t->alive) return 1;
    const change view = face_change(t, t->key_px, t->rigid_px);
    return view.outline > TURNED_PART || view.scale > 1.15f || view.scale * 1.15f < 1;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void skip_frame(stk_points_tracker *t) {
    for (int k = 0; k < t->count; k++) t->order[k]->weight = 0;
    record(t, 0);
}

static void fill_rows_until(stk_points_tracker *t, int frame) {
    for (; t->next < frame; t->next++) {
        t->tracks.first[t->next] = t->observations;
        skip_frame(t);
    }
}

static stk_status ask_flow(stk_points_tracker *t, int frame, const stk_image *rgb) {
    float centre[2] = {0};
    t->flow_now = t->flow != NULL &&
                  (t->key < 0 || (frame - t->key) % t->flow_every == 0 || wants_points(t, frame));
    if (!t->flow_now) return STK_OK;
    for (int k = 0; k < t->shape.rigid_count; k++)
        for (int c = 0; c < 2; c++) centre[c] += t->rigid_px[k][c] / (float)t->shape.rigid_count;
    return stk_points_flow_look(t->flow, rgb, centre);
}

stk_status stk_points_tracker_push(stk_points_tracker *t, int frame, const stk_image *rgb,
                                   const float (*landmarks)[3], const stk_image *mask) {
    if (frame < t->next || frame >= t->frames || rgb->width != t->width ||
        rgb->height != t->height || rgb->channels != 3 ||
        (mask != NULL &&
         (mask->width != t->width || mask->height != t->height || mask->channels != 1)))
        return stk_fail(STK_ERR_ARGUMENT,
                        "head points: frame %d (%dx%d px) after %d of %d (%dx%d px)", frame,
                        rgb->width, rgb->height, t->next, t->frames, t->width, t->height);
    fill_rows_until(t, frame);
    pyramid *swap = t->past;
    t->past = t->now;
    t->now = swap;
    t->tracks.first[frame] = t->observations;
    t->next = frame + 1;
    make_pyramid(t, rgb);
    if (landmarks == NULL || !read_face(t, landmarks)) {
        skip_frame(t);
        return STK_OK;
    }
    t->size_sum += t->size_px;
    t->faces++;
    STK_TRY(ask_flow(t, frame, rgb));
    follow(t, frame);
    if (wants_points(t, frame)) pick(t, frame, landmarks, mask);
    memcpy(t->last_px, t->rigid_px, sizeof t->last_px);
    t->last_face = frame;
    return STK_OK;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Points without a weight left go; the others close up. number [points] is scratch. */
static void compact(stk_tracks *tracks, int32_t *number) {
    int64_t kept = 0;
    int points = 0;
    for (int j = 0; j < tracks->points; j++) number[j] = -1;
    for (int64_t k = 0; k < tracks->first[tracks->frames]; k++)
        if (tracks->list[k].weight > 0) number[tracks->list[k].point] = 0;
    for (int j = 0; j < tracks->points; j++) {
        if (number[j] < 0) continue;
        tracks->anchor[points] = tracks->anchor[j];
        memcpy(tracks->anchor_px[points], tracks->anchor_px[j], sizeof tracks->anchor_px[j]);
        number[j] = points++;
    }
    for (int i = 0; i < tracks->frames; i++) {
        const int64_t from = tracks->first[i];
        tracks->first[i] = kept;
        for (int64_t k = from; k < tracks->first[i + 1]; k++) {
            stk_observation o = tracks->list[k];
            if (number[o.point] < 0) continue;
            o.point = number[o.point];
            tracks->list[kept++] = o;
        }
    }
    tracks->first[tracks->frames] = kept;
    tracks->points = points;
}

stk_status stk_points_tracker_finish(stk_points_tracker *t, stk_tracks *tracks,
                                     stk_points_figures *figures) {
    stk_filter_figures filter;
    memset(tracks, 0, sizeof *tracks);
    fill_rows_until(t, t->frames);
    for (int k = 0; k < t->count; k++) judge_end(t, t->order[k]);
    for (int64_t k = 0; k < t->observations; k++)
        if (t->went[t->tracks.list[k].point]) t->tracks.list[k].weight = 0;
    t->tracks.first[t->frames] = t->observations;
    t->tracks.frames = t->frames;
    t->tracks.width = t->width;
    t->tracks.height = t->height;
    const float size = t->faces > 0 ? t->size_sum / (float)t->faces : 1;
    int32_t *number = stk_calloc_aligned((size_t)t->tracks.points + 1, sizeof *number);
    if (number == NULL) return stk_fail_memory("the head's points");
    stk_status status =
        stk_points_filter(&t->tracks, (const float(*)[3])t->head, size, t->pool, &filter);
    if (status == STK_OK) {
        compact(&t->tracks, number);
        *tracks = t->tracks;
        t->tracks = (stk_tracks){0};
        t->figures.kept = filter.kept;
        t->figures.length = filter.length;
        t->figures.laplacian_px = filter.laplacian_px;
        t->figures.spread_px = filter.spread_px;
        if (figures != NULL) *figures = t->figures;
    }
    stk_free(number);
    return status;
}
