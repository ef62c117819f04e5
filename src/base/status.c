/* status.c - the per-thread error sentence. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_TEXT_SIZE = 1024 };
static _Thread_local char error_text[ERROR_TEXT_SIZE];

stk_status stk_fail(stk_status code, const char *format, ...) {
    char text[ERROR_TEXT_SIZE]; /* the arguments may point into error_text itself */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(error_text, text, sizeof text);
    return code;
}

stk_status stk_fail_memory(const char *what) {
    return stk_fail(STK_ERR_MEMORY, "out of memory while allocating %s", what);
}

const char *stk_error_text(void) { return error_text; }

void stk_error_take(char *text, int size) { snprintf(text, (size_t)size, "%s", error_text); }

void stk_error_put(const char *text) { snprintf(error_text, sizeof error_text, "%s", text); }
