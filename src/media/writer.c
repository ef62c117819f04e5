/* writer.c - pictures to an MP4 (H.264, with sound), a Y4M stream, a folder of PNG files, or a film
 * with transparency (MOV, WebM).
 *
 *   RGB24 --swscale--> YUV420P BT.709 limited --x264--> MP4
 *                                             `-------> Y4M (file or stdout)
 *   RGB24, RGBA --zlib--> PNG
 *   RGBA --swscale--> YUVA 4:4:4 of 10 bits --ProRes 4444--> MOV
 *              `----> YUVA 4:2:0 --VP9 and VP9 of the alpha--> WebM
 *
 * MP4 and Y4M files are written under a temporary name and renamed when complete; the MP4's index
 * is moved to its front. Memory is constant; nothing is allocated per frame by us. One thread per
 * writer; x264 uses its own.
 */
#include "media/writer.h"
#include "media/input.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <libavutil/opt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CRF_MAX = 51, SIDE_MAX = 16384 };

struct stk_video_writer {
    stk_writer_options options;
    char path[STK_PATH_MAX], sound_path[STK_PATH_MAX], preset[32];
    int64_t frames;
    int64_t tick, end_tick; /* of the frame being written and after it, in the codec's time base */
    int created_folder;
    stk_outfile *file; /* MP4, Y4M; NULL for stdout and PNG */
    stk_converter converter;
    AVFrame *frame; /* YUV420P */
    AVFormatContext *format;
    AVStream *stream; /* view into format */
    AVCodecContext *codec;
    AVPacket *packet;
    stk_writer_sound *sound;
    stk_png_encoder png;
};

/* What a film is made with. */
typedef struct film_kind {
    const char *container, *codec, *refusal;
    enum AVPixelFormat pixels;
} film_kind;

static const film_kind *kind_of(stk_writer_format format) {
    static const film_kind mp4 = {"mp4", "libx264", "H.264 (libx264 is missing)",
                                  AV_PIX_FMT_YUV420P};
    static const film_kind prores = {"mov", "prores_ks", "ProRes (prores_ks is missing)",
                                     AV_PIX_FMT_YUVA444P10};
    static const film_kind vp9 = {"webm", "libvpx-vp9", "VP9 (libvpx is missing)",
                                  AV_PIX_FMT_YUVA420P};
    switch (format) {
    case STK_WRITER_PRORES:
        return &prores;
    case STK_WRITER_VP9:
        return &vp9;
    default:
        return &mp4;
    }
}

static int has_alpha(stk_writer_format format) {
    return format == STK_WRITER_PRORES || format == STK_WRITER_VP9;
}

static int is_film(stk_writer_format format) {
    return format == STK_WRITER_MP4 || has_alpha(format);
}

stk_status stk_mux_packets(AVFormatContext *format, AVCodecContext *codec, AVStream *stream,
                           AVPacket *packet, const char *name) {
    for (;;) {
        int error = avcodec_receive_packet(codec, packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return STK_OK;
        if (error < 0) return stk_media_fail(name, "encoding failed", error);
        packet->stream_index = stream->index;
        if (codec->codec_type == AVMEDIA_TYPE_VIDEO && packet->duration == 0)
            packet->duration = av_rescale_q(1, av_inv_q(codec->framerate), codec->time_base);
        av_packet_rescale_ts(packet, codec->time_base, stream->time_base);
        error = av_interleaved_write_frame(format, packet);
        if (error >= 0 && format->pb->error < 0) error = format->pb->error;
        if (error < 0) return stk_media_fail(name, "writing failed", error);
    }
}

static stk_status check_options(const char *path, const stk_writer_options *options) {
    if (options->width <= 0 || options->height <= 0 || options->width > SIDE_MAX ||
        options->height > SIDE_MAX)
        return stk_fail(STK_ERR_ARGUMENT, "%s: a video of %d x %d pixels is not possible", path,
                        options->width, options->height);
    if (is_film(options->format) && (options->width % 2 != 0 || options->height % 2 != 0))
        return stk_fail(STK_ERR_ARGUMENT, "%s: an MP4 needs even sides, not %d x %d", path,
                        options->width, options->height);
    if (options->fps <= 0 || options->fps_den < 0 || options->crf < 0 || options->crf > CRF_MAX ||
        options->gop < 0 || (options->timescale != 0 && options->timescale < options->fps))
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: %d frames a second, quality %d (0 to %d) or key frame "
                        "distance %d is not possible",
                        path, options->fps, options->crf, CRF_MAX, options->gop);
    if (strcmp(path, "-") == 0 && options->format != STK_WRITER_Y4M)
        return stk_fail(STK_ERR_ARGUMENT, "only Y4M can be written to the standard output");
    if (strlen(path) >= STK_PATH_MAX ||
        (options->sound_path != NULL && strlen(options->sound_path) >= STK_PATH_MAX))
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", path);
    return STK_OK;
}

