/* tables.h - per-frame tables in a safetensors file, written whole and read by mapping. */
#ifndef STK_SUBJECT_TABLES_H
#define STK_SUBJECT_TABLES_H

#include "base/status.h"
#include "nn/safetensors.h"

enum { STK_TABLE_RANK_MAX = 3 };

/* A table: rank dimensions, the first one is the frame unless said otherwise. */
typedef struct stk_table {
    const char *name;
    stk_dtype dtype; /* F32, I32, U8 or I64 */
    int rank;
    int64_t shape[STK_TABLE_RANK_MAX];
    const void *data; /* writing: borrowed during the call */
} stk_table;

/* Writes all tables into one file, atomically. Put the F32 ones first: they stay aligned then. */
stk_status stk_tables_write(const char *path, const stk_table *tables, int count);

/* Checks that the file holds `want` (name, dtype, shape; want->data is ignored) and gives its
 * bytes: a view into the mapping where it is aligned, else a copy in *owned (stk_free), which is
 * NULL otherwise. path is for the sentence. */
stk_status stk_table_view(const stk_safetensors *file, const char *path, const stk_table *want,
                          const void **data, void **owned);
/* The same, copied into `out`, which has room for the table. */
stk_status stk_table_copy(const stk_safetensors *file, const char *path, const stk_table *want,
                          void *out);

#endif
