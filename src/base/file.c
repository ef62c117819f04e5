/* file.c - temporary name, sync, rename; mappings; small-file helpers.
 *
 *   path --create--> path.part-<pid>-<n>, locked --commit--> path
 *                                `--process killed--> left over: the lock is gone, the next run
 *                                                     that uses the folder removes it
 *
 * Threading: every handle belongs to one thread; any number of handles may be open at once, also on
 * the same path (the last one committed wins).
 */
#include "base/file.h"
#include "base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".part-"
enum { TEMPORARY_ROOM = 48, NAMES_TRIED = 10000 };

struct stk_outfile {
    char path[STK_PATH_MAX];
    char temporary[STK_PATH_MAX + TEMPORARY_ROOM];
    int fd;
};

/* Between its creation and its lock a temporary looks left over: one thread at a time. */
static pthread_mutex_t temporaries = PTHREAD_MUTEX_INITIALIZER;
static unsigned temporaries_made; /* guarded by it: no two temporaries of a process share a name */

/* Replacing is for files: not for folders, nor for devices such as /dev/null. */
static stk_status check_target(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) return STK_OK;
    return stk_fail(STK_ERR_IO, "%s: is a %s and cannot be replaced; give the name of a file", path,
                    S_ISDIR(info.st_mode) ? "folder" : "device or a pipe");
}

/* A new file beside the target, named after this process, with the mode the umask gives, locked for
 * as long as it is open. The lock is what keeps stk_directory_remove_leftovers away from it; where
 * locks are not to be had, the running process does. */
static int create_temporary(stk_outfile *file) {
    pthread_mutex_lock(&temporaries);
    int fd = -1;
    for (int i = 0; i < NAMES_TRIED && fd < 0; i++) {
        snprintf(file->temporary, sizeof file->temporary, "%s" PART "%ld-%u", file->path,
                 (long)getpid(), temporaries_made++);
        fd = open(file->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    int error = errno;
    /* Nobody holds it longer than it takes to see whether it is locked. */
    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) continue;
    pthread_mutex_unlock(&temporaries);
    errno = error;
    return fd;
}

static const char *remedy(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return "make the folder it is to lie in, or give another name";
    case ENOSPC:
    case EDQUOT:
        return "free some space and run again";
    case ENAMETOOLONG:
        return "give a shorter name";
    default:
        return "choose another folder";
    }
}

