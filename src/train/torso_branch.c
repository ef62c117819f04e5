/* torso_branch.c - see torso_branch.h. Loss and gradients: reference.md 5.3; optimiser: 5.4.
 *
 * DIFFERS: published runs take 200,000 steps of 65,536 rays with rates that fall to a half; here
 * they are fewer and smaller, so rates fall to a twentieth.
 */
#include "train/torso_branch.h"
#include "train/internal.h"

#include "base/clock.h"
#include "base/image.h"
#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { PIXELS_MAX = 1 << 14, OCCUPANCY_EVERY = 16, REPORT_EVERY = 16, STREAM = 77 };
static const float BETA2 = 0.99f, EPSILON = 1e-8f, LAST_RATE = 0.05f, GRID_DECAY = 0.01f;
static const double LOSS_MEMORY = 0.98;

typedef struct stage {
    stk_torso_branch *branch;
    const stk_trainer *trainer;
    stk_frame_store *film;
    stk_torso_trainer *steps;
    stk_optimiser_kernels optimiser;
    stk_rng rng;
    float *coords, *plate, *target; /* [pixels][2], [..][3], [..][3] */
    int pixels, step;
} stage;

static void camera_of(const stage *s, int frame, stk_ngp_camera *camera) {
    const stk_performance *p = &s->trainer->performance;
    stk_ngp_camera_from_pose(&p->camera, &p->poses[frame], camera);
}

/* Pixels anywhere in the picture: where they are, the plate there, and the film. */
static void pick_pixels(stage *s, const stk_image *film) {
    const stk_image *plate = &s->branch->plate;
    const float per_row = 2.0f / (float)(film->height - 1);
    const float per_column = 2.0f / (float)(film->width - 1);
    for (int i = 0; i < s->pixels; i++) {
        const int y = (int)stk_rng_below(&s->rng, (uint32_t)film->height);
        const int x = (int)stk_rng_below(&s->rng, (uint32_t)film->width);
        const uint8_t *behind = stk_image_row(plate, y) + 3 * x;
        const uint8_t *wanted = stk_image_row(film, y) + 3 * x;
        s->coords[2 * i] = (float)y * per_row - 1;
        s->coords[2 * i + 1] = (float)x * per_column - 1;
        for (int c = 0; c < 3; c++) {
            s->plate[3 * i + c] = (float)behind[c] * (1 / 255.0f);
            s->target[3 * i + c] = (float)wanted[c] * (1 / 255.0f);
        }
    }
}

static void update_occupancy(stage *s) {
    stk_torso_branch *b = s->branch;
    stk_torso_frame frame;
    stk_ngp_camera camera;
    const int k = (int)stk_rng_below(&s->rng, (uint32_t)s->trainer->performance.train_frames);
    camera_of(s, k, &camera);
    stk_torso_frame_init(&frame, &b->torso, &b->params, b->params.value, &camera, k);
    stk_torso_occupancy_update(&b->occupancy, &b->torso, &frame, &s->rng, s->trainer->pool);
}

/* 0 when a gradient was no finite number. */
static int optimise(stage *s) {
    const stk_train_settings *settings = &s->trainer->settings;
    stk_params *p = &s->branch->params;
    const float rate = powf(LAST_RATE, (float)s->step / (float)settings->torso_steps);
    int bad = 0;
    for (int i = 0; i < p->n; i++) {
        const stk_param *param = &p->list[i];
        const int grid = param->group == STK_GROUP_GRID;
        const stk_adamw adamw = {
            .lr = rate * (grid ? settings->lr_grid : settings->lr_net),
            .weight_decay = grid ? GRID_DECAY : 0,
            .beta2 = BETA2,
            .eps = EPSILON,
            .correction = 1 - powf(BETA2, (float)(s->step + 1)),
        };
        const size_t at = param->offset, count = (param->count + 15) & ~(size_t)15;
        bad |= s->optimiser.adamw(&adamw, count, p->value + at, p->grad + at, p->v + at);
    }
    return !bad;
}

