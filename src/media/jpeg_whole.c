/* jpeg_whole.c - is all of a JPEG there?
 *
 *   markers in turn up to the end of image; of sequential Huffman scans every code is followed:
 *   each must exist, and the codes of all blocks must end where the scan's bytes end
 *
 * libavcodec reports codes that do not exist and bytes that are missing, but nothing when a changed
 * byte makes it finish early: the rest of the picture is then shifted. Progressive and arithmetic
 * scans are left to it. Bytes behind the end of image (previews, films of phones) are allowed, as
 * is padding by one repeated byte at the end of a scan.
 */
#include "media/input.h"

#include <string.h>

enum { COMPONENTS_MAX = 4, TABLES = 4, LENGTHS = 16, VALUES_MAX = 256, SLACK_BYTES = 2 };

typedef struct codes {
    uint8_t counts[LENGTHS]; /* of 1 to 16 bits */
    uint8_t values[VALUES_MAX];
} codes;

typedef struct component {
    int id, across, down; /* blocks in an interleaved unit */
    const codes *dc, *ac; /* in the scan that is read */
} component;

typedef struct jpeg {
    const uint8_t *at, *end;
    codes tables[2][TABLES]; /* DC, AC */
    component components[COMPONENTS_MAX];
    int count, across_max, down_max, width, height;
    int followed;   /* a sequential Huffman frame was declared */
    int interval;   /* units from one restart to the next, 0: none */
    int bits, left; /* of the byte that is read */
    int failed;
} jpeg;

static int be16(const uint8_t *at) {
    return at[0] << 8 | at[1];
}

/* --- codes ------------------------------------------------------------------------------------ */

static int next_bit(jpeg *j) {
    if (j->left == 0) {
        if (j->failed || j->end - j->at < 2 || (j->at[0] == 0xFF && j->at[1] != 0)) {
            j->failed = 1; /* a marker comes too early */
            return 0;
        }
        j->bits = j->at[0];
        j->left = 8;
        j->at += j->at[0] == 0xFF ? 2 : 1;
    }
    return j->bits >> --j->left & 1;
}

static int next_symbol(jpeg *j, const codes *table) {
    int code = 0, first = 0, index = 0;
    for (int i = 0; i < LENGTHS; i++) {
        code |= next_bit(j);
        if (code - first < table->counts[i]) return table->values[index + code - first];
        index += table->counts[i];
        first = (first + table->counts[i]) << 1;
        code <<= 1;
    }
    j->failed = 1;
    return 0;
}

static void skip_bits(jpeg *j, int count) {
    while (count-- > 0) (void)next_bit(j);
}

static void follow_block(jpeg *j, const component *c) {
    skip_bits(j, next_symbol(j, c->dc) & 31);
    for (int k = 1; k < 64 && !j->failed; k++) {
        const int symbol = next_symbol(j, c->ac), zeros = symbol >> 4, size = symbol & 15;
        if (size == 0 && zeros != 15) return;
        k += zeros;
        if (size > 0 && k > 63) j->failed = 1;
        skip_bits(j, size);
    }
}

/* To the marker behind the codes; few bytes, or one byte again and again, may lie between. */
static void expect_marker(jpeg *j) {
    const uint8_t *from = j->at;
    int same = 1;
    j->left = 0;
    while (j->end - j->at >= 2 && (j->at[0] != 0xFF || j->at[1] == 0)) {
        same &= j->at[0] == from[0];
        j->at++;
    }
    if (!same && j->at - from > SLACK_BYTES) j->failed = 1;
    while (j->end - j->at >= 2 && j->at[0] == 0xFF && j->at[1] == 0xFF) j->at++;
}

/* --- one scan --------------------------------------------------------------------------------- */

static int divided_up(int a, int b) {
    return (a + b - 1) / b;
}

/* Units of a scan: blocks of the one component, or squares that hold blocks of all. */
static int64_t units_of(const jpeg *j, component *const *in, int count) {
    if (count > 1)
        return (int64_t)divided_up(j->width, 8 * j->across_max) *
               divided_up(j->height, 8 * j->down_max);
    return (int64_t)divided_up(divided_up(j->width * in[0]->across, j->across_max), 8) *
           divided_up(divided_up(j->height * in[0]->down, j->down_max), 8);
}

