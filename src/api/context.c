/* context.c - see context.h. */
#include "base/status.h"
#include "api/context.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/ranks.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STK_VERSION_TEXT "0.1.0"

const char *stk_version(void) {
    return STK_VERSION_TEXT;
}

const char *stk_system_line(void) {
    static _Thread_local char line[160];
    snprintf(line, sizeof line, "synctalk %s | cpu: %s | threads: %ld", STK_VERSION_TEXT,
             stk_cpu_describe(), sysconf(_SC_NPROCESSORS_ONLN));
    return line;
}

stk_status stk_set_cpu_mask(const char *text) {
    uint32_t mask = UINT32_MAX;
    if (text != NULL && stk_cpu_parse_mask(text, &mask) != 0)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--cpu-mask %s: is none of c, avx2, avx512, avx512bf16, amx or a number",
                        text);
    stk_cpu_set_mask(mask);
    return STK_OK;
}

static void forward_log(void *user, stk_log_level level, const char *line) {
    const stk_callbacks *callbacks = user;
    callbacks->log(callbacks->user, (int)level, line);
}

stk_status stk_context_create(stk_context **out, const stk_callbacks *callbacks) {
    *out = NULL;
    stk_context *ctx = stk_calloc_aligned(1, sizeof *ctx);
    if (ctx == NULL) return STK_ERR_MEMORY;
    if (callbacks != NULL) ctx->callbacks = *callbacks;
    if (ctx->callbacks.log != NULL) stk_log_set_sink(forward_log, &ctx->callbacks);
    *out = ctx;
    return STK_OK;
}

void stk_context_free(stk_context **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_log_clear_sink(&(*handle)->callbacks);
    stk_free(*handle);
    *handle = NULL;
}

const char *stk_context_error(const stk_context *ctx) {
    return ctx->error;
}

void stk_text_free(char **text) {
    if (text == NULL) return;
    stk_free(*text);
    *text = NULL;
}

char *stk_text_copy(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = stk_calloc_aligned(1, size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}

static void forward_progress(void *user, const stk_progress *p) {
    stk_context *ctx = user;
    const stk_event event = {p->step, p->done, p->total, p->seconds, p->eta_s, p->detail};
    if (ctx->callbacks.progress != NULL && stk_ranks_index() == 0)
        ctx->callbacks.progress(ctx->callbacks.user, &event);
}

static int forward_abort(void *user) {
    stk_context *ctx = user;
    int (*asks_stop)(void *) = ctx->callbacks.abort;
    return asks_stop != NULL && asks_stop(ctx->callbacks.user);
}

stk_job stk_context_job(stk_context *ctx) {
    return (stk_job){forward_progress, forward_abort, ctx};
}

stk_status stk_context_finish(stk_context *ctx, stk_status status) {
    ctx->error[0] = '\0';
    if (status != STK_OK) stk_error_take(ctx->error, sizeof ctx->error);
    return status;
}
