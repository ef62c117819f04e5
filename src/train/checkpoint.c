/* checkpoint.c - MODEL.train: everything that the next step depends on, so that a resumed run is
 * the run that was not interrupted, bit for bit.
 *
 * safetensors: value, v, ema [total] f32; density [128^3] f32; bits u8; epoch_order i32; state i64
 * (counters, generator); clock f64. Where the run has them: perceptual, perceptual_lips f64
 * (means); torso.steps i64, torso.value f32,
 * torso.density f32 (the torso branch, trained). Metadata binds it to the subject and to the
 * settings that shape the run; a checkpoint of other settings is refused.
 */
#include "train/internal.h"
#include "train/torso_branch.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char FORMAT_NAME[] = "synctalk-train";
static const int64_t STEPS_MAX = 1000000000000;
enum { CHECKPOINT_VERSION = 3, STATE_WORDS = 7, CLOCK_WORDS = 4, SETTINGS_TEXT = 448 };

/* What must agree for a resumed run to be the same run. Penalties, which runs of before had, are
 * not named, nor is what is left as it is by default. */
static void describe(const stk_trainer *t, char text[SETTINGS_TEXT]) {
    const stk_train_settings *s = &t->settings;
    char attention[32] = "";
    if (s->attention != STK_ATTENTION_PENALTIES)
        snprintf(attention, sizeof attention, "attention=%d ", (int)s->attention);
    char schedule[64] = "";
    if (s->schedule != STK_SCHEDULE_FAST || strcmp(stk_perceptual_name(t->perceptual), "none") != 0)
        snprintf(schedule, sizeof schedule, "schedule=%s perceptual=%s%s%.16s ", t->schedule->name,
                 stk_perceptual_name(t->perceptual),
                 stk_perceptual_sha256(t->perceptual)[0] != '\0' ? "-" : "",
                 stk_perceptual_sha256(t->perceptual));
    char encoder[32] = "";
    if (t->nets.config.audio_kind == STK_AUDIO_MEL_SPEAKER)
        snprintf(encoder, sizeof encoder, "mel=normalised ");
    if (t->nets.encoder.sha256[0] != '\0')
        snprintf(encoder, sizeof encoder, "encoder=%.16s ", t->nets.encoder.sha256);
    char vary[STK_VARY_TEXT], varied[STK_VARY_TEXT + 8] = "";
    stk_vary_text(s->vary, vary);
    if (s->vary != 0) snprintf(varied, sizeof varied, "vary=%s ", vary);
    snprintf(text, SETTINGS_TEXT,
             "v%d seed=%d rays=%d frames=%d %s%s%s%s%s%slr=%.9g lr_net=%.9g params=%zu",
             CHECKPOINT_VERSION, s->seed, s->rays, s->frames, attention, schedule, encoder,
             s->expression == STK_EXPRESSION_BLINK ? "expression=blink " : "",
             s->coarse_poses ? "poses=coarse " : "", varied, (double)s->lr_grid, (double)s->lr_net,
             t->nets.params.total);
}

typedef struct plane {
    const char *name;
    stk_dtype dtype;
    int64_t count;
    void *data;
    size_t bytes;
} plane;

typedef struct words {
    int64_t state[STATE_WORDS];
    double clock[CLOCK_WORDS];
    double perceptual, perceptual_lips;
    int64_t torso_steps;
} words;

enum { PLANES = 8, TORSO_PLANES = 3, EXTRAS = 2 + TORSO_PLANES, TORSO_STEPS_MAX = 1000000 };

static void list_planes(const stk_trainer *t, words *w, plane planes[PLANES]) {
    const stk_params *p = &t->nets.params;
    int64_t total = (int64_t)p->total, frames = t->performance.train_frames;
    const plane list[PLANES] = {
        {"value", STK_F32, total, p->value, p->total * sizeof(float)},
        {"v", STK_F32, total, p->v, p->total * sizeof(float)},
        {"ema", STK_F32, total, p->ema, p->total * sizeof(float)},
        {"density", STK_F32, STK_GRID_CELLS, t->occupancy.density, STK_GRID_CELLS * sizeof(float)},
        {"bits", STK_U8, STK_GRID_BYTES, t->occupancy.bits, STK_GRID_BYTES},
        {"epoch_order", STK_I32, frames, t->epoch_order, (size_t)frames * sizeof(int32_t)},
        {"state", STK_I64, STATE_WORDS, w->state, sizeof w->state},
        {"clock", STK_F64, CLOCK_WORDS, w->clock, sizeof w->clock},
    };
    memcpy(planes, list, sizeof list);
}

static void list_torso(const stk_torso_branch *b, words *w, plane planes[TORSO_PLANES]) {
    const size_t total = b->params.total, cells = STK_TORSO_GRID_CELLS;
    const plane list[TORSO_PLANES] = {
        {"torso.steps", STK_I64, 1, &w->torso_steps, sizeof w->torso_steps},
        {"torso.value", STK_F32, (int64_t)total, b->params.value, total * sizeof(float)},
        {"torso.density", STK_F32, (int64_t)cells, b->occupancy.density, cells * sizeof(float)},
    };
    memcpy(planes, list, sizeof list);
}

