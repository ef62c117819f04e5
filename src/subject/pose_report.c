/* pose_report.c - see pose_report.h.
 *
 *   figures of the steps face, pose, stabilise -> block "pose" of report.json
 *                                              -> good | usable | bad, why, and what to do
 *
 * The word is that of the worst finding; the reason lists all findings of that grade. Pixels are
 * judged at a picture of 512: thresholds grow with the picture. Where they come from:
 * doc/FORMATS.md, "report.json".
 */
#include "subject/pose_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { GOOD, USABLE, BAD };
static const char *const words[] = {"good", "usable", "bad"};
/* Median distance of a followed point from where its pose puts it, px. */
static const double ERROR_USABLE = 1.5, ERROR_BAD = 3.0;
/* The same of landmarks, where points could not be followed. */
static const double LANDMARK_ERROR_BAD = 4.0;
static const double JITTER_USABLE_DEG = 1.2, JITTER_USABLE_PX = 3.0;
static const double POINTS_FEW = 15, POINTS_KEPT_LEAST = 0.25;
static const double FOCAL_UNKNOWN = 0.3; /* standard deviation, of the focal length */
static const double TURN_LEAST_DEG = 4;  /* to the sides or up and down */
static const double HARD_USABLE = 0.15, HARD_BAD = 0.5; /* share of the frames */
static const double SECONDS_USABLE = 4;

typedef struct judge {
    stk_pose_verdict *verdict;
    int grade;
} judge;

static double figure(const stk_manifest *m, const char *step, const char *name) {
    return stk_manifest_figure(m, step, name, -1);
}

static void append(char *text, size_t size, const char *part) {
    const size_t used = strlen(text);
    if (used + 3 >= size) return;
    snprintf(text + used, size - used, "%s%s", used > 0 ? "; " : "", part);
}

/* Findings below the worst grade so far are dropped, better ones before it forgotten. */
static void STK_PRINTF(4, 5)
    find(judge *j, int grade, const char *advice, const char *format, ...) {
    char part[600];
    va_list args;
    if (grade < j->grade) return;
    if (grade > j->grade) j->verdict->reason[0] = j->verdict->advice[0] = '\0';
    j->grade = grade;
    va_start(args, format);
    vsnprintf(part, sizeof part, format, args);
    va_end(args);
    append(j->verdict->reason, sizeof j->verdict->reason, part);
    if (strstr(j->verdict->advice, advice) == NULL)
        append(j->verdict->advice, sizeof j->verdict->advice, advice);
}

static void judge_points(judge *j, const stk_manifest *m, double scale) {
    static const char *const seen = "show the face from the front, unhidden, sharp and evenly lit";
    const double error = figure(m, "stabilise", "reprojection_median_px") / scale;
    const double points = figure(m, "stabilise", "points");
    const double share = points / figure(m, "stabilise", "points_picked");
    if (points <= 0) {
        const double landmarks = figure(m, "pose", "reprojection_median_px") / scale;
        find(j, landmarks > LANDMARK_ERROR_BAD ? BAD : USABLE, seen,
             "too few points of the head could be followed: its poses are those of the face mesh "
             "(%.1f px off)",
             landmarks * scale);
        return;
    }
    if (error > ERROR_USABLE)
        find(j, error > ERROR_BAD ? BAD : USABLE, seen,
             "points of the head are %.2f px from where its poses put them", error * scale);
    if (points < POINTS_FEW)
        find(j, USABLE, seen, "only %.0f points of the head could be followed", points);
    else if (share < POINTS_KEPT_LEAST)
        find(j, USABLE, seen, "only %.0f %% of the points followed move with the head",
             100 * share);
}

