/* page.h - a page of text that grows, and reports as one HTML file: no script, nothing fetched.
 *
 * The same file reads on a telephone and a wide screen, by day and by night (the reader's system
 * says which). Words that are given are escaped; what put writes is markup. A page that ran out of
 * memory, or whose picture could not be read, says so when it is closed. One thread.
 *
 *   stk_page_open(&page, "Training of anna");
 *   stk_page_facts(&page, facts, 4);
 *   stk_page_heading(&page, "Curves");
 *   stk_charts_open(&page), stk_page_chart(&page, &loss) ..., stk_charts_close(&page);   (plot.h)
 *   return stk_page_close(&page, "report.html");
 */
#ifndef STK_BASE_PAGE_H
#define STK_BASE_PAGE_H

#include "base/attr.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct stk_page {
    char *text; /* owned; not ended by a zero */
    size_t used, room;
    int failed;
} stk_page;

/* A figure that the page opens with: large value, small name and note ("" or NULL = none). */
typedef struct stk_page_fact {
    const char *name, *value, *note;
} stk_page_fact;

/* --- plain text ------------------------------------------------------------------------------ */
void stk_page_begin(stk_page *page);
/* At most 511 bytes a call, as they are. */
void stk_page_put(stk_page *page, const char *format, ...) STK_PRINTF(2, 3);
void stk_page_bytes(stk_page *page, const char *bytes, size_t size);
/* With what HTML and XML mean by itself escaped, for text and for attributes in double quotes. */
void stk_page_words(stk_page *page, const char *text);
/* Writes the file and frees the page, on failure as well. */
stk_status stk_page_write(stk_page *page, const char *path);
void stk_page_free(stk_page *page);

/* --- HTML ------------------------------------------------------------------------------------ */
/* begin, the head with the style, and the title as heading. */
void stk_page_open(stk_page *page, const char *title);
/* The end; then as stk_page_write. */
stk_status stk_page_close(stk_page *page, const char *path);
void stk_page_heading(stk_page *page, const char *text);
void stk_page_paragraph(stk_page *page, const char *text);
void stk_page_facts(stk_page *page, const stk_page_fact *facts, int count);
/* names [columns] or NULL; cells [rows][columns], NULL = empty. Cells that begin as a number are
 * set to the right. Wider than the screen, the table scrolls by itself. */
void stk_page_table(stk_page *page, int columns, const char *const *names, int rows,
                    const char *const *cells);
/* A table of names and values. */
void stk_page_pairs(stk_page *page, int count, const char *const *names, const char *const *values);
/* Pictures side by side as there is room, at least min_px wide each. */
void stk_page_pictures_open(stk_page *page, int min_px);
void stk_page_pictures_close(stk_page *page);
/* Bytes as base64, for what a page carries within itself. */
void stk_page_base64(stk_page *page, const uint8_t *bytes, size_t size);
/* A PNG or JPEG file (by its first bytes), carried in the page itself, with words below it. */
stk_status stk_page_picture(stk_page *page, const char *path, const char *caption);

#endif
