/* model.c - reading and writing the .stk file. */
#include "render/model.h"
#include "base/memory.h"
#include "kernels/march.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT_NAME[] = "synctalk-model";
static const char NOTICE[] = "Pictures made with this model are synthetic. Use it only with the "
                             "consent of the person it shows.";
static const float WEIGHT_LIMIT = 1e6f, VALUE_LIMIT = 1e3f; /* trained values stay far below */
enum { FRAMES_MAX = 25 * 3600 * 4, CODE_ROWS_MAX = 1 << 20, POSE_FLOATS = 12, CAMERA_FLOATS = 9 };

/* --- writing --------------------------------------------------------------------------------- */

static void camera_to_floats(const stk_performance *p, float out[CAMERA_FLOATS]) {
    const stk_rect *r = &p->head_rect;
    const float values[CAMERA_FLOATS] = {p->camera.focal_px, p->camera.cx_px,  p->camera.cy_px,
                                         (float)p->width,    (float)p->height, (float)r->x0,
                                         (float)r->y0,       (float)r->x1,     (float)r->y1};
    memcpy(out, values, sizeof values);
}

static stk_status put_metadata(stk_safetensors_writer *writer, const stk_model_contents *contents) {
    const stk_model_config *config = &contents->nets->config;
    char numbers[6][24];
    snprintf(numbers[0], sizeof numbers[0], "%d", STK_MODEL_VERSION);
    snprintf(numbers[1], sizeof numbers[1], "%d", config->levels);
    snprintf(numbers[2], sizeof numbers[2], "%d", config->exp);
    snprintf(numbers[3], sizeof numbers[3], "%d", config->code_rows);
    snprintf(numbers[4], sizeof numbers[4], "%lld", (long long)contents->steps);
    snprintf(numbers[5], sizeof numbers[5], "%d", contents->performance->train_frames);
    const char *const pairs[][2] = {
        {"format", FORMAT_NAME},
        {"version", numbers[0]},
        {"notice", NOTICE},
        {"audio", stk_audio_kind_name(config->audio_kind)},
        {"levels", numbers[1]},
        {"expression_inputs", numbers[2]},
        {"code_rows", numbers[3]},
        {"steps", numbers[4]},
        {"train_frames", numbers[5]},
        {"subject", contents->performance->subject_name},
        {"subject_identity", contents->performance->subject_identity},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        STK_TRY(stk_safetensors_writer_metadata(writer, pairs[i][0], pairs[i][1]));
    return STK_OK;
}

/* The probe of train/lips.c is no part of the model. */
static int is_stored(const stk_nets *nets, int index) {
    return index != nets->lip_weight && index != nets->lip_bias;
}

static stk_status declare_all(stk_safetensors_writer *writer, const stk_model_contents *contents,
                              size_t torso_bytes) {
    const stk_params *params = &contents->nets->params;
    for (int i = 0; i < params->n; i++) {
        const stk_param *p = &params->list[i];
        int64_t shape[4];
        if (!is_stored(contents->nets, i)) continue;
        for (int k = 0; k < p->rank; k++) shape[k] = p->shape[k];
        STK_TRY(stk_safetensors_writer_declare(writer, p->name, STK_F32, p->rank, shape));
    }
    int64_t frames = contents->performance->frames;
    const int64_t bits_shape[1] = {STK_GRID_BYTES};
    const int64_t camera_shape[1] = {CAMERA_FLOATS};
    const int64_t pose_shape[2] = {frames, POSE_FLOATS};
    const int64_t exp_shape[2] = {frames, STK_EXPRESSIONS};
    const int64_t torso_shape[1] = {(int64_t)torso_bytes};
    STK_TRY(stk_safetensors_writer_declare(writer, "density_bitfield", STK_U8, 1, bits_shape));
    STK_TRY(stk_safetensors_writer_declare(writer, "subject.camera", STK_F32, 1, camera_shape));
    STK_TRY(stk_safetensors_writer_declare(writer, "subject.poses", STK_F32, 2, pose_shape));
    STK_TRY(stk_safetensors_writer_declare(writer, "subject.expressions", STK_F32, 2, exp_shape));
    return stk_safetensors_writer_declare(writer, "subject.torso_mp4", STK_U8, 1, torso_shape);
}

static stk_status write_all(stk_safetensors_writer *writer, const stk_model_contents *contents,
                            const stk_map *torso) {
    const stk_params *params = &contents->nets->params;
    const stk_performance *performance = contents->performance;
    size_t frames = (size_t)performance->frames;
    float camera[CAMERA_FLOATS];
    camera_to_floats(performance, camera);
    STK_TRY(put_metadata(writer, contents));
    STK_TRY(declare_all(writer, contents, torso->size));
    for (int i = 0; i < params->n; i++)
        if (is_stored(contents->nets, i))
            STK_TRY(stk_safetensors_writer_data(writer, contents->values + params->list[i].offset,
                                                params->list[i].count * sizeof(float)));
    STK_TRY(stk_safetensors_writer_data(writer, contents->bits, STK_GRID_BYTES));
    STK_TRY(stk_safetensors_writer_data(writer, camera, sizeof camera));
    STK_TRY(stk_safetensors_writer_data(writer, performance->poses, frames * sizeof(stk_pose)));
    STK_TRY(stk_safetensors_writer_data(writer, performance->expressions,
                                        frames * sizeof performance->expressions[0]));
    return stk_safetensors_writer_data(writer, torso->data, torso->size);
}

stk_status stk_model_save(const char *path, const stk_model_contents *contents) {
    _Static_assert(sizeof(stk_pose) == POSE_FLOATS * sizeof(float), "poses are stored as they lie");
    stk_map torso;
    STK_TRY(stk_map_open(&torso, contents->torso_path));
    stk_safetensors_writer *writer = NULL;
    stk_status status = stk_safetensors_writer_create(&writer, path);
    if (status == STK_OK) status = write_all(writer, contents, &torso);
    if (status == STK_OK) status = stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    stk_map_close(&torso);
    return status;
}

/* --- reading --------------------------------------------------------------------------------- */

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

static stk_status read_config(stk_model *model, const char *path, stk_model_config *config) {
    const char *format = stk_safetensors_metadata(model->file, "format");
    if (format == NULL || strcmp(format, FORMAT_NAME) != 0)
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
    config->code_rows = metadata_int(model->file, "code_rows", 1, CODE_ROWS_MAX);
    const char *steps = stk_safetensors_metadata(model->file, "steps");
    model->steps = steps != NULL ? strtoll(steps, NULL, 10) : 0;
    if (version < 1 || kind == STK_AUDIO_KINDS || config->levels < 0 || config->exp < 0 ||
        config->code_rows < 0)
        return damaged(path, "its metadata is not complete");
    return STK_OK;
}

/* 1 when every value is a number of at most `limit`: what is beyond would only make NaN later. */
static int all_within(const float *values, size_t count, float limit) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) <= limit)) return 0;
    return 1;
}

