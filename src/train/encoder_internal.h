/* encoder_internal.h - the state of encoder training, shared by its files. */
#ifndef STK_TRAIN_ENCODER_INTERNAL_H
#define STK_TRAIN_ENCODER_INTERNAL_H

#include "train/encoder.h"
#include "base/file.h"
#include "subject/speech_windows.h"

#include <stdatomic.h>

enum {
    TASKS = 4,
    MICRO = 16,
    WINDOWS = TASKS * MICRO, /* a batch */
    GROUP = 16,              /* windows of one clip in it */
    GROUPS = WINDOWS / GROUP,
    REBUILT_MICRO = 4,
    REBUILT = TASKS * REBUILT_MICRO, /* windows of a batch whose mouth is rebuilt */
    REBUILT_EVERY = WINDOWS / REBUILT,
};

/* Where a window comes from. */
typedef struct window_place {
    int32_t clip, frame;
    int32_t reference; /* frame of another time, for the reconstruction */
} window_place;

/* How a window is spoilt: by draws of rng, as much as strength [0,1] says. */
typedef struct stk_spoiling {
    stk_rng *rng;
    float strength;
} stk_spoiling;

struct stk_encoder_trainer {
    stk_encoder_settings settings;
    stk_encoder_clip *clips;
    int clip_count;
    double *weight; /* [clip_count] cumulative chance of a clip, 0 for those held out */
    stk_pool *pool;
    stk_params params;
    stk_stack stack[STK_SYNC_PARTS];
    stk_layer_kernels kernels;
    stk_sync_loss loss;
    int log_scale; /* parameter */
    float *first;  /* [total] Adam's m; params.v its v; params.ema the best weights so far */
    float *sound, *picture;         /* [WINDOWS][80][16], [..][48][96][16] */
    float *face, *mouth;            /* [REBUILT][48][48][8], [..][24][48][3] */
    float *joined, *dmouth, *dface; /* [REBUILT][768], [..][24][48][3], [..][256] */
    window_place place[WINDOWS];
    int32_t clip[WINDOWS], frame[WINDOWS];
    stk_adam adam;
    float strength; /* of the spoiling of this step */
    int64_t step;
    double fraction; /* of the run, at the last step */
    double trained_s;
    double mean_loss, mean_hits, mean_rebuilt;
    double best; /* score of the best weights; < 0: none yet */
    int64_t best_step;
    stk_encoder_offsets best_offsets, last; /* last: as measured last */
    int worse;                              /* measurements since the best */
    int64_t looked;                         /* step of the last measurement, -1: none yet */
    int aligned;                            /* 1: the clips' own offsets were looked at */
    atomic_int broken;                      /* a parameter is no finite number */
};

/* --- encoder_sample.c ------------------------------------------------------------------------- */
/* Chooses the windows of a step. */
void stk_encoder_choose(stk_encoder_trainer *t, double position);

/* --- encoder_sound.c, encoder_picture.c ------------------------------------------------------ */
/* (As they are: subject/speech_windows.h.) The window [80][16] spoilt: room, noise, gain, colour,
 * speed, voice. */
void stk_encoder_sound_spoilt(const stk_speech *speech, int frame, const stk_spoiling *spoiling,
                              float *window);
/* The mouth halves [48][96][16], spoiling NULL: as they are. */
void stk_encoder_picture(const stk_speech *speech, int frame, const stk_spoiling *spoiling,
                         float *lips);
/* Input of the face net [48][48][8] and the mouth to rebuild [24][48][3]. */
void stk_encoder_face(const stk_speech *speech, int frame, int reference, int flip, float *face,
                      float *mouth);

/* --- encoder_state.c -------------------------------------------------------------------------- */
stk_status stk_encoder_state_save(const stk_encoder_trainer *t, const char *path);
stk_status stk_encoder_state_load(stk_encoder_trainer *t, const char *path);
/* --- encoder_save.c --------------------------------------------------------------------------- */
/* `values`: a plane of the store. Writes the sound net to path and the picture net beside it. */
stk_status stk_encoder_save(const stk_encoder_trainer *t, const float *values, const char *path);
/* --- encoder_clips.c -------------------------------------------------------------------------- */
/* Cuts what is not cut yet and opens all; count and clips receive them, free with clips_free. */
stk_status stk_encoder_clips_open(const stk_encoder_settings *settings, const stk_job *job,
                                  stk_encoder_clip **clips, int *count);
/* Where a video's cut speech is kept. Without the active speaker's weights other frames count as
 * speech, so the name tells whether they are there. */
stk_status stk_encoder_cut_name(const stk_encoder_settings *settings, const char *clip,
                                char folder[STK_PATH_MAX], char file[STK_PATH_MAX]);
void stk_encoder_clips_free(stk_encoder_clip **clips, int count);

#endif
