/* step_picture.c - from any clip to picture.mp4. (The sound: step_sound.c; that it is no
 * silence is asked here, before the work.)
 *
 *   clip --retime plan--> frames at 25/s --detector on some--> one square for the whole clip
 *        --crop, scale--> picture.mp4 (lossless, short groups)
 *
 * Streams: one frame in memory.
 */
#include "subject/framing.h"
#include "subject/prepare.h"

#include "base/image.h"
#include "base/memory.h"
#include "kernels/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_EVERY = 10, /* frames between two looks of the detector */
    LOOKS_MAX = 240, /* on long clips they lie further apart */
    BOXES = 4,
    WINDOWS = 3, /* squares along the longer side, where the whole picture shows no face */
};

static const float close_enough = 0.35f; /* face height in the picture, for an exact box */
static const float as_large = 0.6f;      /* of the largest face's height: might be who is meant */

/* --- where the face is ------------------------------------------------------------------------ */

/* The face that is followed from look to look, and whoever else is there. */
typedef struct search {
    stk_face_capture *capture;
    float box[5]; /* as last seen; of no height before the first */
    int looks;
    int rivals;   /* looks that showed another face about as large */
    int rival_at; /* frame of the first of them */
    int rival_left;
} search;

static float middle(const float box[5], int axis) {
    return 0.5f * (box[axis] + box[axis + 2]);
}

static int is_within(const float box[5], const float other[5]) {
    const float x = middle(other, 0), y = middle(other, 1);
    return x > box[0] && x < box[2] && y > box[1] && y < box[3];
}

/* Which of the faces, the largest first, is followed: of those about as large as the largest that
 * nearest to where it was. Two people at a table would take turns otherwise. */
static int choose(const float last[5], float boxes[BOXES][5], int count, const float **rival) {
    const float least = as_large * (boxes[0][3] - boxes[0][1]);
    int best = 0;
    float nearest = INFINITY;
    for (int i = 0; i < count && last[3] > last[1]; i++) {
        const float x = middle(boxes[i], 0) - middle(last, 0);
        const float y = middle(boxes[i], 1) - middle(last, 1);
        if (boxes[i][3] - boxes[i][1] < least || hypotf(x, y) >= nearest) continue;
        nearest = hypotf(x, y);
        best = i;
    }
    *rival = NULL;
    for (int i = 0; i < count && *rival == NULL; i++)
        if (i != best && boxes[i][3] - boxes[i][1] >= least && !is_within(boxes[best], boxes[i]))
            *rival = boxes[i];
    return best;
}

/* Detects inside a square of the picture; the box is given in the picture's own pixels. */
static stk_status look_inside(search *s, const stk_image *rgb, stk_rect square, float box[5],
                              int *rival, int *count) {
    float boxes[BOXES][5];
    const float *other;
    stk_image window = stk_image_view(rgb, square);
    STK_TRY(stk_face_capture_detect(s->capture, &window, boxes, BOXES, count));
    if (*count == 0) return STK_OK;
    const float x = (float)square.x0, y = (float)square.y0;
    const float shift[5] = {x, y, x, y, 0.0f};
    for (int i = 0; i < *count; i++)
        for (int k = 0; k < 5; k++) boxes[i][k] += shift[k];
    memcpy(box, boxes[choose(s->box, boxes, *count, &other)], 5 * sizeof *box);
    *rival = other == NULL ? 0 : middle(other, 0) < middle(box, 0) ? -1 : 1;
    return STK_OK;
}

/* A face that is small in the picture is only a few cells of the detector's grid: a second look
 * from near by gives its box exactly. */
static stk_status look_closer(search *s, const stk_image *rgb, float box[5]) {
    int smaller = rgb->width < rgb->height ? rgb->width : rgb->height, count, rival;
    float height = box[3] - box[1], near[5];
    if (height > close_enough * (float)smaller) return STK_OK;
    int side = stk_clampi((int)(2.2f * height), 2, smaller);
    int x = stk_clampi((int)middle(box, 0) - side / 2, 0, rgb->width - side);
    int y = stk_clampi((int)middle(box, 1) - side / 2, 0, rgb->height - side);
    memcpy(s->box, box, sizeof s->box);
    STK_TRY(look_inside(s, rgb, (stk_rect){x, y, x + side, y + side}, near, &rival, &count));
    if (count > 0) memcpy(box, near, sizeof near);
    return STK_OK;
}

