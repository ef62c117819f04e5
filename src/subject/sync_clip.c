/* sync_clip.c - sync of a clip: cut it, measure it, throw the cut away. */
#include "subject/sync.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A name that is free. The cut itself is renamed over it. */
static stk_status reserve(const char *folder, char path[STK_PATH_MAX]) {
    const char *temporary = getenv("TMPDIR");
    if (folder == NULL) folder = temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp";
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

stk_status stk_sync_clip(const stk_speech_settings *settings, const char *folder,
                         const stk_job *job, stk_sync_report *sync) {
    stk_speech_settings cut = *settings;
    stk_speech speech = {0};
    char path[STK_PATH_MAX];
    cut.align = 0;
    *sync = (stk_sync_report){0};
    STK_TRY(reserve(folder, path));
    stk_status status = stk_speech_cut(&cut, job, path);
    if (status == STK_OK) status = stk_speech_open(&speech, path);
    unlink(path); /* what is mapped stays */
    if (status == STK_OK) status = stk_sync_measure(&speech, settings->models, job, sync);
    stk_speech_free(&speech);
    return status;
}
