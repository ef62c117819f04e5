/* run.c - the run around the steps: how far along, when to save, what to show, what to do about
 * NaN.
 *
 * With --steps the learning-rate position is step / steps and the whole run is a function of the
 * seed. With --minutes it follows the clock (time trained before a resume counts), so two such
 * runs take different numbers of steps; a checkpoint records where it stood. A budget ends the
 * command, with all that is left to write; where neither is given, training is as long as fits.
 */
#include "train/forecast.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SNAPSHOT_EVERY = 256, ROLLBACKS_MAX = 5, REPORT_EVERY = 16 };
/* The pace is said of it after so many steps, or seconds with fewer; the first steps do not count:
 * their rays take twice the samples. */
enum { PACE_STEPS = 128, PACE_STEPS_MIN = 32, PACE_FROM = 16 };
static const double PACE_S = 12.0;
static const double PIXEL_S = 4e-6; /* of a preview, until one is measured */
static const double DISK_BYTES_PER_S =
    60e6; /* of a slow one, flushed; until one save is measured */

typedef struct run {
    stk_trainer *trainer;
    const stk_job *job;
    stk_preview *preview;
    stk_snapshot snapshot;
    stk_outfile *held; /* open on the model's name all the time: one run at a time writes it */
    char checkpoint[STK_PATH_MAX], picture[STK_PATH_MAX], torso[STK_PATH_MAX];
    double start_s, before_s; /* this run's start; seconds trained before it */
    double checkpoint_s, preview_s;
    double save_took_s, show_took_s; /* the last time, or guessed */
    double pace_s;                   /* clock at step PACE_FROM of this run */
    int pace_said, save_failed;
    double psnr;
    int64_t first_step, samples;
    int show_failed; /* a preview or curve that cannot be written is complained of once */
} run;

static double trained_s(const run *r) {
    return r->before_s + stk_clock_s() - r->start_s;
}

/* When training must end, for all to be saved within the budget. */
static double deadline_s(const run *r) {
    const stk_train_settings *s = &r->trainer->settings;
    return s->begun_s + s->budget_s - 1.5 * (r->save_took_s + r->show_took_s) - 0.2;
}

/* Seconds of training in all, of a run by the clock. */
static double plan_s(const run *r) {
    const stk_train_settings *s = &r->trainer->settings;
    if (s->minutes > 0 || s->budget_s <= 0) return 60.0 * s->minutes;
    return r->before_s + deadline_s(r) - r->start_s;
}

/* Position of the next step in the whole run, [0,1]; 1 = done. */
static double position(const run *r) {
    const stk_train_settings *s = &r->trainer->settings;
    if (s->steps > 0) return (double)r->trainer->step / (double)s->steps;
    const double plan = plan_s(r);
    return plan > 0 ? trained_s(r) / plan : 1.0;
}

static stk_status save_model(run *r) {
    stk_trainer *t = r->trainer;
    STK_TRY(stk_train_heard(t, t->nets.params.ema, &t->nets));
    const stk_training training = stk_train_provenance(t);
    const stk_model_contents contents = {
        .nets = &t->nets,
        .values = t->nets.params.ema,
        .performance = &t->performance,
        .bits = t->occupancy.bits,
        .torso_path = r->torso,
        .steps = t->step,
        .training = &training,
    };
    return stk_model_save(t->settings.output, &contents);
}

static stk_status save_checkpoint(run *r) {
    const double start_s = stk_clock_s();
    r->trainer->trained_s = trained_s(r);
    STK_TRY(stk_checkpoint_save(r->trainer, r->checkpoint));
    r->checkpoint_s = stk_clock_s();
    r->save_took_s = 2 * (r->checkpoint_s - start_s); /* and the model, at the end */
    return STK_OK;
}

/* A full disk must not end the run: what was saved before is there still, and room may be made. */
static void try_save_checkpoint(run *r) {
    if (save_checkpoint(r) == STK_OK) {
        r->save_failed = 0;
        return;
    }
    if (!r->save_failed)
        stk_log(STK_LOG_WARN, "%s; training goes on, and tries again", stk_error_text());
    r->save_failed = 1;
    r->checkpoint_s = stk_clock_s();
}