static stk_status take_step(stage *s) {
    stk_torso_branch *b = s->branch;
    const stk_image *film;
    if (s->step % OCCUPANCY_EVERY == 0) update_occupancy(s);
    const int k = (int)stk_rng_below(&s->rng, (uint32_t)s->trainer->performance.train_frames);
    STK_TRY(stk_frame_store_get(s->film, k, &film));
    pick_pixels(s, film);
    stk_torso_batch batch = {
        .pixels = s->pixels,
        .coords = s->coords,
        .plate = s->plate,
        .target = s->target,
        .code_row = k,
        .occupancy = &b->occupancy,
    };
    camera_of(s, k, &batch.camera);
    const double loss = stk_torso_step(s->steps, &b->torso, &batch, &b->params, s->trainer->pool);
    if (!optimise(s) || !isfinite(loss))
        return stk_fail(STK_ERR_NUMERIC,
                        "the torso branch diverged at step %d; train again with a smaller --lr",
                        s->step);
    b->loss = s->step == 0 ? loss : LOSS_MEMORY * b->loss + (1 - LOSS_MEMORY) * loss;
    return STK_OK;
}

/* --- the whole ------------------------------------------------------------------------------- */

stk_status stk_torso_branch_open(stk_torso_branch *b, const stk_trainer *t) {
    STK_TRY(stk_params_init(&b->params));
    STK_TRY(stk_torso_register(&b->torso, &b->params, t->performance.train_frames));
    STK_TRY(stk_params_seal(&b->params, 1));
    STK_TRY(stk_torso_occupancy_init(&b->occupancy));
    STK_TRY(stk_subject_plate(t->subject, &b->plate));
    if (b->plate.width == t->performance.width && b->plate.height == t->performance.height)
        return STK_OK;
    return stk_fail(STK_ERR_FORMAT, "%s: plate.png is not of the size of the frames",
                    t->settings.subject);
}

static stk_status open_stage(stage *s) {
    const stk_trainer *t = s->trainer;
    stk_torso_branch *b = s->branch;
    int width, height;
    STK_TRY(stk_torso_branch_open(b, t));
    STK_TRY(stk_subject_open_torsos(t->subject, &s->film));
    stk_frame_store_size(s->film, &width, &height);
    if (width != b->plate.width || height != b->plate.height || width < 2 || height < 2 ||
        stk_frame_store_count(s->film) < t->performance.train_frames)
        return stk_fail(STK_ERR_FORMAT, "%s: torso.mp4 and plate.png do not fit each other",
                        t->settings.subject);
    s->pixels = width * height < PIXELS_MAX ? width * height : PIXELS_MAX;
    STK_TRY(stk_torso_trainer_create(&s->steps, s->pixels));
    s->coords = stk_calloc_aligned((size_t)s->pixels, 2 * sizeof(float));
    s->plate = stk_calloc_aligned((size_t)s->pixels, 3 * sizeof(float));
    s->target = stk_calloc_aligned((size_t)s->pixels, 3 * sizeof(float));
    if (s->coords == NULL || s->plate == NULL || s->target == NULL)
        return stk_fail_memory("torso branch");
    stk_optimiser_kernels_init(&s->optimiser);
    stk_rng_seed(&s->rng, (uint64_t)t->settings.seed, STREAM);
    stk_torso_init(&b->torso, &b->params, &s->rng);
    return STK_OK;
}

static void close_stage(stage *s) {
    stk_frame_store_close(&s->film);
    stk_torso_trainer_free(&s->steps);
    stk_free(s->coords);
    stk_free(s->plate);
    stk_free(s->target);
}

/* Half of a budget is the head's. */
static stk_status check_budget(const stage *s) {
    const stk_train_settings *settings = &s->trainer->settings;
    if (settings->budget_s <= 0 || stk_clock_s() < settings->begun_s + 0.5 * settings->budget_s)
        return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT,
                    "--budget: half of it was used up by %d of the %d steps of the torso branch; "
                    "give more time, or a smaller --torso",
                    s->step, settings->torso_steps);
}

