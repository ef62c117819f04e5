/* run.c - the run around the steps: how far along, when to save, what to show, what to do about
 * NaN.
 *
 * With --steps the learning-rate position is step / steps and the whole run is a function of the
 * seed. With --minutes it follows the clock (time trained before a resume counts), so two such
 * runs take different numbers of steps; a checkpoint records where it stood. A budget ends the
 * command, with all that is left to write; where neither is given, training is as long as fits.
 * Of several processes (share.c) rank 0 has the clock, writes and speaks; the others make the same
 * steps.
 */
#include "train/forecast.h"
#include "train/former.h"
#include "train/record.h"
#include "train/torso_branch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/ranks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SNAPSHOT_EVERY = 256, ROLLBACKS_MAX = 5, REPORT_EVERY = 16 };
/* The pace is said of it after so many steps, or seconds with fewer; the first steps do not count:
 * their rays take twice the samples. */
enum { PACE_STEPS = 144, PACE_STEPS_MIN = 64, PACE_FROM = 48 };
static const double PACE_S = 20.0;
static const double FIRST_PREVIEW_S = 10.0; /* then there is a page to look at */
static const double HEARD_S = 2e-4;         /* of a frame, for what the model keeps of all codes */
static const double PIXEL_S = 4e-6;         /* of a preview, until one is measured */
static const double DISK_BYTES_PER_S =
    60e6; /* of a slow one, flushed; until one save is measured */

typedef struct run {
    stk_trainer *trainer;
    const stk_job *job;
    stk_preview *preview;
    stk_snapshot snapshot;
    stk_torso_branch torso_branch;
    stk_outfile *held; /* open on the model's name all the time: one run at a time writes it */
    char checkpoint[STK_PATH_MAX], torso[STK_PATH_MAX];
    char former[STK_PATH_MAX]; /* where a model goes that has the output's name; "": nowhere */
    double start_s, before_s;  /* this run's start; seconds trained before it */
    double checkpoint_s, preview_s;
    double save_took_s, show_took_s; /* the last time, or guessed */
    double pace_s;                   /* clock at step PACE_FROM of this run */
    int pace_said, save_failed;
    double psnr;
    int64_t first_step, samples, rays;
    double row_s; /* of the last line of figures */
    int64_t row_step, row_samples, row_rays;
    int rollbacks; /* of this run */
    int complete;
    stk_record record;
    int show_failed; /* a run folder that cannot be written is complained of once */
} run;

static const char RUNNING[] = "The run goes on; this page is written anew at every preview.",
                  STOPPED[] = "The run was stopped before its end; --resume goes on from there.",
                  DONE[] = "The run is complete.";

static double trained_s(const run *r) {
    return r->before_s + stk_clock_s() - r->start_s;
}

/* When training must end, for all to be saved within the budget. */
static double deadline_s(const run *r) {
    const stk_train_settings *s = &r->trainer->settings;
    const double model_s = HEARD_S * r->trainer->performance.train_frames;
    return s->begun_s + s->budget_s - 1.5 * (r->save_took_s + r->show_took_s) - model_s - 0.2;
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
    const float *values = stk_train_values(t);
    STK_TRY(stk_train_heard(t, values, &t->nets));
    const stk_training training = stk_train_provenance(t);
    const stk_model_contents contents = {
        .nets = &t->nets,
        .values = values,
        .performance = &t->performance,
        .bits = t->occupancy.bits,
        .torso_path = r->torso,
        .steps = t->step,
        .training = &training,
    };
    return stk_torso_branch_save(&r->torso_branch, t->settings.output, &contents);
}

