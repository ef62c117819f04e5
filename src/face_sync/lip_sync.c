/* lip_sync.c - see lip_sync.h. */
#include "face_sync/lip_sync.h"
#include "base/memory.h"
#include "face_sync/sync_nets.h"
#include "face_sync/sync_offset.h"
#include "nn/chain.h"
#include "nn/safetensors.h"
#include "nn/weights.h"

#include <stdio.h>
#include <string.h>

struct stk_lip_sync {
    stk_ave_encoder *sound;
    stk_chain *picture;
    float *codes; /* [STK_LIP_SYNC_BATCH][512] */
};

/* --- files ------------------------------------------------------------------------------------ */

static const char ending[] = ".safetensors";

static int is_safetensors(const char *path) {
    const size_t length = strlen(path);
    return length > sizeof ending - 1 && strcmp(path + length - (sizeof ending - 1), ending) == 0;
}

stk_status stk_encoder_picture_path(const char *sound, char path[STK_PATH_MAX]) {
    const size_t length = strlen(sound) - (is_safetensors(sound) ? sizeof ending - 1 : 0);
    const int n = snprintf(path, STK_PATH_MAX, "%.*s.picture%s", (int)length, sound, ending);
    if (n > 0 && n < STK_PATH_MAX) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", sound);
}

static stk_status locate_picture(const char *models, char path[STK_PATH_MAX]) {
    return stk_weights_locate(models, "encoder.picture.safetensors",
                              "the picture side of the encoder, by which sync is measured", path);
}

/* Does this file hold the picture side, too? The published sound side (.pth) and a program without
 * an encoder do not; a .safetensors that can't be read has no answer. */
static stk_status find_picture(const char *path, int *has) {
    char name[64], text[1024];
    stk_safetensors *file;
    stk_error_take(text, sizeof text); /* the caller's last sentence is kept */
    *has = 0;
    snprintf(name, sizeof name, "%s0.conv_block.0.weight", stk_sync_part_prefix(STK_SYNC_PICTURE));
    const stk_status status = stk_ave_file_open(&file, path);
    if (status != STK_OK && is_safetensors(path)) return status;
    if (status == STK_OK) *has = stk_safetensors_find(file, name) != NULL;
    stk_safetensors_close(&file);
    stk_error_put(text);
    return STK_OK;
}

static void take_both(stk_lip_sync_files *files) {
    memcpy(files->picture, files->sound, sizeof files->picture);
}

stk_status stk_lip_sync_locate(const char *models, const char *encoder, stk_lip_sync_files *files) {
    const int builtin = strcmp(encoder, STK_AVE_BUILTIN) == 0;
    if (snprintf(files->sound, sizeof files->sound, "%s", encoder) >= (int)sizeof files->sound)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", encoder);
    if (!builtin && !stk_file_exists(encoder))
        return stk_fail(STK_ERR_IO, "%s: there is no such file", encoder);
    int both;
    STK_TRY(find_picture(encoder, &both));
    if (both) {
        take_both(files);
        return STK_OK;
    }
    if (builtin) return locate_picture(models, files->picture);
    STK_TRY(stk_encoder_picture_path(encoder, files->picture));
    if (stk_file_exists(files->picture)) return STK_OK;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not there, and sync is measured by it and %s together; `synctalk "
                    "encoder train` writes both",
                    files->picture, encoder);
}

int stk_lip_sync_find(const char *models, stk_lip_sync_files *files) {
    static const char picture[] = ".picture.safetensors";
    char text[1024];
    stk_error_take(text, sizeof text); /* asking is not failing: keep the caller's last sentence */
    if (locate_picture(models, files->picture) == STK_OK) {
        const size_t stem = strlen(files->picture) - (sizeof picture - 1);
        snprintf(files->sound, sizeof files->sound, "%.*s.safetensors", (int)stem, files->picture);
        if (stk_file_exists(files->sound)) return 1;
    }
    const int found = stk_lip_sync_locate(models, STK_AVE_BUILTIN, files) == STK_OK;
    stk_error_put(text);
    return found;
}

/* --- the picture net -------------------------------------------------------------------------- */

static stk_status refuse(const char *path, const char *reason) {
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not the picture side of an encoder (`synctalk encoder train` writes "
                    "one): %s",
                    path, reason);
}

