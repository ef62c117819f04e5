/* sync.c - see sync.h. */
#include "subject/sync.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "face_sync/active_speaker.h"
#include "nn/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_MIN = STK_SYNC_FRAMES_MIN - 2 * STK_SYNC_REACH,
    PIECE = 25,
    PIECE_STEP = 5,
    ROUNDS = 60,
    RESAMPLES = 200,
    NEAR = 1, /* frames: the same answer */
    AWAY = 4, /* frames from the peak: another one */
    CODE = STK_SPEAKER_CODE,
};
/* Measured on pieces of four seconds: of those whose peak stands out by less than 0.08, a third are
 * right to 1.5 frames, by 0.1 to 0.2, 60 %, by more than 0.2, 95 %. 1 - exp(-x / PROMINENT) */
static const double PROMINENT = 0.09;
/* What the measures find where nothing is late, in frames. Lips: presenter clips, whose sound is
 * right to the sample. Light-ASD: known to about two frames only, as its curves are that broad. */
static const double LIPS_BIAS = -0.25, SPEAKER_BIAS = 1;
static const double LIPS_WEIGHT = 1, SPEAKER_WEIGHT = 0.5;

/* --- windows ---------------------------------------------------------------------------------- */

static int has_face(const stk_speech *s, int first, int count) {
    int missing = 0;
    for (int i = first; i < first + count; i++) missing += s->state[i] == STK_SPEECH_NONE;
    return missing * 10 <= count;
}

int stk_sync_windows(const stk_speech *s, stk_sync_window *windows, int most) {
    int n = 0;
    for (int from = 0, to; from < s->frames; from = to) {
        for (to = from + 1; to < s->frames && s->take[to] == s->take[from];) to++;
        for (int at = from + STK_SYNC_REACH; at + WINDOW_MIN <= to - STK_SYNC_REACH && n < most;) {
            const int left = to - STK_SYNC_REACH - at;
            const int count = left < STK_SYNC_WINDOW ? left : STK_SYNC_WINDOW;
            if (has_face(s, at, count)) {
                windows[n++] = (stk_sync_window){at, count};
                at += count;
            } else {
                at += 5;
            }
        }
    }
    return n;
}

/* --- from fits to a figure -------------------------------------------------------------------- */

static int peak_of(const double curve[STK_SYNC_SHIFTS]) {
    int best = 0;
    for (int k = 1; k < STK_SYNC_SHIFTS; k++)
        if (curve[k] > curve[best]) best = k;
    return best;
}

/* Top of the parabola through the peak and its neighbours, in frames of shift. */
static double top_of(const double curve[STK_SYNC_SHIFTS], int peak) {
    double shift = peak - STK_SYNC_REACH;
    if (peak == 0 || peak == STK_SYNC_SHIFTS - 1) return shift;
    const double left = curve[peak - 1], right = curve[peak + 1];
    const double bend = left - 2 * curve[peak] + right;
    if (bend < 0) shift += 0.5 * (left - right) / bend;
    return shift;
}

/* Share of the resamplings of the windows whose peak is the same. */
static double steadiness(const double (*fit)[STK_SYNC_SHIFTS], int windows, int peak) {
    stk_rng rng;
    int same = 0;
    stk_rng_seed(&rng, 7, 1);
    for (int r = 0; r < RESAMPLES; r++) {
        double curve[STK_SYNC_SHIFTS] = {0};
        for (int w = 0; w < windows; w++) {
            const double *one = fit[stk_rng_below(&rng, (uint32_t)windows)];
            for (int k = 0; k < STK_SYNC_SHIFTS; k++) curve[k] += one[k];
        }
        const int other = peak_of(curve);
        same += other - peak <= NEAR && peak - other <= NEAR;
    }
    return (double)same / RESAMPLES;
}

/* How far the peak stands out: its height over the best of the rest (further than AWAY from it),
 * against the whole curve's range. 0 .. 1 */
