/* step_published.c - the head's points by the published recipe (`prepare --published`): what
 * step_stabilise.c then hands to bundle adjustment.
 *
 *   picture.mp4 + labels.safetensors --chunks over the pool--> flow from frame 2 to each frame
 *     -> points -> tracks (points_published.h)
 *
 * DIFFERS from the recipe besides what points_published.h says: landmarks, coarse poses and head
 * masks are this project's own, and the focal length is the motion tracker's.
 */
#include "subject/labels.h"
#include "subject/prepare.h"

#include "base/image.h"
#include "base/memory.h"
#include "head_sync/points_published.h"
#include "nn/weights.h"

enum { CHUNK = 16 };

typedef struct published {
    const stk_prepare *prepare;
    stk_published_points *points;
    stk_label_file labels;
    char weights[STK_PATH_MAX];
} published;

typedef struct published_lane {
    stk_published_lane *lane;
    stk_image labels;
} published_lane;

static void close_lane(void *handle) {
    published_lane *lane = handle;
    stk_published_lane_free(&lane->lane);
    stk_image_clear(&lane->labels);
    stk_free(lane);
}

static stk_status open_lane(void *ctx, void **handle) {
    const published *p = ctx;
    const stk_subject_info *info = &p->prepare->manifest.info;
    published_lane *lane = stk_calloc_aligned(1, sizeof *lane);
    if (lane == NULL) return stk_fail_memory("the published points");
    *handle = lane; /* closed by the runner, whole or not */
    STK_TRY(stk_published_lane_create(&lane->lane, p->points));
    return stk_image_init(&lane->labels, info->width, info->height, 1);
}

/* Frames do not depend on one another. */
static void reset_lane(void *handle) {
    (void)handle;
}

static stk_status follow_frame(void *ctx, void *handle, int frame, int keep, const stk_image *rgb) {
    const published *p = ctx;
    published_lane *lane = handle;
    if (!keep) return STK_OK;
    STK_TRY(stk_label_file_read(&p->labels, frame, &lane->labels));
    return stk_published_lane_frame(lane->lane, frame, rgb, &lane->labels);
}

static stk_status read_source(published *p) {
    const stk_subject_info *info = &p->prepare->manifest.info;
    char path[STK_PATH_MAX];
    stk_frame_store *store = NULL;
    stk_image labels = {0};
    const stk_image *rgb;
    STK_TRY(stk_prepare_path(p->prepare, "picture.mp4", path));
    stk_status status = stk_image_init(&labels, info->width, info->height, 1);
    if (status == STK_OK) status = stk_frame_store_open(&store, path, NULL, 0);
    if (status == STK_OK) status = stk_frame_store_get(store, STK_PUBLISHED_SOURCE, &rgb);
    if (status == STK_OK) status = stk_label_file_read(&p->labels, STK_PUBLISHED_SOURCE, &labels);
    if (status == STK_OK) status = stk_published_points_source(p->points, rgb, &labels);
    stk_frame_store_close(&store);
    stk_image_clear(&labels);
    return status;
}

static stk_status follow(published *p, stk_tracks *tracks, cJSON *figures) {
    const stk_subject_info *info = &p->prepare->manifest.info;
    const char *folder = p->prepare->settings.folder;
    stk_published_figures found;
    const stk_frame_work work = {.chunk = CHUNK,
                                 .ctx = p,
                                 .open = open_lane,
                                 .close = close_lane,
                                 .reset = reset_lane,
                                 .frame = follow_frame};
    STK_TRY(stk_weights_find(p->prepare->settings.models, "raft-small.pth", p->weights));
    STK_TRY(stk_label_file_open(&p->labels, folder, info->frames));
    STK_TRY(stk_published_points_create(&p->points, info->width, info->height, info->frames,
                                        p->weights));
    STK_TRY(read_source(p));
    STK_TRY(stk_frames_run(p->prepare, &work));
    STK_TRY(stk_published_points_finish(p->points, tracks, &found));
    stk_figure(figures, "published", 1, 0);
    stk_figure(figures, "published_frames_left_out", found.frames_wild, 0);
    return STK_OK;
}

stk_status stk_published_follow(stk_prepare *prepare, stk_tracks *tracks, cJSON *figures) {
    published p = {.prepare = prepare};
    const stk_status status = follow(&p, tracks, figures);
    stk_published_points_free(&p.points);
    stk_label_file_close(&p.labels);
    return status;
}
