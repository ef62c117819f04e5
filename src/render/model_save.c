/* model_save.c - writing the .stk file.
 *
 *   metadata | parameters | occupancy bits | what a checkpoint kept | subject: camera, poses,
 *   expressions, torso film, plate
 *
 * The version written is the lowest that can read the file: 3 with a region mask, else 1 without
 * torso branch and with a performance, else 2.
 */
#include "render/model_private.h"
#include "base/memory.h"
#include "kernels/march.h"

#include <stdio.h>
#include <string.h>

static const char NOTICE[] = "Pictures made with this model are synthetic. Use it only with the "
                             "consent of the person it shows.";
enum { NUMBER = 32 };

/* --- metadata -------------------------------------------------------------------------------- */

static stk_status put_int(stk_safetensors_writer *writer, const char *key, int64_t value) {
    char text[NUMBER];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return stk_safetensors_writer_metadata(writer, key, text);
}

static stk_status put_real(stk_safetensors_writer *writer, const char *key, double value) {
    char text[NUMBER];
    snprintf(text, sizeof text, "%.17g", value);
    return stk_safetensors_writer_metadata(writer, key, text);
}

static stk_status put_extra_metadata(stk_safetensors_writer *writer, const stk_model_extra *extra) {
    STK_TRY(put_int(writer, "epoch", extra->epoch));
    STK_TRY(put_int(writer, "mean_count", extra->mean_count));
    STK_TRY(put_real(writer, "mean_density", extra->mean_density));
    return put_real(writer, "mean_density_torso", extra->mean_density_torso);
}

static stk_status put_training(stk_safetensors_writer *writer, const stk_training *training) {
    if (training == NULL || training->schedule[0] == '\0') return STK_OK;
    STK_TRY(stk_safetensors_writer_metadata(writer, "schedule", training->schedule));
    STK_TRY(stk_safetensors_writer_metadata(writer, "perceptual_loss", training->perceptual));
    if (training->perceptual_sha256[0] == '\0') return STK_OK;
    return stk_safetensors_writer_metadata(writer, "perceptual_sha256",
                                           training->perceptual_sha256);
}

static stk_status put_metadata(stk_safetensors_writer *writer, const stk_model_contents *contents) {
    const stk_model_config *config = &contents->nets->config;
    const stk_performance *performance = contents->performance;
    const int masked = contents->nets->field.shape.mask.on;
    const int plain = performance->frames > 0 && !contents->nets->has_torso;
    STK_TRY(stk_safetensors_writer_metadata(writer, "format", STK_MODEL_FORMAT));
    STK_TRY(put_int(writer, "version", masked ? 3 : plain ? 1 : 2));
    STK_TRY(stk_safetensors_writer_metadata(writer, "notice", NOTICE));
    STK_TRY(
        stk_safetensors_writer_metadata(writer, "audio", stk_audio_kind_name(config->audio_kind)));
    if (contents->nets->encoder.sha256[0] != '\0') {
        STK_TRY(stk_safetensors_writer_metadata(writer, "encoder", contents->nets->encoder.name));
        STK_TRY(stk_safetensors_writer_metadata(writer, "encoder_sha256",
                                                contents->nets->encoder.sha256));
    }
    STK_TRY(put_int(writer, "levels", config->levels));
    STK_TRY(put_int(writer, "expression_inputs", config->exp));
    STK_TRY(put_int(writer, "code_rows", config->code_rows));
    if (contents->nets->has_torso)
        STK_TRY(put_int(writer, "torso_code_rows", config->torso_code_rows));
    STK_TRY(put_int(writer, "steps", contents->steps));
    STK_TRY(put_training(writer, contents->training));
    if (contents->extra != NULL) STK_TRY(put_extra_metadata(writer, contents->extra));
    if (performance->frames == 0) return STK_OK;
    STK_TRY(put_int(writer, "train_frames", performance->train_frames));
    if (performance->coarse) STK_TRY(stk_safetensors_writer_metadata(writer, "poses", "coarse"));
    STK_TRY(stk_safetensors_writer_metadata(writer, "subject", performance->subject_name));
    return stk_safetensors_writer_metadata(writer, "subject_identity",
                                           performance->subject_identity);
}

/* --- tensors --------------------------------------------------------------------------------- */

/* Everything behind the parameters, in the order of the file. */
enum { PIECES_MAX = 17 };
typedef struct piece {
    const char *name;
    stk_dtype dtype;
    int rank;
    int64_t shape[2];
    const void *data;
} piece;

typedef struct piece_list {
    piece list[PIECES_MAX];
    int n;
} piece_list;

static void add(piece_list *pieces, const char *name, stk_dtype dtype, int64_t rows,
                int64_t columns, const void *data) {
    if (data == NULL) return;
    pieces->list[pieces->n++] = (piece){name, dtype, columns > 0 ? 2 : 1, {rows, columns}, data};
}

static void add_extra(piece_list *pieces, const stk_model_extra *extra) {
    const int64_t side = extra->embedding_side, rows = extra->camera_rows;
    add(pieces, "density_grid", STK_F32, 1, STK_GRID_CELLS, extra->density);
    add(pieces, "density_grid_torso", STK_F32, STK_TORSO_GRID_CELLS, 0, extra->torso_grid);
    add(pieces, "step_counter", STK_I32, STK_STEP_COUNTERS, 2, extra->step_counter);
    add(pieces, "camera_dR", STK_F32, rows, 3, extra->camera_dR);
    add(pieces, "camera_dT", STK_F32, rows, 3, extra->camera_dT);
    add(pieces, "embedding.weight", STK_F32, side, side, extra->embedding);
}

