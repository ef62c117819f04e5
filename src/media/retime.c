/* retime.c - brings any clip to 25 frames a second, undoing repeated frames.
 *
 *   decoded frames --64x64 box means--> difference to predecessor d[i] (root mean square)
 *   d --sharp dips--> candidates --regular in time?--> repeats --> distinct frames --> plan
 *
 * A film of 25 pictures a second in a container of 30 shows every fifth picture twice. After
 * re-encoding the copy is not bit-identical, but its difference is far below those around it: in
 * such clips d dips to under 5 % of its neighbourhood. A person holding still dips as well, but
 * irregularly. So dips count only where they are spread through the clip as evenly as a rate
 * conversion spreads them: the number of dips in windows of equal length differs by at most one (a
 * balanced sequence). Random dips of the same density would miss that in half of the windows.
 *
 * Box means of about 8x8 pixels remove coding noise; the root mean square lets a moving mouth in an
 * otherwise still picture count.
 */
#include "media/media.h"
#include "media/input.h"
#include "base/clock.h"
#include "base/memory.h"

#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 64, /* cells across and down */
    CELLS = SIDE * SIDE,
    REACH = 8,           /* frames to either side that make the neighbourhood */
    WINDOW_MIN = 30,     /* frames in which dips are counted */
    DIPS_PER_WINDOW = 5, /* enough that chance would scatter */
    PERIOD_MAX = 30,
    REPORT_EVERY = 25,
    STRETCH_MAX = 100, /* output frames a source frame: 4 s a picture is no film */
};
static const float DIP_RATIO = 0.15f;     /* measured: repeats < 0.05, motion > 0.3 */
static const float QUIET = 0.05f;         /* neighbourhoods below this (grey levels) show nothing */
static const double REGULAR_SHARE = 0.75; /* of the windows; chance gives about 0.5 */
static const double RATE_TOLERANCE = 0.005;
/* Used in order, frames may leave their time stamps by this much before lips and sound part: one
 * and a half frames. A clip of 24.975/s reaches it after two minutes. */
static const double DRIFT_MAX_S = 0.06;

typedef struct stk_survey {
    float *difference; /* [count], [0] = 0 */
    double *time_s;    /* [count] */
    uint8_t *repeat;   /* [count] */
    int count, capacity;
    float cells[2][CELLS];
} stk_survey;

static void survey_clear(stk_survey *survey) {
    free(survey->difference);
    free(survey->time_s);
    free(survey->repeat);
    stk_free(survey);
}

static stk_status survey_grow(stk_survey *survey) {
    if (survey->count < survey->capacity) return STK_OK;
    int capacity = survey->capacity > 0 ? survey->capacity * 2 : 1024;
    float *difference = realloc(survey->difference, (size_t)capacity * sizeof *difference);
    if (difference != NULL) survey->difference = difference;
    double *time_s = realloc(survey->time_s, (size_t)capacity * sizeof *time_s);
    if (time_s != NULL) survey->time_s = time_s;
    uint8_t *repeat = realloc(survey->repeat, (size_t)capacity);
    if (repeat != NULL) survey->repeat = repeat;
    if (difference == NULL || time_s == NULL || repeat == NULL)
        return stk_fail_memory("retiming plan");
    survey->capacity = capacity;
    return STK_OK;
}

/* Sum of luma over [x0,x1) of one row; wider samples are brought to 8 bits by `shift`. */
static uint32_t row_sum(const uint8_t *row, int x0, int x1, int step, int wide, int shift) {
    uint32_t sum = 0;
    if (!wide && step == 1)
        for (int x = x0; x < x1; x++) sum += row[x];
    else if (!wide)
        for (int x = x0; x < x1; x++) sum += row[x * step];
    else
        for (int x = x0; x < x1; x++) {
            uint16_t sample;
            memcpy(&sample, row + (ptrdiff_t)x * step, sizeof sample);
            sum += (uint32_t)(sample >> shift);
        }
    return sum;
}

/* Means of the first component (luma, or one colour of RGB) over SIDE x SIDE boxes; at most 16 rows
 * of a box are read, which bounds the cost for large pictures. */
