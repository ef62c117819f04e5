/* model_private.h - what the reader, the writer and the converter of models share. */
#ifndef STK_RENDER_MODEL_PRIVATE_H
#define STK_RENDER_MODEL_PRIVATE_H

#include "render/model.h"

#define STK_MODEL_FORMAT "synctalk-model"
enum { STK_POSE_FLOATS = 12, STK_CAMERA_FLOATS = 9, STK_STEP_COUNTERS = 16 };

/* 0 for the probe of train/lips.c, which is no part of the model. */
static inline int stk_param_stored(const stk_nets *nets, int index) {
    return index != nets->lip_weight && index != nets->lip_bias;
}

/* What a file says of its encoder, both NULL = nothing; 0 when that is no name and digest. */
int stk_encoder_id_read(stk_encoder_id *id, const char *name, const char *sha256);

void stk_model_extra_clear(stk_model_extra *extra);

#endif
