/* writer_sound.c - the sound track of an MP4 under way: file --> float planes --> AAC --> mux.
 *
 * The track ends with the pictures to the sample: what the sound file lacks is silence, what it has
 * too much is left out. AAC at 160 kbit/s for stereo, half of that for mono.
 */
#include "media/writer.h"
#include "media/input.h"
#include "base/attr.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { STEREO_BITS = 160000, RATE_DEFAULT = 48000 };

struct stk_writer_sound {
    stk_sound_source *source;
    AVFormatContext *format; /* view */
    AVStream *stream;        /* view */
    AVCodecContext *codec;
    AVFrame *frame;
    AVPacket *packet;
    const char *name;
    int64_t sent; /* samples given to the encoder */
};

/* AAC knows these rates only; anything else becomes 48 kHz. */
static int aac_rate(int rate) {
    static const int known[] = {96000, 88200, 64000, 48000, 44100, 32000,
                                24000, 22050, 16000, 12000, 11025, 8000};
    for (size_t i = 0; i < STK_ARRAY_SIZE(known); i++)
        if (known[i] == rate) return rate;
    return RATE_DEFAULT;
}

static stk_status open_source(stk_writer_sound *sound, const stk_writer_options *options) {
    STK_TRY(
        stk_sound_source_open(&sound->source, options->sound_path, 0, 0, options->sound_start_s));
    int rate = stk_sound_source_rate(sound->source);
    if (aac_rate(rate) == rate) return STK_OK;
    stk_sound_source_close(&sound->source);
    return stk_sound_source_open(&sound->source, options->sound_path, RATE_DEFAULT, 0,
                                 options->sound_start_s);
}

static stk_status open_codec(stk_writer_sound *sound) {
    const int webm = strcmp(sound->format->oformat->name, "webm") == 0;
    const AVCodec *codec =
        webm ? avcodec_find_encoder_by_name("libvorbis") : avcodec_find_encoder(AV_CODEC_ID_AAC);
    if (codec == NULL)
        return stk_fail(STK_ERR_UNSUPPORTED, "this libavcodec cannot write %s sound",
                        webm ? "Vorbis" : "AAC");
    sound->codec = avcodec_alloc_context3(codec);
    sound->frame = av_frame_alloc();
    sound->packet = av_packet_alloc();
    if (sound->codec == NULL || sound->frame == NULL || sound->packet == NULL)
        return stk_fail_memory("sound encoder");
    AVCodecContext *context = sound->codec;
    int channels = stk_sound_source_channels(sound->source);
    context->sample_fmt = AV_SAMPLE_FMT_FLTP;
    context->sample_rate = stk_sound_source_rate(sound->source);
    context->bit_rate = channels == 2 ? STEREO_BITS : STEREO_BITS / 2;
    context->time_base = (AVRational){1, context->sample_rate};
    av_channel_layout_default(&context->ch_layout, channels);
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    context->thread_count = 1;
    int error = avcodec_open2(context, codec, NULL);
    if (error < 0) return stk_media_fail(sound->name, "the sound encoder cannot be started", error);
    sound->frame->format = context->sample_fmt;
    sound->frame->sample_rate = context->sample_rate;
    sound->frame->nb_samples = context->frame_size;
    if (av_channel_layout_copy(&sound->frame->ch_layout, &context->ch_layout) < 0 ||
        av_frame_get_buffer(sound->frame, 0) < 0)
        return stk_fail_memory("sound encoder");
    return STK_OK;
}

stk_status stk_writer_sound_open(stk_writer_sound **out, AVFormatContext *format, const char *name,
                                 const stk_writer_options *options) {
    *out = NULL;
    stk_writer_sound *sound = stk_calloc_aligned(1, sizeof *sound);
    if (sound == NULL) return stk_fail_memory("sound writer");
    sound->format = format;
    sound->name = name;
    stk_status status = open_source(sound, options);
    if (status == STK_OK) status = open_codec(sound);
    if (status == STK_OK) {
        sound->stream = avformat_new_stream(format, NULL);
        if (sound->stream == NULL ||
            avcodec_parameters_from_context(sound->stream->codecpar, sound->codec) < 0)
            status = stk_fail_memory("sound writer");
    }
    if (status != STK_OK) {
        stk_writer_sound_close(&sound);
        return status;
    }
    sound->stream->time_base = sound->codec->time_base;
    *out = sound;
    return STK_OK;
}

void stk_writer_sound_close(stk_writer_sound **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_writer_sound *sound = *handle;
    stk_sound_source_close(&sound->source);
    avcodec_free_context(&sound->codec);
    av_frame_free(&sound->frame);
    av_packet_free(&sound->packet);
    stk_free(sound);
    *handle = NULL;
}

static stk_status send_block(stk_writer_sound *sound, int count) {
    AVFrame *frame = sound->frame;
    frame->nb_samples = sound->codec->frame_size; /* so that a replaced buffer is full size */
    if (av_frame_make_writable(frame) < 0) return stk_fail_memory("sound encoder");
    float *planes[2] = {(float *)(void *)frame->data[0], (float *)(void *)frame->data[1]};
    int got;
    STK_TRY(stk_sound_source_read(sound->source, planes, count, &got));
    for (int c = 0; c < frame->ch_layout.nb_channels; c++)
        memset(planes[c] + got, 0, (size_t)(count - got) * sizeof(float));
    frame->nb_samples = count;
    frame->pts = sound->sent;
    sound->sent += count;
    int error = avcodec_send_frame(sound->codec, frame);
    if (error < 0) return stk_media_fail(sound->name, "the sound cannot be encoded", error);
    return stk_mux_packets(sound->format, sound->codec, sound->stream, sound->packet, sound->name);
}

stk_status stk_writer_sound_until(stk_writer_sound *sound, double seconds) {
    int64_t limit = llround(seconds * sound->codec->sample_rate);
    while (sound->sent + sound->codec->frame_size <= limit)
        STK_TRY(send_block(sound, sound->codec->frame_size));
    return STK_OK;
}

stk_status stk_writer_sound_finish(stk_writer_sound *sound, double seconds) {
    STK_TRY(stk_writer_sound_until(sound, seconds));
    int rest = (int)(llround(seconds * sound->codec->sample_rate) - sound->sent);
    if (rest > 0) STK_TRY(send_block(sound, rest));
    int error = avcodec_send_frame(sound->codec, NULL);
    if (error < 0 && error != AVERROR_EOF)
        return stk_media_fail(sound->name, "the sound cannot be encoded", error);
    return stk_mux_packets(sound->format, sound->codec, sound->stream, sound->packet, sound->name);
}
