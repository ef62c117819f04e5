/* head_model.h - a morphable head as the motion tracker uses it: where the landmarks of the face
 * mesh lie on it, and how identity and expression move them.
 *
 *   FILE (eos shape model, or 3DMM_info.npy) -> mean, modes over N vertices
 *     + which vertices are the 68 iBUG points (head_model_landmarks.h)
 *     -> turned, scaled and shifted onto the canonical face: metres, head frame
 *     -> the tracker's rigid vertices by warping the canonical face onto the mean
 *     -> X_p = mean_p + sum_k a_k identity_kp + sum_k e_k expression_kp, p < points
 *
 * Only the rows of those points are kept. The coefficients have standard deviation 1; those of
 * blendshapes are not negative. Read-only once it is open: any number of threads.
 */
#ifndef STK_HEAD_SYNC_HEAD_MODEL_H
#define STK_HEAD_SYNC_HEAD_MODEL_H

#include "base/file.h"
#include "base/types.h"

enum { STK_HEAD_POINTS_MAX = 256 };

typedef struct stk_head_model {
    char name[256]; /* for reports: file name, vertices, modes */
    int points, identities, expressions, blendshapes;
    int mesh[STK_HEAD_POINTS_MAX];       /* number of the face mesh landmark */
    int rigid[STK_HEAD_POINTS_MAX];      /* 1: does not move with the face's expression */
    double weights[STK_HEAD_POINTS_MAX]; /* what it counts for the pose */
    double mean[STK_HEAD_POINTS_MAX][3]; /* metres, head frame */
    double (*identity)[3];               /* [identities][points], owned */
    double (*expression)[3];             /* [expressions][points], owned */
} stk_head_model;

/* Refuses with one sentence: no such format, damaged, no known landmarks, not a head. */
stk_status stk_head_model_open(stk_head_model **model, const char *path);
void stk_head_model_close(stk_head_model **model);
/* Digest over the files that stk_head_model_open would read. */
stk_status stk_head_model_digest(const char *path, char sha256[STK_SHA256_TEXT]);

#endif
