/* overlay.c - report/overlay.mp4: the clip's first frames with what prepare saw in them.
 *
 *   picture.mp4 + poses (cache/stable) + followed points (cache/quality) -> axes, dots, time; on
 *   hard frames the reason
 *
 * At most STK_OVERLAY_FRAMES frames, so that the file and the time it takes stay small. One thread,
 * and the encoder's.
 */
#include "subject/frame_quality.h"
#include "subject/prepare.h"

#include "base/image.h"
#include "kernels/image.h"

#include <stdio.h>
#include <string.h>

enum { CRF = 23, GOP = 50 };
static const uint8_t point_colour[3] = {90, 255, 120}, white[3] = {255, 255, 255};
static const uint8_t black[3] = {0, 0, 0}, red[3] = {255, 70, 60};

typedef struct overlay {
    const stk_prepare *prepare;
    stk_pose_table poses;
    stk_face_table faces;
    stk_frame_quality quality;
    stk_video_reader *reader;
    stk_video_writer *writer;
    stk_image picture;
} overlay;

static void put_words(stk_image *picture, int x, int y, const char *words, const uint8_t *colour) {
    const int scale = picture->width >= 256 ? 2 : 1;
    stk_draw_text(picture, x + 1, y + 1, scale, words, black);
    stk_draw_text(picture, x, y, scale, words, colour);
}

static void draw_words(overlay *o, int frame) {
    char words[160];
    const stk_image *p = &o->picture;
    snprintf(words, sizeof words, "%.2f s", stk_prepare_time_s(o->prepare, frame));
    put_words(&o->picture, 6, 6, words, white);
    if (frame > 0 && o->faces.take[frame] != o->faces.take[frame - 1])
        put_words(&o->picture, p->width / 2 - 20, 6, "cut", red);
    stk_frame_reasons_text(o->quality.reasons[frame], words, sizeof words);
    put_words(&o->picture, 6, p->height - 22, words, red);
}

static void draw_frame(overlay *o, int frame) {
    const stk_frame_quality *q = &o->quality;
    const stk_subject_info *info = &o->prepare->manifest.info;
    const float radius = 1.6f * (float)info->width / 512.0f;
    for (int64_t k = q->first[frame]; k < q->first[frame + 1]; k++)
        stk_draw_disc(&o->picture, q->places_px[k][0], q->places_px[k][1], radius, point_colour);
    stk_head_axes_draw(&o->picture, &info->camera, &o->poses.poses[frame]);
    draw_words(o, frame);
}

static stk_status write_frames(overlay *o) {
    for (int i = 0; i < o->quality.shown; i++) {
        const stk_image *rgb;
        int end = 0;
        STK_TRY(stk_prepare_tick(o->prepare, i, o->quality.shown));
        STK_TRY(stk_video_reader_next(o->reader, &rgb, NULL, &end));
        if (end)
            return stk_fail(STK_ERR_FORMAT,
                            "picture.mp4: ends after %d of %d frames; run prepare with --restart",
                            i, o->prepare->manifest.info.frames);
        stk_image_copy(&o->picture, rgb);
        draw_frame(o, i);
        STK_TRY(stk_video_writer_frame(o->writer, &o->picture));
    }
    return stk_video_writer_finish(&o->writer);
}

static stk_status make(overlay *o) {
    const stk_subject_info *info = &o->prepare->manifest.info;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = info->width,
                                        .height = info->height,
                                        .fps = STK_FPS,
                                        .crf = CRF,
                                        .gop = GOP,
                                        .preset = "ultrafast"};
    char path[STK_PATH_MAX];
    STK_TRY(stk_face_table_read(o->prepare, 0, &o->faces));
    STK_TRY(stk_pose_table_read(o->prepare, "cache/stable.safetensors", &o->poses));
    STK_TRY(stk_frame_quality_read(o->prepare, &o->quality));
    STK_TRY(stk_image_init(&o->picture, info->width, info->height, 3));
    STK_TRY(stk_prepare_path(o->prepare, "picture.mp4", path));
    STK_TRY(stk_video_reader_open(&o->reader, path, NULL));
    STK_TRY(stk_prepare_path(o->prepare, "report/overlay.mp4", path));
    STK_TRY(stk_video_writer_create(&o->writer, path, &options));
    return write_frames(o);
}

stk_status stk_overlay_write(const stk_prepare *prepare) {
    overlay o = {.prepare = prepare};
    stk_status status = make(&o);
    stk_video_writer_discard(&o.writer, 0);
    stk_video_reader_close(&o.reader);
    stk_image_clear(&o.picture);
    stk_frame_quality_clear(&o.quality);
    stk_pose_table_clear(&o.poses);
    stk_face_table_clear(&o.faces);
    return status;
}