static stk_status open_frame(stk_video_writer *writer) {
    AVFrame *frame = writer->frame = av_frame_alloc();
    if (frame == NULL) return stk_fail_memory("video writer");
    frame->format = kind_of(writer->options.format)->pixels;
    frame->width = writer->options.width;
    frame->height = writer->options.height;
    frame->color_range = AVCOL_RANGE_MPEG;
    frame->colorspace = AVCOL_SPC_BT709;
    frame->color_primaries = AVCOL_PRI_BT709;
    frame->color_trc = AVCOL_TRC_BT709;
    return av_frame_get_buffer(frame, 0) < 0 ? stk_fail_memory("video writer") : STK_OK;
}

static void set_encoder(AVCodecContext *codec, const stk_video_writer *writer) {
    const stk_writer_options *options = &writer->options;
    codec->width = options->width;
    codec->height = options->height;
    codec->pix_fmt = kind_of(options->format)->pixels;
    codec->time_base = options->timescale > 0 ? (AVRational){1, options->timescale}
                                              : (AVRational){options->fps_den, options->fps};
    codec->framerate = (AVRational){options->fps, options->fps_den};
    codec->color_range = AVCOL_RANGE_MPEG;
    codec->colorspace = AVCOL_SPC_BT709;
    codec->color_primaries = AVCOL_PRI_BT709;
    codec->color_trc = AVCOL_TRC_BT709;
    codec->thread_count = options->threads;
    codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (options->gop > 0) { /* a key frame exactly every gop frames: groups of equal size */
        codec->gop_size = codec->keyint_min = options->gop;
        av_opt_set_int(codec, "sc_threshold", 0, AV_OPT_SEARCH_CHILDREN);
    }
    if (options->format == STK_WRITER_PRORES) { /* its quality is the profile's */
        codec->profile = FF_PROFILE_PRORES_4444;
        return;
    }
    if (options->format == STK_WRITER_VP9) {
        av_opt_set(codec->priv_data, "deadline", "realtime", 0);
        av_opt_set_int(codec->priv_data, "cpu-used", 6, 0);
        av_opt_set_int(codec->priv_data, "row-mt", 1, 0);
        av_opt_set_int(codec->priv_data, "auto-alt-ref", 0, 0); /* alpha does not go with it */
        codec->bit_rate = 0;                                    /* by quality alone */
        av_opt_set_int(codec->priv_data, "crf", options->crf, 0);
        return;
    }
    av_opt_set(codec->priv_data, "preset", writer->preset, 0);
    if (options->crf == 0)
        av_opt_set_int(codec->priv_data, "qp", 0, 0); /* lossless in YUV */
    else
        av_opt_set_double(codec->priv_data, "crf", options->crf, 0);
}

