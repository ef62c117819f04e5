/* encoder_clips.c - the clips of a run: cut where they are not cut yet, opened, looked through.
 *
 * A path that ends in ".speech" is cut speech already. A video's cut speech is kept as
 * "<name>-<digest>-<format>[s].speech" in the folder of the settings, so that another run, or one
 * that was stopped, does not cut again; s: cut with the active speaker's weights.
 */
#include "train/encoder_internal.h"
#include "base/log.h"
#include "base/memory.h"
#include "face_sync/active_speaker.h"

#include <stdio.h>
#include <string.h>

enum { DIGESTED = 1 << 20 /* bytes at either end of a clip */ };

static int is_cut(const char *path) {
    static const char ending[] = ".speech";
    const size_t n = strlen(path), m = sizeof ending - 1;
    return n > m && strcmp(path + n - m, ending) == 0;
}

/* What of a clip its cut speech is known by: bytes, the first and the last of them. Reading a long
 * video whole, at each start, would take longer than a look at its ends; editors that change only
 * what lies between, and not the size, are not met in practice. */
static stk_status digest_clip(const char *clip, char text[STK_SHA256_TEXT]) {
    char ends[2][STK_SHA256_TEXT], all[2 * STK_SHA256_TEXT + 32];
    stk_map map;
    STK_TRY(stk_map_open(&map, clip));
    const size_t n = map.size < DIGESTED ? map.size : DIGESTED;
    stk_sha256(map.data, n, ends[0]);
    stk_sha256(n > 0 ? map.data + (map.size - n) : map.data, n, ends[1]);
    snprintf(all, sizeof all, "%zu %s %s", map.size, ends[0], ends[1]);
    stk_map_close(&map);
    stk_sha256(all, strlen(all), text);
    return STK_OK;
}

stk_status stk_encoder_cut_name(const stk_encoder_settings *s, const char *clip,
                                char folder[STK_PATH_MAX], char file[STK_PATH_MAX]) {
    const char *slash = strrchr(clip, '/');
    char name[256], digest[STK_SHA256_TEXT];
    STK_TRY(digest_clip(clip, digest));
    if (snprintf(folder, STK_PATH_MAX, "%s%s", s->cut != NULL ? s->cut : s->output,
                 s->cut != NULL ? "" : ".cut") >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", s->output);
    snprintf(name, sizeof name, "%.200s-%.16s-%d%s.speech", slash != NULL ? slash + 1 : clip,
             digest, STK_SPEECH_FORMAT, stk_active_speaker_have(s->models) ? "s" : "");
    return stk_path_join(file, STK_PATH_MAX, folder, name);
}

/* Opens a video's cut speech, cut before or now; one that cannot be read is cut anew. */
static stk_status open_cut(const stk_encoder_settings *s, const stk_job *job, const char *clip,
                           stk_speech *speech) {
    const stk_speech_settings settings = {
        .clip = clip, .models = s->models, .align = 1, .threads = s->threads};
    char folder[STK_PATH_MAX], file[STK_PATH_MAX];
    STK_TRY(stk_encoder_cut_name(s, clip, folder, file));
    if (stk_file_exists(file)) {
        const stk_status status = stk_speech_open(speech, file);
        if (status != STK_ERR_FORMAT) return status;
        stk_speech_free(speech);
        stk_log(STK_LOG_WARN, "%s; it is cut again now", stk_error_text());
    }
    STK_TRY(stk_directory_create(folder));
    STK_TRY(stk_speech_cut(&settings, job, file));
    return stk_speech_open(speech, file);
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

/* A clip that shows nobody speak is left out with a warning. */
static stk_status open_list(const stk_encoder_settings *s, const stk_job *job, const char *list,
                            int held_out, stk_encoder_clip *clips, int *count) {
    char path[STK_PATH_MAX];
    while (next(&list, held_out ? ',' : '\n', path)) {
        stk_encoder_clip *clip = &clips[*count];
        *clip = (stk_encoder_clip){.held_out = held_out};
        stk_status status = is_cut(path) ? stk_speech_open(&clip->speech, path)
                                         : open_cut(s, job, path, &clip->speech);
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

/* Is there something to learn from, and something to measure on where that was asked for? */
static stk_status check_left(int given, int learned, int given_out, int held_out) {
    if (given == 0)
        return stk_fail(STK_ERR_ARGUMENT, "no clip is given to learn from; give at least one CLIP");
    if (learned == 0)
        return stk_fail(
            STK_ERR_CONTENT,
            "none of the %d clips to learn from shows enough of a face that speaks; give "
            "clips of at least some seconds of a person who talks to the camera",
            given);
    if (held_out == 0 && given_out > 0)
        return stk_fail(
            STK_ERR_CONTENT,
            "none of the %d clips of --hold-out shows enough of a face that speaks; give "
            "others, or leave out --hold-out",
            given_out);
    return STK_OK;
}

/* The same sound on both sides: what is measured would be what was learned. */
static stk_status check_apart(const stk_encoder_clip *clips, int learned, int count) {
    for (int i = 0; i < learned; i++)
        for (int k = learned; k < count; k++)
            if (clips[i].speech.columns == clips[k].speech.columns &&
                clips[i].mark == clips[k].mark)
                return stk_fail(STK_ERR_ARGUMENT,
                                "%s and %s have the same sound: a clip cannot be learned from and "
                                "held out at once; leave it out of CLIP or of --hold-out",
                                clips[i].speech.name, clips[k].speech.name);
    return STK_OK;
}

stk_status stk_encoder_clips_open(const stk_encoder_settings *s, const stk_job *job,
                                  stk_encoder_clip **clips, int *count) {
    const int given = count_paths(s->clips, '\n'), given_out = count_paths(s->hold_out, ',');
    *count = 0;
    *clips = stk_calloc_aligned((size_t)(given + given_out) + 1, sizeof **clips);
    if (*clips == NULL) return stk_fail_memory("the clips");
    stk_status status = open_list(s, job, s->clips, 0, *clips, count);
    const int learned = *count;
    if (status == STK_OK) status = open_list(s, job, s->hold_out, 1, *clips, count);
    if (status == STK_OK) status = check_left(given, learned, given_out, *count - learned);
    if (status == STK_OK) status = check_apart(*clips, learned, *count);
    if (status != STK_OK) stk_encoder_clips_free(clips, *count);
    return status;
}

void stk_encoder_clips_free(stk_encoder_clip **clips, int count) {
    for (int i = 0; *clips != NULL && i < count; i++) stk_encoder_clip_clear(&(*clips)[i]);
    stk_free(*clips);
    *clips = NULL;
}
