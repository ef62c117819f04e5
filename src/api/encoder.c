/* encoder.c - the public calls that train an audio-visual encoder and make one file of it. */
#include "api/context.h"
#include "train/encoder.h"
#include "base/attr.h"

#include <stdio.h>
#include <string.h>

static stk_status check(const stk_encoder_train_options *o) {
    char sentence[256];
    if (stk_options_check("encoder train", o, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (o->clips == NULL || o->clips[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "CLIP is missing; see --help");
    if (o->output == NULL || o->output[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-o is missing; see --help");
    if (o->bce + o->nce > 0) return STK_OK;
    return stk_fail(STK_ERR_ARGUMENT, "--bce and --nce are both 0: there is nothing to learn");
}

/* None of a list of clips is a file that is written. */
static stk_status keep_clips(const char *list, char separator, const char *written) {
    char path[STK_PATH_MAX];
    for (const char *end; list != NULL && *list != '\0'; list = *end != '\0' ? end + 1 : end) {
        const char *found = strchr(list, separator);
        end = found != NULL ? found : list + strlen(list);
        snprintf(path, sizeof path, "%.*s", (int)(end - list), list);
        STK_TRY(stk_file_keep_input(written, path));
    }
    return STK_OK;
}

/* Nor are two of those files one. */
static stk_status check_written(const stk_encoder_train_options *o) {
    char state[STK_PATH_MAX], picture[STK_PATH_MAX];
    const char *const written[] = {o->output, state, picture, o->curve};
    STK_TRY(stk_encoder_picture_path(o->output, picture));
    if (snprintf(state, sizeof state, "%s.train", o->output) >= (int)sizeof state)
        return stk_fail(STK_ERR_ARGUMENT, "the path is too long: %.60s...", o->output);
    for (size_t i = 0; i < STK_ARRAY_SIZE(written) && written[i] != NULL; i++) {
        STK_TRY(keep_clips(o->clips, '\n', written[i]));
        STK_TRY(keep_clips(o->hold_out, ',', written[i]));
    }
    for (int i = 0; o->curve != NULL && i < 3; i++)
        if (stk_file_is_same(o->curve, written[i]))
            return stk_fail(STK_ERR_ARGUMENT,
                            "%s: would be both the curve and another file of the run; give the "
                            "curve another name",
                            o->curve);
    return STK_OK;
}

static stk_status train(const stk_encoder_train_options *o, const stk_job *job,
                        stk_encoder_figures *figures) {
    STK_TRY(check(o));
    STK_TRY(check_written(o));
    const stk_encoder_settings settings = {
        .clips = o->clips,
        .hold_out = o->hold_out,
        .output = o->output,
        .cut = o->cut,
        .models = o->models,
        .curve = o->curve,
        .minutes = o->minutes,
        .evaluate_s = o->evaluate_s,
        .steps = o->steps,
        .evaluate_steps = o->evaluate_steps,
        .threads = o->threads,
        .seed = o->seed,
        .resume = o->resume,
        .float32 = o->float32,
        .rate = (float)o->rate,
        .sync = {(float)o->bce, (float)o->nce},
        .reconstruction = (float)o->reconstruction,
    };
    return stk_encoder_train(&settings, job, figures);
}

stk_status stk_train_encoder(stk_context *ctx, const stk_encoder_train_options *options,
                             stk_encoder_train_result *result) {
    const stk_job job = stk_context_job(ctx);
    stk_encoder_figures f = {0};
    const stk_status status = train(options, &job, &f);
    *result = (stk_encoder_train_result){f.steps, f.best_step, f.seconds,  f.pairs_per_s, f.loss,
                                         f.hits,  f.windows,   f.accuracy, f.confidence};
    return stk_context_finish(ctx, status);
}

static stk_status pack(const stk_encoder_pack_options *o) {
    char sentence[256];
    if (stk_options_check("encoder pack", o, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (o->encoder == NULL || o->encoder[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "FILE is missing; see --help");
    if (o->output == NULL || o->output[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-o is missing; see --help");
    return stk_lip_sync_pack(o->encoder, o->output);
}

stk_status stk_pack_encoder(stk_context *ctx, const stk_encoder_pack_options *options) {
    return stk_context_finish(ctx, pack(options));
}
