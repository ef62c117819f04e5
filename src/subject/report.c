/* report.c - report.txt (for people), report.json (for programs): what each step found, warnings,
 * verdict.
 *
 * Written from the manifest's figures alone, so that it is the same after a resumed run; written
 * for a failed run too, then with the failed step and its sentence.
 */
#include "subject/pose_report.h"
#include "subject/prepare.h"

#include "base/memory.h"

#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_BYTES = 64 << 10,
    WARNINGS_MAX = 16,
    WARNING_BYTES = 256,
    FIGURES_COLUMN = 30,
    LINE_MAX = 110
};

/* Every step before the report itself. */
static const char *const step_names[] = {"picture", "face",      "sound", "pose",
                                         "parse",   "stabilise", "torso", "tables"};

typedef struct report {
    char *text; /* [TEXT_BYTES] */
    size_t used;
    char warnings[WARNINGS_MAX][WARNING_BYTES];
    int warning_count;
    stk_pose_verdict pose;
} report;

static void STK_PRINTF(2, 3) put(report *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(r->text + r->used, TEXT_BYTES - r->used, format, args);
    va_end(args);
    if (n > 0) r->used += (size_t)n;
    if (r->used > TEXT_BYTES - 1) r->used = TEXT_BYTES - 1;
}

static void STK_PRINTF(2, 3) warn(report *r, const char *format, ...) {
    if (r->warning_count == WARNINGS_MAX) return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->warnings[r->warning_count++], WARNING_BYTES, format, args);
    va_end(args);
}

/* --- what deserves a warning ------------------------------------------------------------------ */

static void judge_picture(report *r, const stk_manifest *m) {
    double frames = stk_manifest_figure(m, "picture", "frames", 0);
    double face = stk_manifest_figure(m, "picture", "face_height_source_px", 1e9);
    double doubled = stk_manifest_figure(m, "picture", "doubled", 0);
    if (frames > 0 && frames < 1500)
        warn(r, "the clip is short (%.0f s): a model gets better up to a few minutes",
             frames / STK_FPS);
    double second = stk_manifest_figure(m, "picture", "second_person_share", 0);
    if (second > 0)
        warn(r,
             "a second person is in %.0f %% of the pictures (first at %.2f s), to the %s of the "
             "one followed; sheet.png shows whom: the sound must be theirs alone, else crop the "
             "clip to who speaks",
             100 * second, stk_manifest_figure(m, "picture", "second_person_s", 0),
             stk_manifest_figure(m, "picture", "second_person_left", 0) > 0 ? "left" : "right");
    if (face < 90)
        warn(r, "the face is only %.0f px high in the source: the picture will be soft", face);
    if (doubled > 0.02 * frames)
        warn(r, "%.0f frames are shown twice: the source has fewer than 25 pictures a second",
             doubled);
}

static void judge_sound(report *r, const stk_manifest *m) {
    double rms = stk_manifest_figure(m, "sound", "rms_db", -20);
    if (rms < -40) warn(r, "the sound is very quiet (%.0f dB)", rms);
    if (stk_manifest_figure(m, "sound", "peak", 0) >= 0.999) warn(r, "the sound is clipped");
    double silent = stk_manifest_figure(m, "sound", "silent_share", 0);
    if (silent > 0.5) warn(r, "%.0f %% of the clip is silent", 100 * silent);
    double missing = stk_manifest_figure(m, "sound", "missing_s", 0);
    if (missing > 0.2) warn(r, "the sound ends %.1f s before the picture", missing);
}

static void judge_face(report *r, const stk_manifest *m) {
    double frames = m->info.frames, found = stk_manifest_figure(m, "face", "faces_found", frames);
    if (found < frames) warn(r, "%.0f frames without a face were filled in", frames - found);
    double cut = stk_manifest_figure(m, "face", "face_cut_frames", 0);
    if (cut > 0.01 * frames)
        warn(r,
             "the face is cut off by the picture's border in %.0f frames: the square stands still "
             "and the person moves out of it; cut the clip to a calmer part",
             cut);
    char cuts[160];
    stk_pose_cuts_text(m, cuts, sizeof cuts);
    if (cuts[0] != '\0')
        warn(r, "the clip is cut at %s: each take is followed on its own; a single take is best",
             cuts);
    if (strstr(m->info.face_mode, "468") != NULL)
        warn(r, "face_landmarker.task is missing: the expression comes from landmarks alone");
}

static void judge_points(report *r, const stk_manifest *m) {
    if (stk_manifest_figure(m, "stabilise", "flow_missing", 0) > 0)
        warn(r, "raft-small.pth is missing: the head's points were followed without dense flow");
}

