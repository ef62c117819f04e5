/* log.h - where messages go. Nothing below tools/ prints: rooms call stk_log, the program (or the
 * embedding application, through the public API) installs a sink. Lines are `key=value` or prose.
 * Threading: all of it is safe from any thread; the sink is called under a lock, one line at a
 * time.
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

/* The last one installed gets the lines. The sink must not log. */
void stk_log_set_sink(stk_log_sink sink, void *user);
/* Removes the sink if it is still the one installed with `user`. */
void stk_log_clear_sink(const void *user);
/* A second sink, besides; of the last one set. It must not log either. */
void stk_log_set_copy(stk_log_sink sink, void *user);
void stk_log_clear_copy(const void *user);
void stk_log(stk_log_level level, const char *format, ...) STK_PRINTF(2, 3);

#endif
