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
#include "render/speech_gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_KEPT = 16,     /* of which a frame needs 8 */
    CODES_KEPT = 16,    /* of which smoothing needs 7 */
    REACH = 3,          /* frames to either side that it takes */
    FEATURES_SHORT = 5, /* frames that features may be shorter than the sound: windows at its end */
    FEATURES_LONG = 25, /* frames that they may be longer before a word is said */
    ERROR_TEXT = 1024
};
static const float SILENCE = -4; /* of mel windows */
static const float RECURSION = 0.35f;

struct stk_voice {
    const stk_nets *nets;
    int frames, row_floats, run;
    stk_mel_feed *mel;                            /* mel, ave */
    stk_ave_encoder *encoder;                     /* ave */
    stk_feature_file *features;                   /* others */
    float windows[STK_AVE_BATCH][STK_AVE_WINDOW]; /* of a run, before the encoder */
    stk_mel_speaker speaker;                      /* mel-normalised */
    float *row;                                   /* [ROWS_KEPT][row_floats] */
    int held[ROWS_KEPT];                          /* which row lies in each place, -1 = none */
    float *acts;
    float code[CODES_KEPT][STK_AUDIO_CODE]; /* of frame i at i % CODES_KEPT, not smoothed */
    int code_held[CODES_KEPT];
    stk_lip_smoothing smoothing;
    float recursive[STK_AUDIO_CODE]; /* of frame recursive_at, -1 = none yet */
    int recursive_at;
    stk_speech_gate *gate;        /* NULL: none */
    float closed[STK_AUDIO_CODE]; /* lips at rest; with a gate */
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
    if (source->features != NULL && stk_audio_is_mel(kind))
        return stk_fail(STK_ERR_MISMATCH,
                        "this model hears the sound itself; leave out --features");
    if (source->features != NULL) return open_features(voice, source);
    if (!stk_audio_is_mel(kind) && kind != STK_AUDIO_AVE)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "this model hears \"%s\" features, which other programs make of a sound; "
                        "give them with --features FILE.npy, shape [frames][%d][%d]",
                        name, stk_audio_row_steps(kind),
                        voice->row_floats / stk_audio_row_steps(kind));
    if (kind == STK_AUDIO_AVE)
        STK_TRY(stk_ave_encoder_find(&voice->encoder, source->encoder, &voice->nets->encoder));
    STK_TRY(stk_mel_feed_open(&voice->mel, source->sound));
    if (kind == STK_AUDIO_MEL_SPEAKER) STK_TRY(stk_mel_feed_speaker(voice->mel, &voice->speaker));
    voice->run = kind == STK_AUDIO_AVE ? STK_AVE_BATCH : 1;
    voice->frames = stk_mel_feed_frames(voice->mel);
    return STK_OK;
}

/* A mel window, in place, for the models that hear it so. */
static void normalise(const stk_voice *voice, float *window) {
    if (voice->nets->config.audio_kind == STK_AUDIO_MEL_SPEAKER)
        stk_mel_speaker_apply(&voice->speaker, window, window);
}

/* The row that digital silence gives, into the first place. */
static stk_status make_silent_row(stk_voice *voice) {
    float *window = voice->encoder != NULL ? voice->windows[0] : voice->row;
    for (int i = 0; i < STK_AVE_WINDOW; i++) window[i] = SILENCE;
    normalise(voice, window);
    if (voice->encoder == NULL) return STK_OK;
    return stk_ave_encoder_run(voice->encoder, 1, window, voice->row);
}

/* Where the model does not tell the code of closed lips, that of digital silence stands for it;
 * what another program would have made of silence nobody knows. */
static stk_status find_closed(stk_voice *voice, int *known) {
    const stk_nets *nets = voice->nets;
    const float *window[STK_AUDIO_WINDOW];
    if (nets->closed_known) {
        memcpy(voice->closed, nets->closed, sizeof voice->closed);
        return STK_OK;
    }
    *known = voice->features == NULL;
    if (!*known) return STK_OK;
    STK_TRY(make_silent_row(voice));
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) window[k] = voice->row;
    stk_audio_net_forward(&nets->audio, &nets->params, nets->params.value, window, voice->acts,
                          voice->closed);
    stk_code_range_limit(&nets->heard, voice->closed);
    return STK_OK;
}