static void judge_plate(report *r, const stk_manifest *m) {
    double seen = stk_manifest_figure(m, "parse", "plate_seen_share", 1);
    if (seen < 0.15)
        warn(r, "only %.0f %% of the wall is ever seen: the rest is made up", 100 * seen);
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_figures(report *r, const cJSON *figures) {
    const cJSON *figure;
    size_t column = FIGURES_COLUMN;
    cJSON_ArrayForEach(figure, figures) {
        char entry[96];
        if (!cJSON_IsNumber(figure)) continue; /* lists are for programs, text: put_head_model */
        int n = snprintf(entry, sizeof entry, "%s=%.10g", figure->string, figure->valuedouble);
        if (column + (size_t)n + 2 > LINE_MAX) {
            put(r, "\n%*s", FIGURES_COLUMN, "");
            column = FIGURES_COLUMN;
        }
        put(r, "%s  ", entry);
        column += (size_t)n + 2;
    }
    put(r, "\n");
}

static const cJSON *sync_figures(const stk_manifest *m) {
    const cJSON *record = stk_manifest_step(m, "sound");
    const cJSON *figures = cJSON_GetObjectItemCaseSensitive(record, "figures");
    return cJSON_GetObjectItemCaseSensitive(figures, "sync");
}

static double sync_number(const cJSON *sync, const char *name) {
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(sync, name);
    return cJSON_IsNumber(number) ? number->valuedouble : 0;
}

static void put_sync(report *r, const stk_manifest *m) {
    const cJSON *sync = sync_figures(m);
    const cJSON *measure = cJSON_GetObjectItemCaseSensitive(sync, "measure");
    const double ms = sync_number(sync, "offset_ms");
    if (!cJSON_IsString(measure)) return;
    if (strcmp(measure->valuestring, "none") == 0) {
        put(r, "sync        not measured\n");
        return;
    }
    put(r, "sync        the sound is %.0f ms %s (confidence %.2f, by %s): %s\n", fabs(ms),
        ms < 0 ? "early" : "late", sync_number(sync, "confidence"), measure->valuestring,
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(sync, "corrected")) ? "moved to fit the lips"
                                                                          : "left as it is");
}

static void put_head_model(report *r, const stk_manifest *m) {
    const cJSON *record = stk_manifest_step(m, "pose");
    const cJSON *figures = cJSON_GetObjectItemCaseSensitive(record, "figures");
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(figures, "head_model");
    if (cJSON_IsString(model)) put(r, "head model  %s\n", model->valuestring);
}

static void put_steps(report *r, const stk_manifest *m, const char *failed) {
    put(r, "%-12s%-8s%8s  %s\n", "step", "result", "seconds", "figures");
    for (size_t i = 0; i < STK_ARRAY_SIZE(step_names); i++) {
        const cJSON *record = stk_manifest_step(m, step_names[i]);
        const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(record, "seconds");
        if (record == NULL) {
            int this_one = failed != NULL && strcmp(failed, step_names[i]) == 0;
            put(r, "%-12s%-8s%8s\n", step_names[i], this_one ? "FAIL" : "-", "-");
            continue;
        }
        put(r, "%-12s%-8s%8.2f  ", step_names[i], "OK",
            cJSON_IsNumber(seconds) ? seconds->valuedouble : 0.0);
        put_figures(r, cJSON_GetObjectItemCaseSensitive(record, "figures"));
    }
}

/* What there is to look at, beside the report. */
static void put_pictures(report *r, int frames) {
    put(r,
        "%-12ssheet.png, report/focal.svg (focal lengths tried), report/pose.svg (jitter, "
        "errors)\n",
        "to look at");
    put(r, "%-12sreport/overlay.mp4 (", "");
    if (frames > STK_OVERLAY_FRAMES) put(r, "the first %d s: ", STK_OVERLAY_FRAMES / STK_FPS);
    put(r, "head axes and followed points)\n");
}

