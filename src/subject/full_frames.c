/* full_frames.c - the clip's own frames at full size and rate, and which of them each frame of
 * picture.mp4 shows.
 *
 *   source.path, sha256 --retime plan, as the step picture-->
 *     cache/full-<sha256>.mp4, .safetensors (doc/FORMATS.md)
 *
 * The clip itself cannot be played backwards or entered anywhere without decoding long groups; the
 * copy can. It is made when it is first needed, from a clip that is still the one that was
 * prepared, or by `prepare --full`.
 */
#include "subject/open.h"
#include "subject/subject.h"
#include "subject/tables.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Nearly without loss: at 1080 x 1920 0.1 MB a frame of tall2; groups as in picture.mp4. */
enum { QUALITY = 12, GROUP = 12 };
/* Rates that films are made at; fewer frames would not do for lips. */
static const double OWN_MIN = 20, OWN_MAX = 240;
static const double UNEVEN_MAX = 1.25;       /* frames, between the earliest and the latest */
static const double RATE_TOLERANCE = 0.0004; /* 30 and 30000 / 1001 are 0.001 apart */

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

static stk_status full_path(const stk_subject *subject, const char *ending,
                            char path[STK_PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "cache/full-%.12s.%s",
             stk_subject_manifest_struct(subject)->source_sha256, ending);
    return stk_subject_path(subject, name, path);
}

void stk_full_frames_close(stk_full_frames *full) {
    stk_frame_store_close(&full->store);
    stk_free(full->shown);
    *full = (stk_full_frames){0};
}

/* --- which frame is shown when ---------------------------------------------------------------- */

static void describe(stk_table tables[3], const float *fps, const int32_t *rate,
                     const int32_t *shown, int frames) {
    tables[0] = (stk_table){"fps", STK_F32, 1, {1}, fps};
    tables[1] = (stk_table){"rate", STK_I32, 1, {2}, rate};
    tables[2] = (stk_table){"shown", STK_I32, 1, {frames}, shown};
}

static int index_possible(const stk_full_frames *full, int frames, int count) {
    if (full->rate_num < 1 || full->rate_den < 1 || !(full->fps >= OWN_MIN && full->fps <= OWN_MAX))
        return 0;
    for (int k = 0; k < frames; k++)
        if (full->shown[k] < (k > 0 ? full->shown[k - 1] : 0) || full->shown[k] >= count) return 0;
    return 1;
}

static stk_status read_index(const stk_subject *subject, stk_full_frames *full) {
    const int frames = stk_subject_get_info(subject)->frames;
    char path[STK_PATH_MAX];
    stk_table tables[3];
    stk_safetensors *file;
    float fps;
    int32_t rate[2];
    STK_TRY(full_path(subject, "safetensors", path));
    full->shown = stk_calloc_aligned((size_t)frames, sizeof *full->shown);
    if (full->shown == NULL) return stk_fail_memory("full frames");
    STK_TRY(stk_safetensors_open(&file, path));
    describe(tables, NULL, NULL, NULL, frames);
    stk_status status = stk_table_copy(file, path, &tables[0], &fps);
    if (status == STK_OK) status = stk_table_copy(file, path, &tables[1], rate);
    if (status == STK_OK) status = stk_table_copy(file, path, &tables[2], full->shown);
    stk_safetensors_close(&file);
    STK_TRY(status);
    full->rate_num = rate[0], full->rate_den = rate[1], full->fps = (double)fps;
    if (index_possible(full, frames, stk_frame_store_count(full->store))) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: is damaged", path);
}

/* 1: opened, of the right size and long enough. A store that does not fit is made anew. */
static int open_made(const stk_subject *subject, const char *path, stk_full_frames *full) {
    int width, height, w = 0, h = 0;
    *full = (stk_full_frames){0};
    if (!stk_file_exists(path) || stk_frame_store_open(&full->store, path, NULL, 0) != STK_OK)
        return 0;
    full_size(stk_subject_get_info(subject), &width, &height);
    stk_frame_store_size(full->store, &w, &h);
    if (w == width && h == height && read_index(subject, full) == STK_OK) return 1;
    stk_full_frames_close(full);
    return 0;
}

/* --- making them ------------------------------------------------------------------------------ */

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

/* The fraction that a measured rate stands for. */
static void name_rate(double fps, int rate[2]) {
    static const int ntsc[] = {24, 30, 48, 60, 120};
    double best = fabs(fps - floor(fps + 0.5));
    rate[0] = (int)floor(fps + 0.5), rate[1] = 1;
    for (size_t i = 0; i < STK_ARRAY_SIZE(ntsc); i++) {
        const double off = fabs(fps - ntsc[i] / 1.001);
        if (off < best) best = off, rate[0] = 1000 * ntsc[i], rate[1] = 1001;
    }
    if (best > RATE_TOLERANCE * fps) rate[0] = (int)(1000 * fps + 0.5), rate[1] = 1000;
}

