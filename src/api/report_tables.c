/* report_tables.c - rows of a report, as CSV and as Markdown. */
#include "api/report.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

enum { SEED = 8 /* of quality.c: the same interval */ };

typedef struct described {
    const char *key, *label, *unit;
    int decimals;
} described;

/* Words for keys; a key that has none here stands for itself. */
static const described words[] = {
    {"psnr", "PSNR", "dB", 2},
    {"psnr_head", "PSNR of the head", "dB", 2},
    {"psnr_mouth", "PSNR of the mouth", "dB", 2},
    {"psnr_portrait", "PSNR of the portrait", "dB", 2},
    {"ssim", "SSIM", "", 4},
    {"ms_ssim", "MS-SSIM", "", 4},
    {"niqe", "NIQE", "", 2},
    {"brisque", "BRISQUE", "", 1},
    {"lpips", "LPIPS", "", 4},
    {"lpips_portrait", "LPIPS of the portrait", "", 4},
    {"lmd", "LMD, mouth", "px", 2},
    {"lmd_face", "LMD, 68 points", "px", 2},
    {"aue", "AUE, upper face", "of 1", 4},
    {"pose_error_deg", "pose error", "degrees", 2},
    {"seam_ratio", "seam, steps made / real", "", 3},
    {"seam_mismatch", "seam, wrong steps", "levels", 2},
    {"neck_delta_e", "neck, colour distance", "delta E", 2},
    {"neck_change", "neck, change a frame", "levels", 2},
    {"static_flicker", "flicker of still pixels", "levels", 3},
};

static const described *words_of(const char *key) {
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].key, key) == 0) return &words[i];
    return NULL;
}

static int real_of(int column) {
    if (column == STK_ALBUM_NECK_CHANGE) return STK_ALBUM_NECK_CHANGE_REAL;
    if (column == STK_ALBUM_STATIC_FLICKER) return STK_ALBUM_STATIC_FLICKER_REAL;
    return -1;
}

int stk_report_rows(stk_report_row rows[STK_REPORT_ROWS_MAX]) {
    int n = 0;
    for (int k = 0; k <= STK_ALBUM_STATIC_FLICKER; k++) {
        if (k == STK_ALBUM_NECK_CHANGE_REAL) continue;
        const char *key = stk_album_key(k);
        const described *w = words_of(key);
        const int lower = k >= STK_QUALITY_COLUMNS || stk_quality_names[k].lower_is_better;
        rows[n++] = (stk_report_row){k,
                                     real_of(k),
                                     w != NULL ? w->label : key,
                                     w != NULL ? w->unit : "",
                                     w != NULL ? w->decimals : 4,
                                     lower};
    }
    return n;
}

const char *stk_report_better(const stk_report_row *row) {
    if (row->column == STK_ALBUM_SEAM_RATIO) return "1";
    return row->lower_is_better ? "lower" : "higher";
}

stk_status stk_report_figure(const stk_album *album, const stk_report_row *row,
                             stk_figure *figure) {
    const stk_figure_settings settings = {.seed = SEED, .lower_is_better = row->lower_is_better};
    STK_TRY(stk_figure_of(figure, album->column[row->column], album->frames, &settings));
    for (int i = 0; i < figure->worst_count; i++)
        figure->worst[i] = album->number[figure->worst[i]];
    return STK_OK;
}

int stk_report_totals(const stk_report_series *series,
                      stk_report_total totals[STK_REPORT_TOTALS_MAX]) {
    const double none = (double)NAN;
    const stk_scores *s = series->scores;
    int n = 0;
    totals[n++] = (stk_report_total){"jitter_rot_deg", series->quality->jitter_rot_deg,
                                     series->quality->jitter_rot_deg_real, "degrees / frame^2"};
    totals[n++] = (stk_report_total){"fid", series->quality->fid, none, ""};
    totals[n++] = (stk_report_total){"fid_portrait", series->quality->fid_portrait, none, ""};
    if (s == NULL) {
        const stk_comparison *c = series->video;
        const int synced = c->sync_reason[0] == '\0', heard = c->lse_reason[0] == '\0';
        const stk_report_total rows[] = {
            {"sync_offset_frames", synced ? c->sync.offset_frames : none, none, "frames"},
            {"sync_confidence", synced ? c->sync.confidence : none, none, ""},
            {"lse_c", heard ? c->lse.c : none, none, ""},
            {"lse_d", heard ? c->lse.d : none, none, ""}};
        memcpy(totals + n, rows, sizeof rows);
        return n + (int)(sizeof rows / sizeof rows[0]);
    }
    const int flickers = s->flicker_frames > 0;
    totals[n++] = (stk_report_total){"seam_ratio", s->seam_ratio, 1, "made / real"};
    totals[n++] = (stk_report_total){"seam_mismatch", s->seam_mismatch, none, "levels"};
    totals[n++] = (stk_report_total){"neck_delta_e", s->neck_delta_e, none, "delta E"};
    totals[n++] =
        (stk_report_total){"neck_flicker", flickers ? s->neck_flicker : none, 1, "made / real"};
    totals[n++] = (stk_report_total){"static_flicker", flickers ? s->static_flicker : none,
                                     flickers ? s->static_flicker_real : none, "levels"};
    totals[n++] = (stk_report_total){"render_fps", s->render_fps, none, "frames / s"};
    return n;
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* RFC 4180: in quotes, those within doubled. */
static void put_quoted(stk_page *out, const char *text) {
    stk_page_put(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"') stk_page_put(out, "\"");
        stk_page_bytes(out, text, 1);
    }
    stk_page_put(out, "\"");
}

