/* hello.c - the smallest useful program against the public header: MODEL SOUND OUT.mp4 */
#include <synctalk/synctalk.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    stk_context *ctx;
    if (stk_context_create(&ctx, NULL) != STK_OK) return 1;
    stk_render_options options;
    stk_render_options_init(&options);
    options.model = argv[1];
    options.audio = argv[2];
    options.output = argv[3];
    stk_render_result result;
    stk_status status = stk_render(ctx, &options, &result);
    if (status == STK_OK) printf("%d frames\n", result.frames);
    else fprintf(stderr, "%s\n", stk_context_error(ctx));
    stk_context_free(&ctx);
    return status != STK_OK;
}
