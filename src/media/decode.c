/* decode.c - one stream of a container as decoded frames in display order.
 *
 * Damage: a packet that the codec refuses is skipped and counted; a read error, or a file that ends
 * well before its declared number of frames, ends the stream with one warning. The first frame is
 * special: if not even one can be decoded, that is the caller's error to name.
 */
#include "media/input.h"
#include "base/log.h"
#include "base/memory.h"

#include <libavutil/pixdesc.h>
#include <math.h>

static stk_status no_stream(const char *name, enum AVMediaType type) {
    if (type == AVMEDIA_TYPE_VIDEO)
        return stk_fail(STK_ERR_CONTENT, "%s: has no pictures; give a video file", name);
    return stk_fail(STK_ERR_CONTENT, "%s: has no sound; give a file with a sound track", name);
}

static stk_status open_codec(stk_decoder *decoder, int threads) {
    const char *name = decoder->input.name;
    const AVCodecParameters *parameters = decoder->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
    if (codec == NULL)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: its codec '%s' cannot be decoded here; convert the "
                        "file to H.264 and AAC first",
                        name, avcodec_get_name(parameters->codec_id));
    decoder->codec = avcodec_alloc_context3(codec);
    decoder->packet = av_packet_alloc();
    decoder->frame = av_frame_alloc();
    if (decoder->codec == NULL || decoder->packet == NULL || decoder->frame == NULL)
        return stk_fail_memory("decoder");
    int error = avcodec_parameters_to_context(decoder->codec, parameters);
    if (error < 0) return stk_media_fail(name, "its stream header cannot be used", error);
    decoder->codec->pkt_timebase = decoder->stream->time_base;
    decoder->codec->thread_count = threads;
    error = avcodec_open2(decoder->codec, codec, NULL);
    if (error < 0) return stk_media_fail(name, "its decoder cannot be started", error);
    return STK_OK;
}

static double nominal_step_s(const stk_decoder *decoder) {
    AVRational rate = decoder->stream->avg_frame_rate;
    return rate.num > 0 && rate.den > 0 ? av_q2d(av_inv_q(rate)) : 1.0 / STK_FPS;
}

stk_status stk_decoder_open(stk_decoder **out, const char *path, const void *data, size_t size,
                            enum AVMediaType type, int threads) {
    *out = NULL;
    stk_decoder *decoder = stk_calloc_aligned(1, sizeof *decoder);
    if (decoder == NULL) return stk_fail_memory("decoder");
    stk_status status = stk_input_open(&decoder->input, path, data, size);
    if (status != STK_OK) goto fail;
    AVFormatContext *format = decoder->input.format;
    int index = stk_input_stream(&decoder->input, type);
    if (index < 0) {
        status = no_stream(decoder->input.name, type);
        goto fail;
    }
    for (unsigned i = 0; i < format->nb_streams; i++)
        if ((int)i != index) format->streams[i]->discard = AVDISCARD_ALL;
    decoder->stream = format->streams[index];
    decoder->step_s = nominal_step_s(decoder);
    decoder->previous_s = NAN;
    status = open_codec(decoder, threads);
    if (status != STK_OK) goto fail;
    *out = decoder;
    return STK_OK;
fail:
    stk_decoder_close(&decoder);
    return status;
}

void stk_decoder_close(stk_decoder **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_decoder *decoder = *handle;
    avcodec_free_context(&decoder->codec);
    av_packet_free(&decoder->packet);
    av_frame_free(&decoder->frame);
    stk_input_close(&decoder->input);
    stk_free(decoder);
    *handle = NULL;
}

/* The tail is missing when the file ended on an error or far (2 %, 3 frames) before what it
 * declares. */
static void warn_if_short(stk_decoder *decoder) {
    int64_t declared = decoder->stream->nb_frames;
    int video = decoder->codec->codec_type == AVMEDIA_TYPE_VIDEO;
    int missing = video && declared > 0 && decoder->decoded + 3 + declared / 50 < declared;
    if (decoder->cut_short || missing)
        stk_log(STK_LOG_WARN,
                "%s: the end of the file is damaged or missing; used what could be "
                "decoded: %lld %s",
                decoder->input.name, (long long)decoder->decoded,
                video ? "pictures" : "blocks of sound");
    else if (decoder->damaged > 0)
        stk_log(STK_LOG_WARN,
                "%s: %lld damaged %s left out; if picture or sound stumble there, copy or make the "
                "file "
                "again",
                decoder->input.name, (long long)decoder->damaged,
                decoder->damaged == 1 ? "piece was" : "pieces were");
}

/* Feeds the codec one packet, or the end of the stream. */
static stk_status feed(stk_decoder *decoder) {
    while (!decoder->holds_packet && !decoder->draining) {
        int error = av_read_frame(decoder->input.format, decoder->packet);
        if (error < 0) {
            decoder->cut_short = error != AVERROR_EOF;
            decoder->draining = 1;
            error = avcodec_send_packet(decoder->codec, NULL);
            if (error == AVERROR(ENOMEM)) return stk_fail_memory("decoder");
            return STK_OK;
        }
        decoder->holds_packet = decoder->packet->stream_index == decoder->stream->index;
        if (!decoder->holds_packet) av_packet_unref(decoder->packet);
    }
    if (!decoder->holds_packet) return STK_OK;
    int error = avcodec_send_packet(decoder->codec, decoder->packet);
    if (error == AVERROR(EAGAIN)) return STK_OK; /* the codec wants its frames taken first */
    av_packet_unref(decoder->packet);
    decoder->holds_packet = 0;
    if (error == AVERROR(ENOMEM)) return stk_fail_memory("decoder");
    if (error < 0) decoder->damaged++;
    return STK_OK;
}

static void stamp(stk_decoder *decoder) {
    int64_t pts = decoder->frame->best_effort_timestamp;
    double first = isnan(decoder->previous_s) ? 0 : decoder->previous_s + decoder->step_s;
    decoder->time_s =
        pts == AV_NOPTS_VALUE ? first : (double)pts * av_q2d(decoder->stream->time_base);
    decoder->previous_s = decoder->time_s;
    decoder->decoded++;
}

stk_status stk_decoder_next(stk_decoder *decoder, int *end) {
    *end = 0;
    for (;;) {
        int error = avcodec_receive_frame(decoder->codec, decoder->frame);
        if (error >= 0) {
            stamp(decoder);
            return STK_OK;
        }
        if (error == AVERROR(ENOMEM)) return stk_fail_memory("decoder");
        if (error == AVERROR_EOF) {
            warn_if_short(decoder);
            *end = 1;
            return STK_OK;
        }
        if (error != AVERROR(EAGAIN)) decoder->damaged++;
        if (error != AVERROR(EAGAIN) && decoder->draining) continue;
        STK_TRY(feed(decoder));
    }
}

stk_status stk_decoder_seek(stk_decoder *decoder, int64_t pts) {
    int error =
        av_seek_frame(decoder->input.format, decoder->stream->index, pts, AVSEEK_FLAG_BACKWARD);
    if (error < 0) return stk_media_fail(decoder->input.name, "cannot be searched", error);
    avcodec_flush_buffers(decoder->codec);
    av_packet_unref(decoder->packet);
    decoder->holds_packet = decoder->draining = 0;
    decoder->previous_s = NAN;
    return STK_OK;
}
