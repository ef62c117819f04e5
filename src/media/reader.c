/* reader.c - decoded pictures in order, upright, as RGB24.
 *
 *   AVFrame --convert--> RGB (coded orientation) --turn--> RGB as shown
 *
 * With a plan, source frames between two planned ones are decoded but not converted; an output
 * frame that shows the same source frame as its predecessor is handed out again. Pictures that
 * change size within the stream are refused. One thread per reader; libavcodec decodes ahead with
 * its own.
 */
#include "media/media.h"
#include "media/input.h"
#include "base/image.h"
#include "base/log.h"
#include "base/memory.h"

struct stk_video_reader {
    stk_decoder *decoder;
    stk_converter converter;
    stk_image coded, shown; /* coded only when the picture has to be turned */
    stk_retime plan;        /* view of the caller's; frames = 0 without */
    int planned, rotation_deg;
    int next;          /* output frame to be handed out next */
    int64_t converted; /* decode index of what `shown` holds, -1 = nothing */
};

stk_status stk_video_reader_open(stk_video_reader **out, const char *path, const stk_retime *plan) {
    *out = NULL;
    stk_video_reader *reader = stk_calloc_aligned(1, sizeof *reader);
    if (reader == NULL) return stk_fail_memory("video reader");
    reader->converted = -1;
    stk_status status = stk_decoder_open(&reader->decoder, path, NULL, 0, AVMEDIA_TYPE_VIDEO, 0);
    if (status != STK_OK) {
        stk_video_reader_close(&reader);
        return status;
    }
    reader->rotation_deg = stk_stream_rotation_deg(reader->decoder->stream);
    if (plan != NULL) reader->plan = *plan, reader->planned = 1;
    *out = reader;
    return STK_OK;
}

void stk_video_reader_close(stk_video_reader **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_video_reader *reader = *handle;
    stk_decoder_close(&reader->decoder);
    stk_converter_clear(&reader->converter);
    stk_image_clear(&reader->coded);
    stk_image_clear(&reader->shown);
    stk_free(reader);
    *handle = NULL;
}

/* Buffers for the first frame's size. */
static stk_status prepare_pictures(stk_video_reader *reader, int width, int height) {
    int sideways = reader->rotation_deg % 180 != 0;
    if (reader->rotation_deg != 0) STK_TRY(stk_image_init(&reader->coded, width, height, 3));
    return stk_image_init(&reader->shown, sideways ? height : width, sideways ? width : height, 3);
}

static stk_status convert(stk_video_reader *reader) {
    const AVFrame *frame = reader->decoder->frame;
    const char *name = reader->decoder->input.name;
    if (reader->shown.data == NULL) STK_TRY(prepare_pictures(reader, frame->width, frame->height));
    stk_image *target = reader->rotation_deg != 0 ? &reader->coded : &reader->shown;
    if (target->width != frame->width || target->height != frame->height)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: the picture changes its size at frame %lld; re-encode "
                        "the clip at one size",
                        name, (long long)reader->decoder->decoded - 1);
    STK_TRY(stk_convert_from_frame(&reader->converter, target, frame, name));
    if (reader->rotation_deg != 0)
        stk_image_turn(&reader->shown, &reader->coded, reader->rotation_deg);
    reader->converted = reader->decoder->decoded - 1;
    return STK_OK;
}

stk_status stk_video_reader_next(stk_video_reader *reader, const stk_image **frame, double *time_s,
                                 int *end) {
    *frame = NULL;
    *end = reader->planned && reader->next >= reader->plan.frames;
    if (*end) return STK_OK;
    int64_t wanted = reader->planned ? reader->plan.source[reader->next] : reader->next;
    while (reader->decoder->decoded - 1 < wanted) {
        STK_TRY(stk_decoder_next(reader->decoder, end));
        if (!*end) continue;
        if (reader->planned)
            stk_log(STK_LOG_WARN, "%s: ends %d frames before the plan made for it",
                    reader->decoder->input.name, reader->plan.frames - reader->next);
        return STK_OK;
    }
    if (reader->converted != wanted) STK_TRY(convert(reader));
    if (time_s != NULL)
        *time_s = reader->planned ? reader->plan.time_s[reader->next] : reader->decoder->time_s;
    reader->next++;
    *frame = &reader->shown;
    return STK_OK;
}
