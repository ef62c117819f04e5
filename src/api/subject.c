/* subject.c - the public calls that bring dataset folders in and out. */
#include "base/status.h"
#include "api/context.h"
#include "subject/official.h"

typedef stk_status (*conversion)(const stk_convert_settings *settings, const stk_job *job,
                                 stk_convert_figures *figures);

static stk_status check(const char *command, const void *options, const char *source,
                        const char *word, const char *output) {
    char sentence[256];
    if (stk_options_check(command, options, sentence, sizeof sentence) != STK_OK)
        return stk_fail(STK_ERR_ARGUMENT, "%s", sentence);
    if (source == NULL || source[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "%s is missing; see --help", word);
    if (output == NULL || output[0] == '\0')
        return stk_fail(STK_ERR_ARGUMENT, "-o is missing; see --help");
    return STK_OK;
}

static stk_status run(stk_context *ctx, conversion convert, const stk_convert_settings *settings,
                      stk_subject_result *result) {
    stk_job job = stk_context_job(ctx);
    stk_convert_figures figures;
    STK_TRY(convert(settings, &job, &figures));
    *result = (stk_subject_result){figures.frames, figures.train_frames, figures.skipped,
                                   figures.width,  figures.height,       figures.seconds};
    return STK_OK;
}

stk_status stk_import(stk_context *ctx, const stk_subject_import_options *options,
                      stk_subject_result *result) {
    const stk_convert_settings settings = {options->source, options->output, options->threads};
    *result = (stk_subject_result){0};
    stk_status status = check("subject import", options, options->source, "DIR", options->output);
    if (status == STK_OK) status = run(ctx, stk_subject_import, &settings, result);
    return stk_context_finish(ctx, status);
}

stk_status stk_export(stk_context *ctx, const stk_subject_export_options *options,
                      stk_subject_result *result) {
    const stk_convert_settings settings = {options->subject, options->output, options->threads};
    *result = (stk_subject_result){0};
    stk_status status =
        check("subject export", options, options->subject, "FOLDER", options->output);
    if (status == STK_OK) status = run(ctx, stk_subject_export, &settings, result);
    return stk_context_finish(ctx, status);
}
