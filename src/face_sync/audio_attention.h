/* audio_attention.h - attention over the 8 rows of an audio window; private to face_sync.
 *
 *   codes y [32][8] -> Conv1d k3 p1 32 -> 16 -> 8 -> 4 -> 2 -> 1, LeakyReLU(0.02) after each
 *   -> score [8] -> Linear 8 -> 8 -> softmax -> weights [8];  code[i] = sum_t weights[t] y[i][t]
 *
 * Every convolution's input is kept as [channel][10], a zero on either side of the 8 steps.
 */
#ifndef STK_FACE_SYNC_AUDIO_ATTENTION_H
#define STK_FACE_SYNC_AUDIO_ATTENTION_H

#include "face_sync/audio.h"

enum {
    STK_ATTENTION_CONVS = 5,
    STK_ATTENTION_WIDTH = STK_AUDIO_WINDOW + 2,
    /* (32 + 16 + 8 + 4 + 2 + 1) channels of 10, and the weights */
    STK_ATTENTION_FLOATS = 63 * STK_ATTENTION_WIDTH + STK_AUDIO_WINDOW,
};
extern const int STK_ATTENTION_CHANNELS[STK_ATTENTION_CONVS + 1];

/* row_codes [32][8]; acts [STK_ATTENTION_FLOATS] is filled. */
void stk_audio_attention_forward(const stk_audio_net *net, const stk_params *params,
                                 const float *value, const float *row_codes, float *acts,
                                 float code[STK_AUDIO_CODE]);
/* drow_codes [32][8] is written, parameter gradients are accumulated. */
void stk_audio_attention_backward(const stk_audio_net *net, const stk_params *params,
                                  const float *value, const float *acts,
                                  const float dcode[STK_AUDIO_CODE], float *drow_codes,
                                  float *grad);
stk_audio_view stk_audio_attention_view(const float *acts);

#endif
