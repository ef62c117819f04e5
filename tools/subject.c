/* subject.c - `synctalk subject import|export`. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

static int finish(tool *t, stk_status status, const char *verb, const stk_subject_result *r,
                  const char *output) {
    tool_progress_end();
    if (status == STK_OK && !t->quiet)
        fprintf(stderr, "%s: frames=%d train_frames=%d skipped=%d size=%dx%d seconds=%.1f -> %s\n",
                verb, r->frames, r->train_frames, r->skipped, r->width, r->height, r->seconds,
                output);
    return tool_exit_code(t, status);
}

static int subject_import(tool *t) {
    stk_subject_import_options options;
    stk_subject_import_options_init(&options);
    int code = tool_parse(t, "subject import", &options);
    if (code >= 0) return code;
    stk_subject_result r;
    stk_status status = stk_import(t->ctx, &options, &r);
    return finish(t, status, "imported", &r, options.output);
}

static int subject_export(tool *t) {
    stk_subject_export_options options;
    stk_subject_export_options_init(&options);
    int code = tool_parse(t, "subject export", &options);
    if (code >= 0) return code;
    stk_subject_result r;
    stk_status status = stk_export(t->ctx, &options, &r);
    return finish(t, status, "exported", &r, options.output);
}

static void print_usage(FILE *out) {
    fprintf(out, "usage: synctalk subject COMMAND [arguments]\n\n");
    for (int i = 0; tool_commands[i][0] != NULL; i++)
        if (strncmp(tool_commands[i][0], "subject ", 8) == 0)
            fprintf(out, "  %-14s %s\n", tool_commands[i][0], tool_commands[i][1]);
    fprintf(out, "\n`synctalk subject COMMAND --help` lists its options.\n");
}

int tool_subject(tool *t) {
    const char *word = t->argc > 0 ? t->argv[0] : "";
    if (t->argc > 0) t->argc--, t->argv++;
    if (strcmp(word, "import") == 0) return subject_import(t);
    if (strcmp(word, "export") == 0) return subject_export(t);
    int help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (!help && word[0] != '\0')
        fprintf(stderr, "synctalk subject: there is no command \"%s\"\n\n", word);
    print_usage(help ? stdout : stderr);
    return help ? EXIT_DONE : EXIT_USAGE;
}