/* Distinct frames evenly spaced, give or take one, at a rate that is none of 25/s. */
static int own_rate(const stk_retime *plan) {
    const double fps = plan->source_fps;
    double low = 0, high = 0;
    int in_order = plan->distinct_count == plan->frames;
    for (int k = 0; in_order && k < plan->frames; k++)
        in_order = plan->source[k] == plan->distinct[k];
    if (in_order || !(fps >= OWN_MIN && fps <= OWN_MAX)) return 0;
    for (int j = 0; j < plan->distinct_count; j++) {
        const double off = plan->distinct_s[j] - plan->distinct_s[0] - j / fps;
        low = off < low ? off : low, high = off > high ? off : high;
    }
    return (high - low) * fps <= UNEVEN_MAX;
}

/* What is copied: of a clip of constant rate every distinct frame, else those of the pictures. */
static stk_status choose(const stk_subject *subject, const stk_retime *plan, stk_retime *copied,
                         stk_full_frames *full) {
    const int frames = stk_subject_get_info(subject)->frames, own = own_rate(plan);
    int rate[2] = {STK_FPS, 1};
    full->shown = stk_calloc_aligned((size_t)frames, sizeof *full->shown);
    if (full->shown == NULL) return stk_fail_memory("full frames");
    for (int k = 0, j = 0; k < frames; k++) {
        while (own && plan->distinct[j] < plan->source[k]) j++;
        full->shown[k] = own ? j : k;
    }
    full->fps = own ? plan->source_fps : STK_FPS;
    if (own) name_rate(plan->source_fps, rate);
    full->rate_num = rate[0], full->rate_den = rate[1];
    *copied = *plan;
    copied->frames = full->shown[frames - 1] + 1;
    if (own) copied->source = plan->distinct, copied->time_s = plan->distinct_s;
    return STK_OK;
}

static stk_status copy_frames(const stk_subject *subject, stk_video_reader *reader,
                              stk_video_writer *writer, int count, const stk_job *job) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    const double start_s = stk_clock_s();
    int width, height, end = 0;
    full_size(info, &width, &height);
    for (int i = 0; i < count; i++) {
        const stk_image *rgb;
        if (stk_job_aborted(job)) return stk_fail(STK_ERR_ABORTED, "stopped");
        STK_TRY(stk_video_reader_next(reader, &rgb, NULL, &end));
        if (end)
            return stk_fail(STK_ERR_FORMAT, "%s: ends at frame %d of %d", info->source_path, i,
                            count);
        const stk_image even = stk_image_view(rgb, (stk_rect){0, 0, width, height});
        STK_TRY(stk_video_writer_frame(writer, &even));
        stk_job_report(job, "full frames", i + 1, count, start_s, NULL);
    }
    return STK_OK;
}

static stk_status write_index(const stk_subject *subject, const stk_full_frames *full) {
    const float fps = (float)full->fps;
    const int32_t rate[2] = {full->rate_num, full->rate_den};
    char path[STK_PATH_MAX];
    stk_table tables[3];
    STK_TRY(full_path(subject, "safetensors", path));
    describe(tables, &fps, rate, full->shown, stk_subject_get_info(subject)->frames);
    return stk_tables_write(path, tables, 3);
}

static stk_status make(const stk_subject *subject, const char *path, const stk_retime *plan,
                       const stk_job *job) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    stk_video_reader *reader = NULL;
    stk_video_writer *writer = NULL;
    stk_full_frames full = {0};
    stk_retime copied;
    stk_writer_options options = {
        .format = STK_WRITER_MP4, .crf = QUALITY, .gop = GROUP, .preset = "ultrafast"};
    full_size(info, &options.width, &options.height);
    if (plan->frames < info->frames)
        return stk_fail(STK_ERR_FORMAT, "%s: has %d frames where the subject has %d",
                        info->source_path, plan->frames, info->frames);
    stk_status status = choose(subject, plan, &copied, &full);
    options.fps = full.rate_num, options.fps_den = full.rate_den;
    if (status == STK_OK) status = stk_video_reader_open(&reader, info->source_path, &copied);
    if (status == STK_OK) status = stk_video_writer_create(&writer, path, &options);
    if (status == STK_OK) status = copy_frames(subject, reader, writer, copied.frames, job);
    if (status == STK_OK) status = stk_video_writer_finish(&writer);
    if (status == STK_OK) status = write_index(subject, &full);
    stk_video_writer_discard(&writer, 0);
    stk_video_reader_close(&reader);
    stk_full_frames_close(&full);
    return status;
}

stk_status stk_subject_open_full(const stk_subject *subject, const stk_job *job,
                                 stk_full_frames *full) {
    char path[STK_PATH_MAX], folder[STK_PATH_MAX];
    stk_retime plan;
    int width, height;
    *full = (stk_full_frames){0};
    STK_TRY(stk_subject_full_size(subject, &width, &height));
    STK_TRY(full_path(subject, "mp4", path));
    if (open_made(subject, path, full)) return STK_OK;
    STK_TRY(check_clip(subject));
    STK_TRY(stk_subject_path(subject, "cache", folder));
    STK_TRY(stk_directory_create(folder));
    STK_TRY(stk_retime_plan(stk_subject_get_info(subject)->source_path, job, &plan));
    stk_status status = make(subject, path, &plan, job);
    stk_retime_clear(&plan);
    STK_TRY(status);
    stk_log(STK_LOG_INFO, "%s: made from %s", path, stk_subject_get_info(subject)->source_path);
    if (open_made(subject, path, full)) return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: cannot be read though it was just written", path);
}
