/* voice.h - a sound as the audio codes of consecutive frames: one feature row a frame, a sliding
 * window of 8 rows, audio net and attention (face_sync/audio.h). The rows of a model's kind are
 *
 *   mel            mel windows of the sound                         (render/mel_feed.h)
 *   mel-normalised those, in the speaker's own measure              (face_sync/mel_speaker.h)
 *   ave            those, through the audio-visual encoder          (face_sync/ave_encoder.h)
 *   all others     read from a file that was made elsewhere         (face_sync/feature_file.h)
 *
 * Codes may then be smoothed over time, and fade to that of closed lips where nobody speaks
 * (render/speech_gate.h):
 *
 *   symmetric   c'_i = sum_k w_k c_i+k / sum_k w_k, w_k = 0.35^|k|, |k| <= 3: the published
 *               recursion run forth and back, so without its lag
 *   published   c'_i = 0.35 c'_i-1 + 0.65 c_i from the sound's start (reference.md 2.6)
 *
 * Memory does not grow with the sound, but for a byte every 32 ms of the gate: what is kept is a
 * piece of it, 128 columns and 16 rows.
 *
 * DIFFERS from reference.md 2.4 (Q26): rows outside the clip are zeros as published, but the window
 * is taken over the whole sound, also at the seam between training and held-out frames.
 */
#ifndef STK_RENDER_VOICE_H
#define STK_RENDER_VOICE_H

#include "render/model.h"

typedef struct stk_voice stk_voice;

typedef enum stk_lip_smoothing {
    STK_LIPS_AS_THEY_ARE,
    STK_LIPS_SYMMETRIC,
    STK_LIPS_PUBLISHED,
    STK_LIP_SMOOTHINGS
} stk_lip_smoothing;

/* Where the rows come from. */
typedef struct stk_voice_source {
    const char *sound;    /* any sound file */
    const char *features; /* .npy with one row a frame of it, NULL = none; not for mel models */
    const char *encoder;  /* weights of the audio-visual encoder, NULL = looked for; ave models */
    stk_lip_smoothing smoothing;
    int gate;           /* 1: lips rest in silence, where it is known how: not with features for
                         * a model without audio_closed */
    const char *models; /* folder of weights, for the gate; NULL = looked for */
} stk_voice_source;

/* The sound is brought to 16 kHz mono; decoded once here for its length, then as codes are asked
 * for. nets: whose codes these will be (kept, not owned). STK_ERR_UNSUPPORTED, _WEIGHTS, _MISMATCH
 * or _CONTENT with one sentence when these rows cannot be had. */
stk_status stk_voice_open(stk_voice **voice, const stk_voice_source *source, const stk_nets *nets);
void stk_voice_close(stk_voice **voice);
/* Video frames: the sound's length at 25/s, rounded to the nearest, at least 1; no more than there
 * are features. */
int stk_voice_frames(const stk_voice *voice);
/* Code [32] of frame i. Frames are meant to be asked for in increasing order: going back more than
 * 8 frames decodes the sound again from its start; what comes out is the same in any order. */
void stk_voice_code(stk_voice *voice, const float *values, int frame, float code[STK_AUDIO_CODE]);
/* STK_OK, or the first failure while decoding (codes were made from silence since), with its
 * sentence. */
stk_status stk_voice_check(const stk_voice *voice);

/* The window of frame i over ready rows: row k = rows + k * row_floats, NULL (zeros) outside
 * [0, n). */
void stk_audio_window(const float *rows, int n, int row_floats, int frame,
                      const float *window[STK_AUDIO_WINDOW]);

#endif
