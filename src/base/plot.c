/* plot.c - see plot.h. Words are written with a generic font, so that any browser shows them. */
#include "base/plot.h"

#include <math.h>
#include <stdio.h>

void stk_plot_open(stk_page *page, int width, int height) {
    stk_page_begin(page);
    stk_page_put(page,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                 "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n"
                 "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
                 width, height, width, height, width, height);
}

stk_status stk_plot_close(stk_page *page, const char *path) {
    stk_page_put(page, "</svg>\n");
    return stk_page_write(page, path);
}

void stk_plot_text(stk_page *page, double x, double y, double size, const char *colour,
                   const char *anchor, const char *text) {
    stk_page_put(page,
                 "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" fill=\"%s\" text-anchor=\"%s\">",
                 x, y, size, colour, anchor);
    stk_page_words(page, text);
    stk_page_put(page, "</text>\n");
}

/* --- panels ----------------------------------------------------------------------------------- */

static double at_x(const stk_panel *p, double x) {
    const double share =
        p->log_x ? log(x / p->x0) / log(p->x1 / p->x0) : (x - p->x0) / (p->x1 - p->x0);
    return p->left + p->width * fmin(fmax(share, 0), 1);
}

static double at_y(const stk_panel *p, double y) {
    const double share =
        p->log_y ? log(y / p->y0) / log(p->y1 / p->y0) : (y - p->y0) / (p->y1 - p->y0);
    return p->top + p->height * (1 - fmin(fmax(share, 0), 1));
}

