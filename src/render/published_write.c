/* published_write.c - a model as a checkpoint: the official tensors in the official order.
 *
 *   codes, camera, anchors | buffers | embedding, audio net, attention | planes with offsets,
 *   nets | torso branch
 *
 * The order of the parameter store is that of the official file from the audio net on; what the
 * official classes register first is put in front. Codes are padded with zeros to 20000 rows, which
 * the published loader insists on. Numbers in brackets are sections of reference.md.
 */
#include "base/memory.h"
#include "kernels/march.h"
#include "nn/pth_write.h"
#include "render/model_private.h"
#include "render/published.h"
#include "render/published_private.h"

#include <stdio.h>
#include <string.h>

enum { ENTRIES_MAX = 80 };

typedef struct entry {
    const char *name;
    stk_dtype dtype;
    int rank;
    int64_t shape[4];
    const void *data;
} entry;

typedef struct layout {
    const stk_model *model;
    entry list[ENTRIES_MAX];
    int n;
    float *padded[2]; /* owned */
    int32_t offsets[STK_LEVELS_MAX + 1];
    int32_t counter[STK_STEP_COUNTERS][2];
} layout;

int stk_published_channels(stk_audio_kind kind) {
    int steps = kind == STK_AUDIO_AVE ? 1 : kind == STK_AUDIO_HUBERT ? 2 : STK_MEL_STEPS;
    return stk_audio_row_floats(kind) / steps;
}

/* --- the layout ------------------------------------------------------------------------------- */

static void add(layout *l, const char *name, stk_dtype dtype, int64_t rows, int64_t columns,
                const void *data) {
    if (data != NULL)
        l->list[l->n++] = (entry){name, dtype, columns > 0 ? 2 : 1, {rows, columns}, data};
}

static void add_param(layout *l, int index) {
    const stk_params *params = &l->model->nets.params;
    const stk_param *p = &params->list[index];
    entry *e = &l->list[l->n++];
    *e = (entry){.name = p->name, .dtype = STK_F32, .rank = p->rank};
    for (int i = 0; i < p->rank; i++) e->shape[i] = p->shape[i];
    e->data = stk_params_value(params, index);
}

static stk_status add_codes(layout *l, int index, int columns, float **padded) {
    const stk_params *params = &l->model->nets.params;
    const stk_param *p = &params->list[index];
    int rows = p->shape[0] < STK_PUBLISHED_CODE_ROWS ? STK_PUBLISHED_CODE_ROWS : p->shape[0];
    *padded = stk_calloc_aligned((size_t)rows * (size_t)columns, sizeof(float));
    if (*padded == NULL) return stk_fail_memory("checkpoint");
    memcpy(*padded, stk_params_value(params, index), p->count * sizeof(float));
    add(l, p->name, STK_F32, rows, columns, *padded);
    return STK_OK;
}

static void add_buffers(layout *l) {
    const stk_model_extra *extra = &l->model->extra;
    add(l, "aabb_train", STK_F32, 6, 0, stk_published_box);
    add(l, "aabb_infer", STK_F32, 6, 0, stk_published_box);
    add(l, "density_grid", STK_F32, 1, STK_GRID_CELLS, extra->density);
    add(l, "density_bitfield", STK_U8, STK_GRID_BYTES, 0, l->model->bits);
    add(l, "density_grid_torso", STK_F32, STK_TORSO_GRID_CELLS, 0, extra->torso_grid);
    if (extra->step_counter != NULL) memcpy(l->counter, extra->step_counter, sizeof l->counter);
    add(l, "step_counter", STK_I32, STK_STEP_COUNTERS, 2, l->counter);
}

/* Everything from the audio net on, tables with the offsets that follow them. */
static void add_nets(layout *l) {
    static const char *const offsets[STK_PLANES] = {"encoder_xy.offsets", "encoder_yz.offsets",
                                                    "encoder_xz.offsets"};
    const stk_nets *nets = &l->model->nets;
    const stk_grid_layout *grid = &nets->field.shape.grid;
    for (int i = 0; i <= grid->levels; i++) l->offsets[i] = (int32_t)grid->offset[i];
    for (int i = 0; i < nets->params.n; i++) {
        int in_front = i == nets->field.codes ||
                       (nets->has_torso && (i == nets->torso.codes || i == nets->torso.anchors));
        if (in_front || !stk_param_stored(nets, i)) continue;
        add_param(l, i);
        for (int k = 0; k < STK_PLANES; k++)
            if (i == nets->field.plane[k])
                add(l, offsets[k], STK_I32, grid->levels + 1, 0, l->offsets);
        if (nets->has_torso && i == nets->torso.grid)
            add(l, "torso_encoder.offsets", STK_I32, STK_TORSO_LEVELS + 1, 0,
                nets->torso.layout.offset);
    }
}

