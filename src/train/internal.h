/* internal.h - the trainer's state, shared by the files of this room. */
#ifndef STK_TRAIN_INTERNAL_H
#define STK_TRAIN_INTERNAL_H

#include "kernels/field.h"
#include "kernels/march.h"
#include "kernels/optimiser.h"
#include "render/frame.h"
#include "train/perceptual.h"
#include "train/schedule.h"
#include "train/trainer.h"

enum {
    BLOCK_RAYS = 128, /* rays worked on at once: their activations should stay near */
    RAY_SAMPLES = STK_TRAIN_SAMPLES_MAX,               /* at most, per ray */
    BLOCK_TILES = BLOCK_RAYS * RAY_SAMPLES / STK_TILE, /* at most */
    ROUND_SAMPLES = 2,                                 /* per ray and round of evaluation */
    OPTIMISER_CHUNK = 1 << 14,                         /* floats per task */
    DENSE_PARAMS_MAX = 64,
};

/* Sample tiles of the whole step; slot s owns tiles [s*slot_tiles, (s+1)*slot_tiles). */
typedef struct tile_store {
    float *xyz;  /* [tiles][3][64] */
    float *denc; /* [tiles][enc][64] */
    int *counts; /* [tiles] samples used, 0 = tile unused */
} tile_store;

/* Scratch of one worker: one block of rays with all its samples, twice: in the order in which they
 * were evaluated (tiles, for the field) and by ray (for compositing: sample k of ray r is number
 * r * RAY_SAMPLES + k). */
typedef struct block_scratch {
    /* by ray */
    float *ray_dir, *ray_origin;     /* [BLOCK_RAYS][3] */
    uint16_t ray_row[BLOCK_RAYS];    /* of conditions */
    float ray_end[BLOCK_RAYS];       /* how far to what it shows, ngp units; 0: not known */
    float *xyz, *dt_t;               /* [BLOCK_RAYS][RAY_SAMPLES][3], [..][2] */
    int count[BLOCK_RAYS];           /* samples marched */
    int used[BLOCK_RAYS];            /* samples evaluated: the first ones */
    int fresh[BLOCK_RAYS];           /* more of them in the round at hand */
    float transmittance[BLOCK_RAYS]; /* after them */
    int32_t *lane_of;                /* [BLOCK_RAYS * RAY_SAMPLES] place in the tiles */
    float *dt, *t_after;             /* [BLOCK_TILES][64] each, like all below */
    float *ray_sigma, *ray_rgb, *ray_aud, *ray_exp, *ray_unc;
    float *dray_sigma, *dray_rgb, *dray_aud, *dray_exp, *dray_unc;
    /* in tiles */
    float *dir;                                   /* [BLOCK_TILES][3][64] */
    uint16_t *cond_row;                           /* [BLOCK_TILES][64] */
    float *sigma, *rgb, *amb_aud, *amb_exp, *unc; /* outputs */
    float *dsigma, *drgb, *damb_aud, *damb_exp, *dunc;
    float *acts; /* [BLOCK_TILES][act_floats] */
} block_scratch;

/* How the rays of a step are laid out: pictures (frames), each shared out over `parts` slots. Ray
 * k of picture p is number p * picture_rays + k; part i of a picture has its rays from
 * i * slot_rays on. In steps of patches and lips a picture is a window of width x height pixels,
 * row by row. */
typedef struct step_plan {
    stk_schedule_step now;
    int pictures, parts, picture_rays, slot_rays, slot_tiles;
    int width, height;
    int slots, rays; /* in all */
    int two_passes;  /* what a ray's gradient is depends on other rays */
} step_plan;

/* What a slot (a part of one frame's rays) leaves behind, reduced in slot order. */
typedef struct slot_result {
    double loss;   /* sum over rays of the colour term */
    double smooth; /* share of the term (h) */
    double lips;   /* mean squared error of the probe */
    int64_t samples;
    int64_t looked; /* samples that only told where rays end (lids.c) */
} slot_result;

typedef struct optimiser_task {
    size_t offset, count;
    int level; /* of a hash plane; else 0 */
    stk_param_group group;
} optimiser_task;

/* One dense (non-table) parameter and its place in the compact per-slot gradient block. */
typedef struct dense_param {
    int index;
    size_t offset; /* in the compact block */
} dense_param;

