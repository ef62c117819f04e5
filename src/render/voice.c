/* voice.c - see voice.h.
 *
 *   rows are made in runs (1, or 8 through the encoder) that start at multiples of their length
 *     -> the last 16 [16][row_floats] --window of 8, nets--> code [32]
 *
 * A run lies where its rows lie, row i at i % 16; a frame's window touches two runs at most, which
 * are neighbours, so they never claim the same place. One thread per voice.
 */
#include "render/voice.h"
#include "base/log.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "face_sync/feature_file.h"
#include "render/mel_feed.h"

#include <string.h>

enum {
    ROWS_KEPT = 16,     /* of which a frame needs 8 */
    FEATURES_SHORT = 5, /* frames that features may be shorter than the sound: windows at its end */
    FEATURES_LONG = 25, /* frames that they may be longer before a word is said */
    ERROR_TEXT = 1024
};
static const float SILENCE = -4; /* of mel windows */

struct stk_voice {
    const stk_nets *nets;
    int frames, row_floats, run;
    stk_mel_feed *mel;                            /* mel, ave */
    stk_ave_encoder *encoder;                     /* ave */
    stk_feature_file *features;                   /* others */
    float windows[STK_AVE_BATCH][STK_AVE_WINDOW]; /* of a run, before the encoder */
    float *row;                                   /* [ROWS_KEPT][row_floats] */
    int held[ROWS_KEPT];                          /* which row lies in each place, -1 = none */
    float *acts;
    stk_status failed;
    char text[ERROR_TEXT]; /* its sentence */
};

/* --- opening ---------------------------------------------------------------------------------- */

static stk_status open_features(stk_voice *voice, const stk_voice_source *source) {
    STK_TRY(stk_sound_frames(source->sound, &voice->frames));
    STK_TRY(
        stk_feature_file_open(&voice->features, source->features, voice->nets->config.audio_kind));
    const int rows = stk_feature_file_rows(voice->features);
    if (rows < voice->frames - FEATURES_SHORT)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: has features of %d frames, %s has %d at 25/s; make them from this "
                        "very sound",
                        source->features, rows, source->sound, voice->frames);
    if (rows > voice->frames + FEATURES_LONG)
        stk_log(STK_LOG_WARN, "%s: has features of %d frames, %s has %d; is it of this sound?",
                source->features, rows, source->sound, voice->frames);
    if (rows < voice->frames) voice->frames = rows;
    return STK_OK;
}

static stk_status open_rows(stk_voice *voice, const stk_voice_source *source) {
    const stk_audio_kind kind = voice->nets->config.audio_kind;
    const char *name = stk_audio_kind_name(kind);
    if (source->encoder != NULL && kind != STK_AUDIO_AVE)
        return stk_fail(STK_ERR_MISMATCH,
                        "this model hears \"%s\" features, not those of an encoder; leave out "
                        "--encoder",
                        name);
    if (source->features != NULL && kind == STK_AUDIO_MEL)
        return stk_fail(STK_ERR_MISMATCH,
                        "this model hears the sound itself; leave out --features");
    if (source->features != NULL) return open_features(voice, source);
    if (kind != STK_AUDIO_MEL && kind != STK_AUDIO_AVE)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "this model hears \"%s\" features, which other programs make of a sound; "
                        "give them with --features FILE.npy, shape [frames][%d][%d]",
                        name, stk_audio_row_steps(kind),
                        voice->row_floats / stk_audio_row_steps(kind));
    if (kind == STK_AUDIO_AVE) STK_TRY(stk_ave_encoder_find(&voice->encoder, source->encoder));
    STK_TRY(stk_mel_feed_open(&voice->mel, source->sound));
    voice->run = kind == STK_AUDIO_AVE ? STK_AVE_BATCH : 1;
    voice->frames = stk_mel_feed_frames(voice->mel);
    return STK_OK;
}