/* Appends text to the curve; an empty one only proves that it can be written. */
static stk_status append_curve(const char *path, const char *line) {
    if (path == NULL) return STK_OK;
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return stk_fail(STK_ERR_IO, "%s: cannot be written: %s; give the curve another place", path,
                        strerror(errno));
    size_t length = strlen(line);
    int failed = fwrite(line, 1, length, file) != length;
    if (fclose(file) != 0 || failed)
        return stk_fail(STK_ERR_IO, "%s: writing failed; free some space", path);
    return STK_OK;
}

/* Share of the grid's cells in which rays take samples. */
static double occupied_share(const uint8_t *bits) {
    int64_t set = 0;
    for (int i = 0; i < STK_GRID_BYTES; i++) set += __builtin_popcount(bits[i]);
    return (double)set / STK_GRID_CELLS;
}

static stk_status show(run *r) {
    STK_TRY(stk_preview_run(r->preview, r->trainer, r->picture, &r->psnr));
    const stk_trainer *t = r->trainer;
    char line[128];
    snprintf(line, sizeof line, "%.1f,%lld,%.6f,%.3f\n", trained_s(r), (long long)t->step,
             t->mean_loss, r->psnr);
    STK_TRY(append_curve(t->settings.curve, line));
    stk_log(
        STK_LOG_DEBUG,
        "step=%lld loss=%.5f psnr=%.2f seconds=%.0f lips=%.3f samples_per_ray=%.2f occupied=%.4f "
        "threshold=%.3f",
        (long long)t->step, t->mean_loss, r->psnr, trained_s(r), t->mean_lips,
        (double)t->step_samples / t->batch.rays, occupied_share(t->occupancy.bits),
        (double)t->occupancy.threshold);
    return STK_OK;
}

/* Looking on must not stop the work. */
static void try_show(run *r) {
    const double start_s = stk_clock_s();
    if (show(r) != STK_OK && !r->show_failed) {
        stk_log(STK_LOG_WARN, "%s; training goes on", stk_error_text());
        r->show_failed = 1;
    }
    r->preview_s = stk_clock_s();
    r->show_took_s = r->preview_s - start_s;
}

/* How long it will take, or how far it will get, from the pace of the first steps. */
static void say_pace(run *r) {
    const stk_trainer *t = r->trainer;
    const double now = stk_clock_s();
    const int64_t done = t->step - r->first_step;
    if (done == PACE_FROM) r->pace_s = now;
    if (r->pace_said || done < PACE_STEPS_MIN || (done < PACE_STEPS && now - r->start_s < PACE_S))
        return;
    const stk_train_settings *s = &t->settings;
    const double steps_per_s = (double)(done - PACE_FROM) / (now - r->pace_s);
    double left_s =
        s->steps > 0 ? (double)(s->steps - t->step) / steps_per_s : plan_s(r) - trained_s(r);
    if (s->budget_s > 0) left_s = fmin(left_s, deadline_s(r) - now);
    const time_t ends = time(NULL) + (time_t)left_s;
    struct tm day;
    char when[16];
    strftime(when, sizeof when, "%H:%M", localtime_r(&ends, &day));
    stk_log(STK_LOG_INFO, "pace: %.1f steps/s: about %lld steps by %s, in %d:%02d:%02d",
            steps_per_s, (long long)(t->step + (int64_t)(left_s * steps_per_s)), when,
            (int)left_s / 3600, (int)left_s / 60 % 60, (int)left_s % 60);
    r->pace_said = 1;
}

static void report(run *r, double at) {
    const stk_trainer *t = r->trainer;
    double elapsed = stk_clock_s() - r->start_s;
    double rays = (double)(t->step - r->first_step) * t->batch.rays / elapsed;
    char detail[160], psnr[32] = "";
    if (r->psnr > 0) snprintf(psnr, sizeof psnr, " psnr=%.2f", r->psnr); /* after a preview */
    snprintf(detail, sizeof detail, "loss=%.4f%s rays/s=%.0fk samples/s=%.0fk", t->mean_loss, psnr,
             rays * 1e-3, (double)r->samples / elapsed * 1e-3);
    double total = trained_s(r) / (at > 1e-9 ? at : 1e-9);
    stk_progress progress = {
        .step = "train",
        .done = t->step,
        .total = t->settings.steps > 0 ? t->settings.steps : (int64_t)((double)t->step / at + 0.5),
        .seconds = elapsed,
        .eta_s = at > 1e-9 ? total * (1.0 - at) : -1.0,
        .detail = detail,
    };
    if (r->job != NULL && r->job->progress != NULL) r->job->progress(r->job->user, &progress);
}

