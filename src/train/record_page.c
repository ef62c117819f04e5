/* record_page.c - report.html of a run folder: headline figures, the last picture, curves, pictures
 * from old to new, settings. Made from what is in memory and the pictures in the folder. */
#include "train/record.h"

#include "base/memory.h"
#include "base/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- headline figures ------------------------------------------------------------------------- */

/* The last value that is known; NaN where none is. */
static double last_known(const stk_record *r, record_figure figure) {
    for (int i = r->count - 1; i >= 0; i--)
        if (isfinite(r->rows[i].figure[figure])) return r->rows[i].figure[figure];
    return (double)NAN;
}

static double largest(const stk_record *r, record_figure figure) {
    double most = 0;
    for (int i = 0; i < r->count; i++) most = fmax(most, r->rows[i].figure[figure]);
    return most;
}

static void put_time(char text[32], double seconds) {
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, 32, "%ld:%02ld", s / 60, s % 60);
}

static void put_facts(stk_page *page, const stk_record *r) {
    enum { FACTS = 6 };
    char value[FACTS][32];
    const double psnr = last_known(r, RECORD_PSNR), head = last_known(r, RECORD_PSNR_HEAD),
                 mouth = last_known(r, RECORD_PSNR_MOUTH);
    snprintf(value[0], 32, isfinite(psnr) ? "%.2f dB" : "-", psnr);
    snprintf(value[1], 32, isfinite(head) ? "%.2f dB" : "-", head);
    snprintf(value[2], 32, isfinite(mouth) ? "%.2f dB" : "-", mouth);
    put_time(value[3], last_known(r, RECORD_SECONDS));
    snprintf(value[4], 32, "%.0f", last_known(r, RECORD_STEP));
    snprintf(value[5], 32, "%.0f MiB", largest(r, RECORD_RESIDENT_MIB));
    const stk_page_fact facts[FACTS] = {
        {"PSNR", value[0], "held-out frames, whole picture"},
        {"head", value[1], "the same, pixels of the head"},
        {"mouth", value[2], "the same, around the lips"},
        {"trained", value[3], "resumed runs included"},
        {"steps", value[4], ""},
        {"memory", value[5], "resident, most of all lines"},
    };
    stk_page_facts(page, facts, FACTS);
}

/* --- curves ----------------------------------------------------------------------------------- */

typedef struct curve {
    const char *title;
    record_figure lines[3];
    const char *names[3];
    int count, log_y, from_zero;
    double scale;
} curve;

static const curve curves[] = {
    {"PSNR of held-out frames, dB",
     {RECORD_PSNR, RECORD_PSNR_HEAD, RECORD_PSNR_MOUTH},
     {"whole", "head", "mouth"},
     3,
     0,
     0,
     1},
    {"Colour error (0 to 1)", {RECORD_LOSS}, {""}, 1, 1, 0, 1},
    {"Lip probe's error (1 = knows nothing)", {RECORD_LIPS}, {""}, 1, 0, 1, 1},
    {"Perceptual loss",
     {RECORD_PERCEPTUAL_PATCHES, RECORD_PERCEPTUAL_LIPS},
     {"patches", "lips"},
     2,
     0,
     1,
     1},
    {"Learning rate of the planes", {RECORD_RATE}, {""}, 1, 1, 0, 1},
    {"Thousands a second",
     {RECORD_RAYS_PER_S, RECORD_SAMPLES_PER_S},
     {"rays", "samples"},
     2,
     0,
     1,
     1e-3},
    {"Samples a ray", {RECORD_SAMPLES_PER_RAY}, {""}, 1, 0, 1, 1},
    {"Cells taken, % of the grid", {RECORD_OCCUPIED}, {""}, 1, 0, 1, 100},
    {"Resident memory, MiB", {RECORD_RESIDENT_MIB}, {""}, 1, 0, 1, 1},
};

