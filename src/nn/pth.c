/* pth.c - the two containers around the pickle, and access to the tree. */
#include "nn/pth.h"
#include "nn/pickle.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { PICKLE_LIMIT = 64 << 20 };
/* LONG1 of 10 bytes, 0x1950a86a20f9469cfc6c, as a pickle of its own: how a legacy file begins. */
static const uint8_t LEGACY_MAGIC[15] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                         0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
enum { LEGACY_PROTOCOL = 1001 };

struct stk_pth {
    char *path;
    const char *without; /* while it is opened; NULL: all is read */
    stk_map map;         /* the legacy form: storages point into it */
    zip_t *zip;
    stk_pickle pickle;
    stk_pth_value *root;
    void **blocks; /* the zip form: one per storage */
    int block_count;
};

/* --- zip form --------------------------------------------------------------------------------- */

/* Reads a stored entry of exactly `expected` bytes (any size up to `limit` when expected < 0). */
static stk_status read_entry(stk_pth *file, const char *name, int64_t expected, size_t limit,
                             void **block, size_t *size) {
    zip_stat_t info;
    if (zip_stat(file->zip, name, 0, &info) != 0)
        return stk_fail(
            STK_ERR_FORMAT,
            "%s: entry %.100s is missing; fetch the file again, or save it again with torch.save",
            file->path, name);
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: entry %.100s is compressed or encrypted, which torch.save never does: "
                        "somebody packed the file anew; save it again with torch.save",
                        file->path, name);
    if (info.size > limit || info.size != info.comp_size ||
        (expected >= 0 && info.size != (uint64_t)expected))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: entry %.100s has the wrong size; fetch the file again, or save it "
                        "again with torch.save",
                        file->path, name);
    zip_file_t *entry = zip_fopen(file->zip, name, 0);
    uint8_t *bytes = stk_calloc_aligned(1, info.size);
    stk_status status = bytes != NULL ? STK_OK : stk_fail_memory(file->path);
    uint8_t beyond; /* reading past the end makes libzip compare the checksum */
    if (status == STK_OK &&
        (entry == NULL || zip_fread(entry, bytes, info.size) != (zip_int64_t)info.size ||
         zip_fread(entry, &beyond, 1) != 0))
        status = stk_fail(STK_ERR_FORMAT, "%s: entry %.100s is damaged; fetch the file again",
                          file->path, name);
    if (entry != NULL) zip_fclose(entry);
    if (status != STK_OK)
        stk_free(bytes);
    else
        *block = bytes, *size = info.size;
    return status;
}

/* wanted [storages]: 0 where only tensors of the state dict with that beginning of a name lie. */
static void mark_wanted(const stk_pth *file, uint8_t *wanted) {
    const stk_pth_value *model = file->without != NULL ? stk_pth_model(file) : NULL;
    memset(wanted, 1, (size_t)file->pickle.storage_count);
    for (int keep = 0; model != NULL && keep < 2; keep++)
        for (int i = 0; i < model->count; i++) {
            const stk_pth_value *key = model->keys[i], *item = model->items[i];
            if (key->type != STK_PTH_STRING || item->type != STK_PTH_TENSOR ||
                item->tensor->data != NULL) /* an array, which has its own */
                continue;
            const int named = strncmp(key->text, file->without, strlen(file->without)) == 0;
            const stk_pickle_tensor *tensor = (const stk_pickle_tensor *)(const void *)item->tensor;
            if (named != keep) wanted[tensor->storage] = (uint8_t)keep;
        }
}

/* Loads the storages the pickle named: "<stem>/data/<key>". The entries are stored, so honest
 * files cannot need more memory than they are long; overlapping entries could, and are stopped by
 * that. */
