/* raft.h - dense optical flow between two pictures of one size: RAFT-small (reference.md appendix
 * C; Teed and Deng, ECCV 2020) with its published weights, raft-small.pth.
 *
 *   picture [h][w][3] -> features [h/8][w/8][128]            both pictures
 *                     -> state [..][96], context [..][64]    the first picture
 *   (12 times) correlations [..][196] at the present flow -> recurrent unit -> flow [h/8][w/8][2]
 *   -> flow [2][h][w], px: what is at (x, y) in the first picture is at (x, y) + flow in the second
 *
 * Many pictures against one: encode each once (stk_raft_encode), then stk_raft_flow_between for
 * every pair. A stk_raft works on the calling thread and must not be used by two at once; each
 * thread has its own. Features may be read by several at once. Results do not depend on the thread.
 * After creation nothing of ours is allocated (oneDNN keeps small bookkeeping on the heap, 52 bytes
 * a call). Memory of a handle: 40 MB at 320x240, 88 MB at 512x512, of which 15 MB are weights.
 *
 * What to expect: 0.05 to 0.15 px on textured motion up to some 20 px; skin that jerks by more than
 * 5 px a frame comes back 0.4 px off (stk_raft_consistency tells where).
 */
#ifndef STK_HEAD_SYNC_RAFT_H
#define STK_HEAD_SYNC_RAFT_H

#include "base/status.h"
#include "base/types.h"

enum {
    STK_RAFT_ITERATIONS = 12,
    STK_RAFT_STRIDE = 8, /* sizes are multiples of it */
    STK_RAFT_SIDE_MIN = 64,
    STK_RAFT_SIDE_MAX = 4096,
};

typedef struct stk_raft stk_raft;
/* What a picture's encoding is for. */
enum {
    STK_RAFT_FROM = 1, /* the first picture of a pair */
    STK_RAFT_TO = 2,   /* the second */
};
typedef struct stk_raft_features stk_raft_features;

/* weights_path: the published file (torch.save of a dictionary), or the same tensors as
 * .safetensors; NULL: raft-small.pth in the folders of nn/weights.h. height and width of all
 * pictures: multiples of 8, 64 .. 4096. STK_ERR_WEIGHTS with one sentence for a file that is absent
 * or that is another. */
stk_status stk_raft_create(stk_raft **raft, const char *weights_path, int height, int width);
void stk_raft_free(stk_raft **raft);
/* Flow from image_a to image_b (RGB, of the created size), flow [2][height][width] in px: x, then
 * y. iterations: 1 .. 100, STK_RAFT_ITERATIONS as published. start: a flow to begin from (of the
 * frame before, say), [2][height][width], or NULL for none; may be `flow` itself. */
stk_status stk_raft_flow(stk_raft *raft, const stk_image *image_a, const stk_image *image_b,
                         int iterations, const float *start, float *flow);

/* An encoded picture; belongs to the caller, who frees it. It does not need `raft` to live on, and
 * goes with any handle of the same size and weights. Memory: 34.7 bytes a pixel. */
stk_status stk_raft_features_create(stk_raft_features **features, const stk_raft *raft);
void stk_raft_features_free(stk_raft_features **features);
/* use: STK_RAFT_FROM, STK_RAFT_TO or both; each encoder costs as much as the other. Overwrites. */
stk_status stk_raft_encode(stk_raft *raft, const stk_image *image, int use,
                           stk_raft_features *features);
/* stk_raft_flow of pictures encoded before, from as STK_RAFT_FROM, to as STK_RAFT_TO. */
stk_status stk_raft_flow_between(stk_raft *raft, const stk_raft_features *from,
                                 const stk_raft_features *to, int iterations, const float *start,
                                 float *flow);

/* The same on the network's own grid: coarse [height / 8][width / 8][2], in its pixels of 8 px. */
stk_status stk_raft_flow_coarse(stk_raft *raft, const stk_raft_features *from,
                                const stk_raft_features *to, int iterations, const float *start,
                                float *coarse);
/* coarse -> flow [2][height][width] px, bilinear; sizes as of the pictures. */
void stk_raft_refine(const float *coarse, int height, int width, float *flow);

/* Where two flows agree: error_px [height][width] = |F(p) + B(p + F(p))|, B bilinear, and infinity
 * where p + F(p) lies outside the picture or is not a number; mask[p] = error <= tolerance_px.
 * Either may be NULL. */
void stk_raft_consistency(int height, int width, const float *forward, const float *backward,
                          float tolerance_px, uint8_t *mask, float *error_px);

#endif
