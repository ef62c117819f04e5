/* sync.h - how late the sound of a clip is against the lips, and how sure that is.
 *
 *   windows of 2 s in which a face is seen --measure--> fit [windows][31] of the sound taken
 *   -15 .. 15 frames later --mean, peak, parabola--> offset; --resampling of windows--> confidence
 *
 * Measures: the active speaker (Light-ASD), the lips' opening against loudness, and any other that
 * gives a fit for every window and shift (stk_sync_add): a lip-sync discriminator, minus its
 * distances. The one with the highest confidence decides.
 */
#ifndef STK_SUBJECT_SYNC_H
#define STK_SUBJECT_SYNC_H

#include "base/job.h"
#include "base/status.h"
#include "subject/speech.h"

/* Confidence from which on a sound may be moved. */
#define STK_SYNC_SURE 0.8

enum {
    STK_SYNC_REACH = 15, /* frames */
    STK_SYNC_SHIFTS = 2 * STK_SYNC_REACH + 1,
    STK_SYNC_WINDOW = 50,
    STK_SYNC_MEASURES = 4,
    STK_SYNC_FRAMES_MIN = STK_SYNC_WINDOW / 2 + 2 * STK_SYNC_REACH, /* of a take */
};

typedef struct stk_sync_figure {
    char measure[24];     /* "light-asd", "lips" ... */
    double offset_frames; /* positive: the sound is late */
    double offset_ms;
    double confidence;             /* 0 .. 1 */
    double curve[STK_SYNC_SHIFTS]; /* mean fit with the sound so late, -15 .. 15 frames */
} stk_sync_figure;

typedef struct stk_sync_report {
    int windows, count;
    stk_sync_figure by[STK_SYNC_MEASURES];
    int chosen; /* index of the one that counts */
} stk_sync_report;

/* First frames and lengths of the windows that every measure looks at: for each of their frames
 * all shifts lie within the take. At most `most`; gives how many. */
typedef struct stk_sync_window {
    int first, count;
} stk_sync_window;
int stk_sync_windows(const stk_speech *speech, stk_sync_window *windows, int most);

/* By the measures that need nothing but the file and the Light-ASD weights in `models` (skipped
 * where they are absent). STK_ERR_CONTENT: no face for 2.2 s in a row, sound that says nothing. */
stk_status stk_sync_measure(const stk_speech *speech, const char *models, const stk_job *job,
                            stk_sync_report *sync);
/* One more measure: fit [windows][31], the larger the better, window by window as stk_sync_windows
 * gives them; bias_frames: what it finds where nothing is late. weight: how far to trust it, 0 ..
 * 1, a factor of its confidence (lips: 1; Light-ASD: 0.5, so it alone never moves a sound). Chooses
 * anew. */
void stk_sync_add(stk_sync_report *sync, const char *measure, const double (*fit)[STK_SYNC_SHIFTS],
                  double bias_frames, double weight);

/* The whole way from a clip: cuts it into a file of its own in `folder` (NULL: $TMPDIR or /tmp),
 * which is gone afterwards. settings->align does not count. */
stk_status stk_sync_clip(const stk_speech_settings *settings, const char *folder,
                         const stk_job *job, stk_sync_report *sync);

#endif
