/* mel_speaker.h - a mel spectrogram in the speaker's own measure: what is left of a sound when the
 * voice's colour, the microphone's and the recording's level are taken out.
 *
 *   columns [80] --by level, in 64 steps--> count, sums, squares of each band
 *   speech: columns no more than 25 dB below the level that one in twenty exceeds
 *   x' = clamp((x - mean_b) / max(deviation_b, 0.3), -4, 4), mean and deviation over speech
 *
 * Memory does not grow with the sound. The level decides alone what is speech, so what a model
 * hears does not depend on which weights are installed. Pure functions.
 */
#ifndef STK_FACE_SYNC_MEL_SPEAKER_H
#define STK_FACE_SYNC_MEL_SPEAKER_H

#include "base/types.h"

#include <stdint.h>

enum { STK_MEL_LEVELS = 64 };

/* Zeroed at first. 82 KB. */
typedef struct stk_mel_census {
    int64_t count[STK_MEL_LEVELS];
    double sum[STK_MEL_LEVELS][STK_MEL_BINS], square[STK_MEL_LEVELS][STK_MEL_BINS];
} stk_mel_census;

typedef struct stk_mel_speaker {
    float mean[STK_MEL_BINS], gain[STK_MEL_BINS];
} stk_mel_speaker;

/* Column t of a spectrogram whose band b lies at mel[b * stride]; values in [-4, 4]. */
void stk_mel_census_add(stk_mel_census *census, const float *mel, int stride);
/* Of what was counted; of nothing: mean 0, gain 1. */
void stk_mel_speaker_of(const stk_mel_census *census, stk_mel_speaker *speaker);
/* Of the rows [rows][80][16] of consecutive frames (audio.h): their middle columns. */
void stk_mel_speaker_of_rows(stk_mel_census *zeroed, const float *rows, int count,
                             stk_mel_speaker *speaker);
/* A row in place or not. */
void stk_mel_speaker_apply(const stk_mel_speaker *speaker, const float *row, float *out);

#endif
