/* points_keys.c - when and where new points are picked. */
#include "head_sync/points_internal.h"

#include <string.h>

enum { KEY_SLOW = 48, KEY_MOST = 250 }; /* frames: see POINTS_KEY_LEAST; a pick at least as often */
static const float PICK_PART = 0.75f;   /* of `alive` that the first pick fills */
static const float FEW_PART = 0.6f;     /* of the first pick seen, below which more are picked */
static const float TURNED_PART = 0.03f; /* change of the face's outline that asks for a pick */

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
    tracked_point *p = t->order[t->count];
    const float x = pick->px[0], y = pick->px[1];
    const float warps[POINTS_LEVELS][6] = {
        {1, 0, x, 0, 1, y}, {1, 0, x / 2, 0, 1, y / 2}, {1, 0, x / 4, 0, 1, y / 4}};
    memcpy(p->anchor, pick->px, sizeof p->anchor);
    memcpy(p->warp, warps[0], sizeof p->warp);
    if (!stk_patch_take(&t->kernels, &t->now->planes[0], warps[0], 6, &p->fine) ||
        !stk_points_prepare_prediction(t, p))
        return 0;
    if (!stk_patch_take(&t->kernels, &t->now->planes[1], warps[1], 2, &p->mid))
        p->mid.parameters = 0;
    if (!stk_patch_take(&t->kernels, &t->now->planes[2], warps[2], 2, &p->coarse))
        p->coarse.parameters = 0;
    stk_points_predict(t, p);
    memcpy(p->seen_linear, p->linear, sizeof p->seen_linear);
    for (int c = 0; c < 2; c++) p->offset[c] = p->anchor[c] - p->predicted[c];
    p->rigidity = p->weight = pick->weight;
    p->lost = p->hidden = 0;
    p->life = 1;
    p->slot = slot;
    p->id = t->tracks.points++;
    t->tracks.anchor[p->id] = frame;
    const float at[2] = {x + p->fine.centroid[0], y + p->fine.centroid[1]};
    memcpy(t->tracks.anchor_px[p->id], at, sizeof at);
    memcpy(t->head[p->id], pick->head, sizeof pick->head);
    t->tracks.list[t->observations++] = (stk_observation){p->id, at[0], at[1], p->weight};
    t->count++;
    t->seen++;
    return 1;
}

/* Points that are not seen make room before new ones are picked; hidden ones keep theirs: what is
 * seen there now is not the head. */
static void make_room(stk_points_tracker *t) {
    for (int k = t->count - 1; k >= 0; k--)
        if (t->order[k]->lost > 0 && !stk_points_is_hidden(t, t->order[k]) &&
            t->count + t->alive / 4 > t->alive)
            stk_points_end(t, k);
}

void stk_points_pick(stk_points_tracker *t, int frame, const float (*landmarks)[3],
                     const stk_image *mask) {
    make_room(t);
    for (int k = 0; k < t->count; k++) {
        const tracked_point *p = t->order[k];
        for (int c = 0; c < 2; c++) t->taken[k].px[c] = p->predicted[c] + p->offset[c];
        t->taken[k].hidden = stk_points_is_hidden(t, p);
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
    t->key_wait =
        fruitful ? POINTS_KEY_LEAST : stk_clampi(2 * t->key_wait, POINTS_KEY_LEAST, KEY_SLOW);
    t->key = frame;
    memcpy(t->key_px, t->rigid_px, sizeof t->key_px);
}

int stk_points_wanted(const stk_points_tracker *t, int frame) {
    if (t->key < 0) return 1;
    if (frame - t->key < t->key_wait) return 0;
    if (frame - t->key > KEY_MOST) return 1;
    if ((float)t->seen < FEW_PART * PICK_PART * (float)t->alive) return 1;
    const face_change view = stk_points_face_change(t, t->key_px, t->rigid_px);
    return view.outline > TURNED_PART || view.scale > 1.15f || view.scale * 1.15f < 1;
}
