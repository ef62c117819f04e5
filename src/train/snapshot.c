/* snapshot.c - the last good state in memory: what a not-a-number step is rolled back to. */
#include "train/internal.h"
#include "base/memory.h"

#include <string.h>

stk_status stk_snapshot_init(stk_snapshot *s, const stk_trainer *t) {
    *s = (stk_snapshot){0};
    size_t total = t->nets.params.total;
    s->value = stk_calloc_aligned(total, sizeof(float));
    s->v = stk_calloc_aligned(total, sizeof(float));
    s->ema = stk_calloc_aligned(total, sizeof(float));
    s->density = stk_calloc_aligned(STK_GRID_CELLS, sizeof(float));
    s->epoch_order = stk_calloc_aligned((size_t)t->performance.train_frames, sizeof(int32_t));
    if (s->value == NULL || s->v == NULL || s->ema == NULL || s->density == NULL ||
        s->epoch_order == NULL) {
        stk_snapshot_clear(s);
        return stk_fail_memory("training snapshot");
    }
    return STK_OK;
}

void stk_snapshot_clear(stk_snapshot *s) {
    stk_free(s->value);
    stk_free(s->v);
    stk_free(s->ema);
    stk_free(s->density);
    stk_free(s->epoch_order);
    *s = (stk_snapshot){0};
}

void stk_snapshot_take(stk_snapshot *s, const stk_trainer *t) {
    size_t bytes = t->nets.params.total * sizeof(float);
    memcpy(s->value, t->nets.params.value, bytes);
    memcpy(s->v, t->nets.params.v, bytes);
    memcpy(s->ema, t->nets.params.ema, bytes);
    memcpy(s->density, t->occupancy.density, STK_GRID_CELLS * sizeof(float));
    memcpy(s->epoch_order, t->epoch_order, (size_t)t->performance.train_frames * sizeof(int32_t));
    s->step = t->step;
    s->ema_updates = t->ema_updates;
    s->rng = t->rng;
    s->epoch_position = t->epoch_position;
    s->mean_loss = t->mean_loss;
    s->mean_lips = t->mean_lips;
    memcpy(s->mean_perceptual, t->mean_perceptual, sizeof s->mean_perceptual);
}

void stk_snapshot_restore(const stk_snapshot *s, stk_trainer *t) {
    size_t bytes = t->nets.params.total * sizeof(float);
    memcpy(t->nets.params.value, s->value, bytes);
    memcpy(t->nets.params.v, s->v, bytes);
    memcpy(t->nets.params.ema, s->ema, bytes);
    memset(t->nets.params.grad, 0, bytes);
    memcpy(t->occupancy.density, s->density, STK_GRID_CELLS * sizeof(float));
    memcpy(t->epoch_order, s->epoch_order, (size_t)t->performance.train_frames * sizeof(int32_t));
    stk_occupancy_pack(&t->occupancy);
    t->step = s->step;
    t->ema_updates = s->ema_updates;
    t->rng = s->rng;
    t->epoch_position = s->epoch_position;
    t->mean_loss = s->mean_loss;
    t->mean_lips = s->mean_lips;
    memcpy(t->mean_perceptual, s->mean_perceptual, sizeof t->mean_perceptual);
}