stk_status stk_voice_open(stk_voice **out, const stk_voice_source *source, const stk_nets *nets) {
    *out = NULL;
    stk_voice *voice = stk_calloc_aligned(1, sizeof *voice);
    if (voice == NULL) return stk_fail_memory("sound features");
    voice->nets = nets;
    voice->run = 1;
    voice->row_floats = stk_audio_row_floats(nets->config.audio_kind);
    memset(voice->held, -1, sizeof voice->held);
    stk_status status = open_rows(voice, source);
    if (status == STK_OK) {
        const size_t floats = (size_t)ROWS_KEPT * (size_t)voice->row_floats;
        voice->row = stk_calloc_aligned(floats, sizeof(float));
        voice->acts = stk_calloc_aligned(stk_audio_net_act_floats(&nets->audio), sizeof(float));
        if (voice->row == NULL || voice->acts == NULL) status = stk_fail_memory("sound features");
    }
    if (status != STK_OK) stk_voice_close(&voice);
    *out = voice;
    return status;
}

void stk_voice_close(stk_voice **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_voice *voice = *handle;
    stk_mel_feed_close(&voice->mel);
    stk_ave_encoder_free(&voice->encoder);
    stk_feature_file_close(&voice->features);
    stk_free(voice->row);
    stk_free(voice->acts);
    stk_free(voice);
    *handle = NULL;
}

int stk_voice_frames(const stk_voice *voice) {
    return voice->frames;
}

stk_status stk_voice_check(const stk_voice *voice) {
    if (voice->failed != STK_OK) stk_error_put(voice->text);
    return voice->failed;
}

/* --- rows and codes --------------------------------------------------------------------------- */

static float *place_of(stk_voice *voice, int row) {
    return voice->row + (size_t)(row % ROWS_KEPT) * (size_t)voice->row_floats;
}

/* Rows first .. first + run - 1; those behind the end of the sound repeat its last. */
static stk_status make_run(stk_voice *voice, int first) {
    float *out = place_of(voice, first);
    if (voice->features != NULL) return stk_feature_file_row(voice->features, first, out);
    if (voice->encoder == NULL) return stk_mel_feed_row(voice->mel, first, out);
    for (int i = 0; i < voice->run; i++)
        STK_TRY(stk_mel_feed_row(voice->mel, first + i, voice->windows[i]));
    return stk_ave_encoder_run(voice->encoder, voice->run, voice->windows[0], out);
}

static void make_silence(stk_voice *voice, int first) {
    float *out = place_of(voice, first);
    const float value = voice->nets->config.audio_kind == STK_AUDIO_MEL ? SILENCE : 0;
    for (int i = 0; i < voice->run * voice->row_floats; i++) out[i] = value;
}

static const float *row_of(stk_voice *voice, int row) {
    if (voice->held[row % ROWS_KEPT] == row) return place_of(voice, row);
    const int first = row - row % voice->run;
    if (voice->failed == STK_OK) voice->failed = make_run(voice, first);
    if (voice->failed != STK_OK) {
        if (voice->text[0] == 0) stk_error_take(voice->text, sizeof voice->text);
        make_silence(voice, first);
    }
    for (int i = 0; i < voice->run; i++) voice->held[(first + i) % ROWS_KEPT] = first + i;
    return place_of(voice, row);
}

void stk_voice_code(stk_voice *voice, const float *values, int frame, float code[STK_AUDIO_CODE]) {
    const float *window[STK_AUDIO_WINDOW];
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < voice->frames ? row_of(voice, row) : NULL;
    }
    stk_audio_net_forward(&voice->nets->audio, &voice->nets->params, values, window, voice->acts,
                          code);
    stk_code_range_limit(&voice->nets->heard, code);
}

void stk_audio_window(const float *rows, int n, int row_floats, int frame,
                      const float *window[STK_AUDIO_WINDOW]) {
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < n ? rows + (size_t)row * (size_t)row_floats : NULL;
    }
}
