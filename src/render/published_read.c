/* published_read.c - a published checkpoint becomes a model: variant, check, copy.
 *
 *   state dict --shapes--> stk_model_config --> parameters by name (raw, or number i of the
 *   averages) + buffers: bits, grids, counters
 *
 * Numbers in brackets are sections of reference.md.
 */
#include "render/published.h"
#include "base/memory.h"
#include "kernels/march.h"
#include "render/model_private.h"
#include "render/published_private.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const float stk_published_box[6] = {-1, -0.5f, -1, 1, 0.5f, 1};

void stk_note(stk_notes *notes, const char *format, ...) {
    va_list arguments;
    size_t room = sizeof notes->text - notes->used;
    va_start(arguments, format);
    int n = vsnprintf(notes->text + notes->used, room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n + 2 > room) {
        notes->text[notes->used] = '\0';
        return;
    }
    notes->used += (size_t)n;
    notes->text[notes->used++] = '\n';
    notes->text[notes->used] = '\0';
}

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct reader {
    const stk_state_dict *dict;
    stk_model *model;
    stk_notes *notes;
    int averaged;
    stk_model_config config; /* code rows as in the file */
} reader;

/* Not trained, so not among the averages. */
static int is_buffer(const char *name) {
    static const char *const names[] = {"aabb_train",       "aabb_infer",         "density_grid",
                                        "density_bitfield", "density_grid_torso", "step_counter"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) return 1;
    size_t length = strlen(name), ending = strlen(".offsets");
    return length > ending && strcmp(name + length - ending, ".offsets") == 0;
}

/* Parameters come in the order of the state dict; its place among them is its number. */
static stk_status find_average(const reader *r, const stk_state_tensor *raw,
                               stk_state_tensor *tensor) {
    int number = 0;
    for (const stk_state_tensor *t = stk_state_dict_at(r->dict, 0); t != raw; t++)
        number += !is_buffer(t->name);
    STK_TRY(stk_state_dict_average(r->dict, number, tensor));
    stk_published_wanted like = {raw->name, STK_F32, raw->rank, {0}};
    for (int i = 0; i < raw->rank && i < 4; i++) like.shape[i] = raw->shape[i];
    if (stk_published_fits(tensor, &like)) return STK_OK;
    char found[STK_SHAPE_TEXT], expected[STK_SHAPE_TEXT];
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: ema.shadow_params number %d is %s %s, expected F32 %s for tensor %s",
                    stk_state_dict_path(r->dict), number, stk_dtype_name(tensor->dtype),
                    stk_published_shape(found, tensor->rank, tensor->shape),
                    stk_published_shape(expected, raw->rank, raw->shape), raw->name);
}

/* The elements of a float tensor that was found to be as wanted. */
static stk_status read_floats(const reader *r, const stk_state_tensor *t, float *out) {
    stk_state_tensor average;
    const stk_state_tensor *source = t;
    int trained = !is_buffer(t->name);
    if (r->averaged && trained) {
        STK_TRY(find_average(r, t, &average));
        source = &average;
    }
    STK_TRY(stk_state_dict_read(r->dict, source, out));
    int good = !trained || stk_weights_possible(out, (size_t)t->count);
    for (int64_t i = 0; good && i < t->count; i++) good = isfinite(out[i]);
    if (good) return STK_OK;
    return stk_fail(STK_ERR_NUMERIC,
                    "%s: tensor %s holds values that are not numbers or beyond 1e6; the training "
                    "that made it had broken down",
                    stk_state_dict_path(r->dict), t->name);
}

/* A block of its own for a tensor that may be absent. */
static stk_status read_block(const reader *r, const stk_published_wanted *w, float **out,
                             int *rows) {
    const stk_state_tensor *t;
    if (stk_state_dict_find(r->dict, w->name) == NULL) return STK_OK;
    STK_TRY(stk_published_require(r->dict, w, &t));
    if (t->shape[0] > STK_CODE_ROWS_MAX)
        return stk_published_refuse(r->dict, t, w->name, "fewer rows");
    *out = stk_calloc_aligned((size_t)t->count, sizeof(float));
    if (*out == NULL) return stk_fail_memory(stk_state_dict_path(r->dict));
    if (rows != NULL) *rows = (int)t->shape[0];
    return read_floats(r, t, *out);
}