static stk_status load_storages(stk_pth *file, const char *stem, int stem_length,
                                const uint8_t *wanted) {
    stk_pickle *pickle = &file->pickle;
    size_t left = file->map.size;
    file->blocks = stk_calloc_aligned((size_t)pickle->storage_count, sizeof *file->blocks);
    if (file->blocks == NULL) return stk_fail_memory(file->path);
    for (int i = 0; i < pickle->storage_count; i++) {
        file->block_count = i + 1;
        if (!wanted[i]) continue;
        stk_pickle_storage *storage = &pickle->storages[i];
        int64_t bytes;
        if (__builtin_mul_overflow(storage->count, (int64_t)stk_dtype_size(storage->dtype), &bytes))
            return stk_pickle_refuse(pickle, "an impossible storage");
        char name[STK_PATH_MAX];
        size_t size = 0;
        snprintf(name, sizeof name, "%.*s/data/%s", stem_length, stem, storage->key);
        STK_TRY(read_entry(file, name, bytes, left, &file->blocks[i], &size));
        left -= size;
        storage->data = file->blocks[i];
    }
    return STK_OK;
}

static stk_status read_zip(stk_pth *file) {
    static const char SUFFIX[] = "/data.pkl";
    int error;
    file->zip = zip_open(file->path, ZIP_RDONLY, &error);
    if (file->zip == NULL)
        return stk_fail(STK_ERR_FORMAT, "%s: is a damaged or incomplete archive; fetch it again",
                        file->path);
    zip_int64_t entries = zip_get_num_entries(file->zip, 0);
    for (zip_int64_t i = 0; i < entries; i++) {
        const char *name = zip_get_name(file->zip, (zip_uint64_t)i, 0);
        size_t length = name != NULL ? strlen(name) : 0;
        if (length < sizeof SUFFIX || length > STK_PATH_MAX / 2 ||
            strcmp(name + length - (sizeof SUFFIX - 1), SUFFIX) != 0)
            continue;
        void *bytes = NULL;
        size_t size = 0, used = 0;
        STK_TRY(read_entry(file, name, -1, PICKLE_LIMIT, &bytes, &size));
        stk_status status = stk_pickle_read(&file->pickle, bytes, size, &used, &file->root);
        stk_free(bytes);
        STK_TRY(status);
        uint8_t *wanted = stk_calloc_aligned((size_t)file->pickle.storage_count + 1, 1);
        if (wanted == NULL) return stk_fail_memory(file->path);
        mark_wanted(file, wanted);
        status = load_storages(file, name, (int)(length - (sizeof SUFFIX - 1)), wanted);
        stk_free(wanted);
        return status;
    }
    return stk_fail(STK_ERR_FORMAT,
                    "%s: is an archive, but not one that torch.save wrote (it has no data.pkl); "
                    "give the checkpoint itself",
                    file->path);
}

/* --- legacy form ------------------------------------------------------------------------------ */

static stk_status next_pickle(stk_pth *file, size_t *at, stk_pth_value **value) {
    size_t used = 0, left = file->map.size - *at;
    if (left > PICKLE_LIMIT) left = PICKLE_LIMIT;
    STK_TRY(stk_pickle_read(&file->pickle, file->map.data + *at, left, &used, value));
    *at += used;
    return STK_OK;
}

/* Each storage: int64 element count, then the elements; in the order of `keys`. */
static stk_status place_storages(stk_pth *file, const stk_pth_value *keys, size_t at) {
    stk_pickle *pickle = &file->pickle;
    if (keys->type != STK_PTH_LIST || keys->count != pickle->storage_count)
        return stk_pickle_refuse(pickle, "the list of storages does not fit the tensors");
    for (int i = 0; i < keys->count; i++) {
        stk_pickle_storage *storage = NULL;
        for (int k = 0; keys->items[i]->type == STK_PTH_STRING && k < pickle->storage_count; k++)
            if (strcmp(pickle->storages[k].key, keys->items[i]->text) == 0)
                storage = &pickle->storages[k];
        int64_t count;
        if (storage == NULL || storage->data != NULL || file->map.size - at < sizeof count)
            return stk_pickle_refuse(pickle, "the list of storages does not fit the tensors");
        memcpy(&count, file->map.data + at, sizeof count);
        at += sizeof count;
        size_t element = stk_dtype_size(storage->dtype);
        if (count != storage->count || (uint64_t)count > (file->map.size - at) / element)
            return stk_pickle_refuse(pickle, "a storage is cut short");
        storage->data = file->map.data + at;
        at += (size_t)count * element;
    }
    return STK_OK;
}

