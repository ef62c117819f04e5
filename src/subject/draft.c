/* draft.c */
#include "subject/draft.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 4 }; /* no draft is deeper */
static const char *const part = ".part-";

/* Links are removed, not followed. */
static void remove_tree(const char *path, int depth) {
    struct stat info;
    if (lstat(path, &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) {
        unlink(path);
        return;
    }
    DIR *directory = depth < DEPTH_MAX ? opendir(path) : NULL;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char inner[STK_PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (stk_path_join(inner, sizeof inner, path, entry->d_name) == STK_OK)
            remove_tree(inner, depth + 1);
    }
    if (directory != NULL) closedir(directory);
    rmdir(path);
}

/* The folder above and the last word of a path. */
static void split(const char *path, char above[STK_PATH_MAX], const char **name) {
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (slash == NULL)
        snprintf(above, STK_PATH_MAX, ".");
    else
        snprintf(above, STK_PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static void remove_left_behind(const char *above, const char *name) {
    DIR *directory = opendir(above);
    size_t length = strlen(name), mark = strlen(part);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        const char *found = entry->d_name;
        char path[STK_PATH_MAX];
        if (strncmp(found, name, length) != 0 || strncmp(found + length, part, mark) != 0) continue;
        char *end;
        long maker = strtol(found + length + mark, &end, 10);
        if (*end != '\0' || maker <= 0 || stk_path_join(path, sizeof path, above, found) != STK_OK)
            continue;
        if (maker == (long)getpid() || (kill((pid_t)maker, 0) != 0 && errno == ESRCH))
            if (stk_file_is_directory(path)) remove_tree(path, 0);
    }
    if (directory != NULL) closedir(directory);
}

static int is_empty(const char *folder) {
    int entries = 0;
    DIR *directory = opendir(folder);
    if (directory == NULL) return 0;
    while (readdir(directory) != NULL) entries++;
    closedir(directory);
    return entries <= 2;
}

stk_status stk_draft_create(stk_draft *draft, const char *place) {
    char above[STK_PATH_MAX];
    const char *name;
    *draft = (stk_draft){0};
    size_t length = strlen(place);
    while (length > 1 && place[length - 1] == '/') length--;
    if (length + 32 > STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", place);
    snprintf(draft->place, sizeof draft->place, "%.*s", (int)length, place);
    split(draft->place, above, &name);
    if (stk_file_exists(draft->place) && !stk_file_is_directory(draft->place))
        return stk_fail(STK_ERR_IO, "%s: is a file; give the name of a new folder", place);
    if (stk_file_exists(draft->place) && !is_empty(draft->place))
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: holds something already; give the name of a new or an empty folder",
                        place);
    STK_TRY(stk_directory_create(above));
    remove_left_behind(above, name);
    char path[STK_PATH_MAX];
    int used = snprintf(path, sizeof path, "%s", draft->place); /* its length was looked at */
    snprintf(path + used, sizeof path - (size_t)used, "%s%ld", part, (long)getpid());
    if (mkdir(path, 0777) != 0)
        return stk_fail(STK_ERR_IO, "%s: cannot be made: %s; choose another folder", place,
                        strerror(errno));
    memcpy(draft->path, path, sizeof path);
    return STK_OK;
}

stk_status stk_draft_path(const stk_draft *draft, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, draft->path, name);
}

stk_status stk_draft_commit(stk_draft *draft) {
    if (rename(draft->path, draft->place) != 0)
        return stk_fail(STK_ERR_IO, "%s: cannot be renamed into place: %s", draft->place,
                        strerror(errno));
    draft->path[0] = '\0';
    return STK_OK;
}

void stk_draft_discard(stk_draft *draft) {
    if (draft->path[0] != '\0') remove_tree(draft->path, 0);
    draft->path[0] = '\0';
}
