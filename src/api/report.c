/* report.c - see report.h: the folder and its four files. */
#include "api/report.h"

#include "api/context.h"
#include "api/scores.h"
#include "base/file.h"
#include "subject/subject.h"

#include <stdio.h>
#include <string.h>

stk_status stk_report_keep_subject(const char *folder) {
    static const char *const theirs[] = {"manifest.json", "tables.safetensors"};
    char path[STK_PATH_MAX];
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++) {
        STK_TRY(stk_path_join(path, sizeof path, folder, theirs[i]));
        if (stk_file_exists(path))
            return stk_fail(STK_ERR_ARGUMENT,
                            "%s: is a subject folder; give the report another one", folder);
    }
    return STK_OK;
}

/* Found unfit before the work, not after it. */
stk_status stk_report_folder_check(const char *folder) {
    char path[STK_PATH_MAX];
    if (folder == NULL) return STK_OK;
    STK_TRY(stk_report_keep_subject(folder));
    STK_TRY(stk_directory_create(folder));
    stk_outfile *file;
    STK_TRY(stk_path_join(path, sizeof path, folder, "report.html"));
    STK_TRY(stk_outfile_create(&file, path));
    stk_outfile_discard(&file);
    return STK_OK;
}

static stk_status write_text(const stk_report *report, const char *name,
                             stk_status (*put)(const stk_report *report, stk_page *out)) {
    char path[STK_PATH_MAX];
    stk_page text;
    STK_TRY(stk_path_join(path, sizeof path, report->folder, name));
    stk_page_begin(&text);
    stk_status status = put(report, &text);
    if (status == STK_OK) return stk_page_write(&text, path);
    stk_page_free(&text);
    return status;
}

static stk_status put_json(const stk_report *report, stk_page *out) {
    stk_page_bytes(out, report->json, strlen(report->json));
    stk_page_put(out, "\n");
    return STK_OK;
}

stk_status stk_report_files_write(const stk_report *report) {
    STK_TRY(write_text(report, "figures.json", put_json));
    STK_TRY(write_text(report, "figures.csv", stk_report_csv));
    STK_TRY(write_text(report, "figures.md", stk_report_markdown));
    return stk_report_page(report);
}

/* --- eval ------------------------------------------------------------------------------------- */

const char *stk_report_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

stk_status stk_report_eval(const stk_eval_options *options, const stk_scores *scores,
                           const stk_album *album) {
    char title[256], note[512], sound[STK_PATH_MAX];
    snprintf(title, sizeof title, "%.80s: %s %s frames of %.80s", stk_report_name(options->model),
             options->portrait ? "portraits beside the" : "the",
             options->trained ? "trained" : "held-out", stk_report_name(options->subject));
    const int last = album->frames - 1;
    char every[32] = "all";
    if (album->every > 1) snprintf(every, sizeof every, "one in %.4g,", album->every);
    snprintf(note, sizeof note,
             "Frames %d to %d, %s %d of them. Each is rendered from its own sound, pose and "
             "expression, which training has %s%s%s.",
             last >= 0 ? album->number[0] : 0, last >= 0 ? album->number[last] : 0, every,
             album->frames, options->trained ? "seen: what is remembered" : "not seen",
             options->portrait ? "; figures are of the face pasted into the frame" : "",
             options->published ? ", by the published mask alone" : "");
    STK_TRY(stk_path_join(sound, sizeof sound, options->subject, "audio.wav"));
    char *json;
    STK_TRY(stk_scores_json(scores, &json));
    const stk_report_series series = {
        .album = album, .quality = &scores->quality, .scores = scores};
    const stk_report report = {.folder = options->report,
                               .title = title,
                               .note = note,
                               .json = json,
                               .series = &series,
                               .count = 1,
                               .sound = stk_file_exists(sound) ? sound : NULL};
    stk_status status = stk_report_files_write(&report);
    stk_text_free(&json);
    return status;
}