static void put_all(report *r, const stk_prepare *prepare, const char *failed,
                    const char *sentence) {
    const stk_manifest *m = &prepare->manifest;
    const stk_subject_info *i = &m->info;
    put(r, "subject     %s\n", i->name);
    put(r, "clip        %s\n", i->source_path);
    if (i->frames > 0) {
        put(r, "source      %d x %d, %.3f frames/s, from %.3f s\n", i->source_width,
            i->source_height, m->source_fps, i->source_start_s);
        put(r, "picture     %d x %d from x %d to %d, y %d to %d of the source\n", i->width,
            i->height, i->crop_source_px.x0, i->crop_source_px.x1, i->crop_source_px.y0,
            i->crop_source_px.y1);
        put(r, "frames      %d at 25/s = %.2f s; %d to train, %d held out\n", i->frames,
            (double)i->frames / STK_FPS, i->train_frames, i->frames - i->train_frames);
    }
    if (i->face_mode[0] != '\0') put(r, "face        %s\n", i->face_mode);
    if (i->parse_mode[0] != '\0') put(r, "parsing     %s\n", i->parse_mode);
    put_head_model(r, m);
    put_sync(r, m);
    if (i->identity[0] != '\0') put(r, "identity    %s\n", i->identity);
    put(r, "\n");
    put_steps(r, m, failed);
    put(r, "\n");
    put(r, "%-12s%s: %s\n", "pose", r->pose.word, r->pose.reason);
    if (strcmp(r->pose.word, "good") != 0) put(r, "%-12s%s\n", "advice", r->pose.advice);
    if (failed == NULL) put_pictures(r, i->frames);
    for (int k = 0; k < r->warning_count; k++) put(r, "WARNING     %s\n", r->warnings[k]);
    if (failed != NULL)
        put(r, "FAIL        %s: %s\n", failed, sentence);
    else
        put(r, "OK          %d warnings\n", r->warning_count);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static stk_status write_json(const report *r, const stk_prepare *prepare, const char *failed,
                             const char *sentence) {
    char path[STK_PATH_MAX];
    const stk_manifest *m = &prepare->manifest;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "result", failed == NULL ? "ok" : "fail");
    cJSON_AddStringToObject(root, "clip", m->info.source_path);
    cJSON_AddNumberToObject(root, "frames", m->info.frames);
    if (failed != NULL) {
        cJSON_AddStringToObject(root, "failed_step", failed);
        cJSON_AddStringToObject(root, "reason", sentence);
    }
    cJSON_AddItemToObject(root, "pose", stk_pose_block(m, &r->pose));
    if (sync_figures(m) != NULL)
        cJSON_AddItemToObject(root, "sync", cJSON_Duplicate(sync_figures(m), 1));
    cJSON *warnings = cJSON_AddArrayToObject(root, "warnings");
    for (int i = 0; i < r->warning_count; i++)
        cJSON_AddItemToArray(warnings, cJSON_CreateString(r->warnings[i]));
    cJSON *steps = cJSON_AddObjectToObject(root, "steps");
    for (size_t i = 0; i < STK_ARRAY_SIZE(step_names); i++) {
        const cJSON *record = stk_manifest_step(m, step_names[i]);
        const char *const keys[] = {"seconds", "figures"};
        if (record == NULL) continue;
        cJSON *entry = cJSON_AddObjectToObject(steps, step_names[i]);
        for (int k = 0; k < 2; k++)
            cJSON_AddItemToObject(
                entry, keys[k],
                cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(record, keys[k]), 1));
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (text == NULL) return stk_fail_memory("report");
    stk_status status = stk_prepare_path(prepare, "report.json", path);
    if (status == STK_OK) status = stk_file_write(path, text, strlen(text));
    free(text); /* cJSON's own allocator */
    return status;
}

stk_status stk_report_write(const stk_prepare *prepare, const char *failed, const char *sentence) {
    char path[STK_PATH_MAX];
    report *r = stk_calloc_aligned(1, sizeof *r);
    if (r == NULL) return stk_fail_memory("report");
    r->text = stk_calloc_aligned(1, TEXT_BYTES);
    stk_status status = r->text != NULL ? STK_OK : stk_fail_memory("report");
    if (status == STK_OK) {
        judge_picture(r, &prepare->manifest);
        judge_sound(r, &prepare->manifest);
        judge_face(r, &prepare->manifest);
        judge_points(r, &prepare->manifest);
        judge_plate(r, &prepare->manifest);
        stk_pose_judge(&prepare->manifest, failed != NULL ? sentence : NULL, &r->pose);
        put_all(r, prepare, failed, sentence);
        status = stk_prepare_path(prepare, "report.txt", path);
    }
    if (status == STK_OK) status = stk_file_write(path, r->text, r->used);
    if (status == STK_OK) status = write_json(r, prepare, failed, sentence);
    stk_free(r->text);
    stk_free(r);
    return status;
}

stk_status stk_step_report(stk_prepare *prepare, cJSON *figures) {
    (void)figures;
    STK_TRY(stk_sheet_write(prepare));
    STK_TRY(stk_pose_plots_write(prepare));
    STK_TRY(stk_overlay_write(prepare));
    return stk_report_write(prepare, NULL, NULL);
}
