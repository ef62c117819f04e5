/* ablate.c - see ablate.h: train what is not trained yet, then evaluate every row.
 *
 * The time given is for everything: an early part of it measures how fast the full system trains,
 * EVALUATION_SHARE is kept for evaluating, and the rest is divided among the models, which all get
 * the same number of steps, so that one seed makes one table.
 */
#include "train/ablate.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "subject/subject.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MODELS = 5, WARM_STEPS = 4, STEPS_LEAST = 32, SEED = 8 };
static const double EVALUATED_FRAME_S = 0.25; /* about; only said before it is known */
static const double EVALUATION_SHARE = 0.12, MEASURE_SHARE = 0.02, MEASURE_MOST_S = 20;
static const double PREVIEW_S = 60, SAVE_S = 110;

const stk_variant_name stk_variant_names[STK_VARIANTS] = {
    [STK_VARIANT_FULL] = {"full", "full system", ""},
    [STK_VARIANT_ENCODER] = {"encoder", "encoder replaced by mel", "audio-visual encoder"},
    [STK_VARIANT_CAPTURE] = {"capture", "capture replaced by blink only",
                             "facial animation capturer"},
    [STK_VARIANT_ATTENTION] = {"attention", "masked attention off", "masked attention"},
    [STK_VARIANT_STABILIZER] = {"stabilizer", "stabilizer off", "head-sync stabilizer"},
    [STK_VARIANT_PORTRAIT] = {"portrait", "portrait off", "portrait-sync generator"},
    [STK_VARIANT_BOTH] = {"both", "stabilizer and portrait off", "both together"},
};

/* The five that are trained come first; the last two are other pictures of two of them. */
static int model_of(int variant) {
    if (variant == STK_VARIANT_PORTRAIT) return STK_VARIANT_FULL;
    return variant == STK_VARIANT_BOTH ? STK_VARIANT_STABILIZER : variant;
}

typedef struct run {
    const stk_ablate_settings *settings;
    const stk_job *job;
    stk_ablate_state state;
    stk_ablation *ablation;
    double start_s;
    /* for progress: what runs, and what it took so far */
    int now, models_left, rows_left;
    double step_s;      /* a training step, measured */
    double row_guess_s; /* before the first row is evaluated */
    double evaluate_s;  /* a row, the newest; 0: not known */
    int64_t first_step; /* of the model in training, when this run came to it; -1: not known */
    double model_start_s;
} run;

/* --- progress --------------------------------------------------------------------------------- */

/* Of all models and rows: how long will they take? < 0: not known. */
static double time_left(const run *r, int64_t steps_done) {
    const double steps =
        (double)(r->state.steps - steps_done) + (double)r->models_left * (double)r->state.steps;
    const double row_s = r->evaluate_s > 0 ? r->evaluate_s : r->row_guess_s;
    return r->step_s > 0 ? steps * r->step_s + r->rows_left * row_s : -1;
}

static void train_progress(void *user, const stk_progress *p) {
    run *r = user;
    if (r->job == NULL || r->job->progress == NULL) return;
    char detail[256];
    const int models_done = MODELS - 1 - r->models_left;
    if (strcmp(p->step, "train") != 0) { /* the rays, for the first of them */
        r->job->progress(r->job->user, p);
        return;
    }
    if (r->first_step < 0) r->first_step = p->done, r->model_start_s = stk_clock_s();
    const double spent_s = stk_clock_s() - r->model_start_s;
    if (p->done - r->first_step >= 16) r->step_s = spent_s / (double)(p->done - r->first_step);
    snprintf(detail, sizeof detail, "%s, model %d of %d: %s", stk_variant_names[r->now].key,
             models_done + 1, MODELS, p->detail != NULL ? p->detail : "");
    const stk_progress all = {
        .step = "ablate",
        .done = models_done * r->state.steps + p->done,
        .total = MODELS * r->state.steps,
        .seconds = stk_clock_s() - r->start_s,
        .eta_s = time_left(r, p->done),
        .detail = detail,
    };
    r->job->progress(r->job->user, &all);
}

static void evaluate_progress(void *user, const stk_progress *p) {
    run *r = user;
    if (r->job == NULL || r->job->progress == NULL) return;
    char step[64];
    snprintf(step, sizeof step, "eval %s", stk_variant_names[r->now].key);
    stk_progress row = *p;
    row.step = step;
    if (p->eta_s >= 0)
        row.eta_s =
            p->eta_s + r->rows_left * (r->evaluate_s > 0 ? r->evaluate_s : p->seconds + p->eta_s);
    r->job->progress(r->job->user, &row);
}

static int is_aborted(void *user) {
    const run *r = user;
    return stk_job_aborted(r->job);
}

/* --- training --------------------------------------------------------------------------------- */

static stk_status model_path(const run *r, int variant, char path[STK_PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "%s.stk", stk_variant_names[model_of(variant)].key);
    return stk_path_join(path, STK_PATH_MAX, r->settings->folder, name);
}

