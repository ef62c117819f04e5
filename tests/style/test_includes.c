/* The include table of CONTRIBUTING.md, the one place that prints, and human-sized files and lines:
 * read from the sources themselves. */
#include "support.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINES_MAX = 800, COLUMNS_MAX = 100 };

typedef struct rule {
    const char *folder;
    const char *own;     /* rooms, or single headers of one, that it may include; itself, too */
    const char *library; /* prefixes of <...> headers beyond libc and pthreads */
    unsigned may;        /* exceptions */
} rule;

enum { MAY_PRINT = 1, MAY_BE_WIDE = 2 };

#define GROUND "base kernels nn tflite "
#define PAPER "media face_sync head_sync portrait_sync portrait metrics subject "
static const rule rules[] = {
    {"src/base", "base", "nettle/ mpi.h", 0},
    {"src/kernels", "kernels base/cpu.h base/attr.h base/types.h", "immintrin.h", 0},
    {"src/nn", "nn base kernels", "oneapi/ cjson/ zip.h zlib.h", 0},
    {"src/tflite", "tflite nn base kernels", "oneapi/", 0},
    {"src/media", "media base kernels/image.h",
     "libavformat/ libavcodec/ libavutil/ libswscale/ libswresample/", 0},
    {"src/face_sync", GROUND "face_sync", "", 0},
    {"src/head_sync", GROUND "head_sync", "", 0},
    {"src/portrait", GROUND "portrait", "", 0},
    {"src/portrait_sync", GROUND "portrait_sync", "", 0},
    {"src/metrics", GROUND "metrics", "", 0},
    {"src/subject", GROUND "media face_sync head_sync portrait_sync subject", "cjson/ zlib.h", 0},
    {"presenter", "presenter base kernels/image.h media nn/safetensors.h",
     "flite/ dlfcn.h cjson/ zlib.h", 0},
    {"src/render", GROUND PAPER "render", "cjson/", 0},
    {"src/train", GROUND PAPER "render train", "", 0},
    {"src/api", GROUND PAPER "render train api synctalk presenter", "cjson/", 0},
    {"include", "synctalk", "", MAY_BE_WIDE},
    {"tools", "", "synctalk/", MAY_PRINT},
    {"examples", "", "synctalk/", MAY_PRINT},
};

static const char *const system_headers[] = {
    "assert.h",       "ctype.h",    "cpuid.h",       "dirent.h",      "errno.h",     "fcntl.h",
    "float.h",        "inttypes.h", "limits.h",      "math.h",        "pthread.h",   "sched.h",
    "signal.h",       "stdarg.h",   "stdatomic.h",   "stdbool.h",     "sys/file.h",  "stddef.h",
    "stdint.h",       "stdio.h",    "stdlib.h",      "string.h",      "strings.h",   "sys/mman.h",
    "sys/resource.h", "sys/stat.h", "sys/statvfs.h", "sys/syscall.h", "sys/types.h", "time.h",
    "unistd.h"};

static int has_word(const char *words, const char *word, size_t length) {
    for (const char *p = words; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == length && strncmp(p, word, n) == 0) return 1;
        p += n;
        p += strspn(p, " ");
    }
    return 0;
}

static int starts_with_one_of(const char *prefixes, const char *text) {
    for (const char *p = prefixes; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n > 0 && strncmp(text, p, n) == 0) return 1;
        p += n;
        p += strspn(p, " ");
    }
    return 0;
}

static int allowed(const rule *r, const char *line) {
    char name[256];
    if (sscanf(line, " # include \"%255[^\"]\"", name) == 1) {
        const char *slash = strchr(name, '/');
        return slash == NULL || /* no folder: its own */
               has_word(r->own, name, (size_t)(slash - name)) ||
               has_word(r->own, name, strlen(name));
    }
    if (sscanf(line, " # include <%255[^>]>", name) != 1) return 1;
    for (size_t i = 0; i < sizeof system_headers / sizeof *system_headers; i++)
        if (strcmp(name, system_headers[i]) == 0) return 1;
    return starts_with_one_of(r->library, name);
}

static int is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* A call that prints or leaves, anywhere in the line: the whole word (not snprintf, nor the member
 * callbacks.abort) followed by '('. */
static int prints(const char *line) {
    static const char calls[] =
        "printf fprintf vprintf vfprintf dprintf puts fputs putc fputc putchar perror psignal "
        "exit _exit _Exit quick_exit abort";
    const char *text = line + strspn(line, " ");
    if (text[0] == '*' || strncmp(text, "/*", 2) == 0) return 0;
    for (const char *p = line; *p != '\0';) {
        size_t n = 0;
        while (is_word(p[n])) n++;
        if (n == 0) {
            p++;
            continue;
        }
        int member = p > line && (p[-1] == '.' || (p[-1] == '>' && p > line + 1 && p[-2] == '-'));
        if (p[n] == '(' && !member && has_word(calls, p, n)) return 1;
        p += n;
    }
    return 0;
}