/* 1, 2 or 5 times a power of ten, about `count` of them over the range. */
static double tick_step(double range, int count) {
    const double rough = range / count, power = pow(10, floor(log10(rough)));
    const double digit = rough / power;
    return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

static void put_grid(stk_page *page, double x0, double y0, double x1, double y1) {
    stk_page_put(page,
                 "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
                 "stroke=\"#e4e4e4\"/>\n",
                 x0, y0, x1, y1);
}

static void x_tick(stk_page *page, const stk_panel *p, double value) {
    char word[32];
    const double x = at_x(p, value), foot = p->top + p->height;
    snprintf(word, sizeof word, "%g", value);
    put_grid(page, x, p->top, x, foot + 4);
    stk_plot_text(page, x, foot + 17, 12, "#444", "middle", word);
}

/* The digits at which a logarithmic axis over the range is marked. */
static int log_digits(double low, double high, const double **digits) {
    static const double few[] = {1}, some[] = {1, 2, 5}, many[] = {1, 1.5, 2, 3, 4, 5, 7};
    const double decades = log10(high / low);
    *digits = decades > 4 ? few : decades > 1.4 ? some : many;
    return decades > 4 ? 1 : decades > 1.4 ? 3 : 7;
}

static void x_ticks(stk_page *page, const stk_panel *p) {
    if (p->log_x) {
        const double *digits;
        const int n = log_digits(p->x0, p->x1, &digits);
        for (double power = pow(10, floor(log10(p->x0))); power < p->x1; power *= 10)
            for (int i = 0; i < n; i++)
                if (digits[i] * power >= p->x0 && digits[i] * power <= p->x1)
                    x_tick(page, p, digits[i] * power);
        return;
    }
    const double step = tick_step(p->x1 - p->x0, (int)fmin(10, fmax(3, p->width / 60)));
    for (double k = ceil(p->x0 / step); k * step <= p->x1 + 1e-9 * step; k++)
        x_tick(page, p, k * step);
}

static void y_tick(stk_page *page, const stk_panel *p, double value) {
    char word[32];
    const double y = at_y(p, value);
    snprintf(word, sizeof word, "%g", value);
    put_grid(page, p->left - 4, y, p->left + p->width, y);
    stk_plot_text(page, p->left - 8, y + 4, 12, "#444", "end", word);
}

static void y_ticks(stk_page *page, const stk_panel *p) {
    if (p->log_y) {
        const double *digits;
        const int n = log_digits(p->y0, p->y1, &digits);
        for (double power = pow(10, floor(log10(p->y0))); power < p->y1; power *= 10)
            for (int i = 0; i < n; i++)
                if (digits[i] * power >= p->y0 && digits[i] * power <= p->y1)
                    y_tick(page, p, digits[i] * power);
        return;
    }
    const double step = tick_step(p->y1 - p->y0, 4);
    for (double k = ceil(p->y0 / step); k * step <= p->y1 + 1e-9 * step; k++)
        y_tick(page, p, k * step);
}

void stk_panel_axes(stk_page *page, const stk_panel *p, const char *x_name, const char *y_name) {
    x_ticks(page, p);
    y_ticks(page, p);
    stk_page_put(page,
                 "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                 "fill=\"none\" stroke=\"#888\"/>\n",
                 p->left, p->top, p->width, p->height);
    stk_plot_text(page, p->left + p->width / 2, p->top + p->height + 35, 13, "#222", "middle",
                  x_name);
    stk_plot_text(page, p->left, p->top - 7, 13, "#222", "start", y_name);
}

void stk_panel_line(stk_page *page, const stk_panel *p, const double *x, const double *y, int count,
                    const char *colour, double width) {
    int open = 0;
    for (int i = 0; i < count; i++) {
        if (isnan(y[i])) {
            if (open) stk_page_put(page, "\"/>\n");
            open = 0;
            continue;
        }
        if (!open)
            stk_page_put(page,
                         "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" points=\"",
                         colour, width);
        stk_page_put(page, "%.1f,%.1f ", at_x(p, x[i]), at_y(p, y[i]));
        open = 1;
    }
    if (open) stk_page_put(page, "\"/>\n");
}

void stk_panel_dot(stk_page *page, const stk_panel *p, double x, double y, double radius,
                   const char *colour) {
    stk_page_put(page, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>\n", at_x(p, x),
                 at_y(p, y), radius, colour);
}

void stk_panel_band(stk_page *page, const stk_panel *p, double x0, double x1, const char *colour,
                    double opacity) {
    const double from = at_x(p, x0), to = at_x(p, x1);
    stk_page_put(page,
                 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
                 "opacity=\"%.2f\"/>\n",
                 from, p->top, fmax(to - from, 1), p->height, colour, opacity);
}

void stk_panel_upright(stk_page *page, const stk_panel *p, double x, const char *colour,
                       const char *dashes) {
    const double at = at_x(p, x);
    stk_page_put(page,
                 "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                 "stroke-width=\"1.5\" stroke-dasharray=\"%s\"/>\n",
                 at, p->top, at, p->top + p->height, colour, dashes[0] != '\0' ? dashes : "none");
}

/* --- charts ----------------------------------------------------------------------------------- */

/* Wide enough for a desk, small enough that a telephone's reader can make out the words. */
enum { CHART_WIDTH = 420, CHART_HEIGHT = 230, CHART_LEFT = 56, CHART_FOOT = 42 };
enum { CHART_POINTS = 400 }; /* of a line, at most */
static const char *const colours[STK_CHART_SERIES_MAX] = {"#3584e4", "#e07b29", "#2a9d67",
                                                          "#c158c1", "#a08a1f", "#8b8f96"};

static int is_drawn(const stk_chart *chart, double x, double y) {
    return isfinite(x) && isfinite(y) && (!chart->log_y || y > 0);
}

/* 0 where no value is known. */
static int find_borders(const stk_chart *chart, stk_panel *p) {
    int found = 0;
    for (int s = 0; s < chart->count; s++)
        for (int i = 0; i < chart->series[s].count; i++) {
            const double x = chart->series[s].x[i], y = chart->series[s].y[i];
            if (!is_drawn(chart, x, y)) continue;
            if (!found) p->x0 = p->x1 = x, p->y0 = p->y1 = y;
            found = 1;
            p->x0 = fmin(p->x0, x), p->x1 = fmax(p->x1, x);
            p->y0 = fmin(p->y0, y), p->y1 = fmax(p->y1, y);
        }
    if (!found) return 0;
    if (chart->from_zero && p->y0 > 0) p->y0 = 0;
    if (!(p->x1 > p->x0)) p->x1 = p->x0 + fmax(1e-6, 1e-3 * fabs(p->x0));
    if (chart->log_y) {
        const double room = fmax(pow(p->y1 / p->y0, 0.05), 1.02);
        p->y0 /= room, p->y1 *= room;
    } else {
        const double room = fmax(0.06 * (p->y1 - p->y0), fmax(1e-9, 1e-3 * fabs(p->y1)));
        if (!chart->from_zero || p->y0 < 0) p->y0 -= room;
        p->y1 += room;
    }
    return 1;
}

static void draw_series(stk_page *page, const stk_chart *chart, const stk_panel *p, int s) {
    double x[CHART_POINTS + 1] = {0}, y[CHART_POINTS + 1] = {0};
    const stk_series *series = &chart->series[s];
    const int every = (series->count + CHART_POINTS - 1) / CHART_POINTS;
    int n = 0;
    for (int i = 0; i < series->count; i++) {
        if (every > 1 && i % every != 0 && i != series->count - 1) continue;
        if (!is_drawn(chart, series->x[i], series->y[i])) continue;
        x[n] = series->x[i];
        y[n++] = series->y[i];
    }
    stk_panel_line(page, p, x, y, n, colours[s], 1.8);
    if (n > 0) stk_panel_dot(page, p, x[n - 1], y[n - 1], 2.6, colours[s]);
}

void stk_charts_open(stk_page *page) {
    stk_page_put(page, "<div class=\"charts\">\n");
}

void stk_charts_close(stk_page *page) {
    stk_page_put(page, "</div>\n");
}

void stk_page_chart(stk_page *page, const stk_chart *chart) {
    stk_panel p = {.left = CHART_LEFT,
                   .top = 8,
                   .width = CHART_WIDTH - CHART_LEFT - 10,
                   .height = CHART_HEIGHT - 8 - CHART_FOOT,
                   .log_y = chart->log_y};
    if (chart->count > STK_CHART_SERIES_MAX || !find_borders(chart, &p)) return;
    stk_page_put(page,
                 "<figure><svg viewBox=\"0 0 %d %d\" font-family=\"system-ui,sans-serif\" "
                 "role=\"img\" aria-label=\"",
                 CHART_WIDTH, CHART_HEIGHT);
    stk_page_words(page, chart->title);
    stk_page_put(page, "\">\n");
    stk_panel_axes(page, &p, chart->x_name, "");
    for (int s = 0; s < chart->count; s++) draw_series(page, chart, &p, s);
    stk_page_put(page, "</svg><figcaption><em>");
    stk_page_words(page, chart->title);
    stk_page_put(page, "</em>");
    for (int s = 0; s < chart->count && chart->count > 1; s++) {
        stk_page_put(page, "<span><u style=\"background:%s\"></u>", colours[s]);
        stk_page_words(page, chart->series[s].name);
        stk_page_put(page, "</span> ");
    }
    stk_page_put(page, "</figcaption></figure>\n");
}
