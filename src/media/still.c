/* still.c - PNG out, PNG and JPEG in, through libavcodec.
 *
 * libavcodec writes no text into a PNG: the chunk with the comment is set behind the header (IHDR)
 * of the finished picture.
 *
 * Pictures are read from a mapping, not by name: libavformat would take "%d" in a name for a
 * sequence. JPEG keeps its own full range and matrix.
 */
#include "media/writer.h"
#include "media/input.h"
#include "base/image.h"
#include "base/memory.h"

#include <libavutil/crc.h>
#include <string.h>

enum { DEFLATE_LEVEL = 4, PREDICT_UP = 2 };
enum { PNG_MAGIC = 8, PNG_CHUNK = 12, PNG_HEADER = PNG_MAGIC + PNG_CHUNK + 13 /* IHDR */ };

static stk_status png_open(stk_png_encoder *encoder, const char *path, const stk_image *image) {
    static const enum AVPixelFormat formats[5] = {
        AV_PIX_FMT_NONE, AV_PIX_FMT_GRAY8, AV_PIX_FMT_NONE, AV_PIX_FMT_RGB24, AV_PIX_FMT_RGBA};
    stk_media_quiet();
    if (image->channels != 1 && image->channels != 3 && image->channels != 4)
        return stk_fail(STK_ERR_ARGUMENT, "%s: a PNG of %d channels is not possible", path,
                        image->channels);
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
    if (codec == NULL) return stk_fail(STK_ERR_UNSUPPORTED, "this libavcodec cannot write PNG");
    encoder->codec = avcodec_alloc_context3(codec);
    encoder->frame = av_frame_alloc();
    encoder->packet = av_packet_alloc();
    if (encoder->codec == NULL || encoder->frame == NULL || encoder->packet == NULL)
        return stk_fail_memory("PNG encoder");
    AVCodecContext *context = encoder->codec;
    context->width = image->width;
    context->height = image->height;
    context->pix_fmt = formats[image->channels];
    context->time_base = (AVRational){1, STK_FPS};
    context->compression_level = DEFLATE_LEVEL;
    context->thread_count = 1;
    AVDictionary *options = NULL;
    av_dict_set_int(&options, "pred", PREDICT_UP, 0);
    int error = avcodec_open2(context, codec, &options);
    av_dict_free(&options);
    if (error < 0) return stk_media_fail(path, "the PNG cannot be encoded", error);
    encoder->frame->format = context->pix_fmt;
    encoder->frame->width = image->width;
    encoder->frame->height = image->height;
    return av_frame_get_buffer(encoder->frame, 0) < 0 ? stk_fail_memory("PNG encoder") : STK_OK;
}

void stk_png_encoder_clear(stk_png_encoder *encoder) {
    avcodec_free_context(&encoder->codec);
    av_frame_free(&encoder->frame);
    av_packet_free(&encoder->packet);
    stk_free(encoder->text);
    encoder->text = NULL;
}

static void put_be32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* length | "tEXt" | "Comment" NUL comment | CRC of name and content */
stk_status stk_png_encoder_comment(stk_png_encoder *encoder, const char *comment) {
    static const char start[] = "tEXtComment"; /* its NUL parts the keyword from the comment */
    const size_t named = sizeof start + strlen(comment);
    uint8_t *chunk = stk_calloc_aligned(1, 4 + named + 4);
    if (chunk == NULL) return stk_fail_memory("PNG comment");
    put_be32(chunk, (uint32_t)(named - 4));
    memcpy(chunk + 4, start, sizeof start);
    memcpy(chunk + 4 + sizeof start, comment, strlen(comment));
    uint32_t crc = ~av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), UINT32_MAX, chunk + 4, named);
    put_be32(chunk + 4 + named, crc);
    stk_free(encoder->text);
    encoder->text = chunk;
    encoder->text_bytes = 4 + named + 4;
    return STK_OK;
}

static stk_status write_png(const stk_png_encoder *encoder, const char *path) {
    const AVPacket *packet = encoder->packet;
    const size_t size = (size_t)packet->size, head = size < PNG_HEADER ? size : PNG_HEADER;
    stk_outfile *file;
    STK_TRY(stk_outfile_create(&file, path));
    stk_status status = stk_outfile_write(file, packet->data, head);
    if (status == STK_OK && encoder->text != NULL)
        status = stk_outfile_write(file, encoder->text, encoder->text_bytes);
    if (status == STK_OK) status = stk_outfile_write(file, packet->data + head, size - head);
    if (status == STK_OK) return stk_outfile_commit(&file);
    stk_outfile_discard(&file);
    return status;
}