struct stk_trainer {
    stk_train_settings settings;
    stk_subject *subject;
    stk_ray_cache *cache;
    stk_pool *pool;
    stk_nets nets;
    stk_performance performance;
    stk_occupancy occupancy;
    stk_march_kernels march;
    stk_optimiser_kernels optimiser;

    /* state that a checkpoint carries */
    stk_rng rng;
    int64_t step, ema_updates;
    int64_t rollbacks, rollback_step; /* not-a-number steps undone lately, and where to */
    double fraction, trained_s, mean_loss;
    struct stk_torso_branch *torso_branch; /* the run's (torso_branch.h), or NULL */
    int32_t *epoch_order;
    int32_t epoch_position;

    /* batch */
    const stk_schedule *schedule;
    stk_batch_settings batch; /* of steps of rays */
    uint64_t ray_seed;        /* of this step's rays */
    int slots_max;
    step_plan layout[STK_STEP_KINDS]; /* by kind; pictures 0: no such steps */
    step_plan plan;                   /* of this step */
    int32_t *drawn;                   /* [pictures] frames of the step */
    int32_t *frame_list;              /* [slots] the slot's frame */
    stk_rect *window;                 /* [slots] of the slot's picture */
    stk_rect *lips;                   /* [train_frames], all of one size; with lip steps only */
    stk_ray_pick *picks;
    /* conditions: [F] of the slots, then as many twice for lids.c */
    float *audio_code, *daudio; /* [3 F][32] */
    float *expression;          /* [3 F][STK_EXP_MAX] */
    float *code, *dcode;        /* [3 F][4] */
    float *audio_acts;          /* [F][audio_act_floats] */
    const float *sound_rows;    /* [frames][row_floats], clean; the subject's, or one of: */
    float *normalised;          /* [frames][80][16], mel-normalised */
    float *encoded;             /* [STK_HEARINGS][frames][512], with an encoder (encode.c) */
    float *feature_spread;      /* [512] standard deviations of the clean hearing, trained frames */
    float *audio_rows;          /* [F][8][row_floats], the window's rows as this step hears them */
    float (*lip_targets)[STK_LIPS]; /* [frames], standardised mouth blendshapes */
    uint8_t *lids_down;             /* [train_frames] 1: drawn as a blink (blinks.c) */
    int32_t *blinks;                /* [blink_count] those frames */
    int blink_count;
    uint8_t *row_present; /* [F][8], 0 = outside the clip: zeros */
    size_t audio_act_floats, field_act_floats;

    /* first pass of a step with two: what every ray composites to */
    stk_ray_out *seen;          /* [rays] */
    float *shares;              /* [rays], with the uncertainty term */
    float *made, *real, *dmade; /* [rays][3] */
    stk_perceptual *perceptual;
    double step_perceptual;                 /* its value in the last step that had the term */
    double mean_perceptual[STK_STEP_KINDS]; /* running means, by kind; 0: there were none yet */
    int64_t seen_samples;

    /* work */
    stk_field_kernels field; /* those for training */
    stk_field_weights weights;
    uint32_t *weight_pairs; /* NULL where field packs nothing */
    tile_store tiles;
    block_scratch *scratch; /* [threads] */
    float *slot_grads;      /* [F][dense_total] */
    size_t dense_total;
    dense_param dense[DENSE_PARAMS_MAX];
    int dense_count;
    slot_result *results;
    optimiser_task *optimiser_tasks;
    int *optimiser_bad; /* [tasks] */
    int optimiser_count;
    int64_t step_samples; /* of the last step */
    int64_t step_looked;
    double step_loss;
    double mean_lips; /* running mean of the probe's squared error; 1 = knows nothing */
};

/* encode.c: sound_rows, and with an encoder `encoded` and nets.encoder. */
enum { STK_HEARINGS = 4 };
stk_status stk_train_encode(stk_trainer *trainer, const stk_job *job);

/* hearing.c: the feature rows of a slot's window, with a random loudness and noise (both drawn
 * from seed, step and slot), and the window of pointers to them. */
void stk_train_hear(stk_trainer *trainer, int slot);
void stk_train_window(const stk_trainer *trainer, int slot, const float *window[STK_AUDIO_WINDOW]);

/* blinks.c: finds the frames with lids down; puts some into the step's frame list (draws from the
 * trainer's generator); the batch's settings with the shares that a frame's rays have. */
stk_status stk_train_blinks_init(stk_trainer *trainer);
void stk_train_blinks_draw(stk_trainer *trainer);
stk_batch_settings stk_train_blinks_shares(const stk_trainer *trainer, int32_t frame);
enum { STK_TRAIN_LIDS = 2 }; /* the last inputs of the expression */

