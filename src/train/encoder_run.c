/* encoder_run.c - the run around the steps of encoder training: how far along, when to measure,
 * what to keep.
 *
 * Held-out clips are measured every so often; the weights that did best are kept aside and are the
 * ones written at the end. When nothing got better for 40 % of the run it ends early. By --steps
 * the run is a function of the seed, by --minutes the learning rate follows the clock.
 *
 * A third of the way in, the offsets of the training clips themselves are looked at: one whose
 * sound is early or late is read at the offset found from then on (it would teach the opposite of
 * sync).
 */
#include "train/encoder_internal.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEASURED_FRAMES = 3000, ALIGNED_FRAMES = 750 };
static const double CHECKPOINT_S = 240, ALIGN_AT = 0.3, PATIENCE = 0.4;
enum { PATIENT_LOOKS = 5 };                  /* nor does a run end before so many were no better */
static const double ALIGN_CONFIDENCE = 0.04; /* below it a clip's own offset is not believed */

typedef struct run {
    stk_encoder_trainer *trainer;
    const stk_job *job;
    char state[STK_PATH_MAX];
    double start_s, before_s, checkpoint_s, measured_s, report_s;
    int64_t first_step;
} run;

static double trained_s(const run *r) {
    return r->before_s + stk_clock_s() - r->start_s;
}

static double position(const run *r) {
    const stk_encoder_settings *s = &r->trainer->settings;
    if (s->steps > 0) return (double)r->trainer->step / (double)s->steps;
    return s->minutes > 0 ? trained_s(r) / (60 * s->minutes) : 1;
}

static stk_status save_state(run *r) {
    r->trainer->trained_s = trained_s(r);
    r->checkpoint_s = stk_clock_s();
    return stk_encoder_state_save(r->trainer, r->state);
}

/* --- measuring -------------------------------------------------------------------------------- */

static stk_status append_curve(const stk_encoder_trainer *t, const char *line) {
    static const char title[] =
        "seconds,step,loss,hits,reconstruction,windows,accuracy,confidence\n";
    if (t->settings.curve == NULL) return STK_OK;
    FILE *file = fopen(t->settings.curve, "a");
    if (file == NULL)
        return stk_fail(STK_ERR_IO, "%s: cannot be written: %s", t->settings.curve,
                        strerror(errno));
    fseek(file, 0, SEEK_END);
    const size_t first = ftell(file) == 0 ? sizeof title - 1 : 0, n = strlen(line);
    const int good = fwrite(title, 1, first, file) == first && fwrite(line, 1, n, file) == n;
    if (fclose(file) == 0 && good) return STK_OK;
    return stk_fail(STK_ERR_IO, "%s: writing failed; free some space", t->settings.curve);
}

/* All held-out clips together. */
static stk_status measure(run *r, stk_encoder_offsets *all) {
    stk_encoder_trainer *t = r->trainer;
    double sum = 0;
    *all = (stk_encoder_offsets){0};
    for (int i = 0; i < t->clip_count; i++) {
        stk_encoder_offsets o;
        if (!t->clips[i].held_out) continue;
        STK_TRY(stk_encoder_measure(t, &t->clips[i], MEASURED_FRAMES, &o));
        stk_log(STK_LOG_INFO,
                "step=%lld clip=%s windows=%d right=%d confidence=%.3f offset=%d (%.3f)",
                (long long)t->step, t->clips[i].speech.name, o.windows, o.right, o.confidence,
                o.whole, o.whole_confidence);
        all->windows += o.windows;
        all->right += o.right;
        sum += o.confidence * o.windows;
    }
    if (all->windows > 0) all->confidence = sum / all->windows;
    return STK_OK;
}

