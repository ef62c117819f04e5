/* sync.c - `synctalk sync`: how late the sound of a clip is. */
#include "tool.h"

#include <stdio.h>

int tool_sync(tool *t) {
    stk_sync_options options;
    stk_sync_options_init(&options);
    int code = tool_parse(t, "sync", &options);
    if (code >= 0) return code;
    char *text;
    stk_status status = stk_sync(t->ctx, &options, NULL, &text);
    tool_progress_end();
    if (status == STK_OK) printf(options.json ? "%s\n" : "%s", text);
    stk_text_free(&text);
    return tool_exit_code(t, status);
}
