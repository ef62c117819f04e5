/* encoder_sound.c - the sound of a window, spoilt.
 *
 * The spectrogram holds v = 8 (S + 100) / 100 - 4, S decibels (reference.md 2.1), so power is
 * 10^(S/10) and everything a microphone and a room do to speech can be done to it:
 *
 *   speed  time axis +-10 % about the window's middle (its ends move by 10 ms: lips stay true)
 *   voice  mel axis +-10 %: a longer or shorter vocal tract
 *   room   power convolved with 1 + g exp(-k / tau), tau 25 to 150 ms
 *   noise  of a random slope, 0 to 30 dB below the speech, its power fluctuating as noise does
 *   gain   +-12 dB, and a smooth random colour of +-4 dB
 */
#include "train/encoder_internal.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { ROOM = 24 /* columns before the window that its echo needs */, SPAN = ROOM + STK_MEL_STEPS };

static const float PER_DB = 0.08f; /* of v */

static float clamp(float v, float low, float high) {
    return v < low ? low : v > high ? high : v;
}

static float between(stk_rng *rng, float low, float high) {
    return low + (high - low) * stk_rng_float(rng);
}

static int chance(stk_rng *rng, float p) {
    return stk_rng_float(rng) < p;
}

static float at(const stk_speech *s, int bin, int column) {
    column = column < 0 ? 0 : column >= s->columns ? s->columns - 1 : column;
    bin = bin < 0 ? 0 : bin >= STK_MEL_BINS ? STK_MEL_BINS - 1 : bin;
    return s->mel[(ptrdiff_t)bin * s->columns + column];
}

/* v at fractional places, bilinear. */
static float between_bins(const stk_speech *s, float bin, float column) {
    const int b = (int)floorf(bin), c = (int)floorf(column);
    const float fb = bin - (float)b, fc = column - (float)c;
    const float low = at(s, b, c) + fc * (at(s, b, c + 1) - at(s, b, c));
    const float high = at(s, b + 1, c) + fc * (at(s, b + 1, c + 1) - at(s, b + 1, c));
    return low + fb * (high - low);
}

/* Power [80][SPAN] of the stretched and warped sound; returns its mean over the window. */
static float read_power(const stk_speech *s, int frame, const stk_spoiling *spoiling,
                        float power[][SPAN]) {
    const float reach = 0.1f * spoiling->strength;
    const float speed = between(spoiling->rng, 1 - reach, 1 + reach);
    const float voice = between(spoiling->rng, 1 - reach, 1 + reach);
    const float middle = (float)stk_encoder_column(frame) + 0.5f * (STK_MEL_STEPS - 1);
    double sum = 0;
    for (int b = 0; b < STK_MEL_BINS; b++)
        for (int k = 0; k < SPAN; k++) {
            const float column = middle + speed * ((float)(k - ROOM) - 0.5f * (STK_MEL_STEPS - 1));
            const float v = between_bins(s, voice * (float)b, column);
            power[b][k] = expf((v + 4.0f) / PER_DB * 0.2302585f); /* 10^(dB/10) */
            if (k >= ROOM) sum += (double)power[b][k];
        }
    return (float)(sum / (STK_MEL_BINS * STK_MEL_STEPS));
}

static void add_room(stk_rng *rng, float power[][SPAN]) {
    const float level = between(rng, 0.01f, 0.15f), decay = expf(-1.0f / between(rng, 2, 12));
    for (int b = 0; b < STK_MEL_BINS; b++) {
        float echo = 0;
        for (int k = 0; k < SPAN; k++) {
            const float direct = power[b][k];
            power[b][k] += level * echo;
            echo = decay * (echo + direct);
        }
    }
}

static void add_noise(stk_rng *rng, float mean, float power[][SPAN]) {
    const float level = mean * powf(10.0f, -0.1f * between(rng, 0, 30));
    const float slope = between(rng, -0.08f, 0.02f);
    for (int b = 0; b < STK_MEL_BINS; b++) {
        const float here = level * expf(slope * (float)b);
        for (int k = ROOM; k < SPAN; k++)
            power[b][k] -= 0.5f * here * logf(1.0f - stk_rng_float(rng)) - 0.5f * here;
    }
}

void stk_encoder_sound_spoilt(const stk_speech *s, int frame, const stk_spoiling *spoiling,
                              float *window) {
    float power[STK_MEL_BINS][SPAN];
    stk_rng *rng = spoiling->rng;
    const float strength = spoiling->strength, mean = read_power(s, frame, spoiling, power);
    if (chance(rng, 0.4f * strength)) add_room(rng, power);
    if (chance(rng, 0.5f * strength)) add_noise(rng, mean, power);
    const float gain = between(rng, -12, 12) * strength * PER_DB;
    float size[3], phase[3];
    for (int i = 0; i < 3; i++) {
        size[i] = between(rng, 0, 4.0f / 1.5f) * strength * PER_DB;
        phase[i] = between(rng, 0, 6.2831853f);
    }
    for (int b = 0; b < STK_MEL_BINS; b++) {
        float colour = gain;
        for (int i = 0; i < 3; i++)
            colour += size[i] * cosf(phase[i] + 0.0393f * (float)((i + 1) * b));
        for (int k = 0; k < STK_MEL_STEPS; k++) {
            const float db = 4.3429448f * logf(power[b][ROOM + k]);
            window[b * STK_MEL_STEPS + k] = clamp(db * PER_DB - 4.0f + colour, -4, 4);
        }
    }
}
