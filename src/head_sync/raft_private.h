/* raft_private.h - the parts of RAFT-small: weights and layers, the encoder, the target's pyramid,
 * the update. Coarse pixels P = (h/8)(w/8); all maps are [pixels][channels].
 */
#ifndef STK_HEAD_SYNC_RAFT_PRIVATE_H
#define STK_HEAD_SYNC_RAFT_PRIVATE_H

#include "base/status.h"
#include "base/types.h"
#include "kernels/flow.h"
#include "nn/dnnl.h"
#include "nn/state_dict.h"

enum {
    RAFT_LEVELS = 4,
    RAFT_TAPS = RAFT_LEVELS * STK_FLOW_TAPS, /* 196 */
    RAFT_STATE = STK_FLOW_HIDDEN,
    RAFT_CONTEXT = 64,
    RAFT_BLOCKS = 6, /* bottlenecks of an encoder */
};

/* --- weights (raft_weights.c) ----------------------------------------------------------------- */

/* One convolution's tensors, read by name. */
typedef struct stk_raft_loader {
    stk_state_dict *dict;
    const char *path;
    float *weight; /* of the convolution read last: [out][in][k][k] */
    float *bias;   /* [out] */
} stk_raft_loader;

typedef struct stk_raft_conv {
    int in, out, kernel, stride;
    int height, width; /* of the input */
    stk_activation activation;
} stk_raft_conv;

stk_status stk_raft_loader_open(stk_raft_loader *loader, const char *path);
void stk_raft_loader_close(stk_raft_loader *loader);
/* Reads <name>.weight and <name>.bias; STK_ERR_WEIGHTS when absent, of another shape, or when they
 * hold no numbers. */
stk_status stk_raft_loader_read(stk_raft_loader *loader, const char *name, int in, int out,
                                int kernel);
/* The layer of given weights, padded by kernel / 2. bias may be NULL. */
stk_status stk_raft_conv_create(stk_dnnl_layer **layer, const stk_raft_conv *conv,
                                const float *weight, const float *bias);
/* Both. */
stk_status stk_raft_conv_load(stk_dnnl_layer **layer, stk_raft_loader *loader, const char *name,
                              const stk_raft_conv *conv);

/* --- encoder (raft_encoder.c) ----------------------------------------------------------------- */

typedef struct stk_raft_block {
    stk_dnnl_layer *reduce, *middle, *expand, *shortcut; /* shortcut NULL where the size stays */
    int in_pixels, out_pixels, width;                    /* width: channels between */
    int channels;                                        /* of the output */
} stk_raft_block;

typedef struct stk_raft_encoder {
    stk_dnnl_layer *first, *last;
    stk_raft_block blocks[RAFT_BLOCKS];
    int normed, half_pixels; /* pixels after the first layer */
} stk_raft_encoder;

/* Activations that both encoders use in turn; floats of each: stk_raft_scratch_floats. */
typedef struct stk_raft_scratch {
    float *image, *a, *b, *narrow[2];
} stk_raft_scratch;

stk_status stk_raft_scratch_create(stk_raft_scratch *scratch, int height, int width);
void stk_raft_scratch_clear(stk_raft_scratch *scratch);
/* name: "fnet" (normed) or "cnet". */
stk_status stk_raft_encoder_create(stk_raft_encoder *encoder, stk_raft_loader *loader,
                                   const char *name, const int size[2]);
void stk_raft_encoder_clear(stk_raft_encoder *encoder);
/* scratch->image [h][w][3] in [-1, 1] -> out [P][128 or 160]. */
stk_status stk_raft_encoder_run(const stk_raft_encoder *encoder, const stk_raft_scratch *scratch,
                                float *out);
/* x [pixels][channels] <- (x - mean) / sqrt(variance + 1e-5) by channel, then max(0, .) if relu.
 * channels <= 96. Sums of rows of 64 pixels in float, their sum in double. */
void stk_raft_norm(float *x, int pixels, int channels, int relu);

/* --- correlation (raft_correlation.c) --------------------------------------------------------- */

/* Level 0 (given) averaged 2x2 into levels 1 .. 3, in the block of maps; odd rows and columns
 * are dropped. */
void stk_raft_pyramid_build(const stk_flow_map maps[RAFT_LEVELS], float *block);
/* Places of the levels in a block of stk_raft_pyramid_floats floats. */
void stk_raft_pyramid_place(stk_flow_map maps[RAFT_LEVELS], float *block, int height, int width);
size_t stk_raft_pyramid_floats(int height, int width);
/* taps [P][196] of features [P][128] at flow [P][2]; height, width: of the coarse grid. */
void stk_raft_correlate(const stk_flow_kernels *kernels, const stk_flow_map maps[RAFT_LEVELS],
                        const float *features, const float *flow, float *taps);
/* coarse [P][2] -> flow [2][8 height][8 width] = 8 coarse, bilinear, corners on corners. */
void stk_raft_upsample(const float *coarse, int height, int width, float *flow);
/* The other way: what the fine flow is where the coarse pixels are. Not a number becomes 0. */
void stk_raft_downsample(const float *flow, int height, int width, float *coarse);

/* --- update (raft_update.c) ------------------------------------------------------------------- */

typedef struct stk_raft_update {
    stk_dnnl_layer *corr, *flow1, *flow2, *motion; /* what moved */
    stk_dnnl_layer *gates, *wanted, *context;      /* recurrent unit; what context adds to it */
    stk_dnnl_layer *head1, *head2;
    float *taps;   /* [P][196] */
    float *wide;   /* [P][192]: layers' outputs in turn */
    float *joined; /* [P][128]: of correlations, of flow */
    float *input;  /* [P][178]: state or r state, motion, flow */
    float *state;  /* [P][96] */
    float *flow;   /* [P][2] */
    float *small;  /* [P][96] */
    int pixels;
} stk_raft_update;

stk_status stk_raft_update_create(stk_raft_update *update, stk_raft_loader *loader, int height,
                                  int width);
void stk_raft_update_clear(stk_raft_update *update);
/* context [P][64] -> what it adds to the recurrent unit's activations, [P][288]; biases too. */
stk_status stk_raft_context_run(const stk_raft_update *update, const float *context, float *added);
/* update->taps, state, flow -> new state and flow. added [P][288]. */
stk_status stk_raft_update_run(stk_raft_update *update, const stk_flow_kernels *kernels,
                               const float *added);

/* --- an encoded picture (raft.c) -------------------------------------------------------------- */

struct stk_raft_features {
    int height, width, use;         /* of the coarse grid; what has been encoded */
    stk_flow_map maps[RAFT_LEVELS]; /* level 0: features */
    float *block;
    float *state, *added; /* [P][96]; [P][288]: of stk_raft_context_run */
};

struct stk_raft {
    stk_raft_encoder fnet, cnet;
    stk_raft_update update;
    stk_raft_scratch scratch;
    stk_flow_kernels kernels;
    struct stk_raft_features *own[2];
    float *encoded; /* [P][160] */
    int height, width;
};

#endif
