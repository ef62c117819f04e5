/* points_follow.c - points found again in a frame: prediction or flow, coarse levels, the patch,
 * the way back; what becomes of those that are not. Points are tasks of the pool. */
#include "head_sync/points_internal.h"

#include <math.h>
#include <string.h>

enum {
    COARSE_TURNS = 6,
    FINE_TURNS = 12,
    BACK_TURNS = 6,
    HIDDEN_MOST =
        500,          /* as POINTS_LOST_MOST, if something must be in front of it; one that was seen
                        * briefly is kept for twice that time */
    HIDDEN_LEAST = 3, /* points that are lost together, then */
    BRIEF_MOST = 100, /* frames that a point of something that goes away is seen in */
    BORDER = 9,       /* px of the picture's rim where no patch fits */
    ANCHORS_MIN = 8,  /* points for which a cut is asked */
};
static const float CORRELATION_LEAST = 0.75f, COARSE_LEAST = 0.6f;
static const float BACK_MOST_PX = 0.7f, FLOW_BACK_MOST_PX = 1.5f;
static const float HIDDEN_PART = 0.3f;    /* of the face's size: around a point that is hidden */
static const float HIDDEN_LINEAR = 0.12f; /* change of the linear part that alone may lose it */
static const float LINEAR_MOST = 0.35f;   /* off the predicted linear part */
static const float ASTRAY_PART = 0.06f;   /* of the face's size, off the predicted place */
static const float JUMP_PART = 0.3f, JUMP_SCALE = 1.3f; /* of one frame: a cut */
static const float LOST_CUT_PART = 0.7f;                /* of the points lost in one frame */
static const float CUT_LEVELS = 10.0f; /* and the picture changed by so many grey levels */