static stk_status open_encoder(stk_video_writer *writer) {
    const film_kind *kind = kind_of(writer->options.format);
    const AVCodec *codec = avcodec_find_encoder_by_name(kind->codec);
    if (codec == NULL)
        return stk_fail(STK_ERR_UNSUPPORTED, "this libavcodec cannot write %s", kind->refusal);
    writer->codec = avcodec_alloc_context3(codec);
    writer->packet = av_packet_alloc();
    if (writer->codec == NULL || writer->packet == NULL) return stk_fail_memory("video writer");
    set_encoder(writer->codec, writer);
    int error = avcodec_open2(writer->codec, codec, NULL);
    if (error < 0)
        return stk_media_fail(writer->path,
                              "the encoder cannot be started (is the preset's name right?)", error);
    return STK_OK;
}

static stk_status open_film(stk_video_writer *writer) {
    const stk_writer_options *options = &writer->options;
    char url[STK_PATH_MAX + 64];
    snprintf(url, sizeof url, "file:%s", stk_outfile_temporary(writer->file));
    STK_TRY(open_encoder(writer));
    int error = avformat_alloc_output_context2(&writer->format, NULL,
                                               kind_of(options->format)->container, url);
    if (error < 0) return stk_media_fail(writer->path, "the film cannot be begun", error);
    writer->stream = avformat_new_stream(writer->format, NULL);
    if (writer->stream == NULL ||
        avcodec_parameters_from_context(writer->stream->codecpar, writer->codec) < 0)
        return stk_fail_memory("video writer");
    writer->stream->time_base = writer->codec->time_base;
    writer->stream->avg_frame_rate = writer->codec->framerate;
    if (options->sound_path != NULL)
        STK_TRY(stk_writer_sound_open(&writer->sound, writer->format, writer->path, options));
    if (options->comment != NULL)
        av_dict_set(&writer->format->metadata, "comment", options->comment, 0);
    error = avio_open(&writer->format->pb, url, AVIO_FLAG_WRITE);
    if (error < 0) return stk_media_fail(writer->path, "cannot be written", error);
    AVDictionary *muxer = NULL;
    if (options->format == STK_WRITER_VP9)
        av_dict_set(&writer->stream->metadata, "alpha_mode", "1", 0);
    else
        av_dict_set(&muxer, "movflags", "+faststart", 0);
    error = avformat_write_header(writer->format, &muxer);
    av_dict_free(&muxer);
    if (error < 0) return stk_media_fail(writer->path, "the film cannot be begun", error);
    return STK_OK;
}

static stk_status write_all(stk_video_writer *writer, const void *bytes, size_t size) {
    if (writer->file != NULL) return stk_outfile_write(writer->file, bytes, size);
    const uint8_t *cursor = bytes;
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, cursor, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return stk_fail(STK_ERR_IO, "standard output: writing failed: %s", strerror(errno));
        cursor += n;
        size -= (size_t)n;
    }
    return STK_OK;
}

/* Common readers take no header over 80 bytes: it has no room for the comment itself. */
static stk_status open_y4m(stk_video_writer *writer) {
    char header[128];
    int n = snprintf(
        header, sizeof header, "YUV4MPEG2 W%d H%d F%d:%d Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED%s\n",
        writer->options.width, writer->options.height, writer->options.fps, writer->options.fps_den,
        writer->options.comment != NULL ? " XSYNTHETIC=1" : "");
    return write_all(writer, header, (size_t)n);
}

static stk_status open_output(stk_video_writer *writer) {
    if (writer->options.format == STK_WRITER_PNG) {
        writer->created_folder = !stk_file_exists(writer->path);
        if (writer->options.comment != NULL)
            STK_TRY(stk_png_encoder_comment(&writer->png, writer->options.comment));
        return stk_directory_create(writer->path);
    }
    if (strcmp(writer->path, "-") != 0) STK_TRY(stk_outfile_create(&writer->file, writer->path));
    STK_TRY(open_frame(writer));
    return is_film(writer->options.format) ? open_film(writer) : open_y4m(writer);
}

