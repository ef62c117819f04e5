/* prepare.h - what the steps of stk_subject_prepare share.
 *
 * A step reads files that earlier steps wrote into the folder, writes its own (atomically) and
 * fills `figures`, which go into the manifest and the report. It keeps nothing in memory for the
 * next one: that is what makes a stopped run resumable.
 */
#ifndef STK_SUBJECT_PREPARE_H
#define STK_SUBJECT_PREPARE_H

#include "subject/manifest.h"

#include "face_sync/face_capture.h"
#include "head_sync/tracks.h"
#include "portrait_sync/parsing.h"

typedef struct stk_prepare {
    stk_prepare_settings settings;           /* size and threads resolved */
    char head_model_sha256[STK_SHA256_TEXT]; /* over its files, "" without one */
    char bisenet[STK_PATH_MAX];              /* the published parser's weights, "" without */
    char bisenet_sha256[STK_SHA256_TEXT];
    const stk_job *job;
    stk_pool *pool;
    stk_manifest manifest;
    int lock;         /* on the folder; -1 where folders cannot be locked */
    const char *step; /* the one that runs, for progress */
    double start_s;   /* when it began */
} stk_prepare;

/* The steps, in order (prepare.c has the table). */
stk_status stk_step_picture(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_sound(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_face(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_pose(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_parse(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_stabilise(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_torso(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_tables(stk_prepare *prepare, cJSON *figures);
stk_status stk_step_report(stk_prepare *prepare, cJSON *figures);

/* --- report.c, sheet.c ------------------------------------------------------------------------ */
/* Writes report.txt and report.json from the manifest. failed: the step that failed and its
 * sentence, NULL when all went well. */
stk_status stk_report_write(const stk_prepare *prepare, const char *failed, const char *sentence);
/* Writes sheet.png: frames over the clip with landmarks, classes and head axes. */
stk_status stk_sheet_write(const stk_prepare *prepare);
/* The head's axes: x red, y green, z blue. */
void stk_head_axes_draw(stk_image *picture, const stk_camera *camera, const stk_pose *pose);

/* --- pose_plots.c, overlay.c ------------------------------------------------------------------ */
/* Write report/focal.svg and report/pose.svg, and report/overlay.mp4: the first frames (at most
 * STK_OVERLAY_FRAMES) with head axes and followed points. */
enum { STK_OVERLAY_FRAMES = 20 * STK_FPS };
stk_status stk_pose_plots_write(const stk_prepare *prepare);
stk_status stk_overlay_write(const stk_prepare *prepare);

/* --- helpers (prepare.c) ---------------------------------------------------------------------- */
/* folder/name */
stk_status stk_prepare_path(const stk_prepare *prepare, const char *name, char path[STK_PATH_MAX]);
/* Reports progress and tells when to stop: STK_ERR_ABORTED. Only from the calling thread. */
stk_status stk_prepare_tick(const stk_prepare *prepare, int64_t done, int64_t total);
/* Adds a number, rounded to `decimals`. */
void stk_figure(cJSON *figures, const char *name, double value, int decimals);
/* 1 when dense flow is to lead the points of the head. */
int stk_prepare_asks_flow(const stk_prepare_settings *settings);
/* Seconds on the clip's own clock of a subject frame, for sentences. */
double stk_prepare_time_s(const stk_prepare *prepare, int frame);

/* --- step_sound.c ---------------------------------------------------------------------------- */
/* What --sync says: ms that the sound is late, or that this is to be measured. */
stk_status stk_prepare_read_sync(const char *text, double *late_ms, int *measured);
/* STK_ERR_CONTENT where the clip's sound beside so many frames from start_s on is silence. */
stk_status stk_prepare_check_sound(const stk_prepare *prepare, int frames, double start_s);

/* --- what the face step leaves for the others (step_face.c) ----------------------------------- */
typedef struct stk_face_table {
    int frames;
    stk_landmarks *landmarks;              /* [frames]; gaps are filled between their neighbours */
    float (*blendshapes)[STK_BLENDSHAPES]; /* [frames], smoothed */
    uint8_t *found;                        /* [frames] */
    int32_t *take;                         /* [frames] rising by one at each cut (cuts.h) */
} stk_face_table;
/* Reads cache/face.safetensors; blendshapes are left out when with_blendshapes is 0. */
stk_status stk_face_table_read(const stk_prepare *prepare, int with_blendshapes,
                               stk_face_table *table);
void stk_face_table_clear(stk_face_table *table);

/* --- poses as the pose and stabilise steps leave them (step_tables.c) ------------------------- */
typedef struct stk_pose_table {
    int frames;
    stk_pose *poses;        /* [frames] */
    float *reprojection_px; /* [frames] of the landmarks, by the pose step */
    float (*shape_head)[3]; /* [STK_MESH_LANDMARKS] the clip's neutral mesh */
    float lens[3];          /* focal length and principal point, px, that the poses go with */
} stk_pose_table;
/* name: a file of the subject's folder. Owned by the caller; clear it on failure as well. */
stk_status stk_pose_table_read(const stk_prepare *prepare, const char *name, stk_pose_table *table);
stk_status stk_pose_table_write(const stk_prepare *prepare, const char *name,
                                const stk_pose_table *table);
void stk_pose_table_clear(stk_pose_table *table);

/* --- the head's points by the published recipe (step_published.c) ----------------------------- */
/* Owned by the caller: stk_tracks_clear. */
stk_status stk_published_follow(stk_prepare *prepare, stk_tracks *tracks, cJSON *figures);

/* --- all frames of picture.mp4, in chunks over the pool (frames.c) ---------------------------- */
/* Every chunk starts from a reset handle at a fixed border, after `warm` frames that only settle
 * the handle's state: the result doesn't depend on the number of threads. */
typedef struct stk_frame_work {
    int chunk, warm;
    void *ctx;
    stk_status (*open)(void *ctx, void **handle); /* one handle per thread */
    void (*close)(void *handle);
    void (*reset)(void *handle);
    /* keep == 0: warming up. frame is the subject frame, chunk its chunk. */
    stk_status (*frame)(void *ctx, void *handle, int frame, int keep, const stk_image *rgb);
} stk_frame_work;
stk_status stk_frames_run(const stk_prepare *prepare, const stk_frame_work *work);

#endif
