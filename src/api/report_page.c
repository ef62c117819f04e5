/* report_page.c - report.html: figures, plots over the frames, the worst frames, the mouths.
 *
 * Everything is carried in the one file: plots and scales as SVG, pictures as JPEG.
 */
#include "api/report.h"
#include "base/file.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/plot.h"
#include "media/media.h"
#include "metrics/error_map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { QUANTISER = 3, CELL = 64 };

void stk_report_jpeg(stk_page *page, const stk_image *picture) {
    uint8_t *bytes;
    size_t size;
    if (stk_jpeg_encode(picture, QUANTISER, &bytes, &size) != STK_OK) {
        page->failed = 1;
        return;
    }
    stk_page_put(page, "data:image/jpeg;base64,");
    stk_page_base64(page, bytes, size);
    stk_free(bytes);
}

/* --- figures ---------------------------------------------------------------------------------- */

static stk_status put_facts(stk_page *page, const stk_report_series *series) {
    static const int headline[] = {
        STK_QUALITY_PSNR,           STK_QUALITY_PSNR_MOUTH, STK_QUALITY_PSNR_PORTRAIT,
        STK_QUALITY_SSIM,           STK_QUALITY_MS_SSIM,    STK_QUALITY_LPIPS,
        STK_QUALITY_LPIPS_PORTRAIT, STK_QUALITY_LMD,        STK_QUALITY_AUE,
        STK_ALBUM_SEAM_RATIO,       STK_ALBUM_NECK_DELTA_E, STK_ALBUM_STATIC_FLICKER};
    enum { MOST = sizeof headline / sizeof headline[0] };
    stk_report_row rows[STK_REPORT_ROWS_MAX];
    char names[MOST][CELL], values[MOST][CELL], notes[MOST][CELL];
    stk_page_fact facts[MOST];
    const int n = stk_report_rows(rows);
    int count = 0;
    for (int k = 0; k < MOST; k++)
        for (int r = 0; r < n; r++) {
            stk_figure f;
            if (rows[r].column != headline[k]) continue;
            STK_TRY(stk_report_figure(series->album, &rows[r], &f));
            if (f.count == 0) continue;
            snprintf(names[count], CELL, "%s%s%s", rows[r].label,
                     rows[r].unit[0] != '\0' ? ", " : "", rows[r].unit);
            snprintf(values[count], CELL, "%.*f", rows[r].decimals, f.mean);
            snprintf(notes[count], CELL, "%.*f to %.*f", rows[r].decimals, f.ci95[0],
                     rows[r].decimals, f.ci95[1]);
            facts[count] = (stk_page_fact){names[count], values[count], notes[count]};
            count++;
        }
    stk_page_facts(page, facts, count);
    stk_page_paragraph(page, "Means over the frames; below each, where the mean lies with 95 % "
                             "certainty.");
    return STK_OK;
}

/* Rows of figures of one series. */
static stk_status put_table(stk_page *page, const stk_report_series *series) {
    static const char *const names[] = {"figure",           "key",    "mean",        "median",
                                        "95 % of the mean", "better", "worst frames"};
    enum { COLUMNS = 7 };
    stk_report_row rows[STK_REPORT_ROWS_MAX];
    char text[STK_REPORT_ROWS_MAX][COLUMNS][CELL];
    const char *cells[STK_REPORT_ROWS_MAX * COLUMNS];
    const int n = stk_report_rows(rows);
    int used = 0;
    for (int r = 0; r < n; r++) {
        stk_figure f;
        const stk_report_row *row = &rows[r];
        const int d = row->decimals;
        STK_TRY(stk_report_figure(series->album, row, &f));
        if (f.count == 0) continue;
        char(*t)[CELL] = text[used];
        snprintf(t[0], CELL, "%s%s%s", row->label, row->unit[0] != '\0' ? ", " : "", row->unit);
        snprintf(t[1], CELL, "%s", stk_album_key(row->column));
        snprintf(t[2], CELL, "%.*f", d, f.mean);
        snprintf(t[3], CELL, "%.*f", d, f.median);
        snprintf(t[4], CELL, "%.*f to %.*f", d, f.ci95[0], d, f.ci95[1]);
        snprintf(t[5], CELL, "%s", stk_report_better(row));
        t[6][0] = '\0';
        for (int i = 0; i < f.worst_count; i++) {
            const size_t at = strlen(t[6]);
            snprintf(t[6] + at, CELL - at, "%s%d", i > 0 ? ", " : "", f.worst[i]);
        }
        for (int c = 0; c < COLUMNS; c++) cells[used * COLUMNS + c] = t[c];
        used++;
    }
    stk_page_table(page, COLUMNS, names, used, cells);
    return STK_OK;
}

