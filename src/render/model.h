/* model.h - one model file (.stk): the trained networks and the source performance they are played
 * with.
 *
 * A safetensors container (doc/FORMATS.md): every parameter under its official name, the occupancy
 * bits, and of the subject: camera, poses, expressions, and the torso film (mp4 bytes), so that
 * rendering needs this file alone. Metadata names format version, subject identity, audio
 * features, shapes. Models converted from published checkpoints (render/published.h) may have the
 * torso branch, keep what only training needs, and may lack the source performance.
 */
#ifndef STK_RENDER_MODEL_H
#define STK_RENDER_MODEL_H

#include "base/file.h"
#include "base/status.h"
#include "base/types.h"
#include "face_sync/audio.h"
#include "face_sync/ave_encoder.h"
#include "face_sync/code_range.h"
#include "nn/params.h"
#include "nn/safetensors.h"
#include "portrait/field.h"
#include "portrait/torso.h"

/* Files without region mask are still written as version 2, those with a performance and without
 * torso branch as version 1. */
enum { STK_MODEL_VERSION = 3 };
enum { STK_CODE_ROWS_MAX = 1 << 20 };

/* What decides the tensors' shapes. */
typedef struct stk_model_config {
    stk_audio_kind audio_kind;
    int levels;          /* hash levels, 12 */
    int exp;             /* expression inputs, 7; published variants: 4, 2 and 1 too */
    int code_rows;       /* individual codes: one per training frame */
    int torso_code_rows; /* of the torso branch; 0: there is none */
} stk_model_config;

/* Mouth blendshapes that training asks the audio code for: columns 22 (jawForward) .. 48. */
enum { STK_LIP_FIRST = 22, STK_LIPS = 27 };

/* How a model was trained; "" where that is not known. */
typedef struct stk_training {
    char schedule[16];                       /* train/schedule.h */
    char perceptual[16];                     /* the term of its patch steps: "lpips-alex",
                                                "structure"; "none" without such steps */
    char perceptual_sha256[STK_SHA256_TEXT]; /* of the backbone's file; "" without one */
} stk_training;

/* The networks: parameters and the modules that name them. */
typedef struct stk_nets {
    stk_model_config config;
    stk_params params;
    stk_audio_net audio;
    stk_field field;
    int has_torso;
    stk_torso torso;              /* when has_torso */
    stk_code_range heard;         /* of the training sound; not known in converted models */
    int closed_known;             /* models of before, and converted ones, do not tell */
    float closed[STK_AUDIO_CODE]; /* the code of resting, closed lips */
    stk_encoder_id encoder;       /* that its sound came through; "ave" models */
    int lip_weight, lip_bias; /* lip_probe [27][32], [27]: used in training only (train/lips.c) */
} stk_nets;

/* The source performance. frames == 0: none, the model was converted without a subject. */
typedef struct stk_performance {
    int frames, train_frames;
    int width, height;
    stk_camera camera;
    stk_pose *poses;                       /* [frames], owned */
    float (*expressions)[STK_EXPRESSIONS]; /* [frames], owned */
    stk_rect head_rect;                    /* pixels the head can cover over the clip */
    int coarse;                            /* 1: poses and camera from before the stabilizer */
    char subject_name[128];
    char subject_identity[STK_SHA256_TEXT];
} stk_performance;

/* What a published checkpoint holds beside networks and occupancy bits. No picture of the head
 * depends on it; kept so that converting there and back loses nothing. Pointers are owned; NULL
 * where the file had none. */
typedef struct stk_model_extra {
    float *torso_grid; /* [STK_TORSO_GRID_CELLS], cell (row, col) at col * 128 + row; with a torso
                                 branch only, and then always */
    float *density;    /* [STK_GRID_CELLS], Morton order */
    int32_t *step_counter;        /* [16][2] */
    float *camera_dR, *camera_dT; /* [camera_rows][3] of --train_camera */
    int camera_rows;
    float *embedding; /* [side][side] of --emb */
    int embedding_side;
    int64_t epoch, mean_count;
    double mean_density, mean_density_torso;
} stk_model_extra;

typedef struct stk_model {
    stk_nets nets;
    stk_performance performance;
    stk_model_extra extra;
    stk_image plate; /* RGB, behind the torso branch's picture, owned; data NULL without one */
    uint8_t *bits;   /* occupancy, owned copy */
    const void *torso_mp4; /* into the mapping of `file` */
    size_t torso_bytes;
    int64_t steps;
    stk_training training;
    char hash[STK_SHA256_TEXT]; /* of the file */
    stk_safetensors *file;      /* NULL: not opened from a .stk file */
} stk_model;

/* Registers and seals all parameters, zeroed; training != 0 adds gradient, v and ema planes. */
stk_status stk_nets_init(stk_nets *nets, const stk_model_config *config, int training);
void stk_nets_clear(stk_nets *nets);
/* The published initialisation. */
void stk_nets_randomise(stk_nets *nets, stk_rng *rng);

/* STK_ERR_FORMAT with a sentence for anything that is not a model, damaged, or newer. */
stk_status stk_model_open(stk_model **model, const char *path);
void stk_model_close(stk_model **model);
/* Which of the seven upper-face blendshapes input `input` of a variant with exp (7, 4, 2 or 1)
 * inputs hears (reference.md 8.2); returns their number, the mean of two with exp 1. performance.c
 */
int stk_expression_sources(int exp, int input, short source[2]);
/* STK_ERR_UNSUPPORTED with the remedy when the model has no source performance. */
stk_status stk_model_need_performance(const stk_model *model, const char *path);
/* 1 when every value is a number of a size that trained weights can have. */
int stk_weights_possible(const float *values, size_t count);

/* Writes atomically. values: the plane to store (params.value or params.ema). The film whose bytes
 * are embedded: torso_path, or else torso_mp4; neither when performance->frames is 0. */
typedef struct stk_model_contents {
    const stk_nets *nets;
    const float *values;
    const stk_performance *performance;
    const uint8_t *bits;
    const char *torso_path;
    int64_t steps;
    const void *torso_mp4;
    size_t torso_bytes;
    const stk_training *training; /* NULL: not known */
    const stk_model_extra *extra; /* NULL: nothing */
    const stk_image *plate;       /* RGB, of the performance's size; NULL or without data: none */
} stk_model_contents;
stk_status stk_model_save(const char *path, const stk_model_contents *contents);

#endif
