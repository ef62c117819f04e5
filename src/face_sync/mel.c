/* mel.c - the mel spectrogram of the audio-visual encoder (reference 2.1) and its windows (2.3).
 *
 *   16 kHz samples -> pre-emphasis -> 800-sample Hann windows every 200 -> |DFT| [401]
 *   -> 80 Slaney triangles -> 20 log10 - 20 dB -> [-4, 4]
 *
 * Everything up to the decibels runs in doubles, as in the published front end (the triangles are
 * rounded to float there, and here). One column at a time: memory does not grow with the sound.
 */
#include "face_sync/audio.h"
#include "base/memory.h"
#include "face_sync/fft.h"

#include <math.h>
#include <string.h>

enum { WINDOW = STK_STFT_SIZE, HOP = 200, BINS = STK_STFT_BINS, PAD = WINDOW / 2 };
enum { FPS_COLUMNS = 80 };
static const double PREEMPHASIS = 0.97;
static const double BIN_HZ = (double)STK_SAMPLE_RATE / WINDOW;
static const double MEL_LOW_HZ = 55, MEL_HIGH_HZ = 7600;

/* The filter of one band: weight[i] belongs to bin first + i. Below 7.6 kHz a triangle spans at
 * most 30 bins. */
typedef struct band {
    int first, count;
    float weight[40];
} band;

typedef struct front_end {
    stk_fft fft;
    stk_fft_work work;
    band bands[STK_MEL_BINS];
    double hann[WINDOW], frame[WINDOW], spectrum[BINS][2], magnitude[BINS];
} front_end;

/* Slaney's scale: linear to 1 kHz (15 mel), then 27 steps for every factor 6.4. */
static double mel_of_hz(double hz) {
    return hz < 1000 ? 3 * hz / 200 : 15 + 27 * log(hz / 1000) / log(6.4);
}

static double hz_of_mel(double mel) {
    return mel < 15 ? 200 * mel / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15));
}

/* Triangle k rises from edge k to k+1 and falls to k+2; its area is normalised to 2/(width). */
static void make_bands(band *bands) {
    double edge[STK_MEL_BINS + 2];
    double low = mel_of_hz(MEL_LOW_HZ), high = mel_of_hz(MEL_HIGH_HZ);
    for (int i = 0; i < STK_MEL_BINS + 2; i++)
        edge[i] = hz_of_mel(low + (high - low) * i / (STK_MEL_BINS + 1));
    for (int k = 0; k < STK_MEL_BINS; k++) {
        band *out = &bands[k];
        for (int bin = 0; bin < BINS; bin++) {
            double hz = bin * BIN_HZ;
            double rise = (hz - edge[k]) / (edge[k + 1] - edge[k]);
            double fall = (edge[k + 2] - hz) / (edge[k + 2] - edge[k + 1]);
            double weight = rise < fall ? rise : fall;
            if (weight <= 0) continue;
            if (out->count == 0) out->first = bin;
            if (out->count < 40)
                out->weight[out->count++] =
                    (float)((double)(float)weight * (2.0 / (edge[k + 2] - edge[k])));
        }
    }
}

void stk_mel_basis(float basis[STK_MEL_BINS][STK_STFT_BINS]) {
    band bands[STK_MEL_BINS] = {0};
    make_bands(bands);
    memset(basis, 0, STK_MEL_BINS * sizeof *basis);
    for (int k = 0; k < STK_MEL_BINS; k++)
        memcpy(basis[k] + bands[k].first, bands[k].weight, (size_t)bands[k].count * sizeof(float));
}

static stk_status front_end_create(front_end **out) {
    front_end *mel = stk_calloc_aligned(1, sizeof *mel);
    if (mel == NULL) return stk_fail_memory("the mel front end");
    stk_status status = stk_fft_init(&mel->fft, WINDOW);
    make_bands(mel->bands);
    for (int i = 0; i < WINDOW; i++) mel->hann[i] = 0.5 - 0.5 * cos(2 * M_PI * i / WINDOW);
    if (status == STK_OK)
        *out = mel;
    else
        stk_free(mel);
    return status;
}

