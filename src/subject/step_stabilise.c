/* step_stabilise.c - the second half of the Head-Sync Stabilizer ([SyncTalk] 3.2): points of the
 * head followed through the clip, then poses, points and focal length adjusted together. With
 * --published both are done by the published recipe instead (step_published.c, bundle_published.c).
 *
 *   picture.mp4 + cache/pose.safetensors (poses, neutral mesh) -> head points tracker -> tracks
 *   pictures, tracks, poses -> hard frames (frame_quality.h), whose observations count less
 *   tracks + poses + landmarks -> bundle adjustment -> cache/stable.safetensors (poses), camera
 *
 * Where too few points can be followed, the poses stay as the motion tracker left them and the
 * figures say so. Frames are decoded in order by the calling thread; points run on the pool.
 */
#include "subject/frame_quality.h"
#include "subject/prepare.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "head_sync/bundle.h"
#include "head_sync/motion_tracker.h"
#include "head_sync/points_flow.h"
#include "head_sync/points_tracker.h"
#include "nn/weights.h"

#include <math.h>
#include <string.h>

enum {
    FLOW_KEYS = 1, /* the cheapest; flow as a lead changes nothing anyway (doc/SPEED.md) */
    FLOW_ITERATIONS = 4,
};
/* Of the window that flow is taken in, in largest faces: it sees the outline, too. */
static const float FLOW_WINDOW = 1.3f;

typedef struct stabiliser {
    stk_prepare *prepare;
    stk_face_table faces;
    stk_pose_table poses;  /* at first the motion tracker's */
    stk_camera camera;     /* that they go with */
    stk_points_flow *flow; /* NULL: not asked for, or no weights */
    stk_points_tracker *tracker;
    stk_tracks tracks;
    stk_points_figures points;
    stk_bundle bundle;
    stk_frame_quality quality;
    double track_s; /* decoding included */
} stabiliser;

/* Where the points of the neutral mesh are in this frame: steadier than the landmarks. The irises
 * are not part of the mesh and keep their landmarks. */
static void project_mesh(const stabiliser *s, int frame, float (*points)[3]) {
    memcpy(points, s->faces.landmarks[frame].xyz, sizeof s->faces.landmarks[frame].xyz);
    for (int i = 0; i < STK_MESH_LANDMARKS; i++)
        stk_pose_project(&s->camera, &s->poses.poses[frame], s->poses.shape_head[i], points[i]);
}

/* Size of a window that holds the face in every frame. */
static void flow_window(const stabiliser *s, int window[2]) {
    float most[2] = {0};
    for (int i = 0; i < s->faces.frames; i++) {
        float low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, px[2];
        for (int k = 0; k < STK_MESH_LANDMARKS; k++) {
            stk_pose_project(&s->camera, &s->poses.poses[i], s->poses.shape_head[k], px);
            for (int c = 0; c < 2; c++)
                low[c] = fminf(low[c], px[c]), high[c] = fmaxf(high[c], px[c]);
        }
        for (int c = 0; c < 2; c++) most[c] = fmaxf(most[c], high[c] - low[c]);
    }
    for (int c = 0; c < 2; c++) window[c] = (int)stk_clampf(FLOW_WINDOW * most[c], 1, 4096);
}

/* Dense flow, where it is asked for and its weights are there. */
static stk_status open_flow(stabiliser *s, cJSON *figures) {
    const stk_prepare_settings *asked = &s->prepare->settings;
    const stk_subject_info *info = &s->prepare->manifest.info;
    char weights[STK_PATH_MAX];
    stk_points_flow_settings settings = {.weights = weights,
                                         .keys = FLOW_KEYS,
                                         .iterations = FLOW_ITERATIONS,
                                         .pool = s->prepare->pool};
    if (!stk_prepare_asks_flow(asked)) return STK_OK;
    const int have = stk_weights_have(asked->models, "raft-small.pth");
    stk_figure(figures, have ? "flow" : "flow_missing", 1, 0);
    if (!have) return STK_OK; /* report.c says so */
    STK_TRY(stk_weights_find(asked->models, "raft-small.pth", weights));
    flow_window(s, settings.window);
    return stk_points_flow_create(&s->flow, info->width, info->height, &settings);
}

