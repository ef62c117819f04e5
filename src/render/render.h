/* render.h - sound + model -> frames. The loop itself is render_frames in render.c. */
#ifndef STK_RENDER_RENDER_H
#define STK_RENDER_RENDER_H

#include "base/job.h"
#include "render/model.h"
#include "render/voice.h"

/* Receives each finished picture as it is written (RGB or RGBA), in order. Non-zero stops the loop
 * with STK_ERR_ABORTED. */
typedef struct stk_frame_sink {
    stk_status (*frame)(void *user, const stk_image *picture, int index, int total, int *stop);
    void *user;
} stk_frame_sink;

typedef struct stk_render_settings {
    const char *model, *audio;
    const char *features, *encoder; /* of voice.h, NULL = none given */
    stk_lip_smoothing smoothing;
    int silence;                                       /* 1: lips rest where nobody speaks */
    const char *expression, *expression_gain, *models; /* of expression.h, NULL = as the source */
    const char *portrait;   /* subject folder: faces are pasted into its frames; NULL = not */
    int published;          /* by the published mask alone */
    const char *background; /* of background.h, for portraits; NULL = the frame's own */
    int full_frame;         /* and these back into the clip's full frames, at its rate */
    const char *output;     /* mp4, "-" = y4m on stdout, NULL = none */
    const char *frames;     /* PNG folder, NULL = none */
    int size;               /* 0 = as trained */
    int crf, threads;
    int seed;            /* of made-up blinks */
    int reference_march; /* the published marching rule over the whole picture */
    int every_pixel;     /* a ray through every pixel, none interpolated */
    stk_frame_sink sink; /* frame NULL = none; sees each picture before the writer */
} stk_render_settings;

typedef struct stk_render_figures {
    int frames; /* shown or written */
    int heads;  /* rendered, 25 for every second: fewer or more than frames where these are at the
                 * clip's own rate (full.h) */
    double seconds;        /* from opening the model to closing the film */
    double render_seconds; /* wall time of stk_frame_render, added up over the frames, over the
                            * threads that shared them: how long rendering alone would have taken */
} stk_render_figures;

/* Opens everything, renders, muxes. On abort the part made so far is kept playable under the
 * output's name and STK_ERR_ABORTED is returned. */
stk_status stk_render_clip(const stk_render_settings *settings, const stk_job *job,
                           stk_render_figures *figures);

/* Threads that x264 gets beside so many workers: one encodes ahead of four that render. */
int stk_render_encoder_threads(int workers);

/* Source frame shown at output frame i: forth and back over n frames (reference.md 1.6). */
int stk_mirror_index(int i, int n);

#endif
