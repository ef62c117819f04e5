/* encoder_step.c - one step of encoder training: batch, forward, losses, backward, Adam. */
#include "train/encoder_internal.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

static const double WARM_UP = 0.02;   /* share of the run in which the rate rises */
static const float RATE_LAST = 0.01f; /* of the highest; cosine in between */
static const float SCALE_FIRST = 10.0f, SCALE_MOST = 60.0f; /* s of L_nce */
/* Samples are as they are at first, when there is everything to learn, and spoilt to the full from
 * here on. */
static const double SPOILT_FULLY = 0.5;
static const double FORGET = 0.02; /* share of a step in the running means */

/* --- creation --------------------------------------------------------------------------------- */

static stk_status register_all(stk_encoder_trainer *t) {
    stk_rng rng;
    const int one[] = {1};
    stk_rng_seed(&rng, (uint64_t)t->settings.seed, 1);
    STK_TRY(stk_params_init(&t->params));
    for (int i = 0; i < STK_SYNC_PARTS; i++)
        STK_TRY(stk_sync_part_register(&t->stack[i], &t->params, (stk_sync_part)i));
    STK_TRY(
        stk_params_add(&t->params, "similarity.log_scale", STK_GROUP_NET, 1, one, &t->log_scale));
    STK_TRY(stk_params_seal(&t->params, 1));
    for (int i = 0; i < STK_SYNC_PARTS; i++) stk_stack_init(&t->stack[i], &rng);
    stk_params_value(&t->params, t->log_scale)[0] = logf(SCALE_FIRST);
    return STK_OK;
}

static stk_status open_stacks(stk_encoder_trainer *t) {
    for (int i = 0; i < STK_SYNC_PARTS; i++) {
        const int rebuilt = i == STK_SYNC_FACE || i == STK_SYNC_DECODER;
        const stk_stack_options options = {.tasks = TASKS,
                                           .micro = rebuilt ? REBUILT_MICRO : MICRO,
                                           .want_dx = i == STK_SYNC_DECODER,
                                           .bf16 = !t->settings.float32};
        STK_TRY(stk_stack_open(&t->stack[i], t->pool, &options));
        STK_TRY(stk_stack_load(&t->stack[i]));
    }
    return stk_sync_loss_init(&t->loss, WINDOWS);
}

static stk_status allocate(stk_encoder_trainer *t) {
    const struct {
        float **buffer;
        size_t floats;
    } buffers[] = {{&t->first, t->params.total},
                   {&t->sound, (size_t)WINDOWS * STK_SOUND_FLOATS},
                   {&t->picture, (size_t)WINDOWS * STK_LIPS_FLOATS},
                   {&t->face, (size_t)REBUILT * STK_FACE_FLOATS},
                   {&t->mouth, (size_t)REBUILT * STK_MOUTH_FLOATS},
                   {&t->joined, (size_t)REBUILT * (STK_SYNC_CODE + STK_FACE_CODE)},
                   {&t->dmouth, (size_t)REBUILT * STK_MOUTH_FLOATS},
                   {&t->dface, (size_t)REBUILT * STK_FACE_CODE}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(buffers); i++) {
        *buffers[i].buffer = stk_calloc_aligned(buffers[i].floats, sizeof(float));
        if (*buffers[i].buffer == NULL) return stk_fail_memory("a training batch");
    }
    t->weight = stk_calloc_aligned((size_t)t->clip_count, sizeof *t->weight);
    return t->weight != NULL ? STK_OK : stk_fail_memory("a training batch");
}

/* A clip's chance grows with the root of its length: long clips do not drown short ones. */
static stk_status weigh_clips(stk_encoder_trainer *t) {
    double sum = 0;
    for (int i = 0; i < t->clip_count; i++) {
        if (!t->clips[i].held_out) sum += sqrt((double)t->clips[i].count);
        t->weight[i] = sum;
    }
    if (sum > 0) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "all clips are held out; give some to learn from");
}

stk_status stk_encoder_trainer_create(stk_encoder_trainer **out,
                                      const stk_encoder_settings *settings, stk_encoder_clip *clips,
                                      int count) {
    stk_encoder_trainer *t = stk_calloc_aligned(1, sizeof *t);
    *out = NULL;
    if (t == NULL) return stk_fail_memory("the trainer");
    t->settings = *settings;
    t->clips = clips;
    t->clip_count = count;
    t->best = -1;
    t->looked = -1;
    stk_layer_kernels_init(&t->kernels);
    stk_status status = stk_pool_create(&t->pool, settings->threads);
    if (status == STK_OK) status = register_all(t);
    if (status == STK_OK) status = allocate(t);
    if (status == STK_OK) status = weigh_clips(t);
    if (status == STK_OK) status = open_stacks(t);
    if (status != STK_OK) stk_encoder_trainer_free(&t);
    *out = t;
    return status;
}

