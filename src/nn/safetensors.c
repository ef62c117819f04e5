/* safetensors.c - reading: map, parse the header (cJSON), check everything, hand out pointers. */
#include "nn/safetensors.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100 * 1000 * 1000, TENSOR_LIMIT = 1 << 20 };
static const char METADATA[] = "__metadata__";

struct stk_safetensors {
    stk_map map;
    int borrowed; /* the bytes are the caller's */
    char *path;
    cJSON *header;
    const cJSON *metadata;
    const uint8_t *data; /* [data_size] behind the header */
    size_t data_size;
    int n;
    stk_tensor_info *list; /* in header order */
    int *by_name;          /* indices sorted by name */
};

static stk_status damaged(const stk_safetensors *file, const char *name, const char *reason) {
    return stk_fail(STK_ERR_FORMAT,
                    "%s: not a valid safetensors file: %s%s%s; make or copy it again", file->path,
                    name != NULL ? name : "", name != NULL ? ": " : "", reason);
}

/* A JSON number that is a whole number in [0, 2^53]: cJSON keeps doubles. */
static int whole_number(const cJSON *item, int64_t *value) {
    if (!cJSON_IsNumber(item)) return 0;
    double number = item->valuedouble;
    if (!(number >= 0 && number <= 0x1p53)) return 0;
    *value = (int64_t)number;
    return (double)*value == number;
}

static stk_status parse_shape(const stk_safetensors *file, const cJSON *shape,
                              stk_tensor_info *info) {
    if (!cJSON_IsArray(shape)) return damaged(file, info->name, "no shape");
    info->count = 1;
    const cJSON *side;
    cJSON_ArrayForEach(side, shape) {
        int64_t extent;
        if (info->rank == 8) return damaged(file, info->name, "more than 8 dimensions");
        if (!whole_number(side, &extent)) return damaged(file, info->name, "a bad dimension");
        if (__builtin_mul_overflow(info->count, extent, &info->count))
            return damaged(file, info->name, "an impossible shape");
        info->shape[info->rank++] = extent;
    }
    return STK_OK;
}

static stk_status parse_tensor(const stk_safetensors *file, const cJSON *item,
                               stk_tensor_info *info) {
    info->name = item->string;
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsString(dtype)) return damaged(file, info->name, "no dtype");
    info->dtype = stk_dtype_parse(dtype->valuestring);
    if (info->dtype == STK_DTYPES)
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: tensor %s has type %.16s, which is not read",
                        file->path, info->name, dtype->valuestring);
    STK_TRY(parse_shape(file, cJSON_GetObjectItemCaseSensitive(item, "shape"), info));
    int64_t begin, end, bytes;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole_number(offsets->child, &begin) || !whole_number(offsets->child->next, &end) ||
        begin > end || (uint64_t)end > file->data_size)
        return damaged(file, info->name, "its data lie outside the file");
    if (__builtin_mul_overflow(info->count, (int64_t)stk_dtype_size(info->dtype), &bytes) ||
        bytes != end - begin)
        return damaged(file, info->name, "its shape and its bytes disagree");
    info->bytes = (size_t)bytes;
    info->data = file->data + begin;
    return STK_OK;
}

static int compare_names(const void *a, const void *b, void *context) {
    const stk_tensor_info *list = context;
    return strcmp(list[*(const int *)a].name, list[*(const int *)b].name);
}

