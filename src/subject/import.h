/* import.h - what the parts of stk_subject_import share. */
#ifndef STK_SUBJECT_IMPORT_H
#define STK_SUBJECT_IMPORT_H

#include "subject/draft.h"
#include "subject/manifest.h"
#include "subject/official.h"

#include "base/pool.h"

typedef struct stk_import_frame {
    int32_t img_id; /* names its files, counts rows of bs.npy and au.csv */
    int32_t aud_id; /* counts rows of sound features */
    stk_pose pose;
} stk_import_frame;

typedef struct stk_import {
    stk_convert_settings settings;
    const stk_job *job;
    stk_pool *pool;
    stk_draft draft;
    stk_manifest manifest; /* info is filled by the parts */
    stk_import_frame *frames;
    int count, train, skipped; /* frames kept (train first), of them to train with, left out */
    const char *step;
    double start_s; /* of the step */
} stk_import;

/* --- import_folder.c -------------------------------------------------------------------------- */
/* source/name, printf-style. */
stk_status stk_import_path(const stk_import *import, char path[STK_PATH_MAX], const char *format,
                           ...) STK_PRINTF(3, 4);
void stk_import_step(stk_import *import, const char *step);
/* Reports progress; STK_ERR_ABORTED when asked to stop. */
stk_status stk_import_tick(const stk_import *import, int64_t done, int64_t total);
/* The picture source/folder/<id>.jpg, .png or .jpeg; 0 when there is none. */
int stk_import_find_picture(const stk_import *import, const char *folder, int id,
                            char path[STK_PATH_MAX]);

/* --- import_transforms.c ---------------------------------------------------------------------- */
/* transforms_train.json and transforms_val.json -> frames (owned by the import), camera, size. */
stk_status stk_import_transforms(stk_import *import);

/* --- import_landmarks.c ----------------------------------------------------------------------- */
/* The 68 points of ori_imgs/<id>.lms as the 478 of the mesh: the 68 vertices that stand for them
 * exactly, the others by the canonical face brought there. */
stk_status stk_import_landmarks(const char *path, float landmarks[STK_LANDMARKS][3]);

/* --- import_pictures.c ------------------------------------------------------------------------ */
/* picture.mp4, torso.mp4, labels.safetensors, plate.png; head rectangle. */
stk_status stk_import_pictures(stk_import *import);

/* --- import_tables.c, import_sound.c, import_features.c --------------------------------------- */
/* tables.safetensors, audio.wav; identity. */
stk_status stk_import_tables(stk_import *import);
/* audio.wav of the draft, and mel rows [count][80][16]. */
stk_status stk_import_sound(stk_import *import, float *audio_mel);
/* Feature rows by kind as tables name them, for subject tables; NULL data where DIR has none.
 * rows[kind]: [count][row floats], to be freed by the caller whatever the outcome. */
stk_status stk_import_features(stk_import *import, float **rows);

#endif
