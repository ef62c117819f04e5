/* plot.h - line plots as SVG text, on a page of their own (.svg) or within an HTML page (page.h):
 * panels, axes with round ticks, lines, bands, words. One thread.
 */
#ifndef STK_BASE_PLOT_H
#define STK_BASE_PLOT_H

#include "base/page.h"

/* Where a panel lies on the page, px, and what it shows. */
typedef struct stk_panel {
    double left, top, width, height;
    double x0, x1, y0, y1; /* values at the borders; x1 > x0, y1 > y0 */
    int log_x, log_y;      /* the borders are above 0 then */
} stk_panel;

/* A line of a chart. */
typedef struct stk_series {
    const char *name;
    const double *x, *y; /* [count]; NaN = not known there */
    int count;
} stk_series;

enum { STK_CHART_SERIES_MAX = 6 };

/* A chart of an HTML page, which finds its borders by itself. */
typedef struct stk_chart {
    const char *title, *x_name;
    const stk_series *series; /* at most STK_CHART_SERIES_MAX */
    int count;
    int log_y;     /* values above 0 only are drawn */
    int from_zero; /* the lower border is 0 */
} stk_chart;

/* --- charts of an HTML page ------------------------------------------------------------------- */
void stk_charts_open(stk_page *page);
void stk_charts_close(stk_page *page);
/* Nothing where no value is known. Lines of many values are drawn by every n-th. */
void stk_page_chart(stk_page *page, const stk_chart *chart);

/* --- pages of panels -------------------------------------------------------------------------- */
void stk_plot_open(stk_page *page, int width, int height);
/* Writes the file and frees the page, on failure as well. */
stk_status stk_plot_close(stk_page *page, const char *path);
/* At px of the page; size px, colour as in CSS, anchor "start", "middle", "end". */
void stk_plot_text(stk_page *page, double x, double y, double size, const char *colour,
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