static double prominence(const double curve[STK_SYNC_SHIFTS], int peak) {
    double rest = -INFINITY, low = INFINITY;
    for (int k = 0; k < STK_SYNC_SHIFTS; k++) {
        if (abs(k - peak) >= AWAY && curve[k] > rest) rest = curve[k];
        if (curve[k] < low) low = curve[k];
    }
    return curve[peak] > low ? (curve[peak] - rest) / (curve[peak] - low) : 0;
}

static void judge(const double (*fit)[STK_SYNC_SHIFTS], int windows, double bias_frames,
                  double weight, stk_sync_figure *figure) {
    memset(figure->curve, 0, sizeof figure->curve);
    for (int w = 0; w < windows; w++)
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) figure->curve[k] += fit[w][k] / windows;
    const int peak = peak_of(figure->curve);
    const double steady = steadiness(fit, windows, peak), out = prominence(figure->curve, peak);
    figure->offset_frames = top_of(figure->curve, peak) - bias_frames;
    figure->offset_ms = figure->offset_frames * 1000 / STK_FPS;
    const double enough = windows / (windows + 0.2); /* one is steady by itself */
    figure->confidence = weight * enough * steady * (1 - exp(-fmax(0, out) / PROMINENT));
}

static int choose(const stk_sync_report *sync) {
    int best = 0;
    for (int i = 0; i < sync->count; i++) {
        const stk_sync_figure *f = &sync->by[i];
        if (strcmp(f->measure, STK_SYNC_DISCRIMINATOR) == 0 && f->confidence >= STK_SYNC_SURE)
            return i;
        if (f->confidence > sync->by[best].confidence) best = i;
    }
    return best;
}

void stk_sync_add(stk_sync_report *sync, const char *measure, const double (*fit)[STK_SYNC_SHIFTS],
                  double bias_frames, double weight) {
    if (sync->count == STK_SYNC_MEASURES) return;
    stk_sync_figure *figure = &sync->by[sync->count++];
    snprintf(figure->measure, sizeof figure->measure, "%s", measure);
    judge(fit, sync->windows, bias_frames, weight, figure);
    sync->chosen = choose(sync);
}

/* --- the active speaker ----------------------------------------------------------------------- */

/* The score says first of all that lips move and that there is a voice; how well the two fit is a
 * small part of it. So a model of the three is fitted to the scores of pieces of one second, every
 * 0.2 s, at every shift:
 *   score(piece at i, sound from i + s) = seen_i + heard_(i + s) + fit_s
 * and what is left beside seen and heard is the fit. */
typedef struct pieces {
    int count;                        /* of pieces */
    int *at;                          /* first frame of each */
    double (*score)[STK_SYNC_SHIFTS]; /* of each */
    double *seen;                     /* [count] */
    double *heard, *weight;           /* [frames + 1] by the sound's first frame */
    double fit[STK_SYNC_SHIFTS];
} pieces;

/* One round of least squares, term by term. The sound's term is held back a little, or it would
 * take what is rare at the ends. */
static void improve(pieces *p, int frames) {
    memset(p->heard, 0, (size_t)frames * sizeof *p->heard);
    memset(p->weight, 0, (size_t)frames * sizeof *p->weight);
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) {
            const int from = p->at[i] + k - STK_SYNC_REACH;
            p->heard[from] += p->score[i][k] - p->seen[i] - p->fit[k];
            p->weight[from]++;
        }
    for (int j = 0; j < frames; j++) p->heard[j] /= p->weight[j] + 1;
    double fit[STK_SYNC_SHIFTS] = {0};
    for (int i = 0; i < p->count; i++) {
        const double *heard = p->heard + p->at[i] - STK_SYNC_REACH;
        p->seen[i] = 0;
        for (int k = 0; k < STK_SYNC_SHIFTS; k++)
            p->seen[i] += (p->score[i][k] - heard[k] - p->fit[k]) / STK_SYNC_SHIFTS;
        for (int k = 0; k < STK_SYNC_SHIFTS; k++)
            fit[k] += (p->score[i][k] - heard[k] - p->seen[i]) / p->count;
    }
    memcpy(p->fit, fit, sizeof fit);
}

