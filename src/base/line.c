/* line.c - see line.h. All that the threads share is a few counters behind one lock, taken twice a
 * stage: stages are meant to be long (from some 10 us on).
 */
#include "base/line.h"
#include "base/clock.h"

#include <pthread.h>

enum { ERROR_TEXT = 1024, NOTHING = -1 };

typedef struct run {
    stk_line *line;
    int stages, items;
    int next[STK_LINE_STAGES];    /* item that enters the stage next */
    int busy[STK_LINE_STAGES];    /* an in-order stage is at work */
    int finished;                 /* items through the last stage */
    uint8_t done[STK_LINE_SLOTS]; /* stages behind the item in each slot */
    stk_status status;
    char text[ERROR_TEXT]; /* of the first failure */
    int waiting;           /* threads that found nothing to do */
    pthread_mutex_t lock;
    pthread_cond_t changed;
} run;

/* Whether the next item of a stage can enter it. The slot is the item's own once it has entered
 * stage 0. */
static int ready(const run *r, int stage) {
    const int item = r->next[stage], slots = r->line->slots;
    if (item >= r->items) return 0;
    if (r->line->stages[stage].order != STK_LINE_WIDE && r->busy[stage]) return 0;
    if (stage == 0) return item < r->finished + slots;
    return item < r->next[stage - 1] && r->done[item % slots] == stage;
}

static int pick(const run *r, int worker) {
    for (int k = r->stages - 1; k >= 0; k--) {
        const stk_line_order order = r->line->stages[k].order;
        if (order == STK_LINE_WIDE || (order == STK_LINE_CALLER && worker != 0)) continue;
        if (ready(r, k)) return k;
    }
    for (int k = r->stages - 1; k >= 0; k--)
        if (r->line->stages[k].order == STK_LINE_WIDE && ready(r, k)) return k;
    return NOTHING;
}

/* One item through one stage; the lock is held on entry and on return. */
static void pass(run *r, int stage, int worker) {
    stk_line_stage *s = &r->line->stages[stage];
    const int item = r->next[stage]++;
    stk_line_place at = {.item = item, .slot = item % r->line->slots, .worker = worker};
    r->busy[stage]++;
    pthread_mutex_unlock(&r->lock);
    const double start_s = stk_clock_s(), start_cpu_s = stk_clock_thread_s();
    const stk_status status = s->run(r->line->ctx, &at);
    const double cpu_s = stk_clock_thread_s() - start_cpu_s, wall_s = stk_clock_s() - start_s;
    pthread_mutex_lock(&r->lock);
    r->busy[stage]--;
    s->seconds += wall_s;
    s->cpu_seconds += cpu_s;
    const int last = stage == r->stages - 1;
    r->done[at.slot] = last ? 0 : (uint8_t)(stage + 1);
    r->finished += last;
    if (at.stop && item + 1 < r->items) r->items = item + 1;
    if (status != STK_OK && r->status == STK_OK) {
        r->status = status;
        stk_error_take(r->text, sizeof r->text);
    }
    if (r->waiting > 0) pthread_cond_broadcast(&r->changed);
}

static void work(void *ctx, int task, int worker) {
    (void)task;
    run *r = ctx;
    pthread_mutex_lock(&r->lock);
    while (r->status == STK_OK && r->finished < r->items) {
        const int stage = pick(r, worker);
        if (stage != NOTHING) {
            pass(r, stage, worker);
            continue;
        }
        r->waiting++;
        pthread_cond_wait(&r->changed, &r->lock);
        r->waiting--;
    }
    pthread_mutex_unlock(&r->lock);
}

stk_status stk_line_run(stk_line *line, stk_pool *pool, int *finished) {
    run r = {.line = line, .items = line->items};
    *finished = 0;
    while (r.stages < STK_LINE_STAGES && line->stages[r.stages].run != NULL) {
        line->stages[r.stages].seconds = line->stages[r.stages].cpu_seconds = 0;
        r.stages++;
    }
    if (r.stages == 0 || line->stages[r.stages - 1].order == STK_LINE_WIDE || line->slots < 1 ||
        line->slots > STK_LINE_SLOTS)
        return stk_fail(STK_ERR_ARGUMENT, "a line of %d stages and %d slots cannot run", r.stages,
                        line->slots);
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    /* Every thread stays until the end, so that the caller gets a task, too. */
    stk_pool_run(pool, stk_pool_threads(pool), work, &r);
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.lock);
    *finished = r.finished;
    if (r.status != STK_OK) stk_error_put(r.text);
    return r.status;
}
