/* convert.c - RGB24 full range <-> the pixel formats of codecs, and quarter turns.
 *
 * Matrix and range come from the frame; where a clip does not say, BT.709 from 720 lines on and
 * BT.601 below, limited range (full for the yuvj formats): the convention of players. What we write
 * is always limited-range BT.709 and says so. swscale rounds accurately and interpolates chroma
 * fully. Frames that say they are HDR (HLG, PQ) come out as an ordinary screen shows them: hdr.c.
 */
#include "media/input.h"

#include <libavutil/pixdesc.h>
#include <string.h>

enum {
    SCALE_FLAGS = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP,
    HD_LINES = 720,
    ONE = 1 << 16, /* swscale's unit of contrast and saturation */
};

void stk_converter_clear(stk_converter *converter) {
    sws_freeContext(converter->scale);
    stk_hdr_free(&converter->hdr);
    *converter = (stk_converter){0};
}

static int matrix_of(const AVFrame *frame) {
    switch (frame->colorspace) {
    case AVCOL_SPC_BT709:
        return SWS_CS_ITU709;
    case AVCOL_SPC_FCC:
        return SWS_CS_FCC;
    case AVCOL_SPC_SMPTE240M:
        return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return SWS_CS_BT2020;
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_BT470BG:
        return SWS_CS_ITU601;
    default:
        return frame->height >= HD_LINES ? SWS_CS_ITU709 : SWS_CS_ITU601;
    }
}

static enum AVPixelFormat format_of(int channels) {
    return channels == 1 ? AV_PIX_FMT_GRAY8 : channels == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
}

static int is_full_range(const AVFrame *frame) {
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    if (format != NULL && (format->flags & AV_PIX_FMT_FLAG_RGB || format->nb_components <= 2))
        return 1;
    if (format != NULL && strncmp(format->name, "yuvj", 4) == 0) return 1;
    return frame->color_range == AVCOL_RANGE_JPEG;
}

static stk_hdr_kind transfer_of(const AVFrame *frame) {
    return frame->color_trc == AVCOL_TRC_ARIB_STD_B67 ? STK_HDR_HLG
           : frame->color_trc == AVCOL_TRC_SMPTE2084  ? STK_HDR_PQ
                                                      : STK_HDR_NONE;
}

/* Grey and transparent pictures are left as they are. */
static stk_status to_sdr(stk_converter *converter, stk_image *target, const AVFrame *frame) {
    const stk_hdr_kind kind = transfer_of(frame);
    if (kind == STK_HDR_NONE || target->channels != 3) return STK_OK;
    if (converter->hdr == NULL || converter->transfer != (int)kind) {
        stk_hdr_free(&converter->hdr);
        converter->hdr = stk_hdr_create(kind, frame->color_primaries == AVCOL_PRI_BT2020);
        if (converter->hdr == NULL) return stk_fail_memory("colour conversion");
        converter->transfer = (int)kind;
    }
    stk_hdr_to_sdr(converter->hdr, target);
    return STK_OK;
}

stk_status stk_convert_from_frame(stk_converter *converter, stk_image *target, const AVFrame *frame,
                                  const char *name) {
    int matrix = matrix_of(frame), range = is_full_range(frame);
    if (converter->scale == NULL || converter->width != frame->width ||
        converter->height != frame->height || converter->format != frame->format ||
        converter->matrix != matrix || converter->range != range) {
        stk_converter_clear(converter);
        converter->scale =
            sws_getContext(frame->width, frame->height, frame->format, frame->width, frame->height,
                           format_of(target->channels), SCALE_FLAGS, NULL, NULL, NULL);
        if (converter->scale == NULL)
            return stk_fail(STK_ERR_UNSUPPORTED, "%s: its pixel format '%s' cannot be converted",
                            name, av_get_pix_fmt_name(frame->format));
        const int *coefficients = sws_getCoefficients(matrix);
        sws_setColorspaceDetails(converter->scale, coefficients, range, coefficients, 1, 0, ONE,
                                 ONE);
        converter->width = frame->width, converter->height = frame->height;
        converter->format = frame->format, converter->matrix = matrix, converter->range = range;
    }
    uint8_t *planes[4] = {target->data};
    int strides[4] = {(int)target->stride};
    int rows = sws_scale(converter->scale, (const uint8_t *const *)frame->data, frame->linesize, 0,
                         frame->height, planes, strides);
    if (rows < 0) return stk_media_fail(name, "a picture cannot be converted", rows);
    return to_sdr(converter, target, frame);
}

stk_status stk_convert_to_frame(stk_converter *converter, AVFrame *frame, const stk_image *source,
                                const char *name) {
    if (converter->scale == NULL) {
        converter->scale =
            sws_getContext(source->width, source->height, format_of(source->channels), frame->width,
                           frame->height, frame->format, SCALE_FLAGS, NULL, NULL, NULL);
        if (converter->scale == NULL) return stk_fail_memory("colour conversion");
        const int *coefficients = sws_getCoefficients(SWS_CS_ITU709);
        sws_setColorspaceDetails(converter->scale, coefficients, 1, coefficients, 0, 0, ONE, ONE);
    }
    const uint8_t *planes[4] = {source->data};
    int strides[4] = {(int)source->stride};
    int rows = sws_scale(converter->scale, planes, strides, 0, source->height, frame->data,
                         frame->linesize);
    if (rows < 0) return stk_media_fail(name, "a picture cannot be converted", rows);
    return STK_OK;
}

void stk_image_turn(stk_image *target, const stk_image *source, int degrees) {
    int channels = source->channels, w = source->width, h = source->height;
    for (int y = 0; y < target->height; y++) {
        uint8_t *row = stk_image_row(target, y);
        for (int x = 0; x < target->width; x++) {
            int sx = degrees == 90 ? y : degrees == 180 ? w - 1 - x : w - 1 - y;
            int sy = degrees == 90 ? h - 1 - x : degrees == 180 ? h - 1 - y : x;
            memcpy(row + (ptrdiff_t)x * channels,
                   stk_image_row(source, sy) + (ptrdiff_t)sx * channels, (size_t)channels);
        }
    }
}
