/* program.h - runs the built `synctalk` as a user would: own process, captured output, exit code.
 * */
#ifndef STK_TESTS_PROGRAM_H
#define STK_TESTS_PROGRAM_H

enum { PROGRAM_OUTPUT = 1 << 16 };

typedef struct program_result {
    int exit_code;                                 /* 128 + signal when killed */
    char out[PROGRAM_OUTPUT], err[PROGRAM_OUTPUT]; /* cut when longer */
} program_result;

/* words: blank-separated arguments (no quoting: paths in tests have no blanks), printf-style. The
 * result is static, overwritten by the next call. */
const program_result *program_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, but SIGINT is sent after `seconds`. */
const program_result *program_interrupt(double seconds, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, but SIGKILL. */
const program_result *program_kill(double seconds, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for a line of the shell: compilers, installers. */
const program_result *program_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fails unless it exited with `code`, and stderr is one sentence holding `part`. */
void program_assert_refuses(const program_result *result, int code, const char *part);

#endif
