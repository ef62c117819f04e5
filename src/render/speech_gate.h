/* speech_gate.h - where somebody speaks in a sound, as a share of the lips' motion for every frame.
 *
 *   sound --16 kHz, 32 ms--> voice activity (face_sync/voice_activity.h) -> speech, piece by piece
 *     -> grown back over up to 1 s before it that is loud, with gaps of at most 0.5 s: the network
 *        hears late, and who draws breath opens the mouth and keeps it open until the first word
 *   d, e: seconds from the middle of the frame back to the speech before it, on to that after it
 *   gate = max(f((d - 0.12) / 0.10), f((e - 0.08) / 0.08)),   f(x) = clamp(1 - x, 0, 1)
 *
 * So lips are free 80 ms before a word begins and 120 ms after it has ended, pauses shorter than
 * 0.2 s never shut them, and nothing is cut. Causal, for sounds of which nothing later is known:
 * without the second term and the growing back; lips are free with the first piece that is speech.
 */
#ifndef STK_RENDER_SPEECH_GATE_H
#define STK_RENDER_SPEECH_GATE_H

#include "base/status.h"

typedef struct stk_speech_gate stk_speech_gate;

/* frames: of the sound, at 25/s. models: folder of weights or NULL. */
stk_status stk_speech_gate_open(stk_speech_gate **gate, const char *sound, int frames,
                                const char *models, int causal);
void stk_speech_gate_close(stk_speech_gate **gate);
/* In [0, 1], 0 = silence. Decodes as far as needed; in any order, at no cost going back. */
stk_status stk_speech_gate_at(stk_speech_gate *gate, int frame, float *share);

#endif
