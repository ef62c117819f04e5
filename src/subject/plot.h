/* plot.h - line plots as SVG text: a page of panels, axes with round ticks, lines, bands, words.
 *
 * The page grows as it is written; a page that ran out of memory says so when it is finished. One
 * thread.
 */
#ifndef STK_SUBJECT_PLOT_H
#define STK_SUBJECT_PLOT_H

#include "base/attr.h"
#include "base/status.h"

#include <stddef.h>

typedef struct stk_page {
    char *text; /* owned */
    size_t used, room;
    int failed;
} stk_page;

/* Where a panel lies on the page, px, and what it shows. */
typedef struct stk_panel {
    double left, top, width, height;
    double x0, x1, y0, y1; /* values at the borders; x1 > x0, y1 > y0 */
    int log_x;
} stk_panel;

void stk_page_open(stk_page *page, int width, int height);
/* Writes the file and frees the page, on failure as well. */
stk_status stk_page_close(stk_page *page, const char *path);
/* At px of the page; size px, colour as in CSS, anchor "start", "middle", "end". */
void stk_page_text(stk_page *page, double x, double y, double size, const char *colour,
                   const char *anchor, const char *text);
/* Border, ticks, names of the axes. */
void stk_panel_axes(stk_page *page, const stk_panel *panel, const char *x_name, const char *y_name);
/* A line through (x[i], y[i]); values above the panel are drawn at its rim, NaN breaks the line. */
void stk_panel_line(stk_page *page, const stk_panel *panel, const double *x, const double *y,
                    int count, const char *colour, double width);
void stk_panel_dot(stk_page *page, const stk_panel *panel, double x, double y, double radius,
                   const char *colour);
/* Over the panel's height from x0 to x1; opacity 0..1. */
void stk_panel_band(stk_page *page, const stk_panel *panel, double x0, double x1,
                    const char *colour, double opacity);
/* An upright line; dashes as in CSS, "" = none. */
void stk_panel_upright(stk_page *page, const stk_panel *panel, double x, const char *colour,
                       const char *dashes);

#endif
