/* model.c - reading the .stk file (model_save.c has the order of its parts). Nothing in it is taken
 * on trust: shapes, sizes and numbers are checked before anything is rendered from them.
 */
#include "render/model_private.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/march.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float WEIGHT_LIMIT = 1e6f; /* trained values stay far below */
enum { FRAMES_MAX = 25 * 3600 * 4, EMBEDDING_MAX = 4096 };

static stk_status damaged(const char *path, const char *what) {
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged (%s); train or convert it again", path, what);
}

/* A metadata number in [lo, hi], -1 if absent or out of range. */
static int metadata_int(const stk_safetensors *file, const char *key, int lo, int hi) {
    const char *text = stk_safetensors_metadata(file, key);
    if (text == NULL) return -1;
    char *end;
    long value = strtol(text, &end, 10);
    return end == text || *end != '\0' || value < lo || value > hi ? -1 : (int)value;
}

/* A text that only informs: cut to fit. */
static void metadata_text(const stk_safetensors *file, const char *key, char *text, size_t size) {
    const char *found = stk_safetensors_metadata(file, key);
    snprintf(text, size, "%s", found != NULL ? found : "");
}

static void read_training(stk_model *model) {
    stk_training *t = &model->training;
    metadata_text(model->file, "schedule", t->schedule, sizeof t->schedule);
    metadata_text(model->file, "perceptual_loss", t->perceptual, sizeof t->perceptual);
    metadata_text(model->file, "perceptual_sha256", t->perceptual_sha256,
                  sizeof t->perceptual_sha256);
}

/* A count or a number in the metadata, 0 if absent. */
static int64_t metadata_count(const stk_safetensors *file, const char *key) {
    const char *text = stk_safetensors_metadata(file, key);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static double metadata_real(const stk_safetensors *file, const char *key) {
    const char *text = stk_safetensors_metadata(file, key);
    return text != NULL ? strtod(text, NULL) : 0;
}

static stk_status read_config(stk_model *model, const char *path, stk_model_config *config) {
    const char *format = stk_safetensors_metadata(model->file, "format");
    if (format == NULL || strcmp(format, STK_MODEL_FORMAT) != 0)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is not a synctalk model; give the file that `synctalk "
                        "train` wrote",
                        path);
    int version = metadata_int(model->file, "version", 1, 1 << 20);
    if (version > STK_MODEL_VERSION)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: has format version %d, this program reads up to %d;"
                        " update the program",
                        path, version, STK_MODEL_VERSION);
    const char *audio = stk_safetensors_metadata(model->file, "audio");
    int kind = 0;
    while (kind < STK_AUDIO_KINDS &&
           (audio == NULL || strcmp(audio, stk_audio_kind_name((stk_audio_kind)kind)) != 0))
        kind++;
    config->audio_kind = (stk_audio_kind)kind;
    config->levels = metadata_int(model->file, "levels", 1, STK_LEVELS_MAX);
    config->exp = metadata_int(model->file, "expression_inputs", 1, STK_EXP_MAX);
    config->code_rows = metadata_int(model->file, "code_rows", 1, STK_CODE_ROWS_MAX);
    if (stk_safetensors_metadata(model->file, "torso_code_rows") != NULL)
        config->torso_code_rows =
            metadata_int(model->file, "torso_code_rows", 1, STK_CODE_ROWS_MAX);
    model->steps = metadata_count(model->file, "steps");
    read_training(model);
    if (version < 1 || kind == STK_AUDIO_KINDS || config->levels < 0 || config->exp < 0 ||
        config->code_rows < 0 || config->torso_code_rows < 0)
        return damaged(path, "its metadata is not complete");
    return STK_OK;
}

/* 1 when every value is a number of at most `limit`: what is beyond would only make NaN later. */
static int all_within(const float *values, size_t count, float limit) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) <= limit)) return 0;
    return 1;
}

int stk_weights_possible(const float *values, size_t count) {
    return all_within(values, count, WEIGHT_LIMIT);
}

