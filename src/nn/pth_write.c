/* pth_write.c - the pickle as bytes, the archive by libzip, both in memory until the end. */
#include "nn/pth_write.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#define FOLDER "archive"
enum {
    ALIGNMENT = 64,      /* of every entry's data, as torch has it: files can be mapped */
    PADDING_ID = 0x4246, /* "FB": the extra field that torch pads with */
    LOCAL_HEADER = 30,
    EXTRA_HEADER = 4,
    DOS_EPOCH = 1 << 5 | 1, /* 1980-01-01 */
    NAME = 48,
    PIECE = 1 << 20,
    DEPTH_MAX = 8,
    RANK_MAX = 8,
};

typedef struct storage {
    const void *data;
    size_t bytes;
} storage;

struct stk_pth_writer {
    stk_outfile *file;
    char *path;
    uint8_t *pickle;
    size_t size, capacity;
    storage *storages;
    int count, storage_capacity;
    int depth;       /* dictionaries that are open, the root included */
    uint64_t offset; /* where the next entry of the archive begins */
};

/* --- pickle ----------------------------------------------------------------------------------- */

static stk_status put(stk_pth_writer *w, const void *bytes, size_t size) {
    if (w->capacity - w->size < size) {
        size_t capacity = 2 * w->capacity + size + 4096;
        uint8_t *pickle = realloc(w->pickle, capacity);
        if (pickle == NULL) return stk_fail_memory(w->path);
        w->pickle = pickle;
        w->capacity = capacity;
    }
    memcpy(w->pickle + w->size, bytes, size);
    w->size += size;
    return STK_OK;
}

/* Opcodes without argument and GLOBALs, which are text. */
static stk_status put_codes(stk_pth_writer *w, const char *codes) {
    return put(w, codes, strlen(codes));
}

static stk_status put_text(stk_pth_writer *w, const char *text) {
    uint32_t length = (uint32_t)strlen(text);
    STK_TRY(put(w, "X", 1));
    STK_TRY(put(w, &length, sizeof length));
    return put(w, text, length);
}

/* BININT up to 32 bits, else LONG1 of 8 bytes. */
static stk_status put_int(stk_pth_writer *w, int64_t value) {
    int32_t low = (int32_t)value;
    if (low == value) {
        STK_TRY(put(w, "J", 1));
        return put(w, &low, sizeof low);
    }
    STK_TRY(put(w, "\x8a\x08", 2));
    return put(w, &value, sizeof value);
}

static stk_status put_tuple(stk_pth_writer *w, int n, const int64_t *values) {
    STK_TRY(put_codes(w, "("));
    for (int i = 0; i < n; i++) STK_TRY(put_int(w, values[i]));
    return put_codes(w, "t");
}

stk_status stk_pth_writer_int(stk_pth_writer *w, const char *key, int64_t value) {
    STK_TRY(put_text(w, key));
    return put_int(w, value);
}

stk_status stk_pth_writer_real(stk_pth_writer *w, const char *key, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = __builtin_bswap64(bits); /* big-endian, as the only number here */
    STK_TRY(put_text(w, key));
    STK_TRY(put(w, "G", 1));
    return put(w, &bits, sizeof bits);
}

stk_status stk_pth_writer_text(stk_pth_writer *w, const char *key, const char *value) {
    STK_TRY(put_text(w, key));
    return put_text(w, value);
}

stk_status stk_pth_writer_none(stk_pth_writer *w, const char *key) {
    STK_TRY(put_text(w, key));
    return put_codes(w, "N");
}

stk_status stk_pth_writer_empty_list(stk_pth_writer *w, const char *key) {
    STK_TRY(put_text(w, key));
    return put_codes(w, "]");
}

stk_status stk_pth_writer_open(stk_pth_writer *w, const char *key, int ordered) {
    if (w->depth == DEPTH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "%s: dictionary %s is nested too deeply", w->path, key);
    w->depth++;
    STK_TRY(put_text(w, key));
    return put_codes(w, ordered ? "ccollections\nOrderedDict\n)R(" : "}(");
}

stk_status stk_pth_writer_close(stk_pth_writer *w) {
    if (w->depth < 2) return stk_fail(STK_ERR_ARGUMENT, "%s: no dictionary is open", w->path);
    w->depth--;
    return put_codes(w, "u");
}

