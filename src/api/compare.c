/* compare.c - `compare`: videos of any system beside the real one, as a table or JSON. */
#include "api/context.h"
#include "api/report.h"
#include "api/scores.h"
#include "base/attr.h"
#include "base/memory.h"
#include "metrics/lpips.h"
#include "render/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VIDEOS_MAX = 16, TEXT_MAX = 32768, COLUMN = 16 };

typedef struct table {
    const stk_compare_options *options;
    char *paths; /* the options' list, cut at its newlines */
    const char *video[VIDEOS_MAX];
    stk_comparison *of; /* [count] */
    stk_album *albums;  /* [count], for a report */
    int count;
} table;

static stk_status read_list(table *t) {
    char error[512];
    if (stk_options_check("compare", t->options, error, sizeof error) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", error);
    if (t->options->videos == NULL) return stk_fail(STK_ERR_ARGUMENT, "VIDEO... is missing");
    if (t->options->real == NULL) return stk_fail(STK_ERR_ARGUMENT, "--real VIDEO is missing");
    stk_lpips_net net; /* a mistake in its name is told at once */
    STK_TRY(stk_lpips_net_of(t->options->perceptual, &net));
    t->paths = stk_text_copy(t->options->videos);
    t->of = stk_calloc_aligned(VIDEOS_MAX, sizeof *t->of);
    t->albums = stk_calloc_aligned(VIDEOS_MAX, sizeof *t->albums);
    if (t->paths == NULL || t->of == NULL || t->albums == NULL) return stk_fail_memory("compare");
    for (char *rest = t->paths, *path; (path = strsep(&rest, "\n")) != NULL;) {
        if (t->count == VIDEOS_MAX)
            return stk_fail(STK_ERR_ARGUMENT, "at most %d videos at a time", VIDEOS_MAX);
        t->video[t->count++] = path;
    }
    return STK_OK;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void add_sync(cJSON *object, const stk_comparison *c) {
    const struct {
        const char *key, *reason;
        double value;
    } rows[] = {{"sync_offset_frames", c->sync_reason, c->sync.offset_frames},
                {"sync_confidence", c->sync_reason, c->sync.confidence},
                {"lse_c", c->lse_reason, c->lse.c},
                {"lse_d", c->lse_reason, c->lse.d}};
    cJSON *reasons = cJSON_GetObjectItemCaseSensitive(object, "not_computed");
    for (size_t i = 0; i < STK_ARRAY_SIZE(rows); i++) {
        if (rows[i].reason[0] == '\0') {
            cJSON_AddNumberToObject(object, rows[i].key, rows[i].value);
            continue;
        }
        cJSON_AddNullToObject(object, rows[i].key);
        cJSON_AddStringToObject(reasons, rows[i].key, rows[i].reason);
    }
}

static char *as_json(const table *t) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "real", t->options->real);
    cJSON *videos = cJSON_AddArrayToObject(root, "videos");
    for (int i = 0; i < t->count; i++) {
        const stk_comparison *c = &t->of[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "video", t->video[i]);
        cJSON_AddNumberToObject(one, "frames", c->frames);
        cJSON_AddNumberToObject(one, "video_frames", c->video_frames);
        cJSON_AddNumberToObject(one, "real_frames", c->real_frames);
        stk_quality_add_json(one, &c->quality, 1);
        add_sync(one, c);
        cJSON_AddItemToArray(videos, one);
    }
    return stk_json_text(root);
}

/* --- table ------------------------------------------------------------------------------------ */

typedef struct page {
    char *text;
    size_t used;
} page;

__attribute__((format(printf, 2, 3))) static void put(page *p, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(p->text + p->used, TEXT_MAX - p->used, format, arguments);
    va_end(arguments);
    if (length > 0) p->used += (size_t)length;
    if (p->used > TEXT_MAX - 1) p->used = TEXT_MAX - 1;
}

static void put_cell(page *p, double value, int there) {
    if (there)
        put(p, " %*.4f", COLUMN, value);
    else
        put(p, " %*s", COLUMN, "-");
}

/* The end of a path, as much as a column holds. */
static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t length = strlen(name);
    return length > COLUMN ? name + length - COLUMN : name;
}

/* Head, mouth and portrait are a subject's: no row in the table. */
static int has_row(int column) {
    return !stk_quality_names[column].of_a_subject;
}

static void put_reasons(page *p, const stk_comparison *c) {
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++)
        if (has_row(k) && c->quality.figure[k].count == 0)
            put(p, "  %s: %s\n", stk_quality_names[k].key, c->quality.reason[k]);
    if (c->quality.jitter_reason[0] != '\0') put(p, "  jitter: %s\n", c->quality.jitter_reason);
    if (c->quality.fid_reason[0][0] != '\0') put(p, "  fid: %s\n", c->quality.fid_reason[0]);
    if (c->sync_reason[0] != '\0') put(p, "  sync: %s\n", c->sync_reason);
    if (c->lse_reason[0] != '\0') put(p, "  lse_c, lse_d: %s\n", c->lse_reason);
}

