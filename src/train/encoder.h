/* encoder.h - training the audio-visual encoder and the lip-sync discriminator (paper.md 1), on cut
 * speech (subject/speech.h) of any number of clips.
 *
 *   clips -> usable frames -> batch: groups of windows of one clip each, sound and picture spoilt
 *   in many ways -> sound net A, picture net F -> similarities of all pairs -> L_sync
 *   a share of the batch: face net, decoder -> mouth half -> L_recon
 *   L = L_sync + w L_recon -> Adam on all four nets
 *
 * Positives: lips and sound of the same moment. Negatives: the same clip at other moments (those of
 * a group, which come nearer to each other as training goes on) and other clips. Everything random
 * in a step is drawn from the seed, the step and the window, so a step depends neither on the
 * number of threads nor on whether the run was resumed. The room prints nothing.
 */
#ifndef STK_TRAIN_ENCODER_H
#define STK_TRAIN_ENCODER_H

#include "base/file.h"
#include "base/job.h"
#include "face_sync/lip_sync.h"
#include "face_sync/sync_loss.h"
#include "face_sync/sync_offset.h"
#include "subject/speech.h"

typedef struct stk_encoder_settings {
    const char *clips;    /* paths separated by newlines: videos, or .speech files cut before */
    const char *hold_out; /* the same, separated by commas: measured, not learned from; or NULL */
    const char *output;   /* encoder.safetensors; beside it encoder.picture.safetensors
                           * (the lips' net) and OUTPUT.train */
    const char *cut;      /* folder for cut speech, NULL = OUTPUT.cut */
    const char *models, *curve;    /* weights folder; CSV to append to; or NULL */
    double minutes, evaluate_s;    /* how long in all; seconds between measurements */
    int64_t steps, evaluate_steps; /* steps != 0: by steps, the clock decides nothing */
    int threads, seed, resume;
    int float32;           /* 1: no bfloat16 (nn/conv_train.h) */
    float rate;            /* learning rate at its highest */
    stk_sync_weights sync; /* bce, nce */
    float reconstruction;  /* w */
} stk_encoder_settings;

typedef struct stk_encoder_figures {
    int64_t steps, best_step;
    double seconds, pairs_per_s;
    double loss, hits, reconstruction; /* running means: L_sync, see stk_sync_figures, L_recon */
    int windows;                       /* of 5 s of held-out speech; 0: nothing was held out */
    double accuracy; /* share of them whose offset is found within a frame, of the weights saved */
    double confidence;
} stk_encoder_figures;

/* The whole run: cut, open or resume, step, measure, save. On abort state and encoder are saved. */
stk_status stk_encoder_train(const stk_encoder_settings *settings, const stk_job *job,
                             stk_encoder_figures *figures);

/* --- the parts (for tests and measurements) --------------------------------------------------- */

typedef struct stk_encoder_clip {
    stk_speech speech;
    int held_out;
    int32_t *usable; /* [count] frames whose window can be learned from, ascending */
    int count;
    uint64_t mark; /* FNV-1a over the spectrogram's numbers */
    int shift;     /* sound is read so many frames later: what was found out about the clip */
} stk_encoder_clip;

typedef struct stk_encoder_trainer stk_encoder_trainer;
/* clips stay the caller's. */
stk_status stk_encoder_trainer_create(stk_encoder_trainer **trainer,
                                      const stk_encoder_settings *settings, stk_encoder_clip *clips,
                                      int count);
void stk_encoder_trainer_free(stk_encoder_trainer **trainer);
/* Fills usable, count and mark; STK_ERR_CONTENT when the clip has none. */
stk_status stk_encoder_clip_prepare(stk_encoder_clip *clip);
/* Frees usable and the speech. */
void stk_encoder_clip_clear(stk_encoder_clip *clip);
/* One step at position [0,1] of the run. STK_ERR_NUMERIC: the loss or a weight is no number. */
stk_status stk_encoder_step(stk_encoder_trainer *trainer, double position);
stk_encoder_figures stk_encoder_trainer_figures(const stk_encoder_trainer *trainer);

/* Offsets of 5-second windows of one clip: for each the one of -15 .. 15 frames at which the mean
 * distance between lips and sound is least; positive: the sound is late. */
typedef struct stk_encoder_offsets {
    int windows, right; /* right: within a frame of 0 */
    double confidence;  /* mean over windows of median distance - least distance */
    int whole;          /* offset of the whole clip */
    double whole_confidence;
} stk_encoder_offsets;
/* frames_max: from the middle of the clip. */
stk_status stk_encoder_measure(stk_encoder_trainer *trainer, const stk_encoder_clip *clip,
                               int frames_max, stk_encoder_offsets *offsets);
/* What they are found from: distances [frames][STK_OFFSETS] (face_sync/sync_offset.h) of `frames`
 * frames from the first. */
stk_status stk_encoder_distances(stk_encoder_trainer *trainer, const stk_encoder_clip *clip,
                                 int first, int frames, float *distances);

#endif