/* Codes up to the last row that is not zero, bit for bit: zeros are what saving pads with. */
static stk_status read_codes(const reader *r, const char *name, int columns, float **codes,
                             int *rows) {
    const stk_published_wanted w = {name, STK_F32, 2, {STK_ANY, columns}};
    STK_TRY(read_block(r, &w, codes, rows));
    size_t row = (size_t)columns * sizeof(float);
    static const float zeros[STK_TORSO_CODE];
    while (*rows > 1 && memcmp(*codes + (size_t)(*rows - 1) * (size_t)columns, zeros, row) == 0)
        --*rows;
    return STK_OK;
}

/* All parameters except the codes, which have been read. */
static stk_status read_params(const reader *r) {
    stk_nets *nets = &r->model->nets;
    for (int i = 0; i < nets->params.n; i++) {
        const stk_param *p = &nets->params.list[i];
        if (!stk_param_stored(nets, i) || i == nets->field.codes ||
            (nets->has_torso && i == nets->torso.codes))
            continue;
        stk_published_wanted w = {p->name, STK_F32, p->rank, {0}};
        for (int k = 0; k < p->rank; k++) w.shape[k] = p->shape[k];
        const stk_state_tensor *t;
        STK_TRY(stk_published_require(r->dict, &w, &t));
        STK_TRY(read_floats(r, t, stk_params_value(&nets->params, i)));
    }
    return STK_OK;
}

static stk_status make_nets(const reader *r, stk_model_config *config, float *codes,
                            float *torso_codes) {
    stk_nets *nets = &r->model->nets;
    STK_TRY(stk_nets_init(nets, config, 0));
    memcpy(stk_params_value(&nets->params, nets->field.codes), codes,
           (size_t)config->code_rows * STK_CODE * sizeof(float));
    if (nets->has_torso)
        memcpy(stk_params_value(&nets->params, nets->torso.codes), torso_codes,
               (size_t)config->torso_code_rows * STK_TORSO_CODE * sizeof(float));
    return read_params(r);
}

static stk_status read_nets(const reader *r) {
    stk_model_config config = r->config;
    float *codes = NULL, *torso_codes = NULL;
    stk_status status = read_codes(r, "individual_codes", STK_CODE, &codes, &config.code_rows);
    if (status == STK_OK && config.torso_code_rows > 0)
        status = read_codes(r, "individual_codes_torso", STK_TORSO_CODE, &torso_codes,
                            &config.torso_code_rows);
    if (status == STK_OK) status = make_nets(r, &config, codes, torso_codes);
    stk_free(codes);
    stk_free(torso_codes);
    return status;
}

/* --- buffers ---------------------------------------------------------------------------------- */

/* A buffer whose content follows from the variant must have just that. */
static stk_status check_constant(const reader *r, const char *name, stk_dtype dtype, int count,
                                 const void *expected, const char *meaning) {
    const stk_published_wanted w = {name, dtype, 1, {count}};
    const stk_state_tensor *t = stk_state_dict_find(r->dict, name);
    uint8_t found[64 * sizeof(int32_t)];
    size_t bytes = (size_t)count * stk_dtype_size(dtype);
    if (t == NULL || bytes > sizeof found) return STK_OK; /* made anew when saving */
    STK_TRY(stk_published_require(r->dict, &w, &t));
    STK_TRY(stk_state_dict_read(r->dict, t, found));
    if (memcmp(found, expected, bytes) == 0) return STK_OK;
    return stk_fail(STK_ERR_UNSUPPORTED, "%s: tensor %s does not hold %s",
                    stk_state_dict_path(r->dict), name, meaning);
}

static stk_status check_constants(const reader *r) {
    static const char *const boxes[] = {"aabb_train", "aabb_infer"};
    static const char *const planes[] = {"encoder_xy.offsets", "encoder_yz.offsets",
                                         "encoder_xz.offsets"};
    const stk_grid_layout *grid = &r->model->nets.field.shape.grid;
    int32_t offsets[STK_LEVELS_MAX + 1];
    for (int i = 0; i <= grid->levels; i++) offsets[i] = (int32_t)grid->offset[i];
    for (int i = 0; i < 2; i++)
        STK_TRY(check_constant(r, boxes[i], STK_F32, 6, stk_published_box,
                               "the box of --bound 1 (-1, -0.5, -1, 1, 0.5, 1)"));
    for (int i = 0; i < STK_PLANES; i++)
        STK_TRY(check_constant(r, planes[i], STK_I32, grid->levels + 1, offsets,
                               "the offsets of base resolution 64 and finest 512"));
    if (!r->model->nets.has_torso) return STK_OK;
    return check_constant(r, "torso_encoder.offsets", STK_I32, STK_TORSO_LEVELS + 1,
                          r->model->nets.torso.layout.offset,
                          "the offsets of base resolution 16 and finest 2048");
}

