/* sound.c - any sound track as float samples on the container's clock.
 *
 *   packets --decode--> frames (any format) --swresample--> chunk of floats --skip/pad--> caller
 *
 * libavcodec already removes encoder priming and what edit lists cut, and stamps the frames
 * accordingly, so the first frame's time stamp is where the sound begins. Resampling is a Kaiser
 * windowed sinc (64 taps at the lower rate), which keeps sample 0 at time 0. Files without pictures
 * start at their first sample: the offset that MP3 files carry means nothing there.
 */
#include "media/media.h"
#include "media/input.h"
#include "base/memory.h"

#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <math.h>
#include <string.h>

enum {
    CHANNELS_MAX = 2,
    MATRIX_CHANNELS = 64,
    SINC_TAPS = 64,
    KAISER_BETA = 9, /* about 90 dB of stop band */
    READ_STEP = 1 << 15,
    START_MAX_S = 1000000,
    RATE_MIN = 1000,
    RATE_MAX = 384000,
};
static const double GAP_MIN_S = 0.05, GAP_MAX_S = 30; /* holes in time stamps that become silence */

struct stk_sound_source {
    stk_decoder *decoder;
    SwrContext *resampler;
    AVChannelLayout layout; /* of the decoded frames */
    int format, input_rate; /* likewise */
    int rate, channels;
    double origin_s;    /* container time of the first decoded sample */
    int64_t fed;        /* input samples given to the resampler */
    int64_t silence;    /* output samples of silence still due first */
    int64_t skip;       /* output samples still to be thrown away */
    int pending, ended; /* a decoded frame waits; nothing more comes */
    float *chunk[CHANNELS_MAX];
    int capacity, have, at;
};

/* Row-major [out][in]: mono is the mean of all, mono to stereo a copy; else libswresample's own. */
static int set_mixing(stk_sound_source *source) {
    double matrix[2 * MATRIX_CHANNELS];
    int inputs = source->layout.nb_channels;
    if (inputs == source->channels || (source->channels == 2 && inputs > 2)) return 0;
    if (inputs > MATRIX_CHANNELS) return AVERROR(ENOSYS);
    for (int i = 0; i < source->channels * inputs; i++)
        matrix[i] = source->channels == 1 ? 1.0 / inputs : 1.0;
    return swr_set_matrix(source->resampler, matrix, inputs);
}

static stk_status open_resampler(stk_sound_source *source, int rate, int channels) {
    const AVFrame *frame = source->decoder->frame;
    int count = frame->ch_layout.nb_channels;
    source->input_rate = frame->sample_rate;
    source->format = frame->format;
    source->rate = rate > 0 ? rate : frame->sample_rate;
    source->channels = channels > 0 ? channels : count > 1 ? 2 : 1;
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&source->layout, count);
    else if (av_channel_layout_copy(&source->layout, &frame->ch_layout) < 0)
        return stk_fail_memory("channel layout");
    AVChannelLayout target;
    av_channel_layout_default(&target, source->channels);
    int error = swr_alloc_set_opts2(&source->resampler, &target, AV_SAMPLE_FMT_FLTP, source->rate,
                                    &source->layout, source->format, source->input_rate, 0, NULL);
    if (error >= 0) {
        av_opt_set_int(source->resampler, "filter_size", SINC_TAPS, 0);
        av_opt_set(source->resampler, "filter_type", "kaiser", 0);
        av_opt_set_double(source->resampler, "kaiser_beta", KAISER_BETA, 0);
        error = set_mixing(source);
    }
    if (error >= 0) error = swr_init(source->resampler);
    if (error < 0)
        return stk_media_fail(source->decoder->input.name, "its sound cannot be resampled", error);
    return STK_OK;
}

static stk_status begin(stk_sound_source *source, int rate, int channels, double start_s) {
    const stk_input *input = &source->decoder->input;
    int end;
    STK_TRY(stk_decoder_next(source->decoder, &end));
    if (end)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: has no sound: its sound track is empty or damaged; "
                        "give a file with a sound track",
                        input->name);
    STK_TRY(open_resampler(source, rate, channels));
    source->pending = 1;
    source->origin_s = source->decoder->time_s;
    int has_video = stk_input_stream(input, AVMEDIA_TYPE_VIDEO) >= 0;
    double lead_s = (has_video ? source->origin_s : 0) - start_s;
    int64_t lead = llround(lead_s * source->rate);
    source->silence = lead > 0 ? lead : 0;
    source->skip = lead < 0 ? -lead : 0;
    return STK_OK;
}

