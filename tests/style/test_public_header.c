/* The public header reads as a manual: short, opening with a program that is examples/hello.c to
 * the letter, and usable alone from C and from C++. */
#include "support.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 400, LINE_SIZE = 256, EXAMPLE_SIZE = 1 << 13 };
static const char INDENT[] = " *     "; /* of code in the header's opening comment */

static const char *source_root(void) {
    const char *root = getenv("STK_SOURCE_ROOT");
    return root != NULL ? root : ".";
}

static FILE *open_source(const char *relative) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", source_root(), relative);
    FILE *file = fopen(path, "r");
    if (file == NULL) fail_msg("%s cannot be opened", path);
    return file;
}

static void append(char *text, const char *line) {
    assert_true(strlen(text) + strlen(line) < EXAMPLE_SIZE);
    strcat(text, line);
}

/* From the first include to the closing brace in column 0, the comment's indent taken away. */
static void read_example(const char *relative, const char *indent, char *text) {
    char line[LINE_SIZE];
    size_t width = strlen(indent);
    int inside = 0;
    FILE *file = open_source(relative);
    text[0] = '\0';
    while (fgets(line, sizeof line, file) != NULL) {
        int indented = strncmp(line, indent, width) == 0;
        const char *code = indented ? line + width : "\n"; /* " *" alone is an empty line */
        if (strncmp(code, "#include <synctalk/", 19) == 0) inside = 1;
        if (!inside) continue;
        append(text, code);
        if (strcmp(code, "}\n") == 0) break;
    }
    fclose(file);
}

static void header_is_at_most_400_lines(void **state) {
    (void)state;
    char line[LINE_SIZE];
    int lines = 0;
    FILE *file = open_source("include/synctalk/synctalk.h");
    while (fgets(line, sizeof line, file) != NULL) lines++;
    fclose(file);
    assert_in_range(lines, 50, LINES_MAX);
}

static void header_opens_with_the_example(void **state) {
    (void)state;
    static char shown[EXAMPLE_SIZE], compiled[EXAMPLE_SIZE];
    read_example("include/synctalk/synctalk.h", INDENT, shown);
    read_example("examples/hello.c", "", compiled);
    assert_non_null(strstr(compiled, "int main("));
    assert_string_equal(shown, compiled);
}

/* A source that includes this header alone and, for the whole interface, uses it. */
static void write_source(char *path, size_t size, const char *name, const char *header) {
    snprintf(path, size, "%s/%s", test_temporary_folder(), name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#include <synctalk/%s>\nint main(void) {\n", header);
    if (strcmp(header, "synctalk.h") == 0)
        fprintf(file, "    stk_render_options options;\n    stk_render_options_init(&options);\n"
                      "    stk_status status = STK_OK;\n    return status != STK_OK;\n}\n");
    else
        fprintf(file, "    return 0;\n}\n");
    fclose(file);
}

static void check_compiles(const char *compiler, const char *name, const char *header) {
    char path[256];
    write_source(path, sizeof path, name, header);
    const program_result *r = program_shell("%s -Wall -Wextra -Wpedantic -Werror -fsyntax-only "
                                            "-I%s/include %s",
                                            compiler, source_root(), path);
    if (r->exit_code != 0) fail_msg("%s on %s: %s%s", compiler, header, r->out, r->err);
}

static void header_alone_compiles_in_c(void **state) {
    (void)state;
    check_compiles("${CC:-cc} -std=c17", "whole.c", "synctalk.h");
    check_compiles("${CC:-cc} -std=c17", "table.c", "options.h");
}

static void header_alone_compiles_in_cpp(void **state) {
    (void)state;
    static const char *const compilers[] = {"c++ -x c++ -std=c++11", "clang -x c++ -std=c++11"};
    int found = 0;
    for (size_t i = 0; i < sizeof compilers / sizeof *compilers; i++) {
        const program_result *probe =
            program_shell("echo 'int main() { return 0; }' | %s -fsyntax-only -", compilers[i]);
        if (probe->exit_code != 0) continue;
        found++;
        check_compiles(compilers[i], "whole.cpp", "synctalk.h");
        check_compiles(compilers[i], "table.cpp", "options.h");
    }
    if (found == 0) {
        print_message("SKIP: neither c++ nor clang compiles C++ here\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_at_most_400_lines),
        cmocka_unit_test(header_opens_with_the_example),
        cmocka_unit_test(header_alone_compiles_in_c),
        cmocka_unit_test(header_alone_compiles_in_cpp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