static char *as_text(const table *t) {
    page p = {stk_calloc_aligned(1, TEXT_MAX), 0};
    if (p.text == NULL) return NULL;
    put(&p, "%-20s", "");
    for (int i = 0; i < t->count; i++) put(&p, " %*s", COLUMN, name_of(t->video[i]));
    put(&p, "\n%-20s", "frames");
    for (int i = 0; i < t->count; i++) put(&p, " %*d", COLUMN, t->of[i].frames);
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++) {
        if (!has_row(k)) continue;
        put(&p, "\n%-20s", stk_quality_names[k].key);
        for (int i = 0; i < t->count; i++)
            put_cell(&p, t->of[i].quality.figure[k].mean, t->of[i].quality.figure[k].count > 0);
    }
    const char *const rest[] = {
        "fid",   "jitter_rot_deg", "jitter_rot_deg_real", "sync_offset_frames", "sync_confidence",
        "lse_c", "lse_d"};
    for (int k = 0; k < 7; k++) {
        put(&p, "\n%-20s", rest[k]);
        for (int i = 0; i < t->count; i++) {
            const stk_comparison *c = &t->of[i];
            const double values[] = {c->quality.fid,
                                     c->quality.jitter_rot_deg,
                                     c->quality.jitter_rot_deg_real,
                                     c->sync.offset_frames,
                                     c->sync.confidence,
                                     c->lse.c,
                                     c->lse.d};
            const char *reason = k < 5 ? c->sync_reason : c->lse_reason;
            put_cell(&p, values[k], k < 3 ? !isnan(values[k]) : reason[0] == '\0');
        }
    }
    for (int i = 0; i < t->count; i++) {
        put(&p, "\n%s, not computed:\n", t->video[i]);
        const size_t before = p.used;
        put_reasons(&p, &t->of[i]);
        if (p.used == before) put(&p, "  nothing\n");
    }
    char *text = stk_text_copy(p.text);
    stk_free(p.text);
    return text;
}

/* --- report ----------------------------------------------------------------------------------- */

static stk_status write_report(const table *t) {
    const stk_compare_options *options = t->options;
    stk_report_series series[VIDEOS_MAX];
    char title[256];
    if (options->report == NULL) return STK_OK;
    for (int i = 0; i < t->count; i++) {
        const stk_comparison *c = &t->of[i];
        series[i] = (stk_report_series){
            .name = t->video[i], .album = &t->albums[i], .quality = &c->quality, .video = c};
    }
    snprintf(title, sizeof title, "%d video%s beside %.120s", t->count, t->count > 1 ? "s" : "",
             stk_report_name(options->real));
    char *json = as_json(t);
    if (json == NULL) return stk_fail_memory("compare");
    const stk_report report = {
        .folder = options->report,
        .title = title,
        .note = "Frames are paired at 25 a second, the first with the first.",
        .json = json,
        .series = series,
        .count = t->count,
        .sound = options->real,
        .sound_start_s = t->of[0].real_start_s,
    };
    const stk_status status = stk_report_files_write(&report);
    stk_text_free(&json);
    return status;
}

stk_status stk_compare(stk_context *ctx, const stk_compare_options *options, char **text) {
    stk_job job = stk_context_job(ctx);
    table t = {.options = options};
    *text = NULL;
    stk_status status = read_list(&t);
    if (status == STK_OK) status = stk_report_folder_check(options->report);
    for (int i = 0; i < t.count && status == STK_OK; i++) {
        const stk_compare_settings settings = {
            .video = t.video[i],
            .real = options->real,
            .models = options->models,
            .encoder = options->encoder,
            .perceptual = options->perceptual,
            .threads = options->threads,
            .album = options->report != NULL ? &t.albums[i] : NULL,
        };
        stk_album *album = &t.albums[i]; /* shows the frames that the first one's shows */
        memcpy(album->spread, t.albums[0].spread, sizeof album->spread);
        album->spread_count = t.albums[0].spread_count;
        status = stk_compare_video(&settings, &job, &t.of[i]);
    }
    if (status == STK_OK) status = write_report(&t);
    if (status == STK_OK) {
        *text = options->json ? as_json(&t) : as_text(&t);
        if (*text == NULL) status = stk_fail_memory("compare");
    }
    for (int i = 0; t.albums != NULL && i < VIDEOS_MAX; i++) stk_album_clear(&t.albums[i]);
    stk_free(t.albums);
    stk_free(t.of);
    stk_text_free(&t.paths);
    return stk_context_finish(ctx, status);
}