static stk_status save_checkpoint(run *r) {
    const double start_s = stk_clock_s();
    r->trainer->trained_s = trained_s(r);
    STK_TRY(stk_checkpoint_save(r->trainer, r->checkpoint));
    r->checkpoint_s = stk_clock_s();
    r->save_took_s = 2 * (r->checkpoint_s - start_s); /* and the model, at the end */
    r->row_s += r->checkpoint_s - start_s;            /* no step was made in that time */
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

/* Share of the grid's cells in which rays take samples. */
static double occupied_share(const uint8_t *bits) {
    int64_t set = 0;
    for (int i = 0; i < STK_GRID_BYTES; i++) set += __builtin_popcount(bits[i]);
    return (double)set / STK_GRID_CELLS;
}

/* Of the last step; NaN before the first of this run. */
static double samples_per_ray(const stk_trainer *t) {
    return t->plan.rays > 0 ? (double)t->step_samples / t->plan.rays : (double)NAN;
}

/* Of patches or of lips; NaN before the first. */
static double unlike_of(const stk_trainer *t, stk_step_kind kind) {
    return t->mean_perceptual[kind] > 0 ? t->mean_perceptual[kind] : (double)NAN;
}

/* A line of figures, the rates since the last one, where there were steps; scores NULL between
 * previews. */
static stk_status keep_figures(run *r, const stk_preview_scores *scores) {
    const stk_trainer *t = r->trainer;
    const double now = stk_clock_s(), passed = fmax(now - r->row_s, 1e-6), none = (double)NAN;
    const double steps = (double)(t->step - r->row_step), rays = (double)(r->rays - r->row_rays);
    const double samples = (double)(r->samples - r->row_samples);
    const double rate = (double)(t->settings.lr_grid * t->plan.now.rate);
    const record_row row = {
        .figure = {[RECORD_SECONDS] = trained_s(r),
                   [RECORD_STEP] = (double)t->step,
                   [RECORD_LOSS] = t->mean_loss,
                   [RECORD_LIPS] = t->mean_lips,
                   [RECORD_PERCEPTUAL_PATCHES] = unlike_of(t, STK_STEP_PATCHES),
                   [RECORD_PERCEPTUAL_LIPS] = unlike_of(t, STK_STEP_LIPS),
                   [RECORD_RATE] = t->plan.rays > 0 ? rate : none,
                   [RECORD_STEPS_PER_S] = steps > 0 ? steps / passed : none, /* < 0: rolled back */
                   [RECORD_RAYS_PER_S] = rays > 0 ? rays / passed : none,
                   [RECORD_SAMPLES_PER_S] = rays > 0 ? samples / passed : none,
                   [RECORD_PSNR] = scores != NULL ? scores->psnr : none,
                   [RECORD_PSNR_HEAD] = scores != NULL ? scores->psnr_head : none,
                   [RECORD_PSNR_MOUTH] = scores != NULL ? scores->psnr_mouth : none,
                   [RECORD_SAMPLES_PER_RAY] = samples_per_ray(t),
                   [RECORD_OCCUPIED] = occupied_share(t->occupancy.bits),
                   [RECORD_ROLLBACKS] = r->rollbacks,
                   [RECORD_RESIDENT_MIB] = stk_rss_mib()}};
    r->row_s = now;
    r->row_step = t->step;
    r->row_samples = r->samples;
    r->row_rays = r->rays;
    return stk_record_add(&r->record, &row);
}

static stk_status show(run *r, const char *state) {
    const stk_trainer *t = r->trainer;
    stk_preview_scores scores;
    STK_TRY(stk_preview_run(r->preview, r->trainer, &scores));
    r->psnr = scores.psnr;
    STK_TRY(keep_figures(r, &scores));
    const stk_image *sheet = stk_preview_sheet(r->preview);
    if (sheet != NULL) STK_TRY(stk_record_picture(&r->record, sheet));
    STK_TRY(stk_record_page(&r->record, state));
    stk_log(
        STK_LOG_DEBUG,
        "step=%lld loss=%.5f psnr=%.2f seconds=%.0f lips=%.3f samples_per_ray=%.2f occupied=%.4f "
        "threshold=%.3f",
        (long long)t->step, t->mean_loss, r->psnr, trained_s(r), t->mean_lips, samples_per_ray(t),
        occupied_share(t->occupancy.bits), (double)t->occupancy.threshold);
    return STK_OK;
}

/* Looking on must not stop the work. */
static void look_on(run *r, stk_status status) {
    if (status != STK_OK && !r->show_failed) {
        stk_log(STK_LOG_WARN, "%s; training goes on", stk_error_text());
        r->show_failed = 1;
    }
}

static void try_show(run *r, const char *state) {
    const double start_s = stk_clock_s();
    look_on(r, show(r, state));
    r->preview_s = r->row_s = stk_clock_s();
    r->show_took_s = r->preview_s - start_s;
    if (!r->pace_said) r->pace_s += r->show_took_s;
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
    double rays = (double)r->rays / elapsed;
    char detail[192], psnr[32] = "", unlike[80] = "";
    if (r->psnr > 0) snprintf(psnr, sizeof psnr, " psnr=%.2f", r->psnr); /* after a preview */
    const double patches = t->mean_perceptual[STK_STEP_PATCHES];
    const double lips = t->mean_perceptual[STK_STEP_LIPS];
    int n = 0;
    if (patches > 0)
        n = snprintf(unlike, sizeof unlike, " %s=%.4f", stk_perceptual_name(t->perceptual),
                     patches);
    if (lips > 0) snprintf(unlike + n, sizeof unlike - (size_t)n, " lips=%.4f", lips);
    snprintf(detail, sizeof detail, "loss=%.4f%s%s rays/s=%.0fk samples/s=%.0fk", t->mean_loss,
             unlike, psnr, rays * 1e-3, (double)r->samples / elapsed * 1e-3);
    double total = trained_s(r) / (at > 1e-9 ? at : 1e-9);
    stk_progress progress = {
        .step = "train",
        .done = t->step,
        .total = t->settings.steps > 0 ? t->settings.steps : (int64_t)((double)t->step / at + 0.5),
        .seconds = elapsed,
        .eta_s = at > 1e-9 ? fmax(0, total * (1.0 - at)) : -1.0,
        .detail = detail,
    };
    if (r->job != NULL && r->job->progress != NULL) r->job->progress(r->job->user, &progress);
}

/* One step under the guard: a bad one rolls back to the snapshot and goes on with other draws.
 * Five in a row end the run; four snapshots without one make it forget. */
static stk_status guarded_step(run *r, double at) {
    stk_trainer *t = r->trainer;
    stk_status status = stk_trainer_step(t, at);
    r->samples += t->step_samples + t->step_looked;
    r->rays += t->plan.rays;
    if (status == STK_OK) {
        if (t->step % SNAPSHOT_EVERY == 0) stk_snapshot_take(&r->snapshot, t);
        if (t->step >= t->rollback_step + 4 * SNAPSHOT_EVERY) t->rollbacks = 0;
        return STK_OK;
    }
    if (status != STK_ERR_NUMERIC) return status;
    stk_log(STK_LOG_WARN, "%s; going back to step %lld", stk_error_text(),
            (long long)r->snapshot.step);
    t->rollback_step = r->snapshot.step;
    r->rollbacks++;
    if (++t->rollbacks > ROLLBACKS_MAX)
        return stk_fail(STK_ERR_NUMERIC,
                        "training diverged %lld times near step %lld; train again with "
                        "a smaller --lr or another --seed",
                        (long long)t->rollbacks, (long long)t->step);
    stk_snapshot_restore(&r->snapshot, t);
    for (int64_t i = 0; i < t->rollbacks; i++) stk_rng_u32(&t->rng); /* other rays this time */
    return STK_OK;
}

/* 1 when a run whose length is given must stop before its end. */
static int budget_spent(const run *r, double at) {
    const stk_train_settings *s = &r->trainer->settings;
    if (s->budget_s <= 0 || (s->steps <= 0 && s->minutes <= 0) || stk_clock_s() < deadline_s(r))
        return 0;
    stk_log(STK_LOG_INFO,
            "the budget is spent at step %lld, %.0f %% of the way; `--resume` goes on from there",
            (long long)r->trainer->step, 100 * at);
    return 1;
}

/* What comes next, by rank 0: clocks and keyboards differ. */
typedef struct turn {
    double at; /* position of the step; >= 1: the end */
    int aborted, spent;
} turn;

static turn next_turn(const run *r) {
    turn next = {0};
    if (stk_ranks_index() == 0) {
        next.at = position(r);
        next.aborted = stk_job_aborted(r->job);
        next.spent = next.at < 1 && !next.aborted && budget_spent(r, next.at);
    }
    stk_ranks_broadcast(&next, sizeof next);
    return next;
}

/* What rank 0 does between steps. */
static void look_after(run *r) {
    const stk_trainer *t = r->trainer;
    say_pace(r);
    if (t->step % REPORT_EVERY == 0) report(r, position(r));
    if (stk_record_due(&r->record, trained_s(r))) look_on(r, keep_figures(r, NULL));
    const double now = stk_clock_s();
    if (now - r->preview_s >= t->settings.preview_s) try_show(r, RUNNING);
    if (now - r->checkpoint_s >= t->settings.save_s) try_save_checkpoint(r);
}

static stk_status loop(run *r) {
    for (;;) {
        const turn next = next_turn(r);
        r->complete = next.at >= 1.0;
        if (r->complete && r->trainer->step == 0 && r->trainer->settings.budget_s > 0)
            return stk_fail(STK_ERR_ARGUMENT,
                            "--budget: getting ready left no time for a single step; give more");
        if (r->complete || (next.spent && !next.aborted)) return STK_OK;
        if (next.aborted)
            return stk_fail(STK_ERR_ABORTED, "stopped at step %lld; `--resume` goes on from there",
                            (long long)r->trainer->step);
        STK_TRY(guarded_step(r, next.at));
        if (stk_ranks_index() == 0) look_after(r);
    }
}

static stk_status check_writable(const char *path) {
    stk_outfile *file;
    STK_TRY(stk_outfile_create(&file, path));
    stk_outfile_has_rival(file); /* sweeps away what a run that was killed left half-written */
    stk_outfile_discard(&file);
    return STK_OK;
}

/* What replaces each other must not be one file. */
static stk_status check_apart(const run *r, const stk_train_settings *s) {
    const char *const names[] = {"figures.csv", "figures.csv.old", "settings.json",
                                 "log.txt",     "report.html",     "preview.png"};
    const char *const files[] = {s->output, r->checkpoint};
    for (size_t i = 0; r->record.folder[0] != '\0' && i < STK_ARRAY_SIZE(names); i++) {
        char path[STK_PATH_MAX];
        STK_TRY(stk_record_path(&r->record, names[i], path));
        for (size_t k = 0; k < STK_ARRAY_SIZE(files); k++)
            if (stk_file_is_same(files[k], path))
                return stk_fail(STK_ERR_ARGUMENT,
                                "%s: is a file of the run folder, too; give --run another folder",
                                files[k]);
    }
    return STK_OK;
}

static stk_status name_checkpoint(run *r, const stk_train_settings *s) {
    const int n = snprintf(r->checkpoint, sizeof r->checkpoint, "%s.train", s->output);
    if (n > 0 && (size_t)n < sizeof r->checkpoint) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", s->output);
}

/* The places of the outputs: found unfit before the work, not after it. */
static stk_status reserve(run *r, const stk_train_settings *s) {
    if (s->resume)
        STK_TRY(stk_checkpoint_need(r->checkpoint));
    else
        STK_TRY(stk_former_find(s->output, r->former));
    STK_TRY(stk_outfile_create(&r->held, s->output));
    if (stk_outfile_has_rival(r->held))
        return stk_fail(STK_ERR_IO,
                        "%s: another run is training it; wait until that has ended, or give the "
                        "model another name",
                        s->output);
    STK_TRY(check_writable(r->checkpoint));
    STK_TRY(stk_record_open(&r->record, s->run, s->output));
    return check_apart(r, s);
}

/* What the run needs, and whether the disk and the budget have it. */
static stk_status plan(run *r) {
    const stk_train_settings *s = &r->trainer->settings;
    stk_train_needs needs = {0};
    stk_train_needs_of(r->trainer, r->torso, &needs);
    const char *folder = r->record.folder[0] != '\0' ? r->record.folder : NULL;
    if (folder != NULL)
        needs.folder_bytes =
            stk_record_bytes(r->trainer->performance.width, r->trainer->performance.height);
    STK_TRY(stk_train_needs_check(&needs, s->output, r->checkpoint, folder));
    r->save_took_s = (double)(needs.model_bytes + needs.state_bytes) / DISK_BYTES_PER_S;
    r->show_took_s = PIXEL_S * r->trainer->performance.width * r->trainer->performance.height;
    if (s->budget_s <= 0 || deadline_s(r) > r->start_s) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "--budget: getting ready took %.1f s and saving may take %.1f s, which leaves "
                    "nothing of %.0f s to train in; give more",
                    r->start_s - s->begun_s, r->save_took_s + r->show_took_s, s->budget_s);
}

