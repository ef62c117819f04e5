/* tables.c */
#include "subject/tables.h"
#include "base/memory.h"

#include <stdint.h>
#include <string.h>

static size_t element_bytes(stk_dtype dtype) {
    return dtype == STK_F32 || dtype == STK_I32 ? 4 : dtype == STK_I64 ? 8 : 1;
}

static size_t table_bytes(const stk_table *table) {
    size_t bytes = element_bytes(table->dtype);
    for (int i = 0; i < table->rank; i++) bytes *= (size_t)table->shape[i];
    return bytes;
}

stk_status stk_tables_write(const char *path, const stk_table *tables, int count) {
    stk_safetensors_writer *writer;
    STK_TRY(stk_safetensors_writer_create(&writer, path));
    stk_status status = stk_safetensors_writer_metadata(writer, "format", "synctalk tables 1");
    for (int i = 0; status == STK_OK && i < count; i++)
        status = stk_safetensors_writer_declare(writer, tables[i].name, tables[i].dtype,
                                                tables[i].rank, tables[i].shape);
    for (int i = 0; status == STK_OK && i < count; i++)
        status = stk_safetensors_writer_data(writer, tables[i].data, table_bytes(&tables[i]));
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}

static stk_status find(const stk_safetensors *file, const char *path, const stk_table *want,
                       const stk_tensor_info **found) {
    const stk_tensor_info *info = stk_safetensors_find(file, want->name);
    int same = info != NULL && info->dtype == want->dtype && info->rank == want->rank;
    for (int i = 0; same && i < want->rank; i++) same = info->shape[i] == want->shape[i];
    if (!same)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: the table %s is missing or has another shape; prepare the subject "
                        "again",
                        path, want->name);
    *found = info;
    return STK_OK;
}

stk_status stk_table_copy(const stk_safetensors *file, const char *path, const stk_table *want,
                          void *out) {
    const stk_tensor_info *info = NULL;
    STK_TRY(find(file, path, want, &info));
    memcpy(out, info->data, info->bytes);
    return STK_OK;
}

stk_status stk_table_view(const stk_safetensors *file, const char *path, const stk_table *want,
                          const void **data, void **owned) {
    const stk_tensor_info *info = NULL;
    *owned = NULL;
    STK_TRY(find(file, path, want, &info));
    *data = info->data;
    if ((uintptr_t)info->data % element_bytes(want->dtype) == 0) return STK_OK;
    *owned = stk_calloc_aligned(1, info->bytes);
    if (*owned == NULL) return stk_fail_memory("subject tables");
    memcpy(*owned, info->data, info->bytes);
    *data = *owned;
    return STK_OK;
}
