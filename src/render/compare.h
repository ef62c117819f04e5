/* compare.h - a video of any system beside the real one: frames paired at 25 a second, the first
 * with the first, by the measures that `eval` uses (render/quality.h), and how well its lips fit
 * its sound (subject/sync.h).
 */
#ifndef STK_RENDER_COMPARE_H
#define STK_RENDER_COMPARE_H

#include "base/job.h"
#include "render/quality.h"
#include "subject/sync.h"

struct stk_album; /* render/album.h */

typedef struct stk_compare_settings {
    const char *video, *real;
    const char *models;     /* weights folder or NULL */
    const char *encoder;    /* of subject/sync.h, or NULL */
    const char *perceptual; /* the network of LPIPS; NULL: alex */
    int threads;
    struct stk_album *album; /* receives what a report shows; the caller clears it. NULL: nothing */
} stk_compare_settings;

typedef struct stk_comparison {
    int frames;                    /* compared: those that both have */
    int video_frames, real_frames; /* of each at 25 a second */
    double real_start_s;           /* the real one's first frame on its container's clock */
    stk_quality_report quality;
    stk_sync_figure sync; /* of the video; what it is worth with sync_reason "" */
    char sync_reason[STK_QUALITY_REASON];
    stk_lse lse; /* of the video, with lse_reason "" */
    char lse_reason[STK_SYNC_REASON];
} stk_comparison;

/* STK_ERR_MISMATCH when the pictures are not of one size. */
stk_status stk_compare_video(const stk_compare_settings *settings, const stk_job *job,
                             stk_comparison *comparison);

#endif
