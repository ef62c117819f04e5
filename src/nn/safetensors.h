/* safetensors.h - the safetensors container: u64 header length, JSON header, raw little-endian
 * tensors.
 *
 * Reading maps the file and checks every offset, shape and dtype (a hostile file is refused with a
 * sentence); tensor data points into the mapping. Writing is atomic and streams: declare all
 * tensors, then give their bytes in the same order (in pieces if wanted). The header is padded with
 * spaces so that the data start at a multiple of 64 bytes; tensors follow each other without gaps,
 * as the format demands.
 */
#ifndef STK_NN_SAFETENSORS_H
#define STK_NN_SAFETENSORS_H

#include "base/file.h"
#include "base/status.h"
#include "nn/dtype.h"

typedef struct stk_tensor_info {
    const char *name;
    stk_dtype dtype;
    int rank;
    int64_t shape[8];
    int64_t count;
    const void *data; /* reading: into the mapping (any alignment) */
    size_t bytes;
} stk_tensor_info;

typedef struct stk_safetensors stk_safetensors;
stk_status stk_safetensors_open(stk_safetensors **file, const char *path);
/* The same of bytes that outlive the handle; label stands for the path in sentences. */
stk_status stk_safetensors_open_bytes(stk_safetensors **file, const void *bytes, size_t size,
                                      const char *label);
void stk_safetensors_close(stk_safetensors **file);
/* The path it was opened by; owned by the file. */
const char *stk_safetensors_path(const stk_safetensors *file);
int stk_safetensors_count(const stk_safetensors *file);
const stk_tensor_info *stk_safetensors_at(const stk_safetensors *file, int index);
/* NULL when absent. */
const stk_tensor_info *stk_safetensors_find(const stk_safetensors *file, const char *name);
/* Value of a "__metadata__" key, NULL when absent. */
const char *stk_safetensors_metadata(const stk_safetensors *file, const char *key);
/* Finds `name`, requires this element count, converts F64/F32/F16/BF16/ints to float into out. */
stk_status stk_safetensors_read_f32(const stk_safetensors *file, const char *name, float *out,
                                    int64_t count);

typedef struct stk_safetensors_writer stk_safetensors_writer;
stk_status stk_safetensors_writer_create(stk_safetensors_writer **writer, const char *path);
/* Key/value pairs (UTF-8) and tensors, all before the first data. */
stk_status stk_safetensors_writer_metadata(stk_safetensors_writer *writer, const char *key,
                                           const char *value);
stk_status stk_safetensors_writer_declare(stk_safetensors_writer *writer, const char *name,
                                          stk_dtype dtype, int rank, const int64_t *shape);
/* Bytes of the declared tensors in order; the first call writes the header. */
stk_status stk_safetensors_writer_data(stk_safetensors_writer *writer, const void *bytes,
                                       size_t size);
/* Checks that all bytes were given, commits; frees. */
stk_status stk_safetensors_writer_finish(stk_safetensors_writer **writer);
void stk_safetensors_writer_discard(stk_safetensors_writer **writer);

#endif