static stk_train_settings training_of(const run *r, int variant, const char *path) {
    const stk_ablate_settings *s = r->settings;
    return (stk_train_settings){
        .subject = s->subject,
        .output = path,
        .encoder = variant == STK_VARIANT_ENCODER ? NULL : s->encoder,
        .preview_s = PREVIEW_S,
        .save_s = SAVE_S,
        .steps = r->state.steps,
        .threads = s->threads,
        .seed = s->seed,
        .rays = s->rays,
        .frames = s->frames,
        .attention = variant == STK_VARIANT_ATTENTION ? STK_ATTENTION_FREE : STK_ATTENTION_MASKS,
        .expression = variant == STK_VARIANT_CAPTURE ? STK_EXPRESSION_BLINK : STK_EXPRESSION_ALL,
        .coarse_poses = variant == STK_VARIANT_STABILIZER,
        .lr_grid = 0.01f,
        .lr_net = 0.001f,
    };
}

/* The pixels that training samples, made once; later it is only opened. */
static stk_status make_rays(const run *r) {
    stk_subject *subject;
    stk_pool *pool = NULL;
    stk_ray_cache *cache = NULL;
    STK_TRY(stk_subject_open(&subject, r->settings->subject));
    stk_status status = stk_pool_create(&pool, r->settings->threads);
    if (status == STK_OK) status = stk_ray_cache_open(&cache, subject, pool, r->job);
    stk_ray_cache_close(&cache);
    stk_pool_free(&pool);
    stk_subject_close(&subject);
    return status;
}

/* Seconds that a step of the full system takes, and the beginning of a run. */
static stk_status measure_step(run *r, double *step_s, double *begin_s) {
    const stk_train_settings settings = training_of(r, STK_VARIANT_FULL, NULL);
    const double most_s = fmin(MEASURE_MOST_S, MEASURE_SHARE * 60 * r->settings->minutes);
    stk_trainer *trainer;
    double start_s = stk_clock_s();
    STK_TRY(stk_trainer_create(&trainer, &settings, r->job));
    *begin_s = stk_clock_s() - start_s;
    stk_status status = STK_OK;
    int steps = -WARM_STEPS;
    while (status == STK_OK && (steps < 1 || stk_clock_s() - start_s < most_s)) {
        if (steps == 0) start_s = stk_clock_s();
        status = stk_job_aborted(r->job)
                     ? stk_fail(STK_ERR_ABORTED, "stopped before anything was trained")
                     : stk_trainer_step(trainer, 0);
        steps++;
    }
    *step_s = (stk_clock_s() - start_s) / (steps > 0 ? steps : 1);
    stk_trainer_free(&trainer);
    return status;
}

static stk_status find_steps(run *r) {
    const stk_ablate_settings *s = r->settings;
    if (r->state.steps > 0) {
        stk_log(STK_LOG_INFO, "going on as begun: %lld steps for each of %d models",
                (long long)r->state.steps, MODELS);
        return STK_OK;
    }
    r->state.steps = s->steps;
    if (s->steps == 0) {
        double begin_s;
        STK_TRY(make_rays(r));
        STK_TRY(measure_step(r, &r->step_s, &begin_s));
        const double left_s = (1 - EVALUATION_SHARE) * 60 * s->minutes -
                              (stk_clock_s() - r->start_s) - MODELS * begin_s;
        const double steps = left_s / MODELS / r->step_s;
        r->state.steps = steps > STEPS_LEAST ? (int64_t)steps : STEPS_LEAST;
        stk_log(STK_LOG_INFO, "%.3f s a step: %lld steps for each of %d models", r->step_s,
                (long long)r->state.steps, MODELS);
    }
    return stk_ablate_state_save(&r->state);
}

static stk_status train_model(run *r, int variant) {
    char path[STK_PATH_MAX], checkpoint[STK_PATH_MAX + 8], sentence[1024];
    STK_TRY(model_path(r, variant, path));
    snprintf(checkpoint, sizeof checkpoint, "%s.train", path);
    stk_train_settings settings = training_of(r, variant, path);
    settings.resume = stk_file_exists(checkpoint);
    const stk_job inner = {train_progress, is_aborted, r};
    stk_train_figures figures;
    r->now = variant;
    r->first_step = -1;
    stk_status status = stk_train_run(&settings, &inner, &figures);
    if (status == STK_ERR_ABORTED) {
        stk_error_take(sentence, sizeof sentence);
        return stk_fail(status,
                        "stopped at step %lld of \"%s\"; the same command goes on from there",
                        (long long)figures.steps, stk_variant_names[variant].key);
    }
    STK_TRY(status);
    r->state.trained[variant] = 1;
    STK_TRY(stk_ablate_state_save(&r->state));
    remove(checkpoint); /* nothing goes on from here */
    return STK_OK;
}

static int is_trained(const run *r, int variant) {
    char path[STK_PATH_MAX];
    return r->state.trained[variant] && model_path(r, variant, path) == STK_OK &&
           stk_file_exists(path);
}

static stk_status train_models(run *r) {
    for (int v = 0; v < MODELS; v++) {
        r->models_left = MODELS - 1 - v;
        r->rows_left = STK_VARIANTS;
        if (r->ablation->variant[v].reason[0] != '\0' || is_trained(r, v)) continue;
        STK_TRY(train_model(r, v));
    }
    return STK_OK;
}

