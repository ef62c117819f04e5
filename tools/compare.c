/* compare.c - `synctalk compare`: videos of any system beside the real one. */
#include "tool.h"

#include <stdio.h>

int tool_compare(tool *t) {
    stk_compare_options options;
    stk_compare_options_init(&options);
    int code = tool_parse(t, "compare", &options);
    if (code >= 0) return code;
    char *text;
    stk_status status = stk_compare(t->ctx, &options, &text);
    tool_progress_end();
    if (status == STK_OK) printf(options.json ? "%s\n" : "%s", text);
    stk_text_free(&text);
    return tool_exit_code(t, status);
}
