/* points_tracker.c - see points_tracker.h.
 *
 * A point is predicted by the landmarks that carry the pose (head_shape.h): an affine map from its
 * anchor frame to this one, fitted to the landmarks around it, plus the point's own offset from
 * that map where it was last seen (the landmarks' shape is not the person's). The map's linear part
 * is also the prior of the patch's. A point that is not found stays for a while and is looked for
 * again: a hand that passes costs observations, not points.
 */
#include "base/memory.h"
#include "head_sync/points_filter.h"
#include "head_sync/points_internal.h"

#include <math.h>
#include <string.h>

/* --- making and freeing ----------------------------------------------------------------------- */

static stk_status tracker_allocate(stk_points_tracker *t) {
    const size_t n = (size_t)t->alive, list = n * (size_t)t->frames;
    t->points_room = 4 * t->alive + (int)((int64_t)t->frames * t->alive / (4 * POINTS_KEY_LEAST));
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
        stk_points_pyramid_init(&t->pyramids[0], t->width, t->height) != 0 ||
        stk_points_pyramid_init(&t->pyramids[1], t->width, t->height) != 0 ||
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
    for (int l = 0; l < POINTS_LEVELS; l++) {
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

/* --- frames ----------------------------------------------------------------------------------- */

static void fill_rows_until(stk_points_tracker *t, int frame) {
    for (; t->next < frame; t->next++) {
        t->tracks.first[t->next] = t->observations;
        stk_points_skip(t);
    }
}

static stk_status ask_flow(stk_points_tracker *t, const stk_image *rgb) {
    float centre[2] = {0};
    t->flow_now = t->flow != NULL;
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
    points_pyramid *swap = t->past;
    t->past = t->now;
    t->now = swap;
    t->tracks.first[frame] = t->observations;
    t->next = frame + 1;
    stk_points_pyramid_make(t, rgb);
    if (landmarks == NULL || !stk_points_read_face(t, landmarks)) {
        stk_points_skip(t);
        return STK_OK;
    }
    t->size_sum += t->size_px;
    t->faces++;
    STK_TRY(ask_flow(t, rgb));
    stk_points_follow(t, frame);
    if (stk_points_wanted(t, frame)) stk_points_pick(t, frame, landmarks, mask);
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
    for (int k = 0; k < t->count; k++) stk_points_judge_end(t, t->order[k]);
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
