/* syncnet.h - the published lip-sync network SyncNet (Chung and Zisserman 2016, syncnet_v2.model),
 * and the two figures that papers print by it.
 *
 *   5 faces [224][224][3]        --7 convolutions, 2 linear--> [1024]
 *   20 rows of 13 mfcc (0.2 s)   --6 convolutions, 2 linear--> [1024]
 *   D_i,o = |F_i - A_(i+o) + 1e-6|, o = -15 .. 15, A = 0 beyond the ends
 *   d_o = mean_i D_i,o;  LSE-D = min_o d_o;  LSE-C = median_o d_o - LSE-D
 *
 * Faces are cut as the published pipeline does: squares of 2.8 half sizes of a face's box, 0.4 of
 * one below its middle. The weights are the user's to get; any file with these tensors is taken. A
 * handle must not be used by two threads at once; work is done on the calling thread.
 */
#ifndef STK_FACE_SYNC_SYNCNET_H
#define STK_FACE_SYNC_SYNCNET_H

#include "base/file.h"
#include "base/status.h"
#include "face_sync/mfcc.h"

enum {
    STK_SYNCNET_SIDE = 224,
    STK_SYNCNET_FACE = STK_SYNCNET_SIDE * STK_SYNCNET_SIDE * 3,
    STK_SYNCNET_FRAMES = 5,
    STK_SYNCNET_ROWS = 20, /* of cepstrum a window; 4 a frame */
    STK_SYNCNET_CODE = 1024,
    STK_SYNCNET_REACH = 15,
};

/* Path of syncnet_v2.model in the folders of nn/weights.h; STK_ERR_WEIGHTS says where to get it. */
stk_status stk_syncnet_locate(const char *models, char path[STK_PATH_MAX]);

typedef struct stk_syncnet stk_syncnet;
/* A state dictionary by torch.save, or the same tensors as .safetensors. STK_ERR_WEIGHTS for
 * another file. Memory: 80 MB. */
stk_status stk_syncnet_create(stk_syncnet **net, const char *path);
void stk_syncnet_free(stk_syncnet **net);
/* faces: five consecutive ones, RGB 0 .. 255 (the network's own order, BGR, is made here). */
stk_status stk_syncnet_see(stk_syncnet *net, const uint8_t *const faces[STK_SYNCNET_FRAMES],
                           float code[STK_SYNCNET_CODE]);
/* Rows from four times the first frame on. */
stk_status stk_syncnet_hear(stk_syncnet *net, const float (*mfcc)[STK_MFCC_COUNT],
                            float code[STK_SYNCNET_CODE]);

typedef struct stk_lse {
    double c, d;       /* LSE-C: more is better; LSE-D: less is better */
    int offset_frames; /* positive: the sound is late */
    int windows;       /* 0: not measured */
} stk_lse;
/* Of n windows in a row; lips, sound [n][1024]. */
void stk_lse_of(int n, const float *lips, const float *sound, stk_lse *lse);

#endif
