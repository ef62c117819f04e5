/* report.h - what `eval --report` and `compare --report` write into a folder: figures.json (what
 * --json prints), figures.csv (a row a frame), figures.md (a table), report.html (all in one file).
 */
#ifndef STK_API_REPORT_H
#define STK_API_REPORT_H

#include "base/page.h"
#include "render/album.h"
#include "render/compare.h"
#include "synctalk/synctalk.h"

/* One series of pictures against the real ones. */
typedef struct stk_report_series {
    const char *name; /* NULL where there is but one */
    const stk_album *album;
    const stk_quality_report *quality;
    const stk_scores *scores;    /* of a model; NULL of any other system's video */
    const stk_comparison *video; /* of a video; NULL of a model */
} stk_report_series;

typedef struct stk_report {
    const char *folder;
    const char *title, *note; /* what was measured, and how; one line each */
    const char *json;         /* figures.json */
    const char *word;         /* what a named series is; NULL: "video" */
    const stk_report_series *series;
    int count;
    const char *sound;    /* of the real frames, NULL: none */
    double sound_start_s; /* of frame 0 on that file's clock */
} stk_report;

/* The last part of a path. */
const char *stk_report_name(const char *path);
/* Refuses a subject folder. */
stk_status stk_report_keep_subject(const char *folder);
/* Makes the folder; each file is complete or not there. */
stk_status stk_report_folder_check(const char *folder);
stk_status stk_report_files_write(const stk_report *report);
/* The whole report of `eval --report`. */
stk_status stk_report_eval(const stk_eval_options *options, const stk_scores *scores,
                           const stk_album *album);

/* --- rows of the tables (report_tables.c) ----------------------------------------------------- */

typedef struct stk_report_row {
    int column;      /* of the album */
    int real_column; /* the same of the real pictures, or -1 */
    const char *label, *unit;
    int decimals;
    int lower_is_better;
} stk_report_row;
enum { STK_REPORT_ROWS_MAX = STK_ALBUM_COLUMNS };
/* "higher", "lower", or "1". */
const char *stk_report_better(const stk_report_row *row);
/* Those that a table shows, in its order; returns how many. */
int stk_report_rows(stk_report_row rows[STK_REPORT_ROWS_MAX]);
/* Mean, interval and worst frames (their numbers) of a column. */
stk_status stk_report_figure(const stk_album *album, const stk_report_row *row, stk_figure *figure);
/* Figures that are of all frames at once, of a model's scores: "seam_ratio" ... */
typedef struct stk_report_total {
    const char *label;
    double value, real; /* NaN: there is none */
    const char *unit;
} stk_report_total;
enum { STK_REPORT_TOTALS_MAX = 12 };
int stk_report_totals(const stk_report_series *series,
                      stk_report_total totals[STK_REPORT_TOTALS_MAX]);

/* --- figures.csv, figures.md (report_tables.c) ----------------------------------------------- */
stk_status stk_report_csv(const stk_report *report, stk_page *out);
stk_status stk_report_markdown(const stk_report *report, stk_page *out);
/* --- report.html (report_page.c, report_mouths.c) --------------------------------------------- */
stk_status stk_report_page(const stk_report *report);
/* A picture as the address of an image; a page that it does not fit fails. */
void stk_report_jpeg(stk_page *page, const stk_image *picture);
/* Some frames of all named series beside the real ones, each over its error map. */
void stk_report_side_by_side(stk_page *page, const stk_report *report);
/* What the page's own style lacks; after stk_page_open. */
void stk_report_style(stk_page *page);
/* The colours of the error maps. */
void stk_report_scale(stk_page *page);
stk_status stk_report_mouths(stk_page *page, const stk_report *report,
                             const stk_report_series *series);

#endif
