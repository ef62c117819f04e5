/* official.h - the published system's data set folder to a subject and back (doc/FORMATS.md, "The
 * official dataset folder").
 *
 *   DIR --transforms--> frames, camera, split --pictures--> picture.mp4 torso.mp4 labels plate
 *       --tables--> poses, landmarks, blendshapes, sound, feature rows --manifest--> FOLDER
 *   FOLDER --pictures, tables--> DIR
 *
 * Either way the result is made beside its place and renamed when it is whole: a run that fails or
 * is stopped leaves nothing.
 */
#ifndef STK_SUBJECT_OFFICIAL_H
#define STK_SUBJECT_OFFICIAL_H

#include "base/job.h"
#include "base/status.h"

typedef struct stk_convert_settings {
    const char *source; /* folder to read */
    const char *folder; /* folder to make: new or empty */
    int threads;        /* 0 = all */
} stk_convert_settings;

typedef struct stk_convert_figures {
    int frames, train_frames;
    int skipped; /* frames of the source left out */
    int width, height;
    double seconds; /* of work */
} stk_convert_figures;

stk_status stk_subject_import(const stk_convert_settings *settings, const stk_job *job,
                              stk_convert_figures *figures);
stk_status stk_subject_export(const stk_convert_settings *settings, const stk_job *job,
                              stk_convert_figures *figures);

#endif