/* Measures, notes it, keeps the weights when they are the best so far. */
static stk_status look(run *r) {
    stk_encoder_trainer *t = r->trainer;
    stk_encoder_offsets *o = &t->last;
    char line[192];
    STK_TRY(measure(r, o));
    const double accuracy = o->windows > 0 ? (double)o->right / o->windows : 0;
    /* where the share of right windows is equal, the clearer ones are better */
    const double score = accuracy + 0.1 * o->confidence;
    t->worse++;
    t->looked = t->step;
    if (t->best < 0 || o->windows == 0 || score > t->best) {
        memcpy(t->params.ema, t->params.value, t->params.total * sizeof(float));
        t->best = score;
        t->worse = 0;
        t->best_step = t->step;
        t->best_offsets = *o;
    }
    snprintf(line, sizeof line, "%.1f,%lld,%.5f,%.4f,%.5f,%d,%.4f,%.4f\n", trained_s(r),
             (long long)t->step, t->mean_loss, t->mean_hits, t->mean_rebuilt, o->windows, accuracy,
             o->confidence);
    if (append_curve(t, line) != STK_OK)
        stk_log(STK_LOG_WARN, "%s; training goes on", stk_error_text());
    r->measured_s = stk_clock_s();
    return STK_OK;
}

/* Once: the training clips' own offsets. */
static stk_status align(run *r) {
    stk_encoder_trainer *t = r->trainer;
    t->aligned = 1;
    for (int i = 0; i < t->clip_count; i++) {
        stk_encoder_clip *clip = &t->clips[i];
        stk_encoder_offsets o;
        if (clip->held_out) continue;
        STK_TRY(stk_encoder_measure(t, clip, ALIGNED_FRAMES, &o));
        if (o.whole_confidence < ALIGN_CONFIDENCE || abs(o.whole) == STK_OFFSET_MAX ||
            abs(o.whole) < 2)
            continue;
        clip->shift = o.whole;
        stk_log(STK_LOG_WARN, "%s: its sound is %d frames %s; it is read so from now on",
                clip->speech.name, abs(o.whole), o.whole > 0 ? "late" : "early");
    }
    return STK_OK;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void report(run *r) {
    const stk_encoder_trainer *t = r->trainer;
    const double now = stk_clock_s(), elapsed = now - r->start_s, at = position(r);
    char detail[160], held[64] = "";
    if (now - r->report_s < 0.5 || r->job == NULL || r->job->progress == NULL) return;
    r->report_s = now;
    if (r->trainer->last.windows > 0)
        snprintf(held, sizeof held, " held_out=%.1f%%",
                 100.0 * r->trainer->last.right / r->trainer->last.windows);
    snprintf(detail, sizeof detail, "loss=%.4f hits=%.3f recon=%.4f%s pairs/s=%.0f", t->mean_loss,
             t->mean_hits, t->mean_rebuilt, held,
             (double)(t->step - r->first_step) * WINDOWS / elapsed);
    const stk_progress progress = {
        .step = "train encoder",
        .done = t->step,
        .total = t->settings.steps > 0 ? t->settings.steps
                                       : (int64_t)((double)t->step / (at > 1e-9 ? at : 1) + 0.5),
        .seconds = elapsed,
        .eta_s = at > 1e-6 ? trained_s(r) / at * (1 - at) : -1,
        .detail = detail,
    };
    r->job->progress(r->job->user, &progress);
}

static int is_stale(const run *r, double at) {
    const stk_encoder_trainer *t = r->trainer;
    if (r->trainer->last.windows == 0 || at < PATIENCE || r->trainer->worse < PATIENT_LOOKS)
        return 0;
    return (double)(t->step - t->best_step) > PATIENCE * (double)t->step / at;
}

static int time_to_look(const run *r) {
    const stk_encoder_settings *s = &r->trainer->settings;
    if (s->steps > 0) return s->evaluate_steps > 0 && r->trainer->step % s->evaluate_steps == 0;
    return stk_clock_s() - r->measured_s >= s->evaluate_s;
}

/* Whether to end is asked before a step, of what the state holds: a resumed run ends where the
 * other would have. */
static stk_status loop(run *r) {
    stk_encoder_trainer *t = r->trainer;
    for (;;) {
        const double at = position(r);
        if (at >= 1) return STK_OK;
        if (is_stale(r, at)) {
            stk_log(STK_LOG_INFO, "step=%lld: nothing got better since step %lld; training ends",
                    (long long)t->step, (long long)t->best_step);
            return STK_OK;
        }
        if (stk_job_aborted(r->job))
            return stk_fail(STK_ERR_ABORTED, "stopped at step %lld; `--resume` goes on from there",
                            (long long)t->step);
        if (!t->aligned && at >= ALIGN_AT) STK_TRY(align(r));
        STK_TRY(stk_encoder_step(t, at));
        report(r);
        if (time_to_look(r)) STK_TRY(look(r));
        if (stk_clock_s() - r->checkpoint_s >= CHECKPOINT_S) STK_TRY(save_state(r));
    }
}

static stk_status start(run *r) {
    stk_encoder_trainer *t = r->trainer;
    int held_out = 0;
    for (int i = 0; i < t->clip_count; i++) held_out += t->clips[i].held_out;
    if (held_out == 0)
        stk_log(STK_LOG_WARN, "no clip is held out: nobody knows how well strangers are understood "
                              "(--hold-out), and training does not end early");
    if (t->settings.resume) STK_TRY(stk_encoder_state_load(t, r->state));
    r->before_s = t->trained_s;
    r->first_step = t->step;
    r->start_s = r->checkpoint_s = r->measured_s = stk_clock_s();
    return STK_OK;
}

/* The state of a run that was stopped is that before its last look: the look came by chance and
 * must not change what the resumed run keeps. */
static stk_status finish(run *r, int stopped, stk_encoder_figures *figures) {
    stk_encoder_trainer *t = r->trainer;
    const double elapsed = stk_clock_s() - r->start_s;
    if (stopped) STK_TRY(save_state(r));
    if (t->looked != t->step) STK_TRY(look(r));
    if (!stopped) STK_TRY(save_state(r));
    STK_TRY(stk_encoder_save(t, t->params.ema, t->settings.output));
    *figures = stk_encoder_trainer_figures(t);
    figures->seconds = elapsed;
    figures->pairs_per_s =
        (double)(t->step - r->first_step) * WINDOWS / (elapsed > 0 ? elapsed : 1);
    return STK_OK;
}

/* After a failure: the best weights are still in memory. */
static stk_status rescue(const run *r, stk_status failure) {
    const stk_encoder_trainer *t = r->trainer;
    char sentence[1024];
    if (t->best < 0) return failure;
    stk_error_take(sentence, sizeof sentence);
    if (stk_encoder_save(t, t->params.ema, t->settings.output) == STK_OK)
        return stk_fail(failure, "%.700s; the best weights so far, of step %lld, are in %.200s",
                        sentence, (long long)t->best_step, t->settings.output);
    stk_error_put(sentence);
    return failure;
}

static stk_status train(run *r, const stk_encoder_settings *settings, stk_encoder_clip *clips,
                        int count, stk_encoder_figures *figures) {
    char sentence[1024];
    STK_TRY(stk_encoder_trainer_create(&r->trainer, settings, clips, count));
    STK_TRY(start(r));
    const stk_status status = loop(r);
    if (status != STK_OK && status != STK_ERR_ABORTED) return rescue(r, status);
    stk_error_take(sentence, sizeof sentence);
    const stk_status finished = finish(r, status == STK_ERR_ABORTED, figures);
    if (finished != STK_OK) return rescue(r, finished);
    stk_error_put(sentence);
    return status;
}

/* A file of another ending would not be read back. */
static stk_status check_ending(const char *output) {
    static const char ending[] = ".safetensors";
    const size_t n = strlen(output), m = sizeof ending - 1;
    if (n > m && strcmp(output + n - m, ending) == 0) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "%s: an encoder's name ends in %s; give -o %s%s", output,
                    ending, output, ending);
}

stk_status stk_encoder_train(const stk_encoder_settings *settings, const stk_job *job,
                             stk_encoder_figures *figures) {
    stk_encoder_clip *clips = NULL;
    stk_outfile *held =
        NULL; /* open on the output's name all the time: found unfit before the work */
    run r = {.job = job};
    int count = 0;
    *figures = (stk_encoder_figures){0};
    STK_TRY(check_ending(settings->output));
    if (snprintf(r.state, sizeof r.state, "%s.train", settings->output) >= (int)sizeof r.state)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", settings->output);
    stk_status status = stk_outfile_create(&held, settings->output);
    if (status == STK_OK && stk_outfile_has_rival(held))
        status =
            stk_fail(STK_ERR_IO, "%s: another run is training it; give the encoder another name",
                     settings->output);
    if (status == STK_OK) status = stk_encoder_clips_open(settings, job, &clips, &count);
    if (status == STK_OK) status = train(&r, settings, clips, count, figures);
    stk_encoder_trainer_free(&r.trainer);
    stk_encoder_clips_free(&clips, count);
    stk_outfile_discard(&held);
    return status;
}
