/* lip_sync.h - the lip-sync discriminator that `synctalk encoder train` makes: the sound net (the
 * audio-visual encoder) and the picture net that learned beside it.
 *
 *   mel windows [n][80][16]       --sound net-->   unit codes [n][512]
 *   mouth halves [n][48][96][16]  --picture net--> unit codes [n][512]
 *   distance of lips and sound = |F - A|, 0 .. sqrt 2 (face_sync/sync_offset.h)
 *
 * Two files, as training writes them: X.safetensors and X.picture.safetensors, whose metadata
 * `sound_sha256` names the former; or one with both (stk_lip_sync_pack), as in the program. A
 * handle must not be used by two threads at once; work is done on the calling thread.
 */
#ifndef STK_FACE_SYNC_LIP_SYNC_H
#define STK_FACE_SYNC_LIP_SYNC_H

#include "face_sync/ave_encoder.h"

enum { STK_LIP_SYNC_BATCH = STK_AVE_BATCH };

typedef struct stk_lip_sync_files {
    char sound[STK_PATH_MAX];   /* or STK_AVE_BUILTIN */
    char picture[STK_PATH_MAX]; /* the same as sound where that holds both sides */
} stk_lip_sync_files;

/* Where the picture net of an encoder goes: encoder.safetensors -> encoder.picture.safetensors. */
stk_status stk_encoder_picture_path(const char *sound, char path[STK_PATH_MAX]);
/* The pair of an encoder's file: the file itself where it holds both, or else its picture side
 * beside it. STK_AVE_BUILTIN: the pair in the program, or, where that has the sound side alone,
 * encoder.picture.safetensors of the folders of nn/weights.h, `models` first. STK_ERR_WEIGHTS when
 * the picture side is absent; what stk_safetensors_open says of a damaged .safetensors. */
stk_status stk_lip_sync_locate(const char *models, const char *encoder, stk_lip_sync_files *files);
/* The pair that is used where none is asked for: encoder.safetensors and
 * encoder.picture.safetensors beside each other in one of those folders, or else that of
 * STK_AVE_BUILTIN. 0: there is none. */
int stk_lip_sync_find(const char *models, stk_lip_sync_files *files);

typedef struct stk_lip_sync stk_lip_sync;
/* STK_ERR_WEIGHTS: a file is not what it should be; STK_ERR_MISMATCH: the two do not belong
 * together. Memory: 45 MB. */
stk_status stk_lip_sync_create(stk_lip_sync **nets, const stk_lip_sync_files *files);
void stk_lip_sync_free(stk_lip_sync **nets);
/* Unit codes of up to STK_LIP_SYNC_BATCH windows; allocate nothing. */
stk_status stk_lip_sync_sound(stk_lip_sync *nets, int n, const float *windows, float *codes);
stk_status stk_lip_sync_picture(stk_lip_sync *nets, int n, const float *lips, float *codes);

/* --- lip_sync_pack.c -------------------------------------------------------------------------- */

/* Both sides of an encoder's file (or pair) as one file: weights of large layers in eight bits, of
 * others in halves, all else as it was. STK_ERR_WEIGHTS: there is no picture side. */
stk_status stk_lip_sync_pack(const char *encoder, const char *output);

#endif
