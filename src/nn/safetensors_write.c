/* safetensors_write.c - declare, then stream the bytes; the file appears only when complete. */
#include "nn/safetensors.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_ALIGNMENT = 64 };

struct stk_safetensors_writer {
    stk_outfile *file;
    char *path;
    cJSON *header;
    int64_t declared, written; /* bytes of tensor data */
    int header_written;
};

stk_status stk_safetensors_writer_create(stk_safetensors_writer **out, const char *path) {
    *out = NULL;
    stk_safetensors_writer *writer = stk_calloc_aligned(1, sizeof *writer);
    if (writer == NULL) return stk_fail_memory(path);
    writer->path = strdup(path);
    writer->header = cJSON_CreateObject();
    stk_status status = STK_OK;
    if (writer->path == NULL || writer->header == NULL) status = stk_fail_memory(path);
    if (status == STK_OK) status = stk_outfile_create(&writer->file, path);
    if (status == STK_OK)
        *out = writer;
    else
        stk_safetensors_writer_discard(&writer);
    return status;
}

void stk_safetensors_writer_discard(stk_safetensors_writer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_safetensors_writer *writer = *handle;
    stk_outfile_discard(&writer->file);
    cJSON_Delete(writer->header);
    free(writer->path);
    stk_free(writer);
    *handle = NULL;
}

stk_status stk_safetensors_writer_metadata(stk_safetensors_writer *writer, const char *key,
                                           const char *value) {
    cJSON *metadata = cJSON_GetObjectItemCaseSensitive(writer->header, "__metadata__");
    if (writer->header_written)
        return stk_fail(STK_ERR_ARGUMENT, "%s: metadata %s given after the first data",
                        writer->path, key);
    if (metadata == NULL) metadata = cJSON_AddObjectToObject(writer->header, "__metadata__");
    if (metadata == NULL || cJSON_AddStringToObject(metadata, key, value) == NULL)
        return stk_fail_memory(writer->path);
    return STK_OK;
}

/* {"dtype":..,"shape":[..],"data_offsets":[begin,end]} */
static cJSON *describe(stk_dtype dtype, int rank, const int64_t *shape, int64_t begin,
                       int64_t end) {
    cJSON *item = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(item, "dtype", stk_dtype_name(dtype)) != NULL;
    cJSON *sides = cJSON_AddArrayToObject(item, "shape");
    for (int i = 0; i < rank; i++)
        good = good && cJSON_AddItemToArray(sides, cJSON_CreateNumber((double)shape[i]));
    cJSON *offsets = cJSON_AddArrayToObject(item, "data_offsets");
    good = good && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end));
    if (good) return item;
    cJSON_Delete(item);
    return NULL;
}

stk_status stk_safetensors_writer_declare(stk_safetensors_writer *writer, const char *name,
                                          stk_dtype dtype, int rank, const int64_t *shape) {
    int64_t bytes = (int64_t)stk_dtype_size(dtype), end;
    int possible = rank >= 0 && rank <= 8;
    for (int i = 0; possible && i < rank; i++)
        possible = shape[i] >= 0 && !__builtin_mul_overflow(bytes, shape[i], &bytes);
    if (!possible || __builtin_add_overflow(writer->declared, bytes, &end) ||
        writer->header_written)
        return stk_fail(STK_ERR_ARGUMENT, "%s: tensor %s cannot be declared", writer->path, name);
    if (cJSON_GetObjectItemCaseSensitive(writer->header, name) != NULL)
        return stk_fail(STK_ERR_ARGUMENT, "%s: tensor %s is declared twice", writer->path, name);
    cJSON *item = describe(dtype, rank, shape, writer->declared, end);
    if (item == NULL || !cJSON_AddItemToObject(writer->header, name, item)) {
        cJSON_Delete(item);
        return stk_fail_memory(writer->path);
    }
    writer->declared = end;
    return STK_OK;
}

static stk_status write_header(stk_safetensors_writer *writer) {
    char *text = cJSON_PrintUnformatted(writer->header);
    if (text == NULL) return stk_fail_memory(writer->path);
    char padding[DATA_ALIGNMENT];
    memset(padding, ' ', sizeof padding);
    size_t length = strlen(text);
    size_t total =
        (sizeof(uint64_t) + length + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    uint64_t padded = total - sizeof padded;
    stk_status status = stk_outfile_write(writer->file, &padded, sizeof padded);
    if (status == STK_OK) status = stk_outfile_write(writer->file, text, length);
    if (status == STK_OK) status = stk_outfile_write(writer->file, padding, padded - length);
    cJSON_free(text);
    writer->header_written = 1;
    return status;
}

stk_status stk_safetensors_writer_data(stk_safetensors_writer *writer, const void *bytes,
                                       size_t size) {
    if (!writer->header_written) STK_TRY(write_header(writer));
    if (size > (uint64_t)(writer->declared - writer->written))
        return stk_fail(STK_ERR_ARGUMENT, "%s: more data than the declared tensors hold",
                        writer->path);
    writer->written += (int64_t)size;
    return stk_outfile_write(writer->file, bytes, size);
}

stk_status stk_safetensors_writer_finish(stk_safetensors_writer **handle) {
    stk_safetensors_writer *writer = *handle;
    stk_status status = STK_OK;
    if (!writer->header_written) status = write_header(writer);
    if (status == STK_OK && writer->written != writer->declared)
        status = stk_fail(STK_ERR_ARGUMENT, "%s: %lld bytes given, %lld declared", writer->path,
                          (long long)writer->written, (long long)writer->declared);
    if (status == STK_OK) status = stk_outfile_commit(&writer->file);
    stk_safetensors_writer_discard(handle);
    return status;
}
