/* head_model.c - see head_model.h.
 *
 * Face mesh and morphable models agree on few points by name (iBUG), and those lie on lids, lips
 * and brows, which move. The tracker's rigid vertices get theirs by geometry: the canonical face is
 * pulled onto the model's mean at the named points (the pull fades with the fourth power of the
 * distance), and each vertex takes the nearest one of the model. What is wrong about a pair, named
 * or found, is the same in every frame and is estimated (head_fit.h: offsets).
 */
#include "head_sync/head_model.h"

#include "base/attr.h"
#include "base/memory.h"
#include "head_sync/head_model_file.h"
#include "head_sync/head_model_landmarks.h"
#include "head_sync/head_shape.h"
#include "head_sync/similarity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_INNER = 17 };
/* Points on lids, lips and brows against 1 for the stiffest: the models' expressions explain only a
 * part of how they move. */
static const double SOFT_WEIGHT = 0.1;
/* A mean that lies farther than this from the canonical face at its landmarks is none of a head. */
static const double MISFIT_MAX_M = 0.02;
/* Farther than this from the model's skin there is no such place on it. */
static const double REACH_M = 0.015;

/* --- files ------------------------------------------------------------------------------------ */

double stk_head_mode_at(const stk_head_modes *modes, int64_t row, int k) {
    float value;
    const uint8_t *at =
        modes->column[k] + (size_t)(row * modes->row_step) * stk_dtype_size(modes->dtype);
    stk_dtype_to_f32(modes->dtype, at, 1, &value);
    return (double)value * modes->sigma[k];
}

stk_status stk_head_file_refuse(const char *path, const char *reason) {
    return stk_fail(STK_ERR_FORMAT,
                    "%s: not a readable head model: %s; fetch it or convert it again", path,
                    reason);
}

void stk_head_file_clear(stk_head_file *file) {
    stk_free(file->mean);
    stk_map_close(&file->map);
    stk_map_close(&file->expressions_map);
    stk_npy_dict_close(&file->dict);
    memset(file, 0, sizeof *file);
}

static int is_npy(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, ".npy") == 0;
}

static stk_status read_file(stk_head_file *file, const char *path) {
    *file = (stk_head_file){.path = path};
    if (!stk_file_exists(path) || stk_file_is_directory(path))
        return stk_fail(STK_ERR_IO, "%s: there is no such head model file", path);
    return is_npy(path) ? stk_head_file_read_bfm(file) : stk_head_file_read_eos(file);
}

stk_status stk_head_model_digest(const char *path, char sha256[STK_SHA256_TEXT]) {
    char names[3][STK_PATH_MAX] = {"", "", ""}, digests[3][STK_SHA256_TEXT];
    memset(digests, 0, sizeof digests);
    if (strlen(path) >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "%.100s...: an overlong name", path);
    strcpy(names[0], path);
    if (!is_npy(path)) STK_TRY(stk_head_eos_expressions(path, names[1]));
    stk_head_landmarks_path(path, names[2]);
    for (int i = 0; i < 3; i++)
        if (names[i][0] != '\0') STK_TRY(stk_sha256_file(names[i], digests[i]));
    stk_sha256(digests, sizeof digests, sha256);
    return STK_OK;
}

/* --- onto the canonical face ------------------------------------------------------------------ */

typedef struct builder {
    const stk_head_file *file;
    stk_head_model *model;
    int vertex[STK_POINTS_68];        /* of the file, -1 unknown */
    int source[STK_HEAD_POINTS_MAX];  /* vertex of the file, per point */
    stk_similarity onto;              /* file -> head frame */
    double control[STK_POINTS_68][3]; /* canonical positions of the known points */
    double pull[STK_POINTS_68][3];    /* from there to the model's mean */
    int controls;
} builder;

static void mean_of(const builder *b, int vertex, double x[3]) {
    double raw[3];
    for (int i = 0; i < 3; i++) raw[i] = b->file->mean[3 * (int64_t)vertex + i];
    stk_similarity_apply(&b->onto, raw, x);
}

static stk_status align(builder *b) {
    double x[STK_POINTS_68][3], weights[STK_POINTS_68], squares = 0;
    int n = 0;
    for (int p = FIRST_INNER; p < STK_POINTS_68; p++) {
        if (b->vertex[p] < 0) continue;
        weights[n] = 1;
        for (int i = 0; i < 3; i++) {
            x[n][i] = b->file->mean[3 * (int64_t)b->vertex[p] + i];
            b->control[n][i] = stk_canonical_face()[stk_mesh_of_68[p]][i];
            if (!(fabs(x[n][i]) < 1e9))
                return stk_head_file_refuse(b->file->path, "a vertex is nowhere");
        }
        n++;
    }
    const double(*to)[3] = (const double(*)[3])b->control;
    if (!stk_similarity_fit((const double(*)[3])x, to, weights, n, &b->onto))
        return stk_head_file_refuse(b->file->path, "its landmarks do not lie like a face's");
    for (int k = 0; k < n; k++) {
        double moved[3];
        stk_similarity_apply(&b->onto, x[k], moved);
        for (int i = 0; i < 3; i++) {
            b->pull[k][i] = moved[i] - b->control[k][i];
            squares += b->pull[k][i] * b->pull[k][i];
        }
    }
    b->controls = n;
    if (sqrt(squares / n) < MISFIT_MAX_M) return STK_OK;
    return stk_head_file_refuse(b->file->path, "its landmarks do not lie like a face's");
}