static void start_clocks(run *r) {
    r->start_s = r->checkpoint_s = r->preview_s = r->row_s = stk_clock_s();
    r->preview_s -= fmax(0, r->trainer->settings.preview_s - FIRST_PREVIEW_S);
}

static stk_status start(run *r) {
    stk_trainer *t = r->trainer;
    STK_TRY(stk_subject_path(t->subject, "torso.mp4", r->torso));
    if (stk_ranks_index() == 0) t->torso_branch = &r->torso_branch;
    if (t->settings.resume) STK_TRY(stk_checkpoint_load(t, r->checkpoint));
    STK_TRY(stk_snapshot_init(&r->snapshot, t));
    stk_snapshot_take(&r->snapshot, t);
    r->before_s = t->trained_s;
    r->first_step = r->row_step = t->step;
    start_clocks(r);
    if (stk_ranks_index() > 0) return STK_OK;
    STK_TRY(stk_preview_create(&r->preview, t));
    STK_TRY(plan(r));
    STK_TRY(stk_torso_branch_train(&r->torso_branch, t, r->job));
    start_clocks(r);
    return stk_record_begin(&r->record, t);
}

/* Rank 0 first, then all others at once: it makes the ray cache that they map. */
static stk_status create(run *r, const stk_train_settings *settings) {
    stk_status status = STK_OK;
    for (int turn_of_others = 0; turn_of_others < 2; turn_of_others++) {
        if ((stk_ranks_index() > 0) == turn_of_others)
            status = stk_trainer_create(&r->trainer, settings, r->job);
        STK_TRY(stk_ranks_agree(status));
    }
    if (stk_ranks_count() > 1)
        stk_log(STK_LOG_INFO, "%d processes share the steps, each with %d threads",
                stk_ranks_count(), stk_pool_threads(r->trainer->pool));
    return stk_ranks_agree(start(r));
}