stk_status stk_sound_source_open(stk_sound_source **out, const char *path, int rate, int channels,
                                 double start_s) {
    *out = NULL;
    if (!(fabs(start_s) <= START_MAX_S))
        return stk_fail(STK_ERR_ARGUMENT, "a sound cannot start at %g s", start_s);
    if (rate != 0 && (rate < RATE_MIN || rate > RATE_MAX))
        return stk_fail(STK_ERR_ARGUMENT, "a sound rate of %d Hz is not possible", rate);
    stk_sound_source *source = stk_calloc_aligned(1, sizeof *source);
    if (source == NULL) return stk_fail_memory("sound");
    stk_status status = stk_decoder_open(&source->decoder, path, NULL, 0, AVMEDIA_TYPE_AUDIO, 1);
    if (status == STK_OK) status = begin(source, rate, channels, start_s);
    if (status != STK_OK) {
        stk_sound_source_close(&source);
        return status;
    }
    *out = source;
    return STK_OK;
}

void stk_sound_source_close(stk_sound_source **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_sound_source *source = *handle;
    swr_free(&source->resampler);
    av_channel_layout_uninit(&source->layout);
    stk_decoder_close(&source->decoder);
    for (int c = 0; c < CHANNELS_MAX; c++) stk_free(source->chunk[c]);
    stk_free(source);
    *handle = NULL;
}

int stk_sound_source_rate(const stk_sound_source *source) {
    return source->rate;
}
int stk_sound_source_channels(const stk_sound_source *source) {
    return source->channels;
}

static stk_status reserve(stk_sound_source *source, int samples) {
    if (samples <= source->capacity) return STK_OK;
    for (int c = 0; c < source->channels; c++) {
        stk_free(source->chunk[c]);
        source->chunk[c] = stk_calloc_aligned((size_t)samples, sizeof(float));
        if (source->chunk[c] == NULL) {
            source->capacity = 0;
            return stk_fail_memory("sound");
        }
    }
    source->capacity = samples;
    return STK_OK;
}

/* Resamples `count` input samples (data == NULL: flushes) into the chunk. */
static stk_status resample(stk_sound_source *source, const uint8_t **data, int count) {
    int bound = swr_get_out_samples(source->resampler, count);
    if (bound < 0) bound = 0;
    STK_TRY(reserve(source, bound + 256));
    uint8_t *planes[CHANNELS_MAX] = {(uint8_t *)source->chunk[0], (uint8_t *)source->chunk[1]};
    int made = swr_convert(source->resampler, planes, source->capacity, data, count);
    if (made < 0)
        return stk_media_fail(source->decoder->input.name, "its sound cannot be resampled", made);
    source->at = 0;
    source->have = made;
    return STK_OK;
}

static int same_format(const stk_sound_source *source, const AVFrame *frame) {
    return frame->format == source->format && frame->sample_rate == source->input_rate &&
           frame->ch_layout.nb_channels == source->layout.nb_channels;
}

/* Decodes and resamples one more frame; the chunk is empty before. */
static stk_status refill(stk_sound_source *source) {
    stk_decoder *decoder = source->decoder;
    int end = 0;
    if (!source->pending) STK_TRY(stk_decoder_next(decoder, &end));
    source->pending = 0;
    if (end) {
        source->ended = 1;
        return resample(source, NULL, 0);
    }
    const AVFrame *frame = decoder->frame;
    if (!same_format(source, frame))
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: its sound changes rate or channels at %.2f s; "
                        "convert it to one format first",
                        decoder->input.name, decoder->time_s);
    double gap_s = decoder->time_s - source->origin_s - (double)source->fed / source->input_rate;
    if (gap_s > GAP_MIN_S && gap_s < GAP_MAX_S) {
        int missing = (int)lround(gap_s * source->input_rate);
        int error = swr_inject_silence(source->resampler, missing);
        if (error < 0)
            return stk_media_fail(decoder->input.name, "its sound cannot be padded", error);
        source->fed += missing;
    }
    source->fed += frame->nb_samples;
    return resample(source, (const uint8_t **)frame->extended_data, frame->nb_samples);
}

stk_status stk_sound_source_read(stk_sound_source *source, float *const *planes, int count,
                                 int *got) {
    int done = 0;
    while (done < count) {
        int n = count - done;
        if (source->silence > 0) {
            if (n > source->silence) n = (int)source->silence;
            for (int c = 0; c < source->channels; c++)
                memset(planes[c] + done, 0, (size_t)n * sizeof(float));
            source->silence -= n;
            done += n;
            continue;
        }
        int left = source->have - source->at;
        if (left == 0) {
            if (source->ended) break;
            STK_TRY(refill(source));
            continue;
        }
        if (source->skip > 0) {
            int drop = left < source->skip ? left : (int)source->skip;
            source->at += drop;
            source->skip -= drop;
            continue;
        }
        if (n > left) n = left;
        for (int c = 0; c < source->channels; c++)
            memcpy(planes[c] + done, source->chunk[c] + source->at, (size_t)n * sizeof(float));
        source->at += n;
        done += n;
    }
    *got = done;
    return STK_OK;
}

/* --- whole sounds ----------------------------------------------------------------------------- */

