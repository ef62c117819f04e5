/* evaluate.h - held-out frames, driven by their own sound, against the real ones. */
#ifndef STK_RENDER_EVALUATE_H
#define STK_RENDER_EVALUATE_H

#include "base/job.h"
#include "render/model.h"
#include "subject/subject.h"

typedef struct stk_evaluate_settings {
    const char *model, *subject;
    const char *frames;  /* folder for side-by-side PNGs (real | rendered), NULL = none */
    const char *models;  /* weights folder for the landmark graphs */
    const char *encoder; /* of voice.h, for "ave" models */
    int every;           /* every N-th held-out frame */
    int threads;
    int reference_march; /* the published marching rule over the whole picture */
    int every_pixel;     /* a ray through every pixel, none interpolated */
    int portrait;        /* the face pasted into the real frame */
} stk_evaluate_settings;

typedef struct stk_scores {
    int frames, lmd_frames;
    double psnr;       /* whole picture, mean over frames of the frame's PSNR, dB */
    double psnr_head;  /* over the real frame's head pixels */
    double psnr_mouth; /* over the mouth rectangle */
    double ssim;
    double lmd; /* px; negative when not computed */
    double render_fps;
} stk_scores;

stk_status stk_evaluate(const stk_evaluate_settings *settings, const stk_job *job,
                        stk_scores *scores);

#endif