static void follow_scan(jpeg *j, component *const *in, int count) {
    const int64_t units = units_of(j, in, count);
    for (int64_t u = 0; u < units && !j->failed; u++) {
        if (u > 0 && j->interval > 0 && u % j->interval == 0) {
            expect_marker(j);
            if (j->end - j->at < 2 || j->at[1] < 0xD0 || j->at[1] > 0xD7) j->failed = 1;
            if (!j->failed) j->at += 2;
        }
        for (int c = 0; c < count; c++) {
            const int blocks = count > 1 ? in[c]->across * in[c]->down : 1;
            for (int b = 0; b < blocks && !j->failed; b++) follow_block(j, in[c]);
        }
    }
    if (!j->failed) expect_marker(j);
}

/* p: the segment behind its length; at is behind the segment. */
static void read_scan(jpeg *j, const uint8_t *p, int size) {
    component *in[COMPONENTS_MAX];
    const int count = size > 0 ? p[0] : 0;
    if (count < 1 || count > j->count || size < 1 + 2 * count) {
        j->failed = 1;
        return;
    }
    for (int i = 0; i < count && !j->failed; i++) {
        const int id = p[1 + 2 * i], tables = p[2 + 2 * i];
        int k = 0;
        while (k < j->count && j->components[k].id != id) k++;
        if (k == j->count || (tables & 15) >= TABLES || tables >> 4 >= TABLES) {
            j->failed = 1;
            return;
        }
        in[i] = &j->components[k];
        in[i]->dc = &j->tables[0][tables >> 4];
        in[i]->ac = &j->tables[1][tables & 15];
    }
    follow_scan(j, in, count);
}

/* --- segments --------------------------------------------------------------------------------- */

static void read_tables(jpeg *j, const uint8_t *p, int size) {
    while (size >= 1 + LENGTHS && !j->failed) {
        int total = 0;
        for (int i = 0; i < LENGTHS; i++) total += p[1 + i];
        if ((p[0] & 15) >= TABLES || p[0] >> 4 > 1 || total > VALUES_MAX ||
            1 + LENGTHS + total > size) {
            j->failed = 1;
            return;
        }
        codes *table = &j->tables[p[0] >> 4][p[0] & 15];
        memcpy(table->counts, p + 1, LENGTHS);
        memcpy(table->values, p + 1 + LENGTHS, (size_t)total);
        p += 1 + LENGTHS + total;
        size -= 1 + LENGTHS + total;
    }
}

static void read_frame(jpeg *j, const uint8_t *p, int size, int sequential) {
    if (size < 6 || p[5] < 1 || p[5] > COMPONENTS_MAX || size < 6 + 3 * p[5]) {
        j->failed = 1;
        return;
    }
    j->height = be16(p + 1), j->width = be16(p + 3), j->count = p[5];
    j->across_max = j->down_max = 1;
    for (int i = 0; i < j->count; i++) {
        const uint8_t *c = p + 6 + 3 * i;
        j->components[i] = (component){.id = c[0], .across = c[1] >> 4, .down = c[1] & 15};
        if (c[1] >> 4 < 1 || c[1] >> 4 > 4 || (c[1] & 15) < 1 || (c[1] & 15) > 4) j->failed = 1;
        if (c[1] >> 4 > j->across_max) j->across_max = c[1] >> 4;
        if ((c[1] & 15) > j->down_max) j->down_max = c[1] & 15;
    }
    j->followed = sequential && j->width > 0 && j->height > 0; /* 0: told behind the scan */
}

static void read_segment(jpeg *j, int kind, const uint8_t *p, int size) {
    if (kind == 0xC4)
        read_tables(j, p, size);
    else if (kind >= 0xC0 && kind <= 0xCF && kind != 0xC8 && kind != 0xCC)
        read_frame(j, p, size, kind <= 0xC1);
    else if (kind == 0xDD && size >= 2)
        j->interval = be16(p);
    else if (kind == 0xDA && j->followed)
        read_scan(j, p, size);
}

int stk_jpeg_is_whole(const uint8_t *bytes, size_t size) {
    jpeg j = {.at = bytes + 2, .end = bytes + size};
    while (!j.failed && j.end - j.at >= 2) {
        const int kind = j.at[0] == 0xFF ? j.at[1] : -1;
        if (kind == 0xD9) return 1;
        if (kind < 0 || kind == 0xFF) { /* coded pixels, or fill before a marker */
            j.at++;
        } else if (kind == 0 || kind == 1 || (kind >= 0xD0 && kind <= 0xD8)) {
            j.at += 2;
        } else {
            const int length = j.end - j.at >= 4 ? be16(j.at + 2) : 0;
            if (length < 2 || length > j.end - j.at - 2) return 0;
            const uint8_t *segment = j.at + 4;
            j.at += 2 + length;
            read_segment(&j, kind, segment, length - 2);
        }
    }
    return 0;
}
