/* encoder_state.c - OUTPUT.train: everything that the next step depends on, so that a resumed run
 * is the run that was not interrupted, bit for bit.
 *
 * safetensors: value, first, second, best [total] f32; shift [clips] i32; state i64; clock f64.
 * Metadata bind it to the settings and the clips.
 */
#include "train/encoder_internal.h"
#include "base/memory.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { STATE_WORDS = 11, CLOCK_WORDS = 10, PLANES = 7 };
static const char FORMAT_NAME[] = "synctalk encoder training 2";

static void describe(const stk_encoder_trainer *t, char text[256]) {
    const stk_encoder_settings *s = &t->settings;
    uint64_t mark =
        14695981039346656037u; /* FNV-1a over the clips' names, lengths, roles, sounds */
    for (int i = 0; i < t->clip_count; i++) {
        const stk_encoder_clip *c = &t->clips[i];
        for (const char *p = c->speech.name; *p != '\0'; p++)
            mark = (mark ^ (uint8_t)*p) * 1099511628211u;
        mark = (mark ^ (uint64_t)(c->speech.frames * 2 + c->held_out)) * 1099511628211u;
        mark = (mark ^ c->mark) * 1099511628211u;
    }
    snprintf(text, 256,
             "seed=%d lr=%.9g bce=%.9g nce=%.9g recon=%.9g float32=%d params=%zu "
             "clips=%d:%016llx",
             s->seed, (double)s->rate, (double)s->sync.bce, (double)s->sync.nce,
             (double)s->reconstruction, s->float32 != 0, t->params.total, t->clip_count,
             (unsigned long long)mark);
}

typedef struct plane {
    const char *name;
    stk_dtype dtype;
    int64_t count;
    void *data;
} plane;

typedef struct words {
    int64_t state[STATE_WORDS];
    double clock[CLOCK_WORDS];
    int32_t *shift;
} words;

static void list_planes(const stk_encoder_trainer *t, words *w, plane planes[PLANES]) {
    const int64_t total = (int64_t)t->params.total;
    const plane list[PLANES] = {
        {"value", STK_F32, total, t->params.value},  {"first", STK_F32, total, t->first},
        {"second", STK_F32, total, t->params.v},     {"best", STK_F32, total, t->params.ema},
        {"shift", STK_I32, t->clip_count, w->shift}, {"state", STK_I64, STATE_WORDS, w->state},
        {"clock", STK_F64, CLOCK_WORDS, w->clock},
    };
    memcpy(planes, list, sizeof list);
}

static stk_status init_words(words *w, const stk_encoder_trainer *t) {
    *w = (words){.shift = stk_calloc_aligned((size_t)t->clip_count, sizeof *w->shift)};
    return w->shift != NULL ? STK_OK : stk_fail_memory("the training state");
}

static stk_status write_planes(stk_safetensors_writer *writer, const stk_encoder_trainer *t,
                               words *w) {
    plane planes[PLANES];
    char settings[256];
    const stk_encoder_offsets *o = &t->best_offsets, *last = &t->last;
    memcpy(w->state,
           (int64_t[]){t->step, t->best_step, t->aligned, o->windows, o->right, o->whole, t->worse,
                       t->looked, last->windows, last->right, last->whole},
           sizeof w->state);
    memcpy(w->clock,
           (double[]){t->fraction, t->trained_s, t->mean_loss, t->mean_hits, t->mean_rebuilt,
                      t->best, o->confidence, o->whole_confidence, last->confidence,
                      last->whole_confidence},
           sizeof w->clock);
    for (int i = 0; i < t->clip_count; i++) w->shift[i] = t->clips[i].shift;
    list_planes(t, w, planes);
    describe(t, settings);
    STK_TRY(stk_safetensors_writer_metadata(writer, "format", FORMAT_NAME));
    STK_TRY(stk_safetensors_writer_metadata(writer, "settings", settings));
    for (int i = 0; i < PLANES; i++)
        STK_TRY(stk_safetensors_writer_declare(writer, planes[i].name, planes[i].dtype, 1,
                                               &planes[i].count));
    for (int i = 0; i < PLANES; i++)
        STK_TRY(stk_safetensors_writer_data(
            writer, planes[i].data, (size_t)planes[i].count * stk_dtype_size(planes[i].dtype)));
    return STK_OK;
}