void stk_encoder_trainer_free(stk_encoder_trainer **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_encoder_trainer *t = *handle;
    float *buffers[] = {t->first, t->sound,  t->picture, t->face,
                        t->mouth, t->joined, t->dmouth,  t->dface};
    for (int i = 0; i < STK_SYNC_PARTS; i++) stk_stack_close(&t->stack[i]);
    for (size_t i = 0; i < STK_ARRAY_SIZE(buffers); i++) stk_free(buffers[i]);
    stk_sync_loss_clear(&t->loss);
    stk_params_clear(&t->params);
    stk_pool_free(&t->pool);
    stk_free(t->weight);
    stk_free(t);
    *handle = NULL;
}

/* --- batch ------------------------------------------------------------------------------------ */

static void make_window(void *context, int w, int worker) {
    stk_encoder_trainer *t = context;
    const window_place *p = &t->place[w];
    const stk_encoder_clip *clip = &t->clips[p->clip];
    stk_rng rng;
    (void)worker;
    stk_rng_seed(&rng, (uint64_t)t->settings.seed, (uint64_t)t->step << 8 | (uint64_t)w);
    const stk_spoiling spoiling = {&rng, t->strength};
    stk_encoder_sound_spoilt(&clip->speech, p->frame + clip->shift, &spoiling,
                             t->sound + (size_t)w * STK_SOUND_FLOATS);
    stk_encoder_picture(&clip->speech, p->frame, &spoiling,
                        t->picture + (size_t)w * STK_LIPS_FLOATS);
    if (w % REBUILT_EVERY != 0 || !(t->settings.reconstruction > 0)) return;
    const size_t r = (size_t)(w / REBUILT_EVERY);
    stk_encoder_face(&clip->speech, p->frame, p->reference, stk_rng_float(&rng) < 0.5f,
                     t->face + r * STK_FACE_FLOATS, t->mouth + r * STK_MOUTH_FLOATS);
}

/* --- losses ----------------------------------------------------------------------------------- */

/* L_recon on every fourth window; adds to the sound's gradient. */
static stk_status rebuild(stk_encoder_trainer *t, double *loss) {
    enum { JOINED = STK_SYNC_CODE + STK_FACE_CODE };
    stk_stack *face = &t->stack[STK_SYNC_FACE], *decoder = &t->stack[STK_SYNC_DECODER];
    const float *sound = stk_stack_output(&t->stack[STK_SYNC_SOUND]), *djoined;
    STK_TRY(stk_stack_forward(face, t->face, 1));
    for (size_t r = 0; r < REBUILT; r++) {
        memcpy(t->joined + r * JOINED, sound + r * REBUILT_EVERY * STK_SYNC_CODE,
               STK_SYNC_CODE * sizeof(float));
        memcpy(t->joined + r * JOINED + STK_SYNC_CODE, stk_stack_output(face) + r * STK_FACE_CODE,
               STK_FACE_CODE * sizeof(float));
    }
    STK_TRY(stk_stack_forward(decoder, t->joined, 1));
    *loss = stk_l1_loss((size_t)REBUILT * STK_MOUTH_FLOATS, stk_stack_output(decoder), t->mouth,
                        t->settings.reconstruction, t->dmouth);
    STK_TRY(stk_stack_backward(decoder, t->dmouth, &djoined));
    for (size_t r = 0; r < REBUILT; r++) {
        float *dsound = t->loss.dsound + r * REBUILT_EVERY * STK_SYNC_CODE;
        for (size_t k = 0; k < STK_SYNC_CODE; k++) dsound[k] += djoined[r * JOINED + k];
        memcpy(t->dface + r * STK_FACE_CODE, djoined + r * JOINED + STK_SYNC_CODE,
               STK_FACE_CODE * sizeof(float));
    }
    return stk_stack_backward(face, t->dface, NULL);
}

/* --- Adam ------------------------------------------------------------------------------------- */

/* By their bits, which vectorises. */
static int are_finite(size_t n, const float *v) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
}

