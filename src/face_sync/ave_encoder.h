/* ave_encoder.h - the published audio-visual encoder, sound side: one mel window -> 512 numbers
 * (reference.md 2.2). Thirteen convolutions, each with its batch norm and a ReLU, the middle ones
 * with a residual.
 *
 *   window [80][16] -> [80][16][32] -> [27][16][64] -> [9][6][128] -> [3][3][256] -> [512]
 *
 * The published file, one of `synctalk encoder train`, or the one built into the program
 * (assets/encoder.safetensors); models of kind "ave" hear through the one they learned with. A
 * handle must not be used by two threads at once; the work is done on the calling thread.
 */
#ifndef STK_FACE_SYNC_AVE_ENCODER_H
#define STK_FACE_SYNC_AVE_ENCODER_H

#include "base/file.h"
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

/* Which encoder it is: its file's name without folders, and the digest of the file. Empty: not
 * known (converted models). */
typedef struct stk_encoder_id {
    char name[64], sha256[STK_SHA256_TEXT];
} stk_encoder_id;

/* Stands for a path where the encoder in the program is meant. */
#define STK_AVE_BUILTIN "builtin"
/* The bytes of that file, in the program; 0 when it was built without. */
int stk_ave_builtin(const void **bytes, size_t *size);
/* A .safetensors file, or STK_AVE_BUILTIN. */
struct stk_safetensors;
stk_status stk_ave_file_open(struct stk_safetensors **file, const char *path);

/* Weights: the published file (torch.save of a bare dictionary, 91 keys "0.conv_block.0.weight"
 * ...), or the same tensors as .safetensors; by the name's ending. STK_ERR_WEIGHTS with one
 * sentence for any other file. STK_AVE_BUILTIN: the one in the program. Memory: 14 MB. */
stk_status stk_ave_encoder_create(stk_ave_encoder **encoder, const char *path);
/* The one that a model wants: `given` (a path), or else the one in the program where it is that
 * one, or a file of its name, or, where nothing is known (wanted NULL or empty),
 * audio_visual_encoder.safetensors or .pth, in the folders of nn/weights.h. STK_ERR_MISMATCH when
 * it is another one than wanted. */
stk_status stk_ave_encoder_find(stk_ave_encoder **encoder, const char *given,
                                const stk_encoder_id *wanted);
const stk_encoder_id *stk_ave_encoder_id(const stk_ave_encoder *encoder);
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
