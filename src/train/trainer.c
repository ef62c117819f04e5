/* trainer.c - allocation, and the phases of one step:
 *
 *   plan (plan.c) -> rays and audio net per slot
 *   -> with terms that look at more than one ray: colours of all rays -> those terms' gradients
 *   -> slots (step.c) -> reduce dense gradients in slot order
 *   -> scatter into the hash tables per (plane, level) -> AdamW -> now and then EMA, occupancy
 *
 * DIFFERS from reference.md 5: a step mixes rays of many frames (the published one takes 65,536
 * rays of one frame); rays are drawn where the head is (ray_cache.h); the occupancy grid starts
 * from the visual hull; the average of the weights is updated every 8 steps and is what the model
 * file holds.
 */
#include "train/internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "render/published.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    EMA_EVERY = 8,
    OCCUPANCY_EARLY = 16,
    OCCUPANCY_LATE = 64,
    OCCUPANCY_EARLY_STEPS = 1024,
    TRIM_EVERY = 4,
    PUBLISHED_LEVELS = 12
};
/* Shares of the rays: far backdrop, border band, head, eyes and brows, mouth. */
static const float RAY_SHARES[STK_RAY_CLASSES] = {0.04f, 0.18f, 0.46f, 0.12f, 0.20f};

/* --- one step -------------------------------------------------------------------------------- */

/* The frame that the next step will have in this slot, unless an epoch ends there. */
static void prefetch_slot(const stk_trainer *t, int slot) {
    int next = t->epoch_position + slot;
    if (slot < t->batch.frames && t->epoch_position > 0 && next < t->performance.train_frames)
        stk_ray_cache_prefetch(t->cache, t->epoch_order[next]);
}

static void prepare_slot(void *ctx, int slot, int worker) {
    (void)worker;
    stk_trainer *t = ctx;
    int frame = t->frame_list[slot];
    prefetch_slot(t, slot);
    stk_train_plan_rays(t, slot);
    const float *window[STK_AUDIO_WINDOW];
    stk_train_hear(t, slot);
    stk_train_window(t, slot, window);
    stk_audio_net_forward(&t->nets.audio, &t->nets.params, t->nets.params.value, window,
                          t->audio_acts + (size_t)slot * t->audio_act_floats,
                          t->audio_code + (size_t)slot * STK_AUD);
    float *expression = t->expression + (size_t)slot * STK_EXP_MAX;
    memset(expression, 0, STK_EXP_MAX * sizeof(float));
    memcpy(expression, t->performance.expressions[frame], STK_EXPRESSIONS * sizeof(float));
    const float *codes = stk_params_value(&t->nets.params, t->nets.field.codes);
    memcpy(t->code + (size_t)slot * STK_CODE, codes + (size_t)frame * STK_CODE,
           STK_CODE * sizeof(float));
    stk_train_lids_conditions(t, slot);
}

/* Dense parameter k: gradient = sum over slots, in slot order. */
static void reduce_dense(void *ctx, int k, int worker) {
    (void)worker;
    stk_trainer *t = ctx;
    const dense_param *dense = &t->dense[k];
    const float *sources[64];
    for (int slot = 0; slot < t->plan.slots; slot++)
        sources[slot] = t->slot_grads + (size_t)slot * t->dense_total + dense->offset;
    size_t count = (t->nets.params.list[dense->index].count + 15) & ~(size_t)15;
    t->optimiser.accumulate(count, t->plan.slots, sources,
                            stk_params_grad(&t->nets.params, dense->index));
}

static void scatter_level(void *ctx, int task, int worker) {
    (void)worker;
    stk_trainer *t = ctx;
    const stk_field *field = &t->nets.field;
    int plane = task % STK_PLANES, level = task / STK_PLANES;
    field->kernels.grid_backward(&field->shape, plane, level, t->plan.slots * t->plan.slot_tiles,
                                 t->tiles.counts, t->tiles.xyz, t->tiles.denc,
                                 stk_params_grad(&t->nets.params, field->plane[plane]));
}

static void update_occupancy(stk_trainer *t) {
    int every = t->step < OCCUPANCY_EARLY_STEPS ? OCCUPANCY_EARLY : OCCUPANCY_LATE;
    if (t->step % every != 0) return;
    /* the condition of the batch's first frame: frames are drawn at random */
    const stk_field_cond cond = {t->audio_code, t->expression, t->code};
    stk_occupancy_update_partial(&t->occupancy, &t->nets.field, &t->weights, &cond, &t->rng,
                                 t->pool, 1.0f);
}