static stk_status read_legacy(stk_pth *file) {
    size_t at = sizeof LEGACY_MAGIC;
    stk_pth_value *protocol = NULL, *system = NULL, *keys = NULL;
    STK_TRY(next_pickle(file, &at, &protocol));
    if (protocol->type != STK_PTH_INT || protocol->integer != LEGACY_PROTOCOL)
        return stk_pickle_refuse(&file->pickle, "an unknown protocol version");
    STK_TRY(next_pickle(file, &at, &system));
    if (stk_pth_number(stk_pth_get(system, "little_endian"), 0) != 1)
        return stk_pickle_refuse(&file->pickle, "it was written on a big-endian machine");
    STK_TRY(next_pickle(file, &at, &file->root));
    STK_TRY(next_pickle(file, &at, &keys));
    return place_storages(file, keys, at);
}

/* --- the handle ------------------------------------------------------------------------------- */

static stk_status read_file(stk_pth *file) {
    const uint8_t *bytes = file->map.data;
    size_t size = file->map.size;
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0)
        STK_TRY(read_zip(file));
    else if (size > sizeof LEGACY_MAGIC && memcmp(bytes, LEGACY_MAGIC, sizeof LEGACY_MAGIC) == 0)
        STK_TRY(read_legacy(file));
    else
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is not a file that torch.save wrote; give the checkpoint itself, or "
                        "fetch it again",
                        file->path);
    stk_pickle_resolve(&file->pickle);
    return STK_OK;
}

stk_status stk_pth_open(stk_pth **file, const char *path) {
    return stk_pth_open_without(file, path, NULL);
}

stk_status stk_pth_open_without(stk_pth **out, const char *path, const char *without) {
    *out = NULL;
    stk_pth *file = stk_calloc_aligned(1, sizeof *file);
    if (file == NULL) return stk_fail_memory(path);
    file->path = strdup(path);
    file->without = without;
    stk_pickle_init(&file->pickle, file->path);
    stk_status status = file->path != NULL ? STK_OK : stk_fail_memory(path);
    if (status == STK_OK) status = stk_map_open(&file->map, path);
    if (status == STK_OK) status = read_file(file);
    if (file->zip != NULL) zip_discard(file->zip);
    file->zip = NULL;
    file->without = NULL; /* the caller's */
    if (status == STK_OK)
        *out = file;
    else
        stk_pth_close(&file);
    return status;
}

void stk_pth_close(stk_pth **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_pth *file = *handle;
    for (int i = 0; i < file->block_count; i++) stk_free(file->blocks[i]);
    stk_free(file->blocks);
    stk_pickle_clear(&file->pickle);
    stk_map_close(&file->map);
    free(file->path);
    stk_free(file);
    *handle = NULL;
}

const stk_pth_value *stk_pth_root(const stk_pth *file) {
    return file->root;
}

const stk_pth_value *stk_pth_get(const stk_pth_value *dict, const char *key) {
    if (dict == NULL || dict->type != STK_PTH_DICT) return NULL;
    for (int i = dict->count - 1; i >= 0; i--)
        if (dict->keys[i]->type == STK_PTH_STRING && strcmp(dict->keys[i]->text, key) == 0)
            return dict->items[i];
    return NULL;
}

const stk_pth_value *stk_pth_get_index(const stk_pth_value *dict, int64_t key) {
    if (dict == NULL || dict->type != STK_PTH_DICT) return NULL;
    for (int i = dict->count - 1; i >= 0; i--)
        if (dict->keys[i]->type == STK_PTH_INT && dict->keys[i]->integer == key)
            return dict->items[i];
    return NULL;
}

