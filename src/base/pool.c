/* pool.c - workers sleep on a condition between runs; within a run they only touch one atomic. */
#include "base/pool.h"
#include "base/memory.h"
#include "base/ranks.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MAX_THREADS = 256, SPIN_ROUNDS = 2000 };

typedef struct worker {
    stk_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct stk_pool {
    worker *workers; /* threads - 1 of them; worker 0 is the caller */
    int threads, started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint generation; /* bumped for each run */
    atomic_int next, tasks, busy;
    stk_pool_fn fn;
    void *ctx;
    int quit;
};

static void drain(stk_pool *pool, int index) {
    int tasks = atomic_load_explicit(&pool->tasks, memory_order_relaxed);
    for (;;) {
        int task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (task >= tasks) return;
        pool->fn(pool->ctx, task, index);
    }
}

/* Spins briefly (steps follow each other within microseconds), then sleeps. */
static unsigned wait_for_run(stk_pool *pool, unsigned seen) {
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen) return now;
        __builtin_ia32_pause();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen)
        pthread_cond_wait(&pool->wake, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return atomic_load_explicit(&pool->generation, memory_order_acquire);
}

static void *worker_main(void *argument) {
    worker *self = argument;
    stk_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_run(pool, seen);
        if (pool->quit) return NULL;
        drain(pool, self->index);
        atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_acq_rel);
    }
}

static void announce(stk_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

int stk_pool_size(int threads) {
    if (threads <= 0) threads = (int)sysconf(_SC_NPROCESSORS_ONLN) / stk_ranks_local();
    if (threads < 1) threads = 1;
    return threads < MAX_THREADS ? threads : MAX_THREADS;
}

stk_status stk_pool_create(stk_pool **out, int threads) {
    *out = NULL;
    threads = stk_pool_size(threads);
    stk_pool *pool = stk_calloc_aligned(1, sizeof *pool);
    if (pool == NULL) return stk_fail_memory("thread pool");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = threads;
    pool->workers = stk_calloc_aligned((size_t)threads, sizeof *pool->workers);
    if (pool->workers == NULL) goto fail;
    for (int i = 1; i < threads; i++) {
        worker *w = &pool->workers[pool->started];
        *w = (worker){.pool = pool, .index = i};
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) goto fail;
        pool->started++;
    }
    *out = pool;
    return STK_OK;
fail:
    stk_pool_free(&pool);
    return stk_fail_memory("thread pool");
}

void stk_pool_free(stk_pool **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_pool *pool = *handle;
    pool->quit = 1;
    announce(pool);
    for (int i = 0; i < pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    stk_free(pool->workers);
    stk_free(pool);
    *handle = NULL;
}

int stk_pool_threads(const stk_pool *pool) { return pool == NULL ? 1 : pool->threads; }

void stk_pool_run(stk_pool *pool, int tasks, stk_pool_fn fn, void *ctx) {
    if (tasks <= 0) return;
    if (pool == NULL || pool->started == 0 || tasks == 1) {
        for (int task = 0; task < tasks; task++) fn(ctx, task, 0);
        return;
    }
    pool->fn = fn;
    pool->ctx = ctx;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->tasks, tasks);
    atomic_store(&pool->busy, pool->started);
    announce(pool);
    drain(pool, 0);
    for (int spins = 0; atomic_load_explicit(&pool->busy, memory_order_acquire) != 0; spins++) {
        if (spins < SPIN_ROUNDS) __builtin_ia32_pause();
        else sched_yield();
    }
}
