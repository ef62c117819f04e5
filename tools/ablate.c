/* ablate.c - `synctalk ablate`: what every module is worth on one subject. */
#include "tool.h"

#include <stdio.h>

int tool_ablate(tool *t) {
    stk_ablate_options options;
    stk_ablate_options_init(&options);
    int code = tool_parse(t, "ablate", &options);
    if (code >= 0) return code;
    char *text;
    stk_status status = stk_ablate(t->ctx, &options, &text);
    tool_progress_end();
    if (status == STK_OK) printf(options.json ? "%s\n" : "%s", text);
    stk_text_free(&text);
    return tool_exit_code(t, status);
}
