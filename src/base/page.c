/* page.c - see page.h. */
#include "base/page.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { START_BYTES = 64 << 10, PIECE_BYTES = 512 };

/* --- plain text ------------------------------------------------------------------------------- */

void stk_page_begin(stk_page *page) {
    *page = (stk_page){.text = stk_calloc_aligned(1, START_BYTES), .room = START_BYTES};
    page->failed = page->text == NULL;
}

void stk_page_bytes(stk_page *page, const char *bytes, size_t size) {
    if (page->failed) return;
    if (size > page->room - page->used) {
        size_t room = page->room;
        while (room - page->used < size) room *= 2;
        char *grown = stk_calloc_aligned(1, room);
        if (grown == NULL) {
            page->failed = 1;
            return;
        }
        memcpy(grown, page->text, page->used);
        stk_free(page->text);
        page->text = grown;
        page->room = room;
    }
    memcpy(page->text + page->used, bytes, size);
    page->used += size;
}

void stk_page_put(stk_page *page, const char *format, ...) {
    char piece[PIECE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (n < 0 || n >= PIECE_BYTES)
        page->failed = 1;
    else
        stk_page_bytes(page, piece, (size_t)n);
}

static void literal(stk_page *page, const char *text) {
    stk_page_bytes(page, text, strlen(text));
}

void stk_page_words(stk_page *page, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '<')
            literal(page, "&lt;");
        else if (*text == '>')
            literal(page, "&gt;");
        else if (*text == '&')
            literal(page, "&amp;");
        else if (*text == '"')
            literal(page, "&quot;");
        else if ((unsigned char)*text >= ' ' || *text == '\n')
            stk_page_bytes(page, text, 1);
    }
}

void stk_page_free(stk_page *page) {
    stk_free(page->text);
    *page = (stk_page){0};
}

stk_status stk_page_write(stk_page *page, const char *path) {
    stk_status status =
        page->failed ? stk_fail_memory("a page") : stk_file_write(path, page->text, page->used);
    stk_page_free(page);
    return status;
}

/* --- HTML ------------------------------------------------------------------------------------- */

/* Attributes that plot.c writes (colours of grid, frame, words) give way to these rules. */
static const char style[] =
    ":root{color-scheme:light dark;--paper:#fbfbfa;--card:#fff;--ink:#1c1d1f;--soft:#63666b;"
    "--line:#dfe1e4}"
    "@media(prefers-color-scheme:dark){:root{--paper:#131416;--card:#1d1f22;--ink:#e9eaec;"
    "--soft:#9da1a8;--line:#34373c}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.2rem;max-width:76rem;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif;-webkit-text-size-adjust:100%}"
    "h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0 1rem;overflow-wrap:anywhere}"
    "h2{font-size:1.12rem;margin:2rem 0 .7rem}"
    "p{margin:.5rem 0;color:var(--soft);max-width:48rem}"
    ".facts,.charts,.pictures{display:grid;gap:.8rem}"
    ".facts{grid-template-columns:repeat(auto-fit,minmax(7.6rem,1fr))}"
    ".charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr))}"
    ".fact,figure{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
    "padding:.7rem .8rem;margin:0;min-width:0}"
    ".fact b{display:block;font-size:1.3rem;line-height:1.3;font-weight:600;white-space:nowrap}"
    ".fact i,figcaption{font-style:normal;font-size:.85rem;color:var(--soft)}"
    ".fact span{display:block;font-size:.85rem}"
    "figure img,figure svg{display:block;width:100%;height:auto}"
    "figcaption{margin-top:.35rem;overflow-wrap:anywhere}"
    "figcaption em{font-style:normal;font-weight:600;color:var(--ink);margin-right:.8em}"
    "figcaption u{display:inline-block;width:.9em;height:.25em;margin:0 .35em 0 0;"
    "vertical-align:middle}"
    "figcaption span{white-space:nowrap;margin-right:.8em}"
    "svg text{fill:var(--soft)}svg .grid,svg .frame{stroke:var(--line)}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.92rem}"
    "td,th{padding:.28rem .9rem .28rem 0;border-bottom:1px solid var(--line);text-align:left;"
    "vertical-align:top}"
    "th{font-weight:600;color:var(--soft)}td.n{text-align:right;font-variant-numeric:tabular-nums}";