/* The face of the picture; where there seems to be none, squares along it are looked at. */
static stk_status look(search *s, int frame, const stk_image *rgb, float box[5], int *count) {
    const stk_rect whole = {0, 0, rgb->width, rgb->height};
    int side = rgb->width < rgb->height ? rgb->width : rgb->height, rival = 0;
    int windows = rgb->width != rgb->height ? WINDOWS : 0;
    s->looks++;
    STK_TRY(look_inside(s, rgb, whole, box, &rival, count));
    for (int i = 0; i < windows && *count == 0; i++) {
        int x = (rgb->width - side) * i / (WINDOWS - 1);
        int y = (rgb->height - side) * i / (WINDOWS - 1);
        const stk_rect square = {x, y, x + side, y + side};
        STK_TRY(look_inside(s, rgb, square, box, &rival, count));
    }
    if (*count == 0) return STK_OK;
    STK_TRY(look_closer(s, rgb, box));
    memcpy(s->box, box, sizeof s->box);
    if (rival != 0 && s->rivals++ == 0) {
        s->rival_at = frame;
        s->rival_left = rival < 0;
    }
    return STK_OK;
}

static stk_status look_through(stk_prepare *prepare, const stk_retime *plan, search *s,
                               stk_face_boxes *boxes) {
    stk_video_reader *reader;
    int every = plan->frames / LOOKS_MAX > LOOK_EVERY ? plan->frames / LOOKS_MAX : LOOK_EVERY;
    int end = 0;
    STK_TRY(stk_video_reader_open(&reader, prepare->settings.clip, plan));
    stk_status status = STK_OK;
    for (int frame = 0; status == STK_OK && frame < plan->frames; frame++) {
        const stk_image *rgb = NULL;
        float box[5] = {0};
        int count = 0;
        status = stk_video_reader_next(reader, &rgb, NULL, &end);
        if (status != STK_OK || end) break;
        if (frame % every == every / 2 && s->looks < 2 * LOOKS_MAX)
            status = look(s, frame, rgb, box, &count);
        if (count > 0) {
            boxes->x[boxes->count] = middle(box, 0);
            boxes->y[boxes->count] = middle(box, 1);
            boxes->height[boxes->count++] = box[3] - box[1];
        }
        if (status == STK_OK) status = stk_prepare_tick(prepare, frame, 2 * (int64_t)plan->frames);
    }
    stk_video_reader_close(&reader);
    return status;
}

static stk_status choose_crop(stk_prepare *prepare, const stk_retime *plan,
                              stk_face_capture *capture, cJSON *figures, stk_rect *crop) {
    float columns[3][2 * LOOKS_MAX];
    stk_face_boxes boxes = {columns[0], columns[1], columns[2], 0};
    search s = {.capture = capture};
    const stk_subject_info *info = &prepare->manifest.info;
    STK_TRY(look_through(prepare, plan, &s, &boxes));
    if (boxes.count == 0)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: no face was found in any of the %d frames looked at (frame 0 to %d); "
                        "use a clip that shows one person from the front, upright",
                        prepare->settings.clip, s.looks, plan->frames - 1);
    *crop = stk_framing_choose(&boxes, info->source_width, info->source_height);
    stk_figure(figures, "face_height_source_px", (double)boxes.height[boxes.count / 2], 1);
    stk_figure(figures, "crop_side_source_px", crop->x1 - crop->x0, 0);
    if (s.rivals <= 1) return STK_OK; /* once: a picture that the detector took for a face */
    stk_figure(figures, "second_person_share", (double)s.rivals / s.looks, 3);
    stk_figure(figures, "second_person_s", plan->first_time_s + (double)s.rival_at / STK_FPS, 2);
    stk_figure(figures, "second_person_left", s.rival_left, 0);
    return STK_OK;
}

/* --- the picture ------------------------------------------------------------------------------ */

static stk_status copy_frames(stk_prepare *prepare, stk_video_reader *reader,
                              stk_video_writer *writer, int frames, int *written) {
    const stk_rect crop = prepare->manifest.info.crop_source_px;
    int size = prepare->settings.size, end = 0, same = crop.x1 - crop.x0 == size;
    stk_image scaled;
    STK_TRY(stk_image_init(&scaled, size, size, 3));
    stk_status status = STK_OK;
    for (*written = 0; status == STK_OK && *written < frames; ++*written) {
        const stk_image *rgb = NULL;
        status = stk_video_reader_next(reader, &rgb, NULL, &end);
        if (status != STK_OK || end) break;
        stk_image view = stk_image_view(rgb, crop);
        if (!same) stk_image_resize(&scaled, &view);
        status = stk_video_writer_frame(writer, same ? &view : &scaled);
        if (status == STK_OK)
            status = stk_prepare_tick(prepare, (int64_t)frames + *written, 2 * (int64_t)frames);
    }
    stk_image_clear(&scaled);
    return status;
}