/* --- tensors ---------------------------------------------------------------------------------- */

static stk_status add_storage(stk_pth_writer *w, const void *data, size_t bytes) {
    if (w->count == w->storage_capacity) {
        int capacity = 2 * w->storage_capacity + 64;
        storage *list = realloc(w->storages, (size_t)capacity * sizeof *list);
        if (list == NULL) return stk_fail_memory(w->path);
        w->storages = list;
        w->storage_capacity = capacity;
    }
    w->storages[w->count++] = (storage){data, bytes};
    return STK_OK;
}

/* The persistent id ('storage', class, key, 'cpu', elements), then BINPERSID. */
static stk_status put_storage(stk_pth_writer *w, const char *class, int64_t elements) {
    char key[16], global[64];
    snprintf(key, sizeof key, "%d", w->count - 1);
    snprintf(global, sizeof global, "ctorch\n%s\n", class);
    STK_TRY(put_codes(w, "("));
    STK_TRY(put_text(w, "storage"));
    STK_TRY(put_codes(w, global));
    STK_TRY(put_text(w, key));
    STK_TRY(put_text(w, "cpu"));
    STK_TRY(put_int(w, elements));
    return put_codes(w, "tQ");
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks) */
stk_status stk_pth_writer_tensor(stk_pth_writer *w, const char *key, stk_dtype dtype, int rank,
                                 const int64_t *shape, const void *data) {
    static const char *const CLASSES[STK_DTYPES] = {
        [STK_F64] = "DoubleStorage",    [STK_F32] = "FloatStorage", [STK_F16] = "HalfStorage",
        [STK_BF16] = "BFloat16Storage", [STK_I64] = "LongStorage",  [STK_I32] = "IntStorage",
        [STK_I16] = "ShortStorage",     [STK_U8] = "ByteStorage",   [STK_I8] = "CharStorage",
        [STK_BOOL] = "BoolStorage"};
    int64_t elements = 1, stride[RANK_MAX];
    int possible =
        dtype >= 0 && dtype < STK_DTYPES && CLASSES[dtype] != NULL && rank >= 0 && rank <= RANK_MAX;
    for (int i = rank - 1; possible && i >= 0; i--) {
        stride[i] = elements > 0 ? elements : 1;
        possible = shape[i] >= 0 && !__builtin_mul_overflow(elements, shape[i], &elements) &&
                   elements <= INT32_MAX;
    }
    if (!possible)
        return stk_fail(STK_ERR_ARGUMENT, "%s: tensor %s cannot be written", w->path, key);
    STK_TRY(add_storage(w, data, (size_t)elements * stk_dtype_size(dtype)));
    STK_TRY(put_text(w, key));
    STK_TRY(put_codes(w, "ctorch._utils\n_rebuild_tensor_v2\n("));
    STK_TRY(put_storage(w, CLASSES[dtype], elements));
    STK_TRY(put_int(w, 0));
    STK_TRY(put_tuple(w, rank, shape));
    STK_TRY(put_tuple(w, rank, stride));
    return put_codes(w, "\x89"
                        "ccollections\nOrderedDict\n)RtR");
}

/* --- archive ---------------------------------------------------------------------------------- */

static stk_status refuse_zip(const stk_pth_writer *w, const char *reason) {
    return stk_fail(STK_ERR_IO, "%s: the archive cannot be made: %s", w->path, reason);
}

/* Adds a stored entry whose data begin at a multiple of ALIGNMENT: libzip writes the local headers
 * in this order, each with its name and this one extra field. */
static stk_status add_entry(stk_pth_writer *w, zip_t *zip, const char *name, const void *data,
                            size_t bytes) {
    static const uint8_t zeros[ALIGNMENT];
    uint64_t fixed = w->offset + LOCAL_HEADER + strlen(name) + EXTRA_HEADER;
    uint64_t padding = (ALIGNMENT - fixed % ALIGNMENT) % ALIGNMENT;
    zip_source_t *source = zip_source_buffer(zip, data, bytes, 0);
    zip_int64_t index = source != NULL ? zip_file_add(zip, name, source, 0) : -1;
    if (index < 0) {
        if (source != NULL) zip_source_free(source);
        return refuse_zip(w, zip_strerror(zip));
    }
    zip_uint64_t at = (zip_uint64_t)index;
    if (zip_set_file_compression(zip, at, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, at, 0, DOS_EPOCH, 0) != 0 ||
        zip_file_extra_field_set(zip, at, PADDING_ID, ZIP_EXTRA_FIELD_NEW, zeros,
                                 (zip_uint16_t)padding, ZIP_FL_LOCAL) != 0)
        return refuse_zip(w, zip_strerror(zip));
    w->offset = fixed + padding + bytes;
    return STK_OK;
}