stk_status stk_outfile_create(stk_outfile **out, const char *path) {
    *out = NULL;
    if (strlen(path) >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", path);
    STK_TRY(check_target(path));
    stk_outfile *file = stk_calloc_aligned(1, sizeof *file);
    if (file == NULL) return stk_fail_memory("output file");
    strcpy(file->path, path);
    file->fd = create_temporary(file);
    if (file->fd < 0) {
        int error = errno;
        stk_free(file);
        return stk_fail(STK_ERR_IO, "%s: cannot be written: %s; %s", path, strerror(error),
                        remedy(error));
    }
    *out = file;
    return STK_OK;
}

stk_status stk_outfile_write(stk_outfile *file, const void *bytes, size_t size) {
    const uint8_t *cursor = bytes;
    while (size > 0) {
        ssize_t n = write(file->fd, cursor, size > (1u << 30) ? (1u << 30) : size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return stk_fail(STK_ERR_IO, "%s: writing failed: %s; free some space and run again",
                            file->path, n < 0 ? strerror(errno) : "no progress");
        cursor += n;
        size -= (size_t)n;
    }
    return STK_OK;
}

const char *stk_outfile_temporary(const stk_outfile *file) {
    return file->temporary;
}

stk_status stk_outfile_commit(stk_outfile **handle) {
    stk_outfile *file = *handle;
    stk_status status = STK_OK;
    if (fsync(file->fd) != 0 && errno != EINVAL && errno != EROFS)
        status = stk_fail(STK_ERR_IO, "%s: writing failed: %s", file->path, strerror(errno));
    if (close(file->fd) != 0 && status == STK_OK)
        status = stk_fail(STK_ERR_IO, "%s: writing failed: %s", file->path, strerror(errno));
    file->fd = -1;
    if (status == STK_OK && rename(file->temporary, file->path) != 0)
        status = stk_fail(STK_ERR_IO, "%s: cannot be replaced: %s", file->path, strerror(errno));
    if (status != STK_OK) unlink(file->temporary);
    stk_free(file);
    *handle = NULL;
    return status;
}

void stk_outfile_discard(stk_outfile **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_outfile *file = *handle;
    if (file->fd >= 0) close(file->fd);
    unlink(file->temporary);
    stk_free(file);
    *handle = NULL;
}

stk_status stk_file_write(const char *path, const void *bytes, size_t size) {
    stk_outfile *file;
    STK_TRY(stk_outfile_create(&file, path));
    stk_status status = stk_outfile_write(file, bytes, size);
    if (status == STK_OK) return stk_outfile_commit(&file);
    stk_outfile_discard(&file);
    return status;
}

/* The process that made "<name>.part-<pid>[-<n>]"; 0 for any other name. */
static long maker_of(const char *name) {
    const char *mark = NULL;
    for (const char *p = name; (p = strstr(p, PART)) != NULL; p++) mark = p;
    if (mark == NULL || mark == name) return 0;
    const char *digits = mark + strlen(PART);
    const char *end = digits + strspn(digits, "0123456789");
    if (end == digits || end - digits > 9) return 0;
    if (*end == '-' && isdigit((unsigned char)end[1])) end += 1 + strspn(end + 1, "0123456789");
    return *end == '\0' ? strtol(digits, NULL, 10) : 0;
}

/* 1 when nobody writes it any more. The number of a process that is gone may be this one's now
 * (always so where a container gives every run the same one): then only the lock tells. */
static int is_left_over(const char *path, long maker, mode_t kind) {
    int own = maker == (long)getpid();
    if (!own && (kill((pid_t)maker, 0) == 0 || errno != ESRCH)) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return 0;
    struct stat info;
    int left = fstat(fd, &info) == 0 && (info.st_mode & S_IFMT) == kind;
    if (left && flock(fd, LOCK_EX | LOCK_NB) != 0) left = !own && errno != EWOULDBLOCK;
    close(fd);
    return left;
}

static int is_locked(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return 0;
    int locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* Removes the temporaries of target ("folder/" stands for all files in it) that are left over.
 * Returns how many others are locked, the own one not counted; 0 without an own one. */
static int sweep(const char *target, mode_t kind, void (*remove)(const char *path),
                 const char *own) {
    const char *slash = strrchr(target, '/'), *name = slash != NULL ? slash + 1 : target;
    const size_t above = (size_t)(name - target), length = strlen(name);
    char path[STK_PATH_MAX];
    int locked = 0;
    if (above + 2 > sizeof path) return 0;
    snprintf(path, sizeof path, "%.*s", above > 0 ? (int)above : 1, above > 0 ? target : ".");
    DIR *directory = opendir(path);
    if (directory == NULL) return 0;
    pthread_mutex_lock(&temporaries);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *found = entry->d_name;
        long maker = maker_of(found);
        if (maker <= 0) continue;
        if (length > 0 &&
            (strncmp(found, name, length) != 0 || strncmp(found + length, PART, strlen(PART)) != 0))
            continue;
        int n = snprintf(path, sizeof path, "%.*s%s", (int)above, target, found);
        if (n < 0 || (size_t)n >= sizeof path) continue;
        if (is_left_over(path, maker, kind))
            remove(path);
        else
            locked += own != NULL && strcmp(path, own) != 0 && is_locked(path);
    }
    pthread_mutex_unlock(&temporaries);
    closedir(directory);
    return locked;
}

static void remove_file(const char *path) {
    unlink(path);
}

void stk_directory_remove_leftovers(const char *folder) {
    char path[STK_PATH_MAX];
    if (stk_path_join(path, sizeof path, folder, "") == STK_OK)
        sweep(path, S_IFREG, remove_file, NULL);
}

int stk_outfile_has_rival(const stk_outfile *file) {
    return sweep(file->path, S_IFREG, remove_file, file->temporary) > 0;
}

/* --- folders made in one piece ---------------------------------------------------------------- */

int stk_directory_lock(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int stk_part_folder_create(const char *target, char path[STK_PATH_MAX], int *lock) {
    int made = 0;
    *lock = -1;
    pthread_mutex_lock(&temporaries);
    for (int i = 0; i < NAMES_TRIED && !made; i++) {
        int n = snprintf(path, STK_PATH_MAX, "%s" PART "%ld-%u", target, (long)getpid(),
                         temporaries_made++);
        if (n < 0 || n >= STK_PATH_MAX) {
            errno = ENAMETOOLONG;
            break;
        }
        made = mkdir(path, 0777) == 0;
        if (!made && errno != EEXIST) break;
    }
    int error = errno;
    if (made) *lock = stk_directory_lock(path);
    pthread_mutex_unlock(&temporaries);
    errno = error;
    return made;
}

void stk_part_folders_remove_leftovers(const char *target, void (*remove)(const char *path)) {
    sweep(target, S_IFDIR, remove, NULL);
}

stk_status stk_map_open(stk_map *map, const char *path) {
    *map = (stk_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return stk_fail(STK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return stk_fail(STK_ERR_IO, "%s: is not a regular file", path);
    }
    map->size = (size_t)info.st_size;
    if (map->size > 0) {
        void *data = mmap(NULL, map->size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            int error = errno;
            close(fd);
            *map = (stk_map){0};
            return stk_fail(STK_ERR_IO, "%s: cannot be mapped: %s", path, strerror(error));
        }
        map->data = data;
    }
    close(fd);
    return STK_OK;
}

void stk_map_close(stk_map *map) {
    if (map == NULL) return;
    if (map->data != NULL) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (stk_map){0};
}

stk_status stk_file_read_text(const char *path, size_t limit, char **text) {
    *text = NULL;
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    if (map.size > limit) {
        stk_map_close(&map);
        return stk_fail(STK_ERR_FORMAT, "%s: is larger than the %zu bytes expected", path, limit);
    }
    char *copy = stk_calloc_aligned(1, map.size + 1);
    if (copy != NULL && map.size > 0) memcpy(copy, map.data, map.size);
    stk_map_close(&map);
    if (copy == NULL) return stk_fail_memory(path);
    *text = copy;
    return STK_OK;
}

int stk_file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

int stk_file_is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int64_t stk_file_size(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

stk_status stk_file_keep_input(const char *output, const char *input) {
    struct stat out, in;
    if (output == NULL || input == NULL || stat(output, &out) != 0 || stat(input, &in) != 0)
        return STK_OK;
    if (out.st_dev != in.st_dev || out.st_ino != in.st_ino || !S_ISREG(in.st_mode)) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "%s and %s are one file, which is read and would be lost; give the output "
                    "another name",
                    output, input);
}

int stk_file_is_same(const char *a, const char *b) {
    struct stat one, other;
    const char *const paths[2] = {a, b};
    const char *names[2];
    char above[2][STK_PATH_MAX];
    if (stat(a, &one) == 0 && stat(b, &other) == 0)
        return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
    for (int i = 0; i < 2; i++) {
        const char *slash = strrchr(paths[i], '/');
        names[i] = slash != NULL ? slash + 1 : paths[i];
        int n =
            snprintf(above[i], STK_PATH_MAX, "%.*s", slash != NULL ? (int)(names[i] - paths[i]) : 1,
                     slash != NULL ? paths[i] : ".");
        if (n < 0 || n >= STK_PATH_MAX) return 0;
    }
    if (strcmp(names[0], names[1]) != 0) return 0;
    if (stat(above[0], &one) != 0 || stat(above[1], &other) != 0) return strcmp(a, b) == 0;
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

stk_status stk_directory_create(const char *path) {
    char partial[STK_PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof partial)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", path);
    for (size_t i = 1; i <= length; i++) {
        if (i < length && path[i] != '/') continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0777) != 0 && errno != EEXIST)
            return stk_fail(STK_ERR_IO, "%s: the folder cannot be created: %s; %s", path,
                            strerror(errno), remedy(errno));
    }
    if (!stk_file_is_directory(path))
        return stk_fail(STK_ERR_IO, "%s: exists and is not a folder", path);
    return STK_OK;
}

stk_status stk_path_join(char *out, size_t size, const char *directory, const char *name) {
    size_t length = strlen(directory);
    const char *slash = length > 0 && directory[length - 1] != '/' ? "/" : "";
    int n = snprintf(out, size, "%s%s%s", directory, slash, name);
    if (n < 0 || (size_t)n >= size)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", directory);
    return STK_OK;
}

void stk_sha256(const void *bytes, size_t size, char text[STK_SHA256_TEXT]) {
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    sha256_digest(&context, sizeof digest, digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

stk_status stk_sha256_file(const char *path, char text[STK_SHA256_TEXT]) {
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    stk_sha256(map.data, map.size, text);
    stk_map_close(&map);
    return STK_OK;
}
