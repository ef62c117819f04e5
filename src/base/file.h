/* file.h - whole files in, whole files out: nothing is ever half-written.
 *
 * An stk_outfile writes to "<path>.part-<pid>-<n>" beside the target; commit flushes, syncs and
 * renames; discard (or freeing it uncommitted) removes the temporary. A mapping is read-only and
 * lives until stk_map_close. Paths are UTF-8 byte strings. Error sentences name the path and the
 * reason.
 */
#ifndef STK_BASE_FILE_H
#define STK_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

enum { STK_PATH_MAX = 4096, STK_SHA256_TEXT = 65 };

typedef struct stk_outfile stk_outfile;

/* STK_ERR_IO when the target exists and is not a regular file (a folder, /dev/null). */
stk_status stk_outfile_create(stk_outfile **file, const char *path);
stk_status stk_outfile_write(stk_outfile *file, const void *bytes, size_t size);
/* The temporary's path, for libraries that open files themselves. */
const char *stk_outfile_temporary(const stk_outfile *file);
/* 1 while another handle, of any process, is open on the same path under the same name (links are
 * not followed; where files cannot be locked, 0). Temporaries of the path whose
 * maker was killed are removed. */
int stk_outfile_has_rival(const stk_outfile *file);
/* fsync + rename; frees the handle whatever the outcome. */
stk_status stk_outfile_commit(stk_outfile **file);
/* Removes the temporary; frees the handle. Takes NULL. */
void stk_outfile_discard(stk_outfile **file);
/* create + write + commit. */
stk_status stk_file_write(const char *path, const void *bytes, size_t size);

typedef struct stk_map {
    const uint8_t *data;
    size_t size;
} stk_map;

/* Maps a whole file read-only; an empty file gives data == NULL and size 0. */
stk_status stk_map_open(stk_map *map, const char *path);
void stk_map_close(stk_map *map);

/* Reads a small file (at most `limit` bytes) as a NUL-terminated string; free with stk_free. */
stk_status stk_file_read_text(const char *path, size_t limit, char **text);
int stk_file_exists(const char *path);
int stk_file_is_directory(const char *path);
int64_t stk_file_size(const char *path); /* -1 when absent */
/* STK_ERR_ARGUMENT when writing `output` would replace `input`: the same regular file, under
 * another name or through links, too. NULLs and files that are absent are fine. */
stk_status stk_file_keep_input(const char *output, const char *input);
/* 1 when both paths name one file, be it there or not. */
int stk_file_is_same(const char *a, const char *b);
/* Creates a directory and its parents; existing is fine. */
stk_status stk_directory_create(const char *path);
/* Removes the temporaries in this very folder ("<name>.part-<pid>[-<n>]") whose maker was killed;
 * those being written, by this process or another, stay. A folder that is absent is fine. */
void stk_directory_remove_leftovers(const char *folder);
/* A descriptor that keeps the folder locked until it is closed; -1 where that cannot be, with errno
 * EWOULDBLOCK while somebody else has it locked. */
int stk_directory_lock(const char *folder);
/* Makes an empty folder beside the target, "<target>.part-<pid>-<n>", that counts as being written
 * as long as the descriptor *lock is open (-1 where folders cannot be locked); errno tells why it
 * is 0 instead of 1. */
int stk_part_folder_create(const char *target, char path[STK_PATH_MAX], int *lock);
/* Calls remove for each folder that stk_part_folder_create made for this target in a process that
 * was killed. */
void stk_part_folders_remove_leftovers(const char *target, void (*remove)(const char *path));
/* "dir/name" into out; STK_ERR_ARGUMENT if it does not fit. */
stk_status stk_path_join(char *out, size_t size, const char *directory, const char *name);

/* SHA-256 as 64 hex digits and a NUL. */
void stk_sha256(const void *bytes, size_t size, char text[STK_SHA256_TEXT]);
stk_status stk_sha256_file(const char *path, char text[STK_SHA256_TEXT]);

#endif