static stk_status read_bits(const reader *r) {
    const stk_published_wanted w = {"density_bitfield", STK_U8, 1, {STK_GRID_BYTES}};
    const stk_state_tensor *t;
    STK_TRY(stk_published_require(r->dict, &w, &t));
    r->model->bits = stk_calloc_aligned(1, STK_GRID_BYTES);
    if (r->model->bits == NULL) return stk_fail_memory(stk_state_dict_path(r->dict));
    return stk_state_dict_read(r->dict, t, r->model->bits);
}

static stk_status read_counter(const reader *r) {
    const stk_published_wanted w = {"step_counter", STK_I32, 2, {STK_STEP_COUNTERS, 2}};
    const stk_state_tensor *t;
    if (stk_state_dict_find(r->dict, w.name) == NULL) return STK_OK;
    STK_TRY(stk_published_require(r->dict, &w, &t));
    r->model->extra.step_counter =
        stk_calloc_aligned((size_t)2 * STK_STEP_COUNTERS, sizeof(int32_t));
    if (r->model->extra.step_counter == NULL) return stk_fail_memory(stk_state_dict_path(r->dict));
    return stk_state_dict_read(r->dict, t, r->model->extra.step_counter);
}

static stk_status read_extra(const reader *r) {
    stk_model_extra *extra = &r->model->extra;
    int side = stk_published_channels(r->config.audio_kind);
    const stk_published_wanted density = {"density_grid", STK_F32, 2, {1, STK_GRID_CELLS}};
    const stk_published_wanted torso = {"density_grid_torso", STK_F32, 1, {STK_TORSO_GRID_CELLS}};
    const stk_published_wanted rotation = {"camera_dR", STK_F32, 2, {STK_ANY, 3}};
    stk_published_wanted shift = {"camera_dT", STK_F32, 2, {STK_ANY, 3}};
    const stk_published_wanted embedding = {"embedding.weight", STK_F32, 2, {side, side}};
    const stk_state_tensor *t;
    STK_TRY(read_block(r, &density, &extra->density, NULL));
    STK_TRY(read_block(r, &rotation, &extra->camera_dR, &extra->camera_rows));
    if (extra->camera_rows > 0) shift.shape[0] = extra->camera_rows;
    STK_TRY(read_block(r, &shift, &extra->camera_dT, &extra->camera_rows));
    STK_TRY(read_block(r, &embedding, &extra->embedding, &extra->embedding_side));
    if (r->model->nets.has_torso) {
        STK_TRY(stk_published_require(r->dict, &torso, &t));
        STK_TRY(read_block(r, &torso, &extra->torso_grid, NULL));
    }
    return read_counter(r);
}

static stk_status read_numbers(const reader *r) {
    stk_model_extra *extra = &r->model->extra;
    const double numbers[3] = {stk_state_dict_number(r->dict, "global_step", 0),
                               stk_state_dict_number(r->dict, "epoch", 0),
                               stk_state_dict_number(r->dict, "mean_count", 0)};
    extra->mean_density = stk_state_dict_number(r->dict, "mean_density", 0);
    extra->mean_density_torso = stk_state_dict_number(r->dict, "mean_density_torso", 0);
    int good = isfinite(extra->mean_density) && isfinite(extra->mean_density_torso);
    for (int i = 0; i < 3; i++) good = good && numbers[i] >= 0 && numbers[i] < 1e12;
    if (!good)
        return stk_fail(STK_ERR_NUMERIC,
                        "%s: epoch, global_step, mean_count or a mean density is impossible",
                        stk_state_dict_path(r->dict));
    r->model->steps = (int64_t)numbers[0];
    extra->epoch = (int64_t)numbers[1];
    extra->mean_count = (int64_t)numbers[2];
    return STK_OK;
}

