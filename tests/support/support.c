/* support.c */
#include "support.h"
#include "base/status.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATHS = 8, FOLDERS = 16, PATH_SIZE = 4096 };

const char *test_shared(const char *relative) {
    static char paths[PATHS][PATH_SIZE];
    static int next;
    char *path = paths[next++ % PATHS];
    const char *shared = getenv("STK_SHARED");
    const char *root = getenv("STK_SOURCE_ROOT");
    if (shared != NULL)
        snprintf(path, PATH_SIZE, "%s/%s", shared, relative);
    else
        snprintf(path, PATH_SIZE, "%s/../shared/%s", root != NULL ? root : ".", relative);
    return access(path, R_OK) == 0 ? path : NULL;
}

const char *test_shared_or_skip(const char *relative) {
    const char *path = test_shared(relative);
    if (path == NULL) {
        print_message("SKIP: shared/%s is not here\n", relative);
        skip();
    }
    return path;
}

static char folders[FOLDERS][64];
static int folder_count;

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void remove_folders(void) {
    for (int i = 0; i < folder_count; i++) nftw(folders[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_temporary_folder(void) {
    assert_true(folder_count < FOLDERS);
    if (folder_count == 0) atexit(remove_folders);
    char *folder = folders[folder_count++];
    strcpy(folder, "/tmp/stk-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

double test_max_abs_error(const float *a, const float *b, size_t n) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)a[i] - (double)b[i]);
        if (!(error <= worst)) worst = error; /* NaN must not look like agreement */
    }
    return worst;
}

double test_relative_l2(const float *a, const float *b, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

void test_assert_close(const char *what, const float *a, const float *b, size_t n,
                       double tolerance) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
            fail_msg("%s[%zu]: %.9g against %.9g, tolerance %g", what, i, (double)a[i],
                     (double)b[i], tolerance);
    }
}

void test_status_ok(int status, const char *expr, const char *file, int line) {
    if (status != STK_OK)
        fail_msg("%s:%d: %s gave %d: %s", file, line, expr, status, stk_error_text());
}
