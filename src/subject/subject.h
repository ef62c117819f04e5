/* subject.h - a person on disk (doc/FORMATS.md): made once from a video by stk_subject_prepare,
 * then opened by mapping.
 *
 *   manifest.json        version, source, crop, split, steps done with the digest of their inputs
 *   tables.safetensors   per-frame tables: poses, landmarks, blendshapes, expression, boxes,
 * feature rows labels.safetensors   label maps, deflated, with an index picture.mp4          the
 * normalised frames: 25/s, square, lossless H.264, short groups torso.mp4            what stands
 * behind the head: torso over plate (high quality, short groups) plate.png audio.wav report.txt
 * report.json sheet.png cache/               derived, may be deleted at any time
 */
#ifndef STK_SUBJECT_SUBJECT_H
#define STK_SUBJECT_SUBJECT_H

#include "base/file.h"
#include "base/job.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/types.h"
#include "face_sync/audio.h"
#include "media/media.h"

enum { STK_SUBJECT_VERSION = 1, STK_SUBJECT_SIZE = 512 };

/* --- making one ------------------------------------------------------------------------------- */
typedef struct stk_prepare_settings {
    const char *clip;       /* any container FFmpeg reads */
    const char *folder;     /* output; created. A folder that holds something else is refused */
    const char *models;     /* weights folder or NULL */
    int size;               /* side of the normalised picture, 0 = 512; even */
    int threads;            /* 0 = all */
    int restart;            /* redo every step */
    int published;          /* 1: the head is stabilised by the published recipe, for comparison */
    const char *points;     /* of the head are followed by "lk" or "raft"; NULL = "lk" */
    const char *sync;       /* NULL or "auto": sound that is early or late is moved to fit the lips;
                         * "off"; or the ms that it is late */
    const char *head_model; /* file of a morphable head; NULL or "" = the built-in face mesh */
    const char *parsing;    /* file of a BiSeNet; "builtin"; NULL or "" = a BiSeNet that lies with
                             * the weights, else built in */
} stk_prepare_settings;

/* Runs the steps that are not done yet: picture, face, sound, pose, parse, stabilise, torso,
 * tables, report. On STK_ERR_CONTENT the sentence names the frame and the reason and what to do;
 * finished steps stay. */
stk_status stk_subject_prepare(const stk_prepare_settings *settings, const stk_job *job);

/* --- reading one ------------------------------------------------------------------------------ */
typedef struct stk_subject stk_subject;

typedef struct stk_subject_info {
    char name[128];                 /* of the source file */
    char identity[STK_SHA256_TEXT]; /* digest over the tables: binds model to subject */
    int frames, train_frames;       /* train: [0, train_frames), held out: the rest (last 1/11) */
    int width, height;
    stk_camera camera;
    stk_rect crop_source_px; /* where the square was cut from the source picture */
    int source_width, source_height;
    double source_start_s; /* container time of frame 0 */
    char source_path[STK_PATH_MAX];
    char face_mode[96], parse_mode[160];
    stk_rect head_rect; /* holds every head pixel of the clip, with a margin */
} stk_subject_info;

/* Clear sentences for: not a subject, newer version, unfinished, damaged. */
stk_status stk_subject_open(stk_subject **subject, const char *folder);
void stk_subject_close(stk_subject **subject);
const stk_subject_info *stk_subject_get_info(const stk_subject *subject);
/* The manifest as JSON text (for `info`), owned by the subject. */
const char *stk_subject_manifest(const stk_subject *subject);

/* Tables, owned by the subject, [frames] rows. */
const stk_pose *stk_subject_poses(const stk_subject *subject);
/* The head motion tracker's, which the stabilizer began with, and the camera that they go with;
 * NULL in subjects that were imported, or prepared before these were kept. */
const stk_pose *stk_subject_coarse_poses(const stk_subject *subject, stk_camera *camera);
const float (*stk_subject_expressions(const stk_subject *subject))[STK_EXPRESSIONS];
const float (*stk_subject_blendshapes(const stk_subject *subject))[STK_BLENDSHAPES];
const float (*stk_subject_landmarks(const stk_subject *subject, int frame))[3]; /* [478] px */
/* Mel feature row of a frame, [80][16]. */
const float *stk_subject_audio_row(const stk_subject *subject, int frame);
/* Row of another kind of sound features, as its audio net reads it; NULL where the subject has none
 * (only imported ones have). */
const float *stk_subject_feature_row(const stk_subject *subject, stk_audio_kind kind, int frame);
/* clip(AU45_r, 0, 2) / 2 of each frame, or NULL. */
const float *stk_subject_au45(const stk_subject *subject);
typedef struct stk_regions { /* pixel rectangles of one frame, reference.md 1.3 */
    stk_rect face, low_face, eyes, mouth;
} stk_regions;
stk_regions stk_subject_regions(const stk_subject *subject, int frame);

/* 1: nothing was cut between the two frames. Imported subjects know of no cuts. */
int stk_subject_same_take(const stk_subject *subject, int a, int b);

/* Pictures: each caller opens its own store (they are not thread-safe). */
stk_status stk_subject_open_pictures(const stk_subject *subject, stk_frame_store **store);
stk_status stk_subject_open_torsos(const stk_subject *subject, stk_frame_store **store);
/* The clip's own frames, uncut, at the clip's own rate where that is constant and 20 a second or
 * more (else those of open_pictures, 25 a second). */
typedef struct stk_full_frames {
    stk_frame_store *store;
    int rate_num, rate_den; /* frames a second: 25 / 1, 30000 / 1001 ... */
    double fps;             /* the same, as the clip's time stamps have it */
    int32_t *shown;         /* [subject's frames] of them, what its picture shows; rising */
} stk_full_frames;
/* Their size (even sides). */
stk_status stk_subject_full_size(const stk_subject *subject, int *width, int *height);
/* Made below cache/ when they are first asked for, from the clip, which must still be there and the
 * same. Release with stk_full_frames_close. */
stk_status stk_subject_open_full(const stk_subject *subject, const stk_job *job,
                                 stk_full_frames *full);
void stk_full_frames_close(stk_full_frames *full);
/* labels: 1 channel, preallocated, of the subject's size. */
stk_status stk_subject_labels(const stk_subject *subject, int frame, stk_image *labels);
stk_status stk_subject_plate(const stk_subject *subject, stk_image *rgb);
stk_status stk_subject_path(const stk_subject *subject, const char *name, char path[STK_PATH_MAX]);

#endif