static stk_status open_gate(stk_voice *voice, const stk_voice_source *source) {
    int known = 1;
    if (!source->gate) return STK_OK;
    STK_TRY(find_closed(voice, &known));
    if (known)
        return stk_speech_gate_open(&voice->gate, source->sound, voice->frames, source->models, 0);
    stk_log(STK_LOG_INFO,
            "%s: does not tell how silence sounds to this model, nor does the model tell the code "
            "of closed lips; where nobody speaks the lips do as the features say (--silence off)",
            source->features);
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
    memset(voice->code_held, -1, sizeof voice->code_held);
    voice->recursive_at = -1;
    voice->smoothing = source->smoothing;
    stk_status status = open_rows(voice, source);
    if (status == STK_OK) {
        const size_t floats = (size_t)ROWS_KEPT * (size_t)voice->row_floats;
        voice->row = stk_calloc_aligned(floats, sizeof(float));
        voice->acts = stk_calloc_aligned(stk_audio_net_act_floats(&nets->audio), sizeof(float));
        if (voice->row == NULL || voice->acts == NULL) status = stk_fail_memory("sound features");
    }
    if (status == STK_OK) status = open_gate(voice, source);
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
    stk_speech_gate_close(&voice->gate);
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
    if (voice->encoder == NULL) {
        STK_TRY(stk_mel_feed_row(voice->mel, first, out));
        normalise(voice, out);
        return STK_OK;
    }
    for (int i = 0; i < voice->run; i++)
        STK_TRY(stk_mel_feed_row(voice->mel, first + i, voice->windows[i]));
    return stk_ave_encoder_run(voice->encoder, voice->run, voice->windows[0], out);
}

static void make_silence(stk_voice *voice, int first) {
    float *out = place_of(voice, first);
    const float value = stk_audio_is_mel(voice->nets->config.audio_kind) ? SILENCE : 0;
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

static void make_code(stk_voice *voice, const float *values, int frame, float *code) {
    const float *window[STK_AUDIO_WINDOW];
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < voice->frames ? row_of(voice, row) : NULL;
    }
    stk_audio_net_forward(&voice->nets->audio, &voice->nets->params, values, window, voice->acts,
                          code);
    stk_code_range_limit(&voice->nets->heard, code);
}

/* The code of a frame by itself, kept; frames outside the sound are those at its ends. */
static const float *code_of(stk_voice *voice, const float *values, int frame) {
    frame = stk_clampi(frame, 0, voice->frames - 1);
    float *code = voice->code[frame % CODES_KEPT];
    if (voice->code_held[frame % CODES_KEPT] == frame) return code;
    make_code(voice, values, frame, code);
    voice->code_held[frame % CODES_KEPT] = frame;
    return code;
}

static void smooth_both_ways(stk_voice *voice, const float *values, int frame, float *code) {
    double sum[STK_AUDIO_CODE] = {0}, weights = 0;
    for (int k = -REACH; k <= REACH; k++) {
        const float *c = code_of(voice, values, frame + k);
        const double w = pow((double)RECURSION, abs(k));
        for (int i = 0; i < STK_AUDIO_CODE; i++) sum[i] += w * (double)c[i];
        weights += w;
    }
    for (int i = 0; i < STK_AUDIO_CODE; i++) code[i] = (float)(sum[i] / weights);
}

/* Going back, from the start again. */
static void smooth_as_published(stk_voice *voice, const float *values, int frame, float *code) {
    float *r = voice->recursive;
    if (voice->recursive_at > frame) voice->recursive_at = -1;
    while (voice->recursive_at < frame) {
        const float kept = voice->recursive_at < 0 ? 0 : RECURSION;
        const float *c = code_of(voice, values, ++voice->recursive_at);
        for (int i = 0; i < STK_AUDIO_CODE; i++) r[i] = kept * r[i] + (1 - kept) * c[i];
    }
    memcpy(code, r, sizeof voice->recursive);
}

static void rest_in_silence(stk_voice *voice, int frame, float *code) {
    float open = 1;
    if (voice->gate == NULL || voice->failed != STK_OK) return;
    voice->failed = stk_speech_gate_at(voice->gate, frame, &open);
    if (voice->failed != STK_OK) stk_error_take(voice->text, sizeof voice->text);
    for (int i = 0; open < 1 && i < STK_AUDIO_CODE; i++)
        code[i] = voice->closed[i] + open * (code[i] - voice->closed[i]);
}

void stk_voice_code(stk_voice *voice, const float *values, int frame, float code[STK_AUDIO_CODE]) {
    if (voice->smoothing == STK_LIPS_SYMMETRIC)
        smooth_both_ways(voice, values, frame, code);
    else if (voice->smoothing == STK_LIPS_PUBLISHED)
        smooth_as_published(voice, values, frame, code);
    else
        make_code(voice, values, frame, code);
    rest_in_silence(voice, frame, code);
}

void stk_audio_window(const float *rows, int n, int row_floats, int frame,
                      const float *window[STK_AUDIO_WINDOW]) {
    for (int k = 0; k < STK_AUDIO_WINDOW; k++) {
        int row = frame - STK_AUDIO_WINDOW / 2 + k;
        window[k] = row >= 0 && row < n ? rows + (size_t)row * (size_t)row_floats : NULL;
    }
}