stk_status stk_png_encode(stk_png_encoder *encoder, const char *path, const stk_image *image) {
    if (encoder->codec == NULL) STK_TRY(png_open(encoder, path, image));
    AVFrame *frame = encoder->frame;
    if (av_frame_make_writable(frame) < 0) return stk_fail_memory("PNG encoder");
    for (int y = 0; y < image->height; y++)
        memcpy(frame->data[0] + (ptrdiff_t)y * frame->linesize[0], stk_image_row(image, y),
               (size_t)image->width * (size_t)image->channels);
    frame->pts++;
    int error = avcodec_send_frame(encoder->codec, frame);
    if (error >= 0) error = avcodec_receive_packet(encoder->codec, encoder->packet);
    if (error < 0) return stk_media_fail(path, "the PNG cannot be encoded", error);
    stk_status status = write_png(encoder, path);
    av_packet_unref(encoder->packet);
    return status;
}

stk_status stk_png_write(const char *path, const stk_image *image) {
    stk_png_encoder encoder = {0};
    stk_status status = stk_png_encode(&encoder, path, image);
    stk_png_encoder_clear(&encoder);
    return status;
}

static stk_status damaged(const char *name) {
    return stk_fail(STK_ERR_FORMAT, "%s: is a damaged or cut-off picture; copy or make it again",
                    name);
}

/* 1 when the last chunk of a PNG is there. */
static int png_ends(const stk_map *map) {
    for (size_t at = PNG_MAGIC; map->size - at >= PNG_CHUNK;) {
        const uint8_t *p = map->data + at;
        const size_t length = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (memcmp(p + 4, "IEND", 4) == 0) return 1;
        if (length > map->size - at - PNG_CHUNK) return 0;
        at += PNG_CHUNK + length;
    }
    return 0;
}

/* libavcodec takes a PNG or JPEG without its end for whole when every pixel came out of it. */
static int is_whole(const stk_map *map) {
    if (map->size > PNG_MAGIC && memcmp(map->data, "\x89PNG\r\n\x1A\n", PNG_MAGIC) == 0)
        return png_ends(map);
    if (map->size > 2 && map->data[0] == 0xFF && map->data[1] == 0xD8)
        return stk_jpeg_is_whole(map->data, map->size);
    return 1;
}

/* A picture of which a part could not be decoded is none: libavcodec would fill in grey. */
static stk_status read_picture(stk_decoder *decoder, int channels, stk_image *image) {
    stk_converter converter = {0};
    int end;
    decoder->codec->err_recognition =
        AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
    STK_TRY(stk_decoder_next(decoder, &end));
    if (end || decoder->damaged > 0 || decoder->frame->decode_error_flags != 0 ||
        (decoder->frame->flags & AV_FRAME_FLAG_CORRUPT))
        return damaged(decoder->input.name);
    STK_TRY(stk_image_init(image, decoder->frame->width, decoder->frame->height, channels));
    stk_status status =
        stk_convert_from_frame(&converter, image, decoder->frame, decoder->input.name);
    stk_converter_clear(&converter);
    if (status != STK_OK) stk_image_clear(image);
    return status;
}

stk_status stk_picture_read(const char *path, int channels, stk_image *image) {
    *image = (stk_image){0};
    if (channels != 1 && channels != 3 && channels != 4)
        return stk_fail(STK_ERR_ARGUMENT, "%s: a picture of %d channels is not possible", path,
                        channels);
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    if (map.size == 0) {
        stk_map_close(&map);
        return stk_fail(STK_ERR_FORMAT, "%s: is empty", path);
    }
    stk_decoder *decoder = NULL;
    stk_status status = stk_decoder_open(&decoder, path, map.data, map.size, AVMEDIA_TYPE_VIDEO, 1);
    if (status == STK_OK && !is_whole(&map)) status = damaged(path);
    if (status == STK_OK) status = read_picture(decoder, channels, image);
    stk_decoder_close(&decoder);
    stk_map_close(&map);
    return status;
}