static void add_code_gradients(stk_trainer *t) {
    float *dcodes = stk_params_grad(&t->nets.params, t->nets.field.codes);
    for (int slot = 0; slot < t->plan.slots; slot++)
        for (int c = 0; c < STK_CODE; c++)
            dcodes[(size_t)t->frame_list[slot] * STK_CODE + (size_t)c] +=
                t->dcode[(size_t)slot * STK_CODE + (size_t)c];
}

static void view_weights(stk_trainer *t) {
    stk_field_weights_view(&t->nets.field, &t->nets.params, t->nets.params.value, &t->weights);
    t->weights.pairs = t->weight_pairs;
    if (t->weight_pairs != NULL) t->field.pack(&t->nets.field.shape, &t->weights, t->weight_pairs);
}

void stk_trainer_prepare(stk_trainer *t) {
    view_weights(t);
    stk_pool_run(t->pool, t->plan.slots, prepare_slot, t);
}

/* The first pass of a step that has two: the colours of all rays, and from them what each ray's own
 * pass cannot know: its share of the uncertainty, the perceptual gradient of its pixel. */
static stk_status look(stk_trainer *t) {
    const step_plan *plan = &t->plan;
    stk_train_run_looks(t);
    t->seen_samples = 0;
    for (int slot = 0; slot < plan->slots; slot++) t->seen_samples += t->results[slot].samples;
    if (plan->now.terms & STK_TERM_UNCERTAINTY) stk_loss_shares(plan->rays, t->seen, t->shares);
    if (plan->now.terms & STK_TERM_PERCEPTUAL)
        STK_TRY(stk_perceptual_gradient(t->perceptual, (int)plan->now.kind, t->made, t->real,
                                        t->schedule->perceptual[plan->now.kind],
                                        &t->step_perceptual, t->dmade));
    return STK_OK;
}

static void add_up(stk_trainer *t, double *loss, double *lips) {
    *loss = *lips = 0;
    t->step_samples = t->step_looked = 0;
    for (int slot = 0; slot < t->plan.slots; slot++) {
        *loss += t->results[slot].loss / t->plan.rays;
        *lips += t->results[slot].lips / t->plan.slots;
        t->step_samples += t->results[slot].samples;
        t->step_looked += t->results[slot].looked;
    }
}

/* mean += 0.01 (value - mean), beginning with the first value. */
static void follow(double *mean, double value, int first) {
    *mean = first ? value : *mean + 0.01 * (value - *mean);
}

stk_status stk_trainer_step(stk_trainer *t, double fraction) {
    if (t->step % TRIM_EVERY == 0) stk_ray_cache_trim(t->cache);
    stk_train_plan_step(t, fraction);
    stk_trainer_prepare(t);
    update_occupancy(t);
    if (t->plan.two_passes) STK_TRY(look(t));
    stk_train_run_slots(t);
    stk_pool_run(t->pool, t->dense_count, reduce_dense, t);
    stk_pool_run(t->pool, STK_PLANES * t->nets.field.shape.grid.levels, scatter_level, t);
    add_code_gradients(t);
    stk_train_optimise(t);
    double lips;
    int bad = 0;
    add_up(t, &t->step_loss, &lips);
    for (int i = 0; i < t->optimiser_count; i++) bad |= t->optimiser_bad[i];
    if (t->plan.now.terms & STK_TERM_PERCEPTUAL) bad |= !isfinite(t->step_perceptual);
    if (bad || !isfinite(t->step_loss))
        return stk_fail(STK_ERR_NUMERIC, "step %lld: the loss or a gradient is not a number",
                        (long long)t->step);
    follow(&t->mean_loss, t->step_loss, t->step == 0);
    follow(&t->mean_lips, lips, t->step == 0);
    double *unlike = &t->mean_perceptual[t->plan.now.kind];
    if (t->plan.now.terms & STK_TERM_PERCEPTUAL) follow(unlike, t->step_perceptual, *unlike == 0);
    t->step++;
    if (t->step % EMA_EVERY == 0) stk_train_average(t);
    return STK_OK;
}

/* --- construction ---------------------------------------------------------------------------- */

