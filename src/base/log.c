/* log.c - formats a line and hands it to the installed sink; silent without one. */
#include "base/log.h"
#include "base/ranks.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static stk_log_sink log_sink;
static void *log_user;
static stk_log_sink copy_sink;
static void *copy_user;

void stk_log_set_sink(stk_log_sink sink, void *user) {
    pthread_mutex_lock(&log_lock);
    log_sink = sink;
    log_user = user;
    pthread_mutex_unlock(&log_lock);
}

void stk_log_clear_sink(const void *user) {
    pthread_mutex_lock(&log_lock);
    if (log_user == user) log_sink = NULL;
    pthread_mutex_unlock(&log_lock);
}

void stk_log_set_copy(stk_log_sink sink, void *user) {
    pthread_mutex_lock(&log_lock);
    copy_sink = sink;
    copy_user = user;
    pthread_mutex_unlock(&log_lock);
}

void stk_log_clear_copy(const void *user) {
    pthread_mutex_lock(&log_lock);
    if (copy_user == user) copy_sink = NULL;
    pthread_mutex_unlock(&log_lock);
}

void stk_log(stk_log_level level, const char *format, ...) {
    char line[1024];
    if (stk_ranks_index() > 0 && level != STK_LOG_ERROR) return; /* all say the same */
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&log_lock);
    if (log_sink != NULL) log_sink(log_user, level, line);
    if (copy_sink != NULL) copy_sink(copy_user, level, line);
    pthread_mutex_unlock(&log_lock);
}
