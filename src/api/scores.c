/* scores.c - see scores.h. */
#include "api/scores.h"
#include "api/context.h"

#include <math.h>
#include <stdio.h>

static const char NO_SOUND[] = "held-out frames have no sound track; `synctalk render` the sound, "
                               "then `synctalk compare` the video";

char *stk_json_text(cJSON *object) {
    char *printed = object != NULL ? cJSON_PrintUnformatted(object) : NULL;
    char *text = printed != NULL ? stk_text_copy(printed) : NULL;
    cJSON_free(printed);
    cJSON_Delete(object);
    return text;
}

static void add_absent(cJSON *object, cJSON *reasons, const char *key, const char *reason) {
    cJSON_AddNullToObject(object, key);
    cJSON_AddStringToObject(reasons, key, reason);
}

static void add_figure(cJSON *object, const char *key, const stk_figure *figure) {
    char name[64];
    snprintf(name, sizeof name, "%s_stats", key);
    if (figure->count == 0) {
        cJSON_AddNullToObject(object, name);
        return;
    }
    cJSON_AddNumberToObject(object, key, figure->mean);
    cJSON *stats = cJSON_AddObjectToObject(object, name);
    cJSON_AddNumberToObject(stats, "mean", figure->mean);
    cJSON_AddNumberToObject(stats, "median", figure->median);
    cJSON_AddItemToObject(stats, "ci95", cJSON_CreateDoubleArray(figure->ci95, 2));
    cJSON_AddNumberToObject(stats, "frames", figure->count);
    cJSON_AddItemToObject(stats, "worst", cJSON_CreateIntArray(figure->worst, figure->worst_count));
}

void stk_quality_add_json(cJSON *object, const stk_quality_report *quality, int synced) {
    cJSON *reasons = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "lpips_net", quality->perceptual);
    for (int i = 0; i < STK_QUALITY_COLUMNS; i++) {
        const char *key = stk_quality_names[i].key;
        if (quality->figure[i].count == 0) add_absent(object, reasons, key, quality->reason[i]);
        add_figure(object, key, &quality->figure[i]);
    }
    if (isnan(quality->jitter_rot_deg)) {
        add_absent(object, reasons, "jitter_rot_deg", quality->jitter_reason);
        add_absent(object, reasons, "jitter_rot_deg_real", quality->jitter_reason);
    } else {
        cJSON_AddNumberToObject(object, "jitter_rot_deg", quality->jitter_rot_deg);
        cJSON_AddNumberToObject(object, "jitter_rot_deg_real", quality->jitter_rot_deg_real);
    }
    const struct {
        const char *key;
        double value;
    } fid[2] = {{"fid", quality->fid}, {"fid_portrait", quality->fid_portrait}};
    for (int i = 0; i < 2; i++)
        if (isnan(fid[i].value))
            add_absent(object, reasons, fid[i].key, quality->fid_reason[i]);
        else
            cJSON_AddNumberToObject(object, fid[i].key, fid[i].value);
    if (!synced) {
        add_absent(object, reasons, "sync_offset_frames", NO_SOUND);
        add_absent(object, reasons, "sync_confidence", NO_SOUND);
    }
    cJSON_AddItemToObject(object, "not_computed", reasons);
}

/* Unknown where no frame follows on another. */
static void add_flicker(cJSON *object, const stk_scores *s) {
    const struct {
        const char *name;
        double value;
    } rows[] = {{"neck_flicker", s->neck_flicker},
                {"static_flicker", s->static_flicker},
                {"static_flicker_real", s->static_flicker_real}};
    cJSON *missing =
        s->flicker_frames > 0 ? NULL : cJSON_GetObjectItemCaseSensitive(object, "not_computed");
    for (size_t i = 0; i < STK_ARRAY_SIZE(rows); i++) {
        cJSON_AddItemToObject(object, rows[i].name,
                              missing == NULL ? cJSON_CreateNumber(rows[i].value)
                                              : cJSON_CreateNull());
        if (missing != NULL)
            cJSON_AddStringToObject(missing, rows[i].name,
                                    "the frames measured are no neighbours (--every, --trained)");
    }
}

static void add_lse(cJSON *object, const stk_scores *s) {
    cJSON *reasons = cJSON_GetObjectItemCaseSensitive(object, "not_computed");
    if (s->lse_reason[0] != '\0') {
        add_absent(object, reasons, "lse_c", s->lse_reason);
        add_absent(object, reasons, "lse_d", s->lse_reason);
        return;
    }
    cJSON_AddNumberToObject(object, "lse_c", s->lse.c);
    cJSON_AddNumberToObject(object, "lse_d", s->lse.d);
}

stk_status stk_scores_json(const stk_scores *s, char **json) {
    cJSON *object = cJSON_CreateObject();
    if (object == NULL) return stk_fail_memory("JSON");
    cJSON_AddNumberToObject(object, "frames", s->frames);
    cJSON_AddBoolToObject(object, "trained", s->trained);
    stk_quality_add_json(object, &s->quality, 0);
    add_lse(object, s);
    cJSON_AddNumberToObject(object, "lmd_frames", s->lmd_frames);
    cJSON_AddNumberToObject(object, "render_fps", s->render_fps);
    cJSON_AddNumberToObject(object, "seam_ratio", s->seam_ratio);
    cJSON_AddNumberToObject(object, "seam_mismatch", s->seam_mismatch);
    cJSON_AddNumberToObject(object, "neck_delta_e", s->neck_delta_e);
    add_flicker(object, s);
    cJSON *worst = cJSON_AddArrayToObject(object, "worst");
    for (int i = 0; worst != NULL && i < s->worst_count; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "frame", s->worst[i].frame);
        cJSON_AddNumberToObject(item, "psnr_portrait", s->worst[i].psnr);
        cJSON_AddNumberToObject(item, "seam_ratio", s->worst[i].seam_ratio);
        cJSON_AddItemToArray(worst, item);
    }
    *json = stk_json_text(object);
    return *json != NULL ? STK_OK : stk_fail_memory("JSON");
}