static void judge_motion(judge *j, const stk_manifest *m, double scale) {
    const double turn = figure(m, "stabilise", "jitter_rot_deg");
    const double shift = figure(m, "stabilise", "jitter_px") / scale;
    if (figure(m, "stabilise", "points") <= 0) return;
    if (turn > JITTER_USABLE_DEG || shift > JITTER_USABLE_PX)
        find(j, USABLE, "use a tripod, and light enough for a short exposure",
             "the head shakes (%.2f degrees, %.2f px a frame^2)", turn, shift * scale);
    const double focal = figure(m, "stabilise", "focal_px");
    const double sd = figure(m, "stabilise", "focal_sd_px");
    const int unknown = sd < 0 || sd > FOCAL_UNKNOWN * focal ||
                        stk_manifest_figure(m, "stabilise", "turn_range_deg", 90) < TURN_LEAST_DEG;
    if (!(figure(m, "stabilise", "focal_determined") > 0) && unknown)
        find(j, USABLE, "let the person turn and tilt the head now and then",
             "the head hardly turns: focal length and distance are guesses, and views other than "
             "these may look flat");
}

static void judge_clip(judge *j, const stk_manifest *m) {
    const double frames = m->info.frames, hard = figure(m, "stabilise", "frames_hard");
    const double lost = frames - stk_manifest_figure(m, "face", "faces_found", frames);
    if (frames < SECONDS_USABLE * STK_FPS)
        find(j, USABLE, "record more: two to five minutes are best",
             "the clip is only %.1f s long: few views of the head", frames / STK_FPS);
    if (lost > 0)
        find(j, USABLE, "keep the face in the picture",
             "%.0f frames show no face: their poses lie between their neighbours'", lost);
    if (hard > HARD_USABLE * frames)
        find(j, hard > HARD_BAD * frames ? BAD : USABLE,
             "no hands before the face, no turns to profile, a steady camera",
             "%.0f %% of the frames are hard to follow (hard_frames)", 100 * hard / frames);
}

void stk_pose_judge(const stk_manifest *m, const char *failure, stk_pose_verdict *verdict) {
    judge j = {.verdict = verdict};
    const double scale = m->info.width > 0 ? m->info.width / 512.0 : 1;
    verdict->reason[0] = verdict->advice[0] = '\0';
    if (failure != NULL) {
        const char *last = strrchr(failure, ';');
        find(&j, BAD, last != NULL && last[1] == ' ' ? last + 2 : "use another clip", "%s",
             failure);
    } else if (stk_manifest_step(m, "stabilise") == NULL) {
        find(&j, BAD, "prepare the clip to the end", "no pose was found");
    } else {
        judge_points(&j, m, scale);
        judge_motion(&j, m, scale);
        judge_clip(&j, m);
    }
    if (j.grade == GOOD)
        find(&j, GOOD, "none needed", "%.0f points of the head stay within %.2f px (median)",
             figure(m, "stabilise", "points"), figure(m, "stabilise", "reprojection_median_px"));
    verdict->word = words[j.grade];
}

/* --- JSON ------------------------------------------------------------------------------------- */

static double time_s(const stk_manifest *m, double frame) {
    const double t = m->info.source_start_s + frame / STK_FPS;
    return (double)(int64_t)(t * 1000 + (t < 0 ? -0.5 : 0.5)) / 1000;
}

static const cJSON *figure_list(const stk_manifest *m, const char *step, const char *name) {
    const cJSON *record = stk_manifest_step(m, step);
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(record, "figures"),
                                            name);
}

void stk_pose_cuts_text(const stk_manifest *m, char *text, size_t size) {
    const cJSON *frame;
    text[0] = '\0';
    cJSON_ArrayForEach(frame, figure_list(m, "face", "cut_frames")) {
        const size_t used = strlen(text);
        if (used + 24 > size) {
            snprintf(text + used, size - used, " ...");
            return;
        }
        snprintf(text + used, size - used, "%s%.2f s", used > 0 ? ", " : "",
                 time_s(m, frame->valuedouble));
    }
}

/* A figure of the stabilise step, else (coarse != NULL) one of the pose step, else null. */
static void put(cJSON *block, const stk_manifest *m, const char *key, const char *name,
                const char *coarse) {
    double value = figure(m, "stabilise", name);
    if (value < 0 && coarse != NULL) value = figure(m, "pose", coarse);
    if (value < 0)
        cJSON_AddNullToObject(block, key);
    else
        cJSON_AddNumberToObject(block, key, value);
}

