/* log.h - where messages go. Nothing below tools/ prints: rooms call stk_log, the program (or the
 * embedding application, through the public API) installs a sink. Lines are `key=value` or prose.
 * Threading: installing a sink is done once at start; logging is safe from any thread if the sink
 * is.
 */
#ifndef STK_BASE_LOG_H
#define STK_BASE_LOG_H

#include "base/attr.h"

typedef enum stk_log_level {
    STK_LOG_ERROR,
    STK_LOG_WARN,
    STK_LOG_INFO,
    STK_LOG_DEBUG
} stk_log_level;
typedef void (*stk_log_sink)(void *user, stk_log_level level, const char *line);

void stk_log_set_sink(stk_log_sink sink, void *user);
void stk_log(stk_log_level level, const char *format, ...) STK_PRINTF(2, 3);

#endif
