/* hearing.c - what the audio net hears in training: the feature rows of the window with a random
 * loudness and a little noise, different at every step; rows of an encoder (encode.c) as one of its
 * hearings, drawn at every step, and noise in proportion to how much each feature varies.
 *
 * DIFFERS from the published system, whose features come from an encoder trained on many voices:
 * here the net learns from minutes of one voice, and without this it learns the recording's level
 * and room instead of the lips. Mel values are 8 units per 100 dB, in [-4, 4] (reference.md 2.1).
 */
#include "train/internal.h"
#include "render/voice.h"

#include <string.h>

static const float GAIN_UNITS = 0.4f;   /* +-5 dB */
static const float NOISE_UNITS = 0.15f; /* +-1.9 dB per bin and column, uniform */

/* Of a feature's standard deviation. Without it the audio net learns the clip's sentences by heart
 * (doc/SPEED.md). */
static const float FEATURE_NOISE = 0.5f;

static void add_noise(const stk_trainer *t, float *row, stk_rng *rng) {
    const float width = FEATURE_NOISE * 3.4641016f; /* of a uniform draw of deviation 1 */
    if (t->settings.vary & STK_VARY_NOISE) return;
    for (int i = 0; i < t->nets.audio.row_floats; i++)
        row[i] += width * t->feature_spread[i] * (stk_rng_float(rng) - 0.5f);
}

static void hear_encoded(stk_trainer *t, int slot, stk_rng *rng) {
    const size_t floats = (size_t)t->nets.audio.row_floats;
    const int clean = (t->settings.vary & STK_VARY_NOISE) != 0, frames = t->performance.frames;
    const int hearing = clean ? 0 : (int)stk_rng_below(rng, STK_HEARINGS);
    const float *rows = t->encoded + (size_t)hearing * (size_t)frames * floats;
    const float *window[STK_AUDIO_WINDOW];
    stk_audio_window(rows, frames, (int)floats, t->frame_list[slot], window);
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        const size_t row = (size_t)slot * STK_AUDIO_WINDOW + (size_t)k;
        t->row_present[row] = window[k] != NULL;
        if (window[k] == NULL) continue;
        memcpy(t->audio_rows + row * floats, window[k], floats * sizeof(float));
        add_noise(t, t->audio_rows + row * floats, rng);
    }
}

static void hear_mel(stk_trainer *t, int slot, stk_rng *rng) {
    const int floats = t->nets.audio.row_floats;
    const float *clean[STK_AUDIO_WINDOW];
    stk_audio_window(t->sound_rows, t->performance.frames, floats, t->frame_list[slot], clean);
    const float share = t->settings.vary & STK_VARY_NOISE ? 0.0f : 1.0f;
    float gain = share * GAIN_UNITS * (2.0f * stk_rng_float(rng) - 1.0f);
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        size_t row = (size_t)slot * STK_AUDIO_WINDOW + (size_t)k;
        float *heard = t->audio_rows + row * (size_t)floats;
        t->row_present[row] = clean[k] != NULL;
        for (int i = 0; clean[k] != NULL && i < floats; i++) {
            float noise = share * NOISE_UNITS * (2.0f * stk_rng_float(rng) - 1.0f);
            heard[i] = stk_clampf(clean[k][i] + gain + noise, -4.0f, 4.0f);
        }
    }
}

void stk_train_hear(stk_trainer *t, int slot) {
    const uint64_t picture = (uint64_t)(slot / t->plan.parts); /* its parts hear the same */
    stk_rng rng;
    stk_rng_seed(&rng, (uint64_t)t->settings.seed ^ ((uint64_t)t->step << 8), picture + 16);
    if (t->encoded != NULL)
        hear_encoded(t, slot, &rng);
    else
        hear_mel(t, slot, &rng);
}

void stk_train_window(const stk_trainer *t, int slot, const float *window[STK_AUDIO_WINDOW]) {
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        size_t row = (size_t)slot * STK_AUDIO_WINDOW + (size_t)k;
        window[k] =
            t->row_present[row] ? t->audio_rows + row * (size_t)t->nets.audio.row_floats : NULL;
    }
}