static stk_status read_params(stk_model *model, const char *path) {
    stk_params *params = &model->nets.params;
    for (int i = 0; i < params->n; i++) {
        const stk_param *p = &params->list[i];
        if (!stk_param_stored(&model->nets, i)) continue;
        STK_TRY(stk_safetensors_read_f32(model->file, p->name, stk_params_value(params, i),
                                         (int64_t)p->count));
        if (!stk_weights_possible(stk_params_value(params, i), p->count))
            return damaged(path, "a weight is not a number");
    }
    return STK_OK;
}

/* Rendering takes poses on trust: they decide which cells of the occupancy grid a ray reads. */
static stk_status check_motion(const stk_performance *p, const char *path) {
    for (int i = 0; i < p->frames; i++)
        if (!stk_pose_possible(&p->poses[i]))
            return stk_fail(STK_ERR_FORMAT,
                            "%s: is damaged (the pose of frame %d is impossible); "
                            "train or convert it again",
                            path, i);
    if (!all_within(p->expressions[0], (size_t)p->frames * STK_EXPRESSIONS, STK_EXPRESSION_MAX))
        return damaged(path, "an expression is not a number, or impossibly large");
    return STK_OK;
}

static stk_status read_camera(stk_model *model, const char *path) {
    stk_performance *p = &model->performance;
    float v[STK_CAMERA_FLOATS];
    STK_TRY(stk_safetensors_read_f32(model->file, "subject.camera", v, STK_CAMERA_FLOATS));
    for (int i = 0; i < STK_CAMERA_FLOATS; i++)
        if (!(v[i] > -1e6f && v[i] < 1e6f)) return damaged(path, "its camera is not a number");
    p->width = (int)v[3];
    p->height = (int)v[4];
    p->camera = (stk_camera){v[0], v[1], v[2], p->width, p->height};
    p->head_rect = (stk_rect){(int)v[5], (int)v[6], (int)v[7], (int)v[8]};
    const stk_rect *r = &p->head_rect;
    int inside = r->x0 >= 0 && r->y0 >= 0 && r->x0 < r->x1 && r->y0 < r->y1 && r->x1 <= p->width &&
                 r->y1 <= p->height;
    if (p->width < 16 || p->height < 16 || p->width > 8192 || p->height > 8192 || !(v[0] > 1) ||
        !inside)
        return damaged(path, "its camera is impossible");
    return STK_OK;
}

static stk_status read_bits(stk_model *model, const char *path) {
    const stk_tensor_info *bits = stk_safetensors_find(model->file, "density_bitfield");
    if (bits == NULL || bits->dtype != STK_U8 || bits->bytes != STK_GRID_BYTES)
        return damaged(path, "it has no occupancy bits");
    model->bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    if (model->bits == NULL) return stk_fail_memory("model");
    memcpy(model->bits, bits->data, STK_GRID_BYTES);
    return STK_OK;
}

/* Models of before, and converted ones, do not tell which codes they have heard. */
static stk_status read_heard(stk_model *model, const char *path) {
    stk_code_range *heard = &model->nets.heard;
    const stk_tensor_info *t = stk_safetensors_find(model->file, "audio_range");
    if (t == NULL) return STK_OK;
    if (t->dtype != STK_F32 || t->bytes != sizeof heard->rows) return damaged(path, "audio_range");
    memcpy(heard->rows, t->data, t->bytes);
    if (!all_within(heard->rows[0], STK_CODE_RANGE_ROWS * STK_AUDIO_CODE, WEIGHT_LIMIT))
        return damaged(path, "audio_range");
    heard->known = 1;
    return STK_OK;
}

