/* mel_speaker.c - see mel_speaker.h. */
#include "face_sync/mel_speaker.h"

#include <math.h>

enum { STEPS = STK_MEL_STEPS, MIDDLE = 6, MIDDLE_COUNT = 3 };
/* 250 to 3500 Hz, where voices are. */
enum { BAND_LOW = 8, BAND_HIGH = 56 };
/* Mel values are 8 units per 100 dB. */
static const float LOWEST = -4, HIGHEST = 4;
static const double SPEECH_RANGE = 2, LOUD_SHARE = 0.05, DEVIATION_MIN = 0.3;

void stk_mel_census_add(stk_mel_census *census, const float *mel, int stride) {
    float level = 0;
    for (int b = BAND_LOW; b < BAND_HIGH; b++) level += mel[b * stride];
    level /= BAND_HIGH - BAND_LOW;
    const int at = stk_clampi((int)floorf((level - LOWEST) * STK_MEL_LEVELS / (HIGHEST - LOWEST)),
                              0, STK_MEL_LEVELS - 1);
    census->count[at]++;
    for (int b = 0; b < STK_MEL_BINS; b++) {
        const double x = (double)mel[b * stride];
        census->sum[at][b] += x;
        census->square[at][b] += x * x;
    }
}

/* The quietest level that is speech. */
static int speech_from(const stk_mel_census *census) {
    int64_t all = 0, above = 0;
    int loud = STK_MEL_LEVELS - 1;
    for (int k = 0; k < STK_MEL_LEVELS; k++) all += census->count[k];
    for (; loud > 0; loud--) {
        above += census->count[loud];
        if ((double)above >= LOUD_SHARE * (double)all) break;
    }
    const int reach = (int)(SPEECH_RANGE * STK_MEL_LEVELS / (double)(HIGHEST - LOWEST));
    return loud > reach ? loud - reach : 0;
}

void stk_mel_speaker_of(const stk_mel_census *census, stk_mel_speaker *speaker) {
    const int from = speech_from(census);
    int64_t count = 0;
    for (int k = from; k < STK_MEL_LEVELS; k++) count += census->count[k];
    for (int b = 0; b < STK_MEL_BINS; b++) {
        double sum = 0, square = 0;
        for (int k = from; k < STK_MEL_LEVELS; k++) {
            sum += census->sum[k][b];
            square += census->square[k][b];
        }
        const double mean = count > 0 ? sum / (double)count : 0;
        const double variance = count > 0 ? square / (double)count - mean * mean : 1;
        speaker->mean[b] = (float)mean;
        speaker->gain[b] = (float)(1 / fmax(sqrt(fmax(0, variance)), DEVIATION_MIN));
    }
}

void stk_mel_speaker_of_rows(stk_mel_census *zeroed, const float *rows, int count,
                             stk_mel_speaker *speaker) {
    for (int i = 0; i < count; i++)
        for (int t = MIDDLE; t < MIDDLE + MIDDLE_COUNT; t++)
            stk_mel_census_add(zeroed, rows + (int64_t)i * STK_MEL_BINS * STEPS + t, STEPS);
    stk_mel_speaker_of(zeroed, speaker);
}

void stk_mel_speaker_apply(const stk_mel_speaker *speaker, const float *row, float *out) {
    for (int b = 0; b < STK_MEL_BINS; b++)
        for (int t = 0; t < STEPS; t++)
            out[b * STEPS + t] = stk_clampf(
                (row[b * STEPS + t] - speaker->mean[b]) * speaker->gain[b], LOWEST, HIGHEST);
}