static plane perceptual_plane(double *mean) {
    return (plane){"perceptual", STK_F64, 1, mean, sizeof *mean};
}

static plane perceptual_lips_plane(double *mean) {
    return (plane){"perceptual_lips", STK_F64, 1, mean, sizeof *mean};
}

/* What not every run has; how many there are of them. */
static int list_extras(const stk_trainer *t, words *w, plane planes[EXTRAS]) {
    int n = 0;
    if (w->perceptual > 0) planes[n++] = perceptual_plane(&w->perceptual);
    if (w->perceptual_lips > 0) planes[n++] = perceptual_lips_plane(&w->perceptual_lips);
    if (t->torso_branch == NULL || t->torso_branch->steps <= 0) return n;
    list_torso(t->torso_branch, w, planes + n);
    return n + TORSO_PLANES;
}

static stk_status write_planes(stk_safetensors_writer *writer, const stk_trainer *t) {
    words w = {{t->step, t->ema_updates, (int64_t)t->rng.state, (int64_t)t->rng.increment,
                t->epoch_position, t->rollbacks, t->rollback_step},
               {t->fraction, t->trained_s, t->mean_loss, t->mean_lips},
               t->mean_perceptual[STK_STEP_PATCHES],
               t->mean_perceptual[STK_STEP_LIPS],
               t->torso_branch != NULL ? t->torso_branch->steps : 0};
    plane planes[PLANES + EXTRAS];
    char settings[SETTINGS_TEXT];
    list_planes(t, &w, planes);
    const int count = PLANES + list_extras(t, &w, planes + PLANES);
    describe(t, settings);
    STK_TRY(stk_safetensors_writer_metadata(writer, "format", FORMAT_NAME));
    STK_TRY(stk_safetensors_writer_metadata(writer, "settings", settings));
    STK_TRY(stk_safetensors_writer_metadata(writer, "subject_identity",
                                            t->performance.subject_identity));
    for (int i = 0; i < count; i++)
        STK_TRY(stk_safetensors_writer_declare(writer, planes[i].name, planes[i].dtype, 1,
                                               &planes[i].count));
    for (int i = 0; i < count; i++)
        STK_TRY(stk_safetensors_writer_data(writer, planes[i].data, planes[i].bytes));
    return STK_OK;
}

stk_status stk_checkpoint_save(const stk_trainer *t, const char *path) {
    stk_safetensors_writer *writer = NULL;
    STK_TRY(stk_safetensors_writer_create(&writer, path));
    stk_status status = write_planes(writer, t);
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}

static stk_status check_binding(const stk_trainer *t, const stk_safetensors *file,
                                const char *path) {
    const char *format = stk_safetensors_metadata(file, "format");
    const char *identity = stk_safetensors_metadata(file, "subject_identity");
    const char *settings = stk_safetensors_metadata(file, "settings");
    char expected[SETTINGS_TEXT];
    describe(t, expected);
    if (format == NULL || strcmp(format, FORMAT_NAME) != 0 || identity == NULL || settings == NULL)
        return stk_fail(STK_ERR_FORMAT, "%s: is not a training checkpoint", path);
    if (strcmp(identity, t->performance.subject_identity) != 0)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: belongs to another subject than %s; train without "
                        "--resume",
                        path, t->settings.subject);
    if (strncmp(settings, expected, strcspn(expected, " ") + 1) != 0)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: was made by another version of synctalk, whose training differs; "
                        "start again without --resume, or use the model as it is",
                        path);
    if (strcmp(settings, expected) != 0)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: was made with other settings (%s; now %s); give the "
                        "same, or train without --resume",
                        path, settings, expected);
    return STK_OK;
}

/* Counters and clocks as a run can have left them; read bytewise, tensors may lie anywhere. */
static stk_status check_words(const stk_trainer *t, const void *state, const void *clock,
                              const char *path) {
    words w;
    memcpy(w.state, state, sizeof w.state);
    memcpy(w.clock, clock, sizeof w.clock);
    int good = w.state[0] >= 0 && w.state[0] <= STEPS_MAX && w.state[1] >= 0 &&
               w.state[1] <= w.state[0] && (w.state[3] & 1) == 1 && w.state[4] >= 0 &&
               w.state[4] <= t->performance.train_frames && w.state[5] >= 0 &&
               w.state[5] <= STEPS_MAX && w.state[6] >= 0 && w.state[6] <= w.state[0];
    for (int i = 0; i < CLOCK_WORDS; i++) good = good && w.clock[i] >= 0 && w.clock[i] < 1e12;
    if (good) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged (\"state\"); train without --resume", path);
}

static void take_words(stk_trainer *t, const words *w) {
    t->step = w->state[0];
    t->ema_updates = w->state[1];
    t->rng = (stk_rng){(uint64_t)w->state[2], (uint64_t)w->state[3]};
    t->epoch_position = (int32_t)w->state[4];
    t->rollbacks = w->state[5];
    t->rollback_step = w->state[6];
    t->fraction = w->clock[0];
    t->trained_s = w->clock[1];
    t->mean_loss = w->clock[2];
    t->mean_lips = w->clock[3];
}