/* What is left of the scores of each window's pieces. */
static void fits_of_windows(const pieces *p, const stk_sync_window *windows, int count,
                            double (*fit)[STK_SYNC_SHIFTS]) {
    for (int w = 0, i = 0; w < count; w++) {
        const int first = i;
        memset(fit[w], 0, sizeof fit[w]);
        for (; i < p->count && p->at[i] < windows[w].first + windows[w].count; i++)
            for (int k = 0; k < STK_SYNC_SHIFTS; k++)
                fit[w][k] += p->score[i][k] - p->seen[i] - p->heard[p->at[i] + k - STK_SYNC_REACH];
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) fit[w][k] /= i - first;
    }
}

typedef struct sync_work {
    const stk_speech *speech;
    const stk_job *job;
    stk_sync_window *windows;
    double (*fit)[STK_SYNC_SHIFTS];
    float *level; /* [frames] of the sound */
    pieces pieces;
} sync_work;

/* Scores all pieces of the windows; each window has one at least. */
static stk_status score_pieces(sync_work *work, stk_active_speaker *speaker, int windows) {
    const stk_speech *s = work->speech;
    pieces *p = &work->pieces;
    const double start_s = stk_clock_s();
    for (int w = 0; w < windows; w++) {
        const int first = work->windows[w].first, last = first + work->windows[w].count - PIECE;
        for (int at = first; at <= last; at += PIECE_STEP, p->count++) {
            p->at[p->count] = at;
            stk_active_speaker_shifts(speaker, PIECE, s->seen + (size_t)at * CODE,
                                      s->heard + (size_t)(at - STK_SYNC_REACH) * CODE,
                                      STK_SYNC_SHIFTS, p->score[p->count]);
        }
        stk_job_report(work->job, "sync", w + 1, windows, start_s, NULL);
        if (stk_job_aborted(work->job))
            return stk_fail(STK_ERR_ABORTED, "%s: stopped while its sync was measured", s->name);
    }
    for (int round = 0; round < ROUNDS; round++) improve(p, s->frames);
    fits_of_windows(p, work->windows, windows, work->fit);
    return STK_OK;
}

static stk_status allocate_pieces(pieces *p, int windows, int frames) {
    const size_t most = (size_t)windows * (STK_SYNC_WINDOW / PIECE_STEP);
    p->at = stk_calloc_aligned(most, sizeof *p->at);
    p->score = stk_calloc_aligned(most, sizeof *p->score);
    p->seen = stk_calloc_aligned(most, sizeof *p->seen);
    p->heard = stk_calloc_aligned((size_t)frames, sizeof *p->heard);
    p->weight = stk_calloc_aligned((size_t)frames, sizeof *p->weight);
    return p->at != NULL && p->score != NULL && p->seen != NULL && p->heard != NULL &&
                   p->weight != NULL
               ? STK_OK
               : stk_fail_memory("sync");
}

static stk_status by_speaker(sync_work *work, const char *models, stk_sync_report *sync) {
    stk_active_speaker *speaker;
    if (work->speech->seen == NULL || !stk_weights_have(models, "light_asd_finetune_TalkSet.model"))
        return STK_OK;
    STK_TRY(allocate_pieces(&work->pieces, sync->windows, work->speech->frames));
    STK_TRY(stk_active_speaker_create(&speaker, models));
    stk_status status = score_pieces(work, speaker, sync->windows);
    stk_active_speaker_free(&speaker);
    if (status == STK_OK)
        stk_sync_add(sync, "light-asd", (const double(*)[STK_SYNC_SHIFTS])work->fit, SPEAKER_BIAS,
                     SPEAKER_WEIGHT);
    return status;
}

/* --- lips against loudness -------------------------------------------------------------------- */

