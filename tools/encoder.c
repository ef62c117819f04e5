/* encoder.c - `synctalk encoder train` and `synctalk encoder pack`. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

static int encoder_train(tool *t) {
    stk_encoder_train_options options;
    stk_encoder_train_options_init(&options);
    int code = tool_parse(t, "encoder train", &options);
    if (code >= 0) return code;
    stk_encoder_train_result r;
    stk_status status = stk_train_encoder(t->ctx, &options, &r);
    tool_progress_end();
    if (!t->quiet && r.steps > 0 && (status == STK_OK || status == STK_ERR_ABORTED)) {
        fprintf(stderr,
                "%s: steps=%lld best_step=%lld seconds=%.0f loss=%.4f hits=%.3f "
                "pairs_per_s=%.0f",
                status == STK_OK ? "trained" : "saved", (long long)r.steps, (long long)r.best_step,
                r.seconds, r.loss, r.hits, r.pairs_per_s);
        if (r.windows > 0)
            fprintf(stderr, " held_out_windows=%d accuracy=%.4f confidence=%.4f", r.windows,
                    r.accuracy, r.confidence);
        fprintf(stderr, " -> %s\n", options.output);
    }
    return tool_exit_code(t, status);
}

static int encoder_pack(tool *t) {
    stk_encoder_pack_options options;
    stk_encoder_pack_options_init(&options);
    const int code = tool_parse(t, "encoder pack", &options);
    if (code >= 0) return code;
    return tool_exit_code(t, stk_pack_encoder(t->ctx, &options));
}

int tool_encoder(tool *t) {
    const char *word = t->argc > 0 ? t->argv[0] : "";
    if (t->argc > 0) t->argc--, t->argv++;
    if (strcmp(word, "train") == 0) return encoder_train(t);
    if (strcmp(word, "pack") == 0) return encoder_pack(t);
    const int help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (!help && word[0] != '\0')
        fprintf(stderr, "synctalk encoder: there is no command \"%s\"\n\n", word);
    fprintf(help ? stdout : stderr, "usage: synctalk encoder train CLIP... -o FILE [options]\n"
                                    "       synctalk encoder pack FILE -o FILE\n\n"
                                    "`synctalk encoder train --help` lists the options.\n");
    return help ? EXIT_DONE : EXIT_USAGE;
}
