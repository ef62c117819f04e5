/* voice.c - see voice.h.
 *
 *   file --decode--> piece [4096] --mel stream--> columns, the last 48 [48][80]
 *        --cut--> rows, one a frame, the last 16 [16][80][16] --window of 8, nets--> code [32]
 *
 * One thread per voice.
 */
#include "render/voice.h"
#include "base/memory.h"
#include "media/media.h"

#include <math.h>
#include <string.h>

enum {
    PIECE = 4096,
    COLUMNS_KEPT = 48, /* of which the newest row needs 16 */
    ROWS_KEPT = 16,    /* of which a frame needs 8 */
    ROW_FLOATS = STK_MEL_BINS * STK_MEL_STEPS,
    CROP_DELAY = 2,
    ERROR_TEXT = 1024
};
static const float SILENCE = -4;

struct stk_voice {
    const stk_nets *nets;
    char path[STK_PATH_MAX];
    int columns, frames; /* of the whole sound */
    stk_sound_source *source;
    stk_mel_stream *mel;
    float piece[PIECE]; /* [at, have) waits for the mel stream */
    int have, at, ended;
    int made; /* columns made so far; column c lies at column[c % COLUMNS_KEPT] */
    float column[COLUMNS_KEPT][STK_MEL_BINS];
    float row[ROWS_KEPT][ROW_FLOATS];
    int held[ROWS_KEPT]; /* which row lies in each slot, -1 = none */
    float *acts;
    stk_status failed;
    char text[ERROR_TEXT]; /* its sentence */
};

/* Before the first sample. */
static stk_status rewind_sound(stk_voice *voice) {
    stk_sound_source_close(&voice->source);
    stk_mel_stream_restart(voice->mel);
    voice->have = voice->at = voice->ended = voice->made = 0;
    return stk_sound_source_open(&voice->source, voice->path, STK_SAMPLE_RATE, 1, 0.0);
}

static stk_status open_sound(stk_voice *voice) {
    int64_t samples;
    STK_TRY(stk_sound_length(voice->path, STK_SAMPLE_RATE, 0.0, &samples));
    voice->columns = stk_mel_columns(samples);
    voice->frames = (int)lround((double)samples * STK_FPS / STK_SAMPLE_RATE);
    if (voice->columns < STK_MEL_STEPS)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: the sound is shorter than 0.2 s, one window of the lip features; give "
                        "a longer one",
                        voice->path);
    voice->acts = stk_calloc_aligned(stk_audio_net_act_floats(&voice->nets->audio), sizeof(float));
    if (voice->acts == NULL) return stk_fail_memory("sound features");
    STK_TRY(stk_mel_stream_create(&voice->mel));
    return rewind_sound(voice);
}

stk_status stk_voice_open(stk_voice **out, const char *path, const stk_nets *nets) {
    *out = NULL;
    if (nets->config.audio_kind != STK_AUDIO_MEL)
        return stk_fail(
            STK_ERR_UNSUPPORTED,
            "this model was trained on \"%s\" sound features, which this program cannot "
            "make from a sound file",
            stk_audio_kind_name(nets->config.audio_kind));
    if (strlen(path) >= STK_PATH_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", path);
    stk_voice *voice = stk_calloc_aligned(1, sizeof *voice);
    if (voice == NULL) return stk_fail_memory("sound features");
    strcpy(voice->path, path);
    voice->nets = nets;
    memset(voice->held, -1, sizeof voice->held);
    stk_status status = open_sound(voice);
    if (status != STK_OK) stk_voice_close(&voice);
    *out = voice;
    return status;
}

void stk_voice_close(stk_voice **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_voice *voice = *handle;
    stk_sound_source_close(&voice->source);
    stk_mel_stream_free(&voice->mel);
    stk_free(voice->acts);
    stk_free(voice);
    *handle = NULL;
}

int stk_voice_frames(const stk_voice *voice) {
    return voice->frames < 1 ? 1 : voice->frames;
}

stk_status stk_voice_check(const stk_voice *voice) {
    if (voice->failed != STK_OK) stk_error_put(voice->text);
    return voice->failed;
}

/* --- columns ---------------------------------------------------------------------------------- */

/* The next column; silence behind the end of a sound that has become shorter since it was opened.
 */
static stk_status make_column(stk_voice *voice, float *column) {
    while (!stk_mel_stream_pull(voice->mel, column)) {
        if (voice->at < voice->have) {
            voice->at +=
                stk_mel_stream_push(voice->mel, voice->piece + voice->at, voice->have - voice->at);
        } else if (!voice->ended) {
            float *plane[1] = {voice->piece};
            voice->at = voice->have = 0;
            STK_TRY(stk_sound_source_read(voice->source, plane, PIECE, &voice->have));
            voice->ended = voice->have == 0;
            if (voice->ended) stk_mel_stream_end(voice->mel);
        } else {
            for (int b = 0; b < STK_MEL_BINS; b++) column[b] = SILENCE;
            break;
        }
    }
    return STK_OK;
}

static void keep_failure(stk_voice *voice, stk_status status) {
    voice->failed = status;
    stk_error_take(voice->text, sizeof voice->text);
}

/* Makes columns until [first, first + 16) are kept. */
static void advance(stk_voice *voice, int first) {
    if (first < voice->made - COLUMNS_KEPT && voice->failed == STK_OK) {
        stk_status status = rewind_sound(voice);
        if (status != STK_OK) keep_failure(voice, status);
    }
    while (voice->made < first + STK_MEL_STEPS && voice->failed == STK_OK) {
        stk_status status = make_column(voice, voice->column[voice->made % COLUMNS_KEPT]);
        if (status != STK_OK) keep_failure(voice, status);
        voice->made++;
    }
}

/* --- rows and codes --------------------------------------------------------------------------- */

/* Row i is crop i-2, which starts at column floor(16 (i-2) / 5) and is moved back to fit
 * (reference.md 2.1, 2.3). */
static const float *ring_row(stk_voice *voice, int row) {
    int slot = row % ROWS_KEPT;
    float *out = voice->row[slot];
    if (voice->held[slot] == row) return out;
    int crop = row < CROP_DELAY ? 0 : row - CROP_DELAY;
    int first = 16 * crop / 5;
    if (first > voice->columns - STK_MEL_STEPS) first = voice->columns - STK_MEL_STEPS;
    advance(voice, first);
    for (int t = 0; t < STK_MEL_STEPS; t++) {
        const float *column = voice->column[(first + t) % COLUMNS_KEPT];
        for (int b = 0; b < STK_MEL_BINS; b++)
            out[b * STK_MEL_STEPS + t] = voice->failed == STK_OK ? column[b] : SILENCE;
    }
    voice->held[slot] = row;
    return out;
}

void stk_voice_code(stk_voice *voice, const float *values, int frame, float code[STK_AUDIO_CODE]) {
    const float *window[STK_AUDIO_WINDOW];
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < voice->frames ? ring_row(voice, row) : NULL;
    }
    stk_audio_net_forward(&voice->nets->audio, &voice->nets->params, values, window, voice->acts,
                          code);
}

void stk_audio_window(const float *rows, int n, int row_floats, int frame,
                      const float *window[STK_AUDIO_WINDOW]) {
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < n ? rows + (size_t)row * (size_t)row_floats : NULL;
    }
}
