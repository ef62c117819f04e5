/* speech_gate.c - see speech_gate.h.
 *
 *   file --decode--> piece [512] --> mark[piece], one byte, kept for the whole sound
 *
 * One thread per gate.
 */
#include "render/speech_gate.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/types.h"
#include "face_sync/voice_activity.h"
#include "media/media.h"

#include <math.h>
#include <string.h>

enum { SPEECH = 1, LOUD = 2, GROWTH = 32, GAP = 16 };
static const double PIECE_S = (double)STK_VOICE_PIECE / STK_SAMPLE_RATE;
static const double HOLD_S = 0.12, RELEASE_S = 0.10, LEAD_S = 0.08, ATTACK_S = 0.08;

struct stk_speech_gate {
    stk_sound_source *source;
    stk_voice_activity *activity;
    uint8_t *mark; /* [pieces] */
    int pieces, made, ended, causal;
};

stk_status stk_speech_gate_open(stk_speech_gate **out, const char *sound, int frames,
                                const char *models, int causal) {
    *out = NULL;
    stk_speech_gate *gate = stk_calloc_aligned(1, sizeof *gate);
    if (gate == NULL) return stk_fail_memory("speech gate");
    gate->causal = causal;
    gate->pieces = (int)((int64_t)frames * STK_SAMPLE_RATE / STK_FPS / STK_VOICE_PIECE) + 1;
    gate->mark = stk_calloc_aligned((size_t)gate->pieces, 1);
    stk_status status = gate->mark == NULL ? stk_fail_memory("speech gate") : STK_OK;
    if (status == STK_OK) status = stk_voice_activity_create(&gate->activity, models);
    if (status == STK_OK && !stk_voice_activity_has_network(gate->activity))
        stk_log(STK_LOG_DEBUG, "speech is told from silence by its level alone: "
                               "silero_vad_16k.safetensors is not there");
    if (status == STK_OK)
        status = stk_sound_source_open(&gate->source, sound, STK_SAMPLE_RATE, 1, 0.0);
    if (status != STK_OK) stk_speech_gate_close(&gate);
    *out = gate;
    return status;
}

void stk_speech_gate_close(stk_speech_gate **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_sound_source_close(&(*handle)->source);
    stk_voice_activity_free(&(*handle)->activity);
    stk_free((*handle)->mark);
    stk_free(*handle);
    *handle = NULL;
}

/* Marks pieces until `piece` is; those behind the end of the sound are silence. */
static stk_status advance(stk_speech_gate *gate, int piece) {
    while (!gate->ended && gate->made <= piece && gate->made < gate->pieces) {
        float samples[STK_VOICE_PIECE] = {0}, *plane[1] = {samples};
        int got;
        STK_TRY(stk_sound_source_read(gate->source, plane, STK_VOICE_PIECE, &got));
        gate->ended = got < STK_VOICE_PIECE;
        if (got == 0) break;
        const stk_activity now = stk_voice_activity_next(gate->activity, samples);
        gate->mark[gate->made++] = (uint8_t)(now.speaking * SPEECH | now.loud * LOUD);
    }
    return STK_OK;
}

/* Speech, or part of what leads to it. */
static int speaks(const stk_speech_gate *gate, int piece) {
    const uint8_t *mark = gate->mark;
    if (piece < 0 || piece >= gate->made) return 0;
    if (mark[piece] & SPEECH) return 1;
    if (gate->causal) return 0;
    int heard = piece; /* the last loud piece at or before the one looked at */
    while (heard >= 0 && heard > piece - GAP && mark[heard] == 0) heard--;
    if (heard < 0 || mark[heard] != LOUD) return 0;
    for (int k = piece + 1; k <= piece + GROWTH && k < gate->made && k - heard <= GAP; k++) {
        if (mark[k] & SPEECH) return 1;
        if (mark[k] & LOUD) heard = k;
    }
    return 0;
}

static double faded(double seconds, double free_s, double fade_s) {
    return fmin(fmax(1 - (seconds - free_s) / fade_s, 0), 1);
}

stk_status stk_speech_gate_at(stk_speech_gate *gate, int frame, float *share) {
    const double now = (frame + 0.5) / STK_FPS;
    const int here = (int)floor(now / PIECE_S);
    const int before = (int)ceil((HOLD_S + RELEASE_S) / PIECE_S);
    const int after = gate->causal ? 0 : (int)ceil((LEAD_S + ATTACK_S) / PIECE_S);
    double open = 0;
    STK_TRY(advance(gate, here + after + (gate->causal ? 0 : GROWTH)));
    for (int piece = here - before; piece <= here + after; piece++) {
        if (!speaks(gate, piece)) continue;
        const double ago = now - (piece + 1) * PIECE_S, ahead = piece * PIECE_S - now;
        open = fmax(open, ago > 0     ? faded(ago, HOLD_S, RELEASE_S)
                          : ahead > 0 ? faded(ahead, LEAD_S, ATTACK_S)
                                      : 1);
    }
    *share = (float)open;
    return STK_OK;
}