static void put_totals(stk_page *page, const stk_report_series *series) {
    static const char *const names[] = {"over all frames at once", "", "real", ""};
    enum { COLUMNS = 4 };
    stk_report_total totals[STK_REPORT_TOTALS_MAX];
    char text[STK_REPORT_TOTALS_MAX][2][CELL];
    const char *cells[STK_REPORT_TOTALS_MAX * COLUMNS];
    const int n = stk_report_totals(series, totals);
    int used = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(totals[i].value)) continue;
        snprintf(text[used][0], CELL, "%.3f", totals[i].value);
        text[used][1][0] = '\0';
        if (!isnan(totals[i].real)) snprintf(text[used][1], CELL, "%.3f", totals[i].real);
        const char *row[COLUMNS] = {totals[i].label, text[used][0], text[used][1], totals[i].unit};
        memcpy(cells + used * COLUMNS, row, sizeof row);
        used++;
    }
    if (used > 0) stk_page_table(page, COLUMNS, names, used, cells);
}

/* A row a figure, a column a video: mean, and the interval. */
static stk_status put_comparison(stk_page *page, const stk_report *report) {
    enum { MOST = 16 };
    stk_report_row rows[STK_REPORT_ROWS_MAX];
    char text[STK_REPORT_ROWS_MAX + 1][MOST][CELL];
    const char *cells[(STK_REPORT_ROWS_MAX + 1) * (MOST + 1)], *names[MOST + 1] = {""};
    const int n = stk_report_rows(rows), videos = report->count < MOST ? report->count : MOST;
    for (int v = 0; v < videos; v++) names[1 + v] = stk_report_name(report->series[v].name);
    int used = 0;
    cells[0] = "frames";
    for (int v = 0; v < videos; v++) {
        snprintf(text[0][v], CELL, "%d", report->series[v].album->frames);
        cells[1 + v] = text[0][v];
    }
    for (int r = 0; r < n; r++) {
        int known = 0;
        char(*t)[CELL] = text[used + 1];
        for (int v = 0; v < videos; v++) {
            stk_figure f;
            const int d = rows[r].decimals;
            STK_TRY(stk_report_figure(report->series[v].album, &rows[r], &f));
            known |= f.count > 0;
            snprintf(t[v], CELL, f.count > 0 ? "%.*f (%.*f to %.*f)" : "-", d, f.mean, d, f.ci95[0],
                     d, f.ci95[1]);
            cells[(used + 1) * (videos + 1) + 1 + v] = t[v];
        }
        cells[(used + 1) * (videos + 1)] = rows[r].label;
        used += known;
    }
    stk_page_table(page, videos + 1, names, used + 1, cells);
    return STK_OK;
}

static void put_reasons(stk_page *page, const stk_report_series *series) {
    const stk_quality_report *q = series->quality;
    char line[STK_QUALITY_REASON + STK_SYNC_REASON + CELL];
    for (int k = 0; k < STK_QUALITY_COLUMNS; k++) {
        if (q->figure[k].count > 0) continue;
        snprintf(line, sizeof line, "%s was not computed: %s.", stk_quality_names[k].key,
                 q->reason[k]);
        stk_page_paragraph(page, line);
    }
    if (q->jitter_reason[0] != '\0') {
        snprintf(line, sizeof line, "jitter_rot_deg was not computed: %s.", q->jitter_reason);
        stk_page_paragraph(page, line);
    }
    if (q->fid_reason[0][0] != '\0') {
        snprintf(line, sizeof line, "fid was not computed: %s.", q->fid_reason[0]);
        stk_page_paragraph(page, line);
    }
    const stk_comparison *c = series->video;
    if (c != NULL && c->sync_reason[0] != '\0') {
        snprintf(line, sizeof line, "Sync was not measured: %s.", c->sync_reason);
        stk_page_paragraph(page, line);
    }
    if (c != NULL && c->lse_reason[0] != '\0') {
        snprintf(line, sizeof line, "lse_c and lse_d were not computed: %s.", c->lse_reason);
        stk_page_paragraph(page, line);
    }
}

/* --- plots ------------------------------------------------------------------------------------ */

static stk_status put_chart(stk_page *page, const stk_report *report, const stk_report_row *row,
                            double *const *number) {
    stk_series lines[STK_CHART_SERIES_MAX];
    char title[2 * CELL];
    int n = 0;
    for (int v = 0; v < report->count && n < STK_CHART_SERIES_MAX; v++) {
        const stk_album *album = report->series[v].album;
        const char *name = report->series[v].name;
        name = name != NULL ? stk_report_name(name) : row->real_column >= 0 ? "rendered" : "";
        lines[n++] = (stk_series){name, number[v], album->column[row->column], album->frames};
        if (row->real_column >= 0 && n < STK_CHART_SERIES_MAX)
            lines[n++] =
                (stk_series){"real", number[v], album->column[row->real_column], album->frames};
    }
    snprintf(title, sizeof title, "%s%s%s", row->label, row->unit[0] != '\0' ? ", " : "",
             row->unit);
    const stk_chart chart = {.title = title, .x_name = "frame", .series = lines, .count = n};
    stk_page_chart(page, &chart);
    return STK_OK;
}