static stk_status read_params(stk_model *model, const char *path) {
    stk_params *params = &model->nets.params;
    for (int i = 0; i < params->n; i++) {
        const stk_param *p = &params->list[i];
        if (!is_stored(&model->nets, i)) continue;
        STK_TRY(stk_safetensors_read_f32(model->file, p->name, stk_params_value(params, i),
                                         (int64_t)p->count));
        if (!all_within(stk_params_value(params, i), p->count, WEIGHT_LIMIT))
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
    if (!all_within(p->expressions[0], (size_t)p->frames * STK_EXPRESSIONS, VALUE_LIMIT))
        return damaged(path, "an expression is not a number");
    return STK_OK;
}

static stk_status read_camera(stk_model *model, const char *path) {
    stk_performance *p = &model->performance;
    float v[CAMERA_FLOATS];
    STK_TRY(stk_safetensors_read_f32(model->file, "subject.camera", v, CAMERA_FLOATS));
    for (int i = 0; i < CAMERA_FLOATS; i++)
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

static stk_status read_performance(stk_model *model, const char *path) {
    stk_performance *p = &model->performance;
    const stk_tensor_info *poses = stk_safetensors_find(model->file, "subject.poses");
    const stk_tensor_info *torso = stk_safetensors_find(model->file, "subject.torso_mp4");
    const stk_tensor_info *bits = stk_safetensors_find(model->file, "density_bitfield");
    if (poses == NULL || poses->rank != 2 || poses->shape[1] != POSE_FLOATS ||
        poses->shape[0] < 1 || poses->shape[0] > FRAMES_MAX)
        return damaged(path, "it has no poses");
    if (torso == NULL || torso->dtype != STK_U8) return damaged(path, "it has no torso film");
    if (bits == NULL || bits->dtype != STK_U8 || bits->bytes != STK_GRID_BYTES)
        return damaged(path, "it has no occupancy bits");
    p->frames = (int)poses->shape[0];
    p->train_frames = metadata_int(model->file, "train_frames", 1, p->frames);
    if (p->train_frames < 0) return damaged(path, "its metadata is not complete");
    size_t frames = (size_t)p->frames;
    p->poses = stk_calloc_aligned(frames, sizeof *p->poses);
    p->expressions = stk_calloc_aligned(frames, sizeof *p->expressions);
    model->bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    if (p->poses == NULL || p->expressions == NULL || model->bits == NULL)
        return stk_fail_memory("model");
    STK_TRY(stk_safetensors_read_f32(model->file, "subject.poses", (float *)p->poses,
                                     (int64_t)frames * POSE_FLOATS));
    STK_TRY(stk_safetensors_read_f32(model->file, "subject.expressions", (float *)p->expressions,
                                     (int64_t)frames * STK_EXPRESSIONS));
    STK_TRY(check_motion(p, path));
    memcpy(model->bits, bits->data, STK_GRID_BYTES);
    model->torso_mp4 = torso->data;
    model->torso_bytes = torso->bytes;
    const char *name = stk_safetensors_metadata(model->file, "subject");
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
    if (status == STK_OK) status = read_camera(model, path);
    if (status == STK_OK) status = read_performance(model, path);
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
    stk_safetensors_close(&model->file);
    stk_free(model);
    *handle = NULL;
}
