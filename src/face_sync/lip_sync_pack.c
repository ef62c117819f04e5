/* lip_sync_pack.c - both sides of an encoder as one small file, such as goes into the program.
 *
 *   sound net, picture net --by tensor--> large convolutions   I8, in units of F32 "<name>.scale"
 *                                         other convolutions   F16
 *                                         biases and norms     F32
 *
 * A unit belongs to an output channel: the largest of its weights is 127 of them. Large layers have
 * most of the weights and are the last, with the most terms to a sum, so rounding costs least
 * there (doc/ENCODER.md, "The encoder in the program").
 */
#include "face_sync/lip_sync.h"
#include "base/memory.h"
#include "face_sync/sync_nets.h"
#include "nn/params.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDES = 2, LARGE = 200000, STEPS = 127 };

typedef struct packing {
    const stk_lip_sync_files *files;
    stk_safetensors *file[SIDES];
    stk_params params[SIDES];
    stk_safetensors_writer *writer;
    void *bytes;
} packing;

/* --- reading ---------------------------------------------------------------------------------- */

static const char *path_of(const packing *k, int side) {
    return side == 0 ? k->files->sound : k->files->picture;
}

/* By making the nets: says whether these are what they should be, and of one training. */
static stk_status check(const stk_lip_sync_files *files) {
    stk_lip_sync *nets;
    const stk_status status = stk_lip_sync_create(&nets, files);
    stk_lip_sync_free(&nets);
    return status;
}

static stk_status read_side(packing *k, int side) {
    stk_stack stack;
    stk_params *params = &k->params[side];
    STK_TRY(stk_ave_file_open(&k->file[side], path_of(k, side)));
    STK_TRY(stk_params_init(params));
    STK_TRY(stk_sync_part_register(&stack, params, side == 0 ? STK_SYNC_SOUND : STK_SYNC_PICTURE));
    STK_TRY(stk_params_seal(params, 0));
    return stk_params_load_safetensors(params, params->value, k->file[side], "", NULL);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int is_large(const stk_param *p) {
    return p->rank == 4 && p->count >= LARGE;
}

static stk_status declare(packing *k, const stk_param *p) {
    char name[sizeof p->name + 8];
    int64_t shape[4];
    for (int i = 0; i < p->rank; i++) shape[i] = p->shape[i];
    const stk_dtype dtype = is_large(p) ? STK_I8 : p->rank == 4 ? STK_F16 : STK_F32;
    STK_TRY(stk_safetensors_writer_declare(k->writer, p->name, dtype, p->rank, shape));
    if (!is_large(p)) return STK_OK;
    snprintf(name, sizeof name, "%s.scale", p->name);
    return stk_safetensors_writer_declare(k->writer, name, STK_F32, 1, shape);
}

/* int8 [rows][row], then float [rows]. */
static size_t pack_large(const float *v, size_t rows, size_t row, void *bytes) {
    int8_t *out = bytes;
    for (size_t r = 0; r < rows; r++, v += row, out += row) {
        float most = 0;
        for (size_t i = 0; i < row; i++) most = fmaxf(most, fabsf(v[i]));
        const float unit = most / STEPS;
        for (size_t i = 0; i < row; i++)
            out[i] = unit > 0 ? (int8_t)fminf(STEPS, fmaxf(-STEPS, rintf(v[i] / unit))) : 0;
        memcpy((char *)bytes + rows * row + r * sizeof unit, &unit, sizeof unit);
    }
    return rows * row + rows * sizeof(float);
}

static stk_status put(packing *k, const stk_param *p, const float *v) {
    uint16_t *halves = k->bytes;
    if (p->rank != 4) return stk_safetensors_writer_data(k->writer, v, p->count * sizeof(float));
    if (is_large(p)) {
        const size_t rows = (size_t)p->shape[0];
        return stk_safetensors_writer_data(k->writer, k->bytes,
                                           pack_large(v, rows, p->count / rows, k->bytes));
    }
    for (size_t i = 0; i < p->count; i++) halves[i] = stk_float_to_half(v[i]);
    return stk_safetensors_writer_data(k->writer, halves, p->count * sizeof *halves);
}

static stk_status describe(packing *k) {
    static const char *const copied[] = {"recipe", "clips", "held_out", "held_out_offsets"};
    static const char *const digest_of[SIDES] = {"packed_sound_sha256", "packed_picture_sha256"};
    STK_TRY(stk_safetensors_writer_metadata(k->writer, "format", "synctalk lip-sync pair 1"));
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        const char *value = stk_safetensors_metadata(k->file[0], copied[i]);
        if (value != NULL) STK_TRY(stk_safetensors_writer_metadata(k->writer, copied[i], value));
    }
    for (int side = 0; side < SIDES; side++) {
        char digest[STK_SHA256_TEXT];
        if (strcmp(path_of(k, side), STK_AVE_BUILTIN) == 0) continue;
        STK_TRY(stk_sha256_file(path_of(k, side), digest));
        STK_TRY(stk_safetensors_writer_metadata(k->writer, digest_of[side], digest));
    }
    return STK_OK;
}

static stk_status write_all(packing *k) {
    STK_TRY(describe(k));
    for (int side = 0; side < SIDES; side++)
        for (int i = 0; i < k->params[side].n; i++) STK_TRY(declare(k, &k->params[side].list[i]));
    for (int side = 0; side < SIDES; side++)
        for (int i = 0; i < k->params[side].n; i++)
            STK_TRY(put(k, &k->params[side].list[i], stk_params_value(&k->params[side], i)));
    return STK_OK;
}

static stk_status pack(packing *k, const char *output) {
    size_t most = 0;
    for (int side = 0; side < SIDES; side++) STK_TRY(read_side(k, side));
    for (int side = 0; side < SIDES; side++)
        if (k->params[side].total > most) most = k->params[side].total;
    k->bytes = stk_calloc_aligned(most, sizeof(float));
    if (k->bytes == NULL) return stk_fail_memory("the packed encoder");
    STK_TRY(stk_safetensors_writer_create(&k->writer, output));
    const stk_status status = write_all(k);
    if (status == STK_OK) return stk_safetensors_writer_finish(&k->writer);
    stk_safetensors_writer_discard(&k->writer);
    return status;
}

stk_status stk_lip_sync_pack(const char *encoder, const char *output) {
    stk_lip_sync_files files;
    STK_TRY(stk_lip_sync_locate(NULL, encoder, &files));
    STK_TRY(stk_file_keep_input(output, files.sound));
    STK_TRY(stk_file_keep_input(output, files.picture));
    STK_TRY(check(&files));
    packing k = {.files = &files};
    const stk_status status = pack(&k, output);
    for (int side = 0; side < SIDES; side++) {
        stk_safetensors_close(&k.file[side]);
        stk_params_clear(&k.params[side]);
    }
    stk_free(k.bytes);
    return status;
}
