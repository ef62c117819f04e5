/* export.h - what the parts of stk_subject_export share. */
#ifndef STK_SUBJECT_EXPORT_H
#define STK_SUBJECT_EXPORT_H

#include "subject/draft.h"
#include "subject/official.h"
#include "subject/subject.h"

typedef struct stk_export {
    stk_convert_settings settings;
    const stk_job *job;
    stk_pool *pool;
    stk_subject *subject;
    const stk_subject_info *info;
    stk_draft draft;
    double start_s;
} stk_export;

/* draft/folder/<frame><ending> */
stk_status stk_export_path(const stk_export *export, const char *folder, int frame,
                           const char *ending, char path[STK_PATH_MAX]);

/* --- export_pictures.c ------------------------------------------------------------------------ */
/* ori_imgs (pictures and .lms), gt_imgs, torso_imgs, parsing, face_mask, bc.jpg. */
stk_status stk_export_pictures(stk_export *export);

/* --- export_tables.c -------------------------------------------------------------------------- */
/* transforms_train.json, transforms_val.json, bs.npy, au.csv, aud.wav, aud_*.npy. */
stk_status stk_export_tables(const stk_export *export);

#endif
