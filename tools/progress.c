/* progress.c - what a waiting person sees, and how they stop it. */
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double TERMINAL_EVERY_S = 1.0 / 6.0, LOG_EVERY_S = 10.0;

static struct {
    double last_s;
    char step[64];
    int64_t done, total;
    int open_line;
} shown;
static volatile sig_atomic_t stop_requests;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void format_time(double seconds, char *text, size_t size) {
    if (seconds < 0)
        snprintf(text, size, "--:--");
    else if (seconds < 3600)
        snprintf(text, size, "%d:%02d", (int)(seconds + 0.5) / 60, (int)(seconds + 0.5) % 60);
    else
        snprintf(text, size, "%d:%02d:%02d", (int)seconds / 3600, (int)seconds / 60 % 60,
                 (int)seconds % 60);
}

static void show_on_terminal(const stk_event *event) {
    char eta[32];
    format_time(event->eta_s, eta, sizeof eta);
    int percent = event->total > 0 ? (int)(100 * event->done / event->total) : 0;
    if (event->total > 0)
        fprintf(stderr, "\r\033[K%-10s %3d %%  %lld/%lld  eta %s  %s", event->step, percent,
                (long long)event->done, (long long)event->total, eta,
                event->detail != NULL ? event->detail : "");
    else /* how much there is to do is not known */
        fprintf(stderr, "\r\033[K%-10s %s", event->step,
                event->detail != NULL ? event->detail : "");
    fflush(stderr);
    shown.open_line = 1;
}

/* doc/FORMATS.md, "Progress lines". */
static void show_in_log(const stk_event *event) {
    char step[sizeof shown.step];
    snprintf(step, sizeof step, "%s", event->step);
    for (char *c = step; *c != '\0'; c++)
        if (*c == ' ') *c = '_';
    fprintf(stderr, "step=%s done=%lld total=%lld seconds=%.0f eta_s=%.0f%s%s\n", step,
            (long long)event->done, (long long)event->total, event->seconds, event->eta_s,
            event->detail != NULL ? " " : "", event->detail != NULL ? event->detail : "");
}

void tool_progress(void *user, const stk_event *event) {
    tool *t = user;
    if (t->quiet) return;
    int terminal = isatty(STDERR_FILENO);
    int fresh = strcmp(shown.step, event->step) != 0;
    if (!fresh && event->done == shown.done && event->total == shown.total) return;
    int last = event->total > 0 && event->done >= event->total;
    double now = now_s();
    double every = terminal ? TERMINAL_EVERY_S : LOG_EVERY_S;
    if (!fresh && !last && now - shown.last_s < every) return;
    if (fresh) {
        if (terminal && shown.total > 0) tool_progress_end(); /* else nothing was told yet */
        snprintf(shown.step, sizeof shown.step, "%s", event->step);
    }
    shown.last_s = now;
    shown.done = event->done;
    shown.total = event->total;
    if (terminal)
        show_on_terminal(event);
    else
        show_in_log(event);
    if (last && terminal) tool_progress_end();
}

void tool_progress_end(void) {
    if (shown.open_line) fputc('\n', stderr);
    shown.open_line = 0;
}

void tool_log(void *user, int level, const char *line) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    tool *t = user;
    if (level > 3 || (t->quiet && level > 0) || (!t->verbose && level > 2)) return;
    tool_progress_end();
    fprintf(stderr, "%s: %s\n", names[level < 0 ? 0 : level], line);
}

static void on_signal(int number) {
    if (stop_requests++ > 0) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void tool_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int tool_stopped(void *user) {
    (void)user;
    return stop_requests > 0;
}

int tool_exit_code(tool *t, stk_status status) {
    tool_progress_end();
    if (status == STK_OK) return EXIT_DONE;
    fprintf(stderr, "synctalk: %s\n", stk_context_error(t->ctx));
    if (status == STK_ERR_ABORTED) return EXIT_STOPPED;
    return status == STK_ERR_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}