static stk_status push_frames(stabiliser *s, stk_video_reader *reader) {
    const int frames = s->faces.frames;
    for (int i = 0; i < frames; i++) {
        float points[STK_LANDMARKS][3];
        const stk_image *rgb;
        int end = 0;
        STK_TRY(stk_prepare_tick(s->prepare, i, frames));
        STK_TRY(stk_video_reader_next(reader, &rgb, NULL, &end));
        if (end)
            return stk_fail(STK_ERR_FORMAT,
                            "picture.mp4: ends after %d of %d frames; run prepare with --restart",
                            i, frames);
        if (!s->faces.found[i]) continue;
        project_mesh(s, i, points);
        stk_frame_quality_look(&s->quality, i, rgb, (const float(*)[3])points);
        STK_TRY(stk_points_tracker_push(s->tracker, i, rgb, (const float(*)[3])points, NULL));
    }
    return STK_OK;
}

static stk_status follow_points(stabiliser *s) {
    const stk_subject_info *info = &s->prepare->manifest.info;
    const stk_points_settings settings = {
        .pool = s->prepare->pool, .take = s->faces.take, .flow = s->flow};
    const double start_s = stk_clock_s();
    char path[STK_PATH_MAX];
    stk_video_reader *reader;
    STK_TRY(stk_prepare_path(s->prepare, "picture.mp4", path));
    STK_TRY(stk_points_tracker_create(&s->tracker, info->width, info->height, s->faces.frames,
                                      &settings));
    STK_TRY(stk_video_reader_open(&reader, path, NULL));
    stk_status status = push_frames(s, reader);
    stk_video_reader_close(&reader);
    STK_TRY(status);
    STK_TRY(stk_points_tracker_finish(s->tracker, &s->tracks, &s->points));
    s->track_s = stk_clock_s() - start_s;
    return STK_OK;
}

/* For comparison: nothing of ours but the coarse poses. */
static stk_status adjust_published(stabiliser *s) {
    const stk_bundle_input input = {
        .tracks = &s->tracks, .poses = s->poses.poses, .camera = s->camera};
    const stk_bundle_options options = {.mode = STK_BUNDLE_PUBLISHED};
    return stk_bundle_adjust(&input, &options, s->prepare->pool, s->prepare->job, &s->bundle);
}

static stk_status follow_published(stabiliser *s, cJSON *figures) {
    const double start_s = stk_clock_s();
    STK_TRY(stk_published_follow(s->prepare, &s->tracks, figures));
    s->track_s = stk_clock_s() - start_s;
    s->points = (stk_points_figures){.keys = 1, .picked = s->tracks.points};
    return STK_OK;
}

static stk_status adjust(stabiliser *s) {
    enum { BROW_INNER_UP = 2 };
    float *lift = stk_calloc_aligned((size_t)s->faces.frames, sizeof *lift);
    if (lift == NULL) return stk_fail_memory("the brows' lift");
    for (int i = 0; i < s->faces.frames; i++) lift[i] = s->faces.blendshapes[i][BROW_INNER_UP];
    const stk_bundle_input input = {.tracks = &s->tracks,
                                    .poses = s->poses.poses,
                                    .camera = s->camera,
                                    .landmarks = s->faces.landmarks,
                                    .valid = s->faces.found,
                                    .take = s->faces.take,
                                    .lift = lift,
                                    .shape_head = (const float(*)[3])s->poses.shape_head};
    const stk_bundle_options options = {.fit_focal = 1};
    stk_status status =
        stk_bundle_adjust(&input, &options, s->prepare->pool, s->prepare->job, &s->bundle);
    stk_free(lift);
    return status;
}

