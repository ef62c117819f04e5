/* presenter.c - the public call that makes a clip of an invented person. */
#include "base/status.h"
#include "api/context.h"
#include "presenter/presenter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_DEFAULT = 512 };

/* "640" or "1280x720"; which sides are possible is the presenter's to say. */
static stk_status parse_size(const char *text, int *width, int *height) {
    *width = *height = SIDE_DEFAULT;
    if (text == NULL) return STK_OK;
    char *end;
    const long w = strtol(text, &end, 10);
    long h = w;
    const int one = end != text && *end == '\0';
    const char *second = end + 1;
    if (!one && end != text && *end == 'x') h = strtol(second, &end, 10);
    if (end == text || *end != '\0' || (!one && end == second) || w < 1 || h < 1 || w > 99999 ||
        h > 99999)
        return stk_fail(STK_ERR_ARGUMENT,
                        "--size \"%s\": is neither one number nor two like 1280x720", text);
    *width = (int)w;
    *height = (int)h;
    return STK_OK;
}

static stk_status make(const stk_presenter_options *options, const stk_job *job,
                       stk_presenter_result *result) {
    char sentence[256];
    if (stk_options_check("presenter", options, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (options->output == NULL || options->output[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-o FILE is missing; see --help");
    stk_presenter_settings settings = {
        .output = options->output,
        .truth = options->truth,
        .text = options->text,
        .audio = options->audio,
        .voice = options->voice,
        .seconds = options->seconds,
        .seed = options->seed,
        .fps = options->fps,
        .audio_offset = options->offset,
        .crf = options->crf,
        .threads = options->threads,
    };
    STK_TRY(parse_size(options->size, &settings.width, &settings.height));
    STK_TRY(stk_presenter_variant_parse(options->variant, &settings.variant));
    stk_presenter_figures figures;
    STK_TRY(stk_presenter_make(&settings, job, &figures));
    *result = (stk_presenter_result){figures.frames, figures.seconds, figures.fps, figures.sound_s};
    return STK_OK;
}

stk_status stk_presenter(stk_context *ctx, const stk_presenter_options *options,
                         stk_presenter_result *result) {
    stk_job job = stk_context_job(ctx);
    *result = (stk_presenter_result){0};
    return stk_context_finish(ctx, make(options, &job, result));
}