void stk_page_open(stk_page *page, const char *title) {
    stk_page_begin(page);
    literal(page, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                  "<title>");
    stk_page_words(page, title);
    literal(page, "</title>\n<style>");
    literal(page, style);
    literal(page, "</style>\n<h1>");
    stk_page_words(page, title);
    literal(page, "</h1>\n");
}

stk_status stk_page_close(stk_page *page, const char *path) {
    literal(page, "</html>\n");
    return stk_page_write(page, path);
}

void stk_page_heading(stk_page *page, const char *text) {
    literal(page, "<h2>");
    stk_page_words(page, text);
    literal(page, "</h2>\n");
}

void stk_page_paragraph(stk_page *page, const char *text) {
    literal(page, "<p>");
    stk_page_words(page, text);
    literal(page, "</p>\n");
}

void stk_page_facts(stk_page *page, const stk_page_fact *facts, int count) {
    literal(page, "<div class=\"facts\">\n");
    for (int i = 0; i < count; i++) {
        literal(page, "<div class=\"fact\"><span>");
        stk_page_words(page, facts[i].name);
        literal(page, "</span><b>");
        stk_page_words(page, facts[i].value);
        literal(page, "</b>");
        if (facts[i].note != NULL && facts[i].note[0] != '\0') {
            literal(page, "<i>");
            stk_page_words(page, facts[i].note);
            literal(page, "</i>");
        }
        literal(page, "</div>\n");
    }
    literal(page, "</div>\n");
}

static int is_number(const char *text) {
    if (*text == '-' || *text == '+') text++;
    return *text >= '0' && *text <= '9';
}

void stk_page_table(stk_page *page, int columns, const char *const *names, int rows,
                    const char *const *cells) {
    literal(page, "<div class=\"wide\"><table>\n");
    if (names != NULL) literal(page, "<tr>");
    for (int c = 0; names != NULL && c < columns; c++) {
        literal(page, "<th>");
        stk_page_words(page, names[c]);
    }
    for (int r = 0; r < rows; r++) {
        literal(page, "\n<tr>");
        for (int c = 0; c < columns; c++) {
            const char *cell = cells[(size_t)r * (size_t)columns + (size_t)c];
            if (cell == NULL) cell = "";
            literal(page, is_number(cell) ? "<td class=\"n\">" : "<td>");
            stk_page_words(page, cell);
        }
    }
    literal(page, "\n</table></div>\n");
}

void stk_page_pairs(stk_page *page, int count, const char *const *names,
                    const char *const *values) {
    literal(page, "<div class=\"wide\"><table>\n");
    for (int i = 0; i < count; i++) {
        literal(page, "<tr><th>");
        stk_page_words(page, names[i]);
        literal(page, "<td>");
        stk_page_words(page, values[i]);
        literal(page, "\n");
    }
    literal(page, "</table></div>\n");
}

/* --- pictures --------------------------------------------------------------------------------- */

void stk_page_base64(stk_page *page, const uint8_t *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        uint32_t word = (uint32_t)bytes[i] << 16;
        if (left > 1) word |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) word |= bytes[i + 2];
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], '=', '='};
        if (left > 1) four[2] = digits[word >> 6 & 63];
        if (left > 2) four[3] = digits[word & 63];
        stk_page_bytes(page, four, sizeof four);
    }
}

void stk_page_pictures_open(stk_page *page, int min_px) {
    stk_page_put(page,
                 "<div class=\"pictures\" style=\"grid-template-columns:repeat(auto-fill,"
                 "minmax(min(100%%,%dpx),1fr))\">\n",
                 min_px);
}

void stk_page_pictures_close(stk_page *page) {
    literal(page, "</div>\n");
}

stk_status stk_page_picture(stk_page *page, const char *path, const char *caption) {
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    const char *kind = NULL;
    if (map.size > 8 && memcmp(map.data, "\x89PNG", 4) == 0) kind = "png";
    if (map.size > 8 && memcmp(map.data, "\xff\xd8\xff", 3) == 0) kind = "jpeg";
    if (kind != NULL) {
        stk_page_put(page, "<figure><img alt=\"\" src=\"data:image/%s;base64,", kind);
        stk_page_base64(page, map.data, map.size);
        literal(page, "\"><figcaption>");
        stk_page_words(page, caption);
        literal(page, "</figcaption></figure>\n");
    }
    stk_map_close(&map);
    if (kind == NULL)
        return stk_fail(STK_ERR_FORMAT, "%s: is neither a PNG nor a JPEG picture", path);
    return STK_OK;
}
