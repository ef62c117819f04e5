/* clock.h - monotonic wall time and the thread's processor time in seconds, and the peak resident
 * set of the process. */
#ifndef STK_BASE_CLOCK_H
#define STK_BASE_CLOCK_H

double stk_clock_s(void);
/* Processor time that the calling thread has used. */
double stk_clock_thread_s(void);
double stk_peak_rss_mib(void);
/* Resident now; 0 where the system does not say. */
double stk_rss_mib(void);

#endif
