/* tool.h - what the subcommands of `synctalk` share. This folder is the only one that prints and
 * exits, and it knows nothing but the public header. */
#ifndef SYNCTALK_TOOL_H
#define SYNCTALK_TOOL_H

#include <synctalk/synctalk.h>

typedef struct tool {
    stk_context *ctx;
    int quiet, verbose;
    int argc; /* arguments after the subcommand, global options taken out */
    char **argv;
    char *list; /* joined values of a repeated argument; main frees it */
} tool;

/* Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C (state saved). */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

int tool_prepare(tool *t);
int tool_train(tool *t);
int tool_render(tool *t);
int tool_eval(tool *t);
int tool_info(tool *t);
int tool_sync(tool *t);
int tool_compare(tool *t);
int tool_ablate(tool *t);
int tool_sheet(tool *t);
int tool_convert(tool *t);
int tool_presenter(tool *t);
int tool_bench(tool *t);
int tool_subject(tool *t);
int tool_encoder(tool *t);

/* args.c: fills the options struct of `command` from t->argv; -1 = go on, else the exit code (after
 * printing help or a complaint). */
int tool_parse(tool *t, const char *command, void *options);
void tool_help(const char *command);
extern const char *const tool_commands[][2];

/* progress.c: the progress line on stderr: "\r" on a terminal (at most 6 a second), else a
 * key=value line every 10 seconds. */
void tool_progress(void *user, const stk_event *event);
void tool_progress_end(void);
void tool_log(void *user, int level, const char *line);
/* Ctrl-C and SIGTERM ask the running call to stop; a second one kills. */
void tool_catch_signals(void);
int tool_stopped(void *user);
/* Prints the context's sentence and gives the exit code for a status. */
int tool_exit_code(tool *t, stk_status status);

#endif
