/* torso_branch.h - training the published torso branch (portrait/torso.h) beside a head: a picture
 * in two dimensions, bent by the pose, that stands behind the head instead of the torso film.
 *
 *   film frame (torso and neck over the plate), plate, pose -> up to 16384 pixels -> loss and
 *   gradients (portrait/torso_step.c) -> AdamW; occupancy every 16 steps
 *
 * It shares nothing with the head but poses and lens, so it is trained before it, whole, once: a
 * checkpoint keeps it for the resumed run. The result depends on the seed and the count of steps,
 * not on the number of threads.
 */
#ifndef STK_TRAIN_TORSO_BRANCH_H
#define STK_TRAIN_TORSO_BRANCH_H

#include "base/job.h"
#include "train/trainer.h"

typedef struct stk_torso_branch {
    stk_params params; /* the branch alone */
    stk_torso torso;
    stk_torso_occupancy occupancy;
    stk_image plate;
    double loss; /* running mean */
    int steps;   /* that it was trained by; 0: it is empty */
} stk_torso_branch;

/* Room for what a checkpoint has, and the plate; branch: zeroed. */
stk_status stk_torso_branch_open(stk_torso_branch *branch, const stk_trainer *trainer);
/* settings.torso_steps steps; none: the branch stays empty. branch: zeroed, or trained, which it
 * then is left as. STK_ERR_ABORTED when the job says so. */
stk_status stk_torso_branch_train(stk_torso_branch *branch, const stk_trainer *trainer,
                                  const stk_job *job);
/* What it paints behind the head in a frame of the performance; picture: RGB, of its size. */
void stk_torso_branch_paint(const stk_torso_branch *branch, const stk_trainer *trainer, int frame,
                            stk_image *picture);
/* stk_model_save of the contents, with the branch unless it is empty. */
stk_status stk_torso_branch_save(const stk_torso_branch *branch, const char *path,
                                 const stk_model_contents *contents);
/* Takes one that was only zeroed, too. */
void stk_torso_branch_clear(stk_torso_branch *branch);

#endif
