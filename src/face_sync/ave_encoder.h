/* ave_encoder.h - the published audio-visual encoder, sound side: one mel window -> 512 numbers
 * (reference.md 2.2). Thirteen convolutions, each with its batch norm and a ReLU, the middle ones
 * with a residual.
 *
 *   window [80][16] -> [80][16][32] -> [27][16][64] -> [9][6][128] -> [3][3][256] -> [512]
 *
 * It is trained by its authors and used as it is; models of kind "ave" hear through it. A handle
 * must not be used by two threads at once; the work is done on the calling thread.
 */
#ifndef STK_FACE_SYNC_AVE_ENCODER_H
#define STK_FACE_SYNC_AVE_ENCODER_H

#include "base/status.h"
#include "base/types.h"

enum {
    STK_AVE_BATCH = 8, /* windows encoded at once */
    STK_AVE_FLOATS = 512,
    STK_AVE_BLOCKS = 13,
    STK_AVE_WINDOW = STK_MEL_BINS * STK_MEL_STEPS,
    STK_AVE_BLOCK_MAX = 80 * 16 * 32, /* floats of the largest block's output */
};

typedef struct stk_ave_encoder stk_ave_encoder;

/* Weights: the published file (torch.save of a bare dictionary, 91 keys "0.conv_block.0.weight"
 * ...), or the same tensors as .safetensors; by the name's ending. STK_ERR_WEIGHTS with one
 * sentence for any other file. Memory: 14 MB. */
stk_status stk_ave_encoder_create(stk_ave_encoder **encoder, const char *path);
/* The same from `given`, or, when that is NULL, from audio_visual_encoder.safetensors or .pth in
 * the folders of nn/weights.h. */
stk_status stk_ave_encoder_find(stk_ave_encoder **encoder, const char *given);
void stk_ave_encoder_free(stk_ave_encoder **encoder);
/* windows [n][80][16] -> features [n][512], not negative. Batch norm in evaluation mode. A window's
 * features do not depend on its neighbours. Allocates nothing. */
stk_status stk_ave_encoder_run(stk_ave_encoder *encoder, int n, const float *windows,
                               float *features);
/* For tests: what block 0 .. 12 makes of one window, [h][w][channels]; out holds
 * STK_AVE_BLOCK_MAX floats, shape receives h, w, channels. */
stk_status stk_ave_encoder_block(stk_ave_encoder *encoder, const float *window, int block,
                                 float *out, int shape[3]);

#endif