static stk_status list_dense(stk_trainer *t) {
    const stk_params *params = &t->nets.params;
    const stk_field *field = &t->nets.field;
    for (int i = 0; i < params->n; i++) {
        if (i == field->plane[0] || i == field->plane[1] || i == field->plane[2] ||
            i == field->codes || params->list[i].group == STK_GROUP_FROZEN)
            continue;
        if (t->dense_count == DENSE_PARAMS_MAX)
            return stk_fail(STK_ERR_UNSUPPORTED, "the networks have too many parameters");
        t->dense[t->dense_count++] = (dense_param){i, t->dense_total};
        t->dense_total += (params->list[i].count + 15) & ~(size_t)15;
    }
    /* The audio net writes its gradients at its own offsets: it must lie first in the store. */
    for (int k = 0; k <= t->nets.audio.att_fc_bias; k++)
        if (t->dense[k].offset != params->list[k].offset)
            return stk_fail(STK_ERR_UNSUPPORTED, "the audio net is not first among the parameters");
    return STK_OK;
}

/* calloc that remembers failure, so that a run of allocations needs one check. */
static void *take(size_t count, size_t size, int *failed) {
    void *block = stk_calloc_aligned(count, size);
    if (block == NULL) *failed = 1;
    return block;
}

static void take_scratch(block_scratch *s, const stk_trainer *t, int *failed) {
    size_t lanes = (size_t)BLOCK_TILES * STK_TILE;
    float **planes[] = {&s->unc,        &s->dunc,     &s->ray_unc,   &s->dray_unc, &s->dt,
                        &s->t_after,    &s->sigma,    &s->amb_aud,   &s->amb_exp,  &s->dsigma,
                        &s->damb_aud,   &s->damb_exp, &s->ray_sigma, &s->ray_aud,  &s->ray_exp,
                        &s->dray_sigma, &s->dray_aud, &s->dray_exp};
    float **triples[] = {&s->dir, &s->rgb, &s->drgb, &s->ray_rgb, &s->dray_rgb, &s->xyz};
    for (size_t i = 0; i < STK_ARRAY_SIZE(planes); i++)
        *planes[i] = take(lanes, sizeof(float), failed);
    for (size_t i = 0; i < STK_ARRAY_SIZE(triples); i++)
        *triples[i] = take(3 * lanes, sizeof(float), failed);
    s->ray_dir = take(3 * BLOCK_RAYS, sizeof(float), failed);
    s->ray_origin = take(3 * BLOCK_RAYS, sizeof(float), failed);
    s->dt_t = take(2 * lanes, sizeof(float), failed);
    s->lane_of = take(lanes, sizeof(int32_t), failed);
    s->cond_row = take(lanes, sizeof(uint16_t), failed);
    s->acts = take((size_t)BLOCK_TILES * t->field_act_floats, sizeof(float), failed);
}

/* What first passes leave, where the schedule has any. */
static void take_looks(stk_trainer *t, size_t rays, int *failed) {
    const unsigned terms = stk_schedule_terms(t->schedule, STK_STEP_RAYS);
    if (t->layout[STK_STEP_PATCHES].rays == 0 && t->layout[STK_STEP_LIPS].rays == 0 &&
        !(terms & STK_TERM_UNCERTAINTY))
        return;
    t->seen = take(rays, sizeof *t->seen, failed);
    t->shares = take(rays, sizeof(float), failed);
    t->made = take(3 * rays, sizeof(float), failed);
    t->real = take(3 * rays, sizeof(float), failed);
    t->dmade = take(3 * rays, sizeof(float), failed);
}

static stk_status take_work(stk_trainer *t) {
    int failed = 0;
    size_t frames = (size_t)t->slots_max, threads = (size_t)stk_pool_threads(t->pool);
    size_t tiles = stk_train_most_tiles(t), rays = stk_train_most_rays(t);
    t->audio_act_floats = (stk_audio_net_act_floats(&t->nets.audio) + 15) & ~(size_t)15;
    t->field_act_floats = stk_field_act_floats(&t->nets.field.shape);
    t->epoch_order = take((size_t)t->performance.train_frames, sizeof(int32_t), &failed);
    t->frame_list = take(frames, sizeof(int32_t), &failed);
    t->drawn = take(frames, sizeof(int32_t), &failed);
    t->window = take(frames, sizeof *t->window, &failed);
    t->picks = take(rays, sizeof *t->picks, &failed);
    take_looks(t, rays, &failed);
    t->audio_code = take(3 * frames * STK_AUD, sizeof(float), &failed);
    t->daudio = take(3 * frames * STK_AUD, sizeof(float), &failed);
    t->expression = take(3 * frames * STK_EXP_MAX, sizeof(float), &failed);
    t->code = take(3 * frames * STK_CODE, sizeof(float), &failed);
    t->dcode = take(3 * frames * STK_CODE, sizeof(float), &failed);
    t->audio_acts = take(frames * t->audio_act_floats, sizeof(float), &failed);
    size_t rows = frames * STK_AUDIO_WINDOW;
    t->audio_rows = take(rows * (size_t)t->nets.audio.row_floats, sizeof(float), &failed);
    t->row_present = take(rows, 1, &failed);
    t->tiles.xyz = take(tiles * 3 * STK_TILE, sizeof(float), &failed);
    t->tiles.denc =
        take(tiles * (size_t)t->nets.field.shape.enc * STK_TILE, sizeof(float), &failed);
    t->tiles.counts = take(tiles, sizeof(int), &failed);
    if (t->field.pack != NULL)
        t->weight_pairs = take(t->field.pack(&t->nets.field.shape, &t->weights, NULL),
                               sizeof *t->weight_pairs, &failed);
    t->slot_grads = take(frames * t->dense_total, sizeof(float), &failed);
    t->results = take(frames, sizeof *t->results, &failed);
    t->scratch = take(threads, sizeof *t->scratch, &failed);
    for (size_t i = 0; t->scratch != NULL && i < threads; i++)
        take_scratch(&t->scratch[i], t, &failed);
    return failed ? stk_fail_memory("training") : STK_OK;
}