static void camera_to_floats(const stk_performance *p, float out[STK_CAMERA_FLOATS]) {
    const stk_rect *r = &p->head_rect;
    const float values[STK_CAMERA_FLOATS] = {p->camera.focal_px, p->camera.cx_px,  p->camera.cy_px,
                                             (float)p->width,    (float)p->height, (float)r->x0,
                                             (float)r->y0,       (float)r->x1,     (float)r->y1};
    memcpy(out, values, sizeof values);
}

static stk_status declare_all(stk_safetensors_writer *writer, const stk_model_contents *contents,
                              const piece_list *pieces) {
    const stk_params *params = &contents->nets->params;
    for (int i = 0; i < params->n; i++) {
        const stk_param *p = &params->list[i];
        int64_t shape[4];
        if (!stk_param_stored(contents->nets, i)) continue;
        for (int k = 0; k < p->rank; k++) shape[k] = p->shape[k];
        STK_TRY(stk_safetensors_writer_declare(writer, p->name, STK_F32, p->rank, shape));
    }
    for (int i = 0; i < pieces->n; i++) {
        const piece *p = &pieces->list[i];
        STK_TRY(stk_safetensors_writer_declare(writer, p->name, p->dtype, p->rank, p->shape));
    }
    return STK_OK;
}

static stk_status write_data(stk_safetensors_writer *writer, const stk_model_contents *contents,
                             const piece_list *pieces) {
    const stk_params *params = &contents->nets->params;
    for (int i = 0; i < params->n; i++)
        if (stk_param_stored(contents->nets, i))
            STK_TRY(stk_safetensors_writer_data(writer, contents->values + params->list[i].offset,
                                                params->list[i].count * sizeof(float)));
    for (int i = 0; i < pieces->n; i++) {
        const piece *p = &pieces->list[i];
        int64_t count = p->shape[0] * (p->rank == 2 ? p->shape[1] : 1);
        STK_TRY(
            stk_safetensors_writer_data(writer, p->data, (size_t)count * stk_dtype_size(p->dtype)));
    }
    return STK_OK;
}

/* plate: rows without gaps, or NULL. */
static stk_status write_all(stk_safetensors_writer *writer, const stk_model_contents *contents,
                            const void *film, size_t film_bytes, const uint8_t *plate) {
    const stk_performance *performance = contents->performance;
    const int64_t frames = performance->frames;
    float camera[STK_CAMERA_FLOATS];
    piece_list pieces = {0};
    add(&pieces, "density_bitfield", STK_U8, STK_GRID_BYTES, 0, contents->bits);
    if (contents->nets->heard.known)
        add(&pieces, "audio_range", STK_F32, STK_CODE_RANGE_ROWS, STK_AUDIO_CODE,
            contents->nets->heard.rows);
    const stk_region_mask *mask = &contents->nets->field.shape.mask;
    const float planes[2][4] = {{mask->audio[0], mask->audio[1], mask->audio[2], mask->audio[3]},
                                {mask->exp[0], mask->exp[1], mask->exp[2], mask->exp[3]}};
    if (contents->nets->closed_known)
        add(&pieces, "audio_closed", STK_F32, STK_AUDIO_CODE, 0, contents->nets->closed);
    if (mask->on) add(&pieces, "region_mask", STK_F32, 2, 4, planes);
    if (contents->extra != NULL) add_extra(&pieces, contents->extra);
    if (frames > 0) {
        camera_to_floats(performance, camera);
        add(&pieces, "subject.camera", STK_F32, STK_CAMERA_FLOATS, 0, camera);
        add(&pieces, "subject.poses", STK_F32, frames, STK_POSE_FLOATS, performance->poses);
        add(&pieces, "subject.expressions", STK_F32, frames, STK_EXPRESSIONS,
            performance->expressions);
        add(&pieces, "subject.torso_mp4", STK_U8, (int64_t)film_bytes, 0, film);
        add(&pieces, "subject.plate", STK_U8, performance->height, 3 * (int64_t)performance->width,
            plate);
    }
    STK_TRY(put_metadata(writer, contents));
    STK_TRY(declare_all(writer, contents, &pieces));
    return write_data(writer, contents, &pieces);
}

/* The plate's rows one behind the other, in a block of the caller's to free; NULL when a model of
 * this kind has none. */
static stk_status pack_plate(const stk_model_contents *contents, uint8_t **packed) {
    const stk_image *plate = contents->plate;
    *packed = NULL;
    if (plate == NULL || plate->data == NULL || !contents->nets->has_torso) return STK_OK;
    const size_t row = 3 * (size_t)plate->width;
    *packed = stk_calloc_aligned((size_t)plate->height, row);
    if (*packed == NULL) return stk_fail_memory("plate");
    for (int y = 0; y < plate->height; y++)
        memcpy(*packed + (size_t)y * row, stk_image_row(plate, y), row);
    return STK_OK;
}

stk_status stk_model_save(const char *path, const stk_model_contents *contents) {
    _Static_assert(sizeof(stk_pose) == STK_POSE_FLOATS * sizeof(float), "stored as they lie");
    stk_map torso = {contents->torso_mp4, contents->torso_bytes};
    uint8_t *plate = NULL;
    if (contents->torso_path != NULL) STK_TRY(stk_map_open(&torso, contents->torso_path));
    stk_safetensors_writer *writer = NULL;
    stk_status status = pack_plate(contents, &plate);
    if (status == STK_OK) status = stk_safetensors_writer_create(&writer, path);
    if (status == STK_OK) status = write_all(writer, contents, torso.data, torso.size, plate);
    if (status == STK_OK) status = stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    stk_free(plate);
    if (contents->torso_path != NULL) stk_map_close(&torso);
    return status;
}
