/* ablate.h - the paper's ablation on one subject: a model with everything, models with one module
 * replaced each, all trained alike (seed, steps, rays), and what the held-out frames say of them.
 *
 *   subject -> full, encoder, capture, attention, stabilizer: five models     FOLDER/<key>.stk
 *   held-out frames: those with portraits, full and stabilizer also without   -> seven rows
 *   a row's figures less those of the full system, frame by frame             -> what a module does
 *
 * FOLDER/ablation.state says what is trained; a run that was stopped goes on there.
 */
#ifndef STK_TRAIN_ABLATE_H
#define STK_TRAIN_ABLATE_H

#include "render/album.h"
#include "train/trainer.h"

typedef enum stk_variant {
    STK_VARIANT_FULL,
    STK_VARIANT_ENCODER,    /* mel learned with the rest, in place of the encoder */
    STK_VARIANT_CAPTURE,    /* blinks alone, in place of the facial animation capturer */
    STK_VARIANT_ATTENTION,  /* no masked attention */
    STK_VARIANT_STABILIZER, /* the head motion tracker's poses */
    STK_VARIANT_PORTRAIT,   /* the head over the torso as rendered */
    STK_VARIANT_BOTH,       /* the last two */
    STK_VARIANTS
} stk_variant;

typedef struct stk_variant_name {
    const char *key, *title; /* "encoder", "encoder replaced by mel" */
    const char *module;      /* what is missing: "audio-visual encoder"; "" of the full system */
} stk_variant_name;
extern const stk_variant_name stk_variant_names[STK_VARIANTS];

typedef struct stk_ablate_settings {
    const char *subject, *folder;
    const char *models, *perceptual; /* of evaluate.h */
    const char *encoder;             /* of the full system: a file or STK_AVE_BUILTIN; NULL: none */
    double minutes;                  /* for everything, about; unless steps */
    int64_t steps;                   /* of each model; 0: by minutes */
    int threads, seed, rays, frames, every;
} stk_ablate_settings;

enum { STK_VARIANT_REASON = 200 };
typedef struct stk_variant_result {
    char reason[STK_VARIANT_REASON]; /* why there is nothing else, or "" */
    stk_scores scores;
    stk_album album;
    stk_figure apart[STK_ALBUM_COLUMNS]; /* this less the full system, of frames that both have */
} stk_variant_result;

typedef struct stk_ablation {
    int64_t steps;  /* of each model */
    double seconds; /* of this run */
    stk_variant_result variant[STK_VARIANTS];
} stk_ablation;

/* STK_ERR_ABORTED when stopped: the same call goes on. */
stk_status stk_ablate_run(const stk_ablate_settings *settings, const stk_job *job,
                          stk_ablation *ablation);
void stk_ablation_clear(stk_ablation *ablation);

/* --- ablation.state (ablate_state.c) ---------------------------------------------------------- */
typedef struct stk_ablate_state {
    char path[STK_PATH_MAX];
    char settings[512]; /* what makes two runs one: subject, seed, rays ... */
    int64_t steps;      /* 0: not known yet */
    int trained[STK_VARIANTS];
} stk_ablate_state;
/* Reads it where it is there; STK_ERR_MISMATCH when it was begun with other settings. */
stk_status stk_ablate_state_open(stk_ablate_state *state, const stk_ablate_settings *settings,
                                 const stk_subject *subject);
stk_status stk_ablate_state_save(const stk_ablate_state *state);

#endif
