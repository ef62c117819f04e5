/* pool.h - a fixed set of threads that share out numbered tasks.
 *
 * stk_pool_run(pool, n, fn, ctx) calls fn(ctx, task, worker) once for every task in [0, n), on the
 * calling thread (worker 0) and on the pool's own threads (1 ..), and returns when all are done.
 * Tasks are handed out in order by an atomic counter; which worker gets which is not fixed, so
 * anything that must be deterministic is indexed by task, never by worker. Not re-entrant. No
 * allocation in run.
 */
#ifndef STK_BASE_POOL_H
#define STK_BASE_POOL_H

#include "base/status.h"

typedef struct stk_pool stk_pool;
typedef void (*stk_pool_fn)(void *ctx, int task, int worker);

/* What stk_pool_create makes of a number of threads; <= 0: one per online CPU. */
int stk_pool_size(int threads);
/* Free with stk_pool_free. */
stk_status stk_pool_create(stk_pool **pool, int threads);
void stk_pool_free(stk_pool **pool);
int stk_pool_threads(const stk_pool *pool);
/* pool may be NULL: then everything runs on the caller as worker 0. */
void stk_pool_run(stk_pool *pool, int tasks, stk_pool_fn fn, void *ctx);

#endif
