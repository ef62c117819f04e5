/* share.c - a step's slots shared out over processes (base/ranks.h).
 *
 *   own slots -> gradients of the dense parameters, sample tiles, frame codes, sums -> exchanged
 *
 * What the slots leave behind is the same as if one process had run them all, and everything else
 * of a step is done by every process: so all have the same parameters, bit for bit, those of one
 * process. With one process nothing is exchanged.
 */
#include "train/internal.h"
#include "base/ranks.h"

_Static_assert(sizeof(slot_result) % 4 == 0 && sizeof(stk_ray_out) % 4 == 0, "shared in words");

typedef struct part {
    stk_trainer *trainer;
    stk_pool_fn work;
    int first;
} part;

static void run_one(void *context, int task, int worker) {
    const part *p = context;
    p->work(p->trainer, p->first + task, worker);
}

static void run_part(stk_trainer *t, stk_pool_fn work, int bounds[STK_RANKS_MAX + 1]) {
    stk_ranks_bounds(t->plan.slots, bounds);
    const int own = stk_ranks_index();
    part p = {.trainer = t, .work = work, .first = bounds[own]};
    stk_pool_run(t->pool, bounds[own + 1] - bounds[own], run_one, &p);
}

void stk_train_run_slots(stk_trainer *t) {
    int slots[STK_RANKS_MAX + 1];
    const size_t tiles = (size_t)t->plan.slot_tiles;
    run_part(t, stk_train_slot, slots);
    stk_ranks_share(t->slot_grads, slots, t->dense_total);
    stk_ranks_share(t->tiles.counts, slots, tiles);
    stk_ranks_share(t->tiles.xyz, slots, tiles * 3 * STK_TILE);
    stk_ranks_share(t->tiles.denc, slots, tiles * (size_t)t->nets.field.shape.enc * STK_TILE);
    stk_ranks_share(t->dcode, slots, STK_CODE);
    stk_ranks_share(t->results, slots, sizeof *t->results / 4);
}

void stk_train_run_looks(stk_trainer *t) {
    int slots[STK_RANKS_MAX + 1], rays[STK_RANKS_MAX + 1], count;
    run_part(t, stk_train_look, slots);
    for (int r = 0; r <= stk_ranks_count(); r++)
        rays[r] = slots[r] < t->plan.slots ? stk_train_first_ray(&t->plan, slots[r], &count)
                                           : t->plan.rays;
    stk_ranks_share(t->seen, rays, sizeof *t->seen / 4);
    stk_ranks_share(t->made, rays, 3);
    stk_ranks_share(t->real, rays, 3);
    stk_ranks_share(t->results, slots, sizeof *t->results / 4);
}
