/* ablate_report.c - files of an ablation: ablation.json, ablation.csv, ablation.md, report.html.
 */
#include "api/ablate.h"
#include "api/scores.h"
#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL = 32 };

/* --- JSON ------------------------------------------------------------------------------------- */

static void add_apart(cJSON *object, const stk_variant_result *result) {
    cJSON *apart = cJSON_AddObjectToObject(object, "less_full");
    for (int k = 0; k <= STK_ALBUM_STATIC_FLICKER; k++) {
        const stk_figure *f = &result->apart[k];
        if (f->count == 0) continue;
        cJSON *one = cJSON_AddObjectToObject(apart, stk_album_key(k));
        cJSON_AddNumberToObject(one, "mean", f->mean);
        cJSON_AddItemToObject(one, "ci95", cJSON_CreateDoubleArray(f->ci95, 2));
    }
}

static cJSON *variant_json(const stk_ablation *ablation, int v) {
    const stk_variant_result *result = &ablation->variant[v];
    char sentence[STK_ABLATE_SENTENCE];
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "variant", stk_variant_names[v].key);
    cJSON_AddStringToObject(one, "title", stk_variant_names[v].title);
    if (result->reason[0] != '\0') {
        cJSON_AddStringToObject(one, "not_run", result->reason);
        return one;
    }
    cJSON_AddNumberToObject(one, "frames", result->scores.frames);
    stk_quality_add_json(one, &result->scores.quality, 0);
    cJSON_AddNumberToObject(one, "seam_ratio", result->scores.seam_ratio);
    if (v == STK_VARIANT_FULL) return one;
    add_apart(one, result);
    stk_ablate_sentence(ablation, v, sentence);
    cJSON_AddStringToObject(one, "verdict", sentence);
    return one;
}

char *stk_ablate_json(const stk_ablation *ablation, const char *subject) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "subject", subject);
    cJSON_AddNumberToObject(root, "steps", (double)ablation->steps);
    cJSON_AddNumberToObject(root, "seconds", ablation->seconds);
    cJSON *variants = cJSON_AddArrayToObject(root, "variants");
    for (int v = 0; v < STK_VARIANTS; v++)
        cJSON_AddItemToArray(variants, variant_json(ablation, v));
    return stk_json_text(root);
}

/* --- page ------------------------------------------------------------------------------------- */

static void put_figures(stk_page *page, const stk_ablation *ablation) {
    enum { WIDTH = STK_ABLATE_COLUMNS_MAX + 1 };
    static const char *const marks[] = {" +", "", " *"};
    stk_ablate_column columns[STK_ABLATE_COLUMNS_MAX];
    char text[STK_VARIANTS][WIDTH][CELL], head[WIDTH][CELL];
    const char *cells[STK_VARIANTS * WIDTH], *names[WIDTH] = {""};
    const int n = stk_ablate_columns(ablation, columns);
    for (int c = 0; c < n; c++) {
        snprintf(head[c], CELL, "%s%s%s", columns[c].label, columns[c].unit[0] != '\0' ? ", " : "",
                 columns[c].unit);
        names[1 + c] = head[c];
    }
    for (int v = 0; v < STK_VARIANTS; v++) {
        cells[v * (n + 1)] = stk_variant_names[v].title;
        for (int c = 0; c < n; c++) {
            const double value = stk_ablate_value(ablation, v, &columns[c]);
            snprintf(text[v][c], CELL, "-");
            if (!isnan(value))
                snprintf(text[v][c], CELL, "%.*f%s", columns[c].decimals, value,
                         marks[1 + stk_ablate_verdict(ablation, v, &columns[c])]);
            cells[v * (n + 1) + 1 + c] = text[v][c];
        }
    }
    stk_page_table(page, n + 1, names, STK_VARIANTS, cells);
}

static void put_words(stk_page *page, const stk_ablation *ablation) {
    char line[STK_ABLATE_SENTENCE];
    snprintf(line, sizeof line,
             "%d held-out frames, %lld steps a model. * worse than the full system, + better, with "
             "95 %% certainty by the frames' differences (of one training each).",
             ablation->variant[STK_VARIANT_FULL].scores.frames, (long long)ablation->steps);
    stk_page_paragraph(page, line);
    stk_page_heading(page, "What each module is worth");
    for (int v = STK_VARIANT_ENCODER; v < STK_VARIANTS; v++) {
        stk_ablate_sentence(ablation, v, line);
        stk_page_paragraph(page, line);
    }
}

static stk_status write_page(const stk_ablation *ablation, const stk_report *report) {
    char path[STK_PATH_MAX];
    stk_page page;
    STK_TRY(stk_path_join(path, sizeof path, report->folder, "report.html"));
    stk_page_open(&page, report->title);
    stk_report_style(&page);
    put_figures(&page, ablation);
    put_words(&page, ablation);
    stk_report_side_by_side(&page, report);
    return stk_page_close(&page, path);
}

/* --- files ------------------------------------------------------------------------------------ */

static stk_status write_text(stk_page *text, const char *folder, const char *name) {
    char path[STK_PATH_MAX];
    const stk_status status = stk_path_join(path, sizeof path, folder, name);
    if (status == STK_OK) return stk_page_write(text, path);
    stk_page_free(text);
    return status;
}

stk_status stk_ablate_files(const stk_ablation *ablation, const char *folder, const char *subject) {
    stk_report_series series[STK_VARIANTS];
    char title[256], *json = stk_ablate_json(ablation, subject);
    if (json == NULL) return stk_fail_memory("ablation");
    stk_page text;
    stk_page_begin(&text);
    stk_page_bytes(&text, json, strlen(json));
    stk_page_put(&text, "\n");
    stk_text_free(&json);
    STK_TRY(write_text(&text, folder, "ablation.json"));
    snprintf(title, sizeof title, "Ablation on %.200s", stk_report_name(subject));
    stk_report report = {.folder = folder, .title = title, .word = "variant", .series = series};
    for (int v = 0; v < STK_VARIANTS; v++)
        if (ablation->variant[v].reason[0] == '\0')
            series[report.count++] = (stk_report_series){
                .name = stk_variant_names[v].title,
                .album = &ablation->variant[v].album,
                .quality = &ablation->variant[v].scores.quality,
                .scores = &ablation->variant[v].scores,
            };
    stk_page_begin(&text);
    stk_page_put(&text, "# %s\n\n", title);
    stk_ablate_table(&text, ablation, 1);
    STK_TRY(write_text(&text, folder, "ablation.md"));
    stk_page_begin(&text);
    stk_report_csv(&report, &text);
    STK_TRY(write_text(&text, folder, "ablation.csv"));
    return write_page(ablation, &report);
}
