/* fid.h - the Frechet Inception distance [FID: Heusel et al. 2017] of two sets of pictures.
 *
 *   RGB --bilinear, to 299x299; 2x - 1--> Inception v3 --mean over pixels--> 2048 features
 *   features of two sets -> means m, covariances S -> |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))
 *
 * As pytorch-fid has it: its weights (of TensorFlow's network, pt_inception-2015-12-05), pools that
 * count the picture's own pixels only, a largest instead of a mean in the last block. With fewer
 * pictures than some ten thousands the distance is larger than it would be of more.
 */
#ifndef STK_METRICS_FID_H
#define STK_METRICS_FID_H

#include "base/job.h"
#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"

enum { STK_FID_FEATURES = 2048, STK_FID_SIDE = 299, STK_FID_PICTURES = 8 };

typedef struct stk_inception stk_inception;
/* models: folder or NULL (nn/weights.h) with pt_inception-2015-12-05-6726825d.pth, whose SHA-256
 * must begin so. STK_ERR_WEIGHTS with the remedy when it is absent or another. pool (may be NULL)
 * outlives the network. */
stk_status stk_inception_open(stk_inception **net, const char *models, stk_pool *pool);
/* The same of a file of any content, which is not checked but for shapes. */
stk_status stk_inception_open_file(stk_inception **net, const char *path, stk_pool *pool);
void stk_inception_close(stk_inception **net);
/* Features [STK_FID_FEATURES] of an RGB picture of any size, which may be gone after the call:
 * computed a thread a picture (STK_FID_PICTURES at most) as soon as there is one for each, the last
 * ones by finish, which comes before features are read; forget leaves those out. Allocates nothing.
 */
stk_status stk_inception_push(stk_inception *net, const stk_image *picture, float *features);
stk_status stk_inception_finish(stk_inception *net);
void stk_inception_forget(stk_inception *net);

/* The Frechet distance of the Gaussians fitted to a and b, both [n][d], n >= 2. Covariances by n -
 * 1; the trace of the root is the sum of singular values of a matrix of min(n, d) rows, so that few
 * pictures cost no root of a singular 2048 x 2048 matrix. The same bits on any number of threads;
 * pool may be NULL. STK_ERR_NUMERIC: a or b holds what is no number. */
stk_status stk_frechet_distance(double *distance, int n, int d, const float *a, const float *b,
                                stk_pool *pool, const stk_job *job);

#endif
