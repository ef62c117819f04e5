/* trainer.h - training one subject's radiance field and audio net together (reference.md 5).
 *
 *   batch: rays of F frames -> per frame: audio net -> code; per block of rays: march -> field ->
 *   composite -> loss -> composite' -> field' ; then audio net', hash scatter per plane and level,
 *   AdamW, EMA
 *
 * Everything that a step touches is allocated by create. A step's result depends on the seed and
 * the step number only, not on the number of threads: every task owns its output, sums run in task
 * order. The room prints nothing: progress goes through stk_job.
 */
#ifndef STK_TRAIN_TRAINER_H
#define STK_TRAIN_TRAINER_H

#include "base/job.h"
#include "base/pool.h"
#include "kernels/optimiser.h"
#include "portrait/occupancy.h"
#include "render/model.h"
#include "subject/ray_cache.h"
#include "train/perceptual.h"
#include "train/schedule.h"
#include "train/vary.h"

/* What keeps sound to the lips and expression to the upper face. */
typedef enum stk_attention {
    STK_ATTENTION_PENALTIES, /* the released code's: loss terms (f), (g) of reference.md 5.2 */
    STK_ATTENTION_MASKS,     /* the paper's masks (portrait/region_mask.h), and those terms */
    STK_ATTENTION_FREE,      /* neither, for comparisons */
    STK_ATTENTIONS
} stk_attention;

typedef enum stk_train_expression {
    STK_EXPRESSION_ALL,   /* brows and eyelids: seven inputs */
    STK_EXPRESSION_BLINK, /* eyelids alone: the two inputs of the published variant "eye" */
} stk_train_expression;

typedef struct stk_train_settings {
    const char *subject, *output; /* folder, model file */
    const char *run;              /* folder; NULL: by the model's name; "none": none (record.h) */
    const char *program;          /* one line on program and machine, for the record; or NULL */
    const char *models;           /* folder of the weights of LPIPS, or NULL */
    const char *encoder;          /* a file or STK_AVE_BUILTIN; NULL: mel, learned jointly */
    int normalised;               /* 1, without encoder: mel-normalised */
    double minutes;               /* trained in all; 0: what fits the budget */
    double budget_s, begun_s; /* the run ends so many seconds after begun_s (stk_clock_s); 0: when
                                 it is done */
    double preview_s, save_s; /* seconds between previews, between checkpoints */
    int64_t steps;            /* 0: by minutes */
    int threads, seed, resume;
    int rays, frames;
    int torso_steps; /* of the torso branch (torso_branch.h), 0: a model without one */
    stk_attention attention;
    stk_train_expression expression;
    int coarse_poses; /* 1: the motion tracker's poses and camera instead of the stabilizer's */
    stk_schedule_kind schedule;
    stk_perceptual_kind perceptual;
    float lr_grid, lr_net;
    unsigned vary; /* STK_VARY_...: what is left out and put in, for comparisons */
} stk_train_settings;

typedef struct stk_train_figures {
    int64_t steps;
    double seconds, loss, held_out_psnr, rays_per_s, samples_per_s;
} stk_train_figures;

/* The whole run: open or resume, step, checkpoint, preview, save. */
stk_status stk_train_run(const stk_train_settings *settings, const stk_job *job,
                         stk_train_figures *figures);

/* --- the parts (for tests and benches) ------------------------------------------------------- */
typedef struct stk_trainer stk_trainer;

/* Fresh networks from the seed, the visual hull as first occupancy. */
stk_status stk_trainer_create(stk_trainer **trainer, const stk_train_settings *settings,
                              const stk_job *job);
void stk_trainer_free(stk_trainer **trainer);
/* One step at learning-rate position `fraction` in [0,1] of the whole run. STK_ERR_NUMERIC when
 * the loss or a gradient was not finite: parameters are then to be rolled back. */
stk_status stk_trainer_step(stk_trainer *trainer, double fraction);

#endif
