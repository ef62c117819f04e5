/* encoder_save.c - the trained encoder as files.
 *
 *   OUTPUT                     the sound net under its published names, loaded as kind "ave"
 *   OUTPUT less its ending + ".picture.safetensors"   the discriminator's picture net and scale
 *
 * Weights of convolutions are kept as float16 (5.7 and 4.1 MB), everything else as float32: running
 * variances may be too small for halves.
 */
#include "train/encoder_internal.h"
#include "base/memory.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

typedef struct packing {
    stk_safetensors_writer *writer;
    const stk_encoder_trainer *trainer;
    const float *values;
    uint8_t *bytes;
    size_t size, used;
} packing;

static int is_weight(const stk_param *p) {
    return p->rank == 4;
}

static void pack(packing *k, const stk_param *p) {
    const float *v = k->values + p->offset;
    for (size_t i = 0; i < p->count; i++) {
        const uint16_t half = stk_float_to_half(v[i]);
        if (is_weight(p))
            memcpy(k->bytes + k->used, &half, sizeof half);
        else
            memcpy(k->bytes + k->used, &v[i], sizeof v[i]);
        k->used += is_weight(p) ? sizeof half : sizeof v[i];
    }
}

static stk_status declare(packing *k, const stk_param *p) {
    int64_t shape[4];
    for (int i = 0; i < p->rank; i++) shape[i] = p->shape[i];
    return stk_safetensors_writer_declare(k->writer, p->name, is_weight(p) ? STK_F16 : STK_F32,
                                          p->rank, shape);
}

/* Is the parameter one of this part, by its name? The sound's begin with a digit. */
static int belongs(const char *name, stk_sync_part part) {
    const char *prefix = stk_sync_part_prefix(part);
    if (prefix[0] == '\0') return name[0] >= '0' && name[0] <= '9';
    return strncmp(name, prefix, strlen(prefix)) == 0 ||
           (part == STK_SYNC_PICTURE && strncmp(name, "similarity.", 11) == 0);
}

/* The clips of one role, by name, as many as fit. */
static void list_clips(const stk_encoder_trainer *t, int held_out, char *text, size_t size) {
    text[0] = '\0';
    for (int i = 0; i < t->clip_count; i++) {
        const size_t used = strlen(text);
        if (t->clips[i].held_out == held_out && used + 80 < size)
            snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
                     t->clips[i].speech.name);
    }
}

static stk_status write_recipe(packing *k, const char *format) {
    const stk_encoder_trainer *t = k->trainer;
    const stk_encoder_settings *s = &t->settings;
    char text[4096], digest[STK_SHA256_TEXT], clock[32] = "";
    stk_sha256(k->bytes, k->used, digest);
    STK_TRY(stk_safetensors_writer_metadata(k->writer, "format", format));
    STK_TRY(stk_safetensors_writer_metadata(k->writer, "tensors_sha256", digest));
    /* by steps the file is a function of the seed alone */
    if (s->steps == 0) snprintf(clock, sizeof clock, " seconds=%.0f", t->trained_s);
    snprintf(text, sizeof text,
             "synctalk encoder train: steps=%lld batch=%d lr=%g bce=%g nce=%g reconstruction=%g "
             "seed=%d float32=%d%s",
             (long long)t->step, WINDOWS, (double)s->rate, (double)s->sync.bce, (double)s->sync.nce,
             (double)s->reconstruction, s->seed, s->float32 != 0, clock);
    STK_TRY(stk_safetensors_writer_metadata(k->writer, "recipe", text));
    snprintf(text, sizeof text, "windows=%d right=%d confidence=%.4f step=%lld",
             t->best_offsets.windows, t->best_offsets.right, t->best_offsets.confidence,
             (long long)t->best_step);
    STK_TRY(stk_safetensors_writer_metadata(k->writer, "held_out_offsets", text));
    list_clips(t, 0, text, sizeof text);
    STK_TRY(stk_safetensors_writer_metadata(k->writer, "clips", text));
    list_clips(t, 1, text, sizeof text);
    return stk_safetensors_writer_metadata(k->writer, "held_out", text);
}

/* The published files count batches, too; nobody reads it. */
static stk_status declare_counters(packing *k, int64_t *counters) {
    int blocks;
    stk_sync_part_blocks(STK_SYNC_SOUND, &blocks);
    for (int b = 0; b < blocks; b++) {
        char name[64];
        counters[b] = k->trainer->step;
        snprintf(name, sizeof name, "%d.conv_block.1.num_batches_tracked", b);
        STK_TRY(stk_safetensors_writer_declare(k->writer, name, STK_I64, 0, NULL));
    }
    return STK_OK;
}

static stk_status write_part(packing *k, stk_sync_part part, const char *sound_sha256) {
    const stk_params *params = &k->trainer->params;
    int64_t counters[STK_STACK_BLOCKS];
    int blocks = 0;
    for (int i = 0; i < params->n; i++)
        if (belongs(params->list[i].name, part)) pack(k, &params->list[i]);
    STK_TRY(write_recipe(k, part == STK_SYNC_SOUND ? "synctalk audio-visual encoder 1"
                                                   : "synctalk lip-sync discriminator 1"));
    if (sound_sha256 != NULL)
        STK_TRY(stk_safetensors_writer_metadata(k->writer, "sound_sha256", sound_sha256));
    for (int i = 0; i < params->n; i++)
        if (belongs(params->list[i].name, part)) STK_TRY(declare(k, &params->list[i]));
    if (part == STK_SYNC_SOUND) {
        STK_TRY(declare_counters(k, counters));
        stk_sync_part_blocks(STK_SYNC_SOUND, &blocks);
    }
    STK_TRY(stk_safetensors_writer_data(k->writer, k->bytes, k->used));
    if (blocks == 0) return STK_OK;
    return stk_safetensors_writer_data(k->writer, counters, (size_t)blocks * sizeof *counters);
}

static stk_status save_part(const stk_encoder_trainer *t, const float *values, stk_sync_part part,
                            const char *path, const char *sound_sha256) {
    packing k = {.trainer = t, .values = values, .size = t->params.total * sizeof(float)};
    k.bytes = stk_calloc_aligned(k.size, 1);
    if (k.bytes == NULL) return stk_fail_memory("the encoder's file");
    stk_status status = stk_safetensors_writer_create(&k.writer, path);
    if (status == STK_OK) status = write_part(&k, part, sound_sha256);
    if (status == STK_OK)
        status = stk_safetensors_writer_finish(&k.writer);
    else
        stk_safetensors_writer_discard(&k.writer);
    stk_free(k.bytes);
    return status;
}

stk_status stk_encoder_save(const stk_encoder_trainer *t, const float *values, const char *path) {
    char picture[STK_PATH_MAX], digest[STK_SHA256_TEXT];
    STK_TRY(stk_encoder_picture_path(path, picture));
    STK_TRY(save_part(t, values, STK_SYNC_SOUND, path, NULL));
    STK_TRY(stk_sha256_file(path, digest));
    return save_part(t, values, STK_SYNC_PICTURE, picture, digest);
}
