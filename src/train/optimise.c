/* optimise.c - AdamW over all parameters and the average of the weights, in chunks that threads
 * share out.
 *
 * With STK_VARY_LEVELS the hash levels open one after the other, the finest at a quarter of the
 * run. A level's features are next to nothing until it opens; its second moments are gathered
 * before, so that its first steps are no larger than others.
 */
#include "train/internal.h"
#include "base/memory.h"

#include <math.h>

enum { LEVELS_AT_FIRST = 6, ALIGNED = 16 /* floats, of the kernels */ };
static const double LEVELS_UNTIL = 0.25;
static const float EMA_DECAY = 0.99f;
static const float BETA2 = 0.99f, EPSILON = 1e-8f;

static int levels_open(const stk_trainer *t) {
    const int levels = t->nets.field.shape.grid.levels;
    if (!(t->settings.vary & STK_VARY_LEVELS)) return levels;
    const double more = t->fraction / LEVELS_UNTIL * (levels - LEVELS_AT_FIRST);
    return more < levels ? LEVELS_AT_FIRST + (int)more : levels;
}

static void optimise_chunk(void *ctx, int task, int worker) {
    (void)worker;
    stk_trainer *t = ctx;
    const optimiser_task *chunk = &t->optimiser_tasks[task];
    const float decay = chunk->level < levels_open(t) ? t->plan.now.rate : 0;
    const struct {
        float lr, weight_decay;
    } groups[STK_GROUPS] = {
        [STK_GROUP_GRID] = {t->settings.lr_grid, 0.01f},
        [STK_GROUP_NET] = {t->settings.lr_net, 0.0f},
        [STK_GROUP_AUDIO_ATT] = {5.0f * t->settings.lr_net, 1e-4f},
    };
    stk_adamw settings = {
        .lr = groups[chunk->group].lr * decay,
        .weight_decay = groups[chunk->group].weight_decay,
        .beta2 = BETA2,
        .eps = EPSILON,
        .correction = 1.0f - powf(BETA2, (float)(t->step + 1)),
    };
    stk_params *p = &t->nets.params;
    t->optimiser_bad[task] = t->optimiser.adamw(&settings, chunk->count, p->value + chunk->offset,
                                                p->grad + chunk->offset, p->v + chunk->offset);
}

void stk_train_optimise(stk_trainer *t) {
    stk_pool_run(t->pool, t->optimiser_count, optimise_chunk, t);
}

static void average_chunk(void *ctx, int task, int worker) {
    (void)worker;
    stk_trainer *t = ctx;
    const optimiser_task *chunk = &t->optimiser_tasks[task];
    float n = (float)t->ema_updates;
    float decay = fminf(EMA_DECAY, (1.0f + n) / (10.0f + n));
    stk_params *p = &t->nets.params;
    t->optimiser.ema(decay, chunk->count, p->value + chunk->offset, p->ema + chunk->offset);
}

void stk_train_average(stk_trainer *t) {
    stk_pool_run(t->pool, t->optimiser_count, average_chunk, t);
    t->ema_updates++;
}

const float *stk_train_values(const stk_trainer *t) {
    return t->settings.vary & STK_VARY_AVERAGE ? t->nets.params.value : t->nets.params.ema;
}

/* --- the chunks ------------------------------------------------------------------------------- */

/* Level of the float `at` of a hash plane, and where the next begins, both to the kernels'
 * alignment; 0 and the end of what is none. */
static int level_of(const stk_field *field, int param, size_t at, size_t padded, size_t *end) {
    const stk_grid_layout *grid = &field->shape.grid;
    *end = padded;
    if (param != field->plane[0] && param != field->plane[1] && param != field->plane[2]) return 0;
    for (int level = 0; level < grid->levels - 1; level++) {
        const size_t next =
            ((size_t)grid->offset[level + 1] + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
        if (at >= next) continue;
        *end = next;
        return level;
    }
    return grid->levels - 1;
}

/* Cuts the parameters that are learned into chunks and, with tasks, writes them; how many. */
static int cut(const stk_trainer *t, optimiser_task *tasks) {
    const stk_params *params = &t->nets.params;
    int n = 0;
    for (int i = 0; i < params->n; i++) {
        const stk_param *p = &params->list[i];
        if (p->group == STK_GROUP_FROZEN) continue;
        const size_t padded = (p->count + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
        for (size_t at = 0, end; at < padded; at = end) {
            const int level = level_of(&t->nets.field, i, at, padded, &end);
            if (end - at > OPTIMISER_CHUNK) end = at + OPTIMISER_CHUNK;
            if (tasks != NULL)
                tasks[n] = (optimiser_task){p->offset + at, end - at, level, p->group};
            n++;
        }
    }
    return n;
}

stk_status stk_train_optimise_init(stk_trainer *t) {
    const size_t tasks = (size_t)cut(t, NULL);
    t->optimiser_tasks = stk_calloc_aligned(tasks, sizeof *t->optimiser_tasks);
    t->optimiser_bad = stk_calloc_aligned(tasks, sizeof *t->optimiser_bad);
    if (t->optimiser_tasks == NULL || t->optimiser_bad == NULL) return stk_fail_memory("optimiser");
    t->optimiser_count = cut(t, t->optimiser_tasks);
    return STK_OK;
}