static stk_status put_charts(stk_page *page, const stk_report *report) {
    enum { MOST = STK_CHART_SERIES_MAX };
    double *number[MOST] = {NULL};
    stk_report_row rows[STK_REPORT_ROWS_MAX];
    const int n = stk_report_rows(rows);
    stk_status status = STK_OK;
    for (int v = 0; v < report->count && v < MOST && status == STK_OK; v++) {
        const stk_album *album = report->series[v].album;
        number[v] = stk_calloc_aligned((size_t)album->frames + 1, sizeof(double));
        if (number[v] == NULL) status = stk_fail_memory("report");
        for (int i = 0; number[v] != NULL && i < album->frames; i++)
            number[v][i] = album->number[i];
    }
    if (status == STK_OK) {
        stk_page_heading(page, "Over the frames");
        stk_charts_open(page);
        for (int r = 0; r < n && status == STK_OK; r++)
            status = put_chart(page, report, &rows[r], number);
        stk_charts_close(page);
        if (report->count > MOST)
            stk_page_paragraph(page, "The first six videos are drawn; figures.csv has all.");
    }
    for (int v = 0; v < MOST; v++) stk_free(number[v]);
    return status;
}

/* --- pictures --------------------------------------------------------------------------------- */

/* The colours of the error maps and what they mean. */
void stk_report_scale(stk_page *page) {
    enum { WIDTH = 320, STEP = 4 };
    stk_page_put(page,
                 "<svg viewBox=\"0 0 %d 34\" style=\"width:100%%;max-width:22rem;display:block\" "
                 "font-family=\"sans-serif\">",
                 WIDTH + 20);
    for (int x = 0; x < WIDTH; x += STEP) {
        uint8_t c[3];
        stk_error_colour((double)x / (WIDTH - STEP) * STK_ERROR_MAP_LEVELS, c);
        stk_page_put(page, "<rect x=\"%d\" width=\"%d\" height=\"14\" fill=\"#%02x%02x%02x\"/>",
                     x + 10, STEP + 1, c[0], c[1], c[2]);
    }
    for (int k = 0; k <= 4; k++) {
        char word[16];
        snprintf(word, sizeof word, k < 4 ? "%d" : "%d+", k * STK_ERROR_MAP_LEVELS / 4);
        stk_plot_text(page, 10 + k * WIDTH / 4, 29, 12, "#444", "middle", word);
    }
    stk_page_put(page, "</svg>\n");
    stk_page_paragraph(page, "Error maps: difference of the colours, levels of 255.");
}

static void put_shot(stk_page *page, const stk_shot *shot, const char *words) {
    stk_page_put(page,
                 "<figure><div class=\"wide\"><img alt=\"\" style=\"min-width:34rem\" src=\"");
    stk_report_jpeg(page, &shot->picture);
    stk_page_put(page, "\"></div><figcaption>");
    stk_page_words(page, words);
    stk_page_put(page, "</figcaption></figure>\n");
}

/* What the last picture of a strip shows. */
static const char *map_words(const stk_shot *shot, int strip) {
    if (strip == STK_STRIP_FLICKER)
        return "change of the portrait from the frame before, times 8, grey where the real one "
               "moves";
    if (shot->pictures == 3) return "error";
    const int portrait = strip == STK_STRIP_SEAM || strip == STK_STRIP_NECK;
    return portrait ? "error of the portrait" : "error of the rendered one";
}

static void put_strips(stk_page *page, const stk_report_series *series) {
    static const struct {
        const char *title, *value;
    } of[STK_STRIP_SPREAD] = {
        {"Worst by PSNR", "PSNR %.2f dB"},
        {"Worst mouths, by LMD", "LMD %.2f px"},
        {"Worst seams", "steps across it %.3f of the real ones"},
        {"Worst necks", "delta E %.2f"},
        {"Worst flicker of still pixels", "changes by %.2f levels more than the real one"}};
    char words[384], value[CELL];
    int shots = 0;
    for (int s = 0; s < STK_STRIP_SPREAD; s++) shots += series->album->shots[s];
    if (shots == 0) return;
    stk_page_heading(page, "Worst frames");
    stk_report_scale(page);
    for (int s = 0; s < STK_STRIP_SPREAD; s++) {
        if (series->album->shots[s] == 0) continue;
        stk_page_heading(page, of[s].title);
        stk_page_pictures_open(page, 520);
        for (int i = 0; i < series->album->shots[s]; i++) {
            const stk_shot *shot = &series->album->shot[s][i];
            const char *made = series->scores != NULL && shot->pictures == 3 ? "portrait"
                               : series->scores != NULL                      ? "rendered"
                                                                             : "video";
            snprintf(value, sizeof value, of[s].value, shot->value);
            snprintf(words, sizeof words, "Frame %d, %s. Real, %s%s, %s.", shot->frame, value, made,
                     shot->pictures == 4 ? ", portrait" : "", map_words(shot, s));
            put_shot(page, shot, words);
        }
        stk_page_pictures_close(page);
    }
}

