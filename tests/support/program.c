/* program.c - see program.h. Output goes through temporary files, so that nothing can block. */
#include "program.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 64 };
static program_result result;

static void read_back(int fd, char *text) {
    ssize_t n = pread(fd, text, PROGRAM_OUTPUT - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
}

static int temporary(void) {
    char path[] = "/tmp/stk-output-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static const program_result *run_words(char *const *words, double interrupt_s, int number) {
    if (getenv("SYNCTALK_MODELS") == NULL && test_shared("models") != NULL)
        setenv("SYNCTALK_MODELS", test_shared("models"), 1);
    int out = temporary(), err = temporary();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(out, 1);
        dup2(err, 2);
        execv(words[0], words);
        _exit(127);
    }
    if (interrupt_s > 0) {
        struct timespec pause = {(time_t)interrupt_s,
                                 (long)((interrupt_s - (double)(time_t)interrupt_s) * 1e9)};
        nanosleep(&pause, NULL);
        kill(child, number);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_back(out, result.out);
    read_back(err, result.err);
    return &result;
}

static const program_result *run_line(char *line, double interrupt_s, int number) {
    char program[4096];
    const char *root = getenv("STK_BUILD_ROOT");
    assert_non_null(root);
    snprintf(program, sizeof program, "%s/tools/synctalk", root);
    char *words[WORDS] = {program};
    int n = 1;
    for (char *word = strtok(line, " "); word != NULL && n < WORDS - 1; word = strtok(NULL, " "))
        words[n++] = word;
    return run_words(words, interrupt_s, number);
}

const program_result *program_run(const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return run_line(line, 0, 0);
}

const program_result *program_interrupt(double seconds, const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return run_line(line, seconds, SIGINT);
}

const program_result *program_kill(double seconds, const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return run_line(line, seconds, SIGKILL);
}

const program_result *program_shell(const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char shell[] = "/bin/sh", option[] = "-c";
    char *words[] = {shell, option, line, NULL};
    return run_words(words, 0, 0);
}

void program_assert_refuses(const program_result *r, int code, const char *part) {
    const char *line = strstr(r->err, "synctalk");
    if (r->exit_code != code || line == NULL || strstr(line, part) == NULL)
        fail_msg("expected exit %d and \"%s\"; got exit %d and: %s", code, part, r->exit_code,
                 r->err);
}