stk_status stk_report_csv(const stk_report *report, stk_page *out) {
    const int named = report->series[0].name != NULL;
    stk_page_put(out, named ? "%s,frame" : "frame", report->word != NULL ? report->word : "video");
    for (int k = 0; k < STK_ALBUM_COLUMNS; k++) stk_page_put(out, ",%s", stk_album_key(k));
    stk_page_put(out, "\n");
    for (int s = 0; s < report->count; s++) {
        const stk_album *album = report->series[s].album;
        for (int i = 0; i < album->frames; i++) {
            if (named) put_quoted(out, report->series[s].name), stk_page_put(out, ",");
            stk_page_put(out, "%d", album->number[i]);
            for (int k = 0; k < STK_ALBUM_COLUMNS; k++) {
                const double value = album->column[k][i];
                stk_page_put(out, isfinite(value) ? ",%.6g" : ",", value);
            }
            stk_page_put(out, "\n");
        }
    }
    return STK_OK;
}

/* --- Markdown --------------------------------------------------------------------------------- */

static void put_number(stk_page *out, double value, int decimals) {
    if (isfinite(value))
        stk_page_put(out, "%.*f", decimals, value);
    else
        stk_page_put(out, "-");
}

static stk_status put_rows(const stk_report_series *series, stk_page *out) {
    stk_report_row rows[STK_REPORT_ROWS_MAX];
    const int n = stk_report_rows(rows);
    stk_page_put(out,
                 "| figure | key | mean | median | 95 %% of the mean | better | worst frames |\n"
                 "|---|---|---|---|---|---|---|\n");
    for (int r = 0; r < n; r++) {
        stk_figure f;
        const stk_report_row *row = &rows[r];
        STK_TRY(stk_report_figure(series->album, row, &f));
        if (f.count == 0) continue;
        stk_page_put(out, "| %s%s%s | `%s` | %.*f | %.*f | %.*f to %.*f | %s |", row->label,
                     row->unit[0] != '\0' ? ", " : "", row->unit, stk_album_key(row->column),
                     row->decimals, f.mean, row->decimals, f.median, row->decimals, f.ci95[0],
                     row->decimals, f.ci95[1], stk_report_better(row));
        for (int i = 0; i < f.worst_count; i++)
            stk_page_put(out, "%s%d", i > 0 ? ", " : " ", f.worst[i]);
        stk_page_put(out, " |\n");
    }
    return STK_OK;
}

static void put_totals(const stk_report_series *series, stk_page *out) {
    stk_report_total totals[STK_REPORT_TOTALS_MAX];
    const int n = stk_report_totals(series, totals);
    stk_page_put(out, "\nOver all frames at once:\n\n| key | | real | |\n|---|---|---|---|\n");
    for (int i = 0; i < n; i++) {
        stk_page_put(out, "| `%s` | ", totals[i].label);
        put_number(out, totals[i].value, 3);
        stk_page_put(out, " | ");
        put_number(out, totals[i].real, 3);
        stk_page_put(out, " | %s |\n", totals[i].unit);
    }
}

static void put_reasons(const stk_report_series *series, stk_page *out) {
    const stk_quality_report *q = series->quality;
    stk_page_put(out, "\n");
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++)
        if (q->figure[k].count == 0)
            stk_page_put(out, "- `%s` was not computed: %s\n", stk_quality_names[k].key,
                         q->reason[k]);
    if (q->jitter_reason[0] != '\0')
        stk_page_put(out, "- `jitter_rot_deg` was not computed: %s\n", q->jitter_reason);
    if (q->fid_reason[0][0] != '\0')
        stk_page_put(out, "- `fid` was not computed: %s\n", q->fid_reason[0]);
    const stk_comparison *c = series->video;
    if (c == NULL) return;
    if (c->sync_reason[0] != '\0')
        stk_page_put(out, "- sync was not measured: %s\n", c->sync_reason);
    if (c->lse_reason[0] != '\0')
        stk_page_put(out, "- `lse_c` and `lse_d` were not computed: %s\n", c->lse_reason);
}

static void put_text(stk_page *out, const char *before, const char *text, const char *after) {
    stk_page_put(out, "%s", before);
    stk_page_bytes(out, text, strlen(text));
    stk_page_put(out, "%s", after);
}

stk_status stk_report_markdown(const stk_report *report, stk_page *out) {
    put_text(out, "# ", report->title, "\n\n");
    put_text(out, "", report->note, "\n");
    for (int s = 0; s < report->count; s++) {
        const stk_report_series *series = &report->series[s];
        if (series->name != NULL)
            put_text(out, "\n## ", series->name, "\n\n");
        else
            stk_page_put(out, "\n");
        STK_TRY(put_rows(series, out));
        put_totals(series, out);
        put_reasons(series, out);
    }
    return STK_OK;
}
