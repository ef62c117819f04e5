/* npy.c - a strict reader of the one-line header, then a pointer to the data. */
#include "nn/npy.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { NPZ_LIMIT = 16 << 20 };
enum { HEADER_LIMIT = 65535, PREAMBLE = 8, CODE_SHOWN = 8 };
static const char MAGIC[6] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y'};

struct stk_npy {
    stk_map map;
    char *path;
    stk_npy_info info;
    int columns; /* in Fortran order: only stk_npz_read copes, with tables */
    int may_be_columns;
};

static stk_status damaged(const stk_npy *file, const char *reason) {
    return stk_fail(STK_ERR_FORMAT,
                    "%s: not a valid .npy file: %s; save the array with numpy.save again, or copy "
                    "the file again",
                    file->path, reason);
}

static const char *skip_spaces(const char *at) {
    while (*at == ' ' || *at == '\n' || *at == '\t') at++;
    return at;
}

/* Behind `'key':` in the header, NULL when absent. The three keys occur nowhere else: the values
 * are a type code, a boolean and numbers. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (at == NULL) return NULL;
    at = skip_spaces(at + strlen(key));
    return *at == ':' ? skip_spaces(at + 1) : NULL;
}

static stk_status parse_type(stk_npy *file, const char *text) {
    static const struct {
        char code[3];
        stk_dtype dtype;
    } TYPES[] = {{"f8", STK_F64}, {"f4", STK_F32}, {"f2", STK_F16}, {"i8", STK_I64},
                 {"i4", STK_I32}, {"i2", STK_I16}, {"i1", STK_I8},  {"u2", STK_U16},
                 {"u1", STK_U8},  {"b1", STK_BOOL}};
    if (text == NULL || (*text != '\'' && *text != '"')) return damaged(file, "no element type");
    if (strchr("<|=", text[1]) == NULL || text[1] == 0)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: holds big-endian or structured elements; save the array as float32",
                        file->path);
    for (size_t i = 0; i < STK_ARRAY_SIZE(TYPES); i++) {
        if (strncmp(text + 2, TYPES[i].code, 2) != 0 || text[4] != text[0]) continue;
        file->info.dtype = TYPES[i].dtype;
        return STK_OK;
    }
    const char *code = text + 1; /* up to its quote */
    const int length = (int)strcspn(code, "'\"");
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "%s: elements of type %.*s%s are not read; save the array as float32",
                    file->path, length < CODE_SHOWN ? length : CODE_SHOWN, code,
                    code[1] == 'O' ? " (Python objects)" : "");
}

static stk_status parse_shape(stk_npy *file, const char *at) {
    stk_npy_info *info = &file->info;
    info->count = 1;
    if (at == NULL || *at != '(') return damaged(file, "no shape");
    for (at = skip_spaces(at + 1); *at != ')'; at = skip_spaces(at)) {
        int64_t side = 0;
        if (*at < '0' || *at > '9' || info->rank == 8) return damaged(file, "a bad shape");
        for (; *at >= '0' && *at <= '9'; at++)
            if (__builtin_mul_overflow(side, 10, &side) ||
                __builtin_add_overflow(side, *at - '0', &side))
                return damaged(file, "an impossible shape");
        if (__builtin_mul_overflow(info->count, side, &info->count))
            return damaged(file, "an impossible shape");
        info->shape[info->rank++] = side;
        at = skip_spaces(at);
        if (*at == ',')
            at++;
        else if (*at != ')')
            return damaged(file, "a bad shape");
    }
    return STK_OK;
}

static stk_status parse_header(stk_npy *file, const char *header) {
    const char *order = value_of(header, "'fortran_order'");
    if (order == NULL) return damaged(file, "no storage order");
    STK_TRY(parse_type(file, value_of(header, "'descr'")));
    STK_TRY(parse_shape(file, value_of(header, "'shape'")));
    file->columns = strncmp(order, "True", 4) == 0 && file->info.rank > 1;
    if (file->columns && !(file->may_be_columns && file->info.rank == 2))
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: is stored in Fortran order; save it with "
                        "numpy.ascontiguousarray",
                        file->path);
    return STK_OK;
}

static stk_status parse_file(stk_npy *file) {
    const uint8_t *bytes = file->map.data;
    size_t size = file->map.size, length = 0;
    if (size < PREAMBLE + 4 || memcmp(bytes, MAGIC, sizeof MAGIC) != 0)
        return damaged(file, "it does not begin like one");
    int field = bytes[6] == 1 ? 2 : 4;
    if (bytes[6] < 1 || bytes[6] > 3) return damaged(file, "an unknown version");
    memcpy(&length, bytes + PREAMBLE, (size_t)field);
    size_t at = PREAMBLE + (size_t)field;
    if (length > HEADER_LIMIT || length > size - at)
        return damaged(file, "the header length is impossible");
    char *header = stk_calloc_aligned(length + 1, 1);
    if (header == NULL) return stk_fail_memory(file->path);
    memcpy(header, bytes + at, length);
    stk_status status = parse_header(file, header);
    stk_free(header);
    STK_TRY(status);
    if ((uint64_t)file->info.count > (size - at - length) / stk_dtype_size(file->info.dtype))
        return damaged(file, "it is cut short");
    file->info.data = bytes + at + length;
    return STK_OK;
}

