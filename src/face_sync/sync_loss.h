/* sync_loss.h - what the lip-sync discriminator is trained by: do these lips belong to this sound?
 *
 *   A, F [n][512] -> sim_ij = F_i.A_j / (|F_i| |A_j|) for all n x n pairs of a batch
 *
 * Pair i = j is in sync; any other pair is not, be it of another clip or of the same one at another
 * time, unless both are of one clip and nearer than STK_SYNC_APART frames: those count as neither.
 *
 *   L_bce = - mean_i log sim_ii / 2 - mean_{i != j} log(1 - sim_ij) / 2        paper.md 1, L_sync
 *   L_nce = - mean_i (log softmax_j(s sim_ij)_i + log softmax_i(s sim_ij)_j) / 2
 *
 * DIFFERS: the paper has L_bce alone. It weighs a pair by itself; L_nce asks for the one sound
 * among n that fits, and pushes hardest where the wrong one is nearest. The mix is a setting
 * (doc/ENCODER.md has what each reaches in equal time). s = exp(log_scale) is learned.
 */
#ifndef STK_FACE_SYNC_SYNC_LOSS_H
#define STK_FACE_SYNC_SYNC_LOSS_H

#include "base/status.h"
#include "face_sync/sync_nets.h"

#include <stdint.h>

enum { STK_SYNC_APART = 2 };

typedef struct stk_sync_weights {
    float bce, nce;
} stk_sync_weights;

typedef struct stk_sync_figures {
    double bce, nce;
    double hits;  /* share of pictures whose own sound is the most similar of the batch */
    double apart; /* mean sim in sync less mean sim out of it */
} stk_sync_figures;

typedef struct stk_sync_loss {
    int n;
    float *sound, *picture, *similarity, *d, *norms; /* scratch */
    float *dsound, *dpicture;                        /* [n][512], results */
    float dlog_scale;
} stk_sync_loss;

stk_status stk_sync_loss_init(stk_sync_loss *loss, int n);
void stk_sync_loss_clear(stk_sync_loss *loss);
/* clip[n], frame[n] say where each pair comes from. Fills dsound, dpicture, dlog_scale. Runs on the
 * calling thread, allocates nothing. */
void stk_sync_loss_run(stk_sync_loss *loss, const stk_sync_weights *weights, const float *sound,
                       const float *picture, const int32_t *clip, const int32_t *frame,
                       float log_scale, stk_sync_figures *figures);

/* L1: mean |y - target| of n numbers; dy = weight * sign / n. */
double stk_l1_loss(size_t n, const float *y, const float *target, float weight, float *dy);
/* Cosine similarity of two codes, in [0,1] for codes that are not negative. */
float stk_sync_similarity(const float *a, const float *b);

#endif