static void release(stk_video_writer **handle) {
    stk_video_writer *writer = *handle;
    stk_writer_sound_close(&writer->sound);
    avcodec_free_context(&writer->codec);
    av_packet_free(&writer->packet);
    av_frame_free(&writer->frame);
    if (writer->format != NULL) {
        if (writer->format->pb != NULL) avio_closep(&writer->format->pb);
        avformat_free_context(writer->format);
    }
    stk_converter_clear(&writer->converter);
    stk_png_encoder_clear(&writer->png);
    stk_outfile_discard(&writer->file);
    stk_free(writer);
    *handle = NULL;
}

stk_status stk_video_writer_create(stk_video_writer **out, const char *path,
                                   const stk_writer_options *options) {
    *out = NULL;
    stk_media_quiet();
    STK_TRY(check_options(path, options));
    stk_video_writer *writer = stk_calloc_aligned(1, sizeof *writer);
    if (writer == NULL) return stk_fail_memory("video writer");
    writer->options = *options; /* with its strings kept here: the caller's may go */
    writer->options.channels = has_alpha(options->format) || options->channels == 4 ? 4 : 3;
    if (writer->options.fps_den == 0) writer->options.fps_den = 1;
    strcpy(writer->path, path);
    snprintf(writer->preset, sizeof writer->preset, "%s",
             options->preset != NULL ? options->preset : "veryfast");
    if (options->sound_path != NULL) {
        strcpy(writer->sound_path, options->sound_path);
        writer->options.sound_path = writer->sound_path;
    }
    stk_status status = open_output(writer);
    writer->options.preset = writer->preset;
    writer->options.comment = NULL; /* used up */
    if (status != STK_OK) {
        release(&writer);
        return status;
    }
    *out = writer;
    return STK_OK;
}

static stk_status write_y4m(stk_video_writer *writer) {
    const AVFrame *frame = writer->frame;
    STK_TRY(write_all(writer, "FRAME\n", 6));
    for (int plane = 0; plane < 3; plane++) {
        int shift = plane > 0;
        int width = (frame->width + shift) >> shift, height = (frame->height + shift) >> shift;
        for (int y = 0; y < height; y++)
            STK_TRY(write_all(writer, frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane],
                              (size_t)width));
    }
    return STK_OK;
}

/* When the last frame that was taken ends. */
static double end_s(const stk_video_writer *writer) {
    const AVRational base = writer->codec->time_base;
    return (double)writer->end_tick * base.num / base.den;
}

static stk_status write_film(stk_video_writer *writer) {
    writer->frame->pts = writer->tick;
    int error = avcodec_send_frame(writer->codec, writer->frame);
    if (error < 0) return stk_media_fail(writer->path, "encoding failed", error);
    STK_TRY(stk_mux_packets(writer->format, writer->codec, writer->stream, writer->packet,
                            writer->path));
    if (writer->sound == NULL) return STK_OK;
    return stk_writer_sound_until(writer->sound, end_s(writer));
}

static stk_status png_path(const stk_video_writer *writer, int64_t index, char *path, size_t size) {
    char name[32];
    snprintf(name, sizeof name, "%06lld.png", (long long)index);
    return stk_path_join(path, size, writer->path, name);
}

static stk_status write_picture(stk_video_writer *writer, const stk_image *rgb) {
    if (writer->options.format == STK_WRITER_PNG) {
        char path[STK_PATH_MAX];
        STK_TRY(png_path(writer, writer->frames, path, sizeof path));
        return stk_png_encode(&writer->png, path, rgb);
    }
    if (av_frame_make_writable(writer->frame) < 0) return stk_fail_memory("video writer");
    STK_TRY(stk_convert_to_frame(&writer->converter, writer->frame, rgb, writer->path));
    return is_film(writer->options.format) ? write_film(writer) : write_y4m(writer);
}