/* What was adjusted takes the coarse poses' place. */
static void take_result(stabiliser *s, cJSON *figures) {
    const stk_bundle *b = &s->bundle;
    const double spent = s->track_s + b->seconds;
    memcpy(s->poses.poses, b->poses, (size_t)s->faces.frames * sizeof *b->poses);
    s->poses.lens[0] = b->camera.focal_px;
    s->prepare->manifest.info.camera = b->camera;
    stk_figure(figures, "focal_px", (double)b->camera.focal_px, 1);
    stk_figure(figures, "focal_sd_px", b->focal_sd_px, 1);
    stk_figure(figures, "focal_determined", b->focal_determined, 0);
    stk_figure(figures, "points", b->points_kept, 0);
    stk_figure(figures, "points_picked", s->points.picked, 0);
    stk_figure(figures, "key_frames", s->points.keys, 0);
    stk_figure(figures, "reprojection_median_px", b->reprojection_median_px, 3);
    stk_figure(figures, "reprojection_p95_px", b->reprojection_p95_px, 3);
    stk_figure(figures, "jitter_coarse_deg", b->jitter_before_deg, 4);
    stk_figure(figures, "jitter_rot_deg", b->jitter_deg, 4);
    stk_figure(figures, "jitter_coarse_px", b->jitter_before_px, 4);
    stk_figure(figures, "jitter_px", b->jitter_px, 4);
    stk_figure(figures, "smoothing", b->smoothing, 3);
    stk_figure(figures, "frames_adjusted", b->frames_solved, 0);
    stk_figure(figures, "frames_per_second", spent > 0 ? s->faces.frames / spent : 0, 1);
}

static stk_status stabilise(stabiliser *s, cJSON *figures) {
    STK_TRY(stk_face_table_read(s->prepare, 1, &s->faces));
    STK_TRY(stk_pose_table_read(s->prepare, "cache/pose.safetensors", &s->poses));
    const stk_subject_info *info = &s->prepare->manifest.info;
    const float *lens = s->poses.lens;
    s->camera = (stk_camera){lens[0], lens[1], lens[2], info->width, info->height};
    const int published = s->prepare->settings.published;
    STK_TRY(stk_frame_quality_init(&s->quality, s->faces.frames));
    if (!published) STK_TRY(open_flow(s, figures));
    STK_TRY(published ? follow_published(s, figures) : follow_points(s));
    STK_TRY(stk_frame_quality_judge(&s->quality, &s->faces, &s->poses, &s->tracks));
    if (!published) stk_frame_quality_weigh(&s->quality, &s->tracks);
    stk_status status = published ? adjust_published(s) : adjust(s);
    if (status == STK_ERR_CONTENT) {
        stk_log(STK_LOG_WARN, "poses are left as tracked: %s", stk_error_text());
        stk_figure(figures, "points", 0, 0);
        s->prepare->manifest.info.camera = s->camera;
    } else {
        STK_TRY(status);
        STK_TRY(stk_frame_quality_measure(&s->quality, &s->tracks, &s->bundle));
        take_result(s, figures);
    }
    stk_frame_quality_figures(&s->quality, figures);
    STK_TRY(stk_frame_quality_write(&s->quality, s->prepare));
    return stk_pose_table_write(s->prepare, "cache/stable.safetensors", &s->poses);
}

stk_status stk_step_stabilise(stk_prepare *prepare, cJSON *figures) {
    stabiliser s = {.prepare = prepare};
    stk_status status = stabilise(&s, figures);
    stk_frame_quality_clear(&s.quality);
    stk_bundle_clear(&s.bundle);
    stk_tracks_clear(&s.tracks);
    stk_points_tracker_free(&s.tracker);
    stk_points_flow_free(&s.flow);
    stk_pose_table_clear(&s.poses);
    stk_face_table_clear(&s.faces);
    return status;
}