static stk_status sound_reserve(stk_sound *sound, int64_t *capacity, int64_t wanted) {
    if (wanted <= *capacity) return STK_OK;
    int64_t larger = *capacity * 2 > wanted ? *capacity * 2 : wanted;
    float *samples = stk_calloc_aligned((size_t)larger, sizeof *samples);
    if (samples == NULL) return stk_fail_memory("sound");
    if (sound->count > 0) memcpy(samples, sound->samples, (size_t)sound->count * sizeof *samples);
    stk_free(sound->samples);
    sound->samples = samples;
    *capacity = larger;
    return STK_OK;
}

stk_status stk_sound_read(const char *path, int rate, double start_s, stk_sound *sound) {
    *sound = (stk_sound){.rate = rate};
    if (rate <= 0) return stk_fail(STK_ERR_ARGUMENT, "a sound rate of %d Hz is not possible", rate);
    stk_sound_source *source;
    STK_TRY(stk_sound_source_open(&source, path, rate, 1, start_s));
    int64_t capacity = 0;
    stk_status status = STK_OK;
    for (int got = READ_STEP; status == STK_OK && got == READ_STEP;) {
        status = sound_reserve(sound, &capacity, sound->count + READ_STEP);
        if (status != STK_OK) break;
        float *plane[1] = {sound->samples + sound->count};
        status = stk_sound_source_read(source, plane, READ_STEP, &got);
        if (status == STK_OK) sound->count += got;
    }
    stk_sound_source_close(&source);
    if (status == STK_OK && sound->count == 0)
        status = stk_fail(STK_ERR_CONTENT, "%s: its sound ends before %.2f s", path, start_s);
    if (status != STK_OK) stk_sound_clear(sound);
    return status;
}

stk_status stk_sound_length(const char *path, int rate, double start_s, int64_t *samples) {
    enum { PIECE = 4096 };
    float piece[PIECE], *plane[1] = {piece};
    stk_sound_source *source;
    *samples = 0;
    STK_TRY(stk_sound_source_open(&source, path, rate, 1, start_s));
    stk_status status = STK_OK;
    for (int got = PIECE; status == STK_OK && got == PIECE;) {
        status = stk_sound_source_read(source, plane, PIECE, &got);
        if (status == STK_OK) *samples += got;
    }
    stk_sound_source_close(&source);
    if (status == STK_OK && *samples == 0)
        status = stk_fail(STK_ERR_CONTENT, "%s: its sound ends before %.2f s", path, start_s);
    return status;
}

void stk_sound_clear(stk_sound *sound) {
    if (sound == NULL) return;
    stk_free(sound->samples);
    *sound = (stk_sound){0};
}

stk_status stk_sound_fit(stk_sound *sound, int64_t count) {
    if (sound->count < count) {
        float *longer = stk_calloc_aligned((size_t)count, sizeof *longer);
        if (longer == NULL) return stk_fail_memory("sound");
        if (sound->count > 0) memcpy(longer, sound->samples, (size_t)sound->count * sizeof *longer);
        stk_free(sound->samples);
        sound->samples = longer;
    }
    sound->count = count;
    return STK_OK;
}

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

stk_status stk_sound_write_wav(const char *path, const stk_sound *sound) {
    enum { HEADER = 44, CHUNK = 4096 };
    if (sound->count < 0 || sound->count > (int64_t)(UINT32_MAX - HEADER) / 2)
        return stk_fail(STK_ERR_ARGUMENT, "%s: the sound is too long for a WAV file", path);
    uint32_t bytes = (uint32_t)sound->count * 2;
    uint8_t header[HEADER] = "RIFF....WAVEfmt ....................data";
    put_u32(header + 4, bytes + HEADER - 8);
    put_u32(header + 16, 16);
    put_u32(header + 20, 1 | 1u << 16); /* PCM, one channel */
    put_u32(header + 24, (uint32_t)sound->rate);
    put_u32(header + 28, (uint32_t)sound->rate * 2);
    put_u32(header + 32, 2 | 16u << 16); /* bytes a sample, bits a sample */
    put_u32(header + 40, bytes);
    stk_outfile *file;
    STK_TRY(stk_outfile_create(&file, path));
    stk_status status = stk_outfile_write(file, header, HEADER);
    for (int64_t i = 0; status == STK_OK && i < sound->count; i += CHUNK) {
        uint8_t block[2 * CHUNK];
        int n = sound->count - i < CHUNK ? (int)(sound->count - i) : CHUNK;
        for (int k = 0; k < n; k++) {
            float value = sound->samples[i + k] * 32768.0f;
            value = value == value ? stk_clampf(value, -32768.0f, 32767.0f) : 0;
            uint16_t sample = (uint16_t)(int16_t)lrintf(value);
            block[2 * k] = (uint8_t)sample;
            block[2 * k + 1] = (uint8_t)(sample >> 8);
        }
        status = stk_outfile_write(file, block, (size_t)n * 2);
    }
    if (status == STK_OK) return stk_outfile_commit(&file);
    stk_outfile_discard(&file);
    return status;
}
