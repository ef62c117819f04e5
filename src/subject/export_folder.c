/* export_folder.c - stk_subject_export: a subject folder -> an official dataset folder. */
#include "subject/export.h"

#include "base/clock.h"

#include <stdio.h>

stk_status stk_export_path(const stk_export *export, const char *folder, int frame,
                           const char *ending, char path[STK_PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "%s/%d%s", folder, frame, ending);
    return stk_draft_path(&export->draft, name, path);
}

static stk_status run(stk_export *export) {
    STK_TRY(stk_subject_open(&export->subject, export->settings.source));
    export->info = stk_subject_get_info(export->subject);
    STK_TRY(stk_pool_create(&export->pool, export->settings.threads));
    STK_TRY(stk_draft_create(&export->draft, export->settings.folder));
    STK_TRY(stk_export_tables(export));
    STK_TRY(stk_export_pictures(export));
    return stk_draft_commit(&export->draft);
}

stk_status stk_subject_export(const stk_convert_settings *settings, const stk_job *job,
                              stk_convert_figures *figures) {
    stk_export export = {.settings = *settings, .job = job, .start_s = stk_clock_s()};
    *figures = (stk_convert_figures){0};
    stk_status status = run(&export);
    if (status == STK_OK)
        *figures = (stk_convert_figures){.frames = export.info->frames,
                                         .train_frames = export.info->train_frames,
                                         .width = export.info->width,
                                         .height = export.info->height,
                                         .seconds = stk_clock_s() - export.start_s};
    stk_draft_discard(&export.draft);
    stk_pool_free(&export.pool);
    stk_subject_close(&export.subject);
    return status;
}
