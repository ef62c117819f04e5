/* labels.c */
#include "subject/labels.h"
#include "base/memory.h"
#include "subject/tables.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    DEFLATE_LEVEL = 4, /* 6 gains 5 % and costs twice the time */
    FIRST_CAPACITY = 1 << 18,
    INFLATE_BYTES = 64 << 10, /* zlib's inflate needs 7 KiB of state and a 32 KiB window */
    SPECK_PIXELS = 3,         /* a row or column with fewer head pixels does not count */
    HEAD_MARGIN = 24,         /* px around all head pixels of the clip */
};

/* --- packing ---------------------------------------------------------------------------------- */

static stk_status reserve_bytes(stk_label_pack *pack, size_t more) {
    if (pack->capacity - pack->used >= more) return STK_OK;
    size_t capacity = pack->capacity > 0 ? pack->capacity : FIRST_CAPACITY;
    while (capacity - pack->used < more) capacity *= 2;
    uint8_t *bytes = realloc(pack->bytes, capacity);
    if (bytes == NULL) return stk_fail_memory("label maps");
    pack->bytes = bytes;
    pack->capacity = capacity;
    return STK_OK;
}

static stk_status reserve_frame(stk_label_pack *pack) {
    if (pack->frames < pack->frame_capacity) return STK_OK;
    int capacity = pack->frame_capacity > 0 ? 2 * pack->frame_capacity : 128;
    int64_t *sizes = realloc(pack->sizes, (size_t)capacity * sizeof *sizes);
    if (sizes == NULL) return stk_fail_memory("label maps");
    pack->sizes = sizes;
    pack->frame_capacity = capacity;
    return STK_OK;
}

stk_status stk_label_pack_add(stk_label_pack *pack, const stk_image *labels) {
    z_stream stream = {0};
    STK_TRY(reserve_frame(pack));
    if (deflateInit(&stream, DEFLATE_LEVEL) != Z_OK) return stk_fail_memory("label maps");
    uLong pixels = (uLong)labels->width * (uLong)labels->height;
    stk_status status = reserve_bytes(pack, deflateBound(&stream, pixels));
    if (status == STK_OK) {
        stream.next_out = pack->bytes + pack->used;
        stream.avail_out = (uInt)(pack->capacity - pack->used);
        int code = Z_OK;
        for (int y = 0; code == Z_OK && y < labels->height; y++) {
            stream.next_in = stk_image_row(labels, y);
            stream.avail_in = (uInt)labels->width;
            code = deflate(&stream, y == labels->height - 1 ? Z_FINISH : Z_NO_FLUSH);
        }
        if (code != Z_STREAM_END) status = stk_fail_memory("label maps");
    }
    int64_t size = (int64_t)stream.total_out;
    deflateEnd(&stream);
    if (status != STK_OK) return status;
    pack->sizes[pack->frames++] = size;
    pack->used += (size_t)size;
    return STK_OK;
}

void stk_label_pack_clear(stk_label_pack *pack) {
    free(pack->bytes);
    free(pack->sizes);
    *pack = (stk_label_pack){0};
}

static stk_status write_packs(stk_safetensors_writer *writer, const stk_label_pack *packs,
                              int count, const int64_t *index, int64_t frames) {
    const int64_t shape_index[1] = {frames + 1}, shape_bytes[1] = {index[frames]};
    STK_TRY(stk_safetensors_writer_metadata(writer, "encoding", "zlib, one stream a frame"));
    STK_TRY(stk_safetensors_writer_declare(writer, "index", STK_I64, 1, shape_index));
    STK_TRY(stk_safetensors_writer_declare(writer, "deflated", STK_U8, 1, shape_bytes));
    STK_TRY(stk_safetensors_writer_data(writer, index, (size_t)(frames + 1) * sizeof *index));
    for (int p = 0; p < count; p++)
        STK_TRY(stk_safetensors_writer_data(writer, packs[p].bytes, packs[p].used));
    return STK_OK;
}

stk_status stk_labels_write(const char *path, const stk_label_pack *packs, int count) {
    int64_t frames = 0, row = 0;
    for (int p = 0; p < count; p++) frames += packs[p].frames;
    int64_t *index = stk_calloc_aligned((size_t)frames + 1, sizeof *index);
    if (index == NULL) return stk_fail_memory("label index");
    for (int p = 0; p < count; p++)
        for (int i = 0; i < packs[p].frames; i++, row++)
            index[row + 1] = index[row] + packs[p].sizes[i];
    stk_safetensors_writer *writer;
    stk_status status = stk_safetensors_writer_create(&writer, path);
    if (status == STK_OK) {
        status = write_packs(writer, packs, count, index, frames);
        if (status == STK_OK)
            status = stk_safetensors_writer_finish(&writer);
        else
            stk_safetensors_writer_discard(&writer);
    }
    stk_free(index);
    return status;
}

/* --- unpacking -------------------------------------------------------------------------------- */

/* zlib's allocations come from a block on the caller's stack: no malloc per frame, no sharing. */
typedef struct carver {
    uint8_t *block;
    size_t used;
} carver;

static voidpf carve(voidpf opaque, uInt items, uInt size) {
    carver *c = opaque;
    size_t bytes = ((size_t)items * size + 15) & ~(size_t)15;
    if (bytes > INFLATE_BYTES - c->used) return Z_NULL;
    void *piece = c->block + c->used;
    c->used += bytes;
    return piece;
}