static void shrink(float cells[CELLS], const AVFrame *frame) {
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    const AVComponentDescriptor *luma = &format->comp[0];
    int wide = luma->depth > 8, shift = luma->shift + luma->depth - 8;
    for (int cy = 0; cy < SIDE; cy++) {
        int y0 = (int)((int64_t)cy * frame->height / SIDE);
        int y1 = (int)((int64_t)(cy + 1) * frame->height / SIDE);
        if (y1 <= y0) y1 = y0 + 1;
        int skip = (y1 - y0 + 15) / 16;
        for (int cx = 0; cx < SIDE; cx++) {
            int x0 = (int)((int64_t)cx * frame->width / SIDE);
            int x1 = (int)((int64_t)(cx + 1) * frame->width / SIDE);
            if (x1 <= x0) x1 = x0 + 1;
            uint32_t sum = 0, rows = 0;
            for (int y = y0; y < y1; y += skip, rows++)
                sum += row_sum(frame->data[luma->plane] +
                                   (ptrdiff_t)y * frame->linesize[luma->plane] + luma->offset,
                               x0, x1, luma->step, wide, shift);
            cells[cy * SIDE + cx] = (float)sum / (float)(rows * (uint32_t)(x1 - x0));
        }
    }
}

static float cells_difference(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < CELLS; i++) sum += (double)((a[i] - b[i]) * (a[i] - b[i]));
    return (float)sqrt(sum / CELLS);
}

static stk_status survey_frame(stk_survey *survey, const stk_decoder *decoder) {
    STK_TRY(survey_grow(survey));
    int i = survey->count++;
    float *now = survey->cells[i & 1];
    shrink(now, decoder->frame);
    survey->difference[i] = i > 0 ? cells_difference(now, survey->cells[(i - 1) & 1]) : 0;
    double time_s = decoder->time_s;
    if (i > 0 && time_s <= survey->time_s[i - 1]) time_s = survey->time_s[i - 1] + 1e-6;
    survey->time_s[i] = time_s;
    survey->repeat[i] = 0;
    return STK_OK;
}

