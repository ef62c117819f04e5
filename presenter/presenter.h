/* presenter.h - makes a clip of an invented person who talks, and the truth about every frame.
 *
 *   look (seed) -> bust, hair, attire, backdrop -> scene
 *   text -> speech -> mouth shapes; motion -> bones, brows, lids, gaze
 *   frame by frame: express -> draw -> resolve -> mp4; truth -> folder
 *
 * Apart from the product's rooms: includes base, media and the writer of tensor files only.
 */
#ifndef STK_PRESENTER_PRESENTER_H
#define STK_PRESENTER_PRESENTER_H

#include "base/job.h"
#include "base/status.h"

enum { STK_PRESENTER_SIDE_MIN = 64, STK_PRESENTER_SIDE_MAX = 2048 };

/* Things that go wrong in real clips, for tests. Times are fractions of the clip. */
typedef struct stk_presenter_variant {
    int cut;           /* jump cut at 1/2: pose, scale and position jump */
    int second_face;   /* another presenter beside the first, from 1/3 to the end */
    int hand;          /* hand over the mouth from 0.4 to 0.6 */
    int profile;       /* turns to 75 degrees from 0.4 to 0.6 */
    int silence;       /* no sound at all is spoken; the track is silent */
    int no_sound;      /* the file has no sound track */
    int no_face;       /* the room only */
    int shake;         /* camera shake: rotation of up to 0.5 degrees, 2-8 Hz */
    int brightness;    /* exposure drifts by +-15 % */
    int variable_rate; /* frame times jitter by up to a third of a frame */
} stk_presenter_variant;

typedef struct stk_presenter_settings {
    const char *output;               /* mp4; or wav: the sound alone, no picture is made */
    const char *truth;                /* folder, or NULL */
    const char *text, *audio, *voice; /* at most one of text, audio; voice NULL = by the look */
    double seconds;                   /* of picture; 0 = as long as text or audio, 20 without */
    int width, height;                /* even */
    int seed;
    double fps;       /* 1 .. 120; any, e.g. 29.97 */
    int audio_offset; /* frames the sound is late (early when negative) */
    int crf;
    int threads;
    stk_presenter_variant variant;
} stk_presenter_settings;

typedef struct stk_presenter_figures {
    int frames;
    double seconds, fps; /* wall time, frames a second */
    double sound_s;      /* of what is heard, all of it; 0 = no track */
} stk_presenter_figures;

/* Comma-separated names ("cut,hand"): see the struct. */
stk_status stk_presenter_variant_parse(const char *names, stk_presenter_variant *variant);
/* Name of the index-th that is set (of all, when variant is NULL); NULL after the last. */
const char *stk_presenter_variant_name(const stk_presenter_variant *variant, int index);
/* Writes settings->output, and settings->truth (doc/FORMATS.md) when given. Stopped or failed, it
 * leaves neither. */
stk_status stk_presenter_make(const stk_presenter_settings *settings, const stk_job *job,
                              stk_presenter_figures *figures);

#endif