/* What a schedule does not do is not to be varied in it. */
static stk_status check_vary(const stk_train_settings *s) {
    const unsigned ours = STK_VARY_REGIONS | STK_VARY_BLINKS | STK_VARY_BACKDROP;
    const stk_schedule *schedule = stk_schedule_of(s->schedule);
    char names[STK_VARY_TEXT];
    if ((s->vary & ours) == 0 || !schedule->published_rays) return STK_OK;
    stk_vary_text(s->vary & ours, names);
    return stk_fail(STK_ERR_ARGUMENT, "--vary %s: --schedule %s does without anyway; leave it out",
                    names, schedule->name);
}

static stk_status check_settings(const stk_train_settings *s) {
    if (s->frames < 1 || s->frames > 64 || s->rays < s->frames || s->rays % s->frames != 0)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--rays %d must be a multiple of --frames %d (at most 64 frames)", s->rays,
                        s->frames);
    return check_vary(s);
}

/* Inputs of the expression branch. */
static int expression_inputs(const stk_train_settings *s) {
    return s->expression == STK_EXPRESSION_BLINK ? 2 : STK_EXPRESSIONS;
}

static stk_status read_performance(stk_trainer *t) {
    stk_performance *p = &t->performance;
    const stk_train_settings *s = &t->settings;
    STK_TRY(stk_performance_of_subject(p, t->subject, expression_inputs(s)));
    if (!s->coarse_poses) return STK_OK;
    stk_camera camera;
    const stk_pose *poses = stk_subject_coarse_poses(t->subject, &camera);
    if (poses == NULL)
        return stk_fail(STK_ERR_UNSUPPORTED,
                        "%s: holds no poses from before the stabilizer; run `synctalk prepare` on "
                        "its clip again (imported subjects never have them)",
                        s->subject);
    memcpy(p->poses, poses, (size_t)p->frames * sizeof *poses);
    p->camera = camera;
    p->coarse = 1;
    return STK_OK;
}

static stk_status create_perceptual(stk_trainer *t) {
    _Static_assert((int)STK_STEP_KINDS <= STK_PICTURE_SHAPES, "a shape for every kind of step");
    stk_perceptual_settings settings = {.kind = t->settings.perceptual,
                                        .models = t->settings.models};
    for (int k = 0; k < STK_STEP_KINDS; k++) {
        const step_plan *p = &t->layout[k];
        settings.shapes[k] =
            (stk_picture_shape){p->width, p->height, p->width > 0 ? p->pictures : 0};
    }
    STK_TRY(stk_perceptual_create(&t->perceptual, &settings, t->pool));
    const stk_schedule *s = t->schedule;
    if (s->phases > 1)
        stk_log(STK_LOG_INFO,
                "schedule %s: %s until %.0f %% of the way, then %s; perceptual loss: %s", s->name,
                s->phase[0].name, 100 * s->phase[0].until, s->phase[1].name,
                stk_perceptual_name(t->perceptual));
    return STK_OK;
}