static stk_status add_entries(stk_pth_writer *w, zip_t *zip) {
    static const uint8_t nothing[1];
    STK_TRY(add_entry(w, zip, FOLDER "/data.pkl", w->pickle, w->size));
    for (int i = 0; i < w->count; i++) {
        char name[NAME];
        const storage *s = &w->storages[i];
        snprintf(name, sizeof name, FOLDER "/data/%d", i);
        STK_TRY(add_entry(w, zip, name, s->bytes > 0 ? s->data : nothing, s->bytes));
    }
    return add_entry(w, zip, FOLDER "/version", "3\n", 2);
}

static stk_status copy_out(stk_pth_writer *w, zip_source_t *archive) {
    uint8_t *piece = stk_calloc_aligned(1, PIECE);
    if (piece == NULL) return stk_fail_memory(w->path);
    stk_status status = STK_OK;
    zip_int64_t n = -1;
    if (zip_source_open(archive) == 0) {
        while (status == STK_OK && (n = zip_source_read(archive, piece, PIECE)) > 0)
            status = stk_outfile_write(w->file, piece, (size_t)n);
        zip_source_close(archive);
    }
    if (status == STK_OK && n < 0) status = refuse_zip(w, "it cannot be read back");
    stk_free(piece);
    return status;
}

static stk_status write_archive(stk_pth_writer *w) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *archive = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *zip = archive != NULL ? zip_open_from_source(archive, ZIP_TRUNCATE, &error) : NULL;
    stk_status status = zip != NULL ? STK_OK : refuse_zip(w, zip_error_strerror(&error));
    if (zip == NULL) {
        zip_source_free(archive);
        zip_error_fini(&error);
        return status;
    }
    zip_source_keep(archive); /* closing the archive gives up one reference */
    status = add_entries(w, zip);
    if (status == STK_OK && zip_close(zip) != 0)
        status = refuse_zip(w, zip_strerror(zip));
    else if (status == STK_OK)
        zip = NULL;
    if (zip != NULL) zip_discard(zip);
    if (status == STK_OK) status = copy_out(w, archive);
    zip_source_free(archive);
    zip_error_fini(&error);
    return status;
}

/* --- the handle ------------------------------------------------------------------------------- */

stk_status stk_pth_writer_create(stk_pth_writer **out, const char *path) {
    *out = NULL;
    stk_pth_writer *w = stk_calloc_aligned(1, sizeof *w);
    if (w == NULL) return stk_fail_memory(path);
    w->path = strdup(path);
    w->depth = 1;
    stk_status status = w->path != NULL ? STK_OK : stk_fail_memory(path);
    if (status == STK_OK) status = stk_outfile_create(&w->file, path);
    if (status == STK_OK) status = put_codes(w, "\x80\x02}(");
    if (status != STK_OK)
        stk_pth_writer_discard(&w);
    else
        *out = w;
    return status;
}

void stk_pth_writer_discard(stk_pth_writer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_pth_writer *w = *handle;
    stk_outfile_discard(&w->file);
    free(w->pickle);
    free(w->storages);
    free(w->path);
    stk_free(w);
    *handle = NULL;
}

stk_status stk_pth_writer_finish(stk_pth_writer **handle) {
    stk_pth_writer *w = *handle;
    stk_status status = STK_OK;
    if (w->depth != 1)
        status = stk_fail(STK_ERR_ARGUMENT, "%s: a dictionary was left open", w->path);
    if (status == STK_OK) status = put_codes(w, "u.");
    if (status == STK_OK) status = write_archive(w);
    if (status == STK_OK) status = stk_outfile_commit(&w->file);
    stk_pth_writer_discard(handle);
    return status;
}