/* Levels 2 and 1: the shift, where it is trustworthy; `at` moves. */
static void follow_coarse(const stk_points_tracker *t, const tracked_point *p, float at[2]) {
    const stk_patch *patches[POINTS_LEVELS] = {&p->fine, &p->mid, &p->coarse};
    for (int level = POINTS_LEVELS - 1; level > 0; level--) {
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
static float look_back(const stk_points_tracker *t, const tracked_point *p, const float warp[6]) {
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

static int is_astray(const stk_points_tracker *t, const tracked_point *p, const float warp[6]) {
    const float off =
        hypotf(warp[2] - p->predicted[0] - p->offset[0], warp[5] - p->predicted[1] - p->offset[1]);
    return !(off <= ASTRAY_PART * t->size_px + 2);
}

static int follow_fine(const stk_points_tracker *t, const tracked_point *p, const float at[2],
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
static int follow_flow(const stk_points_tracker *t, const tracked_point *p, float at[2],
                       float *back) {
    return t->flow_now && p->slot >= 0 && stk_points_flow_at(t->flow, p->slot, p->anchor, at, back);
}

/* The point's place, how well it matches (0 .. 1) and how far the way back misses. */
static int follow_point(const stk_points_tracker *t, const tracked_point *p, float warp[6],
                        float *match, float *back) {
    float at[2] = {p->predicted[0] + p->offset[0], p->predicted[1] + p->offset[1]};
    float correlation = 0, flow_back;
    const int flows = follow_flow(t, p, at, &flow_back);
    if (flows && flow_back > FLOW_BACK_MOST_PX) return 0;
    if (!flows) follow_coarse(t, p, at);
    if (!follow_fine(t, p, at, warp, &correlation)) return 0;
    *match = stk_clampf((correlation - 0.7f) / 0.25f, 0, 1);
    *back = look_back(t, p, warp);
    return *back <= BACK_MOST_PX;
}

static void follow_task(void *ctx, int task, int worker) {
    (void)worker;
    const stk_points_tracker *t = ctx;
    tracked_point *p = t->order[task];
    float warp[6], match, back;
    p->weight = 0;
    stk_points_predict(t, p);
    const float det = p->linear[0] * p->linear[3] - p->linear[1] * p->linear[2];
    if (!(det > 0.1f && det < 10) || !follow_point(t, p, warp, &match, &back)) return;
    memcpy(p->warp, warp, sizeof p->warp);
    memcpy(p->seen_linear, p->linear, sizeof p->seen_linear);
    p->offset[0] = warp[2] - p->predicted[0];
    p->offset[1] = warp[5] - p->predicted[1];
    p->weight = p->rigidity * match / (1 + back * back / 0.0625f);
}

int stk_points_is_hidden(const stk_points_tracker *t, const tracked_point *p) {
    const float *was = p->seen_linear, *is = p->linear;
    const float turned = fmaxf(fmaxf(fabsf(is[0] - was[0]), fabsf(is[1] - was[1])),
                               fmaxf(fabsf(is[2] - was[2]), fabsf(is[3] - was[3])));
    const float reach = HIDDEN_PART * t->size_px;
    int lost = 0, found = 0, all_found = 0;
    const int wait =
        p->life > BRIEF_MOST ? HIDDEN_MOST : stk_clampi(2 * p->life, POINTS_LOST_MOST, HIDDEN_MOST);
    if (p->lost == 0 || p->lost > wait || turned > HIDDEN_LINEAR) return 0;
    for (int k = 0; k < t->count; k++) {
        const tracked_point *q = t->order[k];
        const float dx = q->predicted[0] - p->predicted[0];
        const float dy = q->predicted[1] - p->predicted[1];
        all_found += q->lost == 0;
        if (dx * dx + dy * dy > reach * reach) continue;
        lost += q->lost > 0;
        found += q->lost == 0;
    }
    return lost >= HIDDEN_LEAST && 3 * lost > found && 4 * all_found >= t->count;
}

void stk_points_judge_end(stk_points_tracker *t, const tracked_point *p) {
    t->went[p->id] = (uint8_t)(p->hidden && p->life <= BRIEF_MOST);
}

void stk_points_end(stk_points_tracker *t, int k) {
    tracked_point *p = t->order[k];
    stk_points_judge_end(t, p);
    t->count--;
    memmove(&t->order[k], &t->order[k + 1], (size_t)(t->count - k) * sizeof *t->order);
    t->order[t->count] = p;
}

static void end_all(stk_points_tracker *t) {
    t->figures.cuts += t->count > 0;
    for (int k = 0; k < t->count; k++) stk_points_judge_end(t, t->order[k]);
    t->count = t->seen = 0;
    t->key = -1;
    if (t->flow != NULL) stk_points_flow_forget(t->flow);
}

/* Points found become observations; those lost for long end. */
static void record(stk_points_tracker *t, int face) {
    t->seen = 0;
    for (int k = 0; k < t->count;) {
        tracked_point *p = t->order[k];
        if (p->weight > 0) {
            const float *w = p->warp, *c = p->fine.centroid;
            t->tracks.list[t->observations++] =
                (stk_observation){p->id, w[0] * c[0] + w[1] * c[1] + w[2],
                                  w[3] * c[0] + w[4] * c[1] + w[5], p->weight};
            p->lost = p->hidden = 0;
            p->life++;
            t->seen++;
        } else if (++p->lost >= POINTS_LOST_MOST) {
            const int hidden = face && stk_points_is_hidden(t, p);
            if (p->lost == POINTS_LOST_MOST) p->hidden = hidden;
            if (!hidden) {
                stk_points_end(t, k);
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
    const face_change jump = stk_points_face_change(t, t->last_px, t->rigid_px);
    return jump.shift > JUMP_PART || jump.scale > JUMP_SCALE || jump.scale * JUMP_SCALE < 1;
}

void stk_points_follow(stk_points_tracker *t, int frame) {
    int found = 0, had = t->seen;
    if (t->count > 0 && face_jumped(t, frame)) end_all(t);
    stk_pool_run(t->pool, t->count, follow_task, t);
    for (int k = 0; k < t->count; k++) found += t->order[k]->weight > 0;
    if (t->take == NULL && had >= ANCHORS_MIN &&
        (float)(had - found) > LOST_CUT_PART * (float)had &&
        stk_points_picture_change(t) > CUT_LEVELS)
        end_all(t);
    record(t, 1);
}

void stk_points_skip(stk_points_tracker *t) {
    for (int k = 0; k < t->count; k++) t->order[k]->weight = 0;
    record(t, 0);
}
