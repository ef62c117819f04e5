/* context.h - the opaque handle of the public API and the bridges from its callbacks to the
 * rooms'. */
#ifndef STK_API_CONTEXT_H
#define STK_API_CONTEXT_H

#include "synctalk/synctalk.h"
#include "base/job.h"

struct stk_context {
    stk_callbacks callbacks;
    char error[1024];
};

/* A job whose callbacks forward to the context's; keep it on the caller's stack. */
stk_job stk_context_job(stk_context *ctx);
/* Keeps the sentence of a failed call and returns the status. */
stk_status stk_context_finish(stk_context *ctx, stk_status status);
/* malloc'ed copy for char ** results; NULL when out of memory. */
char *stk_text_copy(const char *text);

#endif
