/* input.h - private to media: opening containers, decoding one stream of them, pixel conversion.
 *
 *   path or bytes --stk_input--> demuxed packets --stk_decoder--> AVFrames in display order
 *   AVFrame (any YUV, any range) <--stk_converter--> RGB24 full range
 *
 * Everything here is owned by one thread; the decoder may start threads of its own inside
 * libavcodec.
 */
#ifndef STK_MEDIA_INPUT_H
#define STK_MEDIA_INPUT_H

#include "base/file.h"
#include "base/status.h"
#include "base/types.h"
#include "media/hdr.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>

typedef struct stk_bytes {
    const uint8_t *data;
    size_t size, position;
} stk_bytes;

typedef struct stk_input {
    AVFormatContext *format;
    AVIOContext *io; /* ours when reading from memory, else NULL */
    stk_bytes bytes;
    char name[STK_PATH_MAX]; /* for error sentences */
} stk_input;

/* Sends libav's own messages to stk_log at debug level; idempotent, thread-safe. */
void stk_media_quiet(void);
/* "<name>: <what>: <reason>" with the code that fits the libav error (disk full, no file ...). */
stk_status stk_media_fail(const char *name, const char *what, int averror);

/* Opens a file, or `size` bytes at `data` when data != NULL (kept by the caller; `path` is then
 * only a name), and reads stream information. On failure nothing is left open. */
stk_status stk_input_open(stk_input *input, const char *path, const void *data, size_t size);
void stk_input_close(stk_input *input);
/* Index of the best stream of a kind (cover pictures do not count as video); -1 if none. */
int stk_input_stream(const stk_input *input, enum AVMediaType type);
/* Clockwise quarter turns needed to show the stream: 0, 90, 180 or 270. */
int stk_stream_rotation_deg(const AVStream *stream);

typedef struct stk_decoder {
    stk_input input;
    AVCodecContext *codec;
    AVStream *stream; /* view into input */
    AVPacket *packet;
    AVFrame *frame;    /* the current frame; reused */
    double time_s;     /* its time stamp on the container's clock */
    double step_s;     /* nominal frame duration, for missing time stamps */
    double previous_s; /* NAN before the first frame */
    int64_t decoded;   /* frames given out since opening */
    int64_t damaged;   /* packets that could not be decoded */
    int draining, holds_packet, cut_short;
} stk_decoder;

/* threads: 0 = one per core (frame threads), 1 = none. Fails with STK_ERR_CONTENT if there is no
 * stream of this kind. Close takes NULL and half-built objects. */
stk_status stk_decoder_open(stk_decoder **decoder, const char *path, const void *data, size_t size,
                            enum AVMediaType type, int threads);
void stk_decoder_close(stk_decoder **decoder);
/* Next frame into decoder->frame and ->time_s; *end = 1 after the last. Damaged packets are
 * skipped; an unreadable tail ends the stream with one warning in the log. */
stk_status stk_decoder_next(stk_decoder *decoder, int *end);
/* Jumps to the key frame at or before `pts` (stream time base). */
stk_status stk_decoder_seek(stk_decoder *decoder, int64_t pts);

typedef struct stk_converter {
    struct SwsContext *scale;
    int width, height, format, matrix, range; /* what `scale` was made for */
    int transfer;                             /* and what `hdr` */
    stk_hdr *hdr;                             /* NULL: none of it */
} stk_converter;

void stk_converter_clear(stk_converter *converter);
/* The frame as RGB24, RGBA or grey (target->channels), not turned; target has the size. */
stk_status stk_convert_from_frame(stk_converter *converter, stk_image *target, const AVFrame *frame,
                                  const char *name);
/* RGB24 to limited-range BT.709 YUV420P; frame has the picture's size and buffers. */
stk_status stk_convert_to_frame(stk_converter *converter, AVFrame *frame, const stk_image *source,
                                const char *name);
/* target = source turned clockwise by 90, 180 or 270 degrees; target has the turned size. */
void stk_image_turn(stk_image *target, const stk_image *source, int degrees);

/* 1 when a JPEG (its first two bytes were looked at) has its end, and where its kind can be
 * followed, every code of its pixels. */
int stk_jpeg_is_whole(const uint8_t *bytes, size_t size);

#endif
