/* encoder_clips.c - the clips of a run: cut where they are not cut yet, opened, looked through.
 *
 * A path that ends in ".speech" is cut speech already. A video's cut speech is kept as
 * "<name>-<bytes of the video>.speech" in the folder of the settings, so that another run, or one
 * that was stopped, does not cut again.
 */
#include "train/encoder_internal.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static int is_cut(const char *path) {
    static const char ending[] = ".speech";
    const size_t n = strlen(path), m = sizeof ending - 1;
    return n > m && strcmp(path + n - m, ending) == 0;
}

static stk_status cut(const stk_encoder_settings *s, const stk_job *job, const char *clip,
                      char file[STK_PATH_MAX]) {
    char folder[STK_PATH_MAX], name[256];
    const char *slash = strrchr(clip, '/');
    if (is_cut(clip)) {
        snprintf(file, STK_PATH_MAX, "%s", clip);
        return STK_OK;
    }
    if (snprintf(folder, sizeof folder, "%s%s", s->cut != NULL ? s->cut : s->output,
                 s->cut != NULL ? "" : ".cut") >= (int)sizeof folder)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", s->output);
    snprintf(name, sizeof name, "%.200s-%lld.speech", slash != NULL ? slash + 1 : clip,
             (long long)stk_file_size(clip));
    STK_TRY(stk_path_join(file, STK_PATH_MAX, folder, name));
    if (stk_file_exists(file)) return STK_OK;
    STK_TRY(stk_directory_create(folder));
    const stk_speech_settings settings = {
        .clip = clip, .models = s->models, .align = 1, .threads = s->threads};
    return stk_speech_cut(&settings, job, file);
}

/* One path of a list that `separator` divides; 0 after the last. */
static int next(const char **list, char separator, char path[STK_PATH_MAX]) {
    while (*list != NULL && **list == separator) ++*list;
    if (*list == NULL || **list == '\0') return 0;
    const char *end = strchr(*list, separator);
    const size_t n = end != NULL ? (size_t)(end - *list) : strlen(*list);
    snprintf(path, STK_PATH_MAX, "%.*s", (int)n, *list);
    *list += n;
    return 1;
}

static int count_paths(const char *list, char separator) {
    char path[STK_PATH_MAX];
    int n = 0;
    while (next(&list, separator, path)) n++;
    return n;
}

/* A clip that shows nobody speak is left out with a warning, unless nothing else is there. */
static stk_status open_list(const stk_encoder_settings *s, const stk_job *job, const char *list,
                            int held_out, stk_encoder_clip *clips, int *count) {
    char path[STK_PATH_MAX], file[STK_PATH_MAX];
    while (next(&list, held_out ? ',' : '\n', path)) {
        stk_encoder_clip *clip = &clips[*count];
        *clip = (stk_encoder_clip){.held_out = held_out};
        stk_status status = cut(s, job, path, file);
        if (status == STK_OK) status = stk_speech_open(&clip->speech, file);
        if (status == STK_OK) status = stk_encoder_clip_prepare(clip);
        if (status == STK_OK) {
            ++*count;
            continue;
        }
        stk_encoder_clip_clear(clip);
        if (status != STK_ERR_CONTENT) return status;
        stk_log(STK_LOG_WARN, "%s", stk_error_text());
    }
    return STK_OK;
}

stk_status stk_encoder_clips_open(const stk_encoder_settings *s, const stk_job *job,
                                  stk_encoder_clip **clips, int *count) {
    const int most = count_paths(s->clips, '\n') + count_paths(s->hold_out, ',');
    *count = 0;
    *clips = stk_calloc_aligned((size_t)most + 1, sizeof **clips);
    if (*clips == NULL) return stk_fail_memory("the clips");
    stk_status status = open_list(s, job, s->clips, 0, *clips, count);
    const int learned = *count;
    if (status == STK_OK) status = open_list(s, job, s->hold_out, 1, *clips, count);
    for (int i = 0; i < learned && status == STK_OK; i++)
        for (int k = learned; k < *count && status == STK_OK; k++)
            if (strcmp((*clips)[i].speech.name, (*clips)[k].speech.name) == 0 &&
                (*clips)[i].speech.frames == (*clips)[k].speech.frames)
                status =
                    stk_fail(STK_ERR_ARGUMENT, "%s: cannot be learned from and held out at once",
                             (*clips)[i].speech.name);
    if (status != STK_OK) stk_encoder_clips_free(clips, *count);
    return status;
}

void stk_encoder_clips_free(stk_encoder_clip **clips, int count) {
    for (int i = 0; *clips != NULL && i < count; i++) stk_encoder_clip_clear(&(*clips)[i]);
    stk_free(*clips);
    *clips = NULL;
}