static stk_status finish(run *r, stk_train_figures *figures) {
    stk_trainer *t = r->trainer;
    double elapsed = stk_clock_s() - r->start_s;
    const double saving_s = stk_clock_s();
    stk_former_move(t->settings.output, r->former);
    const stk_status saved = save_model(r); /* that at least, where there is no room for both */
    if (saved != STK_OK) stk_former_move(r->former, t->settings.output);
    r->row_s += stk_clock_s() - saving_s;
    STK_TRY(save_checkpoint(r));
    STK_TRY(saved);
    stk_log(STK_LOG_DEBUG, "saved %s after %lld steps", t->settings.output, (long long)t->step);
    try_show(r, r->complete ? DONE : STOPPED);
    *figures = (stk_train_figures){
        .steps = t->step,
        .seconds = elapsed,
        .loss = t->mean_loss,
        .held_out_psnr = isfinite(r->psnr) ? r->psnr : 0,
        .rays_per_s = (double)r->rays / elapsed,
        .samples_per_s = (double)r->samples / elapsed,
    };
    return STK_OK;
}

/* The loop and what is kept of it; an abort keeps its sentence. */
static stk_status work(run *r, stk_train_figures *figures) {
    char sentence[1024];
    const stk_status status = loop(r);
    if (status != STK_OK && status != STK_ERR_ABORTED) {
        if (status != STK_ERR_NUMERIC) stk_ranks_fail(); /* that the others have seen as well */
        return status;
    }
    stk_error_take(sentence, sizeof sentence);
    STK_TRY(stk_ranks_agree(stk_ranks_index() == 0 ? finish(r, figures) : STK_OK));
    stk_error_put(sentence);
    return status;
}

stk_status stk_train_run(const stk_train_settings *settings, const stk_job *job,
                         stk_train_figures *figures) {
    *figures = (stk_train_figures){0};
    run r = {.job = job};
    stk_status status = name_checkpoint(&r, settings);
    if (status == STK_OK && stk_ranks_index() == 0) status = reserve(&r, settings);
    status = stk_ranks_agree(status);
    if (status == STK_OK) status = create(&r, settings);
    if (status == STK_OK) status = work(&r, figures);
    stk_snapshot_clear(&r.snapshot);
    stk_torso_branch_clear(&r.torso_branch);
    stk_preview_free(&r.preview);
    stk_trainer_free(&r.trainer);
    stk_outfile_discard(&r.held);
    stk_record_close(&r.record);
    return status;
}
