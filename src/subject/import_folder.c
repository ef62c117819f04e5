/* import_folder.c - stk_subject_import: an official dataset folder -> a subject folder. */
#include "subject/import.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what the parts share --------------------------------------------------------------------- */

stk_status stk_import_path(const stk_import *import, char path[STK_PATH_MAX], const char *format,
                           ...) {
    char name[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return stk_path_join(path, STK_PATH_MAX, import->settings.source, name);
}

void stk_import_step(stk_import *import, const char *step) {
    import->step = step;
    import->start_s = stk_clock_s();
}

stk_status stk_import_tick(const stk_import *import, int64_t done, int64_t total) {
    stk_job_report(import->job, import->step, done, total, import->start_s, NULL);
    if (!stk_job_aborted(import->job)) return STK_OK;
    return stk_fail(STK_ERR_ABORTED, "stopped; nothing was made");
}

int stk_import_find_picture(const stk_import *import, const char *folder, int id,
                            char path[STK_PATH_MAX]) {
    static const char *const endings[] = {"jpg", "png", "jpeg"};
    for (size_t i = 0; i < STK_ARRAY_SIZE(endings); i++)
        if (stk_import_path(import, path, "%s/%d.%s", folder, id, endings[i]) == STK_OK &&
            stk_file_exists(path))
            return 1;
    return 0;
}

/* --- the manifest ----------------------------------------------------------------------------- */

/* The folder's own name. */
static void name_of(const char *source, char *name, size_t size) {
    char whole[STK_PATH_MAX];
    if (realpath(source, whole) == NULL) snprintf(whole, sizeof whole, "%s", source);
    const char *slash = strrchr(whole, '/');
    const char *last = slash != NULL && slash[1] != '\0' ? slash + 1 : whole;
    snprintf(name, size, "%.*s", (int)size - 1, last);
}

static stk_status describe_source(stk_import *import) {
    stk_manifest *m = &import->manifest;
    stk_subject_info *info = &m->info;
    char path[STK_PATH_MAX];
    name_of(import->settings.source, info->name, sizeof info->name);
    if (realpath(import->settings.source, info->source_path) == NULL)
        snprintf(info->source_path, sizeof info->source_path, "%s", import->settings.source);
    STK_TRY(stk_import_path(import, path, "transforms_train.json"));
    STK_TRY(stk_sha256_file(path, m->source_sha256));
    m->source_bytes = stk_file_size(path);
    m->source_fps = STK_FPS;
    info->source_width = info->width;
    info->source_height = info->height;
    info->crop_source_px = (stk_rect){0, 0, info->width, info->height};
    snprintf(info->face_mode, sizeof info->face_mode, "imported: 68 points and bs.npy");
    snprintf(info->parse_mode, sizeof info->parse_mode, "imported: parsing/*.png");
    return STK_OK;
}

static stk_status write_manifest(stk_import *import, double seconds) {
    static const char *const outputs[] = {"picture.mp4", "audio.wav", "labels.safetensors",
                                          "plate.png",   "torso.mp4", "tables.safetensors",
                                          NULL};
    stk_manifest *m = &import->manifest;
    cJSON *figures = cJSON_CreateObject();
    if (figures == NULL) return stk_fail_memory("figures");
    cJSON_AddNumberToObject(figures, "frames", import->count);
    cJSON_AddNumberToObject(figures, "skipped", import->skipped);
    STK_TRY(stk_manifest_step_record(m, import->draft.path, "import", m->source_sha256, seconds,
                                     outputs, figures));
    m->complete = 1;
    return stk_manifest_save(m, import->draft.path);
}

/* --- the call --------------------------------------------------------------------------------- */

static stk_status check_settings(const stk_convert_settings *s) {
    char path[STK_PATH_MAX];
    if (!stk_file_is_directory(s->source))
        return stk_fail(STK_ERR_IO, "%s: there is no such folder", s->source);
    STK_TRY(stk_path_join(path, sizeof path, s->source, "transforms_train.json"));
    if (stk_file_exists(path)) return STK_OK;
    return stk_fail(STK_ERR_FORMAT,
                    "%s: is no official dataset folder (no transforms_train.json); a video becomes "
                    "a subject with `synctalk prepare`",
                    s->source);
}

static stk_status run(stk_import *import) {
    double start_s = stk_clock_s();
    stk_subject *subject;
    STK_TRY(stk_draft_create(&import->draft, import->settings.folder));
    STK_TRY(stk_manifest_init(&import->manifest));
    STK_TRY(stk_pool_create(&import->pool, import->settings.threads));
    stk_import_step(import, "transforms");
    STK_TRY(stk_import_tick(import, 0, 0));
    STK_TRY(stk_import_transforms(import));
    STK_TRY(describe_source(import));
    STK_TRY(stk_import_tables(import)); /* first: it finds most mistakes in seconds */
    STK_TRY(stk_import_pictures(import));
    STK_TRY(write_manifest(import, stk_clock_s() - start_s));
    STK_TRY(stk_subject_open(&subject, import->draft.path)); /* what it will be read by */
    stk_subject_close(&subject);
    return stk_draft_commit(&import->draft);
}

stk_status stk_subject_import(const stk_convert_settings *settings, const stk_job *job,
                              stk_convert_figures *figures) {
    *figures = (stk_convert_figures){0};
    STK_TRY(check_settings(settings));
    stk_import *import = stk_calloc_aligned(1, sizeof *import);
    if (import == NULL) return stk_fail_memory("import");
    import->settings = *settings;
    import->job = job;
    double start_s = stk_clock_s();
    stk_status status = run(import);
    if (status == STK_OK)
        *figures = (stk_convert_figures){.frames = import->count,
                                         .train_frames = import->train,
                                         .skipped = import->skipped,
                                         .width = import->manifest.info.width,
                                         .height = import->manifest.info.height,
                                         .seconds = stk_clock_s() - start_s};
    stk_draft_discard(&import->draft);
    stk_pool_free(&import->pool);
    stk_manifest_clear(&import->manifest);
    free(import->frames);
    stk_free(import);
    return status;
}
