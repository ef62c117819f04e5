/* sync_clip.c - sync of a clip: cut it, measure it, throw the cut away. */
#include "subject/sync.h"
#include "subject/speech_lse.h"

#include "base/file.h"
#include "base/log.h"
#include "media/media.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *temporary_folder(void) {
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

/* By the clip's own word of its length; what else fills the disk meanwhile is told by writing. */
static stk_status check_room(const char *folder, const stk_speech_settings *settings) {
    struct statvfs space;
    stk_media_info info;
    STK_TRY(stk_media_probe(settings->clip, &info));
    if (statvfs(folder, &space) != 0) return STK_OK;
    double frames = fmax(0, info.duration_s) * STK_FPS;
    if (settings->frames_most > 0) frames = fmin(frames, settings->frames_most);
    const double need = frames * STK_SPEECH_CROP, have = (double)space.f_bavail * space.f_frsize;
    if (need <= have) return STK_OK;
    return stk_fail(STK_ERR_IO,
                    "%s: measuring the sync of %s needs %.0f MiB there for a while and %.0f MiB "
                    "are free; free some space, or set TMPDIR to a folder with room",
                    folder, settings->clip, ceil(need / 0x1p20), floor(have / 0x1p20));
}

/* A name that is free. The cut itself is renamed over it. */
static stk_status reserve(const char *folder, char path[STK_PATH_MAX]) {
    STK_TRY(stk_path_join(path, STK_PATH_MAX, folder, "synctalk-XXXXXX"));
    const int fd = mkstemp(path);
    if (fd < 0)
        return stk_fail(STK_ERR_IO,
                        "%s: no file can be made there: %s; set TMPDIR to a folder "
                        "with room",
                        folder, strerror(errno));
    close(fd);
    return STK_OK;
}

/* A pair that was found and cannot be used is left out with a warning. */
static stk_status open_found(const stk_lip_sync_files *files, const char *instead,
                             stk_lip_sync **nets) {
    char reason[1024];
    const stk_status status = stk_lip_sync_create(nets, files);
    if (status == STK_OK || status == STK_ERR_MEMORY) return status;
    stk_error_take(reason, sizeof reason);
    stk_log(STK_LOG_WARN, "sync is measured %s: %s", instead, reason);
    return STK_OK;
}

/* The encoder given must do; else one that lies among the weights, else the one in the program. */
static stk_status open_nets(const char *models, const char *encoder, stk_lip_sync **nets) {
    stk_lip_sync_files files;
    *nets = NULL;
    if (encoder != NULL) {
        STK_TRY(stk_lip_sync_locate(models, encoder, &files));
        return stk_lip_sync_create(nets, &files);
    }
    if (!stk_lip_sync_find(models, &files)) return STK_OK;
    if (strcmp(files.sound, STK_AVE_BUILTIN) != 0) {
        STK_TRY(open_found(&files, "without the encoder among the weights", nets));
        if (*nets != NULL || stk_lip_sync_locate(models, STK_AVE_BUILTIN, &files) != STK_OK)
            return STK_OK;
    }
    return open_found(&files, "without the discriminator", nets);
}

static stk_status measure(const char *path, const stk_speech_settings *settings, stk_lip_sync *nets,
                          const stk_job *job, stk_sync_report *sync) {
    stk_speech speech = {0};
    stk_status status = stk_speech_open(&speech, path);
    unlink(path); /* what is mapped stays */
    if (status == STK_OK) status = stk_sync_measure(&speech, settings->models, job, sync);
    if (status == STK_OK && nets != NULL)
        status = stk_sync_add_discriminator(&speech, nets, job, sync);
    stk_speech_free(&speech);
    return status;
}

stk_status stk_sync_clip(const stk_speech_settings *settings, const char *encoder,
                         const char *folder, const stk_job *job, stk_sync_report *sync) {
    stk_speech_settings cut = *settings;
    stk_lip_sync *nets;
    char path[STK_PATH_MAX];
    cut.align = 0;
    *sync = (stk_sync_report){0};
    if (folder == NULL) {
        folder = temporary_folder();
        STK_TRY(check_room(folder, settings));
    }
    STK_TRY(open_nets(settings->models, encoder, &nets)); /* says what is wrong before the cut */
    stk_status status = reserve(folder, path);
    if (status == STK_OK) {
        status = stk_speech_cut(&cut, job, path);
        if (status == STK_OK)
            status = measure(path, settings, nets, job, sync);
        else
            unlink(path);
    }
    stk_lip_sync_free(&nets);
    return status;
}

stk_status stk_sync_clip_lse(const stk_speech_settings *settings, const char *encoder,
                             const stk_job *job, stk_sync_report *sync) {
    stk_speech_settings with = *settings;
    stk_lse lse = {0};
    char path[STK_PATH_MAX], reason[STK_SYNC_REASON] = "";
    const int found = stk_syncnet_locate(settings->models, path) == STK_OK;
    if (found)
        with.syncnet = path, with.lse = &lse;
    else
        stk_error_take(reason, sizeof reason);
    STK_TRY(stk_sync_clip(&with, encoder, NULL, job, sync));
    if (found && lse.windows == 0)
        snprintf(reason, sizeof reason,
                 "a face is not seen for %d frames in a row, as SyncNet's figures want",
                 STK_LSE_RUN_MIN);
    sync->lse = lse;
    memcpy(sync->lse_reason, reason, sizeof reason);
    return STK_OK;
}