static void carve_free(voidpf opaque, voidpf block) {
    (void)opaque, (void)block;
}

static int inflate_rows(z_stream *stream, stk_image *labels) {
    for (int y = 0; y < labels->height; y++) {
        stream->next_out = stk_image_row(labels, y);
        stream->avail_out = (uInt)labels->width;
        int code = inflate(stream, Z_SYNC_FLUSH);
        if (stream->avail_out != 0 || (code != Z_OK && code != Z_STREAM_END)) return -1;
    }
    return 0;
}

static int labels_valid(const stk_image *labels) {
    uint8_t seen = 0;
    for (int y = 0; y < labels->height; y++) {
        const uint8_t *row = stk_image_row(labels, y);
        for (int x = 0; x < labels->width; x++) seen |= row[x];
    }
    return seen <= STK_LABEL_TORSO;
}

stk_status stk_label_unpack(const uint8_t *bytes, size_t size, const char *what, int frame,
                            stk_image *labels) {
    STK_ALIGNED(16) uint8_t block[INFLATE_BYTES];
    carver memory = {block, 0};
    z_stream stream = {.zalloc = carve, .zfree = carve_free, .opaque = &memory};
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size;
    int wrong = inflateInit(&stream) != Z_OK;
    if (!wrong) wrong = inflate_rows(&stream, labels) != 0;
    inflateEnd(&stream);
    if (wrong || !labels_valid(labels))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: the label map of frame %d is damaged; prepare the subject again", what,
                        frame);
    return STK_OK;
}

/* --- the file --------------------------------------------------------------------------------- */

stk_status stk_label_file_open(stk_label_file *labels, const char *folder, int frames) {
    const stk_table index = {"index", STK_I64, 1, {frames + 1}, NULL};
    const void *data;
    *labels = (stk_label_file){0};
    const char *path = labels->path;
    STK_TRY(stk_path_join(labels->path, sizeof labels->path, folder, "labels.safetensors"));
    STK_TRY(stk_safetensors_open(&labels->file, path));
    stk_status status = stk_table_view(labels->file, path, &index, &data, &labels->owned);
    const stk_tensor_info *bytes = stk_safetensors_find(labels->file, "deflated");
    if (status == STK_OK && bytes == NULL)
        status = stk_fail(STK_ERR_FORMAT, "%s: is damaged; delete it and run again", path);
    if (status != STK_OK) {
        stk_label_file_close(labels);
        return status;
    }
    labels->index = data;
    labels->bytes = bytes->data;
    return STK_OK;
}

void stk_label_file_close(stk_label_file *labels) {
    stk_safetensors_close(&labels->file);
    stk_free(labels->owned);
    *labels = (stk_label_file){0};
}

stk_status stk_label_file_read(const stk_label_file *labels, int frame, stk_image *map) {
    return stk_label_unpack(labels->bytes + labels->index[frame],
                            (size_t)(labels->index[frame + 1] - labels->index[frame]), labels->path,
                            frame, map);
}

/* --- head rectangle --------------------------------------------------------------------------- */

/* First and last index whose count reaches SPECK_PIXELS; 0 when there is none. */
static int extent(const int *counts, int n, int *first, int *last) {
    *first = 0, *last = -1;
    for (int i = 0; i < n; i++) {
        if (counts[i] < SPECK_PIXELS) continue;
        if (*last < 0) *first = i;
        *last = i;
    }
    return *last >= 0;
}

stk_rect stk_labels_head_rect(const stk_image *labels, int *columns) {
    int x_first, x_last, y_first = -1, y_last = -1;
    memset(columns, 0, (size_t)labels->width * sizeof *columns);
    for (int y = 0; y < labels->height; y++) {
        const uint8_t *row = stk_image_row(labels, y);
        int count = 0;
        for (int x = 0; x < labels->width; x++) {
            int head = row[x] == STK_LABEL_HEAD;
            columns[x] += head;
            count += head;
        }
        if (count < SPECK_PIXELS) continue;
        if (y_first < 0) y_first = y;
        y_last = y;
    }
    if (y_first < 0 || !extent(columns, labels->width, &x_first, &x_last)) return (stk_rect){0};
    return (stk_rect){x_first, y_first, x_last + 1, y_last + 1};
}

stk_rect stk_rect_union(stk_rect a, stk_rect b) {
    if (a.x1 <= a.x0) return b;
    if (b.x1 <= b.x0) return a;
    return (stk_rect){a.x0 < b.x0 ? a.x0 : b.x0, a.y0 < b.y0 ? a.y0 : b.y0,
                      a.x1 > b.x1 ? a.x1 : b.x1, a.y1 > b.y1 ? a.y1 : b.y1};
}

stk_rect stk_head_rect_roomy(stk_rect r, int width, int height) {
    return (stk_rect){stk_clampi(r.x0 - HEAD_MARGIN, 0, width) & ~1,
                      stk_clampi(r.y0 - HEAD_MARGIN, 0, height) & ~1,
                      (stk_clampi(r.x1 + HEAD_MARGIN, 0, width) + 1) & ~1,
                      (stk_clampi(r.y1 + HEAD_MARGIN, 0, height) + 1) & ~1};
}