static stk_status read_closed(stk_model *model, const char *path) {
    stk_nets *nets = &model->nets;
    const stk_tensor_info *t = stk_safetensors_find(model->file, "audio_closed");
    if (t == NULL) return STK_OK;
    if (t->dtype != STK_F32 || t->bytes != sizeof nets->closed) return damaged(path, t->name);
    memcpy(nets->closed, t->data, t->bytes);
    if (!all_within(nets->closed, STK_AUDIO_CODE, WEIGHT_LIMIT)) return damaged(path, t->name);
    nets->closed_known = 1;
    return STK_OK;
}

int stk_encoder_id_read(stk_encoder_id *id, const char *name, const char *sha256) {
    if (name == NULL && sha256 == NULL) return 1;
    if (name == NULL || sha256 == NULL || strlen(name) >= sizeof id->name ||
        strchr(name, '/') != NULL || strlen(sha256) != sizeof id->sha256 - 1)
        return 0;
    snprintf(id->name, sizeof id->name, "%s", name);
    snprintf(id->sha256, sizeof id->sha256, "%s", sha256);
    return 1;
}

/* Published models hear through the published encoder, and do not say which that is. */
static stk_status read_encoder(stk_model *model, const char *path) {
    const char *name = stk_safetensors_metadata(model->file, "encoder");
    const char *sha256 = stk_safetensors_metadata(model->file, "encoder_sha256");
    if (stk_encoder_id_read(&model->nets.encoder, name, sha256)) return STK_OK;
    return damaged(path, "its encoder is not named properly");
}

/* Where sound and expression act; models without it let both act everywhere. */
static stk_status read_mask(stk_model *model, const char *path) {
    stk_region_mask *mask = &model->nets.field.shape.mask;
    const stk_tensor_info *t = stk_safetensors_find(model->file, "region_mask");
    if (t == NULL) return STK_OK;
    float planes[2][4];
    if (t->dtype != STK_F32 || t->bytes != sizeof planes) return damaged(path, "region_mask");
    memcpy(planes, t->data, sizeof planes);
    if (!all_within(planes[0], 8, WEIGHT_LIMIT)) return damaged(path, "region_mask");
    memcpy(mask->audio, planes[0], sizeof mask->audio);
    memcpy(mask->exp, planes[1], sizeof mask->exp);
    mask->on = 1;
    return STK_OK;
}

/* Copies a tensor of numbers if it is there. *rows: 0 receives the number of its rows, at most
 * rows_max; anything else is what it must be. */
static stk_status read_optional(stk_model *model, const char *path, const char *name, int rows_max,
                                int columns, float **values, int *rows) {
    const stk_tensor_info *t = stk_safetensors_find(model->file, name);
    if (t == NULL) return STK_OK;
    int64_t count = t->count;
    if (t->dtype != STK_F32 || count < columns || count % columns != 0 ||
        count / columns > rows_max || (*rows != 0 && count / columns != *rows))
        return damaged(path, name);
    *values = stk_calloc_aligned((size_t)count, sizeof(float));
    if (*values == NULL) return stk_fail_memory("model");
    memcpy(*values, t->data, t->bytes);
    if (!all_within(*values, (size_t)count, FLT_MAX)) return damaged(path, name);
    *rows = (int)(count / columns);
    return STK_OK;
}

