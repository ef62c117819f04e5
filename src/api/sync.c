/* sync.c - `sync`: how late the sound of a clip is, by every measure there is, as text or JSON. */
#include "api/context.h"
#include "base/memory.h"
#include "subject/sync.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 2048 };

static double rounded(double value, double unit) {
    return round(value / unit) * unit;
}

static void add_figure(cJSON *to, const stk_sync_figure *f) {
    cJSON_AddNumberToObject(to, "offset_frames", rounded(f->offset_frames, 0.01));
    cJSON_AddNumberToObject(to, "offset_ms", rounded(f->offset_ms, 0.1));
    cJSON_AddNumberToObject(to, "confidence", rounded(f->confidence, 0.001));
}

/* Null with the reason where SyncNet is not there. */
static void add_lse(cJSON *root, const stk_sync_report *sync) {
    static const char *const keys[] = {"lse_c", "lse_d", "lse_offset_frames"};
    const double values[] = {rounded(sync->lse.c, 1e-4), rounded(sync->lse.d, 1e-4),
                             sync->lse.offset_frames};
    cJSON *reasons = sync->lse.windows > 0 ? NULL : cJSON_AddObjectToObject(root, "not_computed");
    for (int i = 0; i < 3; i++) {
        if (sync->lse.windows > 0) {
            cJSON_AddNumberToObject(root, keys[i], values[i]);
            continue;
        }
        cJSON_AddNullToObject(root, keys[i]);
        cJSON_AddStringToObject(reasons, keys[i], sync->lse_reason);
    }
}

static char *as_json(const stk_sync_options *options, const stk_sync_report *sync) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "clip", options->clip);
    add_figure(root, &sync->by[sync->chosen]);
    cJSON_AddStringToObject(root, "measure", sync->by[sync->chosen].measure);
    cJSON_AddBoolToObject(root, "sure", sync->by[sync->chosen].confidence >= STK_SYNC_SURE);
    cJSON_AddNumberToObject(root, "windows", sync->windows);
    add_lse(root, sync);
    cJSON *measures = cJSON_AddObjectToObject(root, "measures");
    for (int i = 0; i < sync->count; i++) {
        cJSON *one = cJSON_AddObjectToObject(measures, sync->by[i].measure);
        add_figure(one, &sync->by[i]);
        if (sync->by[i].confidence_syncnet > 0)
            cJSON_AddNumberToObject(one, "confidence_syncnet",
                                    rounded(sync->by[i].confidence_syncnet, 1e-4));
        cJSON *curve = cJSON_AddArrayToObject(one, "curve");
        for (int k = 0; k < STK_SYNC_SHIFTS; k++)
            cJSON_AddItemToArray(curve, cJSON_CreateNumber(rounded(sync->by[i].curve[k], 1e-4)));
    }
    char *printed = cJSON_Print(root);
    char *text = printed != NULL ? stk_text_copy(printed) : NULL;
    cJSON_free(printed);
    cJSON_Delete(root);
    return text;
}

static const char *verdict(const stk_sync_figure *f) {
    if (f->confidence < STK_SYNC_SURE) return "not to be told surely";
    if (fabs(f->offset_frames) <= 1) return "in step";
    return f->offset_frames > 0 ? "the sound is late" : "the sound is early";
}

static char *as_text(const stk_sync_report *sync) {
    char text[TEXT_MAX];
    const stk_sync_figure *best = &sync->by[sync->chosen];
    int used = snprintf(text, sizeof text,
                        "offset_frames %+.2f\noffset_ms     %+.0f\nconfidence    %.2f\n"
                        "verdict       %s, by %s over %d windows of 2 s\n",
                        best->offset_frames, best->offset_ms, best->confidence, verdict(best),
                        best->measure, sync->windows);
    for (int i = 0; i < sync->count && used < TEXT_MAX; i++) {
        const stk_sync_figure *f = &sync->by[i];
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "  %-13s %+6.2f frames %+5.0f ms  confidence %.2f", f->measure,
                         f->offset_frames, f->offset_ms, f->confidence);
        if (f->confidence_syncnet > 0 && used < TEXT_MAX)
            used += snprintf(text + used, sizeof text - (size_t)used, ", as SyncNet's %.3f",
                             f->confidence_syncnet);
        if (used < TEXT_MAX) used += snprintf(text + used, sizeof text - (size_t)used, "\n");
    }
    if (sync->lse.windows > 0 && used < TEXT_MAX)
        snprintf(text + used, sizeof text - (size_t)used,
                 "SyncNet: LSE-C %.3f, LSE-D %.3f at %+d frames, %d windows\n", sync->lse.c,
                 sync->lse.d, sync->lse.offset_frames, sync->lse.windows);
    return stk_text_copy(text);
}

static stk_status measure(const stk_sync_options *options, const stk_job *job,
                          stk_sync_report *sync) {
    char error[512];
    if (stk_options_check("sync", options, error, sizeof error) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", error);
    if (options->clip == NULL) return stk_fail(STK_ERR_ARGUMENT, "CLIP is missing");
    const stk_speech_settings settings = {
        .clip = options->clip, .models = options->models, .threads = options->threads};
    return stk_sync_clip_lse(&settings, options->encoder, job, sync);
}

stk_status stk_sync(stk_context *ctx, const stk_sync_options *options, stk_sync_result *result,
                    char **text) {
    stk_job job = stk_context_job(ctx);
    stk_sync_report sync;
    if (result != NULL) *result = (stk_sync_result){0};
    if (text != NULL) *text = NULL;
    stk_status status = measure(options, &job, &sync);
    if (status == STK_OK && result != NULL) {
        const stk_sync_figure *best = &sync.by[sync.chosen];
        *result = (stk_sync_result){best->offset_frames, best->offset_ms, best->confidence};
    }
    if (status == STK_OK && text != NULL) {
        *text = options->json ? as_json(options, &sync) : as_text(&sync);
        if (*text == NULL) status = stk_fail_memory("sync");
    }
    return stk_context_finish(ctx, status);
}
