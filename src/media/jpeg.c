/* jpeg.c - JPEG out, and the size of a PNG or JPEG without decoding it.
 *
 *   RGB -> full-range BT.601 YCbCr without chroma subsampling -> baseline JPEG, quantiser 1
 *
 * Quantiser 1 of libavcodec's encoder is about quality 97 of libjpeg's scale.
 */
#include "media/media.h"
#include "media/input.h"
#include "base/memory.h"

#include <string.h>

enum {
    SCALE_FLAGS = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP,
    ONE = 1 << 16, /* swscale's unit of contrast and saturation */
};

typedef struct encoder {
    AVCodecContext *codec;
    AVFrame *frame;
    AVPacket *packet;
    struct SwsContext *scale;
} encoder;

static stk_status encoder_open(encoder *e, const char *path, const stk_image *image,
                               int quantiser) {
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    if (codec == NULL) return stk_fail(STK_ERR_UNSUPPORTED, "this libavcodec cannot write JPEG");
    e->codec = avcodec_alloc_context3(codec);
    e->frame = av_frame_alloc();
    e->packet = av_packet_alloc();
    e->scale = sws_getContext(image->width, image->height, AV_PIX_FMT_RGB24, image->width,
                              image->height, AV_PIX_FMT_YUVJ444P, SCALE_FLAGS, NULL, NULL, NULL);
    if (e->codec == NULL || e->frame == NULL || e->packet == NULL || e->scale == NULL)
        return stk_fail_memory("JPEG encoder");
    const int *matrix = sws_getCoefficients(SWS_CS_ITU601);
    sws_setColorspaceDetails(e->scale, matrix, 1, matrix, 1, 0, ONE, ONE);
    e->codec->width = e->frame->width = image->width;
    e->codec->height = e->frame->height = image->height;
    e->codec->pix_fmt = AV_PIX_FMT_YUVJ444P;
    e->frame->format = AV_PIX_FMT_YUVJ444P;
    e->codec->color_range = e->frame->color_range = AVCOL_RANGE_JPEG;
    e->codec->sample_aspect_ratio = (AVRational){1, 1}; /* makes it a JFIF file */
    e->codec->time_base = (AVRational){1, STK_FPS};
    e->codec->thread_count = 1;
    e->codec->qmin = e->codec->qmax = quantiser;
    e->codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
    e->codec->global_quality = e->frame->quality = quantiser * FF_QP2LAMBDA;
    int error = avcodec_open2(e->codec, codec, NULL);
    if (error < 0) return stk_media_fail(path, "the JPEG cannot be encoded", error);
    return av_frame_get_buffer(e->frame, 0) < 0 ? stk_fail_memory("JPEG encoder") : STK_OK;
}

static stk_status encode(encoder *e, const char *path, const stk_image *image) {
    const uint8_t *planes[4] = {image->data};
    int strides[4] = {(int)image->stride};
    int error =
        sws_scale(e->scale, planes, strides, 0, image->height, e->frame->data, e->frame->linesize);
    e->frame->pts = 0;
    if (error >= 0) error = avcodec_send_frame(e->codec, e->frame);
    if (error >= 0) error = avcodec_receive_packet(e->codec, e->packet);
    return error < 0 ? stk_media_fail(path, "the JPEG cannot be encoded", error) : STK_OK;
}

static stk_status make(encoder *e, const char *path, const stk_image *rgb, int quantiser) {
    stk_media_quiet();
    if (rgb->channels != 3)
        return stk_fail(STK_ERR_ARGUMENT, "%s: a JPEG of %d channels is not possible", path,
                        rgb->channels);
    STK_TRY(encoder_open(e, path, rgb, quantiser));
    return encode(e, path, rgb);
}

static void encoder_clear(encoder *e) {
    avcodec_free_context(&e->codec);
    av_frame_free(&e->frame);
    av_packet_free(&e->packet);
    sws_freeContext(e->scale);
}

stk_status stk_jpeg_write(const char *path, const stk_image *rgb) {
    encoder e = {0};
    stk_status status = make(&e, path, rgb, 1);
    if (status == STK_OK) status = stk_file_write(path, e.packet->data, (size_t)e.packet->size);
    encoder_clear(&e);
    return status;
}

stk_status stk_jpeg_encode(const stk_image *rgb, int quantiser, uint8_t **bytes, size_t *size) {
    encoder e = {0};
    *bytes = NULL;
    *size = 0;
    stk_status status = make(&e, "a picture in memory", rgb, quantiser);
    if (status == STK_OK) {
        *bytes = stk_calloc_aligned(1, (size_t)e.packet->size);
        if (*bytes == NULL) status = stk_fail_memory("JPEG");
    }
    if (status == STK_OK) {
        *size = (size_t)e.packet->size;
        memcpy(*bytes, e.packet->data, *size);
    }
    encoder_clear(&e);
    return status;
}

/* --- size ------------------------------------------------------------------------------------- */

static int be16(const uint8_t *at) {
    return at[0] << 8 | at[1];
}

/* 1 and the size when these are the first bytes of a PNG. */
static int png_size(const stk_map *map, int64_t size[2]) {
    static const uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (map->size < 24 || memcmp(map->data, magic, sizeof magic) != 0) return 0;
    for (int i = 0; i < 2; i++) {
        const uint8_t *at = map->data + 16 + 4 * i;
        size[i] = (int64_t)be16(at) << 16 | be16(at + 2);
    }
    return 1;
}

/* The first frame header (SOF0 to SOF15 without DHT, JPG and DAC) of a JPEG. */
static int jpeg_size(const stk_map *map, int64_t size[2]) {
    if (map->size < 4 || be16(map->data) != 0xFFD8) return 0;
    for (size_t at = 2; at + 9 <= map->size;) {
        const uint8_t *p = map->data + at;
        int kind = p[1];
        if (p[0] != 0xFF) return 0;
        if (kind == 0xFF || (kind >= 0xD0 && kind <= 0xD8) || kind == 0x01) {
            at += kind == 0xFF ? 1 : 2;
            continue;
        }
        if (kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 && kind != 0xCC) {
            size[0] = be16(p + 7), size[1] = be16(p + 5);
            return 1;
        }
        at += 2 + (size_t)be16(p + 2);
    }
    return 0;
}

stk_status stk_picture_size(const char *path, int *width, int *height) {
    int64_t size[2] = {0, 0};
    stk_map map;
    STK_TRY(stk_map_open(&map, path));
    int known = png_size(&map, size) || jpeg_size(&map, size);
    stk_map_close(&map);
    if (!known || size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX || size[1] > INT32_MAX)
        return stk_fail(STK_ERR_FORMAT, "%s: is neither a PNG nor a JPEG, or damaged", path);
    *width = (int)size[0];
    *height = (int)size[1];
    return STK_OK;
}
