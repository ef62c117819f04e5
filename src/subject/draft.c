/* draft.c */
#include "subject/draft.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 4,  /* no draft is deeper */
    NAME_ROOM = 48, /* for what is put behind the name of a draft */
};

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

static void folder_above(const char *path, char above[STK_PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    while (slash != NULL && slash > path && slash[-1] == '/') slash--;
    if (slash == NULL)
        snprintf(above, STK_PATH_MAX, ".");
    else
        snprintf(above, STK_PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static void remove_draft(const char *path) {
    remove_tree(path, 0);
}

static int is_empty(const char *folder) {
    int entries = 0;
    DIR *directory = opendir(folder);
    if (directory == NULL) return 0;
    while (readdir(directory) != NULL) entries++;
    closedir(directory);
    return entries <= 2;
}

/* Without slashes at its end; they would lead through a link. */
static stk_status trim(const char *place, char trimmed[STK_PATH_MAX]) {
    size_t length = strlen(place);
    while (length > 1 && place[length - 1] == '/') length--;
    if (length + NAME_ROOM > STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", place);
    snprintf(trimmed, STK_PATH_MAX, "%.*s", (int)length, place);
    return STK_OK;
}

stk_status stk_place_check(const char *place) {
    struct stat info;
    char path[STK_PATH_MAX];
    STK_TRY(trim(place, path));
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || name[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: is no name of its own; give the name of a new folder, such as "
                        "%s%sNAME",
                        path, path, name[0] == '\0' ? "" : "/");
    if (lstat(path, &info) != 0) return STK_OK;
    if (S_ISLNK(info.st_mode))
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: is a link; give the name of a new folder, or the one it leads to",
                        path);
    if (!S_ISDIR(info.st_mode))
        return stk_fail(STK_ERR_IO, "%s: is a file; give the name of a new folder", path);
    return STK_OK;
}

/* What rename would refuse, or what it would pull from under the caller's feet. */
static stk_status check_replaceable(const char *place) {
    struct stat info, here;
    STK_TRY(stk_place_check(place));
    if (stat(place, &info) != 0) return STK_OK;
    if (!is_empty(place))
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: holds something already; give the name of a new or an empty folder",
                        place);
    if (stat(".", &here) == 0 && here.st_dev == info.st_dev && here.st_ino == info.st_ino)
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: is the folder this runs in and would be replaced; give the name of a "
                        "new folder, such as %s/NAME",
                        place, place);
    return STK_OK;
}

/* Bytes of the longest part of a path that names a folder that is there. */
static size_t existing_part(const char *path) {
    char part[STK_PATH_MAX];
    size_t length = strlen(path);
    snprintf(part, sizeof part, "%s", path);
    while (length > 0 && !stk_file_exists(part)) {
        while (length > 0 && part[length - 1] != '/') length--;
        while (length > 0 && part[length - 1] == '/') length--;
        part[length] = '\0';
    }
    return length;
}

/* Removes the folders above that were made for the draft, as long as they are empty. */
static void remove_above(const stk_draft *draft) {
    char above[STK_PATH_MAX];
    folder_above(draft->place, above);
    for (size_t length = strlen(above); length > draft->kept;) {
        above[length] = '\0';
        if (rmdir(above) != 0) return;
        while (length > draft->kept && above[length - 1] != '/') length--;
        while (length > draft->kept && above[length - 1] == '/') length--;
    }
}

static stk_status make(stk_draft *draft, const char *above) {
    struct stat info, inner;
    STK_TRY(stk_directory_create(above));
    if (stat(above, &info) == 0 && stat(draft->place, &inner) == 0 && info.st_dev != inner.st_dev)
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: is where another file system begins; give the name of a new folder "
                        "in it, such as %s/NAME",
                        draft->place, draft->place);
    stk_part_folders_remove_leftovers(draft->place, remove_draft);
    if (stk_part_folder_create(draft->place, draft->path, &draft->lock)) return STK_OK;
    draft->path[0] = '\0';
    return stk_fail(STK_ERR_IO, "%s: cannot be made: %s; choose another folder", draft->place,
                    strerror(errno));
}

stk_status stk_draft_create(stk_draft *draft, const char *place) {
    char above[STK_PATH_MAX];
    *draft = (stk_draft){.lock = -1};
    STK_TRY(trim(place, draft->place));
    STK_TRY(check_replaceable(draft->place));
    folder_above(draft->place, above);
    draft->kept = existing_part(above);
    stk_status status = make(draft, above);
    if (status != STK_OK) remove_above(draft);
    return status;
}

stk_status stk_draft_path(const stk_draft *draft, const char *name, char path[STK_PATH_MAX]) {
    return stk_path_join(path, STK_PATH_MAX, draft->path, name);
}

static void unlock(stk_draft *draft) {
    if (draft->lock >= 0) close(draft->lock);
    draft->lock = -1;
}

stk_status stk_draft_commit(stk_draft *draft) {
    if (rename(draft->path, draft->place) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
            return stk_fail(STK_ERR_IO,
                            "%s: was made by another program meanwhile; use that one, or run again "
                            "with the name of a new folder",
                            draft->place);
        return stk_fail(STK_ERR_IO,
                        "%s: cannot be renamed into place: %s; run again with the name of a new "
                        "folder",
                        draft->place, strerror(errno));
    }
    draft->path[0] = '\0';
    unlock(draft);
    return STK_OK;
}

void stk_draft_discard(stk_draft *draft) {
    if (draft->path[0] == '\0') return;
    remove_tree(draft->path, 0);
    draft->path[0] = '\0';
    unlock(draft);
    remove_above(draft);
}