static stk_status survey_clip(stk_survey *survey, const char *path, const stk_job *job) {
    stk_decoder *decoder;
    STK_TRY(stk_decoder_open(&decoder, path, NULL, 0, AVMEDIA_TYPE_VIDEO, 0));
    double start_s = stk_clock_s();
    int64_t declared = decoder->stream->nb_frames;
    stk_status status = STK_OK;
    for (;;) {
        int end;
        status = stk_decoder_next(decoder, &end);
        if (status != STK_OK || end) break;
        status = survey_frame(survey, decoder);
        if (status != STK_OK) break;
        if (survey->count % REPORT_EVERY != 0) continue;
        stk_job_report(job, "timing", survey->count, declared, start_s, NULL);
        if (stk_job_aborted(job)) {
            status = stk_fail(STK_ERR_ABORTED, "%s: stopped while reading its timing", path);
            break;
        }
    }
    if (status == STK_OK && survey->count == 0)
        status = stk_fail(STK_ERR_CONTENT,
                          "%s: not one picture can be decoded; the file is damaged or "
                          "empty",
                          path);
    if (status == STK_OK)
        stk_job_report(job, "timing", survey->count, survey->count, start_s, NULL);
    stk_decoder_close(&decoder);
    return status;
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The upper quartile of the differences around i: what a moving frame looks like there. Upper,
 * because in a 25 fps film at 60 more than half of the differences are those of repeats. */
static float neighbourhood(const stk_survey *survey, int i) {
    float around[2 * REACH];
    int n = 0;
    for (int j = i - REACH; j <= i + REACH; j++)
        if (j >= 1 && j < survey->count && j != i) around[n++] = survey->difference[j];
    if (n == 0) return 0;
    qsort(around, (size_t)n, sizeof *around, compare_floats);
    return around[n * 3 / 4];
}

static int mark_dips(stk_survey *survey) {
    int dips = 0;
    for (int i = 1; i < survey->count; i++) {
        float around = neighbourhood(survey, i);
        survey->repeat[i] = around > QUIET && survey->difference[i] < DIP_RATIO * around;
        dips += survey->repeat[i];
    }
    return dips;
}

/* Are the dips as evenly spread as a rate conversion spreads them? */
static int dips_are_regular(const stk_survey *survey, int dips) {
    int n = survey->count - 1;
    if (dips == 0) return 0;
    double density = (double)dips / n;
    int length = (int)ceil(DIPS_PER_WINDOW / density);
    if (length < WINDOW_MIN) length = WINDOW_MIN;
    if (length * 2 > n) return 0; /* too little to tell a rule from chance */
    /* The expected count is the middle one, so that still stretches do not shift it. */
    int *histogram = calloc((size_t)length + 2, sizeof *histogram);
    if (histogram == NULL) return 0;
    int inside = 0, windows = 0;
    for (int i = 1; i <= n; i++) {
        inside += survey->repeat[i];
        if (i > length) inside -= survey->repeat[i - length];
        if (i >= length) histogram[inside]++, windows++;
    }
    int middle = 0;
    for (int seen = histogram[0]; seen * 2 < windows; seen += histogram[middle]) middle++;
    int regular =
        histogram[middle] + histogram[middle + 1] + (middle > 0 ? histogram[middle - 1] : 0);
    free(histogram);
    return middle > 0 && regular >= REGULAR_SHARE * windows;
}

/* The distance that separates most neighbouring dips, or 0 if they alternate between several. */
static int dip_period(const stk_survey *survey) {
    int gaps[PERIOD_MAX + 1] = {0}, all = 0, last = -1, best = 0;
    for (int i = 1; i < survey->count; i++) {
        if (!survey->repeat[i]) continue;
        if (last > 0 && i - last <= PERIOD_MAX) gaps[i - last]++;
        all += last > 0;
        last = i;
    }
    for (int g = 2; g <= PERIOD_MAX; g++)
        if (gaps[g] > gaps[best]) best = g;
    return best > 0 && gaps[best] * 10 >= all * 8 ? best : 0;
}

/* A frame on the beat, outside the dips known: a repeat as long as it shows no change of its own.
 */
static int still_enough(const stk_survey *survey, int i) {
    return survey->difference[i] < QUIET ||
           survey->difference[i] < DIP_RATIO * neighbourhood(survey, i);
}

/* With one period, the rhythm decides. A dip with no other a few beats away is a person holding
 * still. Beats between two dips in step are repeats, though a still moment hides them; so are those
 * before the first and after the last dip while nothing moves there. */
static void enforce_period(stk_survey *survey, int period) {
    enum { DIP = 1, KEEP = 2, BEATS = 4 };
    uint8_t *mark = survey->repeat;
    int n = survey->count, first = -1, last = -1;
    for (int i = 1; i < n; i++) {
        if (!(mark[i] & DIP)) continue;
        int in_step = 0;
        for (int k = 1; k <= BEATS; k++)
            in_step |= (i - k * period >= 1 && (mark[i - k * period] & DIP)) ||
                       (i + k * period < n && (mark[i + k * period] & DIP));
        if (!in_step) continue;
        mark[i] |= KEEP;
        if (first < 0) first = i;
        if (last > 0 && (i - last) % period == 0)
            for (int j = last + period; j < i; j += period) mark[j] |= KEEP;
        last = i;
    }
    for (int i = first - period; first > 0 && i >= 1 && still_enough(survey, i); i -= period)
        mark[i] |= KEEP;
    for (int i = last + period; last > 0 && i < n && still_enough(survey, i); i += period)
        mark[i] |= KEEP;
    for (int i = 1; i < n; i++) mark[i] = (mark[i] & KEEP) != 0;
}

/* Returns how many frames are repeats. */
static int find_repeats(stk_survey *survey) {
    int dips = mark_dips(survey);
    if (!dips_are_regular(survey, dips)) {
        memset(survey->repeat, 0, (size_t)survey->count);
        return 0;
    }
    int period = dip_period(survey);
    if (period > 0) enforce_period(survey, period);
    int repeats = 0;
    for (int i = 0; i < survey->count; i++) repeats += survey->repeat[i];
    return repeats;
}

static stk_status plan_allocate(stk_retime *plan, int frames) {
    plan->source = stk_calloc_aligned((size_t)frames, sizeof *plan->source);
    plan->time_s = stk_calloc_aligned((size_t)frames, sizeof *plan->time_s);
    if (plan->source == NULL || plan->time_s == NULL) return stk_fail_memory("retiming plan");
    plan->frames = frames;
    return STK_OK;
}

/* How the time stamps of distinct frames lie against an even 25/s that starts with the first: the
 * mean offset, and the largest deviation from it. */
static double even_offset_s(const stk_survey *survey, const int *distinct, int count,
                            double *worst_s) {
    double first = survey->time_s[distinct[0]], mean = 0;
    for (int k = 0; k < count; k++)
        mean += survey->time_s[distinct[k]] - first - (double)k / STK_FPS;
    mean /= count;
    *worst_s = 0;
    for (int k = 0; k < count; k++) {
        double off = fabs(survey->time_s[distinct[k]] - first - (double)k / STK_FPS - mean);
        if (off > *worst_s) *worst_s = off;
    }
    return fabs(mean) < 1e-6 ? 0 : mean;
}

/* Each distinct frame once. Where time stamps stagger around the even 25/s (they do once repeats
 * are removed), the sound starts where they do on average. */
static stk_status plan_in_order(stk_retime *plan, const stk_survey *survey, const int *distinct,
                                int count, double offset_s) {
    STK_TRY(plan_allocate(plan, count));
    for (int k = 0; k < count; k++) {
        plan->source[k] = distinct[k];
        plan->time_s[k] = survey->time_s[distinct[k]];
    }
    plan->first_time_s = plan->time_s[0] + offset_s;
    return STK_OK;
}

static stk_status plan_nearest(stk_retime *plan, const stk_survey *survey, const int *distinct,
                               int count) {
    /* Up to the last frame of all: repeats at the end still show the last distinct one. */
    double first = survey->time_s[distinct[0]], last = survey->time_s[survey->count - 1];
    double frames = floor((last - first) * STK_FPS + 0.5) + 1;
    STK_TRY(plan_allocate(plan, (int)frames));
    int used = 0;
    for (int k = 0, j = 0; k < plan->frames; k++) {
        double time_s = first + (double)k / STK_FPS;
        int previous = j;
        while (j + 1 < count && fabs(survey->time_s[distinct[j + 1]] - time_s) <
                                    fabs(survey->time_s[distinct[j]] - time_s))
            j++;
        plan->source[k] = distinct[j];
        plan->time_s[k] = survey->time_s[distinct[j]];
        plan->doubled += k > 0 && j == previous;
        used += k == 0 || j != previous;
    }
    plan->dropped = count - used;
    plan->first_time_s = first;
    return STK_OK;
}

static stk_status keep_distinct(stk_retime *plan, const stk_survey *survey, const int *distinct,
                                int count) {
    plan->distinct = stk_calloc_aligned((size_t)count, sizeof *plan->distinct);
    plan->distinct_s = stk_calloc_aligned((size_t)count, sizeof *plan->distinct_s);
    if (plan->distinct == NULL || plan->distinct_s == NULL) return stk_fail_memory("retiming plan");
    plan->distinct_count = count;
    for (int i = 0; i < count; i++) {
        plan->distinct[i] = distinct[i];
        plan->distinct_s[i] = survey->time_s[distinct[i]];
    }
    return STK_OK;
}

static stk_status make_plan(stk_retime *plan, const char *path, stk_survey *survey, int *distinct) {
    plan->source_frames = survey->count;
    plan->repeats = find_repeats(survey);
    int count = 0;
    for (int i = 0; i < survey->count; i++)
        if (!survey->repeat[i]) distinct[count++] = i;
    double span = survey->time_s[distinct[count - 1]] - survey->time_s[distinct[0]];
    if (span * STK_FPS > STRETCH_MAX * (double)survey->count + STRETCH_MAX)
        return stk_fail(STK_ERR_FORMAT,
                        "%s: its time stamps jump (%.0f s for %d pictures); re-encode the clip",
                        path, span, survey->count);
    plan->source_fps = count > 1 ? (count - 1) / span : STK_FPS;
    STK_TRY(keep_distinct(plan, survey, distinct, count));
    double worst_s, offset_s = even_offset_s(survey, distinct, count, &worst_s);
    /* One staggered time stamp at either end must not decide about a short clip. */
    double stagger = plan->repeats > 0 && span > 0 ? 0.5 / STK_FPS / span : 0;
    int even = fabs(plan->source_fps / STK_FPS - 1) <= RATE_TOLERANCE + stagger;
    return even && worst_s <= DRIFT_MAX_S ? plan_in_order(plan, survey, distinct, count, offset_s)
                                          : plan_nearest(plan, survey, distinct, count);
}

stk_status stk_retime_plan(const char *path, const stk_job *job, stk_retime *plan) {
    *plan = (stk_retime){0};
    stk_survey *survey = stk_calloc_aligned(1, sizeof *survey);
    if (survey == NULL) return stk_fail_memory("retiming plan");
    int *distinct = NULL;
    stk_status status = survey_clip(survey, path, job);
    if (status != STK_OK) goto done;
    distinct = stk_calloc_aligned((size_t)survey->count, sizeof *distinct);
    status = distinct != NULL ? make_plan(plan, path, survey, distinct)
                              : stk_fail_memory("retiming plan");
    if (status != STK_OK) stk_retime_clear(plan);
done:
    stk_free(distinct);
    survey_clear(survey);
    return status;
}

void stk_retime_clear(stk_retime *plan) {
    if (plan == NULL) return;
    stk_free(plan->source);
    stk_free(plan->time_s);
    stk_free(plan->distinct);
    stk_free(plan->distinct_s);
    *plan = (stk_retime){0};
}
