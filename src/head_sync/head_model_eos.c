/* head_model_eos.c - the shape models of the eos library: cereal binary archives.
 *
 * Everything is little-endian and unaligned; counts are u64, versions u32, matrices
 *   rows i32, columns i32, float32 [columns][rows] (column after column)
 *
 *   model    version 1..4 | shape | colour | from 2: expression | from 3: landmark names |
 *            texture coordinates | from 4: texture triangles
 *   shape    mean [3N x 1] | orthonormal basis [3N x K] | eigenvalues [K x 1] | triangles
 *   colour   the same layout, or empty matrices
 *   expression   u8 absent; else i32 0: a space like shape, 1: blendshapes
 *   blendshapes  count | name, displacement [3N x 1] each; also as a file of its own
 *   landmark names  u8 absent; else count | name, i32 vertex each
 *   triangles    count | 3 i32 each; texture coordinates: count | 2 float64 each
 * Coordinates go x y z x y z ...; x = mean + sum_k a_k sqrt(eigenvalue_k) basis_k.
 * [worked out on sfm_shape_3448.bin; versions after eos, MorphableModel.hpp]
 *
 * A file must hold exactly this and nothing behind: what is cut short or has a wrong count is
 * refused. Reading copies the mean only.
 */
#include "head_sync/head_model_file.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NEWEST_VERSION = 4, NAME_MAX_BYTES = 4096, COLUMNS_MAX = 4096 };

typedef struct cursor {
    const char *path;
    const uint8_t *at, *end;
    int64_t rows; /* 3N, once it is known */
} cursor;

typedef struct matrix {
    int64_t rows, columns;
    const uint8_t *data;
} matrix;

static stk_status take(cursor *c, size_t size, const uint8_t **bytes) {
    *bytes = c->at;
    if (size > (size_t)(c->end - c->at)) return stk_head_file_refuse(c->path, "it is cut short");
    c->at += size;
    return STK_OK;
}

static stk_status take_number(cursor *c, void *number, size_t size) {
    const uint8_t *bytes;
    STK_TRY(take(c, size, &bytes));
    memcpy(number, bytes, size);
    return STK_OK;
}

/* Passes over `count` elements. */
static stk_status skip_list(cursor *c, size_t element) {
    uint64_t count;
    STK_TRY(take_number(c, &count, sizeof count));
    if (count > (size_t)(c->end - c->at) / element)
        return stk_head_file_refuse(c->path, "a list is longer than the file");
    c->at += count * element;
    return STK_OK;
}

static stk_status skip_name(cursor *c) {
    uint64_t length;
    const uint8_t *bytes;
    STK_TRY(take_number(c, &length, sizeof length));
    if (length > NAME_MAX_BYTES) return stk_head_file_refuse(c->path, "an overlong name");
    return take(c, (size_t)length, &bytes);
}

static stk_status take_matrix(cursor *c, matrix *m) {
    int32_t extent[2] = {0, 0};
    m->data = c->at;
    STK_TRY(take_number(c, extent, sizeof extent));
    m->rows = extent[0];
    m->columns = extent[1];
    if (m->rows < 0 || m->columns < 0 || m->rows > 3 * STK_HEAD_VERTICES_MAX ||
        m->columns > COLUMNS_MAX)
        return stk_head_file_refuse(c->path, "a matrix of an impossible size");
    return take(c, (size_t)m->rows * (size_t)m->columns * sizeof(float), &m->data);
}

typedef struct space {
    matrix mean, basis, eigenvalues;
} space;

static stk_status take_space(cursor *c, space *s) {
    enum { TRIANGLE_BYTES = 12 };
    STK_TRY(take_matrix(c, &s->mean));
    STK_TRY(take_matrix(c, &s->basis));
    STK_TRY(take_matrix(c, &s->eigenvalues));
    return skip_list(c, TRIANGLE_BYTES);
}

static float number_at(const uint8_t *data, int64_t index) {
    float value;
    memcpy(&value, data + 4 * index, sizeof value);
    return value;
}

static void set_column(stk_head_modes *modes, int k, const uint8_t *data, double sigma) {
    modes->dtype = STK_F32;
    modes->row_step = 1;
    modes->column[k] = data;
    modes->sigma[k] = sigma;
    modes->count = k + 1;
}

static stk_status take_modes(const cursor *c, const space *s, stk_head_modes *modes) {
    if (s->basis.rows != c->rows || s->basis.columns < 1 || s->eigenvalues.columns != 1 ||
        s->eigenvalues.rows != s->basis.columns)
        return stk_head_file_refuse(c->path, "its mean, modes and eigenvalues do not fit together");
    modes->stored = (int)s->basis.columns;
    for (int k = 0; k < STK_HEAD_MODES_MAX && k < modes->stored; k++) {
        float eigenvalue = number_at(s->eigenvalues.data, k);
        if (!(eigenvalue >= 0) || !isfinite(eigenvalue))
            return stk_head_file_refuse(c->path, "an eigenvalue is no variance");
        set_column(modes, k, s->basis.data + 4 * c->rows * k, sqrt((double)eigenvalue));
    }
    return STK_OK;
}

/* Adds a mean to file->mean, which may be NULL still. */
static stk_status add_mean(stk_head_file *file, const cursor *c, const matrix *mean) {
    if (mean->rows != c->rows || mean->columns != 1)
        return stk_head_file_refuse(c->path, "its means do not fit together");
    if (file->mean == NULL) file->mean = stk_calloc_aligned((size_t)c->rows, sizeof *file->mean);
    if (file->mean == NULL) return stk_fail_memory(c->path);
    for (int64_t i = 0; i < c->rows; i++) file->mean[i] += number_at(mean->data, i);
    return STK_OK;
}