static stk_status take_frame(stk_video_writer *writer, const stk_image *rgb, int64_t tick,
                             int64_t ticks) {
    const int channels = writer->options.channels;
    if (rgb->width != writer->options.width || rgb->height != writer->options.height ||
        rgb->channels != channels)
        return stk_fail(STK_ERR_ARGUMENT,
                        "%s: a picture of %d x %d x %d was given to a video of "
                        "%d x %d x %d",
                        writer->path, rgb->width, rgb->height, rgb->channels, writer->options.width,
                        writer->options.height, channels);
    writer->tick = tick;
    writer->end_tick = tick + ticks;
    STK_TRY(write_picture(writer, rgb));
    writer->frames++;
    return STK_OK;
}

stk_status stk_video_writer_frame(stk_video_writer *writer, const stk_image *rgb) {
    const stk_writer_options *options = &writer->options;
    if (options->timescale == 0) return take_frame(writer, rgb, writer->frames, 1);
    return stk_video_writer_frame_at(writer, rgb,
                                     (double)writer->frames * options->fps_den / options->fps);
}

stk_status stk_video_writer_frame_at(stk_video_writer *writer, const stk_image *rgb,
                                     double time_s) {
    const stk_writer_options *options = &writer->options;
    const int64_t tick = llround(time_s * options->timescale);
    if (options->timescale == 0 || tick < 0 || (writer->frames > 0 && tick <= writer->tick))
        return stk_fail(STK_ERR_ARGUMENT, "%s: frame %lld cannot be shown at %.6f s", writer->path,
                        (long long)writer->frames, time_s);
    return take_frame(writer, rgb, tick,
                      (int64_t)options->timescale * options->fps_den / options->fps);
}

static stk_status finish_film(stk_video_writer *writer) {
    int error = avcodec_send_frame(writer->codec, NULL);
    if (error < 0 && error != AVERROR_EOF)
        return stk_media_fail(writer->path, "encoding failed", error);
    STK_TRY(stk_mux_packets(writer->format, writer->codec, writer->stream, writer->packet,
                            writer->path));
    if (writer->sound != NULL) STK_TRY(stk_writer_sound_finish(writer->sound, end_s(writer)));
    error = av_write_trailer(writer->format);
    if (error >= 0 && writer->format->pb->error < 0) error = writer->format->pb->error;
    int closing = avio_closep(&writer->format->pb);
    if (error >= 0) error = closing;
    if (error < 0) return stk_media_fail(writer->path, "writing failed", error);
    return STK_OK;
}

/* Pictures of a longer film, written there before, would be taken for the end of this one. */
static void warn_of_others(const stk_video_writer *writer) {
    char path[STK_PATH_MAX];
    if (png_path(writer, writer->frames, path, sizeof path) == STK_OK && stk_file_exists(path))
        stk_log(STK_LOG_WARN, "%s: this and what follows it is of another film; here are %lld",
                path, (long long)writer->frames);
}

stk_status stk_video_writer_finish(stk_video_writer **handle) {
    stk_video_writer *writer = *handle;
    stk_status status = STK_OK;
    if (writer->frames == 0)
        status = stk_fail(STK_ERR_ARGUMENT, "%s: a video without pictures cannot be written",
                          writer->path);
    else if (is_film(writer->options.format))
        status = finish_film(writer);
    else if (writer->options.format == STK_WRITER_PNG)
        warn_of_others(writer);
    if (status == STK_OK && writer->file != NULL) status = stk_outfile_commit(&writer->file);
    release(handle);
    return status;
}

static void remove_pictures(const stk_video_writer *writer) {
    char path[STK_PATH_MAX];
    for (int64_t i = 0; i < writer->frames; i++)
        if (png_path(writer, i, path, sizeof path) == STK_OK) unlink(path);
    if (writer->created_folder) rmdir(writer->path);
}

void stk_video_writer_discard(stk_video_writer **handle, int keep) {
    if (handle == NULL || *handle == NULL) return;
    stk_video_writer *writer = *handle;
    if (keep && writer->frames > 0) {
        (void)stk_video_writer_finish(handle); /* its failure leaves no file, as discarding does */
        return;
    }
    if (writer->options.format == STK_WRITER_PNG) remove_pictures(writer);
    release(handle);
}
