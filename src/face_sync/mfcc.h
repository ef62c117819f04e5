/* mfcc.h - mel cepstrum of a sound, as the Python package python_speech_features computes it by
 * default: what published lip-sync and active-speaker networks hear.
 *
 *   16 kHz -> x[n] - 0.97 x[n-1] -> frames of 400 samples every 160, no window
 *     -> |FFT 512|^2 / 512 -> 26 triangles on the mel scale, 0 .. 8000 Hz -> log -> DCT-II
 *     -> first 13, times 1 + 11 sin(pi n / 22); number 0 becomes the log of the frame's energy
 *
 * Samples count as 16-bit integers (1.0 is 32768). The last frame is continued with zeros.
 */
#ifndef STK_FACE_SYNC_MFCC_H
#define STK_FACE_SYNC_MFCC_H

#include "base/status.h"
#include "base/types.h"

enum { STK_MFCC_COUNT = 13, STK_MFCC_STEP = 160 };

/* Rows of n samples at 16 kHz: 100 a second; at least 1. */
int stk_mfcc_rows(int64_t samples);
/* Rows [0, rows) of the sound at 16 kHz; behind its end they are silence's. */
stk_status stk_mfcc(const stk_sound *sound, float (*mfcc)[STK_MFCC_COUNT], int rows);

#endif