static stk_status check_pair(const stk_lip_sync *nets, const stk_safetensors *file,
                             const stk_lip_sync_files *files) {
    if (strcmp(files->sound, files->picture) == 0) return STK_OK; /* one file */
    const char *wanted = stk_safetensors_metadata(file, "sound_sha256");
    if (wanted == NULL) return refuse(files->picture, "it names no sound side");
    if (strcmp(wanted, stk_ave_encoder_id(nets->sound)->sha256) == 0) return STK_OK;
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: learned with another sound side (SHA-256 %.16s...) than %s; use the two "
                    "files of one training",
                    files->picture, wanted, files->sound);
}

static stk_status read_picture(const stk_lip_sync *nets, stk_params *params,
                               const stk_lip_sync_files *files) {
    stk_params_missing missing = {0};
    stk_safetensors *file;
    char reason[1024];
    stk_status status = stk_ave_file_open(&file, files->picture);
    if (status == STK_OK) {
        status = check_pair(nets, file, files);
        if (status != STK_OK) {
            stk_safetensors_close(&file);
            return status;
        }
        status = stk_params_load_safetensors(params, params->value, file, "", &missing);
        stk_safetensors_close(&file);
    }
    if (status == STK_OK && missing.count == 0) return STK_OK;
    if (status == STK_OK)
        snprintf(reason, sizeof reason, "%d of its %d tensors are missing", missing.count,
                 params->n);
    else if (status == STK_ERR_FORMAT || status == STK_ERR_MISMATCH)
        stk_error_take(reason, sizeof reason);
    else
        return status;
    return refuse(files->picture, reason);
}

static stk_status open_picture(stk_lip_sync *nets, const stk_lip_sync_files *files) {
    stk_params params;
    stk_stack stack;
    stk_status status = stk_params_init(&params);
    if (status == STK_OK) status = stk_sync_part_register(&stack, &params, STK_SYNC_PICTURE);
    if (status == STK_OK) status = stk_params_seal(&params, 0);
    if (status == STK_OK) status = read_picture(nets, &params, files);
    if (status == STK_OK)
        status = stk_chain_create(&nets->picture, &stack, STK_LIP_SYNC_BATCH, files->picture);
    stk_params_clear(&params);
    return status;
}

/* --- both ------------------------------------------------------------------------------------- */

stk_status stk_lip_sync_create(stk_lip_sync **out, const stk_lip_sync_files *files) {
    stk_lip_sync *nets = stk_calloc_aligned(1, sizeof *nets);
    *out = NULL;
    if (nets == NULL) return stk_fail_memory("lip-sync discriminator");
    nets->codes = stk_calloc_aligned((size_t)STK_LIP_SYNC_BATCH * STK_SYNC_CODE, sizeof(float));
    stk_status status = nets->codes != NULL ? STK_OK : stk_fail_memory("lip-sync discriminator");
    if (status == STK_OK) status = stk_ave_encoder_create(&nets->sound, files->sound);
    if (status == STK_OK) status = open_picture(nets, files);
    if (status != STK_OK) stk_lip_sync_free(&nets);
    *out = nets;
    return status;
}

void stk_lip_sync_free(stk_lip_sync **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_lip_sync *nets = *handle;
    stk_ave_encoder_free(&nets->sound);
    stk_chain_free(&nets->picture);
    stk_free(nets->codes);
    stk_free(nets);
    *handle = NULL;
}

static void make_units(int n, const float *codes, float *out) {
    for (int i = 0; i < n; i++)
        stk_sync_unit(codes + (size_t)i * STK_SYNC_CODE, out + (size_t)i * STK_SYNC_CODE);
}

stk_status stk_lip_sync_sound(stk_lip_sync *nets, int n, const float *windows, float *codes) {
    STK_TRY(stk_ave_encoder_run(nets->sound, n, windows, nets->codes));
    make_units(n, nets->codes, codes);
    return STK_OK;
}

stk_status stk_lip_sync_picture(stk_lip_sync *nets, int n, const float *lips, float *codes) {
    const float *y;
    memcpy(stk_chain_input(nets->picture), lips, (size_t)n * STK_LIPS_FLOATS * sizeof *lips);
    STK_TRY(stk_chain_run(nets->picture, -1, &y));
    make_units(n, y, codes);
    return STK_OK;
}
