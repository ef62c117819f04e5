/* audio.h - from sound to the network's audio code.
 *
 *   16 kHz mono -> mel spectrogram [80][T] (reference.md 2.1)
 *     -> one window of 80 x 16 per video frame (a "feature row")
 *     -> window of 8 rows around the frame (2.4) -> audio net per row [8][32]
 *     -> audio attention [32] (2.5)
 *
 * Feature kinds differ only in the row: the audio net is the published one for each ("ave": three
 * linear layers over 512; the others: four strided Conv1d over [C][16]). "mel" is ours: the mel
 * window itself as [80][16] through the convolutional net, trained jointly; "mel-normalised" takes
 * out of it what is the speaker's and the recording's.
 */
#ifndef STK_FACE_SYNC_AUDIO_H
#define STK_FACE_SYNC_AUDIO_H

#include "base/status.h"
#include "base/types.h"
#include "nn/params.h"

typedef enum stk_audio_kind {
    STK_AUDIO_AVE,         /* row [512] */
    STK_AUDIO_DEEPSPEECH,  /* row [29][16] */
    STK_AUDIO_HUBERT,      /* row [1024][2] */
    STK_AUDIO_ESPERANTO,   /* row [44][16] */
    STK_AUDIO_WAV2VEC,     /* row [32][16] */
    STK_AUDIO_MEL,         /* row [80][16] */
    STK_AUDIO_MEL_SPEAKER, /* the same, each band in the speaker's own measure (mel_speaker.h) */
    STK_AUDIO_KINDS
} stk_audio_kind;

enum { STK_AUDIO_CODE = 32 };

const char *stk_audio_kind_name(stk_audio_kind kind);
int stk_audio_row_floats(stk_audio_kind kind);
/* 1: the rows are mel windows, which every sound has; 0: features that something makes of it. */
int stk_audio_is_mel(stk_audio_kind kind);
/* Time steps of a row, its last axis: 16, 2 or 1. */
int stk_audio_row_steps(stk_audio_kind kind);

/* --- mel (reference.md 2.1, 2.3) -------------------------------------------------------------- */
/* Columns of the spectrogram of n samples: 1 + n/200. */
int stk_mel_columns(int64_t samples);
enum { STK_STFT_SIZE = 800, STK_STFT_BINS = STK_STFT_SIZE / 2 + 1 };
/* The 80 triangles over the bins of 20 Hz each, as the spectrogram uses them. */
void stk_mel_basis(float basis[STK_MEL_BINS][STK_STFT_BINS]);
/* mel: [80][columns], values in [-4,4]; columns = stk_mel_columns(sound->count). sound at 16 kHz.
 * reflect != 0: reflected padding (old librosa), differs in the first and last two columns only. */
stk_status stk_mel_spectrogram(const stk_sound *sound, int reflect, float *mel, int columns);
/* The same (reflect = 0), to the bit, column by column from a sound in pieces: memory does not grow
 * with it. Push samples until a column can be pulled, and so on; after the end the last ones. */
typedef struct stk_mel_stream stk_mel_stream;
stk_status stk_mel_stream_create(stk_mel_stream **stream);
void stk_mel_stream_free(stk_mel_stream **stream);
/* Back to before the first sample. */
void stk_mel_stream_restart(stk_mel_stream *stream);
/* Takes up to `count` samples (16 kHz), no more than the next column needs; gives how many. */
int stk_mel_stream_push(stk_mel_stream *stream, const float *samples, int count);
/* No sample follows. */
void stk_mel_stream_end(stk_mel_stream *stream);
/* 1 and the next column; 0 when it needs more samples or, after the end, when all were pulled. */
int stk_mel_stream_pull(stk_mel_stream *stream, float column[STK_MEL_BINS]);
/* One row [80][16] per video frame, `frames` rows, aligned as 2.3: row i = crop i-2, clamped to the
 * first and last crop; crop k starts at column 16k/5, the last one ends with the sound. Sounds of
 * fewer than 16 columns are continued with silence (-4). */
void stk_mel_rows(const float *mel, int columns, int frames, float *rows);
/* Number of rows the published system makes of a sound (n + 4). */
int stk_mel_row_count(int columns);

/* --- audio net + attention -------------------------------------------------------------------- */
typedef struct stk_audio_net {
    stk_audio_kind kind;
    int row_floats;
    int net_weight[4], net_bias[4], fc_weight[3],
        fc_bias[3]; /* parameter indices, -1 where absent */
    int att_weight[5], att_bias[5], att_fc_weight, att_fc_bias;
} stk_audio_net;

stk_status stk_audio_net_register(stk_audio_net *net, stk_params *params, stk_audio_kind kind);
void stk_audio_net_init(const stk_audio_net *net, stk_params *params, stk_rng *rng);
/* Floats of activations kept between forward and backward of one window. Forward fills them all;
 * 16-byte alignment of the buffer is enough. Distinct windows may run on distinct threads. */
size_t stk_audio_net_act_floats(const stk_audio_net *net);
/* rows: 8 pointers to feature rows (NULL = zeros), code: [32] out. value: params->value or ->ema.
 */
void stk_audio_net_forward(const stk_audio_net *net, const stk_params *params, const float *value,
                           const float *const rows[STK_AUDIO_WINDOW], float *acts,
                           float code[STK_AUDIO_CODE]);
/* Where the attention of a window can be looked at: the codes of the 8 rows [32][10] (rows at
 * [1..8] of the last axis, zeros around), the score before its last linear layer [8], the weights
 * [8]. */
typedef struct stk_audio_view {
    const float *row_codes, *score, *weights;
} stk_audio_view;
stk_audio_view stk_audio_net_view(const stk_audio_net *net, const float *acts);
/* dcode [32] -> accumulates into params->grad-shaped `grad`; acts from the forward of this window.
 * Nothing flows to the rows. Uses 24 KB of stack. */
void stk_audio_net_backward(const stk_audio_net *net, const stk_params *params, const float *value,
                            const float *const rows[STK_AUDIO_WINDOW], const float *acts,
                            const float dcode[STK_AUDIO_CODE], float *grad);

#endif
