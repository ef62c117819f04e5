/* bundle.c - looks a stored member up in a zip's central directory. See bundle.h.
 *
 * End record (22 bytes + comment): "PK\5\6", +10 u16 entries, +16 u32 directory offset. Directory
 * entry (46 bytes + name + extra + comment): "PK\1\2", +10 u16 method, +20 u32 packed size, +28 u16
 * name length, +30 extra, +32 comment, +42 u32 local header. Local header (30 bytes + name +
 * extra): "PK\3\4", +26 u16 name length, +28 extra; the data follows.
 */
#include "tflite/bundle.h"

#include <string.h>

enum { END_SIZE = 22, ENTRY_SIZE = 46, LOCAL_SIZE = 30, LONGEST_COMMENT = 65535 };

static size_t u16(const uint8_t *p) { return (size_t)p[0] | (size_t)p[1] << 8; }
static size_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

/* 1 when `size` bytes at `at` lie inside. */
static int inside(size_t total, size_t at, size_t size) {
    return size <= total && at <= total - size;
}

static stk_status damaged(const char *label) {
    return stk_fail(STK_ERR_FORMAT, "%s: damaged archive; fetch it again with "
                    "scripts/get-models.sh", label);
}

/* The end record is searched from the back, past a comment of any length. */
static const uint8_t *find_end(const uint8_t *zip, size_t size) {
    if (size < END_SIZE) return NULL;
    size_t first = size - END_SIZE, last = first > LONGEST_COMMENT ? first - LONGEST_COMMENT : 0;
    for (size_t at = first + 1; at-- > last;)
        if (memcmp(zip + at, "PK\5\6", 4) == 0) return zip + at;
    return NULL;
}

/* The data behind a directory entry. */
static stk_status open_entry(const uint8_t *zip, size_t size, const char *label,
                             const uint8_t *entry, const uint8_t **bytes, size_t *count) {
    size_t local = u32(entry + 42);
    *count = u32(entry + 20);
    if (u16(entry + 10) != 0)
        return stk_fail(STK_ERR_FORMAT, "%s: its members are compressed, which is not expected",
                        label);
    if (!inside(size, local, LOCAL_SIZE) || memcmp(zip + local, "PK\3\4", 4) != 0)
        return damaged(label);
    size_t data = local + LOCAL_SIZE + u16(zip + local + 26) + u16(zip + local + 28);
    if (!inside(size, data, *count)) return damaged(label);
    *bytes = zip + data;
    return STK_OK;
}

stk_status stk_bundle_find(const void *archive, size_t size, const char *label, const char *member,
                           const uint8_t **bytes, size_t *count) {
    const uint8_t *zip = archive, *end = find_end(zip, size);
    if (end == NULL) return damaged(label);
    size_t at = u32(end + 16), entries = u16(end + 10), wanted = strlen(member);
    for (size_t i = 0; i < entries; i++) {
        if (!inside(size, at, ENTRY_SIZE) || memcmp(zip + at, "PK\1\2", 4) != 0)
            return damaged(label);
        size_t name = u16(zip + at + 28), tail = u16(zip + at + 30) + u16(zip + at + 32);
        if (!inside(size, at + ENTRY_SIZE, name + tail)) return damaged(label);
        if (name == wanted && memcmp(zip + at + ENTRY_SIZE, member, name) == 0)
            return open_entry(zip, size, label, zip + at, bytes, count);
        at += ENTRY_SIZE + name + tail;
    }
    return stk_fail(STK_ERR_FORMAT, "%s: has no member %s", label, member);
}
