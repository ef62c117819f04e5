/* sync.h - how late the sound of a clip is against the lips, and how sure that is.
 *
 *   windows of 2 s in which a face is seen --measure--> fit [windows][31] of the sound taken
 *   -15 .. 15 frames later --mean, peak, parabola--> offset; --resampling of windows--> confidence
 *
 * Measures: the active speaker (Light-ASD), the lips' opening against loudness, the lip-sync
 * discriminator (minus its distances), and any other that gives a fit for every window and shift
 * (stk_sync_add). The discriminator decides where it is sure, else the one with the highest
 * confidence.
 */
#ifndef STK_SUBJECT_SYNC_H
#define STK_SUBJECT_SYNC_H

#include "base/job.h"
#include "base/status.h"
#include "face_sync/lip_sync.h"
#include "subject/speech.h"

/* Confidence from which on a sound may be moved. */
#define STK_SYNC_SURE 0.8
/* The name of the measure that decides where it is sure. */
#define STK_SYNC_DISCRIMINATOR "discriminator"

enum {
    STK_SYNC_REACH = 15, /* frames */
    STK_SYNC_SHIFTS = 2 * STK_SYNC_REACH + 1,
    STK_SYNC_WINDOW = 50,
    STK_SYNC_WINDOWS_MAX = 150, /* five minutes; of longer clips, spread over them */
    STK_SYNC_MEASURES = 4,
    STK_SYNC_REASON = 256,
    STK_SYNC_FRAMES_MIN = STK_SYNC_WINDOW / 2 + 2 * STK_SYNC_REACH, /* of a take */
};

typedef struct stk_sync_figure {
    char measure[24];     /* "light-asd", "lips" ... */
    double offset_frames; /* positive: the sound is late */
    double offset_ms;
    double confidence;         /* 0 .. 1 */
    double confidence_syncnet; /* of distances: median less least of them; 0 of other measures */
    double curve[STK_SYNC_SHIFTS]; /* mean fit with the sound so late, -15 .. 15 frames */
} stk_sync_figure;

typedef struct stk_sync_window {
    int first, count; /* frames */
} stk_sync_window;

typedef struct stk_sync_report {
    int windows, count;
    stk_sync_window at[STK_SYNC_WINDOWS_MAX]; /* the windows */
    stk_sync_figure by[STK_SYNC_MEASURES];
    int chosen;                       /* index of the one that counts */
    stk_lse lse;                      /* by SyncNet, where it was asked for: stk_sync_clip */
    char lse_reason[STK_SYNC_REASON]; /* why it is not there; "" where it is */
} stk_sync_report;

/* Windows that can be looked at: for each of their frames all shifts lie within the take. At most
 * `most`; gives how many. */
int stk_sync_windows(const stk_speech *speech, stk_sync_window *windows, int most);

/* By the measures that need nothing but the file and the Light-ASD weights in `models` (skipped
 * where they are absent). STK_ERR_CONTENT: no face for 2.2 s in a row, sound that says nothing. */
stk_status stk_sync_measure(const stk_speech *speech, const char *models, const stk_job *job,
                            stk_sync_report *sync);
/* One more measure: fit [windows][31], the larger the better, window by window as the report has
 * them; bias_frames: what it finds where nothing is late. weight: how far to trust it, 0 .. 1, a
 * factor of its confidence (lips: 1; Light-ASD: 0.5, so it alone never moves a sound). Chooses
 * anew. */
void stk_sync_add(stk_sync_report *sync, const char *measure, const double (*fit)[STK_SYNC_SHIFTS],
                  double bias_frames, double weight);

/* --- sync_discriminator.c --------------------------------------------------------------------- */

/* Adds the measure "discriminator". */
stk_status stk_sync_add_discriminator(const stk_speech *speech, stk_lip_sync *nets,
                                      const stk_job *job, stk_sync_report *sync);
/* For tests: nets and speech outlive the handle. */
typedef struct stk_discriminator stk_discriminator;
stk_status stk_discriminator_create(stk_discriminator **discriminator, stk_lip_sync *nets,
                                    const stk_speech *speech);
void stk_discriminator_free(stk_discriminator **discriminator);
/* Distances [count][31] of a window of at most STK_SYNC_WINDOW frames, all shifts within the clip;
 * negative where a face or the sound is missing. */
stk_status stk_discriminator_distances(stk_discriminator *discriminator,
                                       const stk_sync_window *window,
                                       float (*distances)[STK_SYNC_SHIFTS]);

/* --- sync_clip.c ------------------------------------------------------------------------------ */

/* The whole way from a clip: cuts it into a file of its own in `folder` (NULL: $TMPDIR or /tmp),
 * which is gone afterwards. encoder: a file whose picture side lies beside it, STK_AVE_BUILTIN, or
 * NULL: the pair in settings->models and the other folders of weights, where they have one that
 * opens, or else that in the program (face_sync/lip_sync.h). settings->align does not count. */
stk_status stk_sync_clip(const stk_speech_settings *settings, const char *encoder,
                         const char *folder, const stk_job *job, stk_sync_report *sync);
/* The same, and LSE-C and LSE-D where SyncNet is among the weights (more time: doc/METRICS.md);
 * where it is not, sync->lse_reason says so. */
stk_status stk_sync_clip_lse(const stk_speech_settings *settings, const char *encoder,
                             const stk_job *job, stk_sync_report *sync);

#endif
