/* status.h - the one error idiom of the project.
 *
 * Every fallible function returns stk_status: STK_OK or a negative code. Whoever detects a failure
 * writes the sentence, once, through stk_fail(): which file, which frame, why, and what to do about
 * it. Callers only forward the code. The sentence is kept per thread; work done on pool threads
 * carries it back with stk_error_take/stk_error_put.
 */
#ifndef STK_BASE_STATUS_H
#define STK_BASE_STATUS_H

#include "base/attr.h"

#ifndef STK_STATUS_DEFINED
#define STK_STATUS_DEFINED
typedef enum stk_status {
    STK_OK = 0,
    STK_ERR_ARGUMENT = -1,    /* the caller asked for something impossible */
    STK_ERR_IO = -2,          /* reading or writing failed (missing file, full disk, permission) */
    STK_ERR_FORMAT = -3,      /* the file is not what it should be, or is damaged */
    STK_ERR_MEMORY = -4,      /* an allocation failed */
    STK_ERR_UNSUPPORTED = -5, /* valid, but this build or version does not do it */
    STK_ERR_WEIGHTS = -6,     /* a pretrained weight file is missing or is the wrong one */
    STK_ERR_CONTENT = -7,     /* the clip cannot work: no face, no sound, too short ... */
    STK_ERR_MISMATCH = -8,    /* two files do not belong together (model and subject) */
    STK_ERR_ABORTED = -9,     /* the abort callback (Ctrl-C) said stop; state was saved */
    STK_ERR_NUMERIC = -10,    /* not-a-number that could not be rolled back */
} stk_status;
#endif

/* Stores the formatted sentence for this thread and returns `code`. Truncates at 1023 bytes. */
stk_status stk_fail(stk_status code, const char *format, ...) STK_PRINTF(2, 3);
/* STK_ERR_MEMORY with a fixed sentence naming `what`. */
stk_status stk_fail_memory(const char *what);
/* The last sentence of this thread, never NULL; valid until the next failure on this thread. */
const char *stk_error_text(void);
/* Copies the sentence out of / into this thread (to carry it across threads). */
void stk_error_take(char *text, int size);
void stk_error_put(const char *text);

#define STK_TRY(expr)                                                                             \
    do {                                                                                          \
        stk_status stk_try_status_ = (expr);                                                      \
        if (stk_try_status_ != STK_OK) return stk_try_status_;                                    \
    } while (0)

#endif
