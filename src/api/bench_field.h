/* bench_field.h - samples a second of the field's kernels, alone and put together as a training
 * step does. Used by `synctalk bench` and by bench/bench_field.c.
 *
 * 512 tiles of 64 samples: short runs along rays through random places, one frame's condition.
 * Tiles are shared out to the pool in groups of 8; every worker has its own activations and
 * gradients, all tiles share the hash tables.
 */
#ifndef STK_API_BENCH_FIELD_H
#define STK_API_BENCH_FIELD_H

#include "base/pool.h"
#include "base/status.h"
#include "kernels/field.h"

enum { STK_BENCH_TILES = 512, STK_BENCH_SAMPLES = STK_BENCH_TILES * STK_TILE };

typedef enum stk_field_slot {
    STK_SLOT_RADIANCE,  /* radiance.h, what rendering runs: folded weights, perhaps bfloat16 */
    STK_SLOT_INFERENCE, /* forward, nothing kept, no uncertainty */
    STK_SLOT_FORWARD,   /* activations kept */
    STK_SLOT_DENSITY,
    STK_SLOT_BACKWARD, /* from kept activations to denc and weight gradients */
    STK_SLOT_ENCODE,
    STK_SLOT_SCATTER, /* grid_backward of all planes and levels */
    STK_SLOT_STEP,    /* forward, backward, scatter, AdamW over all tables and nets */
    STK_SLOTS
} stk_field_slot;

/* "radiance", "inference", "forward", ... */
const char *stk_field_slot_name(stk_field_slot slot);
/* Multiply-adds a sample in the layers as field.h has them (folding saves some of them); 0 for
 * slots without any. */
int stk_field_slot_macs(const stk_field_shape *shape, stk_field_slot slot);

typedef struct stk_field_bench stk_field_bench;
/* For pools of at most `threads` threads. weights are copied; NULL = random ones. */
stk_status stk_field_bench_create(stk_field_bench **bench, const stk_field_shape *shape,
                                  const stk_field_weights *weights, int threads);
void stk_field_bench_free(stk_field_bench **bench);
/* Works on all samples once with the kernels that stk_cpu_flags() allows now; seconds it took.
 * pool NULL: on the caller alone. Name of the kernels' instruction set in *isa unless NULL. */
double stk_field_bench_run(stk_field_bench *bench, stk_field_slot slot, stk_pool *pool,
                           const char **isa);

#endif
