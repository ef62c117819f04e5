/* A report as one HTML file: words escaped, pictures inside, charts where something is known. */
#include "support.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static char *written(stk_page *page) {
    char path[STK_PATH_MAX], *text;
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "page.html"));
    TEST_OK(stk_page_close(page, path));
    TEST_OK(stk_file_read_text(path, 1 << 24, &text));
    return text;
}

static void words_with_markup_are_shown_as_they_are(void **state) {
    (void)state;
    static const char *const cells[] = {"a<b", "-1.5", NULL, "x&y"};
    static const stk_page_fact fact = {"\"name\"", "7 dB", NULL};
    stk_page page;
    stk_page_open(&page, "<script>alert(1)</script>");
    stk_page_facts(&page, &fact, 1);
    stk_page_table(&page, 2, NULL, 2, cells);
    char *text = written(&page);
    assert_null(strstr(text, "<script"));
    assert_non_null(strstr(text, "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>"));
    assert_non_null(strstr(text, "<td>a&lt;b<td class=\"n\">-1.5\n<tr><td><td>x&amp;y"));
    assert_non_null(strstr(text, "&quot;name&quot;"));
    stk_free(text);
}

static void pages_grow_beyond_their_first_room(void **state) {
    (void)state;
    enum { TIMES = 30000 };
    stk_page page;
    stk_page_open(&page, "long");
    for (int i = 0; i < TIMES; i++) stk_page_put(&page, "%06d,", i);
    char *text = written(&page);
    assert_true(strlen(text) > TIMES * 7);
    assert_non_null(strstr(text, "029998,029999,</html>\n"));
    stk_free(text);
}

/* The three ways that a file's length can end in base 64; digits by coreutils' base64. */
static void picture_is_carried_as_base64(void **state) {
    (void)state;
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0xff, 0x7e};
    static const char *const coded[] = {"base64,iVBORw0KGgoA\"", "base64,iVBORw0KGgoA/w==\"",
                                        "base64,iVBORw0KGgoA/34=\""};
    char path[STK_PATH_MAX];
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "p.png"));
    for (size_t i = 0; i < 3; i++) {
        TEST_OK(stk_file_write(path, png, 9 + i));
        stk_page page;
        stk_page_open(&page, "picture");
        TEST_OK(stk_page_picture(&page, path, "step 1 & 2"));
        char *text = written(&page);
        assert_non_null(strstr(text, coded[i]));
        assert_non_null(strstr(text, "step 1 &amp; 2"));
        stk_free(text);
    }
    TEST_OK(stk_file_write(path, "no picture", 10));
    stk_page page;
    stk_page_open(&page, "picture");
    assert_int_equal(stk_page_picture(&page, path, ""), STK_ERR_FORMAT);
    stk_page_free(&page);
}

static void charts_hold_every_line_and_leave_out_what_is_unknown(void **state) {
    (void)state;
    enum { POINTS = 5000 };
    static double x[POINTS], y[POINTS], none[2] = {NAN, INFINITY};
    for (int i = 0; i < POINTS; i++) x[i] = i, y[i] = i % 7 == 0 ? NAN : 1.0 / (i + 1);
    const stk_series lines[2] = {{"loss", x, y, POINTS}, {"one", x, x, 1}};
    const stk_series nothing = {"nothing", x, none, 2};
    const stk_chart full = {
        .title = "Loss", .x_name = "steps", .series = lines, .count = 2, .log_y = 1};
    const stk_chart empty = {.title = "Empty", .x_name = "steps", .series = &nothing, .count = 1};
    stk_page page;
    stk_page_open(&page, "charts");
    stk_page_chart(&page, &full);
    stk_page_chart(&page, &empty);
    char *text = written(&page);
    assert_non_null(strstr(text, "aria-label=\"Loss\""));
    assert_null(strstr(text, "Empty"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    int lines_drawn = 0;
    for (const char *at = text; (at = strstr(at, "<polyline")) != NULL; at++) lines_drawn++;
    assert_int_equal(lines_drawn, 1); /* log_y: the other is 0, below every border */
    assert_true(strlen(text) < 20000);
    stk_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_with_markup_are_shown_as_they_are),
        cmocka_unit_test(pages_grow_beyond_their_first_room),
        cmocka_unit_test(picture_is_carried_as_base64),
        cmocka_unit_test(charts_hold_every_line_and_leave_out_what_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
