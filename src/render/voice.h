/* voice.h - a sound as the audio codes of consecutive frames: mel once, one feature row a frame, a sliding
 * window of 8 rows, audio net and attention (face_sync/audio.h).
 *
 * DIFFERS from reference.md 2.4 (Q26): rows outside the clip are zeros as published, but the window is
 * taken over the whole sound, also at the seam between training and held-out frames.
 */
#ifndef STK_RENDER_VOICE_H
#define STK_RENDER_VOICE_H

#include "render/model.h"

typedef struct stk_voice stk_voice;

/* Reads any sound file; 16 kHz mono, then mel. nets: whose codes will be asked for (kept, not owned);
 * STK_ERR_UNSUPPORTED unless its audio features are mel windows. */
stk_status stk_voice_open(stk_voice **voice, const char *path, const stk_nets *nets);
void stk_voice_close(stk_voice **voice);
/* Video frames of the sound: its length at 25/s, rounded to the nearest, at least 1. */
int stk_voice_frames(const stk_voice *voice);
/* Code [32] of frame i; frames may be asked for in any order, in sequence is cheapest. */
void stk_voice_code(stk_voice *voice, const float *values, int frame, float code[STK_AUDIO_CODE]);

/* The window of frame i over ready rows: row k = rows + k * row_floats, NULL (zeros) outside [0, n). */
void stk_audio_window(const float *rows, int n, int row_floats, int frame,
                      const float *window[STK_AUDIO_WINDOW]);

#endif