/* Only files that were written here say it. */
static stk_status read_encoder(const reader *r) {
    stk_encoder_id *id = &r->model->nets.encoder;
    if (r->config.audio_kind != STK_AUDIO_AVE) return STK_OK;
    if (!stk_encoder_id_read(id, stk_state_dict_text(r->dict, STK_PUBLISHED_ENCODER),
                             stk_state_dict_text(r->dict, STK_PUBLISHED_ENCODER_SHA256)))
        return stk_fail(STK_ERR_FORMAT, "%s: its encoder is not named properly",
                        stk_state_dict_path(r->dict));
    if (id->sha256[0] != '\0')
        stk_note(r->notes, "hears through the encoder %s (SHA-256 %.16s...)", id->name, id->sha256);
    return STK_OK;
}

/* --- notes ------------------------------------------------------------------------------------ */

/* Tensors that no variant has; the published loader ignores them too. */
static void note_unknown(const reader *r) {
    static const char *const optional[] = {"camera_dR", "camera_dT", "embedding.weight"};
    char names[256] = "";
    int unknown = 0;
    size_t used = 0;
    for (int i = 0; i < stk_state_dict_count(r->dict); i++) {
        const char *name = stk_state_dict_at(r->dict, i)->name;
        int known = is_buffer(name) || stk_params_find(&r->model->nets.params, name) >= 0;
        for (int k = 0; k < 3; k++) known = known || strcmp(optional[k], name) == 0;
        if (known) continue;
        unknown++;
        if (used + strlen(name) + 3 < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                     used > 0 ? ", " : "", name);
    }
    if (unknown > 0)
        stk_note(r->notes, "left out: %d tensor%s that no published variant has: %s", unknown,
                 unknown == 1 ? "" : "s", names);
}

static void note_variant(const reader *r) {
    const stk_model_config *config = &r->model->nets.config;
    const stk_model_extra *extra = &r->model->extra;
    stk_note(r->notes,
             "variant: %s sound, %d expression input%s, %d hash levels, %d codes, %s torso branch, "
             "%s weights of step %lld",
             stk_audio_kind_name(config->audio_kind), config->exp, config->exp == 1 ? "" : "s",
             config->levels, config->code_rows, r->model->nets.has_torso ? "with" : "no",
             r->averaged ? "averaged" : "raw", (long long)r->model->steps);
    if (config->exp == 1 && config->audio_kind != STK_AUDIO_AVE)
        stk_note(r->notes, "beware: an ER-NeRF checkpoint has these shapes too, and would give "
                           "wrong pictures");
    if (extra->camera_dR != NULL || extra->camera_dT != NULL)
        stk_note(r->notes, "kept, not used in rendering: the camera corrections of --train_camera");
    if (extra->embedding != NULL)
        stk_note(r->notes, "kept: the embedding of --emb; sound features must be class labels");
}

/* --- opening ---------------------------------------------------------------------------------- */

static stk_status check_averages(const reader *r) {
    if (!r->averaged) return STK_OK;
    int averages = stk_state_dict_averages(r->dict), params = 0;
    for (int i = 0; i < stk_state_dict_count(r->dict); i++)
        params += !is_buffer(stk_state_dict_at(r->dict, i)->name);
    if (averages < 0)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: holds no averaged weights, only a full checkpoint (ngp_epXXXX.pth) "
                        "does; convert it with --weights raw",
                        stk_state_dict_path(r->dict));
    if (averages == params) return STK_OK;
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: ema.shadow_params has %d tensors, the model has %d parameters; convert it "
                    "with --weights raw",
                    stk_state_dict_path(r->dict), averages, params);
}

static stk_status read_model(const reader *r) {
    STK_TRY(check_averages(r));
    STK_TRY(read_nets(r));
    STK_TRY(check_constants(r));
    STK_TRY(read_bits(r));
    STK_TRY(read_extra(r));
    STK_TRY(read_numbers(r));
    STK_TRY(read_encoder(r));
    note_variant(r);
    note_unknown(r);
    return STK_OK;
}

stk_status stk_published_open(stk_model **out, const char *path, int averaged, stk_notes *notes) {
    *out = NULL;
    stk_state_dict *dict;
    STK_TRY(stk_state_dict_open(&dict, path));
    stk_model *model = stk_calloc_aligned(1, sizeof *model);
    reader r = {.dict = dict, .model = model, .notes = notes, .averaged = averaged};
    stk_status status = model != NULL ? STK_OK : stk_fail_memory("model");
    if (status == STK_OK) status = stk_published_config(dict, &r.config);
    if (status == STK_OK) status = read_model(&r);
    stk_state_dict_close(&dict);
    if (status != STK_OK)
        stk_model_close(&model);
    else
        *out = model;
    return status;
}