stk_status stk_npy_open(stk_npy **out, const char *path) {
    *out = NULL;
    stk_npy *file = stk_calloc_aligned(1, sizeof *file);
    if (file == NULL) return stk_fail_memory(path);
    file->path = strdup(path);
    stk_status status = file->path != NULL ? STK_OK : stk_fail_memory(path);
    if (status == STK_OK) status = stk_map_open(&file->map, path);
    if (status == STK_OK) status = parse_file(file);
    if (status == STK_OK)
        *out = file;
    else
        stk_npy_close(&file);
    return status;
}

void stk_npy_close(stk_npy **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_npy *file = *handle;
    stk_map_close(&file->map);
    free(file->path);
    stk_free(file);
    *handle = NULL;
}

const stk_npy_info *stk_npy_get(const stk_npy *file) {
    return &file->info;
}

stk_status stk_npy_read(const stk_npy *file, float *out, int64_t count) {
    if (file->info.count != count)
        return stk_fail(STK_ERR_MISMATCH, "%s: holds %lld numbers, %lld are needed", file->path,
                        (long long)file->info.count, (long long)count);
    stk_dtype_to_f32(file->info.dtype, file->info.data, count, out);
    return STK_OK;
}

/* --- .npz ------------------------------------------------------------------------------------- */

/* *bytes: the caller's, stk_free. */
static stk_status unpack(zip_t *zip, const char *path, const char *member, uint8_t **bytes,
                         size_t *size) {
    zip_stat_t info;
    if (zip_stat(zip, member, 0, &info) != 0 || info.size > NPZ_LIMIT)
        return stk_fail(STK_ERR_FORMAT, "%s: has no usable array %s; fetch the file again", path,
                        member);
    *bytes = stk_calloc_aligned(1, info.size + 1);
    if (*bytes == NULL) return stk_fail_memory(path);
    zip_file_t *entry = zip_fopen(zip, member, 0);
    uint8_t beyond; /* reading past the end makes libzip compare the checksum */
    const int good = entry != NULL &&
                     zip_fread(entry, *bytes, info.size) == (zip_int64_t)info.size &&
                     zip_fread(entry, &beyond, 1) == 0;
    if (entry != NULL) zip_fclose(entry);
    *size = info.size;
    return good ? STK_OK
                : stk_fail(STK_ERR_FORMAT, "%s: the array %s is damaged; fetch the file again",
                           path, member);
}

static stk_status copy_doubles(const stk_npy *file, double *out, int64_t count) {
    const stk_npy_info *info = &file->info;
    if (info->count != count)
        return stk_fail(STK_ERR_MISMATCH, "%s: holds %lld numbers, %lld are needed", file->path,
                        (long long)info->count, (long long)count);
    if (info->dtype != STK_F64 && info->dtype != STK_F32)
        return stk_fail(STK_ERR_UNSUPPORTED, "%s: holds no floating-point numbers", file->path);
    const int64_t size = (int64_t)stk_dtype_size(info->dtype);
    const int64_t rows = file->columns ? info->shape[0] : 1;
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *at = (const uint8_t *)info->data + i * size;
        double *to = out + (i % rows) * (count / rows) + i / rows;
        float value;
        if (info->dtype == STK_F64) {
            memcpy(to, at, sizeof *to);
            continue;
        }
        memcpy(&value, at, sizeof value);
        *to = (double)value;
    }
    return STK_OK;
}

stk_status stk_npz_read(const char *path, const char *member, double *out, int64_t count) {
    int error;
    zip_t *zip = zip_open(path, ZIP_RDONLY, &error);
    if (zip == NULL)
        return stk_fail(STK_ERR_FORMAT, "%s: is absent, or a damaged archive; fetch it again",
                        path);
    char name[512];
    snprintf(name, sizeof name, "%.380s: %.100s", path, member);
    uint8_t *bytes = NULL;
    stk_npy file = {.path = name, .may_be_columns = 1};
    stk_status status = unpack(zip, path, member, &bytes, &file.map.size);
    file.map.data = bytes;
    if (status == STK_OK) status = parse_file(&file);
    if (status == STK_OK) status = copy_doubles(&file, out, count);
    stk_free(bytes);
    zip_discard(zip);
    return status;
}