static void draw(stk_page *page, const stk_record *r, const curve *c, double *minutes,
                 double *values) {
    stk_series series[3];
    for (int k = 0; k < c->count; k++) {
        double *y = values + (size_t)k * (size_t)r->count;
        for (int i = 0; i < r->count; i++) y[i] = c->scale * r->rows[i].figure[c->lines[k]];
        series[k] = (stk_series){c->names[k], minutes, y, r->count};
    }
    const stk_chart chart = {.title = c->title,
                             .x_name = "minutes trained",
                             .series = series,
                             .count = c->count,
                             .log_y = c->log_y,
                             .from_zero = c->from_zero};
    stk_page_chart(page, &chart);
}

static stk_status put_curves(stk_page *page, const stk_record *r) {
    double *values = stk_calloc_aligned(4 * (size_t)r->count, sizeof *values);
    if (values == NULL) return stk_fail_memory("report");
    for (int i = 0; i < r->count; i++) values[i] = r->rows[i].figure[RECORD_SECONDS] / 60;
    stk_page_heading(page, "Curves");
    stk_charts_open(page);
    for (size_t i = 0; i < STK_ARRAY_SIZE(curves); i++)
        draw(page, r, &curves[i], values, values + r->count);
    stk_charts_close(page);
    stk_free(values);
    return STK_OK;
}

/* --- pictures --------------------------------------------------------------------------------- */

static stk_status put_last_picture(stk_page *page, const stk_record *r) {
    char path[STK_PATH_MAX];
    STK_TRY(stk_record_path(r, "preview.png", path));
    if (!stk_file_exists(path)) return STK_OK;
    stk_page_heading(page, "Last picture");
    stk_page_pictures_open(page, 2000);
    STK_TRY(stk_page_picture(page, path,
                             "Left: a held-out frame. Right: what the model makes of "
                             "its sound, pose and expression."));
    stk_page_pictures_close(page);
    return STK_OK;
}

static stk_status put_pictures(stk_page *page, const stk_record *r) {
    char name[40], path[STK_PATH_MAX], trained[32], caption[128];
    stk_page_heading(page, "From the beginning to now");
    stk_page_pictures_open(page, 300);
    for (int i = 0; i < r->count; i++) {
        const double *figure = r->rows[i].figure;
        if (!stk_record_preview(r, i, name)) continue;
        put_time(trained, figure[RECORD_SECONDS]);
        snprintf(caption, sizeof caption, "%s, step %.0f: %.2f dB", trained, figure[RECORD_STEP],
                 figure[RECORD_PSNR]);
        STK_TRY(stk_record_path(r, name, path));
        STK_TRY(stk_page_picture(page, path, caption));
    }
    stk_page_pictures_close(page);
    return STK_OK;
}

/* --- the page --------------------------------------------------------------------------------- */

static stk_status put_all(stk_page *page, const stk_record *r) {
    const char *names[RECORD_FACTS_MAX], *values[RECORD_FACTS_MAX];
    put_facts(page, r);
    STK_TRY(put_last_picture(page, r));
    STK_TRY(put_curves(page, r));
    STK_TRY(put_pictures(page, r));
    stk_page_heading(page, "Settings and machine");
    for (int i = 0; i < r->facts_count; i++) {
        names[i] = r->facts[i].name;
        values[i] = r->facts[i].value;
    }
    stk_page_pairs(page, r->facts_count, names, values);
    stk_page_paragraph(page, "All figures: figures.csv; messages: log.txt, beside this page. "
                             "What the figures mean: doc/FORMATS.md, \"Run folder\".");
    return STK_OK;
}

stk_status stk_record_page(const stk_record *r, const char *state) {
    char path[STK_PATH_MAX];
    if (r->folder[0] == '\0' || r->count == 0) return STK_OK;
    STK_TRY(stk_record_path(r, "report.html", path));
    stk_page page;
    stk_page_open(&page, r->title);
    stk_page_paragraph(&page, state);
    const stk_status status = put_all(&page, r);
    if (status == STK_OK) return stk_page_close(&page, path);
    stk_page_free(&page);
    return status;
}
