/* ave_encoder.c - see ave_encoder.h.
 *
 *   file -> parameter store (91 - 13 tensors; the batch counters are of no use)
 *        -> folded into one layer a block (nn/chain.h)
 *   windows, 8 at a time -> features
 */
#include "face_sync/ave_encoder.h"
#include "base/memory.h"
#include "face_sync/sync_nets.h"
#include "nn/chain.h"
#include "nn/pth.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

struct stk_ave_encoder {
    stk_chain *chain;
    stk_encoder_id id;
};

/* --- weights ---------------------------------------------------------------------------------- */

static int is_safetensors(const char *path) {
    static const char ending[] = ".safetensors";
    const size_t n = strlen(path), m = sizeof ending - 1;
    return n >= m && strcmp(path + n - m, ending) == 0;
}

stk_status stk_ave_file_open(stk_safetensors **file, const char *path) {
    const void *bytes;
    size_t size;
    *file = NULL;
    if (strcmp(path, STK_AVE_BUILTIN) != 0) return stk_safetensors_open(file, path);
    if (stk_ave_builtin(&bytes, &size))
        return stk_safetensors_open_bytes(file, bytes, size, "the encoder in the program");
    return stk_fail(STK_ERR_UNSUPPORTED,
                    "this program was built without an encoder (assets/encoder.safetensors); give "
                    "one with --encoder FILE, or \"mel\" to train");
}

static stk_status read_tensors(stk_params *params, const char *path, stk_params_missing *missing) {
    stk_status status;
    if (is_safetensors(path) || strcmp(path, STK_AVE_BUILTIN) == 0) {
        stk_safetensors *file;
        STK_TRY(stk_ave_file_open(&file, path));
        status = stk_params_load_safetensors(params, params->value, file, "", missing);
        stk_safetensors_close(&file);
        return status;
    }
    stk_pth *file;
    STK_TRY(stk_pth_open(&file, path));
    status = stk_params_load_pth(params, stk_pth_model(file), path, missing);
    stk_pth_close(&file);
    return status;
}

/* A file that is there but is not the encoder is a wrong weight file, whatever is wrong with it. */
static stk_status load(stk_params *params, const char *path) {
    stk_params_missing missing = {0};
    char reason[1024];
    const stk_status status = read_tensors(params, path, &missing);
    if (status == STK_OK && missing.count == 0) return STK_OK;
    if (status == STK_OK)
        snprintf(reason, sizeof reason, "%d of its %d tensors are missing", missing.count,
                 params->n);
    else if (status == STK_ERR_FORMAT || status == STK_ERR_MISMATCH)
        stk_error_take(reason, sizeof reason);
    else
        return status;
    return stk_fail(STK_ERR_WEIGHTS,
                    "%s: is not the audio-visual encoder (audio_visual_encoder.pth): %s", path,
                    reason);
}

static stk_status identify(stk_encoder_id *id, const char *path) {
    const char *slash = strrchr(path, '/');
    const void *bytes;
    size_t size;
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t length = strlen(name);
    if (length >= sizeof id->name)
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: its name is too long to be kept in a model; rename it to at most %zu "
                        "characters",
                        path, sizeof id->name - 1);
    memcpy(id->name, name, length + 1);
    if (strcmp(path, STK_AVE_BUILTIN) != 0) return stk_sha256_file(path, id->sha256);
    if (stk_ave_builtin(&bytes, &size)) stk_sha256(bytes, size, id->sha256);
    return STK_OK;
}

static stk_status create_chain(stk_ave_encoder *encoder, stk_params *params, const char *path) {
    stk_stack stack;
    STK_TRY(stk_sync_part_register(&stack, params, STK_SYNC_SOUND));
    STK_TRY(stk_params_seal(params, 0));
    STK_TRY(load(params, path));
    return stk_chain_create(&encoder->chain, &stack, STK_AVE_BATCH, path);
}

stk_status stk_ave_encoder_create(stk_ave_encoder **out, const char *path) {
    *out = NULL;
    stk_ave_encoder *encoder = stk_calloc_aligned(1, sizeof *encoder);
    if (encoder == NULL) return stk_fail_memory("audio-visual encoder");
    stk_params params;
    stk_status status = stk_params_init(&params);
    if (status == STK_OK) status = create_chain(encoder, &params, path);
    if (status == STK_OK) status = identify(&encoder->id, path);
    stk_params_clear(&params);
    if (status != STK_OK) stk_ave_encoder_free(&encoder);
    *out = encoder;
    return status;
}

const stk_encoder_id *stk_ave_encoder_id(const stk_ave_encoder *encoder) {
    return &encoder->id;
}

void stk_ave_encoder_free(stk_ave_encoder **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_ave_encoder *encoder = *handle;
    stk_chain_free(&encoder->chain);
    stk_free(encoder);
    *handle = NULL;
}

/* --- forward ---------------------------------------------------------------------------------- */

/* Blocks 0 .. last (-1: all) on up to STK_AVE_BATCH windows; places of the batch that are not used
 * keep what they held. */
static stk_status run_blocks(stk_ave_encoder *encoder, int n, const float *windows, int last,
                             const float **y) {
    memcpy(stk_chain_input(encoder->chain), windows, (size_t)n * STK_AVE_WINDOW * sizeof(float));
    return stk_chain_run(encoder->chain, last, y);
}

stk_status stk_ave_encoder_run(stk_ave_encoder *encoder, int n, const float *windows,
                               float *features) {
    const float *y;
    for (int done = 0; done < n; done += STK_AVE_BATCH) {
        const int count = n - done < STK_AVE_BATCH ? n - done : STK_AVE_BATCH;
        STK_TRY(run_blocks(encoder, count, windows + (size_t)done * STK_AVE_WINDOW, -1, &y));
        memcpy(features + (size_t)done * STK_AVE_FLOATS, y,
               (size_t)count * STK_AVE_FLOATS * sizeof(float));
    }
    return STK_OK;
}

stk_status stk_ave_encoder_block(stk_ave_encoder *encoder, const float *window, int block,
                                 float *out, int shape[3]) {
    const float *y;
    int blocks;
    const stk_stack_block *b = stk_sync_part_blocks(STK_SYNC_SOUND, &blocks) + block;
    STK_TRY(run_blocks(encoder, 1, window, block, &y));
    stk_stack_block_size(b, &shape[0], &shape[1]);
    shape[2] = b->out_c;
    memcpy(out, y, (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * sizeof(float));
    return STK_OK;
}
