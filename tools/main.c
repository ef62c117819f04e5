/* main.c - `synctalk COMMAND ...`: global options, the context, and which command. */
#include "tool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_usage(FILE *out) {
    fprintf(out,
            "synctalk %s: learn a person from a video, make them say any sound\n\n"
            "usage: synctalk COMMAND [arguments]\n\n",
            stk_version());
    for (int i = 0; tool_commands[i][0] != NULL; i++)
        fprintf(out, "  %-14s %s\n", tool_commands[i][0], tool_commands[i][1]);
    fprintf(out, "\n  synctalk prepare clip.mp4 -o person/\n"
                 "  synctalk train   person/ -o person.stk\n"
                 "  synctalk render  -m person.stk -a speech.wav -o out.mp4\n\n"
                 "`synctalk COMMAND --help` lists a command's options; --version.\n"
                 "Every command takes --cpu-mask NAME (c, avx2, avx512, avx512bf16, amx).\n");
}

static int dispatch(tool *t, const char *command) {
    static const struct {
        const char *name;
        int (*run)(tool *t);
    } commands[] = {
        {"prepare", tool_prepare}, {"train", tool_train},         {"render", tool_render},
        {"eval", tool_eval},       {"info", tool_info},           {"sheet", tool_sheet},
        {"convert", tool_convert}, {"presenter", tool_presenter}, {"bench", tool_bench},
        {"subject", tool_subject}, {"encoder", tool_encoder},     {"sync", tool_sync},
        {"compare", tool_compare}, {"ablate", tool_ablate}};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, command) == 0) return commands[i].run(t);
    fprintf(stderr, "synctalk: there is no command \"%s\"\n\n", command);
    print_usage(stderr);
    return EXIT_USAGE;
}

/* Where the caller closed a standard stream, its number must not go to a file that is opened later:
 * progress would be written into it. Writing to what is put there fails, as it did. */
static void fill_closed_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return;
}

/* The exit code once all that was printed has left. */
static int flush_output(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "synctalk: writing to standard output failed\n");
    return EXIT_FAILED;
}

/* `synctalk help encoder train` is `synctalk encoder train --help`. */
static int help_on(int count, char **words) {
    static char flag[] = "--help";
    char *rest[] = {count > 1 ? words[1] : flag, flag};
    tool t = {.argc = count > 1 ? 2 : 1, .argv = rest};
    return flush_output(dispatch(&t, words[0]));
}

int main(int argc, char **argv) {
    fill_closed_streams();
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s\n", stk_system_line());
        return flush_output(EXIT_DONE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        if (argc > 2 && strcmp(argv[1], "help") == 0) return help_on(argc - 2, argv + 2);
        print_usage(stdout);
        return flush_output(EXIT_DONE);
    }
    tool t = {.argc = argc - 2, .argv = argv + 2};
    tool_catch_signals();
    const stk_callbacks callbacks = {
        .user = &t, .progress = tool_progress, .log = tool_log, .abort = tool_stopped};
    if (stk_context_create(&t.ctx, &callbacks) != STK_OK) {
        fprintf(stderr, "synctalk: out of memory\n");
        return EXIT_FAILED;
    }
    const int code = flush_output(dispatch(&t, argv[1]));
    stk_context_free(&t.ctx);
    free(t.list);
    return code;
}
