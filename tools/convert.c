/* convert.c - `synctalk convert`: published checkpoint <-> model. What was found, padded or left
 * out is printed, a line each. */
#include "tool.h"

#include <stdio.h>

int tool_convert(tool *t) {
    stk_convert_options options;
    stk_convert_options_init(&options);
    int code = tool_parse(t, "convert", &options);
    if (code >= 0) return code;
    char *notes;
    stk_status status = stk_convert(t->ctx, &options, &notes);
    if (status == STK_OK && !t->quiet) fputs(notes, stdout);
    stk_text_free(&notes);
    return tool_exit_code(t, status);
}
