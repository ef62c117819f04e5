/* probe.c - what a file holds, without decoding it. */
#include "media/media.h"
#include "media/input.h"

#include <libavutil/pixdesc.h>
#include <stdio.h>

static double start_s(const AVStream *stream) {
    return stream->start_time == AV_NOPTS_VALUE
               ? 0
               : (double)stream->start_time * av_q2d(stream->time_base);
}

static void describe_video(stk_media_info *info, const AVFormatContext *format,
                           const AVStream *stream) {
    const AVCodecParameters *parameters = stream->codecpar;
    info->has_video = 1;
    info->rotation_deg = stk_stream_rotation_deg(stream);
    int sideways = info->rotation_deg % 180 != 0;
    info->width = sideways ? parameters->height : parameters->width;
    info->height = sideways ? parameters->width : parameters->height;
    AVRational rate =
        stream->avg_frame_rate.num > 0 ? stream->avg_frame_rate : stream->r_frame_rate;
    info->fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    if (stream->duration != AV_NOPTS_VALUE)
        info->duration_s = (double)stream->duration * av_q2d(stream->time_base);
    else if (format->duration != AV_NOPTS_VALUE)
        info->duration_s = (double)format->duration / AV_TIME_BASE;
    info->video_start_s = start_s(stream);
    info->frames_estimate =
        stream->nb_frames > 0 ? stream->nb_frames : (int64_t)(info->duration_s * info->fps + 0.5);
    snprintf(info->video_codec, sizeof info->video_codec, "%s",
             avcodec_get_name(parameters->codec_id));
    const char *pixel = av_get_pix_fmt_name(parameters->format);
    snprintf(info->pixel_format, sizeof info->pixel_format, "%s",
             pixel != NULL ? pixel : "unknown");
}

static void describe_audio(stk_media_info *info, const AVStream *stream) {
    const AVCodecParameters *parameters = stream->codecpar;
    info->has_audio = 1;
    info->audio_rate = parameters->sample_rate;
    info->audio_channels = parameters->ch_layout.nb_channels;
    info->audio_start_s = start_s(stream);
    snprintf(info->audio_codec, sizeof info->audio_codec, "%s",
             avcodec_get_name(parameters->codec_id));
}

stk_status stk_media_probe(const char *path, stk_media_info *info) {
    *info = (stk_media_info){0};
    stk_input input;
    STK_TRY(stk_input_open(&input, path, NULL, 0));
    const AVFormatContext *format = input.format;
    int video = stk_input_stream(&input, AVMEDIA_TYPE_VIDEO);
    int audio = stk_input_stream(&input, AVMEDIA_TYPE_AUDIO);
    snprintf(info->container, sizeof info->container, "%s", format->iformat->name);
    if (video >= 0) describe_video(info, format, format->streams[video]);
    if (audio >= 0) describe_audio(info, format->streams[audio]);
    if (info->duration_s <= 0 && format->duration != AV_NOPTS_VALUE)
        info->duration_s = (double)format->duration / AV_TIME_BASE;
    const AVDictionaryEntry *comment = av_dict_get(format->metadata, "comment", NULL, 0);
    if (comment != NULL) snprintf(info->comment, sizeof info->comment, "%s", comment->value);
    stk_input_close(&input);
    if (!info->has_video && !info->has_audio)
        return stk_fail(STK_ERR_FORMAT, "%s: holds neither pictures nor sound", path);
    return STK_OK;
}
