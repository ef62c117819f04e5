/* voice_activity.h - is somebody speaking? For sound at 16 kHz in pieces of 512 samples, 32 ms:
 * Silero's network (MIT) and the level above the noise, together.
 *
 *   [64 of before | 512] mirrored at the end -> STFT 256/128, 129 magnitudes x 4
 *     -> conv 128, 64 / 2, 64 / 2, 128, each ReLU -> LSTM 128 -> ReLU -> 1 -> sigmoid -> p
 *   level = 10 log10 mean square; floor = least smoothed level of the last 3 s (minimum statistics,
 *     Martin 2001), at most STK_FLOOR_MAX_DB
 *
 *   speaking: p above 0.5, once so until below 0.35, and the level 3 dB above the floor;
 *   without the network the level alone, 10 dB and then 6 dB above the floor.
 *   Nothing below -60 dB of full scale counts as speech.
 *
 * Causal: nothing is known of later samples. One thread per handle; a piece allocates nothing.
 */
#ifndef STK_FACE_SYNC_VOICE_ACTIVITY_H
#define STK_FACE_SYNC_VOICE_ACTIVITY_H

#include "base/status.h"

enum { STK_VOICE_PIECE = 512 };
#define STK_FLOOR_MAX_DB (-32.0f) /* sound that never pauses has no noise to be measured */

typedef struct stk_voice_activity stk_voice_activity;

typedef struct stk_activity {
    float speech;             /* p, or -1 without the network */
    float level_db, floor_db; /* of full scale */
    int loud;                 /* the level alone says speech */
    int speaking;
} stk_activity;

/* models: folder or NULL (nn/weights.h). Where silero_vad_16k.safetensors is not found, or models
 * is "", the level decides alone. */
stk_status stk_voice_activity_create(stk_voice_activity **activity, const char *models);
void stk_voice_activity_free(stk_voice_activity **activity);
int stk_voice_activity_has_network(const stk_voice_activity *activity);
/* Back to before the first sample. */
void stk_voice_activity_restart(stk_voice_activity *activity);
/* The next piece; samples in [-1, 1]. */
stk_activity stk_voice_activity_next(stk_voice_activity *activity,
                                     const float samples[STK_VOICE_PIECE]);

#endif