stk_status stk_encoder_state_save(const stk_encoder_trainer *t, const char *path) {
    stk_safetensors_writer *writer = NULL;
    words w;
    STK_TRY(init_words(&w, t));
    stk_status status = stk_safetensors_writer_create(&writer, path);
    if (status == STK_OK) status = write_planes(writer, t, &w);
    stk_free(w.shift);
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}

static stk_status check_binding(const stk_encoder_trainer *t, const stk_safetensors *file,
                                const char *path) {
    const char *format = stk_safetensors_metadata(file, "format");
    const char *settings = stk_safetensors_metadata(file, "settings");
    char expected[256];
    describe(t, expected);
    if (format == NULL || settings == NULL || strcmp(format, FORMAT_NAME) != 0)
        return stk_fail(STK_ERR_FORMAT, "%s: is no state of encoder training", path);
    if (strcmp(settings, expected) == 0) return STK_OK;
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: is of another run (%s, asked for: %s); give the same settings and clips, "
                    "or train without --resume",
                    path, settings, expected);
}

static stk_status take(stk_encoder_trainer *t, const words *w, const char *path) {
    const int64_t *s = w->state;
    int good = s[0] >= 0 && s[1] >= 0 && s[1] <= s[0] && s[3] >= 0 && s[3] < 1 << 30 && s[4] >= 0 &&
               s[4] <= s[3] && s[6] >= 0 && s[6] < 1 << 30 && s[7] >= -1 && s[7] <= s[0] &&
               s[8] >= 0 && s[8] < 1 << 30 && s[9] >= 0 && s[9] <= s[8] && w->clock[0] >= 0 &&
               w->clock[0] <= 1 && w->clock[1] >= 0 && w->clock[1] < 1e12;
    for (int i = 0; i < t->clip_count; i++)
        good = good && w->shift[i] >= -STK_OFFSET_MAX && w->shift[i] <= STK_OFFSET_MAX;
    if (!good) return stk_fail(STK_ERR_FORMAT, "%s: is damaged; train without --resume", path);
    t->step = s[0], t->best_step = s[1], t->aligned = s[2] != 0;
    t->fraction = w->clock[0], t->trained_s = w->clock[1], t->mean_loss = w->clock[2];
    t->mean_hits = w->clock[3], t->mean_rebuilt = w->clock[4], t->best = w->clock[5];
    t->best_offsets = (stk_encoder_offsets){.windows = (int)s[3],
                                            .right = (int)s[4],
                                            .whole = (int)s[5],
                                            .confidence = w->clock[6],
                                            .whole_confidence = w->clock[7]};
    t->worse = (int)s[6], t->looked = s[7];
    t->last = (stk_encoder_offsets){.windows = (int)s[8],
                                    .right = (int)s[9],
                                    .whole = (int)s[10],
                                    .confidence = w->clock[8],
                                    .whole_confidence = w->clock[9]};
    for (int i = 0; i < t->clip_count; i++) t->clips[i].shift = w->shift[i];
    for (int i = 0; i < STK_SYNC_PARTS; i++) STK_TRY(stk_stack_load(&t->stack[i]));
    return STK_OK;
}

static stk_status read_planes(stk_encoder_trainer *t, const stk_safetensors *file, words *w,
                              const char *path) {
    plane planes[PLANES];
    list_planes(t, w, planes);
    for (int i = 0; i < PLANES; i++) {
        const stk_tensor_info *info = stk_safetensors_find(file, planes[i].name);
        if (info == NULL || info->dtype != planes[i].dtype || info->count != planes[i].count)
            return stk_fail(STK_ERR_FORMAT, "%s: is damaged (\"%s\"); train without --resume", path,
                            planes[i].name);
    }
    for (int i = 0; i < PLANES; i++) {
        const stk_tensor_info *info = stk_safetensors_find(file, planes[i].name);
        memcpy(planes[i].data, info->data, info->bytes);
    }
    return take(t, w, path);
}

stk_status stk_encoder_state_load(stk_encoder_trainer *t, const char *path) {
    stk_safetensors *file;
    words w;
    if (!stk_file_exists(path))
        return stk_fail(STK_ERR_IO, "%s: there is nothing to resume from; train without --resume",
                        path);
    STK_TRY(stk_safetensors_open(&file, path));
    stk_status status = init_words(&w, t);
    if (status == STK_OK) status = check_binding(t, file, path);
    if (status == STK_OK) status = read_planes(t, file, &w, path);
    stk_free(w.shift);
    stk_safetensors_close(&file);
    return status;
}