static stk_status lay_out(layout *l) {
    const stk_nets *nets = &l->model->nets;
    const stk_model_extra *extra = &l->model->extra;
    STK_TRY(add_codes(l, nets->field.codes, STK_CODE, &l->padded[0]));
    if (nets->has_torso) STK_TRY(add_codes(l, nets->torso.codes, STK_TORSO_CODE, &l->padded[1]));
    add(l, "camera_dR", STK_F32, extra->camera_rows, 3, extra->camera_dR);
    add(l, "camera_dT", STK_F32, extra->camera_rows, 3, extra->camera_dT);
    if (nets->has_torso) add_param(l, nets->torso.anchors);
    add_buffers(l);
    add(l, "embedding.weight", STK_F32, extra->embedding_side, extra->embedding_side,
        extra->embedding);
    add_nets(l);
    return STK_OK;
}

/* --- the two containers ----------------------------------------------------------------------- */

/* A mean density is a number of Python's: 0 as long as nothing was averaged. */
static stk_status put_mean(stk_pth_writer *w, const char *key, double mean) {
    return mean == 0 ? stk_pth_writer_int(w, key, 0) : stk_pth_writer_real(w, key, mean);
}

/* Statistics are the trainer's notes for itself; it finds the lists it appends to. */
static stk_status put_numbers(stk_pth_writer *w, const stk_model *model) {
    static const char *const lists[] = {"loss", "valid_loss", "results", "checkpoints"};
    const stk_model_extra *extra = &model->extra;
    STK_TRY(stk_pth_writer_int(w, "epoch", extra->epoch));
    STK_TRY(stk_pth_writer_int(w, "global_step", model->steps));
    STK_TRY(stk_pth_writer_open(w, "stats", 0));
    for (int i = 0; i < 4; i++) STK_TRY(stk_pth_writer_empty_list(w, lists[i]));
    STK_TRY(stk_pth_writer_none(w, "best_result"));
    STK_TRY(stk_pth_writer_close(w));
    STK_TRY(stk_pth_writer_int(w, "mean_count", extra->mean_count));
    STK_TRY(put_mean(w, "mean_density", extra->mean_density));
    STK_TRY(put_mean(w, "mean_density_torso", extra->mean_density_torso));
    if (model->nets.encoder.sha256[0] == '\0') return STK_OK;
    STK_TRY(stk_pth_writer_text(w, STK_PUBLISHED_ENCODER, model->nets.encoder.name));
    return stk_pth_writer_text(w, STK_PUBLISHED_ENCODER_SHA256, model->nets.encoder.sha256);
}

static stk_status put_tensors(stk_pth_writer *w, const layout *l) {
    STK_TRY(put_numbers(w, l->model));
    STK_TRY(stk_pth_writer_open(w, "model", 1));
    for (int i = 0; i < l->n; i++) {
        const entry *e = &l->list[i];
        STK_TRY(stk_pth_writer_tensor(w, e->name, e->dtype, e->rank, e->shape, e->data));
    }
    return stk_pth_writer_close(w);
}

static stk_status write_pth(const char *path, const layout *l) {
    stk_pth_writer *writer = NULL;
    stk_status status = stk_pth_writer_create(&writer, path);
    if (status == STK_OK) status = put_tensors(writer, l);
    if (status == STK_OK) return stk_pth_writer_finish(&writer);
    stk_pth_writer_discard(&writer);
    return status;
}

