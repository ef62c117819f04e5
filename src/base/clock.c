/* clock.c */
#include "base/clock.h"

#include <sys/resource.h>
#include <time.h>

static double read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double stk_clock_s(void) { return read_clock(CLOCK_MONOTONIC); }

double stk_clock_thread_s(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

double stk_peak_rss_mib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0; /* Linux: KiB */
}