static int compare_offsets(const void *a, const void *b, void *context) {
    const stk_tensor_info *list = context;
    const stk_tensor_info *x = &list[*(const int *)a], *y = &list[*(const int *)b];
    if (x->data != y->data) return (const uint8_t *)x->data < (const uint8_t *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Tensors must tile the data without overlap or gap, and names must be unique. */
static stk_status check_layout(stk_safetensors *file) {
    const uint8_t *cursor = file->data;
    qsort_r(file->by_name, (size_t)file->n, sizeof *file->by_name, compare_offsets, file->list);
    for (int i = 0; i < file->n; i++) {
        const stk_tensor_info *info = &file->list[file->by_name[i]];
        if ((const uint8_t *)info->data != cursor)
            return damaged(file, info->name, "its data overlap another tensor or leave a gap");
        cursor += info->bytes;
    }
    if (cursor != file->data + file->data_size)
        return damaged(file, NULL, "bytes behind the last tensor");
    qsort_r(file->by_name, (size_t)file->n, sizeof *file->by_name, compare_names, file->list);
    for (int i = 1; i < file->n; i++) {
        const char *name = file->list[file->by_name[i]].name;
        if (strcmp(file->list[file->by_name[i - 1]].name, name) == 0)
            return damaged(file, name, "the name occurs twice");
    }
    return STK_OK;
}

static stk_status parse_tensors(stk_safetensors *file) {
    int n = cJSON_GetArraySize(file->header);
    if (n > TENSOR_LIMIT) return damaged(file, NULL, "too many tensors");
    file->list = stk_calloc_aligned((size_t)n, sizeof *file->list);
    file->by_name = stk_calloc_aligned((size_t)n, sizeof *file->by_name);
    if (file->list == NULL || file->by_name == NULL) return stk_fail_memory(file->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header) {
        if (!cJSON_IsObject(item)) return damaged(file, item->string, "not an object");
        if (strcmp(item->string, METADATA) == 0) {
            file->metadata = item;
            continue;
        }
        STK_TRY(parse_tensor(file, item, &file->list[file->n]));
        file->by_name[file->n] = file->n;
        file->n++;
    }
    return check_layout(file);
}

static stk_status parse_file(stk_safetensors *file) {
    uint64_t length;
    if (file->map.size < sizeof length) return damaged(file, NULL, "too short");
    memcpy(&length, file->map.data, sizeof length);
    if (length > HEADER_LIMIT || length > file->map.size - sizeof length)
        return damaged(file, NULL, "the header length is impossible");
    const char *text = (const char *)file->map.data + sizeof length;
    file->data = file->map.data + sizeof length + length;
    file->data_size = file->map.size - sizeof length - length;
    file->header = cJSON_ParseWithLengthOpts(text, length, NULL, 0);
    if (!cJSON_IsObject(file->header)) return damaged(file, NULL, "the header is not JSON");
    return parse_tensors(file);
}

/* bytes NULL: maps the file. */
static stk_status open_any(stk_safetensors **out, const char *path, const void *bytes,
                           size_t size) {
    *out = NULL;
    stk_safetensors *file = stk_calloc_aligned(1, sizeof *file);
    if (file == NULL) return stk_fail_memory(path);
    stk_status status = STK_OK;
    file->path = strdup(path);
    if (file->path == NULL) status = stk_fail_memory(path);
    file->borrowed = bytes != NULL;
    if (file->borrowed)
        file->map.data = bytes, file->map.size = size;
    else if (status == STK_OK)
        status = stk_map_open(&file->map, path);
    if (status == STK_OK) status = parse_file(file);
    if (status == STK_OK)
        *out = file;
    else
        stk_safetensors_close(&file);
    return status;
}

stk_status stk_safetensors_open(stk_safetensors **file, const char *path) {
    return open_any(file, path, NULL, 0);
}

stk_status stk_safetensors_open_bytes(stk_safetensors **file, const void *bytes, size_t size,
                                      const char *label) {
    return open_any(file, label, bytes, size);
}

void stk_safetensors_close(stk_safetensors **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_safetensors *file = *handle;
    cJSON_Delete(file->header);
    stk_free(file->list);
    stk_free(file->by_name);
    if (!file->borrowed) stk_map_close(&file->map);
    free(file->path);
    stk_free(file);
    *handle = NULL;
}

const char *stk_safetensors_path(const stk_safetensors *file) {
    return file->path;
}

int stk_safetensors_count(const stk_safetensors *file) {
    return file->n;
}

const stk_tensor_info *stk_safetensors_at(const stk_safetensors *file, int index) {
    return &file->list[index];
}

const stk_tensor_info *stk_safetensors_find(const stk_safetensors *file, const char *name) {
    int low = 0, high = file->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const stk_tensor_info *info = &file->list[file->by_name[middle]];
        int order = strcmp(name, info->name);
        if (order == 0) return info;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *stk_safetensors_metadata(const stk_safetensors *file, const char *key) {
    if (file->metadata == NULL) return NULL;
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file->metadata, key));
}

stk_status stk_safetensors_read_f32(const stk_safetensors *file, const char *name, float *out,
                                    int64_t count) {
    const stk_tensor_info *info = stk_safetensors_find(file, name);
    if (info == NULL) return stk_fail(STK_ERR_FORMAT, "%s: tensor %s is absent", file->path, name);
    if (info->count != count)
        return stk_fail(STK_ERR_MISMATCH, "%s: tensor %s has %lld elements, %lld are needed",
                        file->path, name, (long long)info->count, (long long)count);
    stk_dtype_to_f32(info->dtype, info->data, count, out);
    return STK_OK;
}
