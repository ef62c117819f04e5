/* quality.h - how good made pictures are against the real ones, frame by frame, and what that comes
 * to (doc/METRICS.md). `eval` and `compare` share it.
 *
 *   real, made --> SSIM, MS-SSIM, NIQE, BRISQUE (a task each)       one column a figure,
 *   real, made, portrait --> LPIPS (metrics/lpips.h)
 *   real, made, portrait --> features --> FID over all frames (fid_tally.h)
 *   real, made --face capture--> landmarks, expression, pose        one row a frame
 *   columns --metrics/figure--> mean, median, interval, worst frames
 */
#ifndef STK_RENDER_QUALITY_H
#define STK_RENDER_QUALITY_H

#include "base/job.h"
#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"
#include "metrics/fid.h"
#include "metrics/figure.h"
#include "metrics/lpips.h"

typedef enum stk_quality_column {
    STK_QUALITY_PSNR,
    STK_QUALITY_PSNR_HEAD, /* this and the next two: the caller's */
    STK_QUALITY_PSNR_MOUTH,
    STK_QUALITY_PSNR_PORTRAIT,
    STK_QUALITY_SSIM,
    STK_QUALITY_MS_SSIM,
    STK_QUALITY_NIQE,
    STK_QUALITY_BRISQUE,
    STK_QUALITY_LPIPS,
    STK_QUALITY_LPIPS_PORTRAIT,
    STK_QUALITY_LMD,
    STK_QUALITY_LMD_FACE,
    STK_QUALITY_AUE,
    STK_QUALITY_POSE, /* angle between the heads, degrees */
    STK_QUALITY_COLUMNS,
} stk_quality_column;

typedef struct stk_quality_name {
    const char *key;
    int lower_is_better;
    int of_a_subject; /* of its regions: not of any two videos */
} stk_quality_name;
extern const stk_quality_name stk_quality_names[STK_QUALITY_COLUMNS];

enum { STK_QUALITY_REASON = 320 };
typedef struct stk_quality_report {
    int frames;
    stk_figure figure[STK_QUALITY_COLUMNS];               /* worst: frame numbers */
    char reason[STK_QUALITY_COLUMNS][STK_QUALITY_REASON]; /* "" where there is a figure */
    /* Rms second differences of the head's rotation (degrees / frame^2) in the made and in the real
     * pictures; NaN with a reason. */
    double jitter_rot_deg, jitter_rot_deg_real;
    const char *perceptual; /* of LPIPS; static */
    char jitter_reason[STK_QUALITY_REASON];
    double fid, fid_portrait;               /* NaN with a reason */
    char fid_reason[2][STK_QUALITY_REASON]; /* of each */
} stk_quality_report;

typedef struct stk_quality_settings {
    const char *models;       /* weights folder or NULL */
    const char *perceptual;   /* the network of LPIPS; NULL: alex */
    stk_inception *inception; /* of FID, opened; borrowed. NULL: looked for in models */
    const stk_lpips *lpips;   /* it, opened; borrowed. NULL: looked for in models */
    stk_camera camera;        /* of the real pictures; its width and height are everybody's */
    int frames;               /* at most */
    stk_pool *pool;           /* borrowed; may be NULL */
    int without_regions;      /* the caller has no head, mouth and portrait to tell of */
} stk_quality_settings;

typedef struct stk_quality stk_quality;
/* Weights that are absent cost their figures, which then have a reason. */
stk_status stk_quality_create(stk_quality **quality, const stk_quality_settings *settings);
void stk_quality_free(stk_quality **quality);
/* The next frame; numbers rise. */
stk_status stk_quality_add(stk_quality *quality, int frame, const stk_image *real,
                           const stk_image *made);
/* The newest frame as a portrait: its LPIPS and its part of FID. */
stk_status stk_quality_add_portrait(stk_quality *quality, const stk_image *portrait);
/* A figure of the newest frame. */
void stk_quality_set(stk_quality *quality, stk_quality_column column, double value);
/* All figures of the newest frame, NaN where there is none. */
void stk_quality_newest(const stk_quality *quality, double values[STK_QUALITY_COLUMNS]);
/* Its faces, owned by quality until the next frame; 0 where one of the two pictures shows none. */
int stk_quality_faces(const stk_quality *quality, const stk_landmarks **real,
                      const stk_landmarks **made);
/* job: whether to stop (FID of thousands of frames takes a minute). */
stk_status stk_quality_finish(stk_quality *quality, const stk_job *job, stk_quality_report *report);

#endif
