/* encoder.c - the public call that trains an audio-visual encoder. */
#include "api/context.h"
#include "train/encoder.h"

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

static stk_status train(const stk_encoder_train_options *o, const stk_job *job,
                        stk_encoder_figures *figures) {
    STK_TRY(check(o));
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