static stk_status build(stk_trainer *t, const stk_job *job) {
    const stk_train_settings *s = &t->settings;
    STK_TRY(check_settings(s));
    STK_TRY(stk_subject_open(&t->subject, s->subject));
    STK_TRY(read_performance(t));
    STK_TRY(stk_pool_create(&t->pool, s->threads));
    STK_TRY(stk_ray_cache_open(&t->cache, t->subject, t->pool, job));
    const stk_model_config config = {.audio_kind = s->encoder != NULL ? STK_AUDIO_AVE
                                                   : s->normalised    ? STK_AUDIO_MEL_SPEAKER
                                                                      : STK_AUDIO_MEL,
                                     .levels = PUBLISHED_LEVELS,
                                     .exp = expression_inputs(s),
                                     .code_rows = t->performance.train_frames};
    STK_TRY(stk_nets_init(&t->nets, &config, 1));
    if (s->attention == STK_ATTENTION_MASKS) stk_train_region_mask(t, &t->nets.field.shape.mask);
    stk_field_training_kernels_init(&t->field);
    stk_march_kernels_init(&t->march);
    stk_optimiser_kernels_init(&t->optimiser);
    t->batch = (stk_batch_settings){.frames = s->frames, .rays = s->rays};
    memcpy(t->batch.share, RAY_SHARES, sizeof RAY_SHARES);
    t->schedule = stk_schedule_of(s->schedule);
    STK_TRY(stk_train_plan_init(t));
    STK_TRY(create_perceptual(t));
    STK_TRY(stk_train_encode(t, job));
    STK_TRY(list_dense(t));
    STK_TRY(stk_train_optimise_init(t));
    STK_TRY(take_work(t));
    STK_TRY(stk_train_lips_init(t));
    STK_TRY(stk_train_blinks_init(t));
    STK_TRY(stk_occupancy_init(&t->occupancy));
    stk_rng_seed(&t->rng, (uint64_t)s->seed, 1);
    stk_nets_randomise(&t->nets, &t->rng);
    memcpy(t->nets.params.ema, t->nets.params.value, t->nets.params.total * sizeof(float));
    return stk_train_carve_hull(t);
}

stk_status stk_trainer_create(stk_trainer **out, const stk_train_settings *settings,
                              const stk_job *job) {
    *out = NULL;
    stk_trainer *t = stk_calloc_aligned(1, sizeof *t);
    if (t == NULL) return stk_fail_memory("training");
    t->settings = *settings;
    stk_status status = build(t, job);
    if (status != STK_OK) {
        stk_trainer_free(&t);
        return status;
    }
    *out = t;
    return STK_OK;
}

static void free_scratch(block_scratch *s) {
    void *blocks[] = {s->unc,        s->dunc,     s->ray_unc,   s->dray_unc, s->dt,
                      s->t_after,    s->sigma,    s->amb_aud,   s->amb_exp,  s->dsigma,
                      s->damb_aud,   s->damb_exp, s->ray_sigma, s->ray_aud,  s->ray_exp,
                      s->dray_sigma, s->dray_aud, s->dray_exp,  s->dir,      s->rgb,
                      s->drgb,       s->ray_rgb,  s->dray_rgb,  s->xyz,      s->ray_dir,
                      s->dt_t,       s->lane_of,  s->cond_row,  s->acts,     s->ray_origin};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
}

void stk_trainer_free(stk_trainer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_trainer *t = *handle;
    for (int i = 0; t->scratch != NULL && i < stk_pool_threads(t->pool); i++)
        free_scratch(&t->scratch[i]);
    void *blocks[] = {t->lids_down,
                      t->blinks,
                      t->drawn,
                      t->window,
                      t->lips,
                      t->seen,
                      t->shares,
                      t->made,
                      t->real,
                      t->dmade,
                      t->lip_targets,
                      t->audio_rows,
                      t->encoded,
                      t->feature_spread,
                      t->normalised,
                      t->row_present,
                      t->weight_pairs,
                      t->scratch,
                      t->results,
                      t->slot_grads,
                      t->tiles.counts,
                      t->tiles.denc,
                      t->tiles.xyz,
                      t->audio_acts,
                      t->dcode,
                      t->code,
                      t->expression,
                      t->daudio,
                      t->audio_code,
                      t->picks,
                      t->frame_list,
                      t->epoch_order,
                      t->optimiser_tasks,
                      t->optimiser_bad,
                      t->performance.poses,
                      t->performance.expressions};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
    stk_occupancy_clear(&t->occupancy);
    stk_nets_clear(&t->nets);
    stk_perceptual_free(&t->perceptual);
    stk_ray_cache_close(&t->cache);
    stk_subject_close(&t->subject);
    stk_pool_free(&t->pool);
    stk_free(t);
    *handle = NULL;
}