/* --- evaluation ------------------------------------------------------------------------------- */

static stk_status evaluate(run *r, int variant) {
    const stk_ablate_settings *s = r->settings;
    stk_variant_result *result = &r->ablation->variant[variant];
    const stk_album *full = &r->ablation->variant[STK_VARIANT_FULL].album;
    char path[STK_PATH_MAX];
    STK_TRY(model_path(r, variant, path));
    if (result->album.spread != full->spread)
        memcpy(result->album.spread, full->spread, sizeof full->spread);
    result->album.spread_count = full->spread_count;
    const stk_evaluate_settings settings = {
        .model = path,
        .subject = s->subject,
        .models = s->models,
        .perceptual = s->perceptual,
        .encoder = s->encoder,
        .every = s->every,
        .threads = s->threads,
        .portrait = variant != STK_VARIANT_PORTRAIT && variant != STK_VARIANT_BOTH,
        .album = &result->album,
    };
    const stk_job inner = {evaluate_progress, is_aborted, r};
    const double start_s = stk_clock_s();
    r->now = variant;
    r->rows_left = STK_VARIANTS - 1 - variant;
    const stk_status status = stk_evaluate(&settings, &inner, &result->scores);
    if (status == STK_ERR_ABORTED)
        return stk_fail(status,
                        "stopped while evaluating \"%s\"; all models are trained, and the "
                        "same command goes on from there",
                        stk_variant_names[variant].key);
    STK_TRY(status);
    r->evaluate_s = stk_clock_s() - start_s;
    return STK_OK;
}

/* Frame by frame: what is common to a frame, which is most of it, cancels out. */
static stk_status set_apart(stk_ablation *ablation, int variant) {
    const stk_album *full = &ablation->variant[STK_VARIANT_FULL].album;
    stk_variant_result *result = &ablation->variant[variant];
    const int n = result->album.frames < full->frames ? result->album.frames : full->frames;
    double *apart = stk_calloc_aligned((size_t)n + 1, sizeof *apart);
    if (apart == NULL) return stk_fail_memory("ablation");
    stk_status status = STK_OK;
    for (int k = 0; k < STK_ALBUM_COLUMNS && status == STK_OK; k++) {
        const stk_figure_settings settings = {.seed = SEED};
        for (int i = 0; i < n; i++) {
            apart[i] = result->album.column[k][i] - full->column[k][i];
            if (!isfinite(apart[i])) apart[i] = (double)NAN;
        }
        status = stk_figure_of(&result->apart[k], apart, n, &settings);
    }
    stk_free(apart);
    return status;
}

static stk_status evaluate_rows(run *r) {
    for (int v = 0; v < STK_VARIANTS; v++) {
        stk_variant_result *result = &r->ablation->variant[v];
        if (result->reason[0] != '\0') continue;
        STK_TRY(evaluate(r, v));
        STK_TRY(set_apart(r->ablation, v));
    }
    return STK_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Found unfit before the work, not in the midst of it. */
static stk_status check_subject(run *r, const stk_subject *subject) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    stk_camera camera;
    if (info->frames <= info->train_frames)
        return stk_fail(STK_ERR_CONTENT, "%s: has no held-out frames", r->settings->subject);
    if (stk_subject_coarse_poses(subject, &camera) == NULL)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: holds no poses from before the stabilizer, which the row without it "
                        "needs; run `synctalk prepare` on its clip again (imported subjects never "
                        "have them)",
                        r->settings->subject);
    r->row_guess_s = EVALUATED_FRAME_S * (info->frames - info->train_frames) / r->settings->every;
    if (r->settings->encoder == NULL)
        snprintf(r->ablation->variant[STK_VARIANT_ENCODER].reason, STK_VARIANT_REASON,
                 "this program has no encoder of its own, and none was given (--encoder): the full "
                 "system hears mel already");
    return STK_OK;
}

stk_status stk_ablate_run(const stk_ablate_settings *settings, const stk_job *job,
                          stk_ablation *ablation) {
    *ablation = (stk_ablation){0};
    run r = {.settings = settings, .job = job, .ablation = ablation, .start_s = stk_clock_s()};
    stk_subject *subject;
    STK_TRY(stk_subject_open(&subject, settings->subject));
    stk_status status = check_subject(&r, subject);
    if (status == STK_OK) status = stk_directory_create(settings->folder);
    if (status == STK_OK) status = stk_ablate_state_open(&r.state, settings, subject);
    stk_subject_close(&subject);
    if (status == STK_OK) status = find_steps(&r);
    ablation->steps = r.state.steps;
    if (status == STK_OK) status = train_models(&r);
    if (status == STK_OK) status = evaluate_rows(&r);
    ablation->seconds = stk_clock_s() - r.start_s;
    return status;
}

void stk_ablation_clear(stk_ablation *ablation) {
    for (int v = 0; v < STK_VARIANTS; v++) stk_album_clear(&ablation->variant[v].album);
}
