/* voice.c - see voice.h. The mel spectrogram is kept (80 floats per 12.5 ms, 92 MB an hour); the feature
 * rows live in a ring of 16, so memory does not grow with them. */
#include "render/voice.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <string.h>

enum { RING = 16, ROW_FLOATS = STK_MEL_BINS * STK_MEL_STEPS, CROP_DELAY = 2 };

struct stk_voice {
    float *mel; /* [80][columns] */
    int columns, frames;
    float *ring; /* [RING][80][16] */
    int held[RING]; /* which row lies in each slot, -1 = none */
    float *acts;
    const stk_nets *nets;
};

static stk_status analyse(stk_voice *voice, const stk_sound *sound, const char *path) {
    voice->columns = stk_mel_columns(sound->count);
    voice->frames = (int)lround((double)sound->count * STK_FPS / STK_SAMPLE_RATE);
    if (voice->columns < STK_MEL_STEPS)
        return stk_fail(STK_ERR_CONTENT, "%s: the sound is shorter than 0.2 s, one window of the lip "
                                         "features; give a longer one", path);
    voice->mel = stk_calloc_aligned((size_t)STK_MEL_BINS * (size_t)voice->columns, sizeof(float));
    voice->ring = stk_calloc_aligned((size_t)RING * ROW_FLOATS, sizeof(float));
    voice->acts = stk_calloc_aligned(stk_audio_net_act_floats(&voice->nets->audio), sizeof(float));
    if (voice->mel == NULL || voice->ring == NULL || voice->acts == NULL)
        return stk_fail_memory("sound features");
    memset(voice->held, -1, sizeof voice->held);
    return stk_mel_spectrogram(sound, 0, voice->mel, voice->columns);
}

stk_status stk_voice_open(stk_voice **out, const char *path, const stk_nets *nets) {
    *out = NULL;
    if (nets->config.audio_kind != STK_AUDIO_MEL)
        return stk_fail(STK_ERR_UNSUPPORTED, "this model was trained on \"%s\" sound features, which "
                                             "this program cannot make from a sound file",
                        stk_audio_kind_name(nets->config.audio_kind));
    stk_sound sound = {0};
    STK_TRY(stk_sound_read(path, STK_SAMPLE_RATE, 0.0, &sound));
    stk_voice *voice = stk_calloc_aligned(1, sizeof *voice);
    stk_status status = STK_OK;
    if (voice == NULL) {
        status = stk_fail_memory("sound features");
    } else {
        voice->nets = nets;
        status = analyse(voice, &sound, path);
    }
    stk_sound_clear(&sound);
    if (status != STK_OK) {
        stk_voice_close(&voice);
        return status;
    }
    *out = voice;
    return STK_OK;
}

void stk_voice_close(stk_voice **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_voice *voice = *handle;
    stk_free(voice->mel);
    stk_free(voice->ring);
    stk_free(voice->acts);
    stk_free(voice);
    *handle = NULL;
}

int stk_voice_frames(const stk_voice *voice) { return voice->frames < 1 ? 1 : voice->frames; }

/* Row i is crop i-2, which starts at column floor(16 (i-2) / 5) and is moved back to fit
 * (reference.md 2.1, 2.3). */
static const float *ring_row(stk_voice *voice, int row) {
    int slot = row % RING;
    float *out = voice->ring + (size_t)slot * ROW_FLOATS;
    if (voice->held[slot] == row) return out;
    int crop = row < CROP_DELAY ? 0 : row - CROP_DELAY;
    int start = 16 * crop / 5;
    if (start > voice->columns - STK_MEL_STEPS) start = voice->columns - STK_MEL_STEPS;
    for (int b = 0; b < STK_MEL_BINS; b++)
        memcpy(out + b * STK_MEL_STEPS, voice->mel + (size_t)b * (size_t)voice->columns + start,
               STK_MEL_STEPS * sizeof(float));
    voice->held[slot] = row;
    return out;
}

void stk_voice_code(stk_voice *voice, const float *values, int frame,
                    float code[STK_AUDIO_CODE]) {
    const float *window[STK_AUDIO_WINDOW];
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < voice->frames ? ring_row(voice, row) : NULL;
    }
    stk_audio_net_forward(&voice->nets->audio, &voice->nets->params, values, window, voice->acts, code);
}

void stk_audio_window(const float *rows, int n, int row_floats, int frame,
                      const float *window[STK_AUDIO_WINDOW]) {
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < n ? rows + (size_t)row * (size_t)row_floats : NULL;
    }
}
