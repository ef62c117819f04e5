/* job.h - how long work reports progress and learns that it should stop.
 *
 * A stk_job is passed down by pointer, never stored beyond the call. Both callbacks are called from
 * the thread that called the long function. NULL members are allowed; NULL jobs too.
 */
#ifndef STK_BASE_JOB_H
#define STK_BASE_JOB_H

#include <stdint.h>
#include <stddef.h>

typedef struct stk_progress {
    const char *step;   /* what is being done, e.g. "landmarks" */
    int64_t done;       /* units finished */
    int64_t total;      /* units in all; 0 = unknown */
    double seconds;     /* since this step began */
    double eta_s;       /* estimated seconds left in this step; < 0 = unknown */
    const char *detail; /* figures worth showing, e.g. "loss=0.021 psnr=29.3", or NULL */
} stk_progress;

typedef struct stk_job {
    void (*progress)(void *user, const stk_progress *progress);
    int (*aborted)(void *user); /* non-zero: finish cleanly and return STK_ERR_ABORTED */
    void *user;
} stk_job;

/* Reports done/total of `step`; computes the ETA from `start_s` (stk_clock_s() at the beginning).
 */
void stk_job_report(const stk_job *job, const char *step, int64_t done, int64_t total,
                    double start_s, const char *detail);
/* 1 when the job asks to stop. */
int stk_job_aborted(const stk_job *job);

#endif
