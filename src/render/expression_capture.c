/* expression_capture.c - see expression_capture.h.
 *
 *   video --retime, read--> RGB at 25/s --face capture--> [7] of the 52, or no face
 *     -> gaps filled from their neighbours -> Savitzky-Golay -> rows [count][7]
 */
#include "render/expression_capture.h"
#include "base/clock.h"
#include "base/memory.h"
#include "face_sync/face_capture.h"
#include "media/media.h"

#include <string.h>

typedef struct capture_work {
    const char *path;
    const stk_job *job;
    stk_retime plan;
    stk_video_reader *reader;
    stk_face_capture *capture;
    float (*rows)[STK_EXPRESSIONS];
    uint8_t *found;
    int count, seen;
} capture_work;

static stk_status check_video(const char *path) {
    stk_media_info info;
    STK_TRY(stk_media_probe(path, &info));
    if (info.has_video) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: has no picture; --expression takes clip, still, auto, a track (.csv, "
                    ".json) or a video",
                    path);
}

static stk_status open_work(capture_work *work, const char *models) {
    STK_TRY(check_video(work->path));
    STK_TRY(stk_face_capture_create(&work->capture, models));
    STK_TRY(stk_retime_plan(work->path, work->job, &work->plan));
    STK_TRY(stk_video_reader_open(&work->reader, work->path, &work->plan));
    const size_t n = (size_t)work->plan.frames;
    work->rows = stk_calloc_aligned(n, sizeof *work->rows);
    work->found = stk_calloc_aligned(n, 1);
    return work->rows != NULL && work->found != NULL ? STK_OK : stk_fail_memory("expression");
}

static stk_status look(capture_work *work) {
    const double start_s = stk_clock_s();
    for (int end = 0; work->count < work->plan.frames; work->count++) {
        const stk_image *frame;
        stk_face face;
        int found;
        STK_TRY(stk_video_reader_next(work->reader, &frame, NULL, &end));
        if (end) break;
        STK_TRY(stk_face_capture_frame(work->capture, frame, &face, &found));
        if (found) stk_expression_select(face.blendshapes, work->rows[work->count]);
        work->found[work->count] = (uint8_t)found;
        work->seen += found;
        stk_job_report(work->job, "expression", work->count + 1, work->plan.frames, start_s, NULL);
        if (stk_job_aborted(work->job))
            return stk_fail(STK_ERR_ABORTED, "%s: stopped after %d frames of expression",
                            work->path, work->count + 1);
    }
    if (2 * work->seen > work->count) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "%s: a face is seen in %d of its %d frames only; --expression needs a video of "
                    "one person from the front",
                    work->path, work->seen, work->count);
}

/* Straight from the last face to the next; at the ends the nearest. */
static void fill_gaps(capture_work *work) {
    int before = -1;
    for (int i = 0; i < work->count; i++) {
        if (work->found[i]) {
            before = i;
            continue;
        }
        int after = i;
        while (after < work->count && !work->found[after]) after++;
        const int a = before >= 0 ? before : after, b = after < work->count ? after : before;
        const float t = a < b ? (float)(i - a) / (float)(b - a) : 0;
        for (int k = 0; k < STK_EXPRESSIONS; k++)
            work->rows[i][k] = work->rows[a][k] + t * (work->rows[b][k] - work->rows[a][k]);
    }
}

stk_status stk_expression_capture(const char *path, const char *models, const stk_job *job,
                                  float (**rows)[STK_EXPRESSIONS], int *count) {
    capture_work work = {.path = path, .job = job};
    stk_status status = open_work(&work, models);
    if (status == STK_OK) status = look(&work);
    if (status == STK_OK) {
        fill_gaps(&work);
        for (int k = 0; k < STK_EXPRESSIONS; k++)
            stk_blendshapes_smooth(&work.rows[0][k], work.count, STK_EXPRESSIONS);
    } else {
        stk_free(work.rows);
        work.rows = NULL;
    }
    stk_video_reader_close(&work.reader);
    stk_retime_clear(&work.plan);
    stk_face_capture_free(&work.capture);
    stk_free(work.found);
    *rows = work.rows;
    *count = work.count;
    return status;
}
