/* model.h - one model file (.stk): the trained networks and the source performance they are played
 * with.
 *
 * A safetensors container (doc/FORMATS.md): every parameter under its official name, the occupancy
 * bits, and of the subject: camera, poses, expressions, and the torso film (mp4 bytes), so that
 * rendering needs this file alone. Metadata names format version, subject identity, audio
 * features, shapes.
 */
#ifndef STK_RENDER_MODEL_H
#define STK_RENDER_MODEL_H

#include "base/file.h"
#include "base/status.h"
#include "base/types.h"
#include "face_sync/audio.h"
#include "nn/params.h"
#include "nn/safetensors.h"
#include "portrait/field.h"

enum { STK_MODEL_VERSION = 1 };

/* What decides the tensors' shapes. */
typedef struct stk_model_config {
    stk_audio_kind audio_kind;
    int levels;    /* hash levels, 12 */
    int exp;       /* expression inputs, 7 */
    int code_rows; /* individual codes: one per training frame */
} stk_model_config;

/* Mouth blendshapes that training asks the audio code for: columns 22 (jawForward) .. 48. */
enum { STK_LIP_FIRST = 22, STK_LIPS = 27 };

/* The networks: parameters and the modules that name them. */
typedef struct stk_nets {
    stk_model_config config;
    stk_params params;
    stk_audio_net audio;
    stk_field field;
    int lip_weight, lip_bias; /* lip_probe [27][32], [27]: used in training only (train/lips.c) */
} stk_nets;

/* The source performance. */
typedef struct stk_performance {
    int frames, train_frames;
    int width, height;
    stk_camera camera;
    stk_pose *poses;                       /* [frames], owned */
    float (*expressions)[STK_EXPRESSIONS]; /* [frames], owned */
    stk_rect head_rect;                    /* pixels the head can cover over the clip */
    char subject_name[128];
    char subject_identity[STK_SHA256_TEXT];
} stk_performance;

typedef struct stk_model {
    stk_nets nets;
    stk_performance performance;
    uint8_t *bits;         /* occupancy, owned copy */
    const void *torso_mp4; /* into the mapping of `file` */
    size_t torso_bytes;
    int64_t steps;
    char hash[STK_SHA256_TEXT]; /* of the file */
    stk_safetensors *file;
} stk_model;

/* Registers and seals all parameters, zeroed; training != 0 adds gradient, v and ema planes. */
stk_status stk_nets_init(stk_nets *nets, const stk_model_config *config, int training);
void stk_nets_clear(stk_nets *nets);
/* The published initialisation. */
void stk_nets_randomise(stk_nets *nets, stk_rng *rng);

/* STK_ERR_FORMAT with a sentence for anything that is not a model, damaged, or newer. */
stk_status stk_model_open(stk_model **model, const char *path);
void stk_model_close(stk_model **model);

/* Writes atomically. values: the plane to store (params.value or params.ema); torso_path: the film
 * whose bytes are embedded. */
typedef struct stk_model_contents {
    const stk_nets *nets;
    const float *values;
    const stk_performance *performance;
    const uint8_t *bits;
    const char *torso_path;
    int64_t steps;
} stk_model_contents;
stk_status stk_model_save(const char *path, const stk_model_contents *contents);

#endif