/* One step under the guard: a bad one rolls back to the snapshot and goes on with other draws.
 * Five in a row end the run; four snapshots without one make it forget. */
static stk_status guarded_step(run *r, double at) {
    stk_trainer *t = r->trainer;
    stk_status status = stk_trainer_step(t, at);
    r->samples += t->step_samples;
    if (status == STK_OK) {
        if (t->step % SNAPSHOT_EVERY == 0) stk_snapshot_take(&r->snapshot, t);
        if (t->step >= t->rollback_step + 4 * SNAPSHOT_EVERY) t->rollbacks = 0;
        return STK_OK;
    }
    if (status != STK_ERR_NUMERIC) return status;
    stk_log(STK_LOG_WARN, "%s; going back to step %lld", stk_error_text(),
            (long long)r->snapshot.step);
    t->rollback_step = r->snapshot.step;
    if (++t->rollbacks > ROLLBACKS_MAX)
        return stk_fail(STK_ERR_NUMERIC,
                        "training diverged %lld times near step %lld; train again with "
                        "a smaller --lr or another --seed",
                        (long long)t->rollbacks, (long long)t->step);
    stk_snapshot_restore(&r->snapshot, t);
    for (int64_t i = 0; i < t->rollbacks; i++) stk_rng_u32(&t->rng); /* other rays this time */
    return STK_OK;
}

static stk_status loop(run *r) {
    stk_trainer *t = r->trainer;
    for (;;) {
        double at = position(r);
        if (at >= 1.0) return STK_OK;
        if (stk_job_aborted(r->job))
            return stk_fail(STK_ERR_ABORTED, "stopped at step %lld; `--resume` goes on from there",
                            (long long)t->step);
        if (t->settings.budget_s > 0 && stk_clock_s() >= deadline_s(r)) {
            stk_log(STK_LOG_INFO,
                    "the budget is spent at step %lld, %.0f %% of the way; `--resume` goes on "
                    "from there",
                    (long long)t->step, 100 * at);
            return STK_OK;
        }
        STK_TRY(guarded_step(r, at));
        say_pace(r);
        if (t->step % REPORT_EVERY == 0) report(r, position(r));
        double now = stk_clock_s();
        if (now - r->preview_s >= t->settings.preview_s) try_show(r);
        if (now - r->checkpoint_s >= t->settings.save_s) try_save_checkpoint(r);
    }
}

static stk_status check_writable(const char *path) {
    stk_outfile *file;
    STK_TRY(stk_outfile_create(&file, path));
    stk_outfile_has_rival(file); /* sweeps away what a run that was killed left half-written */
    stk_outfile_discard(&file);
    return STK_OK;
}

static stk_status name_files(run *r, const stk_train_settings *s) {
    int n = snprintf(r->checkpoint, sizeof r->checkpoint, "%s.train", s->output);
    int m = s->preview != NULL ? snprintf(r->picture, sizeof r->picture, "%s", s->preview)
                               : snprintf(r->picture, sizeof r->picture, "%s.png", s->output);
    if (n < 0 || m < 0 || (size_t)n >= sizeof r->checkpoint || (size_t)m >= sizeof r->picture)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", s->output);
    return STK_OK;
}

/* What replaces each other must not be one file. */
static stk_status check_apart(const run *r, const stk_train_settings *s) {
    const char *const paths[] = {s->output, r->checkpoint, r->picture, s->curve};
    static const char *const names[] = {"the model", "its training state", "the preview",
                                        "the curve"};
    for (size_t i = 1; i < STK_ARRAY_SIZE(paths); i++)
        for (size_t k = 0; k < i && paths[i] != NULL; k++)
            if (stk_file_is_same(paths[k], paths[i]))
                return stk_fail(STK_ERR_ARGUMENT,
                                "%s: would be both %s and %s; give one of them another name",
                                paths[i], names[k], names[i]);
    return STK_OK;
}