/* Mirrors an index into [0, n) about the first and last sample, as often as needed. */
static int64_t mirror(int64_t i, int64_t n) {
    if (n == 1) return 0;
    int64_t period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

static double emphasised(const stk_sound *sound, int64_t i) {
    double before = i > 0 ? (double)sound->samples[i - 1] : 0;
    return (double)sound->samples[i] - PREEMPHASIS * before;
}

static void cut_frame(front_end *mel, const stk_sound *sound, int64_t start, int reflect) {
    for (int i = 0; i < WINDOW; i++) {
        int64_t at = start + i;
        double sample = 0;
        if (at >= 0 && at < sound->count)
            sample = emphasised(sound, at);
        else if (reflect && sound->count > 0)
            sample = emphasised(sound, mirror(at, sound->count));
        mel->frame[i] = sample * mel->hann[i];
    }
}

/* dB re 20 below full scale, floor -100, mapped to [-4, 4]. */
static float normalised(double magnitude) {
    double level = 20 * log10(magnitude > 1e-5 ? magnitude : 1e-5) - 20;
    double scaled = 8 * ((level + 100) / 100) - 4;
    return (float)(scaled < -4 ? -4 : scaled > 4 ? 4 : scaled);
}

/* The column of the windowed samples in mel->frame; out[k * stride] receives band k. */
static void transform(front_end *mel, float *out, size_t stride) {
    stk_fft_real(&mel->fft, mel->frame, mel->spectrum, &mel->work);
    for (int i = 0; i < BINS; i++)
        mel->magnitude[i] = sqrt(mel->spectrum[i][0] * mel->spectrum[i][0] +
                                 mel->spectrum[i][1] * mel->spectrum[i][1]);
    for (int k = 0; k < STK_MEL_BINS; k++) {
        const band *filter = &mel->bands[k];
        double sum = 0;
        for (int i = 0; i < filter->count; i++)
            sum += (double)filter->weight[i] * mel->magnitude[filter->first + i];
        out[(size_t)k * stride] = normalised(sum);
    }
}

int stk_mel_columns(int64_t samples) {
    return (int)(1 + samples / HOP);
}

stk_status stk_mel_spectrogram(const stk_sound *sound, int reflect, float *mel, int columns) {
    if (sound->rate != STK_SAMPLE_RATE)
        return stk_fail(STK_ERR_ARGUMENT, "the mel spectrogram needs sound at %d Hz, not %d",
                        STK_SAMPLE_RATE, sound->rate);
    if (columns != stk_mel_columns(sound->count))
        return stk_fail(STK_ERR_ARGUMENT, "%d mel columns asked for, the sound has %d", columns,
                        stk_mel_columns(sound->count));
    front_end *front = NULL;
    STK_TRY(front_end_create(&front));
    for (int t = 0; t < columns; t++) {
        cut_frame(front, sound, (int64_t)t * HOP - PAD, reflect);
        transform(front, mel + t, (size_t)columns);
    }
    stk_free(front);
    return STK_OK;
}

/* --- in pieces -------------------------------------------------------------------------------- */

struct stk_mel_stream {
    front_end *front;
    double held[WINDOW]; /* pre-emphasised sample i at [i % WINDOW]: one window's worth */
    float last;          /* the sample before the next one */
    int64_t pushed, columns;
    int ended;
};

stk_status stk_mel_stream_create(stk_mel_stream **out) {
    *out = NULL;
    stk_mel_stream *stream = stk_calloc_aligned(1, sizeof *stream);
    if (stream == NULL) return stk_fail_memory("the mel front end");
    stk_status status = front_end_create(&stream->front);
    if (status != STK_OK) {
        stk_free(stream);
        return status;
    }
    *out = stream;
    return STK_OK;
}

void stk_mel_stream_free(stk_mel_stream **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_free((*handle)->front);
    stk_free(*handle);
    *handle = NULL;
}

void stk_mel_stream_restart(stk_mel_stream *stream) {
    stream->pushed = stream->columns = 0;
    stream->last = 0;
    stream->ended = 0;
}

/* Column t is cut from samples [200 t - 400, 200 t + 400). */
static int64_t window_end(const stk_mel_stream *stream) {
    return stream->columns * HOP + PAD;
}

int stk_mel_stream_push(stk_mel_stream *stream, const float *samples, int count) {
    const int64_t room = window_end(stream) - stream->pushed;
    const int taken = stream->ended || room <= 0 ? 0 : room < count ? (int)room : count;
    for (int i = 0; i < taken; i++) {
        stream->held[stream->pushed++ % WINDOW] =
            (double)samples[i] - PREEMPHASIS * (double)stream->last;
        stream->last = samples[i];
    }
    return taken;
}

void stk_mel_stream_end(stk_mel_stream *stream) {
    stream->ended = 1;
}

int stk_mel_stream_pull(stk_mel_stream *stream, float column[STK_MEL_BINS]) {
    const int64_t end = window_end(stream);
    if (stream->ended ? stream->columns > stream->pushed / HOP : stream->pushed < end) return 0;
    front_end *front = stream->front;
    for (int i = 0; i < WINDOW; i++) {
        const int64_t at = end - WINDOW + i;
        const double sample = at >= 0 && at < stream->pushed ? stream->held[at % WINDOW] : 0;
        front->frame[i] = sample * front->hann[i];
    }
    transform(front, column, 1);
    stream->columns++;
    return 1;
}

/* --- windows ---------------------------------------------------------------------------------- */

/* Number of crops n = int((T - 16) / 80 * 25) + 2. */
static int crop_count(int columns) {
    int beyond = columns > STK_MEL_STEPS ? columns - STK_MEL_STEPS : 0;
    return (int)(beyond / (double)FPS_COLUMNS * STK_FPS) + 2;
}

int stk_mel_row_count(int columns) {
    return crop_count(columns) + 4;
}

void stk_mel_rows(const float *mel, int columns, int frames, float *rows) {
    int last = crop_count(columns) - 1;
    for (int i = 0; i < frames; i++) {
        int crop = stk_clampi(i - 2, 0, last);
        int start = crop * 16 / 5; /* floor(80 k / 25) */
        if (start > columns - STK_MEL_STEPS) start = columns - STK_MEL_STEPS;
        if (start < 0) start = 0;
        int there = columns - start < STK_MEL_STEPS ? columns - start : STK_MEL_STEPS;
        for (int k = 0; k < STK_MEL_BINS; k++) {
            const float *in = mel + (size_t)k * (size_t)columns + start;
            float *out = rows + ((size_t)i * STK_MEL_BINS + (size_t)k) * STK_MEL_STEPS;
            memcpy(out, in, (size_t)there * sizeof *out);
            for (int t = there; t < STK_MEL_STEPS; t++) out[t] = -4;
        }
    }
}
