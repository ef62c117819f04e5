/* The include table of CONTRIBUTING.md, the one place that prints, and human-sized files: read from the
 * sources themselves. */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINES_MAX = 800 };

typedef struct rule {
    const char *room;
    const char *own;     /* rooms it may include from, blank-separated, itself included */
    const char *library; /* prefixes of <...> headers beyond libc and pthreads */
} rule;

#define GROUND "base kernels nn tflite "
static const rule rules[] = {
    {"base", "base", "nettle/"},
    {"kernels", "kernels base", "immintrin.h"},
    {"nn", "nn base kernels", "oneapi/ cjson/ zip.h zlib.h"},
    {"tflite", "tflite nn base kernels", "oneapi/ zip.h zlib.h"},
    {"media", "media base kernels", "libavformat/ libavcodec/ libavutil/ libswscale/ libswresample/"},
    {"face_sync", GROUND "face_sync", "zip.h"},
    {"head_sync", GROUND "head_sync", ""},
    {"portrait", GROUND "portrait", ""},
    {"portrait_sync", GROUND "portrait_sync", ""},
    {"metrics", GROUND "metrics", ""},
    {"subject", GROUND "media face_sync head_sync portrait_sync subject", "cjson/ zlib.h"},
    {"render", GROUND "media face_sync head_sync portrait_sync portrait metrics subject render", ""},
    {"train", GROUND "media face_sync head_sync portrait_sync portrait metrics subject render train",
     ""},
    {"api",
     GROUND "media face_sync head_sync portrait_sync portrait metrics subject render train api "
            "synctalk",
     "cjson/"},
};

static const char *const system_headers[] = {
    "assert.h", "ctype.h", "cpuid.h", "dirent.h", "errno.h", "fcntl.h", "float.h", "inttypes.h",
    "limits.h", "math.h", "pthread.h", "sched.h", "signal.h", "stdarg.h", "stdatomic.h", "stdbool.h", "sys/file.h",
    "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h", "sys/mman.h",
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
        return slash == NULL || has_word(r->own, name, (size_t)(slash - name)); /* no folder: own room */
    }
    if (sscanf(line, " # include <%255[^>]>", name) != 1) return 1;
    for (size_t i = 0; i < sizeof system_headers / sizeof *system_headers; i++)
        if (strcmp(name, system_headers[i]) == 0) return 1;
    return starts_with_one_of(r->library, name);
}

/* A call that prints or leaves: the word, not preceded by a letter (snprintf), followed by '('. */
static int prints(const char *line) {
    static const char *const calls[] = {"printf(", "fprintf(", "puts(", "perror(", "exit(", "abort("};
    const char *text = line + strspn(line, " ");
    if (text[0] == '*' || strncmp(text, "/*", 2) == 0) return 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *hit = strstr(line, calls[i]);
        if (hit == NULL) continue;
        char before = hit == line ? ' ' : hit[-1];
        if (strchr(" \t;(){}=!&|", before) != NULL) return 1;
    }
    return 0;
}

static int violations;

static void check_file(const rule *r, const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[1024];
    int number = 0, is_base = strcmp(r->room, "base") == 0;
    while (fgets(line, sizeof line, file) != NULL) {
        number++;
        if (!allowed(r, line)) {
            print_error("%s:%d: %s may not include: %s", path, number, r->room, line);
            violations++;
        }
        if (!is_base && prints(line)) {
            print_error("%s:%d: prints or exits below tools/: %s", path, number, line);
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
        if (S_ISDIR(info.st_mode)) check_folder(r, path);
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
        snprintf(folder, sizeof folder, "%s/src/%s", root != NULL ? root : ".", rules[i].room);
        check_folder(&rules[i], folder);
    }
    assert_int_equal(violations, 0);
}

static void rule_catches_a_violation(void **state) {
    (void)state;
    assert_false(allowed(&rules[0], "#include \"nn/params.h\"\n"));
    assert_false(allowed(&rules[1], "#include <libavformat/avformat.h>\n"));
    assert_true(allowed(&rules[4], "#include <libavformat/avformat.h>\n"));
    assert_true(prints("    printf(\"x\");"));
    assert_false(prints("    snprintf(text, 3, \"x\");"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_include_only_what_the_table_allows),
        cmocka_unit_test(rule_catches_a_violation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
