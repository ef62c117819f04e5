/* frames.c - runs a per-frame function over picture.mp4 on all threads.
 *
 *   frames 0..n-1 -> chunks of work->chunk frames -> pool tasks; per thread one frame store and one
 *   handle, opened when the thread gets its first chunk
 *
 * The first failure stops the others and is handed back with its sentence. Progress and the abort
 * question stay on the calling thread (worker 0).
 */
#include "subject/prepare.h"

#include "base/memory.h"

#include <stdatomic.h>

enum { ERROR_TEXT = 1024 };

typedef struct lane { /* what one thread owns */
    stk_frame_store *store;
    void *handle;
} lane;

typedef struct run {
    const stk_prepare *prepare;
    const stk_frame_work *work;
    const char *path;
    int frames;
    lane *lanes;
    atomic_int done, stop, failed;
    atomic_flag text_taken;
    char text[ERROR_TEXT];
} run;

static stk_status open_lane(run *r, lane *l) {
    if (l->store == NULL) STK_TRY(stk_frame_store_open(&l->store, r->path, NULL, 0));
    if (l->handle == NULL) STK_TRY(r->work->open(r->work->ctx, &l->handle));
    return STK_OK;
}

static stk_status run_frames(run *r, lane *l, int first, int worker) {
    const stk_frame_work *work = r->work;
    int last = first + work->chunk < r->frames ? first + work->chunk : r->frames;
    int warm = first - work->warm > 0 ? first - work->warm : 0;
    STK_TRY(open_lane(r, l));
    work->reset(l->handle);
    for (int frame = warm; frame < last && !atomic_load(&r->stop); frame++) {
        const stk_image *rgb;
        STK_TRY(stk_frame_store_get(l->store, frame, &rgb));
        STK_TRY(work->frame(work->ctx, l->handle, frame, frame >= first, rgb));
        int done = frame >= first ? atomic_fetch_add(&r->done, 1) + 1 : atomic_load(&r->done);
        if (worker == 0) STK_TRY(stk_prepare_tick(r->prepare, done, r->frames));
    }
    return STK_OK;
}

static void run_chunk(void *context, int task, int worker) {
    run *r = context;
    if (atomic_load(&r->stop)) return;
    stk_status status = run_frames(r, &r->lanes[worker], task * r->work->chunk, worker);
    if (status == STK_OK) return;
    atomic_store(&r->stop, 1);
    if (atomic_flag_test_and_set(&r->text_taken)) return;
    stk_error_take(r->text, sizeof r->text);
    atomic_store(&r->failed, status);
}

stk_status stk_frames_run(const stk_prepare *prepare, const stk_frame_work *work) {
    char path[STK_PATH_MAX];
    int threads = stk_pool_threads(prepare->pool);
    run r = {.prepare = prepare,
             .work = work,
             .path = path,
             .frames = prepare->manifest.info.frames,
             .text_taken = ATOMIC_FLAG_INIT};
    STK_TRY(stk_prepare_path(prepare, "picture.mp4", path));
    r.lanes = stk_calloc_aligned((size_t)threads, sizeof *r.lanes);
    if (r.lanes == NULL) return stk_fail_memory("frame work");
    stk_pool_run(prepare->pool, (r.frames + work->chunk - 1) / work->chunk, run_chunk, &r);
    for (int i = 0; i < threads; i++) {
        stk_frame_store_close(&r.lanes[i].store);
        if (r.lanes[i].handle != NULL) work->close(r.lanes[i].handle);
    }
    stk_free(r.lanes);
    stk_status failed = (stk_status)atomic_load(&r.failed);
    if (failed != STK_OK) stk_error_put(r.text);
    return failed;
}
