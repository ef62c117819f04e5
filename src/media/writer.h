/* writer.h - private to media: the sound half of an MP4 being written, and PNG encoding.
 *
 * Sound is pulled from its file as the pictures come, so that both advance together and memory
 * stays constant. One thread per writer.
 */
#ifndef STK_MEDIA_WRITER_H
#define STK_MEDIA_WRITER_H

#include "media/media.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

typedef struct stk_writer_sound stk_writer_sound;

/* Adds an AAC stream to `format`, before its header is written. `name` (for errors) is kept. */
stk_status stk_writer_sound_open(stk_writer_sound **sound, AVFormatContext *format,
                                 const char *name, const stk_writer_options *options);
/* Encodes and muxes whole sound blocks as far as they fit before `seconds`. */
stk_status stk_writer_sound_until(stk_writer_sound *sound, double seconds);
/* The rest, cut or padded with silence to `seconds`. */
stk_status stk_writer_sound_finish(stk_writer_sound *sound, double seconds);
void stk_writer_sound_close(stk_writer_sound **sound);

/* Takes all packets that are ready out of the codec into the file (interleaved). */
stk_status stk_mux_packets(AVFormatContext *format, AVCodecContext *codec, AVStream *stream,
                           AVPacket *packet, const char *name);

/* PNG encoder kept for many pictures of one kind; NULL codec = not yet opened. */
typedef struct stk_png_encoder {
    AVCodecContext *codec;
    AVFrame *frame;
    AVPacket *packet;
    uint8_t *text; /* tEXt chunk that goes into every picture, NULL = none; owned */
    size_t text_bytes;
} stk_png_encoder;
/* Every picture encoded from now on carries the comment (Latin-1 or ASCII). */
stk_status stk_png_encoder_comment(stk_png_encoder *encoder, const char *comment);
stk_status stk_png_encode(stk_png_encoder *encoder, const char *path, const stk_image *image);
void stk_png_encoder_clear(stk_png_encoder *encoder);

#endif
