/* lpips_private.h - what the files of LPIPS share. */
#ifndef STK_METRICS_LPIPS_PRIVATE_H
#define STK_METRICS_LPIPS_PRIVATE_H

#include "base/file.h"
#include "metrics/lpips.h"
#include "nn/frozen.h"

enum { LPIPS_LAYERS = 48 };

/* A backbone as torchvision lays it out, up to the last tap. */
typedef struct lpips_net {
    const char *name, *heads, *files[2]; /* files: of the backbone, the newer name first */
    const stk_frozen_layer *layers;
    const char *const *names; /* [count]; of a convolution, its tensors' in the file */
    int count, taps, tap[STK_LPIPS_TAPS];
} lpips_net;
const lpips_net *lpips_net_get(stk_lpips_net net);

struct stk_lpips {
    const lpips_net *net;
    float *block; /* all of the following */
    const float *weights[LPIPS_LAYERS], *biases[LPIPS_LAYERS];
    const float *head[STK_LPIPS_TAPS]; /* [channels] */
    char sha256[STK_SHA256_TEXT];      /* of the backbone's file */
};

/* Of one picture at one tap: f, g [pixels][c] of a and b, w [c]. Returns the mean over the pixels
 * of sum_c w (u - v)^2 with u = f / (|f| + 1e-10); df (NULL, or [pixels][c]) = scale times its
 * derivative by f. */
double lpips_tap_distance(size_t pixels, int c, const float *f, const float *g, const float *w,
                          float scale, float *df);

#endif
