/* synthetic_encoder.c - see synthetic_encoder.h. */
#include "synthetic_encoder.h"
#include "base/rng.h"
#include "face_sync/ave_encoder.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>

enum { WEIGHT, BIAS, GAIN, SHIFT, MEAN, VARIANCE, TENSORS };
static const char *const NAMES[TENSORS] = {"0.weight", "0.bias",         "1.weight",
                                           "1.bias",   "1.running_mean", "1.running_var"};
static const int IN[STK_AVE_BLOCKS] = {1, 32, 32, 32, 64, 64, 64, 128, 128, 128, 256, 256, 512};
static const int OUT[STK_AVE_BLOCKS] = {32, 32, 32, 64, 64, 64, 128, 128, 128, 256, 256, 512, 512};

static float draw(int tensor, float scale, stk_rng *rng) {
    if (tensor == WEIGHT) return scale * (2 * stk_rng_float(rng) - 1);
    if (tensor == GAIN || tensor == VARIANCE) return 0.5f + stk_rng_float(rng);
    return 0.2f * (stk_rng_float(rng) - 0.5f);
}

static stk_status put(stk_safetensors_writer *writer, int pass, int block, int tensor,
                      stk_rng *rng) {
    static float values[512 * 256 * 9];
    const int side = block == STK_AVE_BLOCKS - 1 ? 1 : 3;
    const int64_t shape[4] = {OUT[block], IN[block], side, side};
    const int64_t n = tensor == WEIGHT ? shape[0] * shape[1] * side * side : shape[0];
    char name[64];
    snprintf(name, sizeof name, "%d.conv_block.%s", block, NAMES[tensor]);
    if (pass == 0)
        return stk_safetensors_writer_declare(writer, name, STK_F32, tensor == WEIGHT ? 4 : 1,
                                              shape);
    const float scale = 2.0f / sqrtf((float)(IN[block] * side * side));
    for (int64_t i = 0; i < n; i++) values[i] = draw(tensor, scale, rng);
    return stk_safetensors_writer_data(writer, values, (size_t)n * sizeof *values);
}

stk_status synthetic_encoder_write(const char *path, int seed) {
    stk_safetensors_writer *writer;
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)seed, 1);
    stk_status status = stk_safetensors_writer_create(&writer, path);
    for (int i = 0; status == STK_OK && i < 2 * STK_AVE_BLOCKS * TENSORS; i++)
        status = put(writer, i / (STK_AVE_BLOCKS * TENSORS), i / TENSORS % STK_AVE_BLOCKS,
                     i % TENSORS, &rng);
    if (status == STK_OK) return stk_safetensors_writer_finish(&writer);
    stk_safetensors_writer_discard(&writer);
    return status;
}