/* --- the points ------------------------------------------------------------------------------- */

static int point_of(const stk_head_model *model, int mesh) {
    for (int p = 0; p < model->points; p++)
        if (model->mesh[p] == mesh) return p;
    return -1;
}

static void add_point(builder *b, int mesh, int vertex, int rigid, double weight) {
    stk_head_model *model = b->model;
    int p = model->points++;
    b->source[p] = vertex;
    model->mesh[p] = mesh;
    model->rigid[p] = rigid;
    model->weights[p] = weight;
    mean_of(b, vertex, model->mean[p]);
}

/* Where a canonical vertex lies on the model's mean, about. */
static void warp(const builder *b, const float canonical[3], double out[3]) {
    double sum[3] = {0}, total = 0;
    for (int k = 0; k < b->controls; k++) {
        double d2 = 1e-8; /* (0.1 mm)^2 */
        for (int i = 0; i < 3; i++) {
            double d = canonical[i] - b->control[k][i];
            d2 += d * d;
        }
        double w = 1 / (d2 * d2);
        total += w;
        for (int i = 0; i < 3; i++) sum[i] += w * b->pull[k][i];
    }
    for (int i = 0; i < 3; i++) out[i] = canonical[i] + sum[i] / total;
}

/* The model's vertex nearest to x, -1 when none is near. */
static int nearest_vertex(const builder *b, const double x[3]) {
    double least = REACH_M * REACH_M;
    int best = -1;
    for (int v = 0; v < b->file->vertices; v++) {
        double y[3], d2 = 0;
        mean_of(b, v, y);
        for (int i = 0; i < 3; i++) d2 += (y[i] - x[i]) * (y[i] - x[i]);
        if (d2 < least) least = d2, best = v;
    }
    return best;
}

static void choose_points(builder *b) {
    stk_head_shape canonical;
    stk_head_shape_init(&canonical);
    for (int p = FIRST_INNER; p < STK_POINTS_68; p++)
        if (b->vertex[p] >= 0) add_point(b, stk_mesh_of_68[p], b->vertex[p], 0, SOFT_WEIGHT);
    for (int k = 0; k < canonical.rigid_count; k++) {
        int mesh = canonical.rigid[k], known = point_of(b->model, mesh);
        if (known >= 0) {
            b->model->rigid[known] = 1;
            b->model->weights[known] = canonical.weights[k];
            continue;
        }
        double x[3];
        warp(b, stk_canonical_face()[mesh], x);
        int vertex = nearest_vertex(b, x);
        if (vertex >= 0) add_point(b, mesh, vertex, 1, canonical.weights[k]);
    }
}

/* Rows of the modes at the points: metres per standard deviation, head frame. */
static stk_status take_modes(const builder *b, const stk_head_modes *modes, double (**out)[3]) {
    const stk_head_model *model = b->model;
    *out = stk_calloc_aligned((size_t)modes->count * (size_t)model->points + 1, sizeof **out);
    if (*out == NULL) return stk_fail_memory(b->file->path);
    for (int k = 0; k < modes->count; k++)
        for (int p = 0; p < model->points; p++) {
            double raw[3], *x = (*out)[k * model->points + p];
            for (int i = 0; i < 3; i++)
                raw[i] = stk_head_mode_at(modes, 3 * (int64_t)b->source[p] + i, k);
            stk_mat3_apply(b->onto.Q, raw, x);
            for (int i = 0; i < 3; i++) {
                x[i] *= b->onto.scale;
                if (!(fabs(x[i]) < 1))
                    return stk_head_file_refuse(b->file->path, "a mode moves the face by a metre");
            }
        }
    return STK_OK;
}

static void name_model(const stk_head_file *file, stk_head_model *model) {
    const char *slash = strrchr(file->path, '/');
    snprintf(model->name, sizeof model->name,
             "%.100s: %d vertices, %d at landmarks; %d of %d identity modes, %d of %d %s",
             slash != NULL ? slash + 1 : file->path, file->vertices, model->points,
             model->identities, file->identity.stored, model->expressions, file->expression.stored,
             file->blendshapes ? "blendshapes" : "expression modes");
}

static stk_status build(const stk_head_file *file, stk_head_model *model) {
    builder b = {.file = file, .model = model};
    STK_TRY(stk_head_landmarks_find(file->path, file->vertices, b.vertex, NULL));
    STK_TRY(align(&b));
    choose_points(&b);
    model->identities = file->identity.count;
    model->expressions = file->expression.count;
    model->blendshapes = file->blendshapes;
    STK_TRY(take_modes(&b, &file->identity, &model->identity));
    STK_TRY(take_modes(&b, &file->expression, &model->expression));
    name_model(file, model);
    return STK_OK;
}

stk_status stk_head_model_open(stk_head_model **out, const char *path) {
    stk_head_file file;
    *out = NULL;
    stk_head_model *model = stk_calloc_aligned(1, sizeof *model);
    if (model == NULL) return stk_fail_memory(path);
    stk_status status = read_file(&file, path);
    if (status == STK_OK) status = build(&file, model);
    stk_head_file_clear(&file);
    if (status == STK_OK)
        *out = model;
    else
        stk_head_model_close(&model);
    return status;
}

void stk_head_model_close(stk_head_model **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_head_model *model = *handle;
    stk_free(model->identity);
    stk_free(model->expression);
    stk_free(model);
    *handle = NULL;
}