static stk_status write_picture(stk_prepare *prepare, const stk_retime *plan, int *written) {
    char path[STK_PATH_MAX];
    stk_video_reader *reader = NULL;
    stk_video_writer *writer = NULL;
    int size = prepare->settings.size;
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = size,
                                        .height = size,
                                        .fps = STK_FPS,
                                        .crf = 0,
                                        .gop = 12,
                                        .preset = "ultrafast",
                                        .threads = prepare->settings.threads};
    STK_TRY(stk_prepare_path(prepare, "picture.mp4", path));
    stk_status status = stk_video_reader_open(&reader, prepare->settings.clip, plan);
    if (status == STK_OK) status = stk_video_writer_create(&writer, path, &options);
    if (status == STK_OK) status = copy_frames(prepare, reader, writer, plan->frames, written);
    if (status == STK_OK) status = stk_video_writer_finish(&writer);
    stk_video_writer_discard(&writer, 0);
    stk_video_reader_close(&reader);
    return status;
}

/* Refuses a clip of the wrong length. */
static stk_status check_length(const char *clip, int frames) {
    if (frames < STK_SUBJECT_FRAMES_MIN)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: is too short (%d frames, %.1f s); at least %d frames (%.0f s) are "
                        "needed, a few minutes are better",
                        clip, frames, (double)frames / STK_FPS, STK_SUBJECT_FRAMES_MIN,
                        (double)STK_SUBJECT_FRAMES_MIN / STK_FPS);
    if (frames > STK_SUBJECT_FRAMES_MAX)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: is too long (%d frames, %.0f minutes); cut it to %d minutes at most, "
                        "five are plenty",
                        clip, frames, (double)frames / STK_FPS / 60.0,
                        STK_SUBJECT_FRAMES_MAX / STK_FPS / 60);
    return STK_OK;
}

static stk_status make_picture(stk_prepare *prepare, const stk_retime *plan,
                               stk_face_capture *capture, cJSON *figures) {
    stk_subject_info *info = &prepare->manifest.info;
    int frames = 0;
    STK_TRY(check_length(prepare->settings.clip, plan->frames));
    STK_TRY(stk_prepare_check_sound(prepare, plan->frames, plan->first_time_s));
    STK_TRY(choose_crop(prepare, plan, capture, figures, &info->crop_source_px));
    STK_TRY(write_picture(prepare, plan, &frames));
    STK_TRY(check_length(prepare->settings.clip, frames)); /* a damaged tail may have ended it */
    info->frames = frames;
    info->train_frames = (int)(10 * (int64_t)frames / 11);
    info->width = info->height = prepare->settings.size;
    info->source_start_s = plan->first_time_s;
    prepare->manifest.source_fps = plan->source_fps;
    stk_figure(figures, "frames", frames, 0);
    stk_figure(figures, "source_fps", plan->source_fps, 3);
    stk_figure(figures, "source_frames", plan->source_frames, 0);
    stk_figure(figures, "repeats_removed", plan->repeats, 0);
    stk_figure(figures, "dropped", plan->dropped, 0);
    stk_figure(figures, "doubled", plan->doubled, 0);
    return STK_OK;
}

stk_status stk_step_picture(stk_prepare *prepare, cJSON *figures) {
    stk_face_capture *capture;
    stk_media_info media;
    stk_retime plan;
    const char *clip = prepare->settings.clip;
    STK_TRY(stk_media_probe(clip, &media));
    if (!media.has_video)
        return stk_fail(STK_ERR_CONTENT, "%s: holds no picture; use a video of a person talking",
                        clip);
    if (!media.has_audio) /* known now, so not after minutes of work */
        return stk_fail(STK_ERR_CONTENT,
                        "%s: holds no sound; the person must be heard talking, use a clip with "
                        "its sound",
                        clip);
    prepare->manifest.info.source_width = media.width;
    prepare->manifest.info.source_height = media.height;
    /* that its weights are there is known before the clip is read */
    STK_TRY(stk_face_capture_create(&capture, prepare->settings.models));
    stk_status status = stk_retime_plan(clip, prepare->job, &plan);
    if (status == STK_OK) {
        status = make_picture(prepare, &plan, capture, figures);
        stk_retime_clear(&plan);
    }
    stk_face_capture_free(&capture);
    return status;
}