static stk_status put_metadata(stk_safetensors_writer *w, const stk_model *model) {
    const stk_model_extra *extra = &model->extra;
    char numbers[5][32];
    snprintf(numbers[0], sizeof numbers[0], "%lld", (long long)extra->epoch);
    snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)model->steps);
    snprintf(numbers[2], sizeof numbers[2], "%lld", (long long)extra->mean_count);
    snprintf(numbers[3], sizeof numbers[3], "%.17g", extra->mean_density);
    snprintf(numbers[4], sizeof numbers[4], "%.17g", extra->mean_density_torso);
    const char *const pairs[][2] = {{"format", "pt"}, /* what other readers ask for */
                                    {"content", "SyncTalk checkpoint"},
                                    {"epoch", numbers[0]},
                                    {"global_step", numbers[1]},
                                    {"mean_count", numbers[2]},
                                    {"mean_density", numbers[3]},
                                    {"mean_density_torso", numbers[4]}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        STK_TRY(stk_safetensors_writer_metadata(w, pairs[i][0], pairs[i][1]));
    const stk_encoder_id *id = &model->nets.encoder;
    if (id->sha256[0] == '\0') return STK_OK;
    STK_TRY(stk_safetensors_writer_metadata(w, STK_PUBLISHED_ENCODER, id->name));
    return stk_safetensors_writer_metadata(w, STK_PUBLISHED_ENCODER_SHA256, id->sha256);
}

static stk_status put_data(stk_safetensors_writer *w, const layout *l) {
    STK_TRY(put_metadata(w, l->model));
    for (int i = 0; i < l->n; i++) {
        const entry *e = &l->list[i];
        STK_TRY(stk_safetensors_writer_declare(w, e->name, e->dtype, e->rank, e->shape));
    }
    for (int i = 0; i < l->n; i++) {
        const entry *e = &l->list[i];
        size_t bytes = stk_dtype_size(e->dtype);
        for (int k = 0; k < e->rank; k++) bytes *= (size_t)e->shape[k];
        STK_TRY(stk_safetensors_writer_data(w, e->data, bytes));
    }
    return STK_OK;
}

static stk_status write_safetensors(const char *path, const layout *l) {
    stk_safetensors_writer *writer = NULL;
    stk_status status = stk_safetensors_writer_create(&writer, path);
    if (status == STK_OK) status = put_data(writer, l);
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}

/* --- saving ----------------------------------------------------------------------------------- */

static void note_rows(stk_notes *notes, const char *name, int rows) {
    if (rows < STK_PUBLISHED_CODE_ROWS)
        stk_note(notes,
                 "%s: %d rows, padded with zeros to the %d that the published loader expects", name,
                 rows, STK_PUBLISHED_CODE_ROWS);
    else if (rows > STK_PUBLISHED_CODE_ROWS)
        stk_note(notes, "%s: %d rows; the published program needs --ind_num %d", name, rows, rows);
}

static void note_losses(stk_notes *notes, const stk_model *model) {
    const stk_model_config *config = &model->nets.config;
    note_rows(notes, "individual_codes", config->code_rows);
    if (model->nets.has_torso) note_rows(notes, "individual_codes_torso", config->torso_code_rows);
    if (config->audio_kind == STK_AUDIO_MEL)
        stk_note(notes, "the published program has no \"mel\" sound features (80 channels): its "
                        "loader takes these nets only with audio_in_dim changed to 80");
    if (model->nets.encoder.sha256[0] != '\0')
        stk_note(notes,
                 "hears through the encoder %s (SHA-256 %.16s...); the published program does not "
                 "read that: make the features it is given with this one",
                 model->nets.encoder.name, model->nets.encoder.sha256);
    if (model->nets.heard.known || model->nets.closed_known)
        stk_note(notes, "left out: the range of audio codes and the code of closed lips, for which "
                        "a checkpoint has no place");
    if (model->nets.field.shape.mask.on)
        stk_note(notes, "left out: the region mask, for which a checkpoint has no place; in the "
                        "published program sound and expression act where they must not");
    if (model->performance.frames > 0)
        stk_note(notes, "left out: the source performance (poses, expressions, torso film), for "
                        "which a checkpoint has no place");
    if (model->extra.density == NULL)
        stk_note(notes, "without density grid (the \"best\" form): enough to render, not to train "
                        "on");
}

stk_status stk_published_save(const char *path, const stk_model *model, int safetensors,
                              stk_notes *notes) {
    if (model->nets.config.audio_kind == STK_AUDIO_MEL_SPEAKER)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "this model hears \"mel-normalised\" windows, of which a published "
                        "checkpoint has no word: it would be taken for one that hears \"mel\"");
    layout *l = stk_calloc_aligned(1, sizeof *l);
    if (l == NULL) return stk_fail_memory("checkpoint");
    l->model = model;
    stk_status status = lay_out(l);
    if (status == STK_OK) status = safetensors ? write_safetensors(path, l) : write_pth(path, l);
    if (status == STK_OK) note_losses(notes, model);
    stk_free(l->padded[0]);
    stk_free(l->padded[1]);
    stk_free(l);
    return status;
}