/* lids.c: rays at shut lids as other frames' cameras see them, with other brows. Some of a slot's
 * picks [count] drawn at the lids, those left as they are where something stands before them; what
 * rays hear beside their slot's own row of conditions; what the slot's codes owe to that, added to
 * their gradients. */
void stk_train_lids_picks(const stk_trainer *trainer, int slot, stk_ray_pick *picks, int count);
void stk_train_lids_conditions(stk_trainer *trainer, int slot);
void stk_train_lids_collect(stk_trainer *trainer, int slot);
/* Whether rays are turned in this slot: their ends must be known then, with this row's lids. How
 * far a composited ray goes; 0 where it does not end. */
int stk_train_lids_turn(const stk_trainer *trainer, int slot);
uint16_t stk_train_lids_open(const stk_trainer *trainer, int slot);
float stk_train_lids_end(const stk_ray_out *out);
/* Rays of a block; row, and of those that are turned origin and direction, are changed. */
typedef struct stk_train_rays {
    int first, count; /* number within the step */
    const stk_ray_pick *picks;
    const float *end;          /* [count], where rays are turned */
    float *origin, *direction; /* [count][3] */
    uint16_t *row;             /* of conditions */
} stk_train_rays;
void stk_train_lids(const stk_trainer *trainer, int slot, const stk_train_rays *rays);

/* regions.c: where sound and expression may act, from the landmarks of the training frames. */
void stk_train_region_mask(const stk_trainer *trainer, stk_region_mask *mask);

/* heard.c: nets->heard and nets->closed of the training frames, for the model that is saved. */
stk_status stk_train_heard(const stk_trainer *trainer, const float *values, stk_nets *nets);

/* lips.c: targets over the clip; then, per slot, the probe's mean squared error and its gradients,
 * added to daudio [32], dweight [27][32] and dbias [27]. */
stk_status stk_train_lips_init(stk_trainer *trainer);
float stk_train_lips(const stk_trainer *trainer, int slot, float *daudio, float *dweight,
                     float *dbias);

/* loss.c: terms of the published loss, each with its weight (letters: reference.md 5.2). They add
 * scale times their gradient to dout. */
typedef struct stk_ray_target {
    float rgb[3], behind[3]; /* what the pixel should be, and what stands behind the head */
    int in_face, in_low_face;
} stk_ray_target;
/* (d) mean |c - g|; distance (or NULL) receives |c - g|_2. */
float stk_loss_colour(const stk_ray_target *target, const stk_ray_out *out, float scale,
                      stk_ray_dout *dout, float *distance);
float stk_loss_entropy(const stk_ray_out *out, float scale, stk_ray_dout *dout); /* (e) */
float stk_loss_ambient(const stk_ray_target *target, const stk_ray_out *out, float fraction,
                       float scale, stk_ray_dout *dout); /* (f), (g) */
/* (a): shares [n] of all rays of a step; what a ray's colour error is multiplied by; what is added
 * to it. */
void stk_loss_shares(int n, const stk_ray_out *rays, float *shares);
float stk_loss_attention(float share, float fraction);
float stk_loss_uncertainty(const stk_ray_target *target, const stk_ray_out *out, float distance,
                           float fraction, float scale, stk_ray_dout *dout);
/* (h) weight * mean |moved - still| over n values; its gradient by moved is written. */
double stk_loss_smoothness(int64_t n, const float *still, const float *moved, double weight,
                           float *dmoved);
/* All of them but (h), of one ray; dout is written. */
float stk_loss_published(const stk_ray_target *target, const stk_ray_out *out, float share,
                         float fraction, float scale, stk_ray_dout *dout);

/* The trainer's: one ray's loss and its gradient by the composited values; inverse = 1 / rays of
 * the step scales the gradient, not the loss. */
typedef struct stk_ray_loss {
    float colour; /* mean absolute error over the channels */
    float total;  /* with the entropy and ambient terms */
} stk_ray_loss;
stk_ray_loss stk_train_ray_loss(const stk_ray_pick *pick, const float backdrop[3],
                                const stk_ray_out *out, float fraction, float inverse,
                                stk_ray_dout *dout);

/* A colour as the picture shows it, over what stands behind, in [0,1]; and d, the gradient by it,
 * into dout. */