/* Characters of a line of UTF-8, its end not counted. */
static int columns(const char *line) {
    int n = 0;
    for (; *line != '\0' && *line != '\n'; line++) n += ((unsigned char)*line & 0xC0) != 0x80;
    return n;
}

static int violations;

static void check_file(const rule *r, const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[1024];
    int number = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        number++;
        if (!allowed(r, line)) {
            print_error("%s:%d: %s may not include: %s", path, number, r->folder, line);
            violations++;
        }
        if (!(r->may & MAY_PRINT) && prints(line)) {
            print_error("%s:%d: prints or exits below tools/: %s", path, number, line);
            violations++;
        }
        if (!(r->may & MAY_BE_WIDE) && columns(line) > COLUMNS_MAX) {
            print_error("%s:%d: %d columns, at most %d\n", path, number, columns(line),
                        COLUMNS_MAX);
            violations++;
        }
    }
    fclose(file);
    if (number > LINES_MAX) {
        print_error("%s: %d lines, at most %d\n", path, number, LINES_MAX);
        violations++;
    }
}

static void check_folder(const rule *r, const char *folder) {
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *e = readdir(entries); e != NULL; e = readdir(entries)) {
        char path[4096];
        struct stat info;
        size_t length = strlen(e->d_name);
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_int_equal(stat(path, &info), 0);
        if (S_ISDIR(info.st_mode))
            check_folder(r, path);
        else if (length > 2 && (strcmp(e->d_name + length - 2, ".c") == 0 ||
                                strcmp(e->d_name + length - 2, ".h") == 0))
            check_file(r, path);
    }
    closedir(entries);
}

static void rooms_include_only_what_the_table_allows(void **state) {
    (void)state;
    const char *root = getenv("STK_SOURCE_ROOT");
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/%s", root != NULL ? root : ".", rules[i].folder);
        check_folder(&rules[i], folder);
    }
    assert_int_equal(violations, 0);
}

static const rule *rule_of(const char *folder) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].folder, folder) == 0) return &rules[i];
    fail_msg("no rule for %s", folder);
    return NULL;
}

static void rules_catch_a_wrong_include(void **state) {
    (void)state;
    const rule *kernels = rule_of("src/kernels"), *media = rule_of("src/media");
    const rule *tools = rule_of("tools");
    assert_false(allowed(rule_of("src/base"), "#include \"nn/params.h\"\n"));
    assert_false(allowed(kernels, "#include <libavformat/avformat.h>\n"));
    assert_false(allowed(kernels, "#include \"base/memory.h\"\n"));
    assert_true(allowed(kernels, "#include \"base/cpu.h\"\n"));
    assert_true(allowed(kernels, "#include \"kernels/x86/field_simd.h\"\n"));
    assert_true(allowed(media, "#include <libavformat/avformat.h>\n"));
    assert_true(allowed(media, "#include \"kernels/image.h\"\n"));
    assert_false(allowed(media, "#include \"kernels/field.h\"\n"));
    assert_false(allowed(rule_of("src/face_sync"), "#include \"head_sync/se3.h\"\n"));
    assert_true(allowed(tools, "#include <synctalk/synctalk.h>\n"));
    assert_true(allowed(tools, "#include \"tool.h\"\n"));
    assert_false(allowed(tools, "#include \"base/file.h\"\n"));
}

static void rules_catch_a_print_and_a_wide_line(void **state) {
    (void)state;
    static const char *const bad[] = {
        "    printf(\"x\");",
        "if (x) vfprintf(stderr, f, a);",
        "fputs(line, file) < 0;",
        "x = fputc('x', file);",
        "    putchar('x');",
        "    _exit(1);",
        "snprintf(a, 3, b), printf(a);",
        "else abort();",
    };
    static const char *const good[] = {
        "    snprintf(text, 3, \"x\");",
        " * printf(is described here)",
        "callbacks.abort(user);",
        "stk_exit(1);",
        "job->abort(user);",
        "int exit_code = 3;",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!prints(bad[i])) fail_msg("not caught: %s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (prints(good[i])) fail_msg("caught: %s", good[i]);
    assert_int_equal(columns("\xc3\xa9 is one\n"), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_include_only_what_the_table_allows),
        cmocka_unit_test(rules_catch_a_wrong_include),
        cmocka_unit_test(rules_catch_a_print_and_a_wide_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