/* Mean of the mel bins from 250 to 3500 Hz, where voices are, over the frame's 40 ms. */
static float level_at(const stk_speech *s, int frame) {
    enum { LOW = 8, HIGH = 56 };
    float sum = 0;
    int count = 0;
    for (int c = frame * 16 / 5; c < (frame + 1) * 16 / 5 + 1 && c < s->columns; c++)
        for (int b = LOW; b < HIGH; b++, count++) sum += s->mel[(size_t)b * (size_t)s->columns + c];
    return count > 0 ? sum / (float)count : -4;
}

/* Correlation of the opening with the level so many frames later, over the frames with a face. */
static double correlate(const float *opening, const uint8_t *state, const float *level, int count) {
    double a = 0, b = 0, aa = 0, bb = 0, ab = 0;
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (state[i] == STK_SPEECH_NONE) continue;
        n++;
        const double x = (double)opening[i], y = (double)level[i];
        a += x, b += y, aa += x * x, bb += y * y, ab += x * y;
    }
    if (n == 0) return 0;
    const double spread = sqrt(fmax(0, (aa - a * a / n) * (bb - b * b / n)));
    return spread > 1e-9 ? (ab - a * b / n) / spread : 0;
}

static void by_lips(sync_work *work, stk_sync_report *sync) {
    const stk_speech *s = work->speech;
    for (int i = 0; i < s->frames; i++) work->level[i] = level_at(s, i);
    for (int w = 0; w < sync->windows; w++)
        for (int k = 0; k < STK_SYNC_SHIFTS; k++) {
            const int first = work->windows[w].first;
            work->fit[w][k] =
                correlate(s->opening + first, s->state + first,
                          work->level + first + k - STK_SYNC_REACH, work->windows[w].count);
        }
    stk_sync_add(sync, "lips", (const double(*)[STK_SYNC_SHIFTS])work->fit, LIPS_BIAS, LIPS_WEIGHT);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Windows spread over the clip when there are more than STK_SYNC_WINDOWS_MAX. */
static int choose_windows(const stk_speech *s, stk_sync_window *windows) {
    const int most = s->frames / WINDOW_MIN + 1;
    const int n = stk_sync_windows(s, windows, most);
    if (n <= STK_SYNC_WINDOWS_MAX) return n;
    for (int i = 0; i < STK_SYNC_WINDOWS_MAX; i++)
        windows[i] = windows[(int)((int64_t)i * n / STK_SYNC_WINDOWS_MAX)];
    return STK_SYNC_WINDOWS_MAX;
}

static stk_status measure(sync_work *work, const char *models, stk_sync_report *sync) {
    sync->windows = choose_windows(work->speech, work->windows);
    if (sync->windows == 0)
        return stk_fail(STK_ERR_CONTENT,
                        "%s: no %.1f s without a cut in which a face is seen; sync cannot be "
                        "measured on less",
                        work->speech->name, (double)STK_SYNC_FRAMES_MIN / STK_FPS);
    memcpy(sync->at, work->windows, (size_t)sync->windows * sizeof *sync->at);
    work->fit = stk_calloc_aligned((size_t)sync->windows, sizeof *work->fit);
    if (work->fit == NULL) return stk_fail_memory("sync");
    STK_TRY(by_speaker(work, models, sync));
    by_lips(work, sync);
    return STK_OK;
}

stk_status stk_sync_measure(const stk_speech *speech, const char *models, const stk_job *job,
                            stk_sync_report *sync) {
    sync_work work = {.speech = speech, .job = job};
    *sync = (stk_sync_report){0};
    work.windows =
        stk_calloc_aligned((size_t)speech->frames / WINDOW_MIN + 1, sizeof *work.windows);
    work.level = stk_calloc_aligned((size_t)speech->frames, sizeof *work.level);
    stk_status status = work.windows != NULL && work.level != NULL ? measure(&work, models, sync)
                                                                   : stk_fail_memory("sync");
    stk_free(work.windows);
    stk_free(work.level);
    stk_free(work.fit);
    stk_free(work.pieces.at);
    stk_free(work.pieces.score);
    stk_free(work.pieces.seen);
    stk_free(work.pieces.heard);
    stk_free(work.pieces.weight);
    return status;
}
