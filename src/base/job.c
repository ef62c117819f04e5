/* job.c - progress with an ETA from the mean rate so far. */
#include "base/job.h"
#include "base/clock.h"

void stk_job_report(const stk_job *job, const char *step, int64_t done, int64_t total,
                    double start_s, const char *detail) {
    if (job == NULL || job->progress == NULL) return;
    double elapsed = stk_clock_s() - start_s;
    double eta = -1.0;
    if (done > 0 && total > 0) eta = elapsed * (double)(total - done) / (double)done;
    stk_progress progress = {step, done, total, elapsed, eta, detail};
    job->progress(job->user, &progress);
}

int stk_job_aborted(const stk_job *job) {
    return job != NULL && job->aborted != NULL && job->aborted(job->user);
}
