/* speech_windows.h - a frame of cut speech as the encoder's nets take it (face_sync/sync_nets.h).
 *
 *   5 crops about the frame --mouth halves, 2 v / 255 - 1--> [48][96][16]
 *   16 mel columns of the same 0.2 s                     --> [80][16]
 *
 * Training, measuring and `sync` read the same windows. Pure functions.
 */
#ifndef STK_SUBJECT_SPEECH_WINDOWS_H
#define STK_SUBJECT_SPEECH_WINDOWS_H

#include "face_sync/sync_nets.h"
#include "subject/speech.h"

enum { STK_LIPS_SIDE = STK_LIPS_FRAMES / 2 /* crops before a frame, and after it */ };

/* Column of the spectrogram at which a frame's window starts (reference.md 2.3). */
int stk_encoder_column(int frame);
/* 1 when the five crops around a frame are one shot of a face. */
int stk_encoder_has_lips(const stk_speech *speech, int frame);
/* 1 when the sound of a frame lies within the spectrogram. */
int stk_encoder_has_sound(const stk_speech *speech, int frame);
/* The window [80][16] of a frame that has sound. */
void stk_encoder_sound_plain(const stk_speech *speech, int frame, float *window);
/* The mouth halves [48][96][16] of a frame that has lips. */
void stk_encoder_lips_plain(const stk_speech *speech, int frame, float *lips);

#endif