/* The places of the outputs: found unfit before the work, not after it. */
static stk_status reserve(run *r, const stk_train_settings *s) {
    STK_TRY(name_files(r, s));
    STK_TRY(check_apart(r, s));
    STK_TRY(stk_outfile_create(&r->held, s->output));
    if (stk_outfile_has_rival(r->held))
        return stk_fail(STK_ERR_IO,
                        "%s: another run is training it; wait until that has ended, or give the "
                        "model another name",
                        s->output);
    STK_TRY(check_writable(r->checkpoint));
    const int made = s->curve != NULL && !stk_file_exists(s->curve);
    STK_TRY(append_curve(s->curve, ""));
    if (made) remove(s->curve); /* it may yet turn out that there is nothing to train on */
    return STK_OK;
}

/* What the run needs, and whether the disk and the budget have it. */
static stk_status plan(run *r) {
    const stk_train_settings *s = &r->trainer->settings;
    stk_train_needs needs = {0};
    stk_train_needs_of(r->trainer, r->torso, &needs);
    STK_TRY(stk_train_needs_check(&needs, s->output, r->checkpoint, NULL));
    r->save_took_s = (double)(needs.model_bytes + needs.state_bytes) / DISK_BYTES_PER_S;
    r->show_took_s = PIXEL_S * r->trainer->performance.width * r->trainer->performance.height;
    if (s->budget_s <= 0 || deadline_s(r) > r->start_s) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "--budget: getting ready took %.1f s and saving may take %.1f s, which leaves "
                    "nothing of %.0f s to train in; give more",
                    r->start_s - s->begun_s, r->save_took_s + r->show_took_s, s->budget_s);
}

static stk_status start(run *r) {
    stk_trainer *t = r->trainer;
    STK_TRY(stk_subject_path(t->subject, "torso.mp4", r->torso));
    if (t->settings.resume) STK_TRY(stk_checkpoint_load(t, r->checkpoint));
    STK_TRY(stk_preview_create(&r->preview, t));
    STK_TRY(stk_snapshot_init(&r->snapshot, t));
    stk_snapshot_take(&r->snapshot, t);
    r->before_s = t->trained_s;
    r->first_step = t->step;
    r->start_s = r->checkpoint_s = r->preview_s = stk_clock_s();
    return plan(r);
}

static stk_status finish(run *r, stk_train_figures *figures) {
    stk_trainer *t = r->trainer;
    double elapsed = stk_clock_s() - r->start_s;
    const stk_status saved = save_model(r); /* that at least, where there is no room for both */
    STK_TRY(save_checkpoint(r));
    STK_TRY(saved);
    try_show(r);
    *figures = (stk_train_figures){
        .steps = t->step,
        .seconds = elapsed,
        .loss = t->mean_loss,
        .held_out_psnr = r->psnr,
        .rays_per_s = (double)(t->step - r->first_step) * t->batch.rays / elapsed,
        .samples_per_s = (double)r->samples / elapsed,
    };
    return STK_OK;
}

stk_status stk_train_run(const stk_train_settings *settings, const stk_job *job,
                         stk_train_figures *figures) {
    *figures = (stk_train_figures){0};
    run r = {.job = job};
    stk_status status = reserve(&r, settings);
    if (status == STK_OK) status = stk_trainer_create(&r.trainer, settings, job);
    if (status == STK_OK) status = start(&r);
    if (status == STK_OK) {
        status = loop(&r);
        if (status == STK_OK || status == STK_ERR_ABORTED) {
            char sentence[1024];
            stk_error_take(sentence, sizeof sentence);
            stk_status saved = finish(&r, figures);
            if (saved != STK_OK)
                status = saved;
            else
                stk_error_put(sentence);
        }
    }
    stk_snapshot_clear(&r.snapshot);
    stk_preview_free(&r.preview);
    stk_trainer_free(&r.trainer);
    stk_outfile_discard(&r.held);
    return status;
}
