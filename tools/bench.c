/* bench.c - `synctalk bench`: prints the tables, after Ctrl-C those that are ready. */
#include "tool.h"

#include <stdio.h>

int tool_bench(tool *t) {
    stk_bench_options options;
    stk_bench_options_init(&options);
    int code = tool_parse(t, "bench", &options);
    if (code >= 0) return code;
    char *text;
    stk_status status = stk_bench(t->ctx, &options, &text);
    tool_progress_end();
    if (text != NULL) printf("%s\n", text);
    stk_text_free(&text);
    return tool_exit_code(t, status);
}