/* Running statistics, which the forward pass moved, are looked at, too. */
static void adam_task(void *context, int i, int worker) {
    stk_encoder_trainer *t = context;
    const stk_param *p = &t->params.list[i];
    stk_adam adam = t->adam;
    (void)worker;
    if (p->rank != 4) adam.weight_decay = 0;
    if (p->group != STK_GROUP_FROZEN)
        t->kernels.adam(&adam, p->count, t->params.grad + p->offset, t->params.value + p->offset,
                        t->first + p->offset, t->params.v + p->offset);
    if (!are_finite(p->count, t->params.value + p->offset)) atomic_store(&t->broken, 1);
}

static void update(stk_encoder_trainer *t, double position) {
    const double turn = 0.5 + 0.5 * cos(3.14159265358979 * position);
    const double rise = position < WARM_UP ? position / WARM_UP : 1.0;
    const double steps = (double)t->step + 1;
    t->adam = (stk_adam){
        .lr =
            t->settings.rate * (float)(rise * ((double)RATE_LAST + (1 - (double)RATE_LAST) * turn)),
        .weight_decay = 0.02f,
        .beta1 = 0.9f,
        .beta2 = 0.99f,
        .eps = 1e-8f,
        .correction1 = (float)(1.0 - pow(0.9, steps)),
        .correction2 = (float)(1.0 - pow(0.99, steps)),
    };
    stk_params_grad(&t->params, t->log_scale)[0] = t->loss.dlog_scale;
    stk_pool_run(t->pool, t->params.n, adam_task, t);
    float *log_scale = stk_params_value(&t->params, t->log_scale);
    if (*log_scale > logf(SCALE_MOST)) *log_scale = logf(SCALE_MOST);
}

/* --- the step --------------------------------------------------------------------------------- */

static void average(double *mean, double value, int64_t step) {
    const double share = 1.0 / (double)(step + 1) > FORGET ? 1.0 / (double)(step + 1) : FORGET;
    *mean += share * (value - *mean);
}

static stk_status diverged(const stk_encoder_trainer *t, const char *what) {
    return stk_fail(STK_ERR_NUMERIC, "step %lld: %s is no number; train with a smaller --lr",
                    (long long)t->step, what);
}

stk_status stk_encoder_step(stk_encoder_trainer *t, double position) {
    stk_stack *sound = &t->stack[STK_SYNC_SOUND], *picture = &t->stack[STK_SYNC_PICTURE];
    const int rebuilds = t->settings.reconstruction > 0;
    stk_sync_figures figures;
    double rebuilt = 0;
    stk_encoder_choose(t, position);
    t->strength = position < SPOILT_FULLY ? (float)(position / SPOILT_FULLY) : 1.0f;
    stk_pool_run(t->pool, WINDOWS, make_window, t);
    STK_TRY(stk_stack_forward(sound, t->sound, 1));
    STK_TRY(stk_stack_forward(picture, t->picture, 1));
    stk_sync_loss_run(&t->loss, &t->settings.sync, stk_stack_output(sound),
                      stk_stack_output(picture), t->clip, t->frame,
                      stk_params_value(&t->params, t->log_scale)[0], &figures);
    if (rebuilds) STK_TRY(rebuild(t, &rebuilt));
    const double loss =
        (double)t->settings.sync.bce * figures.bce + (double)t->settings.sync.nce * figures.nce;
    if (!isfinite(loss + rebuilt)) return diverged(t, "the loss");
    STK_TRY(stk_stack_backward(sound, t->loss.dsound, NULL));
    STK_TRY(stk_stack_backward(picture, t->loss.dpicture, NULL));
    update(t, position);
    if (atomic_load(&t->broken)) return diverged(t, "a weight");
    for (int i = 0; i < (rebuilds ? STK_SYNC_PARTS : STK_SYNC_FACE); i++)
        STK_TRY(stk_stack_load(&t->stack[i]));
    average(&t->mean_loss, loss, t->step);
    average(&t->mean_hits, figures.hits, t->step);
    average(&t->mean_rebuilt, rebuilt, t->step);
    t->fraction = position;
    t->step++;
    return STK_OK;
}

stk_encoder_figures stk_encoder_trainer_figures(const stk_encoder_trainer *t) {
    const stk_encoder_offsets *o = &t->best_offsets;
    return (stk_encoder_figures){
        .steps = t->step,
        .best_step = t->best_step,
        .loss = t->mean_loss,
        .hits = t->mean_hits,
        .reconstruction = t->mean_rebuilt,
        .windows = o->windows,
        .accuracy = o->windows > 0 ? (double)o->right / o->windows : 0,
        .confidence = o->confidence,
    };
}