static stk_status take_shape(cursor *c, stk_head_file *file) {
    space shape;
    STK_TRY(take_space(c, &shape));
    if (shape.mean.rows < 3 * STK_HEAD_VERTICES_MIN || shape.mean.rows % 3 != 0)
        return stk_head_file_refuse(c->path, "it has too few vertices for a head");
    c->rows = shape.mean.rows;
    file->vertices = (int)(c->rows / 3);
    STK_TRY(add_mean(file, c, &shape.mean));
    return take_modes(c, &shape, &file->identity);
}

static stk_status take_blendshapes(cursor *c, stk_head_file *file) {
    uint64_t count;
    STK_TRY(take_number(c, &count, sizeof count));
    if (count < 1 || count > COLUMNS_MAX)
        return stk_head_file_refuse(c->path, "an impossible number of blendshapes");
    file->blendshapes = 1;
    file->expression.stored = (int)count;
    for (int k = 0; k < (int)count; k++) {
        matrix shape;
        STK_TRY(skip_name(c));
        STK_TRY(take_matrix(c, &shape));
        if (shape.rows != c->rows || shape.columns != 1)
            return stk_head_file_refuse(c->path, "a blendshape has another number of vertices");
        if (k < STK_HEAD_MODES_MAX) set_column(&file->expression, k, shape.data, 1);
    }
    return STK_OK;
}

static stk_status take_flag(cursor *c, int *absent) {
    uint8_t byte = 1;
    *absent = 1;
    STK_TRY(take_number(c, &byte, sizeof byte));
    if (byte > 1) return stk_head_file_refuse(c->path, "a flag that is neither yes nor no");
    *absent = byte;
    return STK_OK;
}

static stk_status take_expression(cursor *c, stk_head_file *file) {
    int absent;
    int32_t kind;
    space expression;
    STK_TRY(take_flag(c, &absent));
    if (absent) return STK_OK;
    STK_TRY(take_number(c, &kind, sizeof kind));
    if (kind == 1) return take_blendshapes(c, file);
    if (kind != 0) return stk_head_file_refuse(c->path, "an unknown kind of expression model");
    STK_TRY(take_space(c, &expression));
    STK_TRY(add_mean(file, c, &expression.mean));
    return take_modes(c, &expression, &file->expression);
}

static stk_status skip_landmark_names(cursor *c) {
    int absent;
    uint64_t count;
    int32_t vertex;
    STK_TRY(take_flag(c, &absent));
    if (absent) return STK_OK;
    STK_TRY(take_number(c, &count, sizeof count));
    if (count > (size_t)(c->end - c->at) / sizeof vertex)
        return stk_head_file_refuse(c->path, "a list is longer than the file");
    for (uint64_t i = 0; i < count; i++) {
        STK_TRY(skip_name(c));
        STK_TRY(take_number(c, &vertex, sizeof vertex));
    }
    return STK_OK;
}

static stk_status finish(const cursor *c) {
    return c->at == c->end ? STK_OK
                           : stk_head_file_refuse(c->path, "there is something behind its end");
}

static stk_status parse_model(cursor *c, stk_head_file *file) {
    enum { TEXTURE_BYTES = 16, TRIANGLE_BYTES = 12 };
    uint32_t version;
    space colour;
    STK_TRY(take_number(c, &version, sizeof version));
    if (version < 1 || version > NEWEST_VERSION)
        return stk_head_file_refuse(c->path, "it is no eos shape model of version 1 to 4");
    STK_TRY(take_shape(c, file));
    STK_TRY(take_space(c, &colour));
    if (version >= 2) STK_TRY(take_expression(c, file));
    if (version >= 3) STK_TRY(skip_landmark_names(c));
    STK_TRY(skip_list(c, TEXTURE_BYTES));
    if (version >= 4) STK_TRY(skip_list(c, TRIANGLE_BYTES));
    return finish(c);
}

/* --- the blendshapes beside it ---------------------------------------------------------------- */

stk_status stk_head_eos_expressions(const char *path, char expressions[STK_PATH_MAX]) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *shape = strstr(name, "sfm_shape_");
    expressions[0] = '\0';
    if (shape == NULL) return STK_OK;
    int n = snprintf(expressions, STK_PATH_MAX, "%.*sexpression_blendshapes_%s",
                     (int)(shape - path), path, shape + strlen("sfm_shape_"));
    if (n >= STK_PATH_MAX || !stk_file_exists(expressions)) expressions[0] = '\0';
    return STK_OK;
}

stk_status stk_head_file_read_eos(stk_head_file *file) {
    STK_TRY(stk_map_open(&file->map, file->path));
    cursor c = {file->path, file->map.data, file->map.data + file->map.size, 0};
    STK_TRY(parse_model(&c, file));
    if (file->expression.count > 0) return STK_OK;
    STK_TRY(stk_head_eos_expressions(file->path, file->expressions_path));
    if (file->expressions_path[0] == '\0') return STK_OK;
    STK_TRY(stk_map_open(&file->expressions_map, file->expressions_path));
    const stk_map *map = &file->expressions_map;
    cursor e = {file->expressions_path, map->data, map->data + map->size, c.rows};
    STK_TRY(take_blendshapes(&e, file));
    return finish(&e);
}
