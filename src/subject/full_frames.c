/* full_frames.c - the clip's own frames at full size, in step with picture.mp4.
 *
 *   source.path, sha256 --retime plan, as the step picture--> cache/full-<sha256>.mp4, 25 a second
 *
 * The clip itself cannot be played backwards or entered anywhere without decoding long groups; the
 * copy can. It is made when it is first needed, from a clip that is still the one that was
 * prepared, or by `prepare --full`.
 */
#include "subject/open.h"
#include "subject/subject.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* Nearly without loss: at 1080 x 1920 0.1 MB a frame of tall2; groups as in picture.mp4. */
enum { QUALITY = 12, GROUP = 12 };

/* An mp4 has even sides: an odd one loses its last row or column. */
static void full_size(const stk_subject_info *info, int *width, int *height) {
    *width = info->source_width & ~1;
    *height = info->source_height & ~1;
}

stk_status stk_subject_full_size(const stk_subject *subject, int *width, int *height) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const stk_rect *crop = &info->crop_source_px;
    full_size(info, width, height);
    if (crop->x0 < 0 || crop->y0 < 0 || crop->x1 <= crop->x0 || crop->y1 <= crop->y0 ||
        crop->x1 > info->source_width || crop->y1 > info->source_height)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: was not cut out of a clip (it was imported), so there are no full "
                        "frames to paste into; leave --frame out",
                        info->name);
    return STK_OK;
}

static stk_status full_path(const stk_subject *subject, char path[STK_PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "cache/full-%.12s.mp4",
             stk_subject_manifest_struct(subject)->source_sha256);
    return stk_subject_path(subject, name, path);
}

/* 1: opened, of the right size and long enough. A store that does not fit is made anew. */
static int open_made(const stk_subject *subject, const char *path, stk_frame_store **store) {
    int width, height, w, h;
    *store = NULL;
    if (!stk_file_exists(path) || stk_frame_store_open(store, path, NULL, 0) != STK_OK) return 0;
    full_size(stk_subject_get_info(subject), &width, &height);
    stk_frame_store_size(*store, &w, &h);
    if (w == width && h == height &&
        stk_frame_store_count(*store) >= stk_subject_get_info(subject)->frames)
        return 1;
    stk_frame_store_close(store);
    return 0;
}

/* The clip that was prepared, whole and unchanged. */
static stk_status check_clip(const stk_subject *subject) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const stk_manifest *manifest = stk_subject_manifest_struct(subject);
    char sha256[STK_SHA256_TEXT];
    if (!stk_file_exists(info->source_path))
        return stk_fail(STK_ERR_IO,
                        "%s: the clip that this subject was made of is gone; put it back there to "
                        "paste into its full frames",
                        info->source_path);
    STK_TRY(stk_sha256_file(info->source_path, sha256));
    if (strcmp(sha256, manifest->source_sha256) == 0) return STK_OK;
    return stk_fail(STK_ERR_MISMATCH,
                    "%s: is not the clip any more that the subject \"%s\" was made of; put that "
                    "one back, or prepare this one",
                    info->source_path, info->name);
}

static stk_status copy_frames(const stk_subject *subject, stk_video_reader *reader,
                              stk_video_writer *writer, const stk_job *job) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const double start_s = stk_clock_s();
    int width, height, end = 0;
    full_size(info, &width, &height);
    for (int i = 0; i < info->frames; i++) {
        const stk_image *rgb;
        if (stk_job_aborted(job)) return stk_fail(STK_ERR_ABORTED, "stopped");
        STK_TRY(stk_video_reader_next(reader, &rgb, NULL, &end));
        if (end)
            return stk_fail(STK_ERR_FORMAT, "%s: ends at frame %d of %d", info->source_path, i,
                            info->frames);
        const stk_image even = stk_image_view(rgb, (stk_rect){0, 0, width, height});
        STK_TRY(stk_video_writer_frame(writer, &even));
        stk_job_report(job, "full frames", i + 1, info->frames, start_s, NULL);
    }
    return STK_OK;
}

static stk_status make(const stk_subject *subject, const char *path, const stk_retime *plan,
                       const stk_job *job) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    stk_video_reader *reader = NULL;
    stk_video_writer *writer = NULL;
    stk_writer_options options = {.format = STK_WRITER_MP4,
                                  .fps = STK_FPS,
                                  .crf = QUALITY,
                                  .gop = GROUP,
                                  .preset = "ultrafast"};
    full_size(info, &options.width, &options.height);
    if (plan->frames < info->frames)
        return stk_fail(STK_ERR_FORMAT, "%s: has %d frames where the subject has %d",
                        info->source_path, plan->frames, info->frames);
    stk_status status = stk_video_reader_open(&reader, info->source_path, plan);
    if (status == STK_OK) status = stk_video_writer_create(&writer, path, &options);
    if (status == STK_OK) status = copy_frames(subject, reader, writer, job);
    if (status == STK_OK) status = stk_video_writer_finish(&writer);
    stk_video_writer_discard(&writer, 0);
    stk_video_reader_close(&reader);
    return status;
}

stk_status stk_subject_open_full(const stk_subject *subject, const stk_job *job,
                                 stk_frame_store **store) {
    char path[STK_PATH_MAX], folder[STK_PATH_MAX];
    stk_retime plan;
    int width, height;
    *store = NULL;
    STK_TRY(stk_subject_full_size(subject, &width, &height));
    STK_TRY(full_path(subject, path));
    if (open_made(subject, path, store)) return STK_OK;
    STK_TRY(check_clip(subject));
    STK_TRY(stk_subject_path(subject, "cache", folder));
    STK_TRY(stk_directory_create(folder));
    STK_TRY(stk_retime_plan(stk_subject_get_info(subject)->source_path, job, &plan));
    stk_status status = make(subject, path, &plan, job);
    stk_retime_clear(&plan);
    STK_TRY(status);
    stk_log(STK_LOG_INFO, "%s: made from %s", path, stk_subject_get_info(subject)->source_path);
    if (open_made(subject, path, store)) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: cannot be read though it was just written", path);
}