void stk_loss_shown(const stk_ray_target *target, const stk_ray_out *out, float colour[3]);
void stk_loss_push(const stk_ray_target *target, const stk_ray_out *out, const float d[3],
                   stk_ray_dout *dout);
stk_ray_target stk_train_target(const stk_ray_pick *pick, const float backdrop[3]);

/* trainer.c: weights as the kernels want them; rays, sound and conditions of every slot. */
void stk_trainer_prepare(stk_trainer *trainer);

/* step.c: march, field, loss and their gradients for the rays of one slot; and the first pass of
 * steps that have two: march, field, what is seen. */
void stk_train_slot(void *trainer, int slot, int worker);
void stk_train_look(void *trainer, int slot, int worker);
/* Number of the slot's first ray within the step, and how many it has. */
int stk_train_first_ray(const step_plan *plan, int slot, int *count);
/* Uniform [0,1) from seed, step and a number: reproducible whatever the order of work. */
float stk_train_noise(uint64_t seed, int64_t step, int64_t number);

/* share.c: both, of all slots of the step, shared out over processes. */
void stk_train_run_slots(stk_trainer *trainer);
void stk_train_run_looks(stk_trainer *trainer);

/* smooth.c: term (h) over the samples of a slot, whose tiles must be in the store. Returns its
 * share of the term; gradients go to grads and, through further tiles, to the hash planes. */
double stk_train_smooth(stk_trainer *trainer, int slot, int worker, stk_field_grads *grads);

/* optimise.c: one update of all parameters, which says in optimiser_bad what was not finite; one of
 * the average of the weights; and what the model holds: that average, or with STK_VARY_AVERAGE the
 * weights themselves. */
stk_status stk_train_optimise_init(stk_trainer *trainer);
void stk_train_optimise(stk_trainer *trainer);
void stk_train_average(stk_trainer *trainer);
const float *stk_train_values(const stk_trainer *trainer);

/* plan.c: layouts of all kinds of step and what their sizes make necessary; then, per step, frames,
 * windows and the rays of a slot. */
stk_status stk_train_plan_init(stk_trainer *trainer);
size_t stk_train_most_rays(const stk_trainer *trainer); /* of any step */
size_t stk_train_most_tiles(const stk_trainer *trainer);
void stk_train_plan_step(stk_trainer *trainer, double position);
void stk_train_plan_rays(stk_trainer *trainer, int slot);

/* hull.c: cells outside the silhouettes of the training frames become -1 in the occupancy grid. */
stk_status stk_train_carve_hull(stk_trainer *trainer);

/* What the model file says of the training. */
stk_training stk_train_provenance(const stk_trainer *trainer);

/* checkpoint.c. Loading fills trainer->torso_branch, where that is not NULL, and then sets
 * settings.torso_steps, when the run has one. */
stk_status stk_checkpoint_save(const stk_trainer *trainer, const char *path);
stk_status stk_checkpoint_load(stk_trainer *trainer, const char *path);
/* Fails where there is none. */
stk_status stk_checkpoint_need(const char *path);

/* snapshot.c: the last good state in memory, for the not-a-number guard. */
typedef struct stk_snapshot {
    float *value, *v, *ema, *density;
    int64_t step, ema_updates;
    stk_rng rng;
    int32_t epoch_position;
    int32_t *epoch_order;
    double mean_loss, mean_lips, mean_perceptual[STK_STEP_KINDS];
} stk_snapshot;
stk_status stk_snapshot_init(stk_snapshot *snapshot, const stk_trainer *trainer);
void stk_snapshot_clear(stk_snapshot *snapshot);
void stk_snapshot_take(stk_snapshot *snapshot, const stk_trainer *trainer);
void stk_snapshot_restore(const stk_snapshot *snapshot, stk_trainer *trainer);

/* preview.c: a few held-out frames with the averaged weights, over what the torso branch paints,
 * where there is one. */
typedef struct stk_preview stk_preview;
stk_status stk_preview_create(stk_preview **preview, stk_trainer *trainer);
void stk_preview_free(stk_preview **preview);
/* Means over the frames, dB; NaN where no frame had a value (none held out; no such region). */
typedef struct stk_preview_scores {
    double psnr, psnr_head, psnr_mouth;
} stk_preview_scores;
stk_status stk_preview_run(stk_preview *preview, stk_trainer *trainer, stk_preview_scores *scores);
/* real | rendered of the first frame at the last run; NULL when none is held out. */
const stk_image *stk_preview_sheet(const stk_preview *preview);

#endif