static stk_status run_stage(stage *s, const stk_job *job) {
    const int steps = s->trainer->settings.torso_steps;
    const double start_s = stk_clock_s();
    STK_TRY(open_stage(s));
    for (; s->step < steps; s->step++) {
        if (stk_job_aborted(job))
            return stk_fail(STK_ERR_ABORTED, "stopped while the torso branch was trained, which "
                                             "comes before the head: nothing is kept of it");
        STK_TRY(check_budget(s));
        STK_TRY(take_step(s));
        if (s->step % REPORT_EVERY == 0)
            stk_job_report(job, "torso", s->step + 1, steps, start_s, NULL);
    }
    stk_log(STK_LOG_INFO, "torso branch: steps=%d loss=%.5f seconds=%.1f", steps, s->branch->loss,
            stk_clock_s() - start_s);
    s->branch->steps = steps;
    return STK_OK;
}

stk_status stk_torso_branch_train(stk_torso_branch *branch, const stk_trainer *trainer,
                                  const stk_job *job) {
    stage s = {.branch = branch, .trainer = trainer};
    if (branch->steps > 0)
        stk_log(STK_LOG_INFO, "torso branch: the checkpoint's, of %d steps", branch->steps);
    if (branch->steps > 0 || trainer->settings.torso_steps <= 0) return STK_OK;
    const stk_status status = run_stage(&s, job);
    close_stage(&s);
    if (status != STK_OK) stk_torso_branch_clear(branch);
    return status;
}

void stk_torso_branch_clear(stk_torso_branch *branch) {
    stk_params_clear(&branch->params);
    stk_torso_occupancy_clear(&branch->occupancy);
    stk_image_clear(&branch->plate);
    *branch = (stk_torso_branch){0};
}

/* As render/backdrop.h does with the model: the code of the first frame. */
void stk_torso_branch_paint(const stk_torso_branch *branch, const stk_trainer *trainer, int frame,
                            stk_image *picture) {
    const stk_performance *p = &trainer->performance;
    stk_ngp_camera camera;
    stk_torso_frame torso;
    stk_ngp_camera_from_pose(&p->camera, &p->poses[frame], &camera);
    stk_torso_frame_init(&torso, &branch->torso, &branch->params, branch->params.value, &camera, 0);
    const stk_torso_picture painted = {.torso = &branch->torso,
                                       .frame = &torso,
                                       .density = branch->occupancy.density,
                                       .mean_density = branch->occupancy.mean_density,
                                       .plate = &branch->plate,
                                       .picture = picture};
    stk_torso_draw(&painted, trainer->pool);
}

/* --- the model ------------------------------------------------------------------------------- */

/* values: a plane of `from`; into those of `to`, by name. */
static void copy_params(const stk_params *from, const float *values, stk_params *to) {
    for (int i = 0; i < from->n; i++) {
        const int k = stk_params_find(to, from->list[i].name);
        if (k >= 0)
            memcpy(stk_params_value(to, k), values + from->list[i].offset,
                   from->list[i].count * sizeof(float));
    }
}

stk_status stk_torso_branch_save(const stk_torso_branch *branch, const char *path,
                                 const stk_model_contents *contents) {
    const stk_nets *head = contents->nets;
    stk_nets nets;
    if (branch->params.n == 0) return stk_model_save(path, contents);
    stk_model_config config = head->config;
    config.torso_code_rows = branch->torso.code_rows;
    STK_TRY(stk_nets_init(&nets, &config, 0));
    nets.field.shape.mask = head->field.shape.mask;
    nets.heard = head->heard;
    nets.closed_known = head->closed_known;
    memcpy(nets.closed, head->closed, sizeof nets.closed);
    nets.encoder = head->encoder;
    copy_params(&head->params, contents->values, &nets.params);
    copy_params(&branch->params, branch->params.value, &nets.params);
    const stk_model_extra extra = {.torso_grid = branch->occupancy.density,
                                   .mean_density_torso = (double)branch->occupancy.mean_density};
    stk_model_contents all = *contents;
    all.nets = &nets;
    all.values = nets.params.value;
    all.extra = &extra;
    all.plate = &branch->plate;
    const stk_status status = stk_model_save(path, &all);
    stk_nets_clear(&nets);
    return status;
}