static void put_cuts(cJSON *block, const stk_manifest *m) {
    cJSON *cuts = cJSON_AddArrayToObject(block, "cuts");
    const cJSON *frame;
    cJSON_ArrayForEach(frame, figure_list(m, "face", "cut_frames"))
        cJSON_AddItemToArray(cuts, cJSON_CreateNumber(time_s(m, frame->valuedouble)));
}

static double seconds_of(const stk_manifest *m, const char *step) {
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(stk_manifest_step(m, step), "seconds");
    return cJSON_IsNumber(seconds) ? seconds->valuedouble : 0;
}

static void put_rate(cJSON *block, const stk_manifest *m) {
    const double spent = seconds_of(m, "pose") + seconds_of(m, "stabilise");
    if (stk_manifest_step(m, "stabilise") != NULL && spent > 0)
        cJSON_AddNumberToObject(block, "frames_per_second",
                                (double)(int64_t)(10 * m->info.frames / spent + 0.5) / 10);
    else
        cJSON_AddNullToObject(block, "frames_per_second");
}

static void put_hard_frames(cJSON *block, const stk_manifest *m) {
    cJSON *list = cJSON_AddArrayToObject(block, "hard_frames");
    const cJSON *range;
    cJSON_ArrayForEach(range, figure_list(m, "stabilise", "hard_frames")) {
        const double from = cJSON_GetNumberValue(cJSON_GetArrayItem(range, 0));
        const double to = cJSON_GetNumberValue(cJSON_GetArrayItem(range, 1));
        const char *reason = cJSON_GetStringValue(cJSON_GetArrayItem(range, 2));
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddNumberToObject(entry, "from_s", time_s(m, from));
        cJSON_AddNumberToObject(entry, "to_s", time_s(m, to));
        cJSON_AddStringToObject(entry, "reason", reason != NULL ? reason : "");
        cJSON_AddItemToArray(list, entry);
    }
}

cJSON *stk_pose_block(const stk_manifest *m, const stk_pose_verdict *verdict) {
    cJSON *block = cJSON_CreateObject();
    const double points = figure(m, "stabilise", "points");
    const double picked = figure(m, "stabilise", "points_picked");
    cJSON_AddStringToObject(block, "verdict", verdict->word);
    cJSON_AddStringToObject(block, "reason", verdict->reason);
    cJSON_AddStringToObject(block, "advice", verdict->advice);
    put(block, m, "focal_px", "focal_px", "focal_px");
    put(block, m, "focal_sd_px", "focal_sd_px", NULL);
    cJSON_AddBoolToObject(block, "focal_determined",
                          figure(m, "stabilise", "focal_determined") > 0);
    put(block, m, "reprojection_median_px", "reprojection_median_px", "reprojection_median_px");
    put(block, m, "reprojection_p95_px", "reprojection_p95_px", "reprojection_p95_px");
    put(block, m, "jitter_rot_deg", "jitter_rot_deg", "jitter_rot_deg");
    put(block, m, "jitter_px", "jitter_px", "jitter_px");
    put(block, m, "jitter_coarse_rot_deg", "jitter_coarse_deg", "jitter_rot_deg");
    put(block, m, "jitter_coarse_px", "jitter_coarse_px", "jitter_px");
    put(block, m, "jitter_unsmoothed_rot_deg", "", "jitter_unsmoothed_rot_deg");
    put(block, m, "jitter_unsmoothed_px", "", "jitter_unsmoothed_px");
    put(block, m, "turn_range_deg", "turn_range_deg", NULL);
    put(block, m, "points", "points", NULL);
    if (points >= 0 && picked > 0)
        cJSON_AddNumberToObject(block, "points_kept_share",
                                (double)(int)(1000 * points / picked + 0.5) / 1000);
    else
        cJSON_AddNullToObject(block, "points_kept_share");
    put_cuts(block, m);
    put_hard_frames(block, m);
    put_rate(block, m);
    return block;
}