static stk_status read_extra(stk_model *model, const char *path) {
    stk_model_extra *extra = &model->extra;
    const stk_safetensors *file = model->file;
    int cells = STK_GRID_CELLS, torso_cells = STK_TORSO_GRID_CELLS;
    const stk_tensor_info *embedding = stk_safetensors_find(file, "embedding.weight");
    const stk_tensor_info *counter = stk_safetensors_find(file, "step_counter");
    extra->epoch = metadata_count(file, "epoch");
    extra->mean_count = metadata_count(file, "mean_count");
    extra->mean_density = metadata_real(file, "mean_density");
    extra->mean_density_torso = metadata_real(file, "mean_density_torso");
    if (!isfinite(extra->mean_density) || !isfinite(extra->mean_density_torso))
        return damaged(path, "a mean density is not a number");
    STK_TRY(read_optional(model, path, "density_grid", cells, 1, &extra->density, &cells));
    if (model->nets.has_torso) {
        STK_TRY(read_optional(model, path, "density_grid_torso", torso_cells, 1, &extra->torso_grid,
                              &torso_cells));
        if (extra->torso_grid == NULL) return damaged(path, "it has no torso grid");
    }
    STK_TRY(read_optional(model, path, "camera_dR", STK_CODE_ROWS_MAX, 3, &extra->camera_dR,
                          &extra->camera_rows));
    STK_TRY(read_optional(model, path, "camera_dT", STK_CODE_ROWS_MAX, 3, &extra->camera_dT,
                          &extra->camera_rows));
    if (embedding != NULL) {
        int side = embedding->rank == 2 ? (int)embedding->shape[0] : 0;
        if (side < 1 || side > EMBEDDING_MAX || embedding->shape[1] != side)
            return damaged(path, "embedding.weight");
        extra->embedding_side = side;
        STK_TRY(read_optional(model, path, "embedding.weight", side, side, &extra->embedding,
                              &extra->embedding_side));
    }
    if (counter == NULL) return STK_OK;
    const size_t bytes = 2 * STK_STEP_COUNTERS * sizeof(int32_t);
    if (counter->dtype != STK_I32 || counter->bytes != bytes) return damaged(path, "step_counter");
    extra->step_counter = stk_calloc_aligned(1, bytes);
    if (extra->step_counter == NULL) return stk_fail_memory("model");
    memcpy(extra->step_counter, counter->data, bytes);
    return STK_OK;
}

/* A file of version 2 may have been converted without a subject. */
static int has_performance(const stk_model *model) {
    return metadata_int(model->file, "version", 2, STK_MODEL_VERSION) < 0 ||
           stk_safetensors_find(model->file, "subject.camera") != NULL ||
           stk_safetensors_find(model->file, "subject.poses") != NULL;
}

static stk_status read_performance(stk_model *model, const char *path) {
    stk_performance *p = &model->performance;
    if (!has_performance(model)) return STK_OK;
    STK_TRY(read_camera(model, path));
    const stk_tensor_info *poses = stk_safetensors_find(model->file, "subject.poses");
    const stk_tensor_info *torso = stk_safetensors_find(model->file, "subject.torso_mp4");
    if (poses == NULL || poses->rank != 2 || poses->shape[1] != STK_POSE_FLOATS ||
        poses->shape[0] < 1 || poses->shape[0] > FRAMES_MAX)
        return damaged(path, "it has no poses");
    if (torso == NULL || torso->dtype != STK_U8) return damaged(path, "it has no torso film");
    p->frames = (int)poses->shape[0];
    p->train_frames = metadata_int(model->file, "train_frames", 1, p->frames);
    if (p->train_frames < 0) return damaged(path, "its metadata is not complete");
    size_t frames = (size_t)p->frames;
    p->poses = stk_calloc_aligned(frames, sizeof *p->poses);
    p->expressions = stk_calloc_aligned(frames, sizeof *p->expressions);
    if (p->poses == NULL || p->expressions == NULL) return stk_fail_memory("model");
    STK_TRY(stk_safetensors_read_f32(model->file, "subject.poses", (float *)p->poses,
                                     (int64_t)frames * STK_POSE_FLOATS));
    STK_TRY(stk_safetensors_read_f32(model->file, "subject.expressions", (float *)p->expressions,
                                     (int64_t)frames * STK_EXPRESSIONS));
    STK_TRY(check_motion(p, path));
    model->torso_mp4 = torso->data;
    model->torso_bytes = torso->bytes;
    const char *name = stk_safetensors_metadata(model->file, "subject");
    const char *stage = stk_safetensors_metadata(model->file, "poses");
    p->coarse = stage != NULL && strcmp(stage, "coarse") == 0;
    const char *identity = stk_safetensors_metadata(model->file, "subject_identity");
    snprintf(p->subject_name, sizeof p->subject_name, "%s", name != NULL ? name : "");
    snprintf(p->subject_identity, sizeof p->subject_identity, "%s",
             identity != NULL ? identity : "");
    return STK_OK;
}