/* The picture of a shot at this place. */
static stk_image part_of(const stk_shot *shot, int place) {
    const int x = place * (STK_SHOT_SIDE + STK_SHOT_GAP);
    return stk_image_view(&shot->picture,
                          (stk_rect){x, 0, x + STK_SHOT_SIDE, shot->picture.height});
}

/* One picture, or that and its error map below it. */
static void put_part(stk_page *page, const stk_shot *shot, int place, const char *words) {
    const int last = shot->pictures - 1;
    stk_page_put(page, "<figure>");
    for (int k = 0; k < 1 + (place > 0); k++) {
        const stk_image part = part_of(shot, k == 0 ? place : last);
        stk_page_put(page, "<img alt=\"\" src=\"");
        stk_report_jpeg(page, &part);
        stk_page_put(page, "\">");
    }
    stk_page_put(page, "<figcaption>");
    stk_page_words(page, words);
    stk_page_put(page, "</figcaption></figure>\n");
}

static const stk_shot *shot_of(const stk_album *album, int frame) {
    for (int i = 0; i < album->shots[STK_STRIP_SPREAD]; i++)
        if (album->shot[STK_STRIP_SPREAD][i].frame == frame)
            return &album->shot[STK_STRIP_SPREAD][i];
    return NULL;
}

void stk_report_side_by_side(stk_page *page, const stk_report *report) {
    const stk_album *first = report->series[0].album;
    char words[256];
    stk_page_heading(page, "The same frames");
    stk_report_scale(page);
    for (int i = 0; i < first->shots[STK_STRIP_SPREAD]; i++) {
        const stk_shot *real = &first->shot[STK_STRIP_SPREAD][i];
        stk_page_put(page, "<p></p>");
        stk_page_pictures_open(page, report->count > 3 ? 130 : 240);
        snprintf(words, sizeof words, "Frame %d, real", real->frame);
        put_part(page, real, 0, words);
        for (int v = 0; v < report->count; v++) {
            const stk_shot *shot = shot_of(report->series[v].album, real->frame);
            if (shot == NULL) continue;
            snprintf(words, sizeof words, "%.200s", stk_report_name(report->series[v].name));
            put_part(page, shot, 1, words);
        }
        stk_page_pictures_close(page);
    }
}

static stk_status put_series(stk_page *page, const stk_report *report,
                             const stk_report_series *series) {
    if (series->name != NULL) {
        stk_page_heading(page, series->name);
        STK_TRY(put_table(page, series));
    }
    put_totals(page, series);
    put_reasons(page, series);
    put_strips(page, series);
    return stk_report_mouths(page, report, series);
}

void stk_report_style(stk_page *page) {
    stk_page_put(page, "<style>td,th{white-space:nowrap}"
                       ".wave{stroke:var(--soft);opacity:.45}</style>\n");
}

static stk_status put_page(stk_page *page, const stk_report *report) {
    stk_report_style(page);
    stk_page_paragraph(page, report->note);
    if (report->series[0].name == NULL) {
        STK_TRY(put_facts(page, &report->series[0]));
        stk_page_heading(page, "Figures");
        STK_TRY(put_table(page, &report->series[0]));
    } else {
        STK_TRY(put_comparison(page, report));
        stk_page_paragraph(page, "Means over the frames, in brackets where the mean lies with "
                                 "95 % certainty.");
    }
    STK_TRY(put_charts(page, report));
    if (report->count > 1) stk_report_side_by_side(page, report);
    for (int s = 0; s < report->count; s++) STK_TRY(put_series(page, report, &report->series[s]));
    return STK_OK;
}

stk_status stk_report_page(const stk_report *report) {
    char path[STK_PATH_MAX];
    stk_page page;
    STK_TRY(stk_path_join(path, sizeof path, report->folder, "report.html"));
    stk_page_open(&page, report->title);
    stk_status status = put_page(&page, report);
    if (status == STK_OK) return stk_page_close(&page, path);
    stk_page_free(&page);
    return status;
}