const stk_pth_value *stk_pth_model(const stk_pth *file) {
    static const char *const NAMES[] = {"model", "state_dict"};
    for (int i = 0; i < 2; i++) {
        const stk_pth_value *model = stk_pth_get(file->root, NAMES[i]);
        if (model != NULL && model->type == STK_PTH_DICT) return model;
    }
    if (file->root->type != STK_PTH_DICT) return NULL;
    for (int i = 0; i < file->root->count; i++)
        if (file->root->items[i]->type == STK_PTH_TENSOR) return file->root;
    return NULL;
}

double stk_pth_number(const stk_pth_value *value, double otherwise) {
    float number;
    if (value == NULL) return otherwise;
    switch (value->type) {
    case STK_PTH_BOOL:
    case STK_PTH_INT:
        return (double)value->integer;
    case STK_PTH_FLOAT:
        return value->real;
    case STK_PTH_TENSOR:
        if (value->tensor->count != 1 || value->tensor->data == NULL) return otherwise;
        stk_dtype_to_f32(value->tensor->dtype, value->tensor->data, 1, &number);
        return (double)number;
    default:
        return otherwise;
    }
}

/* --- copying tensors -------------------------------------------------------------------------- */

static stk_status check_count(const stk_pth_value *value, int64_t count, const char *label) {
    if (value == NULL || value->type != STK_PTH_TENSOR)
        return stk_fail(STK_ERR_FORMAT, "%s: is not a tensor", label);
    if (value->tensor->count != count)
        return stk_fail(STK_ERR_MISMATCH, "%s: the tensor has %lld elements, %lld are needed",
                        label, (long long)value->tensor->count, (long long)count);
    if (count > 0 && value->tensor->data == NULL)
        return stk_fail(STK_ERR_ARGUMENT, "%s: the tensor was left out when the file was opened",
                        label);
    return STK_OK;
}

static int is_contiguous(const stk_pth_tensor *tensor) {
    int64_t step = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        if (tensor->shape[i] != 1 && tensor->stride[i] != step) return 0;
        step *= tensor->shape[i];
    }
    return 1;
}

/* Moves index[] to the next element, last axis fastest, and follows with the element offset. */
static int64_t advance(const stk_pth_tensor *tensor, int64_t index[8], int64_t at) {
    for (int i = tensor->rank - 1; i >= 0; i--) {
        at += tensor->stride[i];
        if (++index[i] < tensor->shape[i]) return at;
        at -= tensor->stride[i] * tensor->shape[i];
        index[i] = 0;
    }
    return at;
}

stk_status stk_pth_read_f32(const stk_pth_value *value, float *out, int64_t count,
                            const char *label) {
    STK_TRY(check_count(value, count, label));
    const stk_pth_tensor *tensor = value->tensor;
    if (is_contiguous(tensor)) {
        stk_dtype_to_f32(tensor->dtype, tensor->data, count, out);
        return STK_OK;
    }
    int64_t index[8] = {0}, at = 0;
    size_t element = stk_dtype_size(tensor->dtype);
    for (int64_t i = 0; i < count; i++) {
        stk_dtype_to_f32(tensor->dtype, tensor->data + (size_t)at * element, 1, &out[i]);
        at = advance(tensor, index, at);
    }
    return STK_OK;
}

stk_status stk_pth_read_raw(const stk_pth_value *value, stk_dtype dtype, void *out, size_t bytes,
                            const char *label) {
    size_t element = stk_dtype_size(dtype);
    STK_TRY(check_count(value, (int64_t)(bytes / element), label));
    const stk_pth_tensor *tensor = value->tensor;
    if (tensor->dtype != dtype)
        return stk_fail(STK_ERR_MISMATCH, "%s: the tensor holds %s, %s is needed", label,
                        stk_dtype_name(tensor->dtype), stk_dtype_name(dtype));
    int64_t index[8] = {0}, at = 0;
    for (int64_t i = 0; i < tensor->count; i++) {
        memcpy((uint8_t *)out + (size_t)i * element, tensor->data + (size_t)at * element, element);
        at = advance(tensor, index, at);
    }
    return STK_OK;
}