/* The mistakes that people make, in their words: a folder, a film, a sound. */
static stk_status check_kind(const char *path) {
    if (stk_file_is_directory(path))
        return stk_fail(STK_ERR_FORMAT,
                        "%s: is a folder; give the model file that `synctalk train` wrote", path);
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    int looks_right = map.size > 8 && map.data[8] == '{'; /* the JSON header of safetensors */
    stk_map_close(&map);
    if (looks_right) return STK_OK;
    return stk_fail(STK_ERR_FORMAT,
                    "%s: is not a synctalk model; give the file that `synctalk train` wrote", path);
}

/* Only a torso branch needs what is behind the torso, and one without a plate can do without. */
static stk_status read_plate(stk_model *model, const char *path) {
    const stk_performance *p = &model->performance;
    const stk_tensor_info *t = stk_safetensors_find(model->file, "subject.plate");
    if (t == NULL || !model->nets.has_torso || p->frames == 0) return STK_OK;
    if (t->dtype != STK_U8 || t->rank != 2 || t->shape[0] != p->height ||
        t->shape[1] != 3 * (int64_t)p->width)
        return damaged(path, "its plate is of another size");
    STK_TRY(stk_image_init(&model->plate, p->width, p->height, 3));
    const size_t row = 3 * (size_t)p->width;
    for (int y = 0; y < p->height; y++)
        memcpy(stk_image_row(&model->plate, y), (const uint8_t *)t->data + (size_t)y * row, row);
    return STK_OK;
}

stk_status stk_model_open(stk_model **out, const char *path) {
    *out = NULL;
    stk_model *model = stk_calloc_aligned(1, sizeof *model);
    if (model == NULL) return stk_fail_memory("model");
    stk_model_config config = {0};
    stk_status status = check_kind(path);
    if (status == STK_OK) status = stk_safetensors_open(&model->file, path);
    if (status == STK_OK) status = read_config(model, path, &config);
    if (status == STK_OK) status = stk_nets_init(&model->nets, &config, 0);
    if (status == STK_OK) status = read_params(model, path);
    if (status == STK_OK) status = read_bits(model, path);
    if (status == STK_OK) status = read_heard(model, path);
    if (status == STK_OK) status = read_closed(model, path);
    if (status == STK_OK) status = read_encoder(model, path);
    if (status == STK_OK) status = read_mask(model, path);
    if (status == STK_OK) status = read_extra(model, path);
    if (status == STK_OK) status = read_performance(model, path);
    if (status == STK_OK) status = read_plate(model, path);
    if (status == STK_OK) status = stk_sha256_file(path, model->hash);
    if (status != STK_OK) {
        stk_model_close(&model);
        return status;
    }
    *out = model;
    return STK_OK;
}

void stk_model_close(stk_model **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_model *model = *handle;
    stk_nets_clear(&model->nets);
    stk_free(model->performance.poses);
    stk_free(model->performance.expressions);
    stk_free(model->bits);
    stk_image_clear(&model->plate);
    stk_model_extra_clear(&model->extra);
    stk_safetensors_close(&model->file);
    stk_free(model);
    *handle = NULL;
}

void stk_model_extra_clear(stk_model_extra *extra) {
    stk_free(extra->torso_grid);
    stk_free(extra->density);
    stk_free(extra->step_counter);
    stk_free(extra->camera_dR);
    stk_free(extra->camera_dT);
    stk_free(extra->embedding);
    *extra = (stk_model_extra){0};
}

stk_status stk_model_need_performance(const stk_model *model, const char *path) {
    if (model->performance.frames > 0) return STK_OK;
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "%s: has no source performance (poses, expressions, torso film): convert the "
                    "checkpoint again with --subject FOLDER",
                    path);
}