static stk_status read_planes(stk_trainer *t, const stk_safetensors *file, const char *path) {
    words w;
    plane planes[PLANES];
    list_planes(t, &w, planes);
    for (int i = 0; i < PLANES; i++) {
        const stk_tensor_info *info = stk_safetensors_find(file, planes[i].name);
        if (info == NULL || info->dtype != planes[i].dtype || info->bytes != planes[i].bytes)
            return stk_fail(STK_ERR_FORMAT, "%s: is damaged (\"%s\"); train without --resume", path,
                            planes[i].name);
    }
    const void *state = stk_safetensors_find(file, "state")->data;
    const void *clock = stk_safetensors_find(file, "clock")->data;
    STK_TRY(check_words(t, state, clock, path));
    for (int i = 0; i < PLANES; i++)
        memcpy(planes[i].data, stk_safetensors_find(file, planes[i].name)->data, planes[i].bytes);
    for (int i = 0; i < t->performance.train_frames; i++)
        if (t->epoch_order[i] < 0 || t->epoch_order[i] >= t->performance.train_frames)
            return stk_fail(STK_ERR_FORMAT,
                            "%s: is damaged (\"epoch_order\"); train without "
                            "--resume",
                            path);
    take_words(t, &w);
    return STK_OK;
}

static stk_status read_extra(const stk_safetensors *file, const char *path, const plane *wanted) {
    const stk_tensor_info *info = stk_safetensors_find(file, wanted->name);
    int good = info != NULL && info->dtype == wanted->dtype && info->bytes == wanted->bytes;
    if (good) memcpy(wanted->data, info->data, wanted->bytes);
    const float *values = wanted->data;
    for (int64_t i = 0; good && wanted->dtype == STK_F32 && i < wanted->count; i++)
        good = isfinite(values[i]);
    if (good) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged (\"%s\"); train without --resume", path,
                    wanted->name);
}

static stk_status read_torso(stk_trainer *t, const stk_safetensors *file, const char *path) {
    stk_torso_branch *b = t->torso_branch;
    words w = {0};
    plane planes[TORSO_PLANES];
    if (b == NULL || stk_safetensors_find(file, "torso.steps") == NULL) return STK_OK;
    STK_TRY(stk_torso_branch_open(b, t));
    list_torso(b, &w, planes);
    for (int i = 0; i < TORSO_PLANES; i++) STK_TRY(read_extra(file, path, &planes[i]));
    if (w.torso_steps <= 0 || w.torso_steps > TORSO_STEPS_MAX)
        return stk_fail(STK_ERR_FORMAT, "%s: is damaged (\"torso.steps\"); train without --resume",
                        path);
    if (t->settings.torso_steps > 0 && t->settings.torso_steps != w.torso_steps)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: has a torso branch of %d steps (now %d); give the same or no --torso, "
                        "which keeps it, or train without --resume",
                        path, (int)w.torso_steps, t->settings.torso_steps);
    stk_torso_occupancy_mean(&b->occupancy);
    t->settings.torso_steps = b->steps = (int)w.torso_steps;
    return STK_OK;
}

/* Absent before the first such step, and in states of before. */
static stk_status read_mean(const stk_safetensors *file, const char *path, const plane *wanted) {
    const double *mean = wanted->data;
    if (stk_safetensors_find(file, wanted->name) == NULL) return STK_OK;
    STK_TRY(read_extra(file, path, wanted));
    if (*mean >= 0 && *mean < 1e12) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged (\"%s\"); train without --resume", path,
                    wanted->name);
}

static stk_status read_perceptual(stk_trainer *t, const stk_safetensors *file, const char *path) {
    double patches = 0, lips = 0;
    const plane planes[] = {perceptual_plane(&patches), perceptual_lips_plane(&lips)};
    for (size_t i = 0; i < STK_ARRAY_SIZE(planes); i++) STK_TRY(read_mean(file, path, &planes[i]));
    t->mean_perceptual[STK_STEP_PATCHES] = patches;
    t->mean_perceptual[STK_STEP_LIPS] = lips;
    return STK_OK;
}

stk_status stk_checkpoint_need(const char *path) {
    if (stk_file_exists(path)) return STK_OK;
    return stk_fail(STK_ERR_IO, "%s: there is no checkpoint to resume from; train without --resume",
                    path);
}

stk_status stk_checkpoint_load(stk_trainer *t, const char *path) {
    STK_TRY(stk_checkpoint_need(path));
    stk_safetensors *file;
    STK_TRY(stk_safetensors_open(&file, path));
    stk_status status = check_binding(t, file, path);
    if (status == STK_OK) status = read_planes(t, file, path);
    if (status == STK_OK) status = read_perceptual(t, file, path);
    if (status == STK_OK) status = read_torso(t, file, path);
    stk_safetensors_close(&file);
    return status;
}
