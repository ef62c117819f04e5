/* log.c - formats a line and hands it to the installed sink; silent without one. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static stk_log_sink log_sink;
static void *log_user;

void stk_log_set_sink(stk_log_sink sink, void *user) {
    log_sink = sink;
    log_user = user;
}

void stk_log(stk_log_level level, const char *format, ...) {
    if (log_sink == NULL) return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log_sink(log_user, level, line);
}
