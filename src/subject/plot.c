/* plot.c - see plot.h. Words are written with a generic font, so that any browser shows them. */
#include "subject/plot.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { START_BYTES = 64 << 10, PIECE_BYTES = 512 };

static void STK_PRINTF(2, 3) put(stk_page *page, const char *format, ...) {
    char piece[PIECE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (n < 0 || n >= PIECE_BYTES) page->failed = 1;
    if (page->failed) return;
    if (page->used + (size_t)n > page->room) {
        char *grown = stk_calloc_aligned(2, page->room);
        if (grown == NULL) {
            page->failed = 1;
            return;
        }
        memcpy(grown, page->text, page->used);
        stk_free(page->text);
        page->text = grown;
        page->room *= 2;
    }
    memcpy(page->text + page->used, piece, (size_t)n);
    page->used += (size_t)n;
}

void stk_page_open(stk_page *page, int width, int height) {
    *page = (stk_page){.text = stk_calloc_aligned(1, START_BYTES), .room = START_BYTES};
    page->failed = page->text == NULL;
    put(page,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
        width, height, width, height, width, height);
}

stk_status stk_page_close(stk_page *page, const char *path) {
    put(page, "</svg>\n");
    stk_status status =
        page->failed ? stk_fail_memory("a plot") : stk_file_write(path, page->text, page->used);
    stk_free(page->text);
    *page = (stk_page){0};
    return status;
}

/* The text between tags, with what XML means by itself escaped. */
static void put_words(stk_page *page, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '<')
            put(page, "&lt;");
        else if (*text == '>')
            put(page, "&gt;");
        else if (*text == '&')
            put(page, "&amp;");
        else if ((unsigned char)*text >= ' ')
            put(page, "%c", *text);
    }
}

void stk_page_text(stk_page *page, double x, double y, double size, const char *colour,
                   const char *anchor, const char *text) {
    put(page, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" fill=\"%s\" text-anchor=\"%s\">", x,
        y, size, colour, anchor);
    put_words(page, text);
    put(page, "</text>\n");
}

/* --- panels ----------------------------------------------------------------------------------- */

static double at_x(const stk_panel *p, double x) {
    const double share =
        p->log_x ? log(x / p->x0) / log(p->x1 / p->x0) : (x - p->x0) / (p->x1 - p->x0);
    return p->left + p->width * fmin(fmax(share, 0), 1);
}

static double at_y(const stk_panel *p, double y) {
    return p->top + p->height * (1 - fmin(fmax((y - p->y0) / (p->y1 - p->y0), 0), 1));
}

/* 1, 2 or 5 times a power of ten, about `count` of them over the range. */
static double tick_step(double range, int count) {
    const double rough = range / count, power = pow(10, floor(log10(rough)));
    const double digit = rough / power;
    return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

static void put_line(stk_page *page, double x0, double y0, double x1, double y1,
                     const char *colour) {
    put(page, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x0, y0, x1,
        y1, colour);
}

static void x_tick(stk_page *page, const stk_panel *p, double value) {
    char word[32];
    const double x = at_x(p, value), foot = p->top + p->height;
    snprintf(word, sizeof word, "%g", value);
    put_line(page, x, p->top, x, foot + 4, "#e4e4e4");
    stk_page_text(page, x, foot + 17, 12, "#444", "middle", word);
}

static void x_ticks(stk_page *page, const stk_panel *p) {
    if (p->log_x) {
        static const double digits[] = {1, 1.5, 2, 3, 4, 5, 7};
        for (double power = pow(10, floor(log10(p->x0))); power < p->x1; power *= 10)
            for (size_t i = 0; i < sizeof digits / sizeof digits[0]; i++)
                if (digits[i] * power >= p->x0 && digits[i] * power <= p->x1)
                    x_tick(page, p, digits[i] * power);
        return;
    }
    const double step = tick_step(p->x1 - p->x0, 10);
    for (double k = ceil(p->x0 / step); k * step <= p->x1 + 1e-9 * step; k++)
        x_tick(page, p, k * step);
}

static void y_ticks(stk_page *page, const stk_panel *p) {
    const double step = tick_step(p->y1 - p->y0, 4);
    for (double k = ceil(p->y0 / step); k * step <= p->y1 + 1e-9 * step; k++) {
        char word[32];
        const double y = at_y(p, k * step);
        snprintf(word, sizeof word, "%g", k * step);
        put_line(page, p->left - 4, y, p->left + p->width, y, "#e4e4e4");
        stk_page_text(page, p->left - 8, y + 4, 12, "#444", "end", word);
    }
}

void stk_panel_axes(stk_page *page, const stk_panel *p, const char *x_name, const char *y_name) {
    x_ticks(page, p);
    y_ticks(page, p);
    put(page,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
        "stroke=\"#888\"/>\n",
        p->left, p->top, p->width, p->height);
    stk_page_text(page, p->left + p->width / 2, p->top + p->height + 35, 13, "#222", "middle",
                  x_name);
    stk_page_text(page, p->left, p->top - 7, 13, "#222", "start", y_name);
}

void stk_panel_line(stk_page *page, const stk_panel *p, const double *x, const double *y, int count,
                    const char *colour, double width) {
    int open = 0;
    for (int i = 0; i < count; i++) {
        if (isnan(y[i])) {
            if (open) put(page, "\"/>\n");
            open = 0;
            continue;
        }
        if (!open)
            put(page, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" points=\"",
                colour, width);
        put(page, "%.1f,%.1f ", at_x(p, x[i]), at_y(p, y[i]));
        open = 1;
    }
    if (open) put(page, "\"/>\n");
}

void stk_panel_dot(stk_page *page, const stk_panel *p, double x, double y, double radius,
                   const char *colour) {
    put(page, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>\n", at_x(p, x), at_y(p, y),
        radius, colour);
}

void stk_panel_band(stk_page *page, const stk_panel *p, double x0, double x1, const char *colour,
                    double opacity) {
    const double from = at_x(p, x0), to = at_x(p, x1);
    put(page,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
        "opacity=\"%.2f\"/>\n",
        from, p->top, fmax(to - from, 1), p->height, colour, opacity);
}

void stk_panel_upright(stk_page *page, const stk_panel *p, double x, const char *colour,
                       const char *dashes) {
    const double at = at_x(p, x);
    put(page,
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
        "stroke-width=\"1.5\" stroke-dasharray=\"%s\"/>\n",
        at, p->top, at, p->top + p->height, colour, dashes[0] != '\0' ? dashes : "none");
}
