/* compare.c - see compare.h. Both videos are decoded side by side; two pictures are in memory. */
#include "render/compare.h"
#include "base/clock.h"
#include "base/image.h"
#include "media/media.h"
#include "render/album.h"

#include <stdio.h>
#include <string.h>

/* Focal length over height where no tracker has found one: of a head filling half the picture in a
 * common lens. Angles hardly depend on it. */
static const float FOCAL_OF_HEIGHT = 1.5f;

typedef struct pair {
    const stk_compare_settings *settings;
    stk_retime plan[2]; /* of the real video, of the other */
    stk_video_reader *reader[2];
    stk_image held; /* the real frame, while the other is decoded */
    stk_pool *pool;
    stk_quality *quality;
} pair;

static stk_status open_videos(pair *p, const stk_job *job) {
    const char *paths[2] = {p->settings->real, p->settings->video};
    stk_media_info info[2];
    for (int i = 0; i < 2; i++) {
        STK_TRY(stk_media_probe(paths[i], &info[i]));
        if (!info[i].has_video)
            return stk_fail(STK_ERR_CONTENT, "%s: has no pictures to compare", paths[i]);
    }
    const int w = info[0].width, h = info[0].height;
    if (info[1].width != w || info[1].height != h)
        return stk_fail(STK_ERR_MISMATCH,
                        "%s: is %dx%d, and %s is %dx%d: bring one to the other's size and cut "
                        "first, say with ffmpeg -i IN -vf scale=%d:%d -crf 1 OUT.mp4",
                        paths[1], info[1].width, info[1].height, paths[0], w, h, w, h);
    for (int i = 0; i < 2; i++) {
        STK_TRY(stk_retime_plan(paths[i], job, &p->plan[i]));
        STK_TRY(stk_video_reader_open(&p->reader[i], paths[i], &p->plan[i]));
    }
    const stk_quality_settings settings = {
        .models = p->settings->models,
        .perceptual = p->settings->perceptual,
        .camera = {FOCAL_OF_HEIGHT * (float)h, 0.5f * (float)w, 0.5f * (float)h, w, h},
        .frames = p->plan[0].frames < p->plan[1].frames ? p->plan[0].frames : p->plan[1].frames,
        .pool = p->pool,
        .without_regions = 1,
    };
    STK_TRY(stk_image_init(&p->held, w, h, 3));
    if (p->settings->album != NULL)
        STK_TRY(stk_album_init(p->settings->album,
                               &(stk_frame_choice){0, settings.frames, settings.frames, 1}));
    return stk_quality_create(&p->quality, &settings);
}

static stk_status compare_frames(pair *p, const stk_job *job, int frames) {
    const double start_s = stk_clock_s();
    for (int i = 0; i < frames; i++) {
        const stk_image *frame[2];
        for (int k = 0; k < 2; k++) {
            int end;
            STK_TRY(stk_video_reader_next(p->reader[k], &frame[k], NULL, &end));
            if (end) return STK_OK; /* a damaged tail, of which the reader has warned */
            if (k == 0) stk_image_copy(&p->held, frame[0]);
        }
        STK_TRY(stk_quality_add(p->quality, i, &p->held, frame[1]));
        const stk_album_frame shown = {
            .number = i, .real = &p->held, .made = frame[1], .quality = p->quality};
        if (p->settings->album != NULL) STK_TRY(stk_album_add(p->settings->album, &shown));
        if (stk_job_aborted(job)) return stk_fail(STK_ERR_ABORTED, "stopped");
        stk_job_report(job, "compare", i + 1, frames, start_s, NULL);
    }
    return STK_OK;
}

/* A clip without sound or face has no offset, which is no failure. */
static stk_status measure_sync(const stk_compare_settings *settings, const stk_job *job,
                               stk_comparison *c) {
    const stk_speech_settings speech = {
        .clip = settings->video, .models = settings->models, .threads = settings->threads};
    stk_sync_report sync;
    const stk_status status = stk_sync_clip_lse(&speech, settings->encoder, job, &sync);
    if (status == STK_OK) {
        c->sync = sync.by[sync.chosen];
        c->lse = sync.lse;
        memcpy(c->lse_reason, sync.lse_reason, sizeof c->lse_reason);
        return STK_OK;
    }
    if (status != STK_ERR_CONTENT && status != STK_ERR_WEIGHTS) return status;
    snprintf(c->sync_reason, sizeof c->sync_reason, "%s", stk_error_text());
    snprintf(c->lse_reason, sizeof c->lse_reason, "%s", stk_error_text());
    return STK_OK;
}

stk_status stk_compare_video(const stk_compare_settings *settings, const stk_job *job,
                             stk_comparison *c) {
    *c = (stk_comparison){0};
    pair p = {.settings = settings};
    stk_status status = stk_pool_create(&p.pool, settings->threads);
    if (status == STK_OK) status = open_videos(&p, job);
    if (status == STK_OK) {
        c->real_frames = p.plan[0].frames;
        c->video_frames = p.plan[1].frames;
        c->real_start_s = p.plan[0].first_time_s;
        status = compare_frames(
            &p, job, c->real_frames < c->video_frames ? c->real_frames : c->video_frames);
    }
    if (status == STK_OK) status = stk_quality_finish(p.quality, job, &c->quality);
    c->frames = c->quality.frames;
    stk_quality_free(&p.quality);
    stk_image_clear(&p.held);
    for (int i = 0; i < 2; i++) {
        stk_video_reader_close(&p.reader[i]);
        stk_retime_clear(&p.plan[i]);
    }
    stk_pool_free(&p.pool);
    return status == STK_OK ? measure_sync(settings, job, c) : status;
}
