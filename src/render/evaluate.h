/* evaluate.h - held-out frames (or trained ones), driven by their own sound, against the real ones.
 */
#ifndef STK_RENDER_EVALUATE_H
#define STK_RENDER_EVALUATE_H

#include "base/job.h"
#include "render/model.h"
#include "render/held_out_lse.h"
#include "render/quality.h"
#include "subject/subject.h"

struct stk_album; /* render/album.h */

typedef struct stk_evaluate_settings {
    const char *model, *subject;
    const char *frames;     /* folder for side-by-side PNGs (real | rendered | portrait), or NULL */
    const char *models;     /* weights folder for the landmark graphs */
    const char *encoder;    /* of voice.h, for "ave" models */
    const char *perceptual; /* the network of LPIPS; NULL: alex */
    int every;              /* every N-th held-out frame */
    int trained;            /* as many frames trained on, spread over them, instead */
    int threads;
    int reference_march;     /* the published marching rule over the whole picture */
    int every_pixel;         /* a ray through every pixel, none interpolated */
    int portrait;            /* the portrait is the picture that all is measured of */
    int published;           /* portraits by the published mask alone */
    struct stk_album *album; /* receives what a report shows; the caller clears it. NULL: nothing */
} stk_evaluate_settings;

enum { STK_WORST_FRAMES = 10 };
typedef struct stk_worst_frame {
    int frame;
    double psnr, seam_ratio; /* of the portrait */
} stk_worst_frame;

typedef struct stk_scores {
    int frames, lmd_frames;
    int trained;       /* frames that were trained on, not held-out ones */
    double psnr;       /* whole picture, mean over frames of the frame's PSNR, dB */
    double psnr_head;  /* over the real frame's head pixels */
    double psnr_mouth; /* over the mouth rectangle */
    double ssim;
    double lmd;                 /* px; negative when not computed */
    stk_quality_report quality; /* these and more, with medians, intervals and reasons */
    stk_lse lse;                /* of the portraits, with lse_reason "" */
    char lse_reason[STK_LSE_REASON];
    double render_fps;
    /* Of the portrait, which is made beside the plain picture. */
    double psnr_portrait;
    double seam_ratio;     /* steps across the mask's rim over those of the real frame */
    double seam_mismatch;  /* mean difference of those steps, levels of 255 */
    double neck_delta_e;   /* mean delta E*ab of the real frame's neck pixels */
    int flicker_frames;    /* that follow on their neighbour; 0: the next three were not computed */
    double neck_flicker;   /* their change from frame to frame over that of the real ones */
    double static_flicker; /* mean change of pixels that do not move in the real clip, levels */
    double static_flicker_real;
    stk_worst_frame worst[STK_WORST_FRAMES]; /* by portrait PSNR, the worst first */
    int worst_count;
} stk_scores;

stk_status stk_evaluate(const stk_evaluate_settings *settings, const stk_job *job,
                        stk_scores *scores);

#endif
