/* lpips.h - learned perceptual distance of pictures [LPIPS: Zhang et al. 2018, version 0.1], and
 * its gradient. 0: alike.
 *
 *   a, b RGB in [0, 1] --2x - 1, (x - shift) / scale--> AlexNet, VGG16 or SqueezeNet 1.1
 *     -> 5 (SqueezeNet: 7) taps after ReLU, each divided by its length over the channels
 *     -> sum over channels of w (u - v)^2, mean over pixels, sum over taps
 *
 * Pictures of less than 32 pixels a side are surrounded by grey ((32 - side + 1) / 2 on both sides,
 * reference.md 5.2 c). An stk_lpips is the weights; an stk_lpips_pass is the memory to run pictures
 * of one size. Work is shared out over the pool; the figures do not depend on its size.
 *
 * The value goes by the name of LPIPS only with the published weights: stk_lpips_open checks them.
 */
#ifndef STK_METRICS_LPIPS_H
#define STK_METRICS_LPIPS_H

#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"

typedef enum stk_lpips_net { STK_LPIPS_ALEX, STK_LPIPS_VGG, STK_LPIPS_SQUEEZE } stk_lpips_net;

enum { STK_LPIPS_SIDE_MIN = 32, STK_LPIPS_TAPS = 7 };

/* "alex" (NULL, too), "vgg" or "squeeze"; STK_ERR_ARGUMENT for anything else. */
stk_status stk_lpips_net_of(const char *name, stk_lpips_net *net);

typedef struct stk_lpips stk_lpips;
/* models: folder or NULL (nn/weights.h) with torchvision's file of the backbone, under its own name
 * (alexnet-owt-7be5be79.pth, vgg16-397923af.pth, squeezenet1_1-b8a52dc0.pth, or what they were
 * called before), whose hexadecimal part must begin the file's SHA-256, and lpips_v0.1_*.pth.
 * STK_ERR_WEIGHTS with the remedy when one is absent or another. */
stk_status stk_lpips_open(stk_lpips **lpips, const char *models, stk_lpips_net net);
/* The same of two files of any content, which are not checked but for shapes. */
stk_status stk_lpips_open_files(stk_lpips **lpips, stk_lpips_net net, const char *backbone,
                                const char *heads);
void stk_lpips_close(stk_lpips **lpips);
/* SHA-256 of the backbone's file, in hexadecimal; "" for files that were not checked. */
const char *stk_lpips_sha256(const stk_lpips *lpips);

typedef struct stk_lpips_shape {
    int width, height;
    int pictures; /* a call */
    int gradient; /* 1: stk_lpips_gradient will be called, which takes more memory */
} stk_lpips_shape;

typedef struct stk_lpips_pass stk_lpips_pass;
/* lpips and pool (may be NULL) outlive the pass. */
stk_status stk_lpips_pass_create(stk_lpips_pass **pass, const stk_lpips *lpips,
                                 const stk_lpips_shape *shape, stk_pool *pool);
void stk_lpips_pass_free(stk_lpips_pass **pass);
/* For pictures of another size or number from now on: allocates, unless the shape is the same. */
stk_status stk_lpips_pass_reshape(stk_lpips_pass *pass, const stk_lpips_shape *shape);

/* a, b [pictures][height][width][3] in [0, 1]; distances [pictures]. Allocates nothing. */
stk_status stk_lpips_distance(stk_lpips_pass *pass, const float *a, const float *b,
                              double *distances);
/* The same of 8-bit RGB pictures, one of each; pictures 1. */
stk_status stk_lpips_distance_images(stk_lpips_pass *pass, const stk_image *a, const stk_image *b,
                                     double *distance);
/* *distance = mean of the pictures' distances; da [pictures][height][width][3] = scale times its
 * derivative by a. b is held constant. Allocates nothing. */
stk_status stk_lpips_gradient(stk_lpips_pass *pass, const float *a, const float *b, float scale,
                              double *distance, float *da);

#endif
